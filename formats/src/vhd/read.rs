//! The footer read back.

use zerocopy::FromBytes as _;

use super::{
    Error,
    raw::{COOKIE, FIXED, Footer, VERSION},
};
use crate::read_at::ReadAt;

/// The footer of the fixed image in `source`; the disk is what lies before it.
pub fn read<S: ReadAt + ?Sized>(source: &S) -> Result<Footer, Error> {
    let len = size_of::<Footer>() as u64;
    let disk = source
        .len()
        .checked_sub(len)
        .ok_or(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?;
    let mut bytes = [0; size_of::<Footer>()];
    source.read_at(disk, &mut bytes)?;
    let footer = Footer::read_from_bytes(&bytes).expect("as long as a footer");
    let fields = [
        (
            "cookie",
            u64::from_be_bytes(footer.cookie),
            u64::from_be_bytes(COOKIE),
        ),
        ("version", footer.version.get().into(), VERSION.into()),
        ("type", footer.disk_type.get().into(), FIXED.into()),
        ("size", footer.current_size.get(), disk),
        (
            "checksum",
            footer.checksum.get().into(),
            footer.sum().into(),
        ),
    ];
    match fields
        .into_iter()
        .find(|(_, found, expected)| found != expected)
    {
        Some((what, value, _)) => Err(Error::Invalid {
            what,
            offset: disk,
            value,
        }),
        None => Ok(footer),
    }
}

/// Body of the fuzz target `vhd`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    if let Ok(footer) = read(data) {
        assert!(!footer.dump().is_empty());
        assert_eq!(footer.current_size.get() + 512, data.len() as u64);
    }
}
