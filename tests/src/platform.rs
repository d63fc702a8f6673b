//! A platform of its own: data, home, port and process, ended with the value.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use eai_core::fail_point;
use nkeys::KeyPair;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::backend::{self, Backend};
use crate::leftovers::{self, Leftovers};
use crate::wait::until;

/// How a platform is started.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Further flags of `eai server`.
    pub flags: Vec<String>,
    /// Further environment.
    pub environment: Vec<(String, String)>,
    /// Another binary than the one under test.
    pub binary: Option<PathBuf>,
    /// Where it listens, if that is not to be chosen by the platform.
    pub listen: Option<String>,
    /// Whether it may speak to Docker.
    pub docker: bool,
}

/// A running platform. Dropping it kills what belongs to it, and nothing else.
#[derive(Debug)]
pub struct Platform {
    home: TempDir,
    setup: Setup,
    child: Option<Child>,
    listen: String,
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

// === impl Output ===

impl Output {
    fn of(command: &mut Command) -> Self {
        let output = command.output().expect("it runs");
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The output of a command that must succeed, without the last line end.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "exit {}: {}{}", self.code, self.out, self.err);
        self.out.trim_end().to_owned()
    }
}

// === impl Setup ===

impl Setup {
    /// A platform with these flags.
    pub fn flags<const N: usize>(flags: [&str; N]) -> Self {
        Self {
            flags: flags.map(str::to_owned).to_vec(),
            ..Self::default()
        }
    }

    /// The same, with jobs that run with this.
    #[must_use]
    pub fn on(mut self, backend: Backend) -> Self {
        self.flags.extend(backend.flags());
        self.docker = backend == Backend::Docker;
        self
    }

    /// A platform that reaches a place on purpose: see `eai_core::fail_point`. Needs `tests/lib/sabotaged`.
    pub fn fail_point(place: &str) -> Self {
        let tests = std::env::current_exe().expect("a test has a path");
        let binary = tests
            .ancestors()
            .map(|folder| folder.join("sabotage/eai"))
            .find(|path| path.is_file());
        let binary = binary.expect("the binary is built first: tests/lib/sabotaged");
        let place = (fail_point::VARIABLE.to_owned(), place.to_owned());
        Self {
            binary: Some(binary),
            environment: vec![place],
            ..Self::default()
        }
    }

    /// A platform that breaks a guard on purpose. Needs `tests/lib/sabotaged`.
    pub fn sabotaged(guard: &str) -> Self {
        let guard = (fail_point::SABOTAGE.to_owned(), guard.to_owned());
        Self {
            environment: vec![guard],
            ..Self::fail_point("")
        }
    }

    /// The binary under test.
    pub fn binary(&self) -> PathBuf {
        self.binary.clone().unwrap_or_else(binary)
    }
}

/// `eai` as it was built: `EAI_TEST_BIN`, or the one beside the tests.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("EAI_TEST_BIN") {
        return path.into();
    }
    let tests = std::env::current_exe().expect("a test has a path");
    let path = tests.ancestors().find_map(|folder| {
        let path = folder.join("eai");
        path.is_file().then_some(path)
    });
    path.expect("the binary is built first: cargo build --bins")
}

// === impl Platform ===

impl Platform {
    /// Starts one with no flags and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// Starts one whose jobs run with this, and waits until it is ready.
    pub fn on(backend: Backend) -> Self {
        Self::start_with(Setup::default().on(backend))
    }

    /// Starts one and waits until it is ready.
    pub fn start_with(setup: Setup) -> Self {
        let mut platform = Self::stopped(setup);
        platform.up();
        platform
    }

    /// Makes a place for one, and does not start it.
    pub fn stopped(setup: Setup) -> Self {
        let home = TempDir::new().expect("a temporary folder");
        let listen = setup.listen.clone();
        Self {
            home,
            setup,
            child: None,
            listen: listen.unwrap_or_else(|| "127.0.0.1:0".into()),
        }
    }

