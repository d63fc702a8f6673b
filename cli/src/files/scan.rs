//! Finding the files of a tree. Links are followed within the tree only, whatever happens to it meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use eai_core::data::{FilePath, MAX_FILES};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{Error, read_error};

/// A directory that files are read from, and none outside of it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    shown: PathBuf,
}

/// A file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it is, from the tree's root.
    pub(crate) at: PathBuf,
    /// What it is called in data.
    pub(crate) path: FilePath,
}

/// The files that `local` names: those of a directory, or the one file. `remote` says where they are put:
/// a directory for a directory; for a file its path, or a directory where it ends with `/`.
pub(crate) fn scan(local: &Path, remote: Option<&str>) -> Result<(Tree, Vec<Found>), Error> {
    let read = |source| Error::Read {
        path: local.to_owned(),
        source,
    };
    let real = std::fs::canonicalize(local).map_err(read)?;
    let wanted = remote.unwrap_or_default();
    let trimmed = wanted.trim_start_matches("./").trim_matches('/');
    let place: Option<FilePath> = match trimmed {
        "" | "." => None,
        text => Some(text.parse()?),
    };
    if real.is_dir() {
        let tree = Tree::open(&real, local)?;
        let mut files = tree.walk()?;
        if let Some(place) = place {
            for file in &mut files {
                file.path = file.path.inside(&place)?;
            }
        }
        return Ok((tree, files));
    }
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(refused(local, "no file", "name a file or a directory"));
    };
    let tree = Tree::open(parent, parent)?;
    check_kind(&tree.stat(Path::new(name), true)?, local)?;
    // A link that the user names keeps its own name.
    let own: FilePath = utf8(local.file_name().unwrap_or(name), local)?.parse()?;
    let path = match place {
        None => own,
        Some(place) if wanted.ends_with('/') => own.inside(&place)?,
        Some(place) => place,
    };
    let file = Found {
        at: name.into(),
        path,
    };
    Ok((tree, vec![file]))
}

// === impl Tree ===

impl Tree {
    fn open(real: &Path, shown: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(real, flags, Mode::empty()).map_err(read_error(shown))?;
        Ok(Self {
            root,
            shown: shown.to_owned(),
        })
    }

    /// As the user would write it.
    pub(crate) fn shown(&self, at: &Path) -> PathBuf {
        self.shown.join(at)
    }

    /// Opens a file for reading: a regular one, within the tree.
    pub(crate) fn file(&self, at: &Path) -> Result<File, Error> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = self.beneath(at, flags, ResolveFlags::empty())?;
        let stat = rustix::fs::fstat(&file).map_err(read_error(self.shown(at)))?;
        check_kind(&stat, &self.shown(at))?;
        Ok(file.into())
    }

    fn stat(&self, at: &Path, follow: bool) -> Result<Stat, Error> {
        let (extra, resolve) = if follow {
            (OFlags::empty(), ResolveFlags::empty())
        } else {
            (OFlags::NOFOLLOW, ResolveFlags::empty())
        };
        let file = self.beneath(at, OFlags::PATH | OFlags::CLOEXEC | extra, resolve)?;
        rustix::fs::fstat(&file).map_err(read_error(self.shown(at)))
    }

    fn beneath(&self, at: &Path, flags: OFlags, extra: ResolveFlags) -> Result<OwnedFd, Error> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | extra;
        let at = if at.as_os_str().is_empty() {
            Path::new(".")
        } else {
            at
        };
        rustix::fs::openat2(&self.root, at, flags, Mode::empty(), resolve).map_err(|errno| {
            let shown = self.shown(at);
            match errno {
                Errno::XDEV => refused(
                    &shown,
                    "a link out of the directory that is pushed",
                    "remove it, or put the file itself there",
                ),
                Errno::LOOP => refused(&shown, "a link in a circle", "remove it"),
                Errno::NOENT => refused(&shown, "a link to nothing, or gone", "remove it"),
                errno => read_error(shown)(errno),
            }
        })
    }

    /// Every file, in order.
    fn walk(&self) -> Result<Vec<Found>, Error> {
        let mut files = Vec::new();
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = self.beneath(&directory, flags, ResolveFlags::NO_SYMLINKS)?;
            let listing = Dir::read_from(&opened).map_err(read_error(self.shown(&directory)))?;
            for entry in listing {
                let entry = entry.map_err(read_error(self.shown(&directory)))?;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name == "." || name == ".." {
                    continue;
                }
                let at = directory.join(name);
                let stat = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(read_error(self.shown(&at)))?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {
                        directories.push(at);
                        continue;
                    }
                    FileType::Symlink => self.check_link(&at)?,
                    _ => check_kind(&stat, &self.shown(&at))?,
                }
                if files.len() >= MAX_FILES {
                    return Err(Error::TooMany(self.shown.clone()));
                }
                let path = utf8(at.as_os_str(), &self.shown(&at))?.parse()?;
                files.push(Found { at, path });
            }
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(files)
    }

    /// A link stands for the file that it leads to, if that is in the tree.
    fn check_link(&self, at: &Path) -> Result<(), Error> {
        let stat = self.stat(at, true)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(refused(
                &self.shown(at),
                "a link to a directory",
                "remove it, or put the directory itself there",
            ));
        }
        check_kind(&stat, &self.shown(at))
    }
}

