//! A service with a queue as its users meet it: made, started, asked how it is.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::api::{Api, text};
use crate::platform::{Output, Platform};
use crate::service::app;
use crate::wait::{until, until_async};

/// A service with a queue.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
}

impl Queue {
    /// A queue with so many workers that run `worker.py`, and further flags of `service new`. Not started.
    pub fn new(platform: &Platform, name: &str, workers: u32, flags: &[&str]) -> Self {
        let worker = app("worker.py");
        let workers = workers.to_string();
        let mut arguments = vec!["service", "new", name, "--queue", "--workers", &workers];
        arguments.extend(["--upload", worker.to_str().expect("UTF-8")]);
        arguments.extend(flags);
        arguments.extend(["--", "python3", "-u", "/service/worker.py"]);
        platform.run(&arguments, &[]).ok();
        Self { name: name.into() }
    }

    /// The same, started; all workers work.
    pub fn started(platform: &Platform, name: &str, workers: u32, flags: &[&str]) -> Self {
        let queue = Self::new(platform, name, workers, flags);
        platform.cli(["service", "start", name]).ok();
        queue.until_running(platform, workers);
        queue
    }

    /// A queue `q` with further flags of `service new`, whose handler does what its tasks say; its workers have these
    /// limits, and work.
    pub fn of_handler(platform: &Platform, workers: u32, flags: &[&str], limits: &[&str]) -> Self {
        let handler = app("handler.py");
        let count = workers.to_string();
        let mut new = vec!["service", "new", "q", "--queue", "--workers", &count];
        new.extend(flags);
        new.extend(["--upload", handler.to_str().expect("UTF-8")]);
        new.extend(["--handler", "handler.handle"]);
        platform.run(&new, &[]).ok();
        if !limits.is_empty() {
            let update = [&["service", "update", "q"], limits].concat();
            platform.run(&update, &[]).ok();
        }
        platform.cli(["service", "start", "q"]).ok();
        let queue = Self { name: "q".into() };
        queue.until_running(platform, workers);
        queue
    }

    /// A task for it, with flags of `task submit`: its id.
    pub fn submit(&self, platform: &Platform, task: &Value, flags: &[&str]) -> String {
        let task = task.to_string();
        let mut arguments = vec!["task", "submit", &self.name, &task, "--field", "id"];
        arguments.extend(flags);
        platform.run(&arguments, &[]).ok()
    }

    /// A verb of `eai service` on it, with flags.
    pub fn run(&self, platform: &Platform, verb: &str, flags: &[&str]) -> Output {
        let mut arguments = vec!["service", verb, &self.name];
        arguments.extend(flags);
        platform.run(&arguments, &[])
    }

    /// Its health, as a monitor reads it.
    pub fn health(&self, platform: &Platform) -> Value {
        let printed = self.run(platform, "health", &[]).ok();
        serde_json::from_str(&printed).expect("JSON and nothing else")
    }

    /// The answer to a question for its status.
    pub fn status(&self, platform: &Platform) -> Value {
        let printed = self.run(platform, "status", &["--format", "json"]).ok();
        serde_json::from_str(&printed).expect("JSON")
    }

    /// Waits until its health is as wanted.
    #[track_caller]
    pub fn until_health(
        &self,
        platform: &Platform,
        what: &str,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Value {
        until(what, || {
            let health = self.health(platform);
            if wanted(&health) {
                Ok(health)
            } else {
                Err(health)
            }
        })
    }

    /// Waits until so many workers work, and no others are there.
    #[track_caller]
    pub fn until_running(&self, platform: &Platform, workers: u32) -> Value {
        self.until_health(platform, "all workers to work", |health| {
            health["status"] == "running" && health["workers_running_count"] == workers
        })
    }

    /// Its jobs, oldest first.
    pub async fn jobs(&self, api: &Api) -> Vec<Value> {
        let path = format!("/v1/job?service={}&state=all&limit=100", self.name);
        let mut jobs = api.get(&path).await.ok()["items"]
            .as_array()
            .expect("a list")
            .clone();
        jobs.reverse();
        jobs
    }

    /// The processes of its workers, whatever its jobs run with, lowest first.
    pub async fn pids(&self, api: &Api) -> Vec<Pid> {
        let jobs = self.jobs(api).await;
        let own: Vec<_> = jobs
            .iter()
            .map(|job| format!("EAI_JOB_ID={}", text(&job["id"])))
            .collect();
        let is_own = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            own.iter().any(|own| environment.contains(own)) && is_worker(*pid)
        };
        let entries = fs::read_dir("/proc").expect("processes").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut pids: Vec<_> = pids.filter(is_own).collect();
        pids.sort_unstable();
        pids.into_iter().filter_map(Pid::from_raw).collect()
    }

    /// Waits until it has so many processes.
    pub async fn until_pids(&self, api: &Api, wanted: usize) -> Vec<Pid> {
        until_async("the workers", async || {
            let pids = self.pids(api).await;
            if pids.len() == wanted {
                Ok(pids)
            } else {
                Err(pids)
            }
        })
        .await
    }
}

/// The processes of the platform's workers, lowest first.
pub fn workers(platform: &Platform) -> Vec<Pid> {
    let processes = platform.leftovers().processes.into_iter();
    let mut found: Vec<i32> = processes.filter(|pid| is_worker(*pid)).collect();
    found.sort_unstable();
    found.into_iter().filter_map(Pid::from_raw).collect()
}

/// Sends a signal to one worker.
pub fn signal(worker: Pid, signal: Signal) {
    kill_process(worker, signal).expect("the worker is there");
}

fn is_worker(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let words: Vec<&str> = line.split('\0').collect();
    words
        .first()
        .is_some_and(|program| program.ends_with("python3"))
        && words.contains(&"/service/worker.py")
}
