//! Writing files below a directory, never outside of it, and never half.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use eai_core::data::{File as Meta, FilePath};
use eai_core::digest::Digest;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Error, write_error};

/// A directory that files are written to.
#[derive(Debug)]
pub(crate) struct Destination {
    root: OwnedFd,
    shown: PathBuf,
}

/// A file that is being written, under another name. Dropped before it is complete, it goes.
#[derive(Debug)]
pub(crate) struct Incoming {
    parent: OwnedFd,
    temporary: String,
    name: String,
    shown: PathBuf,
    file: File,
    hash: Sha256,
    meta: Meta,
    received: u64,
    complete: bool,
}

// === impl Destination ===

impl Destination {
    /// Opens a directory, made where it isn't there.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(write_error(path))?;
        Ok(Self {
            root,
            shown: path.to_owned(),
        })
    }

    /// Begins to write a file. Its directories are made; links among them are not followed.
    pub(crate) fn create(&self, path: &FilePath, meta: Meta) -> Result<Incoming, Error> {
        let shown = self.shown.join(path.as_str());
        let (directory, name) = path
            .as_str()
            .rsplit_once('/')
            .unwrap_or(("", path.as_str()));
        let parent = self.directory(directory)?;
        let temporary = format!(".{}.part", Uuid::new_v4());
        let bits = if meta.executable { 0o777 } else { 0o666 };
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, &temporary, flags, Mode::from_raw_mode(bits))
            .map_err(write_error(&shown))?;
        Ok(Incoming {
            parent,
            temporary,
            name: name.to_owned(),
            shown,
            file: file.into(),
            hash: Sha256::new(),
            meta,
            received: 0,
            complete: false,
        })
    }

    fn directory(&self, path: &str) -> Result<OwnedFd, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let open =
            |path: &str| rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve);
        let mut so_far = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let parent = open(if so_far.is_empty() { "." } else { &so_far });
            if !so_far.is_empty() {
                so_far.push('/');
            }
            so_far.push_str(part);
            let shown = || self.shown.join(&so_far);
            let parent = parent.map_err(|errno| refused(errno, shown()))?;
            match rustix::fs::mkdirat(&parent, part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(write_error(shown())(errno)),
            }
        }
        let path = if path.is_empty() { "." } else { path };
        open(path).map_err(|errno| refused(errno, self.shown.join(path)))
    }
}

/// A link or a file where a directory must be is the user's to remove.
fn refused(errno: Errno, path: PathBuf) -> Error {
    match errno {
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR => Error::Refused {
            path,
            what: "no directory",
            todo: "remove it, or pull to another place",
        },
        errno => write_error(path)(errno),
    }
}

// === impl Incoming ===

impl Incoming {
    /// Takes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.received += bytes.len() as u64;
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(|source| Error::Write {
            path: self.shown.clone(),
            source,
        })
    }

    /// Puts the file in its place, if it is what was announced. A link there is replaced, not followed.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let found = Digest::from(std::mem::take(&mut self.hash));
        if self.received != self.meta.size || found != self.meta.sha256 {
            return Err(Error::Damaged(self.shown.display().to_string()));
        }
        rustix::fs::renameat(&self.parent, &self.temporary, &self.parent, &self.name).map_err(
            |errno| match errno {
                Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => Error::Refused {
                    path: self.shown.clone(),
                    what: "a directory",
                    todo: "remove it, or pull to another place",
                },
                errno => write_error(&self.shown)(errno),
            },
        )?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.complete {
            // It may be gone already.
            rustix::fs::unlinkat(&self.parent, &self.temporary, AtFlags::empty()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn pull(folder: &Path, path: &str, content: &str, executable: bool) -> Result<(), Error> {
        let meta = Meta {
            size: content.len() as u64,
            sha256: Digest::of(content.as_bytes()),
            executable,
        };
        let mut file = Destination::open(folder)?.create(&path.parse().unwrap(), meta)?;
        file.write(content.as_bytes())?;
        file.finish()
    }

    fn names(folder: &Path) -> Vec<String> {
        let listing = fs::read_dir(folder).unwrap();
        let names = listing.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn files_are_written_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let dest = folder.path().join("new/dest");
        pull(&dest, "a/b/c", "1", false).unwrap();
        pull(&dest, "a/b/c", "22", true).unwrap();
        assert_eq!(fs::read_to_string(dest.join("a/b/c")).unwrap(), "22");
        let mode = fs::metadata(dest.join("a/b/c"))
            .unwrap()
            .permissions()
            .mode();
        assert_ne!(mode & 0o100, 0);
        assert_eq!(names(&dest.join("a/b")), ["c"]);
        assert!(
            pull(&dest, "a/b", "x", false).is_err(),
            "a directory is there"
        );
        assert!(
            pull(&dest, "a/b/c/d", "x", false).is_err(),
            "a file is there"
        );
    }

    #[test]
    fn nothing_is_written_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let (dest, outside) = (folder.path().join("dest"), folder.path().join("outside"));
        fs::create_dir(&dest).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("canary"), "canary").unwrap();
        symlink(&outside, dest.join("dir")).unwrap();
        symlink(outside.join("canary"), dest.join("file")).unwrap();
        let error = pull(&dest, "dir/canary", "x", false).unwrap_err();
        assert!(error.to_string().contains("no directory"), "{error}");
        pull(&dest, "file", "x", false).unwrap();
        assert_eq!(
            fs::read_to_string(outside.join("canary")).unwrap(),
            "canary"
        );
        assert_eq!(names(&outside), ["canary"]);
        assert_eq!(fs::read_to_string(dest.join("file")).unwrap(), "x");
    }

    #[test]
    fn what_is_not_as_announced_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let meta = Meta {
            size: 1,
            sha256: Digest::of(b"a"),
            executable: false,
        };
        let dest = Destination::open(folder.path()).unwrap();
        for wrong in ["", "b", "aa"] {
            let mut file = dest.create(&"x".parse().unwrap(), meta).unwrap();
            file.write(wrong.as_bytes()).unwrap();
            assert!(matches!(file.finish(), Err(Error::Damaged(_))), "{wrong}");
            assert!(names(folder.path()).is_empty(), "{wrong}");
        }
    }
}
