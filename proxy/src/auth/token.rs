//! Tokens: compact JWS over Ed25519. Access tokens live an hour; refresh tokens only buy new ones; a run's token is
//! good as long as the run goes on.

use eai_core::digest::Digest;
use eai_core::ids::{CommandId, JobId, PlatformId, UserId};
use eai_core::jws::{self, Algorithm};
use eai_core::names::AccountName;
use nkeys::KeyPair;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// How long an access token lives.
const ACCESS_LIFETIME: Duration = Duration::HOUR;
/// How long a refresh token lives.
const REFRESH_LIFETIME: Duration = Duration::days(365);
/// The longest token that is looked at.
const MAX_LENGTH: usize = 4096;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Calls the API.
    Access,
    /// Buys access tokens, and nothing else.
    Refresh,
    /// A run of a job has it: calls the API, and buys access tokens.
    Run,
}

/// The run that a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub struct RunOf {
    /// The job.
    pub job: JobId,
    /// Which of its runs.
    pub run: u32,
}

/// What a token says (RFC 7519 §4, and two of our own).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The platform that signed it.
    pub iss: PlatformId,
    /// The user.
    pub sub: UserId,
    /// The user's account.
    pub account: AccountName,
    /// What it is for.
    pub kind: Kind,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// Its own id.
    pub jti: Uuid,
    /// The run that has it; `sub` is the job's id then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<RunOf>,
}

/// Why a token was not accepted. The caller learns no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not signed by this platform, or changed since.
    #[error("the token is not valid here: run `eai login token` for a fresh one")]
    Invalid,
    /// It was valid once.
    #[error("the token has expired: run `eai login token` for a fresh one")]
    Expired,
    /// A refresh token where an access token belongs, or the other way round.
    #[error(
        "the token is of the wrong kind: an access token calls the API, a refresh token only POST /v1/token"
    )]
    WrongKind,
    /// Somebody with the right to it said that it is good no more.
    #[error("the token was revoked: ask whoever administers the account for another one")]
    Revoked,
    /// The run that it was made for is over.
    #[error("the token is of a run that is over")]
    Over,
}

/// Signs and verifies the platform's tokens.
#[derive(Debug)]
pub struct Tokens {
    platform: PlatformId,
    key: KeyPair,
}

// === impl Tokens ===

impl Tokens {
    /// Tokens of one platform, signed with its key.
    pub fn new(platform: PlatformId, key: KeyPair) -> Self {
        Self { platform, key }
    }

    /// The claims of a new token.
    pub fn claims(
        &self,
        user: UserId,
        account: AccountName,
        kind: Kind,
        id: Uuid,
        now: OffsetDateTime,
    ) -> Claims {
        let lifetime = match kind {
            Kind::Access => ACCESS_LIFETIME,
            Kind::Refresh | Kind::Run => REFRESH_LIFETIME,
        };
        let (iat, exp) = (now.unix_timestamp(), (now + lifetime).unix_timestamp());
        Claims {
            iss: self.platform,
            sub: user,
            account,
            kind,
            iat,
            exp,
            jti: id,
            of: None,
        }
    }

    /// The claims of the token that a run is given.
    pub fn of_run(&self, of: RunOf, account: AccountName, now: OffsetDateTime) -> Claims {
        let id = Uuid::new_v5(&of.job.0, &of.run.to_be_bytes());
        Claims {
            of: Some(of),
            ..self.claims(UserId(of.job.0), account, Kind::Run, id, now)
        }
    }

    /// A secret that a command makes: the same one for the same command, and known to nobody else.
    pub fn secret(&self, command: CommandId) -> Result<Digest, jws::Error> {
        let text = jws::sign(Algorithm::EdDsa, &("secret", command), &self.key)?;
        Ok(Digest::of(text.as_bytes()))
    }

    /// The text of a token.
    pub fn sign(&self, claims: &Claims) -> Result<String, jws::Error> {
        self.sign_any(claims)
    }

    /// Whose tokens they are.
    pub(super) fn platform(&self) -> PlatformId {
        self.platform
    }

