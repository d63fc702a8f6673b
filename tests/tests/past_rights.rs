//! Who may see little now sees no more of what was: neither by a moment, nor by why and how.

use eai_tests::holders::key_of;
use eai_tests::{Api, Platform, Service};
use serde_json::Value;

fn names(list: &Value) -> Vec<String> {
    let rows = list["items"].as_array().expect("a list").iter();
    rows.map(|row| eai_tests::text(&row["name"])).collect()
}

#[tokio::test]
async fn the_past_opens_nothing_that_is_closed_now() {
    let platform = Platform::start();
    let open = Service::empty(&platform, "open");
    let closed = Service::empty(&platform, "closed");
    closed.say(&platform, "stop");
    let policies = format!("service:get@snow.testacc.open,event:get@{}", open.id);
    let all = Api::of(&platform);
    let few = all.with_token(&key_of(&platform, "few", &policies));
    let info = all.get("/v1/server").await.ok();
    let at = info["lastSequence"].as_u64().expect("a sequence");

    for path in ["/v1/service".to_owned(), format!("/v1/service?at={at}")] {
        assert_eq!(names(&few.get(&path).await.ok()), ["open"], "{path}");
        assert_eq!(names(&all.get(&path).await.ok()).len(), 2, "{path}");
    }
    for path in ["", &format!("?at={at}")] {
        let one = |id: &str| format!("/v1/service/{id}{path}");
        assert_eq!(few.get(&one(&open.id)).await.status, 200, "{path}");
        assert_eq!(few.get(&one(&closed.id)).await.status, 404, "{path}");
        assert_eq!(few.get(&one("closed")).await.status, 404, "{path}");
        assert_eq!(all.get(&one(&closed.id)).await.status, 200, "{path}");
    }
    for what in ["explanation", "timeline"] {
        let one = |id: &str| format!("/v1/{what}/{id}");
        assert_eq!(few.get(&one(&open.id)).await.status, 200, "{what}");
        assert_eq!(all.get(&one(&closed.id)).await.status, 200, "{what}");
        let (known, unknown) = (
            few.get(&one(&closed.id)).await,
            few.get(&one("6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e")).await,
        );
        assert_eq!((known.status, unknown.status), (404, 404), "{what}");
        assert!(!known.text().contains("closed"), "{}", known.text());
    }
    let events = few.get("/v1/event?limit=1000").await.ok();
    let events = events["items"].as_array().expect("a list");
    let of_open = format!("service/{}", open.id);
    assert!(!events.is_empty(), "its own are told");
    let subjects: Vec<_> = events
        .iter()
        .map(|event| &event["event"]["subject"])
        .collect();
    assert!(
        subjects.iter().all(|subject| **subject == *of_open),
        "{subjects:?}"
    );
    let verify = few.post("/v1/server/verify", None).await;
    assert_eq!(verify.status, 403, "{}", verify.text());
}
