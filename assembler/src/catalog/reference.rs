//! References to images as catalogues write them: `registry/repository:tag`.

use super::Error;

const DEFAULT_TAG: &str = "latest";
const REPOSITORY_LEN: std::ops::RangeInclusive<usize> = 2..=255;
const TAG_LEN: std::ops::RangeInclusive<usize> = 1..=128;

/// A reference without its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// Path of the repository, such as `siderolabs/gvisor`.
    pub(super) repository: String,
    pub(super) tag: String,
}

impl Reference {
    pub(super) fn parse(text: &str) -> Result<Reference, Error> {
        let error = |reason: String| Error::Reference {
            reference: text.into(),
            reason,
        };
        // A colon before a slash belongs to the port of the registry.
        let (name, tag) = match text.rsplit_once(':') {
            Some((_, "")) => {
                return Err(error(format!(
                    "{text} must specify a tag name after the colon"
                )));
            }
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, DEFAULT_TAG),
        };
        check(
            "tag",
            tag,
            TAG_LEN,
            "abcdefghijklmnopqrstuvwxyz0123456789_-.ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        )
        .map_err(error)?;
        if name.is_empty() {
            return Err(error("a repository name must be specified".into()));
        }
        let repository = match name.split_once('/') {
            Some((host, path)) if host == "localhost" || host.contains(['.', ':']) => path,
            _ => name,
        };
        check(
            "repository",
            repository,
            REPOSITORY_LEN,
            "abcdefghijklmnopqrstuvwxyz0123456789_-./",
        )
        .map_err(error)?;
        Ok(Reference {
            repository: repository.into(),
            tag: tag.into(),
        })
    }
}

fn check(
    what: &str,
    text: &str,
    len: std::ops::RangeInclusive<usize>,
    allowed: &str,
) -> Result<(), String> {
    let (min, max) = (len.start(), len.end());
    if !len.contains(&text.chars().count()) {
        return Err(format!(
            "{what} must be between {min} and {max} characters in length: {text}"
        ));
    }
    if !text.chars().all(|c| allowed.contains(c)) {
        return Err(format!(
            "{what} can only contain the characters `{allowed}`: {text}"
        ));
    }
    Ok(())
}
