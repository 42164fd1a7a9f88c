//! The description of the machine: OVF 1 (spec/disk.md 5.3).

/// Everything that is the same for every disk.
const TEMPLATE: &str = include_str!("disk.ovf");

/// The description of a machine whose disk has `disk_len` bytes, in a file of `vmdk_len` bytes. Capacity counts in whole MiB.
pub(super) fn document(vmdk_len: u64, disk_len: u64) -> String {
    TEMPLATE
        .replace("@VMDK_LEN@", &vmdk_len.to_string())
        .replace("@CAPACITY@", &disk_len.div_ceil(1 << 20).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_states_both_sizes() {
        let document = document(184_600_576, 11_193 << 20);
        assert!(document.contains(r#"ovf:href="disk.vmdk" ovf:id="file1" ovf:size="184600576""#));
        assert!(document.contains(r#"ovf:capacity="11193""#));
        assert!(!document.contains('@'));
    }
}
