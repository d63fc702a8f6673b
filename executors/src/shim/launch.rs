//! Starts bubblewrap, and holds the command until all around it is in place.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::{Child, Command};

use super::namespace::Namespaces;
use super::order::Order;
use super::sandbox::{GID, Sandbox, UID};

/// The most that bubblewrap says about itself.
const STATUS_MAX: u64 = 64 * 1024;

/// The least that a pipe holds: it has no room for a second write before the first one was read.
const PAGE: usize = 4096;

/// How often, and how often at most, it is looked whether a process stands still that was told to.
const STANDSTILL_LOOK: Duration = Duration::from_millis(1);
const STANDSTILL_LOOKS: u32 = 1000;

/// A sandbox that is being made; its command waits.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) bwrap: Child,
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    info: Status,
    /// Full until it is read: that holds bubblewrap itself, until its namespaces are open here.
    pub(super) status: Status,
    /// Closed or written to, it lets the command go: it is open until bubblewrap is gone.
    gate: Sender,
    /// Kept open, so that a reader that is gone does not look like one that read.
    _gate_end: OwnedFd,
}

/// What bubblewrap says about itself.
#[derive(Debug)]
pub(super) struct Status {
    pipe: Receiver,
    said: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Said {
    child_pid: Option<i32>,
    exit_code: Option<i32>,
}

/// Starts bubblewrap for `order`.
pub(super) fn launch(order: &Order, staged: &[PathBuf], resolv_conf: &str) -> io::Result<Launched> {
    let mut sandbox = Sandbox::of(order, staged, resolv_conf)?;
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let (info, info_end) = pipe()?;
    let (status, status_end) = brake()?;
    let (gate_end, gate) = pipe()?;
    rustix::pipe::fcntl_setpipe_size(&gate, PAGE)?;
    let kept = gate_end.try_clone()?;
    sandbox.add_file("--info-fd", info_end)?;
    sandbox.add_file("--json-status-fd", status_end)?;
    sandbox.add_file("--block-fd", gate_end)?;
    let inner = order.limits.command(&order.run.command, &order.caps);
    let (args, files) = sandbox.finish(&inner)?;
    let mut command = std::process::Command::new(&order.bwrap);
    command
        .args(args)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(stdout_end)
        .stderr(stderr_end);
    if order.root {
        // Also drops every other group.
        command.gid(GID).uid(UID);
    }
    // Dropped half-way, it must not let the command go.
    let bwrap = Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            let told = format!("failed to run {}: {error}", order.bwrap.display());
            io::Error::new(error.kind(), told)
        })?;
    drop(files);
    Ok(Launched {
        bwrap,
        stdout: Receiver::from_owned_fd(stdout)?,
        stderr: Receiver::from_owned_fd(stderr)?,
        info: Status::new(info)?,
        status: Status::new(status)?,
        gate: Sender::from_owned_fd(gate)?,
        _gate_end: kept,
    })
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

// === impl Launched ===

impl Launched {
    /// The sandbox's first process and its namespaces; none where bubblewrap gave up. Bubblewrap
    /// goes on when its status is read.
    pub(super) async fn sandbox(&mut self) -> io::Result<Option<(Pid, Namespaces)>> {
        let Some(pid) = self.info.pid().await? else {
            return Ok(None);
        };
        Ok(Some((pid, Namespaces::of(pid)?)))
    }

    /// Lets bubblewrap go on, and finish the sandbox.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.status.pid().await?;
        Ok(())
    }

    /// Lets the command go, and waits until it does: the sandbox is all in place then. False where bubblewrap
    /// gave up before.
    pub(super) async fn go(&mut self) -> io::Result<bool> {
        let let_go = async {
            self.gate.write_all(b"\n").await?;
            // A whole page has room once the word was read.
            self.gate.write_all(&[b'\n'; PAGE]).await
        };
        tokio::select! {
            biased;
            written = let_go => written.map(|()| true),
            ended = self.bwrap.wait() => ended.map(|_| false),
        }
    }
}

// === impl Status ===

impl Status {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: Receiver::from_owned_fd(pipe)?,
            said: Vec::new(),
        })
    }

    /// The command's exit code, once bubblewrap ended; none where the command never ran.
    pub(super) async fn exit_code(&mut self) -> io::Result<Option<i32>> {
        while self.more().await? {}
        Ok(self.said().into_iter().find_map(|said| said.exit_code))
    }

    async fn pid(&mut self) -> io::Result<Option<Pid>> {
        loop {
            let pid = self.said().into_iter().find_map(|said| said.child_pid);
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                return Ok(Some(pid));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    async fn more(&mut self) -> io::Result<bool> {
        let read = (&mut self.pipe)
            .take(STATUS_MAX)
            .read_buf(&mut self.said)
            .await?;
        Ok(read > 0)
    }

    /// Whole documents said so far.
    fn said(&self) -> Vec<Said> {
        serde_json::Deserializer::from_slice(&self.said)
            .into_iter()
            .map_while(Result::ok)
            .collect()
    }
}

/// A pipe that has no room for a word of bubblewrap's status: before it has said that, bubblewrap
/// does not let its child go on to make further namespaces. Blanks are no part of a document.
fn brake() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, end) = pipe()?;
    rustix::pipe::fcntl_setpipe_size(&end, PAGE)?;
    let plain = rustix::fs::fcntl_getfl(&end)?;
    rustix::fs::fcntl_setfl(&end, plain | OFlags::NONBLOCK)?;
    loop {
        match rustix::io::write(&end, &[b' '; PAGE]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    rustix::fs::fcntl_setfl(&end, plain)?;
    Ok((reader, end))
}

/// Ends a bubblewrap that may not have begun its command.
///
/// The first process of its sandbox waits for a word of it, for ever where it is gone, and dies with it only later. So
/// bubblewrap stands still while that process is looked up, and ends after it.
pub(super) async fn end_unbegun(bwrap: &mut Child) -> io::Result<()> {
    let pid = bwrap.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        kill_process(pid, Signal::STOP).ok();
        for _ in 0..STANDSTILL_LOOKS {
            if stands_still(pid) {
                break;
            }
            tokio::time::sleep(STANDSTILL_LOOK).await;
        }
        let number = pid.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(Pid::from_raw) {
                kill_process(child, Signal::KILL).ok();
            }
        }
    }
    bwrap.start_kill()
}

/// Whether a process makes no other ones: it is stopped, or over.
fn stands_still(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let state = stat.ok().and_then(|stat| {
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.chars().next()
    });
    !matches!(state, Some('R' | 'S' | 'D'))
}
