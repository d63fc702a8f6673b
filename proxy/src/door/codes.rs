//! Codes that are good once, and for a minute.

use std::time::Duration;

use moka::sync::Cache;
use uuid::Uuid;

/// How long a browser may take to come back.
const LIFETIME: Duration = Duration::from_mins(1);
/// How many may be on their way.
const MOST: u64 = 4096;

/// The codes that browsers are on their way with.
#[derive(Debug)]
pub struct Codes(Cache<String, Pending>);

/// What a browser gets for one.
#[derive(Clone)]
pub(super) struct Pending {
    /// The value of its cookie.
    pub(super) session: String,
    /// How long that is good, in seconds.
    pub(super) age: i64,
    /// The only host where it is.
    pub(super) host: String,
    /// Where the browser goes then.
    pub(super) to: String,
    /// The hash of what only the browser knows that was sent here.
    pub(super) challenge: String,
}

// === impl Codes ===

impl Default for Codes {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MOST).time_to_live(LIFETIME);
        Self(cache.build())
    }
}

impl Codes {
    /// A code that nobody can guess.
    pub(super) fn mint(&self, pending: Pending) -> String {
        let code = secret();
        self.0.insert(code.clone(), pending);
        code
    }

    /// What a code is good for, once.
    pub(super) fn take(&self, code: &str) -> Option<Pending> {
        self.0.remove(code)
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// 244 bits that nobody knows.
pub(super) fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once() {
        let codes = Codes::default();
        let pending = Pending {
            session: "s".into(),
            age: 1,
            host: "h".into(),
            to: "t".into(),
            challenge: "c".into(),
        };
        let code = codes.mint(pending.clone());
        assert_ne!(codes.mint(pending), code);
        assert!(codes.take("").is_none());
        assert!(codes.take(&code).is_some());
        assert!(codes.take(&code).is_none());
    }
}
