//! What came of an attempt, told to the log of tasks until that has it, or says that it is too late.

use eai_core::log::tasks::{ContentError, Taken, store};
use eai_core::log::{self, objects};
use eai_core::task::{Done, Failure, INLINE_LOGS, INLINE_RESULT, Json, Recovery};
use time::{Duration, OffsetDateTime};

use super::Queues;
use crate::answered::until_answered;
use crate::backend::{self, Answer, Outcome};

/// The most bytes of an error's message in the log.
const ERROR_MAX: usize = 8 * 1024;
/// The most bytes of where it happened.
const TRACEBACK_MAX: usize = 12 * 1024;
/// How much of what was written may stand with a failure, which has other words too.
const FAILURE_LOGS: usize = 8 * 1024;

/// What is said of a task whose worker is gone, and what the reason is called. Monitors know these words.
const ORPHANED: &str = "orphaned service task recovered after worker heartbeat expired";
const EXPIRED: &str = "expired-worker-heartbeat";

/// How a worker was lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Loss {
    /// In words, where there are any.
    pub(super) why: String,
    /// How long ago it gave its last sign of life.
    pub(super) silent: Option<Duration>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum End {
    /// The worker answered.
    Answered(Outcome),
    /// It was gone before it did.
    Lost(Loss),
    /// It took too long, or could not be handed over.
    Failed(String),
}

impl Queues {
    /// Tells how an attempt ended. Nothing is left to be done about it when this returns.
    pub(super) async fn tell(&self, taken: &Taken, end: End) {
        let told = until_answered(|| self.tell_once(taken, &end)).await;
        match told {
            Ok(()) => {}
            // The task was cancelled, or the attempt is over: nobody waits for this.
            Err(log::Error::Refused(refusal)) => {
                tracing::debug!(task = %taken.task.id, attempt = taken.attempt, %refusal, "task.late");
            }
            Err(error) => {
                tracing::error!(task = %taken.task.id, attempt = taken.attempt, %error, "task.outcome_lost");
                self.tasks.give_back(taken.task.id, taken.attempt);
            }
        }
    }

    async fn tell_once(&self, taken: &Taken, end: &End) -> Result<(), log::Error> {
        let now = OffsetDateTime::now_utc();
        // Until the event that names them is in the log.
        let _held = self.objects.hold().await;
        let failure = match end {
            End::Answered(outcome) => match &outcome.answer {
                Answer::Response(result) => {
                    let done = self.done(taken, outcome, result.get()).await?;
                    return self.tasks.finish(&taken.task, done).await.map(drop);
                }
                Answer::Error(error) => self.failed(taken, outcome, error).await?,
                Answer::Gone => self.lost(taken, &Loss::default(), now).await?,
            },
            End::Lost(loss) => self.lost(taken, loss, now).await?,
            End::Failed(error) => failure(taken, now, bounded(error, ERROR_MAX)),
        };
        self.tasks.fail(&taken.task, failure, now).await.map(drop)
    }

    async fn done(
        &self,
        taken: &Taken,
        outcome: &Outcome,
        result: &str,
    ) -> Result<Done, log::Error> {
        let result = Json::parse(result).map_err(ContentError::from);
        let result = result.map_err(|error| unstored(&error))?;
        let result = store(&self.objects, result, INLINE_RESULT).await;
        Ok(Done {
            attempt: taken.attempt,
            claim: taken.claim.clone(),
            finished_at: at(outcome.ended),
            runtime_us: outcome.ended.saturating_sub(outcome.begun),
            result: result.map_err(|error| unstored(&error))?,
            logs: self.logs(&outcome.logs, INLINE_LOGS).await?,
        })
    }

