//! `eai server`: one process with every role of the platform.
//!
//! This module wires the roles together and decides the order in which they come up and go down. What a
//! role does lives in its crate.

mod backend;
mod bootstrap;
mod connector;
mod data_dir;
pub(crate) mod doctor;
mod error;
mod health_files;
mod images;
mod logging;
mod monitors;
mod nats;
mod places;
mod profile;
mod replay;
mod restore;
mod roles;
#[cfg(feature = "sabotage")]
mod sabotage;
mod share;
mod signals;
mod tls;
mod work;

use std::path::Path;
use std::sync::Arc;

use eai_executors::executor::Stop;
use eai_proxy::api::{Readiness, Shared, Urls};
use eai_proxy::ingress::{self, Ingress};
use eai_proxy::listener::{Limits, Sites, Tls, serve};
use eai_proxy::routing::{self, Routing};
use eai_proxy::traffic::{Teller, Traffic};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use error::Error;
pub(crate) use replay::Replay;

use crate::args::ServeArgs;
use crate::error::ExitStatus;
use crate::output::Printer;
use connector::JobConnector;
use data_dir::DataDir;
use restore::{Begin, Restoring};
use roles::Roles;
use signals::Reason;

/// Runs the platform until it is told to end. Prints `ready URL` once it serves.
pub(crate) async fn run(args: ServeArgs, printer: &mut Printer) -> Result<ExitStatus, Error> {
    logging::start(args.log_format);
    let mut stop = signals::listen()?;
    check_domain(&args.domain)?;
    // Verified before anything is made for it.
    let restoring = args
        .restore
        .as_deref()
        .map(Restoring::verified)
        .transpose()?;
    let beginning = restoring.as_ref().map(Restoring::beginning);
    let account = args.account.as_deref();
    let data = DataDir::open(&args.data_dir, account, args.nats_port, beginning.as_ref())?;
    let tls = tls::load(&args)?;
    // Bound before anything is started, so that a taken port costs nothing.
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|source| Error::Listen {
            address: args.listen,
            source,
        })?;
    let port = listener
        .local_addr()
        .map_or(args.listen.port(), |address| address.port());
    let urls = match &args.external_url {
        Some(url) => Urls::external(&args.domain, url)?,
        None => Urls::of_listener(&args.domain, port, tls.is_some()),
    };

    let begin = restoring.as_ref().map_or(Begin::AsItIs, Begin::From);
    let (readiness, ready) = watch::channel(Readiness::Starting);
    let started = tokio::select! {
        started = Roles::start(&args, &data, begin, urls.clone(), ready) => started?,
        _ = stop.recv() => return Ok(ExitStatus::Success),
    };
    let roles = Box::new(started);
    let served = CancellationToken::new();
    let (traffic, teller) = traffic(&args, &data, &roles.platform);
    let told = CancellationToken::new();
    let teller = tokio::spawn(teller.run(told.clone()));
    let window = args.scale_down_after.into();
    let scaler = traffic.scaler(Arc::clone(&roles.platform), window);
    let scaling = tokio::spawn(scaler.run());
    let site = site(&args, &roles.platform, traffic);
    let limits = Limits::default();
    let newest = tls.as_ref().map(Tls::newest);
    let serving = serve(listener, &site, limits, newest, served.clone()).map_err(Error::Threads)?;
    let reloading = tls.map(tls::reload).transpose()?;
    let serving = tokio::spawn(serving);
    let draining = tokio::spawn(routing::drain(Arc::clone(&roles.platform)));

    // A platform is of use without the profile of its user's command line.
    if let Err(error) = profile::write(&args, &data, &roles.platform, printer) {
        printer.warning(&format!(
            "no profile was written for the command line: {error}. \
             Name a folder that can be written with EAI_CONFIG_DIR, and start again"
        ));
    }
    readiness.send_replace(Readiness::Ready);
    let mut announced = false;
    let reason = loop {
        tokio::select! {
            reason = stop.recv() => break reason,
            () = roles.platform.views.until_sound(), if !announced => {
                data.restored()?;
                printer.line(&format!("ready {}", urls.platform()))?;
                printer.flush()?;
                announced = true;
            }
        }
    };
    tracing::info!("server.stop");
    readiness.send_replace(Readiness::Stopping);
    served.cancel();
    serving.await.map_err(Error::Task)?;
    // What it waits for, it finds again at the next start.
    draining.abort();
    if let Some(reloading) = reloading {
        reloading.abort();
    }
    scaling.abort();
    told.cancel();
    teller.await.map_err(Error::Task)?;
    roles.stop(end_of_runs(reason, args.keep_jobs)).await?;
    Ok(ExitStatus::Success)
}

/// What is open to services, and who tells the log of it.
fn traffic(args: &ServeArgs, data: &DataDir, platform: &Shared) -> (Traffic, Teller) {
    let usual = args.idle_timeout.into();
    eai_proxy::traffic::open(Arc::clone(platform), usual, &data.traffic())
}

/// The API on the platform's own domain, services and jobs below it.
fn site(args: &ServeArgs, platform: &Shared, traffic: Traffic) -> Sites<Routing, JobConnector> {
    let wait = routing::Settings {
        wait: args.request_wait.into(),
    };
    let routing = Routing::new(Arc::clone(platform), wait, traffic);
    let mut settings = ingress::Settings::new(&args.domain);
    settings.behind_proxy = args.external_url.is_some();
    if platform.urls.platform().starts_with("https:") {
        settings.scheme = "https";
    }
    let ingress = Ingress::new(routing, JobConnector, settings);
    let queues = eai_proxy::task::front(Arc::clone(platform));
    let doors = eai_proxy::door::on_hosts(Arc::clone(platform));
    Sites::new(eai_proxy::api::router(Arc::clone(platform)), ingress)
        .with_queues(queues)
        .with_doors(doors)
}

/// Who ends the platform by hand is done with its jobs; who terminates it may start it again.
fn end_of_runs(reason: Reason, keep_jobs: bool) -> Stop {
    match reason {
        Reason::Interrupted if !keep_jobs => Stop::EndRuns,
        Reason::Interrupted | Reason::Terminated => Stop::LeaveRuns,
    }
}

/// What goes into every URL.
fn check_domain(domain: &str) -> Result<(), Error> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if domain.len() <= 253 && domain.split('.').all(label) {
        Ok(())
    } else {
        Err(Error::Domain(domain.chars().take(80).collect()))
    }
}

/// Sets the views of a stopped platform aside; its next start folds them anew.
pub(crate) fn rebuild_offline(data_dir: &Path) -> Result<(), Error> {
    let data = DataDir::existing(data_dir)?;
    eai_projections::set_aside(&data.views()).map_err(Error::Views)
}
