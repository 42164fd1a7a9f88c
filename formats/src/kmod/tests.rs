//! The algorithm on small trees, modules that lie about themselves, and tries of a few keys.

use proptest::prelude::*;

use super::elf::ElfError;
use super::index::{self, Entry, Index, ReadError};
use super::*;

fn module(exports: &[&str], needs: &[&str]) -> Module {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Module {
        exports: texts(exports),
        needs: texts(needs),
        ..Module::default()
    }
}

fn index(modules: &[(&str, Module)]) -> Result<Files, DepmodError> {
    let installed: Vec<_> = modules
        .iter()
        .map(|(path, module)| Installed { path, module })
        .collect();
    depmod(&Tree {
        modules: &installed,
        ..Tree::default()
    })
}

fn text(files: &Files, name: &str) -> String {
    let file = files.files.iter().find(|file| file.name == name).unwrap();
    String::from_utf8(file.content.clone()).unwrap()
}

#[test]
fn dependencies_are_listed_before_what_they_need() {
    let files = index(&[
        ("a.ko", module(&["a"], &["printk"])),
        ("b.ko", module(&["b"], &[".a"])),
        ("c.ko", module(&[], &["b", "a", "b"])),
    ])
    .unwrap();
    let dep = text(&files, "modules.dep");
    let mut lines: Vec<&str> = dep.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a.ko:", "b.ko: a.ko", "c.ko: b.ko a.ko"]);
}

#[test]
fn modules_that_need_each_other_are_named() {
    let error = index(&[
        ("kernel/a.ko", module(&["a"], &["b"])),
        ("kernel/b.ko", module(&["b"], &["c"])),
        ("kernel/c.ko", module(&["c"], &["a"])),
        ("kernel/user.ko", module(&[], &["a"])),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "modules need each other: kernel/a.ko, kernel/b.ko, kernel/c.ko"
    );
    let own = index(&[("a.ko", module(&["a"], &["a"]))]).unwrap_err();
    assert_eq!(own.to_string(), "modules need each other: a.ko");
}

#[test]
fn of_modules_with_one_name_one_counts_whatever_their_order() {
    let paths = [
        "kernel/z/dm-mod.ko",
        "kernel/a/dm_mod.ko.xz",
        "extras/dm-mod.ko",
        "updates/z/dm-mod.ko.zst",
        "updates/a/dm-mod.ko",
    ];
    for count in 1..=paths.len() {
        let expected = [
            "kernel/z/dm-mod.ko",
            "kernel/a/dm_mod.ko.xz",
            "extras/dm-mod.ko",
        ];
        let expected = expected.get(count - 1).unwrap_or(&paths[count - 1]);
        for turn in 0..count {
            let mut modules: Vec<_> = paths[..count]
                .iter()
                .map(|path| (*path, Module::default()))
                .collect();
            modules.rotate_left(turn);
            let files = index(&modules).unwrap();
            assert_eq!(text(&files, "modules.dep"), format!("{expected}:\n"));
        }
    }
}

#[test]
fn paths_that_would_break_a_line_are_left_out() {
    let files = index(&[
        ("kernel/two words.ko", Module::default()),
        ("kernel/a.ko\nkernel/evil.ko", Module::default()),
        ("kernel/naïve.ko", Module::default()),
        ("kernel/.ko", Module::default()),
        ("kernel/good.ko", Module::default()),
        ("source/skipped.ko", Module::default()),
        ("kernel/readme.txt", Module::default()),
    ])
    .unwrap();
    assert_eq!(text(&files, "modules.dep"), "kernel/good.ko:\n");
    assert_eq!(files.warnings.len(), 4);
}

#[test]
fn device_nodes_have_the_numbers_that_stand_with_them() {
    let with = |aliases: &[&str]| Module {
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        ..Module::default()
    };
    let files = index(&[
        (
            "a.ko",
            with(&["char-major-10-229x", "devname:fuse", "char-major-1-2"]),
        ),
        (
            "b.ko",
            with(&["devname:one", "devname:two", "block-major-7-0"]),
        ),
        ("c.ko", with(&["devname:none", "char-major-10-*"])),
        ("d.ko", with(&["char-major-10-1"])),
        ("e.ko", with(&["devname:huge", "char-major-99999999999-1"])),
    ])
    .unwrap();
    let mut lines: Vec<_> = text(&files, "modules.devname")
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "# Device nodes to trigger on-demand module loading.",
            "a fuse c10:229",
            "b two b7:0"
        ]
    );
    assert_eq!(files.warnings.len(), 2);
    let none = index(&[("d.ko", with(&["char-major-10-1"]))]).unwrap();
    assert_eq!(text(&none, "modules.devname"), "");
}

