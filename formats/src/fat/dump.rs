//! A volume as text, a field a line: for snapshots and `inspect`.

use std::fmt::Write as _;

use super::{Contents, Kind, raw::BootSector};

impl Contents {
    /// All that the reader found.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a String cannot fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (kind, fields) = match self.kind {
            Kind::Fat12 => ("FAT12", fields_12(&self.boot_sector)),
            Kind::Fat32 => ("FAT32", fields(&self.boot_sector)),
        };
        writeln!(text, "{kind} boot sector")?;
        for (name, value) in fields {
            writeln!(text, "  {name:<20} {value}")?;
        }
        writeln!(text, "  {:<20} {}", "clusters", self.clusters)?;
        if let Some(info) = &self.fs_info {
            writeln!(text, "FSInfo")?;
            writeln!(text, "  {:<20} {}", "free", info.free)?;
            writeln!(text, "  {:<20} {}", "next free", info.next_free)?;
        }
        if let Some((label, written)) = &self.label {
            writeln!(text, "Label {label:?} {written}")?;
        }
        writeln!(text, "Entries")?;
        for entry in &self.entries {
            let (path, alias) = (entry.path.escape_debug(), entry.short_name.escape_debug());
            let (attributes, written, len) = (entry.attributes, entry.written, entry.len);
            write!(
                text,
                "  {attributes} {written} {len:>10} cluster {:<6} {path} ({alias})",
                entry.cluster
            )?;
            // One run says nothing that the cluster did not.
            if entry.runs.len() > 1 {
                write!(text, " in {} pieces", entry.runs.len())?;
            }
            writeln!(text)?;
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

/// What both have.
fn common(boot: &BootSector) -> Vec<(&'static str, String)> {
    vec![
        ("OEM name", text(&boot.oem_name)),
        ("bytes per sector", boot.bytes_per_sector.to_string()),
        ("sectors per cluster", boot.sectors_per_cluster.to_string()),
        ("reserved sectors", boot.reserved_sectors.to_string()),
        ("FATs", boot.fats.to_string()),
        (
            "total sectors",
            format!(
                "{} (16 bits) {} (32 bits)",
                boot.total_sectors_16, boot.total_sectors_32
            ),
        ),
        ("media", format!("{:#04x}", boot.media)),
        (
            "geometry",
            format!(
                "{} sectors per track, {} heads",
                boot.sectors_per_track, boot.heads
            ),
        ),
        ("hidden sectors", boot.hidden_sectors.to_string()),
    ]
}

fn fields_12(boot: &BootSector) -> Vec<(&'static str, String)> {
    let mut fields = common(boot);
    let old = boot.as_fat12();
    fields.extend([
        ("sectors per FAT", boot.fat_sectors_16.to_string()),
        ("root directory", format!("{} slots", boot.root_entries)),
        ("drive", format!("{:#04x}", old.drive)),
        ("volume id", format!("{:#010x}", old.volume_id)),
        ("volume label", text(&old.volume_label)),
        ("file system", text(&old.file_system)),
    ]);
    fields
}

fn fields(boot: &BootSector) -> Vec<(&'static str, String)> {
    let mut fields = common(boot);
    fields.extend([
        ("sectors per FAT", boot.fat_sectors_32.to_string()),
        ("root cluster", boot.root_cluster.to_string()),
        (
            "FSInfo, copy",
            format!(
                "sectors {}, {}",
                boot.fs_info_sector, boot.backup_boot_sector
            ),
        ),
        ("drive", format!("{:#04x}", boot.drive)),
        ("volume id", format!("{:#010x}", boot.volume_id)),
        ("volume label", text(&boot.volume_label)),
        ("file system", text(&boot.file_system)),
    ]);
    fields
}
