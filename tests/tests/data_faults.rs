//! Pushes that go wrong: hostile, interrupted, at the same time, without room. The version before stays.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use eai_core::digest::Digest;
use eai_tests::{Answer, Api, Platform, Setup, until, within};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Longer than what is sent before anyone looks.
const LARGE: usize = 96 << 20;

/// Contents as they travel.
fn framed(contents: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for content in contents {
        let head = format!("{} {}\n", Digest::of(content), content.len());
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
    }
    body
}

async fn send(api: &Api, data: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = api.request(Method::POST, &format!("/v1/data/{data}/objects"));
    within("an answer", Answer::of(request.body(body))).await
}

fn file(path: &str, content: &[u8]) -> Value {
    json!({ "path": path, "size": content.len(), "sha256": Digest::of(content) })
}

async fn change(api: &Api, data: &str, body: &Value) -> Answer {
    within(
        "an answer",
        api.create(&format!("/v1/data/{data}/version"), body, None),
    )
    .await
}

/// Bytes that do not compress, the same for the same seed.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// How much there is below a folder, in bytes.
fn weight(folder: &Path) -> u64 {
    let Ok(listing) = fs::read_dir(folder) else {
        return 0;
    };
    let weigh = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => weight(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    listing.flatten().map(weigh).sum()
}

/// Waits until a push is on its way, and not through.
fn under_way(platform: &Platform) {
    let bucket = platform.data().join("nats/js");
    until("a push to be under way", || match weight(&bucket) {
        small if small < 4 << 20 => Err(small),
        _ => Ok(()),
    });
}

fn versions(platform: &Platform, data: &str) -> String {
    platform
        .cli(["data", "size", data, "--field", "version"])
        .ok()
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    let api = Api::of(&platform);
    send(&api, "files", framed(&[b"x"])).await.ok();
    let long = "x".repeat(256);
    let deep = format!("{}x", "xx/".repeat(400));
    for path in [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../x",
        "a//b",
        "./a",
        "a/",
        "a\0b",
        "a\nb",
        "a\u{7f}",
        &long,
        &deep,
    ] {
        let answer = change(&api, "files", &json!({ "put": [file(path, b"x")] })).await;
        assert_eq!(answer.refused(), (400, "bad-path".into()), "{path:?}");
        let answer = change(&api, "files", &json!({ "remove": [path] })).await;
        if path != "a/" {
            assert_eq!(answer.refused(), (400, "bad-path".into()), "{path:?}");
        }
        let query = [("path", path)];
        let request = api
            .request(Method::GET, "/v1/data/files/file")
            .query(&query);
        assert_eq!(
            Answer::of(request).await.refused(),
            (400, "bad-path".into()),
            "{path:?}"
        );
    }
    let both = json!({ "put": [file("a", b"x"), file("a/b", b"x")] });
    assert_eq!(
        change(&api, "files", &both).await.refused(),
        (400, "bad-files".into())
    );
    // Odd, and harmless: they stay what they are.
    let odd = [
        "..%2fx", "a\\..\\b", "%2e%2e", "Ä", "A\u{308}", "a", "A", "-rf", "~",
    ];
    let put: Vec<_> = odd.iter().map(|path| file(path, b"x")).collect();
    let made = change(&api, "files", &json!({ "put": put })).await.ok();
    assert_eq!(made["files"], odd.len());
    let out = platform.path("out");
    platform
        .cli(["data", "pull", "files", out.to_str().unwrap()])
        .ok();
    assert_eq!(fs::read_dir(&out).unwrap().count(), odd.len());
    assert!(!platform.path("x").exists());
}

#[tokio::test]
async fn what_was_not_sent_cannot_be_used() {
    let platform = Platform::start();
    for name in ["mine", "other"] {
        platform.cli(["data", "new", name]).ok();
    }
    let api = Api::of(&platform);
    send(&api, "other", framed(&[b"secret"])).await.ok();
    change(&api, "other", &json!({ "put": [file("a", b"secret")] }))
        .await
        .ok();
    // Knowing the digest of a content is not having it.
    let missing = json!({ "digests": [Digest::of(b"secret")] });
    let answer = api
        .create("/v1/data/mine/missing", &missing, None)
        .await
        .ok();
    assert_eq!(answer["missing"], missing["digests"]);
    let take = json!({ "put": [file("a", b"secret")] });
    assert_eq!(
        change(&api, "mine", &take).await.refused(),
        (409, "content-missing".into())
    );
    let answer = api
        .create("/v1/data/other/missing", &missing, None)
        .await
        .ok();
    assert_eq!(answer["missing"], json!([]));

    let mut wrong = framed(&[b"secret"]);
    *wrong.last_mut().unwrap() = b'x';
    let mut wrong_large = framed(&[&noise(1 << 20)]);
    *wrong_large.last_mut().unwrap() ^= 1;
    let no_heads = [
        (wrong, "content-mismatch"),
        (wrong_large, "content-mismatch"),
        (b"nonsense\n".to_vec(), "bad-request"),
        (vec![b'x'; 200], "bad-request"),
        (
            format!("{} 5\nabc", Digest::of(b"abc")).into_bytes(),
            "bad-request",
        ),
    ];
    for (body, code) in no_heads {
        assert_eq!(send(&api, "mine", body).await.refused(), (400, code.into()));
    }
    assert_eq!(
        change(&api, "mine", &take).await.refused(),
        (409, "content-missing".into())
    );
    for bad in [json!({}), json!({ "put": [], "remove": [] })] {
        assert_eq!(
            change(&api, "mine", &bad).await.refused(),
            (400, "bad-request".into())
        );
    }
    let many: Vec<_> = (0..801_u32)
        .map(|index| Digest::of(&index.to_be_bytes()))
        .collect();
    let ask = api
        .create("/v1/data/mine/missing", &json!({ "digests": many }), None)
        .await;
    assert_eq!(ask.refused(), (400, "bad-request".into()));
    assert_eq!(versions(&platform, "mine"), "0");
}

#[test]
fn pushes_at_the_same_time_are_all_there() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    std::thread::scope(|scope| {
        for index in 0..8 {
            let platform = &platform;
            scope.spawn(move || {
                let path = platform.path(&format!("file{index}"));
                fs::write(&path, index.to_string()).unwrap();
                platform
                    .run(
                        &["data", "push", "web_runtime", path.to_str().unwrap()],
                        &[],
                    )
                    .ok();
            });
        }
    });
    let names = ["data", "content", "ls", "web_runtime", "--field", "name"];
    let names = platform.cli(names).ok();
    assert_eq!(names.lines().count(), 9, "{names}");
    assert_eq!(versions(&platform, "web_runtime"), "8");
    let revisions = platform.cli([
        "events",
        "tail",
        "-n",
        "99",
        "--type",
        "service.revised",
        "--field",
        "type",
    ]);
    assert_eq!(revisions.ok().lines().count(), 8);
}

