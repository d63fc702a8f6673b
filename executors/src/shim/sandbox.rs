//! What is in a sandbox, as arguments of bubblewrap.

use std::ffi::OsString;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;

use super::order::Order;
use crate::backend::Bind;

/// The user of every sandbox, inside and, where the platform is root, outside.
pub(crate) const UID: u32 = 13011;
/// Its group.
pub(crate) const GID: u32 = 13011;
const USER: &str = "toolkit";
const HOME: &str = "/home/toolkit";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Folders that are the system's: a link on the machine is a link in the sandbox.
const SYSTEM: [&str; 8] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt",
];

/// What programs look up in `/etc`, where the machine has it.
const ETC: [&str; 13] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
];

/// The most that a writable place in memory holds, where the run has no limit.
const MEMORY: u64 = 1 << 30;

/// Options of bubblewrap, and the open files that they name.
#[derive(Debug, Default)]
pub(super) struct Sandbox {
    options: Vec<u8>,
    files: Vec<OwnedFd>,
}

// === impl Sandbox ===

impl Sandbox {
    /// The sandbox of a run. `staged` is where its mounts are taken from, `resolv_conf` whom it
    /// asks for names.
    pub(super) fn of(order: &Order, staged: &[PathBuf], resolv_conf: &str) -> io::Result<Self> {
        let mut sandbox = Self::default();
        sandbox.isolate(&order.run.hostname);
        sandbox.system()?;
        sandbox.etc(&order.run.hostname, resolv_conf)?;
        sandbox.memory(match order.caps.memory_bytes {
            0 => MEMORY,
            bytes => bytes,
        });
        sandbox.mounts(staged, &order.run.mounts)?;
        // The root itself is memory too: nothing is written there once all is in place.
        sandbox.add(["--remount-ro", "/"]);
        sandbox.environment(&order.run.hostname, &order.run.env);
        sandbox.add(["--chdir", order.run.workdir.as_deref().unwrap_or(HOME)]);
        Ok(sandbox)
    }

    /// Adds an option with an open file as its value, and more after that.
    pub(super) fn add_file(&mut self, option: &str, file: OwnedFd) -> io::Result<()> {
        inherit(file.as_fd())?;
        self.add([option, &file.as_raw_fd().to_string()]);
        self.files.push(file);
        Ok(())
    }

    /// The arguments of bubblewrap, and what has to stay open until it runs. What others of the
    /// machine may not read, such as variables, isn't in the arguments.
    pub(super) fn finish(self, command: &[String]) -> io::Result<(Vec<OsString>, Vec<OwnedFd>)> {
        let Self { options, mut files } = self;
        let options = data("options", &options)?;
        inherit(options.as_fd())?;
        let mut args: Vec<OsString> = vec!["--args".into()];
        args.push(options.as_raw_fd().to_string().into());
        args.push("--".into());
        args.extend(command.iter().map(OsString::from));
        files.push(options);
        Ok((args, files))
    }

    fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        for word in words {
            self.options.extend_from_slice(word.as_bytes());
            self.options.push(0);
        }
    }

    fn isolate(&mut self, hostname: &str) {
        self.add([
            "--unshare-user",
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--disable-userns",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--clearenv",
            "--uid",
            &UID.to_string(),
            "--gid",
            &GID.to_string(),
            "--hostname",
            hostname,
        ]);
    }

    fn system(&mut self) -> io::Result<()> {
        for place in SYSTEM {
            let Ok(metadata) = std::fs::symlink_metadata(place) else {
                continue;
            };
            if metadata.is_symlink() {
                let target = std::fs::read_link(place)?;
                if let Some(target) = target.to_str() {
                    self.add(["--symlink", target, place]);
                }
            } else {
                self.add(["--ro-bind", place, place]);
            }
        }
        self.add(["--proc", "/proc", "--dev", "/dev"]);
        Ok(())
    }

    fn etc(&mut self, hostname: &str, resolv_conf: &str) -> io::Result<()> {
        for place in ETC {
            self.add(["--ro-bind-try", place, place]);
        }
        let passwd = format!(
            "root:x:0:0:root:/root:/usr/sbin/nologin\n\
             {USER}:x:{UID}:{GID}:{USER}:{HOME}:/bin/sh\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        );
        let group = format!("root:x:0:\n{USER}:x:{GID}:\nnogroup:x:65534:\n");
        let hosts =
            format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost ip6-loopback\n");
        let switch = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n";
        for (place, text) in [
            ("/etc/passwd", passwd.as_str()),
            ("/etc/group", &group),
            ("/etc/hosts", &hosts),
            ("/etc/hostname", &format!("{hostname}\n")),
            ("/etc/nsswitch.conf", switch),
            ("/etc/resolv.conf", resolv_conf),
        ] {
            self.add(["--perms", "0444"]);
            self.add_file("--ro-bind-data", data(place, text.as_bytes())?)?;
            self.add([place]);
        }
        Ok(())
    }

    fn memory(&mut self, bytes: u64) {
        let bytes = bytes.to_string();
        self.add(["--perms", "0755", "--dir", "/home"]);
        for (perms, place) in [("1777", "/tmp"), ("1777", "/dev/shm"), ("0755", HOME)] {
            self.add(["--perms", perms, "--size", &bytes, "--tmpfs", place]);
        }
        self.add([
            "--dir",
            "/run",
            "--dir",
            "/var",
            "--symlink",
            "/tmp",
            "/var/tmp",
        ]);
    }

    /// Where the machine's files are, and what the run wants of them.
    fn mounts(&mut self, staged: &[PathBuf], mounts: &[Bind]) -> io::Result<()> {
        let mut mounts: Vec<(&PathBuf, &Bind)> = staged.iter().zip(mounts).collect();
        // What is mounted in another mount comes after it.
        mounts.sort_by_key(|(_, mount)| mount.target.split('/').count());
        for (source, mount) in mounts {
            let source = source.to_str().ok_or_else(|| {
                let told = format!("the path {} is not UTF-8: rename it", source.display());
                io::Error::new(io::ErrorKind::InvalidInput, told)
            })?;
            let option = if mount.writable {
                "--bind"
            } else {
                "--ro-bind"
            };
            self.add([option, source, &mount.target]);
        }
        Ok(())
    }

    fn environment(&mut self, hostname: &str, env: &[(String, String)]) {
        let defaults = [
            ("PATH", PATH),
            ("HOME", HOME),
            ("USER", USER),
            ("LOGNAME", USER),
            ("LANG", "C.UTF-8"),
            ("HOSTNAME", hostname),
        ];
        let own = env.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in defaults.into_iter().chain(own) {
            self.add(["--setenv", name, value]);
        }
    }
}

/// Lets what is started next have this open file.
pub(super) fn inherit(file: BorrowedFd<'_>) -> io::Result<()> {
    rustix::io::fcntl_setfd(file, FdFlags::empty())?;
    Ok(())
}

/// A file in memory, to be read from its start.
fn data(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}
