//! Partition tables before the judges: sgdisk, sfdisk and the crate `gpt`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod images;
pub mod judges;

use formats::{
    Layout,
    gpt::{self, Disk, Geometry, Guid, Partition, Size},
    read_at::ReadAt as _,
};
use images::{Blobs, verdict};
use judges::judge;

const MIB: u64 = 1 << 20;

/// Partitions of a disk that boots by BIOS and by UEFI.
const TABLE: [(&str, Guid, u64, u64); 4] = [
    ("EFI", gpt::EFI_SYSTEM, 2101, 0),
    ("BIOS", gpt::BIOS_BOOT, 1, gpt::LEGACY_BIOS_BOOTABLE),
    ("BOOT", gpt::LINUX_FILE_SYSTEM, 2000, 0),
    ("META", gpt::LINUX_FILE_SYSTEM, 1, 0),
];

fn layout(sector_len: u64, skip: u64) -> Layout {
    with(sector_len, skip, |_| Layout::new())
}

/// The disk with these contents of partitions.
fn with(sector_len: u64, skip: u64, mut content: impl FnMut(&str) -> Layout) -> Layout {
    let geometry = Geometry::new(4300 * MIB, sector_len, skip).unwrap();
    let runs = geometry
        .place(&TABLE.map(|(_, _, mib, _)| Size::Bytes(mib * MIB)))
        .unwrap();
    let partitions = TABLE.into_iter().zip(runs);
    let partitions = partitions.map(|((name, kind, _, attributes), run)| Partition {
        kind,
        guid: Guid::of_label(name),
        attributes,
        name: name.to_owned(),
        run,
        content: content(name),
    });
    let disk = Disk {
        geometry,
        guid: Guid::of_label("talos-image-disk"),
        boot_code: [0; gpt::BOOT_CODE_LEN],
        partitions: partitions.collect(),
    };
    disk.layout().unwrap()
}

#[test]
fn sgdisk_finds_no_problems_and_our_names() {
    for skip in [0, 2048, 20_480] {
        let (Some(mut verify), Some(mut info)) = (judge("sgdisk"), judge("sgdisk")) else {
            return;
        };
        let path = Blobs::default().write(&layout(512, skip));
        let text = verdict(verify.arg("-v").arg(&path));
        assert!(text.contains("No problems found."), "{text}");
        let text = verdict(info.args(["-i", "2"]).arg(&path));
        for line in [
            "Partition GUID code: 21686148-6449-6E6F-744E-656564454649 (BIOS boot partition)",
            "Partition unique GUID: A2A02FF5-D88D-8E6E-9C95-26B9B6C80BC3",
            "Attribute flags: 0000000000000004",
            "Partition name: 'BIOS'",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}

#[test]
fn contents_lie_where_the_table_says() {
    let mut blobs = Blobs::default();
    let (core, meta) = (blobs.add(1, 100_000), blobs.add_bytes(b"ZK<-".as_slice()));
    for sector_len in [512, 4096] {
        let layout = with(sector_len, 0, |name| match name {
            "BIOS" => core.clone(),
            "META" => meta.clone(),
            _ => Layout::new(),
        });
        let source = blobs.source(&layout);
        let contents = gpt::read(&source, &gpt::Limits::default()).unwrap();
        for (index, content) in [(1, &core), (3, &meta)] {
            let range = contents.range(&contents.partitions[index].1);
            let mut found = vec![0; usize::try_from(content.len()).unwrap()];
            source.read_at(range.start, &mut found).unwrap();
            assert_eq!(found, blobs.collect(content));
        }
    }
}

#[test]
fn sfdisk_verifies_the_table() {
    let (Some(mut verify), Some(mut dump)) = (judge("sfdisk"), judge("sfdisk")) else {
        return;
    };
    let path = Blobs::default().write(&layout(512, 0));
    let text = verdict(verify.arg("-V").arg(&path));
    assert!(text.contains("No errors detected."), "{text}");
    let text = verdict(dump.arg("-J").arg(&path));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let table = &json["partitiontable"];
    assert_eq!(table["id"], "D92D45B3-CDE9-8760-BE9F-A2A71FAC8D11");
    assert_eq!(
        (&table["firstlba"], &table["lastlba"]),
        (&2048.into(), &(4300 * 2048 - 34).into())
    );
    assert_eq!(table["partitions"][3]["start"], 8_402_944);
    assert_eq!(table["partitions"][3]["name"], "META");
}

#[test]
fn the_gpt_crate_reads_both_sector_sizes() {
    for (sector_len, theirs) in [
        (512, gpt_crate::disk::LogicalBlockSize::Lb512),
        (4096, gpt_crate::disk::LogicalBlockSize::Lb4096),
    ] {
        let path = Blobs::default().write(&layout(sector_len, 0));
        let disk = gpt_crate::GptConfig::new()
            .writable(false)
            .logical_block_size(theirs)
            .open(&path)
            .unwrap();
        assert_eq!(
            disk.guid().to_string(),
            Guid::of_label("talos-image-disk").to_string()
        );
        assert!(disk.primary_header().is_ok() && disk.backup_header().is_ok());
        let mut first = MIB / sector_len;
        for ((name, kind, mib, attributes), (number, partition)) in
            TABLE.into_iter().zip(disk.partitions())
        {
            assert_eq!(partition.name, name, "{number}");
            assert_eq!(partition.part_type_guid.guid.to_string(), kind.to_string());
            assert_eq!(
                partition.part_guid.to_string(),
                Guid::of_label(name).to_string()
            );
            assert_eq!(partition.flags, attributes);
            assert_eq!(partition.first_lba, first);
            first += mib * MIB / sector_len;
            assert_eq!(partition.last_lba, first - 1);
        }
        assert_eq!(disk.partitions().len(), TABLE.len());
    }
}
