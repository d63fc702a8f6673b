//! `eai service` for services with a queue: scale, stop, status, health, snapshot.

use std::path::Path;
use std::time::Duration;

use eai_core::health::{Health, Measured, Sla, Snapshot, prometheus};
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::resource::qualified;
use super::service::SERVICE;
use crate::args::{
    FormatArg, HealthArgs, HealthFormat, QueueArgs, ScaleArgs, SlaArgs, SnapshotArgs, StatusArgs,
    StopArgs, TermsArgs, WorkerArgs,
};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::files;
use crate::output::{Printer, RowWriter};

/// What stands before each line about a check: what scripts look for.
const CHECK: &str = "[service_health_check]";
/// What is shown of a status.
const STATUS_COLUMNS: &[&str] = &[
    "status",
    "workers_running_count",
    "workers_pending_count",
    "workers_unhealthy_count",
    "workers_restarted_count",
    "queue.pending",
    "queue.running",
    "queue.failed",
];

/// The queue of a new service as the API takes it.
pub(super) fn queue(args: &QueueArgs, terms: &TermsArgs) -> Option<Value> {
    let mut queue = Map::new();
    if !args.queue {
        return None;
    }
    queue.insert("workers".to_owned(), args.workers.unwrap_or(1).into());
    for (field, time) in [
        ("heartbeatTimeoutMs", args.heartbeat_timeout),
        ("stopTimeoutMs", args.stop_timeout),
        (
            "idleTimeoutMs",
            terms.idle_timeout.filter(|time| !time.is_zero()),
        ),
    ] {
        if let Some(time) = time {
            queue.insert(field.to_owned(), milliseconds(time).into());
        }
    }
    Some(queue.into())
}

/// On what terms a service keeps its job, as the API takes them; those of a new queue are its own.
pub(super) fn terms(args: &TermsArgs) -> impl Iterator<Item = (&'static str, Value)> {
    let time = args.idle_timeout.map(|time| milliseconds(time).into());
    let fields = [
        ("idleTimeoutMs", time),
        ("minReady", args.min_ready.map(Value::from)),
        (
            "replicas",
            args.replicas
                .map(|(min, max)| json!({ "min": min, "max": max })),
        ),
        ("concurrency", args.concurrency.map(Value::from)),
    ];
    fields
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)))
}

/// The code of a worker as the API takes it.
pub(super) fn worker(args: &WorkerArgs) -> Option<Value> {
    match (&args.handler, &args.agi_worker) {
        (Some(handler), _) => Some(json!({ "handler": handler })),
        (None, Some(class)) => Some(json!({ "agiWorker": class })),
        (None, None) => None,
    }
}

pub(super) async fn scale(
    args: ScaleArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let call = Call::command(&[SERVICE.path, &reference, "scale"], 0);
    let row = client
        .row(call.body(json!({ "workers": args.workers })))
        .await?;
    SERVICE.print(&[row], args.output, printer)
}

pub(super) async fn stop(
    args: StopArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let mut query = Vec::new();
    if args.no_shutdown {
        query.push(("keepWorkers", "true".to_owned()));
    }
    if let Some(timeout) = args.timeout {
        query.push(("timeoutMs", milliseconds(timeout).to_string()));
    }
    let refs = crate::args::RefsArgs {
        refs: args.refs,
        output: args.output,
    };
    SERVICE
        .act_with("stop", &query, refs, client, printer)
        .await
}

pub(super) async fn status(
    args: StatusArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let row = client
        .row(Call::get(&[SERVICE.path, &reference, "status"]))
        .await?;
    let view = args.output.view(FormatArg::Table);
    RowWriter::new(view, STATUS_COLUMNS).write(printer, &[row])?;
    Ok(ExitStatus::Success)
}

pub(super) async fn health(
    args: HealthArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match asked(&args, client, printer).await {
        // Whoever checks looks for this line, whatever went wrong.
        Err(error) if args.check && !matches!(error, Error::BrokenPipe) => {
            let line = format!("{CHECK} ERROR: {error}\n");
            printer.written_aside(line.as_bytes())?;
            Ok(ExitStatus::Failure)
        }
        ended => ended,
    }
}

