//! Credentials from Docker's configuration, from the helpers it names, and from GitHub's token.
//!
//! Sources: docker/cli `cli/config/configfile` (keys and their order), docker/docker-credential-helpers (protocol).

use std::{collections::HashMap, fmt, fs, io, path::Path, process::Stdio, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::source::{error::Cause, registry::options::CredentialSources};

/// Longest Docker configuration, in bytes.
const MAX_CONFIG_LEN: u64 = 4 << 20;
/// How long a credential helper may take; some ask a cloud's metadata service.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);
/// The user name by which a helper says that its secret is an identity token.
const TOKEN_USER: &str = "<token>";
/// The key under which Docker keeps the credentials of its own registry.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// What proves to a registry who we are.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// A name and a password.
    Password { username: String, password: String },
    /// A refresh token, exchanged for access tokens at the realm.
    IdentityToken(String),
    /// An access token, sent as it is.
    RegistryToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
            Self::RegistryToken(_) => "RegistryToken(…)",
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// The credential for a registry: of its own helper, of the common helper, of the file, or GitHub's token.
pub(super) async fn find(
    sources: &CredentialSources,
    host: &str,
) -> Result<Option<Credential>, Cause> {
    if let Some(path) = &sources.docker_config {
        let found = find_in_docker_config(path, host).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let token = sources.github_token.as_ref().filter(|_| host == "ghcr.io");
    Ok(token.map(|token| Credential::Password {
        // GitHub looks at the token only.
        username: "token".to_owned(),
        password: token.clone(),
    }))
}

async fn find_in_docker_config(path: &Path, host: &str) -> Result<Option<Credential>, Cause> {
    let Some(config) = read(path)? else {
        return Ok(None);
    };
    let key = if host == "docker.io" {
        DOCKER_HUB_KEY
    } else {
        host
    };
    let own = config
        .cred_helpers
        .iter()
        .find(|(key, _)| is_key_of(key, host));
    let common = Some(&config.creds_store).filter(|name| !name.is_empty());
    if let Some(name) = own.map(|(_, name)| name).or(common)
        && let Some(credential) = ask_helper(name, key).await?
    {
        return Ok(Some(credential));
    }
    // A key that says just the host counts before one that says more.
    let mut keys: Vec<_> = config
        .auths
        .iter()
        .filter(|(key, _)| is_key_of(key, host))
        .collect();
    keys.sort_by_key(|(key, _)| (key.len(), *key));
    let found = keys
        .into_iter()
        .map(|(key, entry)| entry.credential(key))
        .find(|found| !matches!(found, Ok(None)));
    let place = |text| Cause::Settings(format!("{}: {text}", path.display()));
    found.unwrap_or(Ok(None)).map_err(place)
}

fn read(path: &Path) -> Result<Option<Config>, Cause> {
    let settings = |text: String| Cause::Settings(format!("{}: {text}", path.display()));
    let len = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(settings(error.to_string())),
    };
    if len > MAX_CONFIG_LEN {
        return Err(settings(format!("is longer than {MAX_CONFIG_LEN} bytes")));
    }
    let text = fs::read(path).map_err(|error| settings(error.to_string()))?;
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| settings(error.to_string()))
}

/// Whether a key of the configuration is about a registry: with or without a scheme, with the path of an old or a new API.
/// Keys of a part of a registry (`ghcr.io/somebody`) are not: their credentials are not for the rest of it.
fn is_key_of(key: &str, host: &str) -> bool {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let (name, path) = key.split_once('/').unwrap_or((key, ""));
    let is_whole = matches!(path.trim_end_matches('/'), "" | "v1" | "v2");
    let is_hub = host == "docker.io" && matches!(name, "index.docker.io" | "registry-1.docker.io");
    is_whole && (name == host || is_hub)
}

impl Entry {
    fn credential(&self, key: &str) -> Result<Option<Credential>, String> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credential::RegistryToken(self.registrytoken.clone())));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::IdentityToken(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            let is_empty = self.username.is_empty() && self.password.is_empty();
            return Ok((!is_empty).then(|| Credential::Password {
                username: self.username.clone(),
                password: self.password.clone(),
            }));
        }
        let invalid = || format!("auths of {key}: auth is not the base64 of name:password");
        let decoded = BASE64_STANDARD.decode(&self.auth).map_err(|_| invalid())?;
        let text = String::from_utf8(decoded).map_err(|_| invalid())?;
        let (username, password) = text.split_once(':').ok_or_else(invalid)?;
        Ok(Some(Credential::Password {
            username: username.to_owned(),
            // Old clients padded the text with zero bytes.
            password: password.trim_end_matches('\0').to_owned(),
        }))
    }
}

/// Runs `docker-credential-NAME get`, which the user's own configuration names.
async fn ask_helper(name: &str, key: &str) -> Result<Option<Credential>, Cause> {
    let program = format!("docker-credential-{name}");
    let settings = |text: String| Cause::Settings(format!("{program}: {text}"));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.chars().all(is_plain) {
        return Err(settings("not the name of a credential helper".to_owned()));
    }
    run_helper(&program, key).await
}

async fn run_helper(program: &str, key: &str) -> Result<Option<Credential>, Cause> {
    let settings = |text: String| Cause::Settings(format!("{program}: {text}"));
    let mut helper = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| settings(error.to_string()))?;
    let mut input = helper.stdin.take().expect("it was asked for");
    // A helper that does not read what it is asked answers all the same, or fails and says why.
    let _ = input.write_all(key.as_bytes()).await;
    drop(input);
    let output = timeout(HELPER_TIMEOUT, helper.wait_with_output())
        .await
        .map_err(|_| settings(format!("took longer than {} s", HELPER_TIMEOUT.as_secs())))?
        .map_err(|error| settings(error.to_string()))?;
    if !output.status.success() {
        // Helpers report on standard output.
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(settings(format!("{}: {}", output.status, text.trim())));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|error| settings(format!("its answer is malformed: {error}")))?;
    Ok(Some(if answer.username == TOKEN_USER {
        Credential::IdentityToken(answer.secret)
    } else {
        Credential::Password {
            username: answer.username,
            password: answer.secret,
        }
    }))
}

#[cfg(test)]
mod tests;
