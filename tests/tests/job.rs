//! Jobs as their users see them: listed, shown, what they wrote, killed.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Stdio;

use eai_tests::{Answer, Api, Backend, Following, Platform, on_each_backend, text, until, within};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;

/// Says something on both streams, and then answers.
const COMMAND: &str = "echo first; echo second >&2; echo third; exec python3 -m http.server 8080";
const COLUMNS: &str = "id state name account creator created command runs.exitCode accessUrl";
const OF_A_SERVICE: &str = "id state name created command runs.exitCode accessUrl";
const STRANGER: &str = "9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10";

/// A platform with a service that runs [`COMMAND`]; its id.
fn with_service(backend: Backend) -> (Platform, String) {
    let platform = Platform::on(backend);
    platform.cli(["service", "new", "web"]).ok();
    let update = ["service", "update", "web", "--", "/bin/sh", "-c", COMMAND];
    platform.cli(update).ok();
    let id = platform
        .cli(["service", "get", "web", "--field", "id"])
        .ok();
    (platform, id)
}

/// Asks a host of the platform, which may start a job.
async fn ask(api: &Api, host: &str, path: &str) -> Answer {
    let request = api.request(Method::GET, path).header("host", host);
    within("an answer", Answer::of(request)).await
}

/// Starts the service's job by a request; the job's id.
async fn started(platform: &Platform, api: &Api, service: &str) -> String {
    let answer = ask(api, &format!("{service}.service.localhost"), "/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    platform.cli(["job", "ls", "--field", "id"]).ok()
}

/// Ends the platform and what it runs.
fn end(mut platform: Platform) {
    platform.signal(Signal::INT);
    assert_eq!(platform.wait(), 0);
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

async fn jobs_are_listed_and_shown_and_killed(backend: Backend) {
    let (platform, service) = with_service(backend);
    let api = Api::of(&platform);
    assert_eq!(words(&platform.cli(["job", "ls"]).ok()), words(COLUMNS));
    let none = platform.cli(["job", "get", "--last"]);
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.err.contains("there is no job yet"), "{none:?}");

    let id = started(&platform, &api, &service).await;
    let url = format!(
        "http://{id}.job.localhost:{}",
        platform.address().rsplit_once(':').unwrap().1
    );
    let listed = platform.cli(["job", "ls", "--service", "web"]).ok();
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(words(lines[0]), words(OF_A_SERVICE));
    let row = words(lines[1]);
    assert_eq!(row[..3], [id.as_str(), "RUNNING", "-"], "{listed}");
    assert_eq!(row[row.len() - 2..], ["-", url.as_str()], "{listed}");
    assert_eq!(lines.len(), 2, "{listed}");

    let job = api.get(&format!("/v1/job/{id}")).await.ok();
    assert_eq!(job["service"], "snow.testacc.web");
    assert_eq!(job["serviceId"], service.as_str());
    assert_eq!(job["command"][2], COMMAND);
    assert_eq!(job["resources"]["mem"].as_f64(), Some(1.0));
    assert_eq!((&job["alive"], &job["ready"]), (&true.into(), &true.into()));
    assert_eq!(job["accessUrl"], url);
    let run = &job["runs"][0];
    assert_eq!(run["exitCode"], Value::Null);
    for time in ["createdOn", "queuedOn", "startedOn", "readyOn"] {
        assert_eq!(
            text(&run[time]).len(),
            "2025-08-05T18:52:53Z".len(),
            "{time}"
        );
    }
    assert_eq!(job["runs"].as_array().unwrap().len(), 1);
    let info = platform.cli(["job", "info", &id]).ok();
    assert!(info.lines().any(|line| line == "state: RUNNING"), "{info}");
    let spec = platform.cli(["job", "info", "--last", "--job-spec"]).ok();
    assert!(
        spec.starts_with("runtime:") && spec.contains("echo first"),
        "{spec}"
    );
    assert_eq!(
        platform
            .cli(["job", "wait", &id, "--for", "ready", "--field", "id"])
            .ok(),
        id
    );

    let late = platform.cli(["job", "wait", &id, "--timeout", "0.2", "--field", "state"]);
    assert_eq!((late.code, late.out.trim()), (1, "RUNNING"), "{late:?}");
    assert!(late.err.contains("in time"), "{late:?}");
    let waiting = Following::start(&platform, &["job", "wait", &id, "--field", "state"]);
    let key = "0b4fbb35-3f4b-4b0c-9a53-21a62e5a1f7e";
    let kill = format!("/v1/job/{id}/kill");
    let killed = api.post(&kill, Some(key)).await.ok();
    assert_eq!(killed["id"], id.as_str());
    assert_eq!(waiting.next(), "CANCELLED");
    assert_eq!(api.post(&kill, Some(key)).await.ok()["state"], "CANCELLED");
    let again = platform.cli(["job", "kill", &id]);
    assert_eq!(again.code, 1);
    let why = "cannot cancel a job that is in state CANCELLED";
    assert!(again.err.contains(why), "{again:?}");
    assert_eq!(
        api.request(Method::DELETE, &format!("/v1/job/{id}"))
            .send()
            .await
            .unwrap()
            .status(),
        409
    );

    let row = platform.cli([
        "job",
        "get",
        &id,
        "--fields",
        "state,runs.reason,accessUrl",
        "--no-header",
    ]);
    assert_eq!(row.ok(), "CANCELLED  killed");
    assert_eq!(
        platform
            .cli(["job", "ls", "--state", "alive", "--field", "id"])
            .ok(),
        ""
    );
    for state in ["recent", "all", "failed,cancelled"] {
        let listed = platform.cli(["job", "ls", "--state", state, "--field", "id"]);
        assert_eq!(listed.ok(), id, "{state}");
    }
    end(platform);
}

async fn lists_are_paged_in_both_orders(backend: Backend) {
    let (platform, service) = with_service(backend);
    let api = Api::of(&platform);
    let mut ids = Vec::new();
    for _ in 0..3 {
        // What exited by itself with 0 is not run again: the next request makes another job.
        let id = started(&platform, &api, &service).await;
        let id = id.lines().next().unwrap().to_owned();
        platform.cli(["job", "kill", &id]).ok();
        platform.cli(["job", "wait", &id]).ok();
        let other = format!("{COMMAND} # {id}");
        let update = ["service", "update", "web", "--", "/bin/sh", "-c", &other];
        platform.cli(update).ok();
        ids.push(id);
    }
    let mut newest_first = ids.clone();
    newest_first.reverse();
    for (order, expected) in [("created", &ids), ("-created", &newest_first)] {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/job?state=all&limit=1&order={order}{after}");
            let page = api.get(&path).await.ok();
            found.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|job| text(&job["id"])),
            );
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(&found, expected, "{order}");
    }
    let oldest = platform
        .cli(["job", "ls", "--reverse", "-n", "2", "--field", "id"])
        .ok();
    assert_eq!(oldest, ids[..2].join("\n"));
    assert_eq!(
        platform.cli(["job", "get", "--last", "--field", "id"]).ok(),
        ids[2]
    );
    end(platform);
}

