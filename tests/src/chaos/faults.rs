//! Doing to the processes what the schedule says, and starting again what ended.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::history::{Fault, FaultKind, Line, Seen};
use super::schedule::Planned;
use super::writer::Ground;
use crate::platform::Platform;

/// How often the platform is looked at, to start it again if it ended by itself.
const LOOK: Duration = Duration::from_millis(20);
/// How long a nats-server that is away may take to come back before the next fault is due to it.
const RETURN: Duration = Duration::from_secs(30);

/// Has the platform, and does to it what is planned.
#[derive(Debug)]
pub(super) struct Driver<'a> {
    platform: Platform,
    ground: &'a Ground,
    seen: Seen,
    /// Takes the log lines of every process of the platform.
    lines: File,
}

// === impl Driver ===

impl<'a> Driver<'a> {
    pub(super) fn new(platform: Platform, ground: &'a Ground, lines: File) -> Self {
        Self {
            platform,
            ground,
            seen: Seen::default(),
            lines,
        }
    }

    /// Does all that is planned, then lets the writers end, and minds the platform until they have.
    pub(super) fn drive(
        mut self,
        plan: &[Planned],
        quiet: Duration,
        written: &AtomicBool,
    ) -> (Platform, Seen) {
        for planned in plan {
            self.mind(planned.after);
            if self.ground.is_halted() {
                break;
            }
            self.apply(*planned);
        }
        self.mind(quiet);
        self.ground.end();
        while !written.load(Ordering::SeqCst) {
            self.mind(LOOK);
        }
        self.read_log();
        (self.platform, self.seen)
    }

    /// Lets time pass; a platform that ends by itself meanwhile is started again, as a service manager would.
    fn mind(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::thread::sleep(LOOK.min(time));
            if self.platform.has_ended() {
                let at = self.ground.recorder.now();
                self.platform.wait();
                self.start_again();
                self.record(at, FaultKind::Ended);
            }
        }
    }

    fn apply(&mut self, planned: Planned) {
        if planned.kind != FaultKind::KillPlatform {
            self.until_nats();
        }
        let at = self.ground.recorder.now();
        match planned.kind {
            FaultKind::KillPlatform | FaultKind::Ended => {
                self.platform.kill();
                self.start_again();
            }
            FaultKind::KillNats => self.platform.kill_nats(),
            FaultKind::KillBoth => {
                self.platform.signal(Signal::KILL);
                self.platform.kill_nats();
                self.platform.wait();
                self.start_again();
            }
            FaultKind::FreezePlatform => {
                self.platform.signal(Signal::STOP);
                std::thread::sleep(planned.lasts);
                self.platform.signal(Signal::CONT);
            }
            FaultKind::FreezeNats => {
                self.platform.signal_nats(Signal::STOP);
                std::thread::sleep(planned.lasts);
                self.platform.signal_nats(Signal::CONT);
            }
        }
        self.record(at, planned.kind);
    }

    fn until_nats(&mut self) {
        let start = Instant::now();
        while self.platform.nats_pid().is_none() && start.elapsed() < RETURN {
            self.mind(LOOK);
        }
    }

    fn start_again(&mut self) {
        self.read_log();
        self.platform.spawn();
    }

    fn record(&self, at: u64, kind: FaultKind) {
        let millis = (self.ground.recorder.now() - at) / 1000;
        let fault = Fault { at, kind, millis };
        self.ground
            .recorder
            .write(&Line::Fault(fault))
            .expect("the history is written");
    }

    /// Keeps and counts what this process of the platform told before the next one begins its log anew.
    fn read_log(&mut self) {
        let log = self.platform.log();
        self.lines
            .write_all(log.as_bytes())
            .expect("the log lines are kept");
        for line in log.lines() {
            if line.contains("append.again") {
                let lost = line.contains("wrong last sequence");
                self.seen.conflicts += u64::from(lost);
                self.seen.unanswered += u64::from(!lost);
            }
            self.seen.adopted += u64::from(line.contains("adopted the running nats-server"));
        }
    }
}
