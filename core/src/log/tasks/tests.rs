//! The fold against a model that keeps a list and looks through it.

use std::cmp::Reverse;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use uuid::Uuid;

use super::*;
use crate::aggregate::{Aggregate, Event as _};
use crate::envelope::{Envelope, TypeParts, schema_urn};
use crate::ids::{CommandId, EventId, JobId};
use crate::log::{Error, Recorded};
use crate::subject::Address;
use crate::task::{
    self, Backoff, Command, Content, Done, Event, Failure, Json, Submitted, TaskAggregate,
};

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn seconds(seconds: i64) -> time::Duration {
    time::Duration::seconds(seconds)
}

fn service() -> Resource<ServiceId> {
    Resource {
        id: ServiceId(Uuid::from_u128(1)),
        full_name: "snow.testacc.q".parse().unwrap(),
    }
}

fn claim(now: OffsetDateTime, index: u32) -> Claim {
    Claim {
        worker: format!("q:{index}"),
        worker_idx: index,
        incarnation: format!("{index:032x}"),
        job: JobId(Uuid::from_u128(3)),
        claimed_at: now,
    }
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        priority: i32,
        pin: Option<u32>,
        delay: Option<i64>,
        retries: u32,
    },
    Take {
        index: u32,
        workers: u32,
    },
    Finish(Index),
    Fail(Index),
    Cancel(Index),
    Requeue(Index),
    GiveBack(Index),
    Forget(Index),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let pin = prop_oneof![3 => Just(None), 1 => (0..3_u32).prop_map(Some)];
    let delay = prop_oneof![3 => Just(None), 1 => (0..4_i64).prop_map(Some)];
    let submit = (select(vec![0, 0, 5, -1]), pin, delay, 0..2_u32);
    prop_oneof![
        6 => submit.prop_map(|(priority, pin, delay, retries)| Step::Submit { priority, pin, delay, retries }),
        6 => (0..3_u32, 1..4_u32).prop_map(|(index, workers)| Step::Take { index, workers }),
        3 => any::<Index>().prop_map(Step::Finish),
        3 => any::<Index>().prop_map(Step::Fail),
        1 => any::<Index>().prop_map(Step::Cancel),
        1 => any::<Index>().prop_map(Step::Requeue),
        1 => any::<Index>().prop_map(Step::GiveBack),
        1 => any::<Index>().prop_map(Step::Forget),
        2 => (0..3_i64).prop_map(Step::Wait),
    ]
}

/// A task in the model.
#[derive(Clone, Debug)]
struct Plain {
    id: TaskId,
    submitted: u64,
    priority: i32,
    pin: Option<u32>,
    not_before: Option<OffsetDateTime>,
    state: task::Task,
    dead: bool,
    held: bool,
    head: Digest,
}

struct World {
    book: Book,
    plain: Vec<Plain>,
    sequence: u64,
    now: OffsetDateTime,
}

impl World {
    fn new() -> Self {
        Self {
            book: Book::default(),
            plain: Vec::new(),
            sequence: 0,
            now: START,
        }
    }

    /// Stores an event, as the log would, and folds it.
    fn store(&mut self, id: TaskId, head: Digest, event: &Event) -> Digest {
        let recorded = self.document(id, head, event);
        self.book.apply(&recorded).unwrap();
        recorded.digest()
    }

    /// An event as it is stored.
    fn document(&mut self, id: TaskId, head: Digest, event: &Event) -> Recorded {
        self.sequence += 1;
        let address = Address::new("snow.testacc".parse().unwrap(), "task", id);
        let kind = TypeParts {
            kind: "task",
            name: event.name(),
            version: event.version(),
        };
        let kind = kind.to_string();
        let data = event.data().unwrap();
        let envelope = Envelope {
            specversion: "1.0".into(),
            id: EventId(Uuid::from_u128(self.sequence.into())),
            source: "urn:eai:platform:x".into(),
            dataschema: schema_urn(&kind).into(),
            r#type: kind.as_str().into(),
            subject: address.to_string().into(),
            time: self.now,
            datacontenttype: "application/json".into(),
            account: "snow.testacc".into(),
            actor: "platform".into(),
            commandid: CommandId(Uuid::nil()),
            correlationid: Uuid::nil(),
            causationid: None,
            traceparent: None,
            prevhash: head,
            data: &data,
        };
        Recorded {
            sequence: self.sequence,
            subject: address.event(event.name()),
            payload: envelope.to_bytes().unwrap().into(),
        }
    }

    /// Decides on a task and stores what was decided.
    fn decide(&mut self, at: usize, command: &Command) {
        let plain = self.plain[at].clone();
        let Ok(events) = TaskAggregate::decide(&Some(plain.state), command) else {
            return;
        };
        for event in events {
            let head = self.store(plain.id, self.plain[at].head, &event);
            let plain = &mut self.plain[at];
            plain.head = head;
            plain.held = false;
            plain.state = TaskAggregate::evolve(Some(plain.state.clone()), &event).unwrap();
            match event {
                Event::AttemptFailed(failed) => plain.not_before = Some(failed.retry_at),
                Event::Failed(failed) => plain.dead = failed.dead,
                Event::Requeued(_) => (plain.not_before, plain.dead) = (None, false),
                Event::Submitted(_) | Event::Done(_) | Event::Cancelled(_) => {}
            }
        }
    }

