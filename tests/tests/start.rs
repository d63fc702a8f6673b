//! Starts that fail say what happened and what to change; flags and variables are the same thing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use eai_tests::{Output, Platform, Setup};

/// A start whose environment is the test's: nothing but what is given.
fn start(platform: &Platform, flags: &[&str], path: &Path) -> Output {
    let arguments = [&["server", "--listen", "127.0.0.1:0"], flags].concat();
    let mut command = platform.command(&arguments);
    command.env_remove("EAI_NATS_SERVER").env("PATH", path);
    let output = command.output().expect("the binary runs");
    Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn fails(output: &Output, code: i32, error: &str) {
    assert_eq!(output.out, "", "it never says ready");
    let last = output.err.lines().last().unwrap_or_default();
    assert_eq!(
        (output.code, last),
        (code, format!("error: {error}").as_str()),
        "{}",
        output.err
    );
}

/// A program called nats-server that says it is this version, and ends.
fn fake(folder: &Path, version: &str) -> String {
    let path = folder.join("nats-server");
    fs::write(
        &path,
        format!("#!/bin/sh\necho 'nats-server: v{version}'\n"),
    )
    .expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    path.to_str().expect("a path").to_owned()
}

#[test]
fn a_directory_that_is_in_use() {
    let platform = Platform::start();
    let (pid, data) = (platform.pid(), platform.data());
    let second = platform.run(&["server", "--listen", "127.0.0.1:0"], &[]);
    let error = format!(
        "another `eai server` (pid {pid}) uses {}: stop it, or choose another with --data-dir DIR",
        data.display()
    );
    fails(&second, 1, &error);
    platform.cli(["service", "ls"]).ok();
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut platform = Platform::stopped(Setup {
        listen: Some(address.clone()),
        ..Setup::default()
    });
    let error = format!(
        "cannot listen on {address}: Address already in use (os error 98). Stop what uses it, or \
         choose another with --listen ADDR:PORT"
    );
    fails(&platform.fails(), 1, &error);
    assert_eq!(platform.nats_pid(), None, "nothing was started for it");

    let port = taken.local_addr().unwrap().port().to_string();
    let mut platform = Platform::stopped(Setup::flags(["--nats-port", &port]));
    let error = format!(
        "port {port} on 127.0.0.1, where this platform's nats-server listens, is taken by another \
         process: end that one, or choose another port with `--nats-port PORT`"
    );
    fails(&platform.fails(), 1, &error);
}

#[test]
fn a_directory_of_another_account() {
    let mut platform = Platform::start();
    assert_eq!(platform.stop(), 0);
    platform.set_up(Setup::flags(["--account", "snow.other"]));
    let error = format!(
        "{} belongs to account `snow.testacc`, not `snow.other`: start with --account \
         snow.testacc, or choose another data directory with --data-dir DIR",
        platform.data().display()
    );
    fails(&platform.fails(), 1, &error);
    platform.set_up(Setup::flags(["--account", "Snow"]));
    let error = "`Snow` is not an account: write ORGANIZATION.ACCOUNT, such as snow.testacc, at \
                 most 8 accounts deep";
    fails(&platform.fails(), 1, error);
    platform.set_up(Setup::default());
    platform.up();
}

#[test]
fn a_nats_server_that_is_missing_old_or_none() {
    let platform = Platform::stopped(Setup::default());
    let folder = tempfile::tempdir().unwrap();
    let error = "found no nats-server beside the eai binary, on PATH or in the cache of eai: fetch \
                 it with `deploy/local/nats-server`, or name one of 2.15.1 or newer with \
                 `--nats-server PATH`";
    fails(&start(&platform, &[], folder.path()), 1, error);

    let path = fake(folder.path(), "2.9.10");
    let error = format!(
        "{path} is nats-server 2.9.10, and eai needs 2.12.7 or newer: install 2.15.1 or newer, or \
         name another one with `--nats-server PATH`"
    );
    fails(&start(&platform, &[], folder.path()), 1, &error);
    let nowhere = Path::new("/nowhere");
    fails(
        &start(&platform, &["--nats-server", &path], nowhere),
        1,
        &error,
    );

    let path = fake(folder.path(), "next");
    let error = format!(
        "`{path} --version` answered \"nats-server: vnext\", which is no version of nats-server: \
         name another one with `--nats-server PATH`"
    );
    fails(&start(&platform, &[], folder.path()), 1, &error);
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let error = format!(
        "{missing} is not an executable file: give the path of nats-server to `--nats-server`"
    );
    fails(
        &start(&platform, &["--nats-server", missing], nowhere),
        1,
        &error,
    );
}

#[test]
fn a_directory_that_cannot_be_used() {
    let platform = Platform::stopped(Setup::default());
    let file = platform.path("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let output = start(&platform, &["--data-dir", file], Path::new("/nowhere"));
    let error = format!("cannot use {file}: File exists (os error 17)");
    fails(&output, 1, &error);

    let data = platform.data();
    fs::create_dir(&data).unwrap();
    fs::write(data.join("platform.json"), "{").unwrap();
    let output = start(&platform, &[], Path::new("/nowhere"));
    let (path, reason) = (
        data.join("platform.json"),
        "EOF while parsing an object at line 1 column 1",
    );
    let error = format!(
        "{} is not readable as a platform's identity ({reason}): restore it from a copy, or choose \
         another data directory with --data-dir DIR",
        path.display()
    );
    fails(&output, 1, &error);
}

/// A port that was free just now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn flags_and_variables_are_the_same() {
    let (nats_port, port) = (free_port().to_string(), free_port());
    let listen = format!("127.0.0.1:{port}");
    let settings = [
        ("--domain", "EAI_DOMAIN", "eai.test"),
        (
            "--external-url",
            "EAI_EXTERNAL_URL",
            "https://eai.test:8443",
        ),
        ("--account", "EAI_SERVER_ACCOUNT", "acme.dev"),
        ("--nats-port", "EAI_NATS_PORT", &nats_port),
        ("--log-max-bytes", "EAI_LOG_MAX_BYTES", "16MiB"),
        ("--log-format", "EAI_LOG_FORMAT", "json"),
    ];
    let by_flag = Setup {
        flags: settings
            .iter()
            .flat_map(|(flag, _, value)| [(*flag).to_owned(), (*value).to_owned()])
            .chain(["--unsafe-fsync".to_owned()])
            .collect(),
        listen: Some(listen.clone()),
        ..Setup::default()
    };
    let by_variable = Setup {
        environment: settings
            .iter()
            .map(|(_, variable, value)| ((*variable).to_owned(), (*value).to_owned()))
            .chain([("EAI_UNSAFE_FSYNC".to_owned(), "true".to_owned())])
            .collect(),
        listen: Some(listen.clone()),
        ..Setup::default()
    };
    for setup in [by_flag, by_variable] {
        let mut platform = Platform::start_with(setup);
        assert_eq!(platform.printed(), "ready https://eai.test:8443\n");
        let here = format!("http://{listen}");
        let ask = |arguments: &[&str]| platform.run(arguments, &[("EAI_URL", &here)]).ok();
        let info = |name: &str| ask(&["server", "info", "--field", name]);
        assert_eq!(info("url"), "https://eai.test:8443");
        assert_eq!(info("natsUrl"), format!("nats://127.0.0.1:{nats_port}"));
        assert_eq!(info("logMaxBytes"), (16 << 20).to_string());
        assert_eq!(ask(&["account", "get", "--field", "fullName"]), "acme.dev");
        let fields = ["--fields", "id,accessUrl", "--no-header"];
        let row = ask(&[&["service", "new", "web"], &fields[..]].concat());
        let (id, url) = row.split_once("  ").unwrap();
        assert_eq!(url, format!("https://{id}.service.eai.test:8443"));
        let log = platform.log();
        let line = log.lines().next().unwrap_or_default();
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
        let conf = fs::read_to_string(platform.data().join("nats/nats.conf")).unwrap();
        assert!(!conf.contains("sync_interval: always"), "{conf}");
        assert_eq!(platform.stop(), 0);
    }
}

#[test]
fn a_domain_alone_keeps_the_listeners_port() {
    let platform = Platform::start_with(Setup::flags(["--domain", "eai.test"]));
    let port = platform.address().rsplit_once(':').unwrap().1;
    let here = format!("http://{}", platform.address());
    let row = platform.run(
        &[
            "service",
            "new",
            "web",
            "--fields",
            "id,accessUrl",
            "--no-header",
        ],
        &[("EAI_URL", &here)],
    );
    let row = row.ok();
    let (id, url) = row.split_once("  ").unwrap();
    assert_eq!(url, format!("http://{id}.service.eai.test:{port}"));
    let conf = fs::read_to_string(platform.data().join("nats/nats.conf")).unwrap();
    assert!(conf.contains("sync_interval"), "{conf}");
}

#[tokio::test]
async fn a_full_log_only_takes_what_winds_down() {
    let mut platform = Platform::start_with(Setup::flags(["--log-max-bytes", "1MiB"]));
    let api = eai_tests::Api::of(&platform);
    let mut number = 0;
    let refused = loop {
        let names = (0..20).map(|at| serde_json::json!({ "name": format!("web_{}", number + at) }));
        let names: Vec<_> = names.collect();
        let all = names
            .iter()
            .map(|name| api.create("/v1/service", name, None));
        let answers = futures::future::join_all(all).await;
        number += 20;
        if let Some(refused) = answers.into_iter().find(|answer| answer.status != 201) {
            break refused;
        }
        assert!(number < 2000, "it never fills up");
    };
    assert_eq!(refused.refused(), (507, "log-reserve".into()));
    let info = api.get("/v1/server").await.ok();
    let (used, most) = (
        info["logBytes"].as_u64().unwrap(),
        info["logMaxBytes"].as_u64().unwrap(),
    );
    assert_eq!(most, 1 << 20);
    assert!(used >= most / 10 * 9 && used < most, "{used} of {most}");
    let body = refused.text();
    let expected = "bytes and keeps the rest for stops and running work: start the server with a \
                    larger --log-max-bytes";
    assert!(body.contains(expected), "{body}");
    let name = platform.cli(["service", "ls", "--field", "name"]).ok();
    let name = name.lines().next().unwrap();
    let status = |verb| platform.cli(["service", verb, name, "--field", "status"]);
    assert_eq!(status("stop").ok(), "off");
    let start = platform.cli(["service", "start", name]);
    assert_eq!(start.code, 1);
    assert!(
        start.err.contains("(http: 507, log-reserve)"),
        "{}",
        start.err
    );
    assert_eq!(status("deactivate").ok(), "deactivated");
    platform.cli(["service", "ls"]).ok();

    assert_eq!(platform.stop(), 0);
    platform.set_up(Setup::flags(["--log-max-bytes", "4MiB"]));
    platform.up();
    assert_eq!(status_of(&platform, "reactivate", name), "off");
    assert_eq!(status_of(&platform, "start", name), "on");
}

fn status_of(platform: &Platform, verb: &str, name: &str) -> String {
    let status = platform.cli(["service", verb, name, "--field", "status"]);
    status.ok()
}