#[test]
fn lists_that_are_not_there_have_empty_tries_and_empty_lists_do_not() {
    let files = depmod(&Tree {
        builtin: Some(b""),
        ..Tree::default()
    })
    .unwrap();
    let len = |name| {
        files
            .files
            .iter()
            .find(|file| file.name == name)
            .unwrap()
            .content
            .len()
    };
    assert_eq!(len("modules.builtin.bin"), 12);
    assert_eq!(len("modules.builtin.alias.bin"), 0);
}

#[test]
fn a_chain_of_many_modules_is_refused_before_it_fills_memory() {
    let modules: Vec<(String, Module)> = (0..4000)
        .map(|n| {
            let (own, next) = (format!("s{n}"), format!("s{}", n + 1));
            (format!("m{n}.ko"), module(&[&own], &[&next]))
        })
        .collect();
    let modules: Vec<_> = modules
        .iter()
        .map(|(path, module)| (path.as_str(), module.clone()))
        .collect();
    assert_eq!(index(&modules).unwrap_err(), DepmodError::TooMany);
}

#[test]
fn tries_of_small_sets_have_these_bytes() {
    let entry = |key: &'static str, priority, value: &'static str| Entry {
        key: key.into(),
        priority,
        value: value.into(),
    };
    let trie = index::write(vec![
        entry("123", 2, "x"),
        entry("124", 1, "y"),
        entry("123", 1, "z"),
        entry("123", 1, "first"),
        entry("12", 0, ""),
    ])
    .unwrap();
    insta::assert_snapshot!(dump(&trie, index::Limits::default()).unwrap(), @r"
    12 0 
    123 1 first
    123 1 z
    123 2 x
    124 1 y
    ");
    insta::assert_snapshot!(trie.escape_ascii(), @r"\xb0\x07\xf4W\x00\x02\x00\x01 \x00\x00\x0c11\xe0\x00\x00\x122\x0034@\x00\x00\'@\x00\x00A\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01first\x00\x00\x00\x00\x01z\x00\x00\x00\x00\x02x\x00\x00\x00\x00\x01\x00\x00\x00\x01y\x00");
    let refused = index::write(vec![entry("naïve", 0, "")]).unwrap_err();
    assert!(refused.to_string().contains("naïve"));
}

/// An ELF file of the given sections; a table of their names is added.
fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = b"\0".to_vec();
    let mut file = vec![0; 64];
    let mut rows = vec![0; 64];
    let mut row = |name: usize, offset: usize, size: usize| {
        let mut row = [0_u8; 64];
        row[..4].copy_from_slice(&u32::try_from(name).unwrap().to_le_bytes());
        row[4] = 1;
        row[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
        row[32..40].copy_from_slice(&(size as u64).to_le_bytes());
        rows.extend(row);
    };
    for (name, content) in sections {
        row(names.len(), file.len(), content.len());
        names.extend(name.bytes().chain([0]));
        file.extend(*content);
    }
    row(0, file.len(), names.len());
    file.extend(names);
    let table = file.len() as u64;
    file.extend(rows);
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16] = 1;
    file[40..48].copy_from_slice(&table.to_le_bytes());
    file[58] = 64;
    let count = u16::try_from(sections.len() + 2).unwrap();
    file[60..62].copy_from_slice(&count.to_le_bytes());
    file[62..64].copy_from_slice(&(count - 1).to_le_bytes());
    file
}

/// Rows of a symbol table: names by offset, and sections.
fn symtab(rows: &[(u32, u16)]) -> Vec<u8> {
    let mut table = vec![0; 24];
    for (name, section) in rows {
        let mut row = [0; 24];
        row[..4].copy_from_slice(&name.to_le_bytes());
        row[6..8].copy_from_slice(&section.to_le_bytes());
        table.extend(row);
    }
    table
}

fn versions(names: &[&str]) -> Vec<u8> {
    let record = |name: &&str| {
        let mut record = [0; 64];
        record[8..8 + name.len()].copy_from_slice(name.as_bytes());
        record
    };
    names.iter().flat_map(record).collect()
}

