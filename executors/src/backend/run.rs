//! What to run, and the bounds of it.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::worker::Runtime;

/// The most arguments, variables and mounts: far below what bubblewrap takes.
const MANY: usize = 1000;

/// The most bytes of arguments and variables together: half of what the kernel takes.
const BYTES: usize = 1024 * 1024;

/// Where nothing may be mounted, for the sandbox has it from the machine or makes it itself.
const OWN: [&str; 12] = [
    "/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/proc", "/sbin",
    "/sys", "/usr",
];

/// One command in a sandbox or container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Names it and its folder: `a-z`, digits, dots and dashes, at most 128 bytes.
    pub name: String,
    /// What the sandbox calls itself.
    pub hostname: String,
    /// What the files around it are taken from; empty where the machine's own are used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// The program and its arguments; the image's own where it is empty.
    pub command: Vec<String>,
    /// Variables on top of `PATH`, `HOME`, `USER`, `LOGNAME`, `LANG` and `HOSTNAME`.
    pub env: Vec<(String, String)>,
    /// Where it begins; by default at home.
    pub workdir: Option<String>,
    /// What of the machine it sees besides the system.
    pub mounts: Vec<Bind>,
    /// Thousandths of a core; 0 is no limit.
    pub cpu_milli: u64,
    /// Memory; 0 is no limit.
    pub mem_mib: u64,
    /// Graphics processors.
    #[serde(default)]
    pub gpus: u32,
    /// There if the command asks for tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Kept with the run for whoever adopts it.
    pub metadata: serde_json::Value,
}

/// A file or folder of the machine in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Where it is on the machine. The sandbox's user needs to be allowed to read what is in it,
    /// not the folders that it is in.
    pub host: PathBuf,
    /// Where it is in the sandbox.
    pub target: String,
    /// Whether the sandbox may change it.
    pub writable: bool,
}

/// What is wrong with a run.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Its name can't be a folder's.
    #[error(
        "{0:?} is no name of a run: expected 1 to 128 of a-z, 0-9, `.`, `-`, `_`, no dot first"
    )]
    Name(String),
    /// Its host name can't be one.
    #[error("{0:?} is no host name: expected 1 to 63 of a-z, A-Z, 0-9 and dashes")]
    Hostname(String),
    /// There is nothing to run.
    #[error("there is no command: give the program to run, then its arguments")]
    NoCommand,
    /// The kernel would not take them.
    #[error("the {0} has a NUL in it: leave it out")]
    Nul(&'static str),
    /// Environment variables have names.
    #[error("{0:?} is no name of an environment variable: it is empty or has `=` or NUL in it")]
    Variable(String),
    /// Bubblewrap and the kernel have their bounds.
    #[error("there are {count} {what}, and a run takes at most {MANY}: use a file instead")]
    Many {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The kernel has its bounds.
    #[error(
        "arguments and variables take {0} bytes, and a run takes at most 1 MiB: use a file instead"
    )]
    Large(usize),
    /// It isn't a place in a sandbox.
    #[error("{0:?} is no place in a sandbox: expected an absolute path without `.` and `..`")]
    Place(String),
    /// The sandbox has something else there.
    #[error("nothing can be mounted at {0:?}: the sandbox has the system there")]
    Taken(String),
}

// === impl Run ===

impl Run {
    /// Checks all that can be checked without the machine.
    pub fn check(&self) -> Result<(), Invalid> {
        check_name(&self.name)?;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=63).contains(&self.hostname.len()) || !self.hostname.bytes().all(letters) {
            return Err(Invalid::Hostname(self.hostname.clone()));
        }
        // An image knows what to run in it.
        let has_own = self.command.is_empty() && !self.image.is_empty();
        if self.command.first().is_none_or(String::is_empty) && !has_own {
            return Err(Invalid::NoCommand);
        }
        for (what, count) in [
            ("arguments", self.command.len()),
            ("environment variables", self.env.len()),
            ("mounts", self.mounts.len()),
        ] {
            if count > MANY {
                return Err(Invalid::Many { what, count });
            }
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            return Err(Invalid::Nul("command"));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(Invalid::Variable(name.clone()));
            }
            if value.contains('\0') {
                return Err(Invalid::Nul("environment"));
            }
        }
        let words = self.command.iter().map(|word| word.len() + 1);
        let variables = self
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2);
        let bytes = words.chain(variables).sum();
        if bytes > BYTES {
            return Err(Invalid::Large(bytes));
        }
        if let Some(workdir) = &self.workdir {
            check_place(workdir)?;
        }
        for mount in &self.mounts {
            check_place(&mount.target)?;
            let target = Path::new(&mount.target);
            let taken = OWN.iter().any(|own| target.starts_with(own));
            if taken || target == Path::new("/") {
                return Err(Invalid::Taken(mount.target.clone()));
            }
        }
        Ok(())
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), Invalid> {
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    if (1..=128).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('.') {
        Ok(())
    } else {
        Err(Invalid::Name(name.to_owned()))
    }
}

fn check_place(place: &str) -> Result<(), Invalid> {
    let path = Path::new(place);
    let normal = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let dots = place.split('/').any(|part| part == "." || part == "..");
    if path.is_absolute() && normal && !dots && !place.contains('\0') {
        Ok(())
    } else {
        Err(Invalid::Place(place.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            name: "0198c5b0-0000-7000-8000-000000000000.0.1".to_owned(),
            hostname: "job-1".to_owned(),
            image: String::new(),
            command: vec!["true".to_owned()],
            env: vec![("A".to_owned(), "b=c".to_owned())],
            workdir: Some("/service".to_owned()),
            mounts: vec![Bind {
                host: "/data/x".into(),
                target: "/service".to_owned(),
                writable: false,
            }],
            cpu_milli: 0,
            mem_mib: 0,
            gpus: 0,
            runtime: None,
            metadata: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_plain_run_is_fine() {
        run().check().unwrap();
    }

    #[test]
    fn names_are_folders_of_their_own() {
        for name in ["", ".", "..", "a/b", ".hidden", "A", "a b", "a\0"] {
            let wrong = Run {
                name: name.to_owned(),
                ..run()
            };
            assert!(matches!(wrong.check(), Err(Invalid::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn mounts_stay_off_the_system() {
        for target in [
            "/",
            "/usr/lib",
            "/etc",
            "/proc/1",
            "/a/../usr",
            "service",
            "/./a",
        ] {
            let mut wrong = run();
            wrong.mounts[0].target = target.to_owned();
            let refused = wrong.check();
            assert!(
                matches!(refused, Err(Invalid::Taken(_) | Invalid::Place(_))),
                "{target:?}"
            );
        }
    }

    #[test]
    fn commands_and_variables_are_bounded() {
        let mut wrong = run();
        wrong.command = Vec::new();
        assert!(matches!(wrong.check(), Err(Invalid::NoCommand)));
        wrong.command = vec!["a\0".to_owned()];
        assert!(matches!(wrong.check(), Err(Invalid::Nul(_))));
        wrong.command = vec!["a".repeat(2 << 20)];
        assert!(matches!(wrong.check(), Err(Invalid::Large(_))));
        wrong.command = vec!["a".to_owned(); 2000];
        assert!(matches!(wrong.check(), Err(Invalid::Many { .. })));
        let mut wrong = run();
        wrong.env = vec![("A=B".to_owned(), String::new())];
        assert!(matches!(wrong.check(), Err(Invalid::Variable(_))));
    }
}
