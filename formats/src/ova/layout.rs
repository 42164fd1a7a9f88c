//! An archive laid out.

use std::sync::Arc;

use super::ovf;
use crate::{
    Digest, Extent, Layout,
    deflate::KnownPieces,
    extent::Deferred,
    tar::{self, Content, Member},
    vmdk,
};

/// Owner of the members.
const OWNER: &str = "root";

/// What an archive says that does not follow from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When its members were modified, seconds since 1970.
    pub modified: u32,
    /// Name of the disk's content.
    pub content_id: [u8; 16],
}

/// A virtual machine with `disk`; what is known of its blobs: [`vmdk::image`].
pub fn archive(disk: &Layout, options: Options, pieces: KnownPieces<'_>) -> Layout {
    let vmdk = vmdk::image(
        disk,
        vmdk::Options {
            content_id: options.content_id,
        },
        pieces,
    );
    let ovf = ovf::document(vmdk.len(), disk.len());
    let ovf_digest = Digest::of(ovf.as_bytes()).hex();

    let mut description = Layout::new();
    description.bytes(ovf.into_bytes());
    let mut manifest = Layout::new();
    manifest.bytes(b"SHA256(disk.vmdk)= ".as_slice());
    manifest.push(Extent::Deferred(Deferred::sha256_hex(Arc::new(
        vmdk.clone(),
    ))));
    manifest.bytes(format!("\nSHA256(disk.ovf)= {ovf_digest}\n").into_bytes());

    let member = |name, content| Member {
        name,
        owner: OWNER,
        modified: options.modified,
        content: Content::Whole(content),
    };
    tar::archive(&[
        member("disk.ovf", description),
        member("disk.vmdk", vmdk),
        member("disk.mf", manifest),
    ])
}
