//! The feed as one reader sees it: what entered their sight, what left it, and what became of their operations.
//!
//! A feed row says only that a record changed. The record is read here, in the same snapshot as the feed, so a reader
//! never gets a record that is older than the row, nor one that is no longer theirs to see.

use super::{
    push, store,
    wire::{Change, ChangeType},
};
use crate::{
    cases,
    db::{
        Db,
        feed::{self, FeedRow},
        types::{CaseId, EvidenceId, OpId, SiteId, SpotCheckId, UnitId},
    },
    error::{Code, Error, Result},
    evidence::{self, rules::Viewer, view::Evidence},
    identity::{
        self,
        rules::Actor,
        tokens::{Keys, hex, sha256},
    },
    spotchecks,
};
use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use std::{collections::HashMap, str::FromStr};

/// Feed rows looked at for one page, whoever may see them.
const SCAN: i64 = 2_000;
/// The most changes a page holds.
pub const MAX_LIMIT: i64 = 1_000;

/// A reader: the person, and the keys they hold with the device they signed in on.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The person.
    pub who: Actor,
    keys: Vec<String>,
    viewer: Viewer,
}

impl Reader {
    /// The reader behind a session.
    ///
    /// # Errors
    /// `device_revoked`, when the session's device was revoked.
    pub fn new(db: &mut Db, who: Actor) -> Result<Reader> {
        let mut keys = who.keys();
        if let Some(device) = who.device_id {
            if identity::actions::device_known(db, device)?.revoked_at.is_some() {
                return Err(Code::DeviceRevoked.into());
            }
            keys.push(format!("device:{device}"));
        }
        keys.sort_unstable();
        let viewer = Viewer::person(&who);
        Ok(Reader { who, keys, viewer })
    }

    /// Names what this reader may see; a cursor of another scope is not good for it.
    fn scope(&self) -> String {
        hex(&sha256(self.keys.join(" ").as_bytes())[..8])
    }

    fn sees<S: AsRef<str>>(&self, mut audience: impl Iterator<Item = S>) -> bool {
        audience.any(|key| self.keys.binary_search_by(|held| held.as_str().cmp(key.as_ref())).is_ok())
    }
}

/// A place in the feed, for one life of the data and one scope.
fn cursor(keys: &Keys, reader: &Reader, seq: i64) -> String {
    keys.seal(&format!("{} {} {seq}", keys.generation, reader.scope()))
}

fn place(keys: &Keys, reader: &Reader, cursor: &str) -> Result<i64> {
    let text = keys.unseal(cursor).ok_or(Code::CursorInvalid)?;
    let mut parts = text.split(' ');
    let (generation, scope, seq) = (parts.next(), parts.next(), parts.next());
    if generation != Some(keys.generation.as_str()) {
        return Err(Code::GenerationChanged.into());
    }
    if scope != Some(reader.scope().as_str()) {
        return Err(Code::ScopeChanged.into());
    }
    seq.and_then(|seq| seq.parse().ok()).ok_or_else(|| Code::CursorInvalid.into())
}

/// A page of changes.
#[derive(Debug)]
pub struct ChangesPage {
    /// The cursor after it.
    pub next: String,
    /// More is waiting.
    pub has_more: bool,
    /// The changes.
    pub changes: Vec<Change>,
}

