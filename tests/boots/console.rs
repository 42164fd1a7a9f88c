//! What machines say.

use std::{fs, path::Path, process::Command, time::Instant};

const BOOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/boot");

/// The PROBE lines of a serial console.
pub(crate) struct Probe<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Probe<'a> {
    pub(crate) fn parse(log: &'a str) -> Self {
        let lines = log
            .lines()
            .filter_map(|line| line.trim_end_matches('\r').strip_prefix("PROBE-"));
        Self(lines.filter_map(|line| line.split_once(' ')).collect())
    }

    pub(crate) fn values(&self, key: &str) -> Vec<&'a str> {
        let fitting = self.0.iter().filter(|(name, _)| *name == key);
        fitting.map(|(_, value)| *value).collect()
    }
}

/// What a machine says that `hack/boot ARGUMENTS` starts.
pub(crate) fn boot<A: AsRef<std::ffi::OsStr>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
    seconds: &str,
) -> String {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
    let begin = Instant::now();
    let status = Command::new(BOOT)
        .args(arguments)
        .args(["--quiet", "--timeout", seconds, "--log"])
        .arg(&log)
        .status()
        .unwrap();
    let took = begin.elapsed().as_secs_f32();
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    assert!(
        status.success(),
        "no PROBE-OK; the end of {}:\n{}",
        log.display(),
        end(&text)
    );
    eprintln!("boots::{name}: PROBE-OK after {took:.1} s");
    text
}

/// The last lines of a console, without what terminals do not show.
fn end(console: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = console.lines().collect();
    let mut text = lines[lines.len().saturating_sub(LINES)..].join("\n");
    text.retain(|letter| letter == '\n' || !letter.is_control());
    text
}
