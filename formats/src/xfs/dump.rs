//! A volume as text, a field a line: for snapshots and `inspect`.

use std::fmt::Write as _;

use super::{Contents, raw::Superblock};
use crate::civil::Civil;

impl Contents {
    /// All that the reader found.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a String cannot fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "XFS superblock")?;
        for (name, value) in fields(&self.superblock) {
            writeln!(text, "  {name:<22} {value}")?;
        }
        for group in &self.groups {
            let (free, inodes) = (&group.free_space, &group.inode_space);
            writeln!(
                text,
                "Group {}: {} blocks, {} free (longest {}), {} on the free list; {} inodes, {} free",
                free.number,
                free.blocks,
                free.free_blocks,
                free.longest,
                free.list_count,
                inodes.inodes,
                inodes.free_inodes
            )?;
        }
        writeln!(text, "Entries")?;
        for entry in &self.entries {
            write!(
                text,
                "  {:07o} {}:{} {} {} {:>10} inode {} generation {:#x} /{}",
                entry.mode,
                entry.uid,
                entry.gid,
                entry.links,
                Civil::from_epoch(entry.modified),
                entry.len,
                entry.inode,
                entry.generation,
                entry.path.escape_debug()
            )?;
            for (index, run) in entry.runs.iter().enumerate() {
                let before = if index == 0 { " at" } else { "," };
                write!(text, "{before} {:#x}", run.offset)?;
            }
            writeln!(text)?;
        }
        for what in &self.wrong_checksums {
            writeln!(text, "Wrong checksum: {what}")?;
        }
        Ok(())
    }
}

fn fields(superblock: &Superblock) -> Vec<(&'static str, String)> {
    let label = superblock.label.split(|byte| *byte == 0).next();
    let label = String::from_utf8_lossy(label.unwrap_or_default());
    vec![
        ("label", format!("{label:?}")),
        ("UUID", uuid(&superblock.uuid)),
        ("block length", superblock.block_len.to_string()),
        ("blocks", superblock.blocks.to_string()),
        ("free blocks", superblock.free_blocks.to_string()),
        (
            "groups",
            format!("{} of {}", superblock.ag_count, superblock.ag_blocks),
        ),
        ("sector length", superblock.sector_len.to_string()),
        (
            "log",
            format!(
                "{} blocks at {}, unit {}",
                superblock.log_blocks, superblock.log_start, superblock.log_stripe_unit
            ),
        ),
        (
            "inodes",
            format!("{}, {} free", superblock.inodes, superblock.free_inodes),
        ),
        ("inode length", superblock.inode_len.to_string()),
        ("root inode", superblock.root_inode.to_string()),
        (
            "version, features",
            format!("{:#06x}, {:#x}", superblock.version, superblock.features_2),
        ),
        ("compatible", format!("{:#x}", superblock.compatible)),
        (
            "read-only compatible",
            format!("{:#x}", superblock.read_only_compatible),
        ),
        ("incompatible", format!("{:#x}", superblock.incompatible)),
    ]
}

fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}
