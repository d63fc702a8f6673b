//! A Docker engine of a test's own, that may be stopped, killed and frozen: the machine's is left alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::backend::Backend;
use crate::wait::until;

/// Addresses that the machine's own engine does not hand out.
const ADDRESSES: &str = "base=10.213.0.0/16,size=24";

/// An engine with the image that tests use. Dropping it ends it, and all that it runs.
#[derive(Debug)]
pub struct Engine {
    folder: TempDir,
    live_restore: bool,
    /// A bridge of its own: an engine that is told to have none removes `docker0`, which is the machine's.
    bridge: String,
    child: Option<Child>,
}

// === impl Engine ===

impl Engine {
    /// Starts one. With `live_restore`, what it runs goes on while it is away.
    pub fn start(live_restore: bool) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("daemon.json"), "{}").expect("a file");
        // A process has one engine at a time.
        let bridge = format!("eai{:x}", std::process::id());
        ip(&["link", "add", &bridge, "type", "bridge"]);
        let mut engine = Self {
            folder,
            live_restore,
            bridge,
            child: None,
        };
        engine.up();
        engine.load();
        engine
    }

    /// Starts it (again), and waits until it answers.
    pub fn up(&mut self) {
        self.spawn();
        until("the engine to answer", || {
            let said = fs::read_to_string(self.path("log")).unwrap_or_default();
            let child = self.child.as_mut().expect("it was started");
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                // What a killed one had beside it was still about to end; a service manager tries again, too.
                fs::remove_file(self.path("pid")).ok();
                self.spawn();
                return Err(said);
            }
            let version = self.cli(&["info", "--format", "{{.ServerVersion}}"]);
            let is_there = version.iter().any(|line| !line.is_empty());
            is_there.then_some(()).ok_or(said)
        });
    }

    fn spawn(&mut self) {
        let path = |name: &str| self.path(name).display().to_string();
        let log = File::create(self.path("log")).expect("a log file");
        let mut command = Command::new("dockerd");
        command
            .args(["--config-file", &path("daemon.json")])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec")])
            .args(["--pidfile", &path("pid"), "--host", &self.host()])
            .args(["--bridge", &self.bridge])
            .args(["--iptables=false", "--ip-masq=false", "--storage-driver"])
            .args(of_machine(&["info", "--format", "{{.Driver}}"]));
        // An engine that has them and starts again removes `docker0`, too; what it made before stays where it is.
        if !self.path("data").exists() {
            command.args(["--default-address-pool", ADDRESSES]);
        }
        if self.live_restore {
            command.arg("--live-restore");
        }
        command.stdin(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("dockerd starts"));
    }

    /// What `DOCKER_HOST` is for it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("it is there");
    }

    /// Ends it as a service manager does.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.wait();
    }

    /// Ends it with no chance to do anything.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
        // It does not start where it finds one.
        fs::remove_file(self.path("pid")).expect("a file");
    }

    fn wait(&mut self) {
        let mut child = self.child.take().expect("it runs");
        until("the engine to end", || {
            child.try_wait().expect("its end").ok_or("it runs")
        });
    }

    /// The containers that it has.
    pub fn containers(&self) -> Vec<String> {
        self.cli(&["ps", "--all", "--quiet"])
    }

    /// The networks that it has of a platform.
    pub fn networks(&self) -> Vec<String> {
        let label = "label=eai.platform";
        self.cli(&["network", "ls", "--quiet", "--filter", label])
    }

    fn cli(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new("docker");
        lines(command.args(["--host", &self.host()]).args(arguments))
    }

    /// Takes over the image from the machine's engine.
    fn load(&self) {
        let file = self.path("image.tar");
        let path = file.display().to_string();
        of_machine(&["save", "--output", &path, &Backend::Docker.image()]);
        let loaded = self.cli(&["load", "--input", &path]);
        assert!(!loaded.is_empty(), "the image is loaded");
        fs::remove_file(file).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            // It may be frozen, or gone; what it runs ends with it, and else below.
            kill_process(Pid::from_child(child), Signal::CONT).ok();
            kill_process(Pid::from_child(child), Signal::KILL).ok();
            self.wait();
        }
        end_all(self.folder.path());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for mount in ours.filter(|mount| Path::new(mount).starts_with(self.folder.path())) {
            unmount(mount, UnmountFlags::DETACH).ok();
        }
        ip(&["link", "delete", &self.bridge]);
    }
}

/// Ends every process that has the folder on its command line, and what is below it.
fn end_all(folder: &Path) {
    let folder = folder.display().to_string();
    until("nothing of the engine to be left", || {
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid: Option<i32> = name.to_str().and_then(|name| name.parse().ok());
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let is_ours = String::from_utf8_lossy(&line).contains(&folder);
            left.extend(pid.filter(|_| is_ours).and_then(Pid::from_raw));
        }
        for pid in &left {
            kill_process(*pid, Signal::KILL).ok();
        }
        left.is_empty().then_some(()).ok_or(left)
    });
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).status();
    assert!(
        done.expect("ip: Debian's iproute2").success(),
        "ip {arguments:?}"
    );
}

/// What the machine's own engine says.
fn of_machine(arguments: &[&str]) -> Vec<String> {
    lines(Command::new("docker").args(arguments))
}

fn lines(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("the docker command");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.lines().map(str::to_owned).collect()
}
