//! The service that is asked, and what its release holds.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use flate2::read::GzDecoder;
use reqwest::{Client, Method};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use crate::scratch;

/// Ends the service and removes its data when this process is gone, however it went.
const KEEPER: &str = r#"trap : INT; directory=$1; shift; "$@" & exec >/dev/null; cat; kill $!; wait; rm -r "$directory""#;

/// The real binary, as a service on a free port.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) release: PathBuf,
    /// How long a machine may take that boots what it sends.
    pub(crate) boot_seconds: &'static str,
    runtime: Runtime,
    client: Client,
    _keeper: Child,
}

impl Service {
    pub(crate) fn start(release: PathBuf, boot_seconds: &'static str) -> Self {
        let data = scratch().keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&data)
            .arg(env!("CARGO_BIN_EXE_talos-forge"))
            .args(["serve", "--log-level", "error"])
            .args(["--listen", "127.0.0.1:0", "--source"])
            .arg(format!("oci:{}", release.display()))
            .arg("--data-dir")
            .arg(data.join("data"))
            .env("IF_METRICS_ADDR", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let stdout = keeper.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut url).unwrap();
        let url = url.trim_end().trim_end_matches('/').to_owned();
        assert!(url.starts_with("http://"), "the service did not start");
        Self {
            url,
            release,
            boot_seconds,
            runtime: Runtime::new().unwrap(),
            client: Client::builder().no_proxy().build().unwrap(),
            _keeper: keeper,
        }
    }

    /// The body of an answer, which must be a success.
    pub(crate) fn ask(&self, method: Method, path: &str, body: String) -> Vec<u8> {
        self.runtime.block_on(async {
            let url = format!("{}/{path}", self.url);
            let request = self.client.request(method, url).body(body);
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let body = answer.bytes().await.unwrap();
            let text = String::from_utf8_lossy(&body[..body.len().min(500)]);
            assert!(status.is_success(), "{path}: {status}: {text}");
            body.to_vec()
        })
    }

    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        self.ask(Method::GET, path, String::new())
    }

    /// A JSON blob of the release.
    pub(crate) fn blob(&self, digest: &str) -> Value {
        serde_json::from_slice(&fs::read(self.blob_path(digest)).unwrap()).unwrap()
    }

    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        self.release.join("blobs").join(digest.replace(':', "/"))
    }

    /// SHA-256 of the regular files of an extension's image, by their path in the machine.
    pub(crate) fn extension_files(
        &self,
        version: &str,
        name: &str,
        arch: &str,
    ) -> BTreeMap<String, String> {
        let list = self.get(&format!("version/{version}/extensions/official"));
        let list: Vec<Value> = serde_json::from_slice(&list).unwrap();
        let entry = list.iter().find(|entry| entry["name"] == name).unwrap();
        let mut manifest = self.blob(entry["digest"].as_str().unwrap());
        if let Some(platforms) = manifest["manifests"].as_array() {
            let mut platforms = platforms.iter();
            let fits = |platform: &&Value| platform["platform"]["architecture"] == arch;
            manifest = self.blob(platforms.find(fits).unwrap()["digest"].as_str().unwrap());
        }
        let mut files = BTreeMap::new();
        for layer in manifest["layers"].as_array().unwrap() {
            let layer = fs::File::open(self.blob_path(layer["digest"].as_str().unwrap())).unwrap();
            let mut layer = tar::Archive::new(GzDecoder::new(layer));
            for entry in layer.entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                let Some(path) = path.strip_prefix("rootfs") else {
                    continue;
                };
                if !entry.header().entry_type().is_file() {
                    continue;
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                files.insert(path.to_owned(), hex(&Sha256::digest(&content)));
            }
        }
        files
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
