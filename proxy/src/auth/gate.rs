//! Knows tokens and keys again: what was verified once is looked up, until it ends or is revoked.
//!
//! Whoever comes with one, to the API or to a service, comes through here. A token that is known costs no signature
//! and no lock; a number that changes with every change of rights tells when it has to be looked at anew.

use std::sync::Arc;

use axum::http::HeaderValue;
use eai_core::access::{Grants, Thing};
use eai_core::digest::Digest;
use eai_core::envelope::Actor;
use eai_core::ids::{JobId, KeyId, RoleId, UserId};
use eai_core::log::live::{Holder, Live};
use eai_core::names::AccountName;
use foldhash::fast::RandomState;
use papaya::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

use super::token::{Kind, Rejected, RunOf, Tokens};
use crate::ingress::Identity;

/// How many tokens are remembered, until all are verified anew.
const REMEMBERED: usize = 10_000;
/// How many decisions are remembered for each.
const DECISIONS: usize = 4096;
/// How the keys of roles begin. What follows are 64 hexadecimal digits.
pub(crate) const KEY_PREFIX: &str = "eai_key_";

/// Remembers who was let in.
#[derive(Debug, Default)]
pub struct Gate {
    /// By the whole token. Only what was good gets in, so nobody can make them collide.
    known: Remembered,
    /// By the whole cookie. Apart from those: none opens what the other does.
    pub(super) sessions: Remembered,
}

/// Who was let in, by what they had.
pub(super) type Remembered = HashMap<Box<str>, Arc<Known>, RandomState>;

/// Who has a token or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// A user.
    User(UserId),
    /// A key of a role.
    Key(KeyId, RoleId),
    /// A run of a job.
    Run(RunOf),
}

/// Somebody who was let in, and what it may do.
#[derive(Debug)]
pub(crate) struct Known {
    /// Who it is.
    pub(crate) who: Who,
    /// The account that it speaks for.
    pub(crate) account: AccountName,
    /// What it may do there.
    pub(crate) grants: Grants,
    /// How applications see it.
    pub(crate) identity: Identity,
    /// Until when, in seconds since 1970.
    pub(super) ends: i64,
    /// From when on, in seconds since 1970.
    pub(super) since: i64,
    /// The only service or job that it is for.
    pub(super) on: Option<Uuid>,
    /// The number of rights that this was looked up with.
    version: u64,
    /// Whether it may send requests to a service or a job.
    decided: HashMap<Uuid, bool, RandomState>,
}

// === impl Who ===

impl Who {
    /// As events tell it.
    pub(crate) fn actor(self) -> Actor {
        match self {
            Self::User(id) => Actor::User(id),
            Self::Key(id, _) => Actor::Key(id),
            Self::Run(of) => Actor::Job(of.job),
        }
    }
}

// === impl Known ===

impl Known {
    /// Whether a request may go to a service or a job: asked for each, so the answer is kept.
    pub(crate) fn may_call(&self, kind: &str, thing: &Thing<'_>) -> bool {
        let Some(id) = thing.id else {
            return self.grants.allow(kind, "get", thing);
        };
        let decided = self.decided.pin();
        if let Some(may) = decided.get(&id) {
            return *may;
        }
        let may = self.grants.allow(kind, "get", thing);
        if decided.len() >= DECISIONS {
            decided.clear();
        }
        decided.insert(id, may);
        may
    }

    /// Whether it is what it was: in time, with the same rights, and its run going on.
    fn is_good(&self, live: &Live, version: u64, now: i64) -> bool {
        self.ends > now
            && self.version == version
            && match self.who {
                Who::Run(of) => goes_on(live, of),
                Who::User(_) | Who::Key(..) => true,
            }
    }
}

// === impl Gate ===

impl Gate {
    /// Who has this token or key.
    pub(crate) fn known(
        &self,
        tokens: &Tokens,
        live: &Live,
        token: &str,
    ) -> Result<Arc<Known>, Rejected> {
        recall(&self.known, live, token, |version, now| {
            read(tokens, live, version, token, now)
        })
    }
}

