//! Events of a newer version are parked, and the rest goes on.

use eai_core::service::Command;
use serde_json::json;

use super::events::Document;
use super::server::Server;
use super::support::{PATIENCE, Running, ask, dump, new_service, services};

#[tokio::test]
async fn what_this_version_cannot_read_stops_nothing() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (log, client) = (server.log().await, server.client().await);
    let running = Running::start(folder.path(), &log).await;
    let web = new_service(&log, "web").await;
    let id = web.to_string();

    let unknown = Document::next(&log, "service", &id, "painted", json!({"colour": "red"})).await;
    let unknown = unknown.store(&client).await;
    let newer = Document {
        version: 2,
        ..Document::next(&log, "service", &id, "stopped", json!({"by": 1})).await
    };
    let newer = newer.store(&client).await;
    let misfit = Document::next(&log, "service", &id, "reactivated", json!({"status": 7})).await;
    let misfit = misfit.store(&client).await;
    let kind = Document::first("portrait", "painted", json!({}));
    let other_kind = kind.store(&client).await;
    let first = Document::first("job", "submitted", json!({}));
    let first = first.store(&client).await;
    let next = Document::next(&log, "service", &id, "stopped", json!({})).await;
    let last = next.store(&client).await;
    let api = new_service(&log, "api").await;
    assert_eq!(ask(&log, api, Command::Stop).await, 1);

    running.caught_up(&log).await;
    assert_eq!(running.views.halted(), None);
    assert_eq!(services(&running.views).await.unwrap(), 2);
    for service in [web, api] {
        let row = running.views.service(service).await.unwrap().unwrap();
        assert_eq!(row.status.to_string(), "off", "the events behind count");
    }
    running.views.until(last, PATIENCE).await.unwrap();
    let rows = dump(folder.path()).await;
    let parked: Vec<_> = rows
        .iter()
        .filter_map(|row| row.strip_prefix("parked: "))
        .collect();
    let wanted = [
        (unknown, "painted.v1", "unknown"),
        (newer, "stopped.v2", "unknown"),
        (misfit, "reactivated.v1", "does not fit"),
        (other_kind, "portrait.painted.v1", "unknown"),
        (first, "submitted.v1", "does not fit"),
    ];
    assert_eq!(parked.len(), wanted.len(), "{parked:?}");
    for (sequence, event_type, why) in wanted {
        let start = format!("{sequence} | ");
        let row = parked.iter().find(|row| row.starts_with(&start));
        let row = row.expect("it is parked");
        assert!(row.contains(event_type) && row.contains(why), "{row}");
    }
    // Damage behind a parked event is seen: its hash is in the chain.
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(dump(folder.path()).await, rows);
    running.stop().await;
}
