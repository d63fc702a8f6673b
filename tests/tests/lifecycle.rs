//! How a platform ends, dies, and carries on.

use std::time::{Duration, Instant};

use eai_tests::{Answer, Api, Platform, Setup, until};
use reqwest::Method;
use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::json;

/// What stays the same from start to start.
fn identity(platform: &Platform) -> Vec<String> {
    [
        &["server", "info", "--field", "platform"][..],
        &["server", "info", "--field", "natsUrl"],
        &["account", "get", "--field", "id"],
        &["organization", "get", "--field", "id"],
        &["user", "get", "--field", "id"],
        &["role", "get", "admin", "--field", "id"],
        &["service", "ls", "--field", "id"],
        &["service", "ls", "--field", "status"],
    ]
    .iter()
    .map(|arguments| platform.run(arguments, &[]).ok())
    .collect()
}

fn ready(platform: &Platform) -> (u16, String) {
    let answer = eai_tests::get("/readyz").send(platform.address());
    (answer.status, answer.body)
}

fn gone(pid: Pid) {
    until("nats-server to be gone", || {
        test_kill_process(pid).is_err().then_some(()).ok_or("there")
    });
}

#[test]
fn it_says_ready_once_and_when_it_is() {
    let platform = Platform::start();
    let port = platform.address().rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(
        platform.printed(),
        format!("ready http://localhost:{port}\n")
    );
    assert_eq!(ready(&platform), (200, "ok\n".into()));
    let live = eai_tests::get("/livez").send(platform.address());
    assert_eq!((live.status, live.body.as_str()), (200, "ok\n"));
    platform.cli(["service", "ls"]).ok();
    assert_eq!(platform.printed().lines().count(), 1);
}

#[test]
fn a_signal_ends_all_of_it_and_the_next_start_carries_on() {
    let mut platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    platform.cli(["service", "stop", "web"]).ok();
    let (before, profile) = (identity(&platform), config(&platform));
    let token = platform.token();
    for signal in [Signal::TERM, Signal::INT] {
        let nats = platform.nats_pid().expect("nats-server runs");
        let begun = Instant::now();
        platform.signal(signal);
        assert_eq!(platform.wait(), 0, "{}", platform.log());
        assert!(begun.elapsed() < Duration::from_secs(10), "{signal:?}");
        gone(nats);
        platform.up();
        assert_eq!(identity(&platform), before);
        assert_eq!(config(&platform), profile, "the profile is still good");
        let old = [("EAI_TOKEN", token.as_str())];
        platform.run(&["user", "get"], &old).ok();
    }
}

fn config(platform: &Platform) -> String {
    std::fs::read_to_string(platform.config().join("config")).expect("a profile")
}

#[test]
fn a_signal_ends_it_with_streams_open() {
    let mut platform = Platform::start();
    let tail =
        eai_tests::Following::start(&platform, &["events", "tail", "-f", "--field", "sequence"]);
    tail.next();
    let begun = Instant::now();
    assert_eq!(platform.stop(), 0);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_killed_platform_leaves_its_nats_and_takes_it_back() {
    let mut platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    for (verb, status) in [
        ("stop", "off"),
        ("start", "on"),
        ("deactivate", "deactivated"),
    ] {
        platform.cli(["service", verb, "web"]).ok();
        let nats = platform.nats_pid().expect("nats-server runs");
        platform.kill();
        assert_eq!(platform.nats_pid(), Some(nats), "it lives on");
        platform.up();
        assert_eq!(platform.nats_pid(), Some(nats), "the same one");
        let now = platform.cli(["service", "get", "web", "--field", "status"]);
        assert_eq!(now.ok(), status, "what was acknowledged is there");
    }
    // An adopted server ends with the platform as well.
    let nats = platform.nats_pid().unwrap();
    assert_eq!(platform.stop(), 0);
    gone(nats);
}

#[test]
fn everything_killed_at_once_comes_back() {
    let mut platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    let before = identity(&platform);
    platform.signal(Signal::KILL);
    platform.kill_nats();
    platform.wait();
    platform.up();
    assert_eq!(identity(&platform), before);
}

#[test]
fn a_killed_nats_is_started_again() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    let url = platform.nats_url();
    for verb in ["stop", "start"] {
        let nats = platform.nats_pid().expect("nats-server runs");
        platform.kill_nats();
        // The command waits for it.
        platform.cli(["service", verb, "web"]).ok();
        assert_ne!(platform.nats_pid(), Some(nats));
        until("the platform to be ready", || match ready(&platform) {
            (200, _) => Ok(()),
            other => Err(other),
        });
    }
    assert_eq!(
        platform.cli(["server", "info", "--field", "natsUrl"]).ok(),
        url
    );
}

