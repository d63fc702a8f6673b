//! The log of tasks: appends that go together, what is folded from it, and what is removed.

use std::time::Duration;

use eai_core::command::{AnyPart, Context, Part};
use eai_core::ids::{CommandId, JobId, ServiceId, TaskId};
use eai_core::log::tasks::{Feed, Kept, LiveTask, Place, Purger, Tasks, Which};
use eai_core::log::{Chain, Error, Log, Outcome, Position, set_up_tasks};
use eai_core::service::Resource;
use eai_core::subject::ALL_TASKS;
use eai_core::task::{
    Backoff, Claim, Command, Content, Done, Failure, Json, Phase, Submitted, TaskAggregate,
};
use futures::future::join_all;
use time::OffsetDateTime;
use uuid::Uuid;

use super::server::{LONG, MAX_BYTES, Server, open_tasks};
use super::support::{account, context, context_of, within};

const PLACE: Place = Place {
    index: 0,
    workers: 1,
};

fn service() -> ServiceId {
    ServiceId(Uuid::from_u128(1))
}

fn submitted(id: TaskId, payload: &str) -> Submitted {
    Submitted {
        id,
        service: Resource {
            id: service(),
            full_name: account().join("q".parse().unwrap()),
        },
        batch: None,
        name: "service-workplan".into(),
        worker: None,
        worker_idx: None,
        priority: 0,
        not_before: None,
        retries: 1,
        backoff: Backoff {
            first_ms: 0,
            most_ms: 0,
        },
        timeout_ms: None,
        key: None,
        payload: Content::Inline(Json::parse(payload).unwrap()),
    }
}

/// Submits a task of its own.
fn submit(payload: &str) -> (Context, Vec<Box<dyn AnyPart>>) {
    let context = context();
    let id = TaskId(context.id.aggregate(0));
    (context, vec![part(submitted(id, payload))])
}

fn part(submitted: Submitted) -> Box<dyn AnyPart> {
    let (id, command) = (submitted.id, Command::Submit(Box::new(submitted)));
    Part::<TaskAggregate>::new(account(), id, command).boxed()
}

fn claim() -> Claim {
    Claim {
        worker: "q:0".into(),
        worker_idx: 0,
        incarnation: "0".repeat(32),
        job: JobId(Uuid::from_u128(2)),
        claimed_at: OffsetDateTime::now_utc(),
    }
}

fn done(attempt: u32) -> Done {
    Done {
        attempt,
        claim: claim(),
        finished_at: OffsetDateTime::now_utc(),
        runtime_us: 1,
        result: Content::Inline(Json::parse("[1]").unwrap()),
        logs: None,
    }
}

fn failure(attempt: u32) -> Failure {
    Failure {
        attempt,
        claim: claim(),
        finished_at: OffsetDateTime::now_utc(),
        runtime_us: 1,
        error: "no".into(),
        traceback: None,
        recovery: None,
        logs: None,
    }
}

async fn log_of(server: &Server) -> Log {
    let connection = server.connect().await;
    set_up_tasks(&connection, MAX_BYTES).await.unwrap();
    open_tasks(connection, LONG).await
}

/// Everything in the log: chains whole, each event once. Answers how many there are.
async fn verified(log: &Log) -> usize {
    let (events, more) = log.page(ALL_TASKS, Position::START, 10_000).await.unwrap();
    assert!(!more);
    let mut chain = Chain::default();
    for event in &events {
        chain.follow(event).unwrap();
    }
    events.len()
}

/// Tasks that follow their log.
async fn followed(log: &Log) -> Tasks {
    let tasks = Tasks::new(log.clone());
    tasks.load().await.unwrap();
    tokio::spawn(Feed::new(tasks.clone()).run());
    tasks
}

async fn seen(tasks: &Tasks, outcome: &Outcome) {
    assert!(tasks.until(outcome.sequence, LONG).await);
}

