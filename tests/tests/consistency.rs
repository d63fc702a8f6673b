//! Read your writes: what a command did, whoever saw its answer sees from then on.

use eai_tests::{Answer, Api, Platform};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

const POSITION: &str = "x-eai-position";

#[tokio::test]
async fn an_answer_has_what_its_command_did() {
    let platform = Platform::start();
    let (writer, reader) = (Api::of(&platform), Api::of(&platform));
    let web = json!({"name": "web"});
    writer.create("/v1/service", &web, None).await.ok();
    for round in 0..100 {
        let (verb, status) = [("stop", "off"), ("start", "on")][round % 2];
        let done = writer.post(&format!("/v1/service/web/{verb}"), None).await;
        let position = done.header(POSITION).unwrap().to_owned();
        assert_eq!(done.ok()["status"], status);
        // Another connection, which knows only the position.
        let list = reader.request(Method::GET, "/v1/service");
        let list = Answer::of(list.header(POSITION, &position)).await;
        assert_eq!(list.ok()["items"][0]["status"], status, "round {round}");
        let (_, sequence) = position.split_once(':').unwrap();
        let event = reader.get(&format!("/v1/event/{sequence}")).await.ok();
        let kind = if status == "on" { "started" } else { "stopped" };
        assert_eq!(event["type"], format!("eai.service.{kind}.v1"));
    }
}

#[test]
fn one_process_sees_what_another_did() {
    let platform = Platform::start();
    for round in 0..50 {
        let name = format!("data_{round}");
        let id = platform.cli(["data", "new", &name, "--field", "id"]).ok();
        let seen = platform.cli(["data", "get", &name, "--field", "id"]);
        assert_eq!(seen.ok(), id, "round {round}");
    }
    let position = std::fs::read_to_string(platform.config().join("cache/default.position"));
    let last = platform.cli(["server", "info", "--field", "lastSequence"]);
    let position = position.unwrap();
    assert_eq!(position.trim().split_once(':').unwrap().1, last.ok());
}

#[tokio::test]
async fn a_position_that_means_nothing_here_holds_nobody_up() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let mine = api.get("/v1/me").await;
    let position = mine.header(POSITION).unwrap();
    let (id, sequence) = position.split_once(':').unwrap();
    let other = Uuid::new_v4();
    let begun = std::time::Instant::now();
    for position in [
        format!("{other}:999999"),
        format!("{id}:999999"),
        format!("{id}:18446744073709551615"),
        format!("{id}:99999999999999999999999"),
        format!("{id}:-1"),
        format!("{id}:"),
        id.to_owned(),
        sequence.to_owned(),
        "é".to_owned(),
        String::new(),
    ] {
        let request = api
            .request(Method::GET, "/v1/me")
            .header(POSITION, &position);
        let answer = Answer::of(request).await;
        assert_eq!(answer.ok(), mine.ok(), "{position}");
        let now = answer.header(POSITION).unwrap();
        assert_eq!(now, mine.header(POSITION).unwrap(), "{position}");
    }
    // Far below the patience for a view that is behind.
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
}
