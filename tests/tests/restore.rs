//! A platform that begins with an export: the same log byte for byte, what was alive in it is over, and it goes on.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;
use std::path::{Path, PathBuf};

use eai_tests::{Api, Backend, Platform, Service, Setup, Stored, app, on_each_backend, text};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An export of a platform, and where it is.
struct Exported {
    folder: TempDir,
    events: u64,
}

impl Exported {
    fn of(platform: &Platform) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.ndjson");
        let file = file.to_str().unwrap();
        let events = platform.cli(["events", "export", file, "--field", "events"]);
        let events = events.ok().parse().unwrap();
        Self { folder, events }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("log.ndjson")
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        let bytes = fs::read(self.file()).unwrap();
        let lines = bytes
            .strip_suffix(b"\n")
            .unwrap()
            .split(|byte| *byte == b'\n');
        lines.map(<[u8]>::to_vec).collect()
    }

    fn setup(&self) -> Setup {
        Setup::flags(["--restore", self.file().to_str().unwrap()])
    }
}

/// What the log has behind an export, by type; all before is the export's.
async fn added(platform: &Platform, exported: &Exported) -> Vec<(String, Value)> {
    let stored = Stored::of(platform).await.after(0).await;
    let lines = exported.lines();
    assert_eq!(lines.len() as u64, exported.events);
    for (line, event) in lines.iter().zip(&stored) {
        assert!(*line == event.payload, "event {}", event.sequence);
    }
    let added = stored.iter().skip(lines.len());
    added
        .map(|event| (event.kind(), event.document()))
        .collect()
}

fn is_sound(platform: &Platform) {
    let verified = platform.cli(["events", "verify", "--format", "json"]).ok();
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["differences"], json!([]), "{verified}");
    assert_eq!(verified["parked"], json!([]), "{verified}");
}

async fn a_platform_goes_on_from_an_export(backend: Backend) {
    let old = Platform::on(backend);
    let web = Service::web(&old, "web", &[]);
    assert_eq!(web.get("/").await.status, 200);
    let job = text(&web.only_job().await["id"]);
    let key = old
        .cli(["role", "key", "new", "web_role", "--field", "key"])
        .ok();
    let exported = Exported::of(&old);

    // Beside the one that it was made of, which does not notice.
    let mut new = Platform::start_with(exported.setup().on(backend));
    let added = added(&new, &exported).await;
    let (kind, restored) = &added[0];
    assert_eq!(kind, "eai.platform.restored.v1");
    assert_eq!(restored["data"]["from"], old.id().unwrap());
    assert_eq!(restored["data"]["events"], exported.events);
    assert_ne!(new.id(), old.id());
    let place = |wanted: &str, subject: &str| {
        added
            .iter()
            .position(|(kind, document)| kind == wanted && document["subject"] == subject)
    };
    let ended = place("eai.job.ended.v1", &format!("job/{job}")).expect("it is over");
    assert_eq!(added[ended].1["causationid"], restored["id"]);
    let started = added
        .iter()
        .position(|(kind, _)| kind == "eai.executor.started.v1");
    assert!(started.unwrap() > ended, "nothing runs before: {added:#?}");
    let states = new.cli(["executor", "ls", "--field", "state"]).ok();
    let mut states: Vec<&str> = states.lines().collect();
    states.sort_unstable();
    assert_eq!(states, ["active", "lost"]);
    let state = new.cli(["job", "get", &job, "--field", "state"]).ok();
    assert_eq!(state, "INTERRUPTED");
    let why = new.cli(["events", "explain", &job]).ok();
    assert!(
        why.contains("platform-restored") || why.contains("restored"),
        "{why}"
    );
    is_sound(&new);
    assert_eq!(web.get("/").await.status, 200, "the old one");
    assert_eq!(text(&web.only_job().await["id"]), job);

    // Files are in no log: reading them is refused, and they are pushed again.
    let again = Service::named(&new, "web");
    assert_eq!(again.id, web.id);
    let gone = new.cli(["data", "content", "ls", "web_runtime"]);
    assert!(
        gone.code == 1 && gone.err.contains("there is no content"),
        "{}",
        gone.err
    );
    again.push(&new, &app("web.py"));
    let command = ["python3", "-u", "/service/web.py"];
    again.update(&new, &[], &command).ok();
    assert_eq!(again.get("/").await.status, 200);
    // What was given to people was signed by the old one; a key of a role is known by its hash.
    let api = Api::of(&new);
    assert_eq!(api.with_token(&old.token()).get("/v1/me").await.status, 401);
    assert_eq!(api.with_token(&key).get("/v1/me").await.status, 200);

    // It was restored, and is a platform as any other.
    new.stop();
    let refused = new.fails();
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("has a platform already"),
        "{}",
        refused.err
    );
    new.set_up(Setup::default().on(backend));
    new.up();
    is_sound(&new);
    let once = new.cli([
        "events",
        "ls",
        "--type",
        "platform.restored",
        "--field",
        "id",
    ]);
    assert_eq!(once.ok(), text(&restored["id"]));
}