/// The changes after a cursor; runs in a snapshot.
///
/// # Errors
/// `cursor_invalid`, `generation_changed`, `scope_changed`.
pub fn changes(
    db: &mut Db,
    keys: &Keys,
    reader: &Reader,
    after: &str,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<ChangesPage> {
    let from = place(keys, reader, after)?;
    let head = feed::head(db)?;
    if from > head {
        // Written by a life of the data that was longer: it was restored under the same name.
        return Err(Code::GenerationChanged.into());
    }
    let mut last = from;
    let mut wanted: Vec<FeedRow> = Vec::new();
    for row in feed::after(db, from, SCAN)? {
        last = row.seq;
        if reader.sees(row.keys_after.split(' ')) || reader.sees(row.keys_before.split(' ')) {
            wanted.push(row);
        }
        if i64::try_from(wanted.len()).unwrap_or(limit) >= limit {
            break;
        }
    }
    // Of several changes of a record only the last is told.
    let newest: HashMap<(String, String), i64> =
        wanted.iter().map(|row| ((row.kind.clone(), row.entity_id.clone()), row.seq)).collect();
    wanted.retain(|row| newest[&(row.kind.clone(), row.entity_id.clone())] == row.seq);
    let changes = tell(db, reader, wanted, now)?;
    Ok(ChangesPage { next: cursor(keys, reader, last), has_more: last < head, changes })
}

/// A record with its audience, as the feed tells it.
struct Told {
    ver: Option<i64>,
    keys: feed::Keys,
    data: serde_json::Value,
}

fn told(ver: Option<i64>, keys: feed::Keys, data: impl Serialize) -> Result<Told> {
    Ok(Told { ver, keys, data: serde_json::to_value(data).map_err(Error::internal)? })
}

fn tell(db: &mut Db, reader: &Reader, rows: Vec<FeedRow>, now: DateTime<Utc>) -> Result<Vec<Change>> {
    let mut records: HashMap<(String, String), Told> = HashMap::new();
    for kind in ["unit", "site", "case", "spot_check", "evidence", "op_result"] {
        let ids: Vec<&str> = rows.iter().filter(|r| r.kind == kind).map(|r| r.entity_id.as_str()).collect();
        if !ids.is_empty() {
            for (id, record) in load(db, reader, kind, &ids, now)? {
                records.insert((kind.to_owned(), id), record);
            }
        }
    }
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        let record = records.remove(&(row.kind.clone(), row.entity_id.clone()));
        let visible = record.filter(|record| reader.sees(record.keys.iter()));
        let t = match &visible {
            Some(_) if row.kind == "op_result" => ChangeType::OpResult,
            Some(_) => ChangeType::Upsert,
            // It was theirs to see and is not any more; one that never was is not mentioned at all.
            None if reader.sees(row.keys_before.split(' ')) => ChangeType::Leave,
            None => continue,
        };
        let (ver, data) = visible.map_or((None, None), |record| (record.ver, Some(record.data)));
        changes.push(Change { seq: row.seq, t, kind: row.kind, id: row.entity_id, ver, data });
    }
    Ok(changes)
}

fn parsed<T: FromStr>(ids: &[&str]) -> Vec<T> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

fn load(db: &mut Db, reader: &Reader, kind: &str, ids: &[&str], now: DateTime<Utc>) -> Result<Vec<(String, Told)>> {
    match kind {
        "case" => cases::actions::cases_by_id(db, &parsed::<CaseId>(ids))?.into_iter().map(|r| case(r, now)).collect(),
        "site" => spotchecks::actions::sites_by_id(db, &parsed::<SiteId>(ids))?.into_iter().map(site).collect(),
        "spot_check" => {
            spotchecks::actions::checks_by_id(db, &parsed::<SpotCheckId>(ids))?.into_iter().map(check).collect()
        }
        "unit" => {
            let wanted = parsed::<UnitId>(ids);
            units(db, now)?.into_iter().filter(|u| wanted.contains(&u.0)).map(|u| unit(&u)).collect()
        }
        "evidence" => evidence::actions::evidence_for_feed(db, &reader.viewer, &parsed::<EvidenceId>(ids))?
            .into_iter()
            .map(|record| piece(reader, record))
            .collect(),
        "op_result" => store::ops_by_id(db, &parsed::<OpId>(ids))?
            .into_iter()
            .map(|row| {
                let keys = vec![format!("device:{}", row.device_id)];
                Ok((row.op_id.to_string(), told(row.ver, keys, push::result(&row)?)?))
            })
            .collect(),
        _ => Ok(vec![]),
    }
}

fn case(row: cases::store::CaseRow, now: DateTime<Utc>) -> Result<(String, Told)> {
    let (id, ver, keys) = (row.id.to_string(), row.ver, cases::actions::keys(&row));
    Ok((id, told(Some(ver), keys, cases::routes::Case::new(row, now))?))
}

fn site(row: spotchecks::store::SiteRow) -> Result<(String, Told)> {
    let (id, ver, keys) = (row.id.to_string(), row.ver, spotchecks::actions::site_keys(&row));
    Ok((id, told(Some(ver), keys, spotchecks::routes::Site::from(row))?))
}

fn check(row: spotchecks::store::SpotCheckRow) -> Result<(String, Told)> {
    let (id, keys) = (row.id.to_string(), spotchecks::actions::check_keys(&row));
    Ok((id, told(Some(1), keys, spotchecks::routes::SpotCheck::from(row))?))
}

/// A piece of evidence; the query has already left out what is not this reader's, so their own keys are its audience.
fn piece(reader: &Reader, record: Evidence) -> Result<(String, Told)> {
    Ok((record.id.to_string(), told(None, reader.keys.clone(), record)?))
}

type UnitLine = (UnitId, String, String, Option<String>);

fn units(db: &mut Db, now: DateTime<Utc>) -> Result<Vec<UnitLine>> {
    let year = now.with_timezone(&chrono_tz::Asia::Shanghai).year();
    let rows = identity::actions::unit_list(db, year)?;
    Ok(rows.into_iter().map(|(u, class)| (u.id, u.code, u.name, class)).collect())
}

