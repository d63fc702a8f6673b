//! One aggregate's state as of a sequence, folded from what is stored: time travel for a single thing.

use time::OffsetDateTime;

use super::chain::{links, look};
use super::history::PAGE;
use super::{Error, Log, Position};
use crate::aggregate::{Aggregate, Event};
use crate::digest::Digest;
use crate::subject::Address;

impl Log {
    /// The state when the log was at `up_to`, and when its newest event until then was decided.
    pub async fn fold<A: Aggregate>(
        &self,
        address: &Address,
        up_to: u64,
    ) -> Result<(A::State, Option<OffsetDateTime>), Error> {
        let mut state = A::State::default();
        let mut changed = None;
        let mut head = Digest::ZERO;
        let mut from = 1;
        if let Some((snapshot, last)) = self.snapshot(address, up_to).await?
            && let Ok(kept) = serde_json::from_str(snapshot.state())
        {
            state = kept;
            changed = look(&last)?.ok().map(|envelope| envelope.time);
            head = last.digest();
            from = last.sequence + 1;
        }
        loop {
            let (events, more) = self
                .page(&address.filter(), Position::Sequence(from), PAGE)
                .await?;
            for event in &events {
                let sequence = event.sequence;
                if sequence > up_to {
                    return Ok((state, changed));
                }
                from = sequence + 1;
                let Ok(envelope) = look(event)? else {
                    head = event.digest();
                    continue;
                };
                links(sequence, &envelope, head)?;
                head = event.digest();
                let parts = envelope
                    .type_parts()
                    .map_err(|error| Error::Damaged(error.to_string()))?;
                let decoded = A::Event::decode(parts.name, parts.version, envelope.data.get())
                    .map_err(|source| Error::Unreadable { sequence, source })?;
                state = A::evolve(state, &decoded);
                changed = Some(envelope.time);
            }
            if !more || events.is_empty() {
                return Ok((state, changed));
            }
        }
    }
}
