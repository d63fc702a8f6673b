//! A second executor of a platform: a process of its own, with sandboxes of its own, on the platform's log.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eai_core::log::credentials::{User, creds_text, user};
use nkeys::KeyPair;
use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

use crate::leftovers::{self, Leftovers};
use crate::platform::{Platform, Setup};

/// Another executor. Dropping it kills it, and what it runs.
#[derive(Debug)]
pub struct Other {
    id: Uuid,
    folder: PathBuf,
    lease: Duration,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Other {
    /// Starts one beside a platform that runs.
    pub fn start(platform: &Platform, name: &str, lease: Duration) -> Self {
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
        let arguments = vec![
            platform.nats_url(),
            credentials(User::Platform, "platform.creds"),
            credentials(User::Cleaner, "cleaner.creds"),
            folder.display().to_string(),
            Setup::default().binary().display().to_string(),
            platform.id().expect("an id"),
            id.to_string(),
            "snow.testacc".to_owned(),
        ];
        let mut other = Self {
            id,
            folder,
            lease,
            arguments,
            child: None,
        };
        other.up();
        other
    }

    /// Starts it (again).
    pub fn up(&mut self) {
        let tests = std::env::current_exe().expect("a test has a path");
        let binary = tests
            .ancestors()
            .map(|folder| folder.join("executor"))
            .find(|path| path.is_file())
            .expect("the binary is built first: cargo build --bins");
        let log = File::create(self.folder.join("stderr")).expect("a log file");
        let mut command = Command::new(binary);
        command
            .args(&self.arguments)
            .arg(self.lease.as_millis().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
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
        let child = self.child.take();
        child.expect("it runs").wait().expect("its end");
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// What its runs have on this machine now.
    pub fn leftovers(&self) -> Leftovers {
        Leftovers::of(&self.folder)
    }
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
