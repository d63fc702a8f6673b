//! What happened in a run: a run in which nothing went wrong shows nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::story::Stories;
use super::world::World;
use crate::chaos::history::{Action, FaultKind, Outcome, Seen};
use crate::chaos::record::Record;

/// How often things happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commands that were sent.
    pub commands: u64,
    /// Events in the log.
    pub events: u64,
    /// Commands that were refused.
    pub refused: u64,
    /// Names that somebody else got.
    pub races_lost: u64,
    /// Acknowledged changes with nothing to do.
    pub nothing_to_do: u64,
    /// Commands that gave way to others until their time was over.
    pub contended: u64,
    /// Calls without a definite answer, by reason.
    pub unknown: BTreeMap<String, u64>,
    /// Acknowledged commands that were sent once more.
    pub late: u64,
    /// Changes that had nothing to do at first, and something when they were sent once more.
    pub late_effects: u64,
    /// Commands that were stored by a call without an answer.
    pub unanswered_but_stored: u64,
    /// Those of them that were stored after their caller had given up.
    pub ghosts: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What the platform's log lines told.
    pub seen: Seen,
}

// === impl Counters ===

impl Counters {
    pub(super) fn count(record: &Record, world: &World, stories: &Stories<'_>) -> Self {
        let mut counters = Self {
            commands: stories.all.len() as u64,
            events: world.events.len() as u64,
            seen: record.seen,
            ..Self::default()
        };
        for fault in &record.faults {
            *counters.faults.entry(fault_name(fault.kind)).or_default() += 1;
        }
        for call in &record.calls {
            counters.late += u64::from(call.late && !matches!(call.outcome, Outcome::Unknown(_)));
            if let Outcome::Unknown(reason) = &call.outcome {
                *counters.unknown.entry(reason.clone()).or_default() += 1;
            }
        }
        for story in &stories.all {
            match story.answer().map(|call| &call.outcome) {
                Some(Outcome::Refused { code, .. }) => {
                    counters.refused += 1;
                    counters.races_lost += u64::from(code == "name-taken");
                }
                Some(Outcome::Ok { .. }) => {
                    let changed = world.of_command.contains_key(&story.command);
                    counters.nothing_to_do += u64::from(!changed);
                }
                Some(Outcome::Unknown(_)) | None => {}
            }
        }
        counters.behind_backs(record, world, stories);
        counters
    }

    /// Finds for each stored command the call that stored it: the one in which it was decided.
    fn behind_backs(&mut self, record: &Record, world: &World, stories: &Stories<'_>) {
        let began = record.run.began;
        let mut told = HashSet::new();
        for event in &world.events {
            let Some(story) = stories.get(event.command) else {
                continue;
            };
            if !told.insert(event.command) {
                continue;
            }
            // Documents have their time to the millisecond.
            let within =
                |at: u64, start: u64, end: u64| at + 1000 > began + start && at <= began + end;
            let unknown = story
                .calls
                .iter()
                .filter(|call| matches!(call.outcome, Outcome::Unknown(_)))
                .find(|call| within(event.decided, call.start, call.end));
            if let Some(call) = unknown {
                self.unanswered_but_stored += 1;
                self.ghosts += u64::from(event.stored > began + call.end);
            }
            let answered = story.answer().map_or(u64::MAX, |call| began + call.end);
            let change = matches!(story.action, Action::Change(..));
            self.late_effects += u64::from(change && event.decided > answered);
        }
    }

    /// What a run with so many faults should have seen, and this one did not.
    pub(super) fn missing(&self, kills: u32) -> Vec<&'static str> {
        let faults = |kinds: &[FaultKind]| {
            let number = |kind: &FaultKind| self.faults.get(fault_name(*kind)).copied();
            kinds.iter().filter_map(number).sum::<u64>()
        };
        let platform = faults(&[FaultKind::KillPlatform, FaultKind::KillBoth]);
        let nats = faults(&[
            FaultKind::KillNats,
            FaultKind::KillBoth,
            FaultKind::FreezeNats,
        ]);
        // A few faults may by chance meet nobody half-way.
        [
            (4, self.unknown.values().sum(), "a call without an answer"),
            (4, self.races_lost, "a name that somebody else got"),
            (4, platform, "a new start of the platform"),
            (4, nats, "a new start or freeze of nats-server"),
            (12, self.seen.conflicts, "an append that lost"),
            (12, self.seen.unanswered, "an append without an answer"),
            (12, self.seen.adopted, "a nats-server that was taken over"),
            (
                12,
                self.unanswered_but_stored,
                "a command that was stored without an answer",
            ),
            (
                24,
                self.ghosts,
                "a command that was stored after its caller had given up",
            ),
        ]
        .into_iter()
        .filter(|(from, number, _)| kills >= *from && *number == 0)
        .map(|(_, _, what)| what)
        .collect()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            commands,
            events,
            refused,
            races_lost,
            nothing_to_do,
            contended,
            unknown,
            late,
            late_effects,
            unanswered_but_stored,
            ghosts,
            faults,
            seen:
                Seen {
                    conflicts,
                    unanswered,
                    adopted,
                },
        } = self;
        let list = |entries: Vec<String>| entries.join(" ");
        let faults = list(
            faults
                .iter()
                .map(|(kind, n)| format!("{kind}={n}"))
                .collect(),
        );
        let reasons = list(
            unknown
                .iter()
                .map(|(why, n)| format!("{why}={n}"))
                .collect(),
        );
        let unknown: u64 = unknown.values().sum();
        writeln!(f, "faults: {faults}")?;
        writeln!(
            f,
            "commands={commands} events={events} refused={refused} races-lost={races_lost} \
             nothing-to-do={nothing_to_do} contended={contended} late={late} late-effects={late_effects}"
        )?;
        writeln!(f, "unknown={unknown} ({reasons})")?;
        write!(
            f,
            "unanswered-but-stored={unanswered_but_stored} ghosts={ghosts} \
             append-conflicts={conflicts} append-unknown={unanswered} nats-adopted={adopted}"
        )
    }
}

fn fault_name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::KillPlatform => "kill-platform",
        FaultKind::KillNats => "kill-nats",
        FaultKind::KillBoth => "kill-both",
        FaultKind::FreezePlatform => "freeze-platform",
        FaultKind::FreezeNats => "freeze-nats",
        FaultKind::Ended => "ended-by-itself",
    }
}
