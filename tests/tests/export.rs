//! The log as a file: every byte of it, and whatever is changed in it is noticed; views that are what the log says.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;

use eai_tests::{Backend, Platform, Service, Stored, on_each_backend};
use serde_json::{Value, json};

async fn an_export_is_the_log_byte_for_byte(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    service.say(&platform, "stop");
    platform
        .cli(["service", "wait", "web", "--for", "stopped"])
        .ok();
    let last: u64 = {
        let last = platform.cli(["server", "info", "--field", "lastSequence"]);
        last.ok().parse().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.ndjson");
    let file = path.to_str().unwrap();
    let told = platform
        .cli(["events", "export", file, "--format", "json"])
        .ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    let exported = told["events"].as_u64().unwrap();
    assert!(exported >= last, "{told}");

    let bytes = fs::read(&path).unwrap();
    let stored = Stored::of(&platform).await;
    let mut all = Vec::new();
    for sequence in 1..=exported {
        all.extend(stored.get(sequence).await.payload);
        all.push(b'\n');
    }
    assert!(bytes == all, "not the same bytes");
    let manifest = fs::read_to_string(folder.path().join("log.ndjson.manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["format"], "eai.export.v1");
    assert_eq!(
        (&manifest["events"], &manifest["lastSequence"]),
        (&exported.into(), &exported.into())
    );
    let heads = manifest["heads"].as_object().unwrap();
    assert!(
        heads.contains_key(&format!("snow.testacc.service.{}", service.id)),
        "{heads:?}"
    );
    let again = platform.cli(["events", "export", file]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is there already"), "{}", again.err);

    // The views are what the log says, on a platform that goes on.
    let verified = platform.cli(["events", "verify", "--format", "json"]).ok();
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(
        verified["differences"].as_array().unwrap().len(),
        0,
        "{verified}"
    );
    assert!(verified["sequence"].as_u64().unwrap() >= last);
    let table = platform.cli(["events", "verify"]).ok();
    let header = table.lines().next().unwrap();
    let header: Vec<_> = header.split_whitespace().collect();
    assert_eq!(
        header,
        ["sequence", "aggregates", "unreadable", "differences"]
    );
    let unreadable = platform.cli(["server", "info", "--field", "unreadableEvents"]);
    assert_eq!(unreadable.ok(), "0");

    // A file is verified with no platform at all, and a single bit is noticed.
    platform.stop();
    let whole = platform.cli(["events", "verify", "--file", file, "--field", "events"]);
    assert_eq!(whole.ok(), exported.to_string());
    for at in [bytes.len() / 3, bytes.len() - 3] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        let refused = platform.cli(["events", "verify", "--file", file]);
        assert_eq!(refused.code, 1, "byte {at}: {}", refused.out);
        assert!(refused.err.contains(file), "{}", refused.err);
    }
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&path, lines[..lines.len() - 1].concat()).unwrap();
    let shorter = platform.cli(["events", "verify", "--file", file]);
    assert!(
        shorter.err.contains("the number of events"),
        "{}",
        shorter.err
    );
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let cut = platform.cli(["events", "verify", "--file", file]);
    assert!(cut.err.contains("does not end"), "{}", cut.err);
}

/// An event of an account that nobody here is in, at the end of the log.
async fn of_another_account(platform: &Platform) -> u64 {
    let events = Stored::of(platform).await.after(0).await;
    let first = events
        .iter()
        .find(|event| event.kind() == "eai.name.reserved.v1");
    let mut document = first.unwrap().document();
    document["id"] = json!("6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e");
    document["account"] = json!("snow.other");
    document["subject"] = json!("name/service-far");
    document["data"]["fullName"] = json!("snow.other.far");
    document["prevhash"] = json!("0".repeat(64));
    let subject = "eai.event.snow.other.name.service-far.reserved";
    let client = Stored::client(platform).await;
    let payload = document.to_string().into();
    let stored = client.request(subject, payload).await.unwrap();
    let stored: Value = serde_json::from_slice(&stored.payload).unwrap();
    stored["seq"].as_u64().unwrap()
}

/// It is the whole log, whoever asks for it and whoever's events they are; or it is refused.
#[tokio::test]
async fn an_export_leaves_nothing_out() {
    let platform = Platform::start();
    let last = of_another_account(&platform).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let all = path("all.ndjson");
    let events: u64 = {
        let told = platform.cli(["events", "export", &all, "--field", "events"]);
        told.ok().parse().unwrap()
    };
    assert!(events >= last);
    let lines = fs::read_to_string(&all).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len() as u64, events);
    let there = usize::try_from(last).unwrap() - 1;
    assert!(lines[there].contains("\"snow.other\""), "{}", lines[there]);
    let listed = platform.cli(["events", "ls", "--format", "json"]).ok();
    assert!(!listed.contains("snow.other"), "it is told to nobody else");

    let reads = "event:get@snow.testacc.*,server:get@snow.testacc.*";
    platform
        .cli(["role", "new", "reads", "--policy", reads])
        .ok();
    let key = platform
        .cli(["role", "key", "new", "reads", "--field", "key"])
        .ok();
    let part = path("part.ndjson");
    let refused = platform.run(&["events", "export", &part], &[("EAI_TOKEN", &key)]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("server:read@snow.testacc"),
        "{}",
        refused.err
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "nothing is left of it"
    );
}

on_each_backend! {
    an_export_is_the_log_byte_for_byte,
}
