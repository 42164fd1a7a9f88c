//! What cannot be made is refused before the first byte, by name and with what is possible, and harms nothing that is asked next.

use std::path::Path;

use reqwest::{Client, StatusCode};

use crate::{altered::Altered, release::Connection, standin, support::Running};

/// Version, customization, path, and what the refusal says in this order.
type Row<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

const V: &str = "v1.14.0";

const ROWS: [Row; 23] = [
    // Platforms, architectures, formats.
    (
        V,
        "",
        "foo-amd64.raw",
        &[
            r#"unknown platform: "foo": expected metal, akamai, "#,
            ", vultr",
        ],
    ),
    (
        V,
        "",
        "foo-amd64.iso",
        &[r#"unknown platform: "foo": expected metal, "#],
    ),
    (V, "", "-amd64.raw.zst", &["platform is required"]),
    (
        V,
        "",
        "metal-riscv64.raw",
        &[r#"invalid architecture: "riscv64": expected amd64 or arm64"#],
    ),
    (
        V,
        "",
        "metal-uki-amd64.raw",
        &[r#"invalid architecture: "uki-amd64": expected amd64 or arm64"#],
    ),
    (
        V,
        "",
        "metal.qcow2",
        &[r#"invalid platform-arch: "metal": expected PLATFORM-ARCH"#],
    ),
    (
        V,
        "",
        "vmware-amd64.vmdk",
        &[
            r#"invalid profile path: "vmware-amd64.vmdk": expected "#,
            "PLATFORM-ARCH.FORMAT[.PACKING]",
            "raw, qcow2, vhd or ova",
        ],
    ),
    (
        V,
        "",
        "metal-amd64.raw.bz2",
        &[
            r#""metal-amd64.raw.bz2": expected "#,
            "PACKING is tar.gz, gz, xz or zst",
        ],
    ),
    (
        V,
        "",
        "metal-amd64.raw.xz.zst",
        &[r#""metal-amd64.raw.xz": expected "#],
    ),
    (V, "", "iso-amd64.raw", &[r#""iso-amd64.raw": expected "#]),
    // Boot loaders against architecture and version.
    (
        V,
        "bootloader: dual-boot",
        "metal-arm64.raw",
        &["bootloader dual-boot is not supported on arm64: choose sd-boot or grub"],
    ),
    (
        "v1.3.7",
        "bootloader: dual-boot",
        "metal-arm64.raw.zst",
        &[
            "bootloader dual-boot is not supported for Talos version v1.3.7, which has no UKI: choose grub",
        ],
    ),
    (
        "v1.3.7",
        "bootloader: dual-boot",
        "metal-amd64.raw",
        &["bootloader dual-boot", "v1.3.7", "choose grub"],
    ),
    (
        "v1.3.7",
        "bootloader: sd-boot",
        "azure-amd64.vhd",
        &["bootloader sd-boot", "v1.3.7", "choose grub"],
    ),
    (
        "v1.3.7",
        "",
        "metal-amd64-uki.efi",
        &["UKI output is not supported in this Talos version"],
    ),
    // Sectors, with every boot loader.
    (
        V,
        "diskImage: {sectorSize: 520}",
        "metal-amd64.raw",
        &["sectors of 520 bytes", "sectorSize is 512 or 4096"],
    ),
    (
        V,
        "bootloader: grub, diskImage: {sectorSize: 2048}",
        "metal-amd64.qcow2",
        &["sectors of 2048 bytes", "512 or 4096"],
    ),
    (
        V,
        "diskImage: {sectorSize: 18446744073709551615}",
        "vmware-amd64.ova",
        &["sectors of 18446744073709551615 bytes", "512 or 4096"],
    ),
    // What a version or a service does not have.
    (
        "v1.9.5",
        r#"embeddedMachineConfiguration: "a: b""#,
        "metal-amd64.raw",
        &["embedding configuration is not supported for Talos version v1.9.5"],
    ),
    (
        V,
        "systemExtensions: {officialExtensions: [siderolabs/nope]}",
        "metal-amd64.raw",
        &[r#"official extension "siderolabs/nope" is not available for Talos version v1.14.0"#],
    ),
    (
        V,
        "systemExtensions: {officialExtensions: [siderolabs/test-other-kernel]}",
        "metal-amd64.raw.xz",
        &["has modules for kernel 9.9.9-other, the image's kernel is"],
    ),
    (
        V,
        "systemExtensions: {officialExtensions: [siderolabs/test-future]}",
        "metal-amd64.raw.zst",
        &["test-future", "version constraint", "Talos version"],
    ),
    (
        V,
        "",
        "metal-amd64-secureboot.raw",
        &["secure boot is disabled"],
    ),
];

/// What is asked for after every refusal, to its ends and in the middle.
const GOOD: (&str, &str) = ("v1.14.0", "metal-amd64.raw.zst");
/// Bytes of each of these.
const PIECE: usize = 1 << 20;

/// Asks over one connection, which no refusal may end.
struct Asking {
    connection: Connection,
    path: String,
    body: Vec<u8>,
}

impl Asking {
    async fn new(server: &Running) -> Self {
        let id = schematic(server, "").await;
        let mut connection = Connection::new(server.address);
        let path = format!("image/{id}/{}/{}", GOOD.0, GOOD.1);
        let (status, body) = tokio::task::block_in_place(|| connection.get(&path, None));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Self {
            connection,
            path,
            body,
        }
    }

    /// A refusal with `detail`, and then what is good once more.
    fn refused(&mut self, path: &str, detail: &str) {
        let (status, body) = self.connection.get(path, None);
        let text = String::from_utf8(body).unwrap();
        assert_eq!(status, 400, "{path}: {text}");
        assert_eq!(text.trim_end(), detail, "{path}");
        let last = self.body.len() - 1;
        for (first, last) in [
            (0, PIECE),
            (last / 2, last / 2 + PIECE),
            (last - PIECE, last),
        ] {
            let range = Some((first as u64, last as u64));
            let (status, part) = self.connection.get(&self.path, range);
            assert_eq!(status, 206, "after {text}");
            assert!(part == self.body[first..=last], "after {text}");
        }
    }
}

async fn schematic(server: &Running, customization: &str) -> String {
    let forge = &server.app.as_ref().unwrap().forge;
    let document = format!("customization: {{{customization}}}");
    let (id, ..) = forge.create_schematic(document.as_bytes()).await.unwrap();
    id.to_string()
}

/// What a problem document about `path` says, with what it says is right.
async fn problem(client: &Client, server: &Running, path: &str) -> (String, String) {
    let request = client.get(server.url(path));
    let request = request.header("Accept", "application/problem+json");
    let document = request.send().await.unwrap().text().await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let member = |name: &str| document[name].as_str().unwrap_or_default();
    let (detail, expected) = (member("detail"), member("expected"));
    let said = format!("{detail}: expected {expected}");
    (detail.to_owned(), said)
}

/// Asks for all rows, also with HEAD, which says the same.
async fn check(server: &Running, data: &Path, rows: &[Row<'_>]) {
    let client = Client::new();
    let mut asking = Asking::new(server).await;
    for (version, customization, name, says) in rows {
        let id = schematic(server, customization).await;
        let path = format!("image/{id}/{version}/{name}");
        let head = client.head(server.url(&path)).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::BAD_REQUEST, "{path}");
        let (detail, said) = problem(&client, server, &path).await;
        println!("{path}: {said}");
        let mut rest = said.as_str();
        for part in *says {
            let found = rest.split_once(part);
            rest = found
                .unwrap_or_else(|| panic!("{path}: {part:?} is not in {said:?}"))
                .1;
        }
        tokio::task::block_in_place(|| asking.refused(&path, &detail));
    }
    let left = std::fs::read_dir(data.join("store/tmp")).unwrap().count();
    assert_eq!(left, 0, "files that nobody finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_combinations_are_refused_with_what_is_possible() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let long = format!("{}-amd64.raw", "x".repeat(300));
    let meta = format!(r#"meta: [{{key: 10, value: "{}"}}]"#, "x".repeat(300_000));
    let rows: [Row; 3] = [
        (
            V,
            "",
            &long,
            &["unknown platform: ", "xxx", "expected metal, "],
        ),
        (
            V,
            &meta,
            "metal-amd64.raw",
            &["META values take 300008 bytes, of at most 262104"],
        ),
        (
            V,
            &meta,
            "metal-amd64.iso",
            &["META values take 300008 bytes, of at most 262104"],
        ),
    ];
    check(&server, data.path(), &[&ROWS[..], &rows].concat()).await;
}

/// An initramfs of 1101 MiB: more than BOOT and the ESP of 1.10 hold, whose sizes are the smallest there are.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_its_partition_is_refused_with_both_sizes() {
    let Some(release) = standin::release() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (changed, data) = (folder.path().join("release"), folder.path().join("data"));
    let mut altered = Altered::new(&release, &changed);
    let file = "usr/install/amd64/initramfs.xz";
    altered.put_zeros("siderolabs/imager:v1.10.6", file, 1101 << 20);
    altered.finish();
    let server = Running::over(&changed, &data, &[]).await;
    let esp: &[&str] = &[
        "ESP: boot loader and UKI take ",
        " bytes, and a partition of 1154482176 has room for ",
    ];
    let boot: &[&str] = &[
        "BOOT: kernel and initramfs take ",
        " bytes, and a partition of 1048576000 has room for ",
    ];
    let rows: [Row; 5] = [
        ("v1.10.6", "bootloader: sd-boot", "metal-amd64.raw", esp),
        ("v1.10.6", "", "metal-amd64.qcow2", esp),
        ("v1.10.6", "bootloader: grub", "aws-amd64.raw.zst", boot),
        ("v1.10.6", "bootloader: grub", "vmware-amd64.ova", boot),
        ("v1.10.6", "bootloader: grub", "metal-amd64.raw.xz", boot),
    ];
    check(&server, &data, &rows).await;
    // The same files are good for what has no partitions.
    let client = Client::new();
    let id = schematic(&server, "").await;
    let path = format!("image/{id}/v1.10.6/metal-amd64-uki.efi");
    let answer = client.get(server.url(&path)).header("Range", "bytes=-1");
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{path}");
}
