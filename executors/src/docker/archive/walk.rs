//! From head to head through a tar that comes in pieces of any length.

use bytes::{Bytes, BytesMut};
use tar::{EntryType, Header};

use super::lists::{self, List};
use super::{BLOCK, BadArchive, Kind, MOST};

/// The longest name or list of attributes of a file, and the longest list of an image's layers.
const MOST_KEPT: u64 = 4 << 20;

/// How the first bytes of what is compressed look.
const COMPRESSED: [(&str, &[u8]); 4] = [
    ("gzip", b"\x1f\x8b"),
    ("bzip2", b"BZh"),
    ("xz", b"\xfd7zXZ\0"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
];

/// A tar that is read on.
pub(super) struct Walk {
    kind: Kind,
    name: String,
    /// How much was read.
    at: u64,
    state: State,
    /// The block that is being read.
    block: BytesMut,
    /// What belongs to the next file's head, as it came.
    held: Vec<Bytes>,
    /// What that says of the next file.
    size: Option<u64>,
    path: Option<Vec<u8>>,
    has_list: bool,
}

enum State {
    /// A head comes.
    Head,
    /// So many bytes pass.
    Pass(u64),
    /// A head of a file with holes goes on, then so many bytes pass.
    Sparse(u64),
    /// What is needed whole is read.
    Take(Taken),
    /// All that comes now is no part of any file.
    End,
}

struct Taken {
    what: What,
    bytes: BytesMut,
    size: usize,
    /// With what fills the last block.
    left: u64,
}

enum What {
    /// A name or attributes of the next file, and their own head.
    Extension(Bytes, EntryType),
    List(List),
}

/// What a tar that begins so holds.
pub(super) fn kind(first: &[u8]) -> Result<Kind, BadArchive> {
    if let Some((name, _)) = COMPRESSED.iter().find(|(_, head)| first.starts_with(head)) {
        return Err(BadArchive::Compressed(name));
    }
    let Some(header) = first.get(..BLOCK).and_then(header) else {
        return Err(BadArchive::NoTar);
    };
    let path = header.path_bytes();
    let parts = parts(&path);
    let first = parts.first().copied().unwrap_or_default();
    let is_hex = |text: &[u8]| text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit);
    let hex = first.strip_suffix(b".json").unwrap_or(first);
    let is_saved =
        is_hex(hex) || [&b"blobs"[..], b"oci-layout"].contains(&first) || List::of(first).is_some();
    Ok(if is_saved { Kind::Saved } else { Kind::Root })
}

/// A head, if its sum is right.
fn header(block: &[u8]) -> Option<&Header> {
    let bytes: &[u8; BLOCK] = block.try_into().ok()?;
    let counted = bytes.iter().enumerate().map(|(at, byte)| {
        let is_sum = (148..156).contains(&at);
        u32::from(if is_sum { b' ' } else { *byte })
    });
    let sum: u32 = counted.sum();
    let header = Header::from_byte_slice(bytes);
    (header.cksum().ok()? == sum).then_some(header)
}

/// The names in a path.
fn parts(path: &[u8]) -> Vec<&[u8]> {
    let parts = path.split(|byte| *byte == b'/');
    parts
        .filter(|part| !part.is_empty() && part != b".")
        .collect()
}

/// With what fills the last block.
fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64)
}

// === impl Walk ===

