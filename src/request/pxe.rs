//! `GET /pxe/:schematic/:version/:path`: scripts for iPXE (spec/http.md, 5).

use super::{Answer, reply};
use crate::{
    app::{App, Call},
    response::media,
};

pub(super) async fn answer(app: &App, call: &Call) -> Answer {
    let [schematic, version, path] = &call.parameters[..] else {
        unreachable!("the route has three parameters");
    };
    let base = app.site.pxe_base_url(&call.origin);
    let script = app.forge.pxe(schematic, version, path, &base).await?;
    Ok(reply(media::TEXT, Vec::from(script)))
}
