//! Which events are asked for: what of it the log filters, and what is left to look at.

use eai_core::access::Thing;
use eai_core::envelope::{Actor, Envelope, TypeParts};
use eai_core::ids::{EventId, UserId};
use eai_core::log::{Position, Recorded};
use eai_core::names::AccountName;
use eai_core::subject::account_filter;
use schemars::JsonSchema;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use uuid::Uuid;

use super::ApiError;
use crate::auth::Caller;

/// The log counts nanoseconds since 1970 in 63 bits: what is later would wrap around and be early.
const LATEST: OffsetDateTime = datetime!(2262-01-01 00:00 UTC);

/// What a reading of events may be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventQuery {
    /// The full name of an account; default the caller's.
    pub(crate) account: Option<String>,
    /// A kind of aggregate: `service`.
    kind: Option<String>,
    /// `service`, `service.created` or `eai.service.created.v1`.
    r#type: Option<String>,
    /// An aggregate's id, or an event's.
    id: Option<String>,
    /// Who asked: `platform`, `user:<id>` or a user's id.
    actor: Option<String>,
    /// The first command of a chain of causes.
    correlation: Option<Uuid>,
    /// A sequence or a time to begin at.
    since: Option<String>,
    /// A sequence or a time to end at, included.
    until: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) limit: Option<u32>,
    /// Only the last so many; 0 for none, where they are followed.
    #[schemars(range(max = 1000))]
    pub(crate) tail: Option<u32>,
    /// Goes on for ever.
    #[serde(default)]
    pub(crate) follow: bool,
    /// `next` of the page before.
    after: Option<String>,
}

/// What is asked for, read.
#[derive(Clone, Debug)]
pub(crate) struct EventFilter {
    /// The subjects to read.
    pub(crate) subject: String,
    /// Where to begin.
    pub(crate) from: Position,
    version: Option<u16>,
    actor: Option<String>,
    correlation: Option<Uuid>,
    until: Option<Position>,
    /// The one event that is asked for.
    only: Option<u64>,
    /// Who asks, where it may not see everything in the account.
    sees: Option<Caller>,
}

impl EventQuery {
    /// Reads the question of a caller of `account`.
    pub(crate) fn filter(&self, account: &AccountName) -> Result<EventFilter, ApiError> {
        let (kind, name, version) = match self.r#type.as_deref() {
            None => (None, None, None),
            Some(text) => match TypeParts::read(text) {
                Some(parts) => (Some(parts.kind), Some(parts.name), Some(parts.version)),
                None => match text.split_once('.') {
                    Some((kind, name)) => (Some(kind), Some(name), None),
                    None => (Some(text), None, None),
                },
            },
        };
        let kind = self.only_kind(kind)?;
        for token in [kind, name, self.id.as_deref()].into_iter().flatten() {
            check_token(token)?;
        }
        let from = match (&self.after, &self.since) {
            (Some(cursor), _) => position("after", cursor)?,
            (None, Some(since)) => position("since", since)?,
            (None, None) => Position::START,
        };
        let until = self
            .until
            .as_deref()
            .map(|text| position("until", text))
            .transpose()?;
        let subject = account_filter(account, kind, self.id.as_deref(), name);
        Ok(EventFilter {
            subject,
            from,
            version,
            actor: self.actor.as_deref().map(actor).transpose()?,
            correlation: self.correlation,
            until,
            only: None,
            sees: None,
        })
    }

    /// The kind that is asked for, where the type says one too.
    fn only_kind<'a>(&'a self, of_type: Option<&'a str>) -> Result<Option<&'a str>, ApiError> {
        match (self.kind.as_deref(), of_type) {
            (Some(kind), Some(other)) if kind != other => Err(ApiError::bad_request(format!(
                "no event is of kind `{}` and of another type: leave one of them out",
                kind.chars().take(40).collect::<String>()
            ))),
            (kind, of_type) => Ok(kind.or(of_type)),
        }
    }

    /// The id that is asked for, if an event may have it.
    pub(crate) fn id(&self) -> Option<EventId> {
        self.id.as_deref()?.parse().ok()
    }

    /// Reads the question where its `id` is that of the event at `sequence`.
    pub(crate) fn only(
        &self,
        account: &AccountName,
        sequence: u64,
    ) -> Result<EventFilter, ApiError> {
        let anywhere = Self {
            id: None,
            kind: self.kind.clone(),
            r#type: self.r#type.clone(),
            actor: self.actor.clone(),
            correlation: self.correlation,
            since: self.since.clone(),
            until: self.until.clone(),
            after: self.after.clone(),
            ..Self::default()
        };
        let filter = anywhere.filter(account)?;
        let from = match filter.from {
            Position::Sequence(from) => Position::Sequence(from.max(sequence)),
            time @ Position::Time(_) => time,
        };
        // A stream that follows does not end with what it waits for.
        let end = (!self.follow).then_some(Position::Sequence(sequence));
        Ok(EventFilter {
            from,
            until: filter.until.or(end),
            only: Some(sequence),
            ..filter
        })
    }
}

