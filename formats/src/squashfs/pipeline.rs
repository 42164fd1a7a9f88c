//! Blocks compressed side by side and written in order.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::codec::{Encoded, Encoder};
use super::data::StoredBlock;
use super::raw::BLOCK_STORED;
use super::write::WriteError;

/// A block to compress and where its result goes.
pub(super) type Job = (Vec<u8>, Sender<io::Result<Encoded>>);

/// Compresses what comes until nothing more can come.
pub(super) fn work(mut encoder: Encoder, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue
            .lock()
            .expect("no worker panics while it holds the queue")
            .recv();
        let Ok((block, result)) = job else { return };
        // Nobody listens any more when writing has failed.
        let _ = result.send(encoder.encode(block));
    }
}

/// What to do about a block of nothing but zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zeros {
    /// Files may have holes.
    LeaveOut,
    /// Fragment blocks may not.
    Keep,
}

/// Blocks on their way through the workers into the sink, in the order in which they were pushed.
pub(super) struct Pipeline<'a> {
    pub(super) jobs: Sender<Job>,
    /// Results to come; none for a hole.
    pub(super) waiting: VecDeque<Option<Receiver<io::Result<Encoded>>>>,
    pub(super) room: usize,
    pub(super) blocks: Vec<StoredBlock>,
    pub(super) position: u64,
    pub(super) sink: &'a mut dyn Write,
}

impl Pipeline<'_> {
    pub(super) fn push(&mut self, block: Vec<u8>, zeros: Zeros) -> Result<(), WriteError> {
        while self.waiting.len() >= self.room {
            self.write_next()?;
        }
        if zeros == Zeros::LeaveOut && block.iter().all(|byte| *byte == 0) {
            self.waiting.push_back(None);
            return Ok(());
        }
        let (sender, receiver) = channel();
        self.jobs
            .send((block, sender))
            .expect("workers outlive the pipeline");
        self.waiting.push_back(Some(receiver));
        Ok(())
    }

    /// Waits for the oldest block and writes it.
    fn write_next(&mut self) -> Result<(), WriteError> {
        let start = self.position;
        let Some(waiting) = self.waiting.pop_front() else {
            return Ok(());
        };
        let Some(result) = waiting else {
            self.blocks.push(StoredBlock { start, word: 0 });
            return Ok(());
        };
        let encoded = result
            .recv()
            .expect("workers answer every job")
            .map_err(WriteError::Compressor)?;
        self.sink
            .write_all(&encoded.bytes)
            .map_err(WriteError::Sink)?;
        let len = u32::try_from(encoded.bytes.len()).expect("at most a block");
        self.position += u64::from(len);
        let word = if encoded.stored {
            len | BLOCK_STORED
        } else {
            len
        };
        self.blocks.push(StoredBlock { start, word });
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(Vec<StoredBlock>, u64), WriteError> {
        while !self.waiting.is_empty() {
            self.write_next()?;
        }
        Ok((self.blocks, self.position))
    }
}
