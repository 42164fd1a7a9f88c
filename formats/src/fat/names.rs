//! Names: long ones in UTF-16 (VFAT), and the 8.3 aliases that old systems see, as mtools 4.0 makes them.

use std::collections::BTreeSet;

use super::NameProblem;

/// UTF-16 units of a long name.
const MAX_UNITS: usize = 255;
/// The bit of Windows NT that says the base of a short name is lower case.
pub(super) const LOWER_BASE: u8 = 0x08;
/// The same for the extension.
pub(super) const LOWER_EXTENSION: u8 = 0x10;

/// What a directory entry says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Base of 8 and extension of 3 characters, padded with spaces.
    pub(super) short: [u8; 11],
    /// [`LOWER_BASE`], [`LOWER_EXTENSION`].
    pub(super) case: u8,
    /// The long name, where the short one does not say it all.
    pub(super) long: Option<Vec<u16>>,
}

/// Checks a name by the rules of VFAT.
pub(super) fn check(name: &str) -> Result<(), NameProblem> {
    let forbidden = |c: char| c < ' ' || c == '\x7f' || "\"*/:<>?\\|".contains(c);
    if name.is_empty() {
        Err(NameProblem::Empty)
    } else if name.encode_utf16().count() > MAX_UNITS {
        Err(NameProblem::TooLong)
    } else if let Some(character) = name.chars().find(|c| forbidden(*c)) {
        Err(NameProblem::Character(character))
    } else if name.ends_with(['.', ' ']) {
        // Windows drops them; "." and ".." end so too.
        Err(NameProblem::End)
    } else {
        Ok(())
    }
}

/// Names of the entries of one directory, in their order. Those that are short as they stand keep their alias; the others
/// get the first free of `~1`, `~2`, … .
pub(super) fn of_directory<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<Name> {
    let mut taken: BTreeSet<[u8; 11]> = names
        .clone()
        .filter_map(exact)
        .map(|name| name.short)
        .collect();
    names
        .map(|name| exact(name).unwrap_or_else(|| generated(name, &mut taken)))
        .collect()
}

/// The name as an 8.3 name, when case apart nothing is lost.
fn exact(name: &str) -> Option<Name> {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let fits = (1..=8).contains(&base.len())
        && extension.len() <= 3
        && base.bytes().chain(extension.bytes()).all(is_short)
        && (extension.is_empty() != name.contains('.'));
    let case = |text: &str, bit| {
        let (lower, upper) = (
            text.bytes().any(|byte| byte.is_ascii_lowercase()),
            text.bytes().any(|byte| byte.is_ascii_uppercase()),
        );
        (lower && upper, if lower { bit } else { 0 })
    };
    let (base_mixed, base_bit) = case(base, LOWER_BASE);
    let (extension_mixed, extension_bit) = case(extension, LOWER_EXTENSION);
    let mixed = base_mixed || extension_mixed;
    fits.then(|| Name {
        short: padded(base.as_bytes(), extension.as_bytes()),
        case: if mixed { 0 } else { base_bit | extension_bit },
        long: mixed.then(|| name.encode_utf16().collect()),
    })
}

/// A long name with an alias that no other entry has.
fn generated(name: &str, taken: &mut BTreeSet<[u8; 11]>) -> Name {
    let trimmed = name.trim_start_matches('.');
    let (base, extension) = trimmed.rsplit_once('.').unwrap_or((trimmed, ""));
    let squeeze = |text: &str, limit| -> Vec<u8> {
        let kept = text.chars().filter(|c| !matches!(c, '.' | ' '));
        kept.map(|c| {
            u8::try_from(c)
                .ok()
                .filter(|byte| is_short(*byte))
                .unwrap_or(b'_')
        })
        .take(limit)
        .collect()
    };
    let (base, extension) = (squeeze(base, 8), squeeze(extension, 3));
    let alias = (1u32..).map(|number| {
        let tail = format!("~{number}");
        let mut stem = base[..base.len().min(8 - tail.len())].to_vec();
        stem.extend_from_slice(tail.as_bytes());
        padded(&stem, &extension)
    });
    let free = alias.into_iter().find(|alias| taken.insert(*alias));
    Name {
        short: free.expect("a directory has fewer entries than there are numbers"),
        case: 0,
        long: Some(name.encode_utf16().collect()),
    }
}

fn padded(base: &[u8], extension: &[u8]) -> [u8; 11] {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base);
    short[8..8 + extension.len()].copy_from_slice(extension);
    short.make_ascii_uppercase();
    short
}

/// Characters of short names (Microsoft, "FAT32 File System Specification", short names).
fn is_short(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$%'-_@~`!(){}^#&".contains(&byte)
}

/// The checksum of a short name that its long name carries.
pub(super) fn checksum(short: &[u8; 11]) -> u8 {
    short
        .iter()
        .fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str]) -> Vec<String> {
        let text = |name: &Name| {
            let long = if name.long.is_some() { " long" } else { "" };
            format!(
                "{} {:02x}{long}",
                String::from_utf8_lossy(&name.short),
                name.case
            )
        };
        of_directory(names.iter().copied())
            .iter()
            .map(text)
            .collect()
    }

    #[test]
    fn aliases_are_those_of_mtools() {
        let rows = [
            ("EFI", "EFI         00"),
            ("boot", "BOOT        08"),
            ("Linux", "LINUX       00 long"),
            ("BOOTX64.EFI", "BOOTX64 EFI 00"),
            ("BOOTX64.efi", "BOOTX64 EFI 10"),
            ("db.auth", "DB~1    AUT 00 long"),
            ("loader.conf", "LOADER~1CON 00 long"),
            ("random-seed", "RANDOM~1    00 long"),
            ("Talos-v1.14.0.efi", "TALOS-~1EFI 00 long"),
            (".disk", "DISK~1      00 long"),
            ("a b+c.d", "AB_C~1  D   00 long"),
            ("größe", "GR__E~1     00 long"),
        ];
        for (name, expected) in rows {
            assert_eq!(shown(&[name]), [expected], "{name}");
        }
    }

    #[test]
    fn aliases_are_unique_and_do_not_take_real_names() {
        let names = ["LONGNA~1", "long name 1", "long name 2", "long.nameé"];
        assert_eq!(
            shown(&names),
            [
                "LONGNA~1    00",
                "LONGNA~2    00 long",
                "LONGNA~3    00 long",
                "LONG~1  NAM 00 long"
            ]
        );
        let many: Vec<String> = (0..12)
            .map(|index| format!("a long name {index}"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(
            shown(&many)[8..10],
            ["ALONGN~9    00 long", "ALONG~10    00 long"]
        );
    }

    #[test]
    fn names_that_vfat_forbids_are_refused() {
        let long = "x".repeat(256);
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a\n",
            "trailing.",
            "trailing ",
            &long,
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
        check(&"x".repeat(255)).unwrap();
    }
}