#[test]
fn a_module_says_what_it_is() {
    let strings = b"\0__crc_out\0printk\0local\0";
    let file = elf(&[
        (".modinfo", b"license=GPL\0alias=pci:*\0\0softdep=pre: a b\0nothing\0alias=na\xefve\0weakdep=c\0alias=b=c\0"),
        (".symtab", &symtab(&[(1, 0xfff1), (11, 0), (11, 0), (18, 1), (0, 0)])),
        (".strtab", strings),
        ("__versions", &versions(&["module_layout", "printk"])),
        ("__ksymtab_strings", b"not\0asked\0"),
        (".symtab", b"the first counts"),
    ]);
    let module = Module::read(
        &[&file[..], b"~Module signature appended~\n"].concat(),
        Limits::default(),
    );
    insta::assert_snapshot!(module.unwrap().dump(), @r"
    alias pci:*
    alias b=c
    softdep pre: a b
    weakdep c
    exports out
    needs printk
    needs module_layout
    ");
    let file = elf(&[("__ksymtab_strings", b"\0one\0two\0")]);
    let module = Module::read(&file, Limits::default()).unwrap();
    assert_eq!(module.exports, ["one", "two"]);
}

#[test]
fn files_that_lie_about_themselves_are_refused() {
    let good = elf(&[(".symtab", &symtab(&[(1, 0)])), (".strtab", b"\0name\0")]);
    assert!(Module::read(&good, Limits::default()).is_ok());
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        Module::read(&file, Limits::default())
    };
    assert_eq!(with(4, &[1]), Err(ElfError::Kind), "32 bits");
    assert_eq!(with(5, &[2]), Err(ElfError::Kind), "big-endian");
    assert_eq!(with(16, &[3]), Err(ElfError::Kind), "a shared library");
    assert_eq!(Module::read(b"", Limits::default()), Err(ElfError::Kind));
    for (at, bytes, what) in [
        (40, &[0xff; 8][..], "section table far away"),
        (58, &[63], "odd section headers"),
        (60, &[0xff, 0xff], "65535 sections"),
        (62, &[0xff, 0xff], "names that are no section"),
    ] {
        assert!(with(at, bytes).is_err(), "{what}");
    }
    let table = good.len() - 4 * 64;
    for section in 1..4 {
        let row = table + section * 64;
        assert!(
            with(row + 24, &[0xff; 8]).is_err(),
            "section {section} begins far away"
        );
        assert!(
            with(row + 32, &[0xff; 8]).is_err(),
            "section {section} is huge"
        );
    }
    // The symbol's name.
    let symbols = 64 + 24;
    assert!(matches!(
        with(symbols, &[0xff; 4]),
        Err(ElfError::Outside {
            what: "symbol name",
            ..
        })
    ));
}

#[test]
fn a_module_of_many_long_names_is_refused_within_its_limits() {
    let limits = Limits {
        symbols: 100,
        text: 50,
        texts: 1000,
    };
    let names = [b"\0".as_slice(), &[b'a'; 40], b"\0"].concat();
    let symbols = |count| symtab(&vec![(1, 0); count]);
    let read = |symbols: &[u8], names: &[u8]| {
        Module::read(&elf(&[(".symtab", symbols), (".strtab", names)]), limits)
    };
    assert_eq!(read(&symbols(10), &names).unwrap().needs.len(), 1);
    let texts = read(&symbols(14), &names).unwrap_err();
    assert!(matches!(
        texts,
        ElfError::Limit {
            what: "bytes of texts",
            ..
        }
    ));
    let count = read(&symbols(100), &names).unwrap_err();
    assert!(matches!(
        count,
        ElfError::Limit {
            what: "symbols",
            ..
        }
    ));
    let text = read(&symbols(1), &[b'a'; 60]).unwrap_err();
    assert!(matches!(
        text,
        ElfError::Limit {
            what: "bytes of one text",
            ..
        }
    ));
    let modinfo = elf(&[(".modinfo", &[b"alias=".as_slice(), &[b'a'; 60]].concat())]);
    assert!(Module::read(&modinfo, limits).is_err());
}

