//! How the services of an account kept what was promised: starts, how long they took, and failures.
//!
//!     sla NATS-URL CREDS-FILE CONSUMER
//!
//! It reports what happened since it was last run with these credentials, and ends.
#![expect(clippy::print_stdout, reason = "it prints a report")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::with_prefix;
use futures::StreamExt;
use serde_json::Value;

const STREAM: &str = "EAI_EVENTS";
const API: &str = "eai.history";

/// What a service did.
#[derive(Default)]
struct Record {
    /// How long each start took, in milliseconds.
    starts: Vec<u64>,
    failed: u32,
    ended: u32,
}

/// The account, as far as its events tell of services.
#[derive(Default)]
struct Account {
    /// The service that a job works for.
    jobs: HashMap<String, String>,
    services: BTreeMap<String, Record>,
}

impl Account {
    fn take(&mut self, event: &Value) {
        let (data, subject) = (
            &event["data"],
            event["subject"].as_str().unwrap_or_default(),
        );
        if event["type"] == "eai.job.submitted.v1" {
            if let Some(service) = data["service"]["fullName"].as_str() {
                self.jobs.insert(subject.to_owned(), service.to_owned());
            }
            return;
        }
        let Some(service) = self.jobs.get(subject) else {
            return;
        };
        let record = self.services.entry(service.clone()).or_default();
        match event["type"].as_str() {
            Some("eai.job.ready.v1") => {
                let phases = data["phases"].as_object().into_iter().flatten();
                let took: u64 = phases.filter_map(|(_, took)| took.as_u64()).sum();
                record.starts.push(took / 1000);
            }
            Some("eai.job.ended.v1") => {
                record.ended += 1;
                record.failed += u32::from(data["state"] == "FAILED");
            }
            _ => {}
        }
    }

    fn report(mut self) {
        println!("service starts p50ms maxms ended failed");
        for (name, record) in &mut self.services {
            let starts = &mut record.starts;
            starts.sort_unstable();
            let p50 = starts.get(starts.len() / 2).copied().unwrap_or_default();
            let longest = starts.last().copied().unwrap_or_default();
            let Record { ended, failed, .. } = record;
            println!(
                "{name} {} {p50} {longest} {ended} {failed}",
                record.starts.len()
            );
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(format!("{what} is missing"));
    let (url, creds, consumer) = (next("NATS-URL")?, next("CREDS-FILE")?, next("CONSUMER")?);
    let options = ConnectOptions::with_credentials_file(creds).await?;
    let context = with_prefix(options.connect(url).await?, API);
    let mut history = context
        .get_consumer_from_stream::<Config, _, _>(consumer, STREAM)
        .await?;
    let (mut account, mut last) = (Account::default(), 0);
    // What is there now, and no more: it is a report.
    let info = history.info().await?;
    let mut left = info.num_pending + info.num_ack_pending as u64;
    while left > 0 {
        let fetch = history.fetch().max_messages(1);
        let mut batch = fetch.expires(Duration::from_secs(5)).messages().await?;
        let Some(message) = batch.next().await else {
            continue;
        };
        let message = message?;
        // After a break one may come again, and never one out of order.
        let info = message.info()?;
        if info.stream_sequence > last {
            last = info.stream_sequence;
            account.take(&serde_json::from_slice(&message.payload)?);
        }
        left = info.pending;
        // Answered: a report that ends at once would take an acknowledgement with it that is on its way.
        message.double_ack().await?;
    }
    account.report();
    Ok(())
}
