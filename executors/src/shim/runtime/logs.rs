//! What a run writes while its worker has a task.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;

use crate::spool::Reader;

/// The most bytes that are kept of it: its end.
const LOGS_MAX: usize = 16 * 1024;

/// How long what was written before may take to be read from the pipes: who never pauses is not waited for.
const PATIENCE: Duration = Duration::from_millis(50);

/// The pipes of the command, to see whether something is left in them.
#[derive(Debug)]
pub(in crate::shim) struct Pipes([OwnedFd; 2]);

// === impl Pipes ===

impl Pipes {
    pub(in crate::shim) fn of(stdout: &Receiver, stderr: &Receiver) -> std::io::Result<Self> {
        use std::os::fd::AsFd as _;
        Ok(Self([
            stdout.as_fd().try_clone_to_owned()?,
            stderr.as_fd().try_clone_to_owned()?,
        ]))
    }

    /// Returns once all that was written before is in the spool.
    pub(super) async fn settled(&self) {
        let empty = async {
            while !self.are_empty() {
                tokio::task::yield_now().await;
            }
        };
        // Who writes on and on has no end to be waited for.
        drop(tokio::time::timeout(PATIENCE, empty).await);
    }

    fn are_empty(&self) -> bool {
        let is_empty = |pipe: &OwnedFd| rustix::io::ioctl_fionread(pipe).unwrap_or_default() == 0;
        self.0.iter().all(is_empty)
    }
}

/// The output from one offset to another.
pub(super) fn between(folder: &Path, from: u64, to: u64) -> String {
    let mut text = Vec::new();
    let mut left_out = 0;
    let mut reader = Reader::new(folder, from);
    while let Ok(Some(chunk)) = reader.next() {
        if chunk.next > to {
            break;
        }
        text.extend_from_slice(&chunk.bytes);
        if let Some(over) = text.len().checked_sub(LOGS_MAX) {
            text.drain(..over);
            left_out += over;
        }
        if chunk.next == to {
            break;
        }
    }
    let text = String::from_utf8_lossy(&text);
    if left_out == 0 {
        return text.into_owned();
    }
    format!("[{left_out} bytes before this are in the output of the job]\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::{Kind, Writer};

    #[test]
    fn what_was_written_in_between_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(folder.path(), 1 << 20).unwrap();
        writer.write(Kind::Stdout, 1, b"before\n");
        let from = writer.end();
        writer.write(Kind::Stdout, 2, b"out\n");
        writer.write(Kind::Stderr, 3, b"err\n");
        let to = writer.end();
        writer.write(Kind::Stdout, 4, b"after\n");
        assert_eq!(between(folder.path(), from, to), "out\nerr\n");
        assert_eq!(between(folder.path(), to, to), "");
        assert_eq!(between(Path::new("/no/such/folder"), 0, 9), "");
    }

    #[test]
    fn the_end_of_much_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(folder.path(), 1 << 20).unwrap();
        for _ in 0..100 {
            writer.write(Kind::Stdout, 1, &[b'x'; 1000]);
        }
        writer.write(Kind::Stdout, 1, b"end");
        let logs = between(folder.path(), 0, writer.end());
        assert!(logs.starts_with("[83619 bytes before this"), "{logs}");
        assert!(logs.ends_with("xend"));
    }
}
