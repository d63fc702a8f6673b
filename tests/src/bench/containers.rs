//! The part of the suite `cold` that runs in containers: a new job, a stopped one and a frozen one, next to a bare
//! `docker run` of the same image: on the engine's default network, and on one of its own as a platform's jobs have it.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::application::Service;
use super::cold::{Phases, ask, first_byte, first_bytes, where_it_went};
use super::report::complain;
use eai_tests::{Backend, app};

/// How long the bare container may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks whether it answers.
const PAUSE: Duration = Duration::from_micros(100);
/// Where the application listens.
const PORT: u16 = 8080;

/// A network like a platform's. Dropping it removes it.
struct Network {
    name: String,
}

/// A container of the benchmark's own. Dropping it ends and removes it.
struct Bare {
    id: String,
}

/// What was measured, pair by pair.
#[derive(Default)]
struct Times {
    bare: Vec<Duration>,
    /// On a network like a platform's.
    apart: Vec<Duration>,
    new: Vec<Duration>,
    stopped: Vec<Duration>,
    frozen: Vec<Duration>,
    /// Of the new jobs.
    phases: Vec<Phases>,
}

pub(crate) fn run(pairs: usize) {
    if !Backend::Docker.is_there() {
        return complain("there is no Docker here: nothing is measured in containers");
    }
    let service = Service::in_container();
    let port = service.port();
    let ask = || first_byte(port, &service.host, &service.authorization);
    let network = Network::make();
    let mut times = Times::default();
    // The first pair warms up.
    for pair in 0..=pairs {
        service.renew(pair);
        let (new, phases) = ask();
        let bare = bare_start(&[]);
        let apart = bare_start(&["--network", &network.name]);
        service.cool_down();
        let (stopped, _) = ask();
        service.freeze();
        let (frozen, _) = ask();
        if pair > 0 {
            times.new.push(new);
            times.bare.push(bare);
            times.apart.push(apart);
            times.stopped.push(stopped);
            times.frozen.push(frozen);
            times.phases.push(phases);
        }
    }
    first_bytes(
        &format!(
            "in containers, from a request to its first byte (medians of {pairs} interleaved pairs)"
        ),
        &[
            ("`docker run`", &times.bare),
            ("`docker run` on a network of its own", &times.apart),
        ],
        &[
            ("a new job", &times.new),
            ("a stopped job", &times.stopped),
            ("a frozen job", &times.frozen),
        ],
    );
    where_it_went("where a new job's time went (Server-Timing)", &times.phases);
}

/// Runs the same command of the same image; until the first byte of its answer.
fn bare_start(options: &[&str]) -> Duration {
    let start = Instant::now();
    let bare = Bare::run(options);
    let address = bare.address();
    loop {
        let answer = TcpStream::connect((address.as_str(), PORT))
            .map(|mut stream| ask(&mut stream, "localhost", "none"));
        match answer {
            Ok(head) if !head.is_empty() => return start.elapsed(),
            Ok(_) | Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            answer => panic!("the container does not answer: {answer:?}"),
        }
    }
}

// === impl Network ===

impl Network {
    fn make() -> Self {
        let name = format!("eai-bench-{}", std::process::id());
        let alone = "com.docker.network.bridge.enable_icc=false";
        docker(&["network", "create", "--opt", alone, &name]);
        Self { name }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        docker(&["network", "rm", &self.name]);
    }
}

// === impl Bare ===

impl Bare {
    /// As a job has it, but for its limits.
    fn run(options: &[&str]) -> Self {
        let mount = format!("{}:/service/web.py:ro", app("web.py").display());
        let image = Backend::Docker.image();
        let mut arguments = vec!["run", "--detach", "--init", "--user", "13011:13011"];
        arguments.extend(["--volume", &mount]);
        arguments.extend(options);
        arguments.extend([&image, "python3", "-u", "/service/web.py"]);
        let id = docker(&arguments);
        Self { id }
    }

    fn address(&self) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        docker(&["inspect", "--format", format, &self.id])
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("docker runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
