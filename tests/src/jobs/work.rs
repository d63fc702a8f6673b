//! What is asked of one service: requests until its job answers, and then what ends that job.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::HOST;
use serde_json::{Value, json};

use super::schedule::{Ending, Round};
use crate::api::{Answer, Api, text};

/// How long one call may take; a frozen platform answers none.
const CALL: Duration = Duration::from_secs(20);
/// How long a service may take to answer with all that is done to it.
const PATIENCE: Duration = Duration::from_mins(4);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long what exits by itself takes to do so, in seconds.
const LATER: &str = "1.5";

/// What it runs.
const WEB: &str = include_str!("../../apps/web.py");

/// A service of the soak, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) id: String,
    host: String,
    /// The codes with which its job was asked to exit.
    pub(super) codes: Vec<i64>,
    /// Whether its last job was left to go on.
    stays: bool,
    /// What went wrong.
    pub(super) wrong: Vec<String>,
}

// === impl Target ===

impl Target {
    /// Makes a service.
    pub(super) async fn new(api: &Api, name: &str) -> Self {
        let body = json!({ "name": name });
        let made = api.create("/v1/service", &body, None).await.ok();
        let id = text(&made["id"]);
        let url = text(&made["accessUrl"]);
        let spec = json!({ "command": ["python3", "-u", "-c", WEB], "mem": 0.1, "cpu": 0.5 });
        let path = format!("/v1/service/{id}");
        let update = api.request(Method::PATCH, &path).json(&spec);
        Answer::of(update).await.ok();
        Self {
            id,
            host: url.strip_prefix("http://").expect("a URL").to_owned(),
            codes: Vec::new(),
            stays: false,
            wrong: Vec::new(),
        }
    }

    /// Does all rounds.
    pub(super) async fn work(&mut self, api: &Api, rounds: &[Round]) {
        for round in rounds {
            if !self.until_answered(api).await {
                return;
            }
            tokio::time::sleep(round.life).await;
            self.end(api, round.ending).await;
            self.stays = round.ending == Ending::Stays;
        }
    }

    /// What was left to go on answers.
    pub(super) async fn visit(&mut self, api: &Api) {
        if self.stays {
            self.until_answered(api).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn until_answered(&mut self, api: &Api) -> bool {
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < PATIENCE {
            match self.get(api, "/").await {
                Some(answer) if answer.status == 200 => {
                    return true;
                }
                Some(answer) if !matches!(answer.status, 502 | 503) => {
                    let what = format!("it was answered {}: {}", answer.status, answer.text());
                    self.wrong.push(what);
                }
                Some(answer) => last = answer.text(),
                None => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.wrong
            .push(format!("it was never answered; last: {last}"));
        false
    }

    async fn end(&mut self, api: &Api, ending: Ending) {
        match ending {
            Ending::Exits(code) => {
                self.codes.push(code.into());
                self.get(api, &format!("/exit?{code}")).await;
            }
            Ending::ExitsItself(code) => {
                self.codes.push(code.into());
                self.get(api, &format!("/later?{code},{LATER}")).await;
            }
            Ending::Killed => {
                let path = format!("/v1/job?service={}&state=all&limit=1", self.id);
                let jobs = until_ok(api, Method::GET, &path).await;
                let Some(job) = jobs["items"][0]["id"].as_str() else {
                    return;
                };
                until_ok(api, Method::POST, &format!("/v1/job/{job}/kill")).await;
            }
            Ending::Stopped => {
                self.stop(api).await;
                until_ok(api, Method::POST, &format!("/v1/service/{}/start", self.id)).await;
            }
            Ending::Stays => {}
        }
    }

    /// Ends what it has, for good.
    pub(super) async fn stop(&self, api: &Api) {
        until_ok(api, Method::POST, &format!("/v1/service/{}/stop", self.id)).await;
    }

    /// Its jobs, newest first.
    pub(super) async fn jobs(&self, api: &Api) -> Vec<Value> {
        let path = format!("/v1/job?service={}&state=all&limit=100", self.id);
        let list = until_ok(api, Method::GET, &path).await;
        list["items"].as_array().cloned().unwrap_or_default()
    }

    async fn get(&self, api: &Api, path: &str) -> Option<Answer> {
        let request = api.request(Method::GET, path).header(HOST, &self.host);
        Answer::try_of(request.timeout(CALL)).await.ok()
    }
}

/// Asks until there is a definite answer; null where that is a refusal.
pub(super) async fn until_ok(api: &Api, method: Method, path: &str) -> Value {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let request = api.request(method.clone(), path).timeout(CALL);
        match Answer::try_of(request).await {
            Ok(answer) if answer.status < 300 => {
                return serde_json::from_slice(&answer.body).unwrap_or_default();
            }
            Ok(answer) if (400..500).contains(&answer.status) => return Value::Null,
            Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    Value::Null
}
