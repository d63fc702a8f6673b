//! Services that fall idle and are woken, over and over, with the platform killed in between: no request fails, and each
//! job is stopped when its time is over, to a second.

mod cycle;
mod options;
mod round;
mod summary;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::platform::{Platform, Setup};
use crate::service::Service;
use round::Round;

pub use options::Options;
pub use summary::Summary;

/// Runs the cycles on one platform. What happens in each comes from the seed. `told` hears how far it is after each round.
pub async fn run(options: &Options, mut told: impl FnMut(&Summary)) -> Summary {
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut platform = Platform::start_with(Setup::default().on(options.backend));
    let services: Vec<_> = (0..options.services)
        .map(|number| service(&platform, &format!("web_{number}"), options))
        .collect();
    let mut summary = Summary::default();
    while summary.cycles < options.cycles {
        let round = Round::choose(options, &mut random);
        round.play(&mut platform, &services, &mut summary).await;
        summary.rounds += 1;
        told(&summary);
    }
    summary
}

fn service(platform: &Platform, name: &str, options: &Options) -> Service {
    let service = Service::web(platform, name, &[]);
    let seconds = options.idle_timeout.as_secs().to_string();
    let arguments = ["service", "update", name, "--idle-timeout", &seconds];
    platform.cli(arguments).ok();
    service
}
