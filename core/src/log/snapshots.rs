//! Snapshots of long histories in files: what the events of an aggregate add up to, and which commands they came of.
//!
//! They are only a shortcut, so that who loads 100,000 events need not read them. Any may be missing, and none is
//! believed that other sources folded, that is damaged, or whose last event the log does not have.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::history::{History, SharedHistory};
use super::{Error, Log, Recorded};
use crate::digest::Digest;
use crate::ids::CommandId;
use crate::subject::Address;

/// How many events lie between two snapshots of an aggregate.
const SPACING: u32 = 1000;
/// What the code was that folded: another fold may come to another state.
const SOURCES: &str = env!("EAI_CORE_SOURCES");
/// A command in a file: its id, its sequence and the place of its event's name.
const COMMAND: usize = 16 + 8 + 2;
/// How files end that are not whole yet.
const PART: &str = "part";
/// The digest that ends a file.
const DIGEST: usize = 32;

/// Where the snapshots are; nowhere, where there are none.
#[derive(Debug)]
pub(super) struct Snapshots {
    folder: Option<Arc<Path>>,
}

/// What was read from a file.
pub(super) struct Snapshot {
    header: Header,
    commands: Vec<u8>,
}

/// The first line of a file. Behind it stand the commands, and the digest of it all.
#[derive(Serialize, Deserialize)]
struct Header {
    sources: String,
    aggregate: String,
    sequence: u64,
    head: Digest,
    /// The names of the events that the commands led to.
    names: Vec<Box<str>>,
    state: Box<RawValue>,
}

// === impl Snapshots ===

impl Snapshots {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let folder = folder.map(Arc::<Path>::from);
        let left = folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        for path in left.into_iter().flatten().flatten().map(|left| left.path()) {
            if path.extension().is_some_and(|extension| extension == PART) {
                // Of a process that was killed. If it stays, it is in nobody's way.
                drop(fs::remove_file(path));
            }
        }
        Self { folder }
    }

    /// The file of an aggregate. Its name may be too long for one, or differ from another's in nothing a disk can tell.
    fn path(folder: &Path, address: &Address) -> PathBuf {
        folder.join(Digest::of(address.filter().as_bytes()).to_string())
    }

    /// Keeps a history, where it is long enough since the last time. Whether that succeeds is nobody's concern.
    pub(super) fn keep(&self, address: &Address, history: &mut History) {
        let Some(folder) = self.folder.clone().filter(|_| history.unkept >= SPACING) else {
            return;
        };
        history.unkept = 0;
        let Some(file) = encode(address, history) else {
            tracing::debug!(aggregate = %address, "snapshot: this state cannot be written");
            return;
        };
        let path = Self::path(&folder, address);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write(&folder, &path, &file) {
                tracing::warn!(path = %path.display(), %error, "snapshot: not written");
            }
        });
    }

    /// The snapshot of an aggregate, if there is one that these sources made.
    async fn find(&self, address: &Address) -> Option<Snapshot> {
        let path = Self::path(self.folder.as_ref()?, address);
        let file = tokio::fs::read(path).await.ok()?;
        let snapshot = decode(file)?;
        let is_of_it = snapshot.header.aggregate == address.filter();
        is_of_it.then_some(snapshot)
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// The state, as JSON.
    pub(super) fn state(&self) -> &str {
        self.header.state.get()
    }

    /// Makes a history without events the one that was kept.
    fn fill(&self, history: &mut History) -> Result<(), serde_json::Error> {
        history.state.restore(self.state())?;
        let Header { names, .. } = &self.header;
        history.commands.reserve(self.commands.len() / COMMAND);
        for command in self.commands.chunks_exact(COMMAND) {
            let parts = command
                .split_first_chunk()
                .and_then(|(id, rest)| Some((id, rest.split_first_chunk()?)));
            let Some((id, (sequence, name))) = parts else {
                continue;
            };
            let name = name.first_chunk().map(|name| u16::from_le_bytes(*name));
            let name = name.and_then(|name| names.get(usize::from(name)));
            let id = CommandId(Uuid::from_bytes(*id));
            let sequence = u64::from_le_bytes(*sequence);
            let name = name.cloned().unwrap_or_default();
            history.commands.insert(id, (sequence, name));
        }
        history.last_sequence = self.header.sequence;
        history.last_digest = self.header.head;
        Ok(())
    }
}

