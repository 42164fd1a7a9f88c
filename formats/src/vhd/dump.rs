//! A footer as text.

use super::{Footer, raw::TIME_BASE};

impl Footer {
    /// The fields.
    pub fn dump(&self) -> String {
        let id = u128::from_be_bytes(self.unique_id);
        format!(
            "fixed VHD: disk {} (was {}), features {:#x}, created {}, by {} {:#x} on {}\n\
             geometry {}/{}/{}, checksum {:#010x}, id {id:032x}, saved state {}\n",
            self.current_size,
            self.original_size,
            self.features,
            u64::from(self.timestamp.get()) + u64::from(TIME_BASE),
            self.creator.escape_ascii(),
            self.creator_version,
            self.creator_system.escape_ascii(),
            self.cylinders,
            self.heads,
            self.sectors,
            self.checksum,
            self.saved_state,
        )
    }
}
