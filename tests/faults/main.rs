//! What goes wrong around the service: its source, its disk, its clients, and its own sudden end.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod clients;
mod crash;
mod disk;
mod drain;
mod extensions;
mod limits;
mod proxies;
mod registry;
mod source;
mod support;
