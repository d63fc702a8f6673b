//! `eai data push`: files become a version, all of them or none.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytesize::ByteSize;
use eai_core::data::{File, FilePath};
use eai_core::digest::Digest;
use futures::stream::{FuturesUnordered, StreamExt};
use reqwest::Body;
use serde::Deserialize;
use serde_json::json;

use super::{VERSIONS, Versioned};
use crate::args::{FormatArg, PushArgs};
use crate::client::{Bulk, Call, Client};
use crate::error::{Error, ExitStatus};
use crate::files::{self, Hashed, Tree, hash, pieces, scan};
use crate::output::{Bar, Printer, Row, RowWriter};

/// Digests that are asked about at a time.
const ASKED: usize = 800;
/// Requests with contents at a time.
const AT_ONCE: usize = 4;
/// What one request carries, unless a single content is longer.
const TOGETHER: u64 = 4 << 20;
/// How many contents one request carries.
const MOST_TOGETHER: usize = 1000;
/// How often contents that are missing after all are sent again.
const MOST_ROUNDS: u32 = 3;

/// What is pushed, and where it is from.
type Planned = BTreeMap<FilePath, (usize, Hashed)>;

/// Pushes what the command line names.
pub(super) async fn push(
    args: PushArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let Versioned { reference, version } = Versioned::read(&args.reference, client)?;
    check_newest(version)?;
    let sources: Vec<(PathBuf, Option<String>)> =
        args.sources.iter().map(|text| source(text)).collect();
    let row = push_all(&reference, &sources, 0, args.verbose, client, printer).await?;
    if !args.verbose {
        RowWriter::new(args.output.view(FormatArg::Table), VERSIONS).write(printer, &[row])?;
    }
    Ok(ExitStatus::Success)
}

/// Only the newest version can be changed.
pub(super) fn check_newest(version: Option<u64>) -> Result<(), Error> {
    match version {
        None => Ok(()),
        Some(version) => Err(Error::Usage(format!(
            "version {version} stays as it is: leave out `@{version}` to make a new one"
        ))),
    }
}

/// `LOCAL[:REMOTE]`; a file whose name has a colon is meant as it is.
fn source(text: &str) -> (PathBuf, Option<String>) {
    let whole = Path::new(text);
    match text.rsplit_once(':') {
        Some((local, remote)) if !whole.exists() => (local.into(), Some(remote.to_owned())),
        _ => (whole.to_owned(), None),
    }
}

/// What is pushed, and where to.
pub(in crate::commands) type Sources = Vec<(PathBuf, Option<String>)>;

/// Pushes files, as the `nth` command of this invocation; the version that came of it.
pub(in crate::commands) async fn push_all(
    reference: &str,
    sources: &[(PathBuf, Option<String>)],
    nth: u32,
    verbose: bool,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<Row, Error> {
    push_with(reference, sources, &[], nth, verbose, client, printer).await
}

/// What a push would bring, by path.
pub(in crate::commands) async fn local(
    sources: &[(PathBuf, Option<String>)],
) -> Result<BTreeMap<FilePath, File>, Error> {
    let (_, planned) = plan(sources).await?;
    let files = planned.into_iter();
    Ok(files
        .map(|(path, (_, hashed))| (path, hashed.file))
        .collect())
}

/// Looks at everything before anything travels.
async fn plan(sources: &[(PathBuf, Option<String>)]) -> Result<(Vec<Arc<Tree>>, Planned), Error> {
    let mut trees = Vec::new();
    let mut planned = Planned::new();
    for (local, remote) in sources {
        let (tree, found) = scan(local, remote.as_deref())?;
        if found.is_empty() {
            return Err(files::Error::Empty(local.clone()).into());
        }
        let tree = Arc::new(tree);
        let at = trees.len();
        for hashed in hash_all(&tree, found).await? {
            planned.insert(hashed.path.clone(), (at, hashed));
        }
        trees.push(tree);
    }
    Ok((trees, planned))
}

/// The same as one version with files that go: each is a path, or a pattern.
pub(in crate::commands) async fn push_with(
    reference: &str,
    sources: &[(PathBuf, Option<String>)],
    gone: &[String],
    nth: u32,
    verbose: bool,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<Row, Error> {
    let (trees, planned) = plan(sources).await?;
    let total: u64 = planned.values().map(|(_, hashed)| hashed.file.size).sum();
    let put: Vec<_> = planned
        .values()
        .map(|(_, hashed)| {
            json!({
                "path": hashed.path, "size": hashed.file.size, "sha256": hashed.file.sha256,
                "executable": hashed.file.executable,
            })
        })
        .collect();
    let mut rounds = 0;
    loop {
        rounds += 1;
        let missing = missing(reference, &planned, client).await?;
        send(reference, &trees, &planned, &missing, client, printer).await?;
        let call = Call::command(&["data", reference, "version"], nth)
            .body(json!({ "put": put, "remove": gone }));
        match client.row(call).await {
            // Another platform process took the contents in, or they waited for too long.
            Err(Error::Refused(refusal))
                if refusal.code == "content-missing" && rounds < MOST_ROUNDS => {}
            Err(error) => return Err(error),
            Ok(row) => {
                if verbose {
                    for (_, hashed) in planned.values() {
                        let size = ByteSize::b(hashed.file.size);
                        printer.line(&format!("Process file : {}...{size}", hashed.path))?;
                    }
                    printer.line(&format!("Uploaded {} successfully", ByteSize::b(total)))?;
                }
                return Ok(row);
            }
        }
    }
}

async fn hash_all(tree: &Arc<Tree>, found: Vec<files::Found>) -> Result<Vec<Hashed>, Error> {
    let tree = Arc::clone(tree);
    let hashing = tokio::task::spawn_blocking(move || {
        let hashed: Result<Vec<_>, _> = found.into_iter().map(|file| hash(&tree, file)).collect();
        hashed
    });
    let hashed = hashing
        .await
        .map_err(|error| Error::Runtime(error.into()))?;
    Ok(hashed?)
}

/// Which contents the platform does not have.
async fn missing(
    reference: &str,
    planned: &Planned,
    client: &mut Client,
) -> Result<HashSet<Digest>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        missing: Vec<Digest>,
    }
    let digests: HashSet<Digest> = planned.values().map(|(_, file)| file.file.sha256).collect();
    let digests: Vec<Digest> = digests.into_iter().collect();
    let mut missing = HashSet::new();
    for some in digests.chunks(ASKED) {
        let call = Call::post(&["data", reference, "missing"]).body(json!({ "digests": some }));
        let answer: Answer = client.answer(call).await?;
        missing.extend(answer.missing);
    }
    Ok(missing)
}

