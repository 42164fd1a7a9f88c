//! VMDK images and the archives around them.

use std::io::{Read as _, Write as _};

use flate2::{Compression, write::DeflateEncoder};
use formats::{
    Digest, Extent, Layout,
    deflate::{NO_PIECES, Pieces},
    ova, tar, vmdk,
};

use crate::{
    MIB, TIME, VMDK, blobs, disk, hex,
    images::{Blobs, verdict},
    judged,
    judges::judge,
    noise,
};

pub(crate) const OVA: ova::Options = ova::Options {
    modified: TIME,
    content_id: VMDK.content_id,
};

/// The disk in a VMDK.
pub(crate) fn grains(bytes: &[u8], image: &vmdk::Image) -> Vec<u8> {
    let mut disk = vec![0; usize::try_from(image.disk_len()).unwrap()];
    for grain in image.each_grain(bytes) {
        let grain = grain.unwrap();
        let place = |at| usize::try_from(at).unwrap();
        let stream = &bytes[place(grain.stream.start)..place(grain.stream.end)];
        let mut content = Vec::new();
        let mut decoder = flate2::read::ZlibDecoder::new(stream);
        decoder.read_to_end(&mut content).unwrap();
        disk[place(grain.at)..][..content.len()].copy_from_slice(&content);
    }
    disk
}

/// A blob that compresses, and its pieces.
fn text(blobs: &mut Blobs, unit: usize) -> (Layout, Pieces) {
    let line = |number: u32| {
        format!(
            "{number} bottles of beer on the wall, of {:x}\n",
            number * 7
        )
    };
    let text: Vec<u8> = (0..10_000)
        .flat_map(|number| line(number).into_bytes())
        .collect();
    let mut made = Vec::new();
    let mut lens = Vec::new();
    for piece in text.chunks(unit) {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        let piece = encoder.get_ref();
        lens.push(u32::try_from(piece.len()).unwrap());
        made.extend_from_slice(piece);
    }
    let len = text.len() as u64;
    blobs.add_bytes(made.clone());
    let pieces = Pieces::new(Digest::of(&made), unit as u64, len, lens).unwrap();
    (blobs.add_bytes(text), pieces)
}

/// The blob begins in the middle of a grain and of a sector, at the start of one, and inside itself; in between lie other things.
#[test]
fn grains_hold_what_was_compressed_beforehand() {
    let mut blobs = blobs();
    let file = blobs.add(1, 300_000);
    let (text, pieces) = text(&mut blobs, 4096);
    let [(digest, ..)] = text.blobs()[..] else {
        panic!("one blob");
    };
    let mut disk = Layout::new();
    disk.bytes(noise(70_700));
    disk.append(&text);
    disk.pad_to(MIB);
    disk.append(&text);
    disk.append(&file);
    disk.pad_to(3 * MIB);
    disk.blob(digest, 5000, 300_000);
    disk.pad_to(9 * MIB);
    disk.append(&file);
    disk.align(MIB);
    let known = |name: &Digest| (*name == digest).then(|| pieces.clone());
    let image = vmdk::image(&disk, VMDK, &known);
    let stored = vmdk::image(&disk, VMDK, NO_PIECES);
    assert!(
        image.len() + 600_000 < stored.len(),
        "{} {}",
        image.len(),
        stored.len()
    );

    let bytes = blobs.collect(&image);
    let read = vmdk::read(bytes.as_slice(), vmdk::Limits::default()).unwrap();
    assert!(grains(&bytes, &read) == blobs.collect(&disk));
    judged(&blobs, &disk, &image, "vmdk");
}

#[test]
fn qemu_img_finds_the_disk_in_a_vmdk() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let image = vmdk::image(&disk, VMDK, NO_PIECES);
    assert_eq!(image.len() % 512, 0);
    judged(&blobs, &disk, &image, "vmdk");
}