/// Who has this: as it is remembered while that is good, else as it is read.
pub(super) fn recall(
    remembered: &Remembered,
    live: &Live,
    text: &str,
    read: impl FnOnce(u64, OffsetDateTime) -> Result<Known, Rejected>,
) -> Result<Arc<Known>, Rejected> {
    let now = OffsetDateTime::now_utc();
    // Read first: what changes meanwhile is looked at anew next time.
    let version = live.access_version();
    let remembered = remembered.pin();
    let before = remembered.get(text);
    if let Some(known) = before
        && known.is_good(live, version, now.unix_timestamp())
    {
        return Ok(Arc::clone(known));
    }
    // A signature stays good; what it is worth is asked again.
    let fresh = match before.filter(|known| known.ends > now.unix_timestamp()) {
        Some(known) => {
            let (who, account) = (known.who, known.account.clone());
            worth(live, version, who, account, (known.since, known.ends)).map(|fresh| Known {
                on: known.on,
                ..fresh
            })
        }
        None => read(version, now),
    };
    let fresh = match fresh {
        Ok(fresh) => Arc::new(fresh),
        Err(rejected) => {
            remembered.remove(text);
            return Err(rejected);
        }
    };
    if remembered.len() >= REMEMBERED {
        remembered.clear();
    }
    remembered.insert(text.into(), Arc::clone(&fresh));
    Ok(fresh)
}

/// Reads a token that is not known.
fn read(
    tokens: &Tokens,
    live: &Live,
    version: u64,
    token: &str,
    now: OffsetDateTime,
) -> Result<Known, Rejected> {
    if token.starts_with(KEY_PREFIX) {
        let hash = Digest::of(token.as_bytes());
        let (key, role) = live.key(&hash).ok_or(Rejected::Invalid)?;
        let account = role.account.clone();
        let who = Who::Key(key, role.id);
        return worth(live, version, who, account, (0, i64::MAX));
    }
    let claims = tokens.verify(token, Kind::Access, now)?;
    let who = match claims.of {
        Some(of) => Who::Run(of),
        None => Who::User(claims.sub),
    };
    let times = (claims.iat, claims.exp);
    worth(live, version, who, claims.account, times)
}

/// What somebody may do now, if it is still let in.
pub(super) fn worth(
    live: &Live,
    version: u64,
    who: Who,
    account: AccountName,
    (since, ends): (i64, i64),
) -> Result<Known, Rejected> {
    let (holder, user) = match who {
        Who::User(user) => {
            is_not_revoked(live, user, since)?;
            (Some(Holder::User(user)), user.to_string())
        }
        Who::Key(key, role) => {
            let there = live
                .role(role)
                .is_some_and(|role| role.keys.iter().any(|(id, _)| *id == key));
            if !there {
                return Err(Rejected::Revoked);
            }
            (Some(Holder::Role(role)), Actor::Key(key).to_string())
        }
        Who::Run(of) => {
            if !goes_on(live, of) {
                return Err(Rejected::Over);
            }
            let actor = Actor::Job(of.job).to_string();
            (role_of(live, of.job).map(Holder::Role), actor)
        }
    };
    let grants = holder.map(|holder| live.grants(holder, &account));
    let header = |text: &str| HeaderValue::try_from(text).map_err(|_| Rejected::Invalid);
    Ok(Known {
        who,
        grants: grants.unwrap_or_default(),
        identity: Identity {
            user: header(&user)?,
            account: header(account.as_str())?,
        },
        account,
        ends,
        since,
        on: None,
        version,
        decided: HashMap::default(),
    })
}

/// Whether a user's tokens of a second are good.
pub(crate) fn is_not_revoked(live: &Live, user: UserId, since: i64) -> Result<(), Rejected> {
    match live.revoked_before(user) {
        Some(before) if since <= before => Err(Rejected::Revoked),
        _ => Ok(()),
    }
}

/// Whether a run is not over.
pub(crate) fn goes_on(live: &Live, of: RunOf) -> bool {
    live.job(of.job)
        .is_some_and(|job| job.run == of.run && job.phase.is_alive())
}

/// The role of the service that a job works for.
fn role_of(live: &Live, job: JobId) -> Option<RoleId> {
    let service = live.job(job)?.service?;
    live.service(service)?.role
}
