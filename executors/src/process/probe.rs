//! Whether sandboxes can be made on this machine, and what to change where they can't.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::error::{StartError, Unusable};
use super::found::TRIAL;
use super::start::Process;
use crate::backend::Run;
use crate::shim::{WayOut, network_possible};

/// What a sandbox needs that older ones lack.
const OPTIONS: [&str; 2] = ["--disable-userns", "--json-status-fd"];

/// Where the programs are that only administrators need, whether or not they are on the `PATH`.
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Switches of kernels that forbid what a sandbox needs: where, the value, what to do.
const SWITCHES: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "allow user namespaces with `sysctl kernel.unprivileged_userns_clone=1`",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "allow user namespaces with `sysctl user.max_user_namespaces=10000`",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "allow bubblewrap user namespaces with an AppArmor profile for `bwrap`, or with \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
];

/// Finds a program on `path`.
fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|found| found.is_file())
}

/// Finds what connects sandboxes with the world: `pasta` on `path`, what sets routes where systems keep it. None
/// where anything is missing.
pub(super) fn way_out(path: &OsStr) -> Option<WayOut> {
    let system = |program| find(program, OsStr::new(SYSTEM_PATH));
    network_possible().then_some(WayOut {
        pasta: find("pasta", path)?,
        nsenter: system("nsenter")?,
        ip: system("ip")?,
    })
}

/// Finds bubblewrap on `path`, and asks it what it can do.
pub(super) async fn bubblewrap(path: &OsStr) -> Result<PathBuf, Unusable> {
    let found = find("bwrap", path).ok_or(Unusable::Missing)?;
    let asked = Command::new(&found).arg("--help").output().await;
    let help = asked.map_err(|source| Unusable::Ask {
        path: found.clone(),
        source,
    })?;
    let help = [help.stdout, help.stderr].concat();
    let help = String::from_utf8_lossy(&help);
    match OPTIONS.into_iter().find(|option| !help.contains(option)) {
        Some(option) => Err(Unusable::TooOld {
            path: found,
            option,
        }),
        None => Ok(found),
    }
}

/// Runs `true` in a sandbox.
pub(super) async fn trial(process: &Process) -> Result<(), Unusable> {
    let run = Run {
        name: format!("{TRIAL}{}", std::process::id()),
        hostname: "trial".to_owned(),
        image: String::new(),
        command: vec!["true".to_owned()],
        env: Vec::new(),
        workdir: None,
        mounts: Vec::new(),
        cpu_milli: 1000,
        mem_mib: 64,
        gpus: 0,
        runtime: None,
        metadata: serde_json::Value::Null,
    };
    let running = process.start(&run).await.map_err(|error| match error {
        StartError::Sandbox { reason, .. } => refused(reason),
        other => refused(with_source(&other)),
    })?;
    let exit = running.wait().await;
    let removed = running.remove().await;
    let exit = exit.map_err(|error| refused(with_source(&error)))?;
    removed.map_err(|error| refused(with_source(&error)))?;
    match (exit.code, exit.failure) {
        (Some(0), _) => Ok(()),
        (_, Some(failure)) => Err(refused(failure)),
        (code, None) => Err(refused(format!("`true` ended with {code:?} in one"))),
    }
}

fn refused(reason: String) -> Unusable {
    let forbids = |(file, value, _): &(&str, &str, &str)| {
        let now = std::fs::read_to_string(Path::new(file)).unwrap_or_default();
        now.trim() == *value
    };
    let hint = match SWITCHES.iter().find(|switch| forbids(switch)) {
        Some((_, _, hint)) => (*hint).to_owned(),
        None => {
            "try `bwrap --unshare-all --ro-bind / / true` by hand; in a container, run it with \
                 user namespaces allowed"
                .to_owned()
        }
    };
    Unusable::Refused { reason, hint }
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
