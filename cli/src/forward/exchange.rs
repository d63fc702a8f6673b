//! One request on its way to the platform and back: bodies as they come, trailers, and connections that are upgraded.

use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, HeaderValue, TRANSFER_ENCODING};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;

use super::credential::Credential;
use super::refused::Refused;
use super::target::{Sites, Target};
use super::{guard, headers};

/// What all requests share.
pub(super) struct Exchange {
    port: u16,
    sites: Sites,
    credential: Credential,
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn new(port: u16, sites: Sites, credential: Credential) -> Self {
        Self {
            port,
            sites,
            credential,
        }
    }

    /// The answer, whatever happens.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<reqwest::Body> {
        self.forward(request).await.unwrap_or_else(Refused::answer)
    }

    async fn forward(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<reqwest::Body>, Refused> {
        let wanted = headers::upgrade(request.headers());
        let client = wanted.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        let named = guard::check(&parts, self.port, self.sites.has_names())?;
        let path = parts.uri.path_and_query();
        let target = self.sites.find(&named, path, &self.credential).await?;
        let token = self.credential.header().await?;

        headers::request(&mut parts.headers, &target, wanted);
        let has_body = !body.is_end_stream();
        if has_body && body.size_hint().exact().is_none() {
            // Said here, since a GET would lose its body otherwise.
            let chunked = HeaderValue::from_static("chunked");
            parts.headers.insert(TRANSFER_ENCODING, chunked);
        }
        let outgoing = self
            .sites
            .http
            .request(parts.method, self.url(&target)?)
            .headers(parts.headers);
        let response = if has_body {
            let outgoing = outgoing.header(AUTHORIZATION, token);
            self.send(outgoing.body(reqwest::Body::wrap(body))).await?
        } else {
            self.send_twice(outgoing, token).await?
        };
        match client {
            Some(client) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Ok(switched(client, response, &target))
            }
            _ => {
                let mut response = Response::from(response);
                headers::response(response.headers_mut(), &target, false);
                Ok(response)
            }
        }
    }

    /// Where a request goes: the platform is always reached in the same way, and its host says the rest.
    fn url(&self, target: &Target) -> Result<Url, Refused> {
        let base = self.sites.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{}", target.path)).map_err(|error| {
            let message = format!("the path of the request is none: {error}");
            Refused::new(StatusCode::BAD_REQUEST, "bad-request", message)
        })
    }

    /// Sends a request without a body, once more with another token where this one has run out.
    async fn send_twice(
        &self,
        outgoing: reqwest::RequestBuilder,
        token: HeaderValue,
    ) -> Result<reqwest::Response, Refused> {
        let again = outgoing.try_clone();
        let response = self.send(outgoing.header(AUTHORIZATION, &token)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        match (again, self.credential.renewed(&token).await) {
            (Some(again), Some(token)) => self.send(again.header(AUTHORIZATION, token)).await,
            _ => Ok(response),
        }
    }

    async fn send(&self, outgoing: reqwest::RequestBuilder) -> Result<reqwest::Response, Refused> {
        outgoing.send().await.map_err(|error| {
            let reason = crate::client::root(&error);
            let base = self.sites.base.as_str().trim_end_matches('/');
            let what = if error.is_connect() {
                "could not reach the platform at"
            } else {
                "the request was not answered by"
            };
            Refused::new(
                StatusCode::BAD_GATEWAY,
                "platform-unreachable",
                format!("{what} {base}: {reason}"),
            )
        })
    }
}

/// Joins both sides, which agreed on another protocol.
fn switched(
    client: OnUpgrade,
    response: reqwest::Response,
    target: &Target,
) -> Response<reqwest::Body> {
    let mut answer = Response::new(reqwest::Body::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = response.headers().clone();
    headers::response(answer.headers_mut(), target, true);
    tokio::spawn(async move {
        let (client, mut platform) = match (client.await, response.upgrade().await) {
            (Ok(client), Ok(platform)) => (client, platform),
            (Err(error), _) => return tracing::debug!(%error, "forward.upgrade"),
            (_, Err(error)) => return tracing::debug!(%error, "forward.upgrade"),
        };
        let mut client = TokioIo::new(client);
        // Either side may go away at any time; the other one sees the end of it.
        drop(tokio::io::copy_bidirectional(&mut client, &mut platform).await);
    });
    answer
}
