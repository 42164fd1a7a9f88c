//! TLS of the listener, from files that are read again when they change.

use std::{
    io,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, crypto::aws_lc_rs, version},
    server::TlsStream,
};

use crate::config::TlsFiles;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificates cannot be read.
    #[error("certificate file {path}")]
    Certificate {
        /// Which file.
        path: String,
        /// Why not.
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds none.
    #[error("certificate file {0} holds no certificate")]
    NoCertificate(String),
    /// The key cannot be read.
    #[error("key file {path}")]
    Key {
        /// Which file.
        path: String,
        /// Why not.
        source: rustls_pki_types::pem::Error,
    },
    /// The two do not fit each other, or are of an unknown kind.
    #[error("certificate and key")]
    Pair(#[from] rustls::Error),
}

/// The current certificate.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads both files.
    pub fn open(files: TlsFiles) -> Result<Self, Error> {
        let current = RwLock::new(load(&files)?);
        Ok(Self { files, current })
    }

    /// Reads the files again whenever they change; what cannot be used is warned of, and the old certificate stays.
    pub async fn watch(self: Arc<Self>) {
        let mut seen = self.stamps();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.stamps();
            if now != seen {
                seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match load(&self.files) {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!(file = %self.files.certificate.display(), "certificate reloaded");
            }
            Err(error) => {
                let error = crate::error::chain(&error);
                tracing::warn!(%error, "the changed certificate is not used");
            }
        }
    }

    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&current)
        };
        let acceptor = TlsAcceptor::from(current);
        acceptor.accept(stream).await
    }

    fn stamps(&self) -> [Option<(SystemTime, u64)>; 2] {
        let stamp = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        [stamp(&self.files.certificate), stamp(&self.files.key)]
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, Error> {
    let path = files.certificate.display().to_string();
    let certificate = |source| Error::Certificate {
        path: path.clone(),
        source,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .map_err(certificate)?
        .collect::<Result<_, _>>()
        .map_err(certificate)?;
    if chain.is_empty() {
        return Err(Error::NoCertificate(path));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| Error::Key {
        path: files.key.display().to_string(),
        source,
    })?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
