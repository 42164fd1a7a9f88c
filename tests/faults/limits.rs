//! Clients that want too much, or too little.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use crate::support::{Process, alone, connect, exchange, forge, get, layout, receive, release};

/// How long anything here may take.
const SOON: Duration = Duration::from_secs(8);

fn service(settings: &[(&str, &str)]) -> Option<(Process, tempfile::TempDir)> {
    let release = release()?;
    let data = tempfile::tempdir().unwrap();
    let mut command = forge(data.path(), &layout(&release));
    command.envs(settings.iter().copied());
    Some((Process::start(command), data))
}

fn post(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /schematics HTTP/1.1\r\nHost: forge\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn heads_and_bodies_are_bounded() {
    let _alone = alone();
    let Some((process, _data)) = service(&[]) else {
        return;
    };
    let long = format!(
        "GET / HTTP/1.1\r\nHost: forge\r\nX: {}\r\n\r\n",
        "x".repeat(60 << 10)
    );
    assert_eq!(exchange(process.address, long.as_bytes()).status, 200);
    let many = (0..101).fold(String::new(), |mut text, number| {
        write!(text, "X-{number}: x\r\n").unwrap();
        text
    });
    let many = format!("GET / HTTP/1.1\r\nHost: forge\r\n{many}\r\n");
    assert_eq!(exchange(process.address, many.as_bytes()).status, 431);
    let longer = format!(
        "GET / HTTP/1.1\r\nHost: forge\r\nX: {}",
        "x".repeat(64 << 10)
    );
    assert_eq!(exchange(process.address, longer.as_bytes()).status, 431);
    // Only announced: it must not be waited for.
    let announced = "POST /schematics HTTP/1.1\r\nHost: forge\r\nContent-Length: 10485760\r\n\r\n";
    let answer = exchange(process.address, announced.as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.text());
    // Not announced.
    let mut chunked =
        b"POST /schematics HTTP/1.1\r\nHost: forge\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend_from_slice(b"100001\r\n");
    chunked.resize(chunked.len() + 0x10_0001, b'#');
    let answer = exchange(process.address, &chunked);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(get(process.address, "/healthz").status, 200);
}

#[test]
fn clients_that_say_nothing_are_let_go() {
    let _alone = alone();
    let limits = [("IF_LIMITS_IDLE", "1s"), ("IF_LIMITS_STALL", "1s")];
    let Some((process, _data)) = service(&limits) else {
        return;
    };
    let whole = "GET /healthz HTTP/1.1\r\nHost: forge\r\n\r\n";
    for said in [
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: forge\r\nX: ",
        whole,
    ] {
        let begin = Instant::now();
        let mut stream = connect(process.address);
        stream.write_all(said.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let took = begin.elapsed();
        assert!(took < SOON, "{said:?}: {took:?}");
        assert!(took > Duration::from_millis(500), "{said:?}: {took:?}");
    }
    let mut stream = connect(process.address);
    let head = "POST /schematics HTTP/1.1\r\nHost: forge\r\nContent-Length: 1000\r\n\r\ncustom";
    stream.write_all(head.as_bytes()).unwrap();
    let begin = Instant::now();
    assert_eq!(receive(&mut stream).status, 408);
    assert!(begin.elapsed() < SOON);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let _alone = alone();
    let Some((process, _data)) = service(&[("IF_LIMITS_CONNECTIONS", "4")]) else {
        return;
    };
    let request = b"GET /healthz HTTP/1.1\r\nHost: forge\r\n\r\n";
    let mut open: Vec<_> = (0..4).map(|_| connect(process.address)).collect();
    for stream in &mut open {
        stream.write_all(request).unwrap();
        assert_eq!(receive(stream).status, 200);
    }
    let mut fifth = connect(process.address);
    fifth.write_all(request).unwrap();
    fifth
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    assert!(fifth.peek(&mut [0]).is_err(), "nothing must come yet");
    open.pop();
    fifth.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(receive(&mut fifth).status, 200);
}

#[test]
fn hostile_schematics_are_refused_in_bounded_time() {
    let _alone = alone();
    let Some((process, _data)) = service(&[]) else {
        return;
    };
    // Where a schematic may hold anything.
    let options = "overlay:\n  name: a\n  image: b\n  options:\n    a0: &a0 [x, x]\n".to_owned();
    let bomb = (1..30).fold(options, |mut text, level| {
        let below = level - 1;
        writeln!(
            text,
            "    a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]"
        )
        .unwrap();
        text
    });
    let indented = (0..1000).fold(String::new(), |mut text, level| {
        writeln!(text, "{}a:", " ".repeat(level)).unwrap();
        text
    });
    let cases: [(&str, Vec<u8>); 7] = [
        ("10 MB", vec![b'#'; 10 << 20]),
        ("brackets", vec![b'['; 1_000_000]),
        ("braces", b"{a: ".repeat(250_000)),
        ("dashes", b"- ".repeat(500_000)),
        ("indents", indented.into_bytes()),
        ("bomb", bomb.into_bytes()),
        ("no text", vec![0xff; 100_000]),
    ];
    for (name, document) in cases {
        let begin = Instant::now();
        let answer = exchange(process.address, &post(&document));
        let took = begin.elapsed();
        println!(
            "{name}: {} after {took:?}: {}",
            answer.status,
            answer.text().trim_end()
        );
        assert!(
            (400..500).contains(&answer.status),
            "{name}: {}",
            answer.status
        );
        assert!(took < SOON, "{name}: {took:?}");
    }
    assert_eq!(get(process.address, "/healthz").status, 200);
}
