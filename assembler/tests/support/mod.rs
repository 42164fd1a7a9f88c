//! What the tests of sources share: a tiny release, a registry that can misbehave, the conformance suite.

#![expect(
    dead_code,
    unreachable_pub,
    reason = "each test program uses its own part of this module"
)]

pub mod conformance;
pub mod release;
pub mod server;

use std::time::Duration;

use assembler::source::RegistryOptions;
use bytes::Bytes;

pub use release::Release;

/// Options with which nothing takes long.
pub fn quick() -> RegistryOptions {
    RegistryOptions {
        connect_timeout: Duration::from_secs(5),
        stall_timeout: Duration::from_secs(5),
        attempts: 4,
        backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(4),
        max_retry_after: Duration::from_millis(30),
        ..RegistryOptions::default()
    }
}

/// Bytes that do not compress and are the same each time.
pub fn noise(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    next.flatten().take(len).collect()
}

/// Whether a judge can be had. In CI it must be.
pub fn has_judge(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    let is_required = std::env::var("TALOS_FORGE_REQUIRE_JUDGES").is_ok_and(|value| value == "1");
    assert!(
        is_there || !is_required,
        "{program} is not installed, but it is required"
    );
    if !is_there {
        println!("skipped: {program} is not installed");
    }
    is_there
}
