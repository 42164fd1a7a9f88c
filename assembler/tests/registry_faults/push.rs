//! Pushing through failures.

use assembler::source::Cause;
use bytes::Bytes;
use formats::Digest;

use crate::{
    REPOSITORY, release,
    support::{
        Release,
        release::DOCKER_MANIFEST,
        server::{Reply, Server},
    },
};

#[tokio::test]
async fn what_is_pushed_can_be_pulled() {
    let server = Server::start(Release::new(), |seen| {
        // Each step of a push fails once.
        (seen.path != "/v2/" && seen.count == 0 && seen.method != "HEAD")
            .then(|| Reply::status(503))
    })
    .await;
    let registry = server.quick();
    let repository = REPOSITORY.parse().unwrap();
    let schematic = Bytes::from_static(b"customization: {}\n");
    let digest = registry
        .push_blob(&repository, schematic.clone())
        .await
        .unwrap();
    assert_eq!(digest, Digest::of(&schematic));
    let methods = |server: &Server| {
        server
            .seen()
            .iter()
            .map(|seen| seen.method.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        methods(&server),
        ["HEAD", "POST", "POST", "PUT", "POST", "PUT"]
    );
    let (_, layer, _) = release();
    let known = Release::new();
    let known_layer = known
        .reachable(REPOSITORY)
        .into_iter()
        .find(|digest| known.blobs[digest].len() > 10_000);
    let known_bytes = known.blobs[&known_layer.unwrap()].clone();
    let before = server.seen().len();
    registry
        .push_blob(&repository, known_bytes.clone())
        .await
        .unwrap();
    assert_eq!(
        server.seen().len(),
        before + 1,
        "a blob that is there is not sent again"
    );
    let manifest = Bytes::from_static(b"{}");
    let pushed = registry.push_manifest(&repository, "id", DOCKER_MANIFEST, manifest.clone());
    assert_eq!(pushed.await, Ok(Digest::of(&manifest)));

    let digest = Digest::of(&known_bytes);
    let limit = known_bytes.len() as u64;
    assert_eq!(
        registry.get_blob(&repository, &digest, limit).await,
        Ok(Some(known_bytes))
    );
    let error = registry
        .get_blob(&repository, &digest, limit - 1)
        .await
        .unwrap_err();
    assert!(matches!(error.cause, Cause::TooLarge { .. }), "{error}");
    assert_eq!(
        registry.get_blob(&repository, &layer.digest, limit).await,
        Ok(None)
    );
    let nowhere = "siderolabs/nothing".parse().unwrap();
    assert_eq!(registry.get_blob(&nowhere, &digest, limit).await, Ok(None));
}
