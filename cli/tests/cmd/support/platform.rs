//! HTTP/1.1 by hand: one request a connection, each kept for the test to look at.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server on a free port.
pub(crate) struct Platform {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// How many requests for the same method and path came before.
    pub(crate) nth: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What to answer.
pub(crate) enum Reply {
    /// An answer with its headers.
    Whole {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// A body in steps, with no length.
    Stream(Vec<Step>),
    /// Nothing: the connection ends.
    HangUp,
}

/// One step of a body.
pub(crate) enum Step {
    Text(String),
    /// Stays open until the client goes away.
    Stay,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Whole {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

// === impl Request ===

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// `GET /v1/x`, for a match.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let mut words = first.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers
            .get("content-length")
            .and_then(|text| text.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        Some(Self {
            nth: 0,
            method,
            path: path.to_owned(),
            query: query
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            headers,
            body: String::from_utf8(body).unwrap(),
        })
    }
}

// === impl Platform ===

impl Platform {
    /// Starts one that answers like this.
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                thread::spawn(move || serve(stream, &*handler, &seen));
            }
        });
        Self { port, requests }
    }

    /// By a name that no resolver needs to know.
    pub(crate) fn url(&self) -> String {
        format!("http://eai.localhost:{}", self.port)
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What was asked so far, as `GET /v1/x`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

fn serve(mut stream: TcpStream, handler: &Handler, seen: &Mutex<Vec<Request>>) {
    let Some(mut request) = Request::read(&stream) else {
        return;
    };
    {
        let mut seen = seen.lock().unwrap();
        request.nth = seen
            .iter()
            .filter(|other| other.line() == request.line())
            .count();
        seen.push(request.clone());
    }
    // A client that is gone needs no answer.
    drop(answer(&mut stream, handler(&request)));
}

fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::HangUp => Ok(()),
        Reply::Whole {
            status,
            headers,
            body,
        } => {
            write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\n")?;
            write!(stream, "content-length: {}\r\n", body.len())?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            write!(stream, "\r\n{body}")
        }
        Reply::Stream(steps) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            )?;
            for step in steps {
                match step {
                    Step::Text(text) => write!(stream, "{:x}\r\n{text}\r\n", text.len())?,
                    Step::Stay => {
                        stream.read_to_end(&mut Vec::new())?;
                    }
                }
            }
            Ok(())
        }
    }
}
