//! Whether the Centre's screens stay as fast when the record grows: queues, a page of one, a month's figures, a search.
//! However many cases there are, 2,000 are open and each month has about 1,222 (the county's year of 14,664).

use crate::{
    Options,
    county::County,
    figures::{Done, median, say},
    load,
    places::Place,
    server::Server,
    wire::{Connection, count, request},
};
use chengguan::identity::rules::Role;
use std::time::Instant;

/// How often each page is asked for.
const TIMES: usize = 40;

/// What is asked, and what one row of the answer holds.
const PAGES: [(&str, &str, &[u8]); 6] = [
    ("queues", "/api/v1/workbench/queues", b"\"queue\""),
    ("a queue's page", "/api/v1/cases?queue=accept&order=oldest", b"\"number\""),
    ("a month by unit", "/api/v1/statistics?period=2020-06&by=unit", b"\"key\""),
    ("due today", "/api/v1/workbench/due-today", b"items"),
    ("search, found often", "/api/v1/cases?q=%E4%BA%95%E7%9B%96", b"\"number\""),
    ("search, found seldom", "/api/v1/cases?q=%E5%96%B7%E6%B3%89", b"\"number\""),
];

/// Prints the time of each page at each size, and its ratio to the smallest size's.
pub fn sizes(options: &Options) -> Done {
    say("\nworkbench (milliseconds; in brackets: times the smallest size's)")?;
    for engine in options.engines() {
        let mut first: Option<Vec<f64>> = None;
        for cases in &options.cases {
            let place = Place::fresh(engine, options.postgres_url.as_deref())?;
            let county = County::found(&place.data, Role::Dispatcher, 1)?;
            load::cases(&place, &county, *cases, load::Lines::One)?;
            load::years(&place, *cases)?;
            let server = Server::start(&place.data)?;
            let mut connection = Connection::open(server.address)?;
            say(format_args!("{}, {cases} cases", engine.name()))?;
            let mut times = Vec::new();
            for (n, (name, path, row)) in PAGES.iter().enumerate() {
                let ask = request("GET", path, Some(&county.devices[0].user_token), None);
                let (mut took, mut rows) = (Vec::with_capacity(TIMES), 0);
                for _ in 0..TIMES {
                    let started = Instant::now();
                    rows = count(&connection.ask(&ask)?.good()?.body, row);
                    took.push(started.elapsed().as_secs_f64() * 1e3);
                }
                if rows == 0 {
                    return Err(format!("{path}: no rows").into());
                }
                let time = median(&took);
                let base = first.as_ref().map_or(time, |first| first[n]);
                say(format_args!("  {name:<24} {time:>9.2} ({:.2}), {rows} rows", time / base))?;
                times.push(time);
            }
            first.get_or_insert(times);
        }
    }
    Ok(())
}
