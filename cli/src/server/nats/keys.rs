//! The platform's key pairs: made once, then read from `keys/` of the data directory.
//!
//! Each key is a file of its own, written whole or not at all, so a first start that was cut off
//! is simply continued by the next one.

use std::fs;
use std::path::{Path, PathBuf};

use nkeys::{KeyPair, KeyPairType};

use super::Error;
use super::files;

/// Everything the platform signs with.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Vouches for the accounts.
    pub(crate) operator: KeyPair,
    /// The account that may ask the server about itself.
    pub(crate) system: KeyPair,
    /// The account that holds the log. Without it the log can't be read.
    pub(crate) account: KeyPair,
    /// The account whose users watch the platform's account.
    pub(crate) monitor: KeyPair,
    /// Signs user tokens; NATS knows nothing of it.
    pub(crate) signing: KeyPair,
}

// === impl Keys ===

impl Keys {
    /// Reads the keys of a data directory, and makes those that aren't there yet.
    ///
    /// `account` is the full name of the platform's account, such as `snow.testacc`.
    pub(crate) fn open(data: &Path, account: &str) -> Result<Self, Error> {
        check_account_name(account)?;
        let folder = data.join("keys");
        files::private_folder(&folder)?;
        let key = |name: &str, kind| open_key(folder.join(format!("{name}.nk")), &kind);
        let stores = stored_accounts(data)?;
        let lost = || Error::KeyLost {
            store: store(data),
            key: folder.join("account.nk"),
        };
        // Making a new account key over an old log would start an empty one beside it.
        if !stores.is_empty() && !folder.join("account.nk").exists() {
            return Err(lost());
        }
        let keys = Self {
            operator: key("operator", KeyPairType::Operator)?,
            system: key("system", KeyPairType::Account)?,
            account: key("account", KeyPairType::Account)?,
            monitor: key(&format!("monitor-{account}"), KeyPairType::Account)?,
            signing: key("signing", KeyPairType::Server)?,
        };
        if stores.is_empty() || stores.contains(&keys.account.public_key()) {
            Ok(keys)
        } else {
            Err(lost())
        }
    }
}

/// Refuses what would be more than names in a subject or a file name.
fn check_account_name(account: &str) -> Result<(), Error> {
    let is_name = |name: &str| {
        let chars = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
        (1..=63).contains(&name.len()) && name.chars().all(chars)
    };
    if account.contains('.') && account.split('.').all(is_name) {
        return Ok(());
    }
    Err(Error::AccountName {
        name: account.to_owned(),
    })
}

fn store(data: &Path) -> PathBuf {
    data.join("nats/js/jetstream")
}

/// The accounts that have streams in the store: a folder each, named by public key.
fn stored_accounts(data: &Path) -> Result<Vec<String>, Error> {
    let store = store(data);
    let list = || -> std::io::Result<Vec<String>> {
        if !store.exists() {
            return Ok(Vec::new());
        }
        let mut accounts = Vec::new();
        for entry in fs::read_dir(&store)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with('A') && KeyPair::from_public_key(&name).is_ok() {
                accounts.push(name);
            }
        }
        Ok(accounts)
    };
    list().map_err(|source| Error::File {
        action: "list",
        path: store.clone(),
        source,
    })
}

fn open_key(path: PathBuf, kind: &KeyPairType) -> Result<KeyPair, Error> {
    let Some(text) = files::read_if_any(&path)? else {
        let key = KeyPair::new(kind.clone());
        let seed = key.seed().map_err(|source| Error::Mint {
            what: "a new key",
            source: eai_core::jws::Error::Key(source),
        })?;
        files::write_private(&path, &format!("{seed}\n"))?;
        return Ok(key);
    };
    files::tighten(&path)?;
    let key = KeyPair::from_seed(text.trim()).ok();
    key.filter(|key| key.key_pair_type() == *kind)
        .ok_or(Error::KeyDamaged {
            path,
            kind: match kind {
                KeyPairType::Operator => "operator",
                KeyPairType::Server => "server",
                _ => "account",
            },
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn public(keys: &Keys) -> Vec<String> {
        [
            &keys.operator,
            &keys.system,
            &keys.account,
            &keys.monitor,
            &keys.signing,
        ]
        .map(KeyPair::public_key)
        .to_vec()
    }

    #[test]
    fn keys_are_made_once_and_private() {
        let data = tempfile::tempdir().unwrap();
        let first = Keys::open(data.path(), "snow.testacc").unwrap();
        let again = Keys::open(data.path(), "snow.testacc").unwrap();
        assert_eq!(public(&first), public(&again));
        let mut names: Vec<String> = fs::read_dir(data.path().join("keys"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let mode = entry.metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
                entry.file_name().into_string().unwrap()
            })
            .collect();
        names.sort();
        let expected = [
            "account",
            "monitor-snow.testacc",
            "operator",
            "signing",
            "system",
        ];
        assert_eq!(names, expected.map(|name| format!("{name}.nk")));
    }

    #[test]
    fn a_first_start_cut_off_anywhere_is_continued() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("keys");
        fs::create_dir(&folder).unwrap();
        let operator = KeyPair::new_operator();
        fs::write(folder.join("operator.nk"), operator.seed().unwrap()).unwrap();
        fs::write(folder.join(".system.nk.new"), "SAA").unwrap();
        let keys = Keys::open(data.path(), "snow.testacc").unwrap();
        assert_eq!(keys.operator.public_key(), operator.public_key());
    }

    #[test]
    fn a_damaged_key_is_named_and_left_alone() {
        let data = tempfile::tempdir().unwrap();
        Keys::open(data.path(), "snow.testacc").unwrap();
        let path = data.path().join("keys/account.nk");
        for bad in ["", "SU", &KeyPair::new_user().seed().unwrap()] {
            fs::write(&path, bad).unwrap();
            let error = Keys::open(data.path(), "snow.testacc").unwrap_err();
            assert!(error.to_string().contains("account.nk"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_log_without_its_account_key_is_not_abandoned_for_an_empty_one() {
        let data = tempfile::tempdir().unwrap();
        let keys = Keys::open(data.path(), "snow.testacc").unwrap();
        let log = store(data.path()).join(keys.account.public_key());
        fs::create_dir_all(&log).unwrap();
        Keys::open(data.path(), "snow.testacc").unwrap();

        let path = data.path().join("keys/account.nk");
        fs::remove_file(&path).unwrap();
        let missing = Keys::open(data.path(), "snow.testacc");
        assert!(matches!(missing, Err(Error::KeyLost { .. })), "{missing:?}");
        assert!(!path.exists());

        fs::write(&path, KeyPair::new_account().seed().unwrap()).unwrap();
        let another = Keys::open(data.path(), "snow.testacc");
        assert!(matches!(another, Err(Error::KeyLost { .. })), "{another:?}");
    }

    #[test]
    fn an_account_name_can_be_nothing_but_names() {
        let data = tempfile::tempdir().unwrap();
        Keys::open(data.path(), "snow.testacc.sub").unwrap();
        for bad in [
            "", "snow", "snow.", "snow.>", "snow.*", "snow./x", "Snow.x", "snow.a-b",
        ] {
            let error = Keys::open(data.path(), bad);
            assert!(matches!(error, Err(Error::AccountName { .. })), "{bad}");
        }
    }
}
