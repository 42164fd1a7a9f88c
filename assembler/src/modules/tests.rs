//! Releases made here, in every form that an initramfs may have.

use std::{collections::BTreeMap, fs::File, io::Write as _, sync::Arc};

use formats::{
    Layout, cpio,
    kmod::Module,
    squashfs::{self, Compressor, Directory, Node},
};

use super::{set::Parsed, *};
use crate::{blobs::Blob, store};

/// A root file system with these files of modules.
fn rootfs(files: &[(&str, &str)]) -> Vec<u8> {
    let mut root = Directory::new(0o755);
    for (path, content) in files {
        let file = Node::File(squashfs::File::inline(0o644, content.as_bytes().to_vec()));
        root.insert(path.as_bytes(), file).unwrap();
    }
    let layout = squashfs::layout(&root, Compressor::Zstd, 0).unwrap();
    layout.collect(|_| unreachable!("all contents are in hand"))
}

fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut file = Layout::new();
    file.bytes(content.to_vec());
    let archive = cpio::archive(&[
        cpio::Entry::file("init", 0, Layout::new()),
        cpio::Entry::file(name, 0, file),
    ]);
    archive
        .unwrap()
        .collect(|_| unreachable!("all contents are in hand"))
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let check = liblzma::stream::Check::Crc32;
    let stream = liblzma::stream::Stream::new_easy_encoder(0, check).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(initramfs: &[u8]) -> Result<Set, Error> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(initramfs).unwrap();
    let blob = Blob {
        file: Arc::new(file),
        len: initramfs.len() as u64,
    };
    let scratch: File = tempfile::tempfile().unwrap();
    read_base(&blob, scratch, "usr/lib/modules")
}

const FILES: [(&str, &str); 5] = [
    ("usr/lib/modules/6.1/kernel/a.ko", "no module, but listed"),
    ("usr/lib/modules/6.1/modules.order", "kernel/a.ko\n"),
    ("usr/lib/modules/6.1/modules.dep", "made anew"),
    ("usr/lib/modules/6.1/readme", "nobody's"),
    ("usr/bin/init", "something else"),
];

#[test]
fn modules_of_a_release_are_found_in_every_form_of_initramfs() {
    let plain = archive("rootfs.sqsh", &rootfs(&FILES));
    let early = archive("kernel/x86/microcode/AuthenticAMD.bin", b"microcode");
    let expected = read(&plain).unwrap();
    assert_eq!(expected.kernel, "6.1");
    assert_eq!(expected.modules.keys().collect::<Vec<_>>(), ["kernel/a.ko"]);
    assert_eq!(
        expected.lists,
        BTreeMap::from([("modules.order".to_owned(), b"kernel/a.ko\n".to_vec())])
    );
    for initramfs in [
        zst(&plain),
        xz(&plain),
        [early.clone(), zst(&plain)].concat(),
        [early.clone(), xz(&plain)].concat(),
        [early.clone(), plain.clone()].concat(),
    ] {
        assert_eq!(read(&initramfs).unwrap(), expected);
    }
    let fact = serde_json::to_vec(&expected).unwrap();
    assert_eq!(serde_json::from_slice::<Set>(&fact).unwrap(), expected);
}

#[test]
fn what_is_no_release_is_refused() {
    let rows = [
        (zst(&archive("other", b"")), "has no rootfs.sqsh"),
        (archive("other", b""), "has no rootfs.sqsh"),
        (b"".to_vec(), "has no rootfs.sqsh"),
        (b"\xfd7zXZ and nothing".to_vec(), "initramfs of the release"),
        (b"nothing at all".to_vec(), "initramfs of the release"),
        (
            archive("rootfs.sqsh", b"hsqs"),
            "rootfs.sqsh of the release",
        ),
        (
            archive("rootfs.sqsh", &rootfs(&FILES[4..])),
            "invalid kernel modules path: /usr/lib/modules",
        ),
        (
            archive(
                "rootfs.sqsh",
                &rootfs(&[FILES[0], ("usr/lib/modules/6.2/modules.order", "")]),
            ),
            "invalid kernel modules path: /usr/lib/modules",
        ),
        (
            archive("rootfs.sqsh", &rootfs(&[("usr/lib/modules/file", "")])),
            "invalid kernel modules path: /usr/lib/modules",
        ),
    ];
    for (initramfs, text) in rows {
        let error = read(&initramfs).unwrap_err();
        assert!(error.to_string().contains(text), "{error}, not {text}");
        assert_eq!(error.kind(), crate::error::Kind::Upstream, "{error}");
    }
}

