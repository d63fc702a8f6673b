//! Images that are brought to a platform without a registry.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;
use std::path::Path;
use std::process::Command;

use eai_tests::{Api, Backend, Platform, Service};
use reqwest::{Body, Method};
use uuid::Uuid;

/// A name of this test's own; the image goes with it.
struct Named(String);

impl Named {
    fn new(what: &str) -> Self {
        Self(format!("eai-test/{}/{what}:1", Uuid::new_v4().simple()))
    }

    fn id(&self) -> Option<String> {
        let found = Command::new("docker")
            .args(["image", "inspect", "--format", "{{.Id}}", &self.0])
            .output()
            .unwrap();
        let id = String::from_utf8(found.stdout).unwrap();
        found.status.success().then(|| id.trim().to_owned())
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let removed = Command::new("docker")
            .args(["image", "rm", "--force", &self.0])
            .output();
        drop(removed);
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn import(platform: &Platform, source: &Path, name: &str) -> eai_tests::Output {
    platform.cli([
        "image",
        "import",
        source.to_str().unwrap(),
        "--tag",
        name,
        "--no-header",
        "--fields",
        "name,id",
    ])
}

/// The files of the image that tests run with, as a tar.
fn root_tar(path: &Path) {
    let container = docker(&["create", &Backend::Docker.image(), "none"]);
    let exported = Command::new("docker")
        .args(["export", "--output", path.to_str().unwrap(), &container])
        .status();
    docker(&["rm", &container]);
    assert!(exported.unwrap().success());
}

/// A service that runs with an image answers.
async fn serves(platform: &Platform, service: &str, image: &Named) {
    let service = Service::web(platform, service, &["-i", &image.0]);
    assert_eq!(service.get("/").await.text(), "web /\n");
}

#[tokio::test]
async fn what_docker_saved_runs_under_the_name_that_was_asked_for() {
    if !Backend::Docker.is_there() {
        return;
    }
    let (own, asked) = (Named::new("own"), Named::new("asked"));
    let platform = Platform::on(Backend::Docker);
    docker(&["tag", &Backend::Docker.image(), &own.0]);
    let id = own.id().unwrap();
    let tar = platform.path("saved.tar");
    docker(&["save", "--output", tar.to_str().unwrap(), &own.0]);
    docker(&["image", "rm", "--no-prune", &own.0]);
    let row = import(&platform, &tar, &asked.0).ok();
    assert_eq!(row, format!("{}  {id}", asked.0));
    assert_eq!(own.id(), None, "the tar's own name is not used");
    let names = platform.cli(["image", "ls", "--field", "name"]).ok();
    assert!(names.lines().any(|name| name == asked.0), "{names}");
    serves(&platform, "saved", &asked).await;
}

#[tokio::test]
async fn the_files_of_a_root_run_packed_or_not() {
    if !Backend::Docker.is_there() {
        return;
    }
    let (packed, unpacked) = (Named::new("packed"), Named::new("unpacked"));
    let platform = Platform::on(Backend::Docker);
    let tar = platform.path("root.tar");
    root_tar(&tar);
    import(&platform, &tar, &packed.0).ok();
    serves(&platform, "packed", &packed).await;

    let folder = platform.path("root");
    fs::create_dir(&folder).unwrap();
    let extracted = Command::new("tar")
        .args(["--extract", "--exclude", "dev/*", "--file"])
        .args([&tar, Path::new("--directory"), &folder])
        .status();
    assert!(extracted.unwrap().success());
    import(&platform, &folder, &unpacked.0).ok();
    serves(&platform, "unpacked", &unpacked).await;
}

#[tokio::test]
async fn what_is_no_image_is_refused_and_makes_none() {
    if !Backend::Docker.is_there() {
        return;
    }
    let platform = Platform::on(Backend::Docker);
    let name = Named::new("bad");
    let tar = platform.path("root.tar");
    root_tar(&tar);
    let whole = fs::read(&tar).unwrap();
    let file = |what: &str, content: &[u8]| {
        let path = platform.path(what);
        fs::write(&path, content).unwrap();
        path
    };
    for (path, why) in [
        (file("half.tar", &whole[..whole.len() / 2]), "it breaks off"),
        (file("text.tar", b"no tar"), "it is no tar"),
        (file("root.tar.gz", b"\x1f\x8b\x08"), "compressed by gzip"),
        (file("empty.tar", b""), "it is empty"),
    ] {
        let refused = import(&platform, &path, &name.0);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains(why), "{why}: {}", refused.err);
        assert!(
            refused.err.contains("(http: 400, bad-image)"),
            "{refused:?}"
        );
        assert_eq!(name.id(), None, "{why}");
    }
    for (path, why) in [
        (platform.path("nothing.tar"), "cannot read"),
        (platform.path("folder"), "has no files"),
    ] {
        fs::create_dir_all(platform.path("folder")).unwrap();
        let refused = import(&platform, &path, &name.0);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains(why), "{why}: {}", refused.err);
    }
    for bad in ["Team/web", "web@sha256:00ff", "-x", "a b"] {
        let path = format!("/v1/image?name={}", bad.replace(' ', "%20"));
        let request = Api::of(&platform).request(Method::POST, &path);
        let answer = eai_tests::Answer::of(request.body(Body::from(whole.clone()))).await;
        assert_eq!(answer.refused(), (400, "bad-image".to_owned()), "{bad}");
    }
    // A saved image of which a layer is missing: the engine's own words are told.
    let manifest = br#"[{"Config":"no.json","RepoTags":[],"Layers":["l"]}]"#;
    fs::write(platform.path("manifest.json"), manifest).unwrap();
    let broken = platform.path("broken.tar");
    let made = Command::new("tar")
        .args(["--create", "--file"])
        .args([&broken, Path::new("--directory")])
        .arg(broken.parent().unwrap())
        .arg("manifest.json")
        .status();
    assert!(made.unwrap().success());
    let refused = import(&platform, &broken, &name.0);
    assert!(
        refused.err.contains("(http: 422, image-refused)"),
        "{refused:?}"
    );
    assert!(refused.err.contains("no.json"), "{refused:?}");
}

#[tokio::test]
async fn without_containers_there_are_no_images() {
    let platform = Platform::on(Backend::Process);
    let folder = platform.path("root");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), vec![0; 3 << 20]).unwrap();
    for refused in [
        import(&platform, &folder, "web:1"),
        platform.cli(["image", "ls"]),
    ] {
        assert_eq!(refused.code, 1, "{refused:?}");
        let expected = "jobs run without images here (backend `process`): start the platform with \
                        `--backend docker` (http: 409, no-images)";
        assert!(refused.err.contains(expected), "{refused:?}");
    }
}
