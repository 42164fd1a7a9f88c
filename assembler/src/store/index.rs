//! What the store knows of the blobs that are here: a table in memory, and files kept open for whoever comes next.
//!
//! - A blob is *in use* while somebody outside holds its open file. Such a file is never evicted.
//! - The [`KEPT`] most recently used files stay open, so that a warm request opens nothing. Being kept is no use: eviction
//!   closes such a file like any other, and its room on the disk is free at once.

use std::{
    collections::HashMap,
    fs::File,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use formats::Digest;

use crate::blobs::Blob;

/// Files kept open though nobody may be using them; most images have ten or so, an ISO has those of some 300 modules of GRUB.
/// With fewer than one image has, each request opens them all.
pub(super) const KEPT: usize = 768;
/// How old a file's modification time may be, which tells the next process what was used last.
const TOUCH: Duration = Duration::from_hours(1);

/// What is known of a blob that is here.
#[derive(Debug)]
struct Known {
    len: u64,
    used: SystemTime,
    /// Whether this process has checked the content against the name.
    checked: bool,
    /// The open file, shared by all who use it.
    open: Weak<File>,
    /// The same, kept open.
    kept: Option<Arc<File>>,
    /// When the modification time was last set.
    touched: SystemTime,
}

impl Known {
    fn is_in_use(&self) -> bool {
        self.open.strong_count() > usize::from(self.kept.is_some())
    }
}

/// The blobs that are here.
#[derive(Debug, Default)]
pub(super) struct Index {
    blobs: HashMap<Digest, Known>,
    /// Those with a kept file.
    kept: Vec<Digest>,
}

impl Index {
    /// A blob was found on disk, or has just been written and is then known to be sound.
    pub(super) fn insert(&mut self, digest: Digest, len: u64, used: SystemTime, checked: bool) {
        self.remove(&digest);
        let known = Known {
            len,
            used,
            checked,
            open: Weak::new(),
            kept: None,
            touched: used,
        };
        self.blobs.insert(digest, known);
    }

    /// A blob is gone.
    pub(super) fn remove(&mut self, digest: &Digest) {
        self.blobs.remove(digest);
        self.kept.retain(|kept| kept != digest);
    }

    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.blobs.contains_key(digest)
    }

    pub(super) fn digests(&self) -> Vec<Digest> {
        self.blobs.keys().copied().collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.blobs.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.blobs.values().map(|blob| blob.len).sum()
    }

    /// The length of a blob whose content has been checked; `None` of one that has yet to be.
    pub(super) fn checked(&self, digest: &Digest) -> Option<u64> {
        let known = self.blobs.get(digest)?;
        known.checked.then_some(known.len)
    }

    /// A blob that is open and was touched not long ago: nothing is left to be done for it on the disk.
    pub(super) fn open(&mut self, digest: &Digest) -> Option<Blob> {
        let known = self.blobs.get_mut(digest)?;
        let now = SystemTime::now();
        let age = now.duration_since(known.touched).unwrap_or_default();
        if !known.checked || age > TOUCH {
            return None;
        }
        let file = known.open.upgrade()?;
        known.used = now;
        let len = known.len;
        Some(Blob { file, len })
    }

    /// A blob's file has been opened, found sound and touched; `None` when the blob is gone meanwhile.
    pub(super) fn opened(&mut self, digest: &Digest, file: File) -> Option<Blob> {
        let known = self.blobs.get_mut(digest)?;
        let file = known.open.upgrade().unwrap_or_else(|| Arc::new(file));
        known.open = Arc::downgrade(&file);
        known.checked = true;
        (known.used, known.touched) = (SystemTime::now(), SystemTime::now());
        let len = known.len;
        if known.kept.replace(Arc::clone(&file)).is_none() {
            self.kept.push(*digest);
            if self.kept.len() > KEPT {
                self.close_oldest();
            }
        }
        Some(Blob { file, len })
    }

    fn close_oldest(&mut self) {
        let ages = self.kept.iter().map(|digest| self.blobs[digest].used);
        let oldest = ages.enumerate().min_by_key(|(_, used)| *used);
        let (place, _) = oldest.expect("there are some when there are too many");
        let digest = self.kept.swap_remove(place);
        let known = self.blobs.get_mut(&digest);
        known.expect("what is kept is here").kept = None;
    }

    /// A blob's content is to be checked before it is used again.
    pub(super) fn doubt(&mut self, digest: &Digest) {
        if let Some(known) = self.blobs.get_mut(digest) {
            (known.checked, known.open, known.kept) = (false, Weak::new(), None);
            self.kept.retain(|kept| kept != digest);
        }
    }

    /// Blobs that nobody uses, least recently used first, with their lengths.
    pub(super) fn idle(&self) -> Vec<(Digest, u64)> {
        let idle = self.blobs.iter().filter(|(_, known)| !known.is_in_use());
        let mut idle: Vec<_> = idle
            .map(|(digest, known)| (known.used, *digest, known.len))
            .collect();
        idle.sort_unstable();
        idle.into_iter()
            .map(|(_, digest, len)| (digest, len))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_kept_open_are_bounded_and_the_oldest_are_closed() {
        let mut index = Index::default();
        let digests: Vec<_> = (0..KEPT as u64 + 10)
            .map(|number| Digest::of(number.to_le_bytes()))
            .collect();
        for digest in &digests {
            index.insert(*digest, 1, SystemTime::now(), true);
            assert!(index.open(digest).is_none(), "nobody has opened it");
            index.opened(digest, tempfile::tempfile().unwrap()).unwrap();
        }
        let open: Vec<_> = digests.iter().map(|one| index.open(one)).collect();
        assert_eq!(open.iter().flatten().count(), KEPT);
        assert!(open[..10].iter().all(Option::is_none));
        assert_eq!(index.idle().len(), 10, "the others are held here");
        drop(open);
        assert_eq!(index.idle().len(), digests.len(), "being kept is no use");
    }

    #[test]
    fn a_blob_in_doubt_is_opened_anew_and_one_held_stays_readable() {
        let mut index = Index::default();
        let digest = Digest::of(b"blob");
        index.insert(digest, 4, SystemTime::now(), true);
        let held = index
            .opened(&digest, tempfile::tempfile().unwrap())
            .unwrap();
        assert_eq!(index.checked(&digest), Some(4));
        index.doubt(&digest);
        assert_eq!(index.checked(&digest), None);
        assert!(index.open(&digest).is_none());
        let again = index
            .opened(&digest, tempfile::tempfile().unwrap())
            .unwrap();
        assert!(!Arc::ptr_eq(&held.file, &again.file));
    }

    #[test]
    fn a_file_that_was_touched_long_ago_is_touched_again() {
        let mut index = Index::default();
        let digest = Digest::of(b"blob");
        index.insert(digest, 4, SystemTime::now(), true);
        let _held = index
            .opened(&digest, tempfile::tempfile().unwrap())
            .unwrap();
        assert!(index.open(&digest).is_some());
        let known = index.blobs.get_mut(&digest).unwrap();
        known.touched -= TOUCH + Duration::from_secs(1);
        assert!(index.open(&digest).is_none());
    }
}
