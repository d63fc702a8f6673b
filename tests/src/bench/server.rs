//! A nats-server of the benchmark's own, on a free loopback port, that writes before it acknowledges.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::ConnectOptions;
use eai_core::ids::PlatformId;
use eai_core::log::{Connection, Log, Settings, connect_with, set_up};
use eai_tests::until;
use tempfile::TempDir;
use uuid::Uuid;

/// More than any suite writes.
const MAX_BYTES: u64 = 4 << 30;

/// A running nats-server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    _folder: TempDir,
    child: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        let config = format!(
            "host: 127.0.0.1\njetstream {{ store_dir: \"{}/store\", sync_interval: always }}\n",
            path.display()
        );
        fs::write(path.join("nats.conf"), config).expect("a configuration");
        let log = File::create(path.join("nats.log")).expect("a log file");
        let program = std::env::var_os("EAI_NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let mut child = Command::new(program)
            .args([
                "--config",
                "nats.conf",
                "--port",
                "-1",
                "--ports_file_dir",
                ".",
            ])
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("nats-server starts: EAI_NATS_SERVER names it, or it is on PATH");
        let ports = path.join(format!("nats-server_{}.ports", child.id()));
        let port = until("nats-server to be ready", || {
            if let Ok(Some(status)) = child.try_wait() {
                let said = fs::read_to_string(path.join("nats.log")).unwrap_or_default();
                panic!("nats-server ended ({status}): {said}");
            }
            let text = fs::read_to_string(&ports).unwrap_or_default();
            let port = text.split(['"', ':']).find_map(|part| part.parse().ok());
            port.ok_or(text)
        });
        Self {
            _folder: folder,
            child,
            port,
        }
    }

    pub(crate) fn process(&self) -> String {
        self.child.id().to_string()
    }

    pub(crate) async fn connect(&self) -> Connection {
        let url = format!("nats://127.0.0.1:{}", self.port);
        let connection = connect_with(ConnectOptions::new(), &url).await;
        connection.expect("a connection")
    }

    /// The log on it, set up.
    pub(crate) async fn log(&self) -> Log {
        self.log_with(None).await
    }

    /// The same with a folder for snapshots of long histories.
    pub(crate) async fn log_with(&self, snapshots: Option<PathBuf>) -> Log {
        let connection = self.connect().await;
        set_up(&connection, MAX_BYTES).await.expect("a stream");
        let settings = Settings {
            snapshots,
            ..Settings::new(PlatformId(Uuid::from_u128(1)), Duration::from_mins(1))
        };
        Log::open(connection, settings).await.expect("the log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
