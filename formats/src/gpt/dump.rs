//! A table as text, a field a line: for snapshots and `inspect`.

use std::{error::Error as _, fmt::Write as _};

use super::{Contents, Guid, raw::Header};

impl Contents {
    /// All that the reader found.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a String cannot fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let boot = self.mbr.boot_code.iter().filter(|byte| **byte != 0).count();
        writeln!(text, "MBR")?;
        writeln!(
            text,
            "  boot code            {boot} bytes that are not zero"
        )?;
        writeln!(
            text,
            "  disk signature       {:#010x}",
            self.mbr.disk_signature
        )?;
        for entry in self
            .mbr
            .partitions
            .iter()
            .filter(|entry| !entry.is_unused())
        {
            writeln!(
                text,
                "  partition            type {:#04x} status {:#04x} sectors from {} count {}",
                entry.kind, entry.status, entry.start, entry.sectors
            )?;
        }
        writeln!(text, "GPT header, sectors of {} bytes", self.sector_len)?;
        fields(text, &self.header)?;
        match &self.backup {
            Ok(header) => {
                writeln!(text, "GPT header, copy")?;
                fields(text, header)?;
            }
            Err(error) => {
                write!(text, "GPT header, copy: {error}")?;
                if let Some(source) = error.source() {
                    write!(text, ": {source}")?;
                }
                writeln!(text)?;
            }
        }
        writeln!(text, "Partitions")?;
        for (number, entry) in &self.partitions {
            writeln!(
                text,
                "  {number:>3} {:>10} to {:>10} type {} guid {} attributes {:#x} {:?}",
                entry.first,
                entry.last,
                Guid::from_disk(entry.kind),
                Guid::from_disk(entry.guid),
                entry.attributes,
                entry.name(),
            )?;
        }
        Ok(())
    }
}

fn fields(text: &mut String, header: &Header) -> std::fmt::Result {
    let rows = [
        ("revision", format!("{:#x}", header.revision)),
        ("CRC-32", format!("{:#010x}", header.crc)),
        ("sector", header.lba.to_string()),
        ("other header", header.alternate_lba.to_string()),
        (
            "usable sectors",
            format!("{} to {}", header.first_usable, header.last_usable),
        ),
        ("disk GUID", Guid::from_disk(header.disk_guid).to_string()),
        ("entries", format!("sector {}", header.entries_lba)),
        (
            "entries' size",
            format!("{} of {} bytes", header.entry_count, header.entry_len),
        ),
        ("entries' CRC-32", format!("{:#010x}", header.entries_crc)),
    ];
    for (name, value) in rows {
        writeln!(text, "  {name:<20} {value}")?;
    }
    Ok(())
}
