//! Images taken apart: what is in the module area, whoever made the image.

use liblzma::stream::{Action, Status, Stream};

use super::{
    Error,
    bios::{MAX_UNCOMPRESSED, filters},
    elf::{self, Elf},
    raw::{
        AREA_MAGIC, Area32, Area64, BLOCK_LIST, BlockList, CD_BOOT, DECOMPRESSOR_FIELDS,
        DecompressorFields, ObjectHeader, SECTOR, object,
    },
};
use crate::pe;

/// Most objects of an area.
const MAX_OBJECTS: usize = 1 << 12;
/// Bytes of `lzma_decompress.img` are not told; those of all builds lie in here, and the stream behind them begins with 0.
const DECOMPRESSOR_LEN: std::ops::RangeInclusive<usize> = 0x200..=0xe00;
/// Segment that `diskboot.img` loads to: 0x8200.
const SEGMENT: u16 = 0x820;

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `core.img`, which finds its second sector at `rest`.
    Core {
        /// A sector of 512 bytes.
        rest: u64,
    },
    /// `eltorito.img`, the same.
    Cd {
        /// A sector of 512 bytes.
        rest: u64,
    },
    /// A program for UEFI.
    Efi,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What it is for.
    pub kind: Kind,
    /// The kernel as it lies in memory, without what follows.
    pub kernel: Vec<u8>,
    /// What is in the module area.
    pub objects: Vec<Object>,
}

/// Part of a module area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A module, an ELF file.
    Module(Vec<u8>),
    /// Commands that run first.
    Config(Vec<u8>),
    /// Where the rest is.
    Prefix(Vec<u8>),
    /// Something else.
    Other {
        /// Its number.
        kind: u32,
        /// Its bytes.
        content: Vec<u8>,
    },
}

impl Object {
    /// A module's name as it says itself.
    pub fn module_name(&self) -> Option<String> {
        let Self::Module(file) = self else {
            return None;
        };
        let elf = Elf::parse(file).ok()?;
        let name = elf.section(b".modname")?.content;
        let end = name.iter().position(|byte| *byte == 0);
        let name = &name[..end.unwrap_or(name.len())];
        Some(name.escape_ascii().to_string())
    }
}

/// Takes an image apart.
pub fn read(bytes: &[u8]) -> Result<Image, Error> {
    if bytes.starts_with(b"MZ") {
        return read_efi(bytes);
    }
    if let Some(image) = read_core(bytes, false)? {
        return Ok(image);
    }
    bytes
        .get(CD_BOOT..)
        .map_or(Ok(None), |core| read_core(core, true))?
        .ok_or(Error::Unknown("an image of GRUB"))
}

fn read_core(bytes: &[u8], cd: bool) -> Result<Option<Image>, Error> {
    let Ok(list) = elf::at::<BlockList>(bytes, BLOCK_LIST as u64, "block list") else {
        return Ok(None);
    };
    if list.segment.get() != SEGMENT {
        return Ok(None);
    }
    let decompressor = &bytes[SECTOR..];
    let offset = DECOMPRESSOR_FIELDS as u64;
    let fields: &DecompressorFields = elf::at(decompressor, offset, "decompressor's fields")?;
    let compressed = usize::try_from(fields.compressed.get()).unwrap_or(usize::MAX);
    let uncompressed = u64::from(fields.uncompressed.get());
    if uncompressed > MAX_UNCOMPRESSED {
        return Err(Error::TooMany {
            what: "bytes of kernel and modules",
            count: uncompressed,
            limit: MAX_UNCOMPRESSED,
        });
    }
    // An image in a partition is followed by something else: where the stream begins is told by the decompressor's length,
    // which nothing tells. It is what leaves the stream, whose length is told, at the end of the image: of the file, or the one
    // start from which the stream decodes.
    let of_file = decompressor.len().checked_sub(compressed);
    let starts = of_file
        .into_iter()
        .filter(|at| DECOMPRESSOR_LEN.contains(at));
    let searched = DECOMPRESSOR_LEN
        .step_by(4)
        .filter(|at| decompressor.get(*at) == Some(&0));
    let payload = starts
        .chain(searched)
        .find_map(|start| decompress(decompressor, start, compressed, uncompressed))
        .ok_or(Error::Unknown("a stream of LZMA behind a decompressor"))?;
    let rest = list.start.get();
    let kind = if cd {
        Kind::Cd { rest }
    } else {
        Kind::Core { rest }
    };
    let area = find_area32(&payload).ok_or(Error::Unknown("a kernel with a module area"))?;
    let (kernel, area) = payload.split_at(area);
    Ok(Some(Image {
        kind,
        kernel: kernel.to_vec(),
        objects: objects(&area[size_of::<Area32>()..], 4)?,
    }))
}

