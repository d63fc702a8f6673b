//! Names and things that are refused: the exact status, code and message, and that nothing is appended by it.

use eai_tests::{Api, Platform, Raw, bearer, check_refused, get, post, refused};
use serde_json::json;

const BAD_NAME: &str = "is not a name: use 1 to 63 of the characters a-z, 0-9 and _";
const BAD_FULL: &str =
    "is not a full name: write ORGANIZATION.ACCOUNT.NAME, such as snow.testacc.web";
const ID: &str = "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn bad_names() {
    let platform = Platform::start();
    let mut rows = Vec::new();
    let long = "x".repeat(64);
    // What is sent in JSON, and how the message shows it.
    for (name, shown) in [
        ("Web", "Web"),
        ("", ""),
        ("we-b", "we-b"),
        ("we b", "we b"),
        (&long, &long),
        ("wéb", "wéb"),
        ("web\\r\\nx: y", "web\\r\\nx: y"),
        ("web\\u0000", "web\\0"),
        ("web\\u001b[31m", "web\\u{1b}[31m"),
        ("*", "*"),
        (">", ">"),
        ("a/b", "a/b"),
        ("%2e%2e", "%2e%2e"),
    ] {
        let message = format!("`{shown}` {BAD_NAME}");
        for noun in ["service", "data"] {
            let request = post(&format!("/v1/{noun}"), format!("{{\"name\":\"{name}\"}}"));
            rows.push(refused(request, 400, "bad-name", &message));
        }
        let request = post(
            "/v1/service",
            format!("{{\"name\":\"web\",\"runtime\":\"{name}\"}}"),
        );
        rows.push(refused(request, 400, "bad-name", &message));
        let request = post(
            "/v1/service",
            format!("{{\"name\":\"web\",\"role\":\"{name}\"}}"),
        );
        rows.push(refused(request, 400, "bad-name", &message));
    }
    for name in [
        "..",
        ".",
        "web.",
        ".web",
        "a.b",
        "../../web",
        "snow.testacc.*",
        "snow.testacc.>",
    ] {
        let request = post("/v1/service", format!("{{\"name\":\"{name}\"}}"));
        rows.push(refused(
            request,
            400,
            "bad-name",
            format!("`{name}` {BAD_FULL}"),
        ));
    }
    let name = "x".repeat(56);
    rows.push(refused(
        post("/v1/service", json!({ "name": name }).to_string()),
        400,
        "bad-name",
        format!(
            "the service name `{name}` is too long: its data and role are named after it \
             (`{name}_runtime`), so it may have 55 characters"
        ),
    ));
    for account in [
        "Snow.testacc",
        "snow.",
        "snow..testacc",
        "a.b.c.d.e.f.g.h.i.j",
    ] {
        let message = format!(
            "`{account}` is not an account: write ORGANIZATION.ACCOUNT, such as snow.testacc, \
             at most 8 accounts deep"
        );
        let body = json!({"name": "web", "account": account}).to_string();
        rows.push(refused(
            post("/v1/service", body),
            400,
            "bad-name",
            &message,
        ));
        let path = format!("/v1/service?account={account}");
        rows.push(refused(get(&path), 400, "bad-name", message));
    }
    for (path, shown, message) in [
        ("Web", "Web", BAD_NAME),
        ("*", "*", BAD_NAME),
        ("%3E", ">", BAD_NAME),
        ("a%0d%0ab", "a\\r\\nb", BAD_NAME),
        ("..", "..", BAD_FULL),
        ("%2e%2e", "..", BAD_FULL),
        ("..%2fserver", "../server", BAD_FULL),
        ("snow.web", "snow.web", BAD_FULL),
    ] {
        let message = format!("`{shown}` {message}");
        for noun in ["service", "data", "role"] {
            let request = get(&format!("/v1/{noun}/{path}"));
            rows.push(refused(request, 400, "bad-name", &message));
        }
        let request = Raw::new("POST", &format!("/v1/service/{path}/start"));
        rows.push(refused(request, 400, "bad-name", &message));
    }
    for noun in [
        "service",
        "data",
        "role",
        "account",
        "organization",
        "event",
    ] {
        let request = get(&format!("/v1/{noun}/%ff"));
        rows.push(refused(
            request,
            400,
            "bad-request",
            "the path is not UTF-8",
        ));
    }
    check_refused(&platform, rows, Some(&bearer(&platform))).await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_not_there_or_not_yours() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    let mut rows = Vec::new();
    let missing = |noun: &str, name: &str| {
        format!("there is no {noun} `{name}`: `eai {noun} ls` lists what there is")
    };
    for (reference, shown) in [
        ("nope", "snow.testacc.nope"),
        ("snow.testacc.nope", "snow.testacc.nope"),
        (ID, ID),
    ] {
        for noun in ["service", "data", "role"] {
            let request = get(&format!("/v1/{noun}/{reference}"));
            rows.push(refused(request, 404, "not-found", missing(noun, shown)));
        }
        for verb in ["start", "stop", "deactivate", "reactivate"] {
            let request = Raw::new("POST", &format!("/v1/service/{reference}/{verb}"));
            rows.push(refused(
                request,
                404,
                "not-found",
                missing("service", shown),
            ));
        }
        for (field, noun) in [("runtime", "data"), ("role", "role")] {
            let body = json!({"name": "other", field: reference}).to_string();
            let request = post("/v1/service", body);
            rows.push(refused(request, 404, "not-found", missing(noun, shown)));
        }
    }
    for reference in ["other", "snow.other", ID] {
        let request = get(&format!("/v1/account/{reference}"));
        rows.push(refused(
            request,
            404,
            "not-found",
            missing("account", reference),
        ));
        let message = format!("there is no organization `{reference}` that is yours");
        let request = get(&format!("/v1/organization/{reference}"));
        rows.push(refused(request, 404, "not-found", message));
    }
    for event in ["0", "999999", "18446744073709551615", ID] {
        let message = format!("there is no event `{event}`: `eai events tail` lists the newest");
        rows.push(refused(
            get(&format!("/v1/event/{event}")),
            404,
            "not-found",
            message,
        ));
    }
    for event in ["x", "-1", "18446744073709551616", "*"] {
        let message = "an event is named by its id or its sequence";
        rows.push(refused(
            get(&format!("/v1/event/{event}")),
            400,
            "bad-request",
            message,
        ));
    }
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/service/",
        "//v1/service",
        "/v1/service/web/",
    ] {
        let message = format!("there is nothing at `{path}`");
        rows.push(refused(get(path), 404, "not-found", message));
    }

    // Another account's things, by name; and its lists.
    let forbidden = "account `snow.other` is not yours";
    for noun in ["service", "data", "role"] {
        let request = get(&format!("/v1/{noun}/snow.other.web"));
        rows.push(refused(request, 403, "forbidden", forbidden));
        let request = get(&format!("/v1/{noun}?account=snow.other"));
        rows.push(refused(request, 403, "forbidden", forbidden));
        let request = get(&format!("/v1/{noun}?account=acme"));
        rows.push(refused(
            request,
            403,
            "forbidden",
            "organization `acme` is not yours",
        ));
    }
    for body in [
        json!({"name": "web", "account": "snow.other"}),
        json!({"name": "web", "account": "other"}),
        json!({"name": "snow.other.web"}),
        json!({"name": "snow.other.web", "account": "snow.testacc"}),
    ] {
        for noun in ["service", "data"] {
            let request = post(&format!("/v1/{noun}"), body.to_string());
            rows.push(refused(request, 403, "forbidden", forbidden));
        }
    }
    for verb in ["start", "stop", "deactivate", "reactivate"] {
        let request = Raw::new("POST", &format!("/v1/service/snow.other.web/{verb}"));
        rows.push(refused(request, 403, "forbidden", forbidden));
    }

    for (method, path) in [
        ("PUT", "/v1/service"),
        ("DELETE", "/v1/service"),
        ("PUT", "/v1/service/web"),
        ("PATCH", "/v1/service"),
        ("PATCH", "/v1/data/web"),
        ("GET", "/v1/service/web/start"),
        ("PUT", "/v1/role"),
        ("POST", "/v1/me"),
        ("POST", "/v1/event"),
        ("GET", "/v1/token"),
        ("GET", "/v1/server/rebuild"),
        ("TRACE", "/v1/data"),
        ("BREW", "/v1/data"),
    ] {
        let message = format!("`{path}` does not take {method}");
        rows.push(refused(
            Raw::new(method, path),
            405,
            "method-not-allowed",
            message,
        ));
    }
    check_refused(&platform, rows, Some(&bearer(&platform))).await;
}

