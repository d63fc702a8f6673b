//! What there was: every list and every thing at a sequence or a time, and what changed in between.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Backend, Platform, Service, on_each_backend};
use serde_json::Value;

fn cli(platform: &Platform, arguments: &[&str]) -> String {
    platform.run(arguments, &[]).ok()
}

/// The sequence of the newest event.
fn now(platform: &Platform) -> String {
    cli(platform, &["server", "info", "--field", "lastSequence"])
}

#[tokio::test]
async fn lists_and_rows_are_as_they_were() {
    let platform = Platform::start();
    let founded = now(&platform);
    cli(&platform, &["service", "new", "web"]);
    let made = now(&platform);
    let shown = cli(&platform, &["service", "get", "web", "--format", "json"]);
    cli(&platform, &["service", "stop", "web"]);
    cli(&platform, &["service", "new", "other"]);
    cli(&platform, &["data", "new", "files"]);

    let names = |noun: &str, at: &[&str]| -> Vec<String> {
        let ls = [&[noun, "ls", "--field", "name"], at].concat();
        cli(&platform, &ls).lines().map(str::to_owned).collect()
    };
    assert_eq!(names("service", &[]), ["web", "other"]);
    assert_eq!(names("service", &["--at", &made]), ["web"]);
    assert!(names("service", &["--at", &founded]).is_empty());
    assert_eq!(names("data", &["--at", &made]), ["web_runtime"]);
    assert_eq!(names("role", &["--at", &made]), ["admin", "web_role"]);
    assert_eq!(names("account", &["--at", &founded]), ["testacc"]);
    assert_eq!(
        cli(
            &platform,
            &["role", "get", "web_role", "--at", &made, "--field", "name"]
        ),
        "web_role"
    );
    assert_eq!(
        cli(
            &platform,
            &["account", "get", "--at", &made, "--field", "name"]
        ),
        "testacc"
    );

    let then = ["service", "get", "web", "--format", "json", "--at", &made];
    assert_eq!(cli(&platform, &then), shown, "byte for byte");
    let time = cli(&platform, &["events", "get", &made, "--field", "time"]);
    let then = ["service", "get", "web", "--format", "json", "--at", &time];
    assert_eq!(cli(&platform, &then), shown, "by time as well");
    let not_yet = platform.run(&["service", "get", "web", "--at", &founded], &[]);
    assert!(not_yet.err.contains("not-found"), "{}", not_yet.err);
    // What is gone is there again, then.
    cli(&platform, &["service", "delete", "web"]);
    let status = ["service", "get", "web", "--at", &made, "--field", "status"];
    assert_eq!(cli(&platform, &status), "on");

    for (wrong, said) in [
        ("999999", "the log ends at"),
        ("yesterday", "must be a sequence or a time"),
    ] {
        let refused = platform.run(&["service", "ls", "--at", wrong], &[]);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains(said), "{}", refused.err);
    }

    // Nothing of it depends on the process.
    let mut platform = platform;
    platform.kill();
    platform.up();
    let then = ["service", "get", "web", "--format", "json", "--at", &made];
    let again: Value = serde_json::from_str(&cli(&platform, &then)).unwrap();
    let before: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&again["id"], &again["status"]),
        (&before["id"], &before["status"])
    );
}

async fn what_changed_is_told(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    let before = now(&platform);
    let job = service.only_job().await;
    service.update(&platform, &["-e", "LEVEL=debug"], &[]).ok();
    cli(&platform, &["service", "wait", "web", "--for", "settled"]);
    let after = now(&platform);
    service.say(&platform, "stop");

    let diff = |flags: &[&str]| -> Vec<(String, Value, Value)> {
        let told = cli(
            &platform,
            &[&["diff", "web", "--format", "json"], flags].concat(),
        );
        let rows = told
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| {
            (
                row["field"].as_str().unwrap().to_owned(),
                row["from"].clone(),
                row["to"].clone(),
            )
        })
        .collect()
    };
    let told = diff(&["--from", &before, "--to", &after]);
    let field = |name: &str| told.iter().find(|(field, _, _)| field.ends_with(name));
    assert!(field("revision").is_some(), "{told:?}");
    assert!(field("status").is_none(), "{told:?}");
    assert!(
        told.iter()
            .any(|(_, _, to)| to.to_string().contains("LEVEL=debug")),
        "{told:?}"
    );
    let told = diff(&["--from", &after]);
    let status = told.iter().find(|(field, _, _)| field == "status").unwrap();
    assert_eq!((&status.1, &status.2), (&"on".into(), &"off".into()));
    assert!(diff(&["--from", &after, "--to", &after]).is_empty());

    // Its job then, with the state that it had.
    let id = job["id"].as_str().unwrap();
    let state = |at: &[&str]| {
        cli(
            &platform,
            &[&["job", "get", id, "--field", "state"], at].concat(),
        )
    };
    assert_eq!(state(&["--at", &before]), "RUNNING");
    let listed = [
        "job",
        "ls",
        "--service",
        "web",
        "--at",
        &before,
        "--fields",
        "id,state",
        "--no-header",
    ];
    let listed = cli(&platform, &listed);
    assert_eq!(
        listed.split_whitespace().collect::<Vec<_>>(),
        [id, "RUNNING"]
    );
}

on_each_backend! {
    what_changed_is_told,
}
