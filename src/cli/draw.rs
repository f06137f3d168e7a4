//! `chengguan draw verify`: a week's draw computed again, without a server.

use super::say;
use crate::spotchecks::draws::draw::{Pack, verify};
use clap::{Args, Subcommand};
use std::{fs, path::PathBuf};

#[derive(Args)]
pub(super) struct DrawArgs {
    #[command(subcommand)]
    command: DrawCommand,
}

#[derive(Subcommand)]
enum DrawCommand {
    /// Compute a draw again from its pack and say whether everything agrees.
    Verify {
        /// What `GET /api/v1/draws/{week}/pack` answered.
        file: PathBuf,
    },
}

pub(super) fn run(args: DrawArgs) -> super::Outcome {
    let DrawCommand::Verify { file } = args.command;
    let name = file.display();
    let text = fs::read_to_string(&file).map_err(|e| format!("{name}: {e}"))?;
    let pack: Pack = serde_json::from_str(&text).map_err(|e| format!("{name}: {e}"))?;
    let word = |mismatch| serde_json::to_string(&mismatch).unwrap_or_default();
    let outcome = verify(&pack).map_err(|mismatch| format!("{name}: does not agree: {}", word(mismatch)))?;
    let visits: usize = outcome.units.iter().map(|unit| unit.picks.len()).sum();
    say(format_args!(
        "{}: agrees, {} units, {visits} visits, {} second visits",
        outcome.week,
        outcome.units.len(),
        outcome.rechecks.len()
    ));
    say(format_args!("frame  {}", pack.frame_sha256));
    say(format_args!("result {}", pack.result_sha256));
    say("compare them with the transparency log");
    Ok(())
}
