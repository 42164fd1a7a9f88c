//! Names: of modules, of files that are modules, of what an alias is found by.

/// How a file holds its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Xz,
    Zstd,
}

/// How names of modules end.
const PLAIN: &str = ".ko";
const EXTENSIONS: [(&str, Packing); 3] = [
    (PLAIN, Packing::Plain),
    (".ko.xz", Packing::Xz),
    (".ko.zst", Packing::Zstd),
];

impl Packing {
    /// What the name of a file says; nothing if it is not that of a module.
    pub(super) fn of(path: &str) -> Option<Self> {
        let found = EXTENSIONS
            .iter()
            .find(|(extension, _)| path.ends_with(extension));
        found.map(|(_, packing)| *packing)
    }
}

/// Whether a file of this name is a module.
pub fn is_module(path: &str) -> bool {
    Packing::of(path).is_some()
}

/// What the kernel calls the module of a file: its name up to the first dot, with underscores.
///
/// ```
/// use formats::kmod::module_name;
/// assert_eq!(module_name("kernel/drivers/md/dm-mod.ko.xz"), "dm_mod");
/// ```
pub fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

/// `path` as it is before packing: what `modules.order` lists.
pub(super) fn unpacked(path: &str) -> &str {
    EXTENSIONS
        .iter()
        .find_map(|(extension, _)| path.strip_suffix(extension))
        .map_or(path, |stem| &path[..stem.len() + PLAIN.len()])
}

/// Whether an index can hold `text`: printable ASCII.
pub(super) fn is_text(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether a path can stand in a line of an index, in which a blank ends it.
pub(super) fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An alias as it is looked up: `-` becomes `_` except between brackets; nothing if a bracket stands alone.
pub(super) fn normalized(alias: &str) -> Option<String> {
    let mut inside = false;
    let text = alias
        .chars()
        .map(|character| {
            match (character, inside) {
                ('[', false) => inside = true,
                (']', true) => inside = false,
                (']', false) => return None,
                ('-', false) => return Some('_'),
                _ => {}
            }
            Some(character)
        })
        .collect::<Option<String>>()?;
    (!inside).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_keep_their_ranges() {
        for (alias, found) in [
            ("net-pf-16", Some("net_pf_16")),
            ("usb:v[0-9]-x", Some("usb:v[0-9]_x")),
            ("a[[-]", Some("a[[-]")),
            ("a]", None),
            ("a[b", None),
            ("", Some("")),
        ] {
            assert_eq!(normalized(alias).as_deref(), found, "{alias}");
        }
    }

    #[test]
    fn modules_are_named_by_their_files() {
        for (path, name, plain) in [
            (
                "kernel/fs/btrfs/btrfs.ko",
                "btrfs",
                "kernel/fs/btrfs/btrfs.ko",
            ),
            ("x/dm-mod.ko.zst", "dm_mod", "x/dm-mod.ko"),
            ("a.b.ko.xz", "a", "a.b.ko"),
        ] {
            assert!(is_module(path));
            assert_eq!((module_name(path).as_str(), unpacked(path)), (name, plain));
        }
        assert!(!is_module("modules.order") && !is_module("a.ko.gz"));
    }
}
