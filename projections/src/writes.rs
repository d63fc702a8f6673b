//! What events change in the tables, as statements in order, and how the database runs those of many events at once.
//!
//! Each statement that is handed to the database costs several times what it does there, so those of a whole batch
//! are handed over as one: a row for each event goes into a view that is nowhere stored, and a trigger for each list
//! of statements runs them. It knows nothing of events.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::Value;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::Error;

/// How many values the statements of one event may have.
const WIDTH: usize = 40;

/// What one event writes.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Its statements, their parameters as columns of the view.
    text: String,
    values: Vec<Value>,
}

/// A statement that is told the values of its parameters, in the order of their numbers.
pub(crate) struct Statement<'a>(&'a mut Vec<Value>);

/// A row of the view: the list of statements, and its values.
struct Row<'a>(i64, &'a [Value]);

// === impl Row ===

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(operation, values) = self;
        let mut row = serializer.serialize_seq(Some(1 + values.len()))?;
        row.serialize_element(operation)?;
        for value in *values {
            row.serialize_element(value)?;
        }
        row.end()
    }
}

// === impl Writes ===

impl Writes {
    /// One more statement, behind those that are there. Its parameters are `?` or `?1`, and it is a constant of this
    /// crate: nothing that comes from outside is part of it.
    pub(crate) fn add(&mut self, text: impl Into<Cow<'static, str>>) -> Statement<'_> {
        let text = text.into();
        let before = self.values.len();
        let mut last = 0;
        let mut parts = text.split('?');
        self.text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, rest) = part.split_at(digits);
            let number = number.parse().unwrap_or(last + 1);
            last = last.max(number);
            let place = (before + number).to_string();
            self.text.extend(["NEW.v", &place, rest]);
        }
        self.text.push_str("; ");
        Statement(&mut self.values)
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// A name for the list of statements: the same for the same ones.
    fn operation(&self) -> i64 {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        hasher.finish().cast_signed()
    }
}

// === impl Statement ===

