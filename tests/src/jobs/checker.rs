//! Judges a run by the log itself, by what really ran, and by what is left.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::LEASE;
use super::faults::Fault;
use super::physical::{Name, Seen};
use super::schedule::FaultKind;
use crate::api::text;

/// How long after an executor was back it may still be declared lost: the log says so a little later.
const LATE: u64 = 5000;

/// Everything that was seen of a run.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// The documents of the log, in order.
    pub(super) log: &'a [Value],
    pub(super) faults: &'a [Fault],
    pub(super) seen: &'a Seen,
    /// The second executor.
    pub(super) other: &'a str,
    /// By service: the codes with which its jobs were asked to exit.
    pub(super) codes: &'a HashMap<String, Vec<i64>>,
    /// How often each run said that it began.
    pub(super) begun: &'a HashMap<(String, u64), usize>,
    /// Whether earlier claims are ended before a later one begins, even where their executor is lost: on one engine.
    pub(super) one_engine: bool,
}

/// The verdict.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What went wrong.
    pub violations: Vec<String>,
    /// How many jobs there were.
    pub jobs: usize,
    /// How many runs.
    pub runs: usize,
    /// How many ended, by state.
    pub ended: HashMap<String, usize>,
    /// How many faults there were.
    pub faults: usize,
    /// How often an executor was lost.
    pub lost: usize,
    /// How many runs were adopted by a later epoch of their executor.
    pub adopted: usize,
    /// How many runs followed a lost one on another executor.
    pub taken_over: usize,
    /// How many runs of a lost executor went on for a while beside their successor.
    pub beside: usize,
}

/// What the log says of one run.
#[derive(Debug, Default)]
struct Run {
    claim: Option<(u64, String, u64)>,
    claims: u32,
    started: u32,
    end: Option<Value>,
}

#[derive(Debug, Default)]
struct Story {
    runs: HashMap<(String, u64), Run>,
    /// By job: the service behind it.
    services: HashMap<String, String>,
    /// By executor: its epoch, and whether it is lost.
    executors: HashMap<String, (u64, bool)>,
    /// Executors that were lost, and in which epoch.
    lost: HashSet<(String, u64)>,
    /// Runs that an executor did not find again.
    missed: HashSet<(String, u64)>,
    report: Report,
}

/// Judges.
pub(super) fn check(record: &Record<'_>) -> Report {
    let mut story = Story::default();
    for event in record.log {
        story.tell(record, event);
    }
    story.report.faults = record.faults.len();
    story.close(record);
    story.report
}

// === impl Story ===

impl Story {
    fn wrong(&mut self, what: String) {
        self.report.violations.push(what);
    }

    fn tell(&mut self, record: &Record<'_>, event: &Value) {
        let subject = text(&event["subject"]);
        let kind = text(&event["type"]);
        let data = &event["data"];
        if let Some(job) = subject.strip_prefix("job/") {
            self.tell_job(record, job, &kind, data);
        } else if let Some(executor) = subject.strip_prefix("executor/") {
            self.tell_executor(record, executor, &kind, event);
        }
    }

