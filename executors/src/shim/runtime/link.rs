//! The conversation with a platform, one at a time: a newer one ends the one before.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::desk::{Desk, OUTCOMES};
use super::frame::{Frames, say};
use super::logs::{self, Pipes};
use super::still::{Looked, look};
use crate::backend::{Beat, FromWorker, Outcome, Runtime, ToWorker, WorkerState};
use crate::shim::attempts::{Attempts, Ledger};
use crate::shim::files::Files;
use crate::shim::{complain, now, now_micros};

/// The shortest pause between two signs of life.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// How long a task takes before it is told that the worker has it: of a shorter one, its outcome tells all.
const WORTH_TELLING: Duration = Duration::from_millis(5);

/// What the sides of a worker share.
#[derive(Debug)]
pub(in crate::shim) struct Worker {
    pub(super) desk: watch::Sender<Desk>,
    pub(super) runtime: Runtime,
    /// Who alone is answered, where others could ask.
    pub(super) client: Option<IpAddr>,
    incarnation: String,
    ledger: Mutex<Ledger>,
    /// The run's first process on this machine; 0 while there is none.
    first: AtomicI32,
    /// Counts platforms.
    platforms: watch::Sender<u64>,
    output: Option<Output>,
}

/// What a run writes, where the shim has it.
#[derive(Debug)]
pub(in crate::shim) struct Output {
    pub(in crate::shim) folder: PathBuf,
    /// Where it ends.
    pub(in crate::shim) end: watch::Receiver<u64>,
    /// There once the command may have begun.
    pub(in crate::shim) pipes: OnceLock<Pipes>,
}

// === impl Worker ===

impl Worker {
    pub(in crate::shim) fn new(
        runtime: Runtime,
        incarnation: String,
        client: Option<IpAddr>,
        files: Files,
        output: Option<Output>,
    ) -> Self {
        Self {
            desk: watch::Sender::default(),
            runtime,
            client,
            incarnation,
            ledger: Mutex::new(Ledger::new(files)),
            first: AtomicI32::new(0),
            platforms: watch::Sender::new(0),
            output,
        }
    }

    /// The command may begin: this is its first process, and what it writes to.
    pub(in crate::shim) fn begins(&self, first: i32, pipes: Pipes) {
        self.set_first(Some(first));
        if let Some(output) = &self.output {
            // It begins once.
            drop(output.pipes.set(pipes));
        }
    }

    /// What no platform has acknowledged, and what was not answered, now that the command has ended.
    pub(in crate::shim) fn left(&self) -> Vec<Outcome> {
        self.desk.borrow().left(now_micros())
    }

    /// Writes down what the worker has at hand, before it gets the newest of it: should this process be killed, the
    /// task has still lost an attempt.
    pub(super) fn note(&self) {
        let attempts = Attempts {
            incarnation: self.incarnation.clone(),
            held: self.desk.borrow().open(),
        };
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = ledger.put(&attempts) {
            complain(&format!("what the worker has is not written down: {error}"));
        }
    }

    /// Where the output ends, with all that was written before.
    pub(super) async fn output_end(&self) -> u64 {
        let Some(output) = &self.output else {
            return 0;
        };
        if let Some(pipes) = output.pipes.get() {
            pipes.settled().await;
        }
        *output.end.borrow()
    }

    /// What was written since the output ended at `from`.
    pub(super) async fn logs_since(&self, from: u64) -> String {
        let to = self.output_end().await;
        match &self.output {
            Some(output) if to > from => logs::between(&output.folder, from, to),
            _ => String::new(),
        }
    }

    fn set_first(&self, pid: Option<i32>) {
        self.first.store(pid.unwrap_or_default(), Ordering::Relaxed);
    }

    fn looked(&self) -> Looked {
        match self.first.load(Ordering::Relaxed) {
            0 => Looked::default(),
            first => look(first),
        }
    }
}

/// Talks to a platform until it goes, or another one comes.
///
/// `ahead` is what it said already.
pub(in crate::shim) async fn converse(
    stream: UnixStream,
    ahead: &[u8],
    worker: &Worker,
) -> io::Result<()> {
    worker.platforms.send_modify(|count| *count += 1);
    let mut platforms = worker.platforms.subscribe();
    let (read, write) = stream.into_split();
    let mut frames = Frames::after(ahead, read);
    let talk = async {
        if let Err(error) = talk(&mut frames, write, worker).await {
            // What it had said before it went still counts.
            while let Some(frame) = frames.next().await? {
                drop(heed(worker, frame));
            }
            return Err(error);
        }
        Ok(())
    };
    tokio::select! {
        ended = talk => ended,
        _ = platforms.changed() => Ok(()),
    }
}

