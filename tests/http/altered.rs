//! The stand-in release with something changed: links to its blobs, and blobs of its own.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use formats::Digest;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// The annotation that names an image of a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

/// An OCI layout in a directory.
pub(crate) struct Altered {
    folder: PathBuf,
    index: Json,
}

impl Altered {
    /// All of `release` in a new `folder`.
    pub(crate) fn new(release: &Path, folder: &Path) -> Self {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        for entry in fs::read_dir(release.join("blobs/sha256")).unwrap() {
            let entry = entry.unwrap();
            let original = entry.path().canonicalize().unwrap();
            std::os::unix::fs::symlink(original, blobs.join(entry.file_name())).unwrap();
        }
        fs::copy(release.join("oci-layout"), folder.join("oci-layout")).unwrap();
        let index = fs::read(release.join("index.json")).unwrap();
        Self {
            folder: folder.to_owned(),
            index: serde_json::from_slice(&index).unwrap(),
        }
    }

    /// Puts a file of `len` zeros into an image, whatever was there. The layer takes no room on the disk.
    pub(crate) fn put_zeros(&mut self, name: &str, path: &str, len: u64) {
        let layer = self.layer(path, len);
        let mut index = self.read(self.entry(name));
        for platform in index["manifests"].as_array_mut().unwrap() {
            let mut manifest = self.read(platform);
            manifest["layers"]
                .as_array_mut()
                .unwrap()
                .push(layer.clone());
            self.replace(platform, &manifest);
        }
        let mut entry = self.entry(name).clone();
        self.replace(&mut entry, &index);
        let place = self.place(name);
        self.index["manifests"][place] = entry;
    }

    /// Writes what only this layout has; the layout is then one.
    pub(crate) fn finish(self) {
        fs::write(self.folder.join("index.json"), self.index.to_string()).unwrap();
    }

    fn place(&self, name: &str) -> usize {
        let entries = self.index["manifests"].as_array().unwrap();
        let named = |entry: &Json| entry["annotations"][NAME] == name;
        entries.iter().position(named).unwrap()
    }

    fn entry(&self, name: &str) -> &Json {
        &self.index["manifests"][self.place(name)]
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs").join(digest.replace(':', "/"))
    }

    fn read(&self, descriptor: &Json) -> Json {
        let digest = descriptor["digest"].as_str().unwrap();
        serde_json::from_slice(&fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    /// Lets a descriptor be that of another document.
    fn replace(&self, descriptor: &mut Json, document: &Json) {
        let bytes = document.to_string();
        let digest = Digest::of(&bytes).to_string();
        fs::write(self.blob(&digest), &bytes).unwrap();
        descriptor["digest"] = digest.into();
        descriptor["size"] = bytes.len().into();
    }

    fn layer(&self, path: &str, len: u64) -> Json {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_mode(0o644);
        header.set_size(len);
        header.set_cksum();
        let end = 512 + len.next_multiple_of(512) + 1024;
        let file = self.folder.join("layer");
        let mut layer = File::create(&file).unwrap();
        layer.write_all(header.as_bytes()).unwrap();
        layer.seek(SeekFrom::Start(end)).unwrap();
        layer.set_len(end).unwrap();

        let mut hash = Sha256::new_with_prefix(header.as_bytes());
        let zeros = vec![0; 1 << 20];
        let mut left = end - 512;
        while left > 0 {
            let count = left.min(zeros.len() as u64);
            hash.update(&zeros[..usize::try_from(count).unwrap()]);
            left -= count;
        }
        let digest = hash
            .finalize()
            .iter()
            .fold("sha256:".to_owned(), |text, byte| {
                text + &format!("{byte:02x}")
            });
        fs::rename(file, self.blob(&digest)).unwrap();
        json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": digest,
            "size": end,
        })
    }
}
