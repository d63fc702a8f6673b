//! Views that are not what the log says are found out, row by row; those that are go on meanwhile.

use eai_core::service::Command;
use serde_json::json;

use super::events::Document;
use super::once::Random;
use super::server::Server;
use super::support::{Running, ask, connect, database, new_service};

#[tokio::test]
async fn each_row_that_differs_is_told() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let running = Running::start(folder.path(), &log).await;
    let empty = running.store.verify(&log).await.unwrap();
    assert_eq!((empty.sequence, empty.aggregates), (0, 0));
    let mut random = Random::new(3);
    for _ in 0..20 {
        random.step(&log).await;
    }
    let web = new_service(&log, "web").await;
    let last = running.caught_up(&log).await;
    let sound = running.store.verify(&log).await.unwrap();
    assert_eq!((sound.sequence, sound.differences.len()), (last, 0));
    assert!(sound.aggregates > 4 && sound.parked.is_empty(), "{sound:?}");

    // Somebody wrote into the database by hand: one row is another, and one is missing.
    let mut other = connect(&database(folder.path())).await;
    let (changed, removed) = (
        "UPDATE services SET created_by = 'somebody' WHERE id = ?",
        "DELETE FROM names WHERE holder = ?",
    );
    for text in [changed, removed] {
        let query = sqlx::query(text).bind(web.to_string());
        assert_eq!(query.execute(&mut other).await.unwrap().rows_affected(), 1);
    }
    drop(other);
    let found = running.store.verify(&log).await.unwrap().differences;
    let told: Vec<_> = found
        .iter()
        .map(|difference| (difference.table.as_str(), difference.in_views))
        .collect();
    assert_eq!(
        told,
        [("names", false), ("services", true), ("services", false)]
    );
    assert!(found[1].row.contains("'somebody'") && !found[2].row.contains("'somebody'"));

    // What is stored later is folded all the same, and a rebuild mends the rest.
    assert_eq!(ask(&log, web, Command::Stop).await, 1);
    running.caught_up(&log).await;
    running.store.rebuild(&log).await.unwrap();
    let mended = running.store.verify(&log).await.unwrap();
    assert_eq!((mended.sequence, mended.differences.len()), (last + 1, 0));
    running.stop().await;
}

#[tokio::test]
async fn events_that_cannot_be_read_are_told() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (log, client) = (server.log().await, server.client().await);
    let running = Running::start(folder.path(), &log).await;
    let id = new_service(&log, "web").await.to_string();
    let unknown = Document::next(&log, "service", &id, "painted", json!({"colour": "red"})).await;
    let unknown = unknown.store(&client).await;
    running.caught_up(&log).await;
    let found = running.store.verify(&log).await.unwrap();
    assert!(found.differences.is_empty());
    assert_eq!(found.parked.len(), 1);
    assert_eq!(found.parked[0].sequence, unknown);
    assert_eq!(found.parked[0].event_type, "eai.service.painted.v1");
    assert_eq!(running.views.unreadable().await.unwrap(), 1);
    running.stop().await;
}
