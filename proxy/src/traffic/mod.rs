//! What is open to each service, counted beside the requests, and told to the log when it is quiet or busy again.
//!
//! A request costs two counts and a look at the clock here. What the log has to know of it is told by a task of its own,
//! and what that would need after a death of the process is in a small file: see [`marks`](self).

mod counter;
mod marks;
mod scaler;
mod teller;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eai_core::ids::ServiceId;
use tokio::sync::mpsc;

use crate::api::Shared;
use counter::Counters;
use marks::Marks;

pub use counter::Open;
pub use scaler::Scaler;
pub use teller::Teller;

/// How many services may wake the teller at a time; the next request to one for which there was no room tries again.
const MOST_WAKES: usize = 1024;

/// Counts what is open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traffic {
    counters: Arc<Counters>,
}

/// Counters, and who tells the log of them. `usual` is the platform's idle timeout; `file` outlives the process.
pub fn open(platform: Shared, usual: Duration, file: &Path) -> (Traffic, Teller) {
    let (wake, woken) = mpsc::channel(MOST_WAKES);
    let counters = Arc::new(Counters::new(wake));
    let marks = match Marks::open(file) {
        Ok(marks) => marks,
        Err(error) => {
            let file = file.display();
            tracing::warn!(%error, %file, "traffic.marks: idle times count from now after a crash");
            Marks::nowhere()
        }
    };
    let teller = Teller::new(platform, Arc::clone(&counters), woken, usual, marks);
    (Traffic { counters }, teller)
}

// === impl Traffic ===

impl Traffic {
    /// Who tells the log how many replicas what is open asks for; fewer once they were enough for `window`.
    pub fn scaler(&self, platform: Shared, window: Duration) -> Scaler {
        Scaler::new(platform, Arc::clone(&self.counters), window)
    }

    /// Counts something that is open to a service until it is dropped. None where the service never was heard of.
    pub fn enter(&self, service: ServiceId) -> Option<Open> {
        self.counters.enter(service)
    }

    /// The same for a service that there is.
    pub fn enter_new(&self, service: ServiceId) -> Open {
        self.counters.enter_new(service)
    }
}
