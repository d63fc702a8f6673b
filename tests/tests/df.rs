//! `eai server df`: what the platform has on the disk, and who may ask.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;

use eai_tests::{Api, Backend, Platform, Service, text};
use serde_json::Value;

async fn part(api: &Api, name: &str) -> Value {
    let usage = api.get("/v1/server/usage").await.ok();
    let parts = usage["parts"].as_array().unwrap();
    let found = parts.iter().find(|part| part["part"] == name);
    found.unwrap_or_else(|| panic!("{name}: {usage:#}")).clone()
}

#[tokio::test]
async fn what_is_pushed_and_what_nobody_needs_is_seen() {
    let platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let web = Service::web(&platform, "web", &[]);
    assert_eq!(web.get("/").await.status, 200);
    let bytes = async |name: &str| part(&api, name).await["bytes"].as_u64().unwrap();
    for name in ["events", "views", "data", "cache", "runs", "other"] {
        assert!(bytes(name).await > 0, "{name}");
    }
    assert!(part(&api, "events").await["limitBytes"].as_u64().unwrap() > 1 << 20);
    assert_eq!(part(&api, "data").await["freeableBytes"], 0);

    // It does not compress, so that all of it is in the store.
    let large: Vec<u8> = (0..3 << 20)
        .map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let before = bytes("data").await;
    let file = platform.path("large");
    fs::write(&file, &large).unwrap();
    web.push(&platform, &file);
    assert!(bytes("data").await >= before + (3 << 20));

    // Sent, and in no version: it may go.
    let digest = eai_core::digest::Digest::of(&large[1..]);
    let mut frame = format!("{digest} {}\n", large.len() - 1).into_bytes();
    frame.extend(&large[1..]);
    let send = api.request(reqwest::Method::POST, "/v1/data/web_runtime/objects");
    eai_tests::Answer::of(send.body(frame)).await.ok();
    assert_eq!(part(&api, "data").await["freeableBytes"], large.len() - 1);

    let shown = platform.cli(["server", "df"]).ok();
    let first = shown.lines().next().unwrap();
    for column in ["part", "size", "limit", "freeable", "advice"] {
        assert!(first.contains(column), "{shown}");
    }
    let last = shown.lines().last().unwrap();
    assert!(
        last.contains(platform.data().to_str().unwrap()) && last.contains("free on its disk"),
        "{shown}"
    );
    let json = platform.cli(["server", "df", "--format", "json"]).ok();
    let rows: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let data = rows.iter().find(|row| row["part"] == "data").unwrap();
    assert!(data["bytes"].as_u64().unwrap() > 6 << 20, "{data}");
    assert!(text(&data["advice"]).contains("after a day"));
}

#[tokio::test]
async fn what_was_answered_before_is_there_after_what_may_go_went() {
    let mut platform = Platform::start();
    platform.cli(["service", "new", "one"]).ok();
    assert_eq!(platform.stop(), 0);
    // As `df` says of them.
    for spare in ["views/snapshots", "cache"] {
        fs::remove_dir_all(platform.data().join(spare)).ok();
    }
    platform.up();
    assert_eq!(
        platform.cli(["service", "ls", "--field", "name"]).ok(),
        "one"
    );
}
