//! Puts what a run mounts where the sandbox's user gets to it, whoever owns the folders above.
//!
//! That is in a mount namespace of this process: the machine sees nothing of it.

use std::fmt::Display;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::thread::UnshareFlags;

use super::order::Order;

/// Folders that every machine has and no sandbox needs: one is covered here.
const COVERED: [&str; 4] = ["/mnt", "/media", "/srv", "/boot"];

/// Where the mounts of a run are to be taken from, in their order.
pub(super) fn stage(order: &Order, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mounts = &order.run.mounts;
    if !order.root || mounts.is_empty() {
        return Ok(mounts.iter().map(|mount| mount.host.clone()).collect());
    }
    let covered = COVERED
        .iter()
        .map(Path::new)
        .find(|covered| {
            covered.is_dir() && !folder.starts_with(covered) && !order.bwrap.starts_with(covered)
        })
        .ok_or_else(|| {
            io::Error::other("there is none of /mnt, /media, /srv and /boot: make one")
        })?;
    own_namespace().map_err(|error| told("leave the mounts of the machine", &"", &error))?;
    // Opened here, for the kernel binds what is of this namespace only, and before one is covered.
    let sources: Vec<OwnedFd> = mounts
        .iter()
        .map(|mount| open(&mount.host))
        .collect::<io::Result<_>>()?;
    mount(
        "eai",
        covered,
        "tmpfs",
        MountFlags::empty(),
        Some(c"mode=0755,size=1m"),
    )
    .map_err(|error| told("mount memory at", &covered.display(), &error.into()))?;
    sources
        .iter()
        .zip(mounts)
        .enumerate()
        .map(|(at, (source, mount))| {
            let place = covered.join(at.to_string());
            bind(source, &place).map_err(|error| told("mount", &mount.host.display(), &error))?;
            Ok(place)
        })
        .collect()
}

fn bind(source: &OwnedFd, place: &Path) -> io::Result<()> {
    let source = format!("/proc/self/fd/{}", source.as_raw_fd());
    if std::fs::metadata(&source)?.is_dir() {
        DirBuilder::new().mode(0o755).create(place)?;
    } else {
        std::fs::File::create(place)?;
    }
    Ok(mount_bind_recursive(source.as_str(), place)?)
}

#[expect(
    deprecated,
    reason = "the other form is unsafe for shared files only, which stay shared here"
)]
fn own_namespace() -> io::Result<()> {
    rustix::thread::unshare(UnshareFlags::NEWNS)?;
    let private = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    Ok(mount_change("/", private)?)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| told("open", &path.display(), &error.into()))
}

fn told(action: &str, what: &dyn Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {action} {what}: {error}"))
}