#[test]
fn a_push_that_is_repeated_happens_once() {
    let platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    let (a, b) = (platform.path("a"), platform.path("b"));
    fs::write(&a, "1").unwrap();
    fs::write(&b, "2").unwrap();
    let id = Uuid::new_v4().to_string();
    let push = |path: &Path, id: &str| {
        let path = path.to_str().unwrap().to_owned();
        let push = [
            "data",
            "push",
            "files",
            &path,
            "--command-id",
            id,
            "--field",
            "version",
        ];
        platform.run(&push, &[])
    };
    assert_eq!(push(&a, &id).ok(), "1");
    assert_eq!(push(&b, &Uuid::new_v4().to_string()).ok(), "2");
    assert_eq!(push(&a, &id).ok(), "1", "its first result again");
    assert_eq!(versions(&platform, "files"), "2");
}

#[test]
fn a_client_that_is_killed_changes_nothing() {
    let platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    let (small, large) = (platform.path("small"), platform.path("large"));
    fs::write(&small, "small").unwrap();
    platform
        .cli(["data", "push", "files", small.to_str().unwrap()])
        .ok();
    fs::write(&large, noise(LARGE)).unwrap();
    let push = ["data", "push", "files", large.to_str().unwrap()];
    let mut client = platform
        .command(&push)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    under_way(&platform);
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(versions(&platform, "files"), "1");
    // What had come goes by itself.
    let bucket = platform.data().join("nats/js");
    platform
        .cli(["data", "push", "files", large.to_str().unwrap()])
        .ok();
    assert_eq!(versions(&platform, "files"), "2");
    let out = platform.path("out");
    platform
        .cli(["data", "pull", "files", out.to_str().unwrap()])
        .ok();
    assert!(fs::read(out.join("large")).unwrap() == fs::read(&large).unwrap());
    assert!(weight(&bucket) < 3 * LARGE as u64);
}

