//! Python packages that a spec asks for: there when the job runs, and got once.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use eai_tests::{Backend, Platform, Service, text};
use serde_json::Value;

eai_tests::on_each_backend! {
    packages_are_there_and_got_once,
    packages_that_cannot_be_had_fail_the_run,
}

/// A file of the user's.
fn file(platform: &Platform, content: &str) -> String {
    let path = platform.path("requirements.txt");
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A service whose job says which six it has, and ends.
fn service(platform: &Platform, requirements: &str) -> Service {
    let flags = ["--requirements", requirements, "-e", "PYTHONPATH=/service"];
    let script = "import six; print(six.__version__)";
    let service = Service::empty(platform, "web");
    service
        .update(platform, &flags, &["python3", "-c", script])
        .ok();
    service
}

/// What the last lines of a job were, where it ended before it answered.
async fn said(service: &Service) -> Vec<String> {
    let answer = service.get("/").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let lines = body["error"]["output"].as_array();
    let lines = lines.unwrap_or_else(|| panic!("{body:#}"));
    lines.iter().map(text).collect()
}

/// The folders with packages, each as the one that it is.
fn layers(platform: &Platform) -> Vec<u64> {
    let trees = fs::read_dir(platform.data().join("cache/trees")).unwrap();
    let packages = trees.map(|entry| entry.unwrap().path().join("packages"));
    let mut found: Vec<u64> = packages
        .filter_map(|packages| Some(fs::metadata(packages).ok()?.ino()))
        .collect();
    found.sort_unstable();
    found
}

/// The folders in the cache of data that are of no use to anyone.
fn half_made(platform: &Platform) -> Vec<String> {
    let trees = fs::read_dir(platform.data().join("cache/trees")).unwrap();
    let names = trees.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.strip_suffix(".part").is_some())
        .collect()
}

async fn packages_are_there_and_got_once(backend: Backend) {
    let platform = Platform::on(backend);
    let requirements = file(&platform, "# what it needs\nsix==1.16.0\n");
    let service = service(&platform, &requirements);
    assert_eq!(said(&service).await, ["1.16.0"]);
    let got = layers(&platform);
    assert_eq!(got.len(), 1);
    service.until_state("SUCCEEDED").await;
    assert_eq!(said(&service).await, ["1.16.0"]);
    assert_eq!(layers(&platform), got, "they are not got again");
    // Other packages are another revision.
    let other = file(&platform, "six==1.17.0\n");
    service
        .update(&platform, &["--requirements", &other], &[])
        .ok();
    assert_eq!(said(&service).await, ["1.17.0"]);
    assert_eq!(layers(&platform).len(), 2);
    let none = file(&platform, "");
    service
        .update(&platform, &["--requirements", &none], &[])
        .ok();
    let without = said(&service).await.join("\n");
    // A machine may have one of its own.
    assert!(!without.contains("1.17.0"), "{without}");
    assert_eq!(half_made(&platform), Vec::<String>::new());
}

async fn packages_that_cannot_be_had_fail_the_run(backend: Backend) {
    let platform = Platform::on(backend);
    let requirements = file(&platform, "six==0.0.0.1\n");
    let service = service(&platform, &requirements);
    let lines = said(&service).await.join("\n");
    assert!(lines.contains("No matching distribution"), "{lines}");
    let job = service.until_state("FAILED").await;
    assert_eq!(job["runs"][0]["reason"], "requirements-failed", "{job:#}");
    assert_eq!(half_made(&platform), Vec::<String>::new());
}

#[tokio::test]
async fn what_could_reach_the_platforms_files_is_refused() {
    let platform = Platform::start();
    let service = Service::empty(&platform, "web");
    for bad in [
        "-e .",
        "-r /etc/passwd",
        "six @ file:///etc/passwd",
        "./six",
    ] {
        let requirements = file(&platform, bad);
        let flags = ["--requirements", &requirements];
        let refused = service.update(&platform, &flags, &[]);
        assert_eq!(refused.code, 1, "{bad}: {refused:?}");
        assert!(refused.err.contains("(http: 400, bad-spec)"), "{refused:?}");
        assert!(
            refused.err.contains("no package of an index"),
            "{refused:?}"
        );
        let new = ["service", "new", "other", "--requirements", &requirements];
        assert_eq!(platform.cli(new).code, 2, "{bad}");
    }
    let missing = platform.cli(["service", "get", "other"]);
    assert!(missing.err.contains("no service"), "{missing:?}");
    // A new service has them from its first job on.
    let requirements = file(&platform, "six==1.16.0\n");
    platform
        .cli(["service", "new", "other", "--requirements", &requirements])
        .ok();
    let pulled = platform.path("pulled");
    let pull = ["data", "pull", "other_runtime", pulled.to_str().unwrap()];
    platform.cli(pull).ok();
    let spec = fs::read_to_string(pulled.join("eai.yaml")).unwrap();
    assert!(spec.contains("six==1.16.0"), "{spec}");
}
