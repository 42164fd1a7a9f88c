//! Names of schematics.

use std::{fmt, str::FromStr};

use formats::Digest;

use super::Error;

/// The SHA-256 of a schematic's canonical form: 64 lower-case hexadecimal digits.
///
/// ```
/// use assembler::schematic::{Id, Schematic};
///
/// let id = Schematic::default().id();
/// assert_eq!(id.to_string(), "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba");
/// assert_eq!(Id::parse(&id.to_string()).unwrap(), id);
/// assert!(Id::parse("376567").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Digest);

impl Id {
    /// The ID of a canonical form.
    pub fn of(canonical: &[u8]) -> Id {
        Id(Digest::of(canonical))
    }

    /// Reads an ID. What is none cannot be found, so the error says so.
    pub fn parse(text: &str) -> Result<Id, Error> {
        let digest = Digest::from_hex(text);
        digest.map(Id).map_err(|_| Error::NotFound(text.into()))
    }

    /// The hash itself, by which blob stores know the canonical form.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Id, Error> {
        Id::parse(text)
    }
}
