//! The health of services as gauges, in the text format of Prometheus.

use super::{Health, Sla, Status};

/// A gauge: its name, what it means, and its value.
type Gauge = (&'static str, &'static str, fn(&Health, &Sla) -> String);

const GAUGES: [Gauge; 9] = [
    (
        "agilab_service_workers_running_count",
        "Workers that work.",
        |health, _| health.workers_running_count.to_string(),
    ),
    (
        "agilab_service_workers_unhealthy_count",
        "Workers with which something is wrong.",
        |health, _| health.workers_unhealthy_count.to_string(),
    ),
    (
        "agilab_service_workers_restarted_count",
        "Workers that were replaced in the last ten minutes.",
        |health, _| health.workers_restarted_count.to_string(),
    ),
    (
        "agilab_service_restart_rate",
        "The share of the wanted workers that were replaced in the last ten minutes.",
        |health, _| format!("{:.6}", health.restart_rate()),
    ),
    (
        "agilab_service_health_gate_pass",
        "Whether the health is good enough.",
        |health, sla| u8::from(health.gate(sla).passes()).to_string(),
    ),
    (
        "agilab_service_health_gate_code",
        "Why it is not: 2 unhealthy workers, 3 status, 4 idle, 5 restarts.",
        |health, sla| health.gate(sla).code.to_string(),
    ),
    (
        "agilab_service_sla_allow_idle",
        "Whether a service with nothing to do passes.",
        |_, sla| u8::from(sla.allow_idle).to_string(),
    ),
    (
        "agilab_service_sla_max_unhealthy",
        "How many workers may be unhealthy.",
        |_, sla| sla.max_unhealthy.to_string(),
    ),
    (
        "agilab_service_sla_max_restart_rate",
        "The share of workers that may have been replaced.",
        |_, sla| format!("{:.6}", sla.max_restart_rate),
    ),
];

const STATUS: &str = "agilab_service_status";
const UNKNOWN: &str = "unknown";

/// A service's health, what is good enough for it, and labels beside `app` and `target`.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Labels that come first.
    pub labels: Vec<(&'static str, String)>,
    /// Its health.
    pub health: Health,
    /// What is good enough.
    pub sla: Sla,
}

/// The gauges of some services, one family after the other.
pub fn prometheus(services: &[Measured]) -> String {
    let mut text = Vec::new();
    for (name, help, value) in GAUGES {
        head(&mut text, name, help);
        for service in services {
            let (labels, value) = (service.labels(None), value(&service.health, &service.sla));
            line(&mut text, name, &labels, &value);
        }
    }
    head(&mut text, STATUS, "1 for the status that a service has.");
    for service in services {
        let status = match service.health.status.as_str() {
            "" => UNKNOWN,
            status => status,
        };
        let known = Status::ALL.map(Status::as_str).into_iter().chain([UNKNOWN]);
        let mut states: Vec<&str> = known.collect();
        if !states.contains(&status) {
            states.push(status);
        }
        for state in states {
            let labels = service.labels(Some(state));
            line(
                &mut text,
                STATUS,
                &labels,
                &u8::from(state == status).to_string(),
            );
        }
    }
    text.concat()
}

impl Measured {
    fn labels(&self, state: Option<&str>) -> String {
        let own = self
            .labels
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let health = [
            ("app", self.health.app.as_str()),
            ("target", self.health.target.as_str()),
        ];
        let state = state.map(|state| ("state", state));
        let labels = own.chain(health).chain(state);
        let labels: Vec<_> = labels
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        labels.join(",")
    }
}

fn head(text: &mut Vec<String>, name: &str, help: &str) {
    text.push(format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
}

fn line(text: &mut Vec<String>, name: &str, labels: &str, value: &str) {
    text.push(format!("{name}{{{labels}}} {value}\n"));
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
