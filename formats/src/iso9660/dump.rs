//! An image as text, a field a line: for snapshots and `inspect`.

use std::fmt::Write as _;

use super::{
    Contents, Entry, Kind, Volume,
    raw::{BLOCK, LongDate},
};

impl Contents {
    /// All that the reader found.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a String cannot fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        if let Some(mbr) = &self.mbr {
            writeln!(text, "MBR, disk signature {:#010x}", mbr.disk_signature)?;
            for (partition, number) in mbr.partitions.iter().zip(1..) {
                if !partition.is_unused() {
                    let (status, kind) = (partition.status, partition.kind);
                    let (start, sectors) = (partition.start, partition.sectors);
                    writeln!(
                        text,
                        "  {number} status {status:#04x} type {kind:#04x} start {start} sectors {sectors}"
                    )?;
                }
            }
        }
        if !self.catalog.is_empty() {
            writeln!(text, "El Torito")?;
        }
        for entry in &self.catalog {
            let bootable = if entry.bootable {
                "bootable"
            } else {
                "not bootable"
            };
            let (platform, media) = (entry.platform, entry.media);
            let (sectors, block) = (entry.sectors, entry.block);
            writeln!(
                text,
                "  platform {platform:#04x} {bootable} media {media} sectors {sectors} block {block}"
            )?;
        }
        self.volumes
            .iter()
            .try_for_each(|volume| write_volume(text, volume))
    }
}

fn write_volume(text: &mut String, volume: &Volume) -> std::fmt::Result {
    let descriptor = &volume.descriptor;
    writeln!(text, "Volume at block {}", volume.base)?;
    let field = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes).trim_end());
    let date = |date: &LongDate| format!("{} {:+}", field(&date.digits), date.offset);
    let path_tables = format!(
        "{} bytes, little-endian at block {}, big-endian at block {}",
        descriptor.path_table_size.get(),
        descriptor.path_table_l,
        descriptor.path_table_m
    );
    for (name, value) in [
        ("system id", field(&descriptor.system_id)),
        ("volume id", field(&descriptor.volume_id)),
        ("volume set id", field(&descriptor.volume_set_id)),
        ("publisher id", field(&descriptor.publisher_id)),
        ("preparer id", field(&descriptor.preparer_id)),
        ("application id", field(&descriptor.application_id)),
        (
            "space size",
            format!("{} blocks", descriptor.volume_space_size.get()),
        ),
        ("path tables", path_tables),
        (
            "root directory",
            format!("block {}", descriptor.root.extent.get()),
        ),
        ("created", date(&descriptor.created)),
        ("modified", date(&descriptor.modified)),
        ("expires", date(&descriptor.expires)),
        ("effective", date(&descriptor.effective)),
    ] {
        writeln!(text, "  {name:<16} {value}")?;
    }
    volume
        .entries
        .iter()
        .try_for_each(|entry| write_entry(text, entry))
}

fn write_entry(text: &mut String, entry: &Entry) -> std::fmt::Result {
    match entry.attributes {
        Some(attributes) => write!(
            text,
            "  {:06o} {}:{}",
            attributes.mode, attributes.uid, attributes.gid
        )?,
        None => write!(text, "  ------ -:-")?,
    }
    let (modified, len) = (entry.modified, entry.len);
    write!(text, " {modified} {len:>11}")?;
    for run in &entry.runs {
        write!(text, " block {}", run.start / BLOCK)?;
    }
    write!(text, " {}", entry.path.escape_debug())?;
    if let Kind::Symlink(target) = &entry.kind {
        write!(text, " -> {}", target.escape_debug())?;
    }
    writeln!(text, " ({})", entry.identifier.escape_debug())
}
