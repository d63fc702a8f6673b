//! `eai events`: tails, follows that survive, documents as they are stored.

use serde_json::{Value, json};

use crate::support::{Eai, Platform, Reply, Request, Step};

fn stored(sequence: u64) -> Value {
    json!({"sequence": sequence, "event": {
        "specversion": "1.0",
        "id": format!("event-{sequence}"),
        "time": "2025-08-05T18:52:53Z",
        "type": "eai.service.created.v1",
        "subject": "snow/testacc/service/x",
        "actor": "toolkit",
    }})
}

fn list(sequences: impl IntoIterator<Item = u64>) -> Reply {
    let items: Vec<Value> = sequences.into_iter().map(stored).collect();
    Reply::json(200, &json!({"items": items, "next": null}))
}

fn line(sequence: u64) -> Step {
    Step::Text(format!("{}\n", stored(sequence)))
}

fn follows(request: &Request) -> bool {
    request.query.contains_key("follow")
}

/// How many times it was followed before; `nth` counts other questions too.
fn follow_requests(platform: &Platform) -> Vec<Request> {
    platform.requests().into_iter().filter(follows).collect()
}

#[test]
fn a_tail_is_the_last_ten_as_a_table() {
    let platform = Platform::start(|_| list(1..=2));
    let text = Eai::with_token(&platform).run("events tail").ok();
    assert_eq!(text.lines().count(), 3);
    let header: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        header,
        ["id", "sequence", "time", "type", "subject", "actor"]
    );
    assert_eq!(platform.requests()[0].query["tail"], "10");
}

#[test]
fn filters_are_passed_on() {
    let platform = Platform::start(|_| list(5..=6));
    let eai = Eai::with_token(&platform);
    let text = eai
        .run("events tail --type service --id x --since 5 --field sequence")
        .ok();
    assert_eq!(text, "5\n6\n");
    let query = &platform.requests()[0].query;
    assert_eq!(
        (query["type"].as_str(), query["id"].as_str()),
        ("service", "x")
    );
    assert_eq!(query["since"], "5");
    assert!(!query.contains_key("tail"));
}

#[test]
fn a_row_is_the_event_and_its_sequence() {
    let platform = Platform::start(|_| list([3]));
    let text = Eai::with_token(&platform)
        .run("events tail --format json")
        .ok();
    let row: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(
        (&row["sequence"], &row["id"]),
        (&json!(3), &json!("event-3"))
    );
    assert!(text.starts_with("{\"sequence\":3,"), "{text}");
}

#[test]
fn a_follow_comes_back_where_it_was_lost() {
    let platform = Platform::start(|request| {
        if !follows(request) {
            return list(1..=2);
        }
        match request.query["since"].as_str() {
            // Lost in the middle of a line.
            "3" => Reply::Stream(vec![
                line(3),
                Step::Text("\n".to_owned()),
                line(4),
                Step::Text("{\"sequence\":5,\"ev".to_owned()),
            ]),
            // Begins with what is known already.
            "5" => Reply::Stream(vec![line(4), line(5), line(6), Step::Stay]),
            other => panic!("followed from {other}"),
        }
    });
    let eai = Eai::with_token(&platform).env("EAI_RETRY_FOR", "60s");
    let running = eai.start("events tail -f -n 2 --field sequence");
    let sequences: Vec<String> = (0..6).map(|_| running.line()).collect();
    assert_eq!(sequences, ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(follow_requests(&platform).len(), 2);
}

#[test]
fn a_follow_outlives_a_platform_that_refuses_for_a_while() {
    let platform = Platform::start(|request| match (follows(request), request.nth) {
        (false, _) => list([1]),
        (true, 1) => Reply::Stream(vec![line(2)]),
        (true, 2) => Reply::HangUp,
        (true, 3) => Reply::text(503, ""),
        (true, _) => Reply::Stream(vec![line(3), Step::Stay]),
    });
    let eai = Eai::with_token(&platform).env("EAI_RETRY_FOR", "60s");
    let running = eai.start("events tail -f --field sequence");
    let sequences: Vec<String> = (0..3).map(|_| running.line()).collect();
    assert_eq!(sequences, ["1", "2", "3"]);
    let since: Vec<String> = follow_requests(&platform)
        .iter()
        .map(|request| request.query["since"].clone())
        .collect();
    assert_eq!(since, ["2", "3", "3", "3"]);
}

#[test]
fn a_follow_of_only_what_comes_starts_behind_the_newest() {
    let platform = Platform::start(|request| {
        if follows(request) {
            return Reply::Stream(vec![line(8), Step::Stay]);
        }
        assert_eq!(request.query["tail"], "1");
        assert!(
            !request.query.contains_key("type"),
            "the newest of all, not of the type"
        );
        list([7])
    });
    let eai = Eai::with_token(&platform);
    let running = eai.start("events tail -f -n 0 --type service --field sequence");
    assert_eq!(running.line(), "8");
    let query = &follow_requests(&platform)[0].query;
    assert_eq!(
        (query["since"].as_str(), query["type"].as_str()),
        ("8", "service")
    );
}

#[test]
fn a_follow_from_a_place_asks_for_nothing_else() {
    let platform = Platform::start(|_| Reply::Stream(vec![line(4), Step::Stay]));
    let eai = Eai::with_token(&platform);
    let running = eai.start("events tail -f --since 4 --format json");
    assert!(running.line().starts_with("{\"sequence\":4,"));
    assert_eq!(platform.requests().len(), 1);
}

#[test]
fn a_follow_shows_its_header_at_once() {
    let platform = Platform::start(|request| {
        if follows(request) {
            Reply::Stream(vec![Step::Stay])
        } else {
            list([])
        }
    });
    let running = Eai::with_token(&platform).start("events tail -f --fields sequence,id");
    assert_eq!(running.line(), "sequence  id");
}

#[test]
fn a_follow_ends_when_the_platform_stays_away() {
    let platform = Platform::start(|request| {
        if follows(request) {
            Reply::Stream(vec![line(2)])
        } else {
            list([1])
        }
    });
    let running = Eai::with_token(&platform).start("events tail -f --field sequence");
    let (code, lines) = running.end();
    assert_eq!(
        (code, lines),
        (Some(7), vec!["1".to_owned(), "2".to_owned()])
    );
}

#[test]
fn an_event_is_printed_as_it_is_stored() {
    let document = r#"{"specversion": "1.0",  "id":"e", "data":{"z":1,"a":2.0}}"#;
    let platform =
        Platform::start(move |_| Reply::text(200, document).with("x-eai-sequence", "42"));
    let eai = Eai::with_token(&platform);
    assert_eq!(eai.run("events get 42").ok(), format!("{document}\n"));
    assert_eq!(platform.lines(), ["GET /v1/event/42"]);
    assert_eq!(eai.run("events get e --field data.a").ok(), "2.0\n");
    assert_eq!(
        eai.run("events get e --fields sequence,id --no-header")
            .ok(),
        "42  e\n"
    );
}

#[test]
fn a_list_asks_for_one_more_and_says_where_to_go_on() {
    let platform = Platform::start(|_| list(5..=7));
    let eai = Eai::with_token(&platform);
    let output =
        eai.run("events ls -n 2 --kind job --actor platform --until 9 --since 5 --field sequence");
    assert!(
        output.stderr.contains("go on with `--since 7`"),
        "{}",
        output.stderr
    );
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "5\n6\n"));
    let query = &platform.requests()[0].query;
    for (name, value) in [
        ("kind", "job"),
        ("actor", "platform"),
        ("since", "5"),
        ("until", "9"),
        ("limit", "3"),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
}
