//! Connections to applications between two requests. Bounded, and never older than applications keep theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Endpoint;
use super::upstream::Upstream;

/// The most connections that idle for one port of one endpoint.
const MOST_PER_KEY: usize = 256;
/// The most that idle at all.
const MOST: usize = 4096;

/// A port of an endpoint.
pub(super) type Key = (Endpoint, u16);

/// The idle connections.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idling: HashMap<Key, Vec<(Box<Upstream>, Instant)>>,
    count: usize,
    /// A task ends those that idled too long.
    swept: bool,
}

// === impl Pool ===

impl Pool {
    /// Connections may idle for `idle`.
    pub(super) fn new(idle: Duration) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { idle, state })
    }

    /// The one that was used last and can still be used `now`.
    pub(super) fn take(&self, key: &Key, now: Instant) -> Option<Box<Upstream>> {
        loop {
            let (mut upstream, since) = {
                let mut state = self.state();
                let taken = state.idling.get_mut(key)?.pop()?;
                state.count -= 1;
                taken
            };
            if now.saturating_duration_since(since) < self.idle && upstream.is_alive() {
                return Some(upstream);
            }
        }
    }

    /// Keeps one for the next request, where there is room.
    pub(super) fn put(self: &Arc<Self>, key: Key, upstream: Box<Upstream>) {
        let mut state = self.state();
        if state.count >= MOST {
            return;
        }
        let idling = state.idling.entry(key).or_default();
        if idling.len() >= MOST_PER_KEY {
            return;
        }
        idling.push((upstream, Instant::now()));
        state.count += 1;
        let sweeps = !std::mem::replace(&mut state.swept, true);
        drop(state);
        if sweeps {
            let pool = Arc::clone(self);
            tokio::spawn(async move { while pool.sweep().await {} });
        }
    }

    /// Ends those that idled too long. False once none is left.
    async fn sweep(&self) -> bool {
        tokio::time::sleep(self.idle / 4).await;
        let mut old = Vec::new();
        let mut state = self.state();
        state.idling.retain(|_, idling| {
            let young = idling.partition_point(|(_, since)| since.elapsed() >= self.idle);
            old.extend(idling.drain(..young));
            !idling.is_empty()
        });
        state.count -= old.len();
        state.swept = state.count > 0;
        let more = state.swept;
        drop(state);
        more
    }

    /// Held for a few instructions, and never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
