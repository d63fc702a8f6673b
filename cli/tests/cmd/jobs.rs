//! `eai job`: what is asked of the platform, and output that arrives whole over broken connections.

use serde_json::{Value, json};

use crate::support::{Eai, Platform, Reply, Request, Step};

const ID: &str = "9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10";

fn job(state: &str) -> Value {
    json!({
        "id": ID, "state": state, "name": null, "account": "snow.testacc", "creator": "platform",
        "created": "2025-08-05T18:52:53Z", "command": [], "alive": state == "RUNNING",
        "ready": state == "RUNNING", "accessUrl": "", "run": 2, "runs": [{"exitCode": null}],
    })
}

fn list(jobs: &[Value]) -> Reply {
    Reply::json(200, &json!({"items": jobs, "next": null}))
}

fn chunk(position: u64, stream: &str, text: &str) -> Step {
    let chunk = json!({"stream": stream, "time": "2025-08-05T18:52:53Z", "position": position, "text": text});
    Step::Text(format!("{chunk}\n"))
}

fn end() -> Step {
    Step::Text("{\"end\":true}\n".to_owned())
}

#[test]
fn a_list_asks_for_what_the_flags_say() {
    let platform = Platform::start(|_| list(&[job("RUNNING")]));
    let eai = Eai::with_token(&platform);
    let text = eai
        .run("job ls --service web --state alive -N x -n 5 -r --account snow.testacc")
        .ok();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let columns = "id state name created command runs.exitCode accessUrl";
    assert_eq!(lines[0].join(" "), columns);
    assert_eq!(
        lines[1].join(" "),
        format!("{ID} RUNNING - 2025-08-05T18:52:53Z [] -")
    );
    let query = platform.requests()[0].query.clone();
    let of = |name: &str| query[name].as_str();
    assert_eq!(of("service"), "snow.testacc.web");
    assert_eq!(
        (of("state"), of("name"), of("limit"), of("order")),
        ("alive", "x", "5", "created")
    );
    let text = eai.run("job ls").ok();
    let columns = "id state name account creator created command runs.exitCode accessUrl";
    assert_eq!(
        text.lines()
            .next()
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
        columns
    );
    let query = platform.requests()[1].query.clone();
    assert_eq!(query["order"], "-created");
    assert!(!query.contains_key("state"), "{query:?}");
}

#[test]
fn the_last_job_stands_for_its_id() {
    let platform = Platform::start(|request| match request.path.as_str() {
        "/v1/job" => list(&[job("RUNNING")]),
        _ => Reply::json(200, &job("CANCELLING")),
    });
    let text = Eai::with_token(&platform)
        .run("job kill --last --field state")
        .ok();
    assert_eq!(text, "CANCELLING\n");
    assert_eq!(
        platform.lines(),
        ["GET /v1/job".to_owned(), format!("POST /v1/job/{ID}/kill")]
    );
    assert_eq!(platform.requests()[0].query["state"], "all");
    let nobody = Platform::start(|_| list(&[]));
    let ended = Eai::with_token(&nobody).run("job log --last");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("there is no job yet"), "{ended:?}");
}

fn logs(request: &Request) -> Reply {
    if !request.path.ends_with("/logs") {
        return Reply::json(200, &job("RUNNING"));
    }
    assert_eq!(request.header("accept"), Some("application/x-ndjson"));
    // The run that was followed first, whatever ran since.
    assert_eq!(request.query["run"], "2");
    match request.query.get("after").map(String::as_str) {
        None => Reply::Stream(vec![
            chunk(10, "stdout", "one\n"),
            chunk(20, "stderr", "aside\n"),
            Step::Text("\n{\"stream\":\"stdout\",\"posi".to_owned()),
        ]),
        Some("20") => Reply::Stream(vec![
            Step::Text("{\"stream\":\"stdout\",\"position\":30,\"base64\":\"w6kK\"}\n".to_owned()),
            chunk(40, "platform", "[told]\n"),
            end(),
        ]),
        after => panic!("asked behind {after:?}"),
    }
}

#[test]
fn output_comes_whole_over_a_lost_connection() {
    for flags in ["", "-f "] {
        let platform = Platform::start(logs);
        let eai = Eai::with_token(&platform).env("EAI_RETRY_FOR", "60s");
        let ended = eai.run(&format!("job log {flags}--tail 9 {ID}"));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.stdout, "one\né\n");
        assert_eq!(ended.stderr, "aside\n[told]\n");
        let asked = platform.requests();
        let first = &asked[1].query;
        assert_eq!(first["tail"], "9");
        assert_eq!(first.contains_key("follow"), !flags.is_empty());
        assert!(!asked[2].query.contains_key("tail"), "{:?}", asked[2]);
    }
}

#[test]
fn no_output_is_nothing_and_an_error_ends_it() {
    let platform = Platform::start(|request| {
        let nothing = request.path.ends_with("/logs");
        if nothing {
            Reply::text(204, "")
        } else {
            Reply::json(200, &job("RUNNING"))
        }
    });
    let ended = Eai::with_token(&platform).run(&format!("job logs {ID}"));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    let platform = Platform::start(|_| {
        let error =
            json!({"error": {"code": "output-damaged", "status": 500, "message": "broken"}});
        Reply::Stream(vec![
            chunk(1, "stdout", "a\n"),
            Step::Text(format!("{error}\n")),
        ])
    });
    let ended = Eai::with_token(&platform).run(&format!("job log --run 0 {ID}"));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(1), "a\n"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("(http: 500, output-damaged)"),
        "{ended:?}"
    );
}

#[test]
fn a_wait_ends_with_what_it_waits_for() {
    for (until, states, code) in [
        ("ended", ["RUNNING", "RUNNING", "FAILED"], 0),
        ("ready", ["QUEUED", "QUEUED", "RUNNING"], 0),
        ("running", ["QUEUED", "QUEUED", "FAILED"], 1),
    ] {
        let platform = Platform::start(move |request| {
            if request.path != "/v1/event" {
                let mut job = job(states[request.nth.min(2)]);
                if states[request.nth.min(2)] != "FAILED" {
                    job["alive"] = true.into();
                }
                return Reply::json(200, &job).with("x-eai-position", &format!("{ID}:7"));
            }
            let event = |sequence: u64| json!({"sequence": sequence, "event": {"id": "e"}});
            if !request.query.contains_key("follow") {
                return list(&[event(7)]);
            }
            assert_eq!(request.query["since"], "8");
            let lines = [8, 9].map(|sequence| Step::Text(format!("{}\n", event(sequence))));
            Reply::Stream(lines.into_iter().chain([Step::Stay]).collect())
        });
        let line = format!("job wait {ID} --for {until} --field state");
        let ended = Eai::with_token(&platform).run(&line);
        assert_eq!(ended.code, Some(code), "{until}: {ended:?}");
        assert_eq!(ended.stdout.trim_end(), states[2], "{until}");
        // A view without the event that was seen is of no use.
        let last = platform.requests().pop().unwrap();
        assert_eq!(
            last.header("x-eai-position"),
            Some(format!("{ID}:9").as_str())
        );
    }
}
