//! When a run answers, and when no more: probed fast until it does, then every now and then. Nothing is sticky.

use std::time::{Duration, Instant};

use eai_core::executor::Run as RunId;
use eai_core::job::{Command, Phases, Ready, Unready};
use eai_core::spec::{Spec, UrlPath};
use tokio::sync::watch;

use super::probe::{Silent, probe};
use super::report::{Report, Superseded};
use crate::backend::{Listening, Running};
use crate::queue::Seen;

/// The shortest pause between two looks; later ones are a share of the wait so far, which is what they cost at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// That share: one in so many.
const PAUSE_SHARE: u32 = 50;
/// The longest pause until it answers.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// The pause once it answers.
const STEADY_PAUSE: Duration = Duration::from_secs(2);
/// How often in a row it may fail to answer before it counts.
const FORGIVEN: u32 = 2;
/// How long it may be silent before it is told why.
const EXPLAIN_AFTER: Duration = Duration::from_secs(3);
/// How often the log is told why a run is silent.
const EXPLANATIONS: u32 = 4;

/// Watches whether a run answers.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    pub(super) report: &'a Report,
    pub(super) running: &'a Running,
    /// How it is as a worker, which answers on no port.
    pub(super) worker: Option<watch::Receiver<Seen>>,
    pub(super) spec: &'a Spec,
    /// The phases up to the start; the last one is added here.
    pub(super) phases: Phases,
    pub(super) began: Instant,
    /// Whether it stands still: then it is not looked at.
    pub(super) frozen: watch::Receiver<bool>,
    /// What it said last, for who judges its end.
    pub(super) state: &'a watch::Sender<Readiness>,
}

/// What is known of a run's readiness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Readiness {
    /// It answered at least once.
    pub(super) ever: bool,
    /// Why it does not answer now, if that can be told.
    pub(super) hint: Option<String>,
}

/// What one look met.
enum Look {
    Answers,
    Silent(Silent),
    /// The run was frozen meanwhile, which is no fault of its own.
    Frozen(Silent),
}

