//! `chengguan catalogue`: the classes of cases, from and to a spreadsheet.

use super::{Common, admin::with, say};
use crate::catalogue::{
    actions, national, rules,
    sheets::{self, TableFormat},
};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct CatalogueArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: CatalogueCommand,
}

#[derive(Subcommand)]
enum CatalogueCommand {
    /// Take a table (.xlsx; .csv or .tsv) as the catalogue in force from now on; with any error, nothing.
    Import {
        /// Columns: 类别, 大类代码, 大类名称, 小类代码, 小类名称, 立案条件, 结案条件, 处置时限.
        file: PathBuf,
        /// The scheme of the codes, where the table names none [default: GB/T30428.2-2013]
        #[arg(long)]
        scheme: Option<String>,
        /// Where the table comes from [default: the file's name]
        #[arg(long)]
        source: Option<String>,
    },
    /// Write the catalogue in force to a file, .xlsx or .csv.
    Export {
        /// Where to.
        file: PathBuf,
    },
}

fn format_of(file: &Path) -> Result<TableFormat, String> {
    match file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv" | "tsv" | "txt") => Ok(TableFormat::Csv),
        Some("xlsx") => Ok(TableFormat::Xlsx),
        _ => Err(format!("{}: 文件名应以 .xlsx 或 .csv 结尾", file.display())),
    }
}

pub(super) fn run(args: CatalogueArgs) -> Result<(), Box<dyn std::error::Error>> {
    match args.command {
        CatalogueCommand::Import { file, scheme, source } => {
            let name = file.display().to_string();
            let format = format_of(&file)?;
            let bytes = std::fs::read(&file).map_err(|e| format!("{name}: {e}"))?;
            let sheets = match format {
                TableFormat::Csv => sheets::read_csv(&bytes),
                TableFormat::Xlsx => sheets::read_xlsx(&bytes),
            };
            let scheme = scheme.unwrap_or_else(|| national::SCHEME.to_owned());
            let classes = sheets.and_then(|sheets| rules::assemble(&sheets, &scheme));
            let classes = classes.map_err(|e| format!("{name}: {e}"))?;
            let source = source.unwrap_or(name);
            let (version, classes) = with(&args.common, move |tx| actions::import(tx, None, &source, classes))?;
            say(format_args!("version {version}: {} classes", classes.len()));
        }
        CatalogueCommand::Export { file } => {
            let format = format_of(&file)?;
            let (version, classes) = with(&args.common, |tx| actions::classes(tx.db, None))?;
            std::fs::write(&file, sheets::write(format, &classes)?).map_err(|e| format!("{}: {e}", file.display()))?;
            say(format_args!("version {version}: {} classes", classes.len()));
        }
    }
    Ok(())
}
