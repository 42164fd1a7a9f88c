//! Answers to a registry's `401 Unauthorized`: Basic, or a token from the realm that the registry names.
//!
//! Credentials go to that realm over HTTPS, or to the registry's own host, and nowhere else.
//!
//! Specification: RFC 9110, 11 (challenges); distribution "Token Authentication" and "OAuth2 Token Authentication".

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;

use crate::source::{
    error::Cause,
    registry::{
        client::{Ask, Client},
        credentials::{self, Credential},
        retry::Failure,
    },
};

/// Longest answer of a realm, in bytes.
const MAX_TOKEN_LEN: u64 = 1 << 20;
/// How long a token is good for when the realm does not say (distribution "Token Authentication": 60 seconds).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);
/// Longest time a token is used, whatever the realm says.
const MAX_LIFETIME: Duration = Duration::from_hours(24);
/// A token is not used for the last seconds of its life.
const MARGIN: Duration = Duration::from_secs(10);
/// Most tokens that are kept.
const MAX_TOKENS: usize = 1000;
/// How we call ourselves to a realm that speaks OAuth 2.
const CLIENT_ID: &str = "talos-forge";

/// What may be done, where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) repository: String,
    pub(super) actions: Actions,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Actions {
    Pull,
    PullPush,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = match self.actions {
            Actions::Pull => "pull",
            Actions::PullPush => "pull,push",
        };
        write!(f, "repository:{}:{actions}", self.repository)
    }
}

/// What is known about getting in.
#[derive(Debug, Default)]
pub(super) struct Auth {
    state: Mutex<State>,
    /// Held while a realm or a credential helper is asked: the others want the same.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    basic: Option<Timed<HeaderValue>>,
    tokens: HashMap<Scope, Timed<HeaderValue>>,
    credential: Option<Timed<Option<Credential>>>,
}

#[derive(Debug, Clone)]
struct Timed<T> {
    value: T,
    until: Instant,
}

impl<T: Clone> Timed<T> {
    fn fresh(&self) -> Option<T> {
        (Instant::now() < self.until).then(|| self.value.clone())
    }
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// What a realm hands out.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change of the state is a single assignment: it is whole even if its author panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `Authorization` that will do, as far as we know.
    pub(super) fn known(&self, scope: &Scope) -> Option<HeaderValue> {
        let state = self.state();
        let token = state.tokens.get(scope).or(state.basic.as_ref());
        token.and_then(Timed::fresh)
    }

    /// What to send after a 401 that `tried` did not prevent; nothing when the registry does not say, or we have nothing.
    pub(super) async fn answer(
        &self,
        client: &Client,
        registry: &Url,
        headers: &HeaderMap,
        scope: &Scope,
        tried: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let Some(challenge) = challenge(headers)? else {
            return Ok(None);
        };
        let _flight = self.flight.lock().await;
        if let Some(known) = self.known(scope).filter(|known| Some(known) != tried) {
            return Ok(Some(known));
        }
        let credential = self.credential(client).await?;
        if let Some(Credential::RegistryToken(token)) = &credential {
            let header = sensitive(&format!("Bearer {token}"))?;
            return Ok(Some(header).filter(|header| Some(header) != tried));
        }
        match challenge {
            Challenge::Basic => {
                let Some(Credential::Password { username, password }) = &credential else {
                    return Ok(None);
                };
                let header = basic(username, password)?;
                if Some(&header) == tried {
                    return Ok(None);
                }
                let until = Instant::now() + client.options.credentials_lifetime;
                self.state().basic = Some(Timed {
                    value: header.clone(),
                    until,
                });
                Ok(Some(header))
            }
            Challenge::Bearer {
                realm,
                service,
                scope: wanted,
            } => {
                let realm = checked_realm(&realm, registry)?;
                let wanted = wanted.unwrap_or_else(|| scope.to_string());
                let ask = token_request(realm, service.as_deref(), &wanted, credential.as_ref())?;
                let token = fetch_token(client, &ask).await?;
                let header = token.value.clone();
                let mut state = self.state();
                if state.tokens.len() >= MAX_TOKENS {
                    state.tokens.clear();
                }
                state.tokens.insert(scope.clone(), token);
                Ok(Some(header))
            }
        }
    }

    /// The credential for the registry, looked up now and then.
    async fn credential(&self, client: &Client) -> Result<Option<Credential>, Cause> {
        let known = self.state().credential.as_ref().and_then(Timed::fresh);
        if let Some(known) = known {
            return Ok(known);
        }
        let found = credentials::find(&client.options.credentials, &client.host).await?;
        let until = Instant::now() + client.options.credentials_lifetime;
        self.state().credential = Some(Timed {
            value: found.clone(),
            until,
        });
        Ok(found)
    }
}

