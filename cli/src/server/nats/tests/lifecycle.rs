//! Starts, deaths, adoptions and ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use eai_core::log::credentials::monitor_account;
use nkeys::KeyPair;
use rustix::process::getpgid;

use super::super::Keys;
use super::*;

#[tokio::test]
async fn it_starts_answers_and_ends() {
    let platform = Platform::new();
    let supervisor = platform.start().await;
    let pid = pid_of(&supervisor);
    assert_eq!(platform.living(), Some(pid));
    // A process group of its own, so Ctrl-C in a terminal doesn't reach it.
    let pid = Pid::from_raw(pid);
    assert_eq!(getpgid(pid).ok(), pid);
    let system = User::connect(&supervisor, supervisor.system_creds()).await;
    let answer = system.ask("$SYS.REQ.SERVER.PING.VARZ", "{}").await;
    assert_eq!(answer["data"]["version"], supervisor.version().to_string());
    assert_eq!(answer["data"]["server_name"], "eai-0198c0de");
    let sync = &answer["data"]["jetstream"]["config"]["sync_always"];
    assert_eq!(sync, true, "{answer}");
    let signing = fs::read_to_string(platform.path("keys/signing.nk")).unwrap();
    assert_eq!(supervisor.signing_key().seed().unwrap(), signing.trim());

    for (name, mode) in [
        ("keys", 0o700),
        ("nats", 0o700),
        ("nats/nats.conf", 0o600),
        ("credentials", 0o700),
        ("credentials/monitor-snow.testacc.creds", 0o600),
    ] {
        let found = fs::metadata(platform.path(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
    supervisor.stop().await.unwrap();
    assert_eq!(platform.living(), None);
}

#[tokio::test]
async fn files_stay_the_same_from_start_to_start() {
    let platform = Platform::new();
    let read = |name| fs::read_to_string(platform.path(name)).unwrap();
    let both = || {
        (
            read("nats/nats.conf"),
            read("credentials/monitor-snow.testacc.creds"),
        )
    };
    platform.start().await.stop().await.unwrap();
    let before = both();
    platform.start().await.stop().await.unwrap();
    assert_eq!(both(), before);
}

#[tokio::test]
async fn a_killed_server_is_started_again_on_the_same_port_with_its_log() {
    let platform = Platform::new();
    let supervisor = platform.start().await;
    let setup = User::connect(&supervisor, &supervisor.setup_creds().unwrap()).await;
    let stream = r#"{"name":"S","subjects":["s.>"],"storage":"file"}"#;
    setup.ask("$JS.API.STREAM.CREATE.S", stream).await;
    let stored = setup.ask("s.1", "kept").await;
    assert_eq!(stored["seq"], 1, "{stored}");

    let before = pid_of(&supervisor);
    signal(before, Signal::KILL);
    until_other_than(&supervisor, before).await;
    let user = User::connect(&supervisor, supervisor.platform_creds()).await;
    let info = user.ask("$JS.API.STREAM.INFO.S", "").await;
    assert_eq!(info["state"]["messages"], 1, "{info}");
    supervisor.stop().await.unwrap();
    assert_eq!(platform.living(), None);
}

#[tokio::test]
async fn a_server_that_outlived_its_platform_is_adopted_watched_and_ended() {
    let platform = Platform::new();
    let first = platform.start().await;
    let pid = pid_of(&first);
    drop(first);
    assert_eq!(platform.living(), Some(pid));

    let second = platform.start().await;
    assert_eq!(pid_of(&second), pid);
    drop(second);

    // Without a pid file too: the platform may be killed before it is written.
    fs::remove_file(platform.path("nats/nats.pid")).unwrap();
    let third = platform.start().await;
    assert_eq!(pid_of(&third), pid);

    signal(pid, Signal::KILL);
    until_other_than(&third, pid).await;
    drop(third);

    let fourth = platform.start().await;
    fourth.stop().await.unwrap();
    assert_eq!(platform.living(), None);
}

#[tokio::test]
async fn a_living_server_with_another_configuration_is_started_anew() {
    let mut platform = Platform::new();
    let first = platform.start().await;
    let pid = pid_of(&first);
    drop(first);
    platform.settings.unsafe_fsync = true;
    let second = platform.start().await;
    assert_ne!(pid_of(&second), pid);
    assert_eq!(platform.living(), Some(pid_of(&second)));
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_living_server_of_another_version_is_started_anew() {
    let mut platform = Platform::new();
    let first = platform.start().await;
    let pid = pid_of(&first);
    drop(first);
    // Another binary of another version, which can't start: what counts is that the old one
    // was not taken for it.
    let other = tempfile::tempdir().unwrap();
    platform.settings.search.explicit = Some(fake_server(other.path(), "99.0.0"));
    let error = platform.try_start().await.unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    assert_ne!(platform.living(), Some(pid));
}

#[tokio::test]
async fn a_suspended_server_is_an_error_in_time_and_names_the_process() {
    let mut platform = Platform::new();
    let first = platform.start().await;
    let pid = pid_of(&first);
    drop(first);
    signal(pid, Signal::STOP);
    platform.settings.timeouts.answer = Duration::from_millis(300);
    let error = platform.try_start().await.unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(
        error.to_string().contains(&format!("kill -CONT {pid}")),
        "{error}"
    );

    signal(pid, Signal::CONT);
    platform.settings.timeouts.answer = DEADLINE;
    let second = platform.start().await;
    assert_eq!(pid_of(&second), pid);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_will_not_end_is_killed() {
    let mut platform = Platform::new();
    platform.settings.timeouts.stop = Duration::from_millis(100);
    let supervisor = platform.start().await;
    signal(pid_of(&supervisor), Signal::STOP);
    timeout(DEADLINE, supervisor.stop()).await.unwrap().unwrap();
    assert_eq!(platform.living(), None);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let platform = Platform::new();
    let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, platform.settings.port)).unwrap();
    let error = platform.try_start().await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { .. }), "{error}");
    assert_eq!(platform.living(), None);
}

#[tokio::test]
async fn it_can_be_stopped_while_it_fails_to_start_again() {
    let platform = Platform::new();
    let supervisor = platform.start().await;
    // Makes every further start fail.
    fs::remove_file(platform.path("nats/nats.conf")).unwrap();
    signal(pid_of(&supervisor), Signal::KILL);
    let failed = |status: &Status| match status {
        Status::Restarting { reason } => reason.contains("while it started"),
        Status::Running { .. } | Status::Stopped => false,
    };
    until(&supervisor, failed).await;
    let status = supervisor.status();
    timeout(DEADLINE, supervisor.stop()).await.unwrap().unwrap();
    assert_eq!(*status.borrow(), Status::Stopped);
    assert_eq!(platform.living(), None);
}

#[tokio::test]
async fn a_server_that_can_not_start_tells_why() {
    let platform = Platform::new();
    fs::create_dir(platform.path("nats")).unwrap();
    fs::write(platform.path("nats/js"), "in the way").unwrap();
    let text = platform.try_start().await.unwrap_err().to_string();
    assert!(text.contains("ended while it started"), "{text}");
    assert!(text.contains("says: "), "{text}");
}

#[tokio::test]
async fn a_start_given_up_half_way_leaves_no_server() {
    let platform = Platform::new();
    let start = Supervisor::start(platform.settings.clone());
    let seen = async {
        while platform.living().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = seen => {}
        started = start => panic!("ready before it was seen: {started:?}"),
    }
    let gone = async {
        while platform.living().is_some() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, gone).await.unwrap();
}

#[tokio::test]
async fn a_server_too_old_changes_nothing() {
    let mut platform = Platform::new();
    let other = tempfile::tempdir().unwrap();
    platform.settings.search.explicit = Some(fake_server(other.path(), "2.9.10"));
    let error = platform.try_start().await.unwrap_err();
    assert!(matches!(error, Error::TooOld { .. }), "{error}");
    assert_eq!(fs::read_dir(platform.data.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn odd_characters_in_the_path_and_links_to_it_do_no_harm() {
    let mut platform = Platform::new();
    platform.settings.data = platform.path("a \"b\" 'c' $HOME \\ {ü} #");
    let first = platform.start().await;
    let pid = pid_of(&first);
    drop(first);
    let link = platform.path("link");
    std::os::unix::fs::symlink(&platform.settings.data, &link).unwrap();
    platform.settings.data = link;
    let second = platform.start().await;
    assert_eq!(pid_of(&second), pid);
    assert!(platform.path("link/nats/js/jetstream").is_dir());
    second.stop().await.unwrap();
}

#[tokio::test]
async fn claims_updated_at_run_time_outlive_a_restart() {
    let platform = Platform::new();
    let supervisor = platform.start().await;
    let keys = Keys::open(platform.data.path(), "snow.testacc").unwrap();
    let [monitor, log] = [&keys.monitor, &keys.account].map(KeyPair::public_key);
    let later = 4_000_000_000;
    let token = monitor_account(&keys.operator, &monitor, &log, "snow.other", &[], later).unwrap();
    let system = User::connect(&supervisor, supervisor.system_creds()).await;
    let answer = system.ask("$SYS.REQ.CLAIMS.UPDATE", &token).await;
    assert_eq!(answer["data"]["code"], 200, "{answer}");
    supervisor.stop().await.unwrap();

    platform.start().await.stop().await.unwrap();
    let kept = fs::read_to_string(platform.path(&format!("nats/jwt/{monitor}.jwt"))).unwrap();
    assert_eq!(kept, token);
}
