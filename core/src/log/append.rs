//! Executing a command: decide on folded state, append with an expectation, and read back on any doubt.
//!
//! A publish without an answer may still land later. It never harms, because it carries its expectation:
//! either it lands and the read-back finds it, or something else landed first and it cannot land any more.

use std::borrow::Cow;
use std::time::Duration;

use super::history::SharedHistory;
use super::publish::{Message, Published};
use super::{Error, Log};
use crate::command::{AnyPart, Context, Decided};
use crate::digest::Digest;
use crate::envelope::{Envelope, MAX_BYTES, schema_urn};
use rand::RngExt;

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

impl Outcome {
    /// Of a command that has no aggregate to ask.
    pub(super) const NOTHING: Self = Self {
        sequence: 0,
        events: 0,
        repeated: false,
    };
}

/// What is known of a command before it is tried.
enum Earlier {
    /// It was not stored.
    No,
    /// Some of its aggregates have it, and one that it makes does not.
    InPart,
    /// It was stored, and this came of it.
    Yes(Outcome),
}

/// One try's messages, and which history each belongs to.
struct Draft {
    messages: Vec<Message>,
    owners: Vec<usize>,
    /// Where each history ended.
    ends: Vec<u64>,
}

/// How far a command got; it outlives the command's deadline.
#[derive(Default)]
struct Progress {
    tries: u32,
    /// The aggregates' histories, and where each ended when the last try was decided.
    known: Option<(Vec<SharedHistory>, Vec<u64>)>,
    /// A publish went out unanswered: the command could still be stored.
    doubt: Option<Cow<'static, str>>,
    /// Why the log cannot be read, as of now.
    trouble: Option<Cow<'static, str>>,
    /// Conflicts with nothing new to see.
    blind: u32,
}

impl Log {
    /// Executes a command over one or more aggregates: all its events are stored, or none.
    pub async fn execute(
        &self,
        context: &Context,
        parts: &[Box<dyn AnyPart>],
    ) -> Result<Outcome, Error> {
        let mut progress = Progress::default();
        let tries = self.tries(context, parts, &mut progress);
        match tokio::time::timeout(self.inner.settings.deadline, tries).await {
            Ok(result) => result,
            Err(_) => Err(progress.too_late(context, parts)),
        }
    }

    async fn tries(
        &self,
        context: &Context,
        parts: &[Box<dyn AnyPart>],
        progress: &mut Progress,
    ) -> Result<Outcome, Error> {
        let connection = &self.inner.connection;
        loop {
            if progress.tries > 1 {
                pause(progress.tries).await;
            }
            progress.tries += 1;
            if !connection.is_up() {
                progress.trouble = Some("the connection to the log is down".into());
                connection.until_up().await;
            }
            progress.trouble = Some("the log did not answer a read".into());
            let first = progress.known.is_none();
            let known = match self.known(parts, progress).await {
                Ok(known) => known,
                Err(Error::Unavailable(reason)) => {
                    progress.trouble = Some(reason.into());
                    continue;
                }
                Err(error) => return Err(error),
            };
            progress.trouble = None;
            let stored = earlier(context, parts, &known)?;
            #[cfg(feature = "sabotage")]
            let broken = self.sabotaged(context, super::Sabotage::NoReadback);
            #[cfg(feature = "sabotage")]
            let stored = if broken { Earlier::No } else { stored };
            match stored {
                Earlier::No => {}
                Earlier::Yes(outcome) => return Ok(outcome),
                // A command is stored whole: the rest was not read yet, or this is another command.
                Earlier::InPart if first => {
                    progress.known = Some((known, Vec::new()));
                    continue;
                }
                Earlier::InPart => return Err(Error::CommandIdReused(context.id)),
            }
            if progress.blind > MOST_BLIND_CONFLICTS && progress.doubt.is_none() {
                return Err(Error::Damaged(format!(
                    "the newest event of {} is in the log's index but cannot be read",
                    part_names(parts)
                )));
            }
            let draft = self.draft(context, parts, &known);
            // An append that expects too old an end is refused; nothing shows that a decision to append nothing is old.
            let appends = draft.as_ref().is_ok_and(|draft| !draft.messages.is_empty());
            if first && !appends {
                progress.known = Some((known, Vec::new()));
                // Nobody overtook it, so there is nobody to give way to.
                progress.tries = 0;
                continue;
            }
            let draft = draft?;
            if draft.messages.is_empty() {
                return Ok(Outcome {
                    sequence: draft.ends.into_iter().max().unwrap_or(0),
                    events: 0,
                    repeated: false,
                });
            }
            progress.known = Some((known.clone(), draft.ends.clone()));
            // A command that is in doubt was admitted before.
            if progress.doubt.is_none() {
                self.inner
                    .reserve
                    .admit(connection, context.urgency)
                    .await?;
            }
            let doubt = progress.doubt.clone();
            progress.doubt = Some("no answer to what was sent".into());
            let reason = match self.inner.publisher.publish(&draft.messages).await {
                Published::Stored(last) => {
                    self.stored(&draft, parts, &known, last)?;
                    return Ok(Outcome {
                        sequence: last,
                        events: draft.messages.len(),
                        repeated: false,
                    });
                }
                Published::Full if doubt.is_none() => return Err(Error::Full(self.kind())),
                Published::Full => "the log has no room".into(),
                Published::Conflict(reason) => {
                    self.inner.meters.conflict();
                    progress.doubt = doubt;
                    reason
                }
                Published::Unknown(reason) => {
                    progress.doubt = Some(reason.clone().into());
                    reason
                }
            };
            tracing::debug!(command = %context.id, reason, "append.again");
            #[cfg(feature = "sabotage")]
            if self.sabotaged(context, super::Sabotage::NoReadback) {
                return Err(crate::aggregate::Refusal::conflict("conflict", reason).into());
            }
        }
    }

