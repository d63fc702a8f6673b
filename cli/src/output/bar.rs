//! The bar that shows how far bytes have come, if someone watches.

use indicatif::{ProgressBar, ProgressStyle};

use super::Progress;

/// How far bytes have come. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bar(ProgressBar);

impl Progress {
    /// A bar of so many bytes; nothing is shown where nobody watches.
    pub(crate) fn bar(self, total: u64) -> Bar {
        if !self.is_watched() || total == 0 {
            return Bar(ProgressBar::hidden());
        }
        let template = "{bar:30} {bytes}/{total_bytes} ({bytes_per_sec}, {eta})";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Bar(ProgressBar::new(total).with_style(style))
    }
}

// === impl Bar ===

impl Bar {
    /// More bytes have come.
    pub(crate) fn add(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// All bytes have come: the bar goes.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
