//! The module area: what GRUB's kernel finds behind itself.

use zerocopy::IntoBytes;

use super::raw::{AREA_MAGIC, Area32, Area64, ObjectHeader, object};

/// What an image is made from, beside what its platform needs.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// `kernel.img`.
    pub kernel: &'a [u8],
    /// The modules' files, in the order of [`closure`](super::closure).
    pub modules: &'a [&'a [u8]],
    /// Commands that run before anything is read from the disk.
    pub config: Option<&'a str>,
    /// The directory of `grub.cfg`, with its device.
    pub prefix: &'a str,
}

/// Bits of a platform's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Bits32,
    Bits64,
}

impl Width {
    /// What objects are padded to.
    pub(super) fn align(self) -> usize {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }
}

impl Contents<'_> {
    /// The area, as long as its header says.
    pub(super) fn area(&self, width: Width) -> Vec<u8> {
        let mut objects = Vec::new();
        let mut push = |kind: u32, content: &[u8], end: &[u8]| {
            let len = (content.len() + end.len()).next_multiple_of(width.align());
            let size = u32::try_from(size_of::<ObjectHeader>() + len);
            let header = ObjectHeader {
                kind: kind.into(),
                size: size.expect("files of GRUB are small").into(),
            };
            let next = objects.len() + size_of::<ObjectHeader>() + len;
            objects.extend_from_slice(header.as_bytes());
            objects.extend_from_slice(content);
            objects.resize(next, 0);
        };
        for module in self.modules {
            push(object::MODULE, module, b"");
        }
        if let Some(config) = self.config {
            push(object::CONFIG, config.as_bytes(), b"\0");
        }
        push(object::PREFIX, self.prefix.as_bytes(), b"\0");

        let mut area = match width {
            Width::Bits32 => {
                let header = size_of::<Area32>();
                let size = u32::try_from(header + objects.len());
                let area = Area32 {
                    magic: AREA_MAGIC,
                    offset: u32::try_from(header).expect("12").into(),
                    size: size.expect("files of GRUB are small").into(),
                };
                area.as_bytes().to_vec()
            }
            Width::Bits64 => {
                let header = size_of::<Area64>();
                let area = Area64 {
                    magic: AREA_MAGIC,
                    padding: 0.into(),
                    offset: (header as u64).into(),
                    size: ((header + objects.len()) as u64).into(),
                };
                area.as_bytes().to_vec()
            }
        };
        area.append(&mut objects);
        area
    }
}
