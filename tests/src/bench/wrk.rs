//! Load by `wrk`, and what it says of it.

use std::process::Command;
use std::time::Duration;

/// How many connections it keeps.
pub(crate) const CONNECTIONS: usize = 64;

/// What came of one turn; times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) slowest: f64,
    /// How many were answered by something else than 2xx or 3xx, or not at all.
    pub(crate) failed: u64,
}

/// Asks for `/` on a loopback port for as long.
pub(crate) fn load(port: u16, headers: &[String], time: Duration) -> Load {
    let mut command = Command::new("wrk");
    command.args(["--latency", "--threads", "1", "--connections"]);
    command.arg(CONNECTIONS.to_string());
    command.args(["--duration".into(), format!("{}s", time.as_secs())]);
    // What is held for a while is slow, and not lost.
    command.args(["--timeout", "60s"]);
    for header in headers {
        command.args(["--header", header]);
    }
    let ran = command.arg(format!("http://127.0.0.1:{port}/")).output();
    let ran = ran.expect("wrk runs: Debian's package is wrk");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "wrk said: {said}");
    let after = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no `{name}` in: {said}"))
            .trim()
    };
    let slowest = after("Latency").split_whitespace().nth(2);
    Load {
        per_second: after("Requests/sec:").parse().expect("a rate"),
        p50: milliseconds(after("50%")),
        p99: milliseconds(after("99%")),
        slowest: milliseconds(slowest.expect("the longest")),
        failed: failed(&said),
    }
}

/// The sum of `Non-2xx or 3xx responses: 3` and `Socket errors: connect 0, read 1, write 0, timeout 0`, which are told
/// where there are any.
fn failed(said: &str) -> u64 {
    let of = |line: &str| -> u64 {
        let line = line.trim();
        let counts = ["Non-2xx or 3xx responses:", "Socket errors:"]
            .iter()
            .find_map(|name| line.strip_prefix(name));
        let words = counts.unwrap_or_default().split([' ', ',']);
        words.filter_map(|word| word.parse::<u64>().ok()).sum()
    };
    said.lines().map(of).sum()
}

/// `900.00us`, `1.20ms`, `1.00s` or `1.00m`.
fn milliseconds(text: &str) -> f64 {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)];
    let read = |(unit, factor): &(&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    };
    units.iter().find_map(read).expect("a time")
}
