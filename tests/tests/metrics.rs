//! `/metrics`: the numbers move as the platform does, and who may read which.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Api, Backend, Platform, Service, until_async};
use serde_json::json;

/// The value of one line.
fn value(page: &str, line: &str) -> f64 {
    let mut found = page.lines().filter_map(|printed| {
        let (name, value) = printed.rsplit_once(' ')?;
        (name == line).then(|| value.parse().unwrap())
    });
    found.next().unwrap_or_else(|| panic!("{line}\n{page}"))
}

async fn page(api: &Api) -> String {
    let answer = api.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

#[tokio::test]
async fn the_numbers_move_as_the_platform_does() {
    let platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let before = page(&api).await;
    let version = env!("CARGO_PKG_VERSION");
    let info = format!("eai_build_info{{backend=\"process\",version=\"{version}\"}}");
    for (line, wanted) in [
        (info.as_str(), 1.0),
        ("eai_cold_start_seconds_count{phase=\"total\"}", 0.0),
        ("eai_services{status=\"on\"}", 0.0),
        ("eai_runs{state=\"running\"}", 0.0),
        ("eai_executors{state=\"active\"}", 1.0),
        ("eai_log_up", 1.0),
        ("eai_views_halted", 0.0),
        ("eai_events_unreadable", 0.0),
        ("eai_policies_stuck{policy=\"rollout\"}", 0.0),
    ] {
        assert!(
            (value(&before, line) - wanted).abs() < 1e-9,
            "{line}\n{before}"
        );
    }

    let web = Service::web(&platform, "web", &[]);
    for _ in 0..2 {
        assert_eq!(web.get("/").await.status, 200);
    }
    platform.cli(["service", "new", "work", "--queue"]).ok();
    let task = json!({ "schema": "agi.service.task.v1", "args": {} });
    api.create("/v1/service/work/task", &task, None).await.ok();
    let after = page(&api).await;
    for (line, wanted) in [
        // The second request was warm.
        ("eai_cold_start_seconds_count{phase=\"total\"}", 1.0),
        ("eai_cold_start_seconds_count{phase=\"ready\"}", 1.0),
        ("eai_cold_start_seconds_count{phase=\"thaw\"}", 0.0),
        (
            "eai_cold_start_seconds_bucket{phase=\"total\",le=\"+Inf\"}",
            1.0,
        ),
        ("eai_runs{state=\"running\"}", 1.0),
        ("eai_tasks{state=\"pending\"}", 1.0),
        ("eai_requests_waiting", 0.0),
        ("eai_held_requests_failed_total", 0.0),
    ] {
        assert!(
            (value(&after, line) - wanted).abs() < 1e-9,
            "{line}\n{after}"
        );
    }
    let sum = |phase: &str| {
        value(
            &after,
            &format!("eai_cold_start_seconds_sum{{phase=\"{phase}\"}}"),
        )
    };
    let parts: f64 = ["queue", "image", "data", "create", "start", "ready"]
        .map(sum)
        .iter()
        .sum();
    assert!(
        (sum("total") - parts).abs() < 0.001 && parts > 0.0,
        "{after}"
    );
    for line in [
        "eai_log_last_sequence",
        "eai_log_size_bytes{log=\"events\"}",
    ] {
        assert!(value(&after, line) > value(&before, line), "{line}");
    }

    // A request that is under way, and then is not.
    let open = web.request(reqwest::Method::GET, "/sse").send();
    let open = open.await.unwrap();
    until_async("the request to be in flight", async || {
        let flying = value(&page(&api).await, "eai_requests_in_flight");
        if flying > 0.5 { Ok(()) } else { Err(flying) }
    })
    .await;
    drop(open);
    until_async("the request to be over", async || {
        let flying = value(&page(&api).await, "eai_requests_in_flight");
        if flying < 0.5 { Ok(()) } else { Err(flying) }
    })
    .await;
    // Nothing is behind where nothing happens.
    until_async("the projections to be there", async || {
        let page = page(&api).await;
        let lag = ["views", "live"].map(|name| {
            value(
                &page,
                &format!("eai_projection_lag_events{{projection=\"{name}\"}}"),
            )
        });
        if lag.iter().all(|lag| *lag < 0.5) {
            Ok(())
        } else {
            Err(format!("{lag:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_service_that_does_not_start_is_counted() {
    let platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let broken = Service::shell(&platform, "broken", &[], "exit 3");
    assert_eq!(broken.get("/").await.status, 502);
    let page = page(&api).await;
    assert!(
        value(&page, "eai_held_requests_failed_total") > 0.5,
        "{page}"
    );
    assert!(
        value(&page, "eai_cold_start_seconds_count{phase=\"total\"}") < 0.5,
        "{page}"
    );
}

#[tokio::test]
async fn who_may_not_ask_for_the_server_sees_queues_alone() {
    let platform = Platform::start();
    platform.cli(["service", "new", "work", "--queue"]).ok();
    platform
        .cli([
            "role",
            "new",
            "reader",
            "--policy",
            "service:get@snow.testacc.*",
        ])
        .ok();
    platform
        .cli([
            "role",
            "new",
            "monitoring",
            "--policy",
            "server:get@snow.testacc",
        ])
        .ok();
    let api = Api::of(&platform);
    let key = |role: &str| {
        platform
            .cli(["role", "key", "new", role, "--field", "key"])
            .ok()
    };
    let seen = async |token: &str| {
        let page = page(&api.with_token(token)).await;
        (page.contains("eai_log_up 1"), page.contains("app=\"work\""))
    };
    assert_eq!(seen(&platform.token()).await, (true, true));
    assert_eq!(seen(&key("reader")).await, (false, true));
    assert_eq!(seen(&key("monitoring")).await, (true, false));
    assert_eq!(api.with_token("none").get("/metrics").await.status, 401);
}
