//! Disks in the containers of hypervisors.

use std::{
    fs::File,
    io::{BufReader, Read as _},
    os::unix::fs::FileExt as _,
};

use anyhow::{Context as _, bail};
use formats::{
    qcow2 as qcow2_image,
    read_at::{ReadAt, Window},
    vhd as vhd_image, vmdk as vmdk_image,
};

use super::{
    packed::{scratch, writing},
    part::Part,
    scope::Scope,
    source::{Sequential, Stored},
};
use crate::cli::progress;

/// What the disk in an image is called.
const DISK: &str = "disk";

pub(super) fn qcow2(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let image = qcow2_image::read(source, qcow2_image::Limits::default())?;
    part.in_brief(image.dump());
    scope.content(part, DISK, &image.disk(source))
}

pub(super) fn vhd(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let footer = vhd_image::read(source)?;
    part.text = footer.dump();
    let disk = Window::new(source, 0, footer.current_size.get());
    scope.content(part, DISK, &disk)
}

/// The grains are unpacked; nothing can be read from them where they are.
pub(super) fn vmdk(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let image = vmdk_image::read(source, vmdk_image::Limits::default())?;
    part.in_brief(image.dump());
    let file = scratch()?;
    file.set_len(image.disk_len()).with_context(writing)?;
    let len = image.grain_count() * vmdk_image::GRAIN_LEN;
    let bar = progress::bytes("unpacking".to_owned(), len);
    for grain in image.each_grain(source) {
        let grain = grain?;
        let place = || format!("grain at offset {:#x}", grain.stream.start);
        unpack(scope, source, &grain, image.disk_len(), &file).with_context(place)?;
        bar.inc(vmdk_image::GRAIN_LEN);
    }
    bar.finish_and_clear();
    scope.content(part, DISK, &Stored::new(file)?)
}

/// Writes a grain to where it is on the disk.
fn unpack(
    scope: Scope<'_>,
    source: &dyn ReadAt,
    grain: &vmdk_image::Grain,
    disk_len: u64,
    file: &File,
) -> anyhow::Result<()> {
    let stream = Window::new(
        source,
        grain.stream.start,
        grain.stream.end - grain.stream.start,
    );
    let decoder = flate2::bufread::ZlibDecoder::new(BufReader::new(Sequential(&stream, 0)));
    let mut content = Vec::new();
    // One byte more than there may be, to see whether there is.
    let limit = vmdk_image::GRAIN_LEN + 1;
    decoder.take(limit).read_to_end(&mut content)?;
    scope.unpacked(content.len())?;
    // The last grain may end with the disk or behind it.
    let expected = vmdk_image::GRAIN_LEN.min(disk_len - grain.at);
    let len = content.len() as u64;
    if !(expected..=vmdk_image::GRAIN_LEN).contains(&len) {
        bail!("unpacks to {len} bytes instead of {expected}, or more");
    }
    content.truncate(usize::try_from(expected).expect("at most a grain"));
    if content.iter().any(|byte| *byte != 0) {
        file.write_all_at(&content, grain.at)
            .with_context(writing)?;
    }
    Ok(())
}
