//! Clients that mean no good, beside one that does: many that say nothing or next to nothing, many that guess tokens,
//! and some with names and output that are made to break out of where they stand.

mod crowd;
mod guess;
mod mischief;
mod options;
mod report;

use std::time::{Duration, Instant};

use crate::platform::{Platform, Setup};
use crate::service::Service;
use crowd::Crowd;

pub use options::Options;
pub use report::Report;

/// How many honest requests are measured at a time without anybody else.
const CALM: usize = 300;

/// Lets them loose on one platform, and measures what the honest one notices.
pub async fn run(options: &Options) -> Report {
    let platform = Platform::start_with(Setup::default().on(options.backend));
    let service = Service::web(&platform, "web", &[]);
    let mut report = Report::default();
    // The start of its job is nobody's fault.
    report.refused(service.get("/").await.status);
    let calm = honest(&service, CALM, &mut report).await;

    let crowd = Crowd::open(&platform, &service.host, options.silent).await;
    report.silent = crowd.len();
    let guessing = guess::run(&platform, &service.host, options.guesses, options.seed);
    let guessing = tokio::spawn(guessing);
    let mut among = Vec::new();
    while !guessing.is_finished() || among.len() < CALM {
        among.extend(honest(&service, 20, &mut report).await);
    }
    report.guesses = guessing.await.expect("no panic");
    report.measured(calm, among);
    report.mischief = options.guesses / 100;
    let wrong = mischief::run(&platform, report.mischief, options.seed).await;
    report.leaks.extend(wrong);
    report.left = crowd.until_closed().await;
    report.leaks.extend(leaks(&platform));
    report
}

/// Asks so often, one after the other; how long each took.
async fn honest(service: &Service, count: usize, report: &mut Report) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        report.refused(service.get("/").await.status);
        times.push(begun.elapsed());
    }
    times
}

/// The secrets of a platform that stand where somebody else may read them.
fn leaks(platform: &Platform) -> Vec<String> {
    let profile = std::fs::read_to_string(platform.config().join("config")).expect("a profile");
    let refresh = profile.lines().find_map(|line| {
        let value = line.strip_prefix("refresh-token = ")?;
        Some(value.trim_matches('"').to_owned())
    });
    let secrets = [
        ("the access token", platform.token()),
        ("the refresh token", refresh.expect("a refresh token")),
        ("a guess", guess::MARK.to_owned()),
    ];
    let export = platform.path("events");
    let export = export.to_str().expect("UTF-8");
    platform.cli(["events", "export", export]).ok();
    let places = [
        ("the log", platform.log()),
        (
            "the events",
            std::fs::read_to_string(export).expect("an export"),
        ),
    ];
    let mut leaks = Vec::new();
    for (place, text) in places {
        for (what, secret) in &secrets {
            if text.contains(secret) {
                leaks.push(format!("{what} stands in {place}"));
            }
        }
        if text.contains('\u{1b}') {
            leaks.push(format!(
                "a control character of somebody's stands in {place}"
            ));
        }
    }
    leaks
}
