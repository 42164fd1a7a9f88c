//! What the start of a kernel tells about it (Linux x86 boot protocol, <https://docs.kernel.org/arch/x86/boot.html>).

use bytes::Bytes;

/// As much of the start of a kernel as [`kernel_release`] looks at.
pub const KERNEL_HEAD_LEN: usize = SECTOR + u16::MAX as usize + VERSION_LEN;

const SECTOR: usize = 0x200;
const SETUP_SECTS: usize = 0x1f1;
const MAGIC: std::ops::Range<usize> = 0x202..0x206;
const KERNEL_VERSION: usize = 0x20e;
/// The probe reads the setup header as a whole.
const SETUP_HEADER_LEN: usize = 1024;
/// The text ends within this many bytes.
const VERSION_LEN: usize = 256;

/// The release (`6.18.45-talos`) that the setup header of a bzImage names; `head` is its first [`KERNEL_HEAD_LEN`] bytes.
///
/// `None` for every other kernel: those of arm64 have no such header.
pub fn kernel_release(head: &[u8]) -> Option<Bytes> {
    let header = head.get(..SETUP_HEADER_LEN)?;
    if &header[MAGIC] != b"HdrS" {
        return None;
    }
    let setup_len = usize::from(header[SETUP_SECTS]) * SECTOR;
    let pointer = usize::from(u16::from_le_bytes([
        header[KERNEL_VERSION],
        header[KERNEL_VERSION + 1],
    ]));
    if pointer == 0 || pointer > setup_len {
        return None;
    }
    let text = head.get(pointer + SECTOR..)?.get(..VERSION_LEN)?;
    let (text, _) = text.split_at(text.iter().position(|byte| *byte == 0)?);
    let release = text.split(|byte| *byte == b' ').next()?;
    (!release.is_empty()).then(|| Bytes::copy_from_slice(release))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(version: &[u8]) -> Vec<u8> {
        let mut kernel = vec![0; 4096];
        kernel[SETUP_SECTS] = 4;
        kernel[MAGIC].copy_from_slice(b"HdrS");
        kernel[KERNEL_VERSION..][..2].copy_from_slice(&0x300_u16.to_le_bytes());
        kernel[0x500..][..version.len()].copy_from_slice(version);
        kernel
    }

    #[test]
    fn the_release_ends_at_the_first_space() {
        let release = kernel_release(&kernel(b"6.18.45-talos (builder@host) #1 SMP\0"));
        assert_eq!(release.unwrap(), "6.18.45-talos");
        assert_eq!(kernel_release(&kernel(b"6.1.0\0")).unwrap(), "6.1.0");
    }

    #[test]
    fn kernels_without_a_setup_header_have_no_release() {
        let good = kernel(b"6.1.0\0");
        assert_eq!(kernel_release(&good[..1023]), None, "short");
        assert_eq!(kernel_release(b"MZ\0\0zimg"), None, "arm64");
        assert_eq!(kernel_release(&kernel(&[b'x'; 256])), None, "no NUL");
        assert_eq!(kernel_release(&kernel(b"\0")), None, "empty");
        let mut pointer = good.clone();
        pointer[KERNEL_VERSION..][..2].copy_from_slice(&0x801_u16.to_le_bytes());
        assert_eq!(kernel_release(&pointer), None, "beyond the setup");
        pointer[KERNEL_VERSION..][..2].copy_from_slice(&[0, 0]);
        assert_eq!(kernel_release(&pointer), None, "no version");
        let mut magic = good;
        magic[0x202] = 0;
        assert_eq!(kernel_release(&magic), None, "no HdrS");
    }
}
