//! An export answers what the platform answered that it was made of, with no platform.

use std::fs;
use std::process::Command;

use eai_tests::{Backend, Output, Platform, Service, text};
use rustix::process::{Pid, Signal, kill_process};

/// What is asked of both.
fn questions(job: &str) -> Vec<Vec<String>> {
    let lines = [
        "service ls --fields id,name,status,createdOn,updatedOn",
        "service get web --fields id,name,status,revision --format json",
        "service ls --at 10 --field name",
        "service revisions web",
        "data ls --format json",
        "role get web_role --format json",
        "user ls",
        "diff web --from 12 --to 16 --fields field,from",
        "events ls --format json -n 500",
        "events ls --type service.created --field id",
        "events get 7",
        "events explain web",
        "events timeline web --until 20",
    ];
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    let mut all: Vec<Vec<String>> = lines.into_iter().map(words).collect();
    all.push(words(&format!("job get {job} --fields id,state --at 25")));
    all.push(words(&format!("events explain {job}")));
    all
}

fn replay(platform: &Platform, file: &str, question: &[&str]) -> Output {
    let mut arguments = vec!["events", "replay", "--from-file", file];
    arguments.extend(question);
    platform.run(&arguments, &[])
}

#[tokio::test]
async fn an_export_answers_what_its_platform_answered() {
    let mut platform = Platform::on(Backend::Process);
    let web = Service::web(&platform, "web", &[]);
    assert_eq!(web.get("/").await.status, 200);
    let job = text(&web.only_job().await["id"]);
    web.say(&platform, "stop");
    platform
        .cli(["service", "wait", "web", "--for", "stopped"])
        .ok();
    platform.cli(["service", "new", "api"]).ok();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.ndjson");
    let file = path.to_str().unwrap();
    let questions = questions(&job);
    let ask = |question: &Vec<String>| {
        let question: Vec<&str> = question.iter().map(String::as_str).collect();
        platform.run(&question, &[]).ok()
    };
    let before: Vec<String> = questions.iter().map(ask).collect();
    platform.cli(["events", "export", file]).ok();
    platform.stop();

    let temporary = tempfile::tempdir().unwrap();
    for (question, before) in questions.iter().zip(before) {
        let mut words = vec!["events", "replay", "--from-file", file];
        words.extend(question.iter().map(String::as_str));
        let place = temporary.path().to_str().unwrap();
        let answer = platform.run(&words, &[("TMPDIR", place)]).ok();
        assert_eq!(answer, before, "{question:?}");
        let left = fs::read_dir(temporary.path()).unwrap().count();
        assert_eq!(left, 0, "{question:?}: nothing stays behind");
    }
    let verified = replay(
        &platform,
        file,
        &["events", "verify", "--field", "differences"],
    );
    assert_eq!(verified.ok(), "[]");

    // It only answers.
    for change in [
        &["service", "stop", "web"][..],
        &["job", "log", "--last"],
        &["events", "tail", "-f"],
        &["events", "replay", "--from-file", "x", "version"],
        &["server"],
    ] {
        let refused = replay(&platform, file, change);
        assert_eq!(refused.code, 2, "{change:?}: {}", refused.err);
        assert!(
            refused.err.contains("an export does not answer"),
            "{}",
            refused.err
        );
    }
    let unknown = replay(&platform, file, &["service", "sing"]);
    assert_eq!(unknown.code, 2);
    let missing = replay(&platform, file, &["service", "get", "nobody"]);
    assert_eq!(missing.code, 1);
    let none = replay(&platform, "/nowhere/log.ndjson", &["service", "ls"]);
    assert!(
        none.code == 1 && none.err.contains("/nowhere/log.ndjson"),
        "{}",
        none.err
    );
}

/// Whoever does not wait for the answer leaves nothing behind.
#[test]
fn a_replay_that_is_interrupted_cleans_up() {
    let platform = Platform::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.ndjson");
    let file = path.to_str().unwrap();
    platform.cli(["events", "export", file]).ok();
    let temporary = tempfile::tempdir().unwrap();
    let place = temporary.path();
    let words = ["events", "replay", "--from-file", file, "events", "ls"];
    let mut command: Command = platform.command(&words);
    command.env("TMPDIR", place);
    let mut child = command.spawn().unwrap();
    let pid_file = eai_tests::until("its nats-server", || {
        let mut folders = fs::read_dir(place).unwrap();
        let folder = folders.next().ok_or("no folder")?.unwrap().path();
        let file = folder.join("data/nats/nats.pid");
        let pid = fs::read_to_string(file).map_err(|_| "no pid")?;
        pid.trim().parse::<i32>().map_err(|_| "no number")
    });
    // It may have answered in this moment, which ends it as well.
    kill_process(Pid::from_child(&child), Signal::TERM).ok();
    child.wait().unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{pid_file}")).exists());
    assert_eq!(fs::read_dir(place).unwrap().count(), 0);
}
