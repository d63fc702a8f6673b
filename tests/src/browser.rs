//! A real browser, driven over its protocol for developers. It knows no platform.

use std::collections::VecDeque;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::wait::{until_async, within};

/// How Debian calls it, and how others do.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The protocol's pipes are files 3 and 4; nothing else is said on them.
const START: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// A browser with one page. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    _child: Child,
    _profile: TempDir,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    next: u64,
    session: Option<String>,
    /// What the page said on its console, the last so many lines.
    console: VecDeque<String>,
}

// === impl Browser ===

impl Browser {
    /// Whether this machine has one: where `EAI_TEST_BROWSER` is set and empty, it has none.
    pub fn is_there() -> bool {
        std::env::var("EAI_TEST_BROWSER").as_deref() != Ok("")
    }

    /// Starts one with an empty page.
    pub async fn start() -> Self {
        let profile = TempDir::new().expect("a temporary folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places =
            std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
        let program = places.find(|path| path.is_file());
        let program = program
            .expect("a browser: apt-get install chromium, or set EAI_TEST_BROWSER= to do without");
        let mut child = Command::new("sh")
            .args(["-c", START])
            .arg(program)
            // As root it has no sandbox of its own, and a small /dev/shm is not enough for it.
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--remote-debugging-pipe",
                "--no-proxy-server",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the browser starts");
        let requests = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut browser = Self {
            _child: child,
            _profile: profile,
            requests,
            answers,
            next: 0,
            session: None,
            console: VecDeque::new(),
        };
        let page = json!({ "url": "about:blank" });
        let target = browser.ask("Target.createTarget", page).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.ask("Page.enable", json!({})).await;
        browser.ask("Runtime.enable", json!({})).await;
        browser
    }

    /// Goes to a page, and does not wait for what it loads.
    pub async fn open(&mut self, url: &str) {
        let gone = self.ask("Page.navigate", json!({ "url": url })).await;
        assert_eq!(gone["errorText"], Value::Null, "{url}: {gone}");
    }

    /// The value of an expression in the page, awaited where it is a promise; an error where it throws.
    pub async fn value(&mut self, expression: &str) -> Result<Value, String> {
        let asked = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
        });
        let answer = self.ask("Runtime.evaluate", asked).await;
        if answer["exceptionDetails"].is_null() {
            return Ok(answer["result"]["value"].clone());
        }
        Err(answer["exceptionDetails"].to_string())
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&mut self, what: &str, expression: &str) {
        until_async(what, async || match self.value(expression).await {
            Ok(Value::Bool(true)) => Ok(()),
            other => Err((other, self.text().await, self.console.clone())),
        })
        .await;
    }

    /// Puts a text into a field.
    pub async fn enter(&mut self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        let entered = format!("document.querySelector({selector}).value = {text}");
        self.value(&entered).await.expect("there is such a field");
    }

    /// Clicks, and does not wait for what comes of it.
    pub async fn click(&mut self, selector: &str) {
        let clicked = format!("document.querySelector({}).click()", json!(selector));
        self.value(&clicked)
            .await
            .expect("there is such an element");
    }

    /// Waits until the page shows a text.
    pub async fn until_text(&mut self, text: &str) {
        let shown = format!("(document.body?.innerText ?? '').includes({})", json!(text));
        self.until(text, &shown).await;
    }

    /// Waits until it is where it should be.
    pub async fn until_at(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        until_async(what, async || {
            let at = self
                .value("document.readyState === 'complete' && location.href")
                .await;
            match &at {
                Ok(Value::String(at)) if wanted(at) => Ok(()),
                _ => Err(at),
            }
        })
        .await;
    }

    /// The text that a reader of the page sees.
    pub async fn text(&mut self) -> String {
        let text = self.value("document.body?.innerText ?? ''").await;
        text.ok()
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut request = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests
            .write_all(&bytes)
            .await
            .expect("the browser reads");
        let answered = async {
            loop {
                let mut bytes = Vec::new();
                self.answers
                    .read_until(0, &mut bytes)
                    .await
                    .expect("the browser answers");
                assert_eq!(bytes.pop(), Some(0), "the browser ended");
                let message: Value = serde_json::from_slice(&bytes).expect("JSON");
                if message["id"] == id {
                    assert!(message["error"].is_null(), "{method}: {message}");
                    break message["result"].clone();
                }
                if message["method"] == "Runtime.consoleAPICalled" {
                    self.console
                        .push_back(message["params"]["args"].to_string());
                    self.console.truncate(20);
                }
            }
        };
        within(method, answered).await
    }
}
