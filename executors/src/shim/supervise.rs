//! The life of a run: limits, sandbox, output, end.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use close_fds::set_fds_cloexec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::net::UnixListener;
use tokio::process::Child;
use tokio::sync::Notify;
use tokio::sync::watch;

use super::ending::{by_code, notes, without_code};
use super::files::Files;
use super::launch::{Launched, end_unbegun, launch};
use super::listen;
use super::network::{self, Helper, Lookup};
use super::order::Order;
use super::pump::Pump;
use super::runtime::{self, Pipes, Worker};
use super::serve::{Phase, Shared, serve};
use super::stage::stage;
use super::{complain, now};
use crate::backend::{Exit, Started};
use crate::limits::{Limits, no_core};
use crate::spool::{Kind, Writer};

/// How long what was killed may take to be gone, and its output to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a sandbox is made whose command did not begin: on a busy machine bubblewrap gives up now and then.
const ATTEMPTS: u32 = 3;

/// How long a run lives on, in milliseconds, before it matters that its network ended.
const LIVED_ON: u64 = 1000;

/// How long to wait before the end is written again, where the disk did not take it.
const AGAIN: Duration = Duration::from_secs(1);

/// A sandbox whose first process is where it belongs.
struct Held {
    /// Readable once that process is gone.
    gone: OwnedFd,
    pasta: Option<Child>,
}

/// The end of bubblewrap.
struct End {
    status: ExitStatus,
    /// In Unix milliseconds.
    at: u64,
    /// What to say where the run lived on without a way out into the network.
    lost: Option<String>,
}

/// Runs what the folder orders, to its end.
pub(super) async fn supervise(folder: PathBuf) -> io::Result<()> {
    // Away from the platform's terminal. It fails where there is none to leave.
    rustix::process::setsid().ok();
    let files = Files::new(folder);
    let listener = listener()?;
    // What the platform was given open is not for a sandbox.
    set_fds_cloexec(3, &[]);
    let shared = Arc::new(Shared {
        phase: watch::Sender::new(Phase::Preparing),
        output: watch::Sender::new(0),
        begin: watch::Sender::new(false),
        cancel: Notify::new(),
        worker: watch::Sender::new(None),
    });
    tokio::spawn(serve(listener, Arc::clone(&shared)));
    let order = files.order()?.ok_or(io::ErrorKind::NotFound)?;
    shared.worker.send_replace(worker(&files, &order, &shared));
    let exit = run(&files, &order, &shared)
        .await
        .unwrap_or_else(|error| Exit {
            failure: Some(error.to_string()),
            ended: now(),
            ..Exit::default()
        });
    let kept = keep(&files, &exit, &shared).await;
    let removed = release(&files, Some(&order.limits));
    kept.and(removed)
}

/// What serves the command, if it is a worker.
fn worker(files: &Files, order: &Order, shared: &Shared) -> Option<Arc<Worker>> {
    let runtime = order.run.runtime.clone()?;
    let output = runtime::Output {
        folder: files.output(),
        end: shared.output.subscribe(),
        pipes: OnceLock::new(),
    };
    let incarnation = uuid::Uuid::new_v4().simple().to_string();
    Some(Arc::new(Worker::new(
        runtime,
        incarnation,
        None,
        files.clone(),
        Some(output),
    )))
}

/// The socket that the platform listened on, as standard input.
pub(super) fn listener() -> io::Result<UnixListener> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let listener = std::os::unix::net::UnixListener::from(stdin);
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn run(files: &Files, order: &Order, shared: &Shared) -> io::Result<Exit> {
    std::fs::create_dir(files.output())?;
    let writer = Writer::new(&files.output(), order.output_bytes)?;
    no_core()?;
    let staged = stage(order, files.folder())?;
    let lookup = match order.way_out {
        Some(_) => Lookup::of_machine(),
        None => Lookup::nobody(),
    };
    let mut attempt = 1;
    let (mut launched, held) = loop {
        let mut launched = launch(order, &staged, &lookup.resolv_conf)?;
        let (held, killed) = tokio::select! {
            held = hold(&mut launched, files, order, &lookup, shared) => (held, false),
            () = shared.cancel.notified() => (Err(io::Error::other("it was killed before it began")), true),
        };
        let began = matches!(held, Ok(Some(_)));
        if held.is_err() {
            // What bubblewrap said itself is the better reason, if it gave up.
            end_unbegun(&mut launched.bwrap).await?;
            if let Some(first) = files.first()? {
                first.end()?;
            }
        }
        if began || killed || attempt == ATTEMPTS {
            break (launched, held);
        }
        launched.bwrap.wait().await?;
        attempt += 1;
    };
    let (held, error) = match held {
        Ok(held) => (held, None),
        Err(error) => (None, Some(error)),
    };
    let (gone, pasta) = held.map_or((None, None), |held| (Some(held.gone), held.pasta));
    let pump = Pump::new(writer);
    let (ended, mut tail) = tokio::join!(
        ended(&mut launched.bwrap, pasta),
        pump.run(&mut launched.stdout, &mut launched.stderr, &shared.output),
    );
    let End { status, at, lost } = ended?;
    if let Some(gone) = gone
        && let Err(error) = wait_gone(&gone)
    {
        complain(&error.to_string());
    }
    let code = launched.status.exit_code().await?;
    let started = match &*shared.phase.borrow() {
        Phase::Running { started, .. } => started.at,
        Phase::Preparing | Phase::Ended(_) => 0,
    };
    let mut exit = match code {
        Some(code) => by_code(code),
        None => without_code(status, &tail.head, error),
    };
    exit.started = started;
    exit.ended = at;
    exit.oom = exit.code != Some(0) && order.limits.oom();
    if let Some(lost) = lost {
        tail.writer.write(Kind::Note, at, lost.as_bytes());
    }
    if let Some(note) = notes(&exit, order) {
        tail.writer.write(Kind::Note, at, note.as_bytes());
    }
    shared.output.send_replace(tail.writer.end());
    Ok(exit)
}

