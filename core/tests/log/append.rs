//! Many commands at once: one winner for a name, and every change of one aggregate gets through.

use futures::future::join_all;

use eai_core::service::Command;

use super::server::{LONG, Server, open};
use super::support::{
    CREATED, add_member, context, created, events_of, execute, new_service, on, refusal, role_of,
    service_of, verified, within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_gets_a_name() {
    let server = Server::start();
    let first = server.log().await;
    // Half of them come from another process's log, which shares nothing with the first.
    let second = open(server.connect().await, LONG).await;
    let contexts: Vec<_> = (0..64).map(|_| context()).collect();
    let commands = contexts.iter().enumerate().map(|(index, context)| {
        let log = if index % 2 == 0 { &first } else { &second };
        let parts = new_service(context.id, "web");
        async move { log.execute(context, &parts).await }
    });
    let results = within("all commands", join_all(commands)).await;
    let mut won = 0;
    for result in results {
        match result {
            Ok(outcome) => {
                assert_eq!((outcome.events, outcome.repeated), (CREATED, false));
                won += 1;
            }
            refused => assert_eq!(refusal(refused).code, "name-taken"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(verified(&first).await.len(), CREATED, "nothing of a loser");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_changes_of_one_aggregate_all_get_through() {
    let server = Server::start();
    let first = server.log().await;
    let second = open(server.connect().await, LONG).await;
    let role = role_of(created(&first, "web").await);
    let commands = (0..64).map(|index| {
        let log = if index % 2 == 0 { &first } else { &second };
        async move { log.execute(&context(), &add_member(role, index)).await }
    });
    for result in within("all commands", join_all(commands)).await {
        let outcome = result.unwrap();
        assert_eq!((outcome.events, outcome.repeated), (1, false));
    }
    assert_eq!(verified(&first).await.len(), CREATED + 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_ask_the_same_are_settled_by_one() {
    let server = Server::start();
    let log = server.log().await;
    let service = service_of(created(&log, "web").await);
    let commands = (0..64).map(|_| execute_on(&log, on(service, Command::Stop)));
    let results = join_all(commands).await;
    let events: usize = results.iter().sum();
    assert_eq!(events, 1, "the others had nothing left to do");
    assert_eq!(verified(&log).await.len(), CREATED + 1);
}

async fn execute_on(log: &eai_core::log::Log, parts: super::support::Parts) -> usize {
    execute(log, &parts).await.unwrap().events
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let server = Server::start();
    let log = server.log().await;
    created(&log, "web").await;
    // The name of the service is free, that of the runtime which comes with it is not.
    let context = context();
    let id = eai_core::ids::DataId(context.id.aggregate(9));
    let full_name = super::support::account().join("api_runtime".parse().unwrap());
    let parts = eai_core::data::create(id, &full_name);
    log.execute(&context, &parts).await.unwrap();
    for log in [&log, &open(server.connect().await, LONG).await] {
        let context = super::support::context();
        let result = log.execute(&context, &new_service(context.id, "api")).await;
        let refused = refusal(result);
        assert_eq!(refused.code, "name-taken");
        assert!(refused.message.contains("api_runtime"), "{refused}");
        assert_eq!(events_of(&verified(log).await, context.id), 0);
    }
    assert_eq!(verified(&log).await.len(), CREATED + 2);
}

#[tokio::test]
async fn a_stale_cache_is_corrected_by_the_expectation() {
    let server = Server::start();
    let (first, second) = (server.log().await, server.log().await);
    let service = service_of(created(&first, "web").await);
    // Both know the service now.
    execute(&second, &on(service, Command::Start))
        .await
        .unwrap();
    for _ in 0..3 {
        let stopped = execute(&first, &on(service, Command::Stop)).await.unwrap();
        // By its own cache the service is on and a start would be nothing to do; what it asks is to stop.
        let again = execute(&second, &on(service, Command::Stop)).await.unwrap();
        assert_eq!((again.events, again.sequence), (0, stopped.sequence));
        let started = execute(&second, &on(service, Command::Start))
            .await
            .unwrap();
        assert_eq!(started.events, 1);
        // Off by its own cache, which no append would correct: there is nothing that it would append.
        let stopped = execute(&first, &on(service, Command::Stop)).await.unwrap();
        assert_eq!(stopped.events, 1);
        execute(&first, &on(service, Command::Start)).await.unwrap();
    }
    verified(&first).await;
}

#[tokio::test]
async fn nothing_is_refused_for_what_is_over() {
    let server = Server::start();
    let (first, second) = (server.log().await, server.log().await);
    let service = service_of(created(&first, "web").await);
    let deactivated = execute(&second, &on(service, Command::Deactivate)).await;
    assert_eq!(deactivated.unwrap().events, 1);
    let reactivated = execute(&first, &on(service, Command::Reactivate)).await;
    assert_eq!(reactivated.unwrap().events, 1);
    let stopped = execute(&second, &on(service, Command::Stop)).await;
    assert_eq!(
        stopped.unwrap().events,
        1,
        "its own cache still says deactivated"
    );
    verified(&first).await;
}
