//! Who may watch the platform's account, as its NATS server is told: tokens of the account, and consumers.

use std::collections::BTreeSet;
use std::fmt::Display;

use eai_core::digest::Digest;
use eai_core::ids::MonitorId;
use eai_core::jws;
use eai_core::log::credentials::{self, User};
use eai_core::log::{Connection, monitors};
use eai_core::names::AccountName;
use eai_projections::{Page, Scope, Views};
use eai_proxy::api::{Monitors, NotTold};
use futures::future::{BoxFuture, FutureExt as _};
use nkeys::{KeyPair, KeyPairType};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::nats::Keys;

/// The monitors of a NATS server that the platform supervises.
#[derive(Debug)]
pub(crate) struct NatsMonitors {
    keys: Keys,
    account: AccountName,
    /// May tell the server of accounts.
    system: Connection,
    /// May make consumers.
    platform: Connection,
    /// Tell who is good.
    views: Views,
    /// The public keys that the server was last told to keep out.
    told: Mutex<Option<BTreeSet<String>>>,
}

// === impl NatsMonitors ===

impl NatsMonitors {
    pub(crate) fn new(
        keys: Keys,
        account: AccountName,
        (system, platform): (Connection, Connection),
        views: Views,
    ) -> Self {
        Self {
            keys,
            account,
            system,
            platform,
            views,
            told: Mutex::new(None),
        }
    }

    async fn tell(&self) -> Result<(), NotTold> {
        let not_told = |error: &dyn Display| NotTold(error.to_string());
        // Read while nobody else tells: what is told later is never older.
        let mut told = self.told.lock().await;
        let scope = Scope::Account(self.account.clone());
        let page = Page {
            after: 0,
            limit: u32::MAX,
        };
        let all = self.views.monitors(&scope, page).await;
        let all = all.map_err(|error| not_told(&error))?;
        let (good, revoked): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|row| row.revoked_on.is_none());
        let revoked: BTreeSet<String> = revoked.into_iter().map(|row| row.key).collect();
        // A server that starts has what it was told last; before the first revocation that is nothing.
        let news = match &*told {
            Some(before) => revoked != *before,
            None => !revoked.is_empty(),
        };
        if news {
            let keys: Vec<String> = revoked.iter().cloned().collect();
            let token = credentials::monitor_account(
                &self.keys.operator,
                &self.keys.monitor.public_key(),
                &self.keys.account.public_key(),
                self.account.as_str(),
                &keys,
                OffsetDateTime::now_utc().unix_timestamp(),
            );
            let token = token.map_err(|error| not_told(&error))?;
            let telling = monitors::tell_account(&self.system, token);
            telling.await.map_err(|error| not_told(&error))?;
        }
        *told = Some(revoked);
        let good: Vec<MonitorId> = good.iter().map(|row| row.id).collect();
        let kept = monitors::keep(&self.platform, &self.account, &good);
        kept.await.map_err(|error| not_told(&error))
    }
}

impl Monitors for NatsMonitors {
    fn key(&self, secret: &Digest) -> Result<String, jws::Error> {
        Ok(user(secret)?.public_key())
    }

    fn credentials(&self, id: MonitorId, secret: &Digest) -> Result<String, jws::Error> {
        let (user, now) = (user(secret)?, OffsetDateTime::now_utc().unix_timestamp());
        let token = credentials::user(User::Reader(id), &self.keys.monitor, &user, now)?;
        credentials::creds_text(&token, &user)
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), NotTold>> {
        self.tell().boxed()
    }
}

fn user(secret: &Digest) -> Result<KeyPair, jws::Error> {
    KeyPair::new_from_raw(KeyPairType::User, *secret.as_bytes()).map_err(jws::Error::Key)
}
