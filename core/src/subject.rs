//! Subjects: every NATS subject of the event log is built and read here, and nowhere else.
//!
//! `eai.event.<organization>.<account>.<kind>.<id>.<event>`; what was stored is republished to `eai.live.…`. Tasks
//! have a log of their own, `eai.task.…`, which is not republished.

use std::fmt;

use crate::aggregate::Aggregate;
use crate::ids::{ExecutorId, ServiceId};
use crate::names::{self, AccountName};
use crate::task::TaskAggregate;

/// The prefix of what is appended.
pub const EVENT: &str = "eai.event";
/// The prefix of what is appended to the log of tasks.
pub const TASK: &str = "eai.task";
/// The prefix of what was stored.
pub const LIVE: &str = "eai.live";
/// The subjects of the event stream.
pub const ALL_EVENTS: &str = "eai.event.>";
/// The subjects of the stream of tasks.
pub const ALL_TASKS: &str = "eai.task.>";
/// Where stored events are republished.
pub const ALL_LIVE: &str = "eai.live.>";
/// Where executors give signs of life.
pub const ALL_HEARTBEATS: &str = "eai.heartbeat.*";

/// Where one executor does.
pub fn heartbeat(executor: ExecutorId) -> String {
    format!("eai.heartbeat.{executor}")
}

/// Where the workers of queues give signs of life.
pub const ALL_WORKER_HEARTBEATS: &str = "eai.heartbeat.worker.*.*";

/// Where one worker does.
pub fn worker_heartbeat(service: ServiceId, index: u32) -> String {
    format!("eai.heartbeat.worker.{service}.{index}")
}

/// The prefix of what is appended to aggregates of a kind.
pub fn prefix(kind: &str) -> &'static str {
    match kind {
        TaskAggregate::KIND => TASK,
        _ => EVENT,
    }
}

/// Where one aggregate's events are: its account, kind and id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    account: AccountName,
    kind: &'static str,
    id: String,
}

/// The parts of an event's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The organization's token.
    pub organization: &'a str,
    /// The account's token, nested ones joined with `-`.
    pub account: &'a str,
    /// The aggregate's kind.
    pub kind: &'a str,
    /// The aggregate's id.
    pub id: &'a str,
    /// The event's name, without version.
    pub event: &'a str,
}

// === impl Address ===

impl Address {
    /// An aggregate's address. `id` is a UUID or made of names and `-`: nothing that a subject would read.
    pub fn new(account: AccountName, kind: &'static str, id: impl fmt::Display) -> Self {
        let id = id.to_string();
        debug_assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
            "no subject token: {id}"
        );
        Self { account, kind, id }
    }

    /// The account it lives in.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// The aggregate's kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The aggregate's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The subject of one of its events: `eai.event.snow.testacc.service.<id>.created`.
    pub fn event(&self, event: &str) -> String {
        format!("{}.{event}", self.stem())
    }

    /// All its events: `eai.event.snow.testacc.service.<id>.>`.
    pub fn filter(&self) -> String {
        format!("{}.>", self.stem())
    }

    fn stem(&self) -> String {
        let Self { account, kind, id } = self;
        format!(
            "{}.{}.{}.{kind}.{id}",
            prefix(kind),
            account.organization(),
            account.token()
        )
    }
}

/// `service/<id>`: an event's `subject` attribute.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// What to read of one account's events; an absent part means any: `eai.event.snow.testacc.service.*.created`.
pub fn account_filter(
    account: &AccountName,
    kind: Option<&str>,
    id: Option<&str>,
    event: Option<&str>,
) -> String {
    let stem = format!("{EVENT}.{}.{}", account.organization(), account.token());
    match (kind, id, event) {
        (None, None, None) => format!("{stem}.>"),
        (kind, id, event) => format!(
            "{stem}.{}.{}.{}",
            kind.unwrap_or("*"),
            id.unwrap_or("*"),
            event.unwrap_or("*")
        ),
    }
}

/// One account's live events: `eai.live.snow.testacc.>`.
pub fn live_filter(account: &AccountName) -> String {
    format!("{LIVE}.{}.{}.>", account.organization(), account.token())
}

// === impl Parts ===

impl<'a> Parts<'a> {
    /// Reads an event's subject; `None` if it isn't one.
    pub fn read(subject: &'a str) -> Option<Self> {
        let rest = [EVENT, TASK]
            .iter()
            .find_map(|prefix| subject.strip_prefix(prefix))?;
        let mut tokens = rest.strip_prefix('.')?.split('.');
        let parts = Self {
            organization: tokens.next()?,
            account: tokens.next()?,
            kind: tokens.next()?,
            id: tokens.next()?,
            event: tokens.next()?,
        };
        let word = |token: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !token.is_empty() && token.bytes().all(allowed)
        };
        let all = [
            parts.organization,
            parts.account,
            parts.kind,
            parts.id,
            parts.event,
        ];
        let whole = tokens.next().is_none() && all.into_iter().all(word);
        (whole && subject.starts_with(prefix(parts.kind))).then_some(parts)
    }

    /// The account that the subject names.
    pub fn account(&self) -> Result<AccountName, names::Error> {
        AccountName::from_tokens(self.organization, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountName {
        "snow.testacc.sub".parse().unwrap()
    }

    #[test]
    fn subjects_are_built_and_read() {
        let address = Address::new(account(), "name", "service-web");
        assert_eq!(
            address.event("reserved"),
            "eai.event.snow.testacc-sub.name.service-web.reserved"
        );
        assert_eq!(
            address.filter(),
            "eai.event.snow.testacc-sub.name.service-web.>"
        );
        assert_eq!(address.to_string(), "name/service-web");
        let subject = address.event("reserved");
        let parts = Parts::read(&subject).unwrap();
        assert_eq!(
            (parts.kind, parts.id, parts.event),
            ("name", "service-web", "reserved")
        );
        assert_eq!(parts.account().unwrap(), account());
        for other in [
            "eai.event.a.b.c.d",
            "eai.event.a.b.task.d.e",
            "eai.task.a.b.c.d.e",
            "eai.event.a.b.c.d.e.f",
            "eai.live.a.b.c.d.e",
            "",
        ] {
            assert_eq!(Parts::read(other), None, "{other}");
        }
    }

    #[test]
    fn tasks_have_a_log_of_their_own() {
        let address = Address::new(account(), "task", "7");
        let subject = address.event("done");
        assert_eq!(subject, "eai.task.snow.testacc-sub.task.7.done");
        let parts = Parts::read(&subject).unwrap();
        assert_eq!((parts.kind, parts.id, parts.event), ("task", "7", "done"));
    }

    #[test]
    fn filters_name_only_what_is_asked() {
        assert_eq!(
            account_filter(&account(), None, None, None),
            "eai.event.snow.testacc-sub.>"
        );
        assert_eq!(
            account_filter(&account(), Some("service"), None, Some("created")),
            "eai.event.snow.testacc-sub.service.*.created"
        );
        assert_eq!(live_filter(&account()), "eai.live.snow.testacc-sub.>");
    }
}
