//! Judges a run by its records alone: what clients were told, what the log has, what the views show.
//!
//! It has its own idea of what the platform may do and shares no decision or fold with it, so that one
//! mistake is not made twice.

mod counters;
mod executors;
mod report;
mod story;
mod timeline;
mod verify;
mod views;
mod world;

#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use report::Report;

use super::record::Record;
use story::Stories;
use world::World;

/// Judges a run.
pub fn check(record: &Record) -> Report {
    let world = World::fold(&record.log);
    let stories = Stories::tell(&record.calls);
    let mut report = Report {
        duplicate: world.duplicate.len() as u64,
        gaps: world.gaps.len() as u64,
        counters: Counters::count(record, &world, &stories),
        ..Report::default()
    };
    let of_log = [&world.gaps, &world.duplicate, &world.wrong];
    report
        .violations
        .extend(of_log.into_iter().flatten().cloned());
    report
        .violations
        .extend(world.executors.beyond(&record.faults));
    verify::verify(&world, &stories, &mut report);
    views::compare(&world, &record.views, &mut report.violations);
    report.missing = report.counters.missing(record.run.kills);
    report
}
