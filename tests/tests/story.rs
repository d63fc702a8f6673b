//! The log asked and told: lists by any attribute, why something is as it is, and how it came to be.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Api, Backend, Platform, Service, on_each_backend, text};
use serde_json::Value;

fn cli(platform: &Platform, arguments: &[&str]) -> String {
    platform.run(arguments, &[]).ok()
}

/// The sequences of what is listed, and those of the events in the log that are meant.
fn listed(platform: &Platform, flags: &[&str], meant: impl Fn(&Value) -> bool) -> Vec<u64> {
    let ls = ["events", "ls", "--format", "json"];
    let read = |flags: &[&str]| -> Vec<Value> {
        let lines = cli(platform, &[&ls[..], flags].concat());
        let lines = lines.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let sequences = |events: Vec<Value>| -> Vec<u64> {
        let events = events.iter();
        events
            .map(|event| event["sequence"].as_u64().unwrap())
            .collect()
    };
    let found = sequences(read(flags));
    let mut all = read(&[]);
    all.retain(meant);
    assert_eq!(found, sequences(all), "{flags:?}");
    found
}

#[tokio::test]
async fn events_are_listed_by_any_of_their_attributes() {
    let platform = Platform::start();
    cli(&platform, &["service", "new", "web"]);
    cli(&platform, &["service", "stop", "web"]);
    cli(&platform, &["data", "new", "files"]);
    let user = cli(&platform, &["user", "get", "--field", "id"]);
    let by_user = format!("user:{user}");
    for flags in [["--actor", &user], ["--actor", &by_user]] {
        let found = listed(&platform, &flags, |event| event["actor"] == by_user);
        assert_eq!(found.len(), 9);
    }
    let by_platform = |event: &Value| event["actor"] == "platform";
    assert!(!listed(&platform, &["--actor", "platform"], by_platform).is_empty());
    let of_services = |event: &Value| text(&event["type"]).starts_with("eai.service.");
    assert_eq!(
        listed(&platform, &["--kind", "service"], of_services).len(),
        2
    );

    let created = cli(
        &platform,
        &[
            "events",
            "ls",
            "--type",
            "service.created",
            "--field",
            "correlationid",
        ],
    );
    let one_command = |event: &Value| event["correlationid"] == created;
    let of_command = listed(&platform, &["--correlation", &created], one_command);
    assert_eq!(
        of_command.len(),
        6,
        "one command made all that a service has"
    );
    let (first, last) = (of_command[0].to_string(), of_command[2].to_string());
    let between = |event: &Value| {
        let sequence = event["sequence"].as_u64().unwrap();
        of_command[0] <= sequence && sequence <= of_command[2]
    };
    listed(&platform, &["--since", &first, "--until", &last], between);
    // All at once, and what lies beyond the end is not found.
    let all = [
        "--kind",
        "role",
        "--actor",
        &user,
        "--correlation",
        &created,
        "--since",
        &first,
    ];
    let role = |event: &Value| text(&event["type"]) == "eai.role.created.v1" && one_command(event);
    assert_eq!(listed(&platform, &all, role).len(), 1);
    listed(&platform, &[&all[..], &["--until", &last]].concat(), |_| {
        false
    });

    // In parts: what is left is said, and found from there on.
    let part = platform.run(
        &[
            "events", "ls", "-n", "2", "--kind", "service", "--field", "type",
        ],
        &[],
    );
    assert_eq!(
        part.out.trim_end(),
        "eai.service.created.v1\neai.service.stopped.v1"
    );
    assert!(!part.err.contains("there are more"), "{}", part.err);
    let part = platform.run(
        &[
            "events", "ls", "-n", "1", "--kind", "service", "--field", "type",
        ],
        &[],
    );
    assert_eq!(part.out.trim_end(), "eai.service.created.v1");
    let next = part.err.split_once("--since ").unwrap().1;
    let next = next.trim_end().trim_end_matches('`');
    let rest = [
        "events", "ls", "--since", next, "--kind", "service", "--field", "type",
    ];
    assert_eq!(cli(&platform, &rest), "eai.service.stopped.v1");

    for wrong in [
        ["--actor", "nobody"],
        ["--kind", "a.b"],
        ["--since", "yesterday"],
        ["--until", "x"],
    ] {
        let refused = platform.run(&[&["events", "ls"], &wrong[..]].concat(), &[]);
        assert_eq!(refused.code, 1, "{wrong:?}: {}", refused.err);
    }
    let other = platform.run(&["events", "ls", "--account", "snow.other"], &[]);
    assert!(other.err.contains("not yours"), "{}", other.err);
}

async fn a_service_and_its_job_say_why_they_are_as_they_are(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    let job = text(&service.only_job().await["id"]);
    let on = cli(&platform, &["events", "explain", "web"]);
    assert!(on.starts_with("service `snow.testacc.web` is on\n"), "{on}");
    for said in [
        "- it got revision ".to_owned(),
        format!("- it sends its requests to run 0 of job {job} (event "),
        format!("- job {job} was asked for by snow.testacc.web, revision "),
        format!("- job {job} runs with {}, run 0", backend.name()),
        format!("- job {job} answers on its port, run 0 (event "),
    ] {
        assert!(on.contains(&said), "{said}\n{on}");
    }
    service.say(&platform, "stop");
    cli(&platform, &["service", "wait", "web", "--for", "stopped"]);
    let off = cli(&platform, &["events", "explain", "snow.testacc.web"]);
    assert!(
        off.starts_with("service `snow.testacc.web` is off\n"),
        "{off}"
    );
    assert!(off.contains("- it was stopped (event "), "{off}");
    assert!(!off.contains("answers on its port"), "{off}");

    // A cause stands below what it led to: the platform ended the job because somebody stopped the service.
    let ended = cli(&platform, &["events", "explain", &job]);
    assert!(
        ended.starts_with(&format!("job {job} is CANCELLED")),
        "{ended}"
    );
    assert!(ended.contains("- it ended as CANCELLED: "), "{ended}");
    let row = cli(&platform, &["events", "explain", "web", "--format", "json"]);
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(
        (&row["kind"], &row["state"]),
        (&"service".into(), &"off".into())
    );
    let api = Api::of(&platform);
    let why = api.get(&format!("/v1/explanation/{job}")).await.ok();
    let reasons = why["reasons"].as_array().unwrap();
    let is_stop =
        |line: &Value| line["type"] == "eai.service.stopped.v1" && line["of"] == service.id;
    let because = reasons
        .iter()
        .flat_map(|reason| reason["because"].as_array().unwrap());
    assert!(because.into_iter().any(is_stop), "{ended}");

    let drawn = cli(&platform, &["events", "timeline", "web"]);
    for said in [
        "was made, on",
        "was asked for by",
        "answers on its port",
        "was stopped",
        "ended as",
    ] {
        assert!(drawn.contains(said), "{said}\n{drawn}");
    }
    let last_of_job = drawn.lines().filter(|line| line.contains(&job)).count();
    assert!(last_of_job > 4 && drawn.contains('■'), "{drawn}");
    let sequences = cli(
        &platform,
        &["events", "timeline", "web", "--field", "sequence"],
    );
    let sequences: Vec<u64> = sequences
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    let from = sequences[3].to_string();
    let to = sequences[5].to_string();
    let some = [
        "events", "timeline", "web", "--since", &from, "--until", &to, "--field", "sequence",
    ];
    let some = cli(&platform, &some);
    let some: Vec<u64> = some.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(some, sequences[3..=5]);

    // Gone is not forgotten.
    service.say(&platform, "delete");
    let gone = cli(&platform, &["events", "explain", &service.id]);
    assert!(
        gone.contains(" is deleted\n") && gone.contains("it was deleted"),
        "{gone}"
    );
    let unknown = platform.run(&["events", "explain", "nothing"], &[]);
    assert_eq!(unknown.code, 1);
    assert!(
        unknown
            .err
            .contains("nothing is known of `snow.testacc.nothing`"),
        "{}",
        unknown.err
    );
}

on_each_backend! {
    a_service_and_its_job_say_why_they_are_as_they_are,
}
