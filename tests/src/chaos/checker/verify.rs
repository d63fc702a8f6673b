//! Compares what clients were told with what the log has.

use std::collections::HashMap;

use eai_core::ids::CommandId;
use uuid::Uuid;

use super::Report;
use super::story::{Stories, Story};
use super::timeline::{Timeline, Windows};
use super::world::{Event, Status, World};
use crate::chaos::history::{Action, Call, Micros, Outcome, Verb};

/// The message of a command that gave way to others until its time was over; nothing is stored then.
const CONTENDED: &str = "others kept changing";

/// What the verification of one run needs.
struct Verifier<'a> {
    world: &'a World,
    stories: &'a Stories<'a>,
    services: HashMap<&'a str, (&'a Timeline<Status>, Windows)>,
    names: HashMap<&'a str, (&'a Timeline<Option<String>>, Windows)>,
    report: &'a mut Report,
}

/// Verifies every command of the run, and that nothing else is in the log.
pub(super) fn verify(world: &World, stories: &Stories<'_>, report: &mut Report) {
    let mut verifier = Verifier {
        world,
        stories,
        services: windows(&world.services, stories),
        names: windows(&world.names, stories),
        report,
    };
    for story in &stories.all {
        match story.action {
            Action::NewData(_) | Action::NewService(_) => verifier.creation(story),
            Action::Change(service, verb) => verifier.change(story, *service, *verb),
        }
    }
    verifier.strangers();
    verifier.real_time();
}

fn windows<'a, T>(
    timelines: &'a HashMap<String, Timeline<T>>,
    stories: &Stories<'_>,
) -> HashMap<&'a str, (&'a Timeline<T>, Windows)> {
    timelines
        .iter()
        .map(|(key, timeline)| (key.as_str(), (timeline, timeline.windows(stories))))
        .collect()
}

// === impl Verifier ===

impl<'a> Verifier<'a> {
    fn wrong(&mut self, story: &Story<'_>, what: impl std::fmt::Display) {
        let Story {
            command, action, ..
        } = story;
        self.report
            .violations
            .push(format!("command {command} ({action:?}) {what}"));
    }

