//! Sandboxes and containers that are made while the log still writes that their runs are wanted.
//!
//! The command of such a run is held until this executor has claimed it; where it does not get the claim, nothing
//! of it is left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eai_core::executor::Run as RunId;
use eai_core::job::{JobAggregate, Phases, Submitted};
use eai_core::log::live::Expected;
use eai_core::subject::Address;
use tokio::sync::{oneshot, watch};

use super::life::Life;
use super::{Shared, Wish, folder_name, image};

/// How long a run may be expected before its sandbox is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The runs that are expected, each with who waits for what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Early {
    runs: Mutex<HashMap<RunId, oneshot::Sender<Claim>>>,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The run is this executor's, and goes on with the sandbox.
    Won,
    /// It is not, or not this run.
    Lost,
}

// === impl Early ===

impl Early {
    /// Tells what became of the claim of a run, whether it was expected or not.
    pub(super) fn settle(&self, run: RunId, claim: Claim) {
        if let Some(waits) = self.runs().remove(&run) {
            // Who waited for it may have ended with the executor.
            waits.send(claim).ok();
        }
    }

    /// Whether a run is expected, and not settled yet.
    pub(super) fn expects(&self, run: RunId) -> bool {
        self.runs().contains_key(&run)
    }

    /// None where it is expected already.
    fn expect(&self, run: RunId) -> Option<oneshot::Receiver<Claim>> {
        let mut runs = self.runs();
        if runs.contains_key(&run) {
            return None;
        }
        let (told, waits) = oneshot::channel();
        runs.insert(run, told);
        Some(waits)
    }

    /// True where nobody else had settled it.
    fn give_up(&self, run: RunId) -> bool {
        self.runs().remove(&run).is_some()
    }

    fn all(&self) -> Vec<RunId> {
        self.runs().drain().map(|(run, _)| run).collect()
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, oneshot::Sender<Claim>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the sandbox of a run that is expected, and waits for what becomes of its claim.
pub(super) async fn make(shared: Arc<Shared>, expected: Arc<Expected>) {
    let backend = &shared.tools.backend;
    backend.expect();
    if !shared.may_claim() {
        return;
    }
    let Some((run, submitted)) = what(&shared, &expected).await else {
        return;
    };
    let spec = &submitted.configuration.spec;
    // Those take their time, and say so in the output of the run that asks for them; no request waits for a worker.
    let is_worker = submitted
        .service
        .as_ref()
        .is_some_and(|service| service.worker.is_some());
    if spec.requirements.is_some()
        || is_worker
        || !shared.has_room(spec.resources.mem.mebibytes().into())
    {
        return;
    }
    let image = image::of(&shared, &submitted);
    if !backend.makes_early(image.as_deref()).await {
        return;
    }
    let Some(claim) = shared.early.expect(run) else {
        return;
    };
    let life = Life::new(
        &shared,
        &expected.account,
        submitted,
        run,
        (Duration::ZERO, None),
        expected.traceparent,
    );
    let (_goes_on, mut wished) = watch::channel(Wish::GoOn);
    let made = async {
        let prepared = life.prepared(&mut Phases::default(), &mut wished).await;
        // Whoever claims the run comes to the same, and tells it.
        let (ordered, trees) = prepared.ok()?;
        let wanted = || shared.early.expects(run);
        backend.make_early(&ordered, wanted).await.ok()?;
        Some(trees)
    };
    let _trees = made.await;
    match tokio::time::timeout(PATIENCE, claim).await {
        Ok(Ok(Claim::Won)) => {}
        Ok(Ok(Claim::Lost)) => shared.discard(run).await,
        Ok(Err(_)) | Err(_) => {
            if shared.early.give_up(run) {
                shared.discard(run).await;
            }
        }
    }
}

/// Which run it will be, and of what.
async fn what(shared: &Shared, expected: &Expected) -> Option<(RunId, Submitted)> {
    let (submitted, claims) = if let Some(submitted) = &expected.submitted {
        (submitted.clone(), 0)
    } else {
        let address = Address::new(expected.account.clone(), "job", expected.job);
        let job = shared
            .tools
            .log
            .state::<JobAggregate>(&address)
            .await
            .ok()??;
        (job.submitted, job.claims)
    };
    let run = RunId {
        job: expected.job,
        run: expected.run,
        claim: claims + 1,
    };
    Some((run, submitted))
}

impl Shared {
    /// Removes the sandboxes of runs that were expected, and that nobody will claim here any more.
    pub(super) async fn expect_nothing(&self) {
        for run in self.early.all() {
            self.discard(run).await;
        }
    }

    /// Removes the sandbox of a run whose command never began, if there is one.
    pub(super) async fn discard(&self, run: RunId) {
        let name = folder_name(run);
        if let Err(error) = self.tools.backend.discard_early(&name).await {
            // It is found again, and removed, when the platform starts.
            tracing::warn!(run = name, %error, "run.early");
        }
    }
}
