//! What the engines themselves take: the bytes of the same operations, in the same batches, as durably, into one table
//! with one key, and no rule, result, feed or HTTP.

use crate::{
    Options,
    county::County,
    figures::{Done, Rates, head, median, row, say},
    places::{Engine, Place},
    push::{BATCH, DEVICES},
};
use chengguan::{
    db::{Db, types::OpId},
    identity::rules::Role,
};
use diesel::{connection::SimpleConnection, prelude::*};
use std::{sync::Barrier, thread, time::Instant};

diesel::table! {
    floor (id) {
        id -> Text,
        raw -> Binary,
    }
}

type Batch = Vec<(String, Vec<u8>)>;

/// The floor of each engine, and how far above it the pushes were, when they ran.
pub fn raw_inserts(options: &Options, pushes: &[(Engine, Rates)]) -> Done {
    head(&format!("floor: {DEVICES} x {BATCH} raw rows, {BATCH} a transaction"))?;
    for engine in options.engines() {
        let place = Place::fresh(engine, options.postgres_url.as_deref())?;
        let mut county = County::found(&place.data, Role::Dispatcher, DEVICES)?;
        let bytes = if engine == Engine::Postgres { "BYTEA" } else { "BLOB" };
        let table = format!("CREATE TABLE floor (id TEXT NOT NULL PRIMARY KEY, raw {bytes} NOT NULL)");
        place.open()?.batch_execute(&table)?;
        let mut rates = Rates::new();
        for n in 0..=options.rounds {
            let env = county.env.clone();
            let unit = county.unit;
            let batches: Vec<Batch> =
                county.devices.iter_mut().map(|d| batch(d.work(&env, unit, BATCH / 4), &env)).collect();
            // SQLite has one writer; PostgreSQL gets a connection for each device.
            let hands = if engine == Engine::Sqlite { 1 } else { DEVICES };
            let rate = write(&place, &batches, hands)?;
            if n > 0 {
                rates.push(rate);
            }
        }
        row(engine.name(), &rates, "rows/s")?;
        if let Some((_, ours)) = pushes.iter().find(|(other, _)| *other == engine) {
            say(format_args!("  push with all rules : floor = {:.2}", median(ours) / median(&rates)))?;
        }
    }
    Ok(())
}

fn batch(ops: Vec<String>, env: &chengguan::env::Env) -> Batch {
    ops.into_iter().map(|op| (OpId(env.id()).to_string(), op.into_bytes())).collect()
}

fn write(place: &Place, batches: &[Batch], hands: usize) -> Done<f64> {
    let ready = Barrier::new(hands + 1);
    let rows: usize = batches.iter().map(Vec::len).sum();
    thread::scope(|scope| {
        let shares: Vec<_> = batches
            .chunks(batches.len().div_ceil(hands))
            .map(|share| {
                let ready = &ready;
                scope.spawn(move || {
                    let db = place.open();
                    ready.wait();
                    let mut db = db?;
                    share.iter().try_for_each(|batch| insert(&mut db, batch))
                })
            })
            .collect();
        ready.wait();
        let started = Instant::now();
        for share in shares {
            share.join().map_err(|_| "a writer failed")??;
        }
        Ok(rows as f64 / started.elapsed().as_secs_f64())
    })
}

fn insert(db: &mut Db, batch: &Batch) -> Done {
    let rows: Vec<_> = batch.iter().map(|(id, raw)| (floor::id.eq(id), floor::raw.eq(raw))).collect();
    match db {
        Db::Sqlite(c) => c.immediate_transaction(|c| diesel::insert_into(floor::table).values(rows).execute(c))?,
        Db::Postgres(c) => c.transaction(|c| diesel::insert_into(floor::table).values(rows).execute(c))?,
    };
    Ok(())
}
