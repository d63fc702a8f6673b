//! A platform that speaks TLS: what it shows, to whom, and that renewing it costs nobody anything.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use eai_tests::{Backend, Certificate, Platform, Raw, Setup, until_async, within};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const VERSION: &[u8] = b"GET /v1/version HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A platform with a certificate in its home.
fn platform() -> (Platform, Certificate) {
    let mut platform = Platform::stopped(Setup::default());
    let certificate = Certificate::write(platform.home());
    platform.set_up(Setup::flags(certificate.flags()).on(Backend::Process));
    platform.up();
    (platform, certificate)
}

async fn answers(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) {
    stream.write_all(VERSION).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\"}") {
        let mut piece = [0; 1024];
        let read = within("an answer", stream.read(&mut piece)).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&piece[..read]);
    }
    assert!(seen.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn the_command_line_trusts_whom_it_is_told_to() {
    let (platform, certificate) = platform();
    let printed = platform.printed();
    assert!(printed.contains("ready https://localhost:"), "{printed}");
    let ca = certificate.certificate.to_str().unwrap();
    let trusting = [("EAI_CA_CERT", ca)];
    platform.run(&["service", "new", "web"], &trusting).ok();
    let url = platform.cli([
        "--ca-cert",
        ca,
        "service",
        "get",
        "web",
        "--field",
        "accessUrl",
    ]);
    assert!(url.ok().starts_with("https://"));

    let stranger = platform.run(&["service", "ls"], &[("EAI_RETRY_FOR", "0s")]);
    assert_eq!(stranger.code, 7, "{}", stranger.err);
    assert!(stranger.err.contains("certificate"), "{}", stranger.err);
    assert!(stranger.err.contains("--ca-cert"), "{}", stranger.err);
    let missing = platform.cli(["--ca-cert", "/nowhere.pem", "service", "ls"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing
            .err
            .starts_with("error: cannot use the certificates in /nowhere.pem"),
        "{}",
        missing.err
    );
    let none = platform.cli([
        "--ca-cert",
        certificate.key.to_str().unwrap(),
        "service",
        "ls",
    ]);
    assert_eq!(none.code, 2, "{}", none.err);

    // Who speaks no TLS learns that it has to.
    let plain = Raw::new("GET", "/").send(platform.address());
    assert_eq!(plain.status, 400);
    assert!(plain.body.contains("use https://"), "{}", plain.body);
}

#[tokio::test]
async fn requests_to_services_are_encrypted_as_well() {
    let (platform, certificate) = platform();
    let ca = certificate.certificate.to_str().unwrap().to_owned();
    let file = eai_tests::app("web.py");
    let file = file.to_str().unwrap();
    let run = |arguments: &[&str]| platform.run(arguments, &[("EAI_CA_CERT", &ca)]).ok();
    run(&["service", "new", "web"]);
    run(&["data", "push", "web_runtime", file]);
    run(&[
        "service",
        "update",
        "web",
        "--",
        "python3",
        "-u",
        "/service/web.py",
    ]);
    let url = run(&["service", "get", "web", "--field", "accessUrl"]);
    let token = run(&["login", "token"]);
    let client = eai_tests::stock()
        .tls_certs_only([certificate.trusted()])
        .resolve_to_addrs(
            url.trim_start_matches("https://")
                .split(':')
                .next()
                .unwrap(),
            &[platform.address().parse().unwrap()],
        )
        .build()
        .unwrap();
    let answer = client
        .get(format!("{url}/who"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    let who: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(who["headers"]["x-forwarded-proto"], "https");
    // The same through a port of this machine.
    let script = "curl -sf $EAI_PROXY_URL/who";
    let who = run(&["proxy", "web", "--", "sh", "-c", script]);
    assert!(who.contains("x-forwarded-proto"), "{who}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let (platform, old) = platform();
    let (mut before, agreed) = old
        .connect(platform.address(), &["http/1.1"])
        .await
        .unwrap();
    assert_eq!(agreed.as_deref(), Some("http/1.1"));
    answers(&mut before).await;

    let new = Certificate::write(platform.home());
    platform.signal(Signal::HUP);
    until_async("the new certificate", async || {
        new.connect(platform.address(), &[])
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
    assert!(old.connect(platform.address(), &[]).await.is_err());
    // Who was connected stays so.
    answers(&mut before).await;

    // One that is none changes nothing, and is told once.
    let text = fs::read(&new.key).unwrap();
    fs::write(&new.key, "nonsense").unwrap();
    platform.signal(Signal::HUP);
    until_async("the error", async || {
        let log = platform.log();
        if log.contains("has no private key in PEM") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    new.connect(platform.address(), &[]).await.unwrap();
    fs::write(&new.key, text).unwrap();

    // Nobody has to say so.
    let newest = Certificate::write(platform.home());
    until_async("the newest certificate", async || {
        newest
            .connect(platform.address(), &[])
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
    answers(&mut before).await;
}

#[test]
fn what_cannot_be_shown_is_said_at_the_start() {
    let start = |flags: [&str; 4]| {
        let mut platform = Platform::stopped(Setup::flags(flags));
        platform.fails()
    };
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (one, other) = (
        Certificate::write(one.path()),
        Certificate::write(other.path()),
    );
    let [cert_flag, cert, key_flag, key] = one.flags();
    for (flags, said) in [
        (
            [cert_flag, "/nowhere.pem", key_flag, key],
            "cannot read /nowhere.pem",
        ),
        ([cert_flag, key, key_flag, key], "has no certificate in PEM"),
        (
            [cert_flag, cert, key_flag, cert],
            "has no private key in PEM",
        ),
        (
            [cert_flag, cert, key_flag, other.flags()[3]],
            "cannot be used together",
        ),
    ] {
        let failed = start(flags);
        assert_eq!(failed.code, 1, "{}", failed.err);
        assert!(failed.err.contains(said), "{said}: {}", failed.err);
    }
    let mut platform = Platform::stopped(Setup::flags([cert_flag, cert]));
    let alone = platform.fails();
    assert_eq!(alone.code, 2);
    assert!(alone.err.contains("--tls-key"), "{}", alone.err);
}
