//! A tar as it is sent: one that is there, or made of a directory on the way. Links stay links.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Error;

/// What is read and sent at a time.
const PIECE: usize = 256 * 1024;
/// Pieces that are read ahead of the network.
const AHEAD: usize = 4;
/// What a file takes beside its content.
const HEAD: u64 = 512;

/// Something to be sent as a tar, more than once if need be.
#[derive(Clone, Debug)]
pub(crate) struct Pack {
    root: PathBuf,
    /// The tar itself, where there are none.
    entries: Option<Arc<Vec<Entry>>>,
    bytes: u64,
}

/// What is in the directory: where, and what it was when it was looked at.
#[derive(Debug)]
struct Entry {
    at: PathBuf,
    metadata: Metadata,
}

/// Hands pieces to whoever sends them.
struct Pieces<F> {
    sender: mpsc::Sender<Result<Bytes, Error>>,
    sent: F,
}

/// Exactly as much of a file as its head says.
struct Exact {
    file: File,
    left: u64,
}

// === impl Pack ===

impl Pack {
    /// A tar, or a directory for everything in it.
    pub(crate) fn of(path: &Path) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(|source| read(path, source))?;
        if metadata.is_dir() {
            let entries = walk(path)?;
            let size = |entry: &Entry| {
                let content = entry.metadata.is_file().then_some(entry.metadata.len());
                HEAD + content.unwrap_or(0).next_multiple_of(HEAD)
            };
            return Ok(Self {
                root: path.to_owned(),
                bytes: entries.iter().map(size).sum(),
                entries: Some(Arc::new(entries)),
            });
        }
        if !metadata.is_file() {
            return Err(Error::Refused {
                path: path.to_owned(),
                what: "neither a file nor a directory",
                todo: "name a tar, or a directory with the files of a root",
            });
        }
        Ok(Self {
            root: path.to_owned(),
            entries: None,
            bytes: metadata.len(),
        })
    }

    /// About how many bytes it has.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its bytes. `sent` hears of every piece.
    pub(crate) fn pieces(
        &self,
        sent: impl Fn(usize) + Send + 'static,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let pieces = Pieces {
                sender: sender.clone(),
                sent,
            };
            if let Err(error) = this.write(BufWriter::with_capacity(PIECE, pieces)) {
                // Nobody listens any more where it cannot be told either.
                drop(sender.blocking_send(Err(error)));
            }
        });
        ReceiverStream::new(receiver)
    }

    fn write(&self, mut out: impl Write) -> Result<(), Error> {
        let Some(entries) = &self.entries else {
            let mut file = File::open(&self.root).map_err(|source| read(&self.root, source))?;
            io::copy(&mut file, &mut out).map_err(|source| read(&self.root, source))?;
            return out.flush().map_err(|source| read(&self.root, source));
        };
        let mut tar = Builder::new(out);
        // A file with several names is sent once.
        let mut names: HashMap<(u64, u64), &Path> = HashMap::new();
        for entry in entries.iter() {
            let metadata = &entry.metadata;
            let first = (metadata.is_file() && metadata.nlink() > 1).then(|| {
                *names
                    .entry((metadata.dev(), metadata.ino()))
                    .or_insert(&entry.at)
            });
            let first = first.filter(|first| *first != entry.at);
            self.add(&mut tar, entry, first)?;
        }
        let out = tar.into_inner();
        out.and_then(|mut out| out.flush())
            .map_err(|source| read(&self.root, source))
    }

    fn add(
        &self,
        tar: &mut Builder<impl Write>,
        entry: &Entry,
        first: Option<&Path>,
    ) -> Result<(), Error> {
        let path = self.root.join(&entry.at);
        let failed = |source: io::Error| read(&path, source);
        let mut header = Header::new_gnu();
        header.set_metadata(&entry.metadata);
        header.set_size(0);
        if !rustix::process::geteuid().is_root() {
            // Whoever packs a root is not meant by it.
            header.set_uid(0);
            header.set_gid(0);
        }
        let at = Path::new(".").join(&entry.at);
        if let Some(first) = first {
            header.set_entry_type(EntryType::Link);
            let first = Path::new(".").join(first);
            return tar.append_link(&mut header, at, first).map_err(failed);
        }
        if entry.metadata.is_symlink() {
            let target = std::fs::read_link(&path).map_err(failed)?;
            return tar.append_link(&mut header, at, target).map_err(failed);
        }
        if !entry.metadata.is_file() {
            return tar
                .append_data(&mut header, at, io::empty())
                .map_err(failed);
        }
        let flags = rustix::fs::OFlags::RDONLY
            | rustix::fs::OFlags::NOFOLLOW
            | rustix::fs::OFlags::NONBLOCK
            | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, rustix::fs::Mode::empty());
        let left = entry.metadata.len();
        header.set_size(left);
        let file = File::from(file.map_err(|errno| failed(errno.into()))?);
        let written = tar.append_data(&mut header, at, Exact { file, left });
        written.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::Changed(path.clone()),
            _ => failed(source),
        })
    }
}