/// Sends contents, several requests at a time.
async fn send(
    reference: &str,
    trees: &[Arc<Tree>],
    planned: &Planned,
    missing: &HashSet<Digest>,
    client: &mut Client,
    printer: &Printer,
) -> Result<(), Error> {
    let batches = batches(planned, missing);
    let total = batches.iter().flat_map(|(_, files)| files);
    let total = total.map(|hashed| hashed.file.size).sum();
    let bar = printer.progress().bar(total);
    let mut flying = FuturesUnordered::new();
    for (tree, files) in batches {
        if flying.len() >= AT_ONCE {
            flying.next().await.transpose()?;
        }
        // Each request has a token that is good for it, however long the others took.
        let bulk = client
            .bulk(Call::post(&["data", reference, "objects"]))
            .await?;
        flying.push(send_batch(
            bulk,
            Arc::clone(&trees[tree]),
            Arc::new(files),
            bar.clone(),
        ));
    }
    while flying.next().await.transpose()?.is_some() {}
    bar.finish();
    Ok(())
}

async fn send_batch(
    bulk: Bulk,
    tree: Arc<Tree>,
    files: Arc<Vec<Hashed>>,
    bar: Bar,
) -> Result<(), Error> {
    let sent = bulk.send(|sent| {
        let bar = bar.clone();
        let body = pieces(Arc::clone(&tree), Arc::clone(&files), move |bytes| {
            sent.add(bytes);
            bar.add(bytes);
        });
        Some(Body::wrap_stream(body))
    });
    let mut answer = sent.await?;
    while answer.next(u64::MAX).await?.is_some() {}
    Ok(())
}

/// Contents that travel together: each once, from one tree.
fn batches(planned: &Planned, missing: &HashSet<Digest>) -> Vec<(usize, Vec<Hashed>)> {
    let mut left = missing.clone();
    let mut batches: Vec<(usize, Vec<Hashed>)> = Vec::new();
    let mut bytes = 0;
    for (tree, hashed) in planned.values() {
        if !left.remove(&hashed.file.sha256) {
            continue;
        }
        let fits = bytes + hashed.file.size <= TOGETHER;
        match batches.last_mut() {
            Some((last, files)) if last == tree && fits && files.len() < MOST_TOGETHER => {
                files.push(hashed.clone());
                bytes += hashed.file.size;
            }
            _ => {
                batches.push((*tree, vec![hashed.clone()]));
                bytes = hashed.file.size;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_travel_once_and_not_too_many_together() {
        let mut planned = Planned::new();
        let mut add = |path: &str, content: u8, size: u64, tree: usize| {
            let path: FilePath = path.parse().unwrap();
            let file = File {
                size,
                sha256: Digest::of(&[content]),
                executable: false,
            };
            let at = path.as_str().into();
            planned.insert(path.clone(), (tree, Hashed { at, path, file }));
        };
        add("a", 1, 10, 0);
        add("b", 1, 10, 0);
        add("c", 2, TOGETHER, 0);
        add("d", 3, 10, 0);
        add("e", 4, 10, 1);
        add("f", 5, 10, 1);
        let missing: HashSet<_> = [1, 2, 3, 4]
            .map(|content: u8| Digest::of(&[content]))
            .into();
        let paths: Vec<Vec<_>> = batches(&planned, &missing)
            .iter()
            .map(|(_, files)| files.iter().map(|file| file.path.to_string()).collect())
            .collect();
        assert_eq!(paths, [vec!["a"], vec!["c"], vec!["d"], vec!["e"]]);
    }

    #[test]
    fn a_colon_parts_local_from_remote() {
        let read = |text: &str| source(text);
        assert_eq!(read("./no/such"), ("./no/such".into(), None));
        assert_eq!(read("./no:b/"), ("./no".into(), Some("b/".to_owned())));
    }
}