#[test]
fn packed_modules_expand_within_a_limit() {
    let plain = b"module".repeat(1000);
    let zst = zstd::bulk::compress(&plain, 3).unwrap();
    let mut xz = Vec::new();
    let stream =
        liblzma::stream::Stream::new_easy_encoder(0, liblzma::stream::Check::Crc32).unwrap();
    let mut encoder = liblzma::read::XzEncoder::new_stream(&plain[..], stream);
    std::io::Read::read_to_end(&mut encoder, &mut xz).unwrap();
    for (path, packed) in [("a.ko", &plain), ("a.ko.zst", &zst), ("a.ko.xz", &xz)] {
        assert_eq!(*expand(path, packed, 6000).unwrap(), plain);
        assert!(matches!(
            expand(path, packed, 5999),
            Err(PackingError::TooLong { limit: 5999 })
        ));
    }
    for (path, packed) in [("a.ko.zst", &xz), ("a.ko.xz", &zst)] {
        assert!(matches!(
            expand(path, packed, 6000),
            Err(PackingError::Damaged { .. })
        ));
    }
    assert!(expand("a.ko.xz", &xz[..xz.len() / 2], 6000).is_err());
    assert!(expand("a.ko.zst", &zst[..zst.len() / 2], 6000).is_err());
}

#[test]
fn tries_that_lie_about_themselves_are_refused() {
    let limits = index::Limits {
        nodes: 100,
        key: 50,
        keys: 10_000,
    };
    let read = |root: u32, nodes: &[u8]| {
        let numbers = [index::MAGIC, index::VERSION, root];
        let mut bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect();
        bytes.extend(nodes);
        Index::parse(&bytes, limits).and_then(|index| {
            index.find(&[b'a'; 100])?;
            index.entries().map(|entries| entries.len())
        })
    };
    assert_eq!(read(12, b""), Ok(0));
    assert!(read(11, b"").is_err());
    assert!(read(13, b"").is_err());
    assert!(read(0x8000_000c, b"no end").is_err());
    assert!(read(0x2000_000c, b"zb").is_err());
    assert!(read(0x2000_000c, b"\x80\x80\0\0\0\0").is_err());
    assert!(read(0x4000_000c, &[0xff; 4]).is_err());
    // A node that is its own child, one by one and by the hundred.
    let own = [b"aa".as_slice(), &0x2000_000c_u32.to_be_bytes()].concat();
    assert!(matches!(
        read(0x2000_000c, &own),
        Err(ReadError::Limit { .. })
    ));
    let many = [
        &[0, 127],
        0x2000_000c_u32.to_be_bytes().repeat(128).as_slice(),
    ]
    .concat();
    assert!(matches!(
        read(0x2000_000c, &many),
        Err(ReadError::Limit { .. })
    ));
    // Values without a key, many times over.
    let mut empty = 10_000_u32.to_be_bytes().to_vec();
    empty.extend([0; 5].repeat(10_000));
    assert!(matches!(
        read(0x4000_000c, &empty),
        Err(ReadError::Limit { .. })
    ));
    assert!(matches!(
        Index::parse(&[0; 12], limits),
        Err(ReadError::Magic { found: 0 })
    ));
    assert!(Index::parse(b"\xb0\x07\xf4\x57\0\x01\0\x01\0\0\0\x0c", limits).is_err());
    assert!(Index::parse(b"\xb0\x07", limits).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_found(
        pairs in prop::collection::vec(("[a-c_:]{0,6}", 0_u32..4, "[a-z ]{0,3}"), 0..60),
    ) {
        let entries = pairs.iter().map(|(key, priority, value)| Entry {
            key: key.into(),
            priority: *priority,
            value: value.into(),
        });
        let trie = index::write(entries.collect()).unwrap();
        let read = Index::parse(&trie, index::Limits::default()).unwrap();
        // Each value goes before those that have its priority already.
        let mut expected: Vec<_> = pairs.iter().rev().collect();
        expected.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        let found = read.entries().unwrap();
        prop_assert_eq!(found.len(), expected.len());
        for (found, (key, priority, value)) in found.iter().zip(&expected) {
            prop_assert_eq!(
                (&*found.key, found.priority, found.value),
                (key.as_bytes(), *priority, value.as_bytes())
            );
        }
        for (key, _, _) in &pairs {
            let values: Vec<_> = expected
                .iter()
                .filter(|(other, _, _)| key == other)
                .map(|(_, priority, value)| (*priority, value.as_bytes()))
                .collect();
            prop_assert_eq!(read.find(key.as_bytes()).unwrap(), values);
        }
    }
}
