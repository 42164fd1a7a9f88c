//! A registry over an OCI layout, which can be told to misbehave, or taken for a proxy.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What is asked for when it misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Tags,
    Manifest,
    Layer,
}

/// How it misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is reset after half of the bytes.
    Reset,
    /// The connection is closed in good order after half of the bytes.
    Truncate,
    /// Half of the bytes, as if they were all.
    Short,
    /// One byte is another.
    WrongByte,
    /// Only a status.
    Status(u16),
    /// No answer, ever.
    Hang,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    /// Manifests by repository and tag.
    tags: BTreeMap<String, BTreeMap<String, String>>,
    fault: Mutex<Option<(Place, Fault)>>,
    asked: Mutex<Vec<String>>,
}

/// A running registry.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Registry {
    pub(crate) fn start(folder: &Path) -> Self {
        let index = std::fs::read(folder.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let mut tags: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for manifest in index["manifests"].as_array().unwrap() {
            let name = &manifest["annotations"]["org.opencontainers.image.ref.name"];
            let (repository, tag) = name.as_str().unwrap().rsplit_once(':').unwrap();
            let digest = manifest["digest"].as_str().unwrap().to_owned();
            let known = tags.entry(repository.to_owned()).or_default();
            known.insert(tag.to_owned(), digest);
        }
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            tags,
            fault: Mutex::new(None),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&served);
                // A client that goes away ends its thread only.
                std::thread::spawn(move || shared.answer(&stream.unwrap()).is_ok());
            }
        });
        Self { address, shared }
    }

    pub(crate) fn misbehave(&self, fault: Option<(Place, Fault)>) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// The methods and targets that it was asked for, as sent.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Forgets what it was asked for.
    pub(crate) fn forget(&self) {
        self.shared.asked.lock().unwrap().clear();
    }
}

impl Shared {
    fn fault(&self, place: Place) -> Option<Fault> {
        let fault = *self.fault.lock().unwrap();
        fault.filter(|fault| fault.0 == place).map(|fault| fault.1)
    }

    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let (mut first, mut header) = (0, String::new());
        while reader.read_line(&mut header)? > 2 {
            let lower = header.to_ascii_lowercase();
            if let Some(range) = lower.strip_prefix("range: bytes=") {
                first = range.trim_end().trim_end_matches('-').parse().unwrap();
            }
            header.clear();
        }
        let mut words = line.split(' ');
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let asked = format!("{method} {path}");
        self.asked.lock().unwrap().push(asked);
        // What is sent to a proxy names the server too.
        let path = match path.strip_prefix("http://").and_then(|url| url.find('/')) {
            Some(host) => &path["http://".len() + host..],
            None => path,
        };
        let path = path.split('?').next().unwrap_or_default();
        let Some(found) = self.find(path) else {
            return stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        };
        self.send(stream, &found, method == "HEAD", first)
    }

    fn find(&self, path: &str) -> Option<Found> {
        let path = path.strip_prefix("/v2/")?;
        if path.is_empty() {
            return Some(Found::text(None, "{}".to_owned()));
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            let tags: Vec<_> = self.tags.get(repository)?.keys().collect();
            let list = serde_json::json!({"name": repository, "tags": tags}).to_string();
            return Some(Found::text(Some(Place::Tags), list));
        }
        if let Some((repository, reference)) = path.split_once("/manifests/") {
            let tags = self.tags.get(repository)?;
            let digest = tags.get(reference).map_or(reference, String::as_str);
            let bytes = std::fs::read(self.blob(digest)).ok()?;
            let manifest: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
            let is_index = manifest.get("manifests").is_some();
            let kind = if is_index { "index" } else { "manifest" };
            let kind = format!("application/vnd.oci.image.{kind}.v1+json");
            return Some(Found {
                place: Some(Place::Manifest),
                headers: format!(
                    "Content-Type: {}\r\nDocker-Content-Digest: {digest}\r\n",
                    manifest["mediaType"].as_str().unwrap_or(&kind)
                ),
                bytes,
            });
        }
        let (_, digest) = path.split_once("/blobs/")?;
        Some(Found {
            place: Some(Place::Layer),
            headers: String::new(),
            bytes: std::fs::read(self.blob(digest)).ok()?,
        })
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs").join(digest.replace(':', "/"))
    }

    fn send(
        &self,
        mut stream: &TcpStream,
        found: &Found,
        head: bool,
        first: usize,
    ) -> std::io::Result<()> {
        let fault = found.place.and_then(|place| self.fault(place));
        let mut bytes = found.bytes.clone();
        let (whole, half) = (bytes.len(), bytes.len() / 2);
        match fault {
            Some(Fault::Hang) => {
                while found.place.and_then(|place| self.fault(place)) == Some(Fault::Hang) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                return Ok(());
            }
            Some(Fault::Status(status)) => {
                let answer = format!(
                    "HTTP/1.1 {status} No\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                return stream.write_all(answer.as_bytes());
            }
            Some(Fault::WrongByte) => bytes[half] ^= 1,
            Some(Fault::Short) => bytes.truncate(half),
            _ => {}
        }
        let breaks = matches!(fault, Some(Fault::Reset | Fault::Truncate));
        let first = first.min(bytes.len());
        let range = match first {
            0 => "200 OK\r\n".to_owned(),
            _ => format!(
                "206 Partial Content\r\nContent-Range: bytes {first}-{}/{}\r\n",
                whole - 1,
                whole
            ),
        };
        let headers = format!(
            "HTTP/1.1 {range}{}Content-Length: {}\r\nConnection: close\r\n\r\n",
            found.headers,
            bytes.len() - first
        );
        if breaks && head {
            return socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        stream.write_all(headers.as_bytes())?;
        if head {
            return Ok(());
        }
        let end = if breaks { half.max(first) } else { bytes.len() };
        stream.write_all(&bytes[first..end])?;
        if fault == Some(Fault::Reset) {
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Found {
    place: Option<Place>,
    headers: String,
    bytes: Vec<u8>,
}

impl Found {
    fn text(place: Option<Place>, text: String) -> Self {
        let headers = "Content-Type: application/json\r\n".to_owned();
        Self {
            place,
            headers,
            bytes: text.into_bytes(),
        }
    }
}
