//! One round: a cold service, a crowd, perhaps a fault, and another crowd.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Summary;
use crate::api::{Answer, text};
use crate::platform::Platform;
use crate::service::Service;
use crate::wait::{until, until_async, within};

/// How many ask at once.
const CROWD: usize = 50;
/// A fault comes in so many milliseconds after the crowd, at most: about as long as a cold start takes.
const LATEST: u64 = 600;

/// What is done in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// The platform is killed once the job runs, and started again.
    PlatformBetween,
    /// The platform is killed so long after the crowd came, and started again.
    PlatformDuring(Duration),
    /// NATS is killed so long after the crowd came.
    NatsDuring(Duration),
    /// Both are.
    BothDuring(Duration),
    /// The service is stopped and started again: its job has another run.
    Stop,
}

/// A round to be played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    number: u32,
    fault: Fault,
}

// === impl Round ===

impl Round {
    pub(super) fn choose(number: u32, random: &mut StdRng) -> Self {
        let later = Duration::from_millis(random.random_range(0..LATEST));
        let fault = match random.random_range(0..8) {
            0..=1 => Fault::None,
            2 => Fault::PlatformBetween,
            3..=4 => Fault::PlatformDuring(later),
            5 => Fault::NatsDuring(later),
            6 => Fault::BothDuring(later),
            _ => Fault::Stop,
        };
        Self { number, fault }
    }

    /// Plays it, and says in the summary what came of it.
    pub(super) async fn play(self, platform: &mut Platform, summary: &mut Summary) {
        let service = Service::web(platform, &format!("web_{}", self.number), &[]);
        self.first_crowd(platform, &service, summary).await;
        match self.fault {
            Fault::PlatformBetween => {
                platform.kill();
                platform.up();
            }
            Fault::Stop => {
                service.say(platform, "stop");
                // Only a job that has ended runs again; while it is ending there is another.
                service
                    .until_job("the end", |job| job["alive"] == false)
                    .await;
                service.say(platform, "start");
            }
            _ => {}
        }
        if self.fault != Fault::None {
            self.everyone_is_answered(&service, summary).await;
        }
        self.one_job(&service, summary).await;
        service.say(platform, "stop");
        until("nothing left of the round's runs", || {
            match platform.leftovers() {
                left if left.is_empty() => Ok(()),
                left => Err(left),
            }
        });
    }

    /// The crowd on the cold service, with the fault that comes during it.
    async fn first_crowd(self, platform: &mut Platform, service: &Service, summary: &mut Summary) {
        let (later, kill_platform, kill_nats) = match self.fault {
            Fault::PlatformDuring(later) => (later, true, false),
            Fault::NatsDuring(later) => (later, false, true),
            Fault::BothDuring(later) => (later, true, true),
            _ => return self.everyone_is_answered(service, summary).await,
        };
        let crowd = tokio::spawn({
            let service = service.clone();
            async move { service.crowd(CROWD).await }
        });
        tokio::time::sleep(later).await;
        if kill_platform {
            platform.kill();
        }
        if kill_nats {
            platform.kill_nats();
        }
        let statuses = within("the crowd's answers", crowd).await;
        // Without a platform there is no answer; with one there is, if only that it went wrong.
        let allowed = |status: &u16| match status {
            0 => kill_platform,
            status => matches!(status, 200 | 502 | 503),
        };
        let statuses = statuses.expect("a crowd");
        if !statuses.iter().all(allowed) {
            self.wrong(summary, &format!("the crowd was answered {statuses:?}"));
        }
        if kill_platform {
            platform.up();
        }
    }

    async fn everyone_is_answered(self, service: &Service, summary: &mut Summary) {
        let mut answers = service.answers(CROWD).await;
        answers.retain(|answer| answer.as_ref().is_none_or(|answer| answer.status != 200));
        summary.requests += CROWD;
        summary.answered += CROWD - answers.len();
        let told = |answer: &Answer| format!("{} {}", answer.status, answer.text());
        if let Some(first) = answers.first() {
            let first = first.as_ref().map_or("nothing".to_owned(), told);
            let count = answers.len();
            self.wrong(
                summary,
                &format!("{count} were not answered 200 but {first}"),
            );
        }
    }

    /// One job, with the runs that the fault explains, each begun once.
    async fn one_job(self, service: &Service, summary: &mut Summary) {
        // The answers came by what is in memory: where NATS was away, the views hear of it a little later.
        let jobs = until_async("its job to run, as far as the views know", async || {
            let jobs = service.jobs().await;
            let comes = |job: &Value| job["alive"] == true && job["state"] != "RUNNING";
            if jobs.iter().any(comes) {
                Err(jobs)
            } else {
                Ok(jobs)
            }
        })
        .await;
        summary.jobs += jobs.len();
        let [job] = jobs.as_slice() else {
            return self.wrong(summary, &format!("{} jobs: {jobs:#?}", jobs.len()));
        };
        let expected = u64::from(self.fault == Fault::Stop);
        if job["run"] != expected || job["state"] != "RUNNING" {
            let runs = service.job(&text(&job["id"])).await["runs"].clone();
            self.wrong(summary, &format!("not run {expected}: {runs:#}"));
        }
        let begun = begun(service, job).await;
        if begun != 1 {
            self.wrong(
                summary,
                &format!("its command began {begun} times: {job:#}"),
            );
        }
    }

    fn wrong(self, summary: &mut Summary, what: &str) {
        let Self { number, fault } = self;
        summary
            .violations
            .push(format!("round {number} ({fault:?}): {what}"));
    }
}

/// How often the command of the newest run began. Its words may come a little later than its answers.
async fn begun(service: &Service, job: &Value) -> usize {
    let id = text(&job["id"]);
    until_async("the first words of a job", async || {
        match service.begun(&id).await {
            0 => Err("none yet"),
            begun => Ok(begun),
        }
    })
    .await
}
