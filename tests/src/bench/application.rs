//! The application that is measured: nginx with one worker and a fixed answer, in a service's sandbox and by itself.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eai_tests::{Backend, Platform, app, until};
use rustix::process::Signal;
use tempfile::TempDir;

/// The length of the answer's body.
pub(crate) const BODY: usize = 200;
/// Where the service's application listens, in its sandbox.
const SERVICE_PORT: u16 = 8080;
/// How long an executor may take to freeze a job.
const FREEZING: Duration = Duration::from_millis(250);
/// Debian keeps it where not every user's `PATH` looks.
const NGINX: &str = "/usr/sbin/nginx";

/// A platform with one service. Dropping it ends both.
pub(crate) struct Service {
    pub(crate) platform: Platform,
    /// What requests have to say.
    pub(crate) host: String,
    pub(crate) authorization: String,
}

/// An nginx of the benchmark's own. Dropping it ends it.
pub(crate) struct Nginx {
    _folder: TempDir,
    child: Child,
    pub(crate) port: u16,
}

// === impl Service ===

impl Service {
    /// On the `eai` beside this program, or `EAI_TEST_BIN`; no job runs yet.
    pub(crate) fn make() -> Self {
        let platform = Platform::start();
        let config = platform.path("nginx.conf");
        fs::write(&config, answers(&SERVICE_PORT.to_string())).expect("a file");
        let config = config.to_str().expect("a path of text");
        platform.cli(["service", "new", "bench"]).ok();
        let runtime = "snow.testacc.bench_runtime";
        platform.cli(["data", "push", runtime, config]).ok();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut update = vec!["service", "update", "bench", "--cpu"];
        let cores = cores.to_string();
        update.extend([&cores, "--mem", "1", "--", NGINX, "-e", "stderr"]);
        update.extend(["-p", "/tmp", "-c", "/service/nginx.conf"]);
        platform.run(&update, &[]).ok();
        Self::on(platform)
    }

    /// The same in containers, with `web.py`; no job runs yet.
    pub(crate) fn in_container() -> Self {
        let platform = Platform::on(Backend::Docker);
        platform.cli(["service", "new", "bench"]).ok();
        let file = app("web.py");
        let file = file.to_str().expect("a path of text");
        let runtime = "snow.testacc.bench_runtime";
        platform.cli(["data", "push", runtime, file]).ok();
        let mut update = vec!["service", "update", "bench", "--mem", "1", "--"];
        update.extend(["python3", "-u", "/service/web.py"]);
        platform.run(&update, &[]).ok();
        Self::on(platform)
    }

    fn on(platform: Platform) -> Self {
        let field = ["service", "get", "bench", "--field", "accessUrl"];
        let url = platform.cli(field).ok();
        let host = url.trim_start_matches("http://").to_owned();
        let authorization = format!("Bearer {}", platform.token());
        Self {
            platform,
            host,
            authorization,
        }
    }

    /// Where it is asked.
    pub(crate) fn port(&self) -> u16 {
        let address = self.platform.address();
        let port = address.rsplit_once(':').map(|(_, port)| port.parse());
        port.expect("a port").expect("a number")
    }

    /// Ends its job, and sees to it that the next one is a new one.
    pub(crate) fn renew(&self, round: usize) {
        self.cool_down();
        let variable = format!("ROUND={round}");
        let update = ["service", "update", "bench", "-e", &variable];
        self.platform.cli(update).ok();
    }

    /// Has the next revision of the same serve: it is waited for.
    pub(crate) fn update(&self, round: usize) {
        let variable = format!("ROUND={round}");
        let update = ["service", "update", "bench", "-e", &variable];
        self.platform.cli(update).ok();
        self.platform.cli(["service", "wait", "bench"]).ok();
    }

    /// Waits until nothing of earlier revisions is left.
    pub(crate) fn settle(&self) {
        let settled = ["service", "wait", "bench", "--for", "settled"];
        self.platform.cli(settled).ok();
    }

    /// Holds its job still.
    pub(crate) fn freeze(&self) {
        let alive = ["job", "ls", "--state", "alive", "--field", "id"];
        let id = self.platform.cli(alive).ok();
        self.platform.cli(["job", "freeze", &id]).ok();
        // Nothing tells when the executor is done.
        std::thread::sleep(FREEZING);
    }

    /// Ends its job, and leaves it ready for the next one.
    pub(crate) fn cool_down(&self) {
        self.platform.cli(["service", "stop", "bench"]).ok();
        let alive = ["job", "ls", "--state", "alive", "--field", "id"];
        until("the job to end", || match self.platform.cli(alive).ok() {
            none if none.is_empty() => Ok(()),
            alive => Err(alive),
        });
        self.platform.cli(["service", "start", "bench"]).ok();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // This is what ends jobs as well.
        self.platform.signal(Signal::INT);
        self.platform.wait();
    }
}

// === impl Nginx ===

impl Nginx {
    /// The application by itself; it may not answer yet.
    pub(crate) fn application() -> Self {
        Self::start(|port| answers(&format!("127.0.0.1:{port}")))
    }

    /// A proxy before an application.
    pub(crate) fn proxy(application: u16) -> Self {
        Self::start(|port| proxies(port, application))
    }

    fn start(config: impl FnOnce(u16) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let path = folder.path().join("nginx.conf");
        fs::write(&path, config(port)).expect("a file");
        let child = command(folder.path(), &path).spawn();
        Self {
            child: child.expect("nginx starts: Debian's package is nginx-light"),
            _folder: folder,
            port,
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(folder: &Path, config: &Path) -> Command {
    let mut command = Command::new(NGINX);
    command.args(["-e", "stderr", "-p"]).arg(folder);
    command.arg("-c").arg(config).stdin(Stdio::null());
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn answers(listen: &str) -> String {
    let body = "a".repeat(BODY);
    config(&format!(
        "server {{ listen {listen}; default_type text/plain; location / {{ return 200 \"{body}\"; }} }}"
    ))
}

/// What it tells the application is what `eai` tells it too, but for the caller's name.
fn proxies(port: u16, application: u16) -> String {
    config(&format!(
        "upstream application {{ server 127.0.0.1:{application}; keepalive 64; keepalive_requests 1000000000; }}
server {{
  listen 127.0.0.1:{port};
  location / {{
    proxy_pass http://application;
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_set_header Authorization \"\";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Forwarded \"for=$remote_addr;host=\\\"$http_host\\\";proto=$scheme\";
  }}
}}"
    ))
}

/// One process, which writes only below its prefix.
fn config(servers: &str) -> String {
    format!(
        "daemon off;
master_process off;
error_log stderr error;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
access_log off;
keepalive_requests 1000000000;
client_body_temp_path body;
proxy_temp_path proxy;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
{servers}
}}
"
    )
}
