//! An application: a server that does with each connection what a test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{Head, Wire};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

/// A server on a port of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Mutex<Vec<Recorded>>>,
    connections: Arc<AtomicUsize>,
    _server: AbortOnDropHandle<()>,
}

/// An answer with a body.
pub(crate) fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

impl Application {
    /// Runs `serve` for each connection.
    pub(crate) async fn start<F>(serve: impl Fn(Wire) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(Arc::default(), serve).await
    }

    /// Records each request, and answers it with `answer`; None ends the connection instead.
    pub(crate) async fn answering(
        answer: impl Fn(&Recorded) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let requests: Arc<Mutex<Vec<Recorded>>> = Arc::default();
        let (answer, records) = (Arc::new(answer), Arc::clone(&requests));
        Self::with(requests, move |mut wire| {
            let (answer, records) = (Arc::clone(&answer), Arc::clone(&records));
            async move {
                while let Some(head) = wire.head().await {
                    let Ok(body) = wire.body(&head).await else {
                        return;
                    };
                    let recorded = Recorded { head, body };
                    let answer = answer(&recorded);
                    records.lock().expect("the records").push(recorded);
                    match answer {
                        Some(answer) => wire.send(answer).await,
                        None => return,
                    }
                }
            }
        })
        .await
    }

    /// Answers everything with `ok`.
    pub(crate) async fn fine() -> Self {
        Self::answering(|_| Some(ok("ok"))).await
    }

    async fn with<F>(
        requests: Arc<Mutex<Vec<Recorded>>>,
        serve: impl Fn(Wire) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(Wire::new(stream)));
            }
        });
        Self {
            address,
            requests,
            connections,
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests there were.
    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        self.requests.lock().expect("the records").clone()
    }

    /// The only request there was.
    pub(crate) fn only(&self) -> Recorded {
        let mut all = self.recorded();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}