    fn submit(&mut self, priority: i32, pin: Option<u32>, delay: Option<i64>, retries: u32) {
        let id = TaskId(Uuid::from_u128(u128::from(self.sequence) + 1000));
        let not_before = delay.map(|delay| self.now + seconds(delay));
        let submitted = Submitted {
            id,
            service: service(),
            batch: None,
            name: "a".into(),
            worker: pin.map(|index| format!("q:{index}")),
            worker_idx: None,
            priority,
            not_before,
            retries,
            backoff: Backoff::default(),
            timeout_ms: None,
            key: None,
            payload: Content::Inline(Json::parse("{}").unwrap()),
        };
        let event = Event::Submitted(Box::new(submitted));
        let head = self.store(id, Digest::ZERO, &event);
        self.plain.push(Plain {
            id,
            submitted: self.sequence,
            priority,
            pin,
            not_before,
            state: TaskAggregate::evolve(None, &event).unwrap(),
            dead: false,
            held: false,
            head,
        });
    }

    fn failure(&self, attempt: u32) -> Failure {
        Failure {
            attempt,
            claim: claim(self.now, 0),
            finished_at: self.now,
            runtime_us: 1,
            error: "no".into(),
            traceback: None,
            recovery: None,
            logs: None,
        }
    }

    /// Who goes first, by looking at everybody.
    fn next(&self, index: u32, workers: u32) -> Option<usize> {
        let may = |plain: &Plain| {
            plain.state.phase == Phase::Pending
                && !plain.held
                && plain.not_before.is_none_or(|due| due <= self.now)
                && plain.pin.is_none_or(|pin| pin == index || pin >= workers)
        };
        let all = self
            .plain
            .iter()
            .enumerate()
            .filter(|(_, plain)| may(plain));
        let best = all.min_by_key(|(_, plain)| (Reverse(plain.priority), plain.submitted))?;
        Some(best.0)
    }

    fn step(&mut self, step: &Step) {
        let at = |index: &Index| (!self.plain.is_empty()).then(|| index.index(self.plain.len()));
        match step {
            Step::Submit {
                priority,
                pin,
                delay,
                retries,
            } => self.submit(*priority, *pin, *delay, *retries),
            Step::Take { index, workers } => self.take(*index, *workers),
            Step::Wait(time) => self.now += seconds(*time),
            Step::Finish(index) => {
                let Some(at) = at(index) else { return };
                let done = Done {
                    attempt: self.plain[at].state.attempt(),
                    claim: claim(self.now, 0),
                    finished_at: self.now,
                    runtime_us: 1,
                    result: Content::Inline(Json::parse("1").unwrap()),
                    logs: None,
                };
                self.decide(at, &Command::Finish(done));
            }
            Step::Fail(index) => {
                let Some(at) = at(index) else { return };
                let failure = self.failure(self.plain[at].state.attempt());
                let command = task::failed(&self.plain[at].state, failure, self.now, 0.0);
                self.decide(at, &command);
            }
            Step::Cancel(index) => {
                let Some(at) = at(index) else { return };
                self.decide(at, &Command::Cancel);
            }
            Step::Requeue(index) => {
                let Some(at) = at(index) else { return };
                self.decide(at, &Command::Requeue);
            }
            Step::GiveBack(index) => {
                let Some(at) = at(index) else { return };
                let plain = &mut self.plain[at];
                self.book.give_back(plain.id, plain.state.attempt());
                plain.held = false;
            }
            Step::Forget(index) => {
                let Some(at) = at(index) else { return };
                if self.plain[at].state.phase.is_ended() {
                    let gone = self.plain.remove(at);
                    self.book.forget(gone.id);
                }
            }
        }
    }

    fn take(&mut self, index: u32, workers: u32) {
        let expected = self.next(index, workers);
        let place = Place { index, workers };
        let taken = self.book.take(service().id, place, claim(self.now, index));
        let expected = expected.map(|at| {
            self.plain[at].held = true;
            (self.plain[at].id, self.plain[at].state.attempt())
        });
        let taken = taken.map(|taken| (taken.task.id, taken.attempt));
        assert_eq!(taken, expected);
    }

