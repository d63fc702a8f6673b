//! The suite `cold`: from a request to a service without a job to its answer, next to starting the same command bare.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::application::{Nginx, Service};
use super::samples::{median, milliseconds};
use super::{Size, report};

/// How long the bare command may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether it listens.
const PAUSE: Duration = Duration::from_micros(100);

/// The phases of an answer's `Server-Timing`, in milliseconds.
type Phases = Vec<(String, f64)>;

pub(crate) fn run(size: Size) {
    let service = Service::make();
    let address = service.platform.address();
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    let port = port.expect("a port");
    let (mut cold, mut bare, mut phases) = (Vec::new(), Vec::new(), Vec::<Phases>::new());
    // The first pair warms up.
    for pair in 0..=size.starts {
        service.cool_down();
        let (took, told) = first_byte(port, &service.host, &service.authorization);
        let alone = bare_start();
        if pair > 0 {
            cold.push(took);
            bare.push(alone);
            phases.push(told);
        }
    }
    let middle = |times: &[Duration]| median(times.iter().map(Duration::as_secs_f64));
    let more = cold.iter().zip(&bare);
    let more = median(more.map(|(cold, bare)| cold.as_secs_f64() - bare.as_secs_f64()));
    let row = |name: &str, seconds: f64| {
        let milliseconds = seconds * 1000.0;
        vec![name.to_owned(), format!("{milliseconds:.1} ms")]
    };
    let title = format!(
        "from a request to its first byte, no job there (medians of {} pairs)",
        size.starts
    );
    report::table(
        &title,
        &["", "median", "fastest"],
        &[
            with_fastest(row("the command bare", middle(&bare)), &bare),
            with_fastest(row("the service", middle(&cold)), &cold),
            row("the service takes longer by", more),
        ],
    );
    let names: Vec<&str> = phases[0].iter().map(|(name, _)| name.as_str()).collect();
    let rows: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let told = phases.iter().map(|phases| phases[index].1);
            row(name, median(told) / 1000.0)
        })
        .collect();
    report::table("where it went (Server-Timing)", &["", "median"], &rows);
}

fn with_fastest(mut row: Vec<String>, times: &[Duration]) -> Vec<String> {
    let fastest = times.iter().min().expect("a pair");
    row.push(milliseconds(*fastest));
    row
}

/// Asks a service on a new connection; until the first byte of the answer, which must be a success.
pub(crate) fn first_byte(port: u16, host: &str, authorization: &str) -> (Duration, Phases) {
    let start = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let head = ask(&mut stream, host, authorization);
    let took = start.elapsed();
    let mut rest = String::from_utf8_lossy(&head).into_owned();
    // The rest is a short answer, at the end of which the connection is closed.
    stream.read_to_string(&mut rest).expect("an answer");
    assert!(rest.starts_with("HTTP/1.1 200 "), "{rest}");
    let timing = rest
        .lines()
        .find_map(|line| line.strip_prefix("server-timing: "));
    (took, phases(timing.expect("a server-timing")))
}

fn phases(timing: &str) -> Phases {
    let phases = timing.split(", ").filter_map(|entry| {
        let (name, time) = entry.split_once(";dur=")?;
        Some((name.to_owned(), time.parse().ok()?))
    });
    phases.collect()
}

/// Starts the command as it is; until the first byte of its answer.
fn bare_start() -> Duration {
    let start = Instant::now();
    let nginx = Nginx::application();
    loop {
        match TcpStream::connect(("127.0.0.1", nginx.port)) {
            Ok(mut stream) => {
                ask(&mut stream, "localhost", "none");
                return start.elapsed();
            }
            Err(error)
                if error.kind() == ErrorKind::ConnectionRefused && start.elapsed() < PATIENCE =>
            {
                std::thread::sleep(PAUSE);
            }
            Err(error) => panic!("the command does not listen: {error}"),
        }
    }
}

/// What comes of the answer first.
fn ask(stream: &mut TcpStream, host: &str, authorization: &str) -> Vec<u8> {
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\nauthorization: {authorization}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).expect("an answer");
    buffer.truncate(read);
    buffer
}
