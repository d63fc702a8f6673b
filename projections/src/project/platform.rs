//! Where the log came from is told by its own event, and by no row.

use eai_core::platform::Event;
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

#[expect(clippy::unused_async, reason = "every kind is folded alike")]
pub(super) async fn apply(
    _: &mut SqliteConnection,
    _: &Fact<'_>,
    Event::Restored(_): Event,
) -> Result<(), Error> {
    Ok(())
}