/// The payload, if there is a stream of it at `start`.
fn decompress(bytes: &[u8], start: usize, compressed: usize, uncompressed: u64) -> Option<Vec<u8>> {
    let stream = bytes.get(start..start.checked_add(compressed)?)?;
    let mut decoder = Stream::new_raw_decoder(&filters().ok()?).ok()?;
    let len = usize::try_from(uncompressed).ok()?;
    let mut payload = Vec::with_capacity(len);
    // Streams need not have an end: what is told is what is wanted.
    let status = decoder
        .process_vec(stream, &mut payload, Action::Run)
        .ok()?;
    let whole = payload.len() == len && matches!(status, Status::Ok | Status::StreamEnd);
    (whole && find_area32(&payload).is_some()).then_some(payload)
}

/// Where the area starts that ends with the payload.
fn find_area32(payload: &[u8]) -> Option<usize> {
    let len = size_of::<Area32>();
    payload.windows(len).position_of(|at, window| {
        let header: &Area32 = elf::at(window, 0, "module area").expect("as long as the header");
        header.magic == AREA_MAGIC
            && usize::try_from(header.offset.get()) == Ok(len)
            && usize::try_from(header.size.get()) == Ok(payload.len() - at)
    })
}

/// `position` with the position.
trait PositionOf<T>: Iterator<Item = T> + Sized {
    fn position_of(self, is: impl Fn(usize, T) -> bool) -> Option<usize> {
        self.enumerate()
            .find_map(|(at, item)| is(at, item).then_some(at))
    }
}

impl<T, I: Iterator<Item = T>> PositionOf<T> for I {}

fn read_efi(bytes: &[u8]) -> Result<Image, Error> {
    let unknown = Error::Unknown("a program of GRUB");
    let image = pe::Image::parse(bytes, bytes.len() as u64).map_err(|_| unknown.clone())?;
    let mods = image.section("mods").ok_or(unknown)?;
    let place = |section: &pe::SectionHeader| {
        elf::slice(
            bytes,
            section.pointer_to_raw_data.get().into(),
            section.size_of_raw_data.get().into(),
            "section",
        )
    };
    let area = place(mods)?;
    let header: &Area64 = elf::at(area, 0, "module area")?;
    if header.magic != AREA_MAGIC || header.offset.get() != size_of::<Area64>() as u64 {
        return Err(Error::Unknown("a module area"));
    }
    let len = header.size.get().saturating_sub(size_of::<Area64>() as u64);
    let content = elf::slice(area, size_of::<Area64>() as u64, len, "module area")?;
    let mut kernel = Vec::new();
    for section in image.sections.iter().take_while(|s| s.name() != b"mods") {
        kernel.extend_from_slice(place(section)?);
    }
    Ok(Image {
        kind: Kind::Efi,
        kernel,
        objects: objects(content, 8)?,
    })
}

fn objects(mut bytes: &[u8], align: u64) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::new();
    while !bytes.is_empty() {
        if objects.len() == MAX_OBJECTS {
            return Err(Error::TooMany {
                what: "objects of a module area",
                count: objects.len() as u64 + 1,
                limit: MAX_OBJECTS as u64,
            });
        }
        let header: &ObjectHeader = elf::at(bytes, 0, "object of a module area")?;
        let size = u64::from(header.size.get());
        let head = size_of::<ObjectHeader>() as u64;
        let invalid = Error::Invalid {
            what: "size of an object",
            value: size,
        };
        let len = size.checked_sub(head).ok_or(invalid)?;
        let content = elf::slice(bytes, head, len, "object of a module area")?.to_vec();
        let text = |content: Vec<u8>| {
            let end = content.iter().position(|byte| *byte == 0);
            content[..end.unwrap_or(content.len())].to_vec()
        };
        objects.push(match header.kind.get() {
            object::MODULE => Object::Module(content),
            object::CONFIG => Object::Config(text(content)),
            object::PREFIX => Object::Prefix(text(content)),
            kind => Object::Other { kind, content },
        });
        let next = size.next_multiple_of(align).min(bytes.len() as u64);
        bytes = &bytes[usize::try_from(next).expect("at most the length")..];
    }
    Ok(objects)
}

/// Body of the fuzz target `grub`: the input is a module or kernel, an image, or a list of modules.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let contents = super::Contents {
        kernel: data,
        modules: &[data],
        config: Some("echo"),
        prefix: "/boot/grub",
    };
    for machine in [super::Machine::X86_64, super::Machine::Arm64] {
        let Ok(image) = super::efi(machine, super::Build { nx: false }, &contents) else {
            continue;
        };
        let read = read(&image).expect("what is written can be read");
        assert_eq!(read.objects.len(), 3);
        assert!(matches!(&read.objects[0], Object::Module(file) if file.starts_with(data)));
    }
    let _: Option<String> = Object::Module(data.to_vec()).module_name();
    if let Ok(order) = super::closure(data, &["normal"]) {
        assert_eq!(order.last().map(String::as_str), Some("normal"));
    }
    assert_eq!(read(data).is_ok(), super::dump(data).is_ok());
}
