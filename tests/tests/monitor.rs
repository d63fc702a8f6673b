//! A monitor with a stock NATS client: it sees what was stored, once, in order, and can do nothing else.

use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::Event as Connection;
use eai_tests::{Api, Monitor, Platform, Stored, until, within};
use futures::StreamExt;
use futures::future::join_all;
use serde_json::json;
use tokio::sync::mpsc;

/// Compares what comes with what is stored, up to the log's end.
async fn same_as_the_log(monitor: &mut Monitor, stored: &Stored, after: u64) {
    let events = stored.after(after).await;
    assert!(!events.is_empty());
    for event in events {
        let live = monitor.next().await;
        assert_eq!(live.sequence, event.sequence, "each once, in order");
        assert_eq!(live.payload, event.payload);
        assert_eq!(
            live.subject.strip_prefix("eai.live."),
            event.subject.strip_prefix("eai.event.")
        );
    }
}

#[tokio::test]
async fn it_sees_what_won_and_nothing_that_lost() {
    let platform = Platform::start();
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    let mut monitor = Monitor::subscribe(&platform, "eai.live.>").await;
    let before = stored.last().await;
    for round in 0..5 {
        let body = json!({ "name": format!("web_{round}") });
        let all = (0..20).map(|_| api.create("/v1/service", &body, None));
        let won = join_all(all).await.into_iter();
        assert_eq!(won.filter(|answer| answer.status == 201).count(), 1);
        let path = format!("/v1/service/web_{round}");
        let switch = (0..10).map(|number| {
            let (api, verb) = (api.clone(), ["stop", "start"][number % 2]);
            let path = format!("{path}/{verb}");
            async move { api.post(&path, None).await.ok() }
        });
        join_all(switch).await;
    }
    same_as_the_log(&mut monitor, &stored, before).await;
    // Nothing is left over: the next event that comes is the next that is stored.
    let before = stored.last().await;
    platform.cli(["data", "new", "files"]).ok();
    same_as_the_log(&mut monitor, &stored, before).await;
}

#[tokio::test]
async fn it_can_subscribe_to_one_kind() {
    let platform = Platform::start();
    let mut monitor =
        Monitor::subscribe(&platform, "eai.live.snow.testacc.service.*.stopped").await;
    platform.cli(["service", "new", "web"]).ok();
    platform.cli(["service", "stop", "web"]).ok();
    let event = monitor.next().await;
    assert_eq!(event.document["type"], "eai.service.stopped.v1");
}

#[tokio::test]
async fn it_can_do_nothing_else() {
    let platform = Platform::start();
    let (api, stored) = (Api::of(&platform), Stored::of(&platform).await);
    let (refusals, mut refused) = mpsc::channel(100);
    let creds = platform
        .data()
        .join("credentials/monitor-snow.testacc.creds");
    let client = ConnectOptions::with_credentials_file(creds)
        .await
        .unwrap()
        .event_callback(move |event| {
            let refusals = refusals.clone();
            async move {
                if let Connection::ServerError(error) = event {
                    refusals.send(error.to_string()).await.unwrap();
                }
            }
        })
        .connect(platform.nats_url())
        .await
        .unwrap();
    let mut live = client.subscribe("eai.live.>").await.unwrap();
    client.flush().await.unwrap();
    let before = stored.last().await;
    let stream = "EAI_EVENTS";
    for subject in [
        "eai.event.snow.testacc.service.x.created".to_owned(),
        "eai.event.snow.testacc.data.x.created".to_owned(),
        "eai.live.snow.testacc.service.x.created".to_owned(),
        "_INBOX.x".to_owned(),
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.DELETE.{stream}"),
        format!("$JS.API.STREAM.PURGE.{stream}"),
        format!("$JS.API.STREAM.UPDATE.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.STREAM.MSG.DELETE.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.x.eai.event.snow.testacc.>"),
        format!("$JS.API.CONSUMER.LIST.{stream}"),
        "$JS.API.INFO".to_owned(),
        "$SYS.REQ.SERVER.PING.VARZ".to_owned(),
        "$SYS.REQ.CLAIMS.UPDATE".to_owned(),
    ] {
        client.publish(subject.clone(), "{}".into()).await.unwrap();
        client.flush().await.unwrap();
        let text = within("a refusal", refused.recv()).await.unwrap();
        let expected = format!("permissions violation for publish to \"{subject}\"");
        assert!(
            text.to_lowercase().contains(&expected.to_lowercase()),
            "{text}"
        );
    }
    for subject in ["eai.event.>", "$JS.>", "$SYS.>", "_INBOX_platform.>", ">"] {
        let subscription = client.subscribe(subject.to_owned()).await.unwrap();
        client.flush().await.unwrap();
        let text = within("a refusal", refused.recv()).await.unwrap();
        let expected = format!("permissions violation for subscription to \"{subject}\"");
        assert!(
            text.to_lowercase().contains(&expected.to_lowercase()),
            "{text}"
        );
        drop(subscription);
    }
    assert_eq!(stored.last().await, before, "nothing was stored");
    // What it tried to say, nobody heard; the first that comes is what really happened.
    api.create("/v1/data", &json!({"name": "files"}), None)
        .await
        .ok();
    let message = within("an event", live.next()).await.unwrap();
    assert_eq!(
        message.subject.as_str(),
        "eai.live.snow.testacc.name.data-files.reserved"
    );
}

#[tokio::test]
async fn it_goes_on_over_a_restart_of_nats() {
    let platform = Platform::start();
    let stored = Stored::of(&platform).await;
    let mut monitor = Monitor::subscribe(&platform, "eai.live.>").await;
    platform.cli(["service", "new", "web"]).ok();
    for _ in 0..6 {
        monitor.next().await;
    }
    platform.kill_nats();
    until("nats-server to be back", || {
        platform.nats_pid().ok_or("not there")
    });
    // The client's own reconnection: events come again once it is subscribed again.
    let mut number = 0;
    let live = loop {
        number += 1;
        let name = format!("data_{number}");
        platform.cli(["data", "new", &name]).ok();
        let next = tokio::time::timeout(Duration::from_millis(200), monitor.next());
        if let Ok(event) = next.await {
            break event;
        }
        assert!(number < 100, "nothing comes");
    };
    assert_eq!(stored.get(live.sequence).await.payload, live.payload);
    same_as_the_log(&mut monitor, &stored, live.sequence).await;
}
