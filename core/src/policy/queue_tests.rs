use std::time::Duration as Time;

use super::*;
use crate::aggregate::testing::fold;
use crate::health::{Cleanup, Heartbeat, Tasks};
use crate::job::{Outcome, configuration};
use crate::service::{self, Created, Event, Queue, ServiceAggregate, Started, created};
use uuid::Uuid;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-27 12:00 UTC);

fn job_id(number: u32) -> JobId {
    JobId(Uuid::from_u128(number.into()))
}

/// A service with so many workers; job 10 + index fills each place.
struct Story {
    service: Service,
    facts: Facts,
}

impl Story {
    fn new(workers: u32) -> Self {
        let Event::Created(created) = created() else {
            unreachable!()
        };
        let mut queue = Queue::of(workers);
        queue.heartbeat_timeout_ms = 5_000;
        let created = Created {
            status: Status::Off,
            queue: Some(queue.clone()),
            ..created
        };
        let mut given = vec![
            Event::Created(created),
            revised("a", 1),
            Event::Started(Started {}),
        ];
        given.extend((0..workers).map(|index| {
            Event::Activated(Activated {
                job: job_id(10 + index),
                run: 0,
                revision: 1,
                key: configuration("a", 1).key(),
                worker: Some(index),
                by_itself: false,
                replica: false,
            })
        }));
        let facts = Facts {
            name: "web".parse().unwrap(),
            status: Status::On,
            queue,
            asleep: false,
            places: (0..workers).map(place).collect(),
            tasks: Tasks::default(),
            cleanup: Cleanup::default(),
            away: None,
            listening: Time::from_hours(1),
            queue_dir: None,
            now: NOW,
        };
        Self {
            service: fold::<ServiceAggregate>(&given).unwrap(),
            facts,
        }
    }

    fn tell(&mut self, event: &Event) {
        use crate::aggregate::Aggregate as _;
        let service = ServiceAggregate::evolve(Some(self.service.clone()), event).unwrap();
        self.facts.status = service.status;
        self.facts.queue = service.queue.clone().unwrap();
        self.service = service;
    }

    fn worker(&mut self, index: usize) -> &mut Worker {
        self.facts.places[index].worker.as_mut().unwrap()
    }

    /// A worker's run ends.
    fn end(&mut self, index: u32, outcome: Outcome, planned: bool) {
        self.tell(&Event::JobEnded(service::JobEnded {
            job: job_id(10 + index),
            run: 0,
            state: outcome,
            failed_revision: None,
            ending: None,
        }));
        self.worker(index as usize).run_is = RunIs::Over(Over {
            outcome,
            message: "why".into(),
            was_ready: true,
            planned,
        });
    }

    /// The intents as text, and when to look again in seconds.
    fn plan(&self) -> Vec<String> {
        on_queue(&self.service, &self.facts)
            .intents
            .iter()
            .map(shown)
            .collect()
    }

    fn look_again(&self) -> Option<f64> {
        let at = on_queue(&self.service, &self.facts).look_again?;
        Some((at - NOW).as_seconds_f64())
    }
}

fn revised(content: &str, revision: u32) -> Event {
    let configuration = configuration(content, u64::from(revision));
    Event::Revised(Revised {
        revision,
        key: configuration.key(),
        configuration: Box::new(configuration),
    })
}

/// A worker that is at work.
fn place(index: u32) -> Place {
    Place {
        index,
        name: format!("web:{index}"),
        worker: Some(Worker {
            job: job_id(10 + index),
            run: 0,
            revision: 1,
            condition: Condition::Well,
            message: String::new(),
            unlaunched: false,
            failures: 0,
            since: NOW - Duration::minutes(5),
            started: NOW - Duration::minutes(5),
            restarted: None,
            run_is: RunIs::Ready(NOW - Duration::minutes(4)),
        }),
        heartbeat: Some(Heartbeat {
            state: "running",
            age: Time::from_secs(1),
        }),
    }
}

fn unhealthy(reason: &str) -> Condition {
    Condition::Unhealthy {
        reason: reason.into(),
    }
}

