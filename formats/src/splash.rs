//! The picture that a UKI shows while booting: our own, 400×400 pixels of 32 bits with alpha, bottom row first.
//!
//! `hack/splash` draws it. It lies here as .xz (3 KB of source instead of 640) and is unpacked once, when first asked for; a
//! test holds it against the script, so neither can change alone. systemd-stub shows what has `BM`, its true length, a header
//! of at least 40 bytes, 32 bits and compression 0 or 3 (`src/boot/splash.c`).

use std::{io::Read as _, sync::LazyLock};

use bytes::Bytes;

use crate::Digest;

/// Length of the BMP in bytes: headers of 14 and 124 bytes, then the pixels.
pub const LEN: usize = 14 + 124 + 400 * 400 * 4;

static PACKED: &[u8] = include_bytes!("splash.bmp.xz");

static SPLASH: LazyLock<(Bytes, Digest)> = LazyLock::new(|| {
    let mut picture = Vec::with_capacity(LEN);
    liblzma::read::XzDecoder::new(PACKED)
        .read_to_end(&mut picture)
        .expect("the picture was packed by xz");
    assert_eq!(
        picture.len(),
        LEN,
        "the picture is as long as its format says"
    );
    let digest = Digest::of(&picture);
    (picture.into(), digest)
});

/// The BMP, shared: a blob that the program holds itself.
pub fn bmp() -> Bytes {
    SPLASH.0.clone()
}

/// The name of [`bmp`] as a blob.
pub fn digest() -> Digest {
    SPLASH.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(offset: usize) -> u32 {
        let bytes = bmp().slice(offset..offset + 4);
        u32::from_le_bytes(bytes.as_ref().try_into().unwrap())
    }

    #[test]
    fn systemd_stub_can_show_it() {
        assert_eq!(bmp().len(), 640_138);
        assert_eq!(bmp()[..2], *b"BM");
        assert_eq!(word(2), 640_138, "length of the file");
        assert_eq!(
            word(10),
            138,
            "offset of the pixels, no colour table before them"
        );
        assert_eq!(word(14), 124, "BITMAPV5HEADER");
        assert_eq!((word(18), word(22)), (400, 400));
        assert_eq!(word(26), 32 << 16 | 1, "planes, bits");
        assert_eq!(word(30), 3, "bit fields");
        let masks = [54, 58, 62, 66].map(word);
        assert_eq!(masks, [0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0xff00_0000]);
    }

    #[test]
    fn it_is_pinned() {
        let pinned = "sha256:648f4263584631f013f47373246e2957df15f4200ca3035f6a3b36096c62f315";
        assert_eq!(digest().to_string(), pinned);
        assert_eq!(digest(), Digest::of(bmp()));
    }
}
