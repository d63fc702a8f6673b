//! Containers of a real engine. `EAI_TEST_IMAGE` names the image, which `deploy/local/image` builds; where it is
//! set and empty there is no Docker, and these tests have nothing to say.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of what they share, and a test may panic"
)]

pub mod relay;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use eai_executors::backend::{Bind, Exit, Kind, Run, Running, State};
use eai_executors::docker::{Docker, Owner, Settings};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A platform with containers; nothing of it is left when it is dropped.
pub struct Platform {
    pub docker: Docker,
    pub id: String,
    pub folder: TempDir,
}

/// The image to run; none where there is no Docker.
pub fn image() -> Option<String> {
    match std::env::var("EAI_TEST_IMAGE") {
        Ok(image) if image.is_empty() => None,
        Ok(image) => Some(image),
        Err(_) => Some("eai/python:3".to_owned()),
    }
}

/// Ends a test that has nothing to say without Docker.
#[macro_export]
macro_rules! platform {
    () => {
        match $crate::containers::Platform::new().await {
            Some(platform) => platform,
            None => return,
        }
    };
}

impl Platform {
    pub async fn new() -> Option<Self> {
        image()?;
        let id = Uuid::new_v4().to_string();
        let folder = tempfile::tempdir().unwrap();
        let docker = docker(&id, folder.path(), None).await;
        Some(Self { docker, id, folder })
    }

    /// The same platform, started again.
    pub async fn again(&mut self) {
        self.docker = docker(&self.id, self.folder.path(), None).await;
    }

    /// Another executor of the same platform.
    pub async fn other(&self) -> Docker {
        let marks = self.folder.path().join("other");
        let settings = Settings::new(owner(&self.id, "b"), None, marks, shim());
        Docker::new(settings).await.unwrap()
    }

    /// The same, and it speaks to the engine through another socket.
    pub async fn through(&mut self, socket: &Path) {
        let socket = socket.to_str().unwrap().to_owned();
        self.docker = docker(&self.id, self.folder.path(), Some(socket)).await;
    }

    pub async fn start(&self, run: &Run) -> Running {
        Box::pin(self.docker.start(run)).await.unwrap().running
    }

    /// Runs a shell script to its end: how it ended, and what it said.
    pub async fn sh(&self, name: &str, script: &str) -> (Exit, String) {
        let running = self.start(&sh(name, script)).await;
        let exit = wait(&running).await;
        let said = said(&running).await;
        running.remove().await.unwrap();
        (exit, said)
    }

    /// The ids of its containers.
    pub fn containers(&self) -> Vec<String> {
        let filter = format!("label=eai.platform={}", self.id);
        cli(&["ps", "--all", "--quiet", "--filter", &filter])
    }

    pub fn networks(&self) -> Vec<String> {
        let filter = format!("label=eai.platform={}", self.id);
        cli(&["network", "ls", "--quiet", "--filter", &filter])
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        for container in self.containers() {
            cli(&["rm", "--force", &container]);
        }
        for network in self.networks() {
            cli(&["network", "rm", &network]);
        }
    }
}

/// What the engine's own command line prints, a line each.
pub fn cli(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// An executor of a platform.
pub fn owner(platform: &str, executor: &str) -> Owner {
    Owner {
        platform: platform.to_owned(),
        executor: executor.to_owned(),
    }
}

pub fn shim() -> Vec<std::ffi::OsString> {
    vec![env!("CARGO_BIN_EXE_eai-test-shim").into()]
}

async fn docker(id: &str, folder: &Path, socket: Option<String>) -> Docker {
    let settings = Settings::new(owner(id, "a"), socket, folder.join("marks"), shim());
    Docker::new(settings).await.unwrap()
}

pub fn command(name: &str, command: &[&str]) -> Run {
    Run {
        // Names are the engine's, and other tests use it, too.
        name: format!("{}-{name}", Uuid::new_v4().simple()),
        hostname: "test".to_owned(),
        image: image().unwrap(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        env: Vec::new(),
        workdir: None,
        mounts: Vec::new(),
        cpu_milli: 1000,
        mem_mib: 128,
        gpus: 0,
        runtime: None,
        metadata: serde_json::json!({ "name": name }),
    }
}

pub fn sh(name: &str, script: &str) -> Run {
    command(name, &["sh", "-c", script])
}

pub fn python(name: &str, program: &str) -> Run {
    command(name, &["python3", "-u", "-c", program])
}

/// A server that answers each connection with what was asked, and `text`.
pub fn server(name: &str, address: &str, port: u16, text: &str) -> Run {
    let program = format!(
        "import socket\n\
         s = socket.create_server(('{address}', {port}))\n\
         print('up', flush=True)\n\
         while True:\n\
         \x20   c, _ = s.accept()\n\
         \x20   c.sendall(c.recv(100) + b'{text}')\n\
         \x20   c.close()\n"
    );
    python(name, &program)
}

pub fn mount(host: &Path, target: &str) -> Bind {
    Bind {
        host: host.to_owned(),
        target: target.to_owned(),
        writable: false,
    }
}

pub async fn wait(running: &Running) -> Exit {
    let waited = tokio::time::timeout(PATIENCE, running.wait()).await;
    waited.expect("the run ends").unwrap()
}

/// All that a run says until its end.
pub async fn said(running: &Running) -> String {
    let said = pieces(running, 0)
        .await
        .into_iter()
        .flat_map(|(_, bytes, _)| bytes);
    String::from_utf8_lossy(&said.collect::<Vec<_>>()).into_owned()
}

/// All that a run says from an offset until its end, in pieces.
pub async fn pieces(running: &Running, from: u64) -> Vec<(Kind, Vec<u8>, u64)> {
    let mut pieces = Vec::new();
    let mut output = running.output(from);
    while let Some(chunk) = tokio::time::timeout(PATIENCE, output.next())
        .await
        .expect("the output ends")
        .unwrap()
    {
        pieces.push((chunk.kind, chunk.bytes, chunk.next));
    }
    pieces
}

/// Waits until a run says this on standard output.
pub async fn says(running: &Running, text: &str) {
    let mut output = running.output(0);
    let mut heard = String::new();
    let until = Instant::now() + PATIENCE;
    while !heard.contains(text) {
        let chunk = tokio::time::timeout_at(until, output.next())
            .await
            .expect("it says so in time")
            .unwrap();
        let chunk = chunk.unwrap_or_else(|| panic!("it ended and said only {heard:?}"));
        if chunk.kind == Kind::Stdout {
            heard.push_str(&String::from_utf8_lossy(&chunk.bytes));
        }
    }
}

/// Says `ask` to a port, and hears the answer.
pub async fn talk(running: &Running, port: u16, ask: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = running.connect(port).await.unwrap();
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// How far each run is that is there, by name.
pub async fn states(docker: &Docker) -> Vec<(String, State)> {
    let found = docker.found().await.unwrap().into_iter();
    found
        .map(|found| (found.running.name().to_owned(), found.state))
        .collect()
}
