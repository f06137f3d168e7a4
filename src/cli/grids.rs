//! `chengguan grids`: the map of the grid units, from and to a GeoJSON file.

use super::{Common, admin::with, say};
use crate::grids::{actions, atlas::Atlas, geojson};
use clap::{Args, Subcommand};
use std::{fs, path::PathBuf};

#[derive(Args)]
pub(super) struct GridsArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: GridsCommand,
}

#[derive(Subcommand)]
enum GridsCommand {
    /// Put a map in the place of the one before; with any error, nothing. Grids that overlap are told.
    Import {
        /// A FeatureCollection, WGS-84 or CGCS2000, with `code` (14–16 digits) and `name` of each grid.
        file: PathBuf,
    },
    /// Write the map to a file that can be imported again.
    Export {
        /// Where to.
        file: PathBuf,
    },
}

pub(super) fn run(args: GridsArgs) -> Result<(), Box<dyn std::error::Error>> {
    match args.command {
        GridsCommand::Import { file } => {
            let name = file.display();
            let bytes = fs::read(&file).map_err(|e| format!("{name}: {e}"))?;
            let grids = geojson::read(&bytes).map_err(|e| format!("{name}: {e}"))?;
            let (count, overlaps) = (grids.len(), Atlas::new(grids.clone()).overlaps());
            with(&args.common, move |tx| actions::import(tx, &grids))?;
            say(format_args!("{count} grids, {} overlaps", overlaps.len()));
        }
        GridsCommand::Export { file } => {
            let grids = with(&args.common, |tx| actions::grids(tx.db))?;
            fs::write(&file, geojson::write(&grids).to_string()).map_err(|e| format!("{}: {e}", file.display()))?;
            say(format_args!("{} grids", grids.len()));
        }
    }
    Ok(())
}
