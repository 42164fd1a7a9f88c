//! `GET /version/:version/{extensions,overlays}/official`: the catalogues of a version.

use super::{Answer, json_reply};
use crate::app::{App, Call};

pub(super) async fn extensions(app: &App, call: &Call) -> Answer {
    Ok(json_reply(
        &app.forge.extensions(&call.parameters[0]).await?,
    ))
}

pub(super) async fn overlays(app: &App, call: &Call) -> Answer {
    Ok(json_reply(&app.forge.overlays(&call.parameters[0]).await?))
}
