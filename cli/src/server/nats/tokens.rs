//! The signed tokens of a start: what nats-server is told about accounts, and what clients show.
//!
//! A token that still says what a new one would say is kept: the configuration then stays the
//! same text from start to start (so a living server can be adopted), and an account's claims
//! that were updated since, with revocations, stay the newest.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use eai_core::jws;
use eai_core::log::credentials::{self, Creds, User};
use nkeys::KeyPair;

use super::config::Paths;
use super::{Error, Keys, files};

/// What the server's configuration says about operator and accounts.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) operator: String,
    pub(super) system_account: String,
    /// Public key and token of each account.
    pub(super) accounts: Vec<(String, String)>,
}

// === impl Tokens ===

impl Tokens {
    /// Mints the tokens, or keeps the ones found in the present configuration. `paths` is where the server keeps the
    /// newest ones that it was told: who was revoked there stays so in a token that is minted anew.
    pub(super) fn mint(
        keys: &Keys,
        account: &str,
        present: &str,
        paths: &Paths,
    ) -> Result<Self, Error> {
        let iat = now();
        let told = paths.token(&keys.monitor.public_key());
        let told = files::read_if_any(&told)?.unwrap_or_default();
        let revoked = credentials::revoked(&told, &keys.operator);
        let [system, platform, monitor] =
            [&keys.system, &keys.account, &keys.monitor].map(KeyPair::public_key);
        let op = &keys.operator;
        let keep = |what, minted: Result<String, jws::Error>| {
            let minted = minted.map_err(|source| Error::Mint { what, source })?;
            let old = present
                .split('"')
                .find(|text| credentials::same_but_for_time(text, &minted, op));
            Ok(old.map(str::to_owned).unwrap_or(minted))
        };
        let accounts = vec![
            (
                system.clone(),
                keep(
                    "the system account",
                    credentials::system_account(op, &system, iat),
                )?,
            ),
            (
                platform.clone(),
                keep(
                    "the platform's account",
                    credentials::platform_account(op, &platform, iat),
                )?,
            ),
            (
                monitor.clone(),
                keep(
                    "the monitor account",
                    credentials::monitor_account(op, &monitor, &platform, account, &revoked, iat),
                )?,
            ),
        ];
        Ok(Self {
            operator: keep("the operator", credentials::operator(op, &system, iat))?,
            system_account: system,
            accounts,
        })
    }
}

/// A new user with a key of its own.
pub(super) fn new_user(kind: User, account: &KeyPair) -> Result<Creds, Error> {
    user(kind, account, KeyPair::new_user())
}

/// The text of a `.creds` file.
pub(super) fn creds_text(creds: &Creds) -> Result<String, Error> {
    credentials::creds_text(&creds.jwt, &creds.key).map_err(|source| Error::Mint {
        what: "a user",
        source,
    })
}

/// Sees to it that the monitor's credentials are in their file, and returns its path.
///
/// A file whose credentials are still good is left as it is: users keep copies.
pub(super) fn monitor_file(data: &Path, keys: &Keys, account: &str) -> Result<PathBuf, Error> {
    let folder = data.join("credentials");
    files::private_folder(&folder)?;
    let path = folder.join(format!("monitor-{account}.creds"));
    if let Some(creds) = files::read_if_any(&path)?.and_then(|text| credentials::read_creds(&text))
    {
        let again = user(User::Monitor, &keys.monitor, creds.key)?;
        if credentials::same_but_for_time(&creds.jwt, &again.jwt, &keys.monitor) {
            files::tighten(&path)?;
            return Ok(path);
        }
    }
    let creds = new_user(User::Monitor, &keys.monitor)?;
    files::write_private(&path, &creds_text(&creds)?)?;
    Ok(path)
}

fn user(kind: User, account: &KeyPair, key: KeyPair) -> Result<Creds, Error> {
    let jwt = credentials::user(kind, account, &key, now()).map_err(|source| Error::Mint {
        what: "a user",
        source,
    })?;
    Ok(Creds { jwt, key })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn tokens_are_kept_while_they_say_the_same() {
        let data = tempfile::tempdir().unwrap();
        let keys = Keys::open(data.path(), "snow.testacc").unwrap();
        // An earlier time makes a difference that shows whether the old one was kept.
        let old = credentials::operator(&keys.operator, &keys.system.public_key(), 5).unwrap();
        let present = format!("operator: \"{old}\"\n");
        let paths = Paths::new(data.path());
        let tokens = Tokens::mint(&keys, "snow.testacc", &present, &paths).unwrap();
        assert_eq!(tokens.operator, old);
        assert_eq!(tokens.accounts.len(), 3);

        let other = tempfile::tempdir().unwrap();
        let others = Keys::open(other.path(), "snow.testacc").unwrap();
        let tokens = Tokens::mint(&others, "snow.testacc", &present, &paths).unwrap();
        assert_ne!(tokens.operator, old);
    }

    #[test]
    fn who_was_revoked_stays_so_in_a_token_that_is_minted_anew() {
        let data = tempfile::tempdir().unwrap();
        let keys = Keys::open(data.path(), "snow.testacc").unwrap();
        let paths = Paths::new(data.path());
        let (monitor, revoked) = (keys.monitor.public_key(), ["UA".to_owned()]);
        let told = credentials::monitor_account(
            &keys.operator,
            &monitor,
            &keys.account.public_key(),
            "snow.testacc",
            &revoked,
            5,
        );
        let file = paths.token(&monitor);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, told.unwrap()).unwrap();
        let tokens = Tokens::mint(&keys, "snow.testacc", "", &paths).unwrap();
        let minted = tokens.accounts.iter().find(|(key, _)| *key == monitor);
        let minted = &minted.unwrap().1;
        assert_eq!(credentials::revoked(minted, &keys.operator), revoked);
    }

    #[test]
    fn a_monitor_file_is_written_once_and_again_when_it_no_longer_fits() {
        let data = tempfile::tempdir().unwrap();
        let keys = Keys::open(data.path(), "snow.testacc").unwrap();
        let write = |keys: &Keys| {
            let path = monitor_file(data.path(), keys, "snow.testacc").unwrap();
            fs::read_to_string(path).unwrap()
        };
        let first = write(&keys);
        assert_eq!(write(&keys), first);

        let path = data.path().join("credentials/monitor-snow.testacc.creds");
        fs::write(&path, first.replace("-----BEGIN", "-----BEGUN")).unwrap();
        let second = write(&keys);
        assert_ne!(second, first);

        let mut others = keys.clone();
        others.monitor = KeyPair::new_account();
        assert_ne!(write(&others), second);
    }
}
