//! What the end of a command means for its run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eai_core::executor::Run as RunId;
use eai_core::job::{Ended, Outcome};

use crate::backend::{Exit, Started};

/// A command that went on for so long, and answered, did not fail in a row with the one before.
const STEADY: Duration = Duration::from_mins(1);

/// How a run ended whose command came to an end by itself. `ready` tells whether it ever answered.
pub(super) fn ended(run: RunId, exit: &Exit, port: u16, ready: bool) -> Ended {
    let before = if ready {
        String::new()
    } else {
        format!(" before it listened on port {port}")
    };
    let (state, reason, message) = if exit.lost {
        let message = exit.failure.clone();
        let unknown = || "the process that watched over it was killed".to_owned();
        (
            Outcome::Interrupted,
            "lost",
            message.unwrap_or_else(unknown),
        )
    } else if let Some(failure) = &exit.failure {
        (Outcome::Failed, "start-failed", failure.clone())
    } else if exit.oom {
        let message = "it used more memory than it may have: give it more with --mem".to_owned();
        (Outcome::Failed, "out-of-memory", message)
    } else if let Some(signal) = exit.signal {
        let message = format!("signal {signal} ended the command{before}");
        (Outcome::Failed, "signal", message)
    } else {
        let code = exit.code.unwrap_or_default();
        let message = format!("the command exited with code {code}{before}");
        let state = match code {
            0 => Outcome::Succeeded,
            _ => Outcome::Failed,
        };
        (state, "exit", message)
    };
    Ended {
        message,
        exit_code: exit.code,
        signal: exit.signal,
        ..without_exit(run, state, reason, "")
    }
}

/// How a run ended that came to no exit of its own.
pub(super) fn without_exit(
    run: RunId,
    state: Outcome,
    reason: &str,
    message: impl Into<String>,
) -> Ended {
    Ended {
        run: run.run,
        claim: Some(run.claim),
        state,
        reason: reason.into(),
        message: message.into(),
        exit_code: None,
        signal: None,
    }
}

/// Whether a command that ends now had gone on for long, and answered at all.
pub(super) fn is_steady(ready: bool, started: Option<Started>) -> bool {
    let began = started.map(|started| UNIX_EPOCH + Duration::from_millis(started.at));
    let lasted = began.and_then(|began| SystemTime::now().duration_since(began).ok());
    ready && lasted.is_some_and(|lasted| lasted >= STEADY)
}

#[cfg(test)]
mod tests {
    use eai_core::ids::JobId;
    use uuid::Uuid;

    use super::*;

    fn after(exit: &Exit, ready: bool) -> Ended {
        let run = RunId {
            job: JobId(Uuid::from_u128(1)),
            run: 2,
            claim: 3,
        };
        ended(run, exit, 8080, ready)
    }

    #[test]
    fn an_exit_is_judged_by_its_code() {
        let exit = |code| Exit {
            code: Some(code),
            ..Exit::default()
        };
        let good = after(&exit(0), true);
        assert_eq!((good.state, good.exit_code), (Outcome::Succeeded, Some(0)));
        let bad = after(&exit(3), false);
        assert_eq!(
            (bad.state, bad.run, bad.claim),
            (Outcome::Failed, 2, Some(3))
        );
        assert_eq!(
            bad.message,
            "the command exited with code 3 before it listened on port 8080"
        );
    }

    #[test]
    fn only_what_answered_for_long_was_steady() {
        let began = |ago: Duration| {
            let at = (SystemTime::now() - ago)
                .duration_since(UNIX_EPOCH)
                .unwrap();
            Some(Started {
                at: u64::try_from(at.as_millis()).unwrap(),
                limits: "docker".into(),
                network: "bridge".into(),
            })
        };
        assert!(is_steady(true, began(2 * STEADY)));
        assert!(!is_steady(false, began(2 * STEADY)), "it never answered");
        assert!(!is_steady(true, began(STEADY / 2)));
        assert!(!is_steady(true, None));
    }

    #[test]
    fn other_ends_have_reasons() {
        let killed = Exit {
            signal: Some(9),
            ..Exit::default()
        };
        for (exit, state, reason) in [
            (killed.clone(), Outcome::Failed, "signal"),
            (
                Exit {
                    oom: true,
                    ..killed
                },
                Outcome::Failed,
                "out-of-memory",
            ),
            (
                Exit {
                    lost: true,
                    ..Exit::default()
                },
                Outcome::Interrupted,
                "lost",
            ),
            (
                Exit {
                    failure: Some("no such program".into()),
                    ..Exit::default()
                },
                Outcome::Failed,
                "start-failed",
            ),
        ] {
            let ended = after(&exit, true);
            assert_eq!(
                (ended.state, ended.reason.as_str()),
                (state, reason),
                "{exit:?}"
            );
        }
    }
}
