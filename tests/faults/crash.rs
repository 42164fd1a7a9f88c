//! The program is killed while it fetches.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{VERSION, alone, build, forge, layout, reference, release, temporary};

const ROUNDS: u32 = 8;
const SEED: u32 = 20_190_602;

#[test]
fn a_store_survives_a_kill_at_any_moment() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let sha256 = reference(&release, "metal-amd64.iso");
    let prefetch = |data: &std::path::Path| {
        let mut command = forge(data, &layout(&release));
        command.args(["prefetch", VERSION]).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let data = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    assert!(prefetch(data.path()).wait().unwrap().success());
    let whole = begin.elapsed();
    let (mut seed, mut killed, mut unfinished) = (SEED, 0, 0);
    for round in 0..ROUNDS {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = whole.mul_f64(f64::from(seed >> 16) / 65_536.0);
        let data = tempfile::tempdir().unwrap();
        let mut child = prefetch(data.path());
        std::thread::sleep(moment.max(Duration::from_millis(30)));
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        if data.path().join("store/tmp").is_dir() {
            unfinished += u32::from(temporary(data.path()) > 0);
        }
        let verify = forge(data.path(), &layout(&release))
            .args(["store", "verify"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&verify.stderr);
        let sound = verify.status.success() || text.contains("have been dropped");
        assert!(sound, "round {round}, killed after {moment:?}: {verify:?}");
        let again = build(data.path(), &release, "metal-amd64.iso");
        assert_eq!(again, sha256, "round {round}, killed after {moment:?}");
        assert_eq!(temporary(data.path()), 0, "round {round}");
    }
    println!(
        "{killed} of {ROUNDS} killed before they were done, {unfinished} while writing a blob"
    );
    assert!(
        killed >= ROUNDS / 2,
        "the moments are no moments of an ingest"
    );
}
