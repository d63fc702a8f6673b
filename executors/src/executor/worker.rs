//! What a run needs to be a worker of a queue: the client of the Runtime API, what it calls, and how it knows itself.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use eai_core::digest::Digest;
use eai_core::executor::Run as RunId;
use eai_core::ids::ServiceId;
use eai_core::job::Submitted;
use eai_core::names::AccountName;
use eai_core::service::HEARTBEAT_TIMEOUT_MS;
use eai_core::spec::{RUNTIME_PATH, Requirements, Worker};
use eai_core::worker;

use super::requirements::Failed;
use super::{Shared, requirements};
use crate::backend::{Bind, Runtime};
use crate::data::{Error as DataError, Tree, pip};

/// The client that brings handlers to life, and its version.
const CLIENT: &str = "awslambdaric==4.2.2";
/// Where the client is in a run.
const CLIENT_TARGET: &str = "/eai/runtime";
/// Where our own part is.
const ADAPTER_TARGET: &str = "/eai/worker";
const ADAPTER_NAME: &str = "eai_agi_worker";
const ADAPTER: &str = include_str!("agi_worker.py");
/// How often a worker gives a sign of life, at most, in milliseconds.
const BEAT_MS: u64 = 1000;
/// How many signs of life fit into the time after which a silent worker is given up.
const BEATS: u64 = 4;

/// A worker's place in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) service: ServiceId,
    pub(crate) index: u32,
    /// `<service name>:<index>`.
    pub(crate) name: String,
    revision: u32,
    function: String,
}

/// What is added to a run to make it a worker.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) runtime: Runtime,
    /// What runs, where that is not the spec's command.
    pub(super) command: Option<Vec<String>>,
    pub(super) binds: Vec<Bind>,
    pub(super) trees: Vec<Tree>,
}

/// The place of a job's runs; none where they work for no queue.
pub(super) fn place(submitted: &Submitted) -> Option<Place> {
    let service = submitted.service.as_ref()?;
    let index = service.worker?;
    let name = &service.service.full_name.name;
    Some(Place {
        service: service.service.id,
        index,
        name: worker::name(name, index),
        revision: service.revision,
        function: name.to_string(),
    })
}

/// Gets what a worker needs, and adds to its variables.
pub(super) async fn prepare(
    shared: &Shared,
    (account, run): (&AccountName, RunId),
    submitted: &Submitted,
    (place, image): (&Place, &str),
    env: &mut Vec<(String, String)>,
) -> Result<Parts, Failed> {
    let spec = &submitted.configuration.spec;
    let mut parts = Parts {
        runtime: Runtime {
            function_arn: format!(
                "arn:aws:lambda:eai:000000000000:function:{}",
                place.function
            ),
            beat_ms: beat_ms(shared, place.service),
        },
        command: None,
        binds: Vec::new(),
        trees: Vec::new(),
    };
    let handler = match &spec.worker {
        None => None,
        Some(Worker::Handler(handler)) => Some(handler.to_string()),
        Some(Worker::AgiWorker(class)) => {
            let tree = adapter(shared).await?;
            parts.bind(tree, |path| path.join("files"), ADAPTER_TARGET);
            requirements::add_path(env, ADAPTER_TARGET);
            env.push(("EAI_AGI_WORKER".to_owned(), class.to_string()));
            Some(format!("{ADAPTER_NAME}.handle"))
        }
    };
    if let Some(handler) = &handler {
        let client: Requirements = CLIENT.parse().map_err(|_| Failed::Client)?;
        let tree = requirements::packages(shared, account, run, &client, image).await?;
        parts.bind(tree, pip::packages, CLIENT_TARGET);
        requirements::add_path(env, CLIENT_TARGET);
        let command = ["python3", "-m", "awslambdaric", handler];
        parts.command = Some(command.map(str::to_owned).to_vec());
    }
    let handler = handler.unwrap_or_default();
    variables(submitted, place, &handler, env);
    Ok(parts)
}

/// How often a worker of a service gives a sign of life.
fn beat_ms(shared: &Shared, service: ServiceId) -> u64 {
    let queue = shared.tools.live.service(service);
    let timeout = queue.and_then(|service| {
        service
            .queue
            .as_ref()
            .map(|queue| queue.heartbeat_timeout_ms)
    });
    let timeout = timeout.unwrap_or(HEARTBEAT_TIMEOUT_MS);
    (timeout / BEATS).min(BEAT_MS)
}

/// Our own part, as a folder.
async fn adapter(shared: &Shared) -> Result<Tree, Failed> {
    let key = Digest::of(format!("eai.adapter.v1\n{ADAPTER}").as_bytes());
    let write = async |folder: &std::path::Path| {
        let files = folder.join("files");
        let file = files.join(format!("{ADAPTER_NAME}.py"));
        let written = std::fs::create_dir_all(&files).and_then(|()| std::fs::write(&file, ADAPTER));
        // Whatever the umask: another user reads it.
        let opened = written.and_then(|()| {
            for (path, mode) in [(folder, 0o755), (&files, 0o755), (&file, 0o644)] {
                std::fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
            Ok(())
        });
        opened.map_err(|source| DataError::File { path: file, source })
    };
    Ok(shared.cache.made(key, write).await?)
}

/// What clients of AWS look for, and how a worker knows which one it is.
fn variables(submitted: &Submitted, place: &Place, handler: &str, env: &mut Vec<(String, String)>) {
    let memory = submitted.configuration.spec.resources.mem.mebibytes();
    let own = [
        ("_HANDLER", handler.to_owned()),
        ("LAMBDA_TASK_ROOT", RUNTIME_PATH.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", place.function.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", place.revision.to_string()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        (
            "AWS_LAMBDA_LOG_GROUP_NAME",
            format!("/eai/{}", place.function),
        ),
        ("AWS_LAMBDA_LOG_STREAM_NAME", submitted.id.to_string()),
        ("EAI_WORKER", place.name.clone()),
        ("EAI_WORKER_INDEX", place.index.to_string()),
    ];
    for (name, value) in own {
        env.retain(|(other, _)| other != name);
        env.push((name.to_owned(), value));
    }
}

// === impl Parts ===

impl Parts {
    fn bind(
        &mut self,
        tree: Tree,
        within: impl Fn(&std::path::Path) -> std::path::PathBuf,
        target: &str,
    ) {
        self.binds.push(Bind {
            host: within(tree.path()),
            target: target.to_owned(),
            writable: false,
        });
        self.trees.push(tree);
    }
}
