//! System use entries: POSIX names, modes, dates and links (SUSP 1.12, Rock Ridge 1.12; in the form of 1991 that xorriso
//! writes by default, which every reader knows: no serial number in `PX`, no `RR`).

use super::raw::{Both32, MAX_RECORD, ShortDate};
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a `CE` entry.
const CE_LEN: usize = 28;
/// Bytes of an entry before its payload: signature, length, version.
const HEAD_LEN: usize = 4;
/// Bytes of the longest entry.
const MAX_ENTRY: usize = 255;
/// Bytes before the name in `NM`, before the components in `SL`.
const FLAGS_LEN: usize = 5;
/// Set in `NM` and `SL` when more of it follows, also in a component of `SL`.
pub(super) const CONTINUE: u8 = 0x01;
/// A component of `SL` that stands for `.`.
pub(super) const CURRENT: u8 = 0x02;
/// A component of `SL` that stands for `..`.
pub(super) const PARENT: u8 = 0x04;
/// A component of `SL` that stands for `/`.
pub(super) const ROOT: u8 = 0x08;
/// Dates in `TF`: change of content, access, change of attributes.
const DATES: u8 = 0x02 | 0x04 | 0x08;
/// Of the first entry.
pub(super) const SP_CHECK: [u8; 2] = [0xbe, 0xef];

/// The extension that the entries follow.
const ER_ID: &str = "RRIP_1991A";
const ER_DESCRIPTION: &str =
    "THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
const ER_SOURCE: &str = "PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME \
                         DESCRIPTOR FOR CONTACT INFORMATION.";

/// File types of POSIX modes.
pub(super) mod file_type {
    pub(crate) const MASK: u32 = 0o170_000;
    pub(crate) const DIRECTORY: u32 = 0o040_000;
    pub(crate) const FILE: u32 = 0o100_000;
    pub(crate) const SYMLINK: u32 = 0o120_000;
}

/// The entries of one directory record, in two parts.
#[derive(Debug, Default)]
pub(super) struct SystemUse {
    /// In the record, without the `CE` that leads to the rest.
    pub(super) inline: Vec<u8>,
    /// In the continuation area.
    pub(super) continued: Vec<u8>,
}

impl SystemUse {
    /// Entries of the root directory's `.`: also what announces the protocol.
    pub(super) fn root(mode: u32, date: ShortDate) -> Self {
        let [a, b] = SP_CHECK;
        let mut inline = entry(*b"SP", &[a, b, 0]);
        inline.extend(attributes(mode, date));
        let lens = [ER_ID.len(), ER_DESCRIPTION.len(), ER_SOURCE.len()]
            .map(|len| u8::try_from(len).expect("short"));
        let mut payload = lens.to_vec();
        payload.push(1);
        for text in [ER_ID, ER_DESCRIPTION, ER_SOURCE] {
            payload.extend_from_slice(text.as_bytes());
        }
        Self {
            inline,
            continued: entry(*b"ER", &payload),
        }
    }

    /// Entries of other directories' `.` and of every `..`.
    pub(super) fn dots(mode: u32, date: ShortDate) -> Self {
        Self {
            inline: attributes(mode, date),
            continued: Vec::new(),
        }
    }

    /// Entries of a name in a record that has `taken` bytes without them.
    pub(super) fn named(
        mode: u32,
        date: ShortDate,
        name: &str,
        target: Option<&str>,
        taken: usize,
    ) -> Self {
        let mut inline = attributes(mode, date);
        let links = target.map(symlink).unwrap_or_default();
        let room = MAX_RECORD - taken - inline.len();
        if FLAGS_LEN + name.len() + links.len() <= room {
            inline.extend(alternate_name(0, name.as_bytes()));
            inline.extend(links);
            return Self {
                inline,
                continued: Vec::new(),
            };
        }
        let first = (room - CE_LEN - FLAGS_LEN).min(name.len());
        let (start, rest) = name.as_bytes().split_at(first);
        inline.extend(alternate_name(
            if rest.is_empty() { 0 } else { CONTINUE },
            start,
        ));
        // What is left of 255 bytes fits into one entry.
        let mut continued = if rest.is_empty() {
            Vec::new()
        } else {
            alternate_name(0, rest)
        };
        continued.extend(links);
        Self { inline, continued }
    }

    /// Bytes that the entries take in their record.
    pub(super) fn inline_len(&self) -> usize {
        self.inline.len() + if self.continued.is_empty() { 0 } else { CE_LEN }
    }
}

/// `CE`: where the entries go on.
pub(super) fn continuation(block: u32, offset: u32, len: usize) -> Vec<u8> {
    let len = u32::try_from(len).expect("within a block");
    let fields = [block, offset, len].map(Both32::new);
    entry(*b"CE", fields.as_bytes())
}

/// `PX` and `TF`: mode, one link, owner 0:0, all dates the same.
fn attributes(mode: u32, date: ShortDate) -> Vec<u8> {
    let fields = [mode, 1, 0, 0].map(Both32::new);
    let mut entries = entry(*b"PX", fields.as_bytes());
    let mut dates = vec![DATES];
    (0..DATES.count_ones()).for_each(|_| dates.extend_from_slice(date.as_bytes()));
    entries.extend(entry(*b"TF", &dates));
    entries
}

fn alternate_name(flags: u8, name: &[u8]) -> Vec<u8> {
    entry(*b"NM", &[&[flags], name].concat())
}

