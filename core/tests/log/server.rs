//! A nats-server of a test's own: started, paused, killed and started again on the same port.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use eai_core::ids::PlatformId;
use eai_core::log::{Connection, Log, Settings, connect_with, set_up};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use uuid::Uuid;

use super::support::until;

/// Room for the log where a test does not ask for less.
pub(crate) const MAX_BYTES: u64 = 256 << 20;
/// How long a request may take where a test waits for its failure.
pub(crate) const SHORT: Duration = Duration::from_millis(250);
/// Longer than anything takes.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// A running nats-server. Dropping it kills it.
pub(crate) struct Server {
    folder: TempDir,
    child: Option<Child>,
    port: u16,
}

impl Server {
    /// One that writes each message to the disk before it acknowledges it.
    pub(crate) fn start() -> Self {
        Self::start_with("sync_interval: always")
    }

    /// One with these lines in its `jetstream` block.
    pub(crate) fn start_with(jetstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = format!(
            "host: 127.0.0.1\n\
             jetstream {{ store_dir: \"{path}/store\", {jetstream} }}\n\
             accounts {{\n\
               EAI {{ jetstream: enabled, users: [{{ user: eai, password: eai }}] }}\n\
               SYS {{ users: [{{ user: system, password: system }}] }}\n\
             }}\n\
             system_account: SYS\n"
        );
        fs::write(folder.path().join("nats.conf"), config).unwrap();
        let mut server = Self {
            folder,
            child: None,
            port: 0,
        };
        server.up();
        server
    }

    /// Starts it, again on the port that it had, and waits until it takes connections.
    pub(crate) fn up(&mut self) {
        let program = std::env::var_os("EAI_NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let log = File::create(self.path("nats.log")).unwrap();
        let port = match self.port {
            0 => "-1".to_owned(),
            port => port.to_string(),
        };
        let child = Command::new(&program)
            .args(["--config", "nats.conf", "--ports_file_dir", ".", "--port"])
            .arg(port)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "cannot run {}: {error}; set EAI_NATS_SERVER to a nats-server 2.12.7 or newer, \
                 such as the one that deploy/local/nats-server prints",
                Path::new(&program).display()
            )
        });
        // The server writes this file once it takes connections.
        let ports = self.path(&format!("nats-server_{}.ports", child.id()));
        self.child = Some(child);
        self.port = until("nats-server to be ready", || {
            let child = self.child.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("nats-server ended ({status}): {}", self.output());
            }
            let text = fs::read_to_string(&ports).map_err(|_| "no ports file")?;
            let port = text
                .split(['"', ':'])
                .find_map(|part| part.parse().ok())
                .ok_or("no port")?;
            TcpStream::connect(("127.0.0.1", port)).map_err(|_| "refused")?;
            Ok::<u16, &str>(port)
        });
    }

    fn output(&self) -> String {
        fs::read_to_string(self.path("nats.log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Kills it with no chance to write anything.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends it as a service manager does.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        let mut child = self.child.take().unwrap();
        child.wait().unwrap();
    }

    /// Stops its clockwork: connections stand, nothing answers.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection as the platform has it, but free to destroy.
    pub(crate) async fn connect(&self) -> Connection {
        self.connect_through(self.port, LONG).await
    }

    /// A connection through another port, with a limit for each request.
    pub(crate) async fn connect_through(&self, port: u16, timeout: Duration) -> Connection {
        let options = ConnectOptions::with_user_and_password("eai".into(), "eai".into())
            .request_timeout(Some(timeout));
        let url = format!("nats://127.0.0.1:{port}");
        connect_with(options, &url).await.unwrap()
    }

    /// A connection to the system account.
    pub(crate) async fn system(&self) -> Connection {
        let options = ConnectOptions::with_user_and_password("system".into(), "system".into());
        let url = format!("nats://127.0.0.1:{}", self.port);
        connect_with(options, &url).await.unwrap()
    }

    /// A client without the log's rules, for doing what nobody should.
    pub(crate) async fn client(&self) -> Client {
        self.connect().await.client().clone()
    }

    /// The log, set up.
    pub(crate) async fn log(&self) -> Log {
        self.log_of(MAX_BYTES).await
    }

    /// The log with this much room.
    pub(crate) async fn log_of(&self, max_bytes: u64) -> Log {
        let connection = self.connect().await;
        set_up(&connection, max_bytes).await.unwrap();
        open(connection, LONG).await
    }

    /// The files of the stream that hold messages, oldest first.
    pub(crate) fn blocks(&self) -> Vec<PathBuf> {
        let folder = self.path("store/jetstream/EAI/streams/EAI_EVENTS/msgs");
        let mut blocks: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "blk"))
            .collect();
        blocks.sort_by_key(|path| {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            stem.parse::<u64>().unwrap()
        });
        blocks
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Its log of tasks, on a stream that is set up.
pub(crate) async fn open_tasks(connection: Connection, deadline: Duration) -> Log {
    let settings = Settings::new(PlatformId(Uuid::from_u128(1)), deadline);
    Log::open_tasks(connection, settings).await.unwrap()
}

/// The log of every test's platform, on a stream that is set up.
pub(crate) async fn open(connection: Connection, deadline: Duration) -> Log {
    let settings = Settings::new(PlatformId(Uuid::from_u128(1)), deadline);
    Log::open(connection, settings).await.unwrap()
}
