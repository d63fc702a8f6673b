//! Events of a newer version are parked, and the rest goes on.

use eai_core::log::Position;
use eai_core::service::Command;
use serde_json::json;

use super::events::{Document, store};
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

/// Bytes that no platform stored: each is named by where it stands, and what it stands between goes on.
#[tokio::test]
async fn what_is_no_document_stops_nothing() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (log, client) = (server.log().await, server.client().await);
    let running = Running::start(folder.path(), &log).await;
    let web = new_service(&log, "web").await;
    let right = Document::next(&log, "service", &web.to_string(), "stopped", json!({})).await;
    let mut without_hash = right.json();
    without_hash.as_object_mut().unwrap().remove("prevhash");
    let mut of_no_type = right.json();
    of_no_type["type"] = "hello".into();
    let all = [
        "hello".to_owned(),
        String::new(),
        "{".to_owned(),
        without_hash.to_string(),
        of_no_type.to_string(),
    ];
    for payload in &all {
        store(&client, right.subject(), payload.clone()).await;
    }
    assert_eq!(ask(&log, web, Command::Stop).await, 1);
    let api = new_service(&log, "api").await;
    running.caught_up(&log).await;
    assert_eq!(running.views.halted(), None);
    let status = |row: Option<eai_projections::ServiceRow>| row.unwrap().status.to_string();
    assert_eq!(status(running.views.service(web).await.unwrap()), "off");
    assert_eq!(status(running.views.service(api).await.unwrap()), "on");

    let verified = running.store.verify(&log).await.unwrap();
    assert_eq!(verified.differences, []);
    let parked: Vec<_> = verified
        .parked
        .iter()
        .map(|parked| parked.sequence)
        .collect();
    assert_eq!(parked, [7, 8, 9, 10, 11], "{verified:?}");
    assert!(
        verified
            .parked
            .iter()
            .all(|parked| parked.event_type == right.subject())
    );
    let rows = dump(folder.path()).await;
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(dump(folder.path()).await, rows);
    // The past is found beside it as well.
    let past = running.store.at(&log, Position::Sequence(9)).await.unwrap();
    assert!(past.time.is_some());
    running.stop().await;
}
