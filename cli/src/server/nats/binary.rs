//! Finds the nats-server binary and judges its version. It never downloads one.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::Error;
use crate::env::cache_dir;

/// Below this, expectations on an aggregate, atomic batches and fsync control are silently
/// ignored, or there are known ways in.
pub(super) const MINIMUM: Version = Version::new(2, 12, 7);
/// The first one whose `sync_interval: always` has no known holes.
pub(super) const RECOMMENDED: Version = Version::new(2, 15, 1);

const NAME: &str = "nats-server";
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Where to look for the binary, in this order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    /// What the user named: if set, nothing else is looked at.
    pub(crate) explicit: Option<PathBuf>,
    /// The folder of the running executable.
    pub(crate) beside: Option<PathBuf>,
    /// The value of `PATH`.
    pub(crate) path: Option<OsString>,
    /// Where `deploy/local/nats-server` keeps what it fetched.
    pub(crate) fetched: Option<PathBuf>,
}

/// A nats-server that is fit for use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    pub(crate) version: Version,
}

/// A version of nats-server; a pre-release comes before its release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    numbers: [u32; 3],
    release: bool,
    suffix: String,
}

// === impl Search ===

impl Search {
    /// What `--nats-server` says, else beside this executable, else on this process's `PATH`, else what
    /// `deploy/local/nats-server` fetched.
    pub(crate) fn from_process(explicit: Option<PathBuf>) -> Self {
        let exe = env::current_exe().ok();
        Self {
            explicit,
            beside: exe.and_then(|exe| exe.parent().map(Path::to_owned)),
            path: env::var_os("PATH"),
            fetched: cache_dir().map(|cache| cache.join(format!("{NAME}-{RECOMMENDED}"))),
        }
    }

    /// Finds the binary, asks its version and refuses one that is too old. One that somebody named is the only one
    /// that is looked at; else the first that is fit is taken, since distributions have old ones.
    pub(crate) async fn find(&self) -> Result<Binary, Error> {
        if let Some(path) = &self.explicit {
            return if is_executable(path) {
                judge(absolute(path)?).await
            } else {
                Err(Error::BinaryNotExecutable(path.clone()))
            };
        }
        let mut refused = None;
        for path in self.candidates() {
            match judge(path).await {
                Ok(binary) => return Ok(binary),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(Error::BinaryMissing))
    }

    fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let folders = self.path.as_ref().map(env::split_paths);
        (self.beside.iter().cloned())
            .chain(folders.into_iter().flatten())
            .chain(self.fetched.clone())
            // An empty entry in PATH means the current folder: never take a program from there.
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(NAME))
            .filter(|path| is_executable(path))
    }
}

async fn judge(path: PathBuf) -> Result<Binary, Error> {
    let version = ask_version(&path).await?;
    if version < MINIMUM {
        let found = version;
        return Err(Error::TooOld { path, found });
    }
    if version < RECOMMENDED {
        tracing::warn!(
            path = %path.display(),
            "nats-server {version} can lose acknowledged writes at a power loss in rare \
             cases: {RECOMMENDED} or newer is recommended",
        );
    }
    Ok(Binary { path, version })
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::File {
        action: "find",
        path: path.to_owned(),
        source,
    })
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

async fn ask_version(path: &Path) -> Result<Version, Error> {
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(ANSWER_WITHIN, output)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| Error::BinaryRun {
            path: path.to_owned(),
            source,
        })?;
    let answer = String::from_utf8_lossy(&output.stdout);
    let version = answer
        .trim()
        .strip_prefix("nats-server: v")
        .and_then(|version| version.parse().ok());
    version.ok_or_else(|| Error::BinaryAnswer {
        path: path.to_owned(),
        answer: answer.trim().chars().take(80).collect(),
    })
}

// === impl Version ===

