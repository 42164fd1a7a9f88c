//! The service and the command line: everything that knows of HTTP statuses, configuration, terminals and exit codes.
//!
//! `main` ends the process; [`cli`] has one file a command; [`app`] answers requests, one file an endpoint below
//! `request`; [`server`] owns sockets. What an artifact is made of, [`assembler`] knows.

pub mod app;
pub mod body;
pub mod cli;
pub mod config;
pub mod cors;
pub mod digests;
pub mod error;
pub mod metrics;
pub mod proxy;
mod request;
pub mod response;
pub mod route;
pub mod server;
