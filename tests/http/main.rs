//! The service over a socket.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod ranges;
mod service;
mod support;
mod vectors;
