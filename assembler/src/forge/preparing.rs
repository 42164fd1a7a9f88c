//! What is being made from extensions at the moment, and what was: for progress and metrics.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Something that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparing {
    /// What it is: `squashfs of siderolabs/gvisor`.
    pub what: String,
    /// Bytes read so far.
    pub done: u64,
    /// Bytes to be read.
    pub total: u64,
}

/// What was made since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Blobs made.
    pub made: u64,
    /// How often one was there already.
    pub reused: u64,
    /// Time spent making them, added up.
    pub time: Duration,
    /// Bytes read for them.
    pub read_bytes: u64,
    /// Bytes of them.
    pub made_bytes: u64,
}

/// The board on which work is noted.
#[derive(Debug, Default)]
pub(super) struct Board {
    next: AtomicU64,
    under_way: Mutex<BTreeMap<u64, Arc<Work>>>,
    prepared: Mutex<Prepared>,
}

#[derive(Debug)]
struct Work {
    what: String,
    done: AtomicU64,
    total: u64,
    begin: Instant,
}

/// A note on the board, which goes when its last copy does.
#[derive(Debug, Clone)]
pub(super) struct UnderWay(Arc<Note>);

#[derive(Debug)]
struct Note {
    number: u64,
    work: Arc<Work>,
    board: Arc<Board>,
}

impl Board {
    /// Notes the beginning of work that reads `total` bytes.
    pub(super) fn begin(self: &Arc<Self>, what: String, total: u64) -> UnderWay {
        tracing::info!(what, bytes = total, "preparing");
        let work = Arc::new(Work {
            what,
            done: AtomicU64::new(0),
            total,
            begin: Instant::now(),
        });
        let number = self.next.fetch_add(1, Relaxed);
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.insert(number, Arc::clone(&work));
        UnderWay(Arc::new(Note {
            number,
            work,
            board: Arc::clone(self),
        }))
    }

    /// Notes that nothing had to be made.
    pub(super) fn reused(&self) {
        self.update(|prepared| prepared.reused += 1);
    }

    pub(super) fn preparing(&self) -> Vec<Preparing> {
        let under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let works = under_way.values().map(|work| Preparing {
            what: work.what.clone(),
            done: work.done.load(Relaxed).min(work.total),
            total: work.total,
        });
        works.collect()
    }

    pub(super) fn prepared(&self) -> Prepared {
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Prepared)) {
        change(&mut self.prepared.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl UnderWay {
    /// Notes that `bytes` more were read.
    pub(super) fn advance(&self, bytes: u64) {
        self.0.work.done.fetch_add(bytes, Relaxed);
    }

    /// Notes that a blob of `bytes` came of it.
    pub(super) fn made(&self, bytes: u64) {
        let work = &self.0.work;
        self.0.board.update(|prepared| {
            prepared.made += 1;
            prepared.time += work.begin.elapsed();
            prepared.read_bytes += work.done.load(Relaxed);
            prepared.made_bytes += bytes;
        });
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let under_way = self.board.under_way.lock();
        under_way
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shown_until_it_ends_and_counted_when_something_came_of_it() {
        let board = Arc::new(Board::default());
        let work = board.begin("x".to_owned(), 10);
        work.clone().advance(4);
        let (what, done, total) = ("x".to_owned(), 4, 10);
        assert_eq!(board.preparing(), [Preparing { what, done, total }]);
        work.made(7);
        drop(work);
        drop(board.begin("failed".to_owned(), 1));
        board.reused();
        assert_eq!(board.preparing(), []);
        let prepared = board.prepared();
        let counts = (
            prepared.made,
            prepared.reused,
            prepared.read_bytes,
            prepared.made_bytes,
        );
        assert_eq!(counts, (1, 1, 4, 7));
    }
}
