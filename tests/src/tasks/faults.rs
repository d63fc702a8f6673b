//! Doing to the processes what the schedule says, and starting again what was killed.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::schedule::{FaultKind, Planned, Schedule};
use crate::leftovers;
use crate::platform::Platform;
use crate::wait::until;

/// Has the platform, and does to it and its workers what is planned.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) platform: Platform,
    /// What was done, in order.
    pub(super) faults: Vec<FaultKind>,
    /// What every platform said before it was killed.
    pub(super) said: String,
    /// What marks a worker of this run.
    mark: String,
}

// === impl Driver ===

impl Driver {
    pub(super) fn new(platform: Platform, mark: &str) -> Self {
        Self {
            platform,
            faults: Vec::new(),
            said: String::new(),
            mark: mark.to_owned(),
        }
    }

    /// Disturbs so many times. Everything runs at the end.
    pub(super) fn drive(mut self, seed: u64, faults: usize) -> Self {
        let mut schedule = Schedule::new(seed);
        for _ in 0..faults {
            let planned = schedule.next();
            std::thread::sleep(planned.after);
            self.until_nats();
            self.apply(planned);
            self.faults.push(planned.kind);
        }
        self.until_nats();
        self
    }

    fn apply(&mut self, planned: Planned) {
        let Planned { lasts, whom, .. } = planned;
        match planned.kind {
            FaultKind::KillWorker => signal(self.worker(whom), Signal::KILL),
            FaultKind::StopWorker => signal(self.worker(whom), Signal::STOP),
            FaultKind::KillShim => signal(self.shim(whom), Signal::KILL),
            FaultKind::KillPlatform => self.away(lasts, |_| {}),
            FaultKind::KillPlatformAndWorker => self.away(lasts, |own| {
                signal(own.worker(whom), Signal::KILL);
            }),
            FaultKind::KillPlatformAndShim => self.away(lasts, |own| {
                // The shim first, so that it tells nobody how the worker ended.
                signal(own.shim(whom), Signal::KILL);
                signal(own.worker(whom), Signal::KILL);
            }),
            FaultKind::KillNats => self.platform.kill_nats(),
            FaultKind::FreezePlatform => {
                self.platform.signal(Signal::STOP);
                std::thread::sleep(lasts);
                self.platform.signal(Signal::CONT);
            }
            FaultKind::FreezeNats => {
                self.platform.signal_nats(Signal::STOP);
                std::thread::sleep(lasts);
                self.platform.signal_nats(Signal::CONT);
            }
        }
    }

    fn away(&mut self, lasts: Duration, meanwhile: impl FnOnce(&Self)) {
        self.platform.kill();
        self.said.push_str(&self.platform.log());
        meanwhile(self);
        std::thread::sleep(lasts);
        self.platform.up();
    }

    /// One of the workers that are there now.
    fn worker(&self, whom: f64) -> Option<Pid> {
        one_of(&leftovers::marked(&self.mark), whom)
    }

    /// One of the processes that serve them.
    fn shim(&self, whom: f64) -> Option<Pid> {
        one_of(&leftovers::shims(&self.platform.data()), whom)
    }

    fn until_nats(&self) {
        until("nats-server to be back", || {
            self.platform.nats_pid().ok_or("it is away")
        });
    }
}

fn one_of(all: &[i32], whom: f64) -> Option<Pid> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "any of a few"
    )]
    let index = (whom * all.len() as f64) as usize;
    Pid::from_raw(*all.get(index)?)
}

fn signal(process: Option<Pid>, signal: Signal) {
    if let Some(process) = process {
        // It may end at this moment by itself.
        kill_process(process, signal).ok();
    }
}