    fn tell_job(&mut self, record: &Record<'_>, job: &str, kind: &str, data: &Value) {
        let number = data["run"].as_u64().unwrap_or_default();
        let key = (job.to_owned(), number);
        let what = format!("{kind} of run {number} of job {job}");
        if kind == "eai.job.submitted.v1" {
            let service = data["service"]["id"].as_str().unwrap_or_default();
            self.services.insert(job.to_owned(), service.to_owned());
        }
        if number > 0 && !self.runs.contains_key(&key) {
            let before = self.runs.get(&(job.to_owned(), number - 1));
            if before.is_none_or(|before| before.end.is_none()) {
                self.wrong(format!("{what}: the run before has not ended"));
            }
        }
        let run = self.runs.entry(key).or_default();
        let mut wrong = Vec::new();
        if run.end.is_some() {
            wrong.push("the run ended before");
        }
        let claim = data["claim"].as_u64();
        let held = run.claim.as_ref().map(|(claim, ..)| *claim);
        match kind {
            "eai.job.claimed.v1" => {
                run.claims += 1;
                if run.claims > 1 {
                    wrong.push("it was claimed before");
                }
                let epoch = data["epoch"].as_u64().unwrap_or_default();
                run.claim = claim.map(|claim| (claim, text(&data["executor"]), epoch));
            }
            "eai.job.started.v1" => {
                run.started += 1;
                if run.started > 1 {
                    wrong.push("it was started before");
                }
            }
            "eai.job.ended.v1" => run.end = Some(data.clone()),
            _ => {}
        }
        if kind != "eai.job.claimed.v1" && claim.is_some() && claim != held {
            wrong.push("it comes from another claim than the one that has the run");
        }
        for wrong in wrong {
            self.wrong(format!("{what}: {wrong}"));
        }
        if kind == "eai.job.ended.v1" {
            self.judge_end(record, job, number, data);
        }
    }

    /// Whether the end is one that somebody asked for, or that a fault explains.
    fn judge_end(&mut self, record: &Record<'_>, job: &str, number: u64, ended: &Value) {
        let state = text(&ended["state"]);
        *self.report.ended.entry(state.clone()).or_default() += 1;
        let reason = text(&ended["reason"]);
        let service = self.services.get(job).cloned().unwrap_or_default();
        let asked = |code: i64| {
            let codes = record.codes.get(&service);
            codes.is_some_and(|codes| codes.contains(&code))
        };
        let exit = ended["exitCode"].as_i64();
        let key = (job.to_owned(), number);
        let is_explained = match state.as_str() {
            "SUCCEEDED" => exit == Some(0) && asked(0),
            "FAILED" => reason == "exit" && exit.is_some_and(|code| code != 0 && asked(code)),
            "CANCELLED" => matches!(
                reason.as_str(),
                "killed" | "service-stopped" | "cancelled" | "executor-lost"
            ),
            "INTERRUPTED" => {
                let claim = self.runs.get(&key).and_then(|run| run.claim.clone());
                let lost = claim.is_some_and(|(_, executor, epoch)| self.is_lost(&executor, epoch));
                reason == "executor-lost" && (lost || self.missed.contains(&key))
            }
            _ => false,
        };
        if !is_explained {
            self.wrong(format!(
                "run {number} of job {job} ended {ended}, which nothing explains"
            ));
        }
    }

    fn is_lost(&self, executor: &str, epoch: u64) -> bool {
        let lost = self.lost.iter();
        lost.filter(|(lost, _)| lost == executor)
            .any(|(_, lost)| *lost >= epoch)
    }

    fn tell_executor(&mut self, record: &Record<'_>, executor: &str, kind: &str, event: &Value) {
        let data = &event["data"];
        let epoch = data["epoch"].as_u64().unwrap_or_default();
        let now = self.executors.entry(executor.to_owned()).or_default();
        match kind {
            "eai.executor.started.v1" => {
                let expected = now.0 + 1;
                *now = (epoch, false);
                if epoch != expected {
                    self.wrong(format!(
                        "executor {executor} began epoch {epoch} at {expected}"
                    ));
                }
                let runs = |name: &str| data[name].as_array().cloned().unwrap_or_default();
                self.report.adopted += runs("adopted").len();
                for run in runs("lost") {
                    let number = run["run"].as_u64().unwrap_or_default();
                    self.missed.insert((text(&run["job"]), number));
                }
            }
            "eai.executor.lost.v1" => {
                let expected = *now;
                now.1 = true;
                if expected != (epoch, false) {
                    self.wrong(format!("executor {executor} was lost in epoch {epoch}"));
                }
                self.lost.insert((executor.to_owned(), epoch));
                self.report.lost += 1;
                if !is_explained(record, executor, &text(&event["time"])) {
                    self.wrong(format!(
                        "executor {executor} was declared lost at {}, and nothing was done to it",
                        event["time"]
                    ));
                }
            }
            _ => {}
        }
    }