#[tokio::test]
async fn appends_that_wait_go_together() {
    let server = Server::start();
    let log = log_of(&server).await;
    let commands: Vec<_> = (0..300).map(|_| submit("{}")).collect();
    let all = commands
        .iter()
        .map(|(context, parts)| log.execute(context, parts));
    let outcomes = within("all", join_all(all)).await;
    let mut sequences: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().sequence)
        .collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=300).collect::<Vec<_>>());
    assert_eq!(verified(&log).await, 300);
    // Not one by one: a batch's messages say which they are of.
    let stream = async_nats::jetstream::new(server.client().await)
        .get_stream("EAI_TASKS")
        .await
        .unwrap();
    let mut batches = std::collections::HashMap::<String, usize>::new();
    for sequence in 1..=300 {
        let message = stream.get_raw_message(sequence).await.unwrap();
        if let Some(batch) = message.headers.get("Nats-Batch-Id") {
            *batches.entry(batch.to_string()).or_default() += 1;
        }
    }
    let largest = batches.values().max().copied().unwrap_or(0);
    assert!(largest > 100, "{batches:?}");
}

#[tokio::test]
async fn one_that_fails_costs_the_others_nothing() {
    let server = Server::start();
    let log = log_of(&server).await;
    let (first, parts) = submit("1");
    log.execute(&first, &parts).await.unwrap();
    let id = TaskId(first.id.aggregate(0));
    // Another process knows nothing of it, and makes it again: with the same command, and with another.
    let other = open_tasks(server.connect().await, LONG).await;
    let stranger = context_of(CommandId(Uuid::new_v4()));
    let clash = vec![part(submitted(id, "1"))];
    let good: Vec<_> = (0..40).map(|_| submit("{}")).collect();
    let all = good
        .iter()
        .map(|(context, parts)| other.execute(context, parts));
    let (before, again, clashed, after) = within("all", async {
        let mut all: Vec<_> = all.collect();
        let rest = all.split_off(20);
        tokio::join!(
            join_all(all),
            other.execute(&first, &parts),
            other.execute(&stranger, &clash),
            join_all(rest),
        )
    })
    .await;
    for outcome in before.into_iter().chain(after) {
        assert_eq!(outcome.unwrap().events, 1);
    }
    let again = again.unwrap();
    assert!(again.repeated && again.sequence == 1, "{again:?}");
    assert!(matches!(clashed, Err(Error::Refused(refusal)) if refusal.code == "conflict"));
    assert_eq!(verified(&log).await, 41);
}