#[tokio::test]
async fn an_export_of_a_restored_platform_is_restored() {
    let first = Platform::start();
    first.cli(["service", "new", "web"]).ok();
    let second = Platform::start_with(Exported::of(&first).setup());
    second.cli(["service", "new", "api"]).ok();
    let exported = Exported::of(&second);
    let third = Platform::start_with(exported.setup());
    let names = third.cli(["service", "ls", "--field", "name"]).ok();
    assert_eq!(names.lines().collect::<Vec<_>>(), ["web", "api"]);
    let added = added(&third, &exported).await;
    assert_eq!(added[0].1["data"]["from"], second.id().unwrap());
    is_sound(&third);
}

/// What is refused leaves nothing behind that would be in the way of the next try.
#[test]
fn what_is_no_export_is_refused_and_nothing_is_made() {
    let old = Platform::start();
    old.cli(["service", "new", "web"]).ok();
    let exported = Exported::of(&old);
    let file = exported.file();
    let whole = fs::read(&file).unwrap();
    let manifest = exported.folder.path().join("log.ndjson.manifest.json");
    let said = fs::read(&manifest).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 1;
    let cut = &whole[..whole.len() - 1];
    let put = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
    let mut new = Platform::stopped(exported.setup());
    for (bytes, word) in [
        (&flipped[..], "log.ndjson is"),
        (cut, "does not end"),
        (b"", "number of events"),
    ] {
        put(&file, bytes);
        let refused = new.fails();
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains(word), "{word}: {}", refused.err);
        assert!(!new.data().exists(), "{word}");
    }
    put(&file, &whole);
    fs::remove_file(&manifest).unwrap();
    let refused = new.fails();
    assert!(refused.err.contains("manifest.json"), "{}", refused.err);
    put(&manifest, &said);

    // A folder with something else in it is nobody's to fill.
    fs::create_dir(new.data()).unwrap();
    fs::write(new.data().join("thesis.tex"), "precious").unwrap();
    let refused = new.fails();
    assert!(refused.err.contains("something else"), "{}", refused.err);
    fs::remove_file(new.data().join("thesis.tex")).unwrap();
    let other = ["--account", "snow.other"].map(str::to_owned);
    let mut setup = exported.setup();
    setup.flags.extend(other);
    new.set_up(setup);
    let refused = new.fails();
    assert!(refused.err.contains("snow.testacc"), "{}", refused.err);
    new.set_up(exported.setup());
    new.up();
    let name = new.cli(["service", "ls", "--field", "name"]).ok();
    assert_eq!(name, "web");
}

/// It dies at each step, and the same command goes on; nothing else begins in what it left.
#[tokio::test]
async fn a_restore_that_broke_off_goes_on() {
    let old = Platform::start();
    let web = Service::web(&old, "web", &[]);
    assert_eq!(web.get("/").await.status, 200);
    // More than goes into the log at a time.
    let api = Api::of(&old);
    old.cli(["user", "new", "ann"]).ok();
    for _ in 0..220 {
        let ann = json!({ "user": "ann" });
        api.create("/v1/role/web_role/member", &ann, None)
            .await
            .ok();
        api.create("/v1/role/web_role/member/remove", &ann, None)
            .await
            .ok();
    }
    let exported = Exported::of(&old);
    assert!(exported.events > 440);
    let other = Platform::start();
    let of_another = Exported::of(&other);

    let mut new = Platform::stopped(exported.setup());
    for place in [
        "restore.begun",
        "restore.batch",
        "restore.stored",
        "restore.said",
        "restore.over",
    ] {
        let breaks = Setup {
            flags: exported.setup().flags,
            ..Setup::fail_point(place)
        };
        new.set_up(breaks);
        new.spawn();
        assert_ne!(new.wait(), 0, "{place}");
        new.set_up(Setup::default());
        let refused = new.fails();
        assert!(
            refused.err.contains("--restore"),
            "{place}: {}",
            refused.err
        );
        new.set_up(of_another.setup());
        let refused = new.fails();
        assert!(
            refused.err.contains("another export"),
            "{place}: {}",
            refused.err
        );
    }
    new.set_up(exported.setup());
    new.up();
    let added = added(&new, &exported).await;
    let of = |wanted: &str| added.iter().filter(|(kind, _)| kind == wanted).count();
    assert_eq!(of("eai.platform.restored.v1"), 1, "{added:#?}");
    assert_eq!(of("eai.job.ended.v1"), 1, "{added:#?}");
    is_sound(&new);
}

on_each_backend! {
    a_platform_goes_on_from_an_export,
}
