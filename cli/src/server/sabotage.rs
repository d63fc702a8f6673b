//! Which guard a test wants broken; not part of a normal build.

use eai_core::fail_point::{NO_ATTEMPT, NO_CLAIM, NO_DRAIN, SABOTAGE};
use eai_core::log::Sabotage;

use super::Error;
use crate::env;

/// Reads `EAI_SABOTAGE`.
pub(crate) fn from_environment() -> Result<Option<Sabotage>, Error> {
    match env::read(SABOTAGE).as_deref() {
        // The last ones are broken where it is decided.
        None | Some("" | NO_CLAIM | NO_ATTEMPT | NO_DRAIN) => Ok(None),
        Some("no-expectation") => Ok(Some(Sabotage::NoExpectation)),
        Some("no-readback") => Ok(Some(Sabotage::NoReadback)),
        Some(other) => Err(Error::Sabotage(other.into())),
    }
}
