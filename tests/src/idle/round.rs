//! One round: every service is asked and left alone, perhaps with the platform killed meanwhile.

use std::time::Duration;

use futures::future::join_all;
use rand::RngExt;
use rand::rngs::StdRng;
use time::OffsetDateTime;
use tokio::sync::RwLock;

use super::cycle::{Asked, Cycle, last_of};
use super::options::Options;
use super::summary::{EXACT, Summary};
use crate::platform::Platform;
use crate::service::Service;
use crate::stored::{Stored, StoredEvent};
use crate::wait::within;

/// How long after everybody's time a stop may come that what is shown of a job did not tell yet.
const LATE_STOPS: Duration = Duration::from_secs(10);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(200);

/// What dies in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Platform,
    Nats,
    Both,
}

/// A round to be played.
#[derive(Clone, Debug)]
pub(super) struct Round {
    idle_timeout: Duration,
    cycles: Vec<Cycle>,
    fault: Fault,
    /// When it dies, after everybody was asked.
    later: Duration,
}

/// When there was no platform.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: OffsetDateTime,
    to: OffsetDateTime,
}

// === impl Round ===

impl Round {
    pub(super) fn choose(options: &Options, random: &mut StdRng) -> Self {
        let cycles = (0..options.services).map(|_| Cycle::choose(options.idle_timeout, random));
        let cycles = cycles.collect();
        let fault = match random.random_range(0..8) {
            0..=1 => Fault::Platform,
            2 => Fault::Nats,
            3 => Fault::Both,
            _ => Fault::None,
        };
        // At once, when least of it was told, or at any time until everything is over.
        let at_once = random.random_bool(0.4);
        let part = random.random_range(0.0..if at_once { 0.05 } else { 1.2 });
        Self {
            idle_timeout: options.idle_timeout,
            cycles,
            fault,
            later: options.idle_timeout.mul_f64(part),
        }
    }

    pub(super) async fn play(
        self,
        platform: &mut Platform,
        services: &[Service],
        summary: &mut Summary,
    ) {
        let before = Stored::of(platform).await.last().await;
        // Nobody asks while there is nobody to answer.
        let gate = RwLock::new(());
        let asks = services.iter().zip(&self.cycles).map(|(service, cycle)| {
            let gate = &gate;
            async move { within("a cycle", cycle.play(service, gate)).await }
        });
        let killed = async {
            tokio::time::sleep(self.later).await;
            let _nobody = gate.write().await;
            self.kill(platform)
        };
        let (asked, gap) = tokio::join!(join_all(asks), killed);
        summary.kills += u32::from(matches!(self.fault, Fault::Platform | Fault::Both));
        summary.nats_kills += u32::from(matches!(self.fault, Fault::Nats | Fault::Both));
        let documents = self.until_stopped(platform, before, &asked).await;
        for (service, asked) in services.iter().zip(asked) {
            summary.cycles += 1;
            summary.requests += asked.requests;
            summary.failed += u32::try_from(asked.failures.len()).unwrap_or(u32::MAX);
            for (sum, woken) in summary.woken.iter_mut().zip(asked.woken) {
                *sum += woken;
            }
            for failure in &asked.failures {
                wrong(summary, service, failure);
            }
            self.judge(summary, service, &asked, gap, &documents);
        }
    }

    /// Everything that was told in this round, once the last word of each job is that it was stopped.
    async fn until_stopped(
        &self,
        platform: &Platform,
        before: u64,
        asked: &[Asked],
    ) -> Vec<serde_json::Value> {
        let stored = Stored::of(platform).await;
        let patience = tokio::time::Instant::now() + self.idle_timeout + LATE_STOPS;
        loop {
            let events = stored.after(before).await;
            let documents: Vec<_> = events.iter().map(StoredEvent::document).collect();
            let all = asked.iter().all(|asked| asked.is_over(&documents));
            if all || tokio::time::Instant::now() > patience {
                return documents;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn kill(&self, platform: &mut Platform) -> Option<Gap> {
        if self.fault == Fault::Nats {
            platform.kill_nats();
        }
        if !matches!(self.fault, Fault::Platform | Fault::Both) {
            return None;
        }
        let from = OffsetDateTime::now_utc();
        platform.kill();
        if self.fault == Fault::Both {
            platform.kill_nats();
        }
        platform.up();
        let to = OffsetDateTime::now_utc();
        Some(Gap { from, to })
    }

    /// Whether its job was frozen and stopped on time.
    fn judge(
        &self,
        summary: &mut Summary,
        service: &Service,
        asked: &Asked,
        gap: Option<Gap>,
        events: &[serde_json::Value],
    ) {
        let Some(job) = &asked.stopped else {
            return wrong(summary, service, "its job was not stopped");
        };
        let stopped = last_of(events, job, "cancelling");
        let frozen = last_of(events, job, "frozen");
        let (Some(stopped), Some(frozen)) = (stopped, frozen) else {
            return wrong(summary, service, "its job was not frozen and then stopped");
        };
        let last = asked.last_byte;
        let away = |from: OffsetDateTime, to: OffsetDateTime| (to - from).whole_milliseconds();
        let mut due = last + self.idle_timeout;
        if let Some(gap) = gap.filter(|gap| gap.from <= due && due <= gap.to) {
            summary.overdue += 1;
            due = gap.to;
        }
        let late = away(due, stopped);
        summary.stops.push(late);
        // What was frozen late was not there to be frozen before.
        let half = last + self.idle_timeout / 2;
        if gap.is_none() {
            summary.freezes.push(away(half, frozen));
        }
        if late.abs() > EXACT {
            let (fault, later) = (self.fault, self.later);
            let story = story_of(events, &[job, &service.id]);
            let told = format!(
                "it was stopped {late} ms after its time: last byte {last}, {fault:?} {later:?} after the first requests \
                 ({gap:?}), stop {stopped}, {story}"
            );
            wrong(summary, service, &told);
        }
    }
}

/// What the log says of these, in short.
fn story_of(events: &[serde_json::Value], ids: &[&str]) -> String {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let about = events.iter().filter(|event| {
        let subject = text(&event["subject"]);
        ids.iter().any(|id| subject.ends_with(id))
    });
    let lines = about.map(|event| {
        let since = text(&event["data"]["since"]);
        format!("{} {} {since}", text(&event["time"]), text(&event["type"]))
    });
    lines.collect::<Vec<_>>().join("; ")
}

fn wrong(summary: &mut Summary, service: &Service, what: &str) {
    let round = summary.rounds;
    let told = format!("round {round}, {}: {what}", service.name);
    summary.violations.push(told);
}
