//! Versions of data: every one of them, and the newest in the data's row.

use eai_core::data::{self, Push};
use eai_core::digest::Digest;
use eai_core::ids::DataId;
use eai_core::log::Log;
use eai_projections::Page;

use super::server::Server;
use super::support::{Running, account, execute, new_data, new_id, new_service};

const ALL: Page = Page {
    after: 0,
    limit: 1000,
};

async fn push(log: &Log, data: DataId, base: u64, content: &str) -> u64 {
    let push = Push {
        base,
        manifest: Digest::of(content.as_bytes()),
        files: base + 1,
        bytes: 10 * (base + 1),
    };
    let part = data::push(account(), data, push);
    execute(log, new_id(), &vec![part]).await.sequence
}

#[tokio::test]
async fn versions_are_kept() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let (files, other) = (new_data(&log, "files").await, new_data(&log, "other").await);
    let first = push(&log, files, 0, "a").await;
    push(&log, other, 0, "x").await;
    let second = push(&log, files, 1, "b").await;
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;
    let views = &running.views;

    let row = views.data(files).await.unwrap().unwrap();
    assert_eq!((row.version, row.files, row.bytes), (2, 2, 20));
    assert_eq!(row.manifest, Some(Digest::of(b"b")));
    assert_eq!(row.ran_manifest, None);
    assert!(row.updated_on >= row.created_on);
    let versions = views.versions(files, ALL).await.unwrap();
    let numbers: Vec<_> = versions.iter().map(|row| row.version).collect();
    assert_eq!(numbers, [1, 2]);
    let page = Page { after: 1, limit: 1 };
    let later = views.versions(files, page).await.unwrap();
    assert_eq!((later.len(), later[0].version), (1, 2));
    let version = views.version(files, 1).await.unwrap().unwrap();
    assert_eq!(
        (version.sequence, version.manifest),
        (first, Digest::of(b"a"))
    );
    assert!(views.version(files, 3).await.unwrap().is_none());
    for (sequence, number) in [
        (first - 1, None),
        (first, Some(1)),
        (second - 1, Some(1)),
        (u64::MAX, Some(2)),
    ] {
        let found = views.version_at(files, sequence).await.unwrap();
        assert_eq!(found.map(|row| row.version), number, "{sequence}");
    }
    let (manifests, last) = views.manifests(0).await.unwrap();
    assert_eq!(
        manifests,
        [b"a", b"x", b"b"].map(|content| Digest::of(content))
    );
    assert_eq!(last, second);
    assert_eq!(views.manifests(last).await.unwrap(), (Vec::new(), last));

    let service = new_service(&log, "web").await;
    running.caught_up(&log).await;
    let row = views.service(service).await.unwrap().unwrap();
    let services = views.services_of_runtime(row.runtime_id).await.unwrap();
    assert_eq!(
        services.iter().map(|row| row.id).collect::<Vec<_>>(),
        [service]
    );
    assert!(views.services_of_runtime(files).await.unwrap().is_empty());
    running.stop().await;
}