    /// The aggregates' histories: at first what is cached, after a try what the leader has.
    async fn known(
        &self,
        parts: &[Box<dyn AnyPart>],
        progress: &mut Progress,
    ) -> Result<Vec<SharedHistory>, Error> {
        let Some((known, ends)) = &progress.known else {
            return self.histories(parts).await;
        };
        self.catch_up_all(parts, known).await?;
        let moved = known
            .iter()
            .zip(ends)
            .any(|(history, end)| history.lock().last_sequence != *end);
        if moved {
            // What was sent before expects an end that is no more, so it can never be stored.
            progress.doubt = None;
            progress.blind = 0;
        } else {
            progress.blind += 1;
        }
        Ok(known.clone())
    }

    async fn histories(&self, parts: &[Box<dyn AnyPart>]) -> Result<Vec<SharedHistory>, Error> {
        let loads = parts.iter().map(|part| self.history(part.as_ref()));
        futures::future::try_join_all(loads).await
    }

    async fn catch_up_all(
        &self,
        parts: &[Box<dyn AnyPart>],
        histories: &[SharedHistory],
    ) -> Result<(), Error> {
        let reads = parts
            .iter()
            .zip(histories)
            .map(|(part, history)| self.catch_up(part.address(), history));
        futures::future::try_join_all(reads).await.map(drop)
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
            ends: Vec::with_capacity(parts.len()),
        };
        for (owner, (part, history)) in parts.iter().zip(histories).enumerate() {
            let history = history.lock();
            draft.ends.push(history.last_sequence);
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
            traceparent: context.traceparent.map(|trace| trace.to_string().into()),
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
    fn stored(
        &self,
        draft: &Draft,
        parts: &[Box<dyn AnyPart>],
        histories: &[SharedHistory],
        last: u64,
    ) -> Result<(), Error> {
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
            let address = parts[*owner].address();
            self.inner.snapshots.keep(address, &mut history);
        }
        Ok(())
    }
}

// === impl Progress ===

impl Progress {
    /// What is known when the time is over.
    fn too_late(self, context: &Context, parts: &[Box<dyn AnyPart>]) -> Error {
        match (self.doubt, self.trouble) {
            (Some(reason), _) => Error::Unknown {
                command: context.id,
                reason: reason.into_owned(),
            },
            (None, Some(reason)) => Error::Unavailable(reason.into_owned()),
            (None, None) => Error::Contended {
                aggregate: part_names(parts),
            },
        }
    }
}

/// Whether the command was stored before, by what is known of its aggregates.
fn earlier(
    context: &Context,
    parts: &[Box<dyn AnyPart>],
    histories: &[SharedHistory],
) -> Result<Earlier, Error> {
    let (mut last, mut events, mut missing) = (0, 0, false);
    for (part, history) in parts.iter().zip(histories) {
        match history.lock().commands.get(&context.id) {
            Some((_, event)) if part.effect() != event.as_ref() => {
                return Err(Error::CommandIdReused(context.id));
            }
            Some((sequence, _)) => {
                last = last.max(*sequence);
                events += 1;
            }
            // What makes something always has an event; another part may have had nothing to do.
            None => missing |= part.is_fresh(),
        }
    }
    Ok(match (events, missing) {
        (0, _) => Earlier::No,
        (_, true) => Earlier::InPart,
        (events, false) => Earlier::Yes(Outcome {
            sequence: last,
            events,
            repeated: true,
        }),
    })
}

pub(super) fn part_names(parts: &[Box<dyn AnyPart>]) -> String {
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
