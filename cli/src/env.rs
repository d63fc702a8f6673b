//! Every environment variable that `eai` reads, with one line on each.
//!
//! Owns the names; nothing else may spell one. What a value means belongs to the reader of it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;

macro_rules! variables {
    ($($name:ident: $doc:literal,)*) => {
        $(#[doc = $doc] pub(crate) const $name: &str = stringify!($name);)*

        /// Each variable and what it does.
        pub(crate) const ALL: &[(&str, &str)] = &[$(($name, $doc)),*];
    };
}

variables! {
    AGI_CLUSTER_SHARE: "Server: the shared folder in which the health of queues is written.",
    EAI_ACCOUNT: "The default account.",
    EAI_BACKEND: "Server: what jobs run with: `auto`, `docker` or `process`.",
    EAI_CA_CERT: "The certificates to trust instead of the machine's, in a PEM file.",
    EAI_CONFIG_DIR: "The folder of profiles and caches, `~/.eai` if unset.",
    EAI_DATA_DIR: "Server: where the platform keeps its data.",
    EAI_DEFAULT_IMAGE: "Server: the image of specs that name none.",
    EAI_DOMAIN: "Server: the domain of service URLs.",
    EAI_EXECUTOR_LEASE: "Server: how long an executor may be silent until its jobs are given up.",
    EAI_EXTERNAL_URL: "Server: the URL that users reach it by, if a proxy is in front.",
    EAI_DRAIN_TIMEOUT: "Server: how long a job may go on with its requests after an update, `30s` if unset.",
    EAI_IDLE_TIMEOUT: "Server: how long the job of a service is kept that nobody asks for.",
    EAI_KEEP_JOBS: "Server: leave jobs running when Ctrl-C ends the platform.",
    EAI_LISTEN: "Server: the address and port to listen on.",
    EAI_LOG: "Server: which log lines to write, such as `info` or `eai=debug`.",
    EAI_LOG_FORMAT: "Server: `text` or `json` log lines.",
    EAI_TASKS_MAX_BYTES: "Server: the largest size of the log of tasks.",
    EAI_DATA_MAX_BYTES: "Server: the largest size of everything that was pushed.",
    EAI_API_RATE: "Server: how many requests a second each caller may make of the API.",
    EAI_LOG_MAX_BYTES: "Server: the largest size of the event log.",
    EAI_NATS_PORT: "Server: the port of the supervised nats-server.",
    EAI_NATS_WEBSOCKET: "Server: where nats-server listens for WebSockets; off if unset.",
    EAI_NATS_WEBSOCKET_ORIGIN: "Server: the origins of web pages that may use it, with commas.",
    EAI_NATS_SERVER: "Server: the path of the nats-server binary.",
    EAI_PROFILE: "The profile to use.",
    EAI_REQUEST_WAIT: "Server: how long a request waits for a job, such as `5m`.",
    EAI_SCALE_DOWN_AFTER: "Server: how long fewer replicas have to be enough until a service has fewer, `60s` if unset.",
    EAI_RESTART_LIMIT: "Server: how often in a row the job of a service may fail until it is not tried again.",
    EAI_RETRY_FOR: "How long to retry while the platform is away, such as `30s`; `0s` is never.",
    EAI_SERVER_ACCOUNT: "Server: the account of a new platform, `snow.testacc` if unset.",
    EAI_START_TIMEOUT: "Server: how long a job may take until it answers.",
    EAI_TLS_CERT: "Server: the PEM file of the certificate that is shown to clients.",
    EAI_TLS_KEY: "Server: the PEM file of its private key.",
    EAI_TOKEN: "An access token; wins over the profile's.",
    EAI_UNSAFE_FSYNC: "Server: accept a disk that may lose acknowledged events.",
    EAI_URL: "The platform's URL; wins over the profile's.",
    DOCKER_HOST: "Server: the socket of Docker, such as `unix:///var/run/docker.sock`.",
    PATH: "Server: where `nats-server` and `bwrap` are looked for.",
    XDG_CACHE_HOME: "Server: below it is the nats-server that was fetched, `~/.cache` if unset.",
    NO_COLOR: "If set, no colours, on a terminal either.",
}

/// How long calls are retried unless `EAI_RETRY_FOR` says otherwise.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// The value of a variable; empty is the same as unset.
pub(crate) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder of profiles and caches.
pub(crate) fn config_dir() -> Result<PathBuf, Error> {
    if let Some(dir) = read(EAI_CONFIG_DIR) {
        return Ok(PathBuf::from(dir));
    }
    match std::env::home_dir() {
        Some(home) if !home.as_os_str().is_empty() => Ok(home.join(".eai")),
        _ => Err(Error::Usage(format!(
            "no home directory is set: set `{EAI_CONFIG_DIR}`"
        ))),
    }
}

/// Where the platform keeps its data unless told otherwise.
pub(crate) fn default_data_dir() -> PathBuf {
    let home = std::env::home_dir().unwrap_or_default();
    home.join(".local/share/eai")
}

/// The folder of what can be fetched again, as the scripts of `deploy/local` know it.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    let named = read(XDG_CACHE_HOME).map(PathBuf::from);
    let cache = named.or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    Some(cache.join("eai"))
}

/// The account of a new platform where nobody says otherwise.
pub(crate) const NEW_ACCOUNT: &str = "snow.testacc";

/// How long calls are retried.
pub(crate) fn retry_for() -> Result<Duration, Error> {
    let Some(text) = read(EAI_RETRY_FOR) else {
        return Ok(RETRY_FOR);
    };
    humantime::parse_duration(&text)
        .map_err(|error| Error::Usage(format!("`{EAI_RETRY_FOR}` is `{text}`: {error}")))
}

/// The list of variables for `eai --help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Environment:\n");
    for (name, doc) in ALL {
        // Writing to a string cannot fail.
        if writeln!(text, "  {name:<20}{doc}").is_err() {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_documented() {
        let page = include_str!("../../docs/cli.md");
        for (name, _) in ALL {
            assert!(
                page.contains(&format!("`{name}`")),
                "docs/cli.md does not name {name}"
            );
        }
    }
}