impl Statement<'_> {
    /// The value of the next parameter: a text, a number, a flag or nothing.
    pub(crate) fn bind(self, value: impl Serialize) -> Self {
        // All of these are JSON.
        self.0.push(serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// The same for what is kept as JSON.
    pub(crate) fn bind_json(self, value: &impl Serialize) -> Self {
        self.bind(serde_json::to_string(value).unwrap_or_default())
    }
}

// === running them ===

/// Makes a connection ready to run what events write.
pub(crate) async fn prepare(connection: &mut SqliteConnection) -> Result<(), Error> {
    let columns: Vec<String> = (1..=WIDTH).map(|at| format!("NULL AS v{at}")).collect();
    let columns = columns.join(", ");
    let text =
        format!("CREATE TEMP VIEW IF NOT EXISTS writes AS SELECT NULL AS operation, {columns}");
    connection.execute(AssertSqlSafe(text)).await?;
    Ok(())
}

/// Runs what events write, in their order, in the transaction that is open.
pub(crate) async fn run(connection: &mut SqliteConnection, all: &[Writes]) -> Result<(), Error> {
    let mut made = Vec::new();
    let mut rows = Vec::with_capacity(all.len());
    let mut width = 0;
    for writes in all.iter().filter(|writes| !writes.is_empty()) {
        width = width.max(writes.values.len());
        let operation = writes.operation();
        if !made.contains(&operation) {
            make(connection, operation, &writes.text).await?;
            made.push(operation);
        }
        rows.push(Row(operation, &writes.values));
    }
    if width > WIDTH {
        return Err(Error::Row(format!(
            "an event that writes more than {WIDTH} values"
        )));
    }
    if rows.is_empty() {
        return Ok(());
    }
    // Only as many values as there are: each is read out of the text of its row.
    let columns: Vec<String> = (1..=width).map(|at| format!(", v{at}")).collect();
    let values: Vec<String> = (1..=width).map(|at| format!(", value->>{at}")).collect();
    let text = format!(
        "INSERT INTO temp.writes (operation{}) SELECT value->>0{} FROM json_each(?)",
        columns.concat(),
        values.concat()
    );
    let rows = serde_json::to_string(&rows).map_err(|error| Error::Row(error.to_string()))?;
    sqlx::query(AssertSqlSafe(text))
        .bind(rows)
        .execute(connection)
        .await?;
    Ok(())
}

/// The trigger for a list of statements, where the connection has none yet.
async fn make(
    connection: &mut SqliteConnection,
    operation: i64,
    statements: &str,
) -> Result<(), Error> {
    let text = format!(
        "CREATE TEMP TRIGGER IF NOT EXISTS \"{operation}\" INSTEAD OF INSERT ON writes \
         WHEN NEW.operation = {operation} BEGIN {statements} END"
    );
    connection.execute(AssertSqlSafe(text)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row as _};

    use super::*;

    async fn ready() -> SqliteConnection {
        let mut connection = SqliteConnection::connect(":memory:").await.unwrap();
        prepare(&mut connection).await.unwrap();
        let text = "CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER, c ANY) STRICT";
        connection.execute(text).await.unwrap();
        connection
    }

    async fn rows(connection: &mut SqliteConnection) -> Vec<String> {
        let text = "SELECT concat_ws(' ', a, quote(b), quote(c)) AS row FROM t ORDER BY a";
        let rows = connection.fetch_all(text).await.unwrap();
        rows.iter().map(|row| row.get("row")).collect()
    }

    #[tokio::test]
    async fn statements_run_in_order_with_values_of_their_own() {
        let mut connection = ready().await;
        let insert = |a: &str, b: i64| {
            let mut writes = Writes::default();
            writes
                .add("INSERT INTO t (a, b) VALUES (?, ?)")
                .bind(a)
                .bind(b);
            writes
                .add("UPDATE t SET b = b + ?2, c = ?3 WHERE a = ?1")
                .bind(a)
                .bind(1)
                .bind("it's ?");
            writes
        };
        let mut delete = Writes::default();
        delete.add("DELETE FROM t WHERE a = ?").bind("y");
        let all = [insert("x", 1), insert("y", 1), delete, insert("y", 5)];
        run(&mut connection, &all).await.unwrap();
        assert_eq!(
            rows(&mut connection).await,
            ["x 2 'it''s ?'", "y 6 'it''s ?'"]
        );
        run(&mut connection, &[insert("z", 7)]).await.unwrap();
        assert_eq!(rows(&mut connection).await.len(), 3);
    }

    #[tokio::test]
    async fn values_stay_what_they_are() {
        let mut connection = ready().await;
        let values = [
            Value::Null,
            "12".into(),
            "".into(),
            "a\u{0}\u{1f600}\n\"".into(),
            i64::MAX.into(),
            true.into(),
        ];
        let write = |(at, value)| {
            let mut writes = Writes::default();
            writes
                .add("INSERT INTO t (a, c) VALUES (?, ?)")
                .bind(format!("{at}"))
                .bind(value);
            writes
        };
        let all: Vec<_> = values.iter().enumerate().map(write).collect();
        run(&mut connection, &all).await.unwrap();
        let text = "SELECT typeof(c) || ' ' || hex(c) AS c FROM t ORDER BY a";
        let found = connection.fetch_all(text).await.unwrap();
        let found: Vec<String> = found.iter().map(|row| row.get("c")).collect();
        let expected = [
            "null ",
            "text 3132",
            "text ",
            "text 6100F09F98800A22",
            "integer 39323233333732303336383534373735383037",
            "integer 31",
        ];
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn one_that_fails_takes_back_all_of_them() {
        let mut connection = ready().await;
        let mut insert = Writes::default();
        insert.add("INSERT INTO t (a) VALUES (?)").bind("x");
        let mut bad = Writes::default();
        bad.add("INSERT INTO t (a, b) VALUES (?, ?)")
            .bind("y")
            .bind("no number");
        let all = [insert, bad];
        assert!(run(&mut connection, &all).await.is_err());
        assert!(rows(&mut connection).await.is_empty());
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused() {
        let mut connection = ready().await;
        let mut wide = Writes::default();
        for _ in 0..=WIDTH {
            wide.add("DELETE FROM t WHERE a = ?").bind("x");
        }
        assert!(run(&mut connection, &[wide]).await.is_err());
    }
}
