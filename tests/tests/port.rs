//! `eai proxy`: a port that adds the token, for programs that cannot, and that no page of another site can use.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use eai_tests::{Answer, Backend, Platform, Port, Raw, Service, WebSocket, stock, text, within};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// What a program does that knows nothing of tokens.
fn plain(method: Method, url: String) -> RequestBuilder {
    let client = stock().build().unwrap();
    client.request(method, url)
}

async fn get(url: String) -> Answer {
    Answer::of(plain(Method::GET, url)).await
}

#[tokio::test]
async fn a_program_without_a_token_reaches_a_service() {
    let platform = Platform::on(Backend::Process);
    let service = Service::web(&platform, "web", &[]);
    let port = Port::open(&platform, &["web"]);
    assert!(port.line.starts_with("http://127.0.0.1:"), "{}", port.line);

    // The service sees its user and itself, and nothing of the way.
    let request = plain(Method::GET, port.url("/who?a=b"))
        .header("authorization", "Basic eDp5")
        .header("origin", &port.line);
    let who = Answer::of(request).await.ok();
    let headers = &who["headers"];
    let user = platform.cli(["user", "get", "--field", "id"]).ok();
    assert_eq!(headers["x-eai-user"], user);
    assert_eq!(headers["authorization"], json!(null));
    assert_eq!(headers["host"], service.host.as_str());
    assert_eq!(headers["origin"], format!("http://{}", service.host));

    // Large bodies, and events one by one.
    let size = 20 << 20;
    let posted = plain(Method::POST, port.url("/")).body(vec![7; size]);
    assert_eq!(Answer::of(posted).await.text(), format!("{size}\n"));
    let mut stream = plain(Method::GET, port.url("/sse")).send().await.unwrap();
    let mut seen = String::new();
    for number in 0..3 {
        let expected = format!("data: {number}\n\n");
        while !seen.ends_with(&expected) {
            let chunk = within("an event", stream.chunk()).await.unwrap();
            seen.push_str(std::str::from_utf8(&chunk.expect("no end")).unwrap());
        }
        assert_eq!(get(port.url("/next")).await.status, 200);
    }

    // What the platform says of a request that fails is passed on.
    service.say(&platform, "stop");
    assert_eq!(
        get(port.url("/")).await.refused(),
        (503, "service-off".into())
    );
    port.terminate();
    assert_eq!(port.ended(), 0);
}

#[tokio::test]
async fn a_websocket_goes_through_a_port() {
    let platform = Platform::on(Backend::Process);
    Service::of_app(&platform, "echo", "websocket.py", &[]);
    let port = Port::open(&platform, &["echo"]);
    let host = ("host", port.address());
    let mut socket = WebSocket::open(port.address(), &[host]).unwrap();
    socket.echoes("one");
    socket.echoes("two");
    socket.closes();
    let foreign = [host, ("origin", "http://evil.test")];
    assert_eq!(
        WebSocket::open(port.address(), &foreign).err(),
        Some(403),
        "a page of another site"
    );
}

#[tokio::test]
async fn no_page_of_another_site_speaks_with_the_users_token() {
    let platform = Platform::start();
    let port = Port::open(&platform, &[]);
    let number = port.address().rsplit_once(':').unwrap().1;
    let ask = |host: &str, more: &[(&str, &str)]| {
        let mut stream = Raw::new("GET", "/v1/me").host(host);
        for (name, value) in more {
            stream = stream.header(name, value);
        }
        stream.send(port.address())
    };
    let own = |name: &str| format!("{name}:{number}");
    for name in ["localhost", "127.0.0.1", "[::1]"] {
        let answer = ask(&own(name), &[]);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    }
    for host in [&own("evil.test"), &own("127.0.0.1.evil.test"), "localhost"] {
        let answer = ask(host, &[]);
        assert_eq!(answer.status, 421, "{host}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let message = text(&body["error"]["message"]);
        assert!(message.contains(&format!("use {}", port.line)), "{message}");
    }
    let own = own("127.0.0.1");
    for header in [
        ("origin", "http://evil.test"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(ask(&own, &[header]).status, 403, "{header:?}");
    }
}

#[tokio::test]
async fn one_port_leads_to_everything() {
    let platform = Platform::on(Backend::Process);
    let service = Service::web(&platform, "web", &[]);
    let port = Port::open(&platform, &["--json"]);
    let said: Value = serde_json::from_str(&port.line).unwrap();
    let url = text(&said["url"]);
    assert_eq!(said["service"], json!(null));
    let me = get(format!("{url}/v1/me")).await.ok();
    assert_eq!(me["account"], "snow.testacc");
    for name in ["web", "snow.testacc.web", &service.id] {
        let answer = get(format!("{url}/service/{name}/a/b?c")).await;
        assert_eq!(answer.text(), "web /a/b\n", "{name}");
    }
    let job = text(&service.only_job().await["id"]);
    let answer = get(format!("{url}/job/{job}/x")).await;
    assert_eq!(answer.text(), "web /x\n");
    let host = format!("{}.service.localhost:{}", service.id, said["port"]);
    let named = plain(Method::GET, format!("{url}/y")).header("host", host);
    assert_eq!(Answer::of(named).await.text(), "web /y\n");
    for path in ["/service/nope/", "/service/web", "/job/nope/"] {
        let status = get(format!("{url}{path}")).await.status;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed() {
    let platform = Platform::start();
    // A token that seems to be good for long, and is not.
    platform.cli(["login", "token"]).ok();
    let cache = platform.config().join("cache/default.token");
    let mut cached: Value = serde_json::from_slice(&fs::read(&cache).unwrap()).unwrap();
    cached["token"] = "worn-out".into();
    fs::write(&cache, cached.to_string()).unwrap();
    let port = Port::open(&platform, &[]);
    assert_eq!(get(port.url("/v1/me")).await.status, 200);

    // One that nobody can renew is refused, and the platform says why.
    let mut command =
        platform.command(&["proxy", "--", "sh", "-c", "curl -s $EAI_PROXY_URL/v1/me"]);
    let output = command.env("EAI_TOKEN", "worn-out").output().unwrap();
    let body: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(body["error"]["code"], "unauthenticated");
}

#[test]
fn a_command_runs_beside_its_port() {
    let platform = Platform::start();
    let script = "import os, urllib.request as r\n\
         print(r.urlopen(os.environ['EAI_PROXY_URL'] + '/v1/me').status)\n\
         raise SystemExit(5)";
    let ran = platform.cli(["proxy", "--", "python3", "-c", script]);
    assert_eq!((ran.code, ran.out.as_str()), (5, "200\n"), "{}", ran.err);

    let missing = platform.cli(["proxy", "--", "no-such-program"]);
    assert_eq!(missing.code, 1);
    assert!(
        missing
            .err
            .starts_with("error: cannot run `no-such-program`"),
        "{}",
        missing.err
    );
    let nobody = platform.cli(["proxy", "nope"]);
    assert!(nobody.err.contains("there is no service"), "{}", nobody.err);
    let taken = platform.address().rsplit_once(':').unwrap().1;
    let taken = platform.cli(["proxy", "--port", taken]);
    assert!(
        taken.err.contains("Choose another port with `--port`"),
        "{}",
        taken.err
    );
}
