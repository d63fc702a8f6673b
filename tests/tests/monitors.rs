//! Credentials of monitors, with a stock NATS client: what they give, what they keep from it, and how they end.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use eai_core::account::{self, AccountAggregate};
use eai_core::command::{AnyPart, Context, Part};
use eai_core::envelope::Actor;
use eai_core::ids::{AccountId, CommandId, MonitorId, OrganizationId, UserId};
use eai_core::log::credentials::{PLATFORM_INBOX, User, creds_text, user};
use eai_core::log::monitors::API;
use eai_core::log::{Log, STREAM, Settings, connect};
use eai_tests::monitor::{Read, Reader, read_to};
use eai_tests::{Api, Platform, Stored, text, until_async, within};
use futures::StreamExt;
use nkeys::KeyPair;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

/// Another account in the same log: what makes it is the platform's own code.
struct Other {
    log: Log,
    name: eai_core::names::AccountName,
    id: AccountId,
    users: u32,
}

impl Other {
    async fn of(platform: &Platform) -> Self {
        let mut other = Self {
            log: log_of(platform).await,
            name: "snow.other".parse().unwrap(),
            id: AccountId(Uuid::new_v4()),
            users: 0,
        };
        let created = account::Created {
            id: other.id,
            full_name: other.name.clone(),
            organization_id: OrganizationId(Uuid::new_v4()),
        };
        other.does(account::Command::Create(created)).await;
        other.event().await;
        other
    }

    async fn does(&self, command: account::Command) {
        let part = Part::<AccountAggregate>::new(self.name.clone(), self.id, command).boxed();
        execute(&self.log, part).await;
    }

    /// Something that happens there.
    async fn event(&mut self) {
        self.users += 1;
        let added = account::UserAdded {
            id: UserId(Uuid::new_v4()),
            name: format!("user_{}", self.users).parse().unwrap(),
        };
        let command = account::Command::AddUser(added);
        let part = Part::<AccountAggregate>::on(self.name.clone(), self.id, command).boxed();
        execute(&self.log, part).await;
    }
}

async fn log_of(platform: &Platform) -> Log {
    let key = KeyPair::new_user();
    let token = user(User::Platform, &platform.seed("account"), &key, 0).unwrap();
    let credentials = creds_text(&token, &key).unwrap();
    let url = platform.nats_url();
    let connect = || connect(&url, &credentials, "test", PLATFORM_INBOX);
    let connection = until_async("a connection", connect).await;
    let id = platform.id().unwrap().parse::<Uuid>().unwrap();
    let settings = Settings::new(eai_core::ids::PlatformId(id), Duration::from_secs(10));
    Log::open(connection, settings).await.unwrap()
}

async fn execute(log: &Log, part: Box<dyn AnyPart>) {
    let id = CommandId(Uuid::new_v4());
    let context = Context::user(id, Actor::Platform, OffsetDateTime::now_utc());
    log.execute(&context, &[part]).await.unwrap();
}

/// What the log has of the account, in order.
async fn of_the_account(stored: &Stored) -> Vec<Read> {
    let all = stored.after(0).await.into_iter();
    all.filter(|event| event.subject.starts_with("eai.event.snow.testacc."))
        .map(|event| Read {
            sequence: event.sequence,
            subject: event.subject,
            payload: event.payload,
        })
        .collect()
}