async fn output_is_read_as_text_and_as_lines(backend: Backend) {
    let (platform, service) = with_service(backend);
    let api = Api::of(&platform);
    let id = started(&platform, &api, &service).await;
    let logs = format!("/v1/job/{id}/logs");
    until("the output to be there", || {
        let found = platform.cli(["job", "log", &id]);
        if found.out == "first\nthird\n" && found.err.starts_with("second\n") {
            Ok(())
        } else {
            Err(found)
        }
    });
    let whole = api.get(&logs).await;
    assert!(
        whole
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    for line in ["first\n", "second\n", "third\n", "GET / HTTP/1.1"] {
        assert!(whole.text().contains(line), "{}", whole.text());
    }
    let last = api.get(&format!("{logs}?tail=1")).await.text();
    assert!(
        whole.text().ends_with(&last) && last.lines().count() == 1,
        "{last}"
    );
    assert_eq!(api.get(&format!("{logs}?tail=0")).await.status, 204);
    let lines = api
        .request(Method::GET, &logs)
        .header("accept", "application/x-ndjson");
    let lines = Answer::of(lines).await.text();
    let mut lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.pop().unwrap()["end"], true);
    let on = |stream: &str| -> String {
        let chunks = lines.iter().filter(|line| line["stream"] == stream);
        chunks.map(|line| text(&line["text"])).collect()
    };
    assert_eq!(on("stdout"), "first\nthird\n");
    assert!(on("stderr").starts_with("second\n"));
    let all: String = lines.iter().map(|line| text(&line["text"])).collect();
    let mut seen = String::new();
    for line in &lines {
        seen += &text(&line["text"]);
        let after = api.get(&format!("{logs}?after={}", line["position"])).await;
        assert_eq!(format!("{seen}{}", after.text()), all);
    }
    let other_run = api.get(&format!("{logs}?run=1")).await.refused();
    assert_eq!(other_run, (404, "not-found".to_owned()));
    end(platform);
}

