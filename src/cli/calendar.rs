//! `chengguan calendar`: the State Council's holidays, year by year.

use super::{Common, admin::with, say};
use crate::calendar::{actions, national, rules::DayKind};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct CalendarArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: CalendarCommand,
}

#[derive(Subcommand)]
enum CalendarCommand {
    /// Take a year's holidays and make-up days from a list as it is published for machines (JSON).
    Import {
        /// {"year":2027,"days":[{"name":"元旦","date":"2027-01-01","isOffDay":true},…]}
        file: PathBuf,
        /// Where the list comes from, such as the notice's number [default: the file's name]
        #[arg(long)]
        source: Option<String>,
    },
    /// Print the special days and the years that are known.
    Show,
}

pub(super) fn run(args: CalendarArgs) -> Result<(), Box<dyn std::error::Error>> {
    match args.command {
        CalendarCommand::Import { file, source } => {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file).map_err(|e| format!("{name}: {e}"))?;
            let (year, days) = national::read(&text).map_err(|e| format!("{name}: {e}"))?;
            let count = days.len();
            let source = source.unwrap_or(name);
            with(&args.common, move |tx| actions::import_year(tx, None, year, &source, &days))?;
            say(format_args!("{year}: {count} special days"));
        }
        CalendarCommand::Show => {
            let known = with(&args.common, |tx| actions::known(tx.db))?;
            for day in known.days {
                let kind = if day.kind == DayKind::Holiday { "放假" } else { "上班" };
                say(format_args!("{}\t{kind}\t{}", day.day, day.name));
            }
            let years: Vec<String> = known.years.iter().map(i32::to_string).collect();
            say(format_args!("years with known holidays: {}", years.join(", ")));
        }
    }
    Ok(())
}
