//! An export as a file: its lines one by one, and whether they are what the manifest beside it says.
//!
//! It knows files. What the lines must be is in `eai_core::log::export`; what is done with them, in its callers.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use eai_core::envelope::MAX_BYTES;
use eai_core::ids::PlatformId;
use eai_core::log::Recorded;
use eai_core::log::export::{Manifest, Tally, recorded};
use eai_core::names::AccountName;

use crate::error::Error;
use crate::files;

/// The longest line: a document, or one that is none as JSON has it.
const MOST: u64 = 2 * MAX_BYTES as u64;
/// How the source of an event begins.
const SOURCE: &str = "urn:eai:platform:";

/// A file that is what its manifest says.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Manifest,
    /// How many events this version cannot read.
    pub(crate) unreadable: u64,
    /// Where it came from; none where it has no event.
    pub(crate) origin: Option<Origin>,
}

/// Whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The platform that wrote the first event.
    pub(crate) first: PlatformId,
    /// The one that wrote the last.
    pub(crate) last: PlatformId,
    /// The account that was made at the first start.
    pub(crate) account: AccountName,
}

/// The events of a file, in their order.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    sequence: u64,
    line: Vec<u8>,
}

/// Where the manifest of an export is.
pub(crate) fn manifest_of(file: &Path) -> PathBuf {
    beside(file, ".manifest.json")
}

/// A file beside another one.
pub(crate) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

// === impl Export ===

impl Export {
    /// Reads a file whole and compares it with its manifest.
    pub(crate) fn verified(path: &Path) -> Result<Self, Error> {
        let wanted = manifest(path)?;
        let mut lines = Lines::open(path)?;
        let mut tally = Tally::default();
        let mut origin: Option<Origin> = None;
        while let Some(event) = lines.next()? {
            tally
                .take(&event)
                .map_err(|error| lines.damaged(&error.to_string()))?;
            let Ok(envelope) = event.envelope() else {
                continue;
            };
            let source = envelope.source.strip_prefix(SOURCE);
            let Some(source) = source.and_then(|id| id.parse().ok()) else {
                continue;
            };
            if let Some(origin) = &mut origin {
                origin.last = source;
            } else {
                let account = envelope.account_name();
                origin = account.ok().map(|account| Origin {
                    first: source,
                    last: source,
                    account,
                });
            }
        }
        let unreadable = tally.unreadable();
        let export = Self {
            path: path.to_owned(),
            manifest: tally.manifest(),
            unreadable,
            origin,
        };
        export.must_be(&wanted)?;
        Ok(export)
    }

    fn must_be(&self, wanted: &Manifest) -> Result<(), Error> {
        match wanted.differs(&self.manifest) {
            None => Ok(()),
            Some(difference) => Err(Error::Export(format!(
                "{} is not what was exported: {difference}",
                self.path.display()
            ))),
        }
    }
}

fn manifest(path: &Path) -> Result<Manifest, Error> {
    let manifest_path = manifest_of(path);
    let text = std::fs::read(&manifest_path).map_err(|source| files::Error::Read {
        path: manifest_path.clone(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::Export(format!(
            "{} is not a manifest: {error}",
            manifest_path.display()
        ))
    })
}

// === impl Lines ===

impl Lines {
    /// From the first one on.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| files::Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            sequence: 0,
            line: Vec::new(),
        })
    }

    /// The next event; none at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Recorded>, Error> {
        self.line.clear();
        // No line is longer, and whatever else the file may be is not read into memory.
        let mut bounded = self.reader.by_ref().take(MOST + 1);
        let read = bounded.read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| files::Error::Read {
            path: self.path.clone(),
            source,
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.sequence += 1;
        let Some(document) = self.line.strip_suffix(b"\n") else {
            return Err(self.damaged(&format!("line {} does not end", self.sequence)));
        };
        recorded(self.sequence, document)
            .map(Some)
            .map_err(|error| self.damaged(&error.to_string()))
    }

    /// What is wrong with the file.
    pub(crate) fn damaged(&self, what: &str) -> Error {
        Error::Export(format!("{} is damaged: {what}", self.path.display()))
    }
}
