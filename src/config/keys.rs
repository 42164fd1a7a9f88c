//! Every configuration key, once: its name, kind, default, and what becomes of it (spec/http.md, 9.2; design/interface.md).
//!
//! Names are written as users write them; they are compared without regard to case.

/// How the text of a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count,
    /// A duration as Go writes it: `1h30m`, `250ms`.
    Duration,
    /// Bytes: `1048576`, `64KiB`, `64GiB`.
    Size,
    /// A list, or texts between commas.
    List,
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is honoured.
    Honoured,
    /// It changes nothing here, for this reason; setting it warns.
    Moot(&'static str),
    /// It asks for this feature; anything but the default is an error at start.
    NotBuilt(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its full name.
    pub name: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// The value when nothing sets it.
    pub default: &'static str,
    /// What becomes of it.
    pub becomes: Use,
    /// Whether its value is hidden when configuration is printed.
    pub secret: bool,
}

use self::Kind::{Count, Duration, Flag, List, Size, Text};
use self::Use::{Honoured, Moot, NotBuilt};

const fn key(name: &'static str, kind: Kind, default: &'static str, becomes: Use) -> Key {
    Key {
        name,
        kind,
        default,
        becomes,
        secret: false,
    }
}

const fn secret(name: &'static str, becomes: Use) -> Key {
    Key {
        secret: true,
        ..key(name, Text, "", becomes)
    }
}

const NO_CACHE: Use = Moot("artifacts are composed for each request and never cached");
const INSTALLERS: Use = Moot("installer images are not built yet");
const VERIFY: Use = Moot("signatures of images are not verified yet");
const CLIENTS: Use = Moot("registry clients renew their credentials themselves");
const S3: Use = NotBuilt("object storage (S3)");
const SECURE_BOOT: Use = NotBuilt("Secure Boot");
const ACCOUNTS: Use = NotBuilt("authentication");
const AUDIT: Use = NotBuilt("the audit log");
const ENTERPRISE: Use = Moot("enterprise features are not built");

/// Blocks of `registry`, `namespace`, `repository` and `insecure` that may also be written as one text `host/namespace/repository`.
pub const REPOSITORIES: &[&str] = &[
    "artifacts.schematic",
    "artifacts.installer.internal",
    "artifacts.installer.external",
    "cache.oci",
    "enterprise.extraExtensions.manifest",
    "enterprise.spdx.cache",
    "enterprise.vex.data",
];

/// All keys, in the order in which they are printed.
pub const KEYS: &[Key] = &[
    key("http.httpListenAddr", List, ":8080", Honoured),
    key("http.certFile", Text, "", Honoured),
    key("http.keyFile", Text, "", Honoured),
    key("http.externalURL", Text, "https://localhost/", Honoured),
    key("http.externalPXEURL", Text, "", Honoured),
    key("http.allowedOrigins", List, "*", Honoured),
    key("http.trustedProxies", List, "", Honoured),
    key("build.minTalosVersion", Text, "1.2.0", Honoured),
    key("build.brokenTalosVersions", List, "", Honoured),
    key(
        "build.maxConcurrency",
        Count,
        "6",
        Moot("nothing is built before it is sent"),
    ),
    key("artifacts.core.registry", Text, "ghcr.io", Honoured),
    key("artifacts.core.namespace", Text, "", Honoured),
    key("artifacts.core.insecure", Flag, "false", Honoured),
    key(
        "artifacts.core.components.imager",
        Text,
        "siderolabs/imager",
        Honoured,
    ),
    key(
        "artifacts.core.components.installerBase",
        Text,
        "siderolabs/installer-base",
        Honoured,
    ),
    key(
        "artifacts.core.components.installer",
        Text,
        "siderolabs/installer",
        Honoured,
    ),
    key(
        "artifacts.core.components.extensionManifest",
        Text,
        "siderolabs/extensions",
        Honoured,
    ),
    key(
        "artifacts.core.components.overlayManifest",
        Text,
        "siderolabs/overlays",
        Honoured,
    ),
    key(
        "artifacts.core.components.talosctl",
        Text,
        "siderolabs/talosctl-all",
        Honoured,
    ),
    key("artifacts.schematic.registry", Text, "", Honoured),
    key("artifacts.schematic.namespace", Text, "", Honoured),
    key("artifacts.schematic.repository", Text, "", Honoured),
    key("artifacts.schematic.insecure", Flag, "false", Honoured),
    key("artifacts.schematic.path", Text, "", Honoured),
    key(
        "artifacts.installer.internal.registry",
        Text,
        "",
        INSTALLERS,
    ),
    key(
        "artifacts.installer.internal.namespace",
        Text,
        "",
        INSTALLERS,
    ),
    key(
        "artifacts.installer.internal.repository",
        Text,
        "",
        INSTALLERS,
    ),
    key(
        "artifacts.installer.internal.insecure",
        Flag,
        "false",
        INSTALLERS,
    ),
    key(
        "artifacts.installer.external.registry",
        Text,
        "",
        INSTALLERS,
    ),
    key(
        "artifacts.installer.external.namespace",
        Text,
        "",
        INSTALLERS,
    ),
    key(
        "artifacts.installer.external.repository",
        Text,
        "",
        INSTALLERS,
    ),
    key(
        "artifacts.installer.external.insecure",
        Flag,
        "false",
        INSTALLERS,
    ),
    key(
        "artifacts.talosVersionRecheckInterval",
        Duration,
        "15m",
        Honoured,
    ),
    key("artifacts.refreshInterval", Duration, "5m", CLIENTS),
    key("artifacts.extraExtensions", List, "", Honoured),
    key("artifacts.allowReferences", Flag, "false", Honoured),
    key(
        "registry.jobs",
        Count,
        "64",
        Moot("transfers are limited by connections"),
    ),
    key(
        "registry.debug",
        Flag,
        "false",
        Moot("--log-level debug shows the same"),
    ),
    key("store.path", Text, "", Honoured),
    key("store.maxSize", Size, "64GiB", Honoured),
    key("limits.body", Size, "1MiB", Honoured),
    key("limits.head", Size, "64KiB", Honoured),
    key("limits.headers", Count, "100", Honoured),
    key("limits.connections", Count, "16384", Honoured),
    key("limits.streams", Count, "128", Honoured),
    key("limits.idle", Duration, "60s", Honoured),
    key("limits.stall", Duration, "60s", Honoured),
    key("limits.prepare", Duration, "20m", Honoured),
    key("metrics.addr", Text, ":2122", Honoured),
    key("containerSignature.disabled", Flag, "false", Honoured),
    key(
        "containerSignature.publicKeyFile",
        Text,
        "",
        NotBuilt("verification of image signatures"),
    ),
    key(
        "containerSignature.publicKeyHashAlgo",
        Text,
        "sha256",
        VERIFY,
    ),
    key(
        "containerSignature.subjectRegExp",
        Text,
        r"(@siderolabs\.com$|^releasemgr-svc@talos-production\.iam\.gserviceaccount\.com$)",
        VERIFY,
    ),
    key("containerSignature.issuerRegExp", Text, "", VERIFY),
    key(
        "containerSignature.issuer",
        Text,
        "https://accounts.google.com",
        VERIFY,
    ),
    key("cache.oci.registry", Text, "", NO_CACHE),
    key("cache.oci.namespace", Text, "", NO_CACHE),
    key("cache.oci.repository", Text, "", NO_CACHE),
    key("cache.oci.insecure", Flag, "false", NO_CACHE),
    key("cache.signingKeyPath", Text, "", NO_CACHE),
    key("cache.gsa.serviceAccountEmail", Text, "", NO_CACHE),
    key("cache.gsa.keyFile", Text, "", NO_CACHE),
    key("cache.gsa.fulcioURL", Text, "", NO_CACHE),
    key("cache.gsa.rekorURL", Text, "", NO_CACHE),
    key("cache.gsa.tsaURL", Text, "", NO_CACHE),
    key("cache.s3.enabled", Flag, "false", S3),
    key("cache.s3.bucket", Text, "image-factory", NO_CACHE),
    key("cache.s3.endpoint", Text, "", NO_CACHE),
    key("cache.s3.region", Text, "", NO_CACHE),
    key("cache.s3.insecure", Flag, "false", NO_CACHE),
    key("cache.s3.presignedURLTTL", Duration, "1h", NO_CACHE),
    key(
        "cache.cdn.enabled",
        Flag,
        "false",
        NotBuilt("redirects to a CDN"),
    ),
    key("cache.cdn.host", Text, "", NO_CACHE),
    key("cache.cdn.trimPrefix", Text, "", NO_CACHE),
    key("cache.schematic.capacity", Count, "100000", Honoured),
    key("cache.schematic.negativeTTL", Duration, "30s", Honoured),
    key("secureBoot.enabled", Flag, "false", SECURE_BOOT),
    key(
        "secureBoot.file.signingKeyPath",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.file.signingCertPath",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.file.pcrKeyPath",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.azureKeyVault.url",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.azureKeyVault.certificateName",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.azureKeyVault.keyName",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.awsKMS.keyID",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.awsKMS.pcrKeyID",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.awsKMS.certPath",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.awsKMS.certARN",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key(
        "secureBoot.awsKMS.region",
        Text,
        "",
        Moot("Secure Boot is off"),
    ),
    key("audit.mode", Text, "", AUDIT),
    key("audit.file.path", Text, "", Moot("the audit log is off")),
    key(
        "audit.file.maxAge",
        Text,
        "30",
        Moot("the audit log is off"),
    ),
    key(
        "audit.file.maxSizeMB",
        Count,
        "256",
        Moot("the audit log is off"),
    ),
    key(
        "audit.file.maxBackups",
        Count,
        "16",
        Moot("the audit log is off"),
    ),
    key("authentication.enabled", Flag, "false", ACCOUNTS),
    key(
        "authentication.provider",
        Text,
        "htpasswd",
        Moot("authentication is off"),
    ),
    key(
        "authentication.htpasswdPath",
        Text,
        "",
        Moot("authentication is off"),
    ),
    key(
        "authentication.auth0.domain",
        Text,
        "",
        Moot("authentication is off"),
    ),
    key(
        "authentication.auth0.audience",
        Text,
        "",
        Moot("authentication is off"),
    ),
    key(
        "authentication.auth0.machineScope",
        Text,
        "",
        Moot("authentication is off"),
    ),
    key(
        "authentication.auth0.clientID",
        Text,
        "",
        Moot("authentication is off"),
    ),
    secret(
        "authentication.auth0.clientSecret",
        Moot("authentication is off"),
    ),
    secret(
        "authentication.auth0.sessionKey",
        Moot("authentication is off"),
    ),
    key(
        "authentication.auth0.maxNodeAppsPerOrg",
        Count,
        "10",
        Moot("authentication is off"),
    ),
    key(
        "authentication.downloadTokenKeyPath",
        Text,
        "",
        Moot("authentication is off"),
    ),
    key(
        "authentication.downloadTokenTTL.default",
        Duration,
        "5m",
        Moot("authentication is off"),
    ),
    key(
        "authentication.downloadTokenTTL.min",
        Duration,
        "30s",
        Moot("authentication is off"),
    ),
    key(
        "authentication.downloadTokenTTL.max",
        Duration,
        "8h",
        Moot("authentication is off"),
    ),
    key(
        "enterprise.extraExtensions.manifest.registry",
        Text,
        "",
        Honoured,
    ),
    key(
        "enterprise.extraExtensions.manifest.namespace",
        Text,
        "",
        Honoured,
    ),
    key(
        "enterprise.extraExtensions.manifest.repository",
        Text,
        "",
        Honoured,
    ),
    key(
        "enterprise.extraExtensions.manifest.insecure",
        Flag,
        "false",
        Honoured,
    ),
    key("enterprise.scanner.databaseURL", Text, "", ENTERPRISE),
    key("enterprise.scanner.databaseUpdateAt", Text, "", ENTERPRISE),
    key("enterprise.scanner.databaseRootDir", Text, "", ENTERPRISE),
    key("enterprise.scanner.cache.ttl", Duration, "15m", ENTERPRISE),
    key(
        "enterprise.scanner.cache.capacity",
        Count,
        "4096",
        ENTERPRISE,
    ),
    key("enterprise.spdx.cache.registry", Text, "", ENTERPRISE),
    key("enterprise.spdx.cache.namespace", Text, "", ENTERPRISE),
    key("enterprise.spdx.cache.repository", Text, "", ENTERPRISE),
    key("enterprise.spdx.cache.insecure", Flag, "false", ENTERPRISE),
    key("enterprise.vex.data.registry", Text, "", ENTERPRISE),
    key("enterprise.vex.data.namespace", Text, "", ENTERPRISE),
    key("enterprise.vex.data.repository", Text, "", ENTERPRISE),
    key("enterprise.vex.data.insecure", Flag, "false", ENTERPRISE),
    key("enterprise.vex.cache.ttl", Duration, "15m", ENTERPRISE),
    key("enterprise.vex.cache.capacity", Count, "65536", ENTERPRISE),
];

/// The key of this name, in any case.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// The key that a misspelt name most likely means: at most a third of its letters are wrong.
pub fn nearest(name: &str) -> Option<&'static Key> {
    let name = name.to_ascii_lowercase();
    KEYS.iter()
        .map(|key| (distance(&name, &key.name.to_ascii_lowercase()), key))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, key)| *distance * 3 <= key.name.len())
        .map(|(_, key)| key)
}

/// Levenshtein's edit distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_in_more_than_case() {
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name.to_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn misspelt_names_have_a_nearest_one() {
        let near = |name| nearest(name).map(|key| key.name);
        assert_eq!(near("http.externalUri"), Some("http.externalURL"));
        assert_eq!(near("store.maxsise"), Some("store.maxSize"));
        assert_eq!(near("completely.different"), None);
    }
}
