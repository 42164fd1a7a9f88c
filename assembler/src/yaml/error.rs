//! What is wrong with a document.

/// Why a document cannot be read. The texts are the ones go-yaml gives, as far as they do not differ between its releases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No document at all: empty, or nothing but comments.
    #[error("EOF")]
    Empty,
    /// Not YAML.
    #[error("yaml: line {line}: {problem}")]
    Syntax {
        /// Line of the input, from 1.
        line: usize,
        /// What was found or missed.
        problem: String,
    },
    /// YAML, but not what is expected here; all findings of the document, each with its line.
    #[error("yaml: construct errors: {}", .0.join("; "))]
    Construct(Vec<String>),
    /// More input than is read.
    #[error("yaml: document is longer than {0} bytes")]
    TooLong(usize),
    /// More nesting than is followed.
    #[error("yaml: line {line}: nested deeper than {limit} levels")]
    TooDeep {
        /// Line of the input, from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// More values than are read.
    #[error("yaml: document has more than {0} values, aliases expanded")]
    TooMany(usize),
    /// More text than is read.
    #[error("yaml: document has more than {0} bytes of text, aliases expanded")]
    TooLarge(usize),
}

impl Error {
    pub(super) fn syntax(line: usize, problem: impl Into<String>) -> Error {
        Error::Syntax {
            line,
            problem: problem.into(),
        }
    }
}
