//! Containers and packings of disks against the recorded reports of served ones: every byte of their headers that does not
//! follow from what the disk holds.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use formats::{Digest, tar, vmdk};

use crate::{
    golden::section,
    release::{Connection, schematic},
    standin,
    support::Running,
};

const VERSION: &str = "v1.14.0";

fn report(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/reports");
    std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap()
}

/// The bytes that a section's words of hexadecimal digits stand for; of two forms of the same, the first.
fn bytes(report: &str, title: &str) -> Vec<u8> {
    let words = section(report, title).split_whitespace();
    let digits = words.take_while(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let digits: String = digits.collect();
    (0..digits.len() / 2)
        .map(|index| u8::from_str_radix(&digits[2 * index..][..2], 16).unwrap())
        .collect()
}

/// `found` is as recorded but for the bytes of `different`.
fn check(found: &[u8], recorded: &[u8], different: &[(usize, usize)]) {
    let blank = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for (start, end) in different {
            bytes[*start..*end].fill(0);
        }
        bytes
    };
    assert_eq!(
        blank(found).escape_ascii().to_string(),
        blank(recorded).escape_ascii().to_string()
    );
}

/// A whole artifact of the default schematic, over a socket.
async fn download(server: &Running, name: &str) -> File {
    let id = schematic(server).await;
    let path = format!("image/{id}/{VERSION}/{name}");
    let address = server.address;
    let save = move || {
        let mut file = tempfile::tempfile().unwrap();
        let (status, _) = Connection::new(address).save(&path, &mut file);
        assert_eq!(status, 200, "{path}");
        file.rewind().unwrap();
        file
    };
    tokio::task::spawn_blocking(save).await.unwrap()
}

fn part(file: &File, offset: u64, len: u64) -> Vec<u8> {
    let mut part = vec![0; usize::try_from(len).unwrap()];
    file.read_exact_at(&mut part, offset).unwrap();
    part
}

fn head(file: &File, len: usize) -> Vec<u8> {
    part(file, 0, len as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_containers_and_packings_are_as_recorded() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;

    // Where the active table lies follows from how many tables are before it.
    let recorded = bytes(&report("metal-amd64.qcow2"), "header 112 bytes");
    let image = download(&server, "metal-amd64.qcow2").await;
    check(&head(&image, recorded.len()), &recorded, &[(40, 48)]);

    // Up to the name of the file, and the end of it.
    let recorded = bytes(&report("metal-amd64.raw.gz"), "gzip header");
    let name = b"metal-amd64.raw\0";
    let len = 10 + name.len();
    assert!(recorded[..len].ends_with(name));
    let packed = download(&server, "metal-amd64.raw.gz").await;
    check(&head(&packed, len), &recorded[..len], &[]);

    let text = report("gcp-amd64.raw.tar.gz");
    let packed = download(&server, "gcp-amd64.raw.tar.gz").await;
    let recorded = bytes(&text, "gzip header");
    check(&head(&packed, 10), &recorded[..10], &[]);
    let recorded = bytes(&text, "first tar header (512 bytes hex)");
    let mut header = vec![0; recorded.len()];
    let mut archive = flate2::read::GzDecoder::new(&packed);
    archive.read_exact(&mut header).unwrap();
    // Stored bytes, the sum over the header, four runs of data and whether there are more.
    check(&header, &recorded, &[(124, 136), (148, 156), (386, 483)]);

    appliance(&download(&server, "vmware-amd64.ova").await);
}

/// Lines in which an identifier made from the disk stands.
fn is_content_id(line: &str) -> bool {
    line.starts_with("CID=") || line.starts_with("ddb.longContentID = ")
}

fn appliance(file: &File) {
    let text = report("vmware-amd64.ova");
    let recorded = bytes(&text, "tar header 512");
    // Length, time, and the sum over the header.
    check(
        &head(file, recorded.len()),
        &recorded,
        &[(124, 136), (136, 148), (148, 156)],
    );
    let members = tar::read_archive(file, tar::Limits::default()).unwrap();
    let [descriptor, disk, manifest] = &members[..] else {
        panic!("{members:?}");
    };
    let content = |member: &tar::Entry| part(file, member.offset, member.stored);

    let ours = String::from_utf8(content(descriptor)).unwrap();
    let lines = section(&text, "disk.ovf").lines();
    // Who wrote it is not true of ours.
    let lines = lines.filter(|line| !line.starts_with("<!--"));
    let lines: Vec<String> = lines
        .map(|line| line.replace("\"184600576\"", &format!("\"{}\"", disk.stored)))
        .collect();
    assert_eq!(ours.trim_end(), lines.join("\n").trim_end());

    let image = content(disk);
    check(&image[..512], &bytes(&text, "vmdk header"), &[]);
    let image = vmdk::read(&image[..], vmdk::Limits::default()).unwrap();
    let ours = String::from_utf8(image.descriptor).unwrap();
    let ours = ours.trim_end_matches('\0').lines();
    let theirs = section(&text, "vmdk descriptor").lines();
    assert!(
        ours.filter(|line| !is_content_id(line)).eq(theirs
            .filter(|line| !is_content_id(line))
            .skip_while(|line| line.is_empty()))
    );

    let digests: String = [disk, descriptor]
        .map(|member| {
            let name = String::from_utf8_lossy(&member.name);
            format!("SHA256({name})= {}\n", Digest::of(content(member)).hex())
        })
        .concat();
    assert_eq!(String::from_utf8(content(manifest)).unwrap(), digests);
}
