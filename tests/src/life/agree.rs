//! Whether log, views, routes and what really runs say the same once everything is over.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use super::asks::{Asked, Got};
use super::drive::Driver;
use crate::api::text;
use crate::backend::Backend;
use crate::stored::{Stored, StoredEvent};

/// What does not agree. Every other service is stopped at the end.
pub(super) async fn agree(driver: Driver, asked: &[Asked]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut wanted = BTreeSet::new();
    for number in 0..driver.services.len() {
        // Nothing of what is compared is to change by itself meanwhile.
        let hour = json!({ "idleTimeoutMs": 3_600_000 });
        driver.command(number, Method::PATCH, "", Some(hour)).await;
        let is_on = number % 2 == 0;
        let replicas = 1 + u32::from(number % 4 == 0);
        driver.resize(number, replicas, replicas).await;
        let jobs = if is_on {
            driver.until_answered(number).await;
            replicas as usize
        } else {
            driver.command(number, Method::POST, "/stop", None).await;
            0
        };
        if let Err(why) = driver.until_settled(number, jobs).await {
            wrong.push(format!("service {number}: {why}"));
        }
        wrong.extend(route(&driver, number, is_on).await);
        wanted.extend(driver.alive(number).await);
    }
    let stored = Stored::of(&driver.platform).await.after(0).await;
    let log: Vec<Value> = stored.iter().map(StoredEvent::document).collect();
    let by_log = alive(&log);
    if by_log != wanted {
        wrong.push(format!("the log has jobs {by_log:?}, the views {wanted:?}"));
    }
    wrong.extend(twice(&driver, asked).await);
    wrong.extend(rebuilt(&driver).await);
    let runs = driver.platform.leftovers();
    let there = match driver.platform.backend() {
        Backend::Docker => runs.containers.len(),
        Backend::Process => runs.folders.len(),
    };
    if there != wanted.len() {
        wrong.push(format!("{there} runs for {wanted:?}: {runs:?}"));
    }
    wrong
}

/// Whether its URL leads to its jobs, of its newest version; or nowhere.
async fn route(driver: &Driver, number: usize, is_on: bool) -> Vec<String> {
    let answer = driver.services[number].get("/last").await;
    let told = answer.text();
    if !is_on {
        let wrong = format!(
            "service {number} is off and answers {}: {told}",
            answer.status
        );
        return Vec::from_iter((answer.status != 503).then_some(wrong));
    }
    let version = driver.versions[number];
    let wanted: Vec<_> = driver.alive(number).await;
    let wanted = wanted.iter().map(|job| format!("{version} {job} "));
    let right = answer.status == 200 && wanted.into_iter().any(|wanted| told.starts_with(&wanted));
    let wrong = format!(
        "service {number} answers {} as {told}, not version {version}",
        answer.status
    );
    Vec::from_iter((!right).then_some(wrong))
}

/// The jobs that have a run which has not ended.
fn alive(log: &[Value]) -> BTreeSet<String> {
    let mut alive = BTreeSet::new();
    for event in log {
        let Some(job) = event["subject"]
            .as_str()
            .and_then(|of| of.strip_prefix("job/"))
        else {
            continue;
        };
        match event["type"].as_str() {
            Some("eai.job.submitted.v1" | "eai.job.retried.v1") => {
                alive.insert(job.to_owned());
            }
            Some("eai.job.ended.v1") => {
                alive.remove(job);
            }
            _ => {}
        }
    }
    alive
}

/// Requests that more than one run had, or one run twice; and answers that no run gave.
async fn twice(driver: &Driver, asked: &[Asked]) -> Vec<String> {
    let mut had: BTreeMap<String, usize> = BTreeMap::new();
    for service in &driver.services {
        for job in service.jobs().await {
            let id = text(&job["id"]);
            for run in 0..=job["run"].as_u64().unwrap_or_default() {
                let answer = service
                    .api()
                    .get(&format!("/v1/job/{id}/logs?run={run}"))
                    .await;
                for line in answer.text().lines() {
                    if let Some(name) = line.strip_prefix("has ") {
                        *had.entry(name.to_owned()).or_default() += 1;
                    }
                }
            }
        }
    }
    let times = |asked: &Asked| had.get(&asked.name).copied().unwrap_or_default();
    let wrong = asked
        .iter()
        .filter_map(|asked| match (&asked.answer, times(asked)) {
            (_, 0..=1) if !matches!(asked.answer, Got::Answer(_)) => None,
            (_, 1) => None,
            (_, times) => Some(format!("request {} was had {times} times", asked.name)),
        });
    wrong.collect()
}

/// Whether the views are the same when they are folded anew.
async fn rebuilt(driver: &Driver) -> Vec<String> {
    let api = driver.services[0].api();
    let rows = async || {
        let mut rows = Vec::new();
        for path in ["/v1/service", "/v1/job?state=all&limit=1000", "/v1/data"] {
            rows.push(api.get(path).await.ok()["items"].clone());
        }
        rows
    };
    let before = rows().await;
    api.post("/v1/server/rebuild", None).await.ok();
    let after = rows().await;
    let both = before.iter().zip(&after).flat_map(|(before, after)| {
        let row = |rows: &Value, at: usize| rows.get(at).cloned().unwrap_or_default();
        let count = [before, after].map(|rows| rows.as_array().map_or(0, Vec::len));
        let count = count.into_iter().max().unwrap_or_default();
        (0..count).map(move |at| (row(before, at), row(after, at)))
    });
    let wrong = both
        .filter(|(before, after)| before != after)
        .map(|(before, after)| format!("a view was {before} and is {after} when folded anew"));
    wrong.collect()
}
