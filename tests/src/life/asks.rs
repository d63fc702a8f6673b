//! Requests throughout: what each was answered, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::Method;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::api::Answer;
use crate::service::Service;

/// How many ask for one service at once.
const ASKERS: usize = 3;
/// Whoever is not answered by then never is: longer than anything that happens lasts.
const PATIENCE: Duration = Duration::from_secs(90);

/// A request and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The service's number.
    pub(super) service: usize,
    /// What it asked for, which nobody else asked for.
    pub(super) name: String,
    pub(super) from: Instant,
    pub(super) to: Instant,
    pub(super) answer: Got,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) enum Got {
    /// An answer of the service's: what it said.
    Answer(String),
    /// One of the platform's: the status, its error, and what it said.
    Refusal(u16, Option<String>, String),
    /// The start of an answer, without its end.
    Half(String),
    /// Less than that.
    Broken(String),
    /// Nothing in time.
    Nothing,
}

/// Those who ask, until they are told that it is enough.
#[derive(Debug)]
pub(super) struct Askers {
    all: JoinSet<Vec<Asked>>,
    done: Arc<AtomicBool>,
    /// Whether anybody asks, for each service.
    gates: Vec<watch::Sender<bool>>,
}

// === impl Askers ===

impl Askers {
    pub(super) fn start(services: &[Service]) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let mut all = JoinSet::new();
        let mut gates = Vec::new();
        for (number, service) in services.iter().enumerate() {
            let (gate, open) = watch::channel(true);
            gates.push(gate);
            for _ in 0..ASKERS {
                let (service, open, done) = (service.clone(), open.clone(), Arc::clone(&done));
                all.spawn(ask(number, service, open, done));
            }
        }
        Self { all, done, gates }
    }

    /// Nobody asks for the service for so long.
    pub(super) async fn pause(&self, service: usize, time: Duration) {
        self.gates[service].send_replace(false);
        tokio::time::sleep(time).await;
        self.gates[service].send_replace(true);
    }

    /// Everything that was asked.
    pub(super) async fn end(mut self) -> Vec<Asked> {
        self.done.store(true, Ordering::SeqCst);
        let mut asked = Vec::new();
        while let Some(some) = self.all.join_next().await {
            asked.extend(some.expect("whoever asks"));
        }
        asked
    }
}

async fn ask(
    number: usize,
    service: Service,
    mut open: watch::Receiver<bool>,
    done: Arc<AtomicBool>,
) -> Vec<Asked> {
    let mut asked = Vec::new();
    while !done.load(Ordering::SeqCst) {
        open.wait_for(|open| *open).await.expect("a gate");
        let name = Uuid::new_v4().to_string();
        let (slow, pause) = {
            let mut random = rand::rng();
            let pause = Duration::from_millis(random.random_range(10..60));
            (random.random_range(0..8), pause)
        };
        let path = match slow {
            0 => format!("/{name}?0.4"),
            1 => format!("/{name}?0.05"),
            _ => format!("/{name}"),
        };
        let from = Instant::now();
        let request = service.request(Method::GET, &path).timeout(PATIENCE);
        let answer = got(Answer::try_of(request).await, from.elapsed());
        asked.push(Asked {
            service: number,
            name,
            from,
            to: Instant::now(),
            answer,
        });
        tokio::time::sleep(pause).await;
    }
    asked
}

fn got(answer: reqwest::Result<Answer>, took: Duration) -> Got {
    match answer {
        Ok(answer) if answer.status == 200 => Got::Answer(answer.text().trim_end().to_owned()),
        Ok(answer) => {
            let error = answer.header("x-eai-error").map(str::to_owned);
            Got::Refusal(answer.status, error, answer.text())
        }
        Err(_) if took >= PATIENCE => Got::Nothing,
        Err(error) if error.is_decode() || error.is_body() => Got::Half(format!("{error:?}")),
        Err(error) => Got::Broken(format!("{error:?}")),
    }
}
