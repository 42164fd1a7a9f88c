//! `build`: artifacts as files.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use assembler::{
    forge::{Artifact, Need},
    read,
};
use clap::Args;
use formats::Digest;

use super::{Global, SchematicArg, progress, schematic_id, sparse::Sparse};

/// Write artifacts to files
#[derive(Debug, Args)]
#[command(
    long_about = "Writes the artifacts that the service would send to files. PATH is the last segment of their URL. For each \
        file it prints its SHA-256, its size in bytes and its path.\n\n\
        Files appear complete or not at all: they are written under another name beside their place and renamed. Where they \
        would hold long runs of zeros, as disk images do, they have holes.",
    after_long_help = "Examples:\n  \
        talos-forge build v1.14.0 metal-amd64.iso\n  \
        talos-forge build -s schematic.yaml -o out/ v1.14.0 kernel-amd64 initramfs-amd64.xz cmdline-metal-amd64\n  \
        talos-forge build -o - v1.14.0 metal-arm64.iso | dd of=/dev/sdX bs=4M"
)]
pub(super) struct Build {
    #[command(flatten)]
    schematic: SchematicArg,
    /// Where to: a directory, a file (for one artifact), or - for standard output
    #[arg(short, long, value_name = "DIR|FILE|-", default_value = ".")]
    output: PathBuf,
    /// The version of Talos, v1.14.0
    version: String,
    /// metal-amd64.iso, metal-arm64-uki.efi, kernel-amd64, initramfs-arm64.xz, cmdline-aws-amd64, …
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

/// Where one artifact goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Stdout,
    File(PathBuf),
}

impl Build {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let places = places(&self.output, &self.paths)?;
        let forge = global.forge().await?;
        let id = schematic_id(&forge, &self.schematic).await?;
        for (path, place) in self.paths.iter().zip(places) {
            let spinner = progress::spinner(format!("preparing {path}"));
            let artifact = forge.artifact(&id, &self.version, path, Need::Payload);
            let artifact = progress::watch(&spinner, &forge, artifact).await;
            spinner.finish_and_clear();
            let artifact = artifact?;
            let len = artifact.layout.len();
            let (target, shown) = (place.clone(), path.clone());
            let write = move || write(&artifact, &target, &shown);
            let digest = tokio::task::spawn_blocking(write)
                .await
                .context("the writer ended")??;
            let digest = digest.hex();
            match place {
                Place::Stdout => writeln!(io::stderr(), "{digest}  {len}  {path}"),
                Place::File(file) => writeln!(io::stdout(), "{digest}  {len}  {}", file.display()),
            }
            .context("writing the summary")?;
        }
        Ok(())
    }
}

/// Where each path goes, or why that cannot be.
fn places(output: &Path, paths: &[String]) -> anyhow::Result<Vec<Place>> {
    for path in paths {
        // What names a file must not name another directory.
        if path.contains('/') || path == "." || path == ".." {
            bail!("{path:?} is not the last segment of an artifact's URL");
        }
    }
    if output == Path::new("-") {
        if paths.len() != 1 {
            bail!(
                "only one artifact can go to standard output, not {}",
                paths.len()
            );
        }
        return Ok(vec![Place::Stdout]);
    }
    let text = output.as_os_str().as_encoded_bytes();
    let is_directory = output.is_dir() || text.ends_with(b"/") || paths.len() > 1;
    if !is_directory {
        return Ok(vec![Place::File(output.to_owned())]);
    }
    std::fs::create_dir_all(output).with_context(|| format!("creating {}", output.display()))?;
    // Not `./path`: what is printed is what the user would have written.
    let directory = output.strip_prefix(".").unwrap_or(output);
    let file = |path: &String| Place::File(directory.join(path));
    Ok(paths.iter().map(file).collect())
}

fn write(artifact: &Artifact, place: &Place, name: &str) -> anyhow::Result<Digest> {
    let blobs = &artifact.blobs;
    let bar = progress::bytes(format!("writing {name}"), artifact.layout.len());
    let advance = |len| bar.inc(len);
    let digest = match place {
        Place::Stdout => {
            let mut out = io::stdout().lock();
            read::write_to(&artifact.layout, &**blobs, &mut out, advance)
                .context("writing to standard output")?
        }
        Place::File(path) => {
            let partial = Partial::beside(path)?;
            let mut out = Sparse(&partial.file);
            let digest = read::write_to(&artifact.layout, &**blobs, &mut out, advance)
                .with_context(|| format!("writing {}", path.display()))?;
            partial.keep(path)?;
            digest
        }
    };
    bar.finish_and_clear();
    Ok(digest)
}

/// A file that vanishes unless it is kept.
struct Partial {
    file: File,
    path: Option<PathBuf>,
}

impl Partial {
    fn beside(target: &Path) -> anyhow::Result<Self> {
        let name = target.file_name().context("the output names no file")?;
        let name = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
        let path = target.with_file_name(name);
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self {
            file,
            path: Some(path),
        })
    }

    fn keep(mut self, target: &Path) -> anyhow::Result<()> {
        let path = self.path.take().expect("kept only once");
        let kept = self
            .file
            .sync_all()
            .and_then(|()| std::fs::rename(&path, target));
        kept.inspect_err(|_| drop(std::fs::remove_file(&path)))
            .with_context(|| format!("writing {}", target.display()))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Best effort: the error that led here is the one to report.
            drop(std::fs::remove_file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn outputs_are_directories_files_or_standard_output() {
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| Place::File(directory.path().join(name));
        let one = paths(&["kernel-amd64"]);
        let two = paths(&["kernel-amd64", "kernel-arm64"]);
        assert_eq!(
            places(directory.path(), &one).unwrap(),
            [inside("kernel-amd64")]
        );
        assert_eq!(
            places(&directory.path().join("x"), &one).unwrap(),
            [inside("x")]
        );
        let new = directory.path().join("new");
        let expected = [inside("new/kernel-amd64"), inside("new/kernel-arm64")];
        assert_eq!(places(&new, &two).unwrap(), expected);
        assert_eq!(places(Path::new("-"), &one).unwrap(), [Place::Stdout]);
        assert!(places(Path::new("-"), &two).is_err());
        assert!(places(directory.path(), &paths(&["../x"])).is_err());
    }

    #[test]
    fn an_unfinished_file_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.iso");
        drop(Partial::beside(&target).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        Partial::beside(&target).unwrap().keep(&target).unwrap();
        let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
        assert!(target.exists());
    }
}
