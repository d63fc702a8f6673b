//! What one invocation leaves to the next: the access token, and how far it has seen.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{Error, files};

/// A token with less than this left is renewed: a long call must not outlive it.
const MARGIN: Duration = Duration::minutes(5);

/// The cache files of one profile.
#[derive(Clone)]
pub(crate) struct Cache {
    dir: PathBuf,
    profile: String,
}

/// A short-lived token, as the platform answers it and as it is cached.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessToken {
    pub(crate) token: String,
    pub(crate) expires_on: String,
}

// === impl Cache ===

impl Cache {
    /// The cache of a profile.
    pub(crate) fn new(config_dir: &Path, profile: &str) -> Self {
        Self {
            dir: config_dir.join("cache"),
            profile: profile.to_owned(),
        }
    }

    /// The cached access token; one that cannot be read is as good as none.
    pub(crate) fn token(&self) -> Option<AccessToken> {
        let text = files::read(&self.file("token")).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Forgets the access token: the profile is another user's from now on.
    pub(crate) fn forget_token(&self) -> Result<(), Error> {
        let path = self.file("token");
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Keeps an access token.
    pub(crate) fn save_token(&self, token: &AccessToken) -> Result<(), Error> {
        let path = self.file("token");
        match serde_json::to_string(token) {
            Ok(text) => files::replace(&path, &text),
            Err(error) => Err(Error::Write {
                path,
                source: error.into(),
            }),
        }
    }

    /// The newest position seen.
    pub(crate) fn position(&self) -> Result<Option<String>, Error> {
        let text = files::read(&self.file("position"))?;
        Ok(text
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()))
    }

    /// Keeps a position, unless another invocation already saw a newer one.
    pub(crate) fn save_position(&self, position: &str) -> Result<(), Error> {
        let _lock = files::lock(&self.dir)?;
        if let Some(known) = self.position()?
            && !replaces(position, &known)
        {
            return Ok(());
        }
        files::replace(&self.file("position"), position)
    }

    /// Forgets everything.
    pub(super) fn clear(&self) -> Result<(), Error> {
        files::remove(&self.file("token"))?;
        files::remove(&self.file("position"))
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.dir.join(format!("{}.{suffix}", self.profile))
    }
}

// === impl AccessToken ===

impl AccessToken {
    /// Whether it is good for a while yet.
    pub(crate) fn is_fresh(&self, now: OffsetDateTime) -> bool {
        OffsetDateTime::parse(&self.expires_on, &Rfc3339)
            .is_ok_and(|expires_on| expires_on - now >= MARGIN)
    }
}

/// Whether a position takes the place of a known one: of the same platform, only a later one.
pub(crate) fn replaces(position: &str, known: &str) -> bool {
    match (split(position), split(known)) {
        (Some((platform, sequence)), Some((known_platform, known_sequence))) => {
            platform != known_platform || sequence > known_sequence
        }
        _ => position != known,
    }
}

fn split(position: &str) -> Option<(&str, u64)> {
    let (platform, sequence) = position.rsplit_once(':')?;
    Some((platform, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_position_never_goes_back() {
        assert!(replaces("p:10", "p:9"));
        assert!(!replaces("p:9", "p:10"));
        assert!(!replaces("p:9", "p:9"));
    }

    #[test]
    fn a_position_of_another_platform_wins() {
        assert!(replaces("q:1", "p:10"));
        assert!(replaces("something else", "p:10"));
    }

    #[test]
    fn an_older_position_is_not_written_over_a_newer_one() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), "default");
        cache.save_position("p:5").unwrap();
        cache.save_position("p:4").unwrap();
        assert_eq!(cache.position().unwrap().as_deref(), Some("p:5"));
    }

    #[test]
    fn a_token_is_renewed_before_its_last_five_minutes() {
        let token = AccessToken {
            token: "t".into(),
            expires_on: "2025-01-01T01:00:00Z".into(),
        };
        assert!(token.is_fresh(datetime!(2025-01-01 00:55:00 UTC)));
        assert!(!token.is_fresh(datetime!(2025-01-01 00:55:01 UTC)));
    }

    #[test]
    fn a_token_with_no_readable_end_is_not_used() {
        let token = AccessToken {
            token: "t".into(),
            expires_on: "soon".into(),
        };
        assert!(!token.is_fresh(datetime!(2025-01-01 00:00:00 UTC)));
    }

    #[test]
    fn a_token_comes_back_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), "default");
        assert!(cache.token().is_none());
        let token = AccessToken {
            token: "t".into(),
            expires_on: "2025-01-01T01:00:00Z".into(),
        };
        cache.save_token(&token).unwrap();
        assert_eq!(cache.token().unwrap().token, "t");
    }
}
