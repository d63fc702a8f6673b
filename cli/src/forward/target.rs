//! Whom a request is for: one service, or what its host or the beginning of its path names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::http::uri::PathAndQuery;
use reqwest::Url;
use uuid::Uuid;

use super::credential::Credential;
use super::guard::Named;
use super::refused::Refused;
use crate::commands::qualified;
use crate::output::Row;

/// How long it is remembered what a name means.
const REMEMBERED: Duration = Duration::from_secs(10);
/// How many names are remembered.
const MOST: usize = 256;

/// Where something is: its scheme, and its name with the port, as its own URL has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(super) scheme: String,
    pub(super) authority: String,
}

/// What the port leads to.
pub(crate) struct Sites {
    pub(super) http: reqwest::Client,
    /// Where the platform is reached.
    pub(super) base: Url,
    /// The account that plain names are in.
    account: Option<String>,
    /// The only thing that it leads to, if there is one.
    only: Option<Host>,
    known: Mutex<HashMap<String, (Host, Instant)>>,
}

/// Where one request goes.
pub(super) struct Target {
    /// None for the platform itself.
    pub(super) host: Option<Host>,
    /// What its own paths begin with here.
    pub(super) prefix: String,
    /// The path there.
    pub(super) path: String,
}

/// What the path of a request begins with.
#[derive(Debug, PartialEq, Eq)]
enum Begins<'a> {
    /// `/service/REF/…` or `/job/REF/…`: the kind, the reference and the rest.
    With(&'static str, &'a str, &'a str),
    /// The same without a path: a page's own links would lead elsewhere.
    Short,
    /// Anything else.
    Platform,
}

// === impl Host ===

impl Host {
    /// Where a service or a job is, by its row.
    pub(crate) fn of(row: &Row) -> Option<Self> {
        let url = Url::parse(row.text("accessUrl")?).ok()?;
        let host = url.host_str()?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Some(Self {
            scheme: url.scheme().to_owned(),
            authority,
        })
    }

    /// The same thing on another of its ports.
    fn on_port(&self, port: u16) -> Self {
        let (label, domain) = self.authority.split_once('.').unwrap_or_default();
        Self {
            scheme: self.scheme.clone(),
            authority: format!("{label}-{port}.{domain}"),
        }
    }

    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

// === impl Sites ===

impl Sites {
    /// One thing, or all that the platform has.
    pub(crate) fn new(
        http: reqwest::Client,
        base: Url,
        account: Option<String>,
        only: Option<Host>,
    ) -> Self {
        Self {
            http,
            base,
            account,
            only,
            known: Mutex::default(),
        }
    }

    /// Whether the name of a request says whom it is for.
    pub(super) fn has_names(&self) -> bool {
        self.only.is_none()
    }

    /// Whom a request is for.
    pub(super) async fn find(
        &self,
        named: &Named,
        path: Option<&PathAndQuery>,
        credential: &Credential,
    ) -> Result<Target, Refused> {
        let path = path.map_or("/", PathAndQuery::as_str);
        let whole = |host| Target {
            host,
            prefix: String::new(),
            path: path.to_owned(),
        };
        if let Some(only) = &self.only {
            return Ok(whole(Some(only.clone())));
        }
        if let Named::Below(name) = named {
            let (kind, id, port) = below(name).ok_or_else(|| unknown(name))?;
            let host = self.host(kind, &id.to_string(), credential).await?;
            let host = port.map(|port| host.on_port(port)).unwrap_or(host);
            return Ok(whole(Some(host)));
        }
        match begins(path) {
            Begins::Platform => Ok(whole(None)),
            Begins::With(kind, reference, rest) => Ok(Target {
                host: Some(self.host(kind, reference, credential).await?),
                prefix: format!("/{kind}/{reference}"),
                path: rest.to_owned(),
            }),
            Begins::Short => Err(Refused::new(
                StatusCode::NOT_FOUND,
                "not-found",
                format!("write `{path}/`: what is behind the last `/` is the path there"),
            )),
        }
    }

