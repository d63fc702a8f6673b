//! The same commands through the HTTP API of a running platform, over one kept connection.

use std::time::{Duration, Instant};

use eai_tests::{Platform, Setup};
use serde_json::Value;

use super::commands::ROTATING;

/// A platform of its own, and a client.
pub(crate) struct Api {
    platform: Platform,
    client: reqwest::Client,
    token: String,
    services: Vec<String>,
    next: usize,
}

impl Api {
    /// Starts the `eai` beside this program; nothing if there is none.
    pub(crate) async fn start() -> Option<Self> {
        let binary = std::env::current_exe().ok()?.with_file_name("eai");
        if !binary.is_file() {
            return None;
        }
        let platform = tokio::task::spawn_blocking(|| {
            Platform::start_with(Setup {
                binary: Some(binary),
                ..Setup::default()
            })
        });
        let platform = platform.await.expect("a platform");
        // No TLS is used, but the client asks for a provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut api = Self {
            token: platform.token(),
            platform,
            client: reqwest::Client::new(),
            services: Vec::new(),
            next: 0,
        };
        for index in 0..ROTATING {
            let body = serde_json::json!({ "name": format!("service_{index}") });
            let service = api.post("/v1/service", Some(&body)).await;
            let id = service["id"].as_str().expect("an id");
            api.services.push(id.to_owned());
        }
        Some(api)
    }

    pub(crate) async fn turn(&mut self, count: usize) -> Vec<Duration> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let service = &self.services[self.next % ROTATING];
            let stop = (self.next / ROTATING).is_multiple_of(2);
            let verb = if stop { "stop" } else { "start" };
            let path = format!("/v1/service/{service}/{verb}");
            self.next += 1;
            let start = Instant::now();
            let answer = self.post(&path, None).await;
            latencies.push(start.elapsed());
            assert_eq!(answer["status"], if stop { "off" } else { "on" });
        }
        latencies
    }

    async fn post(&self, path: &str, body: Option<&Value>) -> Value {
        let mut request = self
            .client
            .post(self.platform.url(path))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let answer = answer.error_for_status().expect("a success");
        answer.json().await.expect("a document")
    }
}
