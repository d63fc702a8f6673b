//! A nats-server of a test's own: started, killed and started again on the same port.

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

use super::support::PATIENCE;

/// Room for the log.
const MAX_BYTES: u64 = 64 << 20;

/// A running nats-server. Dropping it kills it.
pub(crate) struct Server {
    folder: TempDir,
    child: Option<Child>,
    port: u16,
}

impl Server {
    /// One that writes each message to the disk before it acknowledges it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let config = format!(
            "host: 127.0.0.1\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
            store.display()
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
                "cannot run {}: {error}; set EAI_NATS_SERVER to a nats-server 2.12.7 or newer",
                Path::new(&program).display()
            )
        });
        // The server writes this file once it takes connections.
        let ports = self.path(&format!("nats-server_{}.ports", child.id()));
        self.child = Some(child);
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(port) = port_in(&ports)
                && TcpStream::connect(("127.0.0.1", port)).is_ok()
            {
                self.port = port;
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "nats-server ended: {}", self.output());
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("nats-server is not ready: {}", self.output());
    }

    fn output(&self) -> String {
        fs::read_to_string(self.path("nats.log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Kills it with no chance to write anything.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it as a service manager does.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap();
    }

    async fn connection(&self) -> Connection {
        let options = ConnectOptions::new().request_timeout(Some(PATIENCE));
        let url = format!("nats://127.0.0.1:{}", self.port);
        connect_with(options, &url).await.unwrap()
    }

    /// The log, set up.
    pub(crate) async fn log(&self) -> Log {
        let connection = self.connection().await;
        set_up(&connection, MAX_BYTES).await.unwrap();
        let settings = Settings::new(PlatformId(Uuid::from_u128(1)), PATIENCE);
        Log::open(connection, settings).await.unwrap()
    }

    /// A client without the log's rules, for doing what nobody should.
    pub(crate) async fn client(&self) -> Client {
        self.connection().await.client().clone()
    }

    /// The file that holds the newest events.
    pub(crate) fn block(&self) -> PathBuf {
        let folder = self.path("store/jetstream/$G/streams/EAI_EVENTS/msgs");
        let blocks = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut blocks: Vec<_> = blocks
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "blk"))
            .collect();
        blocks.sort();
        blocks.pop().expect("a block")
    }
}

fn port_in(file: &Path) -> Option<u16> {
    let text = fs::read_to_string(file).ok()?;
    text.split(['"', ':']).find_map(|part| part.parse().ok())
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
