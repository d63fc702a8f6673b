//! So many requests a second, each answered in full or counted as lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::report::Report;
use crate::service::Service;

/// How large the bodies are.
const BODY: usize = 16 * 1024;

/// Requests that go on until they are done.
pub(super) struct Load {
    driver: JoinHandle<()>,
    report: Arc<Mutex<Report>>,
}

// === impl Load ===

impl Load {
    pub(super) fn start(service: &Service, rate: u32, done: &Arc<AtomicBool>) -> Self {
        let report = Arc::new(Mutex::new(Report::default()));
        let (service, done, into) = (service.clone(), Arc::clone(done), Arc::clone(&report));
        let driver = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
            // A machine that stood still is not asked for all at once.
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut asked = JoinSet::new();
            let mut number = 0_u64;
            while !done.load(Ordering::SeqCst) {
                tick.tick().await;
                asked.spawn(ask(service.clone(), number, Arc::clone(&into)));
                number += 1;
                while asked.try_join_next().is_some() {}
            }
            while asked.join_next().await.is_some() {}
        });
        Self { driver, report }
    }

    pub(super) async fn end(self) -> Report {
        self.driver.await.expect("the load ends");
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.clone()
    }
}

/// Every third one has a body, and some take a while.
async fn ask(service: Service, number: u64, report: Arc<Mutex<Report>>) {
    let begun = Instant::now();
    let (answer, wanted) = match number % 6 {
        0 | 3 => {
            let body = vec![7_u8; BODY];
            let request = service.request(reqwest::Method::POST, "/body").body(body);
            (crate::api::Answer::try_of(request).await, BODY.to_string())
        }
        1 => {
            let path = format!("/slow?0.20{number}");
            (service.try_get(&path).await, path)
        }
        _ => {
            let path = format!("/{number}");
            (service.try_get(&path).await, path)
        }
    };
    let took = begun.elapsed();
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.longest = report.longest.max(took);
    match answer {
        Err(error) => report.resets.push(format!("request {number}: {error:?}")),
        Ok(answer) => {
            let text = answer.text();
            let told = text.trim_end().split_once(' ');
            match told.filter(|(_, rest)| answer.status == 200 && *rest == wanted) {
                Some((version, _)) => {
                    *report.answered.entry(version.to_owned()).or_default() += 1;
                }
                None if answer.header("x-eai-error") == Some("reset") => {
                    report.resets.push(format!("request {number}: {text}"));
                }
                None => {
                    let status = answer.status;
                    report
                        .failed
                        .push(format!("request {number}: {status} {text}"));
                }
            }
        }
    }
}
