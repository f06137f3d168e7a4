//! Whether it stays as fast when the record grows: pushes and pages with ten thousand, a hundred thousand and a million
//! cases stored.

use crate::{
    Options,
    county::County,
    figures::{Done, median, say},
    load,
    places::Place,
    pull, push,
    server::Server,
    wire::{Connection, count, request, text_after},
};
use chengguan::identity::rules::Role;
use std::time::Instant;

/// How often a page is asked for.
const TIMES: usize = 60;

struct Size {
    cases: u64,
    /// Operations a second.
    push: f64,
    /// Milliseconds.
    changes: f64,
    snapshot: f64,
}

/// Prints the figures of each size, and their ratio to the smallest size's.
pub fn sizes(options: &Options) -> Done {
    say("\ngrowth (in brackets: times the smallest size's; for a rate more is better, for a page less)")?;
    let (push, changes, snapshot) = ("push", "page of changes", "page of a unit's snapshot");
    say(format_args!("{:<38} {push:>20} {changes:>20} {snapshot:>26}", ""))?;
    for engine in options.engines() {
        let mut first: Option<Size> = None;
        for cases in &options.cases {
            let place = Place::fresh(engine, options.postgres_url.as_deref())?;
            let size = size(&place, *cases, options.rounds)?;
            let base = first.as_ref().unwrap_or(&size);
            say(format_args!(
                "{:<38} {:>9.0} op/s ({:.2}) {:>10.2} ms ({:.2}) {:>16.2} ms ({:.2})",
                format!("{}, {} cases", engine.name(), size.cases),
                size.push,
                size.push / base.push,
                size.changes,
                size.changes / base.changes,
                size.snapshot,
                size.snapshot / base.snapshot,
            ))?;
            first.get_or_insert(size);
        }
    }
    Ok(())
}

fn size(place: &Place, cases: u64, rounds: usize) -> Done<Size> {
    let county = County::found(&place.data, Role::Dispatcher, push::DEVICES)?;
    // The unit has about 500 cases, however many the county has.
    let liaison = County::found(&place.data, Role::Liaison, 1)?;
    load::cases(place, &county, cases, load::Lines::Three)?;
    let server = Server::start(&place.data)?;
    let token = &liaison.devices[0].user_token;
    let mut connection = Connection::open(server.address)?;
    let path = case_page(&mut connection, token)?;
    let snapshot = page(&mut connection, token, &path, 500)?;
    let cursor = pull::start(server.address, token)?;
    let push = median(&push::rounds(server.address, county, rounds)?);
    // What was just pushed: 500 feed rows near the head.
    let path = format!("/api/v1/sync/changes?limit=500&cursor={cursor}");
    let changes = page(&mut connection, token, &path, 1)?;
    Ok(Size { cases, push, changes, snapshot })
}

/// The path of the page that has the unit's cases.
fn case_page(connection: &mut Connection, token: &str) -> Done<String> {
    let mut path = "/api/v1/sync/snapshot".to_owned();
    loop {
        let body = connection.ask(&request("GET", &path, Some(token), None))?.good()?.body;
        if count(&body, b"\"kind\":\"case\"") > 0 {
            return Ok(path);
        }
        let next = text_after(&body, b"\"next_page\":\"").ok_or("the snapshot ended before its cases")?;
        path = format!("/api/v1/sync/snapshot?page={}", String::from_utf8_lossy(next));
    }
}

/// The median time of a page that holds at least `rows` cases, milliseconds.
fn page(connection: &mut Connection, token: &str, path: &str, rows: usize) -> Done<f64> {
    let request = request("GET", path, Some(token), None);
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let started = Instant::now();
        let answer = connection.ask(&request)?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        let found = count(&answer.good()?.body, b"\"kind\":\"case\"");
        if found < rows {
            return Err(format!("a page of {found} cases, not {rows}").into());
        }
    }
    Ok(median(&took))
}
