//! Each status of a queue, brought about, and read in every place that shows it: the check, the status, the gauges, the
//! snapshot, the shared file. What one place says the others say.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use eai_tests::queue::Queue;
use eai_tests::{Api, Platform, Setup, until_async};
use serde_json::{Value, json};

const PATIENT: &[&str] = &["--heartbeat-timeout", "3600"];

/// What a worker runs, by its index.
fn script(rest: &str) -> String {
    format!("case $EAI_WORKER_INDEX in {rest} *) exec python3 -u /service/worker.py;; esac")
}

/// How a queue is to be seen: its workers by their indexes, and what the gate says.
struct Seen {
    queue: &'static str,
    status: &'static str,
    running: &'static [u32],
    pending: &'static [u32],
    unhealthy: &'static [u32],
    /// The rows, and so the healthy workers, are those that are wanted.
    wanted: u32,
    code: i32,
    reason: &'static str,
    /// Flags with which the gate says something else, and what it says.
    but: &'static [(&'static [&'static str], i32, &'static str)],
}

const IDLE: &str = "service status is idle (use --allow-idle to accept)";
const STOPPED: &str = "service status is stopped";
const DEGRADED: &str = "service status is degraded";

const TABLE: [Seen; 8] = [
    Seen {
        queue: "never",
        status: "idle",
        running: &[],
        pending: &[],
        unhealthy: &[],
        wanted: 0,
        code: 4,
        reason: IDLE,
        but: &[
            (&["--allow-idle"], 0, "ok"),
            (&["--allow-stopped"], 4, IDLE),
        ],
    },
    Seen {
        queue: "works",
        status: "running",
        running: &[0, 1],
        pending: &[],
        unhealthy: &[],
        wanted: 2,
        code: 0,
        reason: "ok",
        but: &[(&["--no-allow-idle", "--max-restart-rate", "0"], 0, "ok")],
    },
    // One that has not asked for a task yet is waited for, and nothing is wrong with it.
    Seen {
        queue: "begins",
        status: "degraded",
        running: &[0],
        pending: &[1],
        unhealthy: &[],
        wanted: 2,
        code: 3,
        reason: DEGRADED,
        but: &[(
            &["--max-unhealthy", "2", "--allow-idle", "--allow-stopped"],
            3,
            DEGRADED,
        )],
    },
    Seen {
        queue: "fails",
        status: "degraded",
        running: &[0],
        pending: &[1],
        unhealthy: &[1],
        wanted: 2,
        code: 2,
        reason: "unhealthy workers 1 exceeds limit 0",
        but: &[(&["--max-unhealthy", "1"], 3, DEGRADED)],
    },
    Seen {
        queue: "broken",
        status: "error",
        running: &[],
        pending: &[0],
        unhealthy: &[0],
        wanted: 1,
        code: 2,
        reason: "unhealthy workers 1 exceeds limit 0",
        but: &[(&["--max-unhealthy", "1"], 3, "service status is error")],
    },
    Seen {
        queue: "stopped_project",
        status: "stopped",
        running: &[],
        pending: &[],
        unhealthy: &[],
        wanted: 0,
        code: 3,
        reason: STOPPED,
        but: &[
            (&["--allow-idle"], 3, STOPPED),
            (&["--allow-stopped"], 0, "ok"),
        ],
    },
    Seen {
        queue: "kept",
        status: "stopped",
        running: &[],
        pending: &[],
        unhealthy: &[],
        wanted: 0,
        code: 3,
        reason: STOPPED,
        but: &[(&["--allow-stopped"], 0, "ok")],
    },
    Seen {
        queue: "asleep",
        status: "idle",
        running: &[],
        pending: &[],
        unhealthy: &[],
        wanted: 0,
        code: 4,
        reason: IDLE,
        but: &[(&["--allow-idle"], 0, "ok")],
    },
];

