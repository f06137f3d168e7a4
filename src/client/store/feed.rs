//! What the server says: pages of the feed and snapshots.

use super::{
    ClientError, Position, Result, Store, epochs, get,
    outbox::{amend, settle},
    put,
    schema::{base, shadow},
};
use crate::{
    client::{device::ClockOffset, keep::Extent},
    db::types::OpId,
    sync::wire::{self, Change, ChangeType, Changes, OpResult, Snapshot},
};
use chrono::{DateTime, Utc};
use diesel::{prelude::*, sqlite::SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};

/// Where reading stands.
pub(super) const POSITION: &str = "position";

/// Whether unsent work or an unsent file belongs to a row of `base`.
macro_rules! pinned {
    () => {
        "(EXISTS (SELECT 1 FROM outbox o WHERE o.target_kind = base.kind AND o.target_id = base.id) \
         OR EXISTS (SELECT 1 FROM media_of m JOIN media f ON f.sha256 = m.sha256 \
                    WHERE m.kind = base.kind AND m.id = base.id AND f.state = 'waiting'))"
    };
}

impl Store {
    /// How far the feed was read; `None` before the first snapshot.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn position(&mut self) -> Result<Option<Position>> {
        self.get(POSITION)
    }

    /// The records of a kind that the server shows this device, by id.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn records(&mut self, kind: &str) -> Result<Vec<(String, i64, serde_json::Value)>> {
        let rows: Vec<(String, i64, String)> = base::table
            .filter(base::kind.eq(kind).and(base::gone.eq(false)))
            .order(base::id)
            .select((base::id, base::ver, base::data))
            .load(&mut self.db)?;
        rows.into_iter().map(read).collect()
    }

    /// The records of a kind that are no longer this person's to see, kept because unsent work belongs to them.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn gone(&mut self, kind: &str) -> Result<Vec<(String, i64, serde_json::Value)>> {
        let rows: Vec<(String, i64, String)> = base::table
            .filter(base::kind.eq(kind).and(base::gone.eq(true)))
            .order(base::id)
            .select((base::id, base::ver, base::data))
            .load(&mut self.db)?;
        rows.into_iter().map(read).collect()
    }
}

fn read((id, ver, text): (String, i64, String)) -> Result<(String, i64, serde_json::Value)> {
    let value = serde_json::from_str(&text).map_err(|e| ClientError::Store(e.to_string()))?;
    Ok((id, ver, value))
}

fn data(change: &Change) -> &str {
    change.data.as_ref().map_or("null", |data| data.get())
}

/// Applies a page that continues what is here.
pub(super) fn apply(db: &mut SqliteConnection, page: &Changes, now: DateTime<Utc>) -> Result<bool> {
    let here: Option<Position> = get(db, POSITION)?;
    let Some(here) = here.filter(|here| here.cursor == page.prev && here.generation == page.generation) else {
        return Ok(false);
    };
    for change in &page.changes {
        apply_one(db, change, page.server_time)?;
    }
    // An older server says no number; then what came is as far as can be known.
    let seq = page.changes.iter().map(|change| change.seq).fold(here.seq.max(page.seq), i64::max);
    put(db, POSITION, &Position { generation: page.generation.clone(), cursor: page.next.clone(), seq })?;
    put(db, "offset", &ClockOffset::measure(now, page.server_time))?;
    sweep(db)?;
    Ok(true)
}

fn apply_one(db: &mut SqliteConnection, change: &Change, at: DateTime<Utc>) -> Result<()> {
    let (kind, id) = (&change.kind, &change.id);
    match change.t {
        ChangeType::Upsert => {
            let row = base::table.find((kind, id));
            let known: Option<i64> = row.filter(base::gone.eq(false)).select(base::ver).first(db).optional()?;
            let ver = change.ver.unwrap_or(0);
            // A snapshot's later pages may be newer than its cursor; the feed then repeats older versions.
            if known.is_none_or(|known| ver >= known) {
                let row = (
                    base::kind.eq(kind),
                    base::id.eq(id),
                    base::ver.eq(ver),
                    base::gone.eq(false),
                    base::data.eq(data(change)),
                    base::keys.eq(change.keys.join(" ")),
                );
                diesel::replace_into(base::table).values(row).execute(db)?;
            }
        }
        // What unsent work belongs to stays; the sweep takes the others at once.
        ChangeType::Leave => {
            diesel::update(base::table.find((kind, id))).set(base::gone.eq(true)).execute(db)?;
        }
        ChangeType::OpResult => {
            let Some(value) = &change.data else { return Ok(()) };
            let result: OpResult =
                serde_json::from_str(value.get()).map_err(|e| ClientError::Unreadable(e.to_string()))?;
            if let Some(op_id) = result.op_id.or_else(|| id.parse::<OpId>().ok()) {
                // Also for one that still waits here: its answer was lost, and this is the same answer.
                if !settle(db, op_id, &result, at)? {
                    amend(db, op_id, &result)?;
                }
            }
        }
    }
    Ok(())
}

