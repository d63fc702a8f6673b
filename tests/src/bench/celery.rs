//! Celery with a Redis of its own, on a free loopback port, that writes before it acknowledges.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use eai_tests::{app, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::tasks::{WORKERS, load};

/// The folder of Python with Celery in it; `tests/bench` makes one.
const VARIABLE: &str = "EAI_BENCH_CELERY";

/// A Redis, and a Celery that works. Dropping it ends both.
pub(crate) struct Celery {
    redis: Child,
    worker: Child,
    port: String,
    _folder: TempDir,
}

// === impl Celery ===

impl Celery {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let redis = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--port", &port.to_string()])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let redis = redis.expect("redis-server starts: Debian's package is redis-server");
        until("Redis to listen", || {
            TcpStream::connect(("127.0.0.1", port))
        });
        let port = port.to_string();
        let workers = WORKERS.to_string();
        let worker = Command::new(python().with_file_name("celery"))
            .args(["--app", "noop", "worker", "--concurrency", &workers])
            .args([
                "--loglevel",
                "ERROR",
                "--without-gossip",
                "--without-mingle",
            ])
            .env("BENCH_REDIS", &port)
            .env("PYTHONPATH", app("."))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            redis,
            worker: worker.expect("celery starts"),
            port,
            _folder: folder,
        }
    }

    pub(crate) fn load(&self, what: &str, count: usize) -> Value {
        let environment = [("BENCH_REDIS", self.port.as_str())];
        load(python(), ["celery", what], count, &environment)
    }
}

impl Drop for Celery {
    fn drop(&mut self) {
        // It ends its own workers when it is asked to; either may have ended by itself.
        kill_process(Pid::from_child(&self.worker), Signal::TERM).ok();
        drop(self.worker.wait());
        drop(self.redis.kill());
        drop(self.redis.wait());
    }
}

fn python() -> PathBuf {
    let folder = std::env::var_os(VARIABLE).unwrap_or_default();
    PathBuf::from(folder).join("bin/python3")
}
