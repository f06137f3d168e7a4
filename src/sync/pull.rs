//! The feed as one reader sees it: what entered their sight, what left it, and what became of their operations.
//!
//! A feed row says only that a record changed. The record is read here, in the same snapshot as the feed, so a reader
//! never gets a record that is older than the row, nor one that is no longer theirs to see.

use super::wire::{Change, ChangeType, Changes, Snapshot, digest_of};
use crate::{
    db::feed::{self, FeedRow, Life},
    error::{Code, Error, Result},
    evidence::rules::Viewer,
    identity::{rules::Actor, tokens::Keys},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeMap, HashMap};

/// What is read, in one snapshot of the record.
pub trait Source {
    /// The feed as a whole.
    ///
    /// # Errors
    /// The engine's own, as everywhere here.
    fn life(&mut self) -> Result<Life>;
    /// When the row with this number was written, microseconds; none, when it is gone or never was.
    fn stamp(&mut self, seq: i64) -> Result<Option<i64>>;
    /// Feed rows after a number, oldest first, at most `limit`.
    fn after(&mut self, seq: i64, limit: i64) -> Result<Vec<FeedRow>>;
    /// Records of one kind by id, those that are there; audiences are checked by the caller.
    fn load(&mut self, reader: &Reader, kind: &str, ids: &[&str], now: DateTime<Utc>) -> Result<Records>;
    /// A page of the records of one kind that the reader may see, after an id, and whether there may be another.
    fn whole(
        &mut self,
        reader: &Reader,
        kind: &str,
        after: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(Records, bool)>;
}

/// Records with their ids.
pub type Records = Vec<(String, Told)>;

/// Feed rows looked at for one page, whoever may see them, but for the last round.
const SCAN: i64 = 4_000;
/// The most changes a page holds.
pub const MAX_LIMIT: i64 = 1_000;

/// A reader: the person, and the keys they hold with the device they signed in on.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The person.
    pub who: Actor,
    /// Their keys, sorted.
    pub keys: Vec<String>,
    /// What evidence they may see.
    pub viewer: Viewer,
}

impl Reader {
    /// A person with the device they signed in on, if any.
    pub fn of(who: Actor) -> Reader {
        let mut keys = who.keys();
        keys.extend(who.device_id.map(|device| format!("device:{device}")));
        keys.sort_unstable();
        let viewer = Viewer::person(&who);
        Reader { who, keys, viewer }
    }

    fn holds(&self, key: &str) -> bool {
        self.keys.binary_search_by(|held| held.as_str().cmp(key)).is_ok()
    }

    fn sees<'k>(&self, mut audience: impl Iterator<Item = &'k str>) -> bool {
        audience.any(|key| self.holds(key))
    }
}

/// A place in the feed: of one life of the data, checked by when its row was written, for one set of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    generation: String,
    /// The number.
    pub seq: i64,
    stamp: i64,
    keys: Vec<String>,
}

impl Place {
    fn seal(&self, keys: &Keys) -> String {
        keys.seal(&format!("{} {} {} {}", self.generation, self.seq, self.stamp, self.keys.join(" ")))
    }

    /// Opens a cursor of ours.
    ///
    /// # Errors
    /// `cursor_invalid`.
    pub fn open(keys: &Keys, cursor: &str) -> Result<Place> {
        let text = keys.unseal(cursor).ok_or(Code::CursorInvalid)?;
        let mut parts = text.split(' ');
        let number = |part: Option<&str>| part.and_then(|p| p.parse().ok()).ok_or(Code::CursorInvalid);
        let generation = parts.next().unwrap_or_default().to_owned();
        let (seq, stamp) = (number(parts.next())?, number(parts.next())?);
        Ok(Place { generation, seq, stamp, keys: parts.map(str::to_owned).collect() })
    }