/// Removes records that are gone and that nothing unsent belongs to any more.
pub(super) fn sweep(db: &mut SqliteConnection) -> Result<()> {
    diesel::sql_query(concat!("DELETE FROM base WHERE gone = 1 AND NOT ", pinned!())).execute(db)?;
    Ok(())
}

pub(super) fn clear(db: &mut SqliteConnection) -> Result<()> {
    diesel::delete(base::table).execute(db)?;
    diesel::delete(shadow::table).execute(db)?;
    Ok(())
}

pub(super) fn snapshot_begin(db: &mut SqliteConnection) -> Result<()> {
    diesel::delete(shadow::table).execute(db)?;
    Ok(())
}

pub(super) fn snapshot_page(db: &mut SqliteConnection, page: &Snapshot) -> Result<()> {
    for change in page.items.iter().filter(|c| c.t == ChangeType::Upsert) {
        let row = (
            shadow::kind.eq(&change.kind),
            shadow::id.eq(&change.id),
            shadow::ver.eq(change.ver.unwrap_or(0)),
            shadow::data.eq(data(change)),
            shadow::keys.eq(change.keys.join(" ")),
        );
        diesel::replace_into(shadow::table).values(row).execute(db)?;
    }
    Ok(())
}

pub(super) fn snapshot_finish(
    db: &mut SqliteConnection,
    last: &Snapshot,
    extent: Extent,
    now: DateTime<Utc>,
) -> Result<()> {
    let newer = match extent {
        Extent::Whole => {
            diesel::update(base::table).set(base::gone.eq(true)).execute(db)?;
            ""
        }
        Extent::Part => {
            out_of_sight(db, last)?;
            // The feed may have been read further than the snapshot's pages for a record both have.
            " AND NOT EXISTS (SELECT 1 FROM base b WHERE b.kind = s.kind AND b.id = s.id AND b.gone = 0 AND b.ver > s.ver)"
        }
    };
    diesel::sql_query(format!(
        "INSERT OR REPLACE INTO base (kind, id, ver, gone, data, keys) \
         SELECT s.kind, s.id, s.ver, 0, s.data, s.keys FROM shadow s WHERE true{newer}"
    ))
    .execute(db)?;
    diesel::delete(shadow::table).execute(db)?;
    epochs::ask_again(db)?;
    sweep(db)?;
    let (generation, cursor) = (last.generation.clone(), last.cursor.clone());
    put(db, POSITION, &Position { generation, cursor, seq: last.seq })?;
    put(db, "offset", &ClockOffset::measure(now, last.server_time))
}

/// Marks what a partial snapshot shows to be out of sight, and takes the keys that the reader has lost from the others.
fn out_of_sight(db: &mut SqliteConnection, last: &Snapshot) -> Result<()> {
    let (scope, of): (BTreeSet<&str>, BTreeSet<&str>) =
        (last.scope.iter().map(String::as_str).collect(), last.of.iter().map(String::as_str).collect());
    let came: BTreeSet<(String, String)> =
        shadow::table.select((shadow::kind, shadow::id)).load::<(String, String)>(db)?.into_iter().collect();
    let rows: Vec<(String, String, String)> =
        base::table.filter(base::gone.eq(false)).select((base::kind, base::id, base::keys)).load(db)?;
    for (kind, id, text) in rows {
        let keys: Vec<&str> = text.split(' ').filter(|key| !key.is_empty()).collect();
        let left: Vec<&str> = keys.iter().copied().filter(|key| scope.contains(key)).collect();
        let here = (kind, id);
        let missing = keys.iter().any(|key| of.contains(key)) || left.is_empty();
        if missing && !came.contains(&here) {
            diesel::update(base::table.find(here)).set(base::gone.eq(true)).execute(db)?;
        } else if left.len() < keys.len() {
            diesel::update(base::table.find(here)).set(base::keys.eq(left.join(" "))).execute(db)?;
        }
    }
    Ok(())
}

pub(super) fn digests(db: &mut SqliteConnection, keys: &[String]) -> Result<BTreeMap<String, String>> {
    let mut sums: BTreeMap<&str, u64> = keys.iter().map(|key| (key.as_str(), 0)).collect();
    let rows: Vec<(String, String, i64, String)> =
        base::table.filter(base::gone.eq(false)).select((base::kind, base::id, base::ver, base::keys)).load(db)?;
    for (kind, id, ver, carried) in rows {
        let number = wire::digest_of(&kind, &id, ver);
        for key in carried.split(' ') {
            if let Some(sum) = sums.get_mut(key) {
                *sum = sum.wrapping_add(number);
            }
        }
    }
    Ok(sums.into_iter().map(|(key, sum)| (key.to_owned(), format!("{sum:016x}"))).collect())
}
