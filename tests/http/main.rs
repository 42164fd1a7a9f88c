//! The service over a socket.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod altered;
mod containers;
mod disks;
mod documents;
mod encodings;
mod extensions;
mod golden;
mod isos;
#[path = "../../formats/tests/judges/mod.rs"]
mod judges;
mod kernels;
mod ranges;
mod refusals;
mod registry;
mod release;
mod service;
#[path = "../../assembler/tests/support/standin.rs"]
mod standin;
mod support;
mod sweep;
#[path = "../../formats/tests/reports/uki.rs"]
mod uki;
mod vectors;
