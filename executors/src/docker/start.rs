//! Starts runs, each at most once by its name.

use std::borrow::Cow;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use eai_core::turns::Turns;

use super::archive::ImageBytes;
use super::container::{Place, body};
use super::early::{Early, Made};
use super::engine::{Engine, Error, QUICK, SLOW, call, socket, until_answered};
use super::error::{StartError, Unusable};
use super::found;
use super::gateway::Gateways;
use super::import::{self, Image, ImportError};
use super::label::{Label, Owner};
use super::network::Network;
use super::python;
use super::running::{Inner, Running, remove};
use super::state::{Seen, Status, look};
use super::watch::Watch;
use crate::backend::{Begun, Found, Run, worker_variable};
use crate::data::pip::Python;

/// How often an address may be taken, or the network gone, before a start fails.
const ATTEMPTS: usize = 20;

/// A job has none before it.
const FIRST_CLAIM: u64 = 1;

/// How containers are made on this machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose they are.
    pub owner: Owner,
    /// The value of `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// Where it is noted what was read of their output. Made where it isn't there.
    pub marks: PathBuf,
    /// Where each worker's shim has its folder: beside the marks.
    pub workers: PathBuf,
    /// The program, by its absolute path, and arguments that run a shim.
    pub shim: Vec<OsString>,
    /// The most processes and threads of a run.
    pub pids: i64,
}

/// Runs commands in containers.
#[derive(Debug)]
pub struct Docker {
    settings: Settings,
    pub(super) engine: Engine,
    pub(super) network: Network,
    watch: Arc<Watch>,
    version: String,
    init: bool,
    /// The runs being made or started, so that each is by one.
    pub(super) starting: Turns<String>,
    pub(super) early: Early,
    pub(super) pulling: Turns<String>,
}

/// What is to be done with a container that has a run's name.
enum There {
    /// It is the one that is to be started.
    Made(String, Ipv4Addr),
    /// It is the one that was started.
    Begun(Box<Seen>),
    /// It is gone by now.
    Gone,
}

// === impl Settings ===

impl Settings {
    /// The usual bounds: 512 processes.
    pub fn new(
        owner: Owner,
        docker_host: Option<String>,
        marks: PathBuf,
        shim: Vec<OsString>,
    ) -> Self {
        Self {
            owner,
            docker_host,
            workers: marks.with_file_name("workers"),
            marks,
            shim,
            pids: 512,
        }
    }

    pub(super) fn gateways(&self) -> Gateways {
        Gateways::new(self.workers.clone(), self.shim.clone())
    }

    async fn connect(&self) -> Result<Engine, Unusable> {
        let host = self.docker_host.as_deref();
        let socket =
            socket(host).ok_or_else(|| Unusable::Elsewhere(host.unwrap_or_default().to_owned()))?;
        let connected = Engine::connect(&socket).await;
        connected.map_err(|source| Unusable::Away { socket, source })
    }
}

// === impl Docker ===

impl Docker {
    /// Finds out whether the engine answers, and makes the platform's network.
    pub async fn new(settings: Settings) -> Result<Self, Unusable> {
        let engine = settings.connect().await?;
        std::fs::create_dir_all(&settings.marks).map_err(|source| Unusable::Folder {
            path: settings.marks.clone(),
            source,
        })?;
        let info = call("describe itself", QUICK, engine.docker.info()).await?;
        let network = Network::new(&settings.owner.platform);
        network.address(&engine).await?;
        Ok(Self {
            watch: Arc::new(Watch::start(&engine, &settings.owner)),
            version: info.server_version.unwrap_or_default(),
            init: info.init_binary.is_some_and(|binary| !binary.is_empty()),
            settings,
            engine,
            network,
            starting: Turns::default(),
            early: Early::default(),
            pulling: Turns::default(),
        })
    }

    /// The engine's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Makes an image of a tar that `docker save` wrote, or of the files of a root. `name` has a tag; the tar's
    /// own names are not used.
    pub async fn import(&self, name: &str, bytes: ImageBytes) -> Result<Image, ImportError> {
        import::import(&self.engine, name, bytes).await
    }

    /// The Python of an image that is there.
    pub async fn python(&self, image: &str) -> Result<Option<Python>, Error> {
        until_answered(|| python::find(&self.engine, &self.settings.owner, image)).await
    }

