//! Clients that hardly read.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Pid;

use crate::support::{
    Process, alone, connect, forge, get, image, layout, reference, release, skip,
};

const CLIENTS: usize = 1000;
const SECONDS: u64 = 10;
/// Anonymous memory and socket buffers together, in bytes.
const GOAL: u64 = 256 << 20;
const FILE: &str = "metal-amd64.iso";

/// Anonymous memory of a process, in bytes.
fn anonymous(pid: Pid) -> u64 {
    let status = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() << 10
}

/// What the kernel holds for the sockets of a port: received, queued, and allocated ahead, in bytes.
fn sockets(port: u16) -> Option<u64> {
    let filter = [
        "-tmnH",
        "state",
        "connected",
        "sport",
        "=",
        &format!(":{port}"),
    ];
    let Ok(listed) = Command::new("ss").args(filter).output() else {
        skip("ss is not installed");
        return None;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let each = listed.split("skmem:(").skip(1).map(|one| {
        let fields = one.split(')').next().unwrap().split(',');
        let counted = fields.filter_map(|field| {
            let (name, value) = field.split_at(field.find(|c: char| c.is_ascii_digit())?);
            matches!(name, "r" | "f" | "w").then(|| value.parse::<u64>().unwrap())
        });
        counted.sum::<u64>()
    });
    Some(each.sum())
}

fn client(process: &Process) -> TcpStream {
    let mut stream = connect(process.address);
    let request = format!("GET {} HTTP/1.1\r\nHost: forge\r\n\r\n", image(FILE));
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn a_thousand_clients_that_read_a_byte_a_second_cost_little_memory() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let sha256 = reference(&release, FILE);
    talos_forge::server::raise_file_limit();
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(forge(data.path(), &layout(&release)));
    assert_eq!(get(process.address, &image(FILE)).sha256(), sha256);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| client(&process)).collect();
    let (mut most, mut most_anonymous, mut most_sockets) = (0, 0, 0);
    for second in 0..SECONDS {
        let begin = Instant::now();
        for client in &mut clients {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            if let Some(expected) = b"HTTP/1.1 200 OK".get(usize::try_from(second).unwrap()) {
                assert_eq!(byte[0], *expected);
            }
        }
        if second == SECONDS / 2 {
            let fast = get(process.address, &image(FILE));
            assert_eq!((fast.status, fast.sha256()), (200, sha256.clone()));
        }
        let Some(buffers) = sockets(process.address.port()) else {
            return;
        };
        let own = anonymous(process.pid());
        most = most.max(own + buffers);
        most_anonymous = most_anonymous.max(own);
        most_sockets = most_sockets.max(buffers);
        std::thread::sleep(Duration::from_secs(1).saturating_sub(begin.elapsed()));
    }
    println!(
        "{CLIENTS} slow clients: {} MiB anonymous, {} MiB in sockets, {} MiB together",
        most_anonymous >> 20,
        most_sockets >> 20,
        most >> 20
    );
    assert!(most_sockets > 0, "ss has counted nothing");
    assert!(most < GOAL, "{} MiB", most >> 20);
}
