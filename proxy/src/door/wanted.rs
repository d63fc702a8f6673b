//! Where a browser wants to go, and how it says so to the login page.

use std::str::FromStr as _;

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Uri};
use eai_core::digest::Digest;
use form_urlencoded::Serializer;
use uuid::Uuid;

use super::{OWN_PATHS, codes, cookie};
use crate::api::Shared;
use crate::ingress::{Target, target};

/// The longest address that is come back to; of a longer one, only its host.
const MAX_PATH: usize = 4096;
/// How long a login may take, in seconds.
const LOGIN_TIME: i64 = 600;

/// A page of a service or a job, and what the browser is to prove there.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The service or the job.
    pub(super) on: Uuid,
    /// Scheme, host and port.
    pub(super) origin: String,
    /// Host and port.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
    /// The hash of what only this browser knows.
    pub(super) challenge: String,
}

/// Why nobody is sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwanted {
    #[error("Open the URL of a service or a job: it leads here, and back once you are logged in.")]
    Nothing,
    #[error(
        "The address that you would be sent to is not one of a service or a job of this platform."
    )]
    Elsewhere,
}

// === impl Wanted ===

impl Wanted {
    /// Reads a query or a form, with the token that is in it. What leads anywhere else is refused.
    pub(super) fn read(platform: &Shared, form: &[u8]) -> Result<(Self, String), Unwanted> {
        let (mut to, mut challenge, mut token) = (None, None, String::new());
        for (name, value) in form_urlencoded::parse(form) {
            match &*name {
                "to" => to = Some(value.into_owned()),
                "challenge" => challenge = Some(value.into_owned()),
                "token" => token = value.into_owned(),
                _ => {}
            }
        }
        let to = to.ok_or(Unwanted::Nothing)?;
        let challenge = challenge.ok_or(Unwanted::Nothing)?;
        Digest::from_str(&challenge).map_err(|_| Unwanted::Nothing)?;
        let elsewhere = Unwanted::Elsewhere;
        let uri: Uri = to.parse().map_err(|_| elsewhere)?;
        let authority = uri.authority().ok_or(elsewhere)?.as_str().to_owned();
        let urls = &platform.urls;
        if uri.scheme_str() != Some(urls.scheme()) || !urls.has_port_of(&authority) {
            return Err(elsewhere);
        }
        let host = HeaderValue::try_from(&authority).map_err(|_| elsewhere)?;
        let request = Request::builder().header(HOST, host).body(());
        let (parts, ()) = request.map_err(|_| elsewhere)?.into_parts();
        let on = match target(urls.domain(), &parts).map_err(|_| elsewhere)? {
            Target::Service { id, .. } => id.0,
            Target::ServiceName { name, .. } => {
                platform.live.service_named(&name).ok_or(elsewhere)?.0
            }
            Target::Job { id, .. } => id,
            Target::Platform | Target::Unknown => return Err(elsewhere),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let wanted = Self {
            on,
            origin: format!("{}://{authority}", urls.scheme()),
            authority,
            path: path.to_owned(),
            challenge,
        };
        Ok((wanted, token))
    }
}

/// Where a browser that asks for a page is sent to log in, and the cookie that it takes along.
pub(crate) fn challenge(platform: &Shared, request: &Parts) -> Option<(HeaderValue, HeaderValue)> {
    let urls = &platform.urls;
    let host = request.headers.get(HOST)?.to_str().ok()?;
    let path = request
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let path = Some(path).filter(|path| path.len() <= MAX_PATH && !path.starts_with(OWN_PATHS));
    let answer = codes::secret();
    let query = Serializer::new(String::new())
        .append_pair(
            "to",
            &format!("{}://{host}{}", urls.scheme(), path.unwrap_or("/")),
        )
        .append_pair("challenge", &Digest::of(answer.as_bytes()).to_string())
        .finish();
    let location = format!("{}/login?{query}", urls.platform());
    let secure = urls.is_secure();
    let cookie = cookie::set(cookie::ANSWER, &answer, OWN_PATHS, LOGIN_TIME, secure)?;
    Some((HeaderValue::try_from(location).ok()?, cookie))
}
