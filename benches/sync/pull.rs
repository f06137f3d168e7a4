//! Records out: a device that has nothing reads everything it may see, by snapshot and from an old cursor.

use crate::{
    Options,
    county::County,
    figures::{Done, Rates, head, row},
    load,
    places::{Engine, Place},
    server::Server,
    wire::{Connection, count, request, text_after},
};
use chengguan::identity::rules::Role;
use std::{
    net::SocketAddr,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// How many read what, at once.
const SIZES: [(usize, u64); 2] = [(20, 2_000), (1, 200_000)];

/// What a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Snapshot,
    Changes,
}

/// Rows a second; `(engine, readers, way, rates)`.
pub fn cold(options: &Options) -> Done<Vec<(Engine, usize, Way, Rates)>> {
    head("pull: a device without state reads everything")?;
    let mut all = Vec::new();
    for engine in options.engines() {
        for (readers, rows) in SIZES {
            let place = Place::fresh(engine, options.postgres_url.as_deref())?;
            let county = County::found(&place.data, Role::Dispatcher, readers)?;
            let server = Server::start(&place.data)?;
            // A cursor is its reader's own.
            let cursors: Vec<String> =
                county.devices.iter().map(|d| start(server.address, &d.user_token)).collect::<Done<_>>()?;
            load::cases(&place, &county, rows, load::Lines::One)?;
            for way in [Way::Snapshot, Way::Changes] {
                let mut rates = Rates::new();
                let rounds = if rows > 10_000 { options.rounds.min(3) } else { options.rounds };
                for n in 0..=rounds {
                    let took = round(server.address, &county, rows, way, &cursors)?;
                    if n > 0 {
                        rates.push((readers as u64 * rows) as f64 / took.as_secs_f64());
                    }
                }
                let what = if way == Way::Snapshot { "snapshot" } else { "changes" };
                let name = format!("{}, {readers} x {rows} rows, {what}", engine.name());
                row(&name, &rates, "rows/s")?;
                all.push((engine, readers, way, rates));
            }
        }
    }
    Ok(all)
}

/// A cursor of before anything was reported.
pub fn start(address: SocketAddr, token: &str) -> Done<String> {
    let answer = Connection::open(address)?.ask(&request("GET", "/api/v1/sync/snapshot", Some(token), None))?.good()?;
    let cursor = text_after(&answer.body, b"\"cursor\":\"").ok_or("the snapshot has no cursor")?;
    Ok(String::from_utf8(cursor.to_vec())?)
}

fn round(address: SocketAddr, county: &County, rows: u64, way: Way, cursors: &[String]) -> Done<Duration> {
    let ready = Barrier::new(county.devices.len() + 1);
    let (took, read) = thread::scope(|scope| {
        let hands: Vec<_> = county
            .devices
            .iter()
            .zip(cursors)
            .map(|(device, cursor)| {
                let ready = &ready;
                scope.spawn(move || {
                    let connection = Connection::open(address);
                    ready.wait();
                    read_all(&mut connection?, &device.user_token, way, cursor)
                })
            })
            .collect();
        ready.wait();
        let started = Instant::now();
        let read: Vec<Done<Vec<Vec<u8>>>> =
            hands.into_iter().map(|hand| hand.join().map_err(|_| "a reader failed")?).collect();
        (started.elapsed(), read)
    });
    for bodies in read {
        // Counted when the clock has stopped: the reader shares the machine with the server.
        let found: usize = bodies?.iter().map(|body| count(body, b"\"kind\":\"case\"")).sum();
        if found as u64 != rows {
            return Err(format!("{found} of {rows} rows arrived").into());
        }
    }
    Ok(took)
}

/// Page after page to the end.
pub fn read_all(connection: &mut Connection, token: &str, way: Way, cursor: &str) -> Done<Vec<Vec<u8>>> {
    let mut bodies = Vec::new();
    let mut path = match way {
        Way::Snapshot => "/api/v1/sync/snapshot".to_owned(),
        Way::Changes => format!("/api/v1/sync/changes?limit=1000&cursor={cursor}"),
    };
    loop {
        let body = connection.ask(&request("GET", &path, Some(token), None))?.good()?.body;
        let next = match way {
            Way::Snapshot => text_after(&body, b"\"next_page\":\"").map(|n| ("snapshot?page=", n)),
            Way::Changes if ahead(&body, b"\"has_more\":true") => {
                text_after(&body, b"\"next\":\"").map(|n| ("changes?limit=1000&cursor=", n))
            }
            Way::Changes => None,
        };
        let next = next.map(|(path, n)| format!("/api/v1/sync/{path}{}", String::from_utf8_lossy(n)));
        bodies.push(body);
        match next {
            Some(next) => path = next,
            None => return Ok(bodies),
        }
    }
}

/// Whether the page's head, before its records, says this.
fn ahead(body: &[u8], words: &[u8]) -> bool {
    count(&body[..body.len().min(1_000)], words) > 0
}
