//! New epochs of the device and new lives of the server: what becomes of operations that wait and of those answered.

use super::{
    ClientError, Result, captures, get,
    outbox::OPEN,
    put,
    schema::{meta, outbox, sent},
};
use crate::{
    client::{
        device::Identity,
        keep::{Life, relabel, stored_under_its_number},
    },
    db::types::{OpId, Uid},
    sync::wire::OpResult,
};
use diesel::{prelude::*, sqlite::SqliteConnection};

/// Copies answered operations to their old place in the queue.
macro_rules! again {
    () => {
        "INSERT OR IGNORE INTO outbox (place, epoch, seq, op_id, chains, target_kind, target_id, made_at, raw) \
         SELECT place, epoch, seq, op_id, chains, target_kind, target_id, made_at, raw FROM sent"
    };
}

/// Makes this the device's identity and numbers what waits from 1 on, in its order.
pub(super) fn enter(db: &mut SqliteConnection, identity: &Identity, push_token: Option<&str>) -> Result<()> {
    let before: Option<Identity> = get(db, "identity")?;
    put(db, "identity", identity)?;
    put(db, "attempt", &0i64)?;
    match push_token {
        Some(token) => put(db, "push_token", &token)?,
        None => drop(diesel::delete(meta::table.find("push_token")).execute(db)?),
    }
    let waiting: Vec<(i64, i32, i64, String)> =
        outbox::table.order(outbox::place).select((outbox::place, outbox::epoch, outbox::seq, outbox::raw)).load(db)?;
    // A label of another device, or of none, tells this device's history nothing.
    let same = before.is_some_and(|before| before.device == identity.device);
    if !same {
        // Nor do its numbers mean what was answered under the other's.
        diesel::update(sent::table).set(sent::epoch.eq(0)).execute(db)?;
    }
    let mut seq = 0i64;
    for (place, epoch, old, raw) in waiting {
        seq += 1;
        let old = (same && epoch > 0).then_some((epoch, old));
        let raw = outbox::raw.eq(relabel(&raw, seq, old)?);
        // Nothing has come under the new number.
        let label = (outbox::epoch.eq(identity.epoch), outbox::seq.eq(seq), outbox::arrived.eq(false), raw);
        diesel::update(outbox::table.find(place)).set(label).execute(db)?;
    }
    put(db, "next_seq", &(seq + 1))
}

/// Judges a generation and, when it is a new life, brings everything that was settled back into the outbox: the server
/// may have forgotten it, and knows each repeat by its id.
pub(super) fn live(db: &mut SqliteConnection, asked: Option<&str>, said: &str) -> Result<Life> {
    let kept: Option<String> = get(db, "generation")?;
    let life = Life::of(asked, kept.as_deref(), said);
    if life != Life::New {
        return Ok(life);
    }
    put(db, "generation", &said)?;
    diesel::delete(meta::table.find("position")).execute(db)?;
    for statement in [
        concat!(again!(), " WHERE true"),
        "DELETE FROM sent WHERE op_id IN (SELECT op_id FROM outbox)",
        "UPDATE media SET state = 'waiting', upload_url = NULL, receipt = NULL WHERE state = 'stored'",
    ] {
        diesel::sql_query(statement).execute(db)?;
    }
    captures::doubt(db)?;
    Ok(life)
}

/// Asks again for what is not settled: a snapshot says nothing about operations, and its cursor may lie behind the word
/// about one, which the answer to the repeat brings.
pub(super) fn ask_again(db: &mut SqliteConnection) -> Result<()> {
    let open: Vec<(OpId, String)> =
        sent::table.filter(sent::status.eq_any(OPEN)).select((sent::op_id, sent::result)).load(db)?;
    for (op_id, result) in open {
        let arrived = stored_under_its_number(&read(&result)?);
        queue_again(db, op_id)?;
        diesel::update(outbox::table.filter(outbox::op_id.eq(op_id))).set(outbox::arrived.eq(arrived)).execute(db)?;
    }
    Ok(())
}

/// Puts an answered operation at its old place in the queue.
fn queue_again(db: &mut SqliteConnection, op_id: OpId) -> Result<()> {
    diesel::sql_query(concat!(again!(), " WHERE op_id = ?")).bind::<Uid, _>(op_id).execute(db)?;
    diesel::delete(sent::table.find(op_id)).execute(db)?;
    Ok(())
}

fn read(result: &str) -> Result<OpResult> {
    serde_json::from_str(result).map_err(|e| ClientError::Store(e.to_string()))
}

/// Brings back what was answered under a number that the server says never arrived: it was restored from a backup, and
/// nobody has noticed.
pub(super) fn doubt(db: &mut SqliteConnection, epoch: i32, missing: &[i64]) -> Result<()> {
    let answered: Vec<(OpId, String)> = sent::table
        .filter(sent::epoch.eq(epoch).and(sent::seq.eq_any(missing)))
        .select((sent::op_id, sent::result))
        .load(db)?;
    for (op_id, result) in answered {
        if stored_under_its_number(&read(&result)?) {
            queue_again(db, op_id)?;
        }
    }
    Ok(())
}
