//! Updates in a row under a steady load: requests with and without bodies, a stream of events and a WebSocket
//! throughout.
//!
//! Streams that outlast the time for draining are ended by the platform: they have to end as if the application
//! had ended them, and then they are opened again. Everything else has to be answered, in full and by one version.

mod load;
mod options;
mod report;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::platform::{Platform, Setup};
use crate::service::Service;
use crate::soak::blocking;
use crate::wait::until_async;

pub use options::Options;
pub use report::Report;

use load::Load;
use streams::{events, websocket};

/// How long runs may go on with what they have: the streams outlast it.
const DRAIN: &str = "1s";

/// Makes a run, and judges it.
pub async fn run(options: &Options) -> Report {
    let setup = setup(options);
    let (platform, service) = blocking(move || {
        let platform = Platform::start_with(setup);
        let service = Service::of_app(&platform, "web", "rollout.py", &["-e", "VERSION=0"]);
        (platform, service)
    })
    .await;
    assert_eq!(service.get("/").await.status, 200, "it starts");
    let done = Arc::new(AtomicBool::new(false));
    let load = Load::start(&service, options.rate, &done);
    let events = tokio::spawn(events(service.clone(), Arc::clone(&done)));
    let (address, token) = (platform.address().to_owned(), platform.token());
    let socket = websocket(address, service.host.clone(), token, Arc::clone(&done));
    let socket = tokio::spawn(socket);
    let platform = Arc::new(platform);
    for version in 1..=options.updates {
        update(&platform, &service, version).await;
    }
    until_settled(&service).await;
    done.store(true, Ordering::SeqCst);
    let mut report = load.end().await;
    report.updates = options.updates;
    report.events = events.await.expect("the stream of events ends");
    report.sockets = socket.await.expect("the WebSocket ends");
    let jobs = service.jobs().await;
    report.alive = jobs.iter().filter(|job| job["alive"] == true).count();
    report
}

fn setup(options: &Options) -> Setup {
    let mut setup = match &options.sabotage {
        Some(guard) => Setup::sabotaged(guard),
        None => Setup::default(),
    };
    setup.flags = ["--drain-timeout", DRAIN].map(str::to_owned).to_vec();
    setup.on(options.backend)
}

/// The next version, once requests go to it.
async fn update(platform: &Arc<Platform>, service: &Service, version: u32) {
    let (platform, of) = (Arc::clone(platform), service.clone());
    blocking(move || {
        let variable = format!("VERSION={version}");
        of.update(&platform, &["-e", &variable], &[]).ok();
    })
    .await;
    let wanted = format!("{version} /now\n");
    until_async("the new version to answer", async || {
        match service.get("/now").await.text() {
            text if text == wanted => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

/// Waits until nothing of earlier versions is left.
async fn until_settled(service: &Service) {
    until_async("the last update to be over", async || {
        let now = service.row().await;
        let alive = service.jobs().await;
        let alive = alive.iter().filter(|job| job["alive"] == true).count();
        if now["rollout"] == "settled" && alive == 1 {
            Ok(())
        } else {
            Err((now, alive))
        }
    })
    .await;
}
