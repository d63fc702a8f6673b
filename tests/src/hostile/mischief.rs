//! Names, paths and lines of output that are made to break out of where they stand.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng};
use reqwest::Method;
use reqwest::header::{ACCEPT, HOST};
use serde_json::json;

use crate::api::{Answer, Api};
use crate::platform::Platform;
use crate::service::Service;

/// What no name and no path of a file may have.
const PIECES: [&str; 14] = [
    "<script>alert(1)</script>",
    "\u{1b}[31m",
    "\n",
    "\r\nset-cookie: a=b\r\n\r\n",
    "' OR 1=1 --",
    "\"}, {\"",
    "/../../etc/passwd",
    "*",
    ">",
    "\0",
    "\u{202e}",
    "%2e%2e%2f",
    "$(id)",
    "$JS.API.STREAM.DELETE.EAI_EVENTS",
];
/// A line that would be taken for one of the platform's own.
const FORGED: &str = "ERROR eai: all is lost";
/// Prints what harms a terminal, a page and a log, one line without an end, and gives up.
const NOISE: &str = r"printf '<script>alert(1)</script>\033[31m\r\377\000\nERROR eai: all is lost\n'; head -c 300000 /dev/zero | tr '\0' x; exit 3";

/// Tries so often; what was wrong with the answers.
pub(super) async fn run(platform: &Platform, count: usize, seed: u64) -> Vec<String> {
    let api = Api::of(platform);
    let data = json!({ "name": "mischief" });
    api.create("/v1/data", &data, None).await.ok();
    let mut random = StdRng::seed_from_u64(seed);
    let mut wrong = Vec::new();
    for _ in 0..count {
        let text = text(&mut random);
        let answer = match random.random_range(0..4) {
            0 => {
                let service = json!({ "name": text });
                api.create("/v1/service", &service, None).await
            }
            1 => {
                let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
                // A space is no plus in a path.
                let path = format!("/v1/service/{}", encoded.replace('+', "%20"));
                api.get(&path).await
            }
            2 => {
                let file =
                    json!({ "path": format!("../{text}"), "size": 0, "sha256": "0".repeat(64) });
                let put = json!({ "put": [file] });
                api.create("/v1/data/mischief/version", &put, None).await
            }
            _ => {
                let host: String = text.chars().filter(char::is_ascii_graphic).collect();
                let request = api.request(Method::GET, "/");
                let request = request.header(HOST, format!("x{host}.localhost"));
                Answer::of(request.header(ACCEPT, "text/html")).await
            }
        };
        wrong.extend(look(&answer).map(|what| format!("{text:?}: {what}")));
    }
    wrong.extend(output(platform).await);
    wrong
}

fn text(random: &mut StdRng) -> String {
    let number: u16 = random.random();
    let count = random.random_range(1..4);
    let pieces = (0..count).filter_map(|_| PIECES.choose(random).copied());
    pieces.chain([number.to_string().as_str()]).collect()
}

/// What is wrong with an answer to something that is no name.
fn look(answer: &Answer) -> Option<String> {
    let text = answer.text();
    let is_unsafe = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    if answer.status / 100 != 4 {
        Some(format!("it was answered {}", answer.status))
    } else if text.contains(is_unsafe) {
        Some(format!("the answer has a control character: {text:?}"))
    } else if is_page(answer) && text.contains("<script>alert") {
        Some("the page runs a script".into())
    } else if answer.header("set-cookie") == Some("a=b") {
        Some("it set a header".into())
    } else {
        None
    }
}

fn is_page(answer: &Answer) -> bool {
    let kind = answer.header("content-type");
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

/// What became of the output of a job that means no good: on the page that tells why it failed, and in the log.
async fn output(platform: &Platform) -> Option<String> {
    let service = Service::shell(platform, "noise", &[], NOISE);
    let request = service.request(Method::GET, "/");
    let answer = Answer::of(request.header(ACCEPT, "text/html")).await;
    let page = answer.text();
    if !is_page(&answer) || !page.contains("all is lost") {
        return Some(format!("the page does not tell what was printed: {page}"));
    }
    let is_unsafe = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if page.contains("<script>alert") || page.contains(is_unsafe) {
        return Some("the page has what was printed as it is".into());
    }
    let log = platform.log();
    log.contains(FORGED)
        .then(|| "a line of a job stands in the log".into())
}
