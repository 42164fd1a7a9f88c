//! The picture in the program is the one that its script draws.

#![expect(clippy::print_stdout, reason = "helpers of tests are tests")]

pub mod judges;

use judges::judge;

#[test]
fn the_picture_is_what_its_script_draws() {
    let Some(mut python) = judge("python3") else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/splash");
    let output = python.args([script, "-"]).output().unwrap();
    assert!(output.status.success(), "{}", output.stderr.escape_ascii());
    assert!(output.stdout == formats::splash::bmp());
}
