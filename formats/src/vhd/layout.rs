//! An image laid out.

use zerocopy::IntoBytes as _;

use super::raw::{
    COOKIE, CREATOR, CREATOR_SYSTEM, CREATOR_VERSION, FEATURES, FIXED, Footer, GEOMETRY, NO_OFFSET,
    TIME_BASE, VERSION,
};
use crate::Layout;

/// What a footer says that does not follow from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When the image was made, seconds since 1970; the format's time begins in 2000.
    pub created: u32,
    /// Name of the disk.
    pub unique_id: [u8; 16],
}

/// `disk` and its footer.
pub fn image(disk: &Layout, options: Options) -> Layout {
    let (cylinders, heads, sectors) = GEOMETRY;
    let mut footer = Footer {
        cookie: COOKIE,
        features: FEATURES.into(),
        version: VERSION.into(),
        data_offset: NO_OFFSET.into(),
        timestamp: options.created.saturating_sub(TIME_BASE).into(),
        creator: CREATOR,
        creator_version: CREATOR_VERSION.into(),
        creator_system: CREATOR_SYSTEM,
        original_size: disk.len().into(),
        current_size: disk.len().into(),
        cylinders: cylinders.into(),
        heads,
        sectors,
        disk_type: FIXED.into(),
        checksum: 0.into(),
        unique_id: options.unique_id,
        saved_state: 0,
        reserved: [0; 427],
    };
    footer.checksum = footer.sum().into();
    let mut layout = disk.clone();
    layout.section("VHD footer");
    layout.bytes(footer.as_bytes().to_vec());
    layout
}
