//! The data directory: one platform at a time in it, and who that platform is.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use eai_core::digest::Digest;
use eai_core::ids::{CommandId, ExecutorId, PlatformId};
use eai_core::names::AccountName;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, nats};
use crate::env;

/// Says that a restore did not come to its end.
const UNFINISHED: &str = "restore.json";

/// A locked data directory. The lock goes with the value.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    identity: Identity,
    _lock: File,
}

/// Who the platform is: `platform.json`, written once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    platform: PlatformId,
    account: AccountName,
    nats_port: u16,
    /// The platform whose first start made the account, where that was another one: this one was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    founder: Option<PlatformId>,
}

/// What a platform begins with that is restored.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// The platform whose first start made the account.
    pub(crate) founder: PlatformId,
    /// That account.
    pub(crate) account: AccountName,
    /// The SHA-256 of the export.
    pub(crate) sha256: Digest,
}

/// A restore that did not come to its end: `restore.json`, gone once the platform is ready.
#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    sha256: Digest,
}

impl DataDir {
    /// Locks the directory, and reads or makes the platform in it.
    pub(crate) fn open(
        path: &Path,
        account: Option<&str>,
        nats_port: Option<u16>,
        beginning: Option<&Beginning>,
    ) -> Result<Self, Error> {
        let account: Option<AccountName> = account.map(str::parse).transpose()?;
        let file = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(file)?;
        if is_foreign(path).map_err(file)? {
            return Err(Error::Foreign {
                path: path.to_owned(),
            });
        }
        // Nobody but the platform's user reads what is in it, whoever made it.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(file)?;
        let path = fs::canonicalize(path).map_err(file)?;
        let lock = lock(&path)?;
        let found = Identity::read(&path)?;
        begin_restore(&path, found.is_some(), beginning)?;
        let is = found.as_ref().map(|found| &found.account);
        let is = is.or(beginning.map(|beginning| &beginning.account));
        if let (Some(is), Some(asked)) = (is, &account)
            && is != asked
        {
            return Err(Error::OtherAccount {
                path,
                found: is.to_string(),
                asked: asked.to_string(),
            });
        }
        let identity = match found {
            Some(found) if nats_port.is_none_or(|port| port == found.nats_port) => found,
            found => {
                let nats_port = nats_port.map_or_else(nats::port::choose, Ok)?;
                let identity = match (found, beginning) {
                    (Some(found), _) => Identity { nats_port, ..found },
                    (None, beginning) => Identity {
                        platform: PlatformId(Uuid::new_v4()),
                        account: match (beginning, account) {
                            (Some(beginning), _) => beginning.account.clone(),
                            (None, Some(account)) => account,
                            (None, None) => env::NEW_ACCOUNT.parse()?,
                        },
                        nats_port,
                        founder: beginning.map(|beginning| beginning.founder),
                    },
                };
                identity.write(&path)?;
                identity
            }
        };
        Ok(Self {
            path,
            identity,
            _lock: lock,
        })
    }

    /// The port that the platform in a directory keeps for its nats-server, if there is one that can be read.
    pub(crate) fn nats_port_of(path: &Path) -> Option<u16> {
        let found = Identity::read(path).ok().flatten();
        found.map(|identity| identity.nats_port)
    }

    /// Locks a directory that has a platform, which must not run.
    pub(crate) fn existing(path: &Path) -> Result<Self, Error> {
        let missing = || Error::NoPlatform {
            path: path.to_owned(),
        };
        let path = fs::canonicalize(path).map_err(|_| missing())?;
        if !path.join("platform.json").exists() {
            return Err(missing());
        }
        let lock = lock(&path)?;
        let identity = Identity::read(&path)?.ok_or_else(missing)?;
        Ok(Self {
            path,
            identity,
            _lock: lock,
        })
    }

    /// Where it is, without links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the views are.
    pub(crate) fn views(&self) -> PathBuf {
        self.path.join("views")
    }

    /// When services were last asked for.
    pub(crate) fn traffic(&self) -> PathBuf {
        self.path.join("traffic")
    }

    /// Whose log it is.
    pub(crate) fn platform(&self) -> PlatformId {
        self.identity.platform
    }

    /// The executor of this machine.
    pub(crate) fn executor(&self) -> ExecutorId {
        ExecutorId(Uuid::new_v5(&self.identity.platform.0, b"executor/0"))
    }

    /// The account that was made at the first start.
    pub(crate) fn account(&self) -> &AccountName {
        &self.identity.account
    }

    /// The port of the NATS server.
    pub(crate) fn nats_port(&self) -> u16 {
        self.identity.nats_port
    }

    /// The id of the `index`th command of the first start: the same at every start, so each happens once, and in a
    /// log that was restored it did.
    pub(crate) fn first_command(&self, index: u32) -> CommandId {
        let name = format!("first-start/{index}");
        let founder = self.identity.founder.unwrap_or(self.identity.platform);
        CommandId(Uuid::new_v5(&founder.0, name.as_bytes()))
    }

    /// Whether its log began with an export.
    pub(crate) fn is_restored(&self) -> bool {
        self.identity.founder.is_some()
    }

