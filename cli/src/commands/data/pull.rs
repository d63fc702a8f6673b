//! `eai data pull`: the files of a version, written below a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytesize::ByteSize;
use eai_core::data::{File, FilePath};
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::json;

use super::Versioned;
use crate::args::PullArgs;
use crate::client::{Bulk, Call, Client};
use crate::error::{Error, ExitStatus};
use crate::files::{self, Destination};
use crate::output::{Bar, Printer, Row};

/// Requests at a time.
const AT_ONCE: usize = 4;
/// Files that come together: the bytes of their paths, and their contents.
const TOGETHER_PATHS: usize = 40 * 1024;
const TOGETHER: u64 = 4 << 20;
/// How often a request is made that breaks off.
const MOST_TRIES: u32 = 3;

/// A file to be pulled: what it is called there, and here.
#[derive(Debug, Clone)]
struct Wanted {
    remote: FilePath,
    local: FilePath,
    file: File,
}

/// What is pulled, and where it is put.
struct Plan {
    /// In the data; everything where it is empty.
    remote: String,
    local: PathBuf,
}

/// Pulls what the command line names.
pub(super) async fn pull(
    args: PullArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let Versioned { reference, version } = Versioned::read(&args.reference, client)?;
    // The version is fixed here, so that files of one version come together.
    let version = if let Some(version) = version {
        version
    } else {
        let row = client.row(Call::get(&["data", &reference])).await?;
        row.value()["version"].as_u64().unwrap_or(0)
    };
    let everything = list(&reference, version, client).await?;
    let Plan { remote, local } = plan(&args, &everything);
    let (directory, wanted) = select(&everything, &remote, &local)?;
    if wanted.is_empty() {
        return Err(Error::Usage(format!(
            "there is nothing to pull at `{remote}` in version {version}: \
             `eai data content tree` lists what there is"
        )));
    }
    let destination = Arc::new(Destination::open(&directory)?);
    let bar = printer
        .progress()
        .bar(wanted.iter().map(|wanted| wanted.file.size).sum());
    let mut flying = FuturesUnordered::new();
    for batch in batches(&wanted) {
        if flying.len() >= AT_ONCE {
            flying.next().await.transpose()?;
        }
        let paths: Vec<&str> = batch.iter().map(|wanted| wanted.remote.as_str()).collect();
        let body = json!({ "version": version, "paths": paths });
        let bulk = client
            .bulk(Call::post(&["data", &reference, "files"]).body(body))
            .await?;
        flying.push(fetch(bulk, batch, Arc::clone(&destination), bar.clone()));
    }
    while flying.next().await.transpose()?.is_some() {}
    bar.finish();
    if args.verbose {
        for Wanted { local, file, .. } in &wanted {
            let size = ByteSize::b(file.size);
            printer.line(&format!("Process file : {local}...{size}"))?;
        }
        let total = wanted.iter().map(|wanted| wanted.file.size).sum();
        printer.line(&format!("Downloaded {} successfully", ByteSize::b(total)))?;
    }
    Ok(ExitStatus::Success)
}

/// Every file of a version.
async fn list(reference: &str, version: u64, client: &mut Client) -> Result<Vec<Wanted>, Error> {
    if version == 0 {
        return Ok(Vec::new());
    }
    let version = version.to_string();
    let query = [("version", version.as_str()), ("recursive", "true")];
    let rows = client
        .rows(&["data", reference, "content"], &query, None)
        .await?;
    let read = |row: &Row| -> Option<Wanted> {
        let path: FilePath = row.text("path")?.parse().ok()?;
        let file = File {
            size: row.value()["size"].as_u64()?,
            sha256: row.text("sha256")?.parse().ok()?,
            executable: row.value()["executable"].as_bool()?,
        };
        Some(Wanted {
            remote: path.clone(),
            local: path,
            file,
        })
    };
    rows.iter()
        .map(|row| {
            // A platform that names a file outside of the destination is not believed.
            read(row).ok_or_else(|| Error::Answer {
                url: client.url().to_owned(),
                reason: "a file of the list is none".to_owned(),
            })
        })
        .collect()
}