async fn talk(
    frames: &mut Frames<OwnedReadHalf, ToWorker>,
    mut write: OwnedWriteHalf,
    worker: &Worker,
) -> io::Result<()> {
    let pause = Duration::from_millis(worker.runtime.beat_ms).max(SHORTEST_PAUSE);
    let mut beats = tokio::time::interval(pause);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.reset();
    let mut desk = worker.desk.subscribe();
    let mut looked = worker.looked();
    let (beat_now, turn) = {
        let desk = desk.borrow_and_update();
        (beat(&desk, &looked), desk.turn())
    };
    let hello = FromWorker::Hello {
        incarnation: worker.incarnation.clone(),
        room: OUTCOMES,
        beat: beat_now,
    };
    say(&mut write, [&hello]).await?;
    let mut told = Told { turn, outcomes: 0 };
    let mut processing: Option<Instant> = None;
    loop {
        let (news, has_begun) = {
            let desk = desk.borrow_and_update();
            let is_due = processing.is_some_and(|since| since.elapsed() >= WORTH_TELLING);
            (told.news(&desk, &looked, is_due), told.has_begun(&desk))
        };
        processing = has_begun.then(|| processing.unwrap_or_else(Instant::now));
        if !news.is_empty() {
            say(&mut write, &news).await?;
        }
        let due = async {
            match processing {
                Some(since) => tokio::time::sleep_until(since + WORTH_TELLING).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = desk.changed() => {}
            () = due => {}
            _ = beats.tick() => {
                looked = worker.looked();
                let beat = FromWorker::Beat(beat(&desk.borrow(), &looked));
                say(&mut write, [&beat]).await?;
            }
            frame = frames.next() => match frame? {
                None => return Ok(()),
                Some(frame) => if let Some(busy) = heed(worker, frame) {
                    say(&mut write, [&busy]).await?;
                },
            }
        }
    }
}

/// Does what a platform says; the answer is what it has to hear of that at once.
fn heed(worker: &Worker, frame: ToWorker) -> Option<FromWorker> {
    match frame {
        ToWorker::Process { pid } => {
            worker.set_first(pid);
            None
        }
        ToWorker::Invoke(invocation) => {
            let (id, attempt) = (invocation.id.clone(), invocation.attempt);
            let mut given = false;
            worker
                .desk
                .send_modify(|desk| given = desk.give(invocation));
            (!given).then_some(FromWorker::Busy { id, attempt })
        }
        ToWorker::Ack { id, attempt } => {
            worker
                .desk
                .send_modify(|desk| desk.acknowledge(&id, attempt));
            None
        }
    }
}

fn beat(desk: &Desk, looked: &Looked) -> Beat {
    Beat {
        state: desk.state(),
        timestamp: now(),
        pid: looked.pid,
        held: desk.held(),
        still: looked.still,
        failure: desk.failure().cloned(),
    }
}

fn is_processing(desk: &Desk) -> bool {
    desk.state() == WorkerState::Processing
}

/// What a platform has heard.
#[derive(Debug)]
struct Told {
    turn: u64,
    outcomes: u64,
}

// === impl Told ===

impl Told {
    /// What it has not heard yet; of a task that has begun only where that is due.
    fn news(&mut self, desk: &Desk, looked: &Looked, is_due: bool) -> Vec<FromWorker> {
        let mut news = Vec::new();
        for (number, outcome) in desk.outcomes_after(self.outcomes) {
            self.outcomes = number;
            news.push(FromWorker::Outcome(outcome.clone()));
        }
        if !news.is_empty() && !is_processing(desk) {
            // It did nothing but what these are the outcomes of.
            self.turn = desk.turn();
        }
        if desk.turn() != self.turn && (is_due || !is_processing(desk)) {
            self.turn = desk.turn();
            news.push(FromWorker::Beat(beat(desk, looked)));
        }
        news
    }

    /// Whether a task has begun of which it has not heard.
    fn has_begun(&self, desk: &Desk) -> bool {
        desk.turn() != self.turn && is_processing(desk)
    }
}