impl Walk {
    pub(super) fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            at: 0,
            state: State::Head,
            block: BytesMut::new(),
            held: Vec::new(),
            size: None,
            path: None,
            has_list: false,
        }
    }

    /// Takes the next piece, and hands out what passes.
    pub(super) fn feed(
        &mut self,
        mut input: Bytes,
        out: &mut Vec<Bytes>,
    ) -> Result<(), BadArchive> {
        while !input.is_empty() {
            let before = input.len();
            match &mut self.state {
                State::End => out.push(input.split_to(before)),
                State::Pass(left) => {
                    let now = usize::try_from(*left).unwrap_or(before).min(before);
                    out.push(input.split_to(now));
                    *left -= now as u64;
                    if *left == 0 {
                        self.state = State::Head;
                    }
                }
                State::Take(taken) => {
                    let now = usize::try_from(taken.left).unwrap_or(before).min(before);
                    taken.bytes.extend_from_slice(&input.split_to(now));
                    taken.left -= now as u64;
                    self.take(out)?;
                }
                State::Head | State::Sparse(_) => {
                    let now = (BLOCK - self.block.len()).min(before);
                    self.block.extend_from_slice(&input.split_to(now));
                    if self.block.len() == BLOCK {
                        let block = self.block.split().freeze();
                        self.head(block, out)?;
                    }
                }
            }
            self.at += (before - input.len()) as u64;
            if self.at > MOST {
                return Err(BadArchive::TooLarge);
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn finish(&self) -> Result<(), BadArchive> {
        if !matches!(self.state, State::End) {
            return Err(BadArchive::BreaksOff(self.at));
        }
        if self.kind == Kind::Saved && !self.has_list {
            let why = "it is missing".to_owned();
            return Err(BadArchive::Lists("manifest.json", why));
        }
        Ok(())
    }

    fn head(&mut self, block: Bytes, out: &mut Vec<Bytes>) -> Result<(), BadArchive> {
        if let State::Sparse(size) = self.state {
            let goes_on = block[504] != 0;
            out.push(block);
            if !goes_on {
                self.pass(size);
            }
            return Ok(());
        }
        if block.iter().all(|byte| *byte == 0) {
            self.state = State::End;
            out.push(block);
            return Ok(());
        }
        let damaged = BadArchive::Damaged(self.at);
        let header = header(&block).ok_or(damaged.clone())?;
        let entry = header.entry_type();
        let own_size = header.entry_size().map_err(|_| damaged.clone())?;
        if entry.is_pax_local_extensions() || entry.is_gnu_longname() || entry.is_gnu_longlink() {
            return self.begin(What::Extension(block.clone(), entry), own_size, &damaged);
        }
        let size = self.size.take().unwrap_or(own_size);
        let path = self.path.take();
        let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        if self.kind == Kind::Saved
            && let Some(list) = list(&path, entry)?
        {
            // A head of its own is made for it.
            self.held.clear();
            return self.begin(What::List(list), size, &damaged);
        }
        out.append(&mut self.held);
        let is_sparse = entry.is_gnu_sparse() && block[482] != 0;
        out.push(block);
        // What has no content may have a size all the same.
        let has_none = entry.is_hard_link()
            || entry.is_symlink()
            || entry.is_dir()
            || entry.is_fifo()
            || entry.is_character_special()
            || entry.is_block_special();
        if is_sparse {
            self.state = State::Sparse(size);
        } else {
            self.pass(if has_none { 0 } else { size });
        }
        Ok(())
    }

    fn pass(&mut self, size: u64) {
        self.state = match padded(size.min(MOST + 1)) {
            0 => State::Head,
            left => State::Pass(left),
        };
    }

    fn begin(&mut self, what: What, size: u64, damaged: &BadArchive) -> Result<(), BadArchive> {
        let fits = usize::try_from(size).ok().filter(|_| size <= MOST_KEPT);
        let size = fits.ok_or(damaged.clone())?;
        if size == 0 {
            return Err(damaged.clone());
        }
        self.state = State::Take(Taken {
            what,
            bytes: BytesMut::new(),
            size,
            left: padded(size as u64),
        });
        Ok(())
    }

    fn take(&mut self, out: &mut Vec<Bytes>) -> Result<(), BadArchive> {
        if !matches!(&self.state, State::Take(taken) if taken.left == 0) {
            return Ok(());
        }
        let State::Take(taken) = std::mem::replace(&mut self.state, State::Head) else {
            return Ok(());
        };
        let content = &taken.bytes[..taken.size];
        match taken.what {
            What::List(list) => {
                self.has_list |= list.names_layers();
                if let Some(content) = list.rewritten(content, &self.name)? {
                    out.extend(lists::file(list.name(), &content));
                }
            }
            What::Extension(head, entry) => {
                if entry.is_gnu_longname() {
                    let end = content.iter().position(|byte| *byte == 0);
                    let path = &content[..end.unwrap_or(content.len())];
                    self.path = Some(path.to_vec());
                } else if entry.is_pax_local_extensions() {
                    self.attributes(content)?;
                }
                if self.held.iter().map(Bytes::len).sum::<usize>() as u64 > MOST_KEPT {
                    return Err(BadArchive::Damaged(self.at));
                }
                self.held.push(head);
                self.held.push(taken.bytes.freeze());
            }
        }
        Ok(())
    }

    fn attributes(&mut self, content: &[u8]) -> Result<(), BadArchive> {
        let damaged = BadArchive::Damaged(self.at);
        for attribute in tar::PaxExtensions::new(content) {
            let attribute = attribute.map_err(|_| damaged.clone())?;
            match attribute.key_bytes() {
                b"path" => self.path = Some(attribute.value_bytes().to_vec()),
                b"size" => {
                    let size = attribute.value().ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or(damaged.clone())?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The list that a file of a saved image is. What could come to be one by another way is refused.
fn list(path: &[u8], entry: EntryType) -> Result<Option<List>, BadArchive> {
    let parts = parts(path);
    if parts.contains(&&b".."[..]) {
        let shown = String::from_utf8_lossy(path).into_owned();
        return Err(BadArchive::Lists(
            "list of files",
            format!("it has {shown:?}"),
        ));
    }
    let Some(list) = parts.last().and_then(|name| List::of(name)) else {
        return Ok(None);
    };
    if parts.len() == 1 && entry.is_file() {
        return Ok(Some(list));
    }
    let why = "it is no plain file at the root".to_owned();
    Err(BadArchive::Lists(list.name(), why))
}
