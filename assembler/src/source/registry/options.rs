//! How a registry is spoken to.

use std::{
    env, fmt,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    time::Duration,
};

/// How long a connection may take to come about, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a registry may send nothing.
pub const STALL_TIMEOUT: Duration = Duration::from_mins(1);
/// How often something is tried in all.
pub const ATTEMPTS: u32 = 5;
/// How long is waited before the second attempt; before each further one twice as long.
pub const BACKOFF: Duration = Duration::from_millis(250);
/// Longest wait that we choose ourselves.
pub const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// Longest wait that a registry may ask for with `Retry-After`.
pub const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
/// Parallel exchanges with one registry (`registry.jobs` of the configuration).
pub const JOBS: usize = 64;
/// How long credentials are believed before they are looked up again (`artifacts.refreshInterval`).
pub const CREDENTIALS_LIFETIME: Duration = Duration::from_mins(5);

/// How a registry is spoken to.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Whether plain HTTP is allowed wherever the registry is.
    pub insecure: bool,
    /// A PEM file of certificate authorities that are trusted besides the system's (or `SSL_CERT_FILE`'s).
    pub ca: Option<PathBuf>,
    /// [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// [`STALL_TIMEOUT`].
    pub stall_timeout: Duration,
    /// [`ATTEMPTS`].
    pub attempts: u32,
    /// [`BACKOFF`].
    pub backoff: Duration,
    /// [`MAX_BACKOFF`].
    pub max_backoff: Duration,
    /// [`MAX_RETRY_AFTER`].
    pub max_retry_after: Duration,
    /// [`JOBS`].
    pub jobs: usize,
    /// [`CREDENTIALS_LIFETIME`].
    pub credentials_lifetime: Duration,
    /// Where credentials come from.
    pub credentials: CredentialSources,
}

/// Where credentials for registries come from. Nowhere, by default.
#[derive(Clone, Default)]
pub struct CredentialSources {
    /// Docker's `config.json`; absent is as good as empty.
    pub docker_config: Option<PathBuf>,
    /// A token for ghcr.io, used when Docker's configuration has none for it.
    pub github_token: Option<String>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            insecure: false,
            ca: None,
            connect_timeout: CONNECT_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            attempts: ATTEMPTS,
            backoff: BACKOFF,
            max_backoff: MAX_BACKOFF,
            max_retry_after: MAX_RETRY_AFTER,
            jobs: JOBS,
            credentials_lifetime: CREDENTIALS_LIFETIME,
            credentials: CredentialSources::default(),
        }
    }
}

impl CredentialSources {
    /// As Docker and GitHub's own tools find them: `config.json` in `$DOCKER_CONFIG` or `~/.docker`, and `$GITHUB_TOKEN`.
    pub fn from_env() -> Self {
        let directory = env::var_os("DOCKER_CONFIG")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")));
        Self {
            docker_config: directory.map(|path| path.join("config.json")),
            github_token: env::var("GITHUB_TOKEN")
                .ok()
                .filter(|token| !token.is_empty()),
        }
    }
}

impl fmt::Debug for CredentialSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialSources")
            .field("docker_config", &self.docker_config)
            .field("github_token", &self.github_token.as_ref().map(|_| "…"))
            .finish()
    }
}

/// Whether a registry may be spoken to without TLS though nobody said `insecure`: `localhost` with a port, loopback and
/// private (RFC 1918) addresses (spec/http.md 6.5).
pub(super) fn is_local(authority: &str) -> bool {
    let host = host_of(authority);
    match address(host) {
        Some(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Some(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        None => host == "localhost" && host.len() < authority.len(),
    }
}

/// Whether a registry is on this machine: no proxy can lead there.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host == "localhost" || address(host).is_some_and(|address| address.is_loopback())
}

/// `host` or `[address]`, without the port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_and_private_networks() {
        let local = [
            "localhost:5000",
            "127.0.0.1",
            "127.0.0.1:5000",
            "[::1]:5000",
            "[::1]",
            "10.1.2.3",
            "172.16.0.1:80",
            "192.168.0.9:5000",
        ];
        for authority in local {
            assert!(is_local(authority), "{authority}");
        }
        let public = [
            "ghcr.io",
            "localhost",
            "localhost.example.com:5000",
            "8.8.8.8:5000",
            "172.32.0.1",
            "[2001:db8::1]:5000",
            "registry.local:5000",
            "10.example.com",
        ];
        for authority in public {
            assert!(!is_local(authority), "{authority}");
        }
        assert!(is_loopback("localhost") && is_loopback("[::1]:1") && !is_loopback("10.0.0.1"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let sources = CredentialSources {
            docker_config: None,
            github_token: Some("hunter2".to_owned()),
        };
        assert!(!format!("{sources:?}").contains("hunter2"));
    }
}
