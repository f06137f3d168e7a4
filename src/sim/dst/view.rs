//! What readers read, from memory.

use super::{
    memory::{Memory, photo_id},
    mutant::Mutant,
};
use crate::{
    cases::desk,
    db::feed::{FeedRow, Keys, Life},
    error::Result,
    sync::pull::{Reader, Records, Source, Told},
};
use chrono::{DateTime, Utc};
use serde_json::json;

/// A snapshot of the record.
pub struct View<'a> {
    /// The record.
    pub memory: &'a Memory,
    /// The planted defect.
    pub mutant: Option<Mutant>,
    /// Numbers of the feed that are given out and not visible yet (a planted defect).
    pub hidden: &'a [i64],
    /// Records of a page.
    pub page: usize,
}

impl View<'_> {
    fn audience(&self, reader: &Reader, keys: Keys, leak: Mutant) -> Keys {
        if self.mutant == Some(leak) { reader.keys.clone() } else { keys }
    }

    fn case(&self, reader: &Reader, row: &crate::cases::store::CaseRow, leak: Mutant) -> Result<(String, Told)> {
        let data = json!({ "id": row.id, "title": row.title, "state": row.state, "unit_id": row.unit_id });
        let keys = self.audience(reader, desk::keys(row), leak);
        Ok((row.id.to_string(), Told::new(Some(row.ver), keys, data)?))
    }

    fn records(&self, reader: &Reader, kind: &str, leak: Mutant) -> Result<Records> {
        let memory = self.memory;
        match kind {
            "case" => memory.cases.values().map(|row| self.case(reader, row, leak)).collect(),
            "unit" => {
                let unit = |id: &crate::db::types::UnitId| {
                    Ok((id.to_string(), Told::new(None, vec!["all".into()], json!({ "id": id }))?))
                };
                memory.units.iter().map(unit).collect()
            }
            "evidence" => {
                let here = memory.photos.iter().filter(|(_, photo)| photo.stored);
                let photo = |(sha256, photo): (&String, _)| {
                    let keys = self.audience(reader, memory.photo_keys(photo), leak);
                    Ok((photo_id(sha256).to_string(), Told::new(None, keys, json!({ "sha256": sha256 }))?))
                };
                let mut records: Records = here.map(photo).collect::<Result<_>>()?;
                records.sort_by(|(a, _), (b, _)| a.cmp(b));
                Ok(records)
            }
            "op_result" => {
                let result = |row: &std::rc::Rc<crate::sync::store::OpRow>| {
                    let keys = vec![format!("device:{}", row.device_id)];
                    let result = row.result(memory.number_of(row.op_id))?;
                    Ok((row.op_id.to_string(), Told::new(row.ver, keys, result)?))
                };
                memory.ops.values().map(result).collect()
            }
            _ => Ok(vec![]),
        }
    }
}

impl Source for View<'_> {
    fn life(&mut self) -> Result<Life> {
        let mut life = self.memory.life();
        while self.hidden.contains(&life.head) {
            life.head -= 1;
        }
        if self.mutant == Some(Mutant::EarlyGc) {
            life.floor = 0;
        }
        Ok(life)
    }

    fn stamp(&mut self, seq: i64) -> Result<Option<i64>> {
        Ok(self
            .memory
            .feed
            .get(&seq)
            .or_else(|| self.memory.forgotten.get(&seq))
            .map(|row| row.changed_at.0.timestamp_micros()))
    }

    fn after(&mut self, seq: i64, limit: i64) -> Result<Vec<FeedRow>> {
        let rows = self.memory.feed.range(seq + 1..).filter(|(seq, _)| !self.hidden.contains(seq));
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut rows: Vec<FeedRow> = rows.take(limit).map(|(_, row)| FeedRow::clone(row)).collect();
        if self.mutant == Some(Mutant::LeakyFeed) {
            rows.iter_mut().for_each(|row| row.keys_after += " all");
        }
        Ok(rows)
    }

    fn load(&mut self, reader: &Reader, kind: &str, ids: &[&str], _: DateTime<Utc>) -> Result<Records> {
        let mut records = self.records(reader, kind, Mutant::LeakyFeed)?;
        records.retain(|(id, _)| ids.contains(&id.as_str()));
        Ok(records)
    }

    fn whole(&mut self, reader: &Reader, kind: &str, after: Option<&str>, _: DateTime<Utc>) -> Result<(Records, bool)> {
        let mut records = self.records(reader, kind, Mutant::LeakySnapshot)?;
        records.retain(|(id, told)| after.is_none_or(|after| id.as_str() > after) && told.visible_to(reader));
        let full = records.len() >= self.page;
        records.truncate(self.page);
        Ok((records, full))
    }
}
