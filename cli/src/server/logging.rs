//! Log lines on standard error: for people, or one JSON object a line.

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;
use crate::env;

/// Writes log lines from now on. The filter is `EAI_LOG`, such as `info` or `eai_core=debug`.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_env_var(env::EAI_LOG)
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy()
        // Says on connecting what every start says anyway.
        .add_directive(
            "async_nats=warn"
                .parse()
                .unwrap_or_else(|_| tracing::Level::INFO.into()),
        );
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
}
