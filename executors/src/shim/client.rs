//! The other side of a shim's socket. The proxy opens connections into sandboxes with [`connect`].

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest};
use tokio::net::{TcpStream, UnixStream};

use super::address;
use super::wire::{LINE_MAX, Request};
use crate::backend::{ConnectError, Signal};

/// How long a shim may take to open a connection in its sandbox.
const PATIENCE: Duration = Duration::from_secs(10);

/// A conversation with a shim after its request was sent.
#[derive(Debug)]
pub(crate) struct Conversation {
    stream: BufReader<UnixStream>,
}

/// Opens a TCP connection to `port` inside the sandbox whose shim listens at `socket`.
///
/// It first tries 127.0.0.1, then `::1`. No byte passes the shim: the socket itself is handed over.
pub async fn connect(socket: &Path, port: u16) -> Result<TcpStream, ConnectError> {
    tokio::time::timeout(PATIENCE, connected(socket, port))
        .await
        .map_err(|_| ConnectError::Timeout(port))?
}

async fn connected(socket: &Path, port: u16) -> Result<TcpStream, ConnectError> {
    let mut stream = address::connect(socket).await.map_err(gone)?;
    let request = Request::Connect(port).line();
    stream.write_all(request.as_bytes()).await.map_err(gone)?;
    let mut answer = [0; 512];
    let (length, fd) = stream
        .async_io(Interest::READABLE, || receive(&stream, &mut answer))
        .await
        .map_err(gone)?;
    let answer = String::from_utf8_lossy(answer.get(..length).unwrap_or_default());
    match (answer.trim_end(), fd) {
        ("ok", Some(fd)) => {
            let socket = std::net::TcpStream::from(fd);
            TcpStream::from_std(socket).map_err(ConnectError::Io)
        }
        ("refused", None) => Err(ConnectError::Refused(port)),
        ("timeout", None) => Err(ConnectError::Timeout(port)),
        ("", None) => Err(ConnectError::Gone),
        (other, _) => Err(ConnectError::Failed {
            port,
            reason: other.strip_prefix("failed ").unwrap_or(other).to_owned(),
        }),
    }
}

fn receive(stream: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((received.bytes, fd))
}

/// Ends the shim at `socket`, and what it runs; returns when it lives no more.
pub(crate) async fn end(socket: &Path) -> io::Result<()> {
    for request in [Request::Signal(Signal::Kill), Request::Follow] {
        match Conversation::begin(socket, request).await {
            Ok(mut conversation) => while conversation.line().await?.is_some() {},
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Asks the shim at `socket` for the conversation with its worker.
pub(crate) async fn worker(socket: &Path) -> io::Result<UnixStream> {
    let mut stream = address::connect(socket).await?;
    stream.write_all(Request::Worker.line().as_bytes()).await?;
    Ok(stream)
}

fn gone(error: io::Error) -> ConnectError {
    if is_gone(&error) {
        ConnectError::Gone
    } else {
        ConnectError::Io(error)
    }
}

/// Whether an error means that no shim lives there.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotFound
    )
}

// === impl Conversation ===

impl Conversation {
    /// Asks the shim at `socket`. Fails with `ConnectionRefused` or `NotFound` where no shim lives.
    pub(crate) async fn begin(socket: &Path, request: Request) -> io::Result<Self> {
        let mut stream = address::connect(socket).await?;
        stream.write_all(request.line().as_bytes()).await?;
        Ok(Self {
            stream: BufReader::with_capacity(1024, stream),
        })
    }

    /// The next line, without its end; none once the shim says no more.
    pub(crate) async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
        let read = (&mut self.stream).take(limit).read_line(&mut line).await;
        match read {
            Ok(_) if line.ends_with('\n') => {
                line.pop();
                Ok(Some(line))
            }
            // A shim that is killed leaves half a line, or resets.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}
