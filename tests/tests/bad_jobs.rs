//! Jobs that take more than they may, say more than anybody reads, or do not stay: right reason, right answer, and the
//! machine and its other jobs unharmed.

use eai_tests::{
    Answer, Backend, Platform, Service, Setup, on_each_backend, text, until, until_async,
};
use serde_json::Value;

/// Everything that forks, forks, for ever.
const BOMB: &str = "
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.05)
";

/// Says a gibibyte, and then answers.
const TALKER: &str = "
import os, runpy
line = b'x' * 65535 + b'\\n'
for _ in range(1 << 14):
    at = 0
    while at < len(line):
        at += os.write(1, line[at:])
runpy.run_path('/service/web.py')
";

/// The most memory that a platform may have had, in KiB.
const MOST: u64 = 400 * 1024;

/// A platform, and a job on it that has nothing to do with the bad one.
async fn with_neighbour(setup: Setup) -> (Platform, Service, Value) {
    let platform = Platform::start_with(setup);
    let neighbour = Service::web(&platform, "neighbour", &["--mem", "0.1"]);
    let pid = pid(&neighbour).await;
    (platform, neighbour, pid)
}

async fn pid(service: &Service) -> Value {
    let answer = service.get("/who").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.ok()["pid"].clone()
}

/// The bad job left nothing, and the other one did not notice it.
async fn unharmed(platform: &Platform, neighbour: &Service, before: &Value) {
    assert_eq!(pid(neighbour).await, *before);
    let job = neighbour.only_job().await;
    assert_eq!((&job["run"], &job["ready"]), (&0.into(), &true.into()));
    until("only the neighbour to be there", || {
        match platform.leftovers() {
            left if left.runs() == 1 => Ok(()),
            left => Err(left),
        }
    });
}

#[track_caller]
fn assert_start_failed(answer: &Answer) {
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.header("x-eai-error"), Some("start-failed"));
}

async fn a_job_that_has_no_room_to_begin_is_told(backend: Backend) {
    let (platform, neighbour, before) = with_neighbour(Setup::default().on(backend)).await;
    let script = "exec python3 -c 'import os; x = os.urandom(1 << 20) * 1024; print(len(x))'";
    let bad = Service::shell(&platform, "bad", &["--mem", "0.1"], script);
    let answer = bad.get("/").await;
    assert_start_failed(&answer);
    assert!(answer.text().contains("--mem"), "{}", answer.text());
    let job = bad.until_state("FAILED").await;
    assert_eq!(job["runs"][0]["reason"], "out-of-memory", "{job:#}");
    // It would be tried again.
    bad.say(&platform, "stop");
    unharmed(&platform, &neighbour, &before).await;
}

async fn a_fork_bomb_stays_where_it_is_and_ends(backend: Backend) {
    let setup = Setup::flags(["--start-timeout", "3s"]).on(backend);
    let (platform, neighbour, before) = with_neighbour(setup).await;
    let bad = Service::empty(&platform, "bad");
    let limits = ["--mem", "0.5", "--cpu", "0.5"];
    bad.update(&platform, &limits, &["python3", "-c", BOMB])
        .ok();
    let asked = tokio::spawn({
        let bad = bad.clone();
        async move { bad.get("/").await }
    });
    bad.until_state("RUNNING").await;
    assert_eq!(pid(&neighbour).await, before);
    assert_start_failed(&asked.await.expect("an answer"));
    let job = bad.until_state("FAILED").await;
    let reason = text(&job["runs"][0]["reason"]);
    // So many processes may be more than it has memory for.
    assert!(
        matches!(reason.as_str(), "start-timeout" | "out-of-memory"),
        "{job:#}"
    );
    bad.say(&platform, "stop");
    unharmed(&platform, &neighbour, &before).await;
}

async fn a_gibibyte_of_output_is_in_nobodys_way(backend: Backend) {
    let (platform, neighbour, before) = with_neighbour(Setup::default().on(backend)).await;
    let bad = Service::web(&platform, "bad", &[]);
    bad.update(&platform, &[], &["python3", "-c", TALKER]).ok();
    let answer = bad.get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(pid(&neighbour).await, before);
    let id = text(&bad.only_job().await["id"]);
    until("its last words", || {
        let tail = platform.cli(["job", "logs", &id, "--tail", "1"]).ok();
        tail.contains("begun").then_some(()).ok_or(tail.len())
    });
    let status = format!("/proc/{}/status", platform.pid());
    let status = std::fs::read_to_string(status).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(peak.is_some_and(|peak| peak < MOST), "{peak:?} KiB");
    bad.say(&platform, "stop");
    bad.until_state("CANCELLED").await;
    unharmed(&platform, &neighbour, &before).await;
}

async fn a_job_that_ends_at_once_is_told_each_time(backend: Backend) {
    let (platform, neighbour, before) = with_neighbour(Setup::default().on(backend)).await;
    let bad = Service::empty(&platform, "bad");
    bad.update(&platform, &[], &["true"]).ok();
    for count in 1..=3 {
        let answer = bad.get("/").await;
        assert_start_failed(&answer);
        let told = "exited with code 0 before it listened";
        assert!(answer.text().contains(told), "{}", answer.text());
        // The answer may be there before the views have heard of the end.
        bad.until_state("SUCCEEDED").await;
        let jobs = bad.jobs().await;
        assert_eq!(jobs.len(), count, "{jobs:#?}");
        assert!(
            jobs.iter().all(|job| job["state"] == "SUCCEEDED"),
            "{jobs:#?}"
        );
    }
    unharmed(&platform, &neighbour, &before).await;
}

async fn a_port_that_closes_and_opens_again_is_told_and_found(backend: Backend) {
    let (platform, neighbour, before) = with_neighbour(Setup::default().on(backend)).await;
    let bad = Service::of_app(&platform, "bad", "door.py", &[]);
    assert_eq!(bad.get("/close?12").await.status, 200);
    // It counts as ready until it was looked at three times. What was waiting at the port when it closed is cut off.
    until_async("a refusal", async || {
        let refused = bad.get("/").await;
        // It answers before it closes.
        if refused.status == 200 {
            return Err(Some("still open".to_owned()));
        }
        assert_eq!(refused.status, 502, "{}", refused.text());
        match refused.header("x-eai-error") {
            Some("connect") => Ok(()),
            error => Err(error.map(str::to_owned)),
        }
    })
    .await;
    let job = bad
        .until_job("it to be unready", |job| job["ready"] == false)
        .await;
    assert_eq!(job["state"], "RUNNING", "{job:#}");
    // From then on a request waits until it is ready again: the same run.
    let answer = bad.get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(bad.only_job().await["run"], 0);
    bad.say(&platform, "stop");
    bad.until_state("CANCELLED").await;
    unharmed(&platform, &neighbour, &before).await;
}

on_each_backend! {
    a_job_that_has_no_room_to_begin_is_told,
    a_fork_bomb_stays_where_it_is_and_ends,
    a_gibibyte_of_output_is_in_nobodys_way,
    a_job_that_ends_at_once_is_told_each_time,
    a_port_that_closes_and_opens_again_is_told_and_found,
}