fn shown(intent: &WorkerIntent) -> String {
    match intent {
        WorkerIntent::End {
            job,
            reason,
            drain_ms,
            ..
        } => {
            let index = job.0.as_u128() - 10;
            match drain_ms {
                None => format!("end {index} now: {reason}"),
                Some(ms) => format!("end {index} in {ms}: {reason}"),
            }
        }
        WorkerIntent::Run {
            index,
            restart: None,
        } => format!("run {index}"),
        WorkerIntent::Run {
            index,
            restart: Some(Restart { reason, failures }),
        } => format!("restart {index}: {reason}, {failures}"),
        WorkerIntent::Say { index, command } => match command {
            Command::Fail(unhealthy) => format!("unhealthy {index}: {}", unhealthy.reason),
            Command::Recover(_) => format!("recovered {index}"),
            Command::Stop(_) => format!("stopped {index}"),
            other => format!("{other:?}"),
        },
    }
}

#[test]
fn workers_that_work_are_left_alone() {
    let story = Story::new(2);
    assert!(story.plan().is_empty());
    // A beat was a second ago, and the timeout is five.
    assert_eq!(story.look_again(), Some(4.05));
}

#[test]
fn every_place_is_filled() {
    let mut story = Story::new(2);
    story.facts.places[1].worker = None;
    story.service.live.pop();
    assert_eq!(story.plan(), ["run 1"]);
    story.service.live.clear();
    story.worker(0).condition = Condition::Stopped;
    assert_eq!(story.plan(), ["run 0", "run 1"]);
}

#[test]
fn a_run_that_ends_is_told_and_replaced() {
    for (outcome, reason) in [
        (Outcome::Failed, "loop-error"),
        (Outcome::Succeeded, "loop-finished"),
        (Outcome::Cancelled, "loop-cancelled"),
        (Outcome::Interrupted, "loop-lost"),
    ] {
        let mut story = Story::new(2);
        story.end(1, outcome, false);
        assert_eq!(story.plan(), [format!("unhealthy 1: {reason}")]);
        story.worker(1).condition = unhealthy(reason);
        story.worker(1).since = NOW;
        assert_eq!(story.plan(), [format!("restart 1: {reason}, 1")]);
    }
}

#[test]
fn failures_in_a_row_are_paused_for_and_those_far_apart_are_not() {
    for (before, seconds) in [
        (1, 1.0),
        (2, 2.0),
        (3, 4.0),
        (6, 32.0),
        (7, 60.0),
        (1000, 60.0),
    ] {
        let mut story = Story::new(1);
        story.end(0, Outcome::Failed, false);
        let worker = story.worker(0);
        worker.condition = unhealthy("loop-error");
        worker.failures = before;
        (worker.started, worker.since) = (NOW - Duration::seconds(59), NOW);
        assert!(story.plan().is_empty());
        assert_eq!(story.look_again(), Some(seconds), "after {before}");
        story.facts.now = NOW + Duration::seconds_f64(seconds);
        assert_eq!(
            story.plan(),
            [format!("restart 0: loop-error, {}", before + 1)]
        );
        story.facts.now = NOW;
        story.worker(0).started = NOW - Duration::seconds(60);
        assert_eq!(story.plan(), ["restart 0: loop-error, 1"]);
    }
}

#[test]
fn a_worker_that_is_silent_is_told_ended_and_replaced() {
    let mut story = Story::new(2);
    story.facts.places[0].heartbeat = Some(Heartbeat {
        state: "processing",
        age: Time::from_millis(5_130),
    });
    assert_eq!(story.plan(), ["unhealthy 0: stale-heartbeat(5.1s)"]);
    story.worker(0).condition = unhealthy("stale-heartbeat(5.1s)");
    assert_eq!(story.plan(), ["end 0 now: unhealthy"]);
    story.worker(0).run_is = RunIs::Ending;
    assert!(story.plan().is_empty());
    story.worker(0).run_is = RunIs::Ready(NOW);
    story.facts.places[0].heartbeat = place(0).heartbeat;
    assert_eq!(story.plan(), ["recovered 0"]);
}

#[test]
fn a_worker_that_never_beats_is_missed_once_it_is_warm() {
    let mut story = Story::new(1);
    story.facts.places[0].heartbeat = None;
    assert_eq!(story.plan(), ["unhealthy 0: missing-heartbeat"]);
    story.worker(0).run_is = RunIs::Ready(NOW - Duration::seconds(4));
    assert!(story.plan().is_empty());
    story.worker(0).run_is = RunIs::Starting;
    assert!(story.plan().is_empty());
}

