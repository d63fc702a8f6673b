//! Reading the log through the API and the command line: what happened, as it is stored.

use eai_tests::{Api, Following, Monitor, Platform, Stored, text, until, within};
use reqwest::Method;
use serde_json::Value;

fn lines(platform: &Platform, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["events", "tail"], arguments].concat();
    let output = platform.run(&arguments, &[]).ok();
    output.lines().map(str::to_owned).collect()
}

fn types(platform: &Platform, arguments: &[&str]) -> Vec<String> {
    lines(platform, &[arguments, &["--field", "type"]].concat())
}

#[test]
fn the_last_events_of_a_kind_an_id_or_since_then() {
    let platform = Platform::start();
    let id = platform
        .cli(["service", "new", "web", "--field", "id"])
        .ok();
    platform.cli(["service", "stop", "web"]).ok();
    platform.cli(["data", "new", "files"]).ok();

    let made = [
        "eai.name.reserved.v1",
        "eai.name.reserved.v1",
        "eai.data.created.v1",
        "eai.name.reserved.v1",
        "eai.role.created.v1",
        "eai.service.created.v1",
    ];
    let after = [
        "eai.service.stopped.v1",
        "eai.name.reserved.v1",
        "eai.data.created.v1",
    ];
    assert_eq!(types(&platform, &["-n", "9"]), [&made[..], &after].concat());
    assert_eq!(types(&platform, &["-n", "3"]), after);
    assert_eq!(types(&platform, &[]).len(), 10, "ten by default");
    assert_eq!(types(&platform, &["-n", "0"]).len(), 0);

    let created = ["eai.service.created.v1"];
    assert_eq!(types(&platform, &["--type", "service.created"]), created);
    let full = ["--type", "eai.service.created.v1"];
    assert_eq!(types(&platform, &full), created);
    let both = ["eai.service.created.v1", "eai.service.stopped.v1"];
    assert_eq!(types(&platform, &["--type", "service"]), both);
    let other_version = ["--type", "eai.service.created.v2"];
    assert!(types(&platform, &other_version).is_empty());
    assert_eq!(types(&platform, &["--id", &id]), both, "of the service");
    let event = lines(&platform, &["--type", "service.stopped", "--field", "id"]);
    let found = types(&platform, &["--id", &event[0]]);
    assert_eq!(found, ["eai.service.stopped.v1"], "by the event's own id");

    let stopped = lines(&platform, &["--id", &event[0], "--fields", "sequence,time"]);
    let cells: Vec<_> = stopped[1].split_whitespace().collect();
    assert_eq!(types(&platform, &["--since", cells[0]]), after);
    assert_eq!(types(&platform, &["--since", cells[1]]), after);
    assert_eq!(
        types(&platform, &["--since", cells[0], "-n", "2"]),
        after[1..]
    );
    let never = ["--since", "2999-01-01T00:00:00Z"];
    assert!(types(&platform, &never).is_empty());
    let all = types(&platform, &["--since", "1500-01-01T00:00:00Z"]);
    assert_eq!(all.len() as u64, end(&platform));
    // What the first start founded, the executor's start, and what was asked for since.
    let (founded, since) = all.split_at(6);
    assert!(!founded.contains(&"eai.executor.started.v1".to_owned()));
    let since_ready = [&["eai.executor.started.v1"], &made[..], &after].concat();
    assert_eq!(since, since_ready);

    let heading: Vec<_> = lines(&platform, &["-n", "1"])[0]
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        heading,
        ["id", "sequence", "time", "type", "subject", "actor"]
    );
    let row = lines(
        &platform,
        &["--id", &id, "-n", "1", "--fields", "subject,actor"],
    );
    let user = platform.cli(["user", "get", "--field", "id"]).ok();
    let cells: Vec<_> = row[1].split_whitespace().collect();
    assert_eq!(cells, [format!("service/{id}"), format!("user:{user}")]);
}

#[tokio::test]
async fn an_event_is_the_same_bytes_everywhere() {
    let platform = Platform::start();
    let mut monitor = Monitor::subscribe(&platform, "eai.live.>").await;
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    platform.cli(["service", "new", "web"]).ok();
    for _ in 0..6 {
        let live = monitor.next().await;
        let event = stored.get(live.sequence).await;
        assert_eq!(live.payload, event.payload);
        let subject = live.subject.strip_prefix("eai.live.").unwrap();
        assert_eq!(event.subject, format!("eai.event.{subject}"));
        let id = text(&live.document["id"]);
        let sequence = live.sequence.to_string();
        for reference in [&id, &sequence] {
            let answer = api.get(&format!("/v1/event/{reference}")).await;
            assert_eq!(answer.body, event.payload, "{reference}");
            assert_eq!(answer.header("x-eai-sequence"), Some(sequence.as_str()));
            let media_type = answer.header("content-type");
            assert_eq!(media_type, Some("application/cloudevents+json"));
            let printed = platform.cli(["events", "get", reference]).ok();
            assert_eq!(printed.as_bytes(), event.payload);
        }
    }
}

