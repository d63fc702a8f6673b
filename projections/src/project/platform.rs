//! Where the log came from is told by its own event, and by no row.

use eai_core::platform::Event;

use super::{Fact, Writes};

pub(super) fn apply(_: &mut Writes, _: &Fact<'_>, Event::Restored(_): &Event) {}
