//! A footer as text.

use super::{Error, raw::TIME_BASE, read};
use crate::read_at::ReadAt;

/// The fields of the footer of the image in `source`.
pub fn dump<S: ReadAt + ?Sized>(source: &S) -> Result<String, Error> {
    let footer = read(source)?;
    let id = u128::from_be_bytes(footer.unique_id);
    Ok(format!(
        "fixed VHD: disk {} (was {}), features {:#x}, created {}, by {} {:#x} on {}\n\
         geometry {}/{}/{}, checksum {:#010x}, id {id:032x}, saved state {}\n",
        footer.current_size,
        footer.original_size,
        footer.features,
        u64::from(footer.timestamp.get()) + u64::from(TIME_BASE),
        footer.creator.escape_ascii(),
        footer.creator_version,
        footer.creator_system.escape_ascii(),
        footer.cylinders,
        footer.heads,
        footer.sectors,
        footer.checksum,
        footer.saved_state,
    ))
}
