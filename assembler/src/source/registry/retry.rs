//! Trying again: when, how often, and after how long.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::source::{error::Cause, registry::options::RegistryOptions};

/// One attempt that came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    /// Whether another attempt may help.
    pub(super) is_transient: bool,
    /// When the registry wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// Another attempt may help.
    pub(super) fn transient(cause: Cause) -> Self {
        Self {
            cause,
            is_transient: true,
            retry_after: None,
        }
    }
}

/// Another attempt will not help.
impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            is_transient: false,
            retry_after: None,
        }
    }
}

/// Tries until it works, will never work, or has been tried often enough.
pub(super) async fn retry<T, F: Future<Output = Result<T, Failure>>>(
    options: &RegistryOptions,
    mut once: impl FnMut() -> F,
) -> Result<T, Cause> {
    let mut attempt = 1;
    loop {
        let failure = match once().await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if !failure.is_transient || attempt >= options.attempts {
            return Err(after(attempt, failure.cause));
        }
        tracing::debug!(attempt, cause = %failure.cause, "asking the registry again");
        tokio::time::sleep(pause(options, attempt, failure.retry_after)).await;
        attempt += 1;
    }
}

/// How long to wait after a failed attempt (the first is 1).
pub(super) fn pause(
    options: &RegistryOptions,
    attempt: u32,
    retry_after: Option<Duration>,
) -> Duration {
    if let Some(wanted) = retry_after {
        return wanted.min(options.max_retry_after);
    }
    let doubled = 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
    options
        .backoff
        .saturating_mul(doubled)
        .min(options.max_backoff)
}

/// The cause, saying how often it was tried.
pub(super) fn after(attempt: u32, mut cause: Cause) -> Cause {
    if let Cause::Status { attempts, .. }
    | Cause::Connection { attempts, .. }
    | Cause::Timeout { attempts, .. } = &mut cause
    {
        *attempts = attempt;
    }
    cause
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let parse = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(parse("120"), Some(Duration::from_mins(2)));
        assert_eq!(
            parse("Sun, 06 Nov 1994 08:49:40 GMT"),
            Some(Duration::from_secs(3))
        );
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:30 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_obey_the_registry_up_to_another() {
        let options = RegistryOptions::default();
        let seconds = Duration::from_secs;
        assert_eq!(pause(&options, 1, None), Duration::from_millis(250));
        assert_eq!(pause(&options, 3, None), seconds(1));
        assert_eq!(pause(&options, 40, None), seconds(8));
        assert_eq!(pause(&options, 1, Some(seconds(3))), seconds(3));
        assert_eq!(pause(&options, 1, Some(seconds(86_400))), seconds(60));
    }
}
