//! What a device keeps, in memory: the model of the client's store.

use super::mutant::Mutant;
use crate::{
    client::{
        ClientError, Result,
        device::ClockOffset,
        keep::{Attempt, Extent, Keep, Life, Position, Queued, relabel, stored_under_its_number},
        store::Draft,
    },
    db::types::{DeviceId, OpId},
    sync::wire::{
        self, Base, Change, ChangeType, Changes, DigestCheck, EpochResponse, Op, OpResult, PushResponse, Snapshot,
        Status, Target, digest_of,
    },
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A record as a device has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its version.
    pub ver: i64,
    /// Out of sight, kept for unsent work.
    pub gone: bool,
    /// Its JSON.
    pub data: String,
    /// The reader's keys that it carries.
    pub keys: Vec<String>,
}

/// Kind and id.
pub type Name = (String, String);

/// What people and checks need of a device's store, beside what the engine needs.
pub trait Pocket: Keep + Sized {
    /// The same store once more: a backup, or a cloned device.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    fn copy(&mut self) -> Result<Self>;
    /// Keeps what a person did.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotEnrolled`].
    fn save(&mut self, draft: Draft) -> Result<Op>;
    /// What a person who acts on this record has seen.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    fn seen(&mut self, target: &Target) -> Result<Option<Base>>;
    /// The records that are in sight, by kind and id.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    fn sight(&mut self) -> Result<BTreeMap<Name, (i64, String)>>;
    /// Operations that were answered, with the latest word.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    fn words(&mut self) -> Result<Vec<(OpId, OpResult)>>;
    /// A photo that was taken was delivered, by whatever way.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    fn photo_sent(&mut self, sha256: &str) -> Result<()>;
    /// A record goes bad on the disk. Returns whether there was one.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    fn rot(&mut self) -> Result<bool>;
    /// The store is emptied; the device's key is not.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    fn reset(&mut self) -> Result<()>;
    /// Destroys what waits (a planted defect).
    fn drop_work(&mut self);
}

#[derive(Debug, Clone)]
struct Waiting {
    op_id: OpId,
    epoch: i32,
    seq: i64,
    raw: String,
    chains: bool,
    target: Name,
    made_at: DateTime<Utc>,
    /// The server has had it under its number, and it waits only to hear what became of it.
    arrived: bool,
}

