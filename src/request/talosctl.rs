//! `GET /talosctl/:version` and `GET /talosctl/:version/:path`: the command line tool of a version.

use assembler::forge::Need;

use super::{Answer, image, json_reply};
use crate::app::{App, Call};

pub(super) async fn list(app: &App, call: &Call) -> Answer {
    let version = &call.parameters[0];
    let names = app.forge.talosctl(version).await?;
    let base = app.site.base_url(&call.origin);
    let tag = version.trim_start_matches('v');
    let urls: Vec<_> = names
        .iter()
        .map(|name| format!("{base}/talosctl/v{tag}/{name}"))
        .collect();
    Ok(json_reply(&urls))
}

pub(super) async fn file(app: &App, call: &Call) -> Answer {
    let [version, name] = &call.parameters[..] else {
        unreachable!("the route has two parameters");
    };
    let artifact = app
        .forge
        .talosctl_file(version, name, image::need(call))
        .await?;
    let plan = image::plan(app, call, &artifact, name);
    if image::needs_payload(call, &plan) {
        let artifact = app
            .forge
            .talosctl_file(version, name, Need::Payload)
            .await?;
        let plan = image::plan(app, call, &artifact, name);
        return image::respond(app, call, plan, &artifact);
    }
    image::respond(app, call, plan, &artifact)
}