    async fn failed(
        &self,
        taken: &Taken,
        outcome: &Outcome,
        error: &backend::Failure,
    ) -> Result<Failure, log::Error> {
        let text = match (error.message.trim(), &*error.kind) {
            ("", kind) => kind,
            (message, _) => message,
        };
        let traceback = bounded(&error.traceback, TRACEBACK_MAX);
        Ok(Failure {
            finished_at: at(outcome.ended),
            runtime_us: outcome.ended.saturating_sub(outcome.begun),
            traceback: (!traceback.is_empty()).then_some(traceback),
            logs: self.logs(&outcome.logs, FAILURE_LOGS).await?,
            ..failure(taken, at(outcome.ended), bounded(text, ERROR_MAX))
        })
    }

    /// A task whose worker is gone: where that was its only attempt, in the words that monitors know.
    async fn lost(
        &self,
        taken: &Taken,
        loss: &Loss,
        now: OffsetDateTime,
    ) -> Result<Failure, log::Error> {
        let submitted = self.tasks.submitted(&taken.task).await?;
        let has_retries = submitted.is_some_and(|submitted| submitted.retries > 0);
        let error = if has_retries && !loss.why.is_empty() {
            format!("the worker was gone before it had answered: {}", loss.why)
        } else {
            ORPHANED.to_owned()
        };
        let seconds = |age: Duration| (age.as_seconds_f64().max(0.0) * 1000.0).round() / 1000.0;
        Ok(Failure {
            recovery: Some(Recovery {
                reason: EXPIRED.to_owned(),
                task_age_sec: seconds(now - taken.claim.claimed_at),
                heartbeat_age_sec: loss.silent.map(seconds),
            }),
            ..failure(taken, now, bounded(&error, ERROR_MAX))
        })
    }

    async fn logs(
        &self,
        logs: &str,
        inline: usize,
    ) -> Result<Option<eai_core::task::Content>, log::Error> {
        if logs.is_empty() {
            return Ok(None);
        }
        let json = Json::of(&logs).map_err(ContentError::from);
        let json = json.map_err(|error| unstored(&error))?;
        let stored = store(&self.objects, json, inline).await;
        stored.map(Some).map_err(|error| unstored(&error))
    }
}

/// A failure of which nothing is known but its words.
fn failure(taken: &Taken, now: OffsetDateTime, error: String) -> Failure {
    let age = now - taken.claim.claimed_at;
    Failure {
        attempt: taken.attempt,
        claim: taken.claim.clone(),
        finished_at: now,
        runtime_us: u64::try_from(age.whole_microseconds()).unwrap_or_default(),
        error,
        traceback: None,
        recovery: None,
        logs: None,
    }
}

fn at(micros: u64) -> OffsetDateTime {
    let since = Duration::microseconds(i64::try_from(micros).unwrap_or(i64::MAX));
    OffsetDateTime::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The start of a text that takes no more than this in JSON.
fn bounded(text: &str, most: usize) -> String {
    let mut left = most;
    let fits = |letter: &char| {
        let takes = match letter {
            '"' | '\\' | '\n' | '\t' | '\r' => 2,
            letter if letter.is_ascii_control() => 6,
            letter => letter.len_utf8(),
        };
        let fits = takes <= left;
        left = left.saturating_sub(takes);
        fits
    };
    text.chars().take_while(fits).collect()
}

/// The store of contents is asked again as the log is.
fn unstored(error: &ContentError) -> log::Error {
    match error {
        ContentError::Objects(objects::Error::Unavailable(_)) => {
            log::Error::Unavailable(error.to_string())
        }
        _ => log::Error::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_as_they_stand_in_an_event() {
        assert_eq!(bounded("abc", 2), "ab");
        assert_eq!(bounded("äöü", 3), "ä");
        assert_eq!(bounded("\u{1}a", 6), "\u{1}");
        for text in ["\u{1}\n\"é".repeat(1000), "x".repeat(9000)] {
            let cut = bounded(&text, 100);
            assert!(serde_json::to_string(&cut).unwrap().len() <= 102, "{cut}");
        }
    }
}
