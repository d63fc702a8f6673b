//! Containers that are made before it is known whether their runs are wanted.
//!
//! Nothing of them begins: a container that was made and never started is what is left where a run is not claimed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::engine::{Error, until_answered};
use super::error::StartError;
use super::label::Label;
use super::running::remove;
use super::start::Docker;
use super::state::{Status, look};
use crate::backend::Run;

/// The containers that this process made early, by the names of their runs.
#[derive(Debug, Default)]
pub(super) struct Early {
    made: Mutex<BTreeMap<String, Made>>,
}

/// A container that never began.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) address: Ipv4Addr,
}

// === impl Early ===

impl Early {
    /// The container of a run, if one was made early; it is told once.
    pub(super) fn take(&self, run: &str) -> Option<Made> {
        self.made().remove(run)
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<String, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Docker ===

impl Docker {
    /// Makes the container of a run as long as it is `wanted`, unless one has its name. It begins with
    /// [`Docker::start`].
    pub async fn make_early(&self, run: &Run, wanted: impl Fn() -> bool) -> Result<(), StartError> {
        run.check()?;
        let label = Label::of(&run.name)?;
        let make = async {
            if !wanted() || run.runtime.is_some() {
                return Ok(());
            }
            match self.make_new(run, &label).await {
                Ok(made) => {
                    self.early.made().insert(run.name.clone(), made);
                    Ok(())
                }
                // What has the name is looked at by who claimed the run.
                Err(error) if error.status() == Some(409) => Ok(()),
                Err(error) => Err(error.into()),
            }
        };
        self.starting.take(label.container(), make).await
    }

    /// Removes the container that was made early for a run, if it never began.
    pub async fn discard_early(&self, name: &str) -> Result<(), Error> {
        let Ok(label) = Label::of(name) else {
            return Ok(());
        };
        let discard = async {
            let Some(made) = self.early.take(name) else {
                return Ok(());
            };
            match look(&self.engine, &made.id).await? {
                Some(seen) if seen.status == Status::Made => remove(&self.engine, &made.id).await,
                Some(_) | None => Ok(()),
            }
        };
        self.starting.take(label.container(), discard).await
    }

    async fn make_new(&self, run: &Run, label: &Label) -> Result<Made, Error> {
        let (address, _) = until_answered(|| self.network.address(&self.engine)).await?;
        let id = self.create(label, self.body(run, label, address)).await?;
        Ok(Made { id, address })
    }
}