/// Brings every status about, on one platform with a shared folder.
fn platform() -> Platform {
    let mut platform = Platform::stopped(Setup::default());
    let share = platform.path("share").to_str().unwrap().to_owned();
    platform.set_up(Setup {
        environment: vec![("AGI_CLUSTER_SHARE".into(), share)],
        ..Setup::default()
    });
    platform.up();
    let runs = |name: &str, workers, script: &str| {
        let queue = Queue::new(&platform, name, workers, PATIENT);
        let update = ["--cpu", "0.1", "--", "sh", "-c", script];
        queue.run(&platform, "update", &update).ok();
        queue.run(&platform, "start", &[]).ok();
        queue
    };
    Queue::new(&platform, "never", 2, PATIENT);
    runs("works", 2, &script(""));
    runs("begins", 2, &script("1) exec sleep 100000;;"));
    runs("fails", 2, &script("1) exit 3;;"));
    runs("broken", 1, &script("0) exit 3;;"));
    let stopped = runs("stopped_project", 1, &script(""));
    stopped.until_running(&platform, 1);
    stopped.run(&platform, "stop", &["--timeout", "5"]).ok();
    let kept = runs("kept", 1, &script(""));
    kept.until_running(&platform, 1);
    kept.run(&platform, "stop", &["--no-shutdown"]).ok();
    let asleep = Queue::new(
        &platform,
        "asleep",
        1,
        &[PATIENT, &["--idle-timeout", "1"]].concat(),
    );
    asleep.run(&platform, "start", &[]).ok();
    platform
}

#[tokio::test]
async fn every_place_shows_the_same() {
    let platform = platform();
    let api = Api::of(&platform);
    for seen in &TABLE {
        until_async(seen.queue, async || {
            seen.in_check(&platform, &[], (seen.code, seen.reason))?;
            for (flags, code, reason) in seen.but {
                seen.in_check(&platform, flags, (*code, reason))?;
            }
            seen.in_status(&platform)?;
            seen.in_gauges(&platform)?;
            seen.in_snapshot(&platform)?;
            seen.in_file(&platform)?;
            seen.in_metrics(&api.get("/metrics").await.text())
        })
        .await;
    }
}

/// Two values that are to be equal.
fn same(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} is {found} and not {expected}"))
}

impl Seen {
    fn queue(&self) -> Queue {
        Queue {
            name: self.queue.into(),
        }
    }

    fn target(&self) -> &str {
        self.queue.strip_suffix("_project").unwrap_or(self.queue)
    }

    fn names(&self, indexes: &[u32]) -> Value {
        let names = indexes
            .iter()
            .map(|index| format!("{}:{index}", self.queue));
        names.collect::<Vec<_>>().into()
    }

    fn healthy(&self) -> Vec<u32> {
        let wanted = 0..self.wanted;
        wanted
            .filter(|index| !self.unhealthy.contains(index))
            .collect()
    }

    /// What is counted, and what is not another a moment later.
    fn payload(&self) -> Vec<(&'static str, Value)> {
        let healthy = self.healthy();
        vec![
            ("status", self.status.into()),
            ("app", self.queue.into()),
            ("target", self.target().into()),
            ("workers_running", self.names(self.running)),
            ("workers_pending", self.names(self.pending)),
            ("workers_healthy", self.names(&healthy)),
            ("workers_unhealthy", self.names(self.unhealthy)),
            ("workers_running_count", self.running.len().into()),
            ("workers_pending_count", self.pending.len().into()),
            ("workers_healthy_count", healthy.len().into()),
            ("workers_unhealthy_count", self.unhealthy.len().into()),
            (
                "queue",
                json!({ "pending": 0, "running": 0, "done": 0, "failed": 0 }),
            ),
            ("client_status", "running".into()),
            ("heartbeat_timeout_sec", json!(3600.0)),
        ]
    }

    fn in_check(
        &self,
        platform: &Platform,
        flags: &[&str],
        (code, reason): (i32, &str),
    ) -> Result<(), String> {
        let check = [&["--check"], flags].concat();
        let output = self.queue().run(platform, "health", &check);
        let word = if code == 0 { "OK" } else { "FAIL" };
        let line = format!("[service_health_check] {word}: {reason}\n");
        same(
            "the check",
            &json!([output.code, output.err]),
            &json!([code, line]),
        )?;
        let payload: Value = serde_json::from_str(&output.out).unwrap();
        self.in_payload(&payload)
    }

    fn in_payload(&self, payload: &Value) -> Result<(), String> {
        for (field, value) in self.payload() {
            same(field, &payload[field], &value)?;
        }
        let restarted = payload["workers_restarted"].as_array().unwrap();
        same(
            "workers_restarted_count",
            &payload["workers_restarted_count"],
            &restarted.len().into(),
        )?;
        self.in_rows(&payload["worker_health"])
    }

