//! `eai proxy` as a program has it beside itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::platform::Platform;
use crate::wait::until;

/// A port that is open. Dropping it ends it.
#[derive(Debug)]
pub struct Port {
    child: Child,
    /// The first line that it printed.
    pub line: String,
}

// === impl Port ===

impl Port {
    /// Opens one with these arguments and waits until it says where it is.
    pub fn open(platform: &Platform, arguments: &[&str]) -> Self {
        let mut command = platform.command(&[&["proxy"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let output = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        read.expect("it says where it is");
        Self {
            child,
            line: line.trim_end().to_owned(),
        }
    }

    /// Where it is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.line)
    }

    /// Its address and port.
    pub fn address(&self) -> &str {
        self.line.strip_prefix("http://").expect("a URL")
    }

    /// Tells it to end.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it is there");
    }

    /// Waits for its end; the exit code.
    pub fn ended(mut self) -> i32 {
        let status = until("the port to close", || {
            let ended = self.child.try_wait().expect("a child can be waited for");
            ended.ok_or("it is there")
        });
        status.code().unwrap_or(-1)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // Either may be gone already; both are ours.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
