//! One cycle of a service: it is asked, perhaps again while it falls idle, and left alone until its job is stopped.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::RwLock;

use crate::api::text;
use crate::service::Service;

/// How often its job is looked at.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long before its time its job is looked at.
const EARLY: Duration = Duration::from_secs(1);
/// How long it may take to be stopped, after its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is done in a cycle.
#[derive(Clone, Debug)]
pub(super) struct Cycle {
    idle_timeout: Duration,
    /// It is asked so long after everybody, so that not all do the same at once.
    first: Duration,
    /// It is asked again after such pauses.
    again: Vec<Duration>,
    /// The last one opens a stream, and lets it go after so long.
    stream: Option<Duration>,
}

/// What came of a cycle.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) requests: u32,
    /// Answers other than 200.
    pub(super) failures: Vec<String>,
    /// How many requests met a job that was frozen, ending or gone.
    pub(super) woken: [u32; 3],
    /// When the last byte came.
    pub(super) last_byte: OffsetDateTime,
    /// The job that was stopped.
    pub(super) stopped: Option<String>,
}

// === impl Cycle ===

impl Cycle {
    pub(super) fn choose(idle_timeout: Duration, random: &mut StdRng) -> Self {
        let part = |random: &mut StdRng, from: f64, to: f64| {
            idle_timeout.mul_f64(random.random_range(from..to))
        };
        let first = part(random, 0.0, 0.1);
        let again = match random.random_range(0..5) {
            0 => vec![part(random, 0.0, 0.5)],
            // Frozen.
            1 => vec![part(random, 0.5, 1.0)],
            // Just being frozen, and just being stopped.
            2 => vec![part(random, 0.49, 0.51), part(random, 0.99, 1.02)],
            _ => vec![],
        };
        let stream = random.random_bool(0.2).then(|| part(random, 0.1, 0.6));
        Self {
            idle_timeout,
            first,
            again,
            stream,
        }
    }

    /// Plays it. Nothing is asked while somebody else has the gate.
    pub(super) async fn play(&self, service: &Service, gate: &RwLock<()>) -> Asked {
        let mut asked = Asked {
            requests: 0,
            failures: Vec::new(),
            woken: [0; 3],
            last_byte: OffsetDateTime::UNIX_EPOCH,
            stopped: None,
        };
        for pause in std::iter::once(&self.first).chain(&self.again) {
            tokio::time::sleep(*pause).await;
            let _somebody = gate.read().await;
            asked.meet(service).await;
            asked.ask(service).await;
        }
        if let Some(time) = self.stream {
            let _somebody = gate.read().await;
            asked.stream(service, time).await;
        }
        // What is shown of its job before may be of a stop that a request just met.
        tokio::time::sleep(self.idle_timeout.saturating_sub(EARLY)).await;
        let patience = tokio::time::Instant::now() + self.idle_timeout + PATIENCE;
        while asked.stopped.is_none() && tokio::time::Instant::now() < patience {
            tokio::time::sleep(INTERVAL).await;
            let _somebody = gate.read().await;
            let jobs = service.jobs().await;
            asked.stopped = jobs
                .first()
                .filter(|job| job["state"] == "CANCELLED")
                .map(|job| text(&job["id"]));
        }
        asked
    }
}

// === impl Asked ===

impl Asked {
    /// Counts how the next request finds the newest job.
    async fn meet(&mut self, service: &Service) {
        let jobs = service.jobs().await;
        let job = jobs.first().unwrap_or(&Value::Null);
        let woken = match job["state"].as_str() {
            Some("RUNNING") if job["frozen"] == true => 0,
            Some("CANCELLING") => 1,
            Some("RUNNING") => return,
            _ => 2,
        };
        self.woken[woken] += 1;
    }

    async fn ask(&mut self, service: &Service) {
        self.requests += 1;
        match service.try_get("/").await {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => {
                let (status, text) = (answer.status, answer.text());
                self.failures.push(format!("answered {status}: {text}"));
            }
            Err(error) => self.failures.push(format!("not answered: {error}")),
        }
        self.last_byte = OffsetDateTime::now_utc();
    }

    /// Has a stream open for so long. It is traffic though no byte comes.
    async fn stream(&mut self, service: &Service, time: Duration) {
        self.requests += 1;
        let opened = service.request(Method::GET, "/sse").send().await;
        match opened {
            Ok(mut response) if response.status() == 200 => {
                drop(response.chunk().await);
                tokio::time::sleep(time).await;
            }
            Ok(response) => self
                .failures
                .push(format!("answered {}", response.status())),
            Err(error) => self.failures.push(format!("not answered: {error}")),
        }
        self.last_byte = OffsetDateTime::now_utc();
    }

    /// Whether the last that was told of its job's runs is that one was stopped since nobody asked.
    pub(super) fn is_over(&self, events: &[Value]) -> bool {
        let Some(job) = &self.stopped else {
            return true;
        };
        let subject = format!("job/{job}");
        let mut of_job = events.iter().filter(|event| event["subject"] == *subject);
        of_job
            .next_back()
            .is_some_and(|event| event["type"] == "eai.job.ended.v1")
    }
}

/// When something was last told of a job, if that was since nobody asked.
pub(super) fn last_of(events: &[Value], job: &str, what: &str) -> Option<OffsetDateTime> {
    let (kind, subject) = (format!("eai.job.{what}.v1"), format!("job/{job}"));
    let of_job = |event: &&Value| event["type"] == *kind && event["subject"] == *subject;
    let told = events.iter().rfind(of_job)?;
    let idle = told["data"]["reason"] == "idle";
    let time = OffsetDateTime::parse(told["time"].as_str()?, &Rfc3339).ok()?;
    idle.then_some(time)
}
