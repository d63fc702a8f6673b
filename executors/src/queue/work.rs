//! One worker from its first word to its end: a task at a time goes in, its outcome comes out.

mod ending;

use std::time::{Duration, Instant, SystemTime};

use eai_core::log::tasks::{Place, Taken};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::event::Unprepared;
use super::hand::{GRACE, Hand, from_micros, unix_ms, until};
use super::outcome::End;
use super::start::{Identity, Seen, Wanted};
use super::{Expected, Queues};
use crate::backend::{
    Beat, Conversation, FromWorker, Held, Invocation, Running, Signal, ToWorker, WorkerState,
};

/// The pause before a worker that cannot be talked to is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a worker of an earlier start may take to say what it has, before others get the tasks of its service.
const ROLL_CALL: Duration = Duration::from_secs(10);
/// How long a task may take of which nobody says it.
const USUAL_TIME: Duration = Duration::from_hours(1);
/// The pause after a task could not be brought to its worker.
const LATER: Duration = Duration::from_millis(200);
/// The shortest pause between two signs of life that are passed on.
const BEAT_PAUSE: Duration = Duration::from_millis(100);

/// A worker that is worked with.
#[derive(Debug)]
pub(super) struct Work {
    queues: Queues,
    identity: Identity,
    running: Running,
    seen: watch::Sender<Seen>,
    wanted: watch::Receiver<Wanted>,
    incarnation: String,
    /// What it said last of itself.
    beat: Option<Beat>,
    heard: Option<Instant>,
    shown: Option<Instant>,
    /// What it was given.
    hand: Option<Hand>,
    /// Outcomes on their way into the log.
    storing: JoinSet<(String, u32)>,
    /// Outcomes that are stored, which the worker does not know yet.
    acks: Vec<ToWorker>,
    /// How many outcomes the worker keeps.
    room: usize,
    not_before: Instant,
}

/// What happens next.
enum Next {
    Heard(std::io::Result<Option<FromWorker>>),
    Taken(Taken),
    Stored((String, u32)),
    Late,
    Wanted,
}

// === impl Work ===

impl Work {
    pub(super) fn new(
        queues: Queues,
        identity: Identity,
        running: Running,
        (seen, wanted): (watch::Sender<Seen>, watch::Receiver<Wanted>),
    ) -> Self {
        Self {
            queues,
            identity,
            running,
            seen,
            wanted,
            incarnation: String::new(),
            beat: None,
            heard: None,
            shown: None,
            hand: None,
            storing: JoinSet::new(),
            acks: Vec::new(),
            room: 0,
            not_before: Instant::now(),
        }
    }

