//! The records of a run as the checker takes them, and the folder they are kept in.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::history::{Call, Fault, Line, Run, Seen};

/// The history's file in a run's folder.
pub(super) const HISTORY: &str = "history.ndjson";
const LOG: &str = "log.ndjson";
const VIEWS: &str = "views.json";

/// Everything that is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// How it was made.
    pub run: Run,
    /// All calls, in the order of their ends.
    pub calls: Vec<Call>,
    /// All faults.
    pub faults: Vec<Fault>,
    /// What the platform's log lines told.
    pub seen: Seen,
    /// The log as the stream has it.
    pub log: Vec<Stored>,
    /// What the platform showed in the end.
    pub views: Views,
}

/// An event as the stream has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Its place.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// When the server stored it, in microseconds of Unix time.
    pub at: u64,
    /// The document, byte for byte.
    pub payload: String,
}

/// What the platform shows of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Views {
    /// All services as listed.
    pub services: Vec<Value>,
    /// All data resources as listed.
    pub data: Vec<Value>,
    /// All roles as listed.
    pub roles: Vec<Value>,
    /// What went wrong where it could not be read, or changed when it was folded anew.
    pub wrong: Vec<String>,
}

// === impl Record ===

impl Record {
    /// Reads what a run left in its folder.
    pub fn read(folder: &Path) -> std::io::Result<Self> {
        let mut record = Self {
            log: lines(&folder.join(LOG))?,
            views: serde_json::from_reader(BufReader::new(File::open(folder.join(VIEWS))?))?,
            ..Self::default()
        };
        for line in lines(&folder.join(HISTORY))? {
            match line {
                Line::Run(run) => record.run = run,
                Line::Call(call) => record.calls.push(call),
                Line::Fault(fault) => record.faults.push(fault),
                Line::Seen(seen) => record.seen = seen,
            }
        }
        Ok(record)
    }
}

/// Keeps log and views beside the history.
pub(super) fn keep(folder: &Path, log: &[Stored], views: &Views) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(folder.join(LOG))?);
    for event in log {
        serde_json::to_writer(&mut file, event)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    std::fs::write(folder.join(VIEWS), serde_json::to_vec(views)?)
}

fn lines<T: DeserializeOwned>(path: &Path) -> std::io::Result<Vec<T>> {
    let file = BufReader::new(File::open(path)?);
    file.lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}
