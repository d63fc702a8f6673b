//! What the engine asks of others: whom a request goes to, and how to reach them.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::request::Parts;
use eai_core::flights::Flight;
use eai_core::ids::ServiceId;
use tokio::net::TcpStream;

use super::{Failure, Target};

/// Finds who answers a request, starting it where it must be.
pub trait Backends: Send + Sync + 'static {
    /// Whom the request goes to. May take minutes; dropped when the client goes away.
    fn route(
        &self,
        target: &Target,
        request: &Parts,
    ) -> impl Future<Output = Result<Routed, Failure>> + Send;

    /// The service that is meant, if it has a queue: its requests are tasks, and the engine's business no more.
    fn queue(&self, _target: &Target) -> Option<ServiceId> {
        None
    }

    /// Told that nothing could be sent, since no connection came about. Says what happens now.
    ///
    /// `again` is false where the engine will not ask for another route.
    fn unreachable(
        &self,
        _target: &Target,
        endpoint: &Endpoint,
        port: u16,
        error: &io::Error,
        _again: bool,
    ) -> impl Future<Output = Unreachable> + Send {
        let failure = Failure::connect(endpoint, port, error);
        std::future::ready(Unreachable::Fail(Box::new(failure)))
    }

    /// Told that the connection broke before there was an answer. Says what the client is told.
    ///
    /// `known` says that it is known who asks.
    fn broken(
        &self,
        _target: &Target,
        _endpoint: &Endpoint,
        failure: Failure,
        _known: bool,
    ) -> impl Future<Output = Failure> + Send {
        std::future::ready(failure)
    }
}

/// Opens connections to endpoints.
pub trait Connector: Send + Sync + 'static {
    /// A new connection to `port` at the endpoint.
    fn connect(
        &self,
        endpoint: &Endpoint,
        port: u16,
    ) -> impl Future<Output = io::Result<TcpStream>> + Send;
}

/// Where a run can be reached, without a port.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// An address of its own.
    Tcp(IpAddr),
    /// The socket of a shim, which opens connections inside the run's namespace.
    Shim(Arc<Path>),
}

/// Who answers a request.
pub struct Routed {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The port it listens on.
    pub port: u16,
    /// Who asks, where that is known.
    pub identity: Option<Identity>,
    /// What of the request's credentials is ours, and so nobody else's business.
    pub ours: Ours,
    /// How long each phase of the start took, where the request had to wait for one.
    pub start: Option<ColdStart>,
    /// Dropped once the exchange is over, with its streams and upgrades; ends those that have to.
    pub flight: Option<Flight>,
    /// Dropped then too.
    pub guard: Box<dyn Send>,
}

/// What becomes of a request that could not be sent.
#[derive(Debug)]
pub enum Unreachable {
    /// It asks for a route once more.
    RouteAgain,
    /// It is answered with this.
    Fail(Box<Failure>),
}

/// Who asks, as the application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Goes into `x-eai-user`.
    pub user: HeaderValue,
    /// Goes into `x-eai-account`.
    pub account: HeaderValue,
}

/// Credentials of the request that are for the platform and not for the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// The `Authorization` header.
    pub authorization: bool,
    /// The cookie of this name.
    pub cookie: Option<&'static str>,
}

/// The phases of a start, in their order; of a run that was thawed there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColdStart {
    /// Until an executor had room for it.
    pub queue: Duration,
    /// Until its image was there.
    pub image: Duration,
    /// Until its data was there.
    pub data: Duration,
    /// Until its container was made.
    pub create: Duration,
    /// Until its first instruction.
    pub start: Duration,
    /// Until it answered.
    pub ready: Duration,
    /// Until a frozen run went on; then there are no other phases.
    pub thaw: Duration,
}

impl Endpoint {
    /// What tells it from others. A path as it is written: to take it apart would cost each request a bit.
    fn key(&self) -> (Option<IpAddr>, &[u8]) {
        match self {
            Self::Tcp(address) => (Some(*address), &[]),
            Self::Shim(path) => (None, path.as_os_str().as_encoded_bytes()),
        }
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Debug for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed")
            .field("endpoint", &self.endpoint)
            .field("port", &self.port)
            .field("identity", &self.identity)
            .field("ours", &self.ours)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Shim(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
