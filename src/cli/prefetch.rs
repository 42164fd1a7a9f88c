//! `prefetch`: what versions need, fetched and unpacked ahead of the first request.

use std::io::{self, Write as _};

use anyhow::Context as _;
use assembler::{
    error::Kind,
    forge::{Forge, Need},
    platform::Arch,
};
use clap::Args;

use super::{Global, SchematicArg, progress, schematic_id};

/// Everything that the first requests of a version ask for.
const PATHS: [&str; 8] = [
    "kernel-amd64",
    "kernel-arm64",
    "initramfs-amd64.xz",
    "initramfs-arm64.xz",
    "metal-amd64-uki.efi",
    "metal-arm64-uki.efi",
    "metal-amd64.iso",
    "metal-arm64.iso",
];

/// Fetch what versions need, so that the first request is warm
#[derive(Debug, Args)]
#[command(
    long_about = "Fetches and unpacks what the artifacts of these versions need, and the catalogues of extensions and overlays. \
        With a schematic, also its extensions; with --extensions, these, so that any schematic with them costs no preparation.",
    after_long_help = "Examples:\n  talos-forge prefetch v1.13.5 v1.14.0\n  talos-forge prefetch v1.14.0 --extensions all"
)]
pub(super) struct Prefetch {
    #[command(flatten)]
    schematic: SchematicArg,
    /// Also prepare these extensions for both architectures: names as in schematics, between commas, or all
    #[arg(long, value_name = "all|NAME,…", value_delimiter = ',')]
    extensions: Vec<String>,
    /// Versions of Talos, v1.14.0
    #[arg(required = true, value_name = "VERSION")]
    versions: Vec<String>,
}

impl Prefetch {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let forge = global.forge().await?;
        let id = schematic_id(&forge, &self.schematic).await?;
        for version in &self.versions {
            let spinner = progress::spinner(format!("fetching {version}"));
            let work = async {
                fetch(&forge, &id, version).await?;
                extensions(&forge, version, &self.extensions).await
            };
            let fetched = progress::watch(&spinner, &forge, work).await;
            spinner.finish_and_clear();
            fetched?;
            writeln!(io::stderr(), "{version} is ready").context("reporting")?;
        }
        Ok(())
    }
}

/// Prepares the extensions `names` of a version. Among all of them, those that cannot be used are only told of.
async fn extensions(forge: &Forge, version: &str, names: &[String]) -> anyhow::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let all = names.iter().any(|name| name == "all");
    let catalog = forge.extensions(version).await?;
    let wanted = if all {
        catalog.iter().collect()
    } else {
        let named = names
            .iter()
            .map(|name| catalog.find(name.as_bytes(), version));
        named.collect::<Result<Vec<_>, _>>()?
    };
    for extension in wanted {
        for arch in [Arch::Amd64, Arch::Arm64] {
            match forge.prepare_extension(version, extension, arch).await {
                Ok(()) => {}
                Err(error) if all && error.kind() == Kind::BadRequest => {
                    tracing::warn!(%error, extension = extension.name, version, "left out");
                    break;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("{} for {arch}", extension.name));
                }
            }
        }
    }
    Ok(())
}

async fn fetch(forge: &Forge, id: &str, version: &str) -> anyhow::Result<()> {
    for path in PATHS {
        match forge.artifact(id, version, path, Need::Payload).await {
            Ok(_) => {}
            // Not every version has every artifact.
            Err(error)
                if matches!(error.kind(), Kind::BadRequest | Kind::NotYet)
                    && path.contains("metal") =>
            {
                tracing::debug!(%error, path, version, "left out");
            }
            Err(error) => return Err(error.into()),
        }
    }
    forge.extensions(version).await?;
    forge.overlays(version).await?;
    Ok(())
}
