//! Images as text: a line a field of the superblock, a line an entry.

use std::fmt::Write;

use super::raw::{BLOCK_STORED, Superblock};
use super::read::{Entry, Image, Kind, ReadAt, compressor_name};

/// `image` for people and snapshots.
pub fn dump<R: ReadAt>(image: &Image<R>) -> String {
    let mut text = superblock(image.superblock());
    for (index, entry) in image.entries().iter().enumerate() {
        text.push_str(&line(entry, &image.path(index)));
    }
    text
}

fn superblock(block: &Superblock) -> String {
    let compressor = block.compressor.get();
    let fields: [(&str, String); 16] = [
        (
            "version",
            format!("{}.{}", block.version_major, block.version_minor),
        ),
        (
            "compressor",
            format!("{compressor} ({})", compressor_name(compressor)),
        ),
        ("flags", format!("{:#06x}", block.flags.get())),
        ("time", block.modification_time.to_string()),
        ("inodes", block.inode_count.to_string()),
        ("ids", block.id_count.to_string()),
        ("fragments", block.fragment_count.to_string()),
        ("block size", block.block_size.to_string()),
        ("root inode", format!("{:#x}", block.root_inode.get())),
        ("inode table", place(block.inode_table_start.get())),
        ("directory table", place(block.directory_table_start.get())),
        ("fragment index", place(block.fragment_table_start.get())),
        ("export index", place(block.export_table_start.get())),
        ("id index", place(block.id_table_start.get())),
        ("xattr table", place(block.xattr_table_start.get())),
        ("bytes used", place(block.bytes_used.get())),
    ];
    fields
        .iter()
        .fold(String::new(), |mut text, (name, value)| {
            writeln!(text, "{name:<16}{value}").expect("writing to a String cannot fail");
            text
        })
}

fn place(offset: u64) -> String {
    if offset == u64::MAX {
        "none".into()
    } else {
        format!("{offset:#x}")
    }
}

fn line(entry: &Entry, path: &[u8]) -> String {
    let (letter, detail) = match &entry.kind {
        Kind::Directory => ('d', String::new()),
        Kind::File(file) => ('-', {
            let mut detail = format!(" {} bytes", file.len());
            if let Some(word) = file.words.first() {
                let stored = |word: u32| {
                    if word & BLOCK_STORED == 0 {
                        ""
                    } else {
                        " stored"
                    }
                };
                let holes = file.words.iter().filter(|word| **word == 0).count();
                write!(
                    detail,
                    " in {} blocks ({holes} holes) at {:#x}{}",
                    file.words.len(),
                    file.start,
                    stored(word.get())
                )
                .expect("writing to a String cannot fail");
            }
            if let Some((number, offset)) = file.tail {
                write!(detail, " fragment {number} at {offset}")
                    .expect("writing to a String cannot fail");
            }
            detail
        }),
        Kind::Symlink(target) => ('l', format!(" -> {}", target.escape_ascii())),
        Kind::BlockDevice(numbers) => ('b', format!(" {numbers:#x}")),
        Kind::CharDevice(numbers) => ('c', format!(" {numbers:#x}")),
        Kind::Fifo => ('p', String::new()),
        Kind::Socket => ('s', String::new()),
    };
    let Entry {
        mode,
        uid,
        gid,
        mtime,
        inode,
        nlink,
        ..
    } = entry;
    let path = path.escape_ascii();
    let mut line =
        format!("#{inode} {letter}{mode:04o} {uid}:{gid} {mtime} links {nlink} /{path}{detail}\n");
    for (name, value) in &*entry.xattrs {
        writeln!(line, "    {}={}", name.escape_ascii(), value.escape_ascii())
            .expect("writing to a String cannot fail");
    }
    line
}
