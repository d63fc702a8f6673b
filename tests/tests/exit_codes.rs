//! How the command line ends when something is refused: exit code, message and hint.

use std::net::TcpListener;
use std::process::Command;

use eai_tests::Platform;

#[test]
fn what_the_platform_refuses_is_exit_code_1() {
    let platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    platform.cli(["service", "deactivate", "web"]).ok();
    for (arguments, error) in [
        (
            &["service", "get", "nope"][..],
            "there is no service `snow.testacc.nope`: `eai service ls` lists what there is \
             (http: 404, not-found)",
        ),
        (
            &["service", "new", "Web"],
            "`Web` is not a name: use 1 to 63 of the characters a-z, 0-9 and _ (http: 400, bad-name)",
        ),
        (
            &["data", "new", "web_runtime"],
            "the data name `snow.testacc.web_runtime` is taken: choose another, or use the one that \
             has it (http: 409, name-taken)",
        ),
        (
            &["service", "start", "web"],
            "service `web` is deactivated: reactivate it first (http: 409, service-deactivated)\n\
             hint: reactivate it with `eai service reactivate`",
        ),
        (
            &["service", "ls", "snow.other"],
            "account `snow.other` is not yours (http: 403, forbidden)",
        ),
        (
            &["events", "get", "nope"],
            "an event is named by its id or its sequence (http: 400, bad-request)",
        ),
        (
            &["events", "tail", "-n", "5000"],
            "`tail` must be from 1 to 1000 (http: 400, bad-request)",
        ),
        (
            &["user", "get", "nobody"],
            "there is no user `nobody`: `eai user ls` lists what there is (http: 404, not-found)",
        ),
    ] {
        let output = platform.run(arguments, &[]);
        assert_eq!((output.code, output.out.as_str()), (1, ""), "{arguments:?}");
        assert_eq!(output.err, format!("error: {error}\n"), "{arguments:?}");
    }
    // One refusal does not keep the other from being done.
    platform.cli(["service", "new", "other"]).ok();
    let both = platform.cli(["service", "stop", "nope", "other", "--field", "name"]);
    assert_eq!((both.code, both.out.as_str()), (1, "other\n"));
    assert!(
        both.err.starts_with("error: there is no service"),
        "{}",
        both.err
    );

    let token = [("EAI_TOKEN", "x")];
    let output = platform.run(&["service", "ls"], &token);
    assert_eq!(output.code, 1);
    assert_eq!(
        output.err,
        "error: the token is not valid here: run `eai login token` for a fresh one \
         (http: 401, unauthenticated)\n\
         hint: `EAI_TOKEN` is set: renew it, or unset it to use a profile\n"
    );
}

#[test]
fn what_cannot_be_understood_is_exit_code_2() {
    let platform = Platform::stopped(eai_tests::Setup::default());
    for arguments in [
        &["service"][..],
        &["service", "fly", "web"],
        &["service", "get"],
        &["service", "get", ""],
        &["service", "get", ".."],
        &["service", "ls", "--format", "xml"],
        &["service", "new", "web", "--command-id", "1"],
        &["events", "tail", "-n", "x"],
        &["nothing"],
        &["--profile", "nobody", "service", "ls"],
        &["server", "--listen", "nowhere"],
        &["server", "--log-max-bytes", "much"],
        &["server", "--external-url", "eai.test"],
    ] {
        let output = platform.run(arguments, &[("EAI_RETRY_FOR", "0s")]);
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{arguments:?}");
        assert!(
            output.err.starts_with("error: ") || output.err.contains("Usage:"),
            "{}",
            output.err
        );
    }
}

#[test]
fn a_platform_that_is_away_is_exit_code_7() {
    let mut platform = Platform::start();
    platform.cli(["service", "new", "web"]).ok();
    assert_eq!(platform.stop(), 0);
    let url = platform.url("").replace("127.0.0.1", "localhost");
    let away = [("EAI_RETRY_FOR", "0s")];
    let output = platform.run(&["service", "ls"], &away);
    assert_eq!((output.code, output.out.as_str()), (7, ""));
    let expected = format!("error: could not reach the platform at {url}: ");
    assert!(output.err.starts_with(&expected), "{}", output.err);
    let hint = "hint: start it with `eai server`, or name another with `--url` or `EAI_URL`\n";
    assert!(output.err.ends_with(hint), "{}", output.err);

    // Somebody took the command, and then said nothing: it may have happened.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let taker = std::thread::spawn(move || drop(silent.accept().unwrap()));
    let id = "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e";
    let environment = [&away[..], &[("EAI_TOKEN", "x"), ("EAI_URL", &url)]].concat();
    let arguments = ["service", "new", "other", "--command-id", id];
    let output = platform.run(&arguments, &environment);
    taker.join().unwrap();
    assert_eq!(output.code, 7, "{}", output.err);
    let hint = format!(
        "hint: the command may have happened: repeat it with `--command-id {id}` and it happens once\n"
    );
    assert!(output.err.ends_with(&hint), "{}", output.err);
}

#[test]
fn a_platform_that_comes_back_in_time_is_waited_for() {
    let mut platform = Platform::start();
    assert_eq!(platform.stop(), 0);
    let mut command: Command = platform.command(&["service", "new", "web", "--field", "name"]);
    command.stdout(std::process::Stdio::piped());
    let waiting = command.spawn().unwrap();
    platform.up();
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"web\n");
    assert_eq!(
        platform.cli(["service", "ls", "--field", "name"]).ok(),
        "web"
    );
}
