//! Tasks while workers, platform and nats-server are killed, stopped and away; then a quiet time in which every task
//! has to come to its end, and every worker to work.

use std::io::Write as _;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::faults::Driver;
use super::follow::{Follower, Heard};
use super::options::Options;
use super::report::{Record, Report, check};
use super::schedule::batches;
use super::send::Sender;
use crate::api::Api;
use crate::leftovers::Leftovers;
use crate::platform::{Platform, Setup};
use crate::service::{Service, app};
use crate::soak::{self, blocking};
use crate::wait::until_async;

/// How long the executor may be silent.
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// How long a worker may be.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);
/// How many send tasks at once.
const SENDERS: usize = 4;
/// How long everything may take to come to its end once it is quiet, without the tasks' own time.
const QUIET: Duration = Duration::from_mins(3);
/// The pause before it is looked again.
const PAUSE: Duration = Duration::from_millis(100);
/// The queue.
const NAME: &str = "toil";

/// Makes a run, and judges it. Leaves what it was judged by in the folder.
pub async fn run(options: &Options) -> std::io::Result<Report> {
    std::fs::create_dir_all(&options.folder)?;
    let mark = Uuid::new_v4().to_string();
    let (setup, workers) = (setup(options), options.workers);
    let platform = blocking({
        let mark = mark.clone();
        move || started(setup, workers, &mark)
    })
    .await;
    let api = Api::of(&platform);
    let service = Service::named(&platform, NAME);
    until_working(&service, workers).await;
    let follower = Follower::of(&platform).await;

    let driver = tokio::task::spawn_blocking({
        let (seed, faults) = (options.seed, options.all_faults());
        move || Driver::new(platform, &mark).drive(seed, faults)
    });
    let sent = send(options, &api, &service.id).await;
    let driver = driver.await.expect("the faults end");

    let ended = until_ended(&follower, sent.accepted.len()).await;
    let mut violations = sent.wrong.clone();
    if !ended {
        violations.push(format!("tasks that do not end: {}", states(&api).await));
    }
    if let Err(health) = works_again(&driver, workers).await {
        violations.push(format!("workers that do not come back: {health}"));
    }
    let heard = follower.end();
    keep(options, &heard, &driver)?;
    let mut report = check(&Record {
        heard: &heard,
        sent: &sent,
        faults: &driver.faults,
    });
    violations.extend(blocking(move || take_down(driver)).await);
    report.violations.extend(violations);
    Ok(report)
}

fn setup(options: &Options) -> Setup {
    let lease = format!("{}ms", LEASE.as_millis());
    let mut setup = match &options.sabotage {
        Some(guard) => Setup::sabotaged(guard),
        None => Setup::default(),
    };
    setup.flags = vec!["--executor-lease".to_owned(), lease];
    setup.on(options.backend)
}

/// A platform with a queue whose workers were asked to begin.
fn started(setup: Setup, workers: u32, mark: &str) -> Platform {
    let platform = Platform::start_with(setup);
    let toil = app("toil.py");
    let (workers, heartbeat) = (workers.to_string(), HEARTBEAT.as_secs().to_string());
    let mut new = vec!["service", "new", NAME, "--queue", "--workers", &workers];
    new.extend(["--upload", toil.to_str().expect("UTF-8")]);
    new.extend(["--heartbeat-timeout", &heartbeat]);
    new.extend(["--", "python3", "-u", "/service/toil.py", mark]);
    platform.run(&new, &[]).ok();
    platform.cli(["service", "start", NAME]).ok();
    platform
}

async fn until_working(service: &Service, workers: u32) {
    until_async("the workers to be ready", async || {
        let jobs = service.jobs().await;
        let ready = jobs.iter().filter(|job| job["ready"] == true);
        (ready.count() == workers as usize)
            .then_some(())
            .ok_or(jobs)
    })
    .await;
}

/// Sends all tasks, by some at once; what they were told.
async fn send(options: &Options, api: &Api, service: &str) -> Sender {
    let senders: Vec<_> = batches(options.seed, options.tasks, SENDERS)
        .into_iter()
        .map(|batches| {
            let (api, service) = (api.clone(), service.to_owned());
            tokio::spawn(Sender::default().work(api, service, batches))
        })
        .collect();
    let mut all = Sender::default();
    for sender in senders {
        let own = sender.await.expect("a sender ends");
        all.accepted.extend(own.accepted);
        all.told.extend(own.told);
        all.wrong.extend(own.wrong);
        all.again += own.again;
    }
    all
}

/// Waits until so many tasks ended; whether they did while others did, too.
async fn until_ended(follower: &Follower, tasks: usize) -> bool {
    let (mut last, mut since) = (follower.ended(), Instant::now());
    while last < tasks {
        if since.elapsed() > QUIET {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
        let now = follower.ended();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    true
}

/// What is left of the tasks, for people.
async fn states(api: &Api) -> String {
    let path = |status: &str| format!("/v1/service/{NAME}/task?status={status}&limit=5");
    let pending = api.get(&path("pending")).await.text();
    let running = api.get(&path("running")).await.text();
    format!("{pending} {running}")
}

/// Waits until every worker works, and nobody has anything to say against one.
async fn works_again(driver: &Driver, workers: u32) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let health = driver.platform.cli(["service", "health", NAME]).out;
        let told: serde_json::Value = serde_json::from_str(&health).unwrap_or_default();
        let is_good = told["status"] == "running"
            && told["workers_healthy_count"] == workers
            && told["workers_unhealthy_count"] == 0;
        if is_good {
            return Ok(());
        }
        if start.elapsed() > QUIET {
            return Err(health);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps what a run is judged by.
fn keep(options: &Options, heard: &Heard, driver: &Driver) -> std::io::Result<()> {
    let folder = &options.folder;
    let mut file = std::fs::File::create(folder.join("events"))?;
    for event in &heard.events {
        writeln!(file, "{event:?}")?;
    }
    let faults = driver.faults.iter().map(|fault| format!("{fault:?}"));
    let faults: Vec<_> = faults.collect();
    std::fs::write(folder.join("faults"), faults.join("\n"))?;
    let said = format!("{}{}", driver.said, driver.platform.log());
    std::fs::write(folder.join("platform.log"), said)
}

/// Ends the workers, then the platform; what is left after that.
fn take_down(mut driver: Driver) -> Vec<String> {
    let mut wrong = Vec::new();
    let stopped = driver.platform.cli(["service", "stop", NAME]);
    if stopped.code != 0 {
        wrong.push(format!("the queue does not stop: {}", stopped.err));
    }
    let start = Instant::now();
    loop {
        let left = driver.platform.leftovers();
        if Leftovers::is_empty(&left) {
            break;
        }
        if start.elapsed() > QUIET {
            wrong.push(format!("something that is left: {left:?}"));
            break;
        }
        std::thread::sleep(PAUSE);
    }
    wrong.extend(soak::stop(&mut driver.platform));
    wrong
}
