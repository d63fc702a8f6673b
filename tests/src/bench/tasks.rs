//! Tasks that do nothing, by two Python workers: how many a second, how long one takes, and what many of them cost;
//! next to Celery with a Redis that writes before it acknowledges. One client, in Python, gives them to both.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use eai_tests::queue::Queue;
use eai_tests::{Platform, Service, Setup, app};
use rustix::process::Signal;
use serde_json::Value;

use super::celery::Celery;
use super::samples::{median, milliseconds};
use super::{Size, memory, report};

/// The name that the client knows.
const NAME: &str = "bench";
/// How many workers there are.
pub(crate) const WORKERS: u32 = 2;

/// A platform with a queue. Dropping it ends both.
struct Eai {
    platform: Platform,
    queue: Queue,
    host: String,
    token: String,
}

/// A percentile of each turn, and how many tasks it did a second.
#[derive(Default)]
struct Measured {
    sent: Vec<f64>,
    rate: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

pub(crate) fn run(size: Size) {
    let (eai, celery) = (Eai::start(), Celery::start());
    let mut own = Measured::default();
    let mut others = Measured::default();
    // The first tasks wait for what is brought to life with them.
    for what in ["latency", "rate"] {
        eai.load(what, 50);
        celery.load(what, 50);
    }
    for _ in 0..size.loads {
        own.turn(size, |what, count| eai.load(what, count));
        others.turn(size, |what, count| celery.load(what, count));
    }
    let ratio = |pick: fn(&Measured) -> &Vec<f64>| {
        let pairs = pick(&own).iter().zip(pick(&others));
        format!("{:.2}", median(pairs.map(|(own, other)| own / other)))
    };
    let row = |name: &str, measured: &Measured, ratios: [String; 2]| {
        let middle = |values: &[f64]| median(values.iter().copied());
        let [rate, p50] = ratios;
        let time = |values: &[f64]| milliseconds(Duration::from_secs_f64(middle(values)));
        vec![
            name.to_owned(),
            format!("{:.0}/s", middle(&measured.sent)),
            format!("{:.0}/s", middle(&measured.rate)),
            rate,
            time(&measured.p50),
            time(&measured.p99),
            p50,
        ]
    };
    let one = || ["1.00".to_owned(), "1.00".to_owned()];
    report::table(
        &format!(
            "Tasks that do nothing, {WORKERS} Python workers (medians of {} turns: {} at once, then {} one by one)",
            size.loads, size.tasks, size.waits
        ),
        &[
            "",
            "sent",
            "done",
            "to Celery",
            "p50",
            "p99",
            "p50 to Celery",
        ],
        &[
            row("eai", &own, [ratio(|all| &all.rate), ratio(|all| &all.p50)]),
            row("Celery, Redis appendfsync always", &others, one()),
        ],
    );
    drop(celery);
    many(&eai, size.queued);
}

/// So many are sent while nobody works, and then done.
fn many(eai: &Eai, count: usize) {
    eai.queue.run(&eai.platform, "stop", &[]).ok();
    let before = eai.memory();
    let sent = eai.load("fill", count);
    let queued = eai.memory();
    eai.queue.run(&eai.platform, "start", &[]).ok();
    let drained = eai.load("drain", count);
    let after = eai.memory();
    let number = |value: &Value| value.as_f64().expect("a number");
    report::say("");
    report::say(&format!(
        "{count} queued: sent {:.0}/s, done {:.0}/s",
        rate(count, number(&sent["sent"])),
        number(&drained["tasks"]) / number(&drained["drained"]),
    ));
    let row = |name: &str, which: usize| {
        let now = |of: &[(u64, u64); 2]| format!("{} MiB", of[which].0);
        let peak = format!("{} MiB", after[which].1);
        vec![
            name.to_owned(),
            now(&before),
            now(&queued),
            now(&after),
            peak,
        ]
    };
    report::table(
        "Memory",
        &["", "before", "queued", "done", "peak"],
        &[row("eai server", 0), row("nats-server", 1)],
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of tasks are small")]
fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

// === impl Measured ===

impl Measured {
    fn turn(&mut self, size: Size, load: impl Fn(&str, usize) -> Value) {
        let said = load("rate", size.tasks);
        let took = |name: &str| said[name].as_f64().expect("a time");
        self.sent.push(rate(size.tasks, took("sent")));
        self.rate.push(rate(size.tasks, took("done")));
        let said = load("latency", size.waits);
        let latencies = said["latencies"].as_array().expect("times");
        let mut latencies: Vec<f64> = latencies.iter().filter_map(Value::as_f64).collect();
        latencies.sort_by(f64::total_cmp);
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
        self.p50.push(at(50));
        self.p99.push(at(99));
    }
}

// === impl Eai ===

impl Eai {
    /// On the `eai` beside this program, or `EAI_TEST_BIN`.
    fn start() -> Self {
        let platform = Platform::start_with(Setup::flags(["--backend", "process"]));
        let handler = app("noop.py");
        let workers = WORKERS.to_string();
        let mut new = vec!["service", "new", NAME, "--queue", "--workers", &workers];
        new.extend(["--upload", handler.to_str().expect("UTF-8")]);
        new.extend(["--handler", "noop.handle"]);
        platform.run(&new, &[]).ok();
        platform.cli(["service", "start", NAME]).ok();
        let queue = Queue { name: NAME.into() };
        queue.until_running(&platform, WORKERS);
        let host = Service::named(&platform, NAME).host;
        let token = platform.token();
        Self {
            platform,
            queue,
            host,
            token,
        }
    }

    fn load(&self, what: &str, count: usize) -> Value {
        let environment = [
            ("BENCH_ADDRESS", self.platform.address()),
            ("BENCH_TOKEN", &self.token),
            ("BENCH_HOST", &self.host),
        ];
        load(
            "/usr/bin/python3".into(),
            ["eai", what],
            count,
            &environment,
        )
    }

    /// Of the platform, and of its nats-server.
    fn memory(&self) -> [(u64, u64); 2] {
        let nats = self.platform.nats_pid().expect("nats-server");
        let nats = nats.as_raw_nonzero().to_string();
        [
            memory::of(&self.platform.pid().to_string()),
            memory::of(&nats),
        ]
    }
}

impl Drop for Eai {
    fn drop(&mut self) {
        // This is what ends the workers as well.
        self.platform.signal(Signal::INT);
        self.platform.wait();
    }
}

/// Runs the client; what it measured.
pub(crate) fn load(
    python: PathBuf,
    [kind, what]: [&str; 2],
    count: usize,
    environment: &[(&str, &str)],
) -> Value {
    let output = Command::new(python)
        .arg(app("taskload.py"))
        .args([kind, what, &count.to_string()])
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let Output { status, stdout, .. } = output.expect("Python runs");
    assert!(status.success(), "the client failed");
    serde_json::from_slice(&stdout).expect("JSON")
}
