//! `plan`: a layout as a table.

use std::io::{self, Write as _};

use anyhow::Context as _;
use assembler::forge::{Artifact, Need};
use clap::Args;
use formats::{Extent, Layout};
use serde_json::{Value as Json, json};

use super::{Global, SchematicArg, progress, schematic_id};

/// Show what an artifact is made of, without building it
#[derive(Debug, Args)]
#[command(
    long_about = "Shows the layout of an artifact: for each extent its offset and length in bytes, what it is, and which blob \
        it is read from. No payload is fetched for it.",
    after_long_help = "Examples:\n  \
        talos-forge plan v1.14.0 metal-amd64.iso\n  \
        talos-forge plan --json v1.14.0 metal-amd64-uki.efi | jq '.extents[] | select(.blob)'"
)]
pub(super) struct Plan {
    #[command(flatten)]
    schematic: SchematicArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The version of Talos, v1.14.0
    version: String,
    /// The last segment of the artifact's URL: metal-amd64.iso, kernel-arm64, …
    path: String,
}

impl Plan {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let forge = global.forge().await?;
        let id = schematic_id(&forge, &self.schematic).await?;
        let spinner = progress::spinner(format!("preparing {}", self.path));
        let artifact = forge
            .artifact(&id, &self.version, &self.path, Need::Layout)
            .await;
        spinner.finish_and_clear();
        let artifact = artifact?;
        let text = if self.json {
            format!("{:#}\n", describe(&self.path, &artifact))
        } else {
            table(&artifact.layout)
        };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).context("writing the plan")
    }
}

/// One line an extent; columns are aligned, numbers to the right.
fn table(layout: &Layout) -> String {
    use std::fmt::Write as _;
    let width = layout.len().to_string().len().max("OFFSET".len());
    let sections = layout
        .extents()
        .filter_map(|(offset, _)| layout.section_at(offset));
    let name = sections.map(|name| name.chars().count()).max().unwrap_or(0);
    let name = name.max("SECTION".len());
    let mut text = String::new();
    let mut line = |offset: &str, len: &str, section: &str, what: &str| {
        let line = format!("{offset:>width$}  {len:>width$}  {section:name$}  {what}");
        writeln!(text, "{}", line.trim_end()).expect("writing to a String cannot fail");
    };
    line("OFFSET", "LENGTH", "SECTION", "WHAT");
    for (offset, extent) in layout.extents() {
        line(
            &offset.to_string(),
            &extent.len().to_string(),
            layout.section_at(offset).unwrap_or("-"),
            &extent.to_string(),
        );
    }
    line(&layout.len().to_string(), "", "end", "");
    text
}

fn describe(path: &str, artifact: &Artifact) -> Json {
    let layout = &artifact.layout;
    let extents: Vec<_> = layout
        .extents()
        .map(|(offset, extent)| {
            let mut json = kind(extent);
            json["offset"] = offset.into();
            json["len"] = extent.len().into();
            json["section"] = layout.section_at(offset).into();
            json
        })
        .collect();
    json!({
        "path": path,
        "len": layout.len(),
        "etag": artifact.etag.hex(),
        "extents": extents,
    })
}

fn kind(extent: &Extent) -> Json {
    match extent {
        Extent::Bytes(_) => json!({"kind": "bytes"}),
        Extent::Zeros(_) => json!({"kind": "zeros"}),
        Extent::Blob { digest, offset, .. } => {
            json!({"kind": "blob", "blob": digest.to_string(), "blob_offset": offset})
        }
        Extent::Sequence { start, step, count } => {
            json!({"kind": "sequence", "start": start, "step": step, "count": count})
        }
        Extent::Sequence64 { start, step, count } => {
            json!({"kind": "sequence64", "start": start, "step": step, "count": count})
        }
        Extent::Deferred(deferred) => {
            json!({"kind": "deferred", "value": deferred.to_string()})
        }
        Extent::Framed(framed) => {
            let blobs = framed.inner().blobs();
            let blobs: Vec<_> = blobs
                .iter()
                .map(|(digest, offset, len)| {
                    json!({"blob": digest.to_string(), "blob_offset": offset, "len": len})
                })
                .collect();
            json!({"kind": "framed", "blobs": blobs})
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use formats::Digest;

    use super::*;

    fn layout() -> Layout {
        let mut layout = Layout::new();
        layout.section("header");
        layout.bytes(b"MZ".as_slice());
        layout.section("kernel");
        layout.blob(Digest::of(b"kernel"), 7, 1_000_000);
        layout.zeros(5);
        layout
    }

    #[test]
    fn the_table_is_aligned_and_ends_with_the_length() {
        let kernel = Digest::of(b"kernel");
        let expected = format!(
            " OFFSET   LENGTH  SECTION  WHAT\n      \
                   0        2  header   bytes\n      \
                   2  1000000  kernel   blob {kernel} at 7\n\
             1000002        5  kernel   zeros\n\
             1000007           end\n"
        );
        assert_eq!(table(&layout()), expected);
    }

    #[test]
    fn json_names_the_blobs() {
        let artifact = Artifact {
            layout: Arc::new(layout()),
            etag: Digest::of(b"x"),
            blobs: Arc::new(assembler::blobs::NoBlobs),
            was_known: false,
        };
        let json = describe("a", &artifact);
        assert_eq!(json["len"], 1_000_007);
        let kernel = json!({
            "kind": "blob", "blob": Digest::of(b"kernel").to_string(), "blob_offset": 7,
            "offset": 2, "len": 1_000_000, "section": "kernel",
        });
        assert_eq!(json["extents"][1], kernel);
    }
}
