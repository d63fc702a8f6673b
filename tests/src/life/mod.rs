//! Services that are updated, stopped, started, restarted, resized and left alone, whose jobs die, on a platform that is killed
//! with its NATS server, all at once and under requests.
//!
//! Every request has to have exactly one answer, and one that is explained by what was done. Afterwards log, views,
//! routes and what really runs have to agree.

mod agree;
mod asks;
mod drive;
mod judge;
mod options;
mod report;
mod schedule;

use std::time::Duration;

use crate::platform::{Platform, Setup};
use crate::service::Service;
use crate::soak::blocking;

pub use options::Options;
pub use report::Report;

use asks::Askers;
use drive::Driver;

/// When a service falls idle.
const IDLE: Duration = Duration::from_secs(4);
/// How long runs may go on with what they have.
const DRAIN: &str = "2s";
/// How long fewer replicas have to be enough.
const WINDOW: &str = "1s";

/// Makes a run, and judges it. `told` hears how many steps are done.
pub async fn run(options: &Options, mut told: impl FnMut(u32)) -> Report {
    let (setup, count) = (setup(options), options.services);
    let (platform, services) = blocking(move || {
        let platform = Platform::start_with(setup);
        let services: Vec<_> = (0..count)
            .map(|number| service(&platform, number))
            .collect();
        (platform, services)
    })
    .await;
    for service in &services {
        assert_eq!(service.get("/first").await.status, 200, "it starts");
    }
    let askers = Askers::start(&services);
    let mut driver = Driver::new(platform, services);
    let steps = schedule::steps(options.seed, options.steps, count, IDLE);
    for (number, step) in (1..).zip(steps) {
        driver = driver.play(step, &askers).await;
        told(number);
    }
    let asked = askers.end().await;
    let mut report = Report::of(&asked, &driver.spans);
    report.wrong.extend(judge::judge(&asked, &driver.spans));
    let agreed = agree::agree(driver, &asked).await;
    report.wrong.extend(agreed);
    report
}

fn setup(options: &Options) -> Setup {
    let mut setup = match &options.sabotage {
        Some(guard) => Setup::sabotaged(guard),
        None => Setup::default(),
    };
    let flags = ["--drain-timeout", DRAIN, "--scale-down-after", WINDOW];
    setup.flags = flags.map(str::to_owned).to_vec();
    setup.on(options.backend)
}

fn service(platform: &Platform, number: usize) -> Service {
    let name = format!("life_{number}");
    let idle = IDLE.as_secs().to_string();
    let flags = ["-e", "VERSION=0", "--idle-timeout", &idle];
    // So that there is room for many replicas of all of them.
    let flags = [&flags[..], &["--cpu", "0.1", "--mem", "0.1"]].concat();
    Service::of_app(platform, &name, "life.py", &flags)
}
