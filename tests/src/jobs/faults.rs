//! Doing to the processes what the schedule says, and starting again what was killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::schedule::{DECK, FaultKind, Planned, Schedule};
use crate::other::Other;
use crate::platform::Platform;
use crate::wait::until;

/// How often it is looked whether there is still something to disturb.
const LOOK: Duration = Duration::from_millis(20);

/// What was done, and when, in Unix milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// What.
    pub(super) kind: FaultKind,
    /// From then on.
    pub(super) from: u64,
    /// Until everything was back.
    pub(super) to: u64,
}

/// Has platform and second executor, and does to them what is planned.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) platform: Platform,
    pub(super) other: Other,
    pub(super) faults: Vec<Fault>,
}

// === impl Driver ===

impl Driver {
    pub(super) fn new(platform: Platform, other: Other) -> Self {
        Self {
            platform,
            other,
            faults: Vec::new(),
        }
    }

    /// Disturbs until the jobs have done what they were to do, and so many faults came, each kind once at least.
    /// Everything runs at the end.
    pub(super) fn drive(mut self, seed: u64, least: usize, done: &AtomicBool) -> Self {
        let mut schedule = Schedule::new(seed);
        let least = least.max(DECK.len());
        while !done.load(Ordering::SeqCst) || self.faults.len() < least {
            let planned = schedule.next();
            // The second executor has something to lose.
            let is_others = matches!(planned.kind, FaultKind::KillOther | FaultKind::FreezeOther);
            if is_others {
                self.say("drain");
            }
            let start = Instant::now();
            while start.elapsed() < planned.after {
                std::thread::sleep(LOOK);
            }
            if is_others {
                self.say("undrain");
            }
            self.apply(planned);
        }
        self.until_nats();
        self
    }

    fn apply(&mut self, planned: Planned) {
        let Planned { kind, lasts, .. } = planned;
        self.until_nats();
        let from = now();
        match kind {
            FaultKind::KillPlatform => {
                self.platform.kill();
                std::thread::sleep(lasts);
                self.platform.up();
            }
            FaultKind::KillOther => {
                self.other.kill();
                std::thread::sleep(lasts);
                self.other.up();
            }
            FaultKind::KillNats => self.platform.kill_nats(),
            FaultKind::FreezePlatform => {
                self.platform.signal(Signal::STOP);
                std::thread::sleep(lasts);
                self.platform.signal(Signal::CONT);
            }
            FaultKind::FreezeOther => {
                self.other.signal(Signal::STOP);
                std::thread::sleep(lasts);
                self.other.signal(Signal::CONT);
            }
            FaultKind::FreezeNats => {
                self.platform.signal_nats(Signal::STOP);
                std::thread::sleep(lasts);
                self.platform.signal_nats(Signal::CONT);
            }
        }
        self.faults.push(Fault {
            kind,
            from,
            to: now(),
        });
    }

    /// Tells the platform's own executor.
    fn say(&self, verb: &str) {
        let other = self.other.id();
        until("the executor to be told", || {
            let listed = self.platform.cli(["executor", "ls", "--field", "id"]);
            let own = listed.out.lines().find(|id| *id != other);
            let said = own.map(|own| self.platform.cli(["executor", verb, own]));
            match said {
                Some(said) if said.code == 0 => Ok(()),
                said => Err((listed.err, said)),
            }
        });
    }

    fn until_nats(&self) {
        until("nats-server to be back", || {
            self.platform.nats_pid().ok_or("it is away")
        });
    }
}

/// Unix milliseconds.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
