//! A service as its users meet it: made from a small application, asked on its URL, watched through its jobs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::join_all;
use reqwest::header::HOST;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::api::{Answer, Api, text};
use crate::platform::{Output, Platform};
use crate::wait::until_async;

/// A service of one platform; it stays good when that starts again.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Its plain name.
    pub name: String,
    /// The host of its URL, with the port.
    pub host: String,
    api: Arc<Api>,
}

/// An application of `tests/apps`.
pub fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("apps")
        .join(name)
}

// === impl Service ===

impl Service {
    /// A service with nothing in its runtime.
    pub fn empty(platform: &Platform, name: &str) -> Self {
        platform.cli(["service", "new", name]).ok();
        Self::named(platform, name)
    }

    /// One that was made already.
    pub fn named(platform: &Platform, name: &str) -> Self {
        let get = |field| {
            platform
                .cli(["service", "get", name, "--field", field])
                .ok()
        };
        let url = get("accessUrl");
        let host = url.strip_prefix("http://").expect("a URL").to_owned();
        Self {
            id: get("id"),
            name: name.to_owned(),
            host,
            api: Arc::new(Api::of(platform)),
        }
    }

    /// One that runs `web.py`, with further flags of `service update`.
    pub fn web(platform: &Platform, name: &str, flags: &[&str]) -> Self {
        Self::of_app(platform, name, "web.py", flags)
    }

    /// One that runs a line of shell.
    pub fn shell(platform: &Platform, name: &str, flags: &[&str], script: &str) -> Self {
        let service = Self::empty(platform, name);
        let command = ["sh", "-c", script];
        service.update(platform, flags, &command).ok();
        service
    }

    /// One that runs another application of `tests/apps`.
    pub fn of_app(platform: &Platform, name: &str, file: &str, flags: &[&str]) -> Self {
        let service = Self::empty(platform, name);
        service.push(platform, &app(file));
        let file = format!("/service/{file}");
        service
            .update(platform, flags, &["python3", "-u", &file])
            .ok();
        service
    }

    /// Pushes a file to its runtime.
    pub fn push(&self, platform: &Platform, file: &Path) {
        let runtime = format!("{}_runtime", self.name);
        let file = file.to_str().expect("UTF-8");
        platform.cli(["data", "push", &runtime, file]).ok();
    }

    /// Changes what it runs.
    pub fn update(&self, platform: &Platform, flags: &[&str], command: &[&str]) -> Output {
        let mut arguments = vec!["service", "update", &self.name];
        arguments.extend(flags);
        if !command.is_empty() {
            arguments.push("--");
            arguments.extend(command);
        }
        platform.run(&arguments, &[])
    }

    /// A command of `eai service`.
    pub fn say(&self, platform: &Platform, verb: &str) {
        platform.cli(["service", verb, &self.name]).ok();
    }

    /// A request on its URL, with a token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.api.request(method, path).header(HOST, &self.host)
    }

    /// A request for another host of the platform, such as a job's.
    pub fn request_to(&self, host: &str, path: &str) -> RequestBuilder {
        self.api.request(Method::GET, path).header(HOST, host)
    }

    /// Reads from it.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// Sends it a body.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.request(Method::POST, path).body(body)).await
    }

    /// Reads from it, where there may be no answer.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        Answer::try_of(self.request(Method::GET, path)).await
    }

    /// Reads from it so many times at once; the statuses.
    pub async fn crowd(&self, count: usize) -> Vec<u16> {
        let status = |answer: Option<Answer>| answer.map_or(0, |answer| answer.status);
        self.answers(count).await.into_iter().map(status).collect()
    }

    /// The same; the answers, where there were any.
    pub async fn answers(&self, count: usize) -> Vec<Option<Answer>> {
        let answers = join_all((0..count).map(|_| self.try_get("/"))).await;
        answers.into_iter().map(Result::ok).collect()
    }

    /// What is shown of it.
    pub async fn row(&self) -> Value {
        let path = format!("/v1/service/{}", self.id);
        self.api().get(&path).await.ok()
    }

    /// Every job that it ever had, newest first, each with its last run.
    pub async fn jobs(&self) -> Vec<Value> {
        let path = format!("/v1/job?service={}&state=all&limit=1000", self.id);
        let list = self.api.get(&path).await.ok();
        list["items"].as_array().expect("a list").clone()
    }

    /// The only job that it ever had, with all runs.
    #[track_caller]
    pub fn only_job(&self) -> impl Future<Output = Value> {
        let at = std::panic::Location::caller();
        async move {
            let jobs = self.jobs().await;
            assert_eq!(jobs.len(), 1, "{at}: {jobs:#?}");
            self.job(&text(&jobs[0]["id"])).await
        }
    }

    /// One job with all runs.
    pub async fn job(&self, id: &str) -> Value {
        self.api.get(&format!("/v1/job/{id}")).await.ok()
    }

    /// What the newest run of a job printed.
    pub async fn output(&self, id: &str) -> String {
        let answer = self.api.get(&format!("/v1/job/{id}/logs")).await;
        assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
        answer.text()
    }

    /// How often `web.py` began in the newest run of a job.
    pub async fn begun(&self, id: &str) -> usize {
        let output = self.output(id).await;
        output
            .lines()
            .filter(|line| line.starts_with("begun"))
            .count()
    }

    /// Waits until its newest job is as wanted.
    pub async fn until_job(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        until_async(what, async || {
            let jobs = self.jobs().await;
            match jobs.first() {
                Some(job) if wanted(job) => Ok(job.clone()),
                _ => Err(jobs),
            }
        })
        .await
    }

    /// Waits until its newest job is in a state.
    pub async fn until_state(&self, state: &str) -> Value {
        self.until_job(state, |job| job["state"] == state).await
    }

    /// The platform's API.
    pub fn api(&self) -> &Api {
        &self.api
    }
}
