//! Identifiers: what stands in directory records for names that Rock Ridge spells out.

use std::collections::BTreeSet;

/// Characters of a file's name and extension together (ECMA-119, 7.5.1, at level 3).
const MAX_FILE: usize = 30;
/// Characters of a directory's identifier (10.3).
const MAX_DIRECTORY: usize = 31;
/// Characters of an extension that is cut.
const CUT_EXTENSION: usize = 3;

/// Makes the identifiers of one directory.
#[derive(Default)]
pub(super) struct Identifiers {
    taken: BTreeSet<String>,
}

impl Identifiers {
    /// Goes on in a directory that has these.
    pub(super) fn taken<'a>(identifiers: impl Iterator<Item = &'a str>) -> Self {
        Self {
            taken: identifiers.map(str::to_owned).collect(),
        }
    }

    /// A free identifier for a directory of this name.
    pub(super) fn directory(&mut self, name: &str) -> String {
        let mut stem = d_characters(name);
        stem.truncate(MAX_DIRECTORY);
        self.free(&stem, "", MAX_DIRECTORY)
    }

    /// A free identifier for a file of this name, without the version.
    pub(super) fn file(&mut self, name: &str) -> String {
        let (base, extension) = match name.rsplit_once('.') {
            Some((base, extension)) if !base.is_empty() => (base, extension),
            _ => (name, ""),
        };
        let (base, mut extension) = (d_characters(base), d_characters(extension));
        if base.len() + extension.len() > MAX_FILE {
            extension.truncate(CUT_EXTENSION);
        }
        self.free(&base, &format!(".{extension}"), MAX_FILE + 1)
    }

    /// `base` and `extension` within `max` characters; when that is taken, the end of `base` becomes a number.
    fn free(&mut self, base: &str, extension: &str, max: usize) -> String {
        let with = |number: &str| {
            let keep = base.len().min(max - extension.len() - number.len());
            format!("{}{number}{extension}", &base[..keep])
        };
        let mut identifier = with("");
        for number in 0u32.. {
            if self.taken.insert(identifier.clone()) {
                break;
            }
            identifier = with(&format!("{number:03}"));
        }
        identifier
    }
}

/// Upper-case letters, digits and underscores, one for each character of `text` (7.4.1).
fn d_characters(text: &str) -> String {
    let d_character = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    text.chars().map(d_character).collect()
}

/// A volume id for a label: letters and digits in upper case, `_` for `_`, `-` and `.`, the first 32 of them.
///
/// ```
/// assert_eq!(formats::iso9660::volume_id("Talos-v1.7.6-beta.0"), "TALOS_V1_7_6_BETA_0");
/// ```
pub fn volume_id(label: &str) -> String {
    let character = |c: char| match c {
        '_' | '-' | '.' => Some('_'),
        c => c.is_ascii_alphanumeric().then(|| c.to_ascii_uppercase()),
    };
    label
        .chars()
        .filter_map(character)
        .take(super::MAX_VOLUME_ID)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_d_characters() {
        let rows = [
            ("BOOTAA64.EFI", "BOOTAA64.EFI"),
            ("Talos-v1.14.0.efi", "TALOS_V1_14_0.EFI"),
            ("loader.conf", "LOADER.CONF"),
            ("random-seed", "RANDOM_SEED."),
            (".disk", "_DISK."),
            ("größe.é", "GR__E._"),
        ];
        for (name, expected) in rows {
            assert_eq!(Identifiers::default().file(name), expected);
        }
        assert_eq!(
            Identifiers::default().directory("x86_64-efi.d"),
            "X86_64_EFI_D"
        );
    }

    #[test]
    fn long_and_equal_identifiers_are_cut_and_numbered() {
        let mut identifiers = Identifiers::default();
        let long = "n".repeat(200);
        assert_eq!(
            identifiers.file(&format!("{long}.txt")),
            format!("{}.TXT", "N".repeat(27))
        );
        assert_eq!(
            identifiers.file(&format!("{long}.TXT")),
            format!("{}000.TXT", "N".repeat(24))
        );
        assert_eq!(
            identifiers.file(&format!("{long}.tXt")),
            format!("{}001.TXT", "N".repeat(24))
        );
        assert_eq!(identifiers.file("a.b"), "A.B");
        assert_eq!(identifiers.file("A.b"), "A000.B");
        assert_eq!(identifiers.directory(&long), "N".repeat(31));
        assert_eq!(identifiers.directory(&long).len(), 31);
    }
}