#[tokio::test]
async fn it_reads_each_event_of_its_account_once_and_in_order_also_over_a_restart_of_nats() {
    let platform = Platform::start();
    let stored = Stored::of(&platform).await;
    let mut other = Other::of(&platform).await;
    platform.cli(["service", "new", "before"]).ok();
    let reader = Reader::new(&platform, "sla").await;
    let history = reader.history().await;
    let mut live = reader.client.subscribe("eai.live.>").await.unwrap();
    let mut read = Vec::new();
    // All that was before it came, too.
    let reading = async {
        other.event().await;
        platform.cli(["data", "new", "files"]).ok();
        stored.last().await
    };
    let last = reading.await;
    read_to(&history, last, &mut read).await;
    assert_eq!(read, of_the_account(&stored).await);
    // Live is the same, from now on, and nothing of the others.
    let message = within("a live event", live.next()).await.unwrap();
    assert_eq!(
        message.subject.as_str(),
        "eai.live.snow.testacc.name.data-files.reserved"
    );
    drop(live);

    for round in 0..3 {
        other.event().await;
        platform.cli(["data", "new", &format!("a_{round}")]).ok();
        platform.kill_nats();
        let name = format!("b_{round}");
        until_async("a command after the restart", async || {
            let made = platform.cli(["data", "new", &name]);
            (made.code == 0 || made.err.contains("is taken"))
                .then_some(())
                .ok_or(made.err)
        })
        .await;
    }
    let stored = Stored::of(&platform).await;
    let expected = of_the_account(&stored).await;
    read_to(&history, expected.last().unwrap().sequence, &mut read).await;
    assert_eq!(read, expected);

    // It goes on where it was, as another process.
    let file = platform.path("sla.creds");
    let credentials = fs::read_to_string(file).unwrap();
    let again = Reader::with(&platform, &credentials, reader.consumer.clone());
    let again = again.await.unwrap().history().await;
    platform.cli(["data", "new", "last"]).ok();
    let expected = of_the_account(&stored).await;
    read_to(&again, expected.last().unwrap().sequence, &mut read).await;
    assert_eq!(read, expected);
}

/// What a monitor may not subscribe to.
const NOT_TO_SUBSCRIBE: [&str; 16] = [
    ">",
    "*.>",
    "eai.>",
    "eai.event.>",
    "eai.event.snow.testacc.>",
    "eai.task.>",
    "eai.log.>",
    "$JS.>",
    "$JS.API.>",
    "$JS.EVENT.ADVISORY.>",
    "$SYS.>",
    "$KV.>",
    "$O.>",
    "_INBOX_platform.>",
    "_R_.>",
    "*",
];

/// What a monitor that reads by a consumer may not publish to.
fn not_to_publish(mine: &str) -> Vec<String> {
    vec![
        format!("$JS.API.CONSUMER.DELETE.{STREAM}.{mine}"),
        format!("$JS.API.CONSUMER.CREATE.{STREAM}"),
        format!("$JS.API.CONSUMER.CREATE.{STREAM}.x.eai.event.snow.testacc.>"),
        format!("$JS.API.CONSUMER.CREATE.{STREAM}.x.eai.event.snow.other.>"),
        format!("$JS.API.CONSUMER.CREATE.{STREAM}.{mine}.eai.event.>"),
        format!("$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{mine}"),
        format!("$JS.API.CONSUMER.LIST.{STREAM}"),
        format!("$JS.API.CONSUMER.NAMES.{STREAM}"),
        format!("$JS.API.STREAM.INFO.{STREAM}"),
        format!("$JS.API.STREAM.MSG.GET.{STREAM}"),
        format!("$JS.API.STREAM.DELETE.{STREAM}"),
        format!("$JS.API.STREAM.PURGE.{STREAM}"),
        format!("$JS.API.DIRECT.GET.{STREAM}"),
        format!("$JS.API.DIRECT.GET.{STREAM}.eai.event.snow.other.account.x.created"),
        format!("{API}.CONSUMER.CREATE.{STREAM}.{mine}"),
        format!("{API}.CONSUMER.NAMES.{STREAM}"),
        format!("{API}.STREAM.INFO.{STREAM}"),
        "$JS.API.STREAM.NAMES".to_owned(),
        "$JS.API.STREAM.LIST".to_owned(),
        "$JS.API.STREAM.CREATE.x".to_owned(),
        "$JS.API.STREAM.INFO.OBJ_eai_data".to_owned(),
        "$JS.API.STREAM.CREATE.KV_x".to_owned(),
        "$JS.API.INFO".to_owned(),
        "$JS.API.CONSUMER.MSG.NEXT.EAI_TASKS.x".to_owned(),
        "$JS.FC.x".to_owned(),
        "$KV.x.y".to_owned(),
        "$O.eai_data.C.x".to_owned(),
        "$SYS.REQ.SERVER.PING".to_owned(),
        "$SYS.REQ.ACCOUNT.PING.CONNZ".to_owned(),
        "$SYS.REQ.USER.INFO".to_owned(),
        "$SYS.REQ.CLAIMS.UPDATE".to_owned(),
        "$SRV.PING".to_owned(),
        "eai.event.snow.testacc.service.x.created".to_owned(),
        "eai.event.snow.other.service.x.created".to_owned(),
        "eai.live.snow.testacc.service.x.created".to_owned(),
        "eai.task.snow.testacc.task.x.done".to_owned(),
        "_INBOX_platform.x".to_owned(),
        "_INBOX.x".to_owned(),
        "anything".to_owned(),
    ]
}

