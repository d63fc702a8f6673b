//! What this version cannot read, and what is no event at all: named, kept, and nothing else stops.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_core::digest::Digest;
use eai_tests::{Platform, Setup, Stored, until};
use serde_json::{Value, json};

/// Stores bytes behind what a service has so far.
async fn store(platform: &Platform, subject: String, payload: Vec<u8>) {
    let client = Stored::client(platform).await;
    let stored = client.request(subject, payload.into()).await.unwrap();
    let stored: Value = serde_json::from_slice(&stored.payload).unwrap();
    assert!(stored["seq"].is_u64(), "{stored}");
}

/// An event of tomorrow, in the place where it would stand.
async fn of_tomorrow(platform: &Platform, id: &str) -> (String, Vec<u8>) {
    let events = Stored::of(platform).await.after(0).await;
    let subject = format!("service/{id}");
    let mine = events.iter().rev();
    let newest = mine.clone().find(|event| {
        serde_json::from_slice::<Value>(&event.payload)
            .is_ok_and(|document| document["subject"] == *subject)
    });
    let newest = newest.unwrap();
    let mut document = newest.document();
    document["id"] = json!("6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e");
    document["type"] = json!("eai.service.painted.v1");
    document["prevhash"] = json!(Digest::of(&newest.payload).to_string());
    document["data"] = json!({ "colour": "red" });
    let (stem, _) = newest.subject.rsplit_once('.').unwrap();
    (format!("{stem}.painted"), document.to_string().into_bytes())
}

fn unreadable(platform: &Platform, count: u64) {
    until("it to be told", || {
        let told = platform
            .cli(["server", "info", "--field", "unreadableEvents"])
            .ok();
        (told == count.to_string()).then_some(()).ok_or(told)
    });
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_stops_nothing_else() {
    let mut platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    platform.cli(["service", "new", "api"]).ok();
    let id = |name| platform.cli(["service", "get", name, "--field", "id"]).ok();
    let (web, api) = (id("web"), id("api"));

    // Bytes that are no document: their thing goes on, too.
    let noise = format!("eai.event.snow.testacc.service.{web}.sang");
    store(&platform, noise.clone(), b"no\ndocument \xff".to_vec()).await;
    unreadable(&platform, 1);
    let stopped = platform.cli(["service", "stop", "web", "--field", "status"]);
    assert_eq!(stopped.ok(), "off");

    // An event of a newer version: only what it happened to takes no commands that could contradict it.
    let (subject, document) = of_tomorrow(&platform, &api).await;
    store(&platform, subject, document.clone()).await;
    unreadable(&platform, 2);
    let refused = platform.run(&["service", "stop", "api"], &[("EAI_RETRY_FOR", "0s")]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("cannot be read by this version"),
        "{}",
        refused.err
    );
    let started = platform.cli(["service", "start", "web", "--field", "status"]);
    assert_eq!(started.ok(), "on");
    platform.cli(["service", "new", "late"]).ok();

    let verified = platform.cli(["events", "verify"]).ok();
    assert!(
        verified.contains(&noise) && verified.contains("eai.service.painted.v1"),
        "{verified}"
    );
    let why = platform.cli(["events", "explain", "api"]).ok();
    assert!(why.contains("painted"), "{why}");
    platform.cli(["events", "explain", "web"]).ok();
    platform.cli(["events", "timeline", "web"]).ok();
    let names = platform.cli([
        "service",
        "ls",
        "--field",
        "name",
        "--at",
        "2999-01-01T00:00:00Z",
    ]);
    assert_eq!(names.ok(), "web\napi\nlate");

    // An export has both, byte for byte, and so has what is restored from it.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.ndjson");
    let file = file.to_str().unwrap();
    platform.cli(["events", "export", file]).ok();
    let count = platform.cli(["events", "verify", "--file", file, "--field", "unreadable"]);
    assert_eq!(count.ok(), "2");
    platform.stop();
    let restored = Platform::start_with(Setup::flags(["--restore", file]));
    unreadable(&restored, 2);
    let stored = Stored::of(&restored).await.after(0).await;
    let has = |payload: &[u8]| stored.iter().any(|event| event.payload == payload);
    assert!(has(b"no\ndocument \xff") && has(&document));
    let names = restored.cli(["service", "ls", "--field", "name"]).ok();
    assert_eq!(names, "web\napi\nlate");
    let kind = [
        "events",
        "ls",
        "--type",
        "platform.restored",
        "--field",
        "subject",
    ];
    assert!(restored.cli(kind).ok().starts_with("platform/"));

    // A platform that starts with them starts.
    platform.up();
    unreadable(&platform, 2);
}
