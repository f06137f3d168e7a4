//! What the server says: pages of the feed and whole snapshots.

use super::{
    ClientError, Position, Result, Store, get,
    outbox::settle,
    put,
    schema::{base, outbox, shadow},
};
use crate::{
    client::device::ClockOffset,
    db::types::OpId,
    sync::wire::{Change, ChangeType, Changes, OpResult, Snapshot},
};
use chrono::{DateTime, Utc};
use diesel::{prelude::*, sqlite::SqliteConnection};

/// Where reading stands.
const POSITION: &str = "position";

impl Store {
    /// How far the feed was read; `None` before the first snapshot.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn position(&mut self) -> Result<Option<Position>> {
        self.get(POSITION)
    }

    /// Applies a page and moves the cursor, in one transaction. Returns false, and changes nothing, for a page that does
    /// not continue what is here: a late or repeated answer.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn apply(&mut self, page: &Changes, now: DateTime<Utc>) -> Result<bool> {
        self.db.immediate_transaction(|db| {
            let here: Option<Position> = get(db, POSITION)?;
            if here.is_none_or(|here| here.cursor != page.prev || here.generation != page.generation) {
                return Ok(false);
            }
            for change in &page.changes {
                apply_one(db, change, now)?;
            }
            put(db, POSITION, &Position { generation: page.generation.clone(), cursor: page.next.clone() })?;
            put(db, "offset", &ClockOffset::measure(now, page.server_time))?;
            Ok(true)
        })
    }

    /// Begins a snapshot: what an interrupted one left is dropped.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn snapshot_begin(&mut self) -> Result<()> {
        diesel::delete(shadow::table).execute(&mut self.db)?;
        Ok(())
    }

    /// Puts a page beside the current state, which stays readable meanwhile.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn snapshot_page(&mut self, page: &Snapshot) -> Result<()> {
        self.db.immediate_transaction(|db| {
            for change in page.items.iter().filter(|c| c.t == ChangeType::Upsert) {
                let row = (
                    shadow::kind.eq(&change.kind),
                    shadow::id.eq(&change.id),
                    shadow::ver.eq(change.ver.unwrap_or(0)),
                    shadow::gone.eq(false),
                    shadow::data.eq(data(change)),
                );
                diesel::replace_into(shadow::table).values(row).execute(db)?;
            }
            Ok(())
        })
    }

    /// Swaps the snapshot in and moves the cursor, in one transaction. The outbox is not touched, and a record that
    /// queued work still acts on stays, marked as gone.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn snapshot_finish(&mut self, last: &Snapshot, now: DateTime<Utc>) -> Result<()> {
        self.db.immediate_transaction(|db| {
            diesel::sql_query(
                "DELETE FROM base WHERE NOT EXISTS \
                 (SELECT 1 FROM outbox o WHERE o.target_kind = base.kind AND o.target_id = base.id)",
            )
            .execute(db)?;
            diesel::update(base::table).set(base::gone.eq(true)).execute(db)?;
            diesel::sql_query("INSERT OR REPLACE INTO base SELECT kind, id, ver, gone, data FROM shadow")
                .execute(db)?;
            diesel::delete(shadow::table).execute(db)?;
            put(db, POSITION, &Position { generation: last.generation.clone(), cursor: last.cursor.clone() })?;
            put(db, "offset", &ClockOffset::measure(now, last.server_time))
        })
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
        rows.into_iter()
            .map(|(id, ver, text)| {
                let value = serde_json::from_str(&text).map_err(|e| ClientError::Store(e.to_string()))?;
                Ok((id, ver, value))
            })
            .collect()
    }
}

fn data(change: &Change) -> String {
    change.data.as_ref().map_or("null", |data| data.get()).to_owned()
}

fn apply_one(db: &mut SqliteConnection, change: &Change, now: DateTime<Utc>) -> Result<()> {
    let (kind, id) = (&change.kind, &change.id);
    match change.t {
        ChangeType::Upsert => {
            let known: Option<i64> = base::table.find((kind, id)).select(base::ver).first(db).optional()?;
            let ver = change.ver.unwrap_or(0);
            // A snapshot's later pages may be newer than its cursor; the feed then repeats older versions.
            if known.is_none_or(|known| ver >= known) {
                let row = (base::kind.eq(kind), base::id.eq(id), base::ver.eq(ver), base::gone.eq(false));
                diesel::replace_into(base::table).values((row, base::data.eq(data(change)))).execute(db)?;
            }
        }
        ChangeType::Leave => {
            let waiting: i64 = outbox::table
                .filter(outbox::target_kind.eq(kind).and(outbox::target_id.eq(id)))
                .count()
                .get_result(db)?;
            let row = base::table.find((kind, id));
            if waiting > 0 {
                diesel::update(row).set(base::gone.eq(true)).execute(db)?;
            } else {
                diesel::delete(row).execute(db)?;
            }
        }
        ChangeType::OpResult => {
            let Some(value) = &change.data else { return Ok(()) };
            let result: OpResult =
                serde_json::from_str(value.get()).map_err(|e| ClientError::Unreadable(e.to_string()))?;
            let id = result.op_id.or_else(|| id.parse::<OpId>().ok());
            if let Some(op_id) = id {
                // Also for one that still waits here: its answer was lost, and this is the same answer.
                settle(db, op_id, &result, now)?;
            }
        }
    }
    Ok(())
}