async fn asked(
    args: &HealthArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let sla = sla(&args.sla)?;
    let mut health = ask(&args.reference, client).await?;
    if let Some(path) = &args.output {
        health.path = None;
        write(path, &(pretty(&health)? + "\n"))?;
        health.path = Some(path.display().to_string());
    }
    match args.format {
        HealthFormat::Json => printer.line(&pretty(&health)?)?,
        HealthFormat::Prometheus => {
            let measured = Measured {
                labels: Vec::new(),
                health: health.clone(),
                sla,
            };
            printer.written(prometheus(&[measured]).as_bytes())?;
        }
    }
    if !args.check {
        return Ok(ExitStatus::Success);
    }
    let verdict = health.gate(&sla);
    let word = if verdict.passes() { "OK" } else { "FAIL" };
    let line = format!("{CHECK} {word}: {}\n", verdict.reason);
    printer.written_aside(line.as_bytes())?;
    Ok(ExitStatus::of_gate(verdict.code))
}

pub(super) async fn snapshot(
    args: SnapshotArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let sla = sla(&args.sla)?;
    let health = ask(&args.reference, client).await?;
    let text = pretty(&Snapshot::new(&health, &sla, local_time()))?;
    match &args.output {
        Some(path) => write(path, &(text + "\n"))?,
        None => printer.line(&text)?,
    }
    Ok(ExitStatus::Success)
}

async fn ask(reference: &str, client: &mut Client) -> Result<Health, Error> {
    let reference = qualified(reference, client.account());
    client
        .answer(Call::get(&[SERVICE.path, &reference, "health"]))
        .await
}

/// What is good enough: flags before the file, the file before what is usual.
fn sla(args: &SlaArgs) -> Result<Sla, Error> {
    let mut sla = match &args.settings {
        Some(path) => from_file(&read(path)?)?,
        None => Sla::default(),
    };
    if args.allow_idle || args.no_allow_idle {
        sla.allow_idle = args.allow_idle;
    }
    sla.allow_stopped |= args.allow_stopped;
    if let Some(most) = args.max_unhealthy {
        sla.max_unhealthy = u64::try_from(most).unwrap_or(0);
    }
    if let Some(rate) = args.max_restart_rate {
        sla.max_restart_rate = Sla::restart_rate(rate);
    }
    Ok(sla)
}

/// The same from a file; a value that is none is as usual.
fn from_file(text: &str) -> Result<Sla, Error> {
    let file: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Error::Usage(format!("the settings cannot be read: {error}"))
    })?;
    let usual = Sla::default();
    let value = |name: &str| file.get("cluster")?.get("service_health")?.get(name);
    let max_unhealthy = value("max_unhealthy").and_then(integer);
    Ok(Sla {
        allow_idle: value("allow_idle")
            .and_then(flag)
            .unwrap_or(usual.allow_idle),
        allow_stopped: value("allow_stopped")
            .and_then(flag)
            .unwrap_or(usual.allow_stopped),
        max_unhealthy: max_unhealthy.unwrap_or(usual.max_unhealthy),
        max_restart_rate: value("max_restart_rate")
            .and_then(number)
            .map_or(usual.max_restart_rate, Sla::restart_rate),
    })
}