    /// Sees the worker through to its end.
    pub(super) async fn run(mut self, mut expected: Option<Expected>) {
        let roll_call = Instant::now() + ROLL_CALL;
        let why = loop {
            if let Wanted::Ended(why) = &*self.wanted.borrow() {
                break why.clone();
            }
            let mut wanted = self.wanted.clone();
            let is_expected = expected.is_some();
            let too_late = async {
                if !is_expected {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep_until(roll_call.into()).await;
            };
            let greeted = tokio::select! {
                biased;
                _ = wanted.wait_for(|wanted| matches!(wanted, Wanted::Ended(_))) => continue,
                greeted = self.greet() => Ok(greeted),
                () = too_late => Err(()),
            };
            match greeted {
                Ok(Some(mut conversation)) => {
                    expected = None;
                    if let Err(error) = self.converse(&mut conversation).await {
                        tracing::debug!(worker = self.identity.name, %error, "worker.conversation");
                    }
                }
                Ok(None) => self.pause().await,
                Err(()) => {
                    tracing::warn!(
                        worker = self.identity.name,
                        "worker.silent: its tasks may be given to others"
                    );
                    expected = None;
                }
            }
        };
        self.settle(why).await;
        drop(expected);
    }

    /// Begins a conversation, and hears all that the worker has to say of before.
    async fn greet(&mut self) -> Option<Conversation> {
        let mut conversation = self.running.worker().await.ok()?;
        let Ok(Some(FromWorker::Hello {
            incarnation,
            room,
            beat,
        })) = conversation.hear().await
        else {
            return None;
        };
        self.incarnation = incarnation;
        self.room = room;
        // It says again what it has.
        self.acks.clear();
        let held = beat.held.clone();
        self.note(beat).await;
        // What it has kept comes before its first sign of life.
        let mut has_answered = false;
        loop {
            match conversation.hear().await.ok()?? {
                FromWorker::Outcome(outcome) => {
                    has_answered |= self
                        .hand
                        .as_ref()
                        .is_some_and(|hand| hand.is(&outcome.id, outcome.attempt));
                    self.take_outcome(outcome);
                }
                FromWorker::Beat(beat) => {
                    self.note(beat).await;
                    break;
                }
                FromWorker::Hello { .. } | FromWorker::Busy { .. } => {}
            }
        }
        match (held, &self.hand) {
            (Some(held), None) => self.resume(&held),
            // It never reached the worker.
            (None, Some(hand)) if !has_answered => {
                let taken = &hand.taken;
                self.queues.tasks.give_back(taken.task.id, taken.attempt);
                self.hand = None;
            }
            _ => {}
        }
        self.show();
        Some(conversation)
    }

    /// Works with the worker until one of both ends.
    async fn converse(&mut self, conversation: &mut Conversation) -> std::io::Result<()> {
        loop {
            match self.next(conversation).await {
                Next::Wanted => {
                    if matches!(&*self.wanted.borrow_and_update(), Wanted::Ended(_)) {
                        return Ok(());
                    }
                }
                Next::Heard(heard) => match heard? {
                    Some(FromWorker::Beat(beat)) => {
                        self.note(beat).await;
                        self.acknowledge(conversation).await?;
                    }
                    Some(heard) => self.heard(heard),
                    None => return Ok(()),
                },
                Next::Stored((id, attempt)) => {
                    self.acks.push(ToWorker::Ack { id, attempt });
                    // They go along with the next thing that is said, unless there is no room left for more.
                    if self.acks.len() * 2 >= self.room {
                        self.acknowledge(conversation).await?;
                    }
                }
                Next::Taken(taken) => self.hand_over(conversation, taken).await?,
                Next::Late => self.late().await,
            }
            self.show();
        }
    }

    async fn next(&mut self, conversation: &mut Conversation) -> Next {
        let deadline = self.hand.as_ref().map(Hand::deadline);
        let may_take = self.may_take();
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let (queues, identity, incarnation) = (&self.queues, &self.identity, &self.incarnation);
        let not_before = self.not_before;
        let task = async {
            if !may_take {
                return std::future::pending().await;
            }
            tokio::time::sleep_until(not_before.into()).await;
            queues.all_asked(identity.service).await;
            let place = Place {
                index: identity.index,
                workers: queues.workers_wanted(identity),
            };
            let claim = || identity.claim(incarnation, OffsetDateTime::now_utc());
            queues.tasks.next(identity.service, place, claim).await
        };
        tokio::select! {
            biased;
            _ = self.wanted.changed() => Next::Wanted,
            heard = conversation.hear() => Next::Heard(heard),
            Some(stored) = self.storing.join_next(), if !self.storing.is_empty() => match stored {
                Ok(stored) => Next::Stored(stored),
                Err(_) => Next::Wanted,
            },
            () = late => Next::Late,
            taken = task => Next::Taken(taken),
        }
    }

    /// Whether the worker may have another task.
    fn may_take(&self) -> bool {
        let is_free = self
            .beat
            .as_ref()
            .is_some_and(|beat| beat.state == WorkerState::Running && beat.held.is_none());
        is_free
            && self.hand.is_none()
            && self.storing.len() + self.acks.len() < self.room
            && *self.wanted.borrow() == Wanted::Work
            && self.queues.is_on(&self.identity)
    }

    /// Says which outcomes are stored.
    async fn acknowledge(&mut self, conversation: &mut Conversation) -> std::io::Result<()> {
        let acks = std::mem::take(&mut self.acks);
        if acks.is_empty() {
            return Ok(());
        }
        conversation.say_all(&acks).await
    }

    fn heard(&mut self, heard: FromWorker) {
        match heard {
            FromWorker::Hello { .. } | FromWorker::Beat(_) => {}
            FromWorker::Outcome(outcome) => self.take_outcome(outcome),
            FromWorker::Busy { id, attempt } => {
                if let Some(hand) = self.hand.take_if(|hand| hand.is(&id, attempt)) {
                    self.queues.tasks.give_back(hand.taken.task.id, attempt);
                    self.not_before = Instant::now() + LATER;
                }
            }
        }
    }

    /// Remembers how the worker is, and passes its sign of life on.
    async fn note(&mut self, beat: Beat) {
        let now = Instant::now();
        let is_due = self.shown.is_none_or(|shown| now - shown >= BEAT_PAUSE);
        if beat.still.is_none() {
            self.heard = Some(now);
            if is_due && beat.state != WorkerState::Starting {
                self.shown = Some(now);
                self.queues
                    .log
                    .worker_beat(self.identity.beat(beat.state))
                    .await;
            }
        }
        self.beat = Some(beat);
    }

    /// Brings a task to the worker.
    async fn hand_over(
        &mut self,
        conversation: &mut Conversation,
        taken: Taken,
    ) -> std::io::Result<()> {
        let (id, attempt) = (taken.task.id, taken.attempt);
        // It may have been stopped meanwhile.
        if !self.may_take() {
            self.queues.tasks.give_back(id, attempt);
            self.not_before = Instant::now() + LATER;
            return Ok(());
        }
        let prepared = match self.queues.prepare(&taken.task, &self.identity.name).await {
            Ok(prepared) => prepared,
            Err(Unprepared::Never(why)) => {
                self.queues.tell(&taken, End::Failed(why)).await;
                return Ok(());
            }
            Err(error @ (Unprepared::Later(_) | Unprepared::Gone)) => {
                tracing::debug!(task = %id, %error, "task.prepare");
                self.queues.tasks.give_back(id, attempt);
                self.not_before = Instant::now() + LATER;
                return Ok(());
            }
        };
        let time = prepared.submitted.timeout_ms.map(Duration::from_millis);
        let time = time.unwrap_or(USUAL_TIME);
        let invocation = Invocation {
            id: id.to_string(),
            attempt,
            deadline: unix_ms(SystemTime::now() + time),
            event: prepared.event,
            trace_id: None,
            client_context: None,
            cognito_identity: None,
        };
        self.hand = Some(Hand {
            taken,
            deadline: Instant::now() + time,
            is_late: false,
        });
        if let Some(beat) = &mut self.beat {
            beat.held = Some(Held {
                id: invocation.id.clone(),
                attempt,
                begun: None,
                deadline: invocation.deadline,
            });
        }
        eai_core::fail_point::reach("queue.taken");
        self.acks.push(ToWorker::Invoke(invocation));
        self.acknowledge(conversation).await
    }

    /// Takes up a task that the worker has from an earlier start.
    fn resume(&mut self, held: &Held) {
        let begun = held.begun.map_or_else(OffsetDateTime::now_utc, from_micros);
        let claim = self.identity.claim(&self.incarnation, begun);
        let taken = held.id.parse().ok().and_then(|id| {
            let tasks = &self.queues.tasks;
            tasks.resume(id, held.attempt, claim)
        });
        // Otherwise it is over, or another one has it: what comes of it here will be refused.
        self.hand = taken.map(|taken| Hand {
            taken,
            deadline: Instant::now() + until(held.deadline),
            is_late: false,
        });
    }

    /// The time of a task is over; or that of the worker, which has not come back.
    async fn late(&mut self) {
        let Some(hand) = &mut self.hand else {
            return;
        };
        if hand.is_late {
            tracing::warn!(
                worker = self.identity.name,
                "worker.replaced: it did not come back from a task"
            );
            hand.deadline = Instant::now() + GRACE;
            if let Err(error) = self.running.signal(Signal::Kill).await {
                tracing::debug!(worker = self.identity.name, %error, "worker.kill");
            }
            return;
        }
        hand.is_late = true;
        let time = OffsetDateTime::now_utc() - hand.taken.claim.claimed_at;
        let why = format!(
            "the task was not done within its time: the worker had it for {:.1} s",
            time.as_seconds_f64()
        );
        self.queues.tell(&hand.taken, End::Failed(why)).await;
    }

    /// Waits before the worker is tried again, unless its run is over.
    async fn pause(&mut self) {
        tokio::select! {
            _ = self.wanted.changed() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }

    /// Shows those who watch over the run how the worker is.
    fn show(&self) {
        let beat = self.beat.as_ref();
        let now = Seen {
            ready: beat.is_some_and(|beat| beat.state != WorkerState::Starting),
            busy: self.hand.is_some()
                || beat.is_some_and(|beat| beat.held.is_some())
                || !self.storing.is_empty(),
            failure: beat.and_then(|beat| beat.failure.as_ref()).map(|failure| {
                format!(
                    "the worker could not begin: {}: {}",
                    failure.kind, failure.message
                )
            }),
        };
        self.seen.send_if_modified(|seen| {
            let is_news = *seen != now;
            *seen = now;
            is_news
        });
    }
}
