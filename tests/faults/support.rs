//! The real program in a process of its own, and a client that says nothing on its own account.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use formats::Digest;
use rustix::process::{Pid, Signal, kill_process};

/// The schematic without customization.
pub(crate) const PLAIN: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";
/// The version that everything here is about.
pub(crate) const VERSION: &str = "v1.14.0";

/// Which programs and environments CI must have.
pub(crate) fn skip(what: &str) {
    let required = std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_some();
    assert!(!required, "{what}");
    println!("skipped: {what}");
}

/// The stand-in release, an OCI layout.
pub(crate) fn release() -> Option<PathBuf> {
    let path = std::env::var_os("TALOS_FORGE_TEST_RELEASE").map(PathBuf::from);
    if path.is_none() {
        skip("TALOS_FORGE_TEST_RELEASE is not set");
    }
    path
}

/// One test at a time: they measure time and memory.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The path of an artifact's URL.
pub(crate) fn image(file: &str) -> String {
    format!("/image/{PLAIN}/{VERSION}/{file}")
}

/// The program, with a data directory and a source.
pub(crate) fn forge(data: &Path, source: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talos-forge"));
    command
        .args(["--log-level", "error", "--source", source, "--data-dir"])
        .arg(data)
        .env("IF_METRICS_ADDR", "127.0.0.1:0")
        .stderr(Stdio::piped());
    command
}

/// The release as the program's `--source`.
pub(crate) fn layout(release: &Path) -> String {
    format!("oci:{}", release.display())
}

/// SHA-256 of an artifact, as `build` writes it from an empty store.
pub(crate) fn reference(release: &Path, file: &str) -> String {
    static BUILT: OnceLock<(String, String)> = OnceLock::new();
    let (kernel, iso) = BUILT.get_or_init(|| {
        let data = tempfile::tempdir().unwrap();
        let of = |file| build(data.path(), release, file);
        (of("kernel-amd64"), of("metal-amd64.iso"))
    });
    match file {
        "kernel-amd64" => kernel.clone(),
        _ => iso.clone(),
    }
}

/// SHA-256 of an artifact that `build` makes.
pub(crate) fn build(data: &Path, release: &Path, file: &str) -> String {
    let out = tempfile::tempdir().unwrap();
    let built = forge(data, &layout(release))
        .args(["build", "-o"])
        .arg(out.path())
        .args([VERSION, file])
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let bytes = std::fs::read(out.path().join(file)).unwrap();
    Digest::of(bytes).hex()
}

/// Files below the store's folder for what is being written.
pub(crate) fn temporary(data: &Path) -> usize {
    std::fs::read_dir(data.join("store/tmp")).unwrap().count()
}

/// A running service, ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts `serve` on a free port.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://");
        let address = address.trim_end_matches('/').parse().unwrap();
        Self { child, address }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Waits for its end; true when it ended well.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<bool> {
        let begin = Instant::now();
        while begin.elapsed() < within {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.success());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text, for failures.
    pub(crate) fn text(&self) -> String {
        let start = &self.body[..self.body.len().min(1000)];
        String::from_utf8_lossy(start).into_owned()
    }

    /// The body's SHA-256.
    pub(crate) fn sha256(&self) -> String {
        Digest::of(&self.body).hex()
    }
}

/// Connects, with a limit on waiting.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_secs(90));
    stream.set_read_timeout(limit).unwrap();
    stream
}

/// Sends these bytes and reads the answer. A server may answer and close before it has read them all.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = connect(address);
    let _ = stream.write_all(request);
    receive(&mut stream)
}

/// Reads one answer.
pub(crate) fn receive(stream: &mut TcpStream) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).map(|status| status.parse().unwrap());
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            None => break,
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
        };
    }
    let len = headers
        .get("content-length")
        .map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    reader.read_exact(&mut body).unwrap();
    Answer {
        status: status.expect("an answer, not a closed connection"),
        headers,
        body,
    }
}

/// `GET` on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: forge\r\nConnection: close\r\n\r\n");
    exchange(address, request.as_bytes())
}
