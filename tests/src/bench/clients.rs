//! Clients that ask again as soon as they are answered, each over a connection that it keeps; who answered, and when.
//! They know nothing of what they ask but that an answer ends with the name of who gave it.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use eai_tests::until;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is refused is not asked for again at once.
const PAUSE: Duration = Duration::from_millis(10);

/// What is asked, and where.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    /// Address and port.
    pub(crate) address: &'a str,
    pub(crate) host: &'a str,
    pub(crate) token: &'a str,
    pub(crate) path: &'a str,
}

/// What came of one load.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// From the first request until so many had answered.
    pub(crate) gathered: Duration,
    /// How long those took that were answered in the time from there on.
    pub(crate) latencies: Vec<Duration>,
    /// How many were refused or lost, from the first request on.
    pub(crate) failed: usize,
}

/// What one client has seen.
struct Answer {
    at: Instant,
    took: Duration,
    /// Who answered; none where it failed.
    by: Option<String>,
}

/// Asks with so many clients until so many different ones have answered, and for as long from there on.
pub(crate) fn crowd(target: &Target<'_>, clients: usize, wanted: usize, time: Duration) -> Crowd {
    let (seen, done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let begun = Instant::now();
    let gathered = thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| client(target, &seen, &done));
        }
        // A panic that left them running would never be told.
        let end = Ends(&done);
        let gathered = until("each replica to answer", || {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            gathering(&seen, wanted)
        });
        thread::sleep((gathered + time).saturating_duration_since(Instant::now()));
        drop(end);
        gathered
    });
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let last = gathered + time;
    let counted = seen
        .iter()
        .filter(|one| one.by.is_some() && one.at > gathered && one.at <= last);
    Crowd {
        gathered: gathered.duration_since(begun),
        latencies: counted.map(|one| one.took).collect(),
        failed: seen.iter().filter(|one| one.by.is_none()).count(),
    }
}

/// When the last of so many had answered for the first time; how many have, where these are fewer.
fn gathering(seen: &[Answer], wanted: usize) -> Result<Instant, usize> {
    let mut who = BTreeSet::new();
    for one in seen {
        who.extend(one.by.as_ref());
        if who.len() == wanted {
            return Ok(one.at);
        }
    }
    Err(who.len())
}

/// Says that it is over once it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn client(target: &Target<'_>, seen: &Mutex<Vec<Answer>>, done: &AtomicBool) {
    let mut kept = None;
    while !done.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let by = ask(&mut kept, target).ok();
        if by.is_none() {
            kept = None;
            thread::sleep(PAUSE);
        }
        let at = Instant::now();
        let took = at.duration_since(begun);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Answer { at, took, by });
    }
}

/// The last word of the answer, which must be a success.
fn ask(kept: &mut Option<BufReader<TcpStream>>, target: &Target<'_>) -> io::Result<String> {
    let stream = match kept {
        Some(stream) => stream,
        None => kept.insert(connect(target)?),
    };
    let Target {
        host, token, path, ..
    } = target;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes())?;
    let (mut status, mut line) = (String::new(), String::new());
    stream.read_line(&mut status)?;
    let mut length = None;
    while stream.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        line.clear();
    }
    let length: usize = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body);
    let by = body.split_whitespace().next_back();
    match by.filter(|_| status.starts_with("HTTP/1.1 200 ")) {
        Some(by) => Ok(by.to_owned()),
        None => Err(io::Error::other(status)),
    }
}

fn connect(target: &Target<'_>) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(target.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}
