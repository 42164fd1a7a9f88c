//! A forge over a release, and what its artifacts hold.

use std::{collections::HashMap, path::Path, time::Duration};

use assembler::{
    forge::{Artifact, Components, Options, SchematicStorage},
    schematic,
    source::{SourceSpec, registry::RegistryOptions},
};
use bytes::Bytes;
use formats::Digest;

/// A forge that keeps everything below `data`.
pub(crate) fn options(release: &Path, data: &Path) -> Options {
    Options {
        source: SourceSpec::Directory(release.to_owned()),
        registry: RegistryOptions::default(),
        components: Components::default(),
        extra_catalogs: Vec::new(),
        allow_references: false,
        external_url: "https://factory.example.org/".to_owned(),
        min_version: "1.2.0".to_owned(),
        broken_versions: Vec::new(),
        data_dir: data.to_owned(),
        store_path: data.join("store"),
        store_max_bytes: 8 << 30,
        schematics: SchematicStorage::Directory(data.join("schematics")),
        schematic_cache: schematic::store::Options::default(),
        recheck: Duration::from_mins(15),
        prepare_timeout: Duration::from_mins(20),
    }
}

/// The bytes of an artifact.
pub(crate) fn content(artifact: &Artifact) -> Vec<u8> {
    let mut blobs: HashMap<Digest, Bytes> = HashMap::new();
    artifact.layout.collect(|digest| {
        let read = || {
            let blob = artifact.blobs.open(digest).unwrap();
            let mut bytes = vec![0; usize::try_from(blob.len).unwrap()];
            std::os::unix::fs::FileExt::read_exact_at(&*blob.file, &mut bytes, 0).unwrap();
            Bytes::from(bytes)
        };
        blobs.entry(*digest).or_insert_with(read).clone()
    })
}

/// Members of all archives of an initramfs, with the archive's number: `mode name`, and the content of files.
pub(crate) fn members(initramfs: &[u8]) -> Vec<(usize, String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut number = 0;
    let mut rest = initramfs;
    while !rest.is_empty() {
        let (plain, taken) = if rest.starts_with(b"0707") {
            let mut reader = formats::cpio::Reader::new(rest, formats::cpio::Limits::default());
            while reader.next_member().unwrap().is_some() {}
            let end = usize::try_from(reader.position()).unwrap();
            (rest[..end].to_vec(), end)
        } else if rest.starts_with(b"\xfd7zXZ") {
            let mut decoder = liblzma::bufread::XzDecoder::new(rest);
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
            (plain, rest.len() - decoder.into_inner().len())
        } else {
            let mut decoder = zstd::Decoder::with_buffer(rest).unwrap().single_frame();
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
            let left = decoder.finish();
            (plain, rest.len() - left.len())
        };
        let mut reader =
            formats::cpio::Reader::new(plain.as_slice(), formats::cpio::Limits::default());
        while let Some(member) = reader.next_member().unwrap() {
            let range = member.content;
            let content = plain
                [usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
                .to_vec();
            let name = format!(
                "{:o} {}",
                member.header.mode,
                String::from_utf8(member.name).unwrap()
            );
            found.push((number, name, content));
        }
        assert_eq!(
            reader.position(),
            plain.len() as u64,
            "an archive ends with its frame"
        );
        number += 1;
        rest = &rest[taken..];
    }
    found
}