impl Version {
    const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            numbers: [major, minor, patch],
            release: true,
            suffix: String::new(),
        }
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (numbers, suffix) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = numbers.split('.').map(|part| part.parse().map_err(drop));
        let mut next = || parts.next().unwrap_or(Err(()));
        let numbers = [next()?, next()?, next()?];
        if parts.next().is_some() {
            return Err(());
        }
        Ok(Self {
            numbers,
            release: suffix.is_empty(),
            suffix: suffix.to_owned(),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.release {
            return Ok(());
        }
        write!(f, "-{}", self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fake_server;
    use super::*;

    #[test]
    fn versions_compare_by_number_and_a_candidate_comes_before_its_release() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let ordered = [
            "2.9.10",
            "2.12.6",
            "2.12.7-RC.1",
            "2.12.7",
            "2.15.1",
            "10.0.0",
        ];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("2.12.7-RC.1").to_string(), "2.12.7-RC.1");
        for bad in ["", "2", "2.12", "2.12.x", "2.12.7.1", "v2.12.7"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_named_binary_wins_then_the_neighbour_then_path_then_the_fetched_one() {
        let [named, beside, on_path, fetched] = [(); 4].map(|()| tempfile::tempdir().unwrap());
        let found =
            [&named, &beside, &on_path, &fetched].map(|dir| fake_server(dir.path(), "2.15.1"));
        let mut search = Search {
            explicit: Some(found[0].clone()),
            beside: Some(beside.path().to_owned()),
            path: Some(on_path.path().into()),
            fetched: Some(fetched.path().to_owned()),
        };
        assert_eq!(search.find().await.unwrap().path, found[0]);
        search.explicit = None;
        assert_eq!(search.find().await.unwrap().path, found[1]);
        search.beside = Some(named.path().join("nothing"));
        assert_eq!(search.find().await.unwrap().path, found[2]);
        search.path = Some("relative:".into());
        assert_eq!(search.find().await.unwrap().path, found[3]);
        search.fetched = None;
        assert!(matches!(search.find().await, Err(Error::BinaryMissing)));
    }

    #[tokio::test]
    async fn one_that_is_too_old_is_passed_over_where_nobody_named_it() {
        let [on_path, fetched] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let old = fake_server(on_path.path(), "2.10.18");
        let fit = fake_server(fetched.path(), "2.15.1");
        let mut search = Search {
            path: Some(on_path.path().into()),
            fetched: Some(fetched.path().to_owned()),
            ..Search::default()
        };
        assert_eq!(search.find().await.unwrap().path, fit);
        search.explicit = Some(old);
        assert!(matches!(search.find().await, Err(Error::TooOld { .. })));
        (search.explicit, search.fetched) = (None, None);
        assert!(matches!(search.find().await, Err(Error::TooOld { .. })));
    }

    #[test]
    fn the_script_fetches_the_version_that_is_looked_for() {
        let script = include_str!("../../../../deploy/local/nats-server");
        assert!(script.contains(&format!("\nversion={RECOMMENDED}\n")));
        assert!(script.contains("/.cache}/eai/nats-server-$version\n"));
    }

    #[tokio::test]
    async fn a_named_file_that_is_no_program_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let search = Search {
            explicit: Some(dir.path().to_owned()),
            ..Search::default()
        };
        let error = search.find().await.unwrap_err();
        assert!(error.to_string().contains("--nats-server"), "{error}");
    }

    #[tokio::test]
    async fn a_server_too_old_is_refused_in_words_that_help() {
        let dir = tempfile::tempdir().unwrap();
        let path = fake_server(dir.path(), "2.9.10");
        let search = Search {
            explicit: Some(path.clone()),
            ..Search::default()
        };
        let text = search.find().await.unwrap_err().to_string();
        assert_eq!(
            text,
            format!(
                "{} is nats-server 2.9.10, and eai needs 2.12.7 or newer: install 2.15.1 or \
                 newer, or name another one with `--nats-server PATH`",
                path.display()
            )
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_no_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let search = Search {
            explicit: Some(fake_server(dir.path(), "latest")),
            ..Search::default()
        };
        let error = search.find().await;
        assert!(
            matches!(error, Err(Error::BinaryAnswer { .. })),
            "{error:?}"
        );
    }
}