    fn agrees(&self) {
        let count =
            |is: &dyn Fn(&Plain) -> bool| self.plain.iter().filter(|plain| is(plain)).count();
        let in_phase = |phase| count(&|plain| plain.state.phase == phase);
        let counts = Counts {
            pending: count(&|plain| plain.state.phase == Phase::Pending && !plain.held),
            running: count(&|plain| plain.held),
            done: in_phase(Phase::Done),
            failed: in_phase(Phase::Failed),
            cancelled: in_phase(Phase::Cancelled),
            dead: count(&|plain| plain.state.phase == Phase::Failed && plain.dead),
        };
        assert_eq!(self.book.counts(service().id), counts);
        for (which, is) in [
            (Which::All, &(|_: &Plain| true) as &dyn Fn(&Plain) -> bool),
            (Which::Running, &|plain| plain.held),
            (Which::Waiting, &|plain| {
                plain.state.phase == Phase::Pending && !plain.held
            }),
            (Which::Ended(Phase::Done), &|plain| {
                plain.state.phase == Phase::Done
            }),
            (Which::Dead, &|plain| {
                plain.state.phase == Phase::Failed && plain.dead
            }),
        ] {
            let listed = self.book.list(service().id, which, u64::MAX, 1000);
            let listed: Vec<_> = listed.iter().map(|task| task.id).collect();
            let plain = self.plain.iter().rev().filter(|plain| is(plain));
            let expected: Vec<_> = plain.map(|plain| plain.id).collect();
            assert_eq!(listed, expected, "{which:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_agrees_with_a_list(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.agrees();
        }
    }
}

#[test]
fn a_broken_chain_is_damage() {
    let mut world = World::new();
    world.submit(0, None, None, 0);
    let event = Event::Cancelled(task::Cancelled {});
    let broken = world.document(world.plain[0].id, Digest::of(b"another"), &event);
    assert!(matches!(world.book.apply(&broken), Err(Error::Damaged(_))));
    // The rest of a task that was removed is none.
    let rest = world.document(TaskId(Uuid::from_u128(9)), Digest::of(b"another"), &event);
    assert!(world.book.apply(&rest).is_ok());
    assert_eq!(world.book.counts(service().id).pending, 1);
}

#[test]
fn what_cannot_be_read_stops_nothing_else() {
    let mut world = World::new();
    world.submit(0, None, None, 0);
    world.submit(0, None, None, 0);
    let (id, other) = (world.plain[0].id, world.plain[1].id);
    let head = |world: &World, id| world.book.task(id).unwrap().head;
    // Bytes that are no event: the task goes on behind them.
    let event = Event::Cancelled(task::Cancelled {});
    let mut noise = world.document(id, head(&world, id), &event);
    noise.payload = (&b"{"[..]).into();
    world.book.apply(&noise).unwrap();
    assert_eq!(head(&world, id), noise.digest());
    let next = world.document(id, noise.digest(), &event);
    world.book.apply(&next).unwrap();
    assert_eq!(world.book.task(id).unwrap().phase, Phase::Cancelled);
    // An event of a later version: nobody gets that task.
    let known = world.document(other, head(&world, other), &event);
    let text = String::from_utf8(known.payload.to_vec()).unwrap();
    let later = Recorded {
        payload: text
            .replace("eai.task.cancelled.v1", "eai.task.cancelled.v9")
            .into(),
        ..known
    };
    world.book.apply(&later).unwrap();
    assert!(world.book.task(other).is_none());
    assert_eq!(world.book.counts(service().id).pending, 0);
}

#[test]
fn what_a_worker_kept_is_taken_up_once() {
    let mut world = World::new();
    world.submit(0, None, None, 1);
    let (id, service) = (world.plain[0].id, service().id);
    let (now, place) = (
        world.now,
        Place {
            index: 0,
            workers: 2,
        },
    );
    assert!(
        world.book.resume(id, 2, claim(now, 1)).is_none(),
        "another attempt"
    );
    assert!(world.book.resume(id, 1, claim(now, 1)).is_some());
    assert!(
        world.book.resume(id, 1, claim(now, 1)).is_some(),
        "said twice"
    );
    assert!(
        world.book.resume(id, 1, claim(now, 0)).is_none(),
        "another has it"
    );
    assert_eq!(world.book.take(service, place, claim(now, 0)), None);
    world.book.give_back(id, 2);
    assert_eq!(world.book.counts(service).running, 1, "of another attempt");
    world.book.give_back(id, 1);
    assert!(world.book.take(service, place, claim(now, 0)).is_some());
}

#[test]
fn only_what_ended_and_is_not_to_be_kept_is_outlived() {
    let mut world = World::new();
    for _ in 0..5 {
        world.submit(0, None, None, 0);
    }
    for at in 0..4 {
        world.step(&Step::Wait(10));
        world.decide(at, &Command::Cancel);
    }
    let kept = |age, most| Kept {
        age: Duration::from_secs(age),
        most,
    };
    let outlived = |kept| {
        let tasks = world
            .book
            .outlived(service().id, Phase::Cancelled, kept, world.now);
        tasks.len()
    };
    assert_eq!(outlived(kept(1000, 10)), 0);
    assert_eq!(outlived(kept(1000, 1)), 3);
    assert_eq!(outlived(kept(15, 10)), 2);
    assert_eq!(outlived(kept(15, 3)), 2);
    assert_eq!(outlived(kept(0, 0)), 4);
    assert_eq!(Kept::of(Phase::Pending), None);
}
