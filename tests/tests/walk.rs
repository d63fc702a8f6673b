//! A user's walk through every noun and verb: what is printed, and how it can be asked for.

use eai_tests::{Platform, Setup, text};
use serde_json::Value;

/// Rows as `eai` prints them: left-aligned, two spaces between, nothing after the last cell.
fn table(rows: &[&[&str]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max();
    let widths: Vec<_> = (0..rows[0].len()).map_while(width).collect();
    let mut text = String::new();
    for row in rows {
        let padded = row.iter().zip(&widths).map(|(cell, width)| {
            let width = *width;
            format!("{cell:width$}  ")
        });
        text.push_str(padded.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

#[track_caller]
fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn is_time(text: &str) -> bool {
    let pattern = "0000-00-00T00:00:00Z";
    text.len() == pattern.len()
        && text.chars().zip(pattern.chars()).all(|(found, meant)| {
            if meant == '0' {
                found.is_ascii_digit()
            } else {
                found == meant
            }
        })
}

const SERVICE_COLUMNS: [&str; 7] = [
    "id",
    "name",
    "fullName",
    "role",
    "runtime",
    "status",
    "accessUrl",
];

#[test]
fn a_service_is_made_listed_stopped_and_put_away() {
    let platform = Platform::start();
    let made = platform.cli(["service", "new", "testsvc"]);
    let id = platform
        .cli(["service", "get", "testsvc", "--field", "id"])
        .ok();
    let port = platform.address().rsplit_once(':').unwrap().1;
    let url = format!("http://{id}.service.localhost:{port}");
    let row = |status| {
        let name = "snow.testacc.testsvc";
        let role = "snow.testacc.testsvc_role";
        let runtime = "snow.testacc.testsvc_runtime";
        let cells = [&id, "testsvc", name, role, runtime, status, &url];
        table(&[&SERVICE_COLUMNS, &cells])
    };
    assert_eq!((made.code, made.out, made.err.as_str()), (0, row("on"), ""));
    let listed = platform.cli(["service", "ls"]);
    assert_eq!(listed.out, row("on"));
    for (verb, status) in [
        ("stop", "off"),
        ("stop", "off"),
        ("start", "on"),
        ("start", "on"),
        ("deactivate", "deactivated"),
        ("stop", "deactivated"),
        ("reactivate", "on"),
        ("stop", "off"),
        ("deactivate", "deactivated"),
        ("reactivate", "off"),
    ] {
        let output = platform.cli(["service", verb, "testsvc"]);
        assert_eq!(output.out, row(status), "{verb}: {}", output.err);
    }
    for place in ["snow", "testacc", "snow.testacc"] {
        let listed = platform.cli(["service", "ls", place]);
        assert_eq!(listed.out, row("off"), "{place}: {}", listed.err);
    }

    // What came with it.
    let data = platform.cli(["data", "ls", "--fields", "name,fullName,account"]);
    assert_eq!(
        data.out,
        table(&[
            &["name", "fullName", "account"],
            &[
                "testsvc_runtime",
                "snow.testacc.testsvc_runtime",
                "snow.testacc"
            ],
        ])
    );
    let roles = platform.cli(["role", "ls", "--fields", "name,fullName,account,policies"]);
    assert_eq!(
        roles.out,
        table(&[
            &["name", "fullName", "account", "policies"],
            &[
                "admin",
                "snow.testacc.admin",
                "snow.testacc",
                "*:*@snow.testacc.*"
            ],
            &[
                "testsvc_role",
                "snow.testacc.testsvc_role",
                "snow.testacc",
                "data:read@snow.testacc.testsvc_runtime"
            ],
        ])
    );
}

#[test]
fn every_form_of_output() {
    let platform = Platform::start();
    let empty = platform.cli(["service", "ls"]);
    assert_eq!(empty.out, table(&[&SERVICE_COLUMNS]));
    let id = platform
        .cli(["service", "new", "one", "--field", "id"])
        .ok();
    assert_eq!(id.len(), 36);
    let second = platform.cli(["service", "new", "two", "--fields", "name,status"]);
    assert_eq!(second.out, "name  status\ntwo   on\n");

    let of = |arguments: &[&str]| {
        let output = platform.run(&[&["service", "ls"], arguments].concat(), &[]);
        assert_eq!(output.code, 0, "{}", output.err);
        output.out
    };
    assert_eq!(of(&["--field", "name"]), "one\ntwo\n");
    assert_eq!(of(&["--fields", "name"]), "name\none\ntwo\n");
    assert_eq!(
        of(&["--fields", "status,name", "--no-header"]),
        "on  one\non  two\n"
    );
    let lines = of(&["--format", "json"]);
    let rows: Vec<Value> = lines.lines().map(json).collect();
    assert_eq!(rows.len(), 2, "one object a line: {lines}");
    assert_eq!(rows[0]["id"], *id);
    let fields: Vec<_> = rows[0].as_object().unwrap().keys().cloned().collect();
    let expected = "accessUrl account createdBy createdOn fullName id idleTimeoutMs minReady \
                    name public role rollout runtime status updatedOn";
    assert_eq!(fields.join(" "), expected);
    assert!(is_time(&text(&rows[0]["createdOn"])), "{lines}");
    assert_eq!(rows[0]["createdOn"], rows[0]["updatedOn"]);
    let user = platform.cli(["user", "get", "--field", "id"]).ok();
    assert_eq!(rows[0]["createdBy"], format!("user:{user}"));
    assert_eq!(
        of(&["--format", "json", "--fields", "name,status"]),
        "{\"name\":\"one\",\"status\":\"on\"}\n{\"name\":\"two\",\"status\":\"on\"}\n"
    );
    let yaml = of(&["--format", "yaml"]);
    let names: Vec<_> = yaml
        .lines()
        .filter(|line| line.starts_with("name: "))
        .collect();
    assert_eq!(names, ["name: one", "name: two"], "{yaml}");
    assert!(yaml.contains("\n---\n"), "{yaml}");

    let unknown = platform.cli(["service", "ls", "--field", "state"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert_eq!(
        unknown.err,
        "error: unknown field `state`: the fields are id, name, fullName, account, role, runtime, \
         status, rollout, public, idleTimeoutMs, minReady, accessUrl, createdOn, createdBy, updatedOn\n"
    );
}

#[test]
fn an_id_a_full_name_and_a_name_are_the_same() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    platform.cli(["data", "new", "files"]).ok();
    for (noun, name) in [("service", "web"), ("data", "files"), ("role", "web_role")] {
        let row = platform.cli([noun, "get", name]).ok();
        let id = platform.cli([noun, "get", name, "--field", "id"]).ok();
        let full_name = format!("snow.testacc.{name}");
        for reference in [&id, &full_name] {
            assert_eq!(platform.cli([noun, "get", reference]).ok(), row);
        }
        let both = platform.cli([noun, "get", &id, &full_name, "--field", "id"]);
        assert_eq!(both.ok(), format!("{id}\n{id}"));
    }
    for (verb, status) in [
        ("stop", "off"),
        ("start", "on"),
        ("deactivate", "deactivated"),
        ("reactivate", "on"),
    ] {
        let id = platform
            .cli(["service", "get", "web", "--field", "id"])
            .ok();
        for reference in [&id, "snow.testacc.web", "web"] {
            let output = platform.cli(["service", verb, reference, "--field", "status"]);
            assert_eq!(output.ok(), status, "{verb} {reference}");
        }
    }
    let account = platform.cli(["account", "get", "--field", "id"]).ok();
    for reference in [&account, "snow.testacc", "testacc"] {
        let name = platform.cli(["account", "get", reference, "--field", "fullName"]);
        assert_eq!(name.ok(), "snow.testacc");
    }
    let organization = platform.cli(["organization", "get", "--field", "id"]).ok();
    for reference in [&organization, "snow"] {
        let name = platform.cli(["organization", "get", reference, "--field", "name"]);
        assert_eq!(name.ok(), "snow");
    }
}

#[test]
fn data_roles_and_who_owns_them() {
    let platform = Platform::start();
    let made = platform
        .cli(["data", "new", "files", "--format", "json"])
        .ok();
    let made = json(&made);
    let (id, created_on) = (text(&made["id"]), text(&made["createdOn"]));
    assert!(is_time(&created_on), "{created_on}");
    let expected = table(&[
        &["id", "name", "fullName", "account", "createdOn"],
        &[
            &id,
            "files",
            "snow.testacc.files",
            "snow.testacc",
            &created_on,
        ],
    ]);
    assert_eq!(platform.cli(["data", "ls"]).out, expected);
    assert_eq!(platform.cli(["data", "get", "files"]).out, expected);

    let of = |noun: &str| json(&platform.cli([noun, "get", "--format", "json"]).ok());
    let (account, user, organization) = (of("account"), of("user"), of("organization"));
    let (account_id, user_id) = (text(&account["id"]), text(&user["id"]));
    let organization_id = text(&organization["id"]);
    assert_eq!(
        account["urn"],
        format!("{organization_id}:account:{account_id}")
    );
    assert_eq!(user["urn"], format!("{organization_id}:user:{user_id}"));
    let accounts = table(&[
        &["id", "name", "organization", "parent"],
        &[&account_id, "testacc", "snow", ""],
    ]);
    assert_eq!(platform.cli(["account", "ls"]).out, accounts);
    assert_eq!(platform.cli(["account", "ls", "snow"]).out, accounts);
    assert_eq!(platform.cli(["account", "get"]).out, accounts);
    let users = table(&[
        &["id", "name", "account", "organization"],
        &[&user_id, "admin", "snow.testacc", "snow"],
    ]);
    assert_eq!(platform.cli(["user", "get"]).out, users);
    let organizations = table(&[&["id", "name"], &[&organization_id, "snow"]]);
    assert_eq!(platform.cli(["organization", "get"]).out, organizations);

    let admin = json(
        &platform
            .cli(["role", "get", "admin", "--format", "json"])
            .ok(),
    );
    assert_eq!(admin["members"], serde_json::json!([user_id]));
    let role = platform.cli(["role", "get", "admin"]);
    let role_id = text(&admin["id"]);
    assert_eq!(
        role.out,
        table(&[
            &["id", "name", "fullName", "account", "policies"],
            &[
                &role_id,
                "admin",
                "snow.testacc.admin",
                "snow.testacc",
                "*:*@snow.testacc.*"
            ],
        ])
    );
}

#[test]
fn a_service_takes_a_runtime_and_a_role_that_are_there() {
    let platform = Platform::start();
    platform.cli(["data", "new", "files"]).ok();
    let before = platform.cli(["role", "ls"]).ok();
    let fields = ["--fields", "role,runtime", "--no-header"];
    let one = [
        &["service", "new", "one", "--runtime", "files"][..],
        &["--role", "admin"],
        &fields,
    ];
    let one = platform.run(&one.concat(), &[]).ok();
    assert_eq!(one, "snow.testacc.admin  snow.testacc.files");
    assert_eq!(platform.cli(["role", "ls"]).ok(), before);
    let data = platform.cli(["data", "ls", "--field", "name"]).ok();
    assert_eq!(data, "files", "no data was made along");

    // By id and by full name, and only one of the two.
    let id = platform.cli(["data", "get", "files", "--field", "id"]).ok();
    for (name, runtime) in [("two", id.as_str()), ("three", "snow.testacc.files")] {
        let made = [&["service", "new", name, "--runtime", runtime][..], &fields].concat();
        let made = platform.run(&made, &[]).ok();
        assert_eq!(
            made,
            format!("snow.testacc.{name}_role  snow.testacc.files")
        );
    }
    let policies = platform.cli(["role", "get", "two_role", "--field", "policies"]);
    assert_eq!(policies.ok(), "data:read@snow.testacc.files");
}

#[test]
fn the_server_the_versions_and_the_token() {
    let platform = Platform::start();
    let version = platform.cli(["version"]).ok();
    let (port, number) = (
        platform.address().rsplit_once(':').unwrap().1,
        env!("CARGO_PKG_VERSION"),
    );
    let url = format!("http://localhost:{port}");
    assert_eq!(version, format!("eai {number}\nplatform {number} at {url}"));
    assert_eq!(platform.cli(["--version"]).ok(), format!("eai {number}"));

    let token = platform.cli(["login", "token"]).ok();
    assert_eq!(token.split('.').count(), 3, "{token}");
    let header = platform.cli(["login", "token", "-H"]).ok();
    assert_eq!(header, format!("Authorization: Bearer {token}"));
    let with_token = [("EAI_TOKEN", token.as_str()), ("EAI_URL", &url)];
    let elsewhere = platform.path("nobody");
    let config = elsewhere.to_str().unwrap();
    let environment = [&with_token[..], &[("EAI_CONFIG_DIR", config)]].concat();
    let user = platform.run(&["user", "get", "--field", "name"], &environment);
    assert_eq!(user.ok(), "admin");

    let info = platform.cli(["server", "info"]).ok();
    let mut lines = info.lines();
    let heading: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["name", "value"]);
    let names: Vec<_> = lines.filter_map(|line| line.split(' ').next()).collect();
    let expected = "platform version url natsUrl monitorCreds dataDirectory backend backendReason \
                    natsVersion logBytes logMaxBytes lastSequence unreadableEvents";
    assert_eq!(names.join(" "), expected);
    let field = |name| platform.cli(["server", "info", "--field", name]).ok();
    assert_eq!(field("url"), url);
    assert_eq!(field("natsUrl"), platform.nats_url());
    assert_eq!(field("dataDirectory"), platform.data().to_str().unwrap());
    let creds = platform
        .data()
        .join("credentials/monitor-snow.testacc.creds");
    assert_eq!(field("monitorCreds"), creds.to_str().unwrap());
    assert_eq!(field("logMaxBytes"), (8_u64 << 30).to_string());
}

#[test]
fn another_account_and_organization() {
    let platform = Platform::start_with(Setup::flags(["--account", "acme.dev.tools"]));
    let name = platform.cli(["service", "new", "web", "--field", "fullName"]);
    assert_eq!(name.ok(), "acme.dev.tools.web");
    let account = platform.cli(["account", "get", "--fields", "name,organization,parent"]);
    assert_eq!(
        account.out,
        table(&[
            &["name", "organization", "parent"],
            &["tools", "acme", "acme.dev"]
        ])
    );
    for reference in ["web", "acme.dev.tools.web"] {
        platform.cli(["service", "get", reference]).ok();
    }
    for place in ["acme", "tools", "acme.dev.tools"] {
        let names = platform.cli(["service", "ls", place, "--field", "name"]);
        assert_eq!(names.ok(), "web");
    }
}