fn flag(value: &toml::Value) -> Option<bool> {
    match value {
        toml::Value::Boolean(flag) => Some(*flag),
        toml::Value::Integer(1) => Some(true),
        toml::Value::Integer(0) => Some(false),
        toml::Value::String(text) => match text.trim().to_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &toml::Value) -> Option<u64> {
    match value {
        toml::Value::Integer(number) => u64::try_from(*number).ok(),
        toml::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn number(value: &toml::Value) -> Option<f64> {
    match value {
        toml::Value::Float(number) => Some(*number),
        toml::Value::Integer(number) => i32::try_from(*number).ok().map(f64::from),
        toml::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Two spaces a level, keys in order.
fn pretty(value: &impl Serialize) -> Result<String, Error> {
    let value = serde_json::to_value(value).map(sorted);
    let text = value.and_then(|value| serde_json::to_string_pretty(&value));
    text.map_err(|error| Error::Output(error.into()))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let in_order: std::collections::BTreeMap<_, _> = map.into_iter().collect();
            let pairs = in_order
                .into_iter()
                .map(|(key, value)| (key, sorted(value)));
            Value::Object(pairs.collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Never half written for whoever reads it.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| files::Error::Write {
        path: path.to_owned(),
        source,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    std::fs::write(&beside, text).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    Ok(())
}

fn read(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| files::Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(text)
}

fn local_time() -> String {
    let now = OffsetDateTime::now_local().unwrap_or_else(|_| OffsetDateTime::now_utc());
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    now.format(format).unwrap_or_default()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Sla {
        from_file(&format!("[cluster.service_health]\n{text}")).unwrap()
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let usual = Sla::default();
        for (text, expected) in [
            ("", usual),
            (
                "allow_idle = true",
                Sla {
                    allow_idle: true,
                    ..usual
                },
            ),
            (
                "allow_idle = \"Yes\"",
                Sla {
                    allow_idle: true,
                    ..usual
                },
            ),
            (
                "allow_idle = \"1\"",
                Sla {
                    allow_idle: true,
                    ..usual
                },
            ),
            (
                "allow_idle = \"on\"\nallow_stopped = 1",
                Sla {
                    allow_idle: true,
                    allow_stopped: true,
                    ..usual
                },
            ),
            ("allow_idle = \"off\"", usual),
            ("allow_idle = \"perhaps\"", usual),
            (
                "max_unhealthy = 3",
                Sla {
                    max_unhealthy: 3,
                    ..usual
                },
            ),
            (
                "max_unhealthy = \"3\"",
                Sla {
                    max_unhealthy: 3,
                    ..usual
                },
            ),
            ("max_unhealthy = -3", usual),
            ("max_unhealthy = []", usual),
            (
                "max_restart_rate = 0.5",
                Sla {
                    max_restart_rate: 0.5,
                    ..usual
                },
            ),
            (
                "max_restart_rate = 7",
                Sla {
                    max_restart_rate: 1.0,
                    ..usual
                },
            ),
            (
                "max_restart_rate = -1.0",
                Sla {
                    max_restart_rate: 0.0,
                    ..usual
                },
            ),
            ("max_restart_rate = \"often\"", usual),
            ("max_restart_rate = nan", usual),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
        assert_eq!(from_file("").unwrap(), usual);
        assert_eq!(from_file("cluster = 1").unwrap(), usual);
        assert!(from_file("[cluster").is_err());
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app_settings.toml");
        let text = "[cluster.service_health]\nallow_idle = true\nmax_unhealthy = 3\nmax_restart_rate = 0.5\n";
        std::fs::write(&path, text).unwrap();
        let args = SlaArgs {
            no_allow_idle: true,
            max_unhealthy: Some(-1),
            max_restart_rate: Some(9.0),
            settings: Some(path),
            ..SlaArgs::default()
        };
        let expected = Sla {
            allow_idle: false,
            max_unhealthy: 0,
            max_restart_rate: 1.0,
            ..Sla::default()
        };
        assert_eq!(sla(&args).unwrap(), expected);
        let missing = SlaArgs {
            settings: Some("/nowhere/x.toml".into()),
            ..SlaArgs::default()
        };
        assert!(sla(&missing).is_err());
    }

    #[test]
    fn keys_are_in_order_at_every_level() {
        let text =
            pretty(&json!({ "b": { "z": 1, "a": [{ "y": 1, "x": 2 }] }, "a": null })).unwrap();
        let expected = "{\n  \"a\": null,\n  \"b\": {\n    \"a\": [\n      {\n        \"x\": 2,\n        \"y\": 1\n      }\n    ],\n    \"z\": 1\n  }\n}";
        assert_eq!(text, expected);
    }
}
