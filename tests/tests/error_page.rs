//! `docs/errors.md` names every error code there is in the code, with its status, and no other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Code and status, where the place that makes the error says one.
type Codes = BTreeMap<String, Option<u16>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn status(name: &str) -> u16 {
    match name {
        "BAD_REQUEST" => 400,
        "UNAUTHORIZED" => 401,
        "FORBIDDEN" => 403,
        "NOT_FOUND" => 404,
        "METHOD_NOT_ALLOWED" => 405,
        "REQUEST_TIMEOUT" => 408,
        "CONFLICT" => 409,
        "PAYLOAD_TOO_LARGE" => 413,
        "UNPROCESSABLE_ENTITY" => 422,
        "TOO_MANY_REQUESTS" => 429,
        "INTERNAL_SERVER_ERROR" => 500,
        "BAD_GATEWAY" => 502,
        "SERVICE_UNAVAILABLE" => 503,
        "GATEWAY_TIMEOUT" => 504,
        "INSUFFICIENT_STORAGE" => 507,
        other => panic!("status {other} is new here: add it to this list"),
    }
}

/// The codes that a file's errors are made with: literals right behind what makes an error.
fn codes_in(source: &str, found: &mut Codes) {
    let (code, _tests) = source
        .split_once("#[cfg(test)]\nmod tests {")
        .unwrap_or((source, ""));
    let parts: Vec<_> = code.split('"').collect();
    for pair in parts.windows(2).step_by(2) {
        let (before, literal) = (pair[0].trim_end(), pair[1]);
        let is_code = !literal.is_empty()
            && literal
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if !is_code {
            continue;
        }
        let argument = before.strip_suffix(',').and_then(|before| {
            let (_, name) = before.rsplit_once("StatusCode::")?;
            name.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
                .then(|| status(name))
        });
        let line = before.lines().last().unwrap_or_default();
        let rejected = line.contains("Rejected::") && line.ends_with("=>");
        if argument.is_some() {
            found.insert(literal.into(), argument);
        } else if ["conflict(", "invalid(", "code:"]
            .iter()
            .any(|end| before.ends_with(end))
            || rejected
        {
            found.entry(literal.into()).or_default();
        }
    }
}

#[test]
fn every_code_is_on_the_page_and_no_other() {
    let mut files = Vec::new();
    for folder in ["proxy/src", "core/src"] {
        sources(&root().join(folder), &mut files);
    }
    let mut codes = Codes::new();
    for file in files {
        codes_in(&fs::read_to_string(file).expect("a file"), &mut codes);
    }
    assert!(codes.len() > 15, "{codes:?}");

    let page = fs::read_to_string(root().join("docs/errors.md")).expect("the page");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let code = cells.next()?.trim_end_matches('`').to_owned();
        let status: u16 = cells.next()?.parse().ok()?;
        // What happened, and what to do.
        (cells.filter(|cell| cell.len() > 5).count() == 2).then_some((code, status))
    });
    let page: BTreeMap<String, u16> = rows.collect();
    let names: Vec<_> = codes.keys().collect();
    assert_eq!(page.keys().collect::<Vec<_>>(), names);
    for (code, status) in codes {
        if let Some(status) = status {
            assert_eq!(page[&code], status, "{code}");
        }
    }
}
