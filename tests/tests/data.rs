//! Data as a user meets it: pushed, listed, pulled, removed; and what a push means for a service.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use eai_tests::{Answer, Api, Output, Platform, within};
use reqwest::Method;
use serde_json::Value;

/// A file of the user's, with its directories.
fn write(platform: &Platform, path: &str, content: impl AsRef<[u8]>) -> String {
    let path = platform.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn listing(output: Output) -> Vec<(String, String)> {
    let text = output.ok();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("name"), "{text}");
    let row = |line: &str| {
        let (name, status) = line.rsplit_once("  ").unwrap();
        (name.trim().to_owned(), status.to_owned())
    };
    lines.map(row).collect()
}

fn new(names: &[&str]) -> Vec<(String, String)> {
    let row = |name: &&str| ((*name).to_owned(), "new".to_owned());
    names.iter().map(row).collect()
}

/// The data of the newest event of a type.
fn newest(platform: &Platform, kind: &str) -> Value {
    let tail = [
        "events", "tail", "-n", "1", "--type", kind, "--format", "json",
    ];
    serde_json::from_str(&platform.cli(tail).ok()).unwrap()
}

fn ends_with(output: &Output, code: i32, text: &str) {
    assert_eq!(output.code, code, "{output:?}");
    assert!(output.err.contains(text), "{text}: {}", output.err);
}

#[test]
fn a_service_is_pushed_and_updated() {
    let platform = Platform::start();
    platform.cli(["service", "new", "testsvc"]).ok();
    let server = write(&platform, "server.py", "import http.server\n");
    let runtime = "snow.testacc.testsvc_runtime";
    platform.cli(["data", "push", runtime, &server]).ok();
    let update = [
        "service",
        "update",
        "testsvc",
        "--i",
        "python:3.9-slim",
        "--cpu",
        "1",
        "--mem",
        "1",
        "--",
        "python3",
        "-u",
        "/service/server.py",
    ];
    platform.cli(update).ok();
    let content = platform.cli(["data", "content", "ls", runtime]);
    assert_eq!(
        content.out,
        "name       status\neai.yaml   new\nserver.py  new\n"
    );

    // What it runs from now on is in the log, with the very version of its files.
    let revised = newest(&platform, "service.revised");
    let pushed = newest(&platform, "data.pushed");
    let configuration = &revised["data"]["configuration"];
    assert_eq!(configuration["spec"]["runtime"]["image"], "python:3.9-slim");
    assert_eq!(
        configuration["spec"]["runtime"]["command"],
        serde_json::json!(["python3", "-u", "/service/server.py"])
    );
    assert_eq!(
        configuration["runtime"]["version"],
        pushed["data"]["version"]
    );
    assert_eq!(
        configuration["runtime"]["manifest"],
        pushed["data"]["manifest"]
    );
    assert_eq!(revised["commandid"], pushed["commandid"], "one command");
    assert_eq!(pushed["data"]["version"], 2);

    // What is not named stays; what does not change makes nothing.
    platform
        .cli([
            "service", "update", "testsvc", "-e", "A=1", "--port", "9000",
        ])
        .ok();
    let spec = newest(&platform, "service.revised")["data"]["configuration"]["spec"].clone();
    assert_eq!(spec["runtime"]["image"], "python:3.9-slim");
    assert_eq!(
        (&spec["port"], &spec["environmentVars"][0]),
        (&9000.into(), &"A=1".into())
    );
    let before = newest(&platform, "data.pushed")["sequence"].clone();
    platform
        .cli(["service", "update", "testsvc", "--port", "9000"])
        .ok();
    platform.cli(["data", "push", runtime, &server]).ok();
    assert_eq!(newest(&platform, "data.pushed")["sequence"], before);
    let nothing = platform.cli(["service", "update", "testsvc"]);
    ends_with(&nothing, 2, "nothing to update");
}

