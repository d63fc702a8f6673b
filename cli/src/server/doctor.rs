//! What this machine has of what a platform needs. Looks only: nothing is installed, and nothing stays behind.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::data_dir::DataDir;
use super::nats::Search;
use crate::env;

/// How long a program or an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a write is brought to the disk, to know what one costs.
const SYNCS: u32 = 20;
/// What a command waits for on most disks.
const QUICK: Duration = Duration::from_millis(10);
/// The least room that a log needs to be worth a start.
const ROOM: u64 = 1 << 30;

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// The platform does without, or less well.
    Warn,
    /// The platform does not start, or no job runs.
    Bad,
}

/// What was found of one thing.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    pub(crate) found: String,
    /// What to do; empty where nothing is to be done.
    pub(crate) advice: &'static str,
}

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) nats_server: Option<PathBuf>,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
}

// === impl State ===

impl State {
    /// As it is printed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

// === impl Finding ===

impl Finding {
    fn ok(check: &'static str, finding: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            found: finding.into(),
            advice: "",
        }
    }

    fn not(
        check: &'static str,
        state: State,
        finding: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self {
            check,
            state,
            found: finding.into(),
            advice,
        }
    }
}

/// Looks at everything, one after the other.
pub(crate) async fn examine(machine: &Machine) -> Vec<Finding> {
    let folder = existing(&machine.data_dir);
    let docker = docker();
    let mut sandbox = sandbox().await;
    let (engine, boxed) = (docker.state == State::Ok, sandbox.state == State::Ok);
    let mut docker = docker;
    // One of the two is enough to run jobs.
    if !engine && !boxed {
        (docker.state, sandbox.state) = (State::Bad, State::Bad);
    }
    vec![
        nats(machine.nats_server.clone()).await,
        fsync(folder),
        disk(folder),
        docker,
        sandbox,
        network().await,
        cgroups(),
        port(machine.listen),
    ]
    .into_iter()
    .chain(nats_port(&machine.data_dir))
    .collect()
}

async fn nats(explicit: Option<PathBuf>) -> Finding {
    match Search::from_process(explicit).find().await {
        Ok(binary) => Finding::ok(
            "nats",
            format!(
                "nats-server {} at {}",
                binary.version,
                binary.path.display()
            ),
        ),
        Err(error) => Finding::not(
            "nats",
            State::Bad,
            error.to_string(),
            "run `deploy/local/nats-server`, which fetches the one that eai is tested with; or name one with --nats-server",
        ),
    }
}

/// The folder, or what there is of it.
fn existing(folder: &Path) -> &Path {
    let there = folder.ancestors().find(|path| path.is_dir());
    there.unwrap_or(Path::new("/"))
}

fn fsync(folder: &Path) -> Finding {
    match sync_time(folder) {
        Ok(time) if time <= QUICK => {
            Finding::ok("fsync", format!("{time:.1?} in {}", folder.display()))
        }
        Ok(time) => Finding::not(
            "fsync",
            State::Warn,
            format!("{time:.1?} in {}", folder.display()),
            "every command waits for this: put the data on a quicker disk with --data-dir",
        ),
        Err(error) => Finding::not(
            "fsync",
            State::Bad,
            format!("{} cannot be written: {error}", folder.display()),
            "name a folder that is yours with --data-dir",
        ),
    }
}