#[tokio::test]
async fn taken_names_and_states_that_forbid() {
    let platform = Platform::start();
    for name in ["web", "off"] {
        platform.cli(["service", "new", name]).ok();
    }
    platform.cli(["service", "deactivate", "off"]).ok();
    platform.cli(["data", "new", "one_runtime"]).ok();
    // Its role's name is taken by that of another service.
    platform.cli(["data", "new", "files"]).ok();
    let runtime = ["service", "new", "two_role", "--runtime", "files"];
    platform.cli(runtime).ok();
    let taken = |kind: &str, name: &str| {
        format!(
            "the {kind} name `snow.testacc.{name}` is taken: choose another, or use the one that has it"
        )
    };
    let new =
        |noun: &str, name: &str| post(&format!("/v1/{noun}"), json!({ "name": name }).to_string());
    let mut rows = vec![
        refused(
            new("service", "web"),
            409,
            "name-taken",
            taken("service", "web"),
        ),
        refused(
            new("service", "off"),
            409,
            "name-taken",
            taken("service", "off"),
        ),
        refused(
            new("data", "web_runtime"),
            409,
            "name-taken",
            taken("data", "web_runtime"),
        ),
        refused(
            new("service", "one"),
            409,
            "name-taken",
            taken("data", "one_runtime"),
        ),
    ];
    for reference in ["off", "snow.testacc.off"] {
        rows.push(refused(
            Raw::new("POST", &format!("/v1/service/{reference}/start")),
            409,
            "service-deactivated",
            "service `off` is deactivated: reactivate it first",
        ));
    }
    check_refused(&platform, rows, Some(&bearer(&platform))).await;

    // Nothing half-made: the names that were free still are.
    let api = Api::of(&platform);
    assert_eq!(api.get("/v1/role/one_role").await.refused().0, 404);
    assert_eq!(api.get("/v1/service/one").await.refused().0, 404);
    let body = json!({"name": "one", "runtime": "one_runtime"});
    let made = api.create("/v1/service", &body, None).await;
    assert_eq!(made.ok()["role"], "snow.testacc.one_role");
}
