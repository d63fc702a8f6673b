//! One nats-server process: started here, or found alive after the platform was killed.
//!
//! A process is held by its pidfd, so a signal never reaches another one that got the same id
//! later, and its end is an event and not a poll.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Error;
use super::config::Paths;

/// The argument before the configuration's path: by both together a process is known as ours.
const CONFIG_ARGUMENT: &str = "--config";
/// How long the kernel may take to end a killed process, which may be waiting for a disk.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
    /// Only for a process started here; it is reaped through this.
    child: Option<Child>,
    /// Whether the process ends with this value: so until it is ready, so that a start given
    /// up half-way leaves nothing behind.
    ends_with_us: bool,
}

// === impl Process ===

impl Process {
    /// Starts nats-server in a process group of its own: Ctrl-C in the platform's terminal is for
    /// the platform, which ends nats-server last.
    pub(super) fn spawn(binary: &Path, paths: &Paths) -> Result<Self, Error> {
        let failed = |source| Error::Spawn {
            path: binary.to_owned(),
            source,
        };
        // A file and not a pipe: nats-server may outlive the platform.
        let early_log = File::create(&paths.early_log).map_err(failed)?;
        let child = Command::new(binary)
            .arg(CONFIG_ARGUMENT)
            .arg(&paths.config)
            .current_dir(&paths.folder)
            .stdin(Stdio::null())
            .stdout(early_log.try_clone().map_err(failed)?)
            .stderr(early_log)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        // Not reaped before `child` is waited for, so the id can't be another process's yet.
        let pidfd = open(pid).map_err(|source| Error::Watch {
            pid: pid.as_raw_pid(),
            source,
        })?;
        Ok(Self {
            pid,
            pidfd,
            child: Some(child),
            ends_with_us: true,
        })
    }

    /// Finds a living nats-server that runs this configuration file.
    pub(super) fn find(paths: &Paths) -> Option<Self> {
        let noted = fs::read_to_string(&paths.pid)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        // If the platform was killed before nats-server wrote its pid file, only /proc knows.
        let all = || fs::read_dir("/proc").into_iter().flatten().flatten();
        let listed = all().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        noted
            .into_iter()
            .chain(listed)
            .find_map(|pid| Self::hold(pid, &paths.config))
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// From now on the process lives on when this value is dropped.
    pub(super) fn release(&mut self) {
        self.ends_with_us = false;
    }

    /// Waits for the end, and reaps it. The status is known only of a process started here.
    /// May be cancelled and asked again.
    pub(super) async fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        let watch = |source| Error::Watch {
            pid: self.pid.as_raw_pid(),
            source,
        };
        // Readable once it has ended, and for ever after.
        let ready = self.pidfd.ready(Interest::READABLE).await;
        ready.map_err(watch)?.retain_ready();
        match &mut self.child {
            Some(child) => child.wait().await.map(Some).map_err(watch),
            None => Ok(None),
        }
    }

    /// Asks it to end, and ends it if it hasn't within the time.
    pub(super) async fn stop(mut self, within: Duration) -> Result<(), Error> {
        self.signal(Signal::TERM);
        if let Ok(ended) = timeout(within, self.ended()).await {
            return ended.map(drop);
        }
        tracing::warn!(
            pid = self.pid(),
            "nats-server didn't end within {}: killed it",
            humantime::format_duration(within)
        );
        self.signal(Signal::KILL);
        let ended = timeout(KILLED_WITHIN, self.ended()).await;
        ended.map_or(Err(Error::Unstoppable { pid: self.pid() }), |ended| {
            ended.map(drop)
        })
    }

    fn hold(pid: i32, config: &Path) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        // First the handle, then the look: what is looked at is then what is held, unless it
        // ended in between, which the handle tells.
        let runs_config = |pid: Pid| {
            let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).ok()?;
            let line = line.strip_suffix(b"\0")?;
            let mut arguments = line.rsplit(|byte| *byte == 0);
            let ours = arguments.next() == Some(config.as_os_str().as_bytes())
                && arguments.next() == Some(CONFIG_ARGUMENT.as_bytes());
            ours.then_some(())
        };
        runs_config(pid)?;
        let pidfd = open(pid).ok()?;
        runs_config(pid)?;
        Some(Self {
            pid,
            pidfd,
            child: None,
            ends_with_us: false,
        })
    }

    fn signal(&self, signal: Signal) {
        // It fails only if the process has ended already, and then its end is noticed as such.
        if let Err(error) = pidfd_send_signal(self.pidfd.get_ref(), signal) {
            tracing::debug!(pid = self.pid(), %error, "nats-server took no signal");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ends_with_us {
            self.signal(Signal::TERM);
        }
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe code; an OwnedFd stays open and the same, which is all it asks"
)]
fn open(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}