    fn events(&self, story: &Story<'_>) -> Vec<&'a Event> {
        let indexes = self.world.of_command.get(&story.command);
        let events = indexes.into_iter().flatten();
        events.map(|index| &self.world.events[*index]).collect()
    }

    /// How many of the expected events there are, each exactly once; what is beyond is a duplicate.
    fn count(&mut self, story: &Story<'_>, expected: &[(String, &str)]) -> usize {
        let events = self.events(story);
        let number = |thing: &str, name: &str| {
            let same = |event: &&&Event| event.thing == thing && event.name == name;
            events.iter().filter(same).count()
        };
        let numbers = expected.iter().map(|(thing, name)| number(thing, name));
        let found = numbers.clone().filter(|number| *number > 0).count();
        let once = numbers.filter(|number| *number == 1).count();
        if events.len() > found {
            let beyond = events.len() - found;
            self.report.duplicate += beyond as u64;
            self.wrong(story, format_args!("left {beyond} event(s) too many"));
        }
        if found > 0 && found < expected.len() {
            let all = expected.len();
            self.wrong(
                story,
                format_args!("was stored in part: {found} of {all} events"),
            );
        }
        once
    }

    fn creation(&mut self, story: &Story<'_>) {
        let expected = expected(story);
        let once = self.count(story, &expected);
        let any = !self.events(story).is_empty();
        match story.answer().map(|call| (call, &call.outcome)) {
            None => self.unresolved(story),
            Some((_, Outcome::Refused { code, .. })) if any => {
                self.wrong(
                    story,
                    format_args!("was refused ({code}), but is in the log"),
                );
            }
            Some((call, Outcome::Refused { code, message })) => {
                if code != "name-taken" {
                    self.refused(story, code, message);
                } else if !self.is_taken(call, &expected) {
                    self.wrong(story, "was refused for a name that was free");
                }
            }
            Some(_) => {
                self.report.acked += 1;
                if once == expected.len() {
                    self.report.found += 1;
                } else {
                    self.wrong(story, "was acknowledged, but is not in the log");
                }
            }
        }
        let made = CommandId(story.command).aggregate(0);
        self.repeats(story, |call, outcome| match outcome {
            Outcome::Ok { id, .. } if *id != made => Some(format!("answered {id}, not {made}")),
            Outcome::Ok { state, .. }
                if call.late && state.as_ref().is_some_and(|now| now != "on") =>
            {
                Some(format!("answered {state:?} when it was sent once more"))
            }
            _ => None,
        });
        self.statuses(story, made, 1);
    }

    fn change(&mut self, story: &Story<'_>, service: Uuid, verb: Verb) {
        let expected = [(format!("service/{service}"), verb.event())];
        let stored = self.count(story, &expected) == 1;
        match story.answer().map(|call| (call, &call.outcome)) {
            None => self.unresolved(story),
            Some((_, Outcome::Refused { code, .. })) if stored => {
                self.wrong(
                    story,
                    format_args!("was refused ({code}), but is in the log"),
                );
            }
            Some((call, Outcome::Refused { code, message })) => {
                let put_away = |status: &str| status == "deactivated";
                if code != "service-deactivated" {
                    self.refused(story, code, message);
                } else if verb != Verb::Start || !self.was(service, call, put_away) {
                    self.wrong(story, "was refused for a service that was not deactivated");
                }
            }
            Some(_) if stored => {
                self.report.acked += 1;
                self.report.found += 1;
            }
            Some((call, _)) => {
                let nothing_to_do = |status: &str| match verb {
                    Verb::Start => status == "on",
                    Verb::Stop => status != "on",
                    Verb::Deactivate => status == "deactivated",
                    Verb::Reactivate => status != "deactivated",
                };
                if !self.was(service, call, nothing_to_do) {
                    self.report.acked += 1;
                    self.wrong(
                        story,
                        "was acknowledged with something to do, but is not in the log",
                    );
                }
            }
        }
        self.repeats(story, |_, _| None);
        self.statuses(story, service, 0);
    }

    /// Every later answer is as definite as the first; `check` says what else is wrong with one.
    fn repeats(&mut self, story: &Story<'_>, check: impl Fn(&Call, &Outcome) -> Option<String>) {
        let first = story.answer().map_or(Micros::MAX, |call| call.start);
        for call in &story.calls {
            if let Some(what) = check(call, &call.outcome) {
                self.wrong(story, what);
            }
            let Outcome::Refused { code, .. } = &call.outcome else {
                continue;
            };
            if call.start <= first {
                continue;
            }
            if self.is_decided_anew(story, call) {
                self.report.counters.late_effects += 1;
            } else {
                let what = format!("was acknowledged, and refused ({code}) when it was sent again");
                self.wrong(story, what);
            }
        }
    }

    /// A change that had nothing to do left nothing to know it by: sent again, it is decided anew, and may
    /// be refused.
    fn is_decided_anew(&self, story: &Story<'_>, call: &Call) -> bool {
        let Action::Change(service, Verb::Start) = story.action else {
            return false;
        };
        let put_away = |status: &str| status == "deactivated";
        self.events(story).is_empty() && self.was(*service, call, put_away)
    }

    /// The status in an answer is one that the service had during the call, or right after the command.
    fn statuses(&mut self, story: &Story<'_>, service: Uuid, least: usize) {
        let Some((timeline, windows)) = self.services.get(format!("service/{service}").as_str())
        else {
            return;
        };
        let own = timeline.commands.iter().position(|by| *by == story.command);
        let own = own.map(|at| at + 1);
        let mut wrong = Vec::new();
        for call in &story.calls {
            let Outcome::Ok {
                state: Some(state), ..
            } = &call.outcome
            else {
                continue;
            };
            let window = windows.during(call);
            let mut possible = window.skip_while(|at| *at < least).chain(own);
            if !possible.any(|at| timeline.values[at].as_ref() == Some(state)) {
                wrong.push(format!("answered {state}, which the service was not then"));
            }
        }
        for what in wrong {
            self.wrong(story, what);
        }
    }

    fn refused(&mut self, story: &Story<'_>, code: &str, message: &str) {
        if message.starts_with(CONTENDED) {
            self.report.counters.contended += 1;
        } else {
            self.wrong(
                story,
                format_args!("was refused for no reason: {code}: {message}"),
            );
        }
    }

    fn unresolved(&mut self, story: &Story<'_>) {
        let last = story.calls.last().map(|call| &call.outcome);
        self.wrong(story, format_args!("was never answered; last: {last:?}"));
    }

    /// Whether the service was so at some moment of the call.
    fn was(&self, service: Uuid, call: &Call, so: impl Fn(&str) -> bool) -> bool {
        let key = format!("service/{service}");
        let Some((timeline, windows)) = self.services.get(key.as_str()) else {
            return false;
        };
        let mut values = timeline.values[windows.during(call)].iter().flatten();
        values.any(|status| so(status))
    }

    /// Whether one of the names that a command wants had another holder at some moment of the call.
    fn is_taken(&self, call: &Call, expected: &[(String, &str)]) -> bool {
        expected.iter().any(|(thing, _)| {
            let known = self.names.get(thing.as_str());
            known.is_some_and(|(timeline, windows)| {
                timeline.values[windows.during(call)]
                    .iter()
                    .any(Option::is_some)
            })
        })
    }

    /// Every event belongs to a command of the history, or to the platform's first start.
    fn strangers(&mut self) {
        for event in &self.world.events {
            if self.stories.get(event.command).is_none() && !event.by_platform {
                self.report.violations.push(format!(
                    "event {} ({} {}) belongs to command {}, which nobody sent",
                    event.sequence, event.thing, event.name, event.command
                ));
            }
        }
    }

    /// What was acknowledged before a command was first sent stands before it in the log.
    fn real_time(&mut self) {
        let mut latest: (Micros, u64) = (0, 0);
        for event in &self.world.events {
            let Some(story) = self.stories.get(event.command) else {
                continue;
            };
            if story.acknowledged() < latest.0 {
                self.report.violations.push(format!(
                    "event {} was acknowledged before the command of event {} was sent, but stands behind it",
                    event.sequence, latest.1
                ));
            }
            latest = latest.max((story.begun(), event.sequence));
        }
    }
}

/// The events that a creation leaves: the thing it is about first.
fn expected(story: &Story<'_>) -> Vec<(String, &'static str)> {
    let id = |index| CommandId(story.command).aggregate(index);
    let pair = |kind: &str, name: &str, index| {
        [
            (format!("name/{kind}-{name}"), "reserved"),
            (format!("{kind}/{}", id(index)), "created"),
        ]
    };
    match story.action {
        Action::NewData(name) => pair("data", name, 0).to_vec(),
        Action::NewService(name) => [
            pair("service", name, 0),
            pair("data", &format!("{name}_runtime"), 1),
            pair("role", &format!("{name}_role"), 2),
        ]
        .concat(),
        Action::Change(..) => Vec::new(),
    }
}