/// The challenge we can answer best; nothing when there is none.
fn challenge(headers: &HeaderMap) -> Result<Option<Challenge>, Cause> {
    let mut found = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let text = header.to_str().unwrap_or_default();
        let malformed = |_| Cause::Protocol(format!("malformed WWW-Authenticate: {text}"));
        for challenge in http_auth::parse_challenges(text).map_err(malformed)? {
            let param = |name: &str| {
                let mut params = challenge.params.iter();
                let (_, value) = params.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = param("realm")
            {
                return Ok(Some(Challenge::Bearer {
                    realm,
                    service: param("service"),
                    scope: param("scope"),
                }));
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    Ok(found)
}

/// The realm, if credentials may go there.
fn checked_realm(realm: &str, registry: &Url) -> Result<Url, Cause> {
    let refuse = |reason| Cause::Realm {
        realm: realm.to_owned(),
        reason,
    };
    let url = Url::parse(realm).map_err(|_| refuse("it is not an absolute URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it names a user itself"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host() == registry.host() => Ok(url),
        "http" => Err(refuse("it is another host, over plain HTTP")),
        _ => Err(refuse("it is neither HTTP nor HTTPS")),
    }
}

/// The request for a token: GET with a password or nothing, POST with an identity token.
fn token_request(
    mut realm: Url,
    service: Option<&str>,
    scope: &str,
    credential: Option<&Credential>,
) -> Result<Ask, Cause> {
    let service = service.map(|service| ("service", service));
    let common = service.into_iter().chain([("scope", scope)]);
    let mut ask = Ask::new(Method::GET, "");
    match credential {
        Some(Credential::IdentityToken(token)) => {
            let fields = [
                ("grant_type", "refresh_token"),
                ("refresh_token", token),
                ("client_id", CLIENT_ID),
            ];
            let mut form = Url::parse("form:").expect("a constant URL");
            form.query_pairs_mut()
                .extend_pairs(fields)
                .extend_pairs(common);
            ask.method = Method::POST;
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            ask.headers.insert(CONTENT_TYPE, kind);
            ask.body = Some(form.query().unwrap_or_default().to_owned().into());
        }
        password => {
            realm.query_pairs_mut().extend_pairs(common);
            if let Some(Credential::Password { username, password }) = password {
                realm.query_pairs_mut().append_pair("account", username);
                ask.headers
                    .insert(AUTHORIZATION, basic(username, password)?);
            }
        }
    }
    ask.target = realm.into();
    Ok(ask)
}

async fn fetch_token(client: &Client, ask: &Ask) -> Result<Timed<HeaderValue>, Failure> {
    let asked = Instant::now();
    let response = client.token(ask).await?;
    let bytes = client
        .read(response, "the token's length in bytes", MAX_TOKEN_LEN)
        .await?;
    let malformed = |text: String| Cause::Malformed {
        what: "token",
        text,
    };
    let answer: Answer =
        serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    let token = answer
        .token
        .filter(|token| !token.is_empty())
        .or(answer.access_token);
    let token = token.ok_or_else(|| malformed("there is none".to_owned()))?;
    let lifetime = answer
        .expires_in
        .map_or(DEFAULT_LIFETIME, Duration::from_secs);
    // Realms that say less than the minimum of the specification mean the minimum.
    let lifetime = lifetime.clamp(DEFAULT_LIFETIME, MAX_LIFETIME);
    Ok(Timed {
        value: sensitive(&format!("Bearer {token}"))?,
        until: asked + lifetime.saturating_sub(MARGIN),
    })
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, Cause> {
    let encoded = BASE64_STANDARD.encode(format!("{username}:{password}"));
    sensitive(&format!("Basic {encoded}"))
}

fn sensitive(text: &str) -> Result<HeaderValue, Cause> {
    let invalid = |_| Cause::Protocol("a token that cannot be a header".to_owned());
    let mut header = HeaderValue::from_str(text).map_err(invalid)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Option<Challenge>, Cause> {
        let pairs = texts
            .iter()
            .map(|text| (WWW_AUTHENTICATE, text.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        challenge(&headers)
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let bearer = r#"Bearer realm="https://a/token",service="a",scope="repository:x:pull""#;
        for texts in [
            &[r#"Basic realm="a""#, bearer][..],
            &[bearer, "Basic"],
            &[bearer],
        ] {
            let expected = Challenge::Bearer {
                realm: "https://a/token".to_owned(),
                service: Some("a".to_owned()),
                scope: Some("repository:x:pull".to_owned()),
            };
            assert_eq!(parse(texts), Ok(Some(expected)), "{texts:?}");
        }
        assert_eq!(parse(&[r#"Basic realm="a""#]), Ok(Some(Challenge::Basic)));
        assert_eq!(parse(&["Negotiate"]), Ok(None));
        assert_eq!(parse(&[]), Ok(None));
        assert!(matches!(
            parse(&["Bearer realm=\""]),
            Err(Cause::Protocol(_))
        ));
    }

    #[test]
    fn credentials_go_to_https_or_to_the_same_host() {
        let plain = Url::parse("http://registry:5000/v2/").unwrap();
        let secure = Url::parse("https://registry/v2/").unwrap();
        for good in [
            "https://auth.example.com/token",
            "http://registry:5001/token",
        ] {
            assert!(checked_realm(good, &plain).is_ok(), "{good}");
            assert!(checked_realm(good, &secure).is_ok(), "{good}");
        }
        let bad = [
            "http://auth.example.com/token",
            "http://registry.example.com/token",
            "ftp://registry/token",
            "file:///etc/passwd",
            "https://user@auth.example.com/",
            "/token",
        ];
        for bad in bad {
            assert!(
                matches!(checked_realm(bad, &plain), Err(Cause::Realm { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(
            format!("{:?}", basic("user", "hunter2").unwrap()),
            "Sensitive"
        );
        let ask = token_request(
            Url::parse("https://a/").unwrap(),
            None,
            "x",
            Some(&Credential::IdentityToken("hunter2".to_owned())),
        );
        assert!(!format!("{:?}", ask.unwrap()).contains("hunter2"));
    }
}