impl EventFilter {
    /// Everything that happened to one thing.
    pub(crate) fn of(account: &AccountName, kind: Option<&str>, id: &str) -> Self {
        Self {
            subject: account_filter(account, kind, Some(id), None),
            from: Position::START,
            version: None,
            actor: None,
            correlation: None,
            until: None,
            only: None,
            sees: None,
        }
    }

    /// The same question, asked by somebody: it is told what it may see in the account.
    pub(crate) fn seen_by(self, caller: &Caller, account: &AccountName) -> Self {
        let sees = (!caller.sees(&Thing::account(account))).then(|| caller.clone());
        Self { sees, ..self }
    }

    /// The same question, up to a position and with it.
    pub(crate) fn until(self, until: Option<Position>) -> Self {
        Self { until, ..self }
    }

    /// The same question from another position on.
    pub(crate) fn from(&self, from: Position) -> Self {
        Self {
            from,
            ..self.clone()
        }
    }

    /// Whether an event on the subjects is one that was asked for.
    pub(crate) fn takes(&self, event: &Recorded) -> bool {
        if self.only.is_some_and(|only| only != event.sequence) {
            return false;
        }
        if let Some(caller) = &self.sees
            && !event
                .envelope()
                .is_ok_and(|envelope| sees(caller, &envelope))
        {
            return false;
        }
        // The subject has said all else already: most questions read no document.
        if self.version.is_none() && self.actor.is_none() && self.correlation.is_none() {
            return true;
        }
        let Ok(envelope) = event.envelope() else {
            return false;
        };
        let is_version = |version| {
            let parts = envelope.type_parts();
            parts.is_ok_and(|parts| parts.version == version)
        };
        self.version.is_none_or(is_version)
            && self
                .actor
                .as_ref()
                .is_none_or(|actor| *actor == envelope.actor)
            && self
                .correlation
                .is_none_or(|id| id == envelope.correlationid)
    }

    /// Whether an event lies behind the end that was asked for.
    pub(crate) fn is_over(&self, event: &Recorded) -> bool {
        match self.until {
            None => false,
            Some(Position::Sequence(last)) => event.sequence > last,
            Some(Position::Time(last)) => {
                event.envelope().is_ok_and(|envelope| envelope.time > last)
            }
        }
    }
}

/// Whether a caller may see an event: by the id of what it is about.
pub(super) fn sees(caller: &Caller, envelope: &Envelope<'_>) -> bool {
    envelope.account_name().is_ok_and(|account| {
        let id = envelope.aggregate_id().parse().ok();
        caller.sees(&Thing {
            id,
            ..Thing::account(&account)
        })
    })
}

/// Who is meant, as events name them.
fn actor(text: &str) -> Result<String, ApiError> {
    let known = text.parse().or_else(|_| {
        let id = text.parse::<Uuid>();
        id.map(|id| Actor::User(UserId(id)))
    });
    known.map(|actor| actor.to_string()).map_err(|_| {
        ApiError::bad_request("`actor` must be `platform` or a user: `user:ID`, as events show it")
    })
}