#[tokio::test]
async fn it_cannot_see_list_or_change_anything_else() {
    let platform = Platform::start();
    let stored = Stored::of(&platform).await;
    let mut other = Other::of(&platform).await;
    let mut reader = Reader::new(&platform, "sla").await;
    let colleague = Reader::new(&platform, "alerts").await;
    // One that reads the other account, as far as NATS is concerned.
    let theirs = eai_core::log::monitors::consumer(MonitorId(Uuid::new_v4()));
    let platforms = jetstream::new(Stored::client(&platform).await);
    let config = pull::Config {
        durable_name: Some(theirs.clone()),
        filter_subject: "eai.event.snow.other.>".to_owned(),
        ..pull::Config::default()
    };
    let of_stream = platforms.get_stream(STREAM).await.unwrap();
    of_stream.create_consumer(config).await.unwrap();
    let before = stored.last().await;
    let mine = reader.consumer.clone();
    for consumer in [&theirs, &colleague.consumer] {
        for call in ["MSG.NEXT", "INFO", "DELETE", "PAUSE", "UNPIN"] {
            for prefix in ["$JS.API", API] {
                let subject = format!("{prefix}.CONSUMER.{call}.{STREAM}.{consumer}");
                reader.may_not_publish(&subject).await;
            }
        }
        let ack = format!("$JS.ACK.{STREAM}.{consumer}.1.1.1.1.1");
        reader.may_not_publish(&ack).await;
    }
    for subject in not_to_publish(&mine) {
        reader.may_not_publish(&subject).await;
    }
    for subject in NOT_TO_SUBSCRIBE {
        reader.may_not_subscribe(subject).await;
    }
    // What it may subscribe to tells nothing of another account.
    let mut live = reader.client.subscribe("eai.live.>").await.unwrap();
    let mut inboxes = reader.client.subscribe("_INBOX.>").await.unwrap();
    let mut narrow = reader
        .client
        .subscribe("eai.live.snow.other.>")
        .await
        .unwrap();
    let history = reader.history().await;
    other.event().await;
    platform.cli(["data", "new", "files"]).ok();
    let first = within("a live event", live.next()).await.unwrap();
    assert_eq!(
        first.subject.as_str(),
        "eai.live.snow.testacc.name.data-files.reserved"
    );
    let mut read = Vec::new();
    let expected = of_the_account(&stored).await;
    read_to(&history, expected.last().unwrap().sequence, &mut read).await;
    assert_eq!(read, expected);
    let info = history.cached_info();
    assert_eq!(info.config.filter_subject, "eai.event.snow.testacc.>");
    // All that has come to it by now is its own.
    reader.may_not_publish("a.round.trip").await;
    assert!(futures::FutureExt::now_or_never(narrow.next()).is_none());
    while let Some(Some(message)) = futures::FutureExt::now_or_never(inboxes.next()) {
        let subject = message.subject.to_string() + &String::from_utf8_lossy(&message.payload);
        assert!(!subject.contains("snow.other"), "{subject}");
    }
    // A pull whose answer is to go to a subject of the platform does not get there.
    let forged = "eai.event.snow.testacc.service.x.created";
    let next = format!("{API}.CONSUMER.MSG.NEXT.{STREAM}.{mine}");
    platform.cli(["data", "new", "more"]).ok();
    let last = stored.last().await;
    let body = json!({ "batch": 1, "expires": 100_000_000 }).to_string();
    let pull = reader.client.publish_with_reply(next, forged, body.into());
    pull.await.unwrap();
    reader.may_not_publish("another.round.trip").await;
    let made = platform.cli(["data", "new", "even_more"]).ok();
    assert!(made.contains("even_more"), "{made}");
    let after = stored.after(last).await;
    let kinds: Vec<_> = after
        .iter()
        .map(|event| event.subject.split('.').nth(4).unwrap())
        .collect();
    assert_eq!(kinds, ["name", "data"], "{after:?}");
    assert!(before < last);
}

