//! `GET /versions`: the versions on offer, or with `?broken=true` those left out.

use super::{Answer, json_reply, query};
use crate::app::{App, Call};

pub(super) async fn answer(app: &App, call: &Call) -> Answer {
    let tags: Vec<String> = if query(call, "broken").as_deref() == Some("true") {
        let broken = app.site.broken_versions.iter();
        broken
            .map(|version| format!("v{}", version.trim_start_matches('v')))
            .collect()
    } else {
        let versions = app.forge.versions().await?;
        versions
            .iter()
            .map(assembler::version::Version::tag)
            .collect()
    };
    Ok(json_reply(&tags))
}
