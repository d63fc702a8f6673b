use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::envelope::Envelope;

const SERVICE: u128 = 1;
const JOB: u128 = 2;
const EXECUTOR: u128 = 3;

struct Story {
    live: Live,
    sequence: u64,
}

impl Story {
    fn new() -> Self {
        let live = Live::new(Snapshot::default());
        let mut story = Self { live, sequence: 0 };
        let resource =
            |id: u128| json!({ "id": Uuid::from_u128(id), "fullName": "snow.testacc.x" });
        story.tell("service.created", SERVICE, &json!({
            "id": Uuid::from_u128(SERVICE), "name": "web", "runtime": resource(8), "role": resource(9), "status": "on",
        }));
        story
    }

    fn tell(&mut self, event: &str, id: u128, data: &Value) {
        self.sequence += 1;
        let document = document(event, id, data);
        let envelope = Envelope::parse(document.as_bytes()).unwrap();
        self.live.apply(self.sequence, &envelope).unwrap();
    }

    fn submit(&mut self, job: u128, revision: u32) {
        self.tell("job.submitted", job, &submitted(job, revision));
    }

    fn make_ready(&mut self, job: u128, epoch: u32) {
        let executor = Uuid::from_u128(EXECUTOR);
        self.tell(
            "job.claimed",
            job,
            &json!({ "run": 0, "claim": 1, "executor": executor, "epoch": epoch }),
        );
        let started = json!({
            "run": 0, "claim": 1, "backend": "process", "endpoint": "unix:/x", "limits": "rlimit", "network": "none",
        });
        self.tell("job.started", job, &started);
        self.tell(
            "job.ready",
            job,
            &json!({ "run": 0, "claim": 1, "phases": {} }),
        );
    }

    fn start_executor(&mut self, epoch: u32, adopted: &[u128]) {
        let adopted: Vec<_> = adopted
            .iter()
            .map(|job| json!({ "job": Uuid::from_u128(*job), "run": 0, "claim": 1 }))
            .collect();
        let id = Uuid::from_u128(EXECUTOR);
        let data = json!({
            "id": id, "epoch": epoch, "backend": "process", "cpuMilli": 1, "memMib": 1, "adopted": adopted, "lost": [],
        });
        self.tell("executor.started", EXECUTOR, &data);
    }

    fn service(&self) -> Arc<LiveService> {
        self.live
            .service(ServiceId(Uuid::from_u128(SERVICE)))
            .unwrap()
    }

    fn route(&self) -> Option<Uuid> {
        self.service().route.as_ref().map(|job| job.id.0)
    }
}

fn document(event: &str, id: u128, data: &Value) -> String {
    let (kind, id) = (event.split_once('.').unwrap().0, Uuid::from_u128(id));
    let event_type = format!("eai.{event}.v1");
    let document = json!({
        "specversion": "1.0", "id": id, "source": "urn:eai:platform:x", "type": event_type,
        "subject": format!("{kind}/{id}"), "time": "2026-01-02T03:04:05.006Z",
        "datacontenttype": "application/json", "dataschema": format!("urn:eai:schema:{event_type}"),
        "account": "snow.testacc", "actor": "platform", "commandid": id, "correlationid": id,
        "prevhash": Digest::ZERO.to_string(), "data": data,
    });
    document.to_string()
}

fn submitted(job: u128, revision: u32) -> Value {
    let digest = Digest::ZERO.to_string();
    json!({
        "id": Uuid::from_u128(job), "accountId": Uuid::from_u128(7),
        "service": { "id": Uuid::from_u128(SERVICE), "fullName": "snow.testacc.web", "revision": revision, "key": digest },
        "configuration": { "spec": {}, "runtime": { "data": Uuid::from_u128(8), "version": 1, "manifest": digest } },
    })
}

fn job(id: u128) -> Uuid {
    Uuid::from_u128(id)
}

#[test]
fn requests_go_to_a_job_that_is_ready() {
    let mut story = Story::new();
    assert_eq!(
        story
            .live
            .service_named(&"snow.testacc.web".parse().unwrap()),
        Some(story.service().id)
    );
    story.start_executor(1, &[]);
    story.submit(JOB, 1);
    assert_eq!((story.route(), story.service().jobs.len()), (None, 1));
    story.make_ready(JOB, 1);
    assert_eq!(story.route(), Some(job(JOB)));
    story.tell(
        "job.unready",
        JOB,
        &json!({ "run": 0, "claim": 1, "reason": "refused" }),
    );
    assert_eq!(story.route(), None);
    story.tell(
        "job.ready",
        JOB,
        &json!({ "run": 0, "claim": 1, "phases": {} }),
    );
    assert_eq!(story.route(), Some(job(JOB)));
    story.tell(
        "job.ended",
        JOB,
        &json!({ "run": 0, "claim": 1, "state": "FAILED", "reason": "exit" }),
    );
    assert_eq!((story.route(), story.service().jobs.len()), (None, 0));
    assert_eq!(story.live.sequence(), story.sequence);
}

#[test]
fn a_frozen_job_takes_no_requests_until_it_is_thawed() {
    let mut story = Story::new();
    story.start_executor(1, &[]);
    story.submit(JOB, 1);
    story.make_ready(JOB, 1);
    let frozen = json!({ "run": 0, "claim": 1, "reason": "asked" });
    story.tell("job.frozen", JOB, &frozen);
    assert_eq!(story.route(), None);
    story.tell("job.thawed", JOB, &json!({ "run": 0, "claim": 1 }));
    assert_eq!(story.route(), Some(job(JOB)));
}

