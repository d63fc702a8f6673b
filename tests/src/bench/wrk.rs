//! Load by `wrk`, and what it says of it.

use std::process::Command;
use std::time::Duration;

/// How many connections it keeps.
pub(crate) const CONNECTIONS: usize = 64;

/// What came of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Asks for `/` on a loopback port for as long. Anything but answers of 2xx ends the benchmark.
pub(crate) fn load(port: u16, headers: &[String], time: Duration) -> Load {
    let mut command = Command::new("wrk");
    command.args(["--latency", "--threads", "1", "--connections"]);
    command.arg(CONNECTIONS.to_string());
    command.args(["--duration".into(), format!("{}s", time.as_secs())]);
    for header in headers {
        command.args(["--header", header]);
    }
    let ran = command.arg(format!("http://127.0.0.1:{port}/")).output();
    let ran = ran.expect("wrk runs: Debian's package is wrk");
    let said = String::from_utf8_lossy(&ran.stdout);
    let failed = said.contains("Non-2xx") || said.contains("Socket errors");
    assert!(ran.status.success() && !failed, "wrk said: {said}");
    let after = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no `{name}` in: {said}"))
            .trim()
    };
    Load {
        per_second: after("Requests/sec:").parse().expect("a rate"),
        p50: milliseconds(after("50%")),
        p99: milliseconds(after("99%")),
    }
}

/// `900.00us`, `1.20ms` or `1.00s`.
fn milliseconds(text: &str) -> f64 {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let read = |(unit, factor): &(&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    };
    units.iter().find_map(read).expect("a time")
}