    fn in_rows(&self, rows: &Value) -> Result<(), String> {
        let rows = rows.as_array().unwrap();
        same(
            "the number of rows",
            &rows.len().into(),
            &self.wanted.into(),
        )?;
        for (index, row) in (0..).zip(rows) {
            let is_ill = self.unhealthy.contains(&index);
            let (state, reason) = if is_ill {
                ("error", "loop-error")
            } else {
                ("pending", "")
            };
            for (field, value) in [
                ("worker", json!(format!("{}:{index}", self.queue))),
                ("future_state", state.into()),
                ("healthy", (!is_ill).into()),
                ("reason", reason.into()),
            ] {
                same(field, &row[field], &value)?;
            }
        }
        Ok(())
    }

    fn in_status(&self, platform: &Platform) -> Result<(), String> {
        let status = self.queue().status(platform);
        self.in_payload(&status["health"])?;
        for (field, value) in self.payload() {
            // A reply has these under other names, or in its health only.
            let elsewhere = ["app", "target"].contains(&field);
            if !elsewhere && !value.is_array() {
                same(field, &status[field], &value)?;
            }
        }
        same("workers", &status["workers"], &self.names(self.running))?;
        same("pending", &status["pending"], &self.names(self.pending))?;
        for (field, of_health) in [
            ("restarted_workers", "workers_restarted"),
            ("cleanup", "cleanup"),
            ("worker_health", "worker_health"),
            ("queue_dir", "queue_dir"),
        ] {
            same(field, &status[field], &status["health"][of_health])?;
        }
        let is_error = self.status == "error";
        same(
            "launch_errors",
            &status.get("launch_errors").is_some().into(),
            &is_error.into(),
        )?;
        let message = status["message"].as_str().unwrap_or_default();
        let says = message.starts_with("no worker can be started: ");
        same("message", &says.into(), &is_error.into())?;
        let path = platform.path(&format!("share/service/{}/health.json", self.target()));
        same(
            "health_path",
            &status["health_path"],
            &path.to_str().unwrap().into(),
        )
    }

    fn in_gauges(&self, platform: &Platform) -> Result<(), String> {
        let flags = ["--format", "prometheus"];
        let printed = self.queue().run(platform, "health", &flags).ok();
        self.in_lines(&printed, "")
    }

    fn in_metrics(&self, printed: &str) -> Result<(), String> {
        self.in_lines(printed, "account=\"snow.testacc\",")
    }

    fn in_lines(&self, printed: &str, first: &str) -> Result<(), String> {
        let labels = format!("{first}app=\"{}\",target=\"{}\"", self.queue, self.target());
        let mut lines = vec![
            format!("workers_running_count{{{labels}}} {}", self.running.len()),
            format!(
                "workers_unhealthy_count{{{labels}}} {}",
                self.unhealthy.len()
            ),
            format!("health_gate_code{{{labels}}} {}", self.code),
            format!("health_gate_pass{{{labels}}} {}", u8::from(self.code == 0)),
            format!("sla_allow_idle{{{labels}}} 0"),
            format!("sla_max_unhealthy{{{labels}}} 0"),
            format!("sla_max_restart_rate{{{labels}}} 0.250000"),
        ];
        for state in ["running", "idle", "degraded", "error", "stopped", "unknown"] {
            let value = u8::from(state == self.status);
            lines.push(format!("status{{{labels},state=\"{state}\"}} {value}"));
        }
        let missing = lines
            .iter()
            .map(|line| format!("agilab_service_{line}"))
            .find(|line| !printed.lines().any(|printed| printed == line));
        missing.map_or(Ok(()), |line| Err(format!("{line} is not in\n{printed}")))
    }

    fn in_snapshot(&self, platform: &Platform) -> Result<(), String> {
        let printed = self.queue().run(platform, "snapshot", &[]).ok();
        let snapshot: Value = serde_json::from_str(&printed).unwrap();
        same(
            "the snapshot's status",
            &snapshot["status"],
            &self.status.into(),
        )?;
        let summary = &snapshot["summary"];
        let reasons: &[&str] = if self.unhealthy.is_empty() {
            &[]
        } else {
            &["loop-error"]
        };
        for (field, value) in [
            ("tracked_workers", json!(self.wanted)),
            ("unhealthy_workers", json!(self.unhealthy.len())),
            ("late_heartbeats", json!(0)),
            ("reason_examples", json!(reasons)),
        ] {
            same(field, &summary[field], &value)?;
        }
        self.in_rows(&snapshot["worker_health"])
    }

    fn in_file(&self, platform: &Platform) -> Result<(), String> {
        let path = format!("share/service/{}/health.json", self.target());
        let text = std::fs::read_to_string(platform.path(&path)).unwrap_or_default();
        let file = serde_json::from_str(&text).map_err(|_| format!("{path}: {text}"))?;
        self.in_payload(&file)
    }
}
