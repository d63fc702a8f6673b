//! Answers on the shim's socket. Only the platform's own user can reach it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Pid;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, watch};

use super::runtime::{Worker, converse};
use super::wire::Request;
use crate::backend::{Exit, Signal, Started};
use crate::listening::listening;

/// How many may ask at once: each has two open files at most, of the 1,024 that a process has.
const CLIENTS: usize = 400;

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a socket in the sandbox may take to accept.
const CONNECT: Duration = Duration::from_secs(5);

/// The longest request, with its end.
const REQUEST_MAX: u64 = 64;

/// How far the run is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Preparing,
    Running { pid: Pid, started: Started },
    Ended(Exit),
}

/// What clients hear of.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) phase: watch::Sender<Phase>,
    /// Where the output ends.
    pub(super) output: watch::Sender<u64>,
    /// Whether the command may begin.
    pub(super) begin: watch::Sender<bool>,
    /// That the run is not to begin.
    pub(super) cancel: Notify,
    /// There if the run is a worker, once that is known.
    pub(super) worker: watch::Sender<Option<Arc<Worker>>>,
}

/// Answers until the task is dropped.
pub(super) async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let clients = Arc::new(Semaphore::new(CLIENTS));
    while let Ok(permit) = Arc::clone(&clients).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that went away needs no answer.
                    drop(answer(stream, &shared).await);
                    drop(permit);
                });
            }
            // Out of files, most likely: some are given back soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn answer(mut stream: UnixStream, shared: &Shared) -> io::Result<()> {
    let (asked, ahead) = tokio::time::timeout(PATIENCE, ask(&mut stream)).await??;
    let mut phase = shared.phase.subscribe();
    match asked {
        Request::Begin | Request::Started => {
            if asked == Request::Begin {
                // Without effect once it has begun.
                shared.begin.send_replace(true);
            }
            let Some((_, started)) = running(&mut phase).await else {
                return Ok(());
            };
            say(&mut stream, &started).await
        }
        Request::Wait => {
            let ended = phase.wait_for(|phase| matches!(phase, Phase::Ended(_)));
            let exit = tokio::select! {
                ended = ended => match ended.as_deref() {
                    Ok(Phase::Ended(exit)) => exit.clone(),
                    _ => return Ok(()),
                },
                // Nobody waits any more.
                _ = stream.readable() => return Ok(()),
            };
            say(&mut stream, &exit).await
        }
        Request::Connect(port) => {
            if running(&mut phase).await.is_none() {
                return Ok(());
            }
            match open(port).await {
                Ok(socket) => hand_over(&stream, socket.into_std()?.as_fd()).await,
                Err(refusal) => stream.write_all(refusal.as_bytes()).await,
            }
        }
        Request::Signal(signal) => {
            if signal == Signal::Kill {
                // Without effect once it has begun.
                shared.cancel.notify_one();
            }
            if let Some((pid, _)) = running(&mut phase).await {
                send(pid, signal);
            }
            stream.write_all(b"ok\n").await
        }
        Request::Listening => {
            let found = match running(&mut phase).await {
                Some(_) => listening(Path::new("/proc/self"))?,
                None => Vec::new(),
            };
            say(&mut stream, &found).await
        }
        Request::Follow => follow(stream, shared.output.subscribe()).await,
        Request::Worker => {
            running(&mut phase).await;
            let worker = shared.worker.borrow().clone();
            match worker {
                Some(worker) => converse(stream, &ahead, &worker).await,
                None => Ok(()),
            }
        }
    }
}

/// What is asked, and what was said behind it already.
async fn ask(stream: &mut UnixStream) -> io::Result<(Request, Vec<u8>)> {
    let mut line = Vec::new();
    let mut limited = stream.take(REQUEST_MAX);
    let end = loop {
        if limited.read_buf(&mut line).await? == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            break end + 1;
        }
    };
    let ahead = line.split_off(end);
    let line = str::from_utf8(&line).map_err(|_| io::ErrorKind::InvalidInput)?;
    let request = Request::parse(line).ok_or(io::ErrorKind::InvalidInput)?;
    Ok((request, ahead))
}

async fn say(stream: &mut UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// The run once it runs; none once it is over.
async fn running(phase: &mut watch::Receiver<Phase>) -> Option<(Pid, Started)> {
    let phase = phase
        .wait_for(|phase| !matches!(phase, Phase::Preparing))
        .await
        .ok()?;
    match &*phase {
        Phase::Running { pid, started } => Some((*pid, started.clone())),
        Phase::Preparing | Phase::Ended(_) => None,
    }
}

/// Tells where the output ends, whenever that changed and the client took the last word.
async fn follow(mut stream: UnixStream, mut output: watch::Receiver<u64>) -> io::Result<()> {
    loop {
        let end = *output.borrow_and_update();
        stream.write_all(format!("{end}\n").as_bytes()).await?;
        tokio::select! {
            changed = output.changed() => if changed.is_err() {
                return Ok(());
            },
            _ = stream.readable() => return Ok(()),
        }
    }
}

fn send(pid: Pid, signal: Signal) {
    let sent = match signal {
        Signal::Term => rustix::process::kill_process_group(pid, rustix::process::Signal::TERM),
        Signal::Kill => rustix::process::kill_process(pid, rustix::process::Signal::KILL),
    };
    if sent.is_err() && signal == Signal::Term {
        // It has no group yet: nothing of the command has begun.
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
    }
}

/// Connects in the sandbox's network, which this process is in; else the line that says why not.
async fn open(port: u16) -> Result<TcpStream, String> {
    let mut failure = "refused\n".to_owned();
    for address in [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ] {
        match tokio::time::timeout(CONNECT, TcpStream::connect((address, port))).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            // A kernel without IPv6.
            Ok(Err(_)) if address.is_ipv6() => {}
            Ok(Err(error)) => failure = format!("failed {error}\n"),
            Err(_) => return Err("timeout\n".to_owned()),
        }
    }
    Err(failure)
}

async fn hand_over(stream: &UnixStream, socket: BorrowedFd<'_>) -> io::Result<()> {
    let sockets = [socket];
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let flags = SendFlags::NOSIGNAL;
            sendmsg(stream, &[IoSlice::new(b"ok\n")], &mut control, flags)?;
            Ok(())
        })
        .await
}
