//! The suite `log`: everything from one run, so that the numbers may be compared with each other.

use super::server::Server;
use super::{Size, commands, memory, replay, report};

pub(crate) async fn run(size: Size) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let server = Server::start();
    let version = server.connect().await.client().server_info().version;
    report::say(&format!(
        "suite log: {cores} cores, nats-server {version} with sync_interval: always"
    ));
    commands::run(&server, size).await;
    // A server of its own, so that its memory is what the replay needs.
    drop(server);
    let server = Server::start();
    let folded = replay::run(&server, size).await;
    let (rss, peak) = memory::of(&server.process());
    report::table(
        "memory",
        &["process", "before", "peak"],
        &[
            vec![
                "replay and fold".into(),
                format!("{} MiB", folded.before),
                format!("{} MiB", folded.peak),
            ],
            vec![
                "nats-server (end of the run)".into(),
                format!("{rss} MiB"),
                format!("{peak} MiB"),
            ],
        ],
    );
}
