//! How often a caller may ask the API: one that runs wild is held back, and nobody else.

use eai_tests::holders::key_of;
use eai_tests::{Api, Backend, Platform, Service, Setup};

/// How many may come at once at one request a second.
const BURST: usize = 10;

#[tokio::test]
async fn a_caller_that_asks_too_often_is_held_back_alone() {
    let mut platform = Platform::stopped(Setup::default().on(Backend::Process));
    platform.up();
    let key = key_of(&platform, "watchers", "service:get@snow.testacc.*");
    let web = Service::web(&platform, "web", &[]);
    web.get("/").await;
    platform.stop();
    platform.set_up(Setup::flags(["--api-rate", "1"]).on(Backend::Process));
    platform.up();

    let api = Api::of(&platform);
    let mut answers = Vec::new();
    // A second may pass on a slow machine, and fill the bucket by one.
    while answers.len() < 10 * BURST {
        let answer = api.get("/v1/me").await;
        let is_last = answer.status == 429;
        answers.push(answer);
        if is_last {
            break;
        }
    }
    let refused = answers.pop().unwrap();
    assert!(answers.len() >= BURST, "{} were let in", answers.len());
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(refused.refused(), (429, "too-many-requests".into()));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");

    // Others have their own share, and services are not the API's to limit.
    let other = api.with_token(&key).get("/v1/service").await;
    assert_eq!(other.status, 200);
    let statuses = web.crowd(3 * BURST).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    // The command line waits for as long as it is told to.
    platform.cli(["service", "ls"]).ok();
}
