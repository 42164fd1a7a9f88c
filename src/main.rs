//! Boot images for Talos Linux, composed on request.

use std::process::ExitCode;

use clap::Parser as _;
use talos_forge::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the one place that reports failure")]
            {
                eprintln!("error: {}", cli::one_line(&error));
            }
            ExitCode::FAILURE
        }
    }
}
