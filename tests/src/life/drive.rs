//! Doing what the schedule says, and noting when it was under way.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::asks::Askers;
use super::schedule::{Kind, Step};
use crate::api::{Answer, text};
use crate::platform::Platform;
use crate::service::Service;
use crate::soak::blocking;
use crate::wait::until_async;

/// When something was under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) kind: Kind,
    /// Of one service; none where it concerns all.
    pub(super) service: Option<usize>,
    pub(super) from: Instant,
    pub(super) to: Instant,
}

/// Has the platform and the services, and does to them what is planned.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) platform: Platform,
    pub(super) services: Vec<Service>,
    pub(super) spans: Vec<Span>,
    /// The newest version of each service.
    pub(super) versions: Vec<u32>,
}

// === impl Driver ===

impl Driver {
    pub(super) fn new(platform: Platform, services: Vec<Service>) -> Self {
        let versions = vec![0; services.len()];
        Self {
            platform,
            services,
            spans: Vec::new(),
            versions,
        }
    }

    /// Does it. Everything is on again afterwards, though not everything is over.
    pub(super) async fn play(mut self, step: Step, askers: &Askers) -> Self {
        tokio::time::sleep(step.after).await;
        let (kind, number) = (step.kind, step.service);
        let from = Instant::now();
        let service = Some(number);
        let concerns = match kind {
            Kind::Update => {
                self.versions[number] += 1;
                let version = format!("VERSION={}", self.versions[number]);
                let body = json!({ "environmentVars": [version] });
                self.command(number, Method::PATCH, "", Some(body)).await;
                service
            }
            Kind::Restart => {
                self.command(number, Method::POST, "/restart", None).await;
                service
            }
            Kind::Stop => {
                self.command(number, Method::POST, "/stop", None).await;
                tokio::time::sleep(step.lasts).await;
                self.command(number, Method::POST, "/start", None).await;
                service
            }
            Kind::Die => {
                // It has no answer, whoever it reaches.
                drop(self.services[number].try_get("/die").await);
                self.until_answered(number).await;
                service
            }
            Kind::Resize => {
                let (min, max) = step.replicas;
                self.resize(number, min, max).await;
                service
            }
            Kind::Idle => {
                askers.pause(number, step.lasts).await;
                service
            }
            Kind::KillPlatform => {
                self = blocking(move || {
                    self.platform.kill();
                    self.platform.up();
                    self
                })
                .await;
                None
            }
            Kind::KillNats => {
                self = blocking(move || {
                    self.platform.kill_nats();
                    self
                })
                .await;
                self.until_nats().await;
                None
            }
        };
        self.spans.push(Span {
            kind,
            service: concerns,
            from,
            to: Instant::now(),
        });
        self
    }

    /// Says it until it is acknowledged, under one id.
    pub(super) async fn command(
        &self,
        number: usize,
        method: Method,
        verb: &str,
        body: Option<Value>,
    ) {
        let service = &self.services[number];
        let path = format!("/v1/service/{}{verb}", service.id);
        let key = Uuid::new_v4().to_string();
        until_async("a command to be acknowledged", async || {
            let request = service.api().request(method.clone(), &path);
            let mut request = request.header("idempotency-key", &key);
            if let Some(body) = &body {
                request = request.json(body);
            }
            match Answer::try_of(request).await {
                Ok(answer) if answer.status < 300 => Ok(()),
                Ok(answer) => Err(answer.text()),
                Err(error) => Err(format!("{error:?}")),
            }
        })
        .await;
    }

    /// It is to have so many replicas.
    pub(super) async fn resize(&self, number: usize, min: u32, max: u32) {
        let body = json!({ "replicas": { "min": min, "max": max }, "concurrency": 1 });
        self.command(number, Method::PATCH, "", Some(body)).await;
    }

    /// Waits until a service answers, and what it says.
    pub(super) async fn until_answered(&self, number: usize) -> String {
        until_async("the service to answer", async || {
            match self.services[number].try_get("/again").await {
                Ok(answer) if answer.status == 200 => Ok(answer.text()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Waits until commands are taken again.
    async fn until_nats(&self) {
        let api = self.services[0].api();
        until_async("the platform to be ready", async || {
            match api.get("/readyz").await {
                answer if answer.status == 200 => Ok(()),
                answer => Err(answer.text()),
            }
        })
        .await;
    }

    /// The jobs of a service that are alive, as the platform shows them.
    pub(super) async fn alive(&self, number: usize) -> Vec<String> {
        let jobs = self.services[number].jobs().await;
        let alive = jobs.iter().filter(|job| job["alive"] != false);
        alive.map(|job| text(&job["id"])).collect()
    }

    /// Waits until no update is under way, and so many jobs are there.
    pub(super) async fn until_settled(&self, number: usize, jobs: usize) -> Result<(), String> {
        let patience = Instant::now() + Duration::from_mins(2);
        loop {
            let service = &self.services[number];
            let (row, all) = (service.row().await, service.jobs().await);
            let alive: Vec<_> = all.iter().filter(|job| job["alive"] != false).collect();
            let ready = alive.iter().filter(|job| job["ready"] == true).count();
            let settled = row["rollout"] == "settled" || jobs == 0;
            if settled && alive.len() == jobs && ready == jobs {
                return Ok(());
            }
            if Instant::now() > patience {
                return Err(format!("it does not settle: {alive:?} of {row}"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
