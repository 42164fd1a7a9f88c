//! Media types: a fixed table, whatever MIME database the machine has (spec/http.md, 2.3).

/// Errors and scripts.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Lists.
pub const JSON: &str = "application/json";
/// Canonical schematics.
pub const YAML: &str = "application/yaml";
/// Pages and redirects.
pub const HTML: &str = "text/html; charset=utf-8";
/// What nothing more is known of.
pub const BINARY: &str = "application/octet-stream";

/// The media type of an artifact, by the last extension of its path.
pub fn of_path(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("efi") => "application/efi",
        Some("iso") => "application/x-iso9660-image",
        Some("xz") => "application/x-xz",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        Some("tar") => "application/x-tar",
        Some("qcow2") => "application/x-qemu-disk",
        Some("txt") => TEXT,
        _ => BINARY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_decides() {
        let cases = [
            ("metal-amd64.iso", "application/x-iso9660-image"),
            ("metal-amd64-uki.efi", "application/efi"),
            ("file.tar.gz", "application/gzip"),
            ("metal-amd64.raw.zst", "application/zstd"),
            ("metal-amd64.raw", BINARY),
            ("vmware-amd64.ova", BINARY),
            ("kernel-amd64", BINARY),
            ("a.unknown", BINARY),
            ("a.txt", "text/plain; charset=utf-8"),
        ];
        for (path, expected) in cases {
            assert_eq!(of_path(path), expected, "{path}");
        }
    }
}