fn check_kind(stat: &Stat, shown: &Path) -> Result<(), Error> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "no file",
    };
    Err(refused(
        shown,
        what,
        "remove it: only files and directories are pushed",
    ))
}

fn utf8<'a>(name: &'a OsStr, shown: &Path) -> Result<&'a str, Error> {
    name.to_str()
        .ok_or_else(|| refused(shown, "not named in UTF-8", "rename it"))
}

fn refused(path: &Path, what: &'static str, todo: &'static str) -> Error {
    Error::Refused {
        path: path.to_owned(),
        what,
        todo,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tree/sub/deep")).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(folder.path().join("tree/a"), "a").unwrap();
        fs::write(folder.path().join("tree/sub/b"), "b").unwrap();
        folder
    }

    fn paths(folder: &Path, remote: Option<&str>) -> Result<Vec<String>, Error> {
        let (_, files) = scan(folder, remote)?;
        Ok(files.iter().map(|file| file.path.to_string()).collect())
    }

    #[test]
    fn a_directory_is_its_files() {
        let folder = tree();
        let tree = folder.path().join("tree");
        assert_eq!(paths(&tree, None).unwrap(), ["a", "sub/b"]);
        assert_eq!(paths(&tree, Some("/x/")).unwrap(), ["x/a", "x/sub/b"]);
        assert!(paths(&tree, Some("../x")).is_err());
        let file = tree.join("sub/b");
        assert_eq!(paths(&file, None).unwrap(), ["b"]);
        assert_eq!(paths(&file, Some("x/y")).unwrap(), ["x/y"]);
        assert_eq!(paths(&file, Some("x/")).unwrap(), ["x/b"]);
        assert!(paths(&tree.join("nothing"), None).is_err());
    }

    #[test]
    fn links_within_are_files_and_others_are_refused() {
        let folder = tree();
        let tree = folder.path().join("tree");
        symlink("../a", tree.join("sub/link")).unwrap();
        let (opened, files) = scan(&tree, None).unwrap();
        assert_eq!(files.len(), 3);
        let mut text = String::new();
        let link = opened.file(Path::new("sub/link")).unwrap();
        { link }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a");
        let target = folder.path().join("secret");
        for (target, what) in [
            (Path::new("../../secret"), "link out"),
            (target.as_path(), "link out"),
            (Path::new("/proc/self/environ"), "link out"),
            (Path::new("nothing"), "link to nothing"),
            (Path::new("deep"), "link to a directory"),
            (Path::new("bad"), "circle"),
        ] {
            symlink(target, tree.join("sub/bad")).unwrap();
            let error = scan(&tree, None).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("sub/bad"), "{error}");
            fs::remove_file(tree.join("sub/bad")).unwrap();
        }
    }

    #[test]
    fn a_link_that_is_swapped_leads_nowhere() {
        let folder = tree();
        let tree = folder.path().join("tree");
        let (opened, _) = scan(&tree, None).unwrap();
        // Between the scan and the read, a file and a directory become links out.
        fs::remove_file(tree.join("a")).unwrap();
        symlink("../secret", tree.join("a")).unwrap();
        fs::remove_dir_all(tree.join("sub")).unwrap();
        fs::create_dir(folder.path().join("other")).unwrap();
        fs::write(folder.path().join("other/b"), "secret").unwrap();
        symlink("../other", tree.join("sub")).unwrap();
        for at in ["a", "sub/b"] {
            assert!(opened.file(Path::new(at)).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tree();
        let tree = folder.path().join("tree");
        let socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
        let error = scan(&tree, None).unwrap_err().to_string();
        assert!(error.contains("a socket"), "{error}");
        drop(socket);
        fs::remove_file(tree.join("socket")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            tree.join("pipe"),
            FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        let error = scan(&tree, None).unwrap_err().to_string();
        assert!(error.contains("a named pipe"), "{error}");
        fs::remove_file(tree.join("pipe")).unwrap();
        let odd = OsStr::from_bytes(b"x\xff");
        fs::write(tree.join(odd), "").unwrap();
        assert!(scan(&tree, None).unwrap_err().to_string().contains("UTF-8"));
        fs::remove_file(tree.join(odd)).unwrap();
        fs::write(tree.join("x\ny"), "").unwrap();
        assert!(matches!(scan(&tree, None), Err(Error::Path(_))));
    }
}
