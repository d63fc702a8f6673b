//! Jobs of many services while platform, second executor and nats-server are killed, frozen and away; then a quiet
//! time in which everything has to come to its end.
//!
//! A checker judges by the log itself, by what really ran, and by what is left.

mod checker;
mod faults;
mod options;
mod physical;
mod schedule;
mod work;

use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::api::{Answer, Api, text};
use crate::backend::Backend;
use crate::leftovers::Leftovers;
use crate::other::Other;
use crate::platform::{Platform, Setup};
use crate::soak::{self, blocking};
use crate::stored::{Stored, StoredEvent};
use crate::wait::until_async;

pub use checker::Report;
pub use options::Options;

use checker::{Record, check};
use faults::Driver;
use physical::Watcher;
use schedule::{Round, rounds};
use work::Target;

/// How long executors may be silent.
const LEASE: Duration = Duration::from_secs(3);
/// How many services are worked with at once.
const WORKERS: usize = 8;
/// How long everything may take to come to its end once it is quiet.
const QUIET: Duration = Duration::from_mins(2);
/// The pause before it is looked again.
const PAUSE: Duration = Duration::from_millis(200);
/// There is a fault for so many jobs, at least.
const JOBS_PER_FAULT: usize = 2;
/// How long a request waits for a job: not much longer than faults last.
const WAIT: &str = "10s";

type Queue = Arc<Mutex<VecDeque<(Target, Vec<Round>)>>>;

/// Makes a run, and judges it. Leaves what it was judged by in the folder.
pub async fn run(options: &Options) -> std::io::Result<Report> {
    std::fs::create_dir_all(&options.folder)?;
    let (setup, guard) = (setup(options), options.sabotage.clone());
    let (platform, other) = blocking(move || {
        let platform = Platform::start_with(setup);
        let other = match guard {
            Some(guard) => Other::sabotaged(&platform, "other", LEASE, &guard),
            None => Other::start(&platform, "other", LEASE),
        };
        (platform, other)
    })
    .await;
    let api = Api::of(&platform);
    until_two_take_jobs(&api).await;
    let mut queue = VecDeque::new();
    let rounds = rounds(options.seed, options.jobs);
    for (number, rounds) in (0..).zip(rounds) {
        let target = Target::new(&api, &format!("service_{number}")).await;
        queue.push_back((target, rounds));
    }
    let watcher = watch(options, &platform, &other)?;
    let done = Arc::new(AtomicBool::new(false));
    let driver = tokio::task::spawn_blocking({
        let (seed, done) = (options.seed, Arc::clone(&done));
        let least = options.jobs as usize / JOBS_PER_FAULT;
        move || Driver::new(platform, other).drive(seed, least, &done)
    });
    let mut targets = work(&api, queue).await;
    done.store(true, Ordering::SeqCst);
    // Where the executor of what goes on is lost, another one has it as soon as somebody asks.
    loop {
        let over = driver.is_finished();
        for target in &mut targets {
            target.visit(&api).await;
        }
        if over {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let driver = driver.await.expect("the faults end");

    let mut violations = quiet(&api, &targets, &driver).await;
    let begun = begun(&api, &targets).await;
    let seen = blocking(move || watcher.end()).await;
    let stored = Stored::of(&driver.platform).await.after(0).await;
    let log: Vec<Value> = stored.iter().map(StoredEvent::document).collect();
    keep(&options.folder, &log, &driver)?;
    let codes = targets.iter();
    let codes = codes.map(|target| (target.id.clone(), target.codes.clone()));
    let mut report = check(&Record {
        log: &log,
        faults: &driver.faults,
        seen: &seen,
        other: &driver.other.id(),
        codes: &codes.collect(),
        begun: &begun,
        one_engine: options.backend == Backend::Docker,
    });
    for target in &targets {
        let wrong = target.wrong.iter();
        violations.extend(wrong.map(|wrong| format!("service {}: {wrong}", target.id)));
    }
    violations.extend(blocking(move || take_down(driver)).await);
    report.violations.extend(violations);
    Ok(report)
}

fn setup(options: &Options) -> Setup {
    let lease = format!("{}ms", LEASE.as_millis());
    let flags = ["--executor-lease", &lease, "--request-wait", WAIT];
    let mut setup = Setup::flags(flags).on(options.backend);
    if let Some(guard) = &options.sabotage {
        let guard = (eai_core::fail_point::SABOTAGE.to_owned(), guard.clone());
        setup.environment.push(guard);
    }
    setup
}

fn watch(options: &Options, platform: &Platform, other: &Other) -> std::io::Result<Watcher> {
    if let (Backend::Docker, Some(id)) = (options.backend, platform.id()) {
        return Watcher::containers(&id, options.folder.join("containers.jsonl"));
    }
    let folders = [platform.data().as_path(), other.folder()].map(|data| data.join("runs"));
    Ok(Watcher::sandboxes(folders.to_vec()))
}

async fn until_two_take_jobs(api: &Api) {
    until_async("two executors", async || {
        let list = api.get("/v1/executor").await.ok();
        let rows = list["items"].as_array().cloned().unwrap_or_default();
        let active = rows.iter().filter(|row| row["state"] == "active");
        if active.count() == 2 {
            Ok(())
        } else {
            Err(list)
        }
    })
    .await;
}

/// Works with all services, some at once.
async fn work(api: &Api, queue: VecDeque<(Target, Vec<Round>)>) -> Vec<Target> {
    let queue: Queue = Arc::new(Mutex::new(queue));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (queue, api) = (Arc::clone(&queue), api.clone());
            tokio::spawn(async move {
                let mut done = Vec::new();
                loop {
                    let next = queue.lock().await.pop_front();
                    let Some((mut target, rounds)) = next else {
                        return done;
                    };
                    target.work(&api, &rounds).await;
                    done.push(target);
                }
            })
        })
        .collect();
    let mut targets = Vec::new();
    for worker in workers {
        targets.extend(worker.await.expect("a worker ends"));
    }
    targets
}