#[test]
fn a_push_outlives_the_platform_that_is_killed() {
    let mut platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    let large = platform.path("large");
    fs::write(&large, noise(LARGE)).unwrap();
    let push = [
        "data",
        "push",
        "files",
        large.to_str().unwrap(),
        "--field",
        "version",
    ];
    let mut push = platform.command(&push);
    push.stdout(Stdio::piped()).stderr(Stdio::piped());
    let client = push.spawn().unwrap();
    under_way(&platform);
    platform.kill();
    platform.up();
    let output = client.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
    let out = platform.path("out");
    platform
        .cli(["data", "pull", "files", out.to_str().unwrap()])
        .ok();
    assert!(fs::read(out.join("large")).unwrap() == fs::read(&large).unwrap());
}

#[tokio::test]
async fn a_store_without_room_says_so_and_loses_nothing() {
    let platform = Platform::start_with(Setup::flags(["--data-max-bytes", "6MiB"]));
    platform.cli(["service", "new", "web"]).ok();
    let (small, large) = (platform.path("small"), platform.path("large"));
    fs::write(&small, noise(2 << 20)).unwrap();
    platform
        .cli(["data", "push", "web_runtime", small.to_str().unwrap()])
        .ok();
    fs::write(&large, noise(16 << 20)).unwrap();
    let full = platform.run(
        &["data", "push", "web_runtime", large.to_str().unwrap()],
        &[("EAI_RETRY_FOR", "0s")],
    );
    assert_eq!(full.code, 1, "{full:?}");
    assert!(
        full.err.contains("data-full") && full.err.contains("--data-max-bytes"),
        "{}",
        full.err
    );
    assert_eq!(versions(&platform, "web_runtime"), "1");
    // The event log has its own room, and what did not fit gives its room back.
    platform.cli(["service", "stop", "web"]).ok();
    let other = platform.path("other");
    fs::write(&other, &noise(3 << 20)[1 << 20..]).unwrap();
    until("room", || {
        let push = platform.cli(["data", "push", "web_runtime", other.to_str().unwrap()]);
        if push.code == 0 {
            Ok(())
        } else {
            Err(push.err)
        }
    });
    let out = platform.path("out");
    platform
        .cli(["data", "pull", "web_runtime", out.to_str().unwrap()])
        .ok();
    assert!(fs::read(out.join("small")).unwrap() == fs::read(&small).unwrap());
    assert!(fs::read(out.join("other")).unwrap() == fs::read(&other).unwrap());
}

#[test]
fn ten_thousand_files_go_up_and_come_back() {
    let platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    let many = platform.path("many");
    for index in 0..10_000 {
        let folder = many.join(format!("d{}", index % 100));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("f{index}")), format!("file {index}")).unwrap();
    }
    let start = std::time::Instant::now();
    platform
        .cli(["data", "push", "files", many.to_str().unwrap()])
        .ok();
    let out = platform.path("out");
    platform
        .cli(["data", "pull", "files", out.to_str().unwrap()])
        .ok();
    let took = start.elapsed();
    assert!(took.as_secs() < 60, "{took:?}");
    for index in 0..10_000 {
        let read = fs::read_to_string(out.join(format!("d{}/f{index}", index % 100))).unwrap();
        assert_eq!(read, format!("file {index}"));
    }
}
