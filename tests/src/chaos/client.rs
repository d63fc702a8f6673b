//! Calls of the API as a careful client makes them: what is not a definite answer is unknown.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::history::{Action, Outcome};

/// The header that tells how far the log was; sent back, it makes reads see one's own writes.
const POSITION: &str = "x-eai-position";

/// One client with its own connections.
#[derive(Debug)]
pub(super) struct Caller {
    client: Client,
    url: String,
    refresh_token: String,
    token: String,
    position: Option<String>,
}

/// An answer that says that no further command can succeed.
const HALTED: [&str; 2] = ["views-halted", "log-damaged"];

impl Caller {
    /// A client with the tokens of the profile in this file.
    pub(super) async fn new(url: &str, config: &Path) -> Self {
        // Another client of this process may have chosen it before.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut caller = Self {
            client,
            url: url.to_owned(),
            refresh_token: refresh_token(config),
            token: String::new(),
            position: None,
        };
        caller.renew().await;
        caller
    }

    /// Takes a fresh access token, if the platform answers; else the next call tries again.
    async fn renew(&mut self) {
        let url = format!("{}/v1/token", self.url);
        let request = self.client.post(url).bearer_auth(&self.refresh_token);
        let request = request.timeout(Duration::from_secs(10));
        let Ok(response) = request.send().await else {
            return;
        };
        let body: Value = response.json().await.unwrap_or_default();
        if let Some(token) = body["token"].as_str() {
            token.clone_into(&mut self.token);
        }
    }

    /// Sends a command once.
    pub(super) async fn send(
        &mut self,
        command: Uuid,
        action: &Action,
        patience: Duration,
    ) -> Outcome {
        let (path, body) = match action {
            Action::NewData(name) => ("/v1/data".to_owned(), Some(json!({ "name": name }))),
            Action::NewService(name) => ("/v1/service".to_owned(), Some(json!({ "name": name }))),
            Action::Change(service, verb) => {
                (format!("/v1/service/{service}/{}", verb.path()), None)
            }
        };
        let mut request = self
            .request(Method::POST, &path)
            .header("idempotency-key", command.to_string())
            .timeout(patience);
        if let Some(body) = body {
            request = request.json(&body);
        }
        match request.send().await {
            Err(error) => Outcome::Unknown(reason(&error).to_owned()),
            Ok(response) => self.read(response).await,
        }
    }

    async fn read(&mut self, response: Response) -> Outcome {
        let status = response.status();
        let position = response.headers().get(POSITION).cloned();
        let body: Value = match response.json().await {
            Ok(body) => body,
            Err(error) => return Outcome::Unknown(format!("answer cut: {}", reason(&error))),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let code = text(&body["error"]["code"]);
        if status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE {
            return Outcome::Unknown(code);
        }
        if let Some(position) = position.as_ref().and_then(|value| value.to_str().ok()) {
            self.position = Some(position.to_owned());
        }
        if status == StatusCode::UNAUTHORIZED {
            self.renew().await;
            return Outcome::Unknown(code);
        }
        if !status.is_success() {
            let message = text(&body["error"]["message"]);
            return Outcome::Refused { code, message };
        }
        Outcome::Ok {
            id: text(&body["id"]).parse().unwrap_or_default(),
            full_name: text(&body["fullName"]),
            state: body["status"].as_str().map(str::to_owned),
        }
    }

    /// All pages of a list.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=1000{after}")).await?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        self.ask(Method::GET, path).await
    }

    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Value, String> {
        let failed = |error: reqwest::Error| format!("{path}: {error}");
        let request = self.request(method, path).timeout(Duration::from_mins(1));
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body: Value = response.json().await.map_err(failed)?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(format!("{path}: {status}: {}", body["error"]["message"]))
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = request.bearer_auth(&self.token);
        match &self.position {
            Some(position) => request.header(POSITION, position),
            None => request,
        }
    }
}

/// Whether the platform says that its log or views are beyond it.
pub(super) fn halted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown(code) if HALTED.contains(&code.as_str()))
}

/// A word for a call without an answer.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "connect"
    } else if error.is_timeout() {
        "timeout"
    } else {
        "reset"
    }
}

/// The profile's refresh token: the one line of its kind.
fn refresh_token(config: &Path) -> String {
    let text = std::fs::read_to_string(config).expect("a profile");
    let token = text.split("refresh-token = \"").nth(1);
    let token = token.and_then(|rest| rest.split('"').next());
    token.expect("a refresh token").to_owned()
}