/// `SL` entries for the components of a path.
fn symlink(target: &str) -> Vec<u8> {
    let mut components = Vec::new();
    if target.starts_with('/') {
        components.push(vec![ROOT, 0]);
    }
    for name in target.split('/').filter(|name| !name.is_empty()) {
        match name {
            "." => components.push(vec![CURRENT, 0]),
            ".." => components.push(vec![PARENT, 0]),
            _ => components.extend(component(name.as_bytes())),
        }
    }
    let mut entries = Vec::new();
    let mut payload = vec![0];
    for component in components {
        if HEAD_LEN + payload.len() + component.len() > MAX_ENTRY {
            payload[0] = CONTINUE;
            entries.extend(entry(*b"SL", &payload));
            payload = vec![0];
        }
        payload.extend(component);
    }
    entries.extend(entry(*b"SL", &payload));
    entries
}

/// Component records of one name; a long one is cut.
fn component(name: &[u8]) -> Vec<Vec<u8>> {
    const MAX_TEXT: usize = MAX_ENTRY - FLAGS_LEN - 2;
    let count = name.len().div_ceil(MAX_TEXT);
    let record = |(index, text): (usize, &[u8])| {
        let flags = if index + 1 < count { CONTINUE } else { 0 };
        [
            &[flags, u8::try_from(text.len()).expect("at most MAX_TEXT")],
            text,
        ]
        .concat()
    };
    name.chunks(MAX_TEXT).enumerate().map(record).collect()
}

fn entry(signature: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(HEAD_LEN + payload.len()).expect("entries have at most 255 bytes");
    let [a, b] = signature;
    [&[a, b, len, 1], payload].concat()
}

/// What the reader takes from a record's entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) name: Option<String>,
    pub(super) attributes: Option<Attributes>,
    pub(super) target: Option<String>,
}

/// Mode, links and owner of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Names; xorriso and we write 1 for all.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Bytes to skip in every system use area but this one, that of the root directory's `.`, when it announces the protocol.
pub(super) fn announced(system_use: &[u8]) -> Option<usize> {
    match entries(system_use).next()? {
        ([b'S', b'P'], [a, b, skip, ..]) if [*a, *b] == SP_CHECK => Some(usize::from(*skip)),
        _ => None,
    }
}

/// Block, offset and length of the area that the entries continue in.
pub(super) fn continues(area: &[u8]) -> Option<(u32, u32, u32)> {
    entries(area).find_map(|entry| match entry {
        ([b'C', b'E'], payload) => {
            let [block, offset, len] = <[Both32; 3]>::read_from_prefix(payload).ok()?.0;
            Some((block.get(), offset.get(), len.get()))
        }
        _ => None,
    })
}

/// Puts the entries of a continuation area behind those of `area`, which may end in padding.
pub(super) fn append(area: &mut Vec<u8>, piece: &[u8]) {
    let len = entries(area)
        .map(|(_, payload)| HEAD_LEN + payload.len())
        .sum();
    area.truncate(len);
    area.extend_from_slice(piece);
}

pub(super) fn parse(area: &[u8]) -> Parsed {
    let (mut name, mut target) = (None::<Vec<u8>>, None::<Target>);
    let mut attributes = None;
    for (signature, payload) in entries(area) {
        match (&signature, payload) {
            (b"PX", payload) => {
                if let Ok(([mode, links, uid, gid], _)) = <[Both32; 4]>::read_from_prefix(payload) {
                    let [mode, links, uid, gid] = [mode, links, uid, gid].map(Both32::get);
                    attributes = Some(Attributes {
                        mode,
                        links,
                        uid,
                        gid,
                    });
                }
            }
            (b"NM", [flags, text @ ..]) if flags & (CURRENT | PARENT) == 0 => {
                name.get_or_insert_default().extend(text);
            }
            (b"SL", [_, components @ ..]) => target.get_or_insert_default().add(components),
            _ => {}
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Parsed {
        name: name.map(text),
        attributes,
        target: target.map(|target| text(target.path)),
    }
}

/// A link while its components come in.
#[derive(Default)]
struct Target {
    path: Vec<u8>,
    /// Whether the last component is complete, so that the next one is another name.
    complete: bool,
}

impl Target {
    fn add(&mut self, mut components: &[u8]) {
        while let [flags, len, rest @ ..] = components {
            let (text, rest) = rest.split_at(usize::from(*len).min(rest.len()));
            if self.complete && self.path != b"/" {
                self.path.push(b'/');
            }
            match *flags & (CURRENT | PARENT | ROOT) {
                CURRENT => self.path.push(b'.'),
                PARENT => self.path.extend(b".."),
                ROOT => self.path = b"/".to_vec(),
                _ => self.path.extend(text),
            }
            self.complete = flags & CONTINUE == 0;
            components = rest;
        }
    }
}

/// Signature and payload of the entries of an area, up to padding or whatever else is none.
fn entries(mut area: &[u8]) -> impl Iterator<Item = ([u8; 2], &[u8])> {
    std::iter::from_fn(move || {
        let [a, b, len, _, ..] = area else {
            return None;
        };
        let len = usize::from(*len);
        let entry = area.get(..len).filter(|_| len >= HEAD_LEN && *a != 0)?;
        area = &area[len..];
        Some(([*a, *b], &entry[HEAD_LEN..]))
    })
}
