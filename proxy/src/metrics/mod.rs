//! What the platform tells a monitoring system about itself. It changes nothing and decides nothing.
//!
//! Most values are looked up when they are asked for. What is counted as it happens is counted where requests wait
//! anyway: a warm request comes by none of it.

mod names;
mod registry;
mod scrape;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec};

pub(crate) use scrape::scrape;

use crate::ingress::ColdStart;

/// From a run that was thawed to one whose image had to be pulled, in seconds.
const BUCKETS: [f64; 15] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];
const PHASES: [&str; 8] = [
    "queue", "image", "data", "create", "start", "ready", "thaw", "total",
];

/// What is counted as it happens.
#[derive(Debug)]
pub struct Meters {
    family: HistogramVec,
    /// By phase: whoever observes looks nothing up.
    phases: [Histogram; PHASES.len()],
    failed: AtomicU64,
    waiting: AtomicU64,
}

/// A request that is held, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'m>(&'m Meters);

// === impl Meters ===

impl Default for Meters {
    fn default() -> Self {
        let metric = names::COLD_START;
        let options = HistogramOpts::new(metric.name, metric.help).buckets(BUCKETS.to_vec());
        let family = HistogramVec::new(options, metric.labels)
            .expect("a name, labels and buckets that are in order");
        let phases = PHASES.map(|phase| family.with_label_values(&[phase]));
        Self {
            family,
            phases,
            failed: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        }
    }
}

impl Meters {
    /// A request is held from now on.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    /// A request was held so long, and goes on.
    pub(crate) fn started(&self, start: &ColdStart, total: Duration) {
        let ColdStart {
            queue,
            image,
            data,
            create,
            start,
            ready,
            thaw,
        } = *start;
        // A thaw has no other phase, and a start no thaw.
        let is_thaw = !thaw.is_zero();
        let parts = [queue, image, data, create, start, ready, thaw, total];
        for (index, (histogram, part)) in self.phases.iter().zip(parts).enumerate() {
            let is_of = match PHASES[index] {
                "total" => true,
                "thaw" => is_thaw,
                _ => !is_thaw,
            };
            if is_of {
                histogram.observe(part.as_secs_f64());
            }
        }
    }

    /// A request was held for nothing.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
