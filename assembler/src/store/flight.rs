//! One flight per key: whoever asks while work is under way waits for the same result, and the work goes on when they leave.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};

type Result<V, E> = std::result::Result<V, Arc<E>>;
type Under<V, E> = Shared<BoxFuture<'static, Result<V, E>>>;

/// Work under way, by key.
pub struct Flights<K, V, E> {
    under_way: Arc<Mutex<HashMap<K, Under<V, E>>>>,
}

impl<K, V, E> Default for Flights<K, V, E> {
    fn default() -> Self {
        Self {
            under_way: Arc::default(),
        }
    }
}

impl<K, V, E> Flights<K, V, E>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// No work under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// The result of the work under way for `key`, or of `work` when there is none. The work runs as a task of its own.
    pub async fn join<F>(&self, key: K, work: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = std::result::Result<V, E>> + Send + 'static,
    {
        let flight = {
            let mut under_way = self
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(flight) = under_way.get(&key) {
                flight.clone()
            } else {
                let flight = self.launch(key.clone(), work());
                under_way.insert(key, flight.clone());
                flight
            }
        };
        flight.await
    }

    fn launch<F>(&self, key: K, work: F) -> Under<V, E>
    where
        F: Future<Output = std::result::Result<V, E>> + Send + 'static,
    {
        let under_way = Arc::clone(&self.under_way);
        let task = tokio::spawn(async move {
            // Also when the work panics: a landed flight must not be joined.
            let _landing = Landing { key, under_way };
            work.await.map_err(Arc::new)
        });
        async move {
            match task.await {
                Ok(result) => result,
                Err(failure) if failure.is_panic() => {
                    std::panic::resume_unwind(failure.into_panic())
                }
                // The runtime is going down; nobody is left to tell.
                Err(_) => std::future::pending().await,
            }
        }
        .boxed()
        .shared()
    }
}

struct Landing<K: Eq + Hash, V, E> {
    key: K,
    under_way: Arc<Mutex<HashMap<K, Under<V, E>>>>,
}

impl<K: Eq + Hash, V, E> Drop for Landing<K, V, E> {
    fn drop(&mut self) {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

impl<K, V, E> fmt::Debug for Flights<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        write!(f, "Flights({count} under way)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn work_is_shared_and_outlives_its_first_caller() {
        let flights: Flights<u8, usize, ()> = Flights::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let counted = Arc::clone(&runs);
        let mut first = Box::pin(flights.join(1, || async move {
            wait.await.unwrap();
            Ok(counted.fetch_add(1, Ordering::SeqCst))
        }));
        assert!(futures_util::poll!(&mut first).is_pending());
        drop(first);
        let second = flights.join(1, || async {
            panic!("the first flight is still under way")
        });
        go.send(()).unwrap();
        assert_eq!(second.await, Ok(0));
        assert_eq!(
            flights.join(1, || async { Ok(7) }).await,
            Ok(7),
            "a landed flight is not joined"
        );
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn failures_are_shared_and_not_kept() {
        let flights: Flights<u8, u8, &str> = Flights::new();
        assert_eq!(
            flights.join(1, || async { Err("no") }).await,
            Err(Arc::new("no"))
        );
        assert_eq!(flights.join(1, || async { Ok(1) }).await, Ok(1));
    }
}