/// The median of some.
fn sync_time(folder: &Path) -> io::Result<Duration> {
    // No name: nothing stays, whatever happens.
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn disk(folder: &Path) -> Finding {
    let place = folder.display();
    match rustix::fs::statvfs(folder) {
        Ok(known) => {
            let free = known.f_bavail * known.f_frsize;
            let finding = format!("{} free in {place}", bytesize::ByteSize(free));
            if free >= ROOM {
                Finding::ok("disk", finding)
            } else {
                let advice = "make room, or name another folder with --data-dir";
                Finding::not("disk", State::Bad, finding, advice)
            }
        }
        Err(error) => Finding::not(
            "disk",
            State::Warn,
            format!("{place} cannot be asked: {error}"),
            "look at `df` yourself",
        ),
    }
}

fn docker() -> Finding {
    let advice =
        "start it, or give its socket in DOCKER_HOST; without it jobs run as sandboxed processes";
    let host = env::read(env::DOCKER_HOST).unwrap_or_else(|| "unix:///var/run/docker.sock".into());
    let Some(socket) = host.strip_prefix("unix://") else {
        let finding = format!("{host} was not asked: only sockets of this machine are");
        return Finding::not(
            "docker",
            State::Warn,
            finding,
            "look at `docker version` yourself",
        );
    };
    match docker_version(Path::new(socket)) {
        Ok(version) => Finding::ok("docker", format!("API {version} at {socket}")),
        Err(error) => {
            let advice = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "become a member of the group of the socket (`usermod -aG docker USER`, then log in anew); without it jobs run as sandboxed processes"
                }
                _ => advice,
            };
            let finding = format!("does not answer at {socket}: {error}");
            Finding::not("docker", State::Warn, finding, advice)
        }
    }
}

fn docker_version(socket: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    let (_, rest) = answer.split_once("\"ApiVersion\":\"").unwrap_or_default();
    match rest.split_once('"') {
        Some((version, _)) => Ok(version.to_owned()),
        None => Err(io::Error::other("what answers is not Docker")),
    }
}

async fn sandbox() -> Finding {
    let advice =
        "install bubblewrap (bwrap), and let users make namespaces; without it jobs need Docker";
    let tried = output("bwrap", &["--unshare-all", "--ro-bind", "/", "/", "true"]).await;
    match tried {
        Ok(_) => Finding::ok("bubblewrap", "makes sandboxes"),
        Err(error) => Finding::not("bubblewrap", State::Warn, error, advice),
    }
}

async fn network() -> Finding {
    match output("pasta", &["--version"]).await {
        Ok(text) => {
            let version = text.lines().next().unwrap_or_default().to_owned();
            Finding::ok("pasta", version)
        }
        Err(error) => Finding::not(
            "pasta",
            State::Warn,
            error,
            "install passt: without it sandboxed processes reach no network",
        ),
    }
}

/// What a program prints, or why it does not.
async fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended
        .map_err(|_| format!("{program} does not answer"))?
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("it failed").to_owned())
}

/// Found out as a platform does it: by making one, and removing it.
fn cgroups() -> Finding {
    match eai_executors::limits::here() {
        "cgroup-v2" => Finding::ok("cgroups", "version 2"),
        "cgroup-v1" => Finding::ok("cgroups", "version 1"),
        _ => Finding::not(
            "cgroups",
            State::Warn,
            "none can be made with cpu, memory and pids",
            "run eai as root, or as a systemd service with Delegate=yes, on cgroup v2; without it the limits of sandboxed processes are those of setrlimit",
        ),
    }
}

/// The port that a platform keeps for its nats-server; none where there is no platform yet, which takes a free one.
fn nats_port(data_dir: &Path) -> Option<Finding> {
    let port = DataDir::nats_port_of(data_dir)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Some(match TcpListener::bind(address) {
        Ok(_) => Finding::ok("nats port", format!("{address} is free")),
        Err(error) => Finding::not(
            "nats port",
            State::Warn,
            format!("{address}: {error}"),
            "the platform of this data may run already (`eai server info`); or choose another one with --nats-port",
        ),
    })
}

fn port(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok("port", format!("{listen} is free")),
        Err(error) => Finding::not(
            "port",
            State::Warn,
            format!("{listen}: {error}"),
            "a platform may run there already (`eai server info`); or choose another one with --listen",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        assert_eq!(existing(&deep), folder.path());
        assert_eq!(fsync(folder.path()).check, "fsync");
        assert!(sync_time(&deep).is_err());
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let found = port(taken.local_addr().unwrap());
        assert!(found.state == State::Warn && !found.advice.is_empty());
        assert!(docker_version(&deep).is_err());
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named() {
        let error = output("no-such-program", &[]).await.unwrap_err();
        assert!(error.starts_with("no-such-program: "), "{error}");
    }
}