/// Puts the sandbox's first process, and this one, where they belong. None where bubblewrap gave
/// up before the command began.
async fn hold(
    launched: &mut Launched,
    files: &Files,
    order: &Order,
    lookup: &Lookup,
    shared: &Shared,
) -> io::Result<Option<Held>> {
    // Made while bubblewrap begins. Whatever goes wrong, the first process is known, to be ended.
    let created = order.limits.create(&order.caps);
    let Some((pid, namespaces)) = launched.sandbox().await? else {
        return Ok(None);
    };
    let gone = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    if let Some(first) = Helper::of(pid.as_raw_nonzero().get()) {
        files.put_first(&first)?;
    }
    created?;
    launched.finish().await?;
    order.limits.hold(pid)?;
    // All that does not depend on whether the run is wanted is done by now.
    let mut begin = shared.begin.subscribe();
    tokio::select! {
        biased;
        begin = begin.wait_for(|begin| *begin) => drop(begin.map_err(io::Error::other)?),
        // It gave up after all, which is mended before anybody asks.
        ended = launched.bwrap.wait() => return ended.map(|_| None),
    }
    let started = Started {
        at: now(),
        limits: order.limits.name().to_owned(),
        network: match order.way_out {
            Some(_) => "pasta",
            None => "none",
        }
        .to_owned(),
    };
    files.put_started(&started)?;
    let worker = shared.worker.borrow().clone();
    if let Some(worker) = worker {
        let listener = listen::inside(&namespaces, order.root, runtime::PORT).await?;
        let pipes = Pipes::of(&launched.stdout, &launched.stderr)?;
        worker.begins(pid.as_raw_nonzero().get(), pipes);
        tokio::spawn(runtime::serve(listener, worker));
    }
    if !launched.go().await? {
        return Ok(None);
    }
    // While this process is in the machine's network, and not before bubblewrap is done with the
    // sandbox's: it fails where the loopback is up already.
    let pasta = order.way_out.as_ref().and_then(|way_out| {
        network::connect(order, way_out, &namespaces, lookup)
            .and_then(|(child, helper)| files.put_helper(&helper).map(|()| child))
            .map_err(|error| complain(&format!("failed to run pasta: {error}")))
            .ok()
    });
    namespaces.enter(order.root)?;
    shared.phase.send_replace(Phase::Running { pid, started });
    Ok(Some(Held { gone, pasta }))
}

/// Waits for bubblewrap's end, and ends the network with it.
async fn ended(bwrap: &mut Child, pasta: Option<Child>) -> io::Result<End> {
    let Some(mut pasta) = pasta else {
        let status = bwrap.wait().await?;
        return Ok(End {
            status,
            at: now(),
            lost: None,
        });
    };
    let early = tokio::select! {
        biased;
        status = bwrap.wait() => {
            let at = now();
            pasta.kill().await?;
            return Ok(End { status: status?, at, lost: None });
        }
        early = pasta.wait() => early?,
    };
    let lost_at = now();
    let said = format!("the run has no way out into the network: pasta ended with {early}");
    complain(&said);
    let status = bwrap.wait().await?;
    let at = now();
    // Pasta may see the end of a run before this process does.
    let lived = at.saturating_sub(lost_at) > LIVED_ON;
    Ok(End {
        status,
        at,
        lost: lived.then(|| format!("[{said}]\n")),
    })
}

/// Nothing of a sandbox runs once its first process is gone.
/// It was killed already, so this is a moment, in which nobody is answered.
pub(super) fn wait_gone(process: &OwnedFd) -> io::Result<()> {
    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&patience))? {
        0 => Err(io::Error::other(
            "the sandbox's processes did not end when killed: the kernel holds them",
        )),
        _ => Ok(()),
    }
}

/// Ends what a shim that was killed could not, and removes what held the run. Repeating it does
/// nothing.
pub(crate) fn release(files: &Files, limits: Option<&Limits>) -> io::Result<()> {
    for process in [files.first()?, files.helper()?].into_iter().flatten() {
        process.end()?;
    }
    limits.map_or(Ok(()), Limits::remove)
}

/// Writes the end down and tells it. Where the disk takes nothing, it can be heard here.
async fn keep(files: &Files, exit: &Exit, shared: &Shared) -> io::Result<()> {
    let outcomes = shared.worker.borrow().as_ref().map(|worker| worker.left());
    if let Some(outcomes) = outcomes.filter(|outcomes| !outcomes.is_empty())
        && let Err(error) = files.put_outcomes(&outcomes)
    {
        complain(&format!("outcomes of tasks were lost: {error}"));
    }
    let mut kept = files.put_exit(exit);
    shared.phase.send_replace(Phase::Ended(exit.clone()));
    while let Err(error) = kept {
        if !files.folder().exists() {
            return Err(error);
        }
        tokio::time::sleep(AGAIN).await;
        kept = files.put_exit(exit);
    }
    // Those who wait hear it before the socket closes.
    tokio::task::yield_now().await;
    Ok(())
}
