//! Unix sockets at paths of any length: a socket's address holds 107 bytes, a path may be longer.
//!
//! A longer one is reached through the open folder that it is in.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

/// The longest path that fits in a socket's address, with the zero that ends it.
const FITS: usize = 107;

/// A path that fits, and the folder that has to stay open while it is used.
struct Short {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

/// Listens at `path`, which must not exist.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let short = shorten(path)?;
    UnixListener::bind(&short.path)
}

/// Connects to who listens at `path`.
pub(crate) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let short = shorten(path)?;
    UnixStream::connect(&short.path).await
}

fn shorten(path: &Path) -> io::Result<Short> {
    if path.as_os_str().as_bytes().len() <= FITS {
        return Ok(Short {
            path: path.to_owned(),
            _folder: None,
        });
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(parent, flags, Mode::empty())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    Ok(Short {
        path,
        _folder: Some(folder),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_may_be_longer_than_an_address() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a".repeat(100)).join("b".repeat(100));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let listener = bind(&path).unwrap();
        let client = connect(&path).await.unwrap();
        listener.accept().unwrap();
        drop(client);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn nobody_listening_is_told() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        drop(bind(&path).unwrap());
        let refused = connect(&path).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