#[tokio::test]
async fn a_list_of_events_has_pages_and_ends() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    let last = stored.last().await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = api.get(&format!("/v1/event?limit=5{after}")).await;
        // The envelope is read by hand: events are compared as they were sent.
        let body = page.text();
        let page = page.ok();
        for item in page["items"].as_array().unwrap() {
            let event = stored.get(item["sequence"].as_u64().unwrap()).await;
            let bytes = String::from_utf8(event.payload.clone()).unwrap();
            assert!(body.contains(&bytes), "{bytes}");
            seen.push(event.sequence);
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    let some = api.get("/v1/event?since=3&until=5").await.ok();
    let sequences = |page: &Value| {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["sequence"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(sequences(&some), [3, 4, 5]);
    let some = api.get("/v1/event?tail=2").await.ok();
    assert_eq!(sequences(&some), [last - 1, last]);
    assert_eq!(some["next"], Value::Null);
}

#[tokio::test]
async fn a_stream_of_events_carries_them_as_they_are_stored() {
    let platform = Platform::start();
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    let last = stored.last().await;
    let path = format!("/v1/event?follow=true&since={}", last + 1);
    let mut stream = api.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "application/x-ndjson");
    platform.cli(["data", "new", "files"]).ok();
    let mut text = String::new();
    while text.lines().filter(|line| !line.is_empty()).count() < 2 {
        let chunk = within("a line", stream.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    for (line, event) in text.lines().zip(stored.after(last).await) {
        let payload = String::from_utf8(event.payload.clone()).unwrap();
        let sequence = event.sequence;
        assert_eq!(
            line,
            format!("{{\"sequence\":{sequence},\"event\":{payload}}}")
        );
    }
}

#[test]
fn following_goes_on_over_a_restart() {
    let mut platform = Platform::start();
    let tail = ["events", "tail", "-f", "-n", "0"];
    let show = ["--fields", "sequence,type", "--no-header"];
    let events = Following::start(&platform, &[&tail[..], &show].concat());
    let services = Following::start(
        &platform,
        &[
            "events", "tail", "-f", "-n", "1", "--type", "service", "--field", "type",
        ],
    );
    // Both say something once they follow: one of them shows what comes from now on only.
    let mut number = 0;
    let first = until("the follower to begin", || {
        number += 1;
        let name = format!("data_{number}");
        platform.cli(["data", "new", &name]).ok();
        events.try_next().ok_or("nothing yet")
    });
    let mut last = sequence(&first);
    while last < end(&platform) {
        last = follows(&events.next(), last);
    }

    platform.cli(["service", "new", "web"]).ok();
    for _ in 0..6 {
        last = follows(&events.next(), last);
    }
    assert_eq!(services.next(), "eai.service.created.v1");
    for ended in ["stopped", "killed"] {
        if ended == "stopped" {
            assert_eq!(platform.stop(), 0);
        } else {
            platform.kill();
        }
        platform.up();
        let verb = if ended == "stopped" { "stop" } else { "start" };
        platform.cli(["service", verb, "web"]).ok();
        let kind = if verb == "stop" { "stopped" } else { "started" };
        let kind = format!("eai.service.{kind}.v1");
        // Who is killed cannot say that it ends.
        let said = ["eai.executor.stopped.v1", "eai.executor.started.v1", &kind];
        for kind in &said[usize::from(ended == "killed")..] {
            let line = events.next();
            last = follows(&line, last);
            assert!(line.ends_with(kind), "{kind}: {line}");
        }
        assert_eq!(services.next(), kind);
    }
    assert_eq!(last, end(&platform), "each once");
}

fn sequence(line: &str) -> u64 {
    let number = line.split_whitespace().next();
    number.and_then(|text| text.parse().ok()).expect("a number")
}

#[track_caller]
fn follows(line: &str, last: u64) -> u64 {
    assert_eq!(sequence(line), last + 1, "{line}");
    last + 1
}

fn end(platform: &Platform) -> u64 {
    let last = platform.cli(["server", "info", "--field", "lastSequence"]);
    last.ok().parse().expect("a number")
}
