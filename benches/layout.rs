//! Planning: the work between knowing what an artifact is made of and knowing every byte's place. No blob is read.
#![expect(clippy::unwrap_used, reason = "a step that fails ends the bench")]

use std::hint::black_box;

use assembler::{
    extension::{Metadata, Microcode},
    plan::{self, Extension, Initramfs, Inputs, Iso, IsoBoot, SdBoot, Squashfs, Uki},
    store::{Content, Store},
};
use criterion::{Criterion, criterion_group, criterion_main};
use formats::{Layout, extent::Segment, pe};

const STUB: &[u8] = include_bytes!("../testdata/linuxx64.efi.stub");

/// An ISO as large as Talos', with `extensions` extensions of 10 MB.
fn inputs(store: &Store, extensions: usize) -> Inputs {
    // Only names and lengths are looked at, so the blobs need not be that long.
    let blob = |name: &str, len: u64| Content {
        len,
        ..store.put(name.as_bytes()).unwrap()
    };
    let extension = |number: usize| {
        let name = format!("extension-{number}");
        Extension {
            squashfs: Squashfs::Blob(blob(&name, 10 << 20)),
            metadata: Metadata {
                name,
                version: "1.0.0".to_owned(),
                author: "bench".to_owned(),
                description: "something".to_owned(),
                talos: String::new(),
                extra_info: String::new(),
            },
            firmware: None,
            microcode: Microcode::default(),
        }
    };
    let uki = Uki {
        tag: "v1.14.0".to_owned(),
        stub: store.put(STUB).unwrap(),
        stub_head: STUB[..pe::HEAD_LEN.min(STUB.len())].into(),
        kernel: blob("kernel", 14_149_568),
        kernel_release: Some("6.18.0-talos".into()),
        initramfs: Initramfs {
            base: blob("initramfs", 79_872_000),
            extensions: (0..extensions).map(extension).collect(),
            modules_dep: None,
            zstd: true,
        },
        splash: store.put(&formats::splash::bmp()).unwrap(),
        cmdline: "talos.platform=metal console=tty0".into(),
        profiles: Vec::new(),
    };
    Inputs::Iso(Box::new(Iso {
        tag: uki.tag.clone(),
        labelled: true,
        boot: IsoBoot::SdBoot(Box::new(SdBoot {
            uki,
            boot_loader: blob("systemd-boot", 126_976),
            boot_loader_name: "BOOTX64.EFI",
        })),
    }))
}

/// The piece at an offset: what a range request begins with.
fn seek(layout: &Layout, offset: u64) -> Segment {
    layout.segment_at(offset, 64 << 10)
}

fn layouts(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    for extensions in [0, 3, 50] {
        let inputs = inputs(&store, extensions);
        criterion.bench_function(
            &format!("plan an ISO with {extensions} extensions"),
            |bench| {
                bench.iter(|| plan::layout(black_box(&inputs)).unwrap());
            },
        );
        let layout = plan::layout(&inputs).unwrap();
        criterion.bench_function(
            &format!("entity tag with {extensions} extensions"),
            |bench| {
                bench.iter(|| black_box(&layout).fingerprint(plan::FORMAT_EPOCH));
            },
        );
        let mut offset = 0;
        criterion.bench_function(&format!("seek with {extensions} extensions"), |bench| {
            bench.iter(|| {
                // A large prime, to visit the whole in no order.
                offset = (offset + 99_999_989) % layout.len();
                seek(black_box(&layout), offset)
            });
        });
    }
}

criterion_group!(benches, layouts);
criterion_main!(benches);
