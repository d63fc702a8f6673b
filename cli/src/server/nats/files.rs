//! Files and folders that only the platform's user may read, written so that a crash at any
//! moment leaves the old content or the new, never half of it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::Error;

/// Makes the folder, and its parents, and keeps everybody else out of it.
pub(super) fn private_folder(path: &Path) -> Result<(), Error> {
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o700))
    };
    make().map_err(|source| Error::File {
        action: "make the folder",
        path: path.to_owned(),
        source,
    })
}

/// Replaces the file's content, readable by its owner alone.
pub(super) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    replace(path, content).map_err(|source| Error::File {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

/// The file's text; nothing if there is no such file.
pub(super) fn read_if_any(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File {
            action: "read",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Keeps everybody but the owner out of a file that was there before.
pub(super) fn tighten(path: &Path) -> Result<(), Error> {
    let tighten = || {
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others could read this key: closed it to them");
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
        }
        Ok(())
    };
    tighten().map_err(|source| Error::File {
        action: "protect",
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, content: &str) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // One fixed name: what a crash leaves behind is overwritten by the next try. The data
    // directory's lock keeps a second platform away.
    let draft = folder.join(format!(".{}.new", name.to_string_lossy()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_and_files_are_private_even_if_they_were_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);

        let file = folder.join("a");
        fs::write(
            folder.join(".a.new"),
            "left by a crash, and longer than the content",
        )
        .unwrap();
        write_private(&file, "content").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert_eq!(read_if_any(&file).unwrap().unwrap(), "content");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        tighten(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_missing_file_is_nothing_and_an_unreadable_one_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_if_any(&dir.path().join("no")).unwrap().is_none());
        assert!(read_if_any(dir.path()).is_err());
    }
}
