//! Calling the API as any program would: a stock HTTP client and a token.

use std::sync::Once;

use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::platform::Platform;

/// The API of one platform, with a token.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: String,
    token: String,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// A stock HTTP client, to be completed.
pub fn stock() -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another library may have chosen one already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    Client::builder().no_proxy()
}

// === impl Api ===

impl Api {
    /// With a fresh access token of the platform's profile.
    pub fn of(platform: &Platform) -> Self {
        Self {
            // A connection for each request: none is left over from a platform that was killed.
            client: stock().pool_max_idle_per_host(0).build().expect("a client"),
            base: platform.url(""),
            token: platform.token(),
        }
    }

    /// The same API with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// A request to be completed.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// Commands without a body.
    pub async fn post(&self, path: &str, key: Option<&str>) -> Answer {
        let mut request = self.request(Method::POST, path);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::of(request).await
    }

    /// Commands with a body.
    pub async fn create(&self, path: &str, body: &Value, key: Option<&str>) -> Answer {
        let mut request = self.request(Method::POST, path).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::of(request).await
    }
}

// === impl Answer ===

impl Answer {
    /// Sends a request and reads the whole answer.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an answer")
    }

    /// Sends a request that may get no answer.
    pub async fn try_of(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    /// The document of an answer that must be a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        let status = StatusCode::from_u16(self.status).expect("a status");
        assert!(status.is_success(), "{status}: {}", self.text());
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The text of an answer that must be a success.
    #[track_caller]
    pub fn ok_text(&self) -> String {
        assert_eq!(self.status / 100, 2, "{}: {}", self.status, self.text());
        self.text()
    }

    /// Status and code of an answer that must be an error in its envelope.
    #[track_caller]
    pub fn refused(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let error = &body["error"];
        assert_eq!(error["status"], self.status, "{}", self.text());
        (self.status, text(&error["code"]))
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