#[test]
fn without_its_log_it_is_alive_but_not_ready() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    platform.signal_nats(Signal::STOP);
    until("the platform to miss its log", || match ready(&platform) {
        (503, reason) if reason == "the log does not answer\n" => Ok(()),
        other => Err(other),
    });
    assert_eq!(
        eai_tests::get("/livez").send(platform.address()).status,
        200
    );
    // The views still answer.
    platform.cli(["service", "ls"]).ok();
    platform.signal_nats(Signal::CONT);
    until("the platform to be ready", || match ready(&platform) {
        (200, _) => Ok(()),
        other => Err(other),
    });
    platform.cli(["service", "stop", "web"]).ok();
}

#[test]
fn two_platforms_side_by_side() {
    let (one, two) = (Platform::start(), Platform::start());
    one.cli(["service", "new", "web"]).ok();
    assert_eq!(two.cli(["service", "ls", "--field", "name"]).ok(), "");
    two.cli(["service", "new", "web"]).ok();
    assert_ne!(identity(&one)[..2], identity(&two)[..2]);
    let foreign = one.run(&["service", "ls"], &[("EAI_TOKEN", &two.token())]);
    assert_eq!(foreign.code, 1, "{}", foreign.out);
}

#[tokio::test]
async fn views_are_rebuilt_while_they_are_read() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    for number in 0..20 {
        let name = json!({ "name": format!("web_{number}") });
        api.create("/v1/service", &name, None).await.ok();
    }
    let rows = api.get("/v1/service").await.ok();
    let last = api.get("/v1/server").await.ok()["lastSequence"].clone();
    let rebuild = Answer::of(api.request(Method::POST, "/v1/server/rebuild"));
    tokio::pin!(rebuild);
    let mut reads = 0;
    let rebuilt = loop {
        tokio::select! {
            rebuilt = &mut rebuild => break rebuilt,
            answer = api.get("/v1/service") => {
                assert_eq!(answer.ok(), rows, "read {reads}");
                reads += 1;
            }
        }
    };
    assert_eq!(rebuilt.ok(), json!({"events": last, "sequence": last}));
    assert_eq!(api.get("/v1/service").await.ok(), rows);
    api.create("/v1/data", &json!({"name": "files"}), None)
        .await
        .ok();
    api.get("/v1/data/files").await.ok();
    let printed = platform.cli([
        "server",
        "rebuild",
        "--fields",
        "events,sequence",
        "--no-header",
    ]);
    let last = api.get("/v1/server").await.ok()["lastSequence"].clone();
    assert_eq!(printed.ok(), format!("{last}  {last}"));
}

#[test]
fn views_are_rebuilt_while_it_is_down() {
    let mut platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    platform.cli(["service", "stop", "web"]).ok();
    let lists = |platform: &Platform| {
        ["service", "data", "role", "account"]
            .map(|noun| platform.cli([noun, "ls", "--format", "json"]).ok())
    };
    let before = lists(&platform);
    let data = platform.data();
    let data = data.to_str().unwrap();
    let rebuild = ["server", "rebuild", "--data-dir", data];
    let refused = platform.cli(rebuild);
    let pid = platform.pid();
    assert_eq!(
        (refused.code, refused.err),
        (
            1,
            format!(
                "error: another `eai server` (pid {pid}) uses {data}: stop it, or choose another \
                 with --data-dir DIR\n"
            )
        )
    );
    assert_eq!(platform.stop(), 0);
    platform.cli(rebuild).ok();
    platform.up();
    assert_eq!(lists(&platform), before);
    let nothing = platform.path("nothing");
    let nothing = nothing.to_str().unwrap();
    let refused = platform.cli(["server", "rebuild", "--data-dir", nothing]);
    let expected =
        format!("error: {nothing} is no data directory of a platform: it has no platform.json\n");
    assert_eq!((refused.code, refused.err), (1, expected));
}

#[test]
fn a_changed_setup_is_not_needed_to_start_again() {
    // A port of the user's for NATS stays when it is not given again.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let mut platform = Platform::start_with(Setup::flags(["--nats-port", &port]));
    assert_eq!(platform.nats_url(), format!("nats://127.0.0.1:{port}"));
    assert_eq!(platform.stop(), 0);
    platform.set_up(Setup::default());
    platform.up();
    let url = platform.cli(["server", "info", "--field", "natsUrl"]);
    assert_eq!(url.ok(), format!("nats://127.0.0.1:{port}"));
}