#[test]
fn who_has_not_listened_blames_nobody() {
    let mut story = Story::new(1);
    story.facts.listening = Time::from_secs(4);
    story.facts.places[0].heartbeat = None;
    assert!(story.plan().is_empty());
    story.facts.places[0].heartbeat = Some(Heartbeat {
        state: "running",
        age: Time::from_mins(1),
    });
    assert!(story.plan().is_empty());
}

#[test]
fn a_stop_ends_the_runs_and_lets_the_workers_go() {
    let mut story = Story::new(2);
    story.tell(&Event::Stopped(service::Stopped {
        keep_workers: false,
        timeout_ms: Some(7),
    }));
    let ends = ["end 0 in 7: service-stopped", "end 1 in 7: service-stopped"];
    assert_eq!(story.plan(), ends);
    // Started at once, it waits for a place to be free.
    story.tell(&Event::Started(Started {}));
    assert_eq!(story.plan(), ends);
    story.end(0, Outcome::Cancelled, true);
    assert_eq!(story.plan(), ["end 1 in 7: service-stopped", "run 0"]);
    story.tell(&Event::Stopped(service::Stopped::default()));
    story.end(1, Outcome::Cancelled, true);
    assert_eq!(story.plan(), ["stopped 0", "stopped 1"]);
    story.worker(0).condition = Condition::Stopped;
    assert_eq!(story.plan(), ["stopped 1"]);
}

#[test]
fn kept_workers_are_kept() {
    let mut story = Story::new(2);
    story.tell(&Event::Stopped(service::Stopped {
        keep_workers: true,
        timeout_ms: None,
    }));
    assert!(story.plan().is_empty());
    story.tell(&Event::Started(Started {}));
    assert!(story.plan().is_empty());
}

#[test]
fn surplus_workers_end() {
    let mut story = Story::new(3);
    story.tell(&Event::Scaled(service::Scaled { workers: 1 }));
    assert_eq!(
        story.plan(),
        ["end 1 in 30000: scaled-down", "end 2 in 30000: scaled-down"]
    );
    story.end(2, Outcome::Cancelled, true);
    assert_eq!(story.plan(), ["end 1 in 30000: scaled-down", "stopped 2"]);
    story.tell(&Event::Scaled(service::Scaled { workers: 3 }));
    assert_eq!(story.plan(), ["run 2"]);
}

#[test]
fn an_idle_queue_has_no_workers() {
    let mut story = Story::new(1);
    story.facts.asleep = true;
    assert_eq!(story.plan(), ["end 0 in 30000: idle"]);
    story.end(0, Outcome::Cancelled, true);
    assert_eq!(story.plan(), ["stopped 0"]);
    story.facts.asleep = false;
    assert_eq!(story.plan(), ["run 0"]);
}

#[test]
fn a_new_revision_comes_worker_by_worker() {
    let mut story = Story::new(2);
    story.tell(&revised("b", 2));
    assert_eq!(story.plan(), ["end 0 in 30000: superseded"]);
    story.worker(0).run_is = RunIs::Ending;
    story.end(0, Outcome::Cancelled, true);
    assert_eq!(story.plan(), ["run 0"], "and the other one works on");
    let run = Activated {
        job: job_id(20),
        run: 0,
        revision: 2,
        key: configuration("b", 1).key(),
        worker: Some(0),
        by_itself: false,
        replica: false,
    };
    story.tell(&Event::Activated(run));
    assert!(story.plan().is_empty(), "its events are on their way");
    let worker = story.worker(0);
    (worker.job, worker.revision, worker.run_is) = (job_id(20), 2, RunIs::Starting);
    assert!(story.plan().is_empty(), "it is not ready yet");
    story.worker(0).run_is = RunIs::Ready(NOW);
    assert_eq!(story.plan(), ["end 1 in 30000: superseded"]);
}

#[test]
fn a_revision_that_does_not_come_up_costs_one_worker() {
    let mut story = Story::new(3);
    story.tell(&revised("b", 2));
    story.end(0, Outcome::Cancelled, true);
    let worker = story.worker(0);
    (worker.revision, worker.since, worker.started) = (2, NOW, NOW);
    (worker.condition, worker.failures) = (unhealthy("loop-error"), 4);
    assert!(story.plan().is_empty());
    assert!(story.look_again().is_some_and(|seconds| seconds <= 8.0));
    story.tell(&revised("c", 3));
    assert_eq!(
        story.plan(),
        ["restart 0: loop-error, 1"],
        "perhaps it is mended"
    );
}
