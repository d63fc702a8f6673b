//! A socket that listens in the network of a sandbox before its command begins.
//!
//! Who enters a network stays in it, unless he is root, and the shim is not done with the machine's yet: a process
//! of its own enters, and hands the socket over.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, Stdio};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, bind, listen, recvmsg, sendmsg,
    socket_with, sockopt,
};
use tokio::net::TcpListener;

use super::namespace::{Namespaces, enter};
use super::sandbox::inherit;

/// What the process is told first, instead of a folder.
pub(super) const WORD: &str = "--listen";

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 64;

/// Listens on `port` of the loopback address in the network of a sandbox.
pub(super) async fn inside(
    namespaces: &Namespaces,
    root: bool,
    port: u16,
) -> io::Result<TcpListener> {
    let network = namespaces.network.try_clone()?;
    let user = namespaces.user.try_clone()?;
    inherit(network.as_fd())?;
    inherit(user.as_fd())?;
    let (ours, theirs) = UnixStream::pair()?;
    // Whoever runs this is the same program, called the same way but for the folder.
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    words.pop();
    let mut helper = tokio::process::Command::new("/proc/self/exe");
    helper
        .args(words)
        .args([WORD, &port.to_string()])
        .arg(network.as_raw_fd().to_string())
        .args((!root).then(|| user.as_raw_fd().to_string()))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let mut helper = helper.spawn()?;
    let ended = helper.wait().await?;
    let listener = if ended.success() {
        receive(&ours)
    } else {
        Err(io::Error::other(format!("it ended with {ended}")))
    };
    let listener = listener.map_err(|error| {
        let told = format!("failed to listen for the worker in its sandbox: {error}");
        io::Error::new(error.kind(), told)
    })?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// The process: enters, listens, and hands over on its standard input.
pub(super) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let numbers: Option<Vec<i32>> = args
        .map(|word| word.to_str().and_then(|word| word.parse().ok()))
        .collect();
    let Some([port, network, user @ ..]) = numbers.as_deref() else {
        return ExitCode::from(2);
    };
    let listened = u16::try_from(*port)
        .map_err(io::Error::other)
        .and_then(|port| listen_there(port, *network, user.first().copied()));
    match listened {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&format!("no socket in the sandbox: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn listen_there(port: u16, network: i32, user: Option<i32>) -> io::Result<()> {
    let open = |fd: i32| std::fs::File::open(format!("/proc/self/fd/{fd}"));
    let user = user.map(open).transpose()?;
    let network = open(network)?;
    enter(user.as_ref(), &network)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    // The sandbox has its loopback address only once bubblewrap is done with it.
    sockopt::set_ip_freebind(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    listen(&socket, BACKLOG)?;
    let sockets = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let bytes = [IoSlice::new(b"\n")];
    sendmsg(io::stdin(), &bytes, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(from: &UnixStream) -> io::Result<std::net::TcpListener> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    recvmsg(from, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let socket = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    socket.map(Into::into).ok_or(io::ErrorKind::NotFound.into())
}
