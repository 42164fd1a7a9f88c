//! Layouts cut: any range of one, and what lies between long runs of zeros.

use std::ops::Range;

use super::{Extent, Layout};

/// A part of a layout, in whole units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// Zero bytes, at least as many as asked for.
    Zeros(u64),
    /// Anything else.
    Payload(Layout),
}

impl Run {
    /// Bytes of the run.
    pub fn len(&self) -> u64 {
        match self {
            Self::Zeros(len) => *len,
            Self::Payload(payload) => payload.len(),
        }
    }

    /// Whether it has none, which no run of a layout has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Extent {
    /// `range` of the extent. Sequences may come apart into words and bytes; nothing else does.
    fn push_slice(&self, layout: &mut Layout, range: Range<u64>) {
        let len = range.end - range.start;
        if len == 0 {
            return;
        }
        match self {
            Self::Bytes(bytes) => {
                let place = |at| usize::try_from(at).expect("inline bytes are in memory");
                layout.bytes(bytes.slice(place(range.start)..place(range.end)));
            }
            Self::Blob { digest, offset, .. } => layout.blob(*digest, offset + range.start, len),
            Self::Zeros(_) => layout.zeros(len),
            Self::Sequence { start, step, .. } => {
                self.push_words(layout, range, 4, |index, count| {
                    let low = u32::try_from(index & u64::from(u32::MAX)).expect("32 bits");
                    Self::Sequence {
                        start: start.wrapping_add(step.wrapping_mul(low)),
                        step: *step,
                        count,
                    }
                });
            }
            Self::Sequence64 { start, step, .. } => {
                self.push_words(layout, range, 8, |index, count| Self::Sequence64 {
                    start: start.wrapping_add(step.wrapping_mul(index)),
                    step: *step,
                    count,
                });
            }
            Self::Framed(framed) => layout.push(Self::Framed(framed.slice(range))),
            Self::Deferred(deferred) => layout.push(Self::Deferred(deferred.slice(range))),
        }
    }

    /// Pushes `range` of a sequence: whole words as one, what is left at both ends as bytes.
    fn push_words(
        &self,
        layout: &mut Layout,
        range: Range<u64>,
        width: u64,
        sequence: impl Fn(u64, u64) -> Self,
    ) {
        let first = range.start.next_multiple_of(width).min(range.end);
        let last = (range.end / width * width).max(first);
        let mut whole = Layout::new();
        whole.push(self.clone());
        for segment in whole.segments(range.start..first) {
            layout.push(segment.into());
        }
        layout.push(sequence(first / width, (last - first) / width));
        for segment in whole.segments(last..range.end) {
            layout.push(segment.into());
        }
    }
}

impl Layout {
    /// A range of the layout as one of its own, with the sections that begin in it and the one that it begins in.
    ///
    /// # Panics
    /// If `range` does not lie inside the layout.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "range {range:?} of a layout of {} bytes",
            self.len
        );
        let mut slice = Self::new();
        if let Some(section) = self.section_at(range.start) {
            slice.section(section);
        }
        let named = self.sections.iter();
        let named = named.filter(|(offset, _)| range.start < *offset && *offset < range.end);
        let named = named.map(|(offset, name)| (offset - range.start, name.clone()));
        slice.sections.extend(named);
        let first = self
            .pieces
            .partition_point(|(offset, extent)| offset + extent.len() <= range.start);
        for (offset, extent) in &self.pieces[first..] {
            if *offset >= range.end {
                break;
            }
            let from = range.start.max(*offset) - offset;
            let to = range.end.min(offset + extent.len()) - offset;
            extent.push_slice(&mut slice, from..to);
        }
        slice
    }

    /// The layout as runs that begin and end at multiples of `unit` (the last at the layout's end): zeros of at least
    /// `min_zeros` bytes, and what lies between them. Only zeros are ever cut.
    pub fn runs(&self, unit: u64, min_zeros: u64) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut done = 0;
        for (offset, extent) in self.extents() {
            let Extent::Zeros(len) = extent else {
                continue;
            };
            let end = offset + len;
            let from = offset.next_multiple_of(unit);
            let to = if end == self.len {
                end
            } else {
                end / unit * unit
            };
            if to < from + min_zeros.max(1) {
                continue;
            }
            if from > done {
                runs.push(Run::Payload(self.slice(done..from)));
            }
            runs.push(Run::Zeros(to - from));
            done = to;
        }
        if done < self.len {
            runs.push(Run::Payload(self.slice(done..self.len)));
        }
        runs
    }
}