#[derive(Debug, Clone)]
struct Answered {
    place: i64,
    row: Waiting,
    result: OpResult,
    at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
struct Photo {
    of: Name,
    stored: bool,
}

/// A device's store in memory; a copy of it is what a backup or a cloned device has.
#[derive(Debug, Clone)]
pub struct Memory {
    device: DeviceId,
    epoch: i32,
    attempt: i64,
    push_token: Option<String>,
    generation: Option<String>,
    offset: Option<ClockOffset>,
    next_seq: i64,
    next_place: i64,
    outbox: BTreeMap<i64, Waiting>,
    sent: BTreeMap<OpId, Answered>,
    base: BTreeMap<Name, Row>,
    shadow: BTreeMap<Name, Row>,
    position: Option<Position>,
    digest_check: Option<DigestCheck>,
    photos: BTreeMap<String, Photo>,
    mutant: Option<Mutant>,
    /// What is being sent (a planted defect).
    inflight: BTreeSet<OpId>,
    pages: u32,
}

const OPEN: [Status; 3] = [Status::Held, Status::Conflict, Status::Quarantined];

impl Memory {
    /// The store of a device in this epoch; 0 when its store was wiped.
    pub fn new(device: DeviceId, epoch: i32, mutant: Option<Mutant>) -> Memory {
        Memory {
            device,
            epoch,
            attempt: 0,
            push_token: None,
            generation: None,
            offset: None,
            next_seq: 1,
            next_place: 1,
            outbox: BTreeMap::new(),
            sent: BTreeMap::new(),
            base: BTreeMap::new(),
            shadow: BTreeMap::new(),
            position: None,
            digest_check: None,
            photos: BTreeMap::new(),
            mutant,
            inflight: BTreeSet::new(),
            pages: 0,
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn settle(&mut self, op_id: OpId, result: &OpResult, at: DateTime<Utc>) -> bool {
        let Some(place) = self.outbox.iter().find(|(_, row)| row.op_id == op_id).map(|(place, _)| *place) else {
            return false;
        };
        let row = self.outbox.remove(&place);
        if let Some(row) = row.filter(|_| !self.is(Mutant::ForgetsAnswered)) {
            let result = OpResult { duplicate: result.duplicate && !row.arrived, ..result.clone() };
            self.sent.insert(op_id, Answered { place, row: Waiting { arrived: false, ..row }, result, at });
        }
        true
    }

    fn pinned(&self, name: &Name) -> bool {
        self.outbox.values().any(|row| row.target == *name)
            || self.photos.values().any(|photo| !photo.stored && photo.of == *name)
    }

    fn sweep(&mut self) {
        let gone: Vec<Name> =
            self.base.iter().filter(|(name, row)| row.gone && !self.pinned(name)).map(|(n, _)| n.clone()).collect();
        gone.iter().for_each(|name| drop(self.base.remove(name)));
    }

    fn upsert(change: &Change) -> (Name, Row) {
        let data = change.data.as_ref().map_or("null", |data| data.get()).to_owned();
        let name = (change.kind.clone(), change.id.clone());
        (name, Row { ver: change.ver.unwrap_or(0), gone: false, data, keys: change.keys.clone() })
    }

    fn apply_one(&mut self, change: &Change, at: DateTime<Utc>) -> Result<()> {
        match change.t {
            ChangeType::Upsert => {
                let (name, row) = Memory::upsert(change);
                let known = self.base.get(&name).filter(|row| !row.gone);
                if known.is_none_or(|known| row.ver >= known.ver) {
                    self.base.insert(name, row);
                }
            }
            ChangeType::Leave => {
                let name = (change.kind.clone(), change.id.clone());
                self.base.entry(name).and_modify(|row| row.gone = true);
            }
            ChangeType::OpResult => {
                let Some(value) = &change.data else { return Ok(()) };
                let result: OpResult =
                    serde_json::from_str(value.get()).map_err(|e| ClientError::Unreadable(e.to_string()))?;
                if let Some(op_id) = result.op_id
                    && !self.settle(op_id, &result, at)
                {
                    self.sent.entry(op_id).and_modify(|row| {
                        row.result = OpResult { duplicate: row.result.duplicate, ..result };
                    });
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, epoch: i32, push_token: &str) -> Result<()> {
        (self.epoch, self.attempt, self.push_token, self.next_seq) = (epoch, 0, Some(push_token.to_owned()), 1);
        for row in self.outbox.values_mut() {
            let old = (row.epoch > 0).then_some((row.epoch, row.seq));
            row.raw = relabel(&row.raw, self.next_seq, old)?;
            (row.epoch, row.seq, row.arrived) = (epoch, self.next_seq, false);
            self.next_seq += 1;
        }
        Ok(())
    }

    fn out_of_sight(&mut self, last: &Snapshot) {
        for (name, row) in self.base.iter_mut().filter(|(_, row)| !row.gone) {
            let left: Vec<String> = row.keys.iter().filter(|key| last.scope.contains(key)).cloned().collect();
            let missing = row.keys.iter().any(|key| last.of.contains(key)) || left.is_empty();
            if missing && !self.shadow.contains_key(name) {
                row.gone = true;
            } else if left.len() < row.keys.len() {
                row.keys = left;
            }
        }
    }
}

impl Keep for Memory {
    fn device(&mut self) -> Result<(DeviceId, i32)> {
        Ok((self.device, self.epoch))
    }

    fn generation(&mut self) -> Result<Option<String>> {
        Ok(self.generation.clone())
    }

    fn offset(&mut self) -> Result<Option<ClockOffset>> {
        Ok(self.offset)
    }

    fn set_offset(&mut self, offset: ClockOffset) -> Result<()> {
        self.offset = Some(offset);
        Ok(())
    }

    fn waiting(&mut self, limit: usize) -> Result<Vec<Queued>> {
        let free = self.outbox.values().filter(|row| !self.inflight.contains(&row.op_id));
        let queued: Vec<Queued> =
            free.take(limit).map(|row| Queued { op_id: row.op_id, raw: row.raw.clone() }).collect();
        if self.is(Mutant::InflightMark) {
            self.inflight.extend(queued.iter().map(|queued| queued.op_id));
        }
        Ok(queued)
    }

    fn outbox_summary(&mut self) -> Result<wire::Outbox> {
        let depth = i64::try_from(self.outbox.len()).unwrap_or(i64::MAX);
        let oldest = self.outbox.values().map(|row| row.made_at).min();
        Ok(wire::Outbox { depth, oldest, high_seq: self.next_seq - 1 })
    }

    fn media_waiting(&mut self) -> Result<i64> {
        Ok(i64::try_from(self.photos.values().filter(|photo| !photo.stored).count()).unwrap_or(0))
    }

    fn begin_attempt(&mut self) -> Result<Attempt> {
        self.attempt += 1;
        Ok(Attempt {
            device: self.device,
            epoch: self.epoch,
            number: self.attempt,
            push_token: self.push_token.clone(),
            generation: self.generation.clone(),
        })
    }

    fn acknowledge(
        &mut self,
        attempt: &Attempt,
        batch: &[Queued],
        response: &PushResponse,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        if (self.device, self.epoch, self.attempt) != (attempt.device, attempt.epoch, attempt.number)
            || self.live(attempt.generation.as_deref(), &response.generation)? == Life::Over
        {
            return Ok(false);
        }
        self.push_token = Some(response.push_token.clone());
        self.offset = Some(ClockOffset::measure(now, response.server_time));
        for (place, result) in response.results.iter().enumerate() {
            let op_id = result.op_id.or_else(|| batch.get(place).map(|queued| queued.op_id));
            if let Some(op_id) = op_id.filter(|id| batch.iter().any(|queued| queued.op_id == *id)) {
                self.settle(op_id, result, response.server_time);
            }
        }
        let doubted = |sent: &Answered| {
            let number = sent.row.epoch == self.epoch && response.missing_seqs.contains(&sent.row.seq);
            number && stored_under_its_number(&sent.result)
        };
        let again: Vec<OpId> = self.sent.iter().filter(|(_, sent)| doubted(sent)).map(|(op_id, _)| *op_id).collect();
        for Answered { place, row, .. } in again.iter().filter_map(|op_id| self.sent.remove(op_id)) {
            self.outbox.insert(place, row);
        }
        self.sweep();
        Ok(true)
    }

    fn acknowledge_raw(&mut self, op_id: OpId, now: DateTime<Utc>) -> Result<()> {
        let result = OpResult { code: Some("op_malformed".into()), ..OpResult::bare(Some(op_id), Status::Quarantined) };
        self.settle(op_id, &result, ClockOffset::correct(self.offset, now));
        self.sweep();
        Ok(())
    }

    fn begin_epoch(
        &mut self,
        old: i32,
        asked: Option<&str>,
        response: &EpochResponse,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        if self.epoch != old || self.live(asked, &response.generation)? == Life::Over {
            return Ok(false);
        }
        self.offset = Some(ClockOffset::measure(now, response.server_time));
        self.enter(response.epoch, &response.push_token)?;
        Ok(true)
    }

    fn live(&mut self, asked: Option<&str>, said: &str) -> Result<Life> {
        let life = Life::of(asked, self.generation.as_deref(), said);
        if life == Life::New {
            self.generation = Some(said.to_owned());
            self.position = None;
            for (_, Answered { place, row, .. }) in std::mem::take(&mut self.sent) {
                self.outbox.entry(place).or_insert(row);
            }
            self.photos.values_mut().for_each(|photo| photo.stored = false);
        }
        Ok(life)
    }

    fn position(&mut self) -> Result<Option<Position>> {
        Ok(self.position.clone())
    }

    fn drop_position(&mut self) -> Result<()> {
        self.position = None;
        Ok(())
    }

    fn apply(&mut self, page: &Changes, now: DateTime<Utc>) -> Result<bool> {
        let Some(here) =
            self.position.clone().filter(|here| here.cursor == page.prev && here.generation == page.generation)
        else {
            return Ok(false);
        };
        self.pages += 1;
        let seq = page.changes.iter().map(|change| change.seq).fold(here.seq.max(page.seq), i64::max);
        self.position = Some(Position { generation: page.generation.clone(), cursor: page.next.clone(), seq });
        self.offset = Some(ClockOffset::measure(now, page.server_time));
        if self.is(Mutant::CursorBeforePage) && self.pages.is_multiple_of(3) {
            return Err(ClientError::Store("the battery was pulled".into()));
        }
        for change in &page.changes {
            self.apply_one(change, page.server_time)?;
        }
        self.sweep();
        Ok(true)
    }

    fn snapshot_begin(&mut self) -> Result<()> {
        self.shadow.clear();
        Ok(())
    }

    fn snapshot_page(&mut self, page: &Snapshot) -> Result<()> {
        self.shadow.extend(page.items.iter().filter(|c| c.t == ChangeType::Upsert).map(Memory::upsert));
        Ok(())
    }

    fn snapshot_finish(&mut self, last: &Snapshot, extent: Extent, now: DateTime<Utc>) -> Result<()> {
        match extent {
            Extent::Whole if self.is(Mutant::SnapshotKeepsOld) => {}
            Extent::Whole => self.base.values_mut().for_each(|row| row.gone = true),
            Extent::Part => self.out_of_sight(last),
        }
        for (name, row) in std::mem::take(&mut self.shadow) {
            let newer = self.base.get(&name).is_some_and(|here| !here.gone && here.ver > row.ver);
            if extent == Extent::Whole || !newer {
                self.base.insert(name, row);
            }
        }
        if self.is(Mutant::SnapshotDropsWork) {
            let there: BTreeSet<&Name> = self.base.iter().filter(|(_, row)| !row.gone).map(|(name, _)| name).collect();
            self.outbox.retain(|_, row| there.contains(&row.target));
        }
        let leaves = self.is(Mutant::SnapshotLeavesHeld);
        for (_, Answered { place, row, result, .. }) in
            self.sent.extract_if(.., |_, sent| !leaves && OPEN.contains(&sent.result.status))
        {
            self.outbox.insert(place, Waiting { arrived: stored_under_its_number(&result), ..row });
        }
        self.sweep();
        let (generation, cursor) = (last.generation.clone(), last.cursor.clone());
        self.position = Some(Position { generation, cursor, seq: last.seq });
        self.offset = Some(ClockOffset::measure(now, last.server_time));
        Ok(())
    }

    fn digests(&mut self, keys: &[String]) -> Result<BTreeMap<String, String>> {
        let mut sums: BTreeMap<&str, u64> = keys.iter().map(|key| (key.as_str(), 0)).collect();
        for ((kind, id), row) in self.base.iter().filter(|(_, row)| !row.gone) {
            let number = digest_of(kind, id, row.ver);
            for key in &row.keys {
                if let Some(sum) = sums.get_mut(key.as_str()) {
                    *sum = sum.wrapping_add(number);
                }
            }
        }
        Ok(sums.into_iter().map(|(key, sum)| (key.to_owned(), format!("{sum:016x}"))).collect())
    }

    fn digest_check(&mut self) -> Result<Option<DigestCheck>> {
        Ok(self.digest_check)
    }

    fn set_digest_check(&mut self, check: DigestCheck) -> Result<()> {
        self.digest_check = Some(check);
        Ok(())
    }

    fn wipe(&mut self) -> Result<()> {
        if !self.is(Mutant::WipeKeepsRecords) {
            self.base.clear();
            self.shadow.clear();
        }
        if self.is(Mutant::WipeDropsWork) {
            self.outbox.clear();
        }
        self.position = None;
        Ok(())
    }

    fn forget(&mut self, before: DateTime<Utc>) -> Result<usize> {
        let seen = self.position.as_ref().map_or(0, |position| position.seq);
        let count = self.sent.len();
        self.sent.retain(|_, row| {
            row.at >= before || OPEN.contains(&row.result.status) || row.result.result_seq.is_some_and(|seq| seq > seen)
        });
        Ok(count - self.sent.len())
    }
}

impl Pocket for Memory {
    fn copy(&mut self) -> Result<Memory> {
        Ok(self.clone())
    }

    fn save(&mut self, draft: Draft) -> Result<Op> {
        let (mono_ms, boot) = draft.mono.unzip();
        let target = (draft.target.kind.clone(), draft.target.id.to_string());
        for attachment in &draft.attachments {
            let photo = Photo { of: target.clone(), stored: false };
            self.photos.entry(attachment.evidence.sha256.clone()).or_insert(photo);
        }
        let op = Op {
            op_id: draft.op_id,
            seq: self.next_seq,
            was: None,
            r#type: draft.r#type,
            v: 1,
            target: Some(draft.target),
            base: draft.base,
            depends_on: draft.depends_on,
            actor: draft.actor,
            session: draft.session,
            occurred_at: draft.occurred_at,
            mono_ms,
            boot,
            gps: draft.gps,
            evidence: draft.attachments.into_iter().map(|a| a.evidence).collect(),
            args: draft.args,
        };
        let raw = serde_json::to_string(&op).map_err(|e| ClientError::Store(e.to_string()))?;
        let row = Waiting {
            op_id: op.op_id,
            epoch: self.epoch,
            seq: op.seq,
            raw,
            chains: op.base.is_some() || op.r#type == "case.report",
            target,
            made_at: op.occurred_at,
            arrived: false,
        };
        self.outbox.insert(self.next_place, row);
        (self.next_seq, self.next_place) = (self.next_seq + 1, self.next_place + 1);
        Ok(op)
    }

    fn seen(&mut self, target: &Target) -> Result<Option<Base>> {
        let name = (target.kind.clone(), target.id.to_string());
        let known = self.base.get(&name).map(|row| row.ver);
        let own = self.outbox.values().rev().filter(|row| row.target == name && row.chains);
        if self.is(Mutant::GuessedVersion) {
            let steps = i64::try_from(own.count()).unwrap_or(0);
            return Ok(known.map(|ver| ver + steps).or((steps > 0).then_some(steps)).map(|ver| Base::Version { ver }));
        }
        if let Some(row) = own.into_iter().next() {
            return Ok(Some(Base::Op { op: row.op_id }));
        }
        let answered = self.sent.values().filter(|sent| {
            let well = matches!(sent.result.status, Status::Applied | Status::Merged);
            sent.row.target == name && sent.row.chains && well && sent.result.ver > Some(known.unwrap_or(0))
        });
        Ok(match answered.max_by_key(|sent| sent.place) {
            Some(sent) => Some(Base::Op { op: sent.row.op_id }),
            None => known.map(|ver| Base::Version { ver }),
        })
    }

    fn sight(&mut self) -> Result<BTreeMap<Name, (i64, String)>> {
        let rows = self.base.iter().filter(|(_, row)| !row.gone);
        Ok(rows.map(|(name, row)| (name.clone(), (row.ver, row.data.clone()))).collect())
    }

    fn words(&mut self) -> Result<Vec<(OpId, OpResult)>> {
        Ok(self.sent.iter().map(|(id, sent)| (*id, sent.result.clone())).collect())
    }

    fn photo_sent(&mut self, sha256: &str) -> Result<()> {
        self.photos.entry(sha256.to_owned()).and_modify(|photo| photo.stored = true);
        self.sweep();
        Ok(())
    }

    fn rot(&mut self) -> Result<bool> {
        let Some(name) = self.base.keys().next().cloned() else { return Ok(false) };
        self.base.remove(&name);
        Ok(true)
    }

    fn reset(&mut self) -> Result<()> {
        *self = Memory::new(self.device, 0, self.mutant);
        Ok(())
    }

    fn drop_work(&mut self) {
        self.outbox.clear();
    }
}
