//! Directories of every form: in one block, with an index of one leaf, with a root above leaves.

use std::{collections::BTreeSet, fs, path::Path};

use formats::{
    Layout,
    xfs::{self, Directory},
};

use crate::{
    CONFIGURATION, Image, boot, file,
    images::{Blobs, verdict},
    judges::judge,
    kernel::Mounted,
    repair, volume,
};

const FOLDER: &str = "EFI/overlays";
/// How many names of how many bytes, and blocks: of entries, of the index, of what is free.
const FORMS: [(usize, usize, [u64; 3]); 8] = [
    (124, 12, [1, 0, 0]),
    (125, 12, [1, 1, 0]),
    (166, 12, [1, 1, 0]),
    // About as many as a Raspberry Pi has overlays.
    (330, 24, [4, 1, 0]),
    (500, 12, [3, 1, 0]),
    (501, 12, [3, 1, 1]),
    (503, 12, [4, 3, 1]),
    (5000, 255, [358, 11, 1]),
];

fn names(count: usize, len: usize) -> impl DoubleEndedIterator<Item = String> {
    let rest = "-overlay.dtbo".repeat(20)[..len - 5].to_owned();
    (0..count).map(move |index| format!("{index:05}{rest}"))
}

/// A boot partition with empty files in [`FOLDER`], but for the last.
fn root(blobs: &mut Blobs, count: usize, len: usize) -> Directory {
    let mut root = boot(blobs);
    let last = names(count, len).next_back().unwrap();
    for name in names(count, len) {
        let content = if name == last {
            blobs.add_bytes(CONFIGURATION)
        } else {
            Layout::new()
        };
        root.insert(&format!("{FOLDER}/{name}"), file(content))
            .unwrap();
    }
    root
}

#[test]
fn directories_have_the_form_that_has_room_for_them() {
    let mut blobs = Blobs::default();
    for (sector, (count, len, blocks)) in [512, 4096].into_iter().cycle().zip(FORMS) {
        let root = root(&mut blobs, count, len);
        let path = blobs.write(&volume(300, sector, &root));
        repair(&path);
        assert_eq!(blocks_of(&path), blocks, "{count} names of {len} bytes");
        // xfs_db works out the hash of every name, and says whether it is the index's.
        let Some(mut database) = judge("xfs_db") else {
            return;
        };
        let command = format!("ls /{FOLDER}");
        let text = verdict(database.args(["-r", "-f", "-c", &command]).arg(&path));
        assert_eq!(text.matches("(good)").count(), count + 2, "{text}");
    }
}

/// Blocks of entries, of the index, of what is free: by their extents.
fn blocks_of(image: &Path) -> [u64; 3] {
    let Some(mut database) = judge("xfs_db") else {
        return [0; 3];
    };
    let command = format!("path /{FOLDER}");
    let text = verdict(
        database
            .args(["-r", "-f", "-c", &command, "-c", "bmap"])
            .arg(image),
    );
    let mut blocks = [0; 3];
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["data", "offset", offset, .., "count", count, "flag", "0"] = words[..] else {
            panic!("{text}");
        };
        let part = offset.parse::<usize>().unwrap() >> 23;
        blocks[part] += count.parse::<u64>().unwrap();
    }
    blocks
}

#[test]
fn grub_finds_every_name() {
    let mut blobs = Blobs::default();
    for (count, len, _) in FORMS {
        let root = root(&mut blobs, count, len);
        let path = blobs.write(&volume(300, 512, &root));
        let (Some(mut list), Some(mut cat)) = (judge("grub-fstest"), judge("grub-fstest")) else {
            return;
        };
        let folder = format!("(loop0)/{FOLDER}/");
        let listing = verdict(list.arg(&path).args(["ls", &folder]));
        let found: BTreeSet<&str> = listing.split_whitespace().collect();
        let expected: Vec<String> = names(count, len).collect();
        assert_eq!(found, expected.iter().map(String::as_str).collect());
        let last = format!("{folder}{}", expected[count - 1]);
        let text = verdict(cat.arg(&path).args(["cat", &last]));
        assert_eq!(text.as_bytes(), CONFIGURATION);
    }
}

/// By name, not only by listing: each is looked up in the index. Then the kernel makes one form of another.
#[test]
fn the_kernel_finds_every_name_and_adds_more() {
    let mut blobs = Blobs::default();
    for (count, len, _) in FORMS {
        let root = root(&mut blobs, count, len);
        let path = blobs.write(&volume(300, 512, &root));
        let Some(mounted) = Mounted::new(&path, 512) else {
            return;
        };
        let folder = mounted.at.path().join(FOLDER);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), count);
        for name in names(count, len) {
            assert!(fs::metadata(folder.join(&name)).unwrap().is_file());
        }
        let last = names(count, len).next_back().unwrap();
        assert_eq!(fs::read(folder.join(last)).unwrap(), CONFIGURATION);
        for index in 0..600 {
            fs::write(folder.join(format!("{index} more")), []).unwrap();
        }
        for name in names(count, len).step_by(3) {
            fs::remove_file(folder.join(name)).unwrap();
        }
        drop(mounted);
        repair(&path);
        let image = Image(fs::File::open(&path).unwrap());
        let contents = xfs::read(&image, &xfs::Limits::default()).unwrap();
        assert_eq!(contents.wrong_checksums, [""; 0]);
        let inside = contents.entries.iter();
        let inside = inside
            .filter(|entry| entry.path.starts_with(FOLDER))
            .count();
        assert_eq!(inside, 1 + 600 + count - count.div_ceil(3));
    }
}