    async fn host(
        &self,
        kind: &str,
        reference: &str,
        credential: &Credential,
    ) -> Result<Host, Refused> {
        let name = format!("{kind}/{reference}");
        if let Some(host) = self.remembered(&name) {
            return Ok(host);
        }
        let row = match kind {
            "service" => qualified(reference, self.account.as_deref()),
            _ => reference.to_owned(),
        };
        let row = credential.row(&[kind, &row]).await?;
        let host = Host::of(&row).ok_or_else(|| {
            let message = format!("{kind} `{reference}` has no URL: a job has one while it runs");
            Refused::new(StatusCode::SERVICE_UNAVAILABLE, "no-url", message)
        })?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(name, (host.clone(), Instant::now()));
        Ok(host)
    }

    fn remembered(&self, name: &str) -> Option<Host> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (host, since) = known.get(name)?;
        (since.elapsed() < REMEMBERED).then(|| host.clone())
    }
}

fn begins(path: &str) -> Begins<'_> {
    for kind in ["service", "job"] {
        let begins = path.strip_prefix('/').and_then(|path| {
            let rest = path.strip_prefix(kind)?;
            rest.strip_prefix('/')
        });
        let Some(rest) = begins else {
            continue;
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (reference, rest) = rest.split_at(end);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !reference.is_empty()
            && reference.bytes().all(plain)
            && !reference.bytes().all(|byte| byte == b'.');
        return match (is_name, rest.starts_with('/')) {
            (true, true) => Begins::With(kind, reference, rest),
            (true, false) => Begins::Short,
            (false, _) => Begins::Platform,
        };
    }
    Begins::Platform
}

/// `ID.service`, `ID-PORT.job`.
fn below(name: &str) -> Option<(&'static str, Uuid, Option<u16>)> {
    const ID: usize = 36;
    let (label, kind) = name.rsplit_once('.')?;
    let kind = ["service", "job"]
        .into_iter()
        .find(|known| *known == kind)?;
    let (id, rest) = label.split_at_checked(ID)?;
    let port = match rest.strip_prefix('-') {
        Some(port) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((kind, Uuid::try_parse(id).ok()?, port))
}

fn unknown(name: &str) -> Refused {
    let name: String = name.chars().take(100).collect();
    Refused::new(
        StatusCode::NOT_FOUND,
        "not-found",
        format!(
            "`{name}.localhost` names no service and no job: write ID.service.localhost or ID.job.localhost"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_begin_with_whom_it_is_for() {
        for (path, expected) in [
            ("/service/web/", Begins::With("service", "web", "/")),
            (
                "/service/snow.testacc.web/a/b?c=/d",
                Begins::With("service", "snow.testacc.web", "/a/b?c=/d"),
            ),
            ("/job/7/x", Begins::With("job", "7", "/x")),
            ("/service/web", Begins::Short),
            ("/job/7?x", Begins::Short),
            ("/", Begins::Platform),
            ("/v1/service/web", Begins::Platform),
            ("/service", Begins::Platform),
            ("/service/", Begins::Platform),
            ("/service/../v1", Begins::Platform),
            ("/service/%2e%2e/v1", Begins::Platform),
            ("/services/web/", Begins::Platform),
        ] {
            assert_eq!(begins(path), expected, "{path}");
        }
    }

    #[test]
    fn a_name_below_localhost_is_an_id_and_perhaps_a_port() {
        let id = "0198c2a0-7b1e-7c7e-9a43-5d2f6f3b8a11";
        let uuid: Uuid = id.parse().unwrap();
        assert_eq!(
            below(&format!("{id}.service")),
            Some(("service", uuid, None))
        );
        assert_eq!(
            below(&format!("{id}-3000.job")),
            Some(("job", uuid, Some(3000)))
        );
        for name in [
            "",
            "web.service",
            id,
            &format!("{id}-.job"),
            &format!("{id}x.job"),
        ] {
            assert_eq!(below(name), None, "{name}");
        }
    }

    #[test]
    fn another_port_of_a_thing_is_in_its_first_label() {
        let host = Host {
            scheme: "http".to_owned(),
            authority: "a.service.localhost:8080".to_owned(),
        };
        assert_eq!(host.on_port(81).authority, "a-81.service.localhost:8080");
    }
}
