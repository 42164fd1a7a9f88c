//! Disks: the partition tables, and what lies in the partitions.

use formats::{gpt as table, read_at::ReadAt};

use super::{boot, part::Part, scope::Scope};

/// The tables, and the partitions whose kind is known.
pub(super) fn gpt(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let contents = table::read(source, &table::Limits::default())?;
    part.text = contents.dump();
    for (number, entry) in &contents.partitions {
        let range = contents.range(entry);
        let name = format!("partition {number}, {}", entry.name());
        let len = range.end - range.start;
        scope.inside(part, &name, source, range.start, len)?;
        if entry.kind == table::BIOS_BOOT.to_disk() {
            boot::grub(part, &name, source, (range.start, len))?;
        }
    }
    Ok(())
}
