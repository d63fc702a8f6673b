//! Workers in sandboxes, and a hand-written client of the Runtime API.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of what they share, and a test may panic"
)]

use std::time::Duration;

use eai_executors::backend::{
    Answer, Beat, Conversation, FromWorker, Invocation, Outcome, Run, Runtime, ToWorker,
};
use eai_executors::process::Running;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client without patience: it is there at once, and says something around everything that it does.
pub const IMPATIENT: &str = r"
import http.client, os, sys
c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
print('boots', flush=True)
while True:
    c.request('GET', '/2018-06-01/runtime/invocation/next')
    r = c.getresponse()
    event, id = r.read(), r.headers['Lambda-Runtime-Aws-Request-Id']
    print('does', event.decode(), flush=True)
    print('with an error', file=sys.stderr, flush=True)
    c.request('POST', f'/2018-06-01/runtime/invocation/{id}/response', event)
    c.getresponse().read()
    print('did it', flush=True)
";

/// Makes a worker of a run.
pub fn worker(mut run: Run) -> Run {
    run.runtime = Some(Runtime {
        function_arn: "arn:aws:lambda:eai:000000000000:function:test".to_owned(),
        beat_ms: 100,
    });
    run
}

/// A task with an event.
pub fn invocation(id: &str, attempt: u32, event: &str) -> Invocation {
    Invocation {
        id: id.to_owned(),
        attempt,
        deadline: 4_000_000_000_000,
        event: RawValue::from_string(event.to_owned()).unwrap(),
        trace_id: None,
        client_context: None,
        cognito_identity: None,
    }
}

/// A platform's side of a conversation.
pub struct Platform {
    conversation: Conversation,
    pub incarnation: String,
    pub beat: Beat,
    pub outcomes: Vec<Outcome>,
    pub busy: Vec<String>,
}

impl Platform {
    pub async fn attach(running: &Running) -> Self {
        Self::with(running.worker().await.unwrap()).await
    }

    pub async fn with(mut conversation: Conversation) -> Self {
        let hello = tokio::time::timeout(PATIENCE, conversation.hear());
        let Some(FromWorker::Hello {
            incarnation, beat, ..
        }) = hello.await.unwrap().unwrap()
        else {
            panic!("it says hello first");
        };
        Self {
            conversation,
            incarnation,
            beat,
            outcomes: Vec::new(),
            busy: Vec::new(),
        }
    }

    pub async fn invoke(&mut self, invocation: Invocation) {
        let invoke = ToWorker::Invoke(invocation);
        self.conversation.say(&invoke).await.unwrap();
    }

    pub async fn acknowledge(&mut self, id: &str, attempt: u32) {
        let id = id.to_owned();
        let ack = ToWorker::Ack { id, attempt };
        self.conversation.say(&ack).await.unwrap();
    }

    /// Hears one thing; false where nothing more is said.
    pub async fn hear(&mut self) -> bool {
        let heard = tokio::time::timeout(PATIENCE, self.conversation.hear());
        match heard.await.expect("the worker says something").unwrap() {
            Some(FromWorker::Beat(beat)) => self.beat = beat,
            Some(FromWorker::Outcome(outcome)) => self.outcomes.push(outcome),
            Some(FromWorker::Busy { id, .. }) => self.busy.push(id),
            Some(FromWorker::Hello { .. }) => panic!("it said hello before"),
            None => return false,
        }
        true
    }

    /// Hears on until `done`.
    pub async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while !done(self) {
            assert!(
                tokio::time::Instant::now() < until,
                "it never happened: {what}"
            );
            assert!(self.hear().await, "it ended before it happened: {what}");
        }
    }

    /// The next outcome, acknowledged.
    pub async fn outcome(&mut self) -> Outcome {
        self.until("an outcome", |platform| !platform.outcomes.is_empty())
            .await;
        let outcome = self.outcomes.remove(0);
        self.acknowledge(&outcome.id, outcome.attempt).await;
        outcome
    }
}

/// The result of an outcome.
pub fn result(outcome: &Outcome) -> serde_json::Value {
    match &outcome.answer {
        Answer::Response(result) => serde_json::from_str(result.get()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// What was answered to a request.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Said {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn error_type(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert!(body["errorMessage"].is_string(), "{body}");
        body["errorType"].as_str().unwrap().to_owned()
    }
}

/// A request of the Runtime API by hand.
pub async fn call(running: &Running, method: &str, path: &str, body: &[u8]) -> Said {
    let mut stream = running.connect(9001).await.unwrap();
    ask(&mut stream, method, path, "", body).await;
    answer(&mut stream).await
}

pub async fn ask(stream: &mut TcpStream, method: &str, path: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\
         connection: close\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // One that is refused is not read to its end.
    stream.write_all(body).await.ok();
}

/// Reads an answer to the end of its connection.
pub async fn answer(stream: &mut TcpStream) -> Said {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(Duration::from_mins(1), read)
        .await
        .expect("it is answered");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Said {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
