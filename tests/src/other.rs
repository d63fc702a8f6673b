//! A second executor of a platform: a process of its own, with sandboxes or containers of its own, on the platform's
//! log. It has what the platform's own executor has.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eai_core::fail_point;
use eai_core::log::credentials::{User, creds_text, user};
use nkeys::KeyPair;
use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

use crate::backend::{self, Backend};
use crate::leftovers::{self, Leftovers};
use crate::platform::{Platform, Setup};

/// Another executor. Dropping it kills it, and what it runs.
#[derive(Debug)]
pub struct Other {
    id: Uuid,
    folder: PathBuf,
    /// The platform, where it has containers.
    containers: Option<String>,
    lease: Duration,
    binary: PathBuf,
    /// A place that it reaches on purpose at its next start.
    place: Option<String>,
    /// A guard that it breaks.
    guard: Option<String>,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Other {
    /// Starts one beside a platform that runs.
    pub fn start(platform: &Platform, name: &str, lease: Duration) -> Self {
        let mut other = Self::stopped(platform, name, lease);
        other.up();
        other
    }

    /// Starts one that reaches a place on purpose: see `eai_core::fail_point`. Needs `tests/lib/sabotaged`.
    pub fn fail_point(platform: &Platform, name: &str, lease: Duration, place: &str) -> Self {
        let mut other = Self::stopped(platform, name, lease);
        other.binary = built("sabotage/executor", "tests/lib/sabotaged");
        other.place = Some(place.to_owned());
        other.up();
        other
    }

    /// Starts one that breaks a guard: see `eai_core::fail_point`. Needs `tests/lib/sabotaged`.
    pub fn sabotaged(platform: &Platform, name: &str, lease: Duration, guard: &str) -> Self {
        let mut other = Self::stopped(platform, name, lease);
        other.binary = built("sabotage/executor", "tests/lib/sabotaged");
        other.guard = Some(guard.to_owned());
        other.up();
        other
    }

    fn stopped(platform: &Platform, name: &str, lease: Duration) -> Self {
        let folder = platform.data().join(format!("other-{name}"));
        fs::create_dir_all(&folder).expect("a folder");
        let account = platform.seed("account");
        let credentials = |kind, name: &str| {
            let key = KeyPair::new_user();
            let jwt = user(kind, &account, &key, 0).expect("a token");
            let path = folder.join(name);
            fs::write(&path, creds_text(&jwt, &key).expect("credentials")).expect("a file");
            path.display().to_string()
        };
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        let containers = platform
            .id()
            .filter(|_| platform.backend() == Backend::Docker);
        let arguments = vec![
            platform.nats_url(),
            credentials(User::Platform, "platform.creds"),
            credentials(User::Cleaner, "cleaner.creds"),
            folder.display().to_string(),
            Setup::default().binary().display().to_string(),
            platform.id().expect("an id"),
            id.to_string(),
            "snow.testacc".to_owned(),
            containers
                .as_ref()
                .map(|_| Backend::Docker.image())
                .unwrap_or_default(),
        ];
        Self {
            id,
            folder,
            containers,
            lease,
            binary: built("executor", "cargo build --bins"),
            place: None,
            guard: None,
            arguments,
            child: None,
        }
    }

    /// Starts it (again).
    pub fn up(&mut self) {
        let log = File::create(self.folder.join("stderr")).expect("a log file");
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .arg(self.lease.as_millis().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
        if let Some(place) = self.place.take() {
            command.env(fail_point::VARIABLE, place);
        }
        if let Some(guard) = &self.guard {
            command.env(fail_point::SABOTAGE, guard);
        }
        self.child = Some(command.spawn().expect("the binary starts"));
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// Its process, and not what it runs.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("it is there");
    }

    /// Kills its process; what it runs goes on.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Waits for its end.
    pub fn wait(&mut self) {
        let child = self.child.take();
        child.expect("it runs").wait().expect("its end");
    }

    /// Whether it ended by itself since it was started.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// What it said since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// What its runs have on this machine now.
    pub fn leftovers(&self) -> Leftovers {
        let mut left = Leftovers::of(&self.folder);
        if let Some(platform) = &self.containers {
            left.containers = backend::containers_of(platform, &self.id());
        }
        left
    }

    /// Where its runs are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A binary beside the tests.
fn built(name: &str, by: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a test has a path");
    let mut folders = tests.ancestors();
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()));
    found.unwrap_or_else(|| panic!("the binary is built first: {by}"))
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
        leftovers::clear(&self.folder);
    }
}