fn set(modules: &[(&str, &[&str], &[&str])], lists: &[(&str, &str)]) -> Set {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let module = |exports: &[&str], needs: &[&str]| {
        Parsed(Module {
            exports: texts(exports),
            needs: texts(needs),
            ..Module::default()
        })
    };
    Set {
        kernel: "6.1".to_owned(),
        modules: modules
            .iter()
            .map(|(path, exports, needs)| ((*path).to_owned(), module(exports, needs)))
            .collect(),
        lists: lists
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect(),
        cost: 0,
    }
}

/// The text of a file of an index.
fn text(root: &Directory, path: &str) -> String {
    let (names, file) = path.rsplit_once('/').unwrap();
    let mut folder = root;
    for name in names.split('/') {
        let Node::Directory(inside) = &folder.entries[name.as_bytes()] else {
            panic!("{name} is no directory")
        };
        assert_eq!(inside.mode, 0o755);
        folder = inside;
    }
    let Node::File(file) = &folder.entries[file.as_bytes()] else {
        panic!("{file} is no file")
    };
    let squashfs::Content::Inline(bytes) = &file.content else {
        panic!("{path} is not in hand")
    };
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn later_extensions_are_laid_over_earlier_ones() {
    let base = set(
        &[
            ("kernel/a.ko", &["a"], &[]),
            ("kernel/b.ko", &["b"], &["a"]),
        ],
        &[
            ("modules.order", "kernel/b.ko\nkernel/a.ko\n"),
            ("modules.builtin", "kernel/in.ko\n"),
        ],
    );
    let first = set(
        &[
            ("kernel/a.ko", &["a"], &["c"]),
            ("extras/c.ko.xz", &["c"], &[]),
        ],
        &[("modules.order", "kernel/a.ko\n")],
    );
    let last = set(
        &[("extras/b.ko", &[], &["c"])],
        &[
            ("modules.order", "extras/b.ko\nkernel/a.ko\n"),
            ("modules.builtin.ranges", "0-1"),
        ],
    );
    let root = index(&[&base, &first, &last], "lib/modules").unwrap();
    assert_eq!(
        text(&root, "lib/modules/6.1/modules.dep"),
        "extras/b.ko: extras/c.ko.xz\nkernel/a.ko: extras/c.ko.xz\nextras/c.ko.xz:\n"
    );
    for (name, expected) in [
        ("modules.order", "extras/b.ko\nkernel/a.ko\n"),
        ("modules.builtin", "kernel/in.ko\n"),
        ("modules.builtin.ranges", "0-1"),
    ] {
        assert_eq!(text(&root, &format!("lib/modules/6.1/{name}")), expected);
    }
    let circle = set(&[("kernel/a.ko", &["a"], &["b"])], &[]);
    let error = index(&[&base, &circle], "lib/modules").unwrap_err();
    assert_eq!(
        error.to_string(),
        "error running depmod: modules need each other: kernel/a.ko, kernel/b.ko"
    );
}

#[test]
fn modules_of_another_kernel_are_refused_with_both_names() {
    let tree = |paths: &[&str]| store::Tree {
        entries: paths
            .iter()
            .map(|path| {
                let entry = store::Entry {
                    mode: 0o755,
                    node: store::Node::Directory,
                    xattrs: BTreeMap::new(),
                };
                ((*path).to_owned(), entry)
            })
            .collect(),
    };
    let check = |paths: &[&str]| check_kernel("siderolabs/x", "lib/modules", &tree(paths), "6.1");
    assert!(check(&["6.1", "6.1/a.ko"]).is_ok());
    assert!(check(&["6.1/a.ko", "6.2/a.ko"]).is_ok());
    for (paths, found) in [
        (&["6.10/a.ko", "6.10/b.ko", "6.2"][..], "kernel 6.10, 6.2"),
        (&[], "no kernel"),
    ] {
        assert_eq!(
            check(paths).unwrap_err().to_string(),
            format!(
                "copying kernel modules from /lib/modules failed: extension siderolabs/x has modules for {found}, the image's kernel is 6.1"
            )
        );
    }
}

#[test]
fn a_set_does_not_grow_beyond_its_limit() {
    let mut set = SetBuilder::new("x", "6.1");
    assert!(SetBuilder::wants("modules.order") && SetBuilder::wants("a/b.ko.zst"));
    assert!(!SetBuilder::wants("modules.dep.bin") && !SetBuilder::wants("a/modules.order"));
    set.add("a.ko", b"\x7fELF").unwrap();
    set.add("readme", b"not wanted").unwrap();
    let large = vec![b'\n'; MAX_COST];
    let error = set.add("modules.order", &large).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kernel modules of x: more than 67108864 bytes of what they say of themselves"
    );
}
