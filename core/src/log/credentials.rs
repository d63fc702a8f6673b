//! Mints the NATS credentials of a platform: operator, accounts, users, and the `.creds` text.
//!
//! Owns who may do what on the log's server. It is pure: keys and times are arguments, so it must
//! not know where keys are kept, nor how a server is told about them.

use data_encoding::BASE32_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use sha2::{Digest, Sha512_256};

use crate::ids::MonitorId;
use crate::jws::{self, Algorithm};

use super::monitors;

/// Inbox prefix of the platform's own client, apart from any other user's.
pub const PLATFORM_INBOX: &str = "_INBOX_platform";

/// Inbox prefix of the one that purges objects, output and tasks.
pub const CLEANER_INBOX: &str = "_INBOX_cleaner";

/// How long credentials of [`User::Setup`] live: long enough to create the streams at a start.
pub const SETUP_SECONDS: i64 = 300;

/// A user is revoked with all tokens up to this time, in seconds since 1970: no later one is any good either.
const FOR_EVER: i64 = 253_402_300_799;
/// The most subscriptions of a reader.
const MOST_SUBSCRIPTIONS: i64 = 128;

/// Every call that could take away or rewrite what is in the log. `deny_delete` on a stream could
/// never be lifted again and doesn't cover deleting the stream, so permissions do it.
const DESTRUCTIVE: [&str; 5] = [
    "$JS.API.STREAM.DELETE.>",
    "$JS.API.STREAM.PURGE.>",
    "$JS.API.STREAM.MSG.DELETE.>",
    "$JS.API.STREAM.RESTORE.>",
    "$JS.API.STREAM.SNAPSHOT.>",
];

/// Who a user credential is for, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// The platform's everyday connection: everything but changing or destroying streams.
    Platform,
    /// Creates and changes streams at a start, for a few minutes; destroys nothing either.
    Setup,
    /// Purges the object store (what was uploaded and never used), job output (what is too much of it) and tasks
    /// (what ended long ago). It can do nothing else.
    Cleaner,
    /// Asks the server about itself and updates account claims; a user of the system account.
    System,
    /// Watches one account's live events and says nothing; a user of a monitor account.
    Monitor,
    /// The same, and reads the account's history through the consumer that is its own.
    Reader(MonitorId),
}

/// A user credential as it stands in a `.creds` file.
#[derive(Debug)]
pub struct Creds {
    pub jwt: String,
    pub key: KeyPair,
}

/// The operator: vouches for the accounts, and names the system account.
pub fn operator(operator: &KeyPair, system_account: &str, iat: i64) -> Result<String, jws::Error> {
    let nats = json!({"type": "operator", "version": 2, "system_account": system_account});
    mint(operator, &operator.public_key(), "eai", iat, None, nats)
}

/// The account whose users may ask the server about itself.
pub fn system_account(operator: &KeyPair, account: &str, iat: i64) -> Result<String, jws::Error> {
    mint(
        operator,
        account,
        "SYS",
        iat,
        None,
        account_claims(json!({})),
    )
}

/// The account that holds the log, and shows what was stored to the monitor accounts.
pub fn platform_account(operator: &KeyPair, account: &str, iat: i64) -> Result<String, jws::Error> {
    let mut exports = vec![json!({"name": "live", "subject": "eai.live.>", "type": "stream"})];
    // A pull is answered with messages, the other calls with one. Where answers go is the server's own subject
    // here, whatever the monitor says: it could have them delivered to any subject of this account otherwise.
    for call in monitors::calls("*") {
        exports.push(json!({
            "name": call.name, "subject": call.meant, "type": "service",
            "response_type": if call.streams { "Stream" } else { "Singleton" },
        }));
    }
    let mut nats = account_claims(json!({ "exports": exports }));
    for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
        nats["limits"][limit] = json!(-1);
    }
    mint(operator, account, "EAI", iat, None, nats)
}