    /// The text of something else that is signed.
    pub(super) fn sign_any(&self, claims: &impl Serialize) -> Result<String, jws::Error> {
        jws::sign(Algorithm::EdDsa, claims, &self.key)
    }

    /// What it says, if it was signed here.
    pub(super) fn read_any<T: DeserializeOwned>(&self, text: &str) -> Result<T, Rejected> {
        if text.len() > MAX_LENGTH {
            return Err(Rejected::Invalid);
        }
        let claims =
            jws::verify(text, &self.key, Algorithm::EdDsa).map_err(|_| Rejected::Invalid)?;
        serde_json::from_slice(&claims).map_err(|_| Rejected::Invalid)
    }

    /// What a token says, if it is ours, in time and of this kind. A run's token is good for either.
    pub fn verify(&self, token: &str, kind: Kind, now: OffsetDateTime) -> Result<Claims, Rejected> {
        let claims: Claims = self.read_any(token)?;
        if claims.iss != self.platform {
            return Err(Rejected::Invalid);
        }
        if claims.exp <= now.unix_timestamp() {
            return Err(Rejected::Expired);
        }
        if claims.kind != kind && claims.kind != Kind::Run {
            return Err(Rejected::WrongKind);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nkeys::KeyPairType;

    fn tokens(byte: u8) -> Tokens {
        let key = KeyPair::new_from_raw(KeyPairType::User, [byte; 32]).unwrap();
        Tokens::new(PlatformId(Uuid::from_u128(1)), key)
    }

    fn signed(tokens: &Tokens, kind: Kind) -> String {
        let account = "snow.testacc".parse().unwrap();
        let user = UserId(Uuid::from_u128(2));
        let claims = tokens.claims(user, account, kind, Uuid::from_u128(3), now());
        tokens.sign(&claims).unwrap()
    }

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
    }

    #[test]
    fn a_token_lives_an_hour() {
        let tokens = tokens(1);
        let token = signed(&tokens, Kind::Access);
        let almost = now() + ACCESS_LIFETIME - Duration::SECOND;
        assert!(tokens.verify(&token, Kind::Access, almost).is_ok());
        let over = now() + ACCESS_LIFETIME;
        assert_eq!(
            tokens.verify(&token, Kind::Access, over),
            Err(Rejected::Expired)
        );
    }

    #[test]
    fn a_refresh_token_calls_nothing() {
        let tokens = tokens(1);
        let token = signed(&tokens, Kind::Refresh);
        assert_eq!(
            tokens.verify(&token, Kind::Access, now()),
            Err(Rejected::WrongKind)
        );
        assert!(tokens.verify(&token, Kind::Refresh, now()).is_ok());
    }

    #[test]
    fn only_our_own_unchanged_tokens_are_believed() {
        let token = signed(&tokens(1), Kind::Access);
        let verify = |token: &str| tokens(1).verify(token, Kind::Access, now());
        assert_eq!(
            tokens(2).verify(&token, Kind::Access, now()),
            Err(Rejected::Invalid)
        );
        for at in [3, token.len() / 2, token.len() - 3] {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(verify(&changed), Err(Rejected::Invalid), "changed at {at}");
        }
        for other in ["", ".", "..", "a.b.c", &"x".repeat(5000)] {
            assert_eq!(verify(other), Err(Rejected::Invalid));
        }
        let elsewhere = Tokens {
            platform: PlatformId(Uuid::from_u128(9)),
            ..tokens(1)
        };
        assert_eq!(
            elsewhere.verify(&token, Kind::Access, now()),
            Err(Rejected::Invalid)
        );
    }

    #[test]
    fn a_secret_is_the_same_for_the_same_command() {
        let of = |tokens: &Tokens, id| tokens.secret(CommandId(Uuid::from_u128(id))).unwrap();
        let one = tokens(1);
        assert_eq!(of(&one, 1), of(&one, 1));
        assert_ne!(of(&one, 1), of(&one, 2));
        assert_ne!(of(&one, 1), of(&tokens(2), 1));
    }
}