/// Stops everything, and waits until it has ended and nothing is left; what did not.
async fn quiet(api: &Api, targets: &[Target], driver: &Driver) -> Vec<String> {
    for target in targets {
        target.stop(api).await;
    }
    let start = Instant::now();
    loop {
        let mut left = Vec::new();
        for target in targets {
            let jobs = target.jobs(api).await;
            let alive = jobs.iter().filter(|job| job["alive"] != false);
            left.extend(alive.map(|job| format!("a job that does not end: {job}")));
        }
        let runs = [driver.platform.leftovers(), driver.other.leftovers()];
        let runs = runs.iter().filter(|left| !Leftovers::is_empty(left));
        left.extend(runs.map(|runs| format!("something that is left: {runs:?}")));
        if left.is_empty() || start.elapsed() > QUIET {
            return left;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How often each run said that it began.
async fn begun(api: &Api, targets: &[Target]) -> HashMap<(String, u64), usize> {
    let mut begun = HashMap::new();
    for target in targets {
        for job in target.jobs(api).await {
            let id = text(&job["id"]);
            for run in 0..=job["run"].as_u64().unwrap_or_default() {
                let path = format!("/v1/job/{id}/logs?run={run}");
                let said = api.get(&path).await;
                let said = if said.status == 200 {
                    Answer::text(&said)
                } else {
                    String::new()
                };
                let times = said.lines().filter(|line| line.starts_with("begun"));
                begun.insert((id.clone(), run), times.count());
            }
        }
    }
    begun
}

/// Keeps what a run is judged by.
fn keep(folder: &Path, log: &[Value], driver: &Driver) -> std::io::Result<()> {
    let mut file = std::fs::File::create(folder.join("log.jsonl"))?;
    for event in log {
        writeln!(file, "{event}")?;
    }
    let faults = driver.faults.iter().map(|fault| format!("{fault:?}"));
    let faults: Vec<_> = faults.collect();
    std::fs::write(folder.join("faults"), faults.join("\n"))?;
    std::fs::write(folder.join("platform.log"), driver.platform.log())?;
    std::fs::write(folder.join("other.log"), driver.other.log())
}

/// Ends both as a service manager does; what is left after that.
fn take_down(mut driver: Driver) -> Vec<String> {
    driver.other.signal(Signal::TERM);
    driver.other.wait();
    soak::stop(&mut driver.platform)
}
