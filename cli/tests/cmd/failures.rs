//! How it ends when things go wrong: exit codes, words, retries.

use std::net::TcpListener;

use crate::support::{Eai, Platform, Reply, error, page, service};

/// A URL where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://localhost:{}", listener.local_addr().unwrap().port())
}

#[test]
fn a_refusal_is_told_and_is_1() {
    let platform = Platform::start(|_| error(409, "name-taken", "the name `x` is taken"));
    let said = Eai::with_token(&platform).run("service new x").failed(1);
    assert_eq!(
        said,
        "error: the name `x` is taken (http: 409, name-taken)\n"
    );
    assert_eq!(platform.requests().len(), 1);
}

#[test]
fn a_usage_error_is_2_and_suggests_what_was_meant() {
    let said = Eai::alone().run("servce ls").failed(2);
    assert!(
        said.contains("similar") && said.contains("'service'"),
        "{said}"
    );
    assert!(
        Eai::alone()
            .run("service get x --field a --fields b")
            .failed(2)
            .contains("cannot")
    );
}

#[test]
fn a_platform_that_is_not_there_is_7_and_says_how_to_start_it() {
    let url = nowhere();
    let said = Eai::alone()
        .env("EAI_URL", &url)
        .run("service ls")
        .failed(7);
    let expected = format!(
        "error: could not reach the platform at {url}: connection refused\n\
         hint: start it with `eai server`, or name another with `--url` or `EAI_URL`\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn a_url_that_is_none_is_2() {
    assert!(
        Eai::alone()
            .run("service ls --url nonsense")
            .failed(2)
            .contains("nonsense")
    );
}

#[test]
fn a_command_is_retried_with_the_same_key_until_it_is_answered() {
    let platform = Platform::start(|request| match request.nth {
        0 => error(503, "log-unavailable", "the event log is away").with("retry-after", "0"),
        1 => Reply::HangUp,
        2 => Reply::text(502, "<html>"),
        _ => Reply::json(201, &service("hello")),
    });
    let eai = Eai::with_token(&platform).env("EAI_RETRY_FOR", "60s");
    assert_eq!(eai.run("service new hello --field name").ok(), "hello\n");
    let requests = platform.requests();
    assert_eq!(requests.len(), 4);
    let key = requests[0].header("idempotency-key").unwrap();
    assert_eq!(key.len(), 36);
    for request in &requests {
        assert_eq!(request.header("idempotency-key"), Some(key));
        assert_eq!(request.body, requests[0].body);
    }
}

#[test]
fn reads_are_retried_too_and_have_no_key() {
    let platform = Platform::start(|request| match request.nth {
        0 => error(503, "views-behind", "the views are behind"),
        _ => Reply::json(200, &page(&[service("a")])),
    });
    let eai = Eai::with_token(&platform).env("EAI_RETRY_FOR", "60s");
    assert_eq!(eai.run("service ls --field name").ok(), "a\n");
    assert_eq!(platform.requests()[1].header("idempotency-key"), None);
}

#[test]
fn the_command_id_can_be_named() {
    let platform = Platform::start(|_| Reply::json(201, &service("hello")));
    let id = "0b0f7a0e-5f5c-4c64-93d5-d7cf5c1d2c34";
    Eai::with_token(&platform)
        .run(&format!("service new hello --command-id {id}"))
        .ok();
    assert_eq!(platform.requests()[0].header("idempotency-key"), Some(id));
}

#[test]
fn two_invocations_have_two_keys() {
    let platform = Platform::start(|_| Reply::json(201, &service("hello")));
    let eai = Eai::with_token(&platform);
    eai.run("service new hello").ok();
    eai.run("service new hello").ok();
    let requests = platform.requests();
    assert_ne!(
        requests[0].header("idempotency-key"),
        requests[1].header("idempotency-key")
    );
}

#[test]
fn an_unknown_outcome_says_how_to_repeat() {
    let platform = Platform::start(|_| Reply::HangUp);
    let id = "0b0f7a0e-5f5c-4c64-93d5-d7cf5c1d2c34";
    let eai = Eai::with_token(&platform);
    let said = eai
        .run(&format!("service new hello --command-id {id}"))
        .failed(7);
    assert!(said.contains(&format!("--command-id {id}")), "{said}");
}

#[test]
fn without_patience_there_is_one_try() {
    let platform = Platform::start(|_| error(503, "views-halted", "the views are halted"));
    let said = Eai::with_token(&platform).run("service ls").failed(1);
    assert_eq!(
        said,
        "error: the views are halted (http: 503, views-halted)\n"
    );
    assert_eq!(platform.requests().len(), 1);
}

#[test]
fn an_answer_that_is_not_the_platforms_is_told() {
    let platform = Platform::start(|_| Reply::text(200, "<html>hello</html>"));
    let said = Eai::with_token(&platform).run("service get x").failed(1);
    assert!(said.contains("is not the platform's"), "{said}");
}

#[test]
fn a_token_is_never_carried_to_another_place() {
    let elsewhere = Platform::start(|_| Reply::json(200, &service("x")));
    let target = elsewhere.url();
    let platform =
        Platform::start(move |_| Reply::text(307, "").with("location", &format!("{target}/v1/me")));
    Eai::with_token(&platform).run("user get").failed(1);
    assert_eq!(elsewhere.requests().len(), 0);
}