#[tokio::test]
async fn who_gives_up_takes_nobodys_answer_away() {
    let server = Server::start();
    let log = log_of(&server).await;
    let commands: Vec<_> = (0..50).map(|_| submit("{}")).collect();
    let mut all: Vec<_> = commands
        .iter()
        .map(|(context, parts)| Box::pin(log.execute(context, parts)))
        .collect();
    // Each is on its way; every second one gives up.
    for future in &mut all {
        assert!(futures::poll!(future.as_mut()).is_pending());
    }
    let mut index = 0;
    all.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    for outcome in within("all", join_all(all)).await {
        outcome.unwrap();
    }
    // What was on its way is stored whole, or found missing by who asks again.
    for (context, parts) in &commands {
        within("an outcome", log.execute(context, parts))
            .await
            .unwrap();
    }
    assert_eq!(verified(&log).await, 50);
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all_when_the_server_dies() {
    let mut server = Server::start();
    let log = log_of(&server).await;
    let commands: Vec<_> = (0..200).map(|_| submit("{}")).collect();
    let all = commands
        .iter()
        .map(|(context, parts)| log.execute(context, parts));
    let kill = async {
        tokio::task::yield_now().await;
        server.kill();
        server.up();
    };
    let (outcomes, ()) = within("all", async { tokio::join!(join_all(all), kill) }).await;
    for outcome in outcomes {
        outcome.unwrap();
    }
    assert_eq!(verified(&log).await, 200);
}

#[tokio::test]
async fn tasks_are_folded_followed_and_read_again() {
    let server = Server::start();
    let log = log_of(&server).await;
    let tasks = followed(&log).await;
    let waiting = tokio::spawn({
        let tasks = tasks.clone();
        async move { tasks.next(service(), PLACE, claim).await }
    });
    let (context, parts) = submit(r#"{"args":{"x":1}}"#);
    log.execute(&context, &parts).await.unwrap();
    let taken = within("a task", waiting).await.unwrap();
    assert_eq!(
        (taken.attempt, taken.task.id.0),
        (1, context.id.aggregate(0))
    );
    let carried = tasks.submitted(&taken.task).await.unwrap().unwrap();
    assert_eq!(carried, submitted(taken.task.id, r#"{"args":{"x":1}}"#));

    // It fails and is due again at once; the late answer of the first attempt is refused, also when said twice.
    for _ in 0..2 {
        let outcome = tasks
            .fail(&taken.task, failure(1), OffsetDateTime::now_utc())
            .await
            .unwrap();
        seen(&tasks, &outcome).await;
    }
    let late = tasks.finish(&taken.task, done(1)).await;
    assert!(matches!(late, Err(Error::Refused(refusal)) if refusal.code == "attempt-over"));
    let taken = within("a task", tasks.next(service(), PLACE, claim)).await;
    assert_eq!(taken.attempt, 2);
    let outcome = tasks.finish(&taken.task, done(2)).await.unwrap();
    let again = tasks.finish(&taken.task, done(2)).await.unwrap();
    assert!(again.repeated && again.sequence == outcome.sequence);
    seen(&tasks, &outcome).await;
    assert_eq!(tasks.counts(service()).done, 1);
    assert_eq!(tasks.claim_of(taken.task.id), None);

    // Another process that comes later has the same.
    let (context, parts) = submit("{}");
    let outcome = log.execute(&context, &parts).await.unwrap();
    seen(&tasks, &outcome).await;
    let others = followed(&open_tasks(server.connect().await, LONG).await).await;
    let list = |tasks: &Tasks| -> Vec<LiveTask> {
        let all = tasks.list(service(), Which::All, u64::MAX, 10);
        all.iter().map(|task| LiveTask::clone(task)).collect()
    };
    assert_eq!(list(&others), list(&tasks));
    assert_eq!(others.counts(service()), tasks.counts(service()));
}

#[tokio::test]
async fn what_ended_is_removed_and_what_is_pending_stays() {
    let server = Server::start();
    let log = log_of(&server).await;
    let tasks = followed(&log).await;
    for _ in 0..3 {
        let (context, parts) = submit("{}");
        let outcome = log.execute(&context, &parts).await.unwrap();
        seen(&tasks, &outcome).await;
    }
    let mut ended = Vec::new();
    for _ in 0..2 {
        let taken = within("a task", tasks.next(service(), PLACE, claim)).await;
        let outcome = tasks.finish(&taken.task, done(1)).await.unwrap();
        seen(&tasks, &outcome).await;
        ended.push(taken.task);
    }
    let purger = Purger::new(tasks.clone(), server.connect().await);
    assert_eq!(purger.sweep(OffsetDateTime::now_utc()).await.unwrap(), 0);
    let kept = Kept {
        age: Duration::from_hours(1),
        most: 1,
    };
    let now = OffsetDateTime::now_utc();
    let purge = purger.purge(service(), Phase::Done, kept, now);
    assert_eq!(purge.await.unwrap(), 1);
    let (left, _) = log.page(ALL_TASKS, Position::START, 10).await.unwrap();
    assert_eq!(left.len(), 3);
    let counts = tasks.counts(service());
    assert_eq!((counts.done, counts.pending), (1, 1));
    assert_eq!(tasks.get(ended[0].id), None);
    let gone = tasks.finish(&ended[0], done(1)).await;
    assert!(matches!(gone, Err(Error::Refused(refusal)) if refusal.code == "not-found"));
    assert_eq!(tasks.submitted(&ended[0]).await.unwrap(), None);
    // A log with gaps is followed all the same.
    let others = followed(&open_tasks(server.connect().await, LONG).await).await;
    assert_eq!(others.counts(service()), counts);
}

#[tokio::test]
async fn an_event_has_at_most_64_kib() {
    let server = Server::start();
    let log = log_of(&server).await;
    let of = |bytes: usize| submit(&format!("\"{}\"", "x".repeat(bytes)));
    let (context, parts) = of(64_000);
    log.execute(&context, &parts).await.unwrap();
    let (events, _) = log.page(ALL_TASKS, Position::START, 10).await.unwrap();
    let largest = events.iter().map(|event| event.payload.len()).max();
    assert!(
        largest > Some(64_000) && largest <= Some(65_536),
        "{largest:?}"
    );
    let (context, parts) = of(66_000);
    let result = log.execute(&context, &parts).await;
    let Err(Error::TooLarge { bytes, most }) = result else {
        panic!("{result:?}");
    };
    assert!(bytes > most && most == 65_536, "{bytes} of {most}");
    assert_eq!(verified(&log).await, 1);
}
