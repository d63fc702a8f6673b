//! Every metric of the platform: its name, what it means and what it is told apart by. Nothing else spells a name.

use super::registry::{Kind, Metric};

macro_rules! metrics {
    ($($name:ident: $kind:ident, $metric:literal, [$($label:literal),*], $help:literal;)*) => {
        $(pub(super) const $name: Metric = Metric {
            kind: Kind::$kind,
            name: $metric,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[Metric] = &[$($name),*];
    };
}

metrics! {
    BUILD_INFO: Gauge, "eai_build_info", ["version", "backend"],
        "1, with the version of the platform and what its jobs run with.";
    COLD_START: Histogram, "eai_cold_start_seconds", ["phase"],
        "How long requests were held for each phase of a start, by request.";
    HELD_FAILED: Counter, "eai_held_requests_failed_total", [],
        "Requests that were held for a start and got an error.";
    WAITING: Gauge, "eai_requests_waiting", [],
        "Requests that are held now until a job is ready.";
    IN_FLIGHT: Gauge, "eai_requests_in_flight", [],
        "Requests, streams and WebSockets that jobs have now.";
    SERVICES: Gauge, "eai_services", ["status"],
        "Services by status.";
    RUNS: Gauge, "eai_runs", ["state"],
        "Runs of jobs that are alive, by state.";
    FROZEN: Gauge, "eai_runs_frozen", [],
        "Runs that are held still, since nobody asks for them.";
    TASKS: Gauge, "eai_tasks", ["state"],
        "Tasks of queues by state; those that ended stay until they are removed.";
    DEAD: Gauge, "eai_tasks_dead", [],
        "Failed tasks that used up their retries.";
    EXECUTORS: Gauge, "eai_executors", ["state"],
        "Executors by state.";
    CONFLICTS: Counter, "eai_command_conflicts_total", ["log"],
        "Appends that another command overtook, and that were decided again.";
    POLICY_FAILURES: Counter, "eai_policy_failures_total", [],
        "How often a policy could not do what it meant; it tries again.";
    STUCK: Gauge, "eai_policies_stuck", ["policy"],
        "For how many things a policy could not do what it meant when it tried last.";
    LOG_UP: Gauge, "eai_log_up", [],
        "1 if the event log answers.";
    LOG_EVENTS: Gauge, "eai_log_last_sequence", [],
        "The sequence of the newest event; absent while the log does not answer.";
    LOG_BYTES: Gauge, "eai_log_size_bytes", ["log"],
        "What a log has on the disk.";
    LOG_MOST: Gauge, "eai_log_limit_bytes", ["log"],
        "What a log may have at most; user commands are refused from nine tenths on.";
    LAG: Gauge, "eai_projection_lag_events", ["projection"],
        "How many events a projection is behind the log; absent while the log does not answer.";
    HALTED: Gauge, "eai_views_halted", [],
        "1 if the views stopped, since the log or their file is damaged.";
    UNREADABLE: Gauge, "eai_events_unreadable", [],
        "Events of a newer version, which nothing follows from; absent while the views are halted.";
}
