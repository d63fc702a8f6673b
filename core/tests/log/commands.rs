//! A command id is used once: a retry gets the first result, another command under it is refused.

use eai_core::aggregate::RefusalKind;
use eai_core::ids::CommandId;
use eai_core::log::Error;
use eai_core::service::{Command, ServiceAggregate};
use eai_core::subject::Address;
use uuid::Uuid;

use super::server::{LONG, Server, open};
use super::support::{
    CREATED, account, context, context_of, created, events_of, execute, new_service, on,
    service_of, toggle, verified,
};

#[tokio::test]
async fn a_retry_gets_the_first_result() {
    let server = Server::start();
    let log = server.log().await;
    let id = created(&log, "web").await;
    let service = service_of(id);
    let stop = context();
    let first = log
        .execute(&stop, &on(service, Command::Stop))
        .await
        .unwrap();
    assert_eq!((first.events, first.repeated), (1, false));
    // Others come in between, so that a stop would have something to do again.
    toggle_from_off(&log, service).await;
    let last = log.last_sequence().await.unwrap();
    // The second has a cache of its own, and has seen nothing yet.
    for log in [&log, &open(server.connect().await, LONG).await] {
        let again = log
            .execute(&stop, &on(service, Command::Stop))
            .await
            .unwrap();
        assert!(again.repeated);
        assert_eq!(
            (again.sequence, again.events),
            (first.sequence, first.events)
        );
        let made = log
            .execute(&context_of(id), &new_service(id, "web"))
            .await
            .unwrap();
        assert!(made.repeated);
        assert_eq!((made.sequence, made.events), (CREATED as u64, CREATED));
        assert_eq!(log.last_sequence().await.unwrap(), last, "no new event");
    }
    assert_eq!(events_of(&verified(&log).await, stop.id), 1);
}

async fn toggle_from_off(log: &eai_core::log::Log, service: eai_core::ids::ServiceId) {
    execute(log, &on(service, Command::Start)).await.unwrap();
    toggle(log, service, 4).await;
}

#[tokio::test]
async fn retries_at_the_same_time_make_one_event() {
    let server = Server::start();
    let (first, second) = (server.log().await, server.log().await);
    let context = context();
    let commands = (0..16).map(|index| {
        let log = if index % 2 == 0 { &first } else { &second };
        let context = &context;
        async move { log.execute(context, &new_service(context.id, "web")).await }
    });
    for result in futures::future::join_all(commands).await {
        let outcome = result.unwrap();
        assert_eq!(
            (outcome.sequence, outcome.events),
            (CREATED as u64, CREATED)
        );
    }
    assert_eq!(verified(&first).await.len(), CREATED);
}

#[tokio::test]
async fn another_command_under_the_same_id_is_refused() {
    let server = Server::start();
    let log = server.log().await;
    let service = service_of(created(&log, "web").await);
    let context = context();
    log.execute(&context, &on(service, Command::Stop))
        .await
        .unwrap();
    let last = log.last_sequence().await.unwrap();
    for log in [&log, &open(server.connect().await, LONG).await] {
        for other in [Command::Start, Command::Deactivate] {
            let result = log.execute(&context, &on(service, other)).await;
            let reused = matches!(result, Err(Error::CommandIdReused(id)) if id == context.id);
            assert!(reused, "{result:?}");
        }
    }
    assert_eq!(log.last_sequence().await.unwrap(), last);
}

#[tokio::test]
async fn another_name_under_the_same_id_is_refused() {
    let server = Server::start();
    let log = server.log().await;
    let id = created(&log, "web").await;
    for log in [&log, &open(server.connect().await, LONG).await] {
        let result = log.execute(&context_of(id), &new_service(id, "api")).await;
        let reused = matches!(result, Err(Error::CommandIdReused(reused)) if reused == id);
        assert!(reused, "{result:?}");
    }
    assert_eq!(verified(&log).await.len(), CREATED);
}

#[tokio::test]
async fn a_service_that_is_not_there_takes_no_command() {
    let server = Server::start();
    let log = server.log().await;
    let nobody = service_of(CommandId(Uuid::from_u128(404)));
    let refused = super::support::refusal(execute(&log, &on(nobody, Command::Stop)).await);
    assert_eq!(refused.kind, RefusalKind::NotFound);
    assert_eq!(log.last_sequence().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_expectation_corrects_is_decided_on_the_newest_state() {
    let server = Server::start();
    let (log, other) = (server.log().await, server.log().await);
    let id = created(&log, "web").await;
    let address = Address::new(account(), "service", service_of(id));
    let status = |state: eai_core::service::State| state.unwrap().status.to_string();
    let known = log.state::<ServiceAggregate>(&address).await.unwrap();
    assert_eq!(status(known), "on");
    let stop = on(service_of(id), Command::Stop);
    execute(&other, &stop).await.unwrap();
    // What this process knows is behind, and nothing tells it so.
    let known = log.state::<ServiceAggregate>(&address).await.unwrap();
    assert_eq!(status(known), "on");
    let newest = log.newest_state::<ServiceAggregate>(&address).await;
    assert_eq!(status(newest.unwrap()), "off");
}
