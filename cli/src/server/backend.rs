//! What jobs run with on this machine: asked for by a flag, or the best there is.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eai_core::spec::Image;
use eai_executors::backend::Backend;
use eai_executors::docker::{self, Docker};
use eai_executors::process::{self, Process};
use tokio::time::Instant;

use super::Error;
use super::data_dir::DataDir;
use crate::args::{BackendArg, ServeArgs};
use crate::env;

/// How long an engine that may have jobs of this platform may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// What was chosen, and why.
pub(crate) struct Chosen {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
    /// None where no job can run.
    pub(crate) backend: Option<Arc<Backend>>,
}

/// What there is to choose from.
struct Choice<'a> {
    args: &'a ServeArgs,
    docker: docker::Settings,
    runs: PathBuf,
    /// What was chosen at the last start.
    before: Option<String>,
}

/// Docker with an image, or why not.
enum Usable {
    Yes(Docker, String),
    /// It answers, and has no image.
    Bare(Docker, String),
    No(String),
}

/// Chooses what jobs run with, and removes what jobs left that ran with something else.
pub(crate) async fn choose(args: &ServeArgs, data: &DataDir) -> Result<Chosen, Error> {
    let mark = data.path().join("backend");
    let owner = docker::Owner {
        platform: data.platform().0.to_string(),
        executor: data.executor().0.to_string(),
    };
    let choice = Choice {
        args,
        docker: docker::Settings::new(
            owner,
            env::read(env::DOCKER_HOST),
            data.path().join("docker"),
            shim()?,
        ),
        runs: data.path().join("runs"),
        before: std::fs::read_to_string(&mark).ok(),
    };
    let chosen = choice.choose().await?;
    tracing::info!(
        backend = chosen.name,
        reason = chosen.reason,
        "server.backend"
    );
    if chosen.backend.is_some() {
        choice.sweep(chosen.name).await;
        std::fs::write(&mark, chosen.name).map_err(|source| Error::File { path: mark, source })?;
    } else {
        tracing::warn!("server.no_backend: no job can run");
    }
    Ok(chosen)
}

/// What runs a shim: this program.
fn shim() -> Result<Vec<OsString>, Error> {
    let binary = std::env::current_exe().map_err(|source| Error::File {
        path: "/proc/self/exe".into(),
        source,
    })?;
    Ok(vec![binary.into_os_string(), OsString::from("shim")])
}

// === impl Choice ===

impl Choice<'_> {
    async fn choose(&self) -> Result<Chosen, Error> {
        let refused = |asked, reason| Error::Backend { asked, reason };
        match self.args.backend {
            BackendArg::Process => match self.process().await {
                Ok((process, reason)) => Ok(Chosen::process(process, reason)),
                Err(reason) => Err(refused("process", reason)),
            },
            BackendArg::Docker => match self.docker().await {
                Usable::Yes(docker, reason) | Usable::Bare(docker, reason) => {
                    Ok(Chosen::docker(docker, reason))
                }
                Usable::No(reason) => Err(refused("docker", reason)),
            },
            BackendArg::Auto => {
                let (docker, without) = match self.docker().await {
                    Usable::Yes(docker, reason) => return Ok(Chosen::docker(docker, reason)),
                    Usable::Bare(docker, reason) => (Some(docker), reason),
                    Usable::No(reason) => (None, reason),
                };
                Ok(match (self.process().await, docker) {
                    (Ok((process, reason)), docker) => {
                        if let Some(docker) = docker {
                            docker.close().await;
                        }
                        Chosen::process(process, format!("{reason}; not docker: {without}"))
                    }
                    (Err(_), Some(docker)) => Chosen::docker(docker, without),
                    (Err(reason), None) => Chosen {
                        name: "none",
                        reason: format!("{reason}; not docker: {without}"),
                        backend: None,
                    },
                })
            }
        }
    }

    async fn process(&self) -> Result<(Process, String), String> {
        let shim = shim().map_err(|error| told(&error))?;
        let path = std::env::var_os(env::PATH).unwrap_or_default();
        let settings = process::Settings::new(self.runs.clone(), shim, path);
        let process = Process::new(settings).await.map_err(|error| told(&error))?;
        let reason = format!("bubblewrap works here; limits by {}", process.limits());
        Ok((process, reason))
    }

    async fn docker(&self) -> Usable {
        let docker = match self.connect().await {
            Ok(docker) => docker,
            Err(reason) => return Usable::No(reason),
        };
        let version = docker.version();
        if self.was("docker") && docker.found().await.is_ok_and(|found| !found.is_empty()) {
            let reason = format!("Docker {version} has jobs of an earlier start");
            return Usable::Yes(docker, reason);
        }
        let default = Image::default();
        let image = self.args.default_image.as_ref().unwrap_or(&default);
        match docker.lacks(image.as_str()).await {
            None => {
                let reason = format!("Docker {version} answers, and has or can get `{image}`");
                Usable::Yes(docker, reason)
            }
            Some(reason) => {
                let reason = format!(
                    "Docker {version} answers, and has no image `{image}` ({reason}): build one with \
                     `deploy/local/image`, and name it with --default-image"
                );
                Usable::Bare(docker, reason)
            }
        }
    }

    /// Where it may have jobs of this platform, it is waited for: without it they would be lost.
    async fn connect(&self) -> Result<Docker, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            match Docker::new(self.docker.clone()).await {
                Ok(docker) => return Ok(docker),
                Err(error @ docker::Unusable::Away { .. })
                    if self.was("docker") && Instant::now() < until =>
                {
                    tracing::warn!(error = told(&error), "server.docker_away");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(told(&error)),
            }
        }
    }

    fn was(&self, name: &str) -> bool {
        self.before.as_deref() == Some(name)
    }

    /// Jobs that ran with something else are lost to this platform: nothing of them may go on.
    async fn sweep(&self, chosen: &str) {
        let swept = match self.before.as_deref() {
            Some("docker") if chosen != "docker" => {
                let swept = docker::sweep(&self.docker).await;
                swept.map_err(|error| told(&error))
            }
            Some("process") if chosen != "process" => {
                let swept: io::Result<usize> = process::sweep(&self.runs).await;
                swept.map_err(|error| error.to_string())
            }
            _ => return,
        };
        match swept {
            Ok(0) => {}
            Ok(count) => {
                tracing::warn!(count, "server.swept: jobs of another backend were ended");
            }
            Err(error) => {
                tracing::warn!(error, "server.sweep: jobs of another backend may still run");
            }
        }
    }
}

// === impl Chosen ===

impl Chosen {
    /// Nothing is to run.
    pub(crate) fn nothing() -> Self {
        Self {
            name: "none",
            reason: "an export is only looked at".into(),
            backend: None,
        }
    }

    fn process(process: Process, reason: String) -> Self {
        Self {
            name: "process",
            reason,
            backend: Some(Arc::new(Backend::Process(process))),
        }
    }

    fn docker(docker: Docker, reason: String) -> Self {
        Self {
            name: "docker",
            reason,
            backend: Some(Arc::new(Backend::Docker(docker))),
        }
    }
}

/// An error with all that it comes from.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
