//! What is in the folder of a run, by name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::attempts::Attempts;
use super::gateway::GatewayOrder;
use super::network::Helper;
use super::order::Order;
use crate::backend::{Answer, Exit, Held, Left, Outcome, Started};

/// The largest document read from a folder.
const DOCUMENT_MAX: u64 = 32 * 1024 * 1024;

/// The folder of a run.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

// === impl Files ===

impl Files {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the shim listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Where the output is.
    pub(crate) fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// Where the shim complains.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("shim.log")
    }

    /// What to run: written before there is a shim.
    pub(crate) fn order(&self) -> io::Result<Option<Order>> {
        self.read("run.json")
    }

    pub(crate) fn put_order(&self, order: &Order) -> io::Result<()> {
        self.write("run.json", order).map(drop)
    }

    /// There once the command may have begun.
    pub(crate) fn started(&self) -> io::Result<Option<Started>> {
        self.read("started.json")
    }

    pub(crate) fn put_started(&self, started: &Started) -> io::Result<()> {
        self.write("started.json", started).map(drop)
    }

    /// There once the run is over.
    pub(crate) fn exit(&self) -> io::Result<Option<Exit>> {
        self.read("exit.json")
    }

    pub(crate) fn put_exit(&self, exit: &Exit) -> io::Result<()> {
        self.write("exit.json", exit).map(drop)
    }

    /// The outcomes of a worker that ended before they were acknowledged.
    pub(crate) fn outcomes(&self) -> io::Result<Option<Vec<Outcome>>> {
        self.read("outcomes.json")
    }

    pub(crate) fn put_outcomes(&self, outcomes: &[Outcome]) -> io::Result<()> {
        self.write("outcomes.json", &outcomes).map(drop)
    }

    /// What a worker has at hand, should its shim be killed.
    pub(crate) fn attempts(&self) -> io::Result<Option<Attempts>> {
        self.read("attempts.json")
    }

    /// The file can be written over, by who keeps it open.
    pub(super) fn put_attempts(&self, attempts: &Attempts) -> io::Result<File> {
        self.write("attempts.json", attempts)
    }

    /// What is left of a worker to be told, now that its shim is gone.
    pub(crate) fn left(&self) -> io::Result<Left> {
        let attempts = self.attempts()?.unwrap_or_default();
        let outcomes = match self.outcomes()? {
            Some(outcomes) => outcomes,
            // It was killed, and what it knew is lost. What was acknowledged meanwhile is over.
            None => attempts.held.into_iter().filter_map(gone).collect(),
        };
        Ok(Left {
            incarnation: attempts.incarnation,
            outcomes,
        })
    }

    /// Whom a shim without a command serves.
    pub(crate) fn gateway(&self) -> io::Result<Option<GatewayOrder>> {
        self.read("gateway.json")
    }

    pub(crate) fn put_gateway(&self, order: &GatewayOrder) -> io::Result<()> {
        self.write("gateway.json", order).map(drop)
    }

    /// The port that it serves at.
    pub(crate) fn port(&self) -> io::Result<Option<u16>> {
        self.read("port.json")
    }

    pub(crate) fn put_port(&self, port: u16) -> io::Result<()> {
        self.write("port.json", &port).map(drop)
    }

    /// The sandbox's first process.
    pub(crate) fn first(&self) -> io::Result<Option<Helper>> {
        self.read("first.json")
    }

    pub(crate) fn put_first(&self, first: &Helper) -> io::Result<()> {
        self.write("first.json", first).map(drop)
    }

    /// There while a helper of the run may live.
    pub(crate) fn helper(&self) -> io::Result<Option<Helper>> {
        self.read("helper.json")
    }

    pub(crate) fn put_helper(&self, helper: &Helper) -> io::Result<()> {
        self.write("helper.json", helper).map(drop)
    }

    /// None where it isn't there.
    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let path = self.folder.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(DOCUMENT_MAX).read_to_end(&mut bytes)?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let told = format!("{} is not what it should be: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, told)
        })?;
        Ok(Some(value))
    }

    /// Whole or not at all.
    fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<File> {
        let bytes = serde_json::to_vec(value)?;
        let half = self.folder.join(format!("{name}.half"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        file.write_all(&bytes)?;
        std::fs::rename(half, self.folder.join(name))?;
        Ok(file)
    }
}

/// The outcome of an attempt of which nobody is left to say more; none where the worker never had it.
pub(crate) fn gone(held: Held) -> Option<Outcome> {
    let begun = held.begun?;
    Some(Outcome {
        id: held.id,
        attempt: held.attempt,
        answer: Answer::Gone,
        logs: String::new(),
        begun,
        ended: begun,
    })
}

/// Makes a folder for this user alone, where it isn't there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Away at once, so that nobody finds half of it; then for good.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let away = parent.join(format!(".removed-{}", name.display()));
    match std::fs::rename(folder, &away) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match std::fs::remove_dir_all(away) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