/// What the arguments mean, given what is there.
fn plan(args: &PullArgs, everything: &[Wanted]) -> Plan {
    let remote = |text: &str| text.trim_start_matches("./").trim_matches('/').to_owned();
    let here = || PathBuf::from(".");
    match (args.what.as_deref(), args.dest.clone()) {
        (None, dest) => Plan {
            remote: String::new(),
            local: dest.unwrap_or_else(here),
        },
        (Some(what), Some(local)) => Plan {
            remote: remote(what),
            local,
        },
        (Some(what), None) => {
            if let Some((from, to)) = what.split_once(':') {
                return Plan {
                    remote: remote(from),
                    local: to.into(),
                };
            }
            let is_local = what.starts_with(['.', '/', '~']) || Path::new(what).is_dir();
            let is_there = everything
                .iter()
                .any(|wanted| wanted.remote.is_within(&remote(what)));
            if is_there && !is_local {
                Plan {
                    remote: remote(what),
                    local: here(),
                }
            } else {
                Plan {
                    remote: String::new(),
                    local: what.into(),
                }
            }
        }
    }
}

/// The files that are meant, and the directory that they are put below.
fn select(
    everything: &[Wanted],
    remote: &str,
    local: &Path,
) -> Result<(PathBuf, Vec<Wanted>), Error> {
    let is_file = |wanted: &&Wanted| wanted.remote.as_str() == remote;
    if let Some(wanted) = everything.iter().find(is_file) {
        let name = remote.rsplit('/').next().unwrap_or(remote);
        let into = local.is_dir() || local.as_os_str().to_string_lossy().ends_with('/');
        let (directory, name) = match (
            local.parent(),
            local.file_name().and_then(|name| name.to_str()),
        ) {
            (Some(parent), Some(file)) if !into => {
                let here = parent.as_os_str().is_empty();
                (if here { Path::new(".") } else { parent }, file)
            }
            _ => (local, name),
        };
        let wanted = Wanted {
            local: name.parse().map_err(files::Error::from)?,
            ..wanted.clone()
        };
        return Ok((directory.to_owned(), vec![wanted]));
    }
    let mut selected = Vec::new();
    for wanted in everything {
        if let Some(below) = wanted.remote.below(remote) {
            let local = below.parse().map_err(files::Error::from)?;
            selected.push(Wanted {
                local,
                ..wanted.clone()
            });
        }
    }
    Ok((local.to_owned(), selected))
}

fn batches(wanted: &[Wanted]) -> Vec<Vec<Wanted>> {
    let mut batches: Vec<Vec<Wanted>> = Vec::new();
    let (mut paths, mut bytes) = (0, 0);
    for file in wanted {
        // As JSON, a path may take six times its length.
        let length = 6 * file.remote.as_str().len() + 3;
        match batches.last_mut() {
            Some(batch)
                if paths + length <= TOGETHER_PATHS && bytes + file.file.size <= TOGETHER =>
            {
                batch.push(file.clone());
                paths += length;
                bytes += file.file.size;
            }
            _ => {
                batches.push(vec![file.clone()]);
                (paths, bytes) = (length, file.file.size);
            }
        }
    }
    batches
}

/// Writes files, again where the answer breaks off.
async fn fetch(
    bulk: Bulk,
    batch: Vec<Wanted>,
    destination: Arc<Destination>,
    bar: Bar,
) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        match fetch_once(&bulk, &batch, &destination, &bar).await {
            Err(Error::Unreachable { .. }) if tries < MOST_TRIES => {}
            other => return other,
        }
    }
}

async fn fetch_once(
    bulk: &Bulk,
    batch: &[Wanted],
    destination: &Destination,
    bar: &Bar,
) -> Result<(), Error> {
    let mut pieces = bulk.send(|_| None).await?;
    for wanted in batch {
        let head = pieces.head().await?;
        if head != wanted.file.head() {
            return Err(files::Error::Damaged(wanted.remote.to_string()).into());
        }
        let mut file = destination.create(&wanted.local, wanted.file)?;
        let mut left = head.size;
        while left > 0 {
            let Some(piece) = pieces.next(left).await? else {
                return Err(files::Error::Damaged(wanted.remote.to_string()).into());
            };
            left -= piece.len() as u64;
            bar.add(piece.len());
            file.write(&piece)?;
        }
        file.finish()?;
    }
    Ok(())
}
