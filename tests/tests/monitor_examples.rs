//! The examples of `docs/monitors`, as a user runs them: stock clients, credentials, and what really happened.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use eai_tests::{Backend, Platform, Service};

/// How long a line may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program that is ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/monitors")
        .join(name)
}

/// Server, file and consumer, as each example is given them.
fn arguments(platform: &Platform, name: &str) -> [String; 3] {
    let file = platform.path(&format!("{name}.creds"));
    let file = file.to_str().unwrap();
    let new = ["monitor", "credentials", "new", name, "-o", file];
    platform.cli(new).ok();
    let list = ["monitor", "credentials", "ls", "--fields", "name,consumer"];
    let listed = platform.cli(list).ok();
    let row = listed.lines().find(|line| line.starts_with(name));
    let consumer = row.unwrap().split_whitespace().last().unwrap();
    [platform.nats_url(), file.to_owned(), consumer.to_owned()]
}

/// One that works and one that fails.
async fn services(platform: &Platform) -> (Service, Service) {
    let web = Service::web(platform, "web", &[]);
    assert_eq!(web.get("/").await.status, 200);
    let bad = Service::shell(platform, "bad", &[], "exit 3");
    assert_ne!(bad.get("/").await.status, 200);
    (web, bad)
}

#[tokio::test]
async fn the_alert_tells_what_failed_also_after_it_was_away() {
    let platform = Platform::on(Backend::Process);
    let packages = platform.path("packages");
    let installed = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--target"])
        .arg(&packages)
        .arg("-r")
        .arg(docs("requirements.txt"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&installed.stderr);
    assert!(installed.status.success(), "{said}");
    let arguments = arguments(&platform, "alerts");
    let run = || {
        let mut child = Command::new("python3")
            .arg("-u")
            .arg(docs("alert.py"))
            .args(&arguments)
            .env("PYTHONPATH", &packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        (Running(child), lines)
    };
    let (first, lines) = run();
    let (_web, bad) = services(&platform).await;
    let line = lines.recv_timeout(PATIENCE).unwrap();
    let (when, what) = line.split_once(" job/").unwrap();
    assert!(when.contains('T') && when.ends_with("+00:00"), "{line}");
    assert!(what.ends_with(" failed: exit (exit code 3)"), "{line}");
    // What fails while it is away, it tells when it is back, and nothing twice.
    drop(first);
    let mut told: Vec<String> = std::iter::once(line).chain(lines.iter()).collect();
    let count = told.len();
    bad.update(&platform, &[], &["sh", "-c", "exit 4"]).ok();
    assert_ne!(bad.get("/").await.status, 200);
    let (_second, lines) = run();
    platform.kill_nats();
    while !told.last().unwrap().ends_with("(exit code 4)") {
        told.push(lines.recv_timeout(PATIENCE).unwrap());
    }
    assert!(told.len() > count);
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), told.len(), "{told:?}");
}

#[tokio::test]
async fn the_report_counts_what_happened_since_the_last_one() {
    let platform = Platform::on(Backend::Process);
    let arguments = arguments(&platform, "sla");
    services(&platform).await;
    let report = || {
        let tests = std::env::current_exe().unwrap();
        let mut folders = tests.ancestors();
        let example = folders.find_map(|folder| {
            let path = folder.join("examples/sla");
            path.is_file().then_some(path)
        });
        let example = example.expect("the examples are built with the tests");
        let output = Command::new(example).args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().map(|line| {
            let words = line.split(' ');
            words.map(str::to_owned).collect::<Vec<String>>()
        });
        rows.collect::<Vec<_>>()
    };
    let first = report();
    assert_eq!(
        first[0],
        ["service", "starts", "p50ms", "maxms", "ended", "failed"]
    );
    let [bad, web] = &first[1..] else {
        panic!("{first:?}");
    };
    assert_eq!(
        (web[0].as_str(), web[1].as_str()),
        ("snow.testacc.web", "1")
    );
    let took: u64 = web[2].parse().unwrap();
    assert!(took > 0 && web[2] == web[3], "{web:?}");
    assert_eq!(web[4..], ["0", "0"]);
    assert_eq!(
        (bad[0].as_str(), bad[1].as_str()),
        ("snow.testacc.bad", "0")
    );
    assert!(bad[5].parse::<u32>().unwrap() > 0, "{bad:?}");
    // What was told is not told again.
    platform.cli(["service", "stop", "bad"]).ok();
    report();
    assert_eq!(report().len(), 1);
}

#[test]
fn the_page_names_the_examples_that_there_are() {
    let page = fs::read_to_string(docs("README.md")).unwrap();
    for entry in fs::read_dir(docs("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let link = format!("({name})");
        assert!(name == "README.md" || page.contains(&link), "{name}");
    }
}