/// The account that watches one account of the platform: no streams of its own, its events, and how it reads them.
///
/// `name` is the watched account's full name, such as `snow.testacc` or `snow.testacc.sub`; `revoked` are the public
/// keys of the users that it has no more.
pub fn monitor_account(
    operator: &KeyPair,
    account: &str,
    platform_account: &str,
    name: &str,
    revoked: &[String],
    iat: i64,
) -> Result<String, jws::Error> {
    let mut imports = vec![json!({
        "name": "live",
        "subject": live_subjects(name),
        "account": platform_account,
        "type": "stream",
    })];
    for call in monitors::calls("*") {
        imports.push(json!({
            "name": call.name, "subject": call.meant, "local_subject": call.asked,
            "account": platform_account, "type": "service",
        }));
    }
    let mut nats = account_claims(json!({ "imports": imports }));
    if !revoked.is_empty() {
        let of_all_times = revoked.iter().map(|key| (key.clone(), json!(FOR_EVER)));
        nats["revocations"] = Value::Object(of_all_times.collect());
    }
    mint(operator, account, name, iat, None, nats)
}

/// A user, signed by its account's key.
pub fn user(kind: User, account: &KeyPair, user: &KeyPair, iat: i64) -> Result<String, jws::Error> {
    let consumer;
    let (name, publish, subscribe) = match kind {
        User::Platform => {
            let mut deny = DESTRUCTIVE.to_vec();
            deny.push("$JS.API.STREAM.UPDATE.>");
            ("platform", json!({"deny": deny}), json!({}))
        }
        User::Setup => ("setup", json!({"deny": DESTRUCTIVE}), json!({})),
        User::Cleaner => (
            "cleaner",
            json!({"allow": [
                format!("$JS.API.STREAM.PURGE.{}", super::objects::STREAM),
                format!("$JS.API.STREAM.PURGE.{}", super::output::STREAM),
                format!("$JS.API.STREAM.PURGE.{}", super::TASKS),
            ]}),
            json!({"allow": [format!("{CLEANER_INBOX}.>")]}),
        ),
        User::System => (
            "system",
            json!({"allow": ["$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.CLAIMS.UPDATE"]}),
            json!({"allow": ["_INBOX.>"]}),
        ),
        User::Monitor => (
            "monitor",
            json!({"deny": [">"]}),
            json!({"allow": ["eai.live.>", "_INBOX.>"]}),
        ),
        User::Reader(id) => {
            consumer = monitors::consumer(id);
            let calls = monitors::calls(&consumer).map(|call| call.asked);
            let subscribe = json!({"allow": ["eai.live.>", "_INBOX.>"]});
            (consumer.as_str(), json!({ "allow": calls }), subscribe)
        }
    };
    let subscriptions = match kind {
        User::Reader(_) => MOST_SUBSCRIPTIONS,
        _ => -1,
    };
    let nats = json!({
        "type": "user", "version": 2, "pub": publish, "sub": subscribe,
        "subs": subscriptions, "data": -1, "payload": -1,
    });
    let exp = (kind == User::Setup).then_some(iat + SETUP_SECONDS);
    mint(account, &user.public_key(), name, iat, exp, nats)
}

/// The text of a `.creds` file, as any NATS client reads it.
pub fn creds_text(jwt: &str, user: &KeyPair) -> Result<String, jws::Error> {
    let seed = user.seed().map_err(jws::Error::Key)?;
    Ok(format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    ))
}

/// Reads back what [`creds_text`] wrote; nothing if it isn't that.
pub fn read_creds(text: &str) -> Option<Creds> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let mut after = |mark: &str| {
        lines.find(|line| *line == mark)?;
        lines.next()
    };
    let jwt = after("-----BEGIN NATS USER JWT-----")?.to_owned();
    let key = KeyPair::from_seed(after("-----BEGIN USER NKEY SEED-----")?).ok()?;
    Some(Creds { jwt, key })
}

/// Whether both tokens are this issuer's and differ at most in when they were minted, and in who was revoked: that the
/// server is told while it runs.
///
/// A token that still says what a new one would say is kept, so that files and configuration
/// stay the same from start to start.
pub fn same_but_for_time(one: &str, other: &str, issuer: &KeyPair) -> bool {
    let timeless = |token: &str| {
        let claims = jws::verify(token, issuer, Algorithm::Nkey).ok()?;
        let mut claims: Value = serde_json::from_slice(&claims).ok()?;
        let object = claims.as_object_mut()?;
        object.retain(|key, _| key != "iat" && key != "jti");
        if let Some(nats) = object.get_mut("nats").and_then(Value::as_object_mut) {
            nats.remove("revocations");
        }
        Some(claims)
    };
    timeless(one).is_some_and(|claims| timeless(other) == Some(claims))
}