#[test]
fn the_newest_revision_that_is_ready_serves() {
    let mut story = Story::new();
    story.submit(JOB, 1);
    story.make_ready(JOB, 1);
    story.submit(20, 2);
    assert_eq!(story.route(), Some(job(JOB)), "until the new one is ready");
    story.make_ready(20, 1);
    assert_eq!(story.route(), Some(job(20)));
}

#[test]
fn a_service_that_is_off_has_no_route() {
    let mut story = Story::new();
    story.submit(JOB, 1);
    story.make_ready(JOB, 1);
    story.tell("service.stopped", SERVICE, &json!({}));
    assert_eq!(story.route(), None);
    story.tell("service.started", SERVICE, &json!({}));
    assert_eq!(story.route(), Some(job(JOB)));
}

#[test]
fn a_run_that_its_executor_lost_is_not_routed_to() {
    let mut story = Story::new();
    story.start_executor(1, &[]);
    for id in [JOB, 20] {
        story.submit(id, 1);
        story.make_ready(id, 1);
    }
    story.start_executor(2, &[JOB]);
    assert_eq!(story.route(), Some(job(JOB)));
    story.start_executor(3, &[]);
    assert_eq!(story.route(), None);
}

#[test]
fn runs_of_a_lost_executor_are_abandoned_unless_they_are_adopted() {
    let mut story = Story::new();
    story.start_executor(1, &[]);
    for id in [JOB, 20] {
        story.submit(id, 1);
        story.make_ready(id, 1);
    }
    let abandoned = |story: &Story| {
        let ids = [JOB, 20].map(|id| JobId(Uuid::from_u128(id)));
        ids.map(|id| story.live.is_abandoned(&story.live.job(id).unwrap()))
    };
    assert_eq!(abandoned(&story), [false, false]);
    story.tell("executor.stopped", EXECUTOR, &json!({ "epoch": 1 }));
    assert_eq!(abandoned(&story), [false, false]);
    story.tell("executor.lost", EXECUTOR, &json!({ "epoch": 1 }));
    assert_eq!((abandoned(&story), story.route()), ([true, true], None));
    story.start_executor(2, &[20]);
    assert_eq!(abandoned(&story), [true, false]);
    assert_eq!(story.route(), Some(job(20)));
    let lost = json!({ "run": 0, "claim": 1, "state": "INTERRUPTED", "reason": "executor-lost" });
    story.tell("job.ended", JOB, &lost);
    assert_eq!(abandoned(&story), [false, false]);
    // A claim that was on its way while its epoch ended.
    story.submit(30, 1);
    story.make_ready(30, 1);
    let late = story.live.job(JobId(Uuid::from_u128(30))).unwrap();
    assert!(story.live.is_abandoned(&late));
}

#[test]
fn draining_outlasts_a_start() {
    let mut story = Story::new();
    let id = ExecutorId(Uuid::from_u128(EXECUTOR));
    story.start_executor(1, &[]);
    story.tell("executor.draining", EXECUTOR, &json!({}));
    story.start_executor(2, &[]);
    let now = story.live.executor(id).unwrap();
    assert!(now.draining && now.started && now.epoch == 2);
    story.tell("executor.undrained", EXECUTOR, &json!({}));
    assert!(!story.live.executor(id).unwrap().draining);
}

#[tokio::test]
async fn whoever_waits_is_told() {
    let mut story = Story::new();
    let service = story.service();
    let changed = service.changed();
    let mut told = std::pin::pin!(changed.notified());
    told.as_mut().enable();
    let mut changes = story.live.changes();
    story.submit(JOB, 1);
    tokio::time::timeout(Duration::from_secs(5), told)
        .await
        .unwrap();
    assert_eq!(changes.recv().await.unwrap(), Change::Service(service.id));
    assert!(story.live.until(story.sequence, Duration::ZERO).await);
    assert!(!story.live.until(story.sequence + 1, Duration::ZERO).await);
}

#[test]
fn a_job_that_was_forgotten_is_recalled_when_it_runs_again() {
    let mut story = Story::new();
    story.submit(JOB, 1);
    let known = story.live.clone();
    // Another process, which loaded its views after the job had ended.
    story.live = Live::new(Snapshot {
        services: vec![LiveService::clone(&story.service())],
        ..Snapshot::default()
    });
    let document = document("job.retried", JOB, &json!({ "run": 1 }));
    let envelope = Envelope::parse(document.as_bytes()).unwrap();
    assert!(known.lacks(&envelope).is_none(), "it is known");
    let address = story.live.lacks(&envelope).unwrap();
    assert_eq!(address.to_string(), format!("job/{}", Uuid::from_u128(JOB)));

    let submitted: crate::job::Submitted = serde_json::from_value(submitted(JOB, 1)).unwrap();
    let events = [crate::job::Event::Submitted(submitted)];
    let job = crate::aggregate::testing::fold::<crate::job::JobAggregate>(&events).unwrap();
    story.live.recall("snow.testacc".parse().unwrap(), &job);
    story.tell("job.retried", JOB, &json!({ "run": 1 }));
    let id = JobId(Uuid::from_u128(JOB));
    let again = story.live.job(id).unwrap();
    assert_eq!((again.phase, again.run), (Phase::Queuing, 1));
    assert_eq!(story.service().jobs, [id]);
}
