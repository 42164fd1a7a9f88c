//! Talos versions: parsing, order, and which tags of a registry are releases on offer (spec/http.md 2.1, 6.2; spec/profile.md 3).
//!
//! Versions in requests are parsed strictly, tags of a registry tolerantly. What a version *means* stands in [`crate::quirks`] alone.

use std::{cmp::Ordering, fmt, str::FromStr};

/// The components of a version: major, minor, patch.
const COMPONENTS: usize = 3;

/// The pre-release names that the version list offers.
const STAGES: [&str; 3] = ["alpha", "beta", "rc"];

/// A semantic version. Equality includes build metadata; [`Version::precedence`] does not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// Major version.
    pub major: u64,
    /// Minor version.
    pub minor: u64,
    /// Patch version.
    pub patch: u64,
    /// Pre-release identifiers, empty for a release.
    pub pre: Vec<Identifier>,
    /// Build metadata, empty for none.
    pub build: Vec<String>,
}

/// One pre-release identifier; numbers sort before texts, as semver says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identifier {
    /// Only digits.
    Number(u64),
    /// Letters, digits and `-`, at least one of them not a digit.
    Text(String),
}

/// A text that is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed version {text:?}: {reason}")]
pub struct Malformed {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Fewer than three components.
    #[error("expected major.minor.patch")]
    Components,
    /// Two components followed by a pre-release or build part.
    #[error("a short version cannot have a pre-release or build part")]
    ShortWithSuffix,
    /// Not a decimal number of at most 64 bits.
    #[error("expected a decimal number")]
    Number,
    /// A number with leading zeros.
    #[error("leading zero")]
    LeadingZero,
    /// An empty pre-release or build identifier.
    #[error("empty identifier")]
    EmptyIdentifier,
    /// A character that identifiers cannot have.
    #[error("identifiers hold letters, digits and '-'")]
    Identifier,
}

impl Version {
    /// Parses a version as requests have it: strict semver, a leading `v` is optional.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        strict(text.strip_prefix('v').unwrap_or(text)).map_err(|reason| Malformed {
            text: text.to_owned(),
            reason,
        })
    }

    /// Parses a version as tags and profiles have it: white space around it, missing components and leading zeros are fine.
    pub fn parse_tolerant(text: &str) -> Result<Self, Malformed> {
        let trimmed = text.trim();
        let trimmed = trimmed.strip_prefix('v').unwrap_or(trimmed);
        complete(trimmed)
            .and_then(|completed| strict(&completed))
            .map_err(|reason| Malformed {
                text: text.to_owned(),
                reason,
            })
    }

    /// The tag of the release's images: `v1.14.0`.
    pub fn tag(&self) -> String {
        format!("v{self}")
    }

    /// Major, minor and patch: what the quirks go by.
    pub fn core(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }

    /// The order of semver: pre-releases before their release, build metadata ignored.
    pub fn precedence(&self, other: &Self) -> Ordering {
        let pre = match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.pre.cmp(&other.pre),
        };
        self.core().cmp(&other.core()).then(pre)
    }

    /// Whether this pre-release is one that the version list offers: `alpha.N`, `beta.N`, `rc.N`.
    fn is_staged(&self) -> bool {
        matches!(self.pre.as_slice(), [Identifier::Text(stage), Identifier::Number(_)] if STAGES.contains(&stage.as_str()))
    }
}

impl FromStr for Version {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

/// [`Version::precedence`], then build metadata.
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.precedence(other)
            .then_with(|| self.build.cmp(&other.build))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Without the `v`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        for (index, identifier) in self.pre.iter().enumerate() {
            f.write_str(if index == 0 { "-" } else { "." })?;
            match identifier {
                Identifier::Number(number) => write!(f, "{number}")?,
                Identifier::Text(text) => f.write_str(text)?,
            }
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build.join("."))?;
        }
        Ok(())
    }
}

/// The versions on offer of a registry's tags, ascending (spec/http.md 6.2): at least `min`, not in `broken`, and of pre-releases
/// only those of the newest minor version. Tags that are no versions are ignored; none at all gives an empty list.
pub fn available<S: AsRef<str>>(tags: &[S], min: &Version, broken: &[Version]) -> Vec<Version> {
    let mut versions: Vec<Version> = tags
        .iter()
        .filter_map(|tag| Version::parse_tolerant(tag.as_ref()).ok())
        .collect();
    let Some(newest) = versions
        .iter()
        .max_by(|a, b| a.precedence(b))
        .map(|newest| (newest.major, newest.minor))
    else {
        return versions;
    };
    versions.retain(|version| {
        version.precedence(min).is_ge()
            && broken
                .iter()
                .all(|broken| version.precedence(broken).is_ne())
            && (version.pre.is_empty()
                || version.is_staged() && (version.major, version.minor) == newest)
    });
    // Stable, and by precedence: versions that differ in build metadata only stay in the registry's order.
    versions.sort_by(Version::precedence);
    versions
}

/// Removes leading zeros and adds missing components.
fn complete(text: &str) -> Result<String, Reason> {
    let mut parts: Vec<String> = text.splitn(COMPONENTS, '.').map(trim_zeros).collect();
    let last = parts.last().expect("splitting gives at least one part");
    if parts.len() < COMPONENTS && last.contains(['+', '-']) {
        return Err(Reason::ShortWithSuffix);
    }
    parts.resize(COMPONENTS, "0".to_owned());
    Ok(parts.join("."))
}

/// `010` → `10`, `00` → `0`, `0-rc` → `0-rc`.
fn trim_zeros(part: &str) -> String {
    if part.len() < 2 {
        return part.to_owned();
    }
    let trimmed = part.trim_start_matches('0');
    if trimmed.starts_with(|c: char| c.is_ascii_digit()) {
        trimmed.to_owned()
    } else {
        format!("0{trimmed}")
    }
}

fn strict(text: &str) -> Result<Version, Reason> {
    let mut parts = text.splitn(COMPONENTS, '.');
    let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Reason::Components);
    };
    let (rest, build) = split_identifiers(rest, '+');
    let (patch, pre) = split_identifiers(rest, '-');
    Ok(Version {
        major: number(major)?,
        minor: number(minor)?,
        patch: number(patch)?,
        pre: pre.map(identifier).collect::<Result<_, _>>()?,
        build: build
            .map(|text| checked(text).map(str::to_owned))
            .collect::<Result<_, _>>()?,
    })
}

/// What precedes the separator, and the dot-separated identifiers after it (none without a separator).
fn split_identifiers(text: &str, separator: char) -> (&str, impl Iterator<Item = &str>) {
    let (before, after) = text
        .split_once(separator)
        .map_or((text, None), |(before, after)| (before, Some(after)));
    (before, after.into_iter().flat_map(|after| after.split('.')))
}

fn identifier(text: &str) -> Result<Identifier, Reason> {
    if checked(text)?.bytes().all(|byte| byte.is_ascii_digit()) {
        number(text).map(Identifier::Number)
    } else {
        Ok(Identifier::Text(text.to_owned()))
    }
}

fn checked(text: &str) -> Result<&str, Reason> {
    if text.is_empty() {
        Err(Reason::EmptyIdentifier)
    } else if text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        Ok(text)
    } else {
        Err(Reason::Identifier)
    }
}

fn number(text: &str) -> Result<u64, Reason> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reason::Number);
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(Reason::LeadingZero);
    }
    text.parse().map_err(|_| Reason::Number)
}
