//! The suite `replicas`: a service that takes 20 ms for a request and does one at a time, asked by more clients than it
//! has replicas; by one to four of them, and from one to four as the load asks for it.

use std::time::Duration;

use eai_tests::{Platform, Service};
use rustix::process::Signal;
use tokio::runtime::Handle;

use super::clients::{self, Crowd, Target};
use super::samples::{Turns, median, milliseconds};
use super::{Size, report};

/// How many ask at once: eight for each replica where there are most.
const CLIENTS: usize = 32;
/// How many replicas there are at most.
const MOST: usize = 4;

/// A platform with a service for each number of replicas, and one that grows. Dropping it ends them.
struct Replicas {
    platform: Platform,
    fixed: Vec<Service>,
    growing: Service,
}

/// What the turns of one service came to.
#[derive(Default)]
struct Measured {
    gathered: Vec<Duration>,
    rate: Vec<f64>,
    latencies: Turns,
    failed: usize,
}

pub(crate) fn run(size: Size) {
    let replicas = Replicas::start();
    let mut measured: Vec<Measured> = (0..=MOST).map(|_| Measured::default()).collect();
    // The first turn warms up.
    for turn in 0..=size.loads {
        for (index, own) in measured.iter_mut().enumerate() {
            let crowd = match replicas.fixed.get(index) {
                Some(service) => replicas.ask(service, index + 1, size.load),
                None => replicas.grow(size.load),
            };
            if turn > 0 {
                own.add(crowd, size.load);
            }
        }
    }
    requests(size, &measured);
    if let Some(growing) = measured.last() {
        growth(size, &growing.gathered);
    }
}

fn requests(size: Size, measured: &[Measured]) {
    let rows = measured.iter().enumerate().map(|(index, own)| {
        let name = match index {
            0 => "1 replica".to_owned(),
            MOST => format!("1:{MOST}, once {MOST} serve"),
            _ => format!("{} replicas", index + 1),
        };
        let pairs = own.rate.iter().zip(&measured[0].rate);
        vec![
            name,
            format!("{:.1}/s", median(own.rate.iter().copied())),
            format!("{:.2}", median(pairs.map(|(own, one)| own / one))),
            milliseconds(own.latencies.percentile(50)),
            milliseconds(own.latencies.percentile(99)),
            own.failed.to_string(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    report::table(
        &format!(
            "GET that takes 20 ms, one at a time in each replica, by {CLIENTS} clients (medians of {} turns of {} s)",
            size.loads,
            size.load.as_secs()
        ),
        &["", "requests", "to one", "p50", "p99", "failed"],
        &rows,
    );
}

fn growth(size: Size, times: &[Duration]) {
    let fastest = times.iter().min().expect("a turn");
    let slowest = times.iter().max().expect("a turn");
    let middle = median(times.iter().map(Duration::as_secs_f64));
    let times = [Duration::from_secs_f64(middle), *fastest, *slowest];
    let mut row = vec![format!("1:{MOST} with --concurrency 1")];
    row.extend(times.map(milliseconds));
    report::table(
        &format!(
            "from the load's first request to the first answer of the {MOST}th replica, where one was there ({} turns)",
            size.loads
        ),
        &["", "median", "fastest", "slowest"],
        &[row],
    );
}

// === impl Replicas ===

impl Replicas {
    /// On the `eai` beside this program, or `EAI_TEST_BIN`; no job runs yet.
    fn start() -> Self {
        let platform = Platform::start();
        let make = |name: &str, replicas: &str| {
            let mut flags = vec!["--cpu", "1", "--mem", "0.25", "--replicas", replicas];
            if replicas.contains(':') {
                flags.extend(["--concurrency", "1"]);
            }
            Service::of_app(&platform, name, "replicas.py", &flags)
        };
        let fixed = (1..=MOST).map(|count| make(&format!("by_{count}"), &count.to_string()));
        let fixed = fixed.collect();
        let growing = make("growing", &format!("1:{MOST}"));
        Self {
            platform,
            fixed,
            growing,
        }
    }

    fn ask(&self, service: &Service, wanted: usize, time: Duration) -> Crowd {
        let target = Target {
            address: self.platform.address(),
            host: &service.host,
            token: &self.platform.token(),
            path: "/toil",
        };
        clients::crowd(&target, CLIENTS, wanted, time)
    }

    /// From one job that serves.
    fn grow(&self, time: Duration) -> Crowd {
        let name = &self.growing.name;
        self.growing.say(&self.platform, "stop");
        let stopped = ["service", "wait", name, "--for", "stopped"];
        self.platform.cli(stopped).ok();
        self.growing.say(&self.platform, "start");
        let answer = Handle::current().block_on(self.growing.get("/"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.ask(&self.growing, MOST, time)
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        // This is what ends jobs as well.
        self.platform.signal(Signal::INT);
        self.platform.wait();
    }
}

// === impl Measured ===

impl Measured {
    fn add(&mut self, crowd: Crowd, time: Duration) {
        self.gathered.push(crowd.gathered);
        self.rate
            .push(rate(crowd.latencies.len(), time.as_secs_f64()));
        self.latencies.add(crowd.latencies);
        self.failed += crowd.failed;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}
