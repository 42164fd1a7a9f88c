//! Values that depend on the bytes of other extents: how long they are is known, what they are when first read.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use simd_adler32::Adler32;

use super::Layout;
use crate::{
    Digest,
    crc::{Checksum, Crc},
};

/// What is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// A CRC, little-endian.
    Crc(Crc),
    /// Adler-32, big-endian (RFC 1950).
    Adler32,
    /// SHA-256 in lower-case hexadecimal digits.
    Sha256Hex,
}

impl Function {
    /// Bytes of the value.
    pub const fn width(self) -> u64 {
        match self {
            Self::Crc(crc) => crc.width(),
            Self::Adler32 => 4,
            Self::Sha256Hex => 64,
        }
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Crc(Crc::Crc32) => 0,
            Self::Crc(Crc::Crc64) => 1,
            Self::Adler32 => 2,
            Self::Sha256Hex => 3,
        }
    }
}

/// A run of what a value covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A CRC that is known.
    Known { crc: u64, len: u64 },
    /// Bytes that have to be read.
    Content(Arc<Layout>, Range<u64>),
}

/// A checksum or digest over extents, or a part of one.
#[derive(Clone, PartialEq, Eq)]
pub struct Deferred {
    function: Function,
    parts: Arc<[Part]>,
    /// Which bytes of the value.
    window: Range<u64>,
}

pub(super) fn crc_bytes(crc: Crc, value: u64) -> Bytes {
    let len = usize::try_from(crc.width()).expect("at most eight");
    Bytes::copy_from_slice(&value.to_le_bytes()[..len])
}

impl Deferred {
    pub(super) fn new(function: Function, parts: Arc<[Part]>) -> Self {
        Self {
            function,
            parts,
            window: 0..function.width(),
        }
    }

    /// The SHA-256 of `covered`, as text.
    pub fn sha256_hex(covered: Arc<Layout>) -> Self {
        let range = 0..covered.len();
        Self::new(
            Function::Sha256Hex,
            Arc::new([Part::Content(covered, range)]),
        )
    }

    /// The Adler-32 of a range of `covered`.
    pub(crate) fn adler32(covered: Arc<Layout>, range: Range<u64>) -> Self {
        Self::new(Function::Adler32, Arc::new([Part::Content(covered, range)]))
    }

    /// What is worked out.
    pub fn function(&self) -> Function {
        self.function
    }

    /// Bytes of it that this is.
    pub fn len(&self) -> u64 {
        self.window.end - self.window.start
    }

    /// Whether it is no byte of it.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// `range` of this.
    pub(super) fn slice(&self, range: Range<u64>) -> Self {
        let start = self.window.start;
        Self {
            window: start + range.start..start + range.end,
            ..self.clone()
        }
    }

    /// The ranges that have to be read for it.
    pub fn contents(&self) -> impl Iterator<Item = (&Arc<Layout>, &Range<u64>)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Content(layout, range) => Some((layout, range)),
            Part::Known { .. } => None,
        })
    }

    /// What the whole value depends on, as a name under which it may be kept: equal for equal values.
    pub fn name(&self) -> Digest {
        let mut hasher = Sha256::new();
        self.hash_whole_into(&mut hasher);
        Digest::finish(hasher)
    }

    /// The whole value. `read` hands the bytes of a range of a layout to the given function, in order and all of them.
    pub fn value<E>(
        &self,
        mut read: impl FnMut(&Arc<Layout>, Range<u64>, &mut dyn FnMut(&[u8])) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        Ok(match self.function {
            Function::Crc(crc) => {
                let mut sum = Checksum::new(crc);
                for part in &*self.parts {
                    match part {
                        Part::Known { crc, len } => sum.append(*crc, *len),
                        Part::Content(layout, range) => {
                            read(layout, range.clone(), &mut |bytes| sum.update(bytes))?;
                        }
                    }
                }
                crc_bytes(crc, sum.value())
            }
            Function::Adler32 => {
                let mut sum = Adler32::new();
                for (layout, range) in self.contents() {
                    read(layout, range.clone(), &mut |bytes| sum.write(bytes))?;
                }
                Bytes::copy_from_slice(&sum.finish().to_be_bytes())
            }
            Function::Sha256Hex => {
                let mut hasher = Sha256::new();
                for (layout, range) in self.contents() {
                    read(layout, range.clone(), &mut |bytes| hasher.update(bytes))?;
                }
                Digest::finish(hasher).hex().into()
            }
        })
    }

    /// This part of the whole value.
    pub fn cut(&self, whole: &Bytes) -> Bytes {
        let place = |offset| usize::try_from(offset).expect("values are short");
        whole.slice(place(self.window.start)..place(self.window.end))
    }

    pub(super) fn hash_into(&self, hasher: &mut Sha256) {
        self.hash_whole_into(hasher);
        hasher.update(self.window.start.to_le_bytes());
        hasher.update(self.window.end.to_le_bytes());
    }

    fn hash_whole_into(&self, hasher: &mut Sha256) {
        hasher.update([self.function.tag()]);
        hasher.update((self.parts.len() as u64).to_le_bytes());
        for part in &*self.parts {
            match part {
                Part::Known { crc, len } => {
                    hasher.update([0]);
                    hasher.update(crc.to_le_bytes());
                    hasher.update(len.to_le_bytes());
                }
                Part::Content(layout, range) => {
                    hasher.update([1]);
                    hasher.update(range.start.to_le_bytes());
                    hasher.update(range.end.to_le_bytes());
                    layout.hash_into(hasher);
                }
            }
        }
    }
}

impl fmt::Display for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let covered: u64 = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Known { len, .. } => *len,
                Part::Content(_, range) => range.end - range.start,
            })
            .sum();
        let read: u64 = self
            .contents()
            .map(|(_, range)| range.end - range.start)
            .sum();
        write!(
            f,
            "{:?} of {covered} bytes, {read} of them to be read",
            self.function
        )
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Extent;

    #[test]
    fn adler_32_is_that_of_the_rfc() {
        let mut covered = Layout::new();
        covered.bytes(b"of Wiki".as_slice());
        covered.zeros(0);
        covered.bytes(b"pedia".as_slice());
        let sum = Deferred::adler32(Arc::new(covered), 3..12);
        let mut layout = Layout::new();
        layout.push(Extent::Deferred(sum));
        let value = layout.collect(|_| Bytes::new());
        assert_eq!(value, 0x11e6_0398_u32.to_be_bytes());
    }

    #[test]
    fn what_is_covered_and_how_is_part_of_the_fingerprint() {
        let layout = |deferred: Deferred| {
            let mut layout = Layout::new();
            layout.push(Extent::Deferred(deferred));
            layout.fingerprint("1")
        };
        let of = |bytes: &'static [u8]| {
            let mut covered = Layout::new();
            covered.bytes(bytes);
            Arc::new(covered)
        };
        let one = layout(Deferred::sha256_hex(of(b"one")));
        assert_eq!(one, layout(Deferred::sha256_hex(of(b"one"))));
        assert_ne!(one, layout(Deferred::sha256_hex(of(b"two"))));
        assert_ne!(one, layout(Deferred::adler32(of(b"one"), 0..3)));
        assert_ne!(
            layout(Deferred::adler32(of(b"one"), 0..3)),
            layout(Deferred::adler32(of(b"one"), 0..2))
        );
    }
}
