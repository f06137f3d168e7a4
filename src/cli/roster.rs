//! `chengguan roster`: who carries which body camera, from a spreadsheet.

use super::{Common, admin::with, say};
use crate::{
    clips::{
        actions,
        rules::{RosterLine, Shift, roster_line},
        store::ShiftPage,
    },
    db::types::UserId,
    identity,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct RosterArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: RosterCommand,
}

#[derive(Subcommand)]
enum RosterCommand {
    /// Enter the shifts of a CSV file: camera,username,from,until; all of them or none.
    Import {
        /// The file; times are local (2026-11-23 08:00) or RFC 3339.
        file: PathBuf,
    },
    /// The shifts entered last, at most 200.
    List {
        /// Only of the camera with this serial.
        #[arg(long)]
        camera: Option<String>,
    },
}

pub(super) fn run(args: RosterArgs) -> Result<(), Box<dyn std::error::Error>> {
    match args.command {
        RosterCommand::Import { file } => {
            let bytes = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            // Serials, user names and times are ASCII, whatever a spreadsheet saved around them.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut lines = Vec::new();
            for (n, line) in (1..).zip(text.lines()) {
                let read = roster_line(line).map_err(|e| format!("{}: line {n}: {e}", file.display()))?;
                lines.extend(read.map(|read| (n, read)));
            }
            let name = file.display().to_string();
            let count = with(&args.common, move |tx| {
                let count = lines.len();
                for (n, RosterLine { camera, username, from, until }) in lines {
                    let person = identity::actions::user_by_username(tx.db, &username)?;
                    let shift = person.map(|person| Shift { camera, user_id: person.id, from, until });
                    let entered = shift.ok_or_else(|| crate::error::Error::not_found(&username));
                    entered.and_then(|shift| actions::assign(tx, None, shift)).map_err(|mut error| {
                        error.detail = Some(format!("{name}: line {n}: {}", error.detail.unwrap_or_default()));
                        error
                    })?;
                }
                Ok(count)
            })?;
            say(format_args!("{count} shifts entered"));
        }
        RosterCommand::List { camera } => {
            let page = ShiftPage { camera, limit: 200, ..ShiftPage::default() };
            let rows = with(&args.common, move |tx| {
                let rows = actions::shifts(tx.db, &page)?;
                let people: Vec<UserId> = rows.iter().map(|row| row.user_id).collect();
                let names = identity::actions::user_names(tx.db, &people)?;
                Ok(rows.into_iter().map(|row| (names.get(&row.user_id).cloned(), row)).collect::<Vec<_>>())
            })?;
            for (name, row) in rows {
                let local = |at: crate::db::types::At| at.0.with_timezone(&chrono_tz::Asia::Shanghai).format("%F %R");
                let (from, until) = (local(row.from_at), local(row.until_at));
                say(format_args!("{}\t{}\t{from}\t{until}", row.camera, name.unwrap_or_default()));
            }
        }
    }
    Ok(())
}