    /// What only the end shows.
    fn close(&mut self, record: &Record<'_>) {
        let mut wrong = Vec::new();
        for ((job, number), run) in &self.runs {
            if run.end.is_none() {
                wrong.push(format!("run {number} of job {job} never ended: {run:?}"));
            }
            let before = number
                .checked_sub(1)
                .and_then(|before| self.runs.get(&(job.clone(), before)));
            let executor = |run: &Run| run.claim.as_ref().map(|(_, executor, _)| executor.clone());
            if let Some(before) = before
                && before
                    .end
                    .as_ref()
                    .is_some_and(|end| end["state"] == "INTERRUPTED")
                && executor(before) != executor(run)
            {
                self.report.taken_over += 1;
            }
        }
        for ((job, number), times) in record.begun {
            if *times > 1 {
                wrong.push(format!("run {number} of job {job} began {times} times"));
            }
        }
        for Name { job, run, .. } in &record.seen.again {
            wrong.push(format!("run {run} of job {job} began twice"));
        }
        for (earlier, later) in &record.seen.both {
            let Name { job, run, .. } = earlier;
            let claim = self
                .runs
                .get(&(job.clone(), *run))
                .and_then(|run| run.claim.clone());
            let lost = claim.is_some_and(|(_, executor, epoch)| self.is_lost(&executor, epoch));
            // Nobody reaches the sandboxes of a lost executor on another machine until it is back.
            if lost && !record.one_engine {
                self.report.beside += 1;
            } else {
                wrong.push(format!("{earlier:?} went on beside {later:?}"));
            }
        }
        for name in &record.seen.runs {
            if !self.runs.contains_key(&(name.job.clone(), name.run)) {
                wrong.push(format!("{name:?} ran, and the log knows nothing of it"));
            }
        }
        self.report.runs = self.runs.len();
        self.report.jobs = self.services.len();
        if record.seen.runs.is_empty() {
            wrong.push("no run was seen".to_owned());
        }
        self.report.violations.extend(wrong);
    }
}

/// Whether something was done to an executor for long enough, shortly before it was declared lost.
fn is_explained(record: &Record<'_>, executor: &str, time: &str) -> bool {
    let time = OffsetDateTime::parse(time, &Rfc3339).expect("a time");
    let time = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    let lease = u64::try_from(LEASE.as_millis()).unwrap_or_default();
    record.faults.iter().any(|fault| {
        let is_its = match fault.kind {
            FaultKind::KillOther | FaultKind::FreezeOther => executor == record.other,
            FaultKind::KillPlatform | FaultKind::FreezePlatform => executor != record.other,
            FaultKind::KillNats | FaultKind::FreezeNats => false,
        };
        // Its last sign of life was up to a fifth of a lease before.
        is_its && fault.from + lease * 4 / 5 <= time && time <= fault.to + LATE
    })
}

// === impl Report ===

impl Report {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Whether executors were lost, found again and followed by others, so that the run means something.
    pub fn saw_enough(&self) -> bool {
        self.lost > 0 && self.adopted > 0 && self.taken_over > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "violation: {violation}")?;
        }
        if !self.saw_enough() {
            writeln!(
                f,
                "void: no executor was lost, adopted its runs and was followed by another"
            )?;
        }
        let ended = |state: &str| self.ended.get(state).copied().unwrap_or_default();
        write!(
            f,
            "jobs={} runs={} succeeded={} failed={} cancelled={} interrupted={} faults={} lost={} adopted={} \
             taken-over={} beside={} violations={}",
            self.jobs,
            self.runs,
            ended("SUCCEEDED"),
            ended("FAILED"),
            ended("CANCELLED"),
            ended("INTERRUPTED"),
            self.faults,
            self.lost,
            self.adopted,
            self.taken_over,
            self.beside,
            self.violations.len()
        )
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
