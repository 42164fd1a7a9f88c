//! The stand-in release in an OCI layout, whose directory `TALOS_FORGE_TEST_RELEASE` names.

use std::path::PathBuf;

/// The release; without it tests say that they are skipped, and in CI they fail.
pub(crate) fn release() -> Option<PathBuf> {
    let path = std::env::var_os("TALOS_FORGE_TEST_RELEASE").map(PathBuf::from);
    if path.is_none() {
        let required = std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_some();
        assert!(!required, "TALOS_FORGE_TEST_RELEASE is not set");
        println!("skipped: TALOS_FORGE_TEST_RELEASE is not set");
    }
    path
}
