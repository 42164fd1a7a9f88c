use std::collections::BTreeMap;

use formats::Digest;

use super::*;
use crate::store::Sums;

fn content(text: &str) -> Content {
    Content {
        digest: Digest::of(text),
        len: text.len() as u64,
        sums: Sums::default(),
    }
}

fn entry(mode: u32, node: Node) -> Entry {
    Entry {
        mode,
        node,
        xattrs: BTreeMap::new(),
    }
}

fn file(text: &str) -> Entry {
    entry(0o644, Node::File(content(text)))
}

fn link(target: &str) -> Entry {
    entry(0o777, Node::Symlink(target.to_owned()))
}

fn tree<'p>(entries: impl IntoIterator<Item = (&'p str, Entry)>) -> Tree {
    Tree {
        entries: entries
            .into_iter()
            .map(|(path, entry)| (path.to_owned(), entry))
            .collect(),
    }
}

fn split(rootfs: &Tree, version: &str) -> Result<Parts, Error> {
    Parts::of("x", rootfs.clone(), &Quirks::of_text(version))
}

/// `path` for directories with their mode, `path=text` for files.
fn show(tree: &Tree, texts: &[&str]) -> Vec<String> {
    let entries = tree.entries.iter().map(|(path, entry)| match &entry.node {
        Node::File(found) => {
            let text = texts.iter().find(|text| content(text) == *found);
            format!("{path}={} {:o}", text.unwrap_or(&"?"), entry.mode)
        }
        _ => format!("{path} {:o}", entry.mode),
    });
    entries.collect()
}

#[test]
fn firmware_and_microcode_leave_what_is_mounted_and_their_parents_stay() {
    let rootfs = tree([
        ("usr/bin/tool", file("tool")),
        ("usr/lib/firmware", entry(0o2750, Node::Directory)),
        (
            "usr/lib/firmware/a.bin",
            entry(0o4755, Node::File(content("a"))),
        ),
        (
            "usr/lib/firmware/amd-ucode/microcode_amd.bin",
            file("amd 1"),
        ),
        (
            "usr/lib/firmware/amd-ucode/microcode_amd_fam17h.bin",
            file("amd 2"),
        ),
        (
            "usr/lib/firmware/amd-ucode/microcode_amd.bin.asc",
            file("signature"),
        ),
        ("usr/lib/firmware/intel-ucode/06-03-02", file("intel 2")),
        ("usr/lib/firmware/intel-ucode/06-03-01", file("intel 1")),
        ("usr/lib/modules/6.18.0/kernel/x.ko", file("module")),
    ]);
    let parts = split(&rootfs, "1.14.0").unwrap();
    assert_eq!(
        parts.microcode,
        Microcode {
            intel: vec![content("intel 1"), content("intel 2")],
            amd: vec![content("amd 1"), content("amd 2")],
        }
    );
    assert_eq!(
        show(&parts.firmware.unwrap(), &["a", "signature"]),
        [
            "usr 755",
            "usr/lib 755",
            "usr/lib/firmware 750",
            "usr/lib/firmware/a.bin=a 755",
            "usr/lib/firmware/amd-ucode 755",
            "usr/lib/firmware/amd-ucode/microcode_amd.bin.asc=signature 644",
            "usr/lib/firmware/intel-ucode 755",
        ]
    );
    assert_eq!(
        show(&parts.mounted, &["tool", "module"]),
        [
            "usr/bin/tool=tool 644",
            "usr/lib 755",
            "usr/lib/modules/6.18.0/kernel/x.ko=module 644",
        ]
    );
    assert_eq!(
        show(&parts.modules.unwrap(), &["module"]),
        ["6.18.0/kernel/x.ko=module 644"]
    );

    // Before 1.10 all of that is an extension like any other.
    let parts = split(&rootfs, "1.9.5").unwrap();
    assert_eq!(
        (parts.firmware, parts.modules, &parts.mounted),
        (None, None, &rootfs)
    );
    assert!(parts.microcode.is_empty());
}

