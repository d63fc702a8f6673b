//! Services as a file says, and files as they change.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;
use std::process::{Child, Stdio};

use eai_tests::{Backend, Platform, Service, app, until_async};

/// A folder with a file of services, and what they run.
fn write(platform: &Platform, version: &str) -> String {
    let folder = platform.path("app");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(app("rollout.py"), folder.join("rollout.py")).unwrap();
    let file = platform.path("services.yaml");
    let text = format!(
        "services:\n  web:\n    files: app\n    spec:\n      runtime:\n        command: [python3, -u, /service/rollout.py]\n      \
         environmentVars: [VERSION={version}]\n"
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn services_become_what_the_file_says() {
    let platform = Platform::on(Backend::Process);
    let file = write(&platform, "1");
    let apply = |flag: &str| platform.run(&["apply", "-f", &file, flag], &[]);

    // Shown, and not done.
    let shown = apply("--dry-run");
    assert_eq!(shown.code, 3, "{}", shown.err);
    let lines: Vec<_> = shown.out.lines().take(3).collect();
    assert_eq!(lines, ["snow.testacc.web", "  + service", "  + rollout.py"]);
    let asked = platform.run(&["apply", "-f", &file], &[]);
    assert_eq!(asked.code, 2, "nobody agrees: {}", asked.out);
    assert_eq!(platform.run(&["service", "get", "web"], &[]).code, 1);

    // Done, once.
    apply("--yes").ok();
    assert_eq!(apply("--yes").ok(), "nothing to change");
    assert_eq!(apply("--dry-run").ok(), "nothing to change");
    let service = Service::named(&platform, "web");
    assert_eq!(service.get("/v").await.text(), "1 /v\n");

    // What differs is told by its path, and becomes one revision.
    write(&platform, "2");
    fs::remove_file(platform.path("app").join("rollout.py")).unwrap();
    fs::copy(app("rollout.py"), platform.path("app").join("other.py")).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("rollout.py", "other.py") + "    status: on\n";
    fs::write(&file, text).unwrap();
    let shown = apply("--dry-run").out;
    for line in ["  + other.py", "  - rollout.py", "  ~ spec.environmentVars"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    apply("--yes").ok();
    platform
        .run(&["service", "wait", "web", "--for", "settled"], &[])
        .ok();
    assert_eq!(service.get("/v").await.text(), "2 /v\n");
    assert_eq!(apply("--dry-run").ok(), "nothing to change");

    // Off, and on again.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("status: on", "status: off")).unwrap();
    assert!(apply("--yes").ok().contains("  ~ status: on -> off"));
    assert_eq!(service.get("/v").await.status, 503);

    // Terms are told by their names, and are no revision.
    let revision = platform
        .run(&["service", "get", "web", "--field", "revision"], &[])
        .ok();
    let text = fs::read_to_string(&file).unwrap();
    let terms = "    replicas: 1:3\n    concurrency: 5\n    idleTimeout: 90\n    minReady: 0\n";
    fs::write(&file, text + terms).unwrap();
    let shown = apply("--yes").ok();
    let lines = [
        "snow.testacc.web",
        "  ~ idleTimeout: usual -> 90s",
        "  ~ replicas: 1:1 -> 1:3",
        "  ~ concurrency: 80 -> 5",
        "applied snow.testacc.web",
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
    assert_eq!(apply("--yes").ok(), "nothing to change");
    let row = service.row().await;
    assert_eq!(row["replicas"]["max"], 3);
    assert_eq!(row["concurrency"], 5);
    assert_eq!(row["idleTimeoutMs"], 90_000);
    assert_eq!(row["revision"].to_string(), revision);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("replicas: 1:3", "replicas: 3:1")).unwrap();
    let refused = apply("--yes");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("1:4"), "{}", refused.err);

    // A mistake is told before anything happens.
    fs::write(&file, "services: {web: {spec: {resources: {cpu: -1}}}}").unwrap();
    assert_eq!(apply("--yes").code, 2);
}

/// Ends what it started.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn what_is_saved_runs() {
    let platform = Platform::on(Backend::Process);
    let service = Service::empty(&platform, "web");
    let folder = platform.path("app");
    fs::create_dir_all(&folder).unwrap();
    let page = folder.join("index.html");
    fs::write(&page, "one").unwrap();
    let folder = folder.to_str().unwrap();
    let mut command = platform.command(&["service", "update", "web", "--watch", folder]);
    let watching = command.stdout(Stdio::null()).stderr(Stdio::null());
    let _watching = Watching(watching.spawn().unwrap());
    for text in ["one", "two", "three"] {
        fs::write(&page, text).unwrap();
        until_async(text, async || {
            match service.get("/index.html").await.text() {
                now if now == text => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }
    // What is removed goes.
    fs::write(page.with_file_name("other.html"), "x").unwrap();
    let status = async || service.get("/other.html").await.status;
    until_async("another file", async || match status().await {
        200 => Ok(()),
        other => Err(other),
    })
    .await;
    fs::remove_file(page.with_file_name("other.html")).unwrap();
    until_async("no other file", async || match status().await {
        404 => Ok(()),
        other => Err(other),
    })
    .await;
}
