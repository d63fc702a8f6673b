//! Moves a command's output from its pipes to the spool.

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::now;
use crate::spool::{Kind, Writer};

/// What is read at once: what a pipe holds.
const READ: usize = 64 * 1024;

/// How much of the first words on standard error is kept.
const HEAD: usize = 4096;

/// What moves output.
#[derive(Debug)]
pub(super) struct Pump {
    tail: Tail,
}

/// What is left when the output ended.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) writer: Writer,
    /// The first words on standard error: bubblewrap's own, if the command never ran.
    pub(super) head: Vec<u8>,
}

// === impl Pump ===

impl Pump {
    pub(super) fn new(writer: Writer) -> Self {
        let head = Vec::new();
        Self {
            tail: Tail { writer, head },
        }
    }

    /// Until both pipes are closed; tells where the output ends.
    pub(super) async fn run(
        mut self,
        stdout: &mut Receiver,
        stderr: &mut Receiver,
        end: &watch::Sender<u64>,
    ) -> Tail {
        let (mut out, mut err) = (vec![0; READ], vec![0; READ]);
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                read = stdout.read(&mut out), if out_open => {
                    out_open = self.tail.take(Kind::Stdout, &out, read.ok());
                }
                read = stderr.read(&mut err), if err_open => {
                    err_open = self.tail.take(Kind::Stderr, &err, read.ok());
                }
            }
            end.send_replace(self.tail.writer.end());
        }
        self.tail
    }
}

// === impl Tail ===

impl Tail {
    /// Whether there may be more.
    fn take(&mut self, kind: Kind, buffer: &[u8], read: Option<usize>) -> bool {
        let Some(bytes) = read.and_then(|read| buffer.get(..read)) else {
            return false;
        };
        if kind == Kind::Stderr && self.head.len() < HEAD {
            let room = HEAD - self.head.len();
            self.head.extend(bytes.iter().take(room));
        }
        self.writer.write(kind, now(), bytes);
        !bytes.is_empty()
    }
}
