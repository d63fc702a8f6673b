//! Connections to jobs: at an address, or inside a sandbox through its shim.

use std::io;

use eai_executors::backend::ConnectError;
use eai_executors::shim;
use eai_proxy::ingress::{Connector, Endpoint};
use tokio::net::TcpStream;

/// Opens connections to jobs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobConnector;

impl Connector for JobConnector {
    async fn connect(&self, endpoint: &Endpoint, port: u16) -> io::Result<TcpStream> {
        match endpoint {
            Endpoint::Tcp(address) => TcpStream::connect((*address, port)).await,
            Endpoint::Shim(socket) => shim::connect(socket, port).await.map_err(io_error),
        }
    }
}

fn io_error(error: ConnectError) -> io::Error {
    let kind = match &error {
        ConnectError::Refused(_) | ConnectError::RefusedAt(_) => io::ErrorKind::ConnectionRefused,
        ConnectError::Gone => io::ErrorKind::NotConnected,
        ConnectError::Timeout(_) => io::ErrorKind::TimedOut,
        ConnectError::Failed { .. } | ConnectError::Io(_) => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