/// Nothing but a name or an id goes into a subject.
fn check_token(text: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(ApiError::bad_request(
            "`type` must read service, service.created or eai.service.created.v1, `kind` service, and `id` be an aggregate's id or an event's",
        ))
    }
}

/// A sequence or a time that was asked for as `name`.
pub(super) fn position(name: &str, text: &str) -> Result<Position, ApiError> {
    if let Ok(sequence) = text.parse() {
        return Ok(Position::Sequence(sequence));
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .map(|time| Position::Time(time.clamp(OffsetDateTime::UNIX_EPOCH, LATEST)))
        .map_err(|_| {
            ApiError::bad_request(format!(
                "`{name}` must be a sequence or a time such as 2025-08-05T18:52:53Z"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &EventQuery) -> Result<EventFilter, ApiError> {
        query.filter(&"snow.testacc".parse().unwrap())
    }

    #[test]
    fn types_become_subjects() {
        for (text, subject) in [
            ("service", "eai.event.snow.testacc.service.*.*"),
            (
                "service.created",
                "eai.event.snow.testacc.service.*.created",
            ),
            (
                "eai.service.created.v1",
                "eai.event.snow.testacc.service.*.created",
            ),
        ] {
            let query = EventQuery {
                r#type: Some(text.into()),
                ..EventQuery::default()
            };
            assert_eq!(filter(&query).unwrap().subject, subject, "{text}");
        }
        assert_eq!(
            filter(&EventQuery::default()).unwrap().subject,
            "eai.event.snow.testacc.>"
        );
    }

    #[test]
    fn nothing_reaches_into_another_account() {
        for text in [
            ">",
            "*",
            "a.>",
            "a b",
            "",
            "service.*",
            "x\r\ny",
            &"x".repeat(200),
        ] {
            let by_type = EventQuery {
                r#type: Some(text.into()),
                ..EventQuery::default()
            };
            let by_id = EventQuery {
                id: Some(text.into()),
                ..EventQuery::default()
            };
            assert!(
                filter(&by_type).is_err() && filter(&by_id).is_err(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_kind_and_a_type_agree() {
        let query = |kind: &str, of_type: Option<&str>| EventQuery {
            kind: Some(kind.into()),
            r#type: of_type.map(Into::into),
            ..EventQuery::default()
        };
        let subject = |kind, of_type| filter(&query(kind, of_type)).map(|filter| filter.subject);
        let of_jobs = "eai.event.snow.testacc.job.*.*";
        assert_eq!(subject("job", None).unwrap(), of_jobs);
        assert_eq!(subject("job", Some("job")).unwrap(), of_jobs);
        assert!(subject("job", Some("service.created")).is_err());
        assert!(subject("*", None).is_err() && subject("job.*", None).is_err());
    }

    #[test]
    fn actors_are_read_as_people_write_them() {
        let id = Uuid::from_u128(7);
        let user = format!("user:{id}");
        assert_eq!(actor("platform").unwrap(), "platform");
        assert_eq!(actor(&user).unwrap(), user);
        assert_eq!(actor(&id.to_string()).unwrap(), user);
        for wrong in ["", "user:", "user:x", "toolkit", "PLATFORM"] {
            assert!(actor(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn positions_are_sequences_or_times() {
        let since = |text: &str| EventQuery {
            since: Some(text.into()),
            ..EventQuery::default()
        };
        assert_eq!(filter(&since("7")).unwrap().from, Position::Sequence(7));
        assert!(matches!(
            filter(&since("2025-08-05T18:52:53Z")).unwrap().from,
            Position::Time(_)
        ));
        assert!(filter(&since("yesterday")).is_err());
        let bounded = |text| filter(&since(text)).unwrap().from;
        assert_eq!(bounded("2999-01-01T00:00:00Z"), Position::Time(LATEST));
        let first = Position::Time(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(bounded("1500-01-01T00:00:00Z"), first);
    }
}
