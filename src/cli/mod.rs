//! The command line. Thin: it reads settings, opens an `App`, calls actions, prints.

mod admin;
mod calendar;
mod catalogue;
mod city;
mod demo;
mod dock;
mod draw;
mod grids;
mod import_outbox;
mod proof;
mod roster;
mod serve;
mod simulate;
mod sites;
mod torture;

use crate::config::{Config, ConfigError};
use clap::{Args, Parser, Subcommand};
use std::{io::Write, path::PathBuf, process::ExitCode};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(name = "chengguan", version, about = "智慧城管 field-sync platform")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(Common),
    /// Show it: a server and a simulated county in one process, checked at the end; data in ./demo-data unless told.
    Demo(demo::DemoArgs),
    /// Accounts: add, list, disable, reset a password.
    User(admin::UserArgs),
    /// Devices: add (prints the one-time enrolment code), list, revoke.
    Device(admin::DeviceArgs),
    /// Send body cameras' files to the server, resumably, with receipts.
    Dock(dock::DockArgs),
    /// A week's draw of the spot checks: compute it again, without a server.
    Draw(draw::DrawArgs),
    /// Bring in what a handheld could not send, from the file that its page wrote.
    ImportOutbox(import_outbox::ImportArgs),
    /// Write a case's evidence as a bundle that anybody can check offline.
    ExportEvidence(proof::ExportArgs),
    /// Check such a bundle: no database, no network.
    Verify(proof::VerifyArgs),
    /// Recompute a published month of the assessment from its pack: no server, no database, no network.
    Replay(proof::ReplayArgs),
    /// Compare what is kept with the transparency log, as the server does every night.
    Check(proof::CheckArgs),
    /// Holidays and make-up days: import a year, show.
    Calendar(calendar::CalendarArgs),
    /// The exchange with the city's platform: import messages from a file.
    City(city::CityArgs),
    /// Play the city's platform, on a bad network; with --once, live through a year with a county of its own.
    CitySim(city::SimArgs),
    /// Classes of cases with conditions and limits: import a table, export.
    Catalogue(catalogue::CatalogueArgs),
    /// The map of the grid units: import GeoJSON, export.
    Grids(grids::GridsArgs),
    /// Who carries which body camera when: import from CSV, list.
    Roster(roster::RosterArgs),
    /// The sample library of the spot checks: import from CSV, xlsx or GeoJSON.
    Sites(sites::SitesArgs),
    /// Live through random histories of sync on memory, and judge each; a seed gives the same history again.
    Simulate(simulate::SimulateArgs),
    /// Kill servers and devices at random while they work, and check that nothing acknowledged is missing or doubled.
    Torture(torture::TortureArgs),
    /// One device of a `torture` run.
    #[command(hide = true)]
    TortureDevice(torture::DeviceArgs),
    /// Units: add, set a year's class, load the county's 32.
    Unit(admin::UnitArgs),
}

/// Flags that every command with a server or a database takes; also `CHENGGUAN_*` and a TOML file.
#[derive(Args, Clone, Default)]
pub(crate) struct Common {
    /// TOML file with the same keys [env: CHENGGUAN_CONFIG]
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, global = true)]
    listen: Option<String>,
    /// Folder for the embedded database, blobs and staging [default: ./data]
    #[arg(long, global = true)]
    data: Option<String>,
    /// sqlite:PATH or postgres://… [default: sqlite:<data>/chengguan.db]
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// Folder of unfinished uploads; processes that share a database share it [default: <data>]
    #[arg(long, global = true)]
    staging: Option<String>,
    /// file:PATH or s3://BUCKET/PREFIX?endpoint=…&region=…&path_style=…&allow_http=… of the evidence originals
    /// [default: file:<data>/blobs]
    #[arg(long, global = true)]
    blob_url: Option<String>,
    /// Refuse to start when a migration is missing, instead of applying it
    #[arg(long, global = true)]
    no_migrate: bool,
    /// Database connections, 1–200 [default: 8]
    #[arg(long, global = true)]
    connections: Option<String>,
    /// HTTP worker threads, 1–64 [default: 2]
    #[arg(long, global = true)]
    workers: Option<String>,
    /// Largest upload, bytes [default: 8589934592]
    #[arg(long, global = true)]
    max_upload_bytes: Option<String>,
    /// Free disk space that uploads must leave, bytes [default: 268435456]
    #[arg(long, global = true)]
    reserve_bytes: Option<String>,
    /// What unfinished uploads of one device or person may hold, bytes [default: 274877906944]
    #[arg(long, global = true)]
    quota_bytes: Option<String>,
    /// Refuse uploads that declare no SHA-256 when they begin: true or false [default: false]
    #[arg(long, global = true)]
    require_digest: Option<String>,
    /// Days evidence is kept that nothing asks to keep longer, 183–36500 [default: 183]
    #[arg(long, global = true)]
    general_retention_days: Option<String>,
    /// Years evidence is kept after the end of its case, 1–100 [default: 30]
    #[arg(long, global = true)]
    case_retention_years: Option<String>,
    /// Oldest apps that may read, for example handheld/1.2,pwa/2.4; pushing stays open [default: any]
    #[arg(long, global = true)]
    min_app: Option<String>,
    /// Address of raster tiles under the map, with {z}, {x} and {y} in web Mercator [default: no tiles]
    #[arg(long, global = true)]
    map_template: Option<String>,
    /// PMTiles archive of raster or vector tiles that this server hands out instead [default: none]
    #[arg(long, global = true)]
    map_file: Option<String>,
    /// Of the tiles: wgs84, cgcs2000 or gcj02 [default: wgs84]
    #[arg(long, global = true)]
    map_datum: Option<String>,
    /// What the map shows of its provider and 审图号, at most 200 characters [default: nothing]
    #[arg(long, global = true)]
    map_attribution: Option<String>,
    /// text or json [default: text]
    #[arg(long, global = true)]
    log_format: Option<String>,
    /// Log filter, for example info,chengguan=debug [default: info]
    #[arg(long, global = true)]
    log: Option<String>,
}