    /// Every image that has a name.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        import::list(&self.engine).await
    }

    /// Starts a run, or takes up the one of this name that was started before: a command is never
    /// begun twice under one name, even where nobody knows how it went.
    pub async fn start(&self, run: &Run) -> Result<Begun, StartError> {
        self.start_before(run, None).await
    }

    /// The same; does not begin it any more, and leaves nothing of it, where it got later than this.
    pub async fn start_before(
        &self,
        run: &Run,
        latest: Option<Instant>,
    ) -> Result<Begun, StartError> {
        run.check()?;
        let label = Label::of(&run.name)?;
        let start = self.start_alone(run, &label, latest);
        self.starting.take(label.container(), start).await
    }

    /// Every container of this executor, by the names of the runs.
    pub async fn found(&self) -> Result<Vec<Found<Running>>, Error> {
        found::found(&self.engine, &self.settings, |seen| self.running(seen)).await
    }

    /// Every container of this platform that is a run's, whosever it is.
    pub async fn runs(&self) -> Result<Vec<found::There>, Error> {
        found::runs(&self.engine, &self.settings.owner).await
    }

    /// Waits until a container of this platform appears or ends of which nobody here is told, or such may
    /// have been missed.
    pub async fn stirred(&self) {
        self.watch.stirred().await;
    }

    /// Ends and removes a container by its id.
    pub async fn discard(&self, id: &str) -> Result<(), Error> {
        remove(&self.engine, id).await
    }

    /// Removes the network, if nothing is left in it.
    pub async fn close(&self) {
        let is_empty = found::is_empty(&self.engine, &self.settings.owner.platform).await;
        let removed = match is_empty {
            Ok(true) => self.network.remove(&self.engine).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "docker.close: the network is left to the next start");
        }
    }

    async fn start_alone(
        &self,
        run: &Run,
        label: &Label,
        latest: Option<Instant>,
    ) -> Result<Begun, StartError> {
        let clock = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (id, address) = match self.make(run, label, attempts).await? {
                There::Made(id, address) => (id, address),
                There::Begun(seen) => {
                    return Ok(Begun {
                        running: self.running(&seen)?.into(),
                        create: clock.elapsed(),
                        start: Duration::ZERO,
                    });
                }
                There::Gone => continue,
            };
            eai_core::fail_point::reach("docker.created");
            self.end_earlier(label).await?;
            if latest.is_some_and(|latest| Instant::now() > latest) {
                remove(&self.engine, &id).await?;
                return Err(StartError::Late);
            }
            let create = clock.elapsed();
            let clock = Instant::now();
            match self.begin(&id).await {
                Ok(()) => {
                    let inner = self.inner(label, id, address, now());
                    return Ok(Begun {
                        running: Running::new(inner).into(),
                        create,
                        start: clock.elapsed(),
                    });
                }
                Err(error) => {
                    remove(&self.engine, &id).await?;
                    if !self.is_worth_another(&error, attempts).await {
                        return Err(refused(error, run));
                    }
                }
            }
        }
    }

    /// What goes on for an earlier claim of the job ends first: its executor is lost, and nobody else ends it.
    async fn end_earlier(&self, label: &Label) -> Result<(), Error> {
        if label.claim <= FIRST_CLAIM {
            return Ok(());
        }
        let platform = &self.settings.owner.platform;
        for id in found::earlier(&self.engine, platform, label).await? {
            tracing::warn!(
                id,
                run = label.name(),
                "docker.earlier: it goes on, and is ended"
            );
            remove(&self.engine, &id).await?;
        }
        Ok(())
    }

    /// Makes the container, or finds it.
    async fn make(&self, run: &Run, label: &Label, attempt: usize) -> Result<There, StartError> {
        if let Some(Made { id, address }) = self.early.take(&run.name) {
            return Ok(There::Made(id, address));
        }
        let (address, gateway) = until_answered(|| self.network.address(&self.engine)).await?;
        let run = &*self.served(run, label, (gateway, address)).await?;
        let body = self.body(run, label, address);
        match until_answered(|| self.create(label, body.clone())).await {
            Ok(id) => Ok(There::Made(id, address)),
            Err(error) if error.status() == Some(409) => self.there(label).await,
            Err(error) if self.is_worth_another(&error, attempt).await => Ok(There::Gone),
            Err(error) => Err(refused(error, run)),
        }
    }

    /// The run with the address that it is served at, if it is a worker and has no container yet.
    async fn served<'a>(
        &self,
        run: &'a Run,
        label: &Label,
        addresses: (Ipv4Addr, Ipv4Addr),
    ) -> Result<Cow<'a, Run>, StartError> {
        let Some(runtime) = &run.runtime else {
            return Ok(Cow::Borrowed(run));
        };
        match look(&self.engine, &label.container()).await? {
            // Its shim served another address; nothing of it has begun.
            Some(seen) if seen.status == Status::Made && seen.label.as_ref() == Some(label) => {
                remove(&self.engine, &seen.id).await?;
            }
            Some(_) => return Ok(Cow::Borrowed(run)),
            None => {}
        }
        let gateways = self.settings.gateways();
        let port = gateways.start(&run.name, runtime, addresses).await;
        let port = port.map_err(|source| StartError::Shim {
            name: run.name.clone(),
            source,
        })?;
        let mut run = run.clone();
        run.env.push(worker_variable(addresses.0, port));
        Ok(Cow::Owned(run))
    }

    pub(super) fn body(&self, run: &Run, label: &Label, address: Ipv4Addr) -> ContainerCreateBody {
        let place = Place {
            owner: &self.settings.owner,
            network: self.network.name(),
            address,
            pids: self.settings.pids,
            init: self.init,
        };
        body(run, label, place)
    }

    pub(super) async fn create(
        &self,
        label: &Label,
        body: ContainerCreateBody,
    ) -> Result<String, Error> {
        let name = label.container();
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let made = self.engine.docker.create_container(Some(options), body);
        Ok(call("make a container", SLOW, made).await?.id)
    }

    /// What has the name of this run already.
    async fn there(&self, label: &Label) -> Result<There, StartError> {
        let name = label.container();
        let Some(seen) = look(&self.engine, &name).await? else {
            return Ok(There::Gone);
        };
        let is_ours = seen.platform.as_deref() == Some(&self.settings.owner.platform);
        match &seen.label {
            Some(found) if is_ours && found == label => match (&seen.status, seen.address) {
                // Another executor hoped for the run, and removes what it made.
                (Status::Made, _) if !self.settings.owner.has(seen.executor.as_deref()) => {
                    remove(&self.engine, &seen.id).await?;
                    Ok(There::Gone)
                }
                (Status::Made, Some(address)) => Ok(There::Made(seen.id, address)),
                (Status::Made, None) => Err(StartError::Taken(name)),
                (Status::Runs | Status::Ended(_), _) => Ok(There::Begun(Box::new(seen))),
            },
            Some(found) if is_ours && found.claim < label.claim => {
                remove(&self.engine, &seen.id).await?;
                let removed = self.settings.gateways().remove(&found.name()).await;
                removed.map_err(|source| StartError::Shim { name, source })?;
                Ok(There::Gone)
            }
            Some(_) if is_ours => Err(StartError::Superseded(name)),
            _ => Err(StartError::Taken(name)),
        }
    }

    /// Starts a container that was made, once: where there was no answer, it is looked what became of it.
    async fn begin(&self, id: &str) -> Result<(), Error> {
        loop {
            let started = self
                .engine
                .docker
                .start_container(id, None::<StartContainerOptions>);
            match call("start a container", SLOW, started).await {
                Err(error @ Error::Away { .. }) => {
                    tracing::warn!(%error, "docker.away");
                    match look(&self.engine, id).await? {
                        Some(seen) if seen.status == Status::Made => {}
                        _ => return Ok(()),
                    }
                }
                answered => return answered,
            }
        }
    }

    /// Whether a refusal is about what is chosen anew with the next attempt.
    async fn is_worth_another(&self, error: &Error, attempt: usize) -> bool {
        let Error::Refused { message, .. } = error else {
            return false;
        };
        if attempt == ATTEMPTS {
            return false;
        }
        // Another executor may remove what it had made in hope of the run.
        let anew = [
            "Address already in use",
            "No such container",
            "marked for removal",
        ];
        if anew.iter().any(|reason| message.contains(reason)) {
            return true;
        }
        // Somebody tidied up.
        let is_gone = message.contains(self.network.name()) && message.contains("not found");
        if is_gone {
            self.network.doubt().await;
        }
        is_gone
    }

    fn running(&self, seen: &Seen) -> Result<Running, StartError> {
        let label = seen.label.clone();
        let (Some(label), Some(address)) = (label, seen.address) else {
            return Err(StartError::Taken(seen.id.clone()));
        };
        let mut inner = self.inner(&label, seen.id.clone(), address, seen.started);
        inner.paused = seen.paused.into();
        Ok(Running::new(inner))
    }

    fn inner(&self, label: &Label, id: String, address: Ipv4Addr, started: u64) -> Inner {
        Inner {
            engine: self.engine.clone(),
            watch: Arc::clone(&self.watch),
            name: label.name(),
            container: label.container(),
            id,
            address,
            started,
            marks: self.settings.marks.clone(),
            paused: false.into(),
            freezer: OnceLock::new(),
            gateways: self.settings.gateways(),
        }
    }
}