#[tokio::test]
async fn who_is_revoked_is_cut_off_at_once_and_for_ever() {
    let mut platform = Platform::start();
    let api = Api::of(&platform);
    let body = json!({ "name": "sla" });
    let command = "0b0e7a6c-3a52-5d0a-9c43-5a6f0f1f7a11";
    let made = api.create("/v1/monitor", &body, Some(command)).await.ok();
    // The same command makes the same ones.
    let again = api.create("/v1/monitor", &body, Some(command)).await.ok();
    assert_eq!(
        (&made["id"], &made["consumer"]),
        (&again["id"], &again["consumer"])
    );
    let other = api.create("/v1/monitor", &body, None).await.refused();
    assert_eq!(other, (409, "name-taken".into()));
    let consumer = text(&made["consumer"]);
    let credentials = [&made, &again].map(|made| text(&made["credentials"]));
    let mut readers = Vec::new();
    for text in &credentials {
        let reader = Reader::with(&platform, text, consumer.clone()).await;
        readers.push(reader.unwrap());
    }
    let stays = Reader::new(&platform, "alerts").await;
    let mut live = stays.client.subscribe("eai.live.>").await.unwrap();
    readers[0].history().await;

    let revoked = platform
        .cli([
            "monitor",
            "credentials",
            "revoke",
            "sla",
            "--field",
            "state",
        ])
        .ok();
    assert_eq!(revoked, "revoked");
    for reader in &mut readers {
        reader.hears(&["disconnected"]).await;
    }
    let out = async |platform: &Platform| {
        for text in &credentials {
            let reader = Reader::with(platform, text, consumer.clone()).await;
            assert!(reader.is_err(), "it came in again");
        }
    };
    out(&platform).await;
    let list = ["monitor", "credentials", "ls", "--fields", "name,state"];
    let listed = platform.cli(list).ok();
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows,
        [["name", "state"], ["sla", "revoked"], ["alerts", "good"]]
    );
    // The others stay, and the consumer is gone.
    platform.cli(["data", "new", "files"]).ok();
    let message = within("a live event", live.next()).await.unwrap();
    assert!(message.subject.ends_with("monitor_revoked") || message.subject.contains("files"));
    let platforms = jetstream::new(Stored::client(&platform).await);
    let gone = platforms
        .get_consumer_from_stream::<pull::Config, _, _>(&consumer, STREAM)
        .await;
    assert!(gone.is_err());
    // The command that made them does not bring them back; the name is free.
    let back = api.create("/v1/monitor", &body, Some(command)).await;
    assert_eq!(back.status, 409, "{}", back.text());
    let new = api.create("/v1/monitor", &body, None).await.ok();
    assert_ne!(new["id"], made["id"]);
    out(&platform).await;
    // Nor does anything that starts anew.
    platform.kill_nats();
    stays.history().await;
    out(&platform).await;
    assert_eq!(platform.stop(), 0);
    platform.up();
    out(&platform).await;
    assert_eq!(platform.stop(), 0);
    fs::remove_dir_all(platform.data().join("nats/jwt")).unwrap();
    platform.up();
    out(&platform).await;
    stays.history().await;
    let log = platform.log();
    let secret = |text: &String| {
        let mut lines = text.lines();
        lines
            .find(|line| line.starts_with("SU"))
            .unwrap()
            .to_owned()
    };
    assert!(credentials.iter().all(|text| !log.contains(&secret(text))));
}

#[tokio::test]
async fn what_a_killed_platform_did_not_tell_its_server_the_next_start_does() {
    let mut platform = Platform::start();
    let mut reader = Reader::new(&platform, "sla").await;
    let row: Value = serde_json::from_str(
        &platform
            .cli(["monitor", "credentials", "ls", "--format", "json"])
            .ok(),
    )
    .unwrap();
    let account = platform.cli(["account", "get", "--field", "id"]).ok();
    platform.kill();
    // It is in the log, and nobody told the server.
    let revoked = account::MonitorRevoked {
        id: MonitorId(text(&row["id"]).parse().unwrap()),
    };
    let part = Part::<AccountAggregate>::on(
        "snow.testacc".parse().unwrap(),
        AccountId(account.parse().unwrap()),
        account::Command::RevokeMonitor(revoked),
    );
    execute(&log_of(&platform).await, part.boxed()).await;
    reader.history().await;
    platform.up();
    reader.hears(&["disconnected"]).await;
}
