//! Group commit: appends that wait while others are on their way go together, so that one disk write is for all.
//!
//! It stands below the append and changes nothing of what an answer means: each gets the answer of its own
//! messages. A batch that is refused is taken apart, so that one that fails costs the others nothing but time.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use tokio::sync::oneshot;

use super::publish::{Message, Published, publish};
use super::{Connection, LogKind};

/// Messages in one batch; the server takes a thousand.
const MOST: usize = 400;
/// So many go faster side by side than in a batch, which costs the server more than one write.
const FEW: usize = 16;

/// Publishes for one log.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    kind: LogKind,
    connection: Connection,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether somebody is at work on it.
    busy: bool,
}

/// An append that waits for its answer.
#[derive(Debug)]
struct Waiting {
    messages: Vec<Message>,
    answer: oneshot::Sender<Published>,
}

// === impl Publisher ===

impl Publisher {
    pub(super) fn new(kind: LogKind, connection: Connection) -> Self {
        Self {
            kind,
            connection,
            queue: Arc::default(),
        }
    }

    /// Stores the messages together or not at all. Only tasks come in such numbers that they go in groups.
    pub(super) async fn publish(&self, messages: &[Message]) -> Published {
        match self.kind {
            LogKind::Events => publish(self.kind, &self.connection, messages).await,
            LogKind::Tasks => self.join(messages).await,
        }
    }

    async fn join(&self, messages: &[Message]) -> Published {
        let (answer, answered) = oneshot::channel();
        let idle = {
            let mut queue = self.queue();
            let messages = messages.to_vec();
            queue.waiting.push(Waiting { messages, answer });
            !mem::replace(&mut queue.busy, true)
        };
        if idle {
            // On its own, so that who gives up takes nobody's answer away.
            tokio::spawn(self.clone().work());
        }
        let lost = |_| Published::Unknown("the platform ends".into());
        answered.await.unwrap_or_else(lost)
    }

    /// Publishes until nobody waits any more.
    async fn work(self) {
        while let Some(some) = self.next() {
            if some.len() <= FEW {
                self.apart(some).await;
            } else {
                self.together(some).await;
            }
        }
    }

    /// Those who go next: as many as one batch takes, in the order in which they came.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue();
        let mut messages = 0;
        let fits = |waiting: &&Waiting| {
            messages += waiting.messages.len();
            messages <= MOST
        };
        let count = queue.waiting.iter().take_while(fits).count();
        // One that is longer than that goes alone.
        let count = count.max(1).min(queue.waiting.len());
        let rest = queue.waiting.split_off(count);
        let some = mem::replace(&mut queue.waiting, rest);
        queue.busy = !some.is_empty();
        queue.busy.then_some(some)
    }

    async fn together(&self, some: Vec<Waiting>) {
        let all: Vec<Message> = some
            .iter()
            .flat_map(|waiting| &waiting.messages)
            .cloned()
            .collect();
        match publish(self.kind, &self.connection, &all).await {
            Published::Stored(last) => {
                let mut end = last - all.len() as u64;
                for waiting in some {
                    end += waiting.messages.len() as u64;
                    waiting.tell(Published::Stored(end));
                }
            }
            Published::Unknown(reason) => {
                for waiting in some {
                    waiting.tell(Published::Unknown(reason.clone()));
                }
            }
            refused @ (Published::Conflict(_) | Published::Full) => {
                tracing::debug!(?refused, members = some.len(), "group.apart");
                self.apart(some).await;
            }
        }
    }

    /// Each alone, side by side.
    async fn apart(&self, some: Vec<Waiting>) {
        join_all(some.into_iter().map(async |waiting| {
            let published = publish(self.kind, &self.connection, &waiting.messages).await;
            waiting.tell(published);
        }))
        .await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiting ===

impl Waiting {
    fn tell(self, published: Published) {
        // Nobody waits any more, perhaps: it finds out when it asks again.
        drop(self.answer.send(published));
    }
}
