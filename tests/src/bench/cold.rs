//! The suite `cold`: from a request to a service without a job to its answer, next to starting the same command bare.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::application::{Nginx, Service};
use super::samples::{median, milliseconds};
use super::{Size, containers, report};

/// How long the bare command may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether it listens.
const PAUSE: Duration = Duration::from_micros(100);

/// The phases of an answer's `Server-Timing`, in milliseconds.
pub(crate) type Phases = Vec<(String, f64)>;

pub(crate) fn run(size: Size) {
    sandboxes(size.starts);
    containers::run(size.starts);
}

fn sandboxes(pairs: usize) {
    let service = Service::make();
    let port = service.port();
    let ask = || first_byte(port, &service.host, &service.authorization);
    let (mut cold, mut bare, mut frozen) = (Vec::new(), Vec::new(), Vec::new());
    let mut phases = Vec::<Phases>::new();
    // The first pair warms up.
    for pair in 0..=pairs {
        service.cool_down();
        let (took, told) = ask();
        let alone = bare_start();
        service.freeze();
        let (thawed, _) = ask();
        if pair > 0 {
            cold.push(took);
            bare.push(alone);
            frozen.push(thawed);
            phases.push(told);
        }
    }
    first_bytes(
        &format!(
            "in sandboxes, from a request to its first byte (medians of {pairs} interleaved pairs)"
        ),
        &[("the command bare", &bare)],
        &[("a stopped job", &cold), ("a frozen job", &frozen)],
    );
    where_it_went("where a stopped job's time went (Server-Timing)", &phases);
}

/// One row for each way, with how much longer it takes than each bare one of its pair.
pub(crate) fn first_bytes(
    title: &str,
    bare: &[(&str, &Vec<Duration>)],
    ways: &[(&str, &Vec<Duration>)],
) {
    let seconds = |times: &[Duration]| median(times.iter().map(Duration::as_secs_f64));
    let shown = |seconds: f64| format!("{:.1} ms", seconds * 1000.0);
    let row = |name: &str, times: &[Duration], more: Vec<String>| {
        let fastest = times.iter().min().expect("a pair");
        let slowest = times.iter().max().expect("a pair");
        let [fastest, slowest] = [fastest, slowest].map(|time| milliseconds(*time));
        let mut row = vec![name.to_owned(), shown(seconds(times)), fastest, slowest];
        row.extend(more);
        row
    };
    let mut rows = Vec::new();
    for (name, times) in bare {
        rows.push(row(name, times, vec![String::new(); bare.len()]));
    }
    for (name, times) in ways {
        let more = bare.iter().map(|(_, alone)| {
            let pairs = times.iter().zip(alone.iter());
            shown(median(pairs.map(|(time, alone)| {
                time.as_secs_f64() - alone.as_secs_f64()
            })))
        });
        rows.push(row(name, times, more.collect()));
    }
    let longer = bare.iter().map(|(name, _)| format!("longer than {name}"));
    let longer: Vec<_> = longer.collect();
    let mut header = vec!["", "median", "fastest", "slowest"];
    header.extend(longer.iter().map(String::as_str));
    report::table(title, &header, &rows);
}

pub(crate) fn where_it_went(title: &str, phases: &[Phases]) {
    let names = phases.first().into_iter().flatten();
    let rows: Vec<_> = names
        .enumerate()
        .map(|(index, (name, _))| {
            let told = phases.iter().map(|phases| phases[index].1);
            vec![name.clone(), format!("{:.1} ms", median(told))]
        })
        .collect();
    report::table(title, &["", "median"], &rows);
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
pub(crate) fn ask(stream: &mut TcpStream, host: &str, authorization: &str) -> Vec<u8> {
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\nauthorization: {authorization}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).expect("an answer");
    buffer.truncate(read);
    buffer
}
