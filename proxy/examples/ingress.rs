//! The reverse proxy alone, before one application, to be measured: `ingress LISTEN APPLICATION`.
//!
//! A number of it means something only next to one of another proxy before the same application, from the same minute.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::http::request::Parts;
use eai_proxy::ingress::{
    Backends, Connector, Endpoint, Failure, Ingress, Ours, Routed, Settings, Target,
};
use eai_proxy::listener::{Limits, Sites, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Every service is this application.
struct One(SocketAddr);

struct Direct;

impl Backends for One {
    async fn route(&self, _target: &Target, _request: &Parts) -> Result<Routed, Failure> {
        Ok(Routed {
            endpoint: Endpoint::Tcp(self.0.ip()),
            port: self.0.port(),
            identity: None,
            ours: Ours::default(),
            start: None,
            flight: None,
            guard: Box::new(()),
        })
    }
}

impl Connector for Direct {
    async fn connect(&self, endpoint: &Endpoint, port: u16) -> io::Result<TcpStream> {
        match endpoint {
            Endpoint::Tcp(address) => TcpStream::connect((*address, port)).await,
            Endpoint::Shim(path) => Err(io::Error::other(path.display().to_string())),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut address = || -> Result<SocketAddr, Box<dyn std::error::Error>> {
        let argument = arguments
            .next()
            .ok_or("usage: ingress LISTEN APPLICATION")?;
        Ok(argument.parse()?)
    };
    let (listen, application) = (address()?, address()?);
    let ingress = Ingress::new(One(application), Direct, Settings::new("localhost"));
    let listener = TcpListener::bind(listen).await?;
    let stop = CancellationToken::new();
    let sites = Sites::new(Router::new(), ingress);
    serve(listener, &sites, Limits::default(), None, stop)?.await;
    Ok(())
}
