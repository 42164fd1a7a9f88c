//! Images for a BIOS (i386-pc): loaded in real mode, compressed, because there is room for 448 KiB below the video memory.

use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};
use zerocopy::{FromBytes, IntoBytes};

use super::{
    Contents, Error,
    area::Width,
    elf::Elf,
    raw::{
        ALLOC, BLOCK_LIST, BlockList, CD_BOOT, CLASS_32, DECOMPRESSOR_FIELDS, DecompressorFields,
        SECTOR, section,
    },
};

/// Where the kernel is linked to.
const LINK_ADDRESS: u64 = 0x9000;
/// Where what is loaded must end: the BIOS's own data follow.
const MEMORY_END: u64 = 0x7_8000;
/// Where the kernel's data must end.
const KERNEL_END: u64 = 0x6_8000;
/// Longest decompressor: it lies where the kernel's buffer for the disk will be.
const MAX_DECOMPRESSOR: usize = 0xe00;
/// Longest kernel with its modules that is decompressed: above 1 MiB there is memory, below it none.
pub(super) const MAX_UNCOMPRESSED: u64 = 64 << 20;

/// Dictionary of the stream, as the decompressor has it compiled in.
const DICTIONARY: u32 = 1 << 16;
/// liblzma's preset: an image is made once a build.
const PRESET: u32 = 9;

/// Files that `core.img` begins with.
#[derive(Debug, Clone, Copy)]
pub struct BiosFiles<'a> {
    /// `diskboot.img`.
    pub diskboot: &'a [u8],
    /// `lzma_decompress.img`.
    pub decompressor: &'a [u8],
}

/// Files that `eltorito.img` begins with.
#[derive(Debug, Clone, Copy)]
pub struct CdFiles<'a> {
    /// `cdboot.img`.
    pub cdboot: &'a [u8],
    /// The others.
    pub bios: BiosFiles<'a>,
}

/// `core.img`, which says that it lies at sector 1: see [`core_sector`](super::core_sector).
pub fn bios(files: &BiosFiles<'_>, contents: &Contents<'_>) -> Result<Vec<u8>, Error> {
    let mut payload = kernel(contents.kernel)?;
    payload.extend(contents.area(Width::Bits32));
    let limit = MAX_UNCOMPRESSED;
    let uncompressed = u32::try_from(payload.len())
        .ok()
        .filter(|len| u64::from(*len) <= limit)
        .ok_or(Error::TooMany {
            what: "bytes of kernel and modules",
            count: payload.len() as u64,
            limit,
        })?;
    let compressed = compress(&payload)?;

    let mut image = of_length(files.diskboot, "diskboot.img", SECTOR)?.to_vec();
    image.extend_from_slice(files.decompressor);
    if !(DECOMPRESSOR_FIELDS + size_of::<DecompressorFields>()..=MAX_DECOMPRESSOR)
        .contains(&files.decompressor.len())
    {
        return Err(Error::Length {
            file: "lzma_decompress.img",
            found: files.decompressor.len(),
            expected: MAX_DECOMPRESSOR,
        });
    }
    let fields = &mut image[SECTOR + DECOMPRESSOR_FIELDS..];
    DecompressorFields {
        compressed: u32::try_from(compressed.len())
            .expect("no longer than what it was")
            .into(),
        uncompressed: uncompressed.into(),
    }
    .write_to_prefix(fields)
    .expect("the decompressor has room for them");
    image.extend(compressed);

    let loaded = image.len() - SECTOR;
    let limit = MEMORY_END - LINK_ADDRESS;
    if loaded as u64 > limit {
        return Err(Error::TooMany {
            what: "bytes of core.img",
            count: loaded as u64,
            limit,
        });
    }
    let (list, _) = BlockList::mut_from_prefix(&mut image[BLOCK_LIST..]).expect("12 bytes");
    list.len = u16::try_from(loaded.div_ceil(SECTOR))
        .expect("at most 892 sectors")
        .into();
    Ok(image)
}

/// `eltorito.img`: the same image, loaded from a CD.
pub fn cd(files: &CdFiles<'_>, contents: &Contents<'_>) -> Result<Vec<u8>, Error> {
    let mut image = of_length(files.cdboot, "cdboot.img", CD_BOOT)?.to_vec();
    image.extend(bios(&files.bios, contents)?);
    Ok(image)
}

pub(super) fn of_length<'a>(
    content: &'a [u8],
    file: &'static str,
    expected: usize,
) -> Result<&'a [u8], Error> {
    if content.len() != expected {
        return Err(Error::Length {
            file,
            found: content.len(),
            expected,
        });
    }
    Ok(content)
}

/// The kernel as it lies in memory, without what is zero at its end.
fn kernel(file: &[u8]) -> Result<Vec<u8>, Error> {
    let elf = Elf::parse(file)?;
    if elf.class != CLASS_32 {
        return Err(Error::Unknown("a kernel of 32 bits"));
    }
    let mut memory = Vec::new();
    for section in elf.sections.iter().filter(|s| s.flags & ALLOC != 0) {
        let out_of_place = Error::Invalid {
            what: "address of a kernel section",
            value: section.address,
        };
        let end = section.address.checked_add(section.size);
        if section.address < LINK_ADDRESS || end.is_none_or(|end| end > KERNEL_END) {
            return Err(out_of_place);
        }
        if section.kind == section::NO_BITS {
            continue;
        }
        let start = usize::try_from(section.address - LINK_ADDRESS).expect("below 1 MiB");
        let end = start + section.content.len();
        memory.resize(memory.len().max(end), 0);
        memory[start..end].copy_from_slice(section.content);
    }
    Ok(memory)
}

/// The filter of the stream, which has no header: what the decompressor has compiled in.
pub(super) fn filters() -> Result<Filters, liblzma::stream::Error> {
    let mut options = LzmaOptions::new_preset(PRESET)?;
    options
        .dict_size(DICTIONARY)
        .literal_context_bits(3)
        .literal_position_bits(0)
        .position_bits(2);
    let mut filters = Filters::new();
    filters.lzma1(&options);
    Ok(filters)
}

fn compress(payload: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |error: liblzma::stream::Error| Error::Lzma(error.to_string());
    let filters = filters().map_err(failed)?;
    let mut stream = Stream::new_raw_encoder(&filters).map_err(failed)?;
    // What does not compress grows by less than this.
    let mut compressed = Vec::with_capacity(payload.len() + payload.len() / 8 + 1024);
    let status = stream
        .process_vec(payload, &mut compressed, Action::Finish)
        .map_err(failed)?;
    if status != Status::StreamEnd {
        return Err(Error::Lzma("output does not end".to_owned()));
    }
    Ok(compressed)
}