    /// Whether the feed still goes on from here.
    ///
    /// # Errors
    /// `generation_changed`, `cursor_expired`; `internal` with [`RESTORED`] as its cause when the place is of a life of
    /// the data that was longer than this one.
    fn check(&self, source: &mut impl Source, life: &Life) -> Result<()> {
        if self.generation != life.generation {
            return Err(Code::GenerationChanged.into());
        }
        if self.seq < life.floor {
            return Err(Code::CursorExpired.into());
        }
        if self.seq > life.head || source.stamp(self.seq)?.unwrap_or(0) != self.stamp {
            return Err(Error { cause: Some(RESTORED.to_owned()), ..Code::GenerationChanged.into() });
        }
        Ok(())
    }
}

/// Why a cursor can be of no life of ours: the data was restored and nobody has noticed before.
pub const RESTORED: &str = "a cursor knows a later life of this data: it was restored from a backup";

/// A page of changes.
#[derive(Debug)]
pub struct ChangesPage {
    /// The life of the data.
    pub life: Life,
    /// The cursor after it.
    pub next: String,
    /// Its number.
    pub seq: i64,
    /// More is waiting.
    pub has_more: bool,
    /// The changes.
    pub changes: Vec<Change>,
    /// For each key, when asked for, on a last page.
    pub digest: Option<BTreeMap<String, String>>,
}

impl ChangesPage {
    /// The page as it answers a reader who stood at `prev`.
    pub fn answer(self, prev: String, now: DateTime<Utc>) -> Changes {
        Changes {
            generation: self.life.generation,
            server_time: now,
            prev,
            next: self.next,
            seq: self.seq,
            has_more: self.has_more,
            changes: self.changes,
            floor: self.life.floor,
            digest: self.digest,
            next_poll_s: if self.has_more { 0 } else { 30 },
        }
    }
}

/// The changes after a cursor; runs in a snapshot.
///
/// # Errors
/// `cursor_invalid`, `generation_changed`, `cursor_expired`, `scope_changed`.
pub fn changes(
    source: &mut impl Source,
    keys: &Keys,
    reader: &Reader,
    after: &str,
    limit: i64,
    digest: bool,
    now: DateTime<Utc>,
) -> Result<ChangesPage> {
    let life = source.life()?;
    let from = Place::open(keys, after)?;
    from.check(source, &life)?;
    if from.keys != reader.keys {
        return Err(Code::ScopeChanged.into());
    }
    let mut last = from;
    let mut wanted: Vec<FeedRow> = Vec::new();
    let full = |wanted: &Vec<FeedRow>| i64::try_from(wanted.len()).unwrap_or(limit) >= limit;
    let mut scanned = 0;
    while last.seq < life.head && scanned < SCAN && !full(&wanted) {
        let rows = source.after(last.seq, limit)?;
        scanned += limit;
        for row in rows {
            (last.seq, last.stamp) = (row.seq, row.changed_at.0.timestamp_micros());
            if reader.sees(row.keys_after.split(' ')) || reader.sees(row.keys_before.split(' ')) {
                wanted.push(row);
            }
            if full(&wanted) {
                break;
            }
        }
    }
    // Of several changes of a record only the last is told.
    let newest: HashMap<(String, String), i64> =
        wanted.iter().map(|row| ((row.kind.clone(), row.entity_id.clone()), row.seq)).collect();
    wanted.retain(|row| newest[&(row.kind.clone(), row.entity_id.clone())] == row.seq);
    let changes = tell(source, reader, wanted, now)?;
    let has_more = last.seq < life.head;
    let digest = if digest && !has_more { digests(source, reader, now)? } else { None };
    Ok(ChangesPage { life, next: last.seal(keys), seq: last.seq, has_more, changes, digest })
}

/// A record with its audience, as the feed tells it.
pub struct Told {
    ver: Option<i64>,
    keys: feed::Keys,
    data: Box<RawValue>,
}

impl Told {
    /// A record.
    ///
    /// # Errors
    /// `internal`, when it has no JSON form.
    pub fn new(ver: Option<i64>, keys: feed::Keys, data: impl Serialize) -> Result<Told> {
        Ok(Told { ver, keys, data: to_raw_value(&data).map_err(Error::internal)? })
    }

    /// Whether a reader may see it.
    pub fn visible_to(&self, reader: &Reader) -> bool {
        reader.sees(self.keys.iter().map(String::as_str))
    }