fn unit((id, code, name, class): &UnitLine) -> Result<(String, Told)> {
    let data = serde_json::json!({ "id": id, "code": code, "name": name, "class": class });
    Ok((id.to_string(), told(None, vec!["all".into()], data)?))
}

/// A page of a snapshot.
#[derive(Debug)]
pub struct SnapshotPage {
    /// Where to go on with the feed when all pages are read.
    pub cursor: String,
    /// The next page.
    pub next_page: Option<String>,
    /// The records.
    pub items: Vec<Change>,
}

/// Kinds in the order a device needs them.
const KINDS: [&str; 5] = ["unit", "site", "case", "spot_check", "evidence"];
const SNAPSHOT_PAGE: i64 = 500;

/// A page of everything the reader may see; the first page fixes the cursor. Runs in a snapshot: the counter row
/// commits with the data, so what the first page reads is complete up to its cursor. Later pages may be newer, which
/// the feed then repeats.
///
/// # Errors
/// `cursor_invalid`, `generation_changed`, `scope_changed`.
pub fn snapshot(
    db: &mut Db,
    keys: &Keys,
    reader: &Reader,
    page: Option<&str>,
    now: DateTime<Utc>,
) -> Result<SnapshotPage> {
    let (seq, kind, after) = match page {
        None => (feed::head(db)?, 0, None),
        Some(token) => {
            let text = keys.unseal(token).ok_or(Code::CursorInvalid)?;
            let (kind, rest) = text.split_once('|').ok_or(Code::CursorInvalid)?;
            let (after, inner) = rest.split_once('|').ok_or(Code::CursorInvalid)?;
            let kind: usize = kind.parse().map_err(|_| Code::CursorInvalid)?;
            (place(keys, reader, inner)?, kind, Some(after.to_owned()).filter(|a| !a.is_empty()))
        }
    };
    let at = cursor(keys, reader, seq);
    let name = KINDS.get(kind).ok_or(Code::CursorInvalid)?;
    let (records, full) = whole(db, reader, name, after.as_deref(), now)?;
    let last = records.last().map(|(id, _)| id.clone()).filter(|_| full);
    let next = match last {
        Some(id) => Some(format!("{kind}|{id}|{at}")),
        None if kind + 1 < KINDS.len() => Some(format!("{}||{at}", kind + 1)),
        None => None,
    };
    let item = |(id, record): (String, Told)| {
        let data = Some(record.data);
        Change { seq, t: ChangeType::Upsert, kind: (*name).to_owned(), id, ver: record.ver, data }
    };
    Ok(SnapshotPage {
        next_page: next.map(|token| keys.seal(&token)),
        items: records.into_iter().map(item).collect(),
        cursor: at,
    })
}

/// A page of one kind, and whether it is full, so that there may be another.
fn whole(
    db: &mut Db,
    reader: &Reader,
    kind: &str,
    after: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(Vec<(String, Told)>, bool)> {
    let who = &reader.who;
    let id = |text: &str| uuid::Uuid::parse_str(text).ok();
    let (records, full) = match kind {
        "case" => {
            let sight = cases::actions::sight(who);
            let rows = cases::actions::case_after(db, &sight, after.and_then(id).map(CaseId), SNAPSHOT_PAGE)?;
            let full = rows.len() >= 500;
            (rows.into_iter().map(|r| case(r, now)).collect::<Result<Vec<_>>>()?, full)
        }
        "spot_check" => {
            let after = after.and_then(id).map(SpotCheckId);
            let rows = spotchecks::actions::check_after(db, who, after, SNAPSHOT_PAGE)?;
            let full = rows.len() >= 500;
            (rows.into_iter().map(check).collect::<Result<Vec<_>>>()?, full)
        }
        "evidence" => {
            let before = after.and_then(id).map(EvidenceId);
            let records = evidence::actions::evidence_before(db, &reader.viewer, before, SNAPSHOT_PAGE)?;
            let full = records.len() >= 500;
            (records.into_iter().map(|r| piece(reader, r)).collect::<Result<Vec<_>>>()?, full)
        }
        "site" => {
            let rows = spotchecks::actions::site_list(db, who, None)?;
            (rows.into_iter().map(site).collect::<Result<Vec<_>>>()?, false)
        }
        _ => (units(db, now)?.iter().map(unit).collect::<Result<Vec<_>>>()?, false),
    };
    Ok((records.into_iter().filter(|(_, record)| reader.sees(record.keys.iter())).collect(), full))
}
