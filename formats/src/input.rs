//! What the stream readers of the rooms share: input read in order, with its position and errors that name the place.

use std::io::{self, Read};

/// The input could not give the bytes that the format promises.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The input is shorter than its own headers say.
    #[error("input ends within the {len} bytes expected at offset {offset}")]
    Ended {
        /// Where the missing piece starts.
        offset: u64,
        /// How long it should be.
        len: u64,
    },
    /// The input itself cannot be read.
    #[error("input cannot be read at offset {offset}")]
    Unreadable {
        /// Where the piece starts.
        offset: u64,
        /// Why.
        source: io::Error,
    },
}

/// Input read in order; `position` counts the bytes taken so far.
#[derive(Debug)]
pub(crate) struct Input<R> {
    inner: R,
    position: u64,
    peeked: Option<u8>,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            position: 0,
            peeked: None,
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next byte without taking it; `None` at the end.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, InputError> {
        if self.peeked.is_none() {
            let mut byte = [0];
            let taken = self.read_some(&mut byte)?;
            self.peeked = (taken == 1).then_some(byte[0]);
        }
        Ok(self.peeked)
    }

    /// Fills `buffer`.
    pub(crate) fn exact(&mut self, buffer: &mut [u8]) -> Result<(), InputError> {
        let (offset, len) = (self.position, buffer.len() as u64);
        let mut filled = 0;
        while filled < buffer.len() {
            match self.take(&mut buffer[filled..])? {
                0 => return Err(InputError::Ended { offset, len }),
                taken => filled += taken,
            }
        }
        Ok(())
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], InputError> {
        let mut bytes = [0; N];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over `len` bytes.
    pub(crate) fn skip(&mut self, len: u64) -> Result<(), InputError> {
        let offset = self.position;
        let mut scratch = [0; 8192];
        let mut left = len;
        while left > 0 {
            let want =
                usize::try_from(left.min(scratch.len() as u64)).expect("at most the scratch");
            match self.take(&mut scratch[..want])? {
                0 => return Err(InputError::Ended { offset, len }),
                taken => left -= taken as u64,
            }
        }
        Ok(())
    }

    /// Takes up to `buffer.len()` bytes; 0 only at the end or for an empty buffer.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> Result<usize, InputError> {
        let taken = match (buffer.first_mut(), self.peeked) {
            (Some(first), Some(byte)) => {
                *first = byte;
                self.peeked = None;
                1
            }
            _ => self.read_some(buffer)?,
        };
        self.position += taken as u64;
        Ok(taken)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, InputError> {
        loop {
            match self.inner.read(buffer) {
                Ok(taken) => return Ok(taken),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(InputError::Unreadable {
                        offset: self.position,
                        source,
                    });
                }
            }
        }
    }
}
