//! The listener with the engine behind it, and routes that a test chooses.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::routing::get;
use eai_core::flights::Flights;
use eai_proxy::ingress::{
    Backends, ColdStart, Connector, Endpoint, Failure, Identity, Ingress, Ours, Routed, Settings,
    Target, Unreachable,
};
use eai_proxy::listener::{Limits, Sites, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Application, Wire, within};

/// The service that a proxy's routes are for.
pub(crate) const SERVICE: &str = "0198c2a0-7b1e-7c7e-9a43-5d2f6f3b8a11";

/// Routes as a test sets them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    answer: Mutex<Option<Result<SocketAddr, Failure>>>,
    identity: Mutex<Option<Identity>>,
    ours: Mutex<Ours>,
    start: Mutex<Option<ColdStart>>,
    /// Held back while it is Some.
    hold: Mutex<Option<Arc<Notify>>>,
    next: Mutex<Option<SocketAddr>>,
    asked: AtomicUsize,
    waiting: Arc<AtomicUsize>,
    flights: Arc<Flights>,
    targets: Mutex<Vec<Target>>,
}

/// Counts what is not over yet.
struct Counted(Arc<AtomicUsize>);

/// Connects to addresses, and counts the attempts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Direct;

/// A proxy on a port of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) routes: Routes,
    stop: CancellationToken,
    server: AbortOnDropHandle<()>,
}

// === impl Routes ===

impl Routes {
    /// Everything goes there.
    pub(crate) fn to(&self, address: SocketAddr) {
        *self.0.answer.lock().expect("routes") = Some(Ok(address));
    }

    /// Everything fails.
    pub(crate) fn fail(&self, failure: Failure) {
        *self.0.answer.lock().expect("routes") = Some(Err(failure));
    }

    /// Where the route is found that leads nowhere, the next one goes there.
    pub(crate) fn then(&self, address: SocketAddr) {
        *self.0.next.lock().expect("routes") = Some(address);
    }

    pub(crate) fn identify(&self, user: &'static str, account: &'static str) {
        *self.0.identity.lock().expect("routes") = Some(Identity {
            user: HeaderValue::from_static(user),
            account: HeaderValue::from_static(account),
        });
    }

    pub(crate) fn own(&self, ours: Ours) {
        *self.0.ours.lock().expect("routes") = ours;
    }

    pub(crate) fn started(&self, start: ColdStart) {
        *self.0.start.lock().expect("routes") = Some(start);
    }

    /// Keeps requests waiting until the answer is notified.
    pub(crate) fn hold(&self) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        *self.0.hold.lock().expect("routes") = Some(Arc::clone(&notify));
        notify
    }

    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.0.flights.count()
    }

    pub(crate) fn targets(&self) -> Vec<Target> {
        self.0.targets.lock().expect("routes").clone()
    }
}

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Backends for Routes {
    async fn route(&self, target: &Target, _request: &Parts) -> Result<Routed, Failure> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let waiting = Counted::new(&self.0.waiting);
        self.0.targets.lock().expect("routes").push(target.clone());
        let hold = self.0.hold.lock().expect("routes").clone();
        if let Some(hold) = hold {
            hold.notified().await;
        }
        drop(waiting);
        let answer = self.0.answer.lock().expect("routes").clone();
        let address = answer.unwrap_or_else(|| Err(Failure::not_found("there is no route")))?;
        Ok(Routed {
            endpoint: Endpoint::Tcp(address.ip()),
            port: address.port(),
            identity: self.0.identity.lock().expect("routes").clone(),
            ours: *self.0.ours.lock().expect("routes"),
            start: *self.0.start.lock().expect("routes"),
            flight: Some(self.0.flights.join()),
            guard: Box::new(()),
        })
    }

    async fn unreachable(
        &self,
        _target: &Target,
        endpoint: &Endpoint,
        port: u16,
        error: &io::Error,
        _again: bool,
    ) -> Unreachable {
        match self.0.next.lock().expect("routes").take() {
            Some(address) => {
                self.to(address);
                Unreachable::RouteAgain
            }
            None => Unreachable::Fail(Box::new(Failure::connect(endpoint, port, error))),
        }
    }
}

// === impl Direct ===

impl Connector for Direct {
    async fn connect(&self, endpoint: &Endpoint, port: u16) -> io::Result<TcpStream> {
        match endpoint {
            Endpoint::Tcp(address) => TcpStream::connect((*address, port)).await,
            Endpoint::Shim(path) => Err(io::Error::other(format!(
                "{} is no address",
                path.display()
            ))),
        }
    }
}

// === impl Proxy ===

impl Proxy {
    /// A proxy before an application.
    pub(crate) async fn before(application: &Application) -> Self {
        let proxy = Self::start(|_, _| {}).await;
        proxy.routes.to(application.address);
        proxy
    }

    /// A proxy with settings and limits of its own.
    pub(crate) async fn start(change: impl FnOnce(&mut Settings, &mut Limits)) -> Self {
        let mut settings = Settings::new("eai.test");
        let mut limits = Limits::default();
        change(&mut settings, &mut limits);
        let routes = Routes::default();
        let ingress = Ingress::new(routes.clone(), Direct, settings);
        let router = Router::new().fallback(get(async || "the platform"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let sites = Sites::new(router, ingress);
        let serving = serve(listener, &sites, limits, None, stop.clone());
        let server = tokio::spawn(serving.expect("threads"));
        Self {
            address,
            routes,
            stop,
            server: AbortOnDropHandle::new(server),
        }
    }

    /// The host of its service.
    pub(crate) fn host() -> String {
        format!("{SERVICE}.service.eai.test")
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// Sends `METHOD PATH` with header lines to the service, on a connection of its own.
    pub(crate) async fn ask(&self, line: &str, headers: &[&str]) -> Wire {
        let mut wire = self.connect().await;
        wire.send(request(line, headers)).await;
        wire
    }

    /// Tells it to end, and waits until it has.
    pub(crate) async fn end(self) -> Duration {
        let began = std::time::Instant::now();
        self.stop.cancel();
        within("the end", self.server).await.expect("no panic");
        began.elapsed()
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

/// A request's head, for the service.
pub(crate) fn request(line: &str, headers: &[&str]) -> String {
    let host = Proxy::host();
    let mut text = format!("{line} HTTP/1.1\r\nhost: {host}\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text + "\r\n"
}
