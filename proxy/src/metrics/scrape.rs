//! One scrape: what the platform is at the moment, as numbers, and those printed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use eai_core::executor::Standing;
use eai_core::job::Phase;
use eai_core::log::{Log, PolicyName};
use eai_core::service::Status;
use tokio::time::timeout;

use super::Meters;
use super::names;
use super::registry::Page;
use crate::api::Shared;

/// How long the log may take to say how long it is.
const ANSWER_TIME: Duration = Duration::from_secs(2);

const ALIVE: [Phase; 4] = [
    Phase::Queuing,
    Phase::Queued,
    Phase::Running,
    Phase::Cancelling,
];
const STATUS: [Status; 3] = [Status::On, Status::Off, Status::Deactivated];
const STANDING: [Standing; 4] = [
    Standing::Active,
    Standing::Draining,
    Standing::Lost,
    Standing::Stopped,
];
const TASK_STATES: [&str; 5] = ["pending", "running", "done", "failed", "cancelled"];

/// Counts by a label's value.
type Counts = BTreeMap<String, u64>;

/// The platform as numbers. What is not known is absent.
#[derive(Debug, Default)]
struct Numbers {
    version: String,
    backend: String,
    in_flight: u64,
    services: Counts,
    runs: Counts,
    frozen: u64,
    tasks: [u64; TASK_STATES.len()],
    dead: u64,
    executors: Counts,
    conflicts: [(&'static str, u64); 2],
    policy_failures: u64,
    stuck: Vec<(&'static str, u64)>,
    log_up: bool,
    last: Option<u64>,
    usage: [(&'static str, (u64, u64)); 2],
    lag: Vec<(&'static str, u64)>,
    halted: bool,
    unreadable: Option<u64>,
}

/// The page of a platform.
pub(crate) async fn scrape(platform: &Shared) -> prometheus::Result<String> {
    let numbers = Numbers::of(platform).await;
    print(&numbers, &platform.meters)
}

// === impl Numbers ===

impl Numbers {
    async fn of(platform: &Shared) -> Self {
        let (log, tasks) = (&platform.log, platform.tasks.log());
        // Read before the log is asked, so that a projection is never ahead of it by more than what came meanwhile.
        let reached = [
            ("views", platform.views.sequence()),
            ("live", platform.live.sequence()),
        ];
        let last = timeout(ANSWER_TIME, log.last_sequence()).await;
        let last = last.ok().and_then(Result::ok);
        let lag = last.into_iter().flat_map(|last| {
            reached.map(|(projection, reached)| (projection, last.saturating_sub(reached)))
        });
        let stuck = |policy: PolicyName| {
            let things = log.meters().stuck(policy) as u64;
            (policy.as_str(), things)
        };
        let mut numbers = Self {
            version: platform.facts.version.clone(),
            backend: platform.facts.backend.clone(),
            conflicts: of_logs(log, tasks, |log| log.meters().conflicts()),
            policy_failures: log.meters().failures(),
            stuck: PolicyName::ALL.map(stuck).to_vec(),
            log_up: last.is_some(),
            last,
            usage: of_logs(log, tasks, Log::usage),
            lag: lag.collect(),
            halted: platform.views.halted().is_some(),
            unreadable: platform.views.unreadable().await.ok(),
            ..Self::empty()
        };
        numbers.count(platform);
        numbers
    }

    /// Every state with nothing in it.
    fn empty() -> Self {
        let none = |name: String| (name, 0);
        Self {
            services: STATUS.map(|status| none(status.to_string())).into(),
            runs: ALIVE.map(|phase| none(lower(phase))).into(),
            executors: STANDING.map(|state| none(state.to_string())).into(),
            ..Self::default()
        }
    }

    fn count(&mut self, platform: &Shared) {
        for service in platform.live.services() {
            one(&mut self.services, &service.status.to_string());
        }
        for job in platform.live.jobs() {
            self.in_flight += job.flights.count() as u64;
            if job.phase.is_alive() {
                one(&mut self.runs, &lower(job.phase));
                self.frozen += u64::from(job.frozen);
            }
        }
        for executor in platform.live.executors() {
            one(&mut self.executors, &executor.standing().to_string());
        }
        for service in platform.tasks.services() {
            let counts = platform.tasks.counts(service.id);
            let states = [
                counts.pending,
                counts.running,
                counts.done,
                counts.failed,
                counts.cancelled,
            ];
            for (sum, count) in self.tasks.iter_mut().zip(states) {
                *sum += count as u64;
            }
            self.dead += counts.dead as u64;
        }
    }
}

fn of_logs<T>(events: &Log, tasks: &Log, ask: impl Fn(&Log) -> T) -> [(&'static str, T); 2] {
    [("events", ask(events)), ("tasks", ask(tasks))]
}

fn lower(phase: Phase) -> String {
    phase.to_string().to_ascii_lowercase()
}

/// One more of a state; a state that is not told here, such as that of a service that is no more, is nobody's.
fn one(counts: &mut Counts, state: &str) {
    if let Some(count) = counts.get_mut(state) {
        *count += 1;
    }
}

/// The page.
fn print(numbers: &Numbers, meters: &Meters) -> prometheus::Result<String> {
    let page = Page::default();
    let info = [numbers.version.as_str(), numbers.backend.as_str()];
    page.put(&names::BUILD_INFO, [(info, 1)])?;
    page.add(meters.family.clone())?;
    page.put(
        &names::HELD_FAILED,
        [([], meters.failed.load(Ordering::Relaxed))],
    )?;
    page.put(
        &names::WAITING,
        [([], meters.waiting.load(Ordering::Relaxed))],
    )?;
    page.put(&names::IN_FLIGHT, [([], numbers.in_flight)])?;
    page.put(&names::SERVICES, by_name(&numbers.services))?;
    page.put(&names::RUNS, by_name(&numbers.runs))?;
    page.put(&names::FROZEN, [([], numbers.frozen)])?;
    let tasks = TASK_STATES.into_iter().zip(numbers.tasks);
    page.put(&names::TASKS, tasks.map(|(state, count)| ([state], count)))?;
    page.put(&names::DEAD, [([], numbers.dead)])?;
    page.put(&names::EXECUTORS, by_name(&numbers.executors))?;
    page.put(&names::CONFLICTS, labelled(&numbers.conflicts))?;
    page.put(&names::POLICY_FAILURES, [([], numbers.policy_failures)])?;
    page.put(&names::STUCK, labelled(&numbers.stuck))?;
    page.put(&names::LOG_UP, [([], u64::from(numbers.log_up))])?;
    page.put(&names::LOG_EVENTS, numbers.last.map(|last| ([], last)))?;
    let usage = |limit: bool| {
        let usage = numbers.usage.iter();
        usage.map(move |(log, (used, most))| ([*log], if limit { *most } else { *used }))
    };
    page.put(&names::LOG_BYTES, usage(false))?;
    page.put(&names::LOG_MOST, usage(true))?;
    page.put(&names::LAG, labelled(&numbers.lag))?;
    page.put(&names::HALTED, [([], u64::from(numbers.halted))])?;
    page.put(
        &names::UNREADABLE,
        numbers.unreadable.map(|count| ([], count)),
    )?;
    page.print()
}

fn by_name(counts: &Counts) -> impl Iterator<Item = ([&str; 1], u64)> {
    counts.iter().map(|(name, count)| ([name.as_str()], *count))
}

fn labelled<'v>(
    values: &'v [(&'static str, u64)],
) -> impl Iterator<Item = ([&'static str; 1], u64)> + 'v {
    values.iter().map(|(label, value)| ([*label], *value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingress::ColdStart;
    use crate::metrics::registry::Kind;

    fn full() -> Numbers {
        Numbers {
            conflicts: [("events", 1), ("tasks", 2)],
            usage: [("events", (3, 4)), ("tasks", (5, 6))],
            stuck: vec![("queue", 7)],
            lag: vec![("views", 8)],
            last: Some(9),
            unreadable: Some(10),
            ..Numbers::empty()
        }
    }

    #[test]
    fn every_metric_is_on_the_page_and_nothing_else_is() {
        let page = print(&full(), &Meters::default()).unwrap();
        let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut found: Vec<_> = types.collect();
        let kind = |kind| match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let mut wanted: Vec<_> = names::ALL
            .iter()
            .map(|metric| format!("{} {}", metric.name, kind(metric.kind)))
            .collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        for line in [
            "eai_command_conflicts_total{log=\"tasks\"} 2",
            "eai_log_limit_bytes{log=\"events\"} 4",
            "eai_projection_lag_events{projection=\"views\"} 8",
            "eai_policies_stuck{policy=\"queue\"} 7",
            "eai_runs{state=\"queuing\"} 0",
        ] {
            assert!(
                page.lines().any(|printed| printed == line),
                "{line}\n{page}"
            );
        }
    }

    #[test]
    fn names_say_their_unit() {
        for metric in names::ALL {
            let (name, counts) = (metric.name, metric.kind == Kind::Counter);
            assert!(name.starts_with("eai_"), "{name}");
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            assert!(metric.help.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn the_page_of_the_documentation_has_every_metric_as_it_is() {
        let page = include_str!("../../../docs/metrics.md");
        let (table, _) = page.split_once("## What to watch").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `eai_"));
        let mut found: Vec<_> = rows.collect();
        let mut wanted: Vec<_> = names::ALL.iter().map(row).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(
            found, wanted,
            "docs/metrics.md is not what proxy/src/metrics/names.rs says"
        );
    }

    fn row(metric: &crate::metrics::registry::Metric) -> String {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        format!(
            "| `{}` | {kind} | {} | {} |",
            metric.name,
            labels.join(", "),
            metric.help
        )
    }

    #[test]
    fn a_start_and_a_thaw_are_told_apart() {
        let (meters, ms) = (Meters::default(), Duration::from_millis);
        let start = ColdStart {
            ready: ms(20),
            ..ColdStart::default()
        };
        let held = meters.hold();
        assert_eq!(meters.waiting.load(Ordering::Relaxed), 1);
        drop(held);
        assert_eq!(meters.waiting.load(Ordering::Relaxed), 0);
        meters.started(&start, ms(30));
        let thaw = ColdStart {
            thaw: ms(3),
            ..ColdStart::default()
        };
        meters.started(&thaw, ms(3));
        let page = print(&full(), &meters).unwrap();
        for line in [
            "eai_cold_start_seconds_count{phase=\"ready\"} 1",
            "eai_cold_start_seconds_bucket{phase=\"ready\",le=\"0.01\"} 0",
            "eai_cold_start_seconds_bucket{phase=\"ready\",le=\"0.025\"} 1",
            "eai_cold_start_seconds_count{phase=\"thaw\"} 1",
            "eai_cold_start_seconds_count{phase=\"total\"} 2",
        ] {
            assert!(
                page.lines().any(|printed| printed == line),
                "{line}\n{page}"
            );
        }
    }
}
