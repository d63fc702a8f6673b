//! What is kept where in the data directory, in words for the person who looks for room.

use std::fs;
use std::path::{Path, PathBuf};

use eai_proxy::api::Place;

/// Everything that a platform keeps. Asked once its streams are there: whose they are is part of their path.
pub(super) fn places(data: &Path) -> Vec<Place> {
    let stream = |name: &str| streams(data, name);
    let at = |path: &str| vec![data.join(path)];
    let kept = |part, paths, advice| Place {
        part,
        paths,
        advice,
        is_spare: false,
    };
    vec![
        kept(
            "events",
            stream(eai_core::log::STREAM),
            "kept for ever: it is what everything else is folded from",
        ),
        kept(
            "tasks",
            stream(eai_core::log::TASKS),
            "`eai task purge SERVICE` removes tasks that ended; the room is used again",
        ),
        kept(
            "output",
            stream(eai_core::log::output::STREAM),
            "what jobs print goes after a week by itself",
        ),
        kept(
            "data",
            stream(eai_core::log::objects::STREAM),
            "what nothing refers to goes after a day by itself",
        ),
        kept("views", at("views"), "`eai server rebuild` folds them anew"),
        Place {
            part: "copies",
            paths: vec![data.join("views/snapshots"), data.join("snapshots")],
            advice: "may be deleted while the platform is stopped: questions about the past, and about what has a \
                     long history, take longer then",
            is_spare: true,
        },
        kept(
            "cache",
            at("cache"),
            "versions that no run uses go by themselves; all of it may be deleted while the platform and its jobs are stopped",
        ),
        kept(
            "runs",
            vec![data.join("runs"), data.join("docker")],
            "goes with the runs that have it",
        ),
        kept(
            "server logs",
            [
                "server.log",
                "server.log.1",
                "nats/nats.log",
                "nats/nats.early.log",
            ]
            .map(|name| data.join(name))
            .to_vec(),
            "`server.log.1` may be deleted",
        ),
    ]
}

/// The folders of a stream: there is one, below the name of the account that nats-server keeps it for.
fn streams(data: &Path, name: &str) -> Vec<PathBuf> {
    let accounts = fs::read_dir(data.join("nats/js/jetstream"));
    let accounts = accounts.into_iter().flatten().flatten();
    let folders = accounts.map(|account| account.path().join("streams").join(name));
    folders.filter(|folder| folder.is_dir()).collect()
}
