//! Bodies, streams and upgrades through the platform to a job, and who may send them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use eai_tests::{Answer, Backend, Platform, Service, WebSocket, on_each_backend, text, within};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HOST};
use serde_json::json;

async fn events_arrive_one_by_one(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let mut stream = service.request(Method::GET, "/sse").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut seen = String::new();
    for number in 0..3 {
        let expected = format!("data: {number}\n\n");
        while !seen.ends_with(&expected) {
            let chunk = within("an event", stream.chunk()).await.unwrap();
            seen.push_str(std::str::from_utf8(&chunk.expect("no end")).unwrap());
        }
        // The next one is sent only now: nothing is held back for it.
        assert_eq!(service.get("/next").await.status, 200);
    }
    assert_eq!(within("the end", stream.chunk()).await.unwrap(), None);
    assert_eq!(seen, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
}

async fn a_large_body_arrives_whole(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let size = 50 << 20;
    // The first half of it comes while the job is started.
    let answer = service.post("/", vec![7; size]).await;
    assert_eq!((answer.status, answer.text()), (200, format!("{size}\n")));
}

/// Milliseconds by name.
fn timings(answer: &Answer) -> Vec<(String, f64)> {
    let header = answer.header("server-timing").expect("a Server-Timing");
    let timing = |part: &str| {
        let (name, duration) = part.trim().split_once(";dur=").expect("a duration");
        (name.to_owned(), duration.parse().expect("a number"))
    };
    header.split(',').map(timing).collect()
}

async fn the_time_that_a_start_took_adds_up(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let begun = std::time::Instant::now();
    let cold = timings(&service.get("/").await);
    let waited = begun.elapsed().as_secs_f64() * 1000.0;
    let names: Vec<_> = cold.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "queue", "image", "data", "create", "start", "ready", "proxy", "total"
        ]
    );
    let sum: f64 = cold[..7].iter().map(|(_, time)| time).sum();
    let total = cold[7].1;
    assert!((sum - total).abs() < 0.1, "{cold:?}");
    assert!(total <= waited, "{total} of {waited}");
    // The same phases are told by the job; the proxy's own are its own.
    let job = service.only_job().await;
    let phases = &job["runs"][0]["phases"];
    for (name, time) in &cold[1..6] {
        let micros = phases[name].as_f64().expect("microseconds");
        assert!(
            (micros / 1000.0 - time).abs() < 0.1,
            "{name}: {phases} {cold:?}"
        );
    }
    let warm = timings(&service.get("/").await);
    let names: Vec<_> = warm.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["proxy", "total"]);
}

async fn who_may_is_let_through_and_named(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let bare = |authorization: Option<String>| {
        let request = reqwest::Client::new()
            .get(platform.url("/who"))
            .header(HOST, &service.host)
            .header("x-eai-user", "somebody");
        match authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    };
    let mut cut = platform.token();
    cut.truncate(cut.len() - 10);
    for (what, value) in [
        ("none", None),
        ("no token", Some("Bearer x".to_owned())),
        ("a broken token", Some(format!("Bearer {cut}"))),
        ("another scheme", Some("Basic eDp5".to_owned())),
    ] {
        let answer = Answer::of(bare(value)).await;
        assert_eq!(answer.refused().0, 401, "{what}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
    }
    assert!(service.jobs().await.is_empty(), "nobody who may asked");

    let token = format!("Bearer {}", platform.token());
    let who = Answer::of(bare(Some(token.clone()))).await.ok();
    let headers = &who["headers"];
    let user = platform.cli(["user", "get", "--field", "id"]).ok();
    assert_eq!(headers["x-eai-user"], user);
    assert_eq!(headers["x-eai-account"], "snow.testacc");
    assert_eq!(headers["authorization"], json!(null), "it is ours");
    assert_eq!(headers["x-forwarded-host"], service.host.as_str());

    // The job's own URL asks for the same.
    let id = text(&service.only_job().await["id"]);
    let host = service
        .host
        .replace(&format!("{}.service.", service.id), &format!("{id}.job."));
    let own = |value: Option<&String>| {
        let request = reqwest::Client::new()
            .get(platform.url("/own"))
            .header(HOST, &host);
        value.into_iter().fold(request, |request, value| {
            request.header(AUTHORIZATION, value)
        })
    };
    assert_eq!(Answer::of(own(None)).await.refused().0, 401);
    assert_eq!(Answer::of(own(Some(&token))).await.status, 200);
}

async fn a_public_service_takes_anyone(backend: Backend) {
    let platform = Platform::on(backend);
    platform.cli(["service", "new", "open", "--public"]).ok();
    let service = Service::named(&platform, "open");
    service.push(&platform, &eai_tests::app("web.py"));
    service
        .update(&platform, &[], &["python3", "-u", "/service/web.py"])
        .ok();
    let ask = |value: Option<&str>| {
        let request = reqwest::Client::new()
            .get(platform.url("/who"))
            .header(HOST, &service.host);
        value.into_iter().fold(request, |request, value| {
            request.header(AUTHORIZATION, value)
        })
    };
    let who = Answer::of(ask(None)).await.ok();
    assert_eq!(who["headers"]["x-eai-user"], json!(null));
    // A credential that is not ours is the application's.
    let who = Answer::of(ask(Some("Basic eDp5"))).await.ok();
    assert_eq!(who["headers"]["authorization"], "Basic eDp5");
    // Not every URL is a service's.
    let id = text(&service.only_job().await["id"]);
    let job = format!("{id}.job.localhost");
    let job = reqwest::Client::new()
        .get(platform.url("/who"))
        .header(HOST, job);
    assert_eq!(Answer::of(job).await.refused().0, 401);
    for host in ["nothing.service.localhost", "service.localhost"] {
        let other = reqwest::Client::new()
            .get(platform.url("/who"))
            .header(HOST, host);
        assert_eq!(Answer::of(other).await.refused().0, 404, "{host}");
    }
}

async fn a_websocket_speaks_both_ways(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::of_app(&platform, "echo", "websocket.py", &[]);
    let token = format!("Bearer {}", platform.token());
    let headers = [("host", service.host.as_str()), ("authorization", &token)];
    let mut socket = WebSocket::open(platform.address(), &headers).unwrap();
    for word in ["one", "two", "three"] {
        socket.echoes(word);
    }
    // The close goes through, and then the connection ends.
    socket.closes();
}

on_each_backend! {
    events_arrive_one_by_one,
    a_large_body_arrives_whole,
    the_time_that_a_start_took_adds_up,
    who_may_is_let_through_and_named,
    a_public_service_takes_anyone,
    a_websocket_speaks_both_ways,
}
