//! Into the network of a sandbox, for good: sockets made after that are the sandbox's.
//!
//! Paths, and sockets made before, stay what they were.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The namespaces of a sandbox that has begun, held open.
#[derive(Debug)]
pub(super) struct Namespaces {
    /// The one that owns the network, whatever further one the command is put into.
    pub(super) user: File,
    pub(super) network: File,
}

// === impl Namespaces ===

impl Namespaces {
    /// Those of the sandbox's first process.
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let open = |name: &str| {
            let path = format!("/proc/{}/ns/{name}", pid.as_raw_nonzero());
            File::open(&path).map_err(|error| {
                io::Error::new(error.kind(), format!("failed to open {path}: {error}"))
            })
        };
        Ok(Self {
            user: open("user")?,
            network: open("net")?,
        })
    }

    /// Enters the network; for the right to that, who isn't root enters the user namespace too.
    /// This process has one thread, or the kernel refuses.
    pub(super) fn enter(&self, root: bool) -> io::Result<()> {
        enter((!root).then_some(&self.user), &self.network)
    }
}

/// Enters a network, and before that the user namespace that gives the right to.
pub(super) fn enter(user: Option<&File>, network: &File) -> io::Result<()> {
    if let Some(user) = user {
        move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))?;
    }
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}
