//! Applications as people have them, installed by the platform and used through their URLs in a real browser.
//!
//! The large ones are in `tests/soak/apps`.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;

use eai_tests::{Backend, Browser, Platform, Service, app};

/// A service that runs an application with packages of an index, for everybody: a browser has no token.
struct App {
    platform: Platform,
    url: String,
}

impl App {
    fn new(packages: &str, files: &[&str], flags: &[&str], command: &[&str]) -> Self {
        let platform = Platform::on(Backend::Process);
        platform.cli(["service", "new", "app", "--public"]).ok();
        let service = Service::named(&platform, "app");
        for file in files {
            service.push(&platform, &app(file));
        }
        let list = platform.path("requirements.txt");
        fs::write(&list, packages).unwrap();
        let mut all = vec![
            "--requirements",
            list.to_str().unwrap(),
            "--cpu",
            "1",
            "--mem",
            "2",
        ];
        all.extend(flags);
        service.update(&platform, &all, command).ok();
        Self {
            url: format!("http://{}", service.host),
            platform,
        }
    }

    /// The page of a service that is there: to get its packages takes longer than a browser is watched for.
    async fn opened(&self, path: &str) -> Browser {
        let service = Service::named(&self.platform, "app");
        let answer = service.get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut browser = Browser::start().await;
        browser.open(&format!("{}{path}", self.url)).await;
        browser
    }
}

#[tokio::test]
async fn fastapi_streams_events_to_a_page() {
    if !Browser::is_there() {
        return;
    }
    let command = [
        "python3",
        "-m",
        "uvicorn",
        "sse:app",
        "--host",
        "0.0.0.0",
        "--port",
        "8080",
        "--app-dir",
        "/service",
    ];
    let app = App::new(
        "fastapi==0.116.1\nuvicorn==0.35.0\n",
        &["sse.py"],
        &[],
        &command,
    );
    let mut browser = app.opened("/").await;
    let seen = "[...document.querySelectorAll('li')].map((item) => item.textContent).join() === 'event 1,event 2,event 3'";
    browser.until("three events", seen).await;
}

#[tokio::test]
#[ignore = "it gets a lot from the index: tests/soak/apps"]
async fn streamlit_answers_a_click() {
    let command = [
        "python3",
        "-m",
        "streamlit",
        "run",
        "/service/table.py",
        "--server.address",
        "0.0.0.0",
        "--server.port",
        "8080",
        "--server.headless",
        "true",
        "--browser.gatherUsageStats",
        "false",
        // Outside of a folder `site-packages` it takes itself for a working copy.
        "--global.developmentMode",
        "false",
        "--server.fileWatcherType",
        "none",
    ];
    let app = App::new("streamlit==1.48.1\n", &["table.py"], &[], &command);
    let mut browser = app.opened("/").await;
    let shows = |text: &str| format!("document.body.innerText.includes('{text}')");
    browser.until("the page", &shows("it makes 7")).await;
    for times in [14, 21] {
        browser
            .value("[...document.querySelectorAll('button')].find((one) => one.innerText.trim() === 'more').click()")
            .await
            .unwrap();
        browser
            .until("the click's answer", &shows(&format!("it makes {times}")))
            .await;
    }
}

#[tokio::test]
#[ignore = "it gets a lot from the index: tests/soak/apps"]
async fn jupyterlab_runs_code() {
    let command = [
        "python3",
        "-m",
        "jupyterlab",
        "--ip",
        "0.0.0.0",
        "--port",
        "8080",
        "--no-browser",
        "--allow-root",
        "--IdentityProvider.token=",
        "--ServerApp.root_dir=/home/toolkit",
    ];
    // What is not code goes beside the packages.
    let flags = [
        "-e",
        "JUPYTERLAB_DIR=/eai/requirements/share/jupyter/lab",
        "-e",
        "JUPYTER_PATH=/eai/requirements/share/jupyter",
    ];
    let app = App::new(
        "jupyterlab==4.4.5\nipykernel==6.30.1\n",
        &[],
        &flags,
        &command,
    );
    let mut browser = app.opened("/lab").await;
    browser
        .until(
            "the launcher",
            "document.querySelector('.jp-Launcher-content') !== null",
        )
        .await;
    // As its notebooks do: a kernel, and its answers over a WebSocket.
    let run = r"(async () => {
        const token = document.cookie.match(/_xsrf=([^;]+)/)[1];
        const made = await fetch('/api/kernels', {method: 'POST', headers: {'X-XSRFToken': token}, body: '{}'});
        const {id} = await made.json();
        const socket = new WebSocket(`ws://${location.host}/api/kernels/${id}/channels`);
        await new Promise((done, failed) => { socket.onopen = done; socket.onerror = failed; });
        const header = {msg_id: '1', session: '1', username: '', version: '5.3', msg_type: 'execute_request', date: new Date().toISOString()};
        const content = {code: '6 * 7', silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true};
        socket.send(JSON.stringify({header, parent_header: {}, metadata: {}, content, channel: 'shell', buffers: []}));
        return await new Promise((done) => { socket.onmessage = (event) => {
            const message = JSON.parse(event.data);
            if (message.msg_type === 'execute_result') done(message.content.data['text/plain']);
        }; });
    })()";
    assert_eq!(browser.value(run).await.unwrap(), "42");
}
