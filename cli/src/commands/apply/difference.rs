//! What is otherwise than a file says.

use std::collections::BTreeMap;

use eai_core::spec::Spec;
use serde_json::Value;

use super::file::{Status, Wanted};
use crate::client::{Call, Client};
use crate::commands::data::{Sources, local};
use crate::commands::resource::qualified;
use crate::commands::service::SERVICE;
use crate::error::Error;
use crate::output::Row;

const SPEC_FILE: &str = "eai.yaml";

/// What is to be done about one service.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) wanted: Wanted,
    pub(super) name: String,
    /// Its id, where it is there.
    pub(super) id: String,
    pub(super) runtime: String,
    pub(super) changes: Vec<Change>,
}

/// One thing that is to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Make,
    AddFile(String),
    OtherFile(String),
    RemoveFile(String),
    /// A field of the spec, and what it was and is to be.
    Spec(String, String, String),
    /// A term, and what it was and is to be.
    Terms(&'static str, String, String),
    Status(Status),
}

/// Looks what is there.
pub(super) async fn of(wanted: &Wanted, client: &mut Client) -> Result<Difference, Error> {
    let account = wanted.account.as_deref().or(client.account());
    let name = qualified(&wanted.name, account);
    let row = match client.row(Call::get(&[SERVICE.path, &name])).await {
        Ok(row) => Some(row),
        Err(Error::Refused(refusal)) if refusal.code == "not-found" => None,
        Err(error) => return Err(error),
    };
    let field = |field: &str| {
        let text = row.as_ref().and_then(|row| row.text(field));
        text.unwrap_or_default().to_owned()
    };
    let (id, runtime, status) = (field("id"), field("runtime"), field("status"));
    if status == "deactivated" {
        return Err(Error::Usage(format!(
            "service `{name}` is deactivated: `eai service reactivate {name}` brings it back"
        )));
    }
    let mut changes = Vec::new();
    if let Some(row) = &row {
        let public = row.value().get("public").and_then(Value::as_bool);
        if wanted.public.is_some() && wanted.public != public {
            return Err(Error::Usage(format!(
                "whether service `{name}` is public is said when it is made: delete it first"
            )));
        }
    } else {
        changes.push(Change::Make);
    }
    files(
        wanted,
        row.is_some().then_some(runtime.as_str()),
        client,
        &mut changes,
    )
    .await?;
    let row = row.as_ref().map(Row::value);
    wanted.terms.compare(row, &mut changes);
    let now = if row.is_some() { status.as_str() } else { "on" };
    match wanted.status {
        Some(Status::On) if now != "on" => changes.push(Change::Status(Status::On)),
        Some(Status::Off) if now != "off" => changes.push(Change::Status(Status::Off)),
        Some(_) | None => {}
    }
    Ok(Difference {
        wanted: wanted.clone(),
        name,
        id,
        runtime,
        changes,
    })
}

/// What is otherwise in the runtime. Files that the directory does not have go, the spec only where it is said.
async fn files(
    wanted: &Wanted,
    runtime: Option<&str>,
    client: &mut Client,
    changes: &mut Vec<Change>,
) -> Result<(), Error> {
    let mut there: BTreeMap<String, (String, bool)> = BTreeMap::new();
    if let Some(runtime) = runtime {
        let path = ["data", runtime, "content"];
        let query = [("recursive", "true")];
        let rows = match client.rows(&path, &query, None).await {
            Ok(rows) => rows,
            // Nothing was pushed yet.
            Err(Error::Refused(refusal)) if refusal.code == "not-found" => Vec::new(),
            Err(error) => return Err(error),
        };
        for row in rows {
            let text = |field: &str| row.text(field).map(str::to_owned);
            let executable = row.value().get("executable").and_then(Value::as_bool);
            if let (Some(path), Some(sha256)) = (text("path"), text("sha256")) {
                there.insert(path, (sha256, executable == Some(true)));
            }
        }
    }
    if let Some(files) = &wanted.files {
        let sources: Sources = vec![(files.clone(), None)];
        let mut own = BTreeMap::new();
        for (path, file) in local(&sources).await? {
            own.insert(path.to_string(), (file.sha256.to_string(), file.executable));
        }
        if wanted.spec.is_some() {
            own.remove(SPEC_FILE);
        }
        for (path, file) in &own {
            match there.get(path) {
                None => changes.push(Change::AddFile(path.clone())),
                Some(now) if now != file => changes.push(Change::OtherFile(path.clone())),
                Some(_) => {}
            }
        }
        let is_left = |path: &&String| *path != SPEC_FILE && !own.contains_key(*path);
        let gone = there.keys().filter(is_left).cloned();
        changes.extend(gone.map(Change::RemoveFile));
    }
    let Some(text) = &wanted.spec else {
        return Ok(());
    };
    let now = match runtime.filter(|_| there.contains_key(SPEC_FILE)) {
        Some(runtime) => spec_of(runtime, client).await?,
        None => Value::Null,
    };
    compare("spec", &now, &parsed(text)?, changes);
    Ok(())
}

