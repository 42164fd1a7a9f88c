//! Whose fault an error is: the one thing about it that callers branch on.

/// What kind of answer an error calls for. Every error of this crate has a `kind()`; only the service turns it into a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What was asked cannot be made: the request is wrong (400).
    BadRequest,
    /// What was asked does not exist (404).
    NotFound,
    /// What was asked makes sense, but this build cannot do it yet (501).
    NotYet,
    /// The source of images failed or lied (502).
    Upstream,
    /// The source of images did not answer in time (504).
    UpstreamTimeout,
    /// The store's disk is full (507).
    StorageFull,
    /// Preparing took longer than allowed; it goes on, and asking again later helps (503).
    Busy,
    /// Our own fault (500).
    Internal,
}
