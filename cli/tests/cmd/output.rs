//! What is printed, and how.

use std::io::{BufRead as _, BufReader, Read as _};

use serde_json::{Value, json};

use crate::support::{Eai, Platform, Reply, page, service};

fn two_services() -> Platform {
    Platform::start(|_| Reply::json(200, &page(&[service("a"), service("longer")])))
}

#[test]
fn the_default_is_a_table_with_the_columns_of_the_noun() {
    let text = Eai::with_token(&two_services()).run("service ls").ok();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        [
            "id",
            "name",
            "fullName",
            "role",
            "runtime",
            "status",
            "accessUrl"
        ]
    );
    assert_eq!(lines[2][1], "longer");
    assert_eq!(lines.len(), 3);
}

#[test]
fn chosen_fields_with_and_without_header() {
    let eai = Eai::with_token(&two_services());
    let text = eai.run("service ls --fields name,status").ok();
    assert_eq!(text, "name    status\na       on\nlonger  on\n");
    let text = eai.run("service ls --fields name --no-header").ok();
    assert_eq!(text, "a\nlonger\n");
    assert_eq!(eai.run("service ls --field name").ok(), "a\nlonger\n");
}

#[test]
fn json_is_the_objects_as_they_came_one_a_line() {
    let text = Eai::with_token(&two_services())
        .run("service ls --format json")
        .ok();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows, [service("a"), service("longer")]);
}

#[test]
fn yaml_has_keys_at_the_start_of_lines() {
    let platform = Platform::start(|_| Reply::text(200, r#"{"name":"x","id":"i","tags":[]}"#));
    let text = Eai::with_token(&platform)
        .run("service get x --format yaml")
        .ok();
    assert_eq!(
        text.lines().take(2).collect::<Vec<_>>(),
        ["name: x", "id: i"]
    );
}

#[test]
fn paths_reach_into_arrays() {
    let row = json!({"id": "1", "runs": [{"exitCode": 1}, {"exitCode": 0}]});
    let platform = Platform::start(move |_| Reply::json(200, &row));
    let text = Eai::with_token(&platform)
        .run("service get x --field runs.exitCode")
        .ok();
    assert_eq!(text, "1,0\n");
}

#[test]
fn an_unknown_field_is_a_usage_error_that_names_the_fields() {
    let eai = Eai::with_token(&two_services());
    let said = eai.run("service ls --field nome").failed(2);
    assert!(
        said.starts_with("error: unknown field `nome`: the fields are "),
        "{said}"
    );
    assert!(said.contains("fullName"), "{said}");
}

#[test]
fn an_empty_list_is_a_header() {
    let platform = Platform::start(|_| Reply::json(200, &page(&[])));
    let eai = Eai::with_token(&platform);
    assert_eq!(
        eai.run("data ls --fields id,anything").ok(),
        "id  anything\n"
    );
    assert_eq!(eai.run("data ls --field anything").ok(), "");
    assert_eq!(eai.run("data ls --format json").ok(), "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    // More than a pipe holds, so that the writer notices.
    let rows: Vec<Value> = (0..2000)
        .map(|n| service(&format!("service_{n}")))
        .collect();
    let platform = Platform::start(move |_| Reply::json(200, &page(&rows)));
    let eai = Eai::with_token(&platform);
    let mut child = eai.command("service ls --format json").spawn().unwrap();
    let mut line = String::new();
    {
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
    }
    assert!(line.contains("service_0"));
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}
