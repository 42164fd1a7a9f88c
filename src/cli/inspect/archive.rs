//! tar archives: a disk with holes, a virtual machine.

use std::{
    collections::{BTreeMap, btree_map},
    fmt::Write as _,
    io::{self, Read},
};

use formats::{
    ova,
    read_at::ReadAt,
    tar::{self as archive, Entry},
};
use sha2::{Sha256, Sha512};

use super::{
    part::Part,
    scope::Scope,
    source::{head, watched},
};

/// Longest description or manifest that is shown.
const MAX_TEXT: u64 = 1 << 20;

/// The members. An archive that begins with a virtual machine's description is an OVA.
pub(super) fn tar(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let input = watched(source, "reading".to_owned());
    let entries = archive::read_archive(input, archive::Limits::default())?;
    part.in_brief(archive::dump(&entries));
    let is = |entry: &Entry, suffix: &str| entry.name.ends_with(suffix.as_bytes());
    if entries.first().is_some_and(|entry| is(entry, ".ovf")) {
        part.kind = "open virtualization archive (OVA)";
    }
    for entry in &entries {
        let name = entry.name.escape_ascii().to_string();
        let content = entry.content(source);
        let is_text = entry.len <= MAX_TEXT;
        if is_text && is(entry, ".ovf") {
            let text = head(&content, 0, usize::try_from(entry.len)?)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let text = Part::new(&name, "description of a virtual machine", entry.len, text);
            part.parts.push(text);
        } else if is_text && is(entry, ".mf") {
            let manifest = head(&content, 0, usize::try_from(entry.len)?)?;
            let text = check(&manifest, &entries, source)?;
            let text = Part::new(&name, "manifest", entry.len, text);
            part.parts.push(text);
        } else {
            scope.content(part, &name, &content)?;
        }
    }
    Ok(())
}

/// The lines of a manifest, and whether each is true.
fn check(manifest: &[u8], entries: &[Entry], source: &dyn ReadAt) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut digests = BTreeMap::new();
    for line in ova::read_manifest(manifest, ova::Limits::default())? {
        let same = |entry: &&Entry| entry.name == line.name.as_bytes();
        let verdict = match entries.iter().find(same) {
            None => "there is no such file".to_owned(),
            Some(entry) => {
                // Once a file, however often it is named.
                let digest = match digests.entry((line.algorithm, line.name)) {
                    btree_map::Entry::Occupied(known) => known.into_mut(),
                    btree_map::Entry::Vacant(unknown) => {
                        unknown.insert(digest(line.algorithm, &entry.content(source))?)
                    }
                };
                match digest {
                    None => "not checked, only SHA256 and SHA512 are".to_owned(),
                    Some(found) if found.eq_ignore_ascii_case(line.digest) => "true".to_owned(),
                    Some(found) => format!("FALSE, the file has {found}"),
                }
            }
        };
        let (algorithm, name, digest) = (line.algorithm, line.name, line.digest);
        writeln!(text, "{algorithm}({name})= {digest}: {verdict}")?;
    }
    Ok(text)
}

/// The digest of a file in hexadecimal digits; `None` when the algorithm is not known.
fn digest(algorithm: &str, content: &dyn ReadAt) -> io::Result<Option<String>> {
    Ok(match algorithm {
        "SHA256" => Some(hash::<Sha256>(content)?),
        "SHA512" => Some(hash::<Sha512>(content)?),
        _ => None,
    })
}

fn hash<H: sha2::Digest>(content: &dyn ReadAt) -> io::Result<String> {
    let mut input = watched(content, "checking digests".to_owned());
    let mut hasher = H::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match input.read(&mut buffer)? {
            0 => break,
            len => hasher.update(&buffer[..len]),
        }
    }
    let mut hex = String::new();
    for byte in hasher.finalize() {
        write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
    }
    Ok(hex)
}
