//! The verdict on a run: by the log, and by what those who sent were told.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::Value;

use super::follow::{Heard, Why};
use super::judge::{Verdict, judge};
use super::schedule::FaultKind;
use super::send::Sender;

/// Everything that was seen of a run.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) heard: &'a Heard,
    pub(super) sent: &'a Sender,
    pub(super) faults: &'a [FaultKind],
}

/// The verdict.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What went wrong beside what the log of tasks says.
    pub violations: Vec<String>,
    /// What that says.
    pub verdict: Verdict,
    /// How many faults there were.
    pub faults: usize,
    /// How often somebody sent a command again.
    pub again: usize,
    /// How often an attempt failed since its worker was gone.
    pub gone: usize,
    /// How often since its time was over.
    pub overdue: usize,
    /// How often since its worker said so.
    pub told: usize,
    /// How many ends those who sent were told of.
    pub awaited: usize,
}

/// Judges.
pub(super) fn check(record: &Record<'_>) -> Report {
    let Record {
        heard,
        sent,
        faults,
    } = record;
    let accepted: Vec<_> = sent.accepted.iter().map(|(id, _)| id.clone()).collect();
    let failures = |why| heard.failures.get(&why).copied().unwrap_or_default();
    let mut report = Report {
        verdict: judge(&accepted, &heard.events),
        faults: faults.len(),
        again: sent.again,
        gone: failures(Why::Gone),
        overdue: failures(Why::Late),
        told: failures(Why::Told),
        awaited: sent.told.len(),
        ..Report::default()
    };
    report.violations.extend(strangers(heard, sent));
    report.violations.extend(answers(heard, sent));
    report
}

/// Tasks that were stored twice, or that nobody was told of.
fn strangers(heard: &Heard, sent: &Sender) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut accepted = BTreeSet::new();
    for (id, _) in &sent.accepted {
        if !accepted.insert(id.as_str()) {
            wrong.push(format!("task {id} was accepted twice"));
        }
    }
    let stored: BTreeSet<_> = heard.numbers.keys().map(String::as_str).collect();
    let unknown = stored.difference(&accepted);
    wrong.extend(unknown.map(|id| format!("task {id} is stored, and nobody was told so")));
    wrong
}

/// Each answer is that to the task that was sent, and the one that was told.
fn answers(heard: &Heard, sent: &Sender) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, number) in &sent.accepted {
        if let Some(result) = heard.results.get(id)
            && (result["number"] != *number || heard.numbers.get(id) != Some(number))
        {
            wrong.push(format!("task {id} with number {number} has {result}"));
        }
    }
    let ends: HashMap<&str, &str> = heard
        .events
        .iter()
        .filter(|event| matches!(event.event.as_str(), "done" | "failed"))
        .map(|event| (event.task.as_str(), event.event.as_str()))
        .collect();
    for (id, told) in &sent.told {
        let is_same = told["status"].as_str() == ends.get(id.as_str()).copied();
        let result = heard.results.get(id).unwrap_or(&Value::Null);
        if !is_same || told["result"] != *result {
            wrong.push(format!("task {id} was told as {told}, and has {result}"));
        }
    }
    wrong
}

// === impl Report ===

impl Report {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.verdict.is_good()
    }

    /// Whether workers were lost with their tasks, answered late and failed, so that the run means something.
    pub fn saw_enough(&self) -> bool {
        self.gone > 0 && self.overdue > 0 && self.told > 0 && self.awaited > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "violation: {violation}")?;
        }
        for (what, tasks) in [
            ("lost", &self.verdict.lost),
            ("pending", &self.verdict.pending),
            ("with two outcomes", &self.verdict.twice),
            ("with an outcome that came too late", &self.verdict.late),
        ] {
            for task in tasks.iter().take(10) {
                writeln!(f, "violation: task {task} is {what}")?;
            }
        }
        if !self.saw_enough() {
            writeln!(f, "void: no task lost its worker, was late and failed")?;
        }
        let Self {
            verdict,
            faults,
            again,
            gone,
            overdue,
            told,
            awaited,
            ..
        } = self;
        write!(
            f,
            "{verdict} faults={faults} sent-again={again} worker-gone={gone} overdue={overdue} failed-by-worker={told} \
             awaited={awaited} violations={}",
            self.violations.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tasks::TaskEvent;

    fn done(task: &str) -> [TaskEvent; 2] {
        ["submitted", "done"].map(|event| TaskEvent {
            task: task.into(),
            event: event.into(),
            attempt: (event == "done").then_some(1),
            attempts: None,
            dead: false,
        })
    }

    /// One task that was sent, done, waited for and told.
    fn good() -> (Heard, Sender) {
        let heard = Heard {
            events: done("a").to_vec(),
            results: [("a".to_owned(), json!({ "number": 7 }))].into(),
            numbers: [("a".to_owned(), json!(7))].into(),
            ended: ["a".to_owned()].into(),
            ..Heard::default()
        };
        let told = json!({ "status": "done", "result": { "number": 7 } });
        let sent = Sender {
            accepted: vec![("a".to_owned(), json!(7))],
            told: vec![("a".to_owned(), told)],
            ..Sender::default()
        };
        (heard, sent)
    }

    fn judged(heard: &Heard, sent: &Sender) -> Report {
        let faults = &[];
        check(&Record {
            heard,
            sent,
            faults,
        })
    }

    #[test]
    fn what_is_as_it_was_told_is_good() {
        let (heard, sent) = good();
        let report = judged(&heard, &sent);
        assert!(report.is_clean(), "{report}");
    }

    #[test]
    fn what_is_not_as_it_was_told_is_seen() {
        let spoiled: [fn(&mut Heard, &mut Sender); 6] = [
            |_, sent| sent.accepted.push(("a".into(), json!(7))),
            |_, sent| sent.accepted.clear(),
            |_, sent| sent.accepted.push(("b".into(), json!(8))),
            |heard, _| drop(heard.results.insert("a".into(), json!({ "number": 8 }))),
            |_, sent| sent.told[0].1["status"] = json!("failed"),
            |_, sent| sent.told[0].1["result"] = json!({ "number": 7, "pid": 1 }),
        ];
        for (index, spoil) in spoiled.iter().enumerate() {
            let (mut heard, mut sent) = good();
            spoil(&mut heard, &mut sent);
            let report = judged(&heard, &sent);
            assert!(!report.is_clean(), "{index}: {report}");
        }
    }
}
