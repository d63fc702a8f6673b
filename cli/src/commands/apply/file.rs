//! The file that says which services there are to be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eai_core::spec::Spec;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::terms::{Range, Terms};
use super::unreadable;
use crate::error::Error;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    services: BTreeMap<String, Entry>,
}

/// What it says of one service; what is absent stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    account: Option<String>,
    runtime: Option<String>,
    role: Option<String>,
    public: Option<bool>,
    /// A directory or a file, from where this file is.
    files: Option<PathBuf>,
    /// As `eai.yaml`.
    spec: Option<Value>,
    status: Option<Status>,
    /// In seconds; 0 is as usual.
    idle_timeout: Option<f64>,
    min_ready: Option<u32>,
    replicas: Option<Range>,
    concurrency: Option<u32>,
}

/// Whether it is to take requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    On,
    Off,
}

/// A service that there is to be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) account: Option<String>,
    runtime: Option<String>,
    role: Option<String>,
    pub(super) public: Option<bool>,
    pub(super) files: Option<PathBuf>,
    /// The text of its `eai.yaml`.
    pub(super) spec: Option<String>,
    pub(super) status: Option<Status>,
    pub(super) terms: Terms,
}

/// Reads a file; what is wrong with it is said before anything happens.
pub(super) fn read(path: &Path) -> Result<Vec<Wanted>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    parse(&text, folder).map_err(|reason| Error::Usage(format!("`{}`: {reason}", path.display())))
}

pub(super) fn parse(text: &str, folder: &Path) -> Result<Vec<Wanted>, String> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if file.services.is_empty() {
        return Err("it names no service: write some under `services`".to_owned());
    }
    let wanted = file.services.into_iter().map(|(name, entry)| {
        let of_service = |reason| format!("service `{name}`: {reason}");
        let spec = entry.spec.as_ref().map(spec).transpose();
        let terms = Terms {
            idle_timeout: entry.idle_timeout,
            min_ready: entry.min_ready,
            replicas: entry.replicas,
            concurrency: entry.concurrency,
        };
        Ok(Wanted {
            spec: spec.map_err(of_service)?,
            terms: terms.check().map_err(of_service)?,
            name,
            account: entry.account,
            runtime: entry.runtime,
            role: entry.role,
            public: entry.public,
            files: entry.files.map(|path| folder.join(path)),
            status: entry.status,
        })
    });
    wanted.collect()
}

/// The text of the spec, which is one.
fn spec(value: &Value) -> Result<String, String> {
    let text = serde_saphyr::to_string(value).map_err(|error| error.to_string())?;
    let spec = Spec::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    spec.to_yaml().map_err(|error| error.to_string())
}

// === impl Wanted ===

impl Wanted {
    /// What makes it, where it is not there.
    pub(super) fn body(&self, account: Option<&str>) -> Value {
        let account = self.account.as_deref().or(account);
        let mut body = Map::new();
        body.insert("name".to_owned(), self.name.clone().into());
        for (field, value) in [
            ("account", account),
            ("runtime", self.runtime.as_deref()),
            ("role", self.role.as_deref()),
        ] {
            if let Some(value) = value {
                body.insert(field.to_owned(), value.into());
            }
        }
        if self.public == Some(true) {
            body.insert("public".to_owned(), true.into());
        }
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_services() {
        let text = "services:\n  web:\n    files: app\n    status: off\n    spec:\n      resources: {cpu: 0.5}\n  \
                    other: {public: true}\n";
        let wanted = parse(text, Path::new("/here")).unwrap();
        assert_eq!(wanted.len(), 2);
        let web = &wanted[1];
        assert_eq!(web.files, Some("/here/app".into()));
        assert_eq!(web.status, Some(Status::Off));
        assert!(web.spec.as_deref().unwrap().contains("cpu: 0.5"));
        assert_eq!(
            wanted[0].body(Some("snow.testacc")),
            serde_json::json!({"name": "other", "account": "snow.testacc", "public": true})
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for bad in [
            "",
            "services: {}",
            "services: {web: {sepc: {}}}",
            "services: {web: {spec: {resources: {cpu: -1}}}}",
            "services: {web: {status: deactivated}}",
            "services: {web: {idleTimeout: 0.1}}",
            "services: {web: {idleTimeout: -1}}",
            "services: {web: {minReady: 2}}",
            "services: {web: {replicas: 4:1}}",
            "services: {web: {replicas: 0}}",
            "services: {web: {replicas: 65}}",
            "services: {web: {replicas: many}}",
            "services: {web: {replicas: 2, concurrency: 0}}",
        ] {
            assert!(parse(bad, Path::new(".")).is_err(), "{bad}");
        }
    }
}
