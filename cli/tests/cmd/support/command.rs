//! The binary in a home of its own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::Platform;

/// Longer than anything here takes: only a hang comes this far.
const HANG: Duration = Duration::from_mins(1);

/// The binary, its environment and its config folder.
pub(crate) struct Eai {
    home: TempDir,
    env: Vec<(String, String)>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// It while it runs; dropped, it ends.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

// === impl Eai ===

impl Eai {
    /// With no platform, and no patience for one.
    pub(crate) fn alone() -> Self {
        let eai = Self {
            home: tempfile::tempdir().unwrap(),
            env: Vec::new(),
        };
        eai.env("EAI_RETRY_FOR", "0s")
    }

    /// As the holder of a token.
    pub(crate) fn with_token(platform: &Platform) -> Self {
        Self::alone()
            .env("EAI_URL", &platform.url())
            .env("EAI_TOKEN", "token")
    }

    /// With a profile that has a refresh token.
    pub(crate) fn with_profile(platform: &Platform) -> Self {
        let eai = Self::alone();
        let config = format!(
            "[profile.default]\nurl = \"{}\"\naccount = \"snow.testacc\"\n\
             refresh-token = \"refresh\"\n",
            platform.url()
        );
        std::fs::create_dir_all(eai.config_dir()).unwrap();
        std::fs::write(eai.config_dir().join("config"), config).unwrap();
        eai
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn config_dir(&self) -> PathBuf {
        self.home.path().join(".eai")
    }

    /// The text of a file of the cache.
    pub(crate) fn cached(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.config_dir().join("cache").join(name)).ok()
    }

    /// Puts a file in the cache.
    pub(crate) fn cache(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.config_dir().join("cache")).unwrap();
        std::fs::write(self.config_dir().join("cache").join(name), text).unwrap();
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eai"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.home.path());
        // A proxy that is set must not come between the binary and this machine.
        command.env("http_proxy", "http://192.0.2.1:1");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, line: &str) -> Finished {
        let output = self.command(line).output().unwrap();
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts it, to be read line by line.
    pub(crate) fn start(&self, line: &str) -> Running {
        let mut child = self.command(line).stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(1000);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Running { child, lines }
    }
}

// === impl Finished ===

impl Finished {
    /// Its output, if all was well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(0), ""),
            "stdout: {}",
            self.stdout
        );
        self.stdout
    }

    /// Its errors, if it ended with this code and printed nothing else.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {} stderr: {}",
            self.stdout,
            self.stderr
        );
        assert_eq!(self.stdout, "");
        self.stderr
    }
}

// === impl Running ===

impl Running {
    /// Its next line.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(HANG).expect("no more lines")
    }

    /// How it ends, and what it said until then.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(HANG) {
            lines.push(line);
        }
        (self.child.wait().unwrap().code(), lines)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