/// Removes every container of an executor, and the platform's network if nobody else is in it: what is left of one
/// that runs jobs otherwise by now.
pub async fn sweep(settings: &Settings) -> Result<usize, Unusable> {
    let engine = settings.connect().await?;
    let left = found::containers(&engine, &settings.owner).await?;
    for id in &left {
        remove(&engine, id).await?;
    }
    let platform = &settings.owner.platform;
    if found::is_empty(&engine, platform).await? {
        Network::new(platform).remove(&engine).await?;
    }
    let folder: &Path = &settings.marks;
    super::marks::keep_only(folder, &[]);
    found::keep_gateways(settings, &[]).await;
    Ok(left.len())
}

/// What the engine said of a container that it did not make or start.
fn refused(error: Error, run: &Run) -> StartError {
    let Error::Refused { message, .. } = &error else {
        return error.into();
    };
    let program = run.command.first().map_or("", String::as_str);
    let not_found = ["executable file not found", "no such file or directory"];
    let text = if message.contains("exec:") && not_found.iter().any(|text| message.contains(text)) {
        format!(
            "the image {} has no program {program:?}: {message}",
            run.image
        )
    } else if message.contains("could not select device driver") {
        format!("this machine has no graphics processors for containers: {message}")
    } else {
        format!("Docker could not run the image {}: {message}", run.image)
    };
    StartError::Refused(text)
}

/// Unix milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