// === impl Log ===

impl Log {
    /// The newest snapshot of an aggregate that ends at `until` or before, with its last event as the log has it.
    pub(super) async fn snapshot(
        &self,
        address: &Address,
        until: u64,
    ) -> Result<Option<(Snapshot, Recorded)>, Error> {
        let Some(snapshot) = self.inner.snapshots.find(address).await else {
            return Ok(None);
        };
        let Header { sequence, head, .. } = snapshot.header;
        if sequence > until {
            return Ok(None);
        }
        let last = self.get(sequence).await?;
        let last = last.filter(|last| last.digest() == head);
        if last.is_none() {
            tracing::warn!(aggregate = %address, sequence, "snapshot: the log has another event there");
        }
        Ok(last.map(|last| (snapshot, last)))
    }

    /// Begins a history that was never read with the snapshot of it, if there is one.
    pub(super) async fn recall(
        &self,
        address: &Address,
        history: &SharedHistory,
    ) -> Result<(), Error> {
        if let Some((snapshot, _)) = self.snapshot(address, u64::MAX).await? {
            let mut history = history.lock();
            // Another may have read it in the meantime.
            if history.last_sequence == 0
                && let Err(error) = snapshot.fill(&mut history)
            {
                tracing::warn!(aggregate = %address, %error, "snapshot: not used");
            }
        }
        Ok(())
    }
}

/// A history as a file; none where its state would not be read back as it is.
fn encode(address: &Address, history: &History) -> Option<Vec<u8>> {
    let mut names: Vec<Box<str>> = Vec::new();
    let mut commands = Vec::with_capacity(history.commands.len() * COMMAND + DIGEST);
    for (id, (sequence, name)) in &history.commands {
        let known = names.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        });
        commands.extend_from_slice(id.0.as_bytes());
        commands.extend_from_slice(&sequence.to_le_bytes());
        commands.extend_from_slice(&u16::try_from(place).ok()?.to_le_bytes());
    }
    let header = Header {
        sources: SOURCES.into(),
        aggregate: address.filter(),
        sequence: history.last_sequence,
        head: history.last_digest,
        names,
        state: history.state.save()?,
    };
    let mut file = serde_json::to_vec(&header).ok()?;
    file.push(b'\n');
    file.append(&mut commands);
    let digest = Digest::of(&file);
    file.extend_from_slice(digest.as_bytes());
    Some(file)
}

fn decode(mut file: Vec<u8>) -> Option<Snapshot> {
    let digest = file.split_off(file.len().checked_sub(DIGEST)?);
    if Digest::of(&file).as_bytes() != digest.as_slice() {
        return None;
    }
    // JSON on one line has no end of a line in it.
    let end = file.iter().position(|byte| *byte == b'\n')?;
    let commands = file.split_off(end + 1);
    let header: Header = serde_json::from_slice(&file).ok()?;
    let is_whole = header.sources == SOURCES && commands.len().is_multiple_of(COMMAND);
    is_whole.then_some(Snapshot { header, commands })
}

/// Others see the old file or the new one.
fn write(folder: &Path, path: &Path, file: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let part = folder.join(format!("{:016x}.{PART}", rand::rng().random::<u64>()));
    let written = fs::File::create(&part)
        .and_then(|mut unfinished| unfinished.write_all(file))
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // What cannot be removed either is in nobody's way.
        drop(fs::remove_file(&part));
    }
    written
}