impl Watch<'_> {
    /// Tells the log of every change, for as long as the run lasts. `started` is the event that comes first.
    pub(super) async fn run(&self, started: Command) -> Result<(), Superseded> {
        // The command boots while the log writes.
        let (said, ()) = tokio::join!(self.report.say("started", started), self.until_ready());
        said?;
        let mut turn = 0;
        loop {
            let mut phases = self.phases;
            if turn == 0 {
                phases.ready = micros(self.began.elapsed());
                eai_core::fail_point::reach("executor.answers");
            }
            let RunId { run, claim, .. } = self.report.run();
            let ready = Command::Ready(Ready { run, claim, phases });
            self.report.say(&format!("ready/{turn}"), ready).await?;
            eai_core::fail_point::reach("executor.ready");
            self.state.send_modify(|state| {
                state.ever = true;
                state.hint = None;
            });
            let reason = self.until_silent().await;
            let unready = Command::Unready(Unready { run, claim, reason });
            self.report.say(&format!("unready/{turn}"), unready).await?;
            turn += 1;
            self.until_ready().await;
        }
    }

    async fn until_ready(&self) {
        if let Some(worker) = &self.worker {
            return self.until_asked(worker.clone()).await;
        }
        let since = Instant::now();
        let (mut told, mut next) = (0, EXPLAIN_AFTER);
        loop {
            let (silent, frozen) = match self.look().await {
                Look::Answers => return,
                Look::Silent(silent) => (silent, false),
                Look::Frozen(silent) => (silent, true),
            };
            if !frozen && told < EXPLANATIONS && since.elapsed() > next {
                self.explain(&silent).await;
                told += 1;
                next *= 4;
            }
            let pause = since.elapsed() / PAUSE_SHARE;
            tokio::time::sleep(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
        }
    }

    /// A worker is ready once it has asked for a task. Whether it goes on is for its signs of life to tell.
    async fn until_asked(&self, mut worker: watch::Receiver<Seen>) {
        loop {
            let seen = worker.borrow_and_update().clone();
            if seen.ready {
                return;
            }
            if let Some(failure) = seen.failure {
                self.hint(failure).await;
            }
            if worker.changed().await.is_err() {
                // Nothing is heard of it any more: its end is heard elsewhere.
                return std::future::pending().await;
            }
        }
    }

    async fn until_silent(&self) -> String {
        if self.worker.is_some() {
            return std::future::pending().await;
        }
        let mut misses = 0;
        loop {
            tokio::time::sleep(STEADY_PAUSE).await;
            match self.look().await {
                Look::Answers | Look::Frozen(_) => misses = 0,
                Look::Silent(silent) if misses == FORGIVEN => return silent.to_string(),
                Look::Silent(_) => misses += 1,
            }
        }
    }

    /// Looks once whether it answers, when it goes on.
    async fn look(&self) -> Look {
        let mut frozen = self.frozen.clone();
        // Nobody is left to freeze it where there is an error.
        frozen.wait_for(|frozen| !*frozen).await.ok();
        match self.probe().await {
            Ok(()) => Look::Answers,
            // Held still within the look, it had no chance.
            Err(silent) if frozen.has_changed().unwrap_or(false) => Look::Frozen(silent),
            Err(silent) => Look::Silent(silent),
        }
    }

    async fn probe(&self) -> Result<(), Silent> {
        let path = self.spec.readiness.path.as_ref();
        probe(
            self.running,
            self.spec.port.get(),
            path.map(UrlPath::as_str),
        )
        .await
    }

    /// Says why a run is not ready, where that was not said yet.
    async fn explain(&self, silent: &Silent) {
        let listening = self.running.listening().await.unwrap_or_default();
        let loopback = self.running.reaches_loopback();
        let reason = explanation(self.spec.port.get(), silent, &listening, loopback);
        self.hint(reason).await;
    }

    async fn hint(&self, reason: String) {
        if self.state.borrow().hint.as_ref() == Some(&reason) {
            return;
        }
        self.state
            .send_modify(|state| state.hint = Some(reason.clone()));
        let RunId { run, claim, .. } = self.report.run();
        let what = format!("silent/{reason}");
        let unready = Command::Unready(Unready { run, claim, reason });
        // Who sees the run through finds out the same.
        drop(self.report.say(&what, unready).await);
    }
}

/// Why nothing answers, by who listens instead. `loopback` tells whether a loopback address is reached.
fn explanation(port: u16, silent: &Silent, listening: &[Listening], loopback: bool) -> String {
    if let Silent::Answer { .. } = silent {
        return silent.to_string();
    }
    let hidden = |found: &&Listening| found.port == port && found.address.is_loopback();
    if let Some(found) = listening.iter().find(hidden).filter(|_| !loopback) {
        return format!(
            "the job listens on {}:{port} only, where nobody outside its container reaches it: let it \
             listen on 0.0.0.0",
            found.address
        );
    }
    let others: Vec<_> = listening
        .iter()
        .filter(|found| found.port != port)
        .map(|found| found.port.to_string())
        .collect();
    if others.is_empty() {
        format!("nothing listens on port {port} yet")
    } else {
        let others = others.join(", ");
        format!(
            "nothing listens on port {port}, but the job listens on {others}: \
             set its port with `eai service update --port`, or let it listen on {port}"
        )
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ConnectError;

    #[test]
    fn another_port_is_told() {
        let refused = Silent::Connect(ConnectError::Refused(8080));
        let listening = [Listening {
            address: "127.0.0.1".parse().unwrap(),
            port: 3000,
        }];
        let text = explanation(8080, &refused, &listening, true);
        assert!(text.contains("the job listens on 3000"), "{text}");
        let text = explanation(8080, &refused, &[], false);
        assert_eq!(text, "nothing listens on port 8080 yet");
    }

    #[test]
    fn a_loopback_address_that_is_not_reached_is_told() {
        let refused = Silent::Connect(ConnectError::Refused(8080));
        let listening = [Listening {
            address: "127.0.0.1".parse().unwrap(),
            port: 8080,
        }];
        let text = explanation(8080, &refused, &listening, false);
        assert!(text.contains("listen on 0.0.0.0"), "{text}");
    }
}