async fn following_outlives_the_platform_and_ends_with_the_job(backend: Backend) {
    let (mut platform, service) = with_service(backend);
    let api = Api::of(&platform);
    let id = started(&platform, &api, &service).await;
    let mut follow = platform.command(&["job", "log", "-f", &id]);
    let follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let follow = follow.expect("the binary starts");
    let host = format!("{id}.job.localhost");
    assert_eq!(ask(&api, &host, "/before").await.status, 404);
    assert_eq!(platform.stop(), 0);
    platform.up();
    until("the job to answer again", || {
        let request = platform.cli(["job", "get", &id, "--field", "ready"]);
        if request.out.trim() == "true" {
            Ok(())
        } else {
            Err(request)
        }
    });
    // The connections of the one before are gone.
    let api = Api::of(&platform);
    assert_eq!(ask(&api, &host, "/behind").await.status, 404);
    platform.cli(["job", "kill", &id]).ok();
    let followed = tokio::task::spawn_blocking(move || follow.wait_with_output());
    let followed = within("the end of the log", followed)
        .await
        .unwrap()
        .unwrap();
    assert!(followed.status.success());
    assert_eq!(String::from_utf8_lossy(&followed.stdout), "first\nthird\n");
    let aside = String::from_utf8_lossy(&followed.stderr);
    for once in ["second\n", "GET /before", "GET /behind"] {
        assert_eq!(aside.matches(once).count(), 1, "{once}: {aside}");
    }
    end(platform);
}

#[tokio::test]
async fn wrong_questions_are_refused() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    for (path, status) in [
        (format!("/v1/job/{STRANGER}"), 404),
        (format!("/v1/job/{STRANGER}/logs?follow=true"), 404),
        ("/v1/job/..%2f".to_owned(), 400),
        ("/v1/job?state=dead".to_owned(), 400),
        ("/v1/job?order=name".to_owned(), 400),
        ("/v1/job?limit=0".to_owned(), 400),
        ("/v1/job?after=x".to_owned(), 400),
        ("/v1/job?colour=red".to_owned(), 400),
        ("/v1/job?service=nothing".to_owned(), 404),
        ("/v1/job?account=snow.other".to_owned(), 403),
        (format!("/v1/job?name={}", "x".repeat(64)), 400),
        (format!("/v1/job/{STRANGER}/logs?tail=-1"), 400),
    ] {
        assert_eq!(api.get(&path).await.refused().0, status, "{path}");
    }
    let kill = format!("/v1/job/{STRANGER}/kill");
    assert_eq!(api.post(&kill, None).await.refused().0, 404);
    let nobody = api.with_token("nonsense");
    assert_eq!(nobody.get("/v1/job").await.refused().0, 401);
    end(platform);
}

on_each_backend! {
    jobs_are_listed_and_shown_and_killed,
    lists_are_paged_in_both_orders,
    output_is_read_as_text_and_as_lines,
    following_outlives_the_platform_and_ends_with_the_job,
}
