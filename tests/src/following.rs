//! A command that goes on printing, read line by line.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::platform::Platform;

/// How long a line may take on a slow, busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running command; dropping it ends it.
#[derive(Debug)]
pub struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    /// Starts a command in the platform's home.
    pub fn start(platform: &Platform, arguments: &[&str]) -> Self {
        let mut command = platform.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (send, lines) = sync_channel(1024);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line; fails if none comes.
    #[track_caller]
    pub fn next(&self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the command ended"),
        }
    }

    /// The next line, if it comes at once.
    pub fn try_next(&self) -> Option<String> {
        self.lines.recv_timeout(Duration::from_millis(50)).ok()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
