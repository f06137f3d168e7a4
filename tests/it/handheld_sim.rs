//! The handheld's own engine in days in which everything goes wrong, against the real program, on both engines: a bounded
//! sample of `tests/clients/field_sim.mjs`, which says how to live through more of them.
//!
//! `tests/run` installs what it needs, and `TEST_STOCK_CLIENTS=off` switches it off.

use crate::{
    stock_clients::{here, switched_off},
    support::{on_both_engines, pg, scratch::Folder, world::Engine},
};
use serde_json::{Value, json};
use std::process::Command;

on_both_engines!(engine: a_day_in_which_everything_goes_wrong_loses_and_doubles_nothing);

fn a_day_in_which_everything_goes_wrong_loses_and_doubles_nothing(engine: Engine) {
    if switched_off("TEST_STOCK_CLIENTS", module_path!()) {
        return;
    }
    let folder = Folder::new("handheld-sim");
    let database = (engine == Engine::Postgres).then(pg::Database::empty);
    let job = json!({
        "program": env!("CARGO_BIN_EXE_chengguan"), "folder": folder.path(), "seed": engine as u32, "ops": 24,
        "database_url": database.as_ref().map(|database| database.url.clone()),
    });
    let output = Command::new("node").arg(here().join("field_sim.mjs")).arg(job.to_string()).output();
    let output = output.expect("node can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let figures: Value = serde_json::from_str(said.trim()).unwrap();
    assert!(figures["saved"].as_u64() >= Some(24) && figures["statuses"]["applied"].as_u64() > Some(0), "{figures}");
}
