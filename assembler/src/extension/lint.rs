//! What an extension should not hold: the reference's checks of contents, which refuse nothing there either
//! (spec/initramfs.md 1.3).

use std::fmt;

use crate::{
    quirks::Quirks,
    store::{Node, Tree},
};

/// Something in an extension's root file system that should not be there. The text is the reference's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lint {
    /// A file that everybody may write to.
    WorldWritable(String),
    /// A file outside the places that extensions may fill.
    Misplaced(String),
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorldWritable(path) => {
                write!(f, "world-writeable files are not allowed: {path:?}")
            }
            Self::Misplaced(path) => write!(f, "path {path:?} is not allowed in extensions"),
        }
    }
}

const WORLD_WRITABLE: u32 = 0o002;

/// Looks through a root file system, in order of path.
///
/// Unlike the reference's, the check for files that everybody may write to looks at the permissions of files; links have none.
pub fn lint(rootfs: &Tree, quirks: &Quirks) -> Vec<Lint> {
    let entries = rootfs.entries.iter();
    let files = entries.filter(|(_, entry)| entry.node != Node::Directory);
    let mut found = Vec::new();
    for (path, entry) in files {
        let is_link = matches!(entry.node, Node::Symlink(_));
        found.extend(lint_file(path, (!is_link).then_some(entry.mode), quirks));
    }
    found
}

/// The same for one file or link (which has no mode) at `path` below the root.
pub fn lint_file(path: &str, mode: Option<u32>, quirks: &Quirks) -> Vec<Lint> {
    let path = format!("/{path}");
    let mut found = Vec::new();
    if mode.is_some_and(|mode| mode & WORLD_WRITABLE != 0) {
        found.push(Lint::WorldWritable(path.clone()));
    }
    let allowed = quirks.extension_paths;
    if !allowed.iter().any(|prefix| path.starts_with(prefix)) {
        found.push(Lint::Misplaced(path));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use formats::Digest;

    use super::*;
    use crate::store::{Content, Entry, Sums};

    #[test]
    fn places_depend_on_the_version_and_are_plain_prefixes() {
        let entry = |mode, node| Entry {
            mode,
            node,
            xattrs: BTreeMap::new(),
        };
        let file = |mode| {
            let content = Content {
                digest: Digest::of(""),
                len: 0,
                sums: Sums::default(),
            };
            entry(mode, Node::File(content))
        };
        let rootfs = Tree {
            entries: [
                ("usr", entry(0o777, Node::Directory)),
                ("usr/local/bin/x", file(0o755)),
                ("usr/local/open", file(0o666)),
                ("usr/localfoo", entry(0o777, Node::Symlink("x".to_owned()))),
                ("usr/lib/modules/x.ko", file(0o644)),
                ("usr/bin/nvme", file(0o755)),
                ("lib/firmware/a", file(0o644)),
            ]
            .map(|(path, entry)| (path.to_owned(), entry))
            .into(),
        };
        let rows = [
            ("1.9.0", vec!["/usr/bin/nvme", "/usr/lib/modules/x.ko"]),
            ("1.12.0", vec!["/lib/firmware/a", "/usr/bin/nvme"]),
            ("1.14.0", vec!["/lib/firmware/a"]),
        ];
        for (version, misplaced) in rows {
            let found = lint(&rootfs, &Quirks::of_text(version));
            let mut expected: Vec<_> = misplaced
                .into_iter()
                .map(|path| Lint::Misplaced(path.to_owned()))
                .collect();
            expected.push(Lint::WorldWritable("/usr/local/open".to_owned()));
            assert_eq!(found, expected, "{version}");
        }
        let text = Lint::Misplaced("/opt/x".to_owned()).to_string();
        assert_eq!(text, "path \"/opt/x\" is not allowed in extensions");
    }
}
