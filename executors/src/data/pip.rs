//! Python packages of a run as a folder: what the machine's pip gets of an index, for the Python of the run.
//!
//! Only wheels are taken, which are unpacked: nothing of a package runs here.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use eai_core::digest::Digest;
use eai_core::spec::Requirements;
use tokio::process::Command;

/// Where a run finds them.
pub(crate) const TARGET: &str = "/eai/requirements";

/// How long it may take.
const LONGEST: Duration = Duration::from_mins(10);
/// How many of pip's last lines are told.
const LINES: usize = 20;
/// Where a Python is, in the order of `PATH`.
pub(crate) const PYTHONS: [&str; 2] = ["/usr/local/bin/python3", "/usr/bin/python3"];

/// The version of a Python: `3.11`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python(String);

/// Why packages could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody knows for which Python.
    #[error(
        "no Python was found in {0}: requirements need one at /usr/local/bin/python3 or /usr/bin/python3"
    )]
    NoPython(String),
    /// There is no pip.
    #[error("pip could not be run on the platform's machine: {0}. Install python3-pip there")]
    NoPip(#[source] io::Error),
    /// It failed.
    #[error("pip did not get the requirements")]
    Failed {
        /// What it said last.
        lines: Vec<String>,
    },
    /// It took too long.
    #[error("pip did not get the requirements within {} minutes", LONGEST.as_secs() / 60)]
    Late,
    /// The folder could not be made.
    #[error("cannot write {path}: {source}. Make room on the disk, or remove what is in the way")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

// === impl Python ===

impl Python {
    /// Of where `python3` leads to: `python3.11`, `/usr/bin/python3.11`.
    pub(crate) fn of_link(link: &Path) -> Option<Self> {
        let name = link.file_name().and_then(OsStr::to_str)?;
        let version = name.strip_prefix("python")?;
        let (major, minor) = version.split_once('.')?;
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(major) && is_number(minor)).then(|| Self(version.to_owned()))
    }

    /// That of this machine, as sandboxes have it.
    pub(crate) fn of_machine() -> Result<Self, Error> {
        let mut links = PYTHONS
            .iter()
            .filter_map(|place| std::fs::read_link(place).ok());
        let found = links.find_map(|link| Self::of_link(&link));
        found.ok_or_else(|| Error::NoPython("this machine".to_owned()))
    }
}

/// What a folder of packages is known by: two of one key hold the same.
pub(crate) fn key(requirements: &Requirements, python: &Python) -> Digest {
    let arch = std::env::consts::ARCH;
    let Python(version) = python;
    Digest::of(format!("eai.requirements.v1\n{version}\n{arch}\n{requirements}").as_bytes())
}

/// Fills `folder`, which is not there yet.
pub(crate) async fn install(
    requirements: &Requirements,
    Python(version): &Python,
    folder: &Path,
) -> Result<(), Error> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    // An own folder around it, in which no file can be taken for a package.
    std::fs::create_dir(folder).map_err(file(folder))?;
    let list = folder.join("requirements.txt");
    std::fs::write(&list, requirements.as_str()).map_err(file(&list))?;
    let packages = folder.join("packages");
    std::fs::create_dir(&packages).map_err(file(&packages))?;
    let abi = format!("cp{}", version.replace('.', ""));
    let arch = std::env::consts::ARCH;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--no-input",
        "--no-color",
        "--progress-bar=off",
    ])
    .args([
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--no-compile",
    ])
    .args([
        "--root-user-action=ignore",
        "--only-binary=:all:",
        "--implementation=cp",
    ])
    .args([
        "--python-version",
        version,
        "--abi",
        &abi,
        "--abi=abi3",
        "--abi=none",
    ])
    .args(["--platform=any"]);
    for libc in [
        "manylinux2014",
        "manylinux_2_17",
        "manylinux_2_28",
        "manylinux_2_34",
        "linux",
    ] {
        pip.arg(format!("--platform={libc}_{arch}"));
    }
    pip.arg("--target")
        .arg(&packages)
        .arg("--requirement")
        .arg(&list)
        .current_dir(&packages)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(LONGEST, pip.output()).await;
    let output = output.map_err(|_| Error::Late)?.map_err(Error::NoPip)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let first = lines.len().saturating_sub(LINES);
        let lines = lines[first..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect();
        return Err(Error::Failed { lines });
    }
    // Whatever the umask: another user reads it.
    let all = || -> io::Result<()> {
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            std::fs::set_permissions(&next, Permissions::from_mode(0o755))?;
            for entry in std::fs::read_dir(&next)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type()?.is_file() {
                    let mode = entry.metadata()?.permissions().mode();
                    std::fs::set_permissions(entry.path(), Permissions::from_mode(mode | 0o444))?;
                }
            }
        }
        Ok(())
    };
    all().map_err(file(folder))
}

/// Where the packages are in a folder.
pub(crate) fn packages(folder: &Path) -> PathBuf {
    folder.join("packages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_is_known_by_its_link() {
        let version = |link: &str| Python::of_link(Path::new(link)).map(|Python(version)| version);
        assert_eq!(version("python3.11").as_deref(), Some("3.11"));
        assert_eq!(version("/usr/bin/python3.9").as_deref(), Some("3.9"));
        for other in [
            "busybox",
            "python3",
            "/usr/bin/pypy3.9",
            "python3.",
            "python3.x",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn another_python_is_another_folder() {
        let six: Requirements = "six".parse().unwrap();
        let python = |version: &str| Python(version.to_owned());
        let one = key(&six, &python("3.11"));
        assert_eq!(one, key(&six, &python("3.11")));
        assert_ne!(one, key(&six, &python("3.9")));
        assert_ne!(one, key(&"six==1".parse().unwrap(), &python("3.11")));
    }
}