async fn spec_of(runtime: &str, client: &mut Client) -> Result<Value, Error> {
    let call = Call::get(&["data", runtime, "file"]).query("path", SPEC_FILE.to_owned());
    let (text, _) = client.document(call).await?;
    parsed(&text)
}

fn parsed(text: &str) -> Result<Value, Error> {
    let spec = Spec::parse(text.as_bytes()).map_err(|error| Error::Usage(error.to_string()))?;
    serde_json::to_value(spec).map_err(|error| Error::Yaml(error.to_string()))
}

/// Every field that differs, by its path.
fn compare(path: &str, now: &Value, wanted: &Value, changes: &mut Vec<Change>) {
    if now == wanted {
        return;
    }
    if let (Value::Object(now), Value::Object(wanted)) = (now, wanted) {
        let mut names: Vec<_> = now.keys().chain(wanted.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let of = |map: &serde_json::Map<String, Value>| {
                map.get(name).cloned().unwrap_or(Value::Null)
            };
            compare(&format!("{path}.{name}"), &of(now), &of(wanted), changes);
        }
        return;
    }
    let (now, wanted) = (now.to_string(), wanted.to_string());
    changes.push(Change::Spec(path.to_owned(), now, wanted));
}

// === impl Change ===

impl Change {
    pub(super) fn is_of_files(&self) -> bool {
        !matches!(self, Self::Make | Self::Terms(..) | Self::Status(_))
    }

    fn line(&self) -> String {
        match self {
            Self::Make => "  + service".to_owned(),
            Self::AddFile(path) => format!("  + {path}"),
            Self::OtherFile(path) => format!("  ~ {path}"),
            Self::RemoveFile(path) => format!("  - {path}"),
            Self::Spec(path, now, wanted) => format!("  ~ {path}: {now} -> {wanted}"),
            Self::Terms(field, now, wanted) => format!("  ~ {field}: {now} -> {wanted}"),
            Self::Status(Status::On) => "  ~ status: off -> on".to_owned(),
            Self::Status(Status::Off) => "  ~ status: on -> off".to_owned(),
        }
    }
}

// === impl Difference ===

impl Difference {
    /// What is shown of it.
    pub(super) fn lines(&self) -> Vec<String> {
        if self.changes.is_empty() {
            return Vec::new();
        }
        let changes = self.changes.iter().map(Change::line);
        [self.name.clone()].into_iter().chain(changes).collect()
    }

    /// The files that go.
    pub(super) fn gone(&self) -> Vec<String> {
        let gone = self.changes.iter().filter_map(|change| match change {
            Change::RemoveFile(path) => Some(path.clone()),
            _ => None,
        });
        gone.collect()
    }

    /// The command that brings its status about.
    pub(super) fn verb(&self) -> Option<&'static str> {
        let mut verbs = self.changes.iter().filter_map(|change| match change {
            Change::Status(Status::On) => Some("start"),
            Change::Status(Status::Off) => Some("stop"),
            _ => None,
        });
        verbs.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_told_by_their_path() {
        let mut changes = Vec::new();
        let now = json!({"port": 1, "resources": {"cpu": 1, "mem": 2}});
        let wanted = json!({"port": 1, "resources": {"cpu": 3, "mem": 2}});
        compare("spec", &now, &wanted, &mut changes);
        let [change] = changes.as_slice() else {
            panic!("{changes:?}");
        };
        assert_eq!(change.line(), "  ~ spec.resources.cpu: 1 -> 3");
        compare("spec", &now, &now, &mut changes);
        assert_eq!(changes.len(), 1);
    }
}
