//! What each kind of user can do, and above all what it can't.

use std::fs;

use futures::StreamExt;

use super::*;

const EVENTS: &str = r#"{
    "name": "EAI_EVENTS", "subjects": ["eai.event.>"], "storage": "file",
    "republish": {"src": "eai.event.>", "dest": "eai.live.>"}
}"#;

async fn with_stream(platform: &Platform) -> Supervisor {
    let supervisor = platform.start().await;
    let setup = User::connect(&supervisor, &supervisor.setup_creds().unwrap()).await;
    let created = setup.ask("$JS.API.STREAM.CREATE.EAI_EVENTS", EVENTS).await;
    assert_eq!(created["config"]["name"], "EAI_EVENTS", "{created}");
    supervisor
}

#[tokio::test]
async fn setup_may_change_streams_and_not_destroy_them() {
    let platform = Platform::new();
    let supervisor = with_stream(&platform).await;
    let mut setup = User::connect(&supervisor, &supervisor.setup_creds().unwrap()).await;
    let updated = setup.ask("$JS.API.STREAM.UPDATE.EAI_EVENTS", EVENTS).await;
    assert!(updated["error"].is_null(), "{updated}");
    for call in ["DELETE", "PURGE", "MSG.DELETE", "RESTORE", "SNAPSHOT"] {
        let subject = format!("$JS.API.STREAM.{call}.EAI_EVENTS");
        setup.is_refused(&subject, "").await;
    }
    supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn the_platform_appends_and_takes_nothing_away() {
    let platform = Platform::new();
    let supervisor = with_stream(&platform).await;
    let mut user = User::connect(&supervisor, supervisor.platform_creds()).await;
    let stored = user
        .ask("eai.event.snow.testacc.service.1.created", "{}")
        .await;
    assert_eq!(stored["seq"], 1, "{stored}");
    for call in [
        "DELETE",
        "PURGE",
        "MSG.DELETE",
        "UPDATE",
        "RESTORE",
        "SNAPSHOT",
    ] {
        let subject = format!("$JS.API.STREAM.{call}.EAI_EVENTS");
        user.is_refused(&subject, r#"{"seq":1}"#).await;
    }
    let info = user.ask("$JS.API.STREAM.INFO.EAI_EVENTS", "").await;
    assert_eq!(info["state"]["messages"], 1, "{info}");
    supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn a_monitor_sees_its_own_account_and_nothing_else() {
    let platform = Platform::new();
    let supervisor = with_stream(&platform).await;
    let creds = fs::read_to_string(supervisor.monitor_file()).unwrap();
    let mut monitor = User::connect(&supervisor, &creds).await;
    let mut live = monitor.client.subscribe("eai.live.>").await.unwrap();
    // Refused in order: when these are, the subscription before them stands.
    for subject in [
        "eai.live.snow.testacc.x",
        "eai.event.snow.testacc.x.y.z",
        "any",
    ] {
        monitor.is_refused(subject, "").await;
    }
    for call in [
        "INFO",
        "STREAM.INFO.EAI_EVENTS",
        "STREAM.MSG.GET.EAI_EVENTS",
    ] {
        monitor.is_refused(&format!("$JS.API.{call}"), "{}").await;
    }
    for subject in ["eai.event.>", ">", "$JS.>"] {
        let _refused = monitor.client.subscribe(subject).await.unwrap();
        monitor.was_refused(subject).await;
    }

    let user = User::connect(&supervisor, supervisor.platform_creds()).await;
    for account in ["other", "testacc-sub", "testacc2", "testacc"] {
        let subject = format!("eai.event.snow.{account}.service.1.created");
        let stored = user.ask(&subject, account).await;
        assert!(stored["error"].is_null(), "{stored}");
    }
    // The server delivers in the order in which it stored, so the first is the only one.
    let seen = timeout(DEADLINE, live.next()).await.unwrap().unwrap();
    assert_eq!(
        seen.subject.as_str(),
        "eai.live.snow.testacc.service.1.created"
    );
    assert_eq!(seen.payload, "testacc");
    supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn a_nested_account_is_one_subject_token() {
    let mut platform = Platform::new();
    platform.settings.account = "snow.testacc.sub".to_owned();
    let supervisor = with_stream(&platform).await;
    let creds = fs::read_to_string(supervisor.monitor_file()).unwrap();
    let mut monitor = User::connect(&supervisor, &creds).await;
    let mut live = monitor.client.subscribe("eai.live.>").await.unwrap();
    monitor.is_refused("any", "").await;
    let user = User::connect(&supervisor, supervisor.platform_creds()).await;
    for account in ["testacc", "testacc-sub"] {
        let subject = format!("eai.event.snow.{account}.service.1.created");
        user.ask(&subject, account).await;
    }
    let seen = timeout(DEADLINE, live.next()).await.unwrap().unwrap();
    assert_eq!(seen.payload, "testacc-sub");
    supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn the_system_user_asks_and_updates_claims_and_no_more() {
    let platform = Platform::new();
    let supervisor = platform.start().await;
    let mut system = User::connect(&supervisor, supervisor.system_creds()).await;
    let answer = system.ask("$SYS.REQ.CLAIMS.UPDATE", "no token").await;
    assert!(!answer["error"].is_null(), "{answer}");
    system.is_refused("$SYS.REQ.SERVER.PING.CONNZ", "{}").await;
    supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_comes_in_without_credentials() {
    let platform = Platform::new();
    let supervisor = platform.start().await;
    assert!(async_nats::connect(supervisor.url()).await.is_err());
    let stranger = Platform::new();
    let other = stranger.start().await;
    let creds = ConnectOptions::with_credentials(other.platform_creds()).unwrap();
    assert!(creds.connect(supervisor.url()).await.is_err());
    other.stop().await.unwrap();
    supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn the_cleaner_purges_objects_and_output_and_nothing_else() {
    let platform = Platform::new();
    let supervisor = with_stream(&platform).await;
    let setup = User::connect(&supervisor, &supervisor.setup_creds().unwrap()).await;
    let streams = [("OBJ_eai_data", "$O.eai_data.>"), ("EAI_LOGS", "eai.log.>")];
    for (name, subjects) in streams {
        let config =
            format!(r#"{{"name": "{name}", "subjects": ["{subjects}"], "storage": "file"}}"#);
        let created = setup
            .ask(&format!("$JS.API.STREAM.CREATE.{name}"), &config)
            .await;
        assert_eq!(created["config"]["name"], name, "{created}");
    }
    let options = ConnectOptions::with_credentials(&supervisor.cleaner_creds().unwrap()).unwrap();
    let inbox = eai_core::log::credentials::CLEANER_INBOX;
    let client = options.custom_inbox_prefix(inbox);
    let client = client.connect(supervisor.url()).await.unwrap();
    for (name, _) in streams {
        let purged = client.request(format!("$JS.API.STREAM.PURGE.{name}"), "".into());
        let purged = timeout(DEADLINE, purged).await.unwrap().unwrap();
        let purged: serde_json::Value = serde_json::from_slice(&purged.payload).unwrap();
        assert_eq!(purged["success"], true, "{purged}");
    }
    let mut cleaner = User::connect(&supervisor, &supervisor.cleaner_creds().unwrap()).await;
    for subject in [
        "$JS.API.STREAM.PURGE.EAI_EVENTS",
        "$JS.API.STREAM.DELETE.OBJ_eai_data",
        "$JS.API.STREAM.MSG.DELETE.OBJ_eai_data",
        "$JS.API.STREAM.INFO.OBJ_eai_data",
        "$JS.API.STREAM.DELETE.EAI_LOGS",
        "eai.log.snow.testacc.j.0",
        "$O.eai_data.C.x",
        "eai.event.snow.testacc.service.1.created",
    ] {
        cleaner.is_refused(subject, "{}").await;
    }
    supervisor.stop().await.unwrap();
}
