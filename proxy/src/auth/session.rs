//! What the cookie of a browser says: who it is, and the one service or job that it is for. It opens nothing else, and
//! is worth no more than the token that it was made from.

use std::sync::Arc;

use eai_core::ids::{KeyId, PlatformId, RoleId, UserId};
use eai_core::log::live::Live;
use eai_core::names::AccountName;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::gate::{Gate, Known, Who, recall, worth};
use super::token::{Rejected, Tokens};

/// How long one lives at most: a key has no end of its own.
const LIFETIME: Duration = Duration::hours(12);

/// A kind that no other token has.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Session,
}

/// What is signed.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: PlatformId,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<(KeyId, RoleId)>,
    account: AccountName,
    /// When the token was signed that it was made from: what revokes that revokes this.
    iat: i64,
    exp: i64,
    /// The service or the job.
    on: Uuid,
}

/// A session of somebody who was let in, and for how many seconds it is good.
pub(crate) fn open(
    tokens: &Tokens,
    known: &Known,
    on: Uuid,
    now: OffsetDateTime,
) -> Result<(String, i64), Rejected> {
    let (user, key) = match known.who {
        Who::User(user) => (Some(user), None),
        Who::Key(key, role) => (None, Some((key, role))),
        // A job has no browser.
        Who::Run(_) => return Err(Rejected::WrongKind),
    };
    let exp = known.ends.min((now + LIFETIME).unix_timestamp());
    let claims = Claims {
        iss: tokens.platform(),
        kind: Kind::Session,
        user,
        key,
        account: known.account.clone(),
        iat: known.since,
        exp,
        on,
    };
    let text = tokens.sign_any(&claims).map_err(|_| Rejected::Invalid)?;
    Ok((text, exp - now.unix_timestamp()))
}

// === impl Gate ===

impl Gate {
    /// Who has this session, on this service or job.
    pub(crate) fn session(
        &self,
        tokens: &Tokens,
        live: &Live,
        session: &str,
        on: Uuid,
    ) -> Result<Arc<Known>, Rejected> {
        let known = recall(&self.sessions, live, session, |version, now| {
            read(tokens, live, version, session, now)
        })?;
        if known.on == Some(on) {
            Ok(known)
        } else {
            Err(Rejected::Invalid)
        }
    }
}

fn read(
    tokens: &Tokens,
    live: &Live,
    version: u64,
    session: &str,
    now: OffsetDateTime,
) -> Result<Known, Rejected> {
    let claims: Claims = tokens.read_any(session)?;
    let who = match (claims.user, claims.key) {
        (Some(user), None) => Who::User(user),
        (None, Some((key, role))) => Who::Key(key, role),
        _ => return Err(Rejected::Invalid),
    };
    if claims.iss != tokens.platform() {
        return Err(Rejected::Invalid);
    }
    if claims.exp <= now.unix_timestamp() {
        return Err(Rejected::Expired);
    }
    let times = (claims.iat, claims.exp);
    let mut known = worth(live, version, who, claims.account, times)?;
    known.on = Some(claims.on);
    Ok(known)
}