/// Header and descriptor of the reference's VMDK of 11193 MiB, but for names of content.
#[test]
fn a_vmdk_header_is_that_of_open_vmdk() {
    let mut disk = Layout::new();
    disk.zeros(11_193 * MIB);
    let blobs = blobs();
    let bytes = blobs.collect(&vmdk::image(&disk, VMDK, NO_PIECES));
    let header = hex(&bytes[..79]);
    assert_eq!(
        header,
        "4b444d56030000000100030000c85d0100000000800000000000000001000000000000001400000000000000\
         0002000000000000000000001500000000000000\
         9005000000000000000a200d0a0100"
    );
    let descriptor = String::from_utf8_lossy(&bytes[512..1200]);
    for line in [
        "RW 22923264 SPARSE \"disk\"\n",
        "ddb.geometry.cylinders = \"1427\"\n",
        "CID=63646566\n",
    ] {
        assert!(descriptor.contains(line), "{descriptor}");
    }
}

#[test]
fn an_archive_holds_description_disk_and_a_manifest_that_is_true() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let bytes = blobs.collect(&ova::archive(&disk, OVA, NO_PIECES));
    assert_eq!(bytes.len() % 10_240, 0);
    let members = tar::read_archive(bytes.as_slice(), tar::Limits::default()).unwrap();
    let content = |index: usize| {
        let from = usize::try_from(members[index].offset).unwrap();
        &bytes[from..from + usize::try_from(members[index].len).unwrap()]
    };
    let names: Vec<_> = members.iter().map(|member| &*member.name).collect();
    assert_eq!(names, [&b"disk.ovf"[..], b"disk.vmdk", b"disk.mf"]);
    let (ovf, vmdk) = (content(0), content(1));
    assert_eq!(
        std::str::from_utf8(content(2)).unwrap(),
        format!(
            "SHA256(disk.vmdk)= {}\nSHA256(disk.ovf)= {}\n",
            Digest::of(vmdk).hex(),
            Digest::of(ovf).hex()
        )
    );
    let ovf = std::str::from_utf8(ovf).unwrap();
    assert!(
        ovf.contains(&format!("ovf:size=\"{}\"", vmdk.len())),
        "{ovf}"
    );
    assert!(ovf.contains("ovf:capacity=\"80\""), "{ovf}");
}

#[test]
fn no_format_reads_a_blob_to_be_laid_out_but_for_digests() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let archive = ova::archive(&disk, OVA, NO_PIECES);
    let deferred = archive
        .extents()
        .filter(|(_, extent)| matches!(extent, Extent::Deferred(_)));
    assert_eq!(deferred.count(), 1);
}

/// `image` as VMware's own tools write it: sector 0 leaves it to a footer to say where the tables are.
fn with_footer(mut image: Vec<u8>) -> Vec<u8> {
    const FOOTER_MARKER: u32 = 3;
    image.truncate(image.len() - 512);
    let header = image[..512].to_vec();
    image[56..64].fill(0xff);
    let mut marker = [0; 512];
    marker[..8].copy_from_slice(&1_u64.to_le_bytes());
    marker[12..16].copy_from_slice(&FOOTER_MARKER.to_le_bytes());
    [image, marker.to_vec(), header, vec![0; 512]].concat()
}

#[test]
fn a_footer_says_where_the_tables_are() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let content = blobs.collect(&disk);
    let bytes = with_footer(blobs.collect(&vmdk::image(&disk, VMDK, NO_PIECES)));
    let image = vmdk::read(bytes.as_slice(), vmdk::Limits::default()).unwrap();
    assert!(grains(&bytes, &image)[..content.len()] == content);
    let mut cut = bytes.clone();
    cut.truncate(bytes.len() - 512);
    let error = vmdk::read(cut.as_slice(), vmdk::Limits::default()).unwrap_err();
    let place = bytes.len() - 1536;
    assert_eq!(
        error.to_string(),
        format!("invalid VMDK magic at offset {place:#x}: 0x1")
    );

    let folder = tempfile::tempdir().unwrap();
    let (raw, image) = (blobs.write(&disk), folder.path().join("image"));
    std::fs::write(&image, bytes).unwrap();
    let Some(mut compare) = judge("qemu-img") else {
        return;
    };
    compare.args(["compare", "-f", "raw", "-F", "vmdk"]);
    let same = verdict(compare.arg(&raw).arg(&image));
    assert!(same.contains("Images are identical"), "{same}");
}
