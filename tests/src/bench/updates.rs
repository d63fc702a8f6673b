//! The suite `updates`: requests to a service whose next revision comes as soon as the one before serves, next to the
//! same service at rest.

use std::thread;
use std::time::{Duration, Instant};

use super::application::{BODY, Service};
use super::samples::{median, milliseconds};
use super::wrk::{CONNECTIONS, Load, load};
use super::{Size, cold, report};

/// What the turns of one kind came to.
#[derive(Default)]
struct Turns {
    loads: Vec<Load>,
    /// How long each update took until it served; those that ended while there was load.
    updates: Vec<Duration>,
}

pub(crate) fn run(size: Size) {
    let service = Service::make();
    let headers = [
        format!("Host: {}", service.host),
        format!("Authorization: {}", service.authorization),
    ];
    let port = service.port();
    cold::first_byte(port, &service.host, &service.authorization);
    let (mut rest, mut busy) = (Turns::default(), Turns::default());
    let mut round = 0;
    // The first turn warms up.
    for turn in 0..=size.loads {
        let still = load(port, &headers, size.load);
        let mut updates = Vec::new();
        let moved = thread::scope(|scope| {
            let under = scope.spawn(|| load(port, &headers, size.load));
            while !under.is_finished() {
                let begun = Instant::now();
                service.update(round);
                round += 1;
                if !under.is_finished() {
                    updates.push(begun.elapsed());
                }
            }
            under.join().expect("the load ends")
        });
        service.settle();
        if turn > 0 {
            rest.loads.push(still);
            busy.loads.push(moved);
            busy.updates.extend(updates);
        }
    }
    requests(size, &rest, &busy);
    durations(&busy.updates);
}

fn requests(size: Size, rest: &Turns, busy: &Turns) {
    let row = |name: &str, turns: &Turns| {
        let middle = |of: fn(&Load) -> f64| median(turns.loads.iter().map(of));
        let pairs = turns.loads.iter().zip(&rest.loads);
        let ratio = median(pairs.map(|(own, rest)| own.per_second / rest.per_second));
        let slowest = turns.loads.iter().map(|load| load.slowest);
        let failed: u64 = turns.loads.iter().map(|load| load.failed).sum();
        vec![
            name.to_owned(),
            format!("{:.0}/s", middle(|load| load.per_second)),
            format!("{ratio:.2}"),
            format!("{:.2} ms", middle(|load| load.p50)),
            format!("{:.2} ms", middle(|load| load.p99)),
            format!("{:.1} ms", slowest.fold(0.0, f64::max)),
            failed.to_string(),
            turns.updates.len().to_string(),
        ]
    };
    report::table(
        &format!(
            "GET of {BODY} bytes over {CONNECTIONS} kept connections (medians of {} turns of {} s; the slowest, failed \
             and updates of all)",
            size.loads,
            size.load.as_secs()
        ),
        &[
            "", "requests", "to rest", "p50", "p99", "slowest", "failed", "updates",
        ],
        &[row("at rest", rest), row("with updates in a row", busy)],
    );
}

fn durations(updates: &[Duration]) {
    let (Some(fastest), Some(slowest)) = (updates.iter().min(), updates.iter().max()) else {
        report::complain("no update served before the load of its turn ended");
        return;
    };
    let middle = median(updates.iter().map(Duration::as_secs_f64));
    let times = [Duration::from_secs_f64(middle), *fastest, *slowest];
    let mut row = vec!["an update".to_owned()];
    row.extend(times.map(milliseconds));
    report::table(
        "from an update's command to the end of the one that waits until it serves, under this load",
        &["", "median", "fastest", "slowest"],
        &[row],
    );
}