/// The users that an account's token revokes; none where it isn't this issuer's.
pub fn revoked(token: &str, issuer: &KeyPair) -> Vec<String> {
    let read = || {
        let claims = jws::verify(token.trim(), issuer, Algorithm::Nkey).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let revocations = claims["nats"]["revocations"].as_object()?;
        Some(revocations.keys().cloned().collect())
    };
    read().unwrap_or_default()
}

/// The subjects on which the events of one account appear once they are stored.
fn live_subjects(account: &str) -> String {
    // Nested accounts are one subject token: no name contains a `-`.
    match account.split_once('.') {
        Some((org, rest)) => format!("eai.live.{org}.{}.>", rest.replace('.', "-")),
        None => format!("eai.live.{account}.>"),
    }
}

fn account_claims(mut nats: Value) -> Value {
    nats["type"] = json!("account");
    nats["version"] = json!(2);
    nats["limits"] = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1,
    });
    nats
}

fn mint(
    issuer: &KeyPair,
    subject: &str,
    name: &str,
    iat: i64,
    exp: Option<i64>,
    nats: Value,
) -> Result<String, jws::Error> {
    let mut claims = json!({
        "iat": iat, "iss": issuer.public_key(), "sub": subject, "name": name,
    });
    claims["nats"] = nats;
    if let Some(exp) = exp {
        claims["exp"] = json!(exp);
    }
    let digest = Sha512_256::digest(claims.to_string().as_bytes());
    claims["jti"] = json!(BASE32_NOPAD.encode(&digest));
    jws::sign(Algorithm::Nkey, &claims, issuer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nkeys::KeyPairType;

    fn key(kind: KeyPairType, byte: u8) -> KeyPair {
        KeyPair::new_from_raw(kind, [byte; 32]).unwrap()
    }

    fn claims(token: &str, issuer: &KeyPair) -> Value {
        let bytes = jws::verify(token, issuer, Algorithm::Nkey).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn user_claims(kind: User) -> Value {
        let account = key(KeyPairType::Account, 2);
        let token = user(kind, &account, &key(KeyPairType::User, 9), 1000).unwrap();
        claims(&token, &account)
    }

    #[test]
    fn the_operator_signs_itself_and_names_the_system_account() {
        let op = key(KeyPairType::Operator, 1);
        let claims = claims(&operator(&op, "ASYS", 7).unwrap(), &op);
        assert_eq!(claims["iss"], claims["sub"]);
        assert_eq!(claims["iat"], 7);
        assert_eq!(claims["nats"]["system_account"], "ASYS");
        assert_eq!(claims["jti"].as_str().unwrap().len(), 52);
    }

    #[test]
    fn only_the_platform_account_has_streams() {
        let op = key(KeyPairType::Operator, 1);
        let platform = claims(&platform_account(&op, "AP", 7).unwrap(), &op);
        assert_eq!(platform["nats"]["limits"]["disk_storage"], -1);
        assert_eq!(platform["nats"]["exports"][0]["subject"], "eai.live.>");
        let monitor = monitor_account(&op, "AM", "AP", "snow.testacc", &[], 7).unwrap();
        let system = system_account(&op, "AS", 7).unwrap();
        for token in [monitor, system] {
            assert_eq!(
                claims(&token, &op)["nats"]["limits"]["disk_storage"],
                Value::Null
            );
        }
    }

    #[test]
    fn a_monitor_account_imports_its_own_events_alone() {
        let op = key(KeyPairType::Operator, 1);
        let subject = |name| {
            let token = monitor_account(&op, "AM", "AP", name, &[], 7).unwrap();
            claims(&token, &op)["nats"]["imports"].clone()
        };
        let import = |subject: &str| json!({"name": "live", "subject": subject, "account": "AP", "type": "stream"});
        let own = subject("snow.testacc");
        assert_eq!(own[0], import("eai.live.snow.testacc.>"));
        let nested = subject("snow.testacc.sub.deep");
        assert_eq!(nested[0], import("eai.live.snow.testacc-sub-deep.>"));
        let streams = |imports: &Value| {
            let imports = imports.as_array().unwrap();
            let of = |import: &&Value| import["type"] == "stream";
            imports.iter().filter(of).count()
        };
        assert_eq!((streams(&own), streams(&nested)), (1, 1));
    }

    #[test]
    fn a_reader_may_say_what_its_own_consumer_needs() {
        let id = MonitorId(uuid::Uuid::from_u128(7));
        let claims = user_claims(User::Reader(id));
        let consumer = "monitor-00000000-0000-0000-0000-000000000007";
        assert_eq!(claims["name"], consumer);
        assert_eq!(
            claims["nats"]["pub"],
            json!({"allow": [
                format!("eai.history.CONSUMER.MSG.NEXT.EAI_EVENTS.{consumer}"),
                format!("eai.history.CONSUMER.INFO.EAI_EVENTS.{consumer}"),
                format!("$JS.ACK.EAI_EVENTS.{consumer}.>"),
            ]})
        );
        assert_eq!(
            claims["nats"]["sub"],
            json!({"allow": ["eai.live.>", "_INBOX.>"]})
        );
    }

    #[test]
    fn who_is_revoked_is_read_back_and_no_other_account() {
        let op = key(KeyPairType::Operator, 1);
        let account = |revoked: &[String]| {
            monitor_account(&op, "AM", "AP", "snow.testacc", revoked, 7).unwrap()
        };
        let users = ["UA".to_owned(), "UB".to_owned()];
        let token = account(&users);
        assert_eq!(revoked(&token, &op), users);
        assert_eq!(revoked(&token, &key(KeyPairType::Operator, 2)), [""; 0]);
        assert_eq!(revoked(&account(&[]), &op), [""; 0]);
        assert!(same_but_for_time(&token, &account(&[]), &op));
    }

    #[test]
    fn no_user_may_destroy_and_only_setup_may_change_streams() {
        for kind in [User::Platform, User::Setup] {
            let deny = user_claims(kind)["nats"]["pub"]["deny"].to_string();
            for call in ["DELETE", "PURGE", "MSG.DELETE", "RESTORE", "SNAPSHOT"] {
                assert!(
                    deny.contains(&format!("\"$JS.API.STREAM.{call}.>\"")),
                    "{kind:?} {call}"
                );
            }
            assert_eq!(deny.contains("UPDATE"), kind == User::Platform);
        }
    }

    #[test]
    fn the_cleaner_may_purge_objects_output_and_tasks_alone() {
        let claims = user_claims(User::Cleaner);
        assert_eq!(
            claims["nats"]["pub"],
            json!({"allow": ["$JS.API.STREAM.PURGE.OBJ_eai_data", "$JS.API.STREAM.PURGE.EAI_LOGS", "$JS.API.STREAM.PURGE.EAI_TASKS"]})
        );
        assert_eq!(
            claims["nats"]["sub"],
            json!({"allow": ["_INBOX_cleaner.>"]})
        );
    }

    #[test]
    fn only_setup_expires() {
        assert_eq!(user_claims(User::Setup)["exp"], 1300);
        for kind in [User::Platform, User::Cleaner, User::System, User::Monitor] {
            assert_eq!(user_claims(kind)["exp"], Value::Null);
        }
    }

    #[test]
    fn creds_read_back() {
        let user = key(KeyPairType::User, 9);
        let text = creds_text("a.b.c", &user).unwrap();
        let read = read_creds(&text).unwrap();
        assert_eq!(read.jwt, "a.b.c");
        assert_eq!(read.key.public_key(), user.public_key());
        for bad in [
            "",
            "-----BEGIN NATS USER JWT-----\n",
            &text.replace("SU", "XX"),
        ] {
            assert!(read_creds(bad).is_none());
        }
    }

    #[test]
    fn tokens_compare_by_what_they_say() {
        let op = key(KeyPairType::Operator, 1);
        let one = platform_account(&op, "AP", 7).unwrap();
        let later = platform_account(&op, "AP", 8).unwrap();
        let other = platform_account(&op, "AQ", 7).unwrap();
        assert_ne!(one, later);
        assert!(same_but_for_time(&one, &later, &op));
        assert!(!same_but_for_time(&one, &other, &op));
        assert!(!same_but_for_time("garbage", "garbage", &op));
        let stranger = key(KeyPairType::Operator, 3);
        let foreign = platform_account(&stranger, "AP", 7).unwrap();
        assert!(!same_but_for_time(&foreign, &one, &op));
    }
}
