//! Who asks and under which name: the peer's address, `X-Forwarded-*` of trusted proxies, a validated `Host`.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use hyper::{
    HeaderMap, Uri,
    header::{HOST, HeaderName},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A block of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid network {0:?}: expected an address, or an address and a prefix length such as 10.0.0.0/8"
)]
pub struct ParseNetworkError(String);

impl Network {
    /// Whether the address lies in the block. IPv4 addresses in IPv6 clothing count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (
                u128::from(ours.to_bits()),
                u128::from(theirs.to_bits()),
                u32::BITS,
            ),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits(), theirs.to_bits(), u128::BITS)
            }
            _ => return false,
        };
        let differ = ours ^ theirs;
        differ.checked_shr(width - self.prefix).unwrap_or(0) == 0
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseNetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| invalid())?,
            None => width,
        };
        if prefix > width {
            return Err(invalid());
        }
        Ok(Self { address, prefix })
    }
}

/// How a request reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client, as far as trusted proxies tell.
    pub client: IpAddr,
    /// `http://host[:port]` under which the client asked, if it said so sensibly.
    pub base_url: Option<String>,
}

impl Origin {
    /// Works out who asked: `peer` is the other end of the connection, `tls` whether that was encrypted.
    pub fn of(
        peer: SocketAddr,
        tls: bool,
        uri: &Uri,
        headers: &HeaderMap,
        trusted: &[Network],
    ) -> Self {
        let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let peer = peer.ip().to_canonical();
        let forwarded = trusts(peer);
        // From the right: each trusted proxy vouches for the one before it.
        let mut client = peer;
        if forwarded {
            let lists = headers.get_all(FORWARDED_FOR).into_iter().rev();
            let hops = lists.filter_map(|list| list.to_str().ok());
            for hop in hops.flat_map(|list| list.rsplit(',')) {
                let Some(address) = address(hop.trim()) else {
                    break;
                };
                client = address;
                if !trusts(client) {
                    break;
                }
            }
        }
        let first = |name: &HeaderName| {
            let value = headers.get(name).filter(|_| forwarded)?.to_str().ok()?;
            value.split(',').next().map(str::trim)
        };
        let scheme = match first(&FORWARDED_PROTO) {
            Some(scheme @ ("http" | "https")) => scheme,
            _ if tls => "https",
            _ => "http",
        };
        let host = first(&FORWARDED_HOST)
            .or_else(|| uri.authority().map(hyper::http::uri::Authority::as_str))
            .or_else(|| headers.get(HOST)?.to_str().ok())
            .filter(|host| is_authority(host));
        Self {
            client,
            base_url: host.map(|host| format!("{scheme}://{host}/")),
        }
    }
}

/// An address in `X-Forwarded-For`, with or without port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let address = plain.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// Whether a text is a host name or address with an optional port, and nothing that could end a line or a word of a script.
pub fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = if let Some(address) = bracketed {
        address.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        !host.is_empty() && host.len() <= 253 && host.chars().all(is_letter)
    };
    let is_port = |port: &str| !port.starts_with('+') && port.parse::<u16>().is_ok();
    is_host && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn ask(peer: &str, headers: &[(&'static str, &str)]) -> Origin {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let peer = peer.parse().unwrap();
        Origin::of(peer, false, &Uri::from_static("/x"), &headers, &trusted)
    }

    #[test]
    fn networks_contain_what_their_prefix_says() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ];
        for (network, address, expected) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{network:?} {address}"
            );
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "x", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let forwarded = [
            ("x-forwarded-for", "203.0.113.9, 198.51.100.7, 10.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "factory.example.org"),
            ("host", "internal:8080"),
        ];
        let trusted = ask("10.0.0.1:1", &forwarded);
        assert_eq!(trusted.client, "198.51.100.7".parse::<IpAddr>().unwrap());
        assert_eq!(
            trusted.base_url.as_deref(),
            Some("https://factory.example.org/")
        );
        let other = ask("192.0.2.1:1", &forwarded);
        assert_eq!(other.client, "192.0.2.1".parse::<IpAddr>().unwrap());
        assert_eq!(other.base_url.as_deref(), Some("http://internal:8080/"));
    }

    #[test]
    fn a_host_that_could_break_a_script_is_not_used() {
        for host in [
            "a b", "a/b", "a\"b", "a@b", "a:99999", "a:+1", "[::1", "", "a:b:c", "é",
        ] {
            assert!(!is_authority(host), "{host:?}");
        }
        for host in ["a", "a.b-c:80", "[::1]", "[::1]:8080", "127.0.0.1:1"] {
            assert!(is_authority(host), "{host:?}");
        }
        assert_eq!(ask("192.0.2.1:1", &[("host", "a b")]).base_url, None);
    }
}