    /// The platform is what the export says, and goes on from there.
    pub(crate) fn restored(&self) -> Result<(), Error> {
        let path = self.path.join(UNFINISHED);
        let remove = || {
            fs::remove_file(&path)?;
            File::open(&self.path)?.sync_all()
        };
        match remove() {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::File { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Identity {
    fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join("platform.json");
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes)
                    .map(Some)
                    .map_err(|error| Error::Identity {
                        path,
                        reason: error.to_string(),
                    })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// Written whole or not at all, and on the disk before anything is made in its name.
    fn write(&self, folder: &Path) -> Result<(), Error> {
        write(folder, "platform.json", self)
    }
}

/// A file in the directory, whole or not at all.
fn write(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), Error> {
    let path = folder.join(name);
    let draft = folder.join(format!(".{name}.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| Error::File {
        path: path.clone(),
        source,
    })
}

/// Whether a directory may be restored to, and notes that it is, so that nothing else begins in it.
fn begin_restore(
    folder: &Path,
    has_platform: bool,
    beginning: Option<&Beginning>,
) -> Result<(), Error> {
    let path = folder.join(UNFINISHED);
    let unfinished: Option<Unfinished> = match fs::read(&path) {
        Ok(text) => Some(
            serde_json::from_slice(&text).map_err(|error| Error::Identity {
                path,
                reason: error.to_string(),
            })?,
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(Error::File { path, source }),
    };
    let path = folder.to_owned();
    match (unfinished, beginning) {
        (None, Some(_)) if has_platform => Err(Error::NotEmpty { path }),
        (None, Some(beginning)) => {
            let sha256 = beginning.sha256;
            write(folder, UNFINISHED, &Unfinished { sha256 })
        }
        (Some(_), None) => Err(Error::Unfinished { path }),
        (Some(unfinished), Some(beginning)) if unfinished.sha256 != beginning.sha256 => {
            Err(Error::OtherExport { path })
        }
        (None, None) | (Some(_), Some(_)) => Ok(()),
    }
}

/// What a first start, or the script around it, may have made before it broke off.
const OURS: [&str; 11] = [
    ".platform.json.new",
    ".restore.json.new",
    UNFINISHED,
    "lock",
    "lost+found",
    "server.log",
    "server.log.1",
    "server.pid",
    "up.env",
    "up.env.new",
    "up.lock",
];

/// Whether somebody keeps other things there: they are not ours to add to, or to delete some day.
fn is_foreign(path: &Path) -> io::Result<bool> {
    if path.join("platform.json").exists() {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if !OURS.iter().any(|ours| name == *ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let failed = |source| Error::File {
        path: path.clone(),
        source,
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        // The pid is only for the message; a lock file that cannot be read still locks.
        if file.read_to_string(&mut pid).is_err() || pid.trim().is_empty() {
            pid = "unknown".into();
        }
        return Err(Error::Locked {
            path: folder.to_owned(),
            pid: pid.trim().into(),
        });
    }
    file.set_len(0).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_holds_one_platform_and_remembers_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDir::open(folder.path(), None, None, None).unwrap();
        let (platform, port) = (first.platform(), first.nats_port());
        let second = DataDir::open(folder.path(), None, None, None).unwrap_err();
        let pid = std::process::id().to_string();
        assert!(matches!(second, Error::Locked { pid: found, .. } if found == pid));
        drop(first);
        let again = DataDir::open(folder.path(), None, None, None).unwrap();
        assert_eq!((again.platform(), again.nats_port()), (platform, port));
        drop(again);
        let moved = DataDir::open(folder.path(), None, Some(4999), None).unwrap();
        assert_eq!((moved.platform(), moved.nats_port()), (platform, 4999));
    }

    #[test]
    fn another_account_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataDir::open(folder.path(), None, None, None).unwrap());
        let error = DataDir::open(folder.path(), Some("snow.other"), None, None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("start with --account snow.testacc"),
            "{error}"
        );
    }

    #[test]
    fn a_platform_remembers_its_account() {
        let folder = tempfile::tempdir().unwrap();
        let made = DataDir::open(folder.path(), Some("acme.dev"), None, None).unwrap();
        assert_eq!(made.account().as_str(), "acme.dev");
        drop(made);
        let again = DataDir::open(folder.path(), None, None, None).unwrap();
        assert_eq!(again.account().as_str(), "acme.dev");
    }

    #[test]
    fn a_directory_is_private_and_no_foreign_one_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        drop(DataDir::open(&new, None, None, None).unwrap());
        assert_eq!(
            fs::metadata(&new).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let foreign = folder.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("thesis.tex"), "precious").unwrap();
        let error = DataDir::open(&foreign, None, None, None).unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
        assert_eq!(
            fs::read_dir(&foreign).unwrap().count(),
            1,
            "nothing was added"
        );
    }

    #[test]
    fn a_directory_without_a_platform_has_no_views_to_rebuild() {
        let folder = tempfile::tempdir().unwrap();
        let error = DataDir::existing(folder.path()).unwrap_err();
        assert!(matches!(error, Error::NoPlatform { .. }), "{error}");
    }
}
