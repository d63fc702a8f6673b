//! `eai version`.

use std::time::Duration;

use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

/// The platform's version is good to know, but not worth a long wait.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(client: &mut Client, printer: &mut Printer) -> Result<ExitStatus, Error> {
    printer.line(concat!("eai ", env!("CARGO_PKG_VERSION")))?;
    printer.flush()?;
    if let Some(version) = client.version(PATIENCE).await {
        printer.line(&format!("platform {version} at {}", client.url()))?;
    }
    Ok(ExitStatus::Success)
}
