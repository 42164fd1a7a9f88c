//! Manifests: the digest of every file (DSP0243 2.1.1, section 6.2), `SHA256(disk.vmdk)= 5f7e…`, a line each.

use super::Error;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lines.
    pub lines: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lines: 1 << 10 }
    }
}

/// What a manifest says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// `SHA256`, as a rule; `SHA1` and `SHA512` are the others.
    pub algorithm: &'a str,
    /// The file.
    pub name: &'a str,
    /// Its digest in hexadecimal digits, of either case.
    pub digest: &'a str,
}

/// The lines of `manifest`; empty ones are passed over.
pub fn read_manifest(manifest: &[u8], limits: Limits) -> Result<Vec<Line<'_>>, Error> {
    let mut lines = Vec::new();
    for (line, number) in manifest.split(|byte| *byte == b'\n').zip(1..) {
        let invalid = Error::Manifest { line: number };
        let Ok(text) = std::str::from_utf8(line) else {
            return Err(invalid);
        };
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if lines.len() as u64 == limits.lines {
            return Err(Error::TooMany {
                limit: limits.lines,
            });
        }
        lines.push(parse(text).ok_or(invalid)?);
    }
    Ok(lines)
}

/// Names may hold brackets, so the digest is what follows the last one.
fn parse(text: &str) -> Option<Line<'_>> {
    let (algorithm, rest) = text.split_once('(')?;
    let (name, digest) = rest.rsplit_once(')')?;
    let digest = digest.trim_start().strip_prefix('=')?.trim_start();
    let algorithm = algorithm.trim_end();
    let fits = !algorithm.is_empty()
        && !name.is_empty()
        && !digest.is_empty()
        && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then_some(Line {
        algorithm,
        name,
        digest,
    })
}

/// Body of the fuzz target `ova`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(lines) = read_manifest(data, Limits { lines: 100 }) else {
        return;
    };
    let text = |line: &Line<'_>| format!("{}({})= {}\n", line.algorithm, line.name, line.digest);
    let text: String = lines.iter().map(text).collect();
    let again = read_manifest(text.as_bytes(), Limits { lines: 100 });
    assert_eq!(again.expect("a manifest"), lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_maker_are_read() {
        let line = |algorithm, name, digest| Line {
            algorithm,
            name,
            digest,
        };
        for (text, expected) in [
            ("", vec![]),
            (
                "SHA256(disk.ovf)= 00ff\n",
                vec![line("SHA256", "disk.ovf", "00ff")],
            ),
            (
                "SHA1 (a (1).ovf) = 0F\r\n\nSHA512(b)=1",
                vec![line("SHA1", "a (1).ovf", "0F"), line("SHA512", "b", "1")],
            ),
        ] {
            let read = read_manifest(text.as_bytes(), Limits::default()).unwrap();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn other_lines_are_refused_by_number() {
        for text in [
            "x",
            "(a)= 0",
            "SHA256()= 0",
            "SHA256(a)=",
            "SHA256(a) 0",
            "SHA256(a)= 0g",
        ] {
            let text = format!("SHA256(a)= 0\n{text}\n");
            let error = read_manifest(text.as_bytes(), Limits::default()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "invalid OVF manifest at line 2",
                "{text}"
            );
        }
        let error = read_manifest(b"\xff", Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "invalid OVF manifest at line 1");
        let error = read_manifest(b"A(b)=0\nA(b)=0", Limits { lines: 1 }).unwrap_err();
        assert_eq!(error.to_string(), "more than 1 lines in an OVF manifest");
    }
}
