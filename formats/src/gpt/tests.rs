use super::*;
use crate::{Digest, Layout};

const MIB: u64 = 1 << 20;
const BLOB: &[u8] = b"what a partition holds";

fn disk(sector_len: u64, skip: u64) -> Disk {
    let geometry = Geometry::new(16 * MIB, sector_len, skip).unwrap();
    let sizes = [Size::Bytes(4 * MIB), Size::Bytes(MIB), Size::Rest];
    let names = [
        ("EFI", EFI_SYSTEM, 0),
        ("BIOS", BIOS_BOOT, LEGACY_BIOS_BOOTABLE),
        ("BOOT", LINUX_FILE_SYSTEM, 0),
    ];
    let runs = geometry.place(&sizes).unwrap();
    let partitions = names
        .into_iter()
        .zip(runs)
        .map(|((name, kind, attributes), run)| {
            let mut content = Layout::new();
            if name == "BOOT" {
                content.blob(Digest::of(BLOB), 0, BLOB.len() as u64);
            }
            Partition {
                kind,
                guid: Guid::of_label(name),
                attributes,
                name: name.to_owned(),
                run,
                content,
            }
        });
    Disk {
        geometry,
        guid: Guid::of_label("talos-image-disk"),
        boot_code: [0; BOOT_CODE_LEN],
        partitions: partitions.collect(),
    }
}

fn bytes(disk: &Disk) -> Vec<u8> {
    disk.layout().unwrap().collect(|_| BLOB.into())
}

#[test]
fn a_disk_is_tables_around_contents() {
    insta::assert_snapshot!(disk(512, 0).layout().unwrap().dump());
}

#[test]
fn disks_read_back_as_written() {
    for (sector_len, skip, name) in [(512, 0, "512"), (4096, 0, "4096"), (512, 2048, "skip")] {
        let contents = read(
            bytes(&disk(sector_len, skip)).as_slice(),
            &Limits::default(),
        )
        .unwrap();
        insta::assert_snapshot!(format!("disk_{name}"), contents.dump());
    }
}

#[test]
fn partitions_must_be_in_order_and_hold_their_contents() {
    let mut longer = disk(512, 0);
    longer.partitions[1].content.zeros(MIB + 1);
    assert_eq!(
        longer.layout().unwrap_err().to_string(),
        "partition BIOS: contents of 1048577 bytes do not fit into 1048576"
    );
    let mut swapped = disk(512, 0);
    swapped.partitions.swap(0, 1);
    assert!(matches!(
        swapped.layout(),
        Err(Error::Misplaced { name, .. }) if name == "EFI"
    ));
    let mut outside = disk(512, 0);
    outside.partitions[2].run.last = outside.geometry.last;
    assert!(matches!(outside.layout(), Err(Error::Misplaced { .. })));
    let mut named = disk(512, 0);
    named.partitions[0].name = "é".repeat(36);
    named.layout().unwrap();
    named.partitions[0].name.push('!');
    assert!(matches!(named.layout(), Err(Error::Name(_))));
    let mut many = disk(512, 0);
    many.partitions = vec![many.partitions[0].clone(); 129];
    assert_eq!(many.layout().unwrap_err(), Error::TooManyPartitions(129));
}

#[test]
fn damage_is_found_and_named() {
    let whole = bytes(&disk(512, 0));
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        read(bytes.as_slice(), &Limits::default())
    };
    assert!(matches!(damaged(512), Err(ReadError::NoHeader)));
    for at in [512 + 60, 512 + 16] {
        let error = damaged(at).unwrap_err();
        assert!(matches!(error, ReadError::Checksum { what: "header", .. }));
    }
    let error = damaged(1024 + 40).unwrap_err();
    assert!(matches!(
        error,
        ReadError::Checksum {
            what: "entries",
            ..
        }
    ));
    let contents = damaged(whole.len() - 512 + 60).unwrap();
    assert!(contents.backup.is_err());
    let contents = damaged(whole.len() - 33 * 512).unwrap();
    assert!(contents.backup.is_err());
    // A disk that was cut still has partitions, but only those that lie on it.
    let cut = &whole[..whole.len() - 4096];
    assert!(read(cut, &Limits::default()).unwrap().backup.is_err());
    let cut = &whole[..8 << 20];
    let error = read(cut, &Limits::default()).unwrap_err();
    assert!(matches!(error, ReadError::Range { number: 3, .. }));
}