    fn upsert(self, reader: &Reader, seq: i64, kind: &str, id: String) -> Change {
        let keys = self.keys.into_iter().filter(|key| reader.holds(key)).collect();
        Change { seq, t: ChangeType::Upsert, kind: kind.to_owned(), id, ver: self.ver, keys, data: Some(self.data) }
    }
}

fn tell(source: &mut impl Source, reader: &Reader, rows: Vec<FeedRow>, now: DateTime<Utc>) -> Result<Vec<Change>> {
    let mut records: HashMap<(String, String), Told> = HashMap::new();
    for kind in ["unit", "site", "case", "spot_check", "evidence", "spot", "op_result"] {
        let ids: Vec<&str> = rows.iter().filter(|r| r.kind == kind).map(|r| r.entity_id.as_str()).collect();
        if !ids.is_empty() {
            for (id, record) in source.load(reader, kind, &ids, now)? {
                records.insert((kind.to_owned(), id), record);
            }
        }
    }
    let mut changes = Vec::with_capacity(rows.len());
    for FeedRow { seq, kind, entity_id: id, keys_before, .. } in rows {
        let record = records.remove(&(kind.clone(), id.clone()));
        match record.filter(|record| record.visible_to(reader)) {
            Some(record) if kind == "op_result" => {
                let change = record.upsert(reader, seq, &kind, id);
                changes.push(Change { t: ChangeType::OpResult, keys: vec![], ..change });
            }
            Some(record) => changes.push(record.upsert(reader, seq, &kind, id)),
            // It was theirs to see and is not any more; one that never was is not mentioned at all.
            None if reader.sees(keys_before.split(' ')) => {
                changes.push(Change { seq, t: ChangeType::Leave, kind, id, ver: None, keys: vec![], data: None });
            }
            None => {}
        }
    }
    Ok(changes)
}

/// A page of a snapshot.
#[derive(Debug)]
pub struct SnapshotPage {
    /// The life of the data.
    pub life: Life,
    /// Where to go on with the feed when all pages are read.
    pub cursor: String,
    /// Its number.
    pub seq: i64,
    /// The next page.
    pub next_page: Option<String>,
    /// The keys it is of.
    pub of: Vec<String>,
    /// The records.
    pub items: Vec<Change>,
}

impl SnapshotPage {
    /// The page as it answers a reader who holds `scope`.
    pub fn answer(self, scope: Vec<String>, now: DateTime<Utc>) -> Snapshot {
        Snapshot {
            generation: self.life.generation,
            server_time: now,
            cursor: self.cursor,
            seq: self.seq,
            next_page: self.next_page,
            scope,
            of: self.of,
            items: self.items,
        }
    }
}

/// Which snapshot is asked for.
#[derive(Debug, Clone, Default)]
pub struct SnapshotOf {
    /// `next_page` of the page before; the rest is of no effect then.
    pub page: Option<String>,
    /// A cursor that stays good for the keys it knows: only what the others show is asked for.
    pub since: Option<String>,
    /// Only what these of the reader's keys show.
    pub keys: Option<Vec<String>>,
}

/// Kinds in the order a device needs them.
const KINDS: [&str; 6] = ["unit", "site", "case", "spot_check", "evidence", "spot"];
/// The most records of a page of a snapshot.
pub const PAGE: i64 = 2_000;

