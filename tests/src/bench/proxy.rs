//! The suite `proxy`: requests to a service that is alive, next to nginx before the same application.

use std::fs;
use std::time::Duration;

use super::application::{BODY, Nginx, Service};
use super::samples::median;
use super::wrk::{CONNECTIONS, Load, load};
use super::{Size, cold, report};

/// What one turn of one proxy came to.
struct Turn {
    load: Load,
    /// Processor time of the proxy for a request, in microseconds.
    cpu: f64,
}

pub(crate) fn run(size: Size) {
    let service = Service::make();
    let application = Nginx::application();
    let nginx = Nginx::proxy(application.port);
    let headers = [
        format!("Host: {}", service.host),
        format!("Authorization: {}", service.authorization),
    ];
    let address = service.platform.address();
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    let port = port.expect("a port");
    cold::first_byte(port, &service.host, &service.authorization);
    let turn = |port: u16, process: u32| {
        let before = processor_time(process);
        let load = load(port, &headers, size.load);
        assert_eq!(load.failed, 0, "each request is answered by a success");
        let spent = processor_time(process).saturating_sub(before);
        let requests = load.per_second * size.load.as_secs_f64();
        let cpu = spent.as_secs_f64() * 1e6 / requests;
        Turn { load, cpu }
    };
    let (mut own, mut others) = (Vec::new(), Vec::new());
    // The first turn warms up.
    for round in 0..=size.loads {
        let turns = (
            turn(port, service.platform.pid()),
            turn(nginx.port, nginx.process()),
        );
        if round > 0 {
            own.push(turns.0);
            others.push(turns.1);
        }
    }
    let middle = |turns: &[Turn], of: fn(&Turn) -> f64| median(turns.iter().map(of));
    let ratio = |turns: &[Turn], of: fn(&Turn) -> f64| {
        let pairs = turns.iter().zip(&others);
        median(pairs.map(|(own, other)| of(own) / of(other)))
    };
    let row = |name: &str, turns: &[Turn]| {
        vec![
            name.to_owned(),
            format!("{:.0}/s", middle(turns, |turn| turn.load.per_second)),
            format!("{:.2}", ratio(turns, |turn| turn.load.per_second)),
            format!("{:.2} ms", middle(turns, |turn| turn.load.p50)),
            format!("{:.2} ms", middle(turns, |turn| turn.load.p99)),
            format!("{:.1} us", middle(turns, |turn| turn.cpu)),
            format!("{:.2}", ratio(turns, |turn| turn.cpu)),
        ]
    };
    report::table(
        &format!(
            "GET of {BODY} bytes over {CONNECTIONS} kept connections (medians of {} turns of {} s)",
            size.loads,
            size.load.as_secs()
        ),
        &[
            "",
            "requests",
            "to nginx",
            "p50",
            "p99",
            "CPU a request",
            "to nginx",
        ],
        &[
            row("eai, token checked, to a sandbox", &own),
            row("nginx, one worker", &others),
        ],
    );
}

/// What all threads of a process have used so far.
fn processor_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("a process");
    let nanoseconds = threads.filter_map(|thread| {
        // A thread may end in between.
        let said = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        said.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}
