//! The files under `views/`: one database for each generation of views, the newest one in use.
//!
//! A rebuild writes a new generation beside the old one, so a reader never meets a half-made file, and no
//! database ever finds the write-ahead log of another.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

use super::{Error, checkpoint, past, snapshots, writes};

/// Changes with `schema.sql`: views of another version are folded anew.
const VERSION: i64 = 11;
/// The tables.
const SCHEMA: &str = include_str!("schema.sql");
/// Readers at a time.
const READERS: u32 = 8;
/// How much of a database a connection that writes keeps in memory, in KiB. A fold touches rows all over it.
const CACHE: &str = "-32768";
/// How long a connection waits for another one's write.
const BUSY: Duration = Duration::from_secs(5);

/// The number in a generation's file name.
pub(crate) type Generation = u64;

/// The file of a generation.
pub(crate) fn path(directory: &Path, generation: Generation) -> PathBuf {
    directory.join(format!("views.{generation}.db"))
}

/// The generations that are there, oldest first.
fn generations(directory: &Path) -> Result<Vec<Generation>, Error> {
    let failed = |source| Error::File {
        path: directory.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| {
            name.strip_prefix("views.")?
                .strip_suffix(".db")?
                .parse::<Generation>()
                .ok()
        });
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes the folder of the views.
pub(crate) fn make_directory(directory: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    made.map_err(|source| Error::File {
        path: directory.to_owned(),
        source,
    })
}

/// The newest generation that this version can use; a new one where there is none.
pub(crate) async fn newest(
    directory: &Path,
) -> Result<(Generation, SqliteConnection, SqlitePool), Error> {
    make_directory(directory)?;
    let generations = generations(directory)?;
    for generation in generations.iter().rev().copied() {
        match both(&path(directory, generation)).await {
            Ok((writer, pool)) => {
                forget(directory, |other| other != generation)?;
                return Ok((generation, writer, pool));
            }
            Err(error) => tracing::warn!(generation, %error, "views.unusable"),
        }
    }
    if !generations.is_empty() {
        tracing::warn!("views.anew: they are folded from the log");
    }
    snapshots::forget(directory)?;
    let generation = generations.last().map_or(1, |newest| newest + 1);
    let mut writer = create(&path(directory, generation)).await?;
    finish(&mut writer).await?;
    let pool = readers(&path(directory, generation)).await?;
    Ok((generation, writer, pool))
}

/// Removes a stopped platform's views; its next start folds them anew.
pub fn set_aside(directory: &Path) -> Result<(), Error> {
    if directory.exists() {
        snapshots::forget(directory)?;
        past::forget(directory);
        forget(directory, |_| true)
    } else {
        Ok(())
    }
}

/// Removes generations that nobody uses any more.
pub(crate) fn forget(directory: &Path, unused: impl Fn(Generation) -> bool) -> Result<(), Error> {
    for generation in generations(directory)?
        .into_iter()
        .filter(|found| unused(*found))
    {
        remove(&path(directory, generation))?;
    }
    Ok(())
}

/// Removes a database and what stands beside it.
pub(crate) fn remove(database: &Path) -> Result<(), Error> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = database.to_owned().into_os_string();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::File {
                    path: name.into(),
                    source,
                });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Makes an empty database with its tables. It is not used after a restart until it is finished.
pub(crate) async fn create(path: &Path) -> Result<SqliteConnection, Error> {
    let mut connection = writing(path).create_if_missing(true).connect().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    transaction.execute(SCHEMA).await?;
    transaction.commit().await?;
    writes::prepare(&mut connection).await?;
    Ok(connection)
}

/// Says that the views in it may be used: a rebuild that broke off leaves some that are far behind.
pub(crate) async fn finish(connection: &mut SqliteConnection) -> Result<(), Error> {
    // A pragma takes no parameters.
    let text = AssertSqlSafe(format!("PRAGMA user_version = {VERSION}"));
    connection.execute(text).await?;
    Ok(())
}

/// A connection that writes to a database that is there.
pub(crate) async fn writer(path: &Path) -> Result<SqliteConnection, Error> {
    let mut connection = writing(path).connect().await?;
    writes::prepare(&mut connection).await?;
    Ok(connection)
}

/// A connection to a copy of views, whatever is in it.
pub(crate) async fn scratch(path: &Path) -> Result<SqliteConnection, Error> {
    // What is lost with the power is folded again.
    let options = writing(path).synchronous(SqliteSynchronous::Off);
    let mut connection = options.connect().await?;
    writes::prepare(&mut connection).await?;
    Ok(connection)
}

/// Gives back the memory that a connection needed to fold.
pub(crate) async fn rest(connection: &mut SqliteConnection) -> Result<(), Error> {
    let text = "PRAGMA cache_size = -256; PRAGMA shrink_memory";
    connection.execute(text).await?;
    Ok(())
}

/// Lets a connection read another database as well, under a name.
pub(crate) async fn attach(
    connection: &mut SqliteConnection,
    path: &Path,
    name: &'static str,
) -> Result<(), Error> {
    let text = AssertSqlSafe(format!("ATTACH ? AS {name}"));
    let path = path.to_string_lossy();
    sqlx::query(text)
        .bind(path.as_ref())
        .execute(connection)
        .await?;
    Ok(())
}

/// The names of a database's tables.
pub(crate) async fn tables(connection: &mut SqliteConnection) -> Result<Vec<String>, Error> {
    let text = "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name";
    let rows = connection.fetch_all(text).await?;
    let name = |row: &SqliteRow| Ok(row.try_get("name")?);
    rows.iter().map(name).collect()
}

/// A connection to a copy of views of this version.
pub(crate) async fn usable_scratch(path: &Path) -> Result<SqliteConnection, Error> {
    is_usable(scratch(path).await?).await
}

/// The connection that writes and those that read, to a database that this version can use.
async fn both(path: &Path) -> Result<(SqliteConnection, SqlitePool), Error> {
    let writer = usable(path).await?;
    // What its write-ahead log still hides may show to them first.
    let readers = readers(path).await?;
    Ok((writer, readers))
}

async fn usable(path: &Path) -> Result<SqliteConnection, Error> {
    is_usable(writer(path).await?).await
}

async fn is_usable(mut connection: SqliteConnection) -> Result<SqliteConnection, Error> {
    let row = connection.fetch_one("PRAGMA user_version").await?;
    match row.try_get(0)? {
        VERSION => {}
        0 => return Err(Error::Row("they were never finished".into())),
        version => {
            return Err(Error::Row(format!(
                "made by version {version}, this is {VERSION}"
            )));
        }
    }
    checkpoint::read(&mut connection).await?;
    Ok(connection)
}

/// A pool that only reads.
pub(crate) async fn readers(path: &Path) -> Result<SqlitePool, Error> {
    let options = options(path).read_only(true);
    Ok(SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options)
        .await?)
}

fn writing(path: &Path) -> SqliteConnectOptions {
    options(path).pragma("cache_size", CACHE)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // Views can be folded anew, and a transaction lost with the power is one that is folded again.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(false)
        .busy_timeout(BUSY)
}
