//! The service and the command line: everything that knows of HTTP statuses, configuration, terminals and exit codes.
//!
//! `main` parses the command line and ends the process; [`cli`] has one file a command; [`app`] answers requests, one file
//! an endpoint below [`request`]; [`server`] owns sockets. What an artifact is made of, [`assembler`] knows.

pub mod config;
pub mod proxy;
pub mod response;
