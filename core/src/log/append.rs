//! Executing a command: decide on folded state, append with an expectation, and read back on any doubt.
//!
//! A publish without an answer may still land later. It never harms, because it carries its expectation:
//! either it lands and the read-back finds it, or something else landed first and it cannot land any more.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::history::SharedHistory;
use super::publish::{Message, Published, publish};
use super::{Error, Log};
use crate::command::{AnyPart, Context, Decided};
use crate::digest::Digest;
use crate::envelope::{Envelope, MAX_BYTES, schema_urn};

/// The longest pause between two tries of a command that others keep overtaking.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How many answers "wrong last sequence" without any newer event mean that the newest one is unreadable.
const MOST_BLIND_CONFLICTS: u32 = 20;

/// What a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The log has everything up to here that the answer depends on.
    pub sequence: u64,
    /// How many events were stored; 0 where nothing was left to do.
    pub events: usize,
    /// The command had been stored before: this is its first result again.
    pub repeated: bool,
}

/// One try's messages, and which history each belongs to.
struct Draft {
    messages: Vec<Message>,
    owners: Vec<usize>,
}

impl Log {
    /// Executes a command over one or more aggregates: all its events are stored, or none.
    pub async fn execute(
        &self,
        context: &Context,
        parts: &[Box<dyn AnyPart>],
    ) -> Result<Outcome, Error> {
        let until = Instant::now() + self.inner.settings.deadline;
        // Once a publish went out unanswered, no other error may hide that it could still be stored.
        let mut doubt: Option<String> = None;
        let mut unread: Option<String> = None;
        let mut histories: Option<Vec<SharedHistory>> = None;
        let mut blind = 0;
        for attempt in 0_u32.. {
            let up = tokio::time::timeout_at(until, self.inner.connection.until_up()).await;
            if up.is_err() || Instant::now() >= until {
                return Err(late(context, parts, doubt, unread));
            }
            let read = match &histories {
                None => self.histories(parts).await.map(|loaded| (loaded, true)),
                Some(known) => self
                    .catch_up_all(parts, known)
                    .await
                    .map(|moved| (known.clone(), moved)),
            };
            let (known, moved) = match read {
                Ok(read) => read,
                Err(Error::Unavailable(reason)) => {
                    unread = Some(reason);
                    pause(attempt).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            unread = None;
            let stored = earlier(context, parts, &known)?;
            #[cfg(feature = "sabotage")]
            let stored = stored.filter(|_| !self.sabotaged(context, super::Sabotage::NoReadback));
            if let Some(outcome) = stored {
                return Ok(outcome);
            }
            blind = if moved { 0 } else { blind + 1 };
            if blind > MOST_BLIND_CONFLICTS && doubt.is_none() {
                return Err(Error::Damaged(format!(
                    "the newest event of {} is in the log's index but cannot be read",
                    part_names(parts)
                )));
            }
            // A refusal here is the truth even after a publish without an answer: what makes `decide`
            // refuse now has moved an aggregate on, so the old expectation cannot hold any more.
            let draft = self.draft(context, parts, &known)?;
            histories = Some(known.clone());
            if draft.messages.is_empty() {
                let sequence = known
                    .iter()
                    .map(|history| history.lock().last_sequence)
                    .max();
                return Ok(Outcome {
                    sequence: sequence.unwrap_or(0),
                    events: 0,
                    repeated: false,
                });
            }
            if doubt.is_none() {
                self.inner
                    .reserve
                    .admit(&self.inner.connection, context.urgency)
                    .await?;
            }
            let reason = match publish(&self.inner.connection, &draft.messages).await {
                Published::Stored(last) => {
                    self.stored(&draft, &known, last)?;
                    let events = draft.messages.len();
                    return Ok(Outcome {
                        sequence: last,
                        events,
                        repeated: false,
                    });
                }
                Published::Full if doubt.is_none() => return Err(Error::Full),
                Published::Full => "the log has no room".to_owned(),
                Published::Conflict(reason) => reason,
                Published::Unknown(reason) => {
                    doubt = Some(reason.clone());
                    reason
                }
            };
            tracing::debug!(command = %context.id, attempt, reason, "append.again");
            #[cfg(feature = "sabotage")]
            if self.sabotaged(context, super::Sabotage::NoReadback) {
                return Err(crate::aggregate::Refusal::conflict("conflict", reason).into());
            }
            if attempt > 0 {
                pause(attempt).await;
            }
        }
        Err(late(context, parts, doubt, unread))
    }

    async fn histories(&self, parts: &[Box<dyn AnyPart>]) -> Result<Vec<SharedHistory>, Error> {
        let loads = parts.iter().map(|part| self.history(part.as_ref()));
        futures::future::try_join_all(loads).await
    }

    async fn catch_up_all(
        &self,
        parts: &[Box<dyn AnyPart>],
        histories: &[SharedHistory],
    ) -> Result<bool, Error> {
        let reads = parts
            .iter()
            .zip(histories)
            .map(|(part, history)| self.catch_up(part.as_ref(), history));
        let moved = futures::future::try_join_all(reads).await?;
        Ok(moved.into_iter().any(|moved| moved))
    }

    /// Decides every part and writes the documents.
    fn draft(
        &self,
        context: &Context,
        parts: &[Box<dyn AnyPart>],
        histories: &[SharedHistory],
    ) -> Result<Draft, Error> {
        let mut draft = Draft {
            messages: Vec::new(),
            owners: Vec::new(),
        };
        for (owner, (part, history)) in parts.iter().zip(histories).enumerate() {
            let history = history.lock();
            let mut prevhash = history.last_digest;
            let mut expected = Some((part.address().filter(), history.last_sequence));
            #[cfg(feature = "sabotage")]
            if self.sabotaged(context, super::Sabotage::NoExpectation) {
                expected = None;
            }
            for (index, decided) in (0..).zip(part.decide(history.state.as_ref())?) {
                let message = self.message(
                    context,
                    part.as_ref(),
                    index,
                    &decided,
                    prevhash,
                    expected.take(),
                )?;
                prevhash = Digest::of(&message.payload);
                draft.messages.push(message);
                draft.owners.push(owner);
            }
        }
        Ok(draft)
    }

    fn message(
        &self,
        context: &Context,
        part: &dyn AnyPart,
        index: u32,
        decided: &Decided,
        prevhash: Digest,
        expected: Option<(String, u64)>,
    ) -> Result<Message, Error> {
        let address = part.address();
        let event_type = decided.event_type.to_string();
        let id = context.id.event(address.kind(), address.id(), index);
        let envelope = Envelope {
            specversion: "1.0".into(),
            id,
            source: self.inner.source.as_str().into(),
            dataschema: schema_urn(&event_type).into(),
            r#type: event_type.into(),
            subject: address.to_string().into(),
            // Finer than this, clocks and readers are no better for it.
            time: context.time.truncate_to_millisecond(),
            datacontenttype: "application/json".into(),
            account: address.account().as_str().into(),
            actor: context.actor.to_string().into(),
            commandid: context.id,
            correlationid: context.correlation,
            causationid: context.causation,
            traceparent: context.traceparent.as_deref().map(Into::into),
            prevhash,
            data: &decided.data,
        };
        let payload = envelope
            .to_bytes()
            .map_err(|error| Error::Damaged(format!("an event: {error}")))?;
        if payload.len() > MAX_BYTES {
            return Err(Error::TooLarge {
                bytes: payload.len(),
                most: MAX_BYTES,
            });
        }
        let subject = address.event(decided.event_type.name);
        Ok(Message {
            subject,
            id,
            payload: payload.into(),
            expected,
        })
    }

    /// Folds what was just stored, so that the next command needs no read.
    fn stored(&self, draft: &Draft, histories: &[SharedHistory], last: u64) -> Result<(), Error> {
        let first = last + 1 - draft.messages.len() as u64;
        for (sequence, (message, owner)) in (first..).zip(draft.messages.iter().zip(&draft.owners))
        {
            self.inner
                .reserve
                .add(message.payload.len() + message.subject.len());
            let event = super::Recorded {
                sequence,
                subject: message.subject.clone(),
                payload: message.payload.clone(),
            };
            let mut history = histories[*owner].lock();
            history.loaded = true;
            history.apply(&event)?;
        }
        Ok(())
    }
}

/// The first result of a command that was stored before.
fn earlier(
    context: &Context,
    parts: &[Box<dyn AnyPart>],
    histories: &[SharedHistory],
) -> Result<Option<Outcome>, Error> {
    let mut found: Option<(u64, usize)> = None;
    for (part, history) in parts.iter().zip(histories) {
        if let Some((sequence, event)) = history.lock().commands.get(&context.id) {
            if part.effect() != event.as_ref() {
                return Err(Error::CommandIdReused(context.id));
            }
            let (last, events) = found.unwrap_or((0, 0));
            found = Some((last.max(*sequence), events + 1));
        }
    }
    Ok(found.map(|(sequence, events)| Outcome {
        sequence,
        events,
        repeated: true,
    }))
}

/// What is known of a command whose time is over.
fn late(
    context: &Context,
    parts: &[Box<dyn AnyPart>],
    doubt: Option<String>,
    unread: Option<String>,
) -> Error {
    match (doubt, unread) {
        (Some(reason), _) => Error::Unknown {
            command: context.id,
            reason,
        },
        (None, Some(reason)) => Error::Unavailable(reason),
        (None, None) => Error::Contended {
            aggregate: part_names(parts),
        },
    }
}

fn part_names(parts: &[Box<dyn AnyPart>]) -> String {
    let names: Vec<_> = parts
        .iter()
        .map(|part| part.address().to_string())
        .collect();
    names.join(", ")
}

/// Doubles from a millisecond, with jitter, so that those who collided do not collide again.
async fn pause(attempt: u32) {
    let longest = Duration::from_millis(1 << attempt.min(6)).min(LONGEST_PAUSE);
    let jitter = rand::rng().random_range(0.5..1.0);
    tokio::time::sleep(longest.mul_f64(jitter)).await;
}