#[test]
fn a_directory_goes_up_and_comes_back() {
    let platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    let app = platform.path("app");
    write(&platform, "app/run.sh", "#!/bin/sh\n");
    write(&platform, "app/sub/deep/n.txt", "n");
    write(&platform, "app/empty", "");
    fs::set_permissions(app.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../run.sh", app.join("sub/link")).unwrap();
    let app = app.to_str().unwrap();
    let pushed = platform
        .cli(["data", "push", "files", app, "--verbose"])
        .ok();
    assert!(pushed.contains("Process file : run.sh...10 B"), "{pushed}");
    assert!(pushed.ends_with("Uploaded 21 B successfully"), "{pushed}");
    assert_eq!(
        listing(platform.cli(["data", "content", "ls", "files"])),
        new(&["empty", "run.sh", "sub/"])
    );
    let tree = [
        "data",
        "content",
        "tree",
        "files",
        "--fields",
        "name,status",
    ];
    assert_eq!(
        listing(platform.cli(tree)),
        new(&["empty", "run.sh", "sub/deep/n.txt", "sub/link"])
    );
    let below = ["data", "content", "ls", "files", "--path", "./sub/"];
    assert_eq!(listing(platform.cli(below)), new(&["deep/", "link"]));

    let out = platform.path("out");
    let pull = |what: &[&str]| {
        let mut arguments = vec!["data", "pull"];
        arguments.extend(what);
        platform.run(&arguments, &[])
    };
    pull(&["files", out.to_str().unwrap()]).ok();
    assert_eq!(
        fs::read_to_string(out.join("sub/link")).unwrap(),
        "#!/bin/sh\n"
    );
    let mode = fs::metadata(out.join("run.sh"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111);
    assert!(
        fs::symlink_metadata(out.join("sub/link"))
            .unwrap()
            .is_file()
    );
    assert_eq!(fs::read(out.join("empty")).unwrap(), b"");

    // A part of it, and a version before.
    write(&platform, "app/sub/deep/n.txt", "changed");
    let changed = format!("{app}/sub/deep/n.txt:sub/deep/n.txt");
    platform.cli(["data", "push", "files", &changed]).ok();
    let part = platform.path("part");
    pull(&["files", &format!("sub:{}", part.display())]).ok();
    assert_eq!(
        fs::read_to_string(part.join("deep/n.txt")).unwrap(),
        "changed"
    );
    let one = platform.path("one.txt");
    pull(&["files@1", &format!("sub/deep/n.txt:{}", one.display())]).ok();
    assert_eq!(fs::read_to_string(&one).unwrap(), "n");
    ends_with(&pull(&["files@9", "x"]), 1, "no version 9");
    ends_with(&pull(&["files", "nothing:x"]), 2, "nothing to pull");

    let removed = platform
        .cli(["data", "content", "rm", "files", "sub/**", "*.sh"])
        .ok();
    assert!(removed.contains("version"), "{removed}");
    assert_eq!(
        listing(platform.cli(["data", "content", "ls", "files"])),
        new(&["empty"])
    );
    assert_eq!(
        listing(platform.cli(["data", "content", "ls", "files@1"])).len(),
        3
    );
    let nothing = platform.cli(["data", "content", "rm", "files", "sub"]);
    ends_with(&nothing, 1, "no file of `files` matches `sub`");
    let versions = platform
        .cli(["data", "versions", "files", "--field", "files"])
        .ok();
    assert_eq!(versions, "4\n4\n1");
    let size = [
        "data",
        "size",
        "files",
        "--fields",
        "version,files,bytes",
        "--no-header",
    ];
    assert_eq!(platform.cli(size).ok(), "3  1  0");
}

#[test]
fn a_spec_with_a_mistake_changes_nothing() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    let good = write(&platform, "good/eai.yaml", "runtime:\n  image: nginx\n");
    platform.cli(["data", "push", "web_runtime", &good]).ok();
    write(&platform, "bad/server.py", "x");
    write(
        &platform,
        "bad/eai.yaml",
        "runtime:\n  image: nginx\n  comand: [x]\n",
    );
    let bad = platform.path("bad");
    let refused = platform.cli(["data", "push", "web_runtime", bad.to_str().unwrap()]);
    ends_with(
        &refused,
        1,
        "`eai.yaml`: line 3, column 3: unknown field `comand`: did you mean `command`?",
    );
    assert!(refused.err.contains("bad-spec"), "{}", refused.err);
    for (spec, why) in [
        ("data: ['web_runtime:/x:rw']", "cannot be written to yet"),
        (
            "data: ['web_runtime:/etc/x']",
            "where the job has its system",
        ),
        ("data: ['nothing:/x']", "names data that is not in account"),
        ("data: ['web_runtime@7:/x']", "a version that is not there"),
        (
            "data: ['web_runtime/none:/x']",
            "a path that is not in version 1",
        ),
        (
            "data: ['web_runtime@new:/x']",
            "neither a number nor `latest`",
        ),
    ] {
        write(&platform, "bad/eai.yaml", spec);
        let refused = platform.cli(["data", "push", "web_runtime", bad.to_str().unwrap()]);
        ends_with(&refused, 1, why);
    }
    write(&platform, "bad/eai.yaml", vec![b'#'; 70_000]);
    let refused = platform.cli(["data", "push", "web_runtime", bad.to_str().unwrap()]);
    ends_with(&refused, 1, "too large");
    assert_eq!(
        listing(platform.cli(["data", "content", "ls", "web_runtime"])),
        new(&["eai.yaml"])
    );
    assert_eq!(newest(&platform, "service.revised")["data"]["revision"], 1);
    let update = platform.cli(["service", "update", "web", "-d", "nothing:/x"]);
    ends_with(&update, 1, "names data that is not in account");
}

#[test]
fn mounts_are_fixed_when_a_service_is_revised() {
    let platform = Platform::start();
    platform.cli(["data", "new", "models"]).ok();
    let model = write(&platform, "large/weights", "1");
    platform
        .cli(["data", "push", "models", &format!("{model}:large/weights")])
        .ok();
    platform.cli(["service", "new", "web"]).ok();
    platform
        .cli(["service", "update", "web", "-d", "models/large:/models"])
        .ok();
    let revised = newest(&platform, "service.revised");
    let mount = &revised["data"]["configuration"]["mounts"][0];
    let id = platform
        .cli(["data", "get", "models", "--field", "id"])
        .ok();
    assert_eq!(mount["data"].as_str(), Some(id.as_str()));
    assert_eq!(
        (&mount["version"], &mount["subpath"]),
        (&1.into(), &"large".into())
    );
    assert_eq!(mount["target"], "/models");
    // On a runtime that had nothing, there is something to show.
    let runtime = platform.cli(["data", "content", "ls", "web_runtime"]);
    assert_eq!(listing(runtime), new(&["eai.yaml", "index.html"]));
}

#[test]
fn a_service_is_made_with_its_files() {
    let platform = Platform::start();
    write(&platform, "app/server.py", "x");
    write(&platform, "app/eai.yaml", "runtime: {image: nginx}\n");
    let app = platform.path("app");
    let made = platform.run(
        &["service", "new", "web", "--upload", app.to_str().unwrap()],
        &[],
    );
    assert!(made.ok().contains("snow.testacc.web_runtime"));
    let content = platform.cli(["data", "content", "ls", "web_runtime"]);
    assert_eq!(listing(content), new(&["eai.yaml", "server.py"]));
    let revised = newest(&platform, "service.revised");
    assert_eq!(
        revised["data"]["configuration"]["spec"]["runtime"]["image"],
        "nginx"
    );
    // What cannot be pushed is told before anything is made.
    symlink("/etc/passwd", app.join("link")).unwrap();
    let refused = platform.cli(["service", "new", "other", "--upload", app.to_str().unwrap()]);
    ends_with(&refused, 1, "link out of the directory");
    ends_with(&platform.cli(["service", "get", "other"]), 1, "not-found");
}

#[test]
fn links_out_are_refused_before_anything_travels() {
    let platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    write(&platform, "app/a", "a");
    write(&platform, "secret", "secret");
    let app = platform.path("app");
    for target in [
        "/etc/passwd",
        "../secret",
        "nothing",
        "/proc/self/environ",
        ".",
    ] {
        symlink(target, app.join("z")).unwrap();
        let refused = platform.cli(["data", "push", "files", app.to_str().unwrap()]);
        ends_with(&refused, 1, "app/z is ");
        fs::remove_file(app.join("z")).unwrap();
    }
    let bucket = platform.data().join("nats/js");
    assert!(!stored(&bucket, b"secret"), "nothing was sent");
    let size = platform
        .cli(["data", "size", "files", "--field", "version"])
        .ok();
    assert_eq!(size, "0");
    fs::create_dir(platform.path("hollow")).unwrap();
    let hollow = platform.path("hollow");
    let refused = platform.cli(["data", "push", "files", hollow.to_str().unwrap()]);
    ends_with(&refused, 1, "has no files");
}

/// Whether bytes are in a file somewhere below a folder.
fn stored(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stored(&path, bytes);
        }
        let content = fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn what_a_job_ran_is_unchanged() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    let id = platform
        .cli(["service", "get", "web", "--field", "id"])
        .ok();
    let api = Api::of(&platform);
    let request = api
        .request(Method::GET, "/")
        .header("host", format!("{id}.service.localhost"));
    let answer = within("the service's answer", Answer::of(request)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.text().contains("Service is Running"),
        "{}",
        answer.text()
    );
    platform.cli(["service", "stop", "web"]).ok();
    let content = ["data", "content", "ls", "web_runtime"];
    let row = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    assert_eq!(
        listing(platform.cli(content)),
        [row("eai.yaml", "unchanged"), row("index.html", "unchanged")]
    );
    write(&platform, "app/index.html", "another page");
    write(&platform, "app/more/page.html", "one more");
    let app = platform.path("app");
    platform
        .cli(["data", "push", "web_runtime", app.to_str().unwrap()])
        .ok();
    assert_eq!(
        listing(platform.cli(content)),
        [
            row("eai.yaml", "unchanged"),
            row("index.html", "modified"),
            row("more/", "new"),
        ]
    );
}
