//! TEMPORARY: stands in for `cli/src/server/` until the platform is merged here.

use std::path::Path;

use crate::args::{LogFormat, ServeArgs};
use crate::error::ExitStatus;

/// Why the platform could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("this build of `eai` has no platform in it")]
    Missing,
}

/// What an offline rebuild did.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) events: u64,
    pub(crate) sequence: u64,
}

/// Runs the platform until it is told to end.
#[expect(clippy::unused_async, reason = "what replaces this waits")]
pub(crate) async fn run(args: ServeArgs) -> Result<ExitStatus, Error> {
    match args.log_format {
        LogFormat::Text | LogFormat::Json => {}
    }
    // The platform writes the first profile with this.
    let _ = crate::profile::write_profile;
    Err(Error::Missing)
}

/// Folds the views of the data directory again, with no platform running.
#[expect(clippy::unused_async, reason = "what replaces this waits")]
pub(crate) async fn rebuild_offline(_data_dir: &Path) -> Result<Rebuilt, Error> {
    let rebuilt = Rebuilt {
        events: 0,
        sequence: 0,
    };
    if rebuilt.events == rebuilt.sequence {
        Err(Error::Missing)
    } else {
        Ok(rebuilt)
    }
}