impl Common {
    /// The settings from all sources.
    pub(crate) fn load(&self) -> Result<Config, Box<dyn std::error::Error>> {
        let pairs = [
            ("listen", &self.listen),
            ("data", &self.data),
            ("database_url", &self.database_url),
            ("staging", &self.staging),
            ("blob_url", &self.blob_url),
            ("connections", &self.connections),
            ("workers", &self.workers),
            ("max_upload_bytes", &self.max_upload_bytes),
            ("reserve_bytes", &self.reserve_bytes),
            ("quota_bytes", &self.quota_bytes),
            ("require_digest", &self.require_digest),
            ("general_retention_days", &self.general_retention_days),
            ("case_retention_years", &self.case_retention_years),
            ("min_app", &self.min_app),
            ("map_template", &self.map_template),
            ("map_file", &self.map_file),
            ("map_datum", &self.map_datum),
            ("map_attribution", &self.map_attribution),
            ("log_format", &self.log_format),
            ("log", &self.log),
        ];
        let mut flags: Vec<(&str, String)> =
            pairs.into_iter().filter_map(|(key, value)| value.clone().map(|v| (key, v))).collect();
        if self.no_migrate {
            flags.push(("migrate", "false".into()));
        }
        let path = self.config.clone().or_else(|| std::env::var_os("CHENGGUAN_CONFIG").map(PathBuf::from));
        let text = match &path {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|e| ConfigError::File { origin: path.display().to_string(), message: e.to_string() })?,
            ),
            None => None,
        };
        let name = path.map(|p| p.display().to_string()).unwrap_or_default();
        let file = text.as_deref().map(|text| (name.as_str(), text));
        Ok(Config::load(&flags, std::env::vars(), file)?)
    }
}

/// Runs the command line; errors go to standard error as one line, with exit code 1.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(common) => serve::run(&common),
        Command::User(args) => admin::user(args),
        Command::Device(args) => admin::device(args),
        Command::Demo(args) => demo::run(args),
        Command::Dock(args) => dock::run(args),
        Command::Draw(args) => draw::run(args),
        Command::ImportOutbox(args) => import_outbox::run(&args),
        Command::ExportEvidence(args) => proof::export_evidence(&args),
        Command::Verify(args) => proof::verify(&args),
        Command::Replay(args) => proof::replay(&args),
        Command::Check(args) => proof::check(&args),
        Command::Calendar(args) => calendar::run(args),
        Command::City(args) => city::run(args),
        Command::CitySim(args) => city::simulate(&args),
        Command::Catalogue(args) => catalogue::run(args),
        Command::Grids(args) => grids::run(args),
        Command::Roster(args) => roster::run(args),
        Command::Sites(args) => sites::run(args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Torture(args) => torture::run(&args),
        Command::TortureDevice(args) => torture::device(&args),
        Command::Unit(args) => admin::unit(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chengguan: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that works on the database and the files.
pub(crate) fn run_async(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(work)
}

/// Prints one line to standard output. A closed pipe (`chengguan user list | head`) is not an error.
pub(crate) fn say(line: impl std::fmt::Display) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