/// Everything below a directory, it first, each directory before what is in it. Sockets are left out: they are
/// of use to none but who made them.
fn walk(root: &Path) -> Result<Vec<Entry>, Error> {
    let mut entries = vec![Entry {
        at: PathBuf::new(),
        metadata: std::fs::metadata(root).map_err(|source| read(root, source))?,
    }];
    let mut next = 0;
    while next < entries.len() {
        let Entry { at, metadata } = &entries[next];
        next += 1;
        if !metadata.is_dir() {
            continue;
        }
        let folder = root.join(at);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(|source| read(&folder, source))? {
            let entry = entry.map_err(|source| read(&folder, source))?;
            let metadata = entry
                .metadata()
                .map_err(|source| read(&entry.path(), source))?;
            if !metadata.file_type().is_socket() {
                let at = at.join(entry.file_name());
                found.push(Entry { at, metadata });
            }
        }
        found.sort_by(|one, other| one.at.cmp(&other.at));
        entries.extend(found);
    }
    if entries.len() == 1 {
        return Err(Error::Empty(root.to_owned()));
    }
    Ok(entries)
}

fn read(path: &Path, source: io::Error) -> Error {
    Error::Read {
        path: path.to_owned(),
        source,
    }
}

// === impl Pieces ===

impl<F: Fn(usize)> Write for Pieces<F> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(buffer);
        (self.sent)(piece.len());
        let taken = self.sender.blocking_send(Ok(piece));
        taken.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Exact ===

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;

    use futures::StreamExt as _;

    async fn packed(path: &Path) -> Result<Vec<u8>, Error> {
        let mut pieces = Box::pin(Pack::of(path)?.pieces(drop));
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_directory_is_packed_with_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::write(root.join("bin/sh"), vec![7; 700_000]).unwrap();
        std::fs::hard_link(root.join("bin/sh"), root.join("bin/same")).unwrap();
        symlink("/etc/passwd", root.join("link")).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let bytes = packed(&root).await.unwrap();
        drop(socket);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: BTreeMap<String, (EntryType, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                (path, (entry.header().entry_type(), entry.size()))
            })
            .collect();
        let expected = [
            ("./", (EntryType::Directory, 0)),
            ("bin", (EntryType::Directory, 0)),
            ("bin/same", (EntryType::Regular, 700_000)),
            ("bin/sh", (EntryType::Link, 0)),
            ("link", (EntryType::Symlink, 0)),
        ];
        let expected = expected.map(|(path, entry)| (path.to_owned(), entry));
        assert_eq!(found, BTreeMap::from(expected));
        // A tar goes as it is.
        let tar = folder.path().join("root.tar");
        std::fs::write(&tar, &bytes).unwrap();
        assert!(packed(&tar).await.unwrap() == bytes);
    }

    #[tokio::test]
    async fn what_cannot_be_packed_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let empty = packed(folder.path()).await.unwrap_err();
        assert!(matches!(empty, Error::Empty(_)), "{empty}");
        let missing = packed(&folder.path().join("x.tar")).await.unwrap_err();
        assert!(missing.to_string().contains("x.tar"), "{missing}");
        let device = packed(Path::new("/dev/null")).await.unwrap_err();
        assert!(device.to_string().contains("neither"), "{device}");
    }
}
