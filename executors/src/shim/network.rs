//! The way of a run out into the world, by `pasta`: no way in, and none to the machine's loopback.
//!
//! It starts beside the command, which does not wait for it.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::fence;
use super::namespace::Namespaces;
use super::order::{Order, WayOut};
use super::sandbox::{GID, UID, inherit};

/// Whom a sandbox asks for names where the machine asks itself: `pasta` passes it on.
const RESOLVER: &str = "169.254.2.53";

/// What gives a sandbox its interface.
const TUN: &str = "/dev/net/tun";

/// Puts the fence up in the sandbox's network, and only then becomes `pasta`. Its words are the prefixes, nsenter,
/// ip, how to enter the network, then `pasta` with its arguments.
const FENCED: &str =
    r#"printf 'route add prohibit %s\n' $0 | "$1" $3 "$2" -4 -batch - && shift 3 && exec "$@""#;

/// The most that is read of how names are looked up.
const LOOKUP_MAX: usize = 4096;

/// A process that has to end with a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Helper {
    pid: i32,
    /// When it started, in the kernel's ticks: a number that is used again is another process.
    ticks: u64,
}

/// Whom to ask for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    /// What `/etc/resolv.conf` says in the sandbox.
    pub(super) resolv_conf: String,
    /// Whether that is [`RESOLVER`].
    forwarded: bool,
}

/// Whether this machine has such interfaces.
pub(crate) fn possible() -> bool {
    let mut open = std::fs::OpenOptions::new();
    open.read(true).write(true).open(TUN).is_ok()
}

/// Connects the network of a sandbox, which bubblewrap has finished.
pub(super) fn connect(
    order: &Order,
    way_out: &WayOut,
    namespaces: &Namespaces,
    lookup: &Lookup,
) -> io::Result<(Child, Helper)> {
    let network = namespaces.network.try_clone()?;
    let user = namespaces.user.try_clone()?;
    inherit(network.as_fd())?;
    let owned = !order.root || everyone_may_use_tun();
    let enter = if owned {
        inherit(user.as_fd())?;
        format!(
            "--net=/proc/self/fd/{} --user=/proc/self/fd/{} --preserve-credentials",
            network.as_raw_fd(),
            user.as_raw_fd()
        )
    } else {
        format!("--net=/proc/self/fd/{}", network.as_raw_fd())
    };
    let prefixes: Vec<_> = fence::prefixes().into_iter().collect();
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", FENCED])
        .arg(prefixes.join(" "))
        .args([&way_out.nsenter, &way_out.ip])
        .arg(enter)
        .arg(&way_out.pasta)
        .args(["--foreground", "--quiet", "--config-net", "--no-map-gw"])
        .arg("--ipv4-only")
        .args(["-t", "none", "-u", "none", "-T", "none", "-U", "none"])
        .arg("--netns")
        .arg(format!("/proc/self/fd/{}", network.as_raw_fd()));
    if lookup.forwarded {
        command.args(["--dns-forward", RESOLVER]);
    }
    if owned {
        command
            .arg("--userns")
            .arg(format!("/proc/self/fd/{}", user.as_raw_fd()));
        if order.root {
            command.gid(GID).uid(UID);
        }
    } else {
        // It locks itself in, but for the right to make the interface.
        command.args(["--netns-only", "--runas", "0"]);
    }
    command
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = Command::from(command).kill_on_drop(true).spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let helper = pid.and_then(Helper::of).ok_or(io::ErrorKind::NotFound)?;
    Ok((child, helper))
}

fn everyone_may_use_tun() -> bool {
    std::fs::metadata(TUN).is_ok_and(|tun| tun.permissions().mode() & 0o006 == 0o006)
}

// === impl Helper ===

impl Helper {
    /// A process that runs now.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in it, in parentheses, may hold anything.
        let (_, after) = stat.rsplit_once(')')?;
        let ticks = after.split_whitespace().nth(19)?.parse().ok()?;
        Some(Self { pid, ticks })
    }

    /// The PID namespace that it is in, if it is still the same process.
    pub(crate) fn namespace(&self) -> Option<PathBuf> {
        let namespace = std::fs::read_link(format!("/proc/{}/ns/pid", self.pid)).ok()?;
        (Self::of(self.pid).as_ref() == Some(self)).then_some(namespace)
    }

    /// Ends it, if it is still the same process.
    pub(crate) fn end(&self) -> io::Result<()> {
        let Some(pid) = rustix::process::Pid::from_raw(self.pid) else {
            return Ok(());
        };
        let process = match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            Ok(process) => process,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if Self::of(self.pid).as_ref() != Some(self) {
            return Ok(());
        }
        match rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        super::supervise::wait_gone(&process)
    }
}

// === impl Lookup ===

impl Lookup {
    /// What a sandbox without a network asks.
    pub(super) fn nobody() -> Self {
        Self {
            resolv_conf: String::new(),
            forwarded: false,
        }
    }

    /// What a sandbox asks on this machine.
    pub(super) fn of_machine() -> Self {
        Self::of(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    fn of(resolv_conf: &str) -> Self {
        let mut kept = String::new();
        let mut servers = 0;
        for line in resolv_conf.lines() {
            let mut words = line.split_whitespace();
            let keep = match (words.next(), words.next()) {
                (Some("nameserver"), Some(server)) => {
                    let reachable = server.parse().is_ok_and(|ip: IpAddr| !ip.is_loopback());
                    servers += usize::from(reachable);
                    reachable
                }
                (Some("search" | "options" | "domain"), Some(_)) => true,
                _ => false,
            };
            if keep && kept.len() + line.len() < LOOKUP_MAX {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        if servers == 0 {
            kept.push_str("nameserver ");
            kept.push_str(RESOLVER);
            kept.push('\n');
        }
        Self {
            resolv_conf: kept,
            forwarded: servers == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_on_the_machine_itself_is_asked_through_pasta() {
        let lookup = Lookup::of("# comment\nnameserver 127.0.0.53\noptions edns0\n");
        assert!(lookup.forwarded);
        assert_eq!(
            lookup.resolv_conf,
            "options edns0\nnameserver 169.254.2.53\n"
        );
        let lookup = Lookup::of("nameserver 10.0.0.1\nnameserver ::1\nsearch example.org\n");
        assert!(!lookup.forwarded);
        assert_eq!(
            lookup.resolv_conf,
            "nameserver 10.0.0.1\nsearch example.org\n"
        );
    }

    #[test]
    fn only_the_same_process_is_ended() {
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let helper = Helper::of(i32::try_from(child.id()).unwrap()).unwrap();
        let other = Helper {
            ticks: helper.ticks + 1,
            ..helper.clone()
        };
        other.end().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        helper.end().unwrap();
        assert!(!child.wait().unwrap().success());
        helper.end().unwrap();
    }
}
