//! The supervisor against a real nats-server: the one `EAI_NATS_SERVER` names, else on `PATH`.

mod lifecycle;
mod permissions;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::config::Paths;
use super::process::Process;
use super::supervisor::Status;
use super::{Error, Search, Settings, Supervisor, Timeouts, port};

/// No wait in a test takes longer than this, on a busy machine either.
const DEADLINE: Duration = Duration::from_secs(30);

/// A data directory, with what its server is started with. Ends a server that a test left.
struct Platform {
    data: TempDir,
    settings: Settings,
}

/// A client, and what its server held against it.
struct User {
    client: Client,
    events: mpsc::Receiver<String>,
}

impl Platform {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let settings = Settings {
            data: data.path().to_owned(),
            account: "snow.testacc".to_owned(),
            platform: "0198c0de".to_owned(),
            port: port::choose().unwrap(),
            websocket: None,
            search: Search::from_process(std::env::var_os("EAI_NATS_SERVER").map(PathBuf::from)),
            log_max_bytes: 1 << 30,
            tasks_max_bytes: 1 << 30,
            data_max_bytes: 1 << 30,
            unsafe_fsync: false,
            timeouts: Timeouts {
                ready: DEADLINE,
                ..Timeouts::default()
            },
        };
        Self { data, settings }
    }

    async fn try_start(&self) -> Result<Supervisor, Error> {
        let start = Supervisor::start(self.settings.clone());
        timeout(DEADLINE, start).await.expect("the start ends")
    }

    async fn start(&self) -> Supervisor {
        self.try_start().await.expect("nats-server starts")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    fn living(&self) -> Option<i32> {
        let data = self.settings.data.canonicalize().ok()?;
        Process::find(&Paths::new(&data)).map(|process| process.pid())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some(pid) = self.living() {
            signal(pid, Signal::KILL);
        }
    }
}

impl User {
    async fn connect(supervisor: &Supervisor, creds: &str) -> Self {
        let (sender, events) = mpsc::channel(64);
        let client = ConnectOptions::with_credentials(creds)
            .unwrap()
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    if let Event::ServerError(error) = event {
                        sender.send(error.to_string()).await.ok();
                    }
                }
            })
            .connect(supervisor.url())
            .await
            .unwrap();
        Self { client, events }
    }

    /// Waits until the server has refused the subject to this user.
    async fn was_refused(&mut self, subject: &str) {
        let said = timeout(DEADLINE, async {
            while let Some(text) = self.events.recv().await {
                let text = text.to_lowercase();
                if text.contains("permissions violation") && text.contains(&subject.to_lowercase())
                {
                    return;
                }
            }
        });
        said.await
            .unwrap_or_else(|_| panic!("{subject} was not refused"));
    }

    async fn is_refused(&mut self, subject: &str, body: &'static str) {
        let inbox = self.client.new_inbox();
        let sent = self
            .client
            .publish_with_reply(subject.to_owned(), inbox, body.into());
        sent.await.unwrap();
        self.was_refused(subject).await;
    }

    async fn ask(&self, subject: &str, body: &str) -> serde_json::Value {
        let request = self
            .client
            .request(subject.to_owned(), body.to_owned().into());
        let answer = timeout(DEADLINE, request).await.unwrap().unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }
}

/// A script that answers `--version` and does nothing else.
///
/// A shell writes it: a program that a thread of this process still holds open for writing while
/// another one forks can't be run.
pub(super) fn fake_server(folder: &Path, version: &str) -> PathBuf {
    let path = folder.join("nats-server");
    let written = Command::new("sh")
        .arg("-c")
        .arg(r#"printf '#!/bin/sh\necho "nats-server: v%s"\n' "$2" >"$1" && chmod 755 "$1""#)
        .arg("sh")
        .arg(&path)
        .arg(version)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(written.success());
    path
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).ok();
}

/// Waits until the supervisor's status is such.
async fn until(supervisor: &Supervisor, such: impl FnMut(&Status) -> bool) -> Status {
    let mut status: watch::Receiver<Status> = supervisor.status();
    let waited = timeout(DEADLINE, status.wait_for(such)).await;
    waited.expect("the status changes in time").unwrap().clone()
}

fn pid_of(supervisor: &Supervisor) -> i32 {
    match &*supervisor.status().borrow() {
        Status::Running { pid } => *pid,
        other => panic!("not running: {other:?}"),
    }
}

/// Waits until a server runs that is another process than this one.
async fn until_other_than(supervisor: &Supervisor, old: i32) {
    until(supervisor, |status| match status {
        Status::Running { pid } => *pid != old,
        Status::Restarting { .. } | Status::Stopped => false,
    })
    .await;
}
