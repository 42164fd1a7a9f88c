//! What every source has to do, whatever it is: run over the same [`Release`].

use assembler::{
    error::Kind,
    source::{
        Cause, Compression, Descriptor, Error, Source,
        image::{self, Document},
    },
};
use bytes::{Bytes, BytesMut};
use formats::Digest;
use futures_util::TryStreamExt as _;

use crate::support::Release;

/// All of a blob, or why not.
pub async fn read(
    source: &dyn Source,
    repository: &str,
    descriptor: &Descriptor,
) -> Result<Bytes, Error> {
    let stream = source
        .blob(&repository.parse().unwrap(), descriptor)
        .await?;
    let whole = stream.try_fold(BytesMut::new(), |mut all, chunk| async move {
        all.extend_from_slice(&chunk);
        Ok(all)
    });
    Ok(whole.await?.freeze())
}

/// The whole suite.
pub async fn conforms(source: &dyn Source, release: &Release) {
    names(source, release).await;
    unknown_names(source).await;
    manifests(source, release).await;
    platforms(source, release).await;
    blobs(source, release).await;
    wrong_promises(source, release).await;
}

async fn names(source: &dyn Source, release: &Release) {
    for (repository, tags) in &release.tags {
        let repository = repository.parse().unwrap();
        let expected: Vec<_> = tags.keys().cloned().collect();
        assert_eq!(source.tags(&repository).await, Ok(expected), "{repository}");
        for (tag, digest) in tags {
            assert_eq!(
                source.resolve(&repository, tag).await,
                Ok(*digest),
                "{repository}:{tag}"
            );
        }
    }
}

async fn unknown_names(source: &dyn Source) {
    let known = "siderolabs/imager".parse().unwrap();
    let unknown = "siderolabs/nothing".parse().unwrap();
    let refused = [
        (
            source.tags(&unknown).await.unwrap_err(),
            Cause::UnknownRepository,
            "siderolabs/nothing",
        ),
        (
            source.resolve(&known, "v9").await.unwrap_err(),
            Cause::UnknownTag,
            "siderolabs/imager:v9",
        ),
        (
            source.resolve(&known, "../x").await.unwrap_err(),
            Cause::UnknownTag,
            "siderolabs/imager:../x",
        ),
        (
            source.resolve(&unknown, "v1").await.unwrap_err(),
            Cause::UnknownTag,
            "siderolabs/nothing:v1",
        ),
    ];
    for (error, cause, image) in refused {
        assert_eq!(error.cause, cause, "{image}");
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(error.image, image);
        assert_eq!(error.place, source.place());
    }
}

async fn manifests(source: &dyn Source, release: &Release) {
    for repository in release.tags.keys() {
        let reachable = release.reachable(repository);
        let manifests = release
            .manifests
            .iter()
            .filter(|(digest, _)| reachable.contains(digest));
        let repository = repository.parse().unwrap();
        for (digest, media_type) in manifests {
            let manifest = source.manifest(&repository, digest).await.unwrap();
            assert_eq!(manifest.bytes, release.blobs[digest]);
            assert_eq!(manifest.media_type, *media_type);
        }
        let nothing = Digest::of("nothing");
        let error = source.manifest(&repository, &nothing).await.unwrap_err();
        assert_eq!(error.cause, Cause::UnknownManifest);
        assert_eq!(error.image, format!("{repository}@{nothing}"));
    }
}

async fn platforms(source: &dyn Source, release: &Release) {
    let cases = [
        ("siderolabs/imager", "v1.14.0", "amd64", "amd64", 3),
        ("siderolabs/imager", "v1.14.0", "arm64", "arm64", 1),
        ("siderolabs/nested", "v1", "amd64", "amd64", 3),
        ("siderolabs/nested", "v1", "arm64", "arm64", 1),
        ("siderolabs/util-linux-tools", "2.40", "amd64", "single", 1),
        ("siderolabs/util-linux-tools", "2.40", "arm64", "single", 1),
        (
            "siderolabs/gvisor",
            "20250101.0",
            "amd64",
            "docker amd64",
            2,
        ),
        (
            "siderolabs/gvisor",
            "20250101.0",
            "arm64",
            "docker arm64",
            1,
        ),
    ];
    for (repository, tag, architecture, name, layers) in cases {
        let digest = release.tags[repository][tag];
        let found = image::find(source, &repository.parse().unwrap(), &digest, architecture)
            .await
            .unwrap();
        let config = read(source, repository, &found.config).await.unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["name"], name, "{repository} for {architecture}");
        assert_eq!(found.layers.len(), layers);
    }
    let digest = release.tags["siderolabs/imager"]["v1.14.0"];
    let repository = "siderolabs/imager".parse().unwrap();
    let error = image::find(source, &repository, &digest, "riscv64")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: siderolabs/imager@{digest}: no image for linux/riscv64, only for linux/amd64, linux/arm64/v8",
            source.place()
        )
    );
}

async fn blobs(source: &dyn Source, release: &Release) {
    let mut compressions = Vec::new();
    for repository in release.tags.keys() {
        for digest in release.reachable(repository) {
            if !release.manifests.iter().any(|(known, _)| *known == digest) {
                continue;
            }
            let manifest = source
                .manifest(&repository.parse().unwrap(), &digest)
                .await
                .unwrap();
            let Document::Image(image) = manifest.parse().unwrap() else {
                continue;
            };
            compressions.extend(
                image
                    .layers
                    .iter()
                    .map(|layer| layer.compression().unwrap()),
            );
            for descriptor in image.layers.iter().chain([&image.config]) {
                let bytes = read(source, repository, descriptor).await.unwrap();
                assert!(
                    bytes == release.blobs[&descriptor.digest],
                    "{}",
                    descriptor.digest
                );
            }
        }
    }
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        assert!(compressions.contains(&compression), "{compression:?}");
    }
}

/// A manifest that lies about a blob is found out, the error being the last item of the stream at the latest.
async fn wrong_promises(source: &dyn Source, release: &Release) {
    let repository = "siderolabs/util-linux-tools";
    let digest = release.tags[repository]["2.40"];
    let image = image::find(source, &repository.parse().unwrap(), &digest, "amd64")
        .await
        .unwrap();
    let layer = &image.layers[0];
    let sized = |size| Descriptor {
        size,
        ..layer.clone()
    };
    let error = read(source, repository, &sized(layer.size - 1))
        .await
        .unwrap_err();
    assert_eq!(
        error.cause,
        Cause::Surplus {
            expected: layer.size - 1
        }
    );
    let error = read(source, repository, &sized(0)).await.unwrap_err();
    assert_eq!(error.cause, Cause::Surplus { expected: 0 });
    let error = read(source, repository, &sized(layer.size + 1))
        .await
        .unwrap_err();
    assert_eq!(
        error.cause,
        Cause::Truncated {
            expected: layer.size + 1,
            found: layer.size
        }
    );
    assert_eq!(error.kind(), Kind::Upstream);
    let missing = Digest::of("missing");
    let absent = Descriptor {
        digest: missing,
        ..layer.clone()
    };
    let error = read(source, repository, &absent).await.unwrap_err();
    assert_eq!(error.cause, Cause::MissingBlob(missing));
    assert_eq!(error.image, format!("{repository}@{missing}"));
    assert_eq!(error.kind(), Kind::Upstream);
}