#[test]
fn links_among_firmware_become_what_they_lead_to() {
    let rootfs = tree([
        ("lib/firmware/abs", link("/lib/firmware/z/b.bin")),
        ("lib/firmware/dir", link("z")),
        ("lib/firmware/early.bin", link("z/later.bin")),
        ("lib/firmware/out", link("../../opt/blob")),
        ("lib/firmware/z/b.bin", file("b")),
        ("lib/firmware/z/later.bin", link("../over/../z/./b.bin")),
        ("lib/firmware/over", entry(0o755, Node::Directory)),
        ("opt/blob", link("../../../../opt/real")),
        ("opt/real", file("real")),
    ]);
    let parts = split(&rootfs, "1.9.5").unwrap();
    assert_eq!(
        show(&parts.firmware.unwrap(), &["b", "real"]),
        [
            "lib 755",
            "lib/firmware 755",
            "lib/firmware/abs=b 644",
            "lib/firmware/dir 755",
            "lib/firmware/dir/b.bin=b 644",
            "lib/firmware/dir/later.bin=b 644",
            "lib/firmware/early.bin=b 644",
            "lib/firmware/out=real 644",
            "lib/firmware/over 755",
            "lib/firmware/z 755",
            "lib/firmware/z/b.bin=b 644",
            "lib/firmware/z/later.bin=b 644",
        ]
    );
}

#[test]
fn links_that_lead_nowhere_or_in_circles_are_refused() {
    let rows = [
        (vec![("a", link("b"))], "no such file or directory"),
        (vec![("a", link("b/../c")), ("c", file(""))], "no such file"),
        (vec![("a", link("b/x")), ("b", file(""))], "not a directory"),
        (vec![("a", link("a"))], "too many links"),
        (vec![("a", link("b")), ("b", link("a"))], "too many links"),
        (vec![("d/up", link(".."))], "a directory that it is in"),
        (
            vec![("a/x", link("../b")), ("b/y", link("../a"))],
            "a directory that it is in",
        ),
    ];
    for (entries, why) in rows {
        let below = entries
            .into_iter()
            .map(|(path, entry)| (format!("lib/firmware/{path}"), entry));
        let rootfs = Tree {
            entries: below.collect(),
        };
        let error = split(&rootfs, "1.9.5").unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(
            error.starts_with("error moving firmware of extension \"x\": \"lib/firmware/"),
            "{error}"
        );
    }
}

#[test]
fn links_that_multiply_stop_at_a_limit() {
    // 2^24 files through 24 directories with two links each.
    let mut entries = BTreeMap::new();
    for level in 0..24 {
        for name in ["l", "r"] {
            entries.insert(
                format!("lib/firmware/{level:02}/{name}"),
                link(&format!("../{:02}", level + 1)),
            );
        }
    }
    entries.insert("lib/firmware/24/end".to_owned(), file("end"));
    let error = split(&Tree { entries }, "1.9.5").unwrap_err();
    assert!(error.to_string().ends_with("too many files"), "{error}");

    let chain = (0..100).map(|n| {
        (
            format!("lib/firmware/d{n:03}/next"),
            link(&format!("../d{:03}", n + 1)),
        )
    });
    let mut entries: BTreeMap<_, _> = chain.collect();
    entries.insert("lib/firmware/d100/end".to_owned(), file("end"));
    let error = split(&Tree { entries }, "1.9.5").unwrap_err();
    assert!(error.to_string().contains("inside each other"), "{error}");
}

#[test]
fn a_firmware_directory_may_be_empty_or_a_link() {
    let empty = tree([("usr/lib/firmware", entry(0o755, Node::Directory))]);
    let parts = split(&empty, "1.14.0").unwrap();
    assert_eq!(parts.firmware.unwrap().entries.len(), 3);
    assert_eq!(show(&parts.mounted, &[]), ["usr/lib 755"]);

    let linked = tree([
        ("usr/lib/firmware", link("/opt/fw")),
        ("opt/fw/a", file("a")),
    ]);
    let parts = split(&linked, "1.14.0").unwrap();
    assert_eq!(
        show(&parts.firmware.unwrap(), &["a"])[3..],
        ["usr/lib/firmware/a=a 644"]
    );
    assert_eq!(
        show(&parts.mounted, &["a"]),
        ["opt/fw/a=a 644", "usr/lib 755"]
    );
}