/// A page of what the reader may see; the first page fixes the cursor. Runs in a snapshot: the counter row commits with
/// the data, so what the first page reads is complete up to its cursor. Later pages may be newer, which the feed then
/// repeats.
///
/// # Errors
/// `cursor_invalid`, `generation_changed`, `cursor_expired`, `scope_changed`.
pub fn snapshot(
    source: &mut impl Source,
    keys: &Keys,
    reader: &Reader,
    asked: SnapshotOf,
    now: DateTime<Utc>,
) -> Result<SnapshotPage> {
    let life = source.life()?;
    let (at, kind, after, of) = match &asked.page {
        None => {
            let (at, of) = beginning(source, keys, reader, &life, &asked)?;
            (at, 0, None, of)
        }
        Some(token) => {
            let text = keys.unseal(token).ok_or(Code::CursorInvalid)?;
            let parts: Vec<&str> = text.split('|').collect();
            let [kind, after, of, inner] = parts[..] else { return Err(Code::CursorInvalid.into()) };
            let at = Place::open(keys, inner)?;
            at.check(source, &life)?;
            if at.keys != reader.keys {
                return Err(Code::ScopeChanged.into());
            }
            let of: Vec<String> = of.split(' ').filter(|key| !key.is_empty()).map(str::to_owned).collect();
            let kind: usize = kind.parse().map_err(|_| Code::CursorInvalid)?;
            (at, kind, Some(after.to_owned()).filter(|a| !a.is_empty()), of)
        }
    };
    let name = KINDS.get(kind).ok_or(Code::CursorInvalid)?;
    let cursor = at.seal(keys);
    if of.is_empty() {
        return Ok(SnapshotPage { life, cursor, seq: at.seq, next_page: None, of, items: vec![] });
    }
    let (records, full) = source.whole(reader, name, after.as_deref(), now)?;
    let last = records.last().map(|(id, _)| id.clone()).filter(|_| full);
    let next = match last {
        Some(id) => Some(format!("{kind}|{id}|{}|{cursor}", of.join(" "))),
        None if kind + 1 < KINDS.len() => Some(format!("{}||{}|{cursor}", kind + 1, of.join(" "))),
        None => None,
    };
    let shown = |(_, record): &(String, Told)| record.keys.iter().any(|key| of.contains(key));
    let items = records.into_iter().filter(shown).map(|(id, record)| record.upsert(reader, at.seq, name, id)).collect();
    Ok(SnapshotPage { next_page: next.map(|token| keys.seal(&token)), items, cursor, seq: at.seq, life, of })
}

/// The place a new snapshot goes on from, and the keys it is of.
fn beginning(
    source: &mut impl Source,
    keys: &Keys,
    reader: &Reader,
    life: &Life,
    asked: &SnapshotOf,
) -> Result<(Place, Vec<String>)> {
    let (seq, stamp, known) = match &asked.since {
        None => (life.head, source.stamp(life.head)?.unwrap_or(0), vec![]),
        Some(cursor) => {
            let since = Place::open(keys, cursor)?;
            since.check(source, life)?;
            (since.seq, since.stamp, since.keys)
        }
    };
    let chosen = |key: &&String| match &asked.keys {
        // A key that is new to the reader must be read in any case.
        Some(chosen) => chosen.contains(key) || !known.contains(key),
        None => !known.contains(key),
    };
    let of = reader.keys.iter().filter(chosen).cloned().collect();
    Ok((Place { generation: life.generation.clone(), seq, stamp, keys: reader.keys.clone() }, of))
}

/// Records of a device's size; a reader with more gets no digest.
const DIGESTED: usize = 50_000;

/// For each of the reader's keys the sum over the records that carry it.
fn digests(source: &mut impl Source, reader: &Reader, now: DateTime<Utc>) -> Result<Option<BTreeMap<String, String>>> {
    let mut sums: BTreeMap<&str, u64> = reader.keys.iter().map(|key| (key.as_str(), 0)).collect();
    let mut count = 0;
    for kind in KINDS {
        let mut after: Option<String> = None;
        loop {
            let (records, full) = source.whole(reader, kind, after.as_deref(), now)?;
            count += records.len();
            if count > DIGESTED {
                return Ok(None);
            }
            for (id, record) in &records {
                let number = digest_of(kind, id, record.ver.unwrap_or(0));
                for key in &record.keys {
                    if let Some(sum) = sums.get_mut(key.as_str()) {
                        *sum = sum.wrapping_add(number);
                    }
                }
            }
            after = records.last().map(|(id, _)| id.clone());
            if !full {
                break;
            }
        }
    }
    Ok(Some(sums.into_iter().map(|(key, sum)| (key.to_owned(), format!("{sum:016x}"))).collect()))
}
