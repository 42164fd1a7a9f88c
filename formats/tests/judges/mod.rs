//! Programs that we did not write, as judges of what we did.
use std::process::Command;

/// `program`, or `None` (said aloud) when it is not installed; where judges are required, its absence is a failure.
pub(crate) fn judge(program: &str) -> Option<Command> {
    let found = std::env::var_os("PATH").is_some_and(|paths| {
        std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
    });
    if found {
        return Some(Command::new(program));
    }
    assert!(
        std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_none(),
        "judge {program} is not installed"
    );
    println!("skipped: judge {program} is not installed");
    None
}
