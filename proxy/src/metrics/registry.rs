//! Metrics as they are printed: a page is made for each scrape, so that nothing old stays on it.

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};

/// What a metric's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// One page.
#[derive(Debug, Default)]
pub(super) struct Page {
    registry: Registry,
}

// === impl Page ===

impl Page {
    /// What is counted as it happens.
    pub(super) fn add(
        &self,
        counted: impl prometheus::core::Collector + 'static,
    ) -> prometheus::Result<()> {
        self.registry.register(Box::new(counted))
    }

    /// Values by their labels.
    pub(super) fn put<'l, const LABELS: usize>(
        &self,
        metric: &Metric,
        values: impl IntoIterator<Item = ([&'l str; LABELS], u64)>,
    ) -> prometheus::Result<()> {
        let options = Opts::new(metric.name, metric.help);
        if metric.kind == Kind::Counter {
            let family = IntCounterVec::new(options, metric.labels)?;
            for (labels, value) in values {
                family.get_metric_with_label_values(&labels)?.inc_by(value);
            }
            return self.add(family);
        }
        let family = GaugeVec::new(options, metric.labels)?;
        for (labels, value) in values {
            let gauge = family.get_metric_with_label_values(&labels)?;
            gauge.set(exact(value));
        }
        self.add(family)
    }

    /// The page, in the text format of Prometheus.
    pub(super) fn print(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Exact up to 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "no count is that large")]
fn exact(value: u64) -> f64 {
    value as f64
}
