//! `eai diff`: what of a service is another at one moment than at another.

use serde_json::{Map, Value, json};

use super::resource::qualified;
use super::service::SERVICE;
use crate::args::{DiffArgs, FormatArg};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};

const COLUMNS: &[&str] = &["field", "from", "to"];

pub(super) async fn run(
    args: DiffArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let from = shown(&reference, Some(&args.from), client).await;
    let to = shown(&reference, args.to.as_deref(), client).await;
    // It may have been made, or deleted, in between.
    let (from, to) = match (from, to) {
        (Err(error @ Error::Refused(_)), Err(Error::Refused(_))) => return Err(error),
        (Err(Error::Refused(refusal)), to) if refusal.is_not_found() => (Value::Null, to?),
        (from, Err(Error::Refused(refusal))) if refusal.is_not_found() => (from?, Value::Null),
        (from, to) => (from?, to?),
    };
    let rows: Vec<Row> = differences(&from, &to)
        .into_iter()
        .map(|(field, from, to)| {
            Row::parse(&json!({ "field": field, "from": from, "to": to }).to_string())
        })
        .collect::<Result<_, _>>()
        .map_err(|error| client.no_answer(&error.to_string()))?;
    RowWriter::new(args.output.view(FormatArg::Table), COLUMNS).write(printer, &rows)?;
    Ok(ExitStatus::Success)
}

/// The service at a moment, with what it was to run.
async fn shown(reference: &str, at: Option<&str>, client: &mut Client) -> Result<Value, Error> {
    let mut call = Call::get(&[SERVICE.path, reference]);
    if let Some(at) = at {
        call = call.query("at", at.to_owned());
    }
    let mut service = client.row(call).await?.value().clone();
    let query: Vec<(&str, &str)> = at.map(|at| ("at", at)).into_iter().collect();
    let revisions = client
        .rows(&[SERVICE.path, reference, "revision"], &query, None)
        .await?;
    if let Some(newest) = revisions.last() {
        service["configuration"] = newest.value()["configuration"].clone();
    }
    Ok(service)
}

/// The fields that differ, by their path, with both values; null where there is none.
fn differences(from: &Value, to: &Value) -> Vec<(String, Value, Value)> {
    let (from, to) = (flat(from), flat(to));
    let mut paths: Vec<&String> = from.keys().chain(to.keys()).collect();
    paths.sort();
    paths.dedup();
    let value = |of: &Map<String, Value>, path: &String| of.get(path).cloned().unwrap_or_default();
    paths
        .into_iter()
        .map(|path| (path.clone(), value(&from, path), value(&to, path)))
        .filter(|(_, from, to)| from != to)
        .collect()
}

/// Every value that is no object, by its path.
fn flat(value: &Value) -> Map<String, Value> {
    let mut all = Map::new();
    let mut left = vec![(String::new(), value)];
    while let Some((path, value)) = left.pop() {
        match value {
            Value::Object(fields) => left.extend(fields.iter().map(|(name, value)| {
                let path = match path.as_str() {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                (path, value)
            })),
            Value::Null => {}
            other => {
                all.insert(path, other.clone());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let from = json!({"a": 1, "b": {"c": [1], "d": "x"}, "e": null});
        let to = json!({"a": 1, "b": {"c": [2], "f": true}});
        let told = differences(&from, &to);
        let told: Vec<_> = told
            .iter()
            .map(|(path, from, to)| (path.as_str(), from.to_string(), to.to_string()))
            .collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            told,
            [
                ("b.c", text("[1]"), text("[2]")),
                ("b.d", text("\"x\""), text("null")),
                ("b.f", text("null"), text("true")),
            ]
        );
        assert!(differences(&from, &from).is_empty());
        assert_eq!(differences(&Value::Null, &to).len(), 3, "it was made");
    }
}
