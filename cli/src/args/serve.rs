//! The flags of `eai server`: how the platform itself runs.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::BoolishValueParser;
use eai_core::spec::Image;

use crate::env;

/// How to run the platform.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server options")]
pub(crate) struct ServeArgs {
    /// Where the platform keeps its data
    #[arg(long, value_name = "DIR", env = env::EAI_DATA_DIR,
        default_value_os_t = env::default_data_dir())]
    pub(crate) data_dir: PathBuf,
    /// Begin with the events of an export, in a data directory that is empty
    #[arg(long, value_name = "FILE")]
    pub(crate) restore: Option<PathBuf>,
    /// The address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", env = env::EAI_LISTEN, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The domain of service URLs, without a port
    #[arg(long, value_name = "NAME", env = env::EAI_DOMAIN, default_value = "localhost")]
    pub(crate) domain: String,
    /// The account of a new platform, `snow.testacc` if unset; a platform keeps the one it has
    #[arg(long, value_name = "ORG.ACCOUNT", env = env::EAI_SERVER_ACCOUNT)]
    pub(crate) account: Option<String>,
    /// The profile that the first start writes for you, `default` if unset
    #[arg(long, value_name = "NAME", env = env::EAI_PROFILE, hide_env_values = true)]
    pub(crate) profile: Option<String>,
    /// The nats-server binary; if unset, the one beside `eai`, in PATH, or fetched by `deploy/local/nats-server`
    #[arg(long, value_name = "PATH", env = env::EAI_NATS_SERVER)]
    pub(crate) nats_server: Option<PathBuf>,
    /// The port of the supervised nats-server; if unset, a free one that stays the same
    #[arg(long, value_name = "PORT", env = env::EAI_NATS_PORT)]
    pub(crate) nats_port: Option<u16>,
    /// Where the nats-server listens for WebSockets of monitors, without TLS; off if unset
    #[arg(long, value_name = "ADDR:PORT", env = env::EAI_NATS_WEBSOCKET, value_parser = fixed_port)]
    pub(crate) nats_websocket: Option<SocketAddr>,
    /// The origins of the web pages that may use it, such as `https://status.example.org`
    #[arg(long, value_name = "ORIGIN,…", env = env::EAI_NATS_WEBSOCKET_ORIGIN, value_delimiter = ',',
        requires = "nats_websocket", value_parser = origin)]
    pub(crate) nats_websocket_origin: Vec<String>,
    /// The URL that users reach the platform by, if a proxy is in front of it
    #[arg(long, value_name = "URL", env = env::EAI_EXTERNAL_URL, value_parser = http_url)]
    pub(crate) external_url: Option<String>,
    /// The certificate that is shown to clients, then those that signed it, in PEM; read again when it changes
    #[arg(long, value_name = "FILE", env = env::EAI_TLS_CERT, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", env = env::EAI_TLS_KEY, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How many requests a second each caller may make of the API; ten times as many at once. Services are not limited
    #[arg(long, value_name = "N", env = env::EAI_API_RATE, default_value = "2000")]
    pub(crate) api_rate: NonZeroU32,
    /// The largest size of the event log, such as 10GiB
    #[arg(long, value_name = "SIZE", env = env::EAI_LOG_MAX_BYTES)]
    pub(crate) log_max_bytes: Option<ByteSize>,
    /// The largest size of the log of tasks, such as 10GiB
    #[arg(long, value_name = "SIZE", env = env::EAI_TASKS_MAX_BYTES)]
    pub(crate) tasks_max_bytes: Option<ByteSize>,
    /// The largest size of everything that was pushed, such as 100GiB
    #[arg(long, value_name = "SIZE", env = env::EAI_DATA_MAX_BYTES)]
    pub(crate) data_max_bytes: Option<ByteSize>,
    /// What jobs run with
    #[arg(long, value_enum, value_name = "NAME", env = env::EAI_BACKEND,
        default_value_t = BackendArg::Auto)]
    pub(crate) backend: BackendArg,
    /// The image of services and jobs whose spec names none, where jobs run with docker
    #[arg(long, value_name = "IMAGE", env = env::EAI_DEFAULT_IMAGE)]
    pub(crate) default_image: Option<Image>,
    /// How long a job may take until it answers on its port, such as 10m
    #[arg(long, value_name = "TIME", env = env::EAI_START_TIMEOUT, default_value = "10m")]
    pub(crate) start_timeout: humantime::Duration,
    /// How long an executor may be silent until its jobs are given up, such as 15s
    #[arg(long, value_name = "TIME", env = env::EAI_EXECUTOR_LEASE, default_value = "15s",
        value_parser = lease)]
    pub(crate) executor_lease: humantime::Duration,
    /// How long a request waits for a job to be ready, such as 5m
    #[arg(long, value_name = "TIME", env = env::EAI_REQUEST_WAIT, default_value = "5m")]
    pub(crate) request_wait: humantime::Duration,
    /// How long a job may go on with the requests that it has once an update moved the others away, such as 30s
    #[arg(long, value_name = "TIME", env = env::EAI_DRAIN_TIMEOUT, default_value = "30s")]
    pub(crate) drain_timeout: humantime::Duration,
    /// How long the job of a service is kept that nobody asks for, such as 24h: frozen after half of it, stopped after all
    #[arg(long, value_name = "TIME", env = env::EAI_IDLE_TIMEOUT, default_value = "24h",
        value_parser = idle)]
    pub(crate) idle_timeout: humantime::Duration,
    /// How long fewer replicas have to be enough until a service has fewer, such as 60s
    #[arg(long, value_name = "TIME", env = env::EAI_SCALE_DOWN_AFTER, default_value = "60s")]
    pub(crate) scale_down_after: humantime::Duration,
    /// How often in a row the job of a service may fail until it is not tried again
    #[arg(long, value_name = "COUNT", env = env::EAI_RESTART_LIMIT,
        default_value_t = eai_core::service::RESTART_LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) restart_limit: u32,
    /// Leave jobs running when the platform is ended with Ctrl-C, as SIGTERM does
    #[arg(long, env = env::EAI_KEEP_JOBS, value_parser = BoolishValueParser::new())]
    pub(crate) keep_jobs: bool,
    /// Accept a disk that may lose acknowledged events when the power fails
    #[arg(long, env = env::EAI_UNSAFE_FSYNC, value_parser = BoolishValueParser::new())]
    pub(crate) unsafe_fsync: bool,
    /// How log lines are written to standard error
    #[arg(long, value_enum, value_name = "FORMAT", env = env::EAI_LOG_FORMAT,
        default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// What jobs run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    /// Docker if it answers and has or can get an image, else process
    Auto,
    /// Containers of this machine's Docker
    Docker,
    /// Sandboxes of bubblewrap, with this machine's own files
    Process,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// A time in which several signs of life fit.
fn lease(text: &str) -> Result<humantime::Duration, String> {
    let time: humantime::Duration = text.parse().map_err(|error| format!("{error}"))?;
    if time.as_secs() == 0 {
        return Err("it must be 1s or more".to_owned());
    }
    Ok(time)
}

/// A time that is exact to a second.
fn idle(text: &str) -> Result<humantime::Duration, String> {
    lease(text)
}

/// An address that monitors can be told.
fn fixed_port(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if address.port() == 0 {
        return Err("it must have a port".to_owned());
    }
    Ok(address)
}

/// What a browser says of where a page is from: scheme, host and port.
fn origin(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    let origin = url.origin().ascii_serialization();
    if !matches!(url.scheme(), "http" | "https") || origin != text.trim_end_matches('/') {
        return Err(format!(
            "it must be scheme, host and port alone, such as `https://status.example.org`, and not `{text}`"
        ));
    }
    Ok(origin)
}

/// An http(s) URL with no slash at its end.
fn http_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("it must start with `http://` or `https://`".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}
