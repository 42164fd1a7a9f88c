//! Archives laid out.

use zerocopy::{FromZeros as _, IntoBytes as _};

use super::raw::{
    BLOCK, EXTENSION_RUNS, Extension, HEADER_RUNS, Header, MAGIC, RECORD, REGULAR, RawRun, SPARSE,
    number,
};
use crate::{Layout, extent::Run};

/// Runs of zeros from this length on are left out of sparse members.
const MIN_ZERO_RUN: u64 = 4 << 10;

/// What a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Whole(Layout),
    /// A map and what is not zero.
    Sparse(Layout),
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, at most 99 bytes.
    pub name: &'static str,
    /// Name of its owner and group, whose numbers are 0; empty for none.
    pub owner: &'static str,
    /// When it was modified, seconds since 1970.
    pub modified: u32,
    /// Its content.
    pub content: Content,
}

/// An archive of `members`, all of mode 0644.
///
/// # Panics
/// If a name is longer than a header has room for.
pub fn archive(members: &[Member]) -> Layout {
    let mut layout = Layout::new();
    for member in members {
        member.push(&mut layout);
    }
    layout.section("tar end");
    layout.zeros(2 * BLOCK);
    layout.align(RECORD);
    layout
}

impl Member {
    fn push(&self, layout: &mut Layout) {
        let name = self.name;
        layout.section(format!("tar header of {name}"));
        match &self.content {
            Content::Whole(content) => {
                layout.bytes(self.header(REGULAR, content.len()).seal());
                layout.section(name);
                layout.append(content);
            }
            Content::Sparse(content) => self.push_sparse(layout, content),
        }
        layout.align(BLOCK);
    }

    fn push_sparse(&self, layout: &mut Layout, content: &Layout) {
        let mut stored = Layout::new();
        let mut map = Vec::new();
        let mut offset = 0;
        for run in content.runs(BLOCK, MIN_ZERO_RUN) {
            let len = run.len();
            if let Run::Payload(payload) = run {
                map.push(raw_run(offset, len));
                stored.append(&payload);
            }
            offset += len;
        }
        map.push(raw_run(content.len(), 0));

        let mut header = self.header(SPARSE, stored.len());
        let (first, mut rest) = map.split_at(map.len().min(HEADER_RUNS));
        header.runs[..first.len()].copy_from_slice(first);
        header.extended = u8::from(!rest.is_empty());
        header.real_size = number(content.len());
        layout.bytes(header.seal());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(EXTENSION_RUNS));
            let mut extension = Extension::new_zeroed();
            extension.runs[..now.len()].copy_from_slice(now);
            extension.extended = u8::from(!later.is_empty());
            layout.bytes(extension.as_bytes().to_vec());
            rest = later;
        }
        layout.section(self.name);
        layout.append(&stored);
    }

    fn header(&self, kind: u8, size: u64) -> Header {
        let mut header = Header::new_zeroed();
        let text = |field: &mut [u8], text: &str| {
            assert!(text.len() < field.len(), "{text} is too long for a header");
            field[..text.len()].copy_from_slice(text.as_bytes());
        };
        text(&mut header.name, self.name);
        text(&mut header.mode, "0000644");
        text(&mut header.uid, "0000000");
        text(&mut header.gid, "0000000");
        text(&mut header.user, self.owner);
        text(&mut header.group, self.owner);
        header.size = number(size);
        header.mtime = number(u64::from(self.modified));
        header.kind = kind;
        header.magic = MAGIC;
        header
    }
}

impl Header {
    fn seal(mut self) -> Vec<u8> {
        let sum = format!("{:06o}\0 ", self.sum());
        self.checksum.copy_from_slice(sum.as_bytes());
        self.as_bytes().to_vec()
    }
}

fn raw_run(offset: u64, len: u64) -> RawRun {
    RawRun {
        offset: number(offset),
        len: number(len),
    }
}
