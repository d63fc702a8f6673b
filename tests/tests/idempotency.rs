//! A command id makes a command happen once, and commands that race are decided one at a time.

use eai_tests::{Answer, Api, Platform, Stored, StoredEvent, text};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

fn key() -> String {
    Uuid::new_v4().to_string()
}

fn reused(answer: &Answer) {
    assert_eq!(answer.refused(), (409, "command-id-reused".into()));
}

#[tokio::test]
async fn a_repeated_command_answers_its_first_result() {
    let mut platform = Platform::start();
    let (new, stop, data) = (key(), key(), key());
    let web = json!({"name": "web"});
    let files = json!({"name": "files"});
    let api = Api::of(&platform);
    let made = api.create("/v1/service", &web, Some(&new)).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    let path = format!("/v1/service/{}", text(&made["id"]));
    let stopped = api.post(&format!("{path}/stop"), Some(&stop)).await.ok();
    assert_eq!(stopped["status"], "off");
    let filed = api.create("/v1/data", &files, Some(&data)).await.ok();
    // Others go on: the status is another one now.
    api.post(&format!("{path}/start"), None).await.ok();
    api.post(&format!("{path}/deactivate"), None).await.ok();
    let mut last = Stored::of(&platform).await.last().await;

    for restart in [false, true] {
        if restart {
            assert_eq!(platform.stop(), 0);
            platform.up();
            let events = Stored::of(&platform).await.after(last).await;
            let kinds: Vec<_> = events.iter().map(StoredEvent::kind).collect();
            let of_restart = ["eai.executor.stopped.v1", "eai.executor.started.v1"];
            assert_eq!(kinds, of_restart);
            last += 2;
        }
        let api = Api::of(&platform);
        let again = api.create("/v1/service", &web, Some(&new)).await;
        assert_eq!((again.status, again.ok()), (201, made.clone()));
        let again = api.post(&format!("{path}/stop"), Some(&stop)).await;
        assert_eq!(again.ok(), stopped, "restarted: {restart}");
        let again = api.post("/v1/service/web/stop", Some(&stop)).await;
        assert_eq!(again.ok(), stopped, "by name");
        let again = api.create("/v1/data", &files, Some(&data)).await;
        assert_eq!((again.status, again.ok()), (201, filed.clone()));
        let now = api.get(&path).await.ok();
        assert_eq!(now["status"], "deactivated");

        let other = json!({"name": "other"});
        reused(&api.create("/v1/service", &other, Some(&new)).await);
        reused(&api.create("/v1/data", &other, Some(&data)).await);
        reused(&api.post(&format!("{path}/start"), Some(&stop)).await);
        reused(&api.post(&format!("{path}/reactivate"), Some(&stop)).await);
        reused(&api.post(&format!("{path}/stop"), Some(&new)).await);
        // What the first command made along is not what this one is to make.
        let runtime = json!({"name": "web_runtime"});
        reused(&api.create("/v1/data", &runtime, Some(&new)).await);
        let of_data = json!({"name": "other", "runtime": "files"});
        let answer = api.create("/v1/service", &of_data, Some(&new)).await;
        reused(&answer);
        assert_eq!(Stored::of(&platform).await.last().await, last);
    }
}

#[test]
fn the_command_line_repeats_a_command_by_its_id() {
    let platform = Platform::start();
    let id = key();
    let new = ["service", "new", "web", "--command-id", &id];
    let row = platform.cli(new).ok();
    platform.cli(["service", "stop", "web"]).ok();
    assert_eq!(platform.cli(new).ok(), row);
    let other = platform.cli(["service", "new", "other", "--command-id", &id]);
    assert_eq!(other.code, 1);
    assert_eq!(
        other.err,
        format!(
            "error: command id {id} was used for another command: choose a new one \
             (http: 409, command-id-reused)\n"
        )
    );
    // Several at once: each has an id of its own that follows from the one given.
    platform.cli(["service", "start", "web"]).ok();
    platform.cli(["service", "new", "two"]).ok();
    let id = key();
    let stop = ["service", "stop", "web", "two", "--command-id", &id];
    let rows = platform.cli(stop).ok();
    platform.cli(["service", "start", "web", "two"]).ok();
    assert_eq!(platform.cli(stop).ok(), rows);
    let now = platform.cli(["service", "ls", "--field", "status"]);
    assert_eq!(now.ok(), "on\non");
}

#[tokio::test]
async fn many_make_one_name_and_one_wins() {
    let platform = Platform::start();
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    let before = stored.last().await;
    let web = json!({"name": "web"});
    let keys: Vec<_> = (0..50).map(|_| key()).collect();
    let all = keys
        .iter()
        .map(|key| api.create("/v1/service", &web, Some(key)));
    let answers = join_all(all).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((won.len(), lost.len()), (1, 49));
    for answer in lost {
        assert_eq!(answer.refused(), (409, "name-taken".into()));
    }
    let events = stored.after(before).await;
    let kinds: Vec<_> = events.iter().map(StoredEvent::kind).collect();
    assert_eq!(
        kinds,
        [
            "eai.name.reserved.v1",
            "eai.name.reserved.v1",
            "eai.data.created.v1",
            "eai.name.reserved.v1",
            "eai.role.created.v1",
            "eai.service.created.v1",
        ]
    );
    let winner = events[0].document()["commandid"].clone();
    assert!(
        events
            .iter()
            .all(|event| event.document()["commandid"] == winner)
    );
    let position = keys.iter().position(|key| winner == json!(key)).unwrap();
    assert_eq!(answers[position].status, 201, "the one that was told so");
    assert_eq!(api.get("/v1/service/web").await.ok(), won[0].ok());
}

#[tokio::test]
async fn one_command_sent_many_times_at_once_happens_once() {
    let platform = Platform::start();
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    let before = stored.last().await;
    let (web, id) = (json!({"name": "web"}), key());
    let all = (0..20).map(|_| api.create("/v1/service", &web, Some(&id)));
    let rows: Vec<Value> = join_all(all).await.iter().map(Answer::ok).collect();
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
    assert_eq!(stored.last().await, before + 6);
}

#[tokio::test]
async fn many_switch_one_service_and_each_is_answered() {
    let platform = Platform::start();
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    let web = json!({"name": "web"});
    api.create("/v1/service", &web, None).await.ok();
    let before = stored.last().await;
    let all = (0..50).map(|number| {
        let (api, verb) = (api.clone(), ["stop", "start"][number % 2]);
        async move { api.post(&format!("/v1/service/web/{verb}"), None).await }
    });
    for answer in join_all(all).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let events = stored.after(before).await;
    assert!(!events.is_empty());
    for (number, event) in events.iter().enumerate() {
        let expected = ["eai.service.stopped.v1", "eai.service.started.v1"][number % 2];
        assert_eq!(event.kind(), expected, "event {number} of {}", events.len());
    }
}
