//! Where the time goes: `perf` looks at the server, and at nothing else, while outboxes come in, single operations do, and records go out.

use crate::{
    Options,
    county::County,
    figures::{Done, say},
    load,
    places::Place,
    pull::{self, Way},
    push,
    server::Server,
    wire::Connection,
};
use chengguan::identity::rules::Role;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// Profiles pushes, single operations and pulls on each engine; the recordings stay in the temporary folder.
pub fn run(options: &Options) -> Done {
    for engine in options.engines() {
        for what in ["push", "single", "pull"] {
            let place = Place::fresh(engine, options.postgres_url.as_deref())?;
            let county = County::found(&place.data, Role::Dispatcher, if what == "single" { 100 } else { 20 })?;
            let server = Server::start(&place.data)?;
            let cursor = pull::start(server.address, &county.devices[0].user_token)?;
            let token = county.devices[0].user_token.clone();
            if what == "pull" {
                load::cases(&place, &county, 20_000, load::Lines::One)?;
            }
            let file = std::env::temp_dir().join(format!("chengguan-{engine:?}-{what}.perf").to_lowercase());
            let perf = record(server.child.id(), &file)?;
            match what {
                "push" => drop(push::rounds(server.address, county, options.rounds)?),
                "single" => drop(push::single_rounds(server.address, county, options.rounds)?),
                _ => {
                    for way in [Way::Snapshot, Way::Changes].repeat(options.rounds) {
                        pull::read_all(&mut Connection::open(server.address)?, &token, way, &cursor)?;
                    }
                }
            }
            drop(server);
            stopped(perf)?;
            say(format_args!("{}", file.display()))?;
        }
    }
    Ok(())
}

fn record(pid: u32, file: &Path) -> Done<Child> {
    // cpu-clock: virtual machines have no hardware counters. It ends with the process it looks at.
    let mut command = Command::new("perf");
    command.args([
        "record",
        "-q",
        "-e",
        "cpu-clock",
        "-F",
        "999",
        "--call-graph",
        "dwarf,8192",
        "-p",
        &pid.to_string(),
        "-o",
    ]);
    Ok(command.arg(file).stdin(Stdio::null()).spawn().map_err(|e| format!("perf can't be run: {e}"))?)
}

fn stopped(mut perf: Child) -> Done {
    perf.wait()?;
    Ok(())
}
