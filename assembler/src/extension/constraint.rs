//! Ranges of versions, as github.com/blang/semver reads them (spec/initramfs.md 1.3).
//!
//! `>= 1.2.0 < 2.0.0 || 3.x`: a blank is *and*, `||` is *or*, `x` stands for any number at the end. What is asked about
//! never has a pre-release part, so one in a bound matters only in that it lies below its version.

use std::cmp::Ordering;

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// One of these holds, if there are any: all of its bounds do.
    alternatives: Vec<Vec<Bound>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound {
    relation: Relation,
    core: (u64, u64, u64),
    pre_release: bool,
}

impl Constraint {
    /// Reads a range; an empty one admits everything. A `v` before a digit is ignored. The error is semver's text.
    pub fn parse(text: &str) -> Result<Constraint, String> {
        let mut alternatives = Vec::new();
        if text.is_empty() {
            return Ok(Constraint { alternatives });
        }
        let text = strip_v(text);
        let parts = split(&text);
        if parts.first().is_some_and(|part| part == "||") {
            return Err("First element in range is '||'".into());
        }
        for part in parts.split(|part| part == "||") {
            let mut bounds = Vec::new();
            for part in part {
                for bound in expand(part)? {
                    bounds.push(Bound::parse(&bound)?);
                }
            }
            alternatives.push(bounds);
        }
        if alternatives.iter().any(Vec::is_empty) {
            return Err("Last element in range is '||'".into());
        }
        Ok(Constraint { alternatives })
    }

    /// Whether a version, without a pre-release part, lies in the range.
    pub fn admits(&self, core: (u64, u64, u64)) -> bool {
        let mut alternatives = self.alternatives.iter();
        self.alternatives.is_empty()
            || alternatives.any(|bounds| bounds.iter().all(|bound| bound.admits(core)))
    }
}

fn strip_v(text: &str) -> String {
    let mut stripped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let before_digit = chars.peek().is_some_and(char::is_ascii_digit);
        if c != 'v' || !before_digit {
            stripped.push(c);
        }
    }
    stripped
}

/// Splits at blanks, but not at those between an operator and its version. Single characters are lost, as in semver.
fn split(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let mut from = 0;
    let mut last = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != b' ' {
            last = *byte;
        } else if !matches!(last, b'>' | b'<' | b'=') {
            if from + 1 < at {
                parts.push(&text[from..at]);
            }
            from = at + 1;
        }
    }
    if from + 1 < bytes.len() {
        parts.push(&text[from..]);
    }
    parts
        .into_iter()
        .map(|part| part.replace(' ', ""))
        .collect()
}

/// Splits the operator from the version.
fn split_operator(part: &str) -> Result<(&str, &str), String> {
    let digit = part.find(|c: char| c.is_ascii_digit());
    let digit = digit.ok_or_else(|| format!("Could not get version from string: {part:?}"))?;
    Ok(part.split_at(digit))
}

/// Replaces wildcards: `1.2.x` becomes `>=1.2.0` and `<1.3.0`.
fn expand(part: &str) -> Result<Vec<String>, String> {
    if !part.contains('x') {
        return Ok(vec![part.into()]);
    }
    let (operator, version) = split_operator(part)?;
    let flat = version.replacen(".x.x", ".x", 1).replacen(".x", ".0", 1);
    let numbers = flat.split('.').count();
    let flat = if numbers == 2 { flat + ".0" } else { flat };
    // The number before the wildcard goes up: of `1.2.x` the second, of `1.x` the first.
    let place = version
        .strip_suffix(".x")
        .map(|before| before.matches('.').count());
    let next = || {
        place
            .and_then(|place| increment(&flat, place))
            .unwrap_or_default()
    };
    Ok(match operator {
        ">" => vec![format!(">={}", next())],
        ">=" => vec![format!(">={flat}")],
        "<" => vec![format!("<{flat}")],
        "<=" => vec![format!("<{}", next())],
        "" | "=" | "==" => vec![format!(">={flat}"), format!("<{}", next())],
        "!=" | "!" => vec![format!("<{flat}"), format!(">={}", next())],
        _ => vec![flat],
    })
}

fn increment(version: &str, place: usize) -> Option<String> {
    let mut numbers: Vec<String> = version.split('.').map(String::from).collect();
    let number: u64 = numbers.get(place)?.parse().ok()?;
    numbers[place] = number.checked_add(1)?.to_string();
    Some(numbers.join("."))
}

impl Bound {
    fn parse(part: &str) -> Result<Bound, String> {
        let (operator, version) = split_operator(part)?;
        let relation = match operator {
            "" | "=" | "==" => Relation::Equal,
            "!" | "!=" => Relation::NotEqual,
            ">" => Relation::Greater,
            ">=" => Relation::GreaterOrEqual,
            "<" => Relation::Less,
            "<=" => Relation::LessOrEqual,
            _ => {
                let problem = format!("Could not parse comparator {operator:?} in {part:?}");
                return Err(format!("Could not parse Range {part:?}: {problem}"));
            }
        };
        let (core, pre_release) = parse_version(version).map_err(|problem| {
            format!("Could not parse Range {part:?}: Could not parse version {version:?} in {part:?}: {problem}")
        })?;
        Ok(Bound {
            relation,
            core,
            pre_release,
        })
    }

    fn admits(self, core: (u64, u64, u64)) -> bool {
        let order = core.cmp(&self.core);
        let order = if self.pre_release {
            order.then(Ordering::Greater)
        } else {
            order
        };
        match self.relation {
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::Greater => order.is_gt(),
            Relation::GreaterOrEqual => order.is_ge(),
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
        }
    }
}

/// A version by the letter of semver: three numbers, and whether there is a pre-release part.
fn parse_version(text: &str) -> Result<((u64, u64, u64), bool), String> {
    let mut parts = text.splitn(3, '.');
    let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("No Major.Minor.Patch elements found".into());
    };
    let major = parse_number("Major", major)?;
    let minor = parse_number("Minor", minor)?;
    let (rest, build) = rest
        .split_once('+')
        .map_or((rest, None), |(rest, build)| (rest, Some(build)));
    let (patch, pre) = rest
        .split_once('-')
        .map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
    let patch = parse_number("Patch", patch)?;
    for part in pre.into_iter().flat_map(|pre| pre.split('.')) {
        check_identifier("Prerelease", part)?;
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "Numeric PreRelease version must not contain leading zeroes {part:?}"
            ));
        }
    }
    for part in build.into_iter().flat_map(|build| build.split('.')) {
        check_identifier("Build meta data", part)?;
    }
    Ok(((major, minor, patch), pre.is_some()))
}

fn parse_number(what: &str, text: &str) -> Result<u64, String> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        let what = what.to_lowercase();
        return Err(format!(
            "Invalid character(s) found in {what} number {text:?}"
        ));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!(
            "{what} number must not contain leading zeroes {text:?}"
        ));
    }
    text.parse()
        .map_err(|e| format!("{what} number {text:?}: {e}"))
}

fn check_identifier(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(format!(
            "Invalid character(s) found in {} {text:?}",
            what.to_lowercase()
        ));
    }
    Ok(())
}
