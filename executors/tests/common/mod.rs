//! Runs of real sandboxes. Without bubblewrap these tests fail: they have nothing to say then.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of what they share, and a test may panic"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eai_executors::backend::{Bind, Exit, Kind, Run};
use eai_executors::process::{Process, Running, Settings};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

/// How long anything here may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A folder of runs, and a platform that runs them.
pub struct Platform {
    pub process: Process,
    pub folder: TempDir,
}

impl Platform {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = process(&folder.path().join("runs")).await;
        Self { process, folder }
    }

    pub fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    pub async fn start(&self, run: &Run) -> Running {
        self.process.start(run).await.unwrap()
    }

    /// Runs a shell script to its end: how it ended, and what it said.
    pub async fn sh(&self, name: &str, script: &str) -> (Exit, String) {
        let running = self.start(&sh(name, script)).await;
        let exit = wait(&running).await;
        let said = said(&running).await;
        running.remove().await.unwrap();
        (exit, said)
    }
}

pub fn shim() -> Vec<std::ffi::OsString> {
    vec![env!("CARGO_BIN_EXE_eai-test-shim").into()]
}

pub async fn process(folder: &Path) -> Process {
    let path = std::env::var_os("PATH").unwrap();
    let settings = Settings::new(folder.to_owned(), shim(), path);
    Process::new(settings).await.unwrap()
}

pub fn command(name: &str, command: &[&str]) -> Run {
    Run {
        name: name.to_owned(),
        hostname: "test".to_owned(),
        image: String::new(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        env: Vec::new(),
        workdir: None,
        mounts: Vec::new(),
        cpu_milli: 1000,
        mem_mib: 256,
        gpus: 0,
        runtime: None,
        metadata: serde_json::json!({ "name": name }),
    }
}

pub fn sh(name: &str, script: &str) -> Run {
    command(name, &["sh", "-c", script])
}

pub fn mount(host: &Path, target: &str) -> Bind {
    Bind {
        host: host.to_owned(),
        target: target.to_owned(),
        writable: false,
    }
}

pub async fn wait(running: &Running) -> Exit {
    tokio::time::timeout(PATIENCE, running.wait())
        .await
        .expect("the run ends")
        .unwrap()
}

/// All that a run says until its end.
pub async fn said(running: &Running) -> String {
    let mut said = Vec::new();
    let mut output = running.output(0);
    while let Some(chunk) = tokio::time::timeout(PATIENCE, output.next())
        .await
        .expect("the output ends")
        .unwrap()
    {
        said.extend(chunk.bytes);
    }
    String::from_utf8_lossy(&said).into_owned()
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

/// A server that answers each connection with `text`, then says `up`.
pub fn server(name: &str, port: u16, text: &str) -> Run {
    let program = format!(
        "import socket\n\
         s = socket.create_server(('0.0.0.0', {port}))\n\
         print('up', flush=True)\n\
         while True:\n\
         \x20   c, _ = s.accept()\n\
         \x20   c.sendall(c.recv(100) + b'{text}')\n\
         \x20   c.close()\n"
    );
    command(name, &["python3", "-c", &program])
}

/// Says `ask` to a port in a sandbox, and hears the answer.
pub async fn talk(running: &Running, port: u16, ask: &str) -> String {
    let mut stream = running.connect(port).await.unwrap();
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Waits until `done`.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    while !done() {
        assert!(Instant::now() < deadline, "it never happened: {what}");
        tick.tick().await;
    }
}

/// Every process whose command line has `text`.
pub fn processes(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) && pid != i32::try_from(std::process::id()).unwrap() {
            found.push(pid);
        }
    }
    found
}

/// A platform in a process of its own that has started `run`.
pub fn platform_process(folder: &Path, run: &Run) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eai-test-platform"));
    command.arg(folder).args(shim());
    started(command, run)
}

/// The same by a user who is not root, with copies of the programs that it gets at.
pub fn plain_platform_process(folder: &Path, run: &Run) -> Child {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    const USER: u32 = 23456;
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let copy = |from: &str, name: &str| {
        let to = folder.join(name);
        std::fs::copy(from, &to).unwrap();
        open(&to);
        to
    };
    open(folder);
    let platform = copy(env!("CARGO_BIN_EXE_eai-test-platform"), "platform");
    let shim = copy(env!("CARGO_BIN_EXE_eai-test-shim"), "shim");
    let home = folder.join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(USER), Some(USER)).unwrap();
    let mut command = Command::new(platform);
    command.arg(home.join("runs")).arg(shim).uid(USER).gid(USER);
    started(command, run)
}

fn started(mut command: Command, run: &Run) -> Child {
    let mut child = command
        .arg(serde_json::to_string(run).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let out = child.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut said).unwrap();
    assert_eq!(said, "started\n");
    child
}

pub fn kill(pid: u32) {
    let pid = i32::try_from(pid).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
