//! Turns: work on the same thing is done by one at a time. Nothing is kept for what nobody works on.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Lock = Arc<tokio::sync::Mutex<()>>;

/// Who works on what.
#[derive(Debug)]
pub struct Turns<K> {
    locks: Mutex<HashMap<K, Lock>>,
}

/// A place in the queue for one thing; it is given up with this.
struct Place<'a, K: Eq + Hash> {
    turns: &'a Turns<K>,
    key: K,
    /// Always there until the end.
    lock: Option<Lock>,
}

// === impl Turns ===

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Does `work` once everybody is done who came before for the same key.
    pub async fn take<T>(&self, key: K, work: impl Future<Output = T>) -> T {
        let lock = Arc::clone(self.locks().entry(key.clone()).or_default());
        let _place = Place {
            turns: self,
            key,
            lock: Some(Arc::clone(&lock)),
        };
        let _mine = lock.lock_owned().await;
        work.await
    }
}

impl<K> Turns<K> {
    fn locks(&self) -> MutexGuard<'_, HashMap<K, Lock>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            locks: Mutex::default(),
        }
    }
}

// === impl Place ===

impl<K: Eq + Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut locks = self.turns.locks();
        // Counted without this one, and while nobody else can join or leave.
        drop(self.lock.take());
        if locks
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn one_key_is_worked_on_by_one_at_a_time() {
        let turns = Turns::default();
        let (end, ended) = oneshot::channel::<()>();
        let mut first = pin!(turns.take("a", ended));
        let mut second = pin!(turns.take("a", async { 2 }));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(turns.take("b", async { 3 }).now_or_never(), Some(3));
        end.send(()).unwrap();
        first.await.unwrap();
        assert_eq!(second.await, 2);
        assert!(turns.locks().is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing() {
        let turns = Turns::default();
        let never = std::future::pending::<()>();
        assert!(turns.take("a", never).now_or_never().is_none());
        assert!(turns.locks().is_empty());
    }
}