    /// Starts it (again), on the port that it had before, and waits until it is ready.
    pub fn up(&mut self) {
        self.spawn();
        let url = until("the platform to be ready", || {
            if let Some(status) = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten())
            {
                panic!("the platform ended ({status}): {}", self.log());
            }
            let printed = fs::read_to_string(self.path("stdout")).unwrap_or_default();
            let url = printed.lines().find_map(|line| line.strip_prefix("ready "));
            url.map(str::to_owned).ok_or_else(|| self.log())
        });
        if self.setup.listen.is_none() {
            let port = url.rsplit_once(':').expect("a port").1.to_owned();
            self.listen = format!("127.0.0.1:{port}");
        }
    }

    /// Starts it through `deploy/local/up` and waits until that says where it is; what it said.
    pub fn deploy(&mut self, flags: &[&str]) -> String {
        let binary = self.setup.binary();
        let binary = binary.to_str().expect("UTF-8");
        let own = ["--bin", binary, "--listen", &self.listen, "--"];
        let printed = self.script("up", &[&own, flags].concat()).ok();
        let line = printed.lines().next().unwrap_or_default();
        let port = line.rsplit_once(':').expect("a URL").1;
        self.listen = format!("127.0.0.1:{port}");
        printed
    }

    /// A script of `deploy/local`, on this platform's data.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Output {
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/local");
        let mut command = Command::new(Path::new(scripts).join(name));
        command.args(arguments).stdin(Stdio::null());
        self.environment(&mut command);
        // Its link to the binary goes into this home, and nowhere else.
        let own = self.path(".local/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", own.display()));
        Output::of(&mut command)
    }

    /// Starts the process, and does not wait.
    pub fn spawn(&mut self) {
        let open = |name: &str| File::create(self.path(name)).expect("a log file");
        let mut command = Command::new(self.setup.binary());
        command
            .args(["server", "--listen", &self.listen])
            .args(&self.setup.flags);
        self.environment(&mut command);
        command.envs(
            self.setup
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        command
            .stdin(Stdio::null())
            .stdout(open("stdout"))
            .stderr(open("stderr"));
        command.process_group(0);
        self.child = Some(command.spawn().expect("the binary starts"));
    }

    /// Runs `eai server` to its end: for starts that fail.
    pub fn fails(&mut self) -> Output {
        self.spawn();
        let code = self.wait();
        Output {
            code,
            out: self.read("stdout"),
            err: self.log(),
        }
    }

    /// Runs a command as its user would.
    pub fn cli<const N: usize>(&self, arguments: [&str; N]) -> Output {
        self.run(&arguments, &[])
    }

    /// Runs a command with further environment.
    pub fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        Output::of(&mut command)
    }

    /// A command in its home, to be run otherwise.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.setup.binary());
        command.args(arguments).stdin(Stdio::null());
        self.environment(&mut command);
        command
    }

    fn environment(&self, command: &mut Command) {
        let keep = ["PATH", "EAI_NATS_SERVER", "TMPDIR", "RUST_BACKTRACE"];
        let kept: Vec<_> = keep
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)))
            .collect();
        command.env_clear().envs(kept).env("HOME", self.home.path());
        command.env("EAI_DATA_DIR", self.data());
        if !self.setup.docker {
            command.env("DOCKER_HOST", self.path("no-docker.sock"));
        } else if let Some(host) = std::env::var_os("DOCKER_HOST") {
            command.env("DOCKER_HOST", host);
        }
    }

    /// Ends it as a service manager does; the exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Sends a signal to the platform.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it was started");
        let pid = Pid::from_child(child);
        // It may have ended by itself, which the wait that follows tells.
        kill_process(pid, signal).ok();
    }

    /// Waits for its end; the exit code, or minus the signal.
    pub fn wait(&mut self) -> i32 {
        let mut child = self.child.take().expect("it was started");
        let status = until("the platform to end", || {
            child
                .try_wait()
                .expect("a child can be waited for")
                .ok_or_else(|| self.log())
        });
        status
            .code()
            .unwrap_or_else(|| -status.signal().unwrap_or(0))
    }

    /// Whether it ended by itself since it was started; [`Platform::wait`] then answers at once.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Kills it with no chance to say anything; its NATS server stays.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// The process id of its NATS server.
    pub fn nats_pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.data().join("nats/nats.pid")).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        let line = fs::read(format!("/proc/{pid}/cmdline", pid = pid.as_raw_nonzero())).ok()?;
        let ours = String::from_utf8_lossy(&line).contains(self.data().to_str()?);
        (ours && test_kill_process(pid).is_ok()).then_some(pid)
    }

    /// Sends a signal to its NATS server, if there is one.
    pub fn signal_nats(&self, signal: Signal) {
        if let Some(pid) = self.nats_pid() {
            // It may end in between.
            kill_process(pid, signal).ok();
        }
    }

    /// Kills its NATS server, and waits until it is gone.
    pub fn kill_nats(&self) {
        let pid = self.nats_pid();
        self.signal_nats(Signal::KILL);
        if let Some(pid) = pid {
            until("nats-server to be gone", || match self.nats_pid() {
                Some(found) if found == pid => Err("still there"),
                _ => Ok(()),
            });
        }
    }

    /// Where it keeps its data, without links.
    pub fn data(&self) -> PathBuf {
        let home = fs::canonicalize(self.home.path()).expect("a home");
        home.join("data")
    }

    /// Ends every run with its shim, as the death of the machine would.
    pub fn kill_runs(&self) {
        leftovers::clear(&self.data());
    }

    /// What runs of its jobs have on this machine now.
    pub fn leftovers(&self) -> Leftovers {
        let mut left = Leftovers::of(&self.data());
        if let Some(id) = self.id().filter(|_| self.setup.docker) {
            left.containers = backend::containers(&id);
        }
        left
    }

    /// The networks that it has.
    pub fn networks(&self) -> Vec<String> {
        self.id()
            .map(|id| backend::networks(&id))
            .unwrap_or_default()
    }

    /// What its jobs run with.
    pub fn backend(&self) -> Backend {
        if self.setup.docker {
            Backend::Docker
        } else {
            Backend::Process
        }
    }

    /// Its id, once it was started.
    pub fn id(&self) -> Option<String> {
        let identity = fs::read(self.data().join("platform.json")).ok()?;
        let identity: Value = serde_json::from_slice(&identity).ok()?;
        identity["platform"].as_str().map(str::to_owned)
    }

    /// Where the command line keeps its profile.
    pub fn config(&self) -> PathBuf {
        self.path(".eai")
    }

    /// Something in its home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.path(name)) {
            // Log lines are for messages only.
            drop(file.read_to_string(&mut text));
        }
        text
    }

    /// Its log lines.
    pub fn log(&self) -> String {
        self.read("stderr")
    }

    /// Where its API is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }

    /// The address and port of its API.
    pub fn address(&self) -> &str {
        &self.listen
    }

    /// Another setup for the next start.
    pub fn set_up(&mut self, setup: Setup) {
        self.setup = setup;
    }

    /// The process id of the platform.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it was started").id()
    }

    /// What it printed since its last start.
    pub fn printed(&self) -> String {
        self.read("stdout")
    }

    /// Where its NATS server listens.
    pub fn nats_url(&self) -> String {
        let identity = fs::read(self.data().join("platform.json")).expect("platform.json");
        let identity: Value = serde_json::from_slice(&identity).expect("JSON");
        format!("nats://127.0.0.1:{}", identity["natsPort"])
    }

    /// One of its keys: `account`, `signing`, ...
    pub fn seed(&self, name: &str) -> KeyPair {
        let path = self.data().join(format!("keys/{name}.nk"));
        let seed = fs::read_to_string(path).expect("a key file");
        KeyPair::from_seed(seed.trim()).expect("a seed")
    }

    /// A fresh access token.
    pub fn token(&self) -> String {
        self.cli(["login", "token"]).ok()
    }

    /// The folder that holds everything of it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Either may be gone already; both are ours.
            drop(child.kill());
            drop(child.wait());
        } else if self.path("data/server.pid").exists() {
            self.script("down", &["--wait", "0"]);
        }
        if let Some(pid) = self.nats_pid() {
            kill_process(pid, Signal::KILL).ok();
        }
        leftovers::clear(&self.data());
        if let Some(id) = self.id().filter(|_| self.setup.docker) {
            backend::clear(&id);
        }
        if std::thread::panicking() {
            eprint_log(&self.log());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a failed test shows what the platform said"
)]
fn eprint_log(log: &str) {
    let last: Vec<_> = log.lines().rev().take(40).collect();
    for line in last.iter().rev() {
        eprintln!("platform: {line}");
    }
}
