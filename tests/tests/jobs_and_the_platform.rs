//! What becomes of jobs when the platform ends, dies, or its NATS does.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;

use eai_tests::{Backend, Platform, Service, Setup, text, until};
use rustix::process::Signal;

eai_tests::on_each_backend! {
    sigterm_leaves_jobs_to_the_next_start,
    a_job_does_not_notice_that_nats_was_killed,
    everything_killed_at_once_and_the_job_serves_on,
}

/// Tells one process of `web.py` from another.
async fn who(service: &Service) -> String {
    text(&service.get("/who").await.ok()["pid"])
}

fn nothing_left(platform: &Platform) {
    until("nothing left of its runs", || match platform.leftovers() {
        left if left.is_empty() => Ok(()),
        left => Err(left),
    });
}

async fn sigterm_leaves_jobs_to_the_next_start(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;
    let left = platform.leftovers();
    assert_eq!(platform.stop(), 0, "{}", platform.log());
    let now = platform.leftovers();
    assert_eq!(now, left);
    platform.up();
    assert_eq!(who(&service).await, before, "the same process");
    let job = service.only_job().await;
    assert_eq!(
        (&job["run"], job["runs"].as_array().unwrap().len()),
        (&0.into(), 1)
    );

    // What it prints goes on to be kept, and its end is told.
    drop(service.try_get("/exit?0").await);
    service.until_state("SUCCEEDED").await;
    nothing_left(&platform);
}

#[tokio::test]
async fn ctrl_c_ends_jobs_unless_they_are_to_be_kept() {
    let mut platform = Platform::start();
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;
    platform.signal(Signal::INT);
    assert_eq!(platform.wait(), 0, "{}", platform.log());
    assert!(
        platform.leftovers().is_empty(),
        "{:?}",
        platform.leftovers()
    );
    platform.set_up(Setup::flags(["--keep-jobs"]));
    platform.up();
    let ended = service.only_job().await;
    assert_eq!(ended["runs"][0]["state"], "INTERRUPTED", "{ended:#}");
    let after = who(&service).await;
    assert_ne!(after, before);
    let job = service.only_job().await;
    assert_eq!(
        (&job["id"], &job["run"]),
        (&ended["id"], &1.into()),
        "run again"
    );

    platform.signal(Signal::INT);
    assert_eq!(platform.wait(), 0, "{}", platform.log());
    assert_eq!(platform.leftovers().folders.len(), 1);
    platform.up();
    assert_eq!(who(&service).await, after, "the same process");
}

#[tokio::test]
async fn a_job_that_ended_meanwhile_is_told_at_the_next_start() {
    let mut platform = Platform::start();
    let script = "python3 -u /service/web.py & sleep 2; kill $!; echo last; exit 4";
    let service = Service::web(&platform, "web", &[]);
    service.update(&platform, &[], &["sh", "-c", script]).ok();
    let answer = service.get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    platform.kill();
    let folder = platform.leftovers().folders.pop().expect("a run");
    until("the run to be over", || {
        let exit = folder.join("exit.json");
        fs::exists(&exit)
            .is_ok_and(|there| there)
            .then_some(())
            .ok_or(exit)
    });
    platform.up();
    let id = text(&service.jobs().await.last().unwrap()["id"]);
    let first = until("its end", || {
        let get = ["job", "get", &id, "--format", "json"];
        let job: serde_json::Value = serde_json::from_str(&platform.cli(get).ok()).unwrap();
        let run = job["runs"][0].clone();
        if run["state"] == "FAILED" {
            Ok(run)
        } else {
            Err(job)
        }
    });
    assert_eq!(
        (&first["exitCode"], &first["reason"]),
        (&4.into(), &"exit".into())
    );
    let log = platform.cli(["job", "log", &id, "--run", "0"]);
    assert!(log.out.ends_with("last\n"), "{log:?}");
}

async fn a_job_does_not_notice_that_nats_was_killed(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;
    for _ in 0..2 {
        platform.kill_nats();
        // Warm requests need no log.
        assert_eq!(who(&service).await, before);
    }
    service.say(&platform, "stop");
    service.until_state("CANCELLED").await;
    nothing_left(&platform);
}

async fn everything_killed_at_once_and_the_job_serves_on(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;
    platform.signal(Signal::KILL);
    platform.kill_nats();
    platform.wait();
    platform.up();
    assert_eq!(who(&service).await, before);
    assert_eq!(service.only_job().await["run"], 0);
}

#[tokio::test]
async fn jobs_of_a_platform_that_died_with_their_shims_run_again() {
    let mut platform = Platform::start();
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;
    platform.kill();
    platform.kill_runs();
    platform.up();
    assert_ne!(who(&service).await, before);
    let job = service.only_job().await;
    assert_eq!(
        (&job["run"], &job["runs"][0]["state"]),
        (&1.into(), &"INTERRUPTED".into())
    );
}

#[tokio::test]
async fn deploy_down_ends_jobs_and_up_keeps_them() {
    let mut platform = Platform::stopped(Setup::default());
    platform.deploy(&[]);
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;

    // With other settings it is another process, and the job does not notice.
    let printed = platform.deploy(&["--request-wait", "1m"]);
    assert!(printed.contains("was restarted"), "{printed}");
    assert_eq!(who(&service).await, before);

    platform.script("down", &[]).ok();
    assert!(
        platform.leftovers().is_empty(),
        "{:?}",
        platform.leftovers()
    );

    // One that was killed left its jobs: they are ended, too.
    platform.deploy(&[]);
    assert_ne!(who(&service).await, before);
    let pid = fs::read_to_string(platform.data().join("server.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    platform.script("down", &[]).ok();
    let left = platform.leftovers();
    assert!(
        left.processes.is_empty() && left.cgroups.is_empty(),
        "{left:?}"
    );

    // What they printed last is there for the next start, until all is purged.
    assert_eq!(left.folders.len(), 1);
    platform.script("down", &["--purge"]).ok();
    assert!(!platform.path("data").exists());
}

#[tokio::test]
async fn nothing_of_a_platform_with_containers_outlives_it() {
    if !Backend::Docker.is_there() {
        return;
    }
    let setup = || Setup {
        docker: true,
        ..Setup::default()
    };
    let flags = Backend::Docker.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut platform = Platform::stopped(setup());
    platform.deploy(&flags);
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;
    let info = platform.cli(["server", "info", "--field", "backend"]).ok();
    assert_eq!(info, "docker");
    platform.script("down", &[]).ok();
    assert!(platform.leftovers().containers.is_empty());
    assert!(platform.networks().is_empty());

    // One that was killed left its jobs: they are ended, too.
    platform.deploy(&flags);
    assert_ne!(who(&service).await, before);
    let pid = fs::read_to_string(platform.data().join("server.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(platform.leftovers().containers.len(), 1);
    platform.script("down", &[]).ok();
    assert!(platform.leftovers().containers.is_empty());
    assert!(platform.networks().is_empty());

    // With another backend, what the first one left is lost and ended.
    platform.deploy(&flags);
    who(&service).await;
    let printed = platform.deploy(&["--backend", "process"]);
    assert!(printed.contains("was restarted"), "{printed}");
    assert!(platform.leftovers().containers.is_empty());
    assert!(platform.networks().is_empty());
    who(&service).await;
    let job = service.only_job().await;
    assert_eq!(
        (&job["backend"], &job["runs"][1]["reason"]),
        (&"process".into(), &"executor-lost".into()),
        "{job:#}"
    );
    platform.script("down", &[]).ok();
}
