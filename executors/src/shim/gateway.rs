//! A shim without a command: it serves a worker that runs in a container, at an address of this machine.
//!
//! It lives until it is told to end: whoever removes the container does.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use close_fds::set_fds_cloexec;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::files::Files;
use super::runtime::{self, Worker};
use super::serve::{Phase, Shared, serve};
use super::supervise::listener;
use crate::backend::{Exit, Runtime};

/// What the process is told first, before the folder.
pub(crate) const WORD: &str = "--gateway";

/// Whom to serve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GatewayOrder {
    pub(crate) runtime: Runtime,
    /// Where the container finds this machine.
    pub(crate) gateway: Ipv4Addr,
    /// The container's own address: nobody else is answered.
    pub(crate) client: Ipv4Addr,
}

/// Serves whom the folder orders, until it is told to end.
pub(super) async fn attend(folder: PathBuf) -> io::Result<()> {
    // Away from the platform's terminal. It fails where there is none to leave.
    rustix::process::setsid().ok();
    let files = Files::new(folder);
    let listener = listener()?;
    set_fds_cloexec(3, &[]);
    let order = files.gateway()?.ok_or(io::ErrorKind::NotFound)?;
    let socket = TcpListener::bind((order.gateway, 0)).await?;
    files.put_port(socket.local_addr()?.port())?;
    let incarnation = uuid::Uuid::new_v4().simple().to_string();
    let client = Some(IpAddr::V4(order.client));
    let worker = Arc::new(Worker::new(order.runtime, incarnation, client, files, None));
    let shared = Arc::new(Shared {
        // There is no command to wait for.
        phase: watch::Sender::new(Phase::Ended(Exit::default())),
        output: watch::Sender::new(0),
        begin: watch::Sender::new(true),
        cancel: Notify::new(),
        worker: watch::Sender::new(Some(Arc::clone(&worker))),
    });
    tokio::spawn(runtime::serve(socket, worker));
    tokio::spawn(serve(listener, Arc::clone(&shared)));
    shared.cancel.notified().await;
    // Who told it hears that it was heard.
    tokio::task::yield_now().await;
    Ok(())
}
