//! A wire between a client and a server that can be clogged in either direction, or cut.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Everything.
    Both,
    /// Nothing reaches the server; it waits here and goes on later.
    HoldRequests,
    /// Nothing comes back; it is lost, so the connection has to be cut afterwards.
    LoseAnswers,
}

/// A relay on a loopback port.
pub(crate) struct Relay {
    port: u16,
    flow: Arc<watch::Sender<Flow>>,
    cut: Arc<watch::Sender<()>>,
}

impl Relay {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let flow = Arc::new(watch::Sender::new(Flow::Both));
        let cut = Arc::new(watch::Sender::new(()));
        let (flows, cuts) = (flow.subscribe(), cut.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut cuts, flows) = (cuts.clone(), flows.clone());
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = cuts.changed() => {}
                        () = carry(client, server, flows) => {}
                    }
                });
            }
        });
        Self { port, flow, cut }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }
}

async fn carry(client: TcpStream, server: u16, flow: watch::Receiver<Flow>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut held = flow.clone();
    let up = async {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            drop(held.wait_for(|flow| *flow != Flow::HoldRequests).await);
            if to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let lost = *flow.borrow() == Flow::LoseAnswers;
            if !lost && to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! { () = up => {}, () = down => {} }
}
