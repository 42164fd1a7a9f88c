//! SHA-256 of whole artifacts, by entity tag: computed in the background once one has been downloaded whole, kept as 32 bytes.
//!
//! Hashing takes longer than sending from the page cache, so it is no part of a download. One thread does it for all, with
//! the lowest priority, one artifact at a time; what does not fit into its queue is left to the next download.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use assembler::{
    blobs::Blobs,
    read::{self, ReadError},
};
use formats::{Digest, Layout};

/// Artifacts that are remembered; beyond that all are forgotten and learnt again.
pub const MAX_KNOWN: usize = 65_536;
/// Artifacts that wait to be hashed; their blobs are held open meanwhile.
const QUEUE: usize = 16;
/// The lowest priority there is.
const NICE: i32 = 19;

/// What is known, and what is being computed.
#[derive(Debug, Clone)]
pub struct Digests {
    known: Known,
    queue: SyncSender<Job>,
}

type Known = Arc<Mutex<HashMap<Digest, State>>>;

#[derive(Debug, Clone, Copy)]
enum State {
    /// By a download under way, or by the thread.
    Taken,
    Known(Digest),
}

impl Default for Digests {
    fn default() -> Self {
        Self::new()
    }
}

impl Digests {
    /// Knows nothing; starts the thread, which ends with the last reference.
    pub fn new() -> Self {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("digests".to_owned());
        if let Err(error) = thread.spawn(move || work(&jobs)) {
            tracing::warn!(%error, "digests of artifacts will not be computed");
        }
        Self {
            known: Known::default(),
            queue,
        }
    }

    /// The digest of the artifact with this entity tag, if it is known.
    pub fn get(&self, etag: &Digest) -> Option<Digest> {
        match lock(&self.known).get(etag) {
            Some(State::Known(digest)) => Some(*digest),
            _ => None,
        }
    }

    /// For a download of the whole whose digest is neither known nor being computed: what to finish when all has been sent.
    pub fn start(
        &self,
        etag: &Digest,
        layout: &Arc<Layout>,
        blobs: &Arc<dyn Blobs>,
    ) -> Option<Hashing> {
        let mut known = lock(&self.known);
        if known.contains_key(etag) {
            return None;
        }
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(*etag, State::Taken);
        let job = Job {
            etag: *etag,
            layout: Arc::clone(layout),
            blobs: Arc::clone(blobs),
            known: Arc::clone(&self.known),
        };
        let queue = self.queue.clone();
        Some(Hashing { job, queue })
    }
}

fn lock(known: &Known) -> MutexGuard<'_, HashMap<Digest, State>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An artifact to be hashed. Dropped before its end, it leaves that to the next download.
struct Job {
    etag: Digest,
    layout: Arc<Layout>,
    blobs: Arc<dyn Blobs>,
    known: Known,
}

impl Job {
    fn run(&self) -> Result<(), ReadError> {
        let digest = read::sha256(&self.layout, &*self.blobs)?;
        lock(&self.known).insert(self.etag, State::Known(digest));
        Ok(())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut known = lock(&self.known);
        if matches!(known.get(&self.etag), Some(State::Taken)) {
            known.remove(&self.etag);
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({})", self.etag)
    }
}

/// A download that, once complete, has its artifact hashed.
#[derive(Debug)]
pub struct Hashing {
    job: Job,
    queue: SyncSender<Job>,
}

impl Hashing {
    /// All bytes have been sent.
    pub fn finish(self) {
        // A queue that is full, or a thread that never started, drops the job.
        let _ = self.queue.try_send(self.job);
    }
}

fn work(jobs: &Receiver<Job>) {
    // On Linux, of this thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "lowering the priority of hashing");
    }
    for job in jobs {
        if let Err(error) = job.run() {
            let error = crate::error::chain(&error);
            tracing::warn!(%error, etag = %job.etag, "an artifact could not be hashed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use assembler::blobs::NoBlobs;

    use super::*;

    fn start(digests: &Digests, etag: &Digest, layout: &Layout) -> Option<Hashing> {
        let blobs: Arc<dyn Blobs> = Arc::new(NoBlobs);
        digests.start(etag, &Arc::new(layout.clone()), &blobs)
    }

    fn wait<T>(what: impl Fn() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(value) = what() {
                return value;
            }
            assert!(begin.elapsed() < Duration::from_mins(1), "never");
            thread::yield_now();
        }
    }

    #[test]
    fn one_complete_download_has_the_artifact_hashed_and_an_aborted_one_leaves_it_to_the_next() {
        let digests = Digests::new();
        let etag = Digest::of(b"etag");
        let mut layout = Layout::new();
        layout.bytes(b"abc".as_slice());
        let first = start(&digests, &etag, &layout).unwrap();
        assert!(start(&digests, &etag, &layout).is_none());
        drop(first);
        let second = start(&digests, &etag, &layout).unwrap();
        assert_eq!(digests.get(&etag), None);
        second.finish();
        assert_eq!(wait(|| digests.get(&etag)), Digest::of(b"abc"));
        assert!(start(&digests, &etag, &layout).is_none());
    }

    #[test]
    fn an_artifact_that_cannot_be_read_is_left_to_the_next_download() {
        let digests = Digests::new();
        let etag = Digest::of(b"etag");
        let mut layout = Layout::new();
        layout.blob(Digest::of(b"gone"), 0, 4);
        start(&digests, &etag, &layout).unwrap().finish();
        wait(|| start(&digests, &etag, &layout));
        assert_eq!(digests.get(&etag), None);
    }
}
