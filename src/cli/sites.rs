//! `chengguan sites`: the sample library of the spot checks from a file.

use super::{Common, admin::with, say};
use crate::spotchecks::library::{
    actions,
    files::{self, SiteFormat},
};
use clap::{Args, Subcommand};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Args)]
pub(super) struct SitesArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: SitesCommand,
}

#[derive(Subcommand)]
enum SitesCommand {
    /// Take a file's sites into the library, all or none; a site that it does not name stays.
    Import {
        /// .csv, .xlsx or .geojson in the columns of an exported file, 责任单位, 类别 and 名称 at least.
        file: PathBuf,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
}

fn format_of(file: &Path) -> Result<SiteFormat, String> {
    match file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok(SiteFormat::Csv),
        Some("xlsx") => Ok(SiteFormat::Xlsx),
        Some("geojson" | "json") => Ok(SiteFormat::Geojson),
        _ => Err(format!("{}: 文件名应以 .csv、.xlsx 或 .geojson 结尾", file.display())),
    }
}

pub(super) fn run(args: SitesArgs) -> super::Outcome {
    let SitesCommand::Import { file, dry_run } = args.command;
    let name = file.display();
    let format = format_of(&file)?;
    let bytes = fs::read(&file).map_err(|e| format!("{name}: {e}"))?;
    if crate::db::types::holds_nul(&bytes) {
        return Err(format!("{name}: 含有 U+0000").into());
    }
    let rows = files::read(format, &bytes).map_err(|e| format!("{name}: {e}"))?;
    let told = with(&args.common, move |tx| {
        if dry_run {
            return Ok(actions::plan(tx.db, &rows, chrono::Datelike::year(&tx.now))?.1);
        }
        actions::import(tx, None, &rows)
    });
    let told = told.map_err(|e| format!("{name}: {e}"))?;
    let done = if dry_run { "would be entered" } else { "entered" };
    say(format_args!("{} sites {done}, {} corrected, {} unchanged", told.entered, told.corrected, told.unchanged));
    Ok(())
}
