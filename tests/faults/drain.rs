//! SIGTERM while a download is under way.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use formats::Digest;

use crate::support::{Process, alone, connect, forge, get, image, layout, reference, release};

const FILE: &str = "metal-amd64.iso";
const SOON: Duration = Duration::from_secs(10);

/// A download of which the head and the first megabyte have come.
fn begun(process: &Process) -> (TcpStream, Vec<u8>) {
    let mut stream = connect(process.address);
    let request = format!("GET {} HTTP/1.1\r\nHost: forge\r\n\r\n", image(FILE));
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = vec![0; 1 << 20];
    stream.read_exact(&mut bytes).unwrap();
    (stream, bytes)
}

#[test]
fn a_download_is_finished_before_the_service_ends() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let sha256 = reference(&release, FILE);
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(forge(data.path(), &layout(&release)));
    let (mut stream, mut bytes) = begun(&process);
    process.terminate();
    assert_eq!(process.ended(Duration::from_secs(1)), None);
    assert!(
        TcpStream::connect(process.address).is_err(),
        "nobody listens any more"
    );
    stream.read_to_end(&mut bytes).unwrap();
    let head = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert_eq!(Digest::of(&bytes[head..]).hex(), sha256);
    assert_eq!(process.ended(SOON), Some(true));
}

#[test]
fn a_second_signal_ends_the_service_at_once() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(forge(data.path(), &layout(&release)));
    assert_eq!(get(process.address, "/healthz").status, 200);
    let (_stream, _) = begun(&process);
    process.terminate();
    assert_eq!(process.ended(Duration::from_millis(500)), None);
    process.terminate();
    assert!(process.ended(SOON).is_some());
}
