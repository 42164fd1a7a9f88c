//! `versions`, `extensions` and `overlays`: the lists of the HTTP interface.

use std::io::{self, Write as _};

use anyhow::Context as _;
use assembler::version::Version;
use clap::Args;
use serde::Serialize;
use serde_json::Value as Json;

use super::{Global, progress};

/// List the versions on offer
#[derive(Debug, Args)]
pub(super) struct Versions {
    /// Print JSON, as /versions does
    #[arg(long)]
    json: bool,
}

/// List the system extensions of a version
#[derive(Debug, Args)]
pub(super) struct Extensions {
    #[command(flatten)]
    list: List,
}

/// List the overlays of a version
#[derive(Debug, Args)]
pub(super) struct Overlays {
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
struct List {
    /// Print JSON, as the service does
    #[arg(long)]
    json: bool,
    /// The version of Talos, v1.14.0
    version: String,
}

impl Versions {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let forge = global.forge().await?;
        let spinner = progress::spinner("asking for versions".to_owned());
        let versions = forge.versions().await;
        spinner.finish_and_clear();
        let tags: Vec<_> = versions?.iter().map(Version::tag).collect();
        let text = if self.json {
            json(&tags)?
        } else {
            tags.join("\n") + "\n"
        };
        print(&text)
    }
}

impl Extensions {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let forge = global.forge().await?;
        let spinner = progress::spinner("asking for extensions".to_owned());
        let extensions = forge.extensions(&self.list.version).await;
        spinner.finish_and_clear();
        self.list
            .print(&extensions?, &["name", "ref", "description"])
    }
}

impl Overlays {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let forge = global.forge().await?;
        let spinner = progress::spinner("asking for overlays".to_owned());
        let overlays = forge.overlays(&self.list.version).await;
        spinner.finish_and_clear();
        self.list.print(&overlays?, &["name", "image", "ref"])
    }
}

impl List {
    /// Prints a list of records.
    fn print(&self, list: &impl Serialize, columns: &[&str]) -> anyhow::Result<()> {
        let text = if self.json {
            json(list)?
        } else {
            let list = serde_json::to_value(list).context("writing the list")?;
            table(columns, list.as_array().map_or(&[], Vec::as_slice))
        };
        print(&text)
    }
}

fn json(list: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(list).context("writing the list")?;
    Ok(format!("{text}\n"))
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .context("writing to standard output")
}

/// Aligned columns under a head line; only the first line of a text is shown.
fn table(columns: &[&str], entries: &[Json]) -> String {
    let head = columns.iter().map(|column| column.to_uppercase()).collect();
    let cell = |entry: &Json, column: &&str| {
        let text = entry[*column].as_str().unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let rows = entries
        .iter()
        .map(|entry| columns.iter().map(|column| cell(entry, column)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..columns.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let entries = [
            json!({"name": "a/long-name", "ref": "x", "description": "one\ntwo"}),
            json!({"name": "b", "ref": "xyz", "description": ""}),
        ];
        let expected = "NAME         REF  DESCRIPTION\na/long-name  x    one\nb            xyz\n";
        assert_eq!(table(&["name", "ref", "description"], &entries), expected);
    }
}
