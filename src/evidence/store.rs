//! Rows of evidence and its links; who may see them.

use super::rules::Viewer;
use crate::{
    db::{
        Db, Each, MultiBackend,
        feed::Keys,
        schema::{cases, clips, evidence, evidence_links, spot_checks, uploads},
        types::{At, CaseId, DeviceId, EvidenceId, Json, OpId, SpotCheckId, UnitId, UserId},
    },
    error::Result,
};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{Bool, Text},
};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

/// A photo or video.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = evidence, treat_none_as_null = true)]
pub struct EvidenceRow {
    /// Its id.
    pub id: EvidenceId,
    /// Lower-case hexadecimal; unique.
    pub sha256: String,
    /// Bytes: as declared, then as counted.
    pub size: i64,
    /// As declared.
    pub media_type: String,
    /// See `rules::State`.
    pub state: String,
    /// The name to show.
    pub filename: Option<String>,
    /// When it was taken, as the device says.
    pub captured_at: Option<At>,
    /// Degrees in `datum`.
    pub lat: Option<f64>,
    /// Degrees in `datum`.
    pub lon: Option<f64>,
    /// See `datum::Datum`.
    pub datum: Option<String>,
    /// The same place in WGS-84.
    pub wgs84_lat: Option<f64>,
    /// The same place in WGS-84.
    pub wgs84_lon: Option<f64>,
    /// Metres.
    pub accuracy_m: Option<f64>,
    /// Seconds.
    pub fix_age_s: Option<f64>,
    /// `gnss`, `network`, …
    pub position_source: Option<String>,
    /// What it shows, as declared first.
    pub role: Option<String>,
    /// The device that declared it.
    pub device_id: Option<DeviceId>,
    /// The person who declared it.
    pub user_id: Option<UserId>,
    /// When the server heard of it.
    pub declared_at: At,
    /// When its bytes were verified.
    pub stored_at: Option<At>,
    /// What the file says; see `media::Facts`.
    pub facts: Option<Json>,
    /// Differences between the stamp and the file; see `media::Flag`.
    pub flags: Json,
    /// See `custody::rules::AccessClass`.
    pub access_class: String,
    /// How long a person wants it kept at least; see `custody::rules::RetentionClass`.
    pub retention_class: String,
    /// When its bytes go, or went: its deletion was approved, and only those who can undo that still see it.
    pub delete_at: Option<At>,
    /// The original that it was made of.
    pub derived_from: Option<EvidenceId>,
}

/// What a piece of evidence belongs to.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = evidence_links)]
pub struct LinkRow {
    /// The evidence.
    pub evidence_id: EvidenceId,
    /// `case`, `spot_check`, …
    pub target_kind: String,
    /// The record's id, as text; it may arrive later.
    pub target_id: String,
    /// What it shows there.
    pub role: String,
    /// `before_close`: the case can't be closed before the bytes are here; `none` otherwise.
    pub need: String,
    /// The operation that said so.
    pub op_id: Option<OpId>,
    /// The person who said so.
    pub user_id: Option<UserId>,
    /// When.
    pub linked_at: At,
}

/// Adds a row unless the digest is known already.
pub(super) fn evidence_add(db: &mut Db, row: &EvidenceRow) -> Result<()> {
    Each(diesel::insert_into(evidence::table).values(row).on_conflict(evidence::sha256).do_nothing()).execute(db)?;
    Ok(())
}

pub(super) fn evidence_save(db: &mut Db, row: &EvidenceRow) -> Result<()> {
    diesel::update(evidence::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

/// What the arrival of its bytes changes. A narrow statement: it is prepared anew for each photo.
pub(super) fn evidence_save_stored(db: &mut Db, row: &EvidenceRow) -> Result<()> {
    let arrived = (
        evidence::state.eq(&row.state),
        evidence::stored_at.eq(row.stored_at),
        evidence::size.eq(row.size),
        evidence::media_type.eq(&row.media_type),
        evidence::facts.eq(&row.facts),
        evidence::flags.eq(&row.flags),
        evidence::delete_at.eq(row.delete_at),
    );
    diesel::update(evidence::table.find(row.id)).set(arrived).execute(db)?;
    Ok(())
}

pub(super) fn evidence_get(db: &mut Db, id: EvidenceId) -> Result<Option<EvidenceRow>> {
    Ok(evidence::table.find(id).select(EvidenceRow::as_select()).get_result(db).optional()?)
}

pub(super) fn evidence_by_sha256(db: &mut Db, sha256: &str) -> Result<Option<EvidenceRow>> {
    Ok(evidence::table
        .filter(evidence::sha256.eq(sha256))
        .select(EvidenceRow::as_select())
        .get_result(db)
        .optional()?)
}

/// The row with its lock, so that "declared" and "stored" can't pass each other.
pub(super) fn evidence_locked(db: &mut Db, sha256: &str) -> Result<Option<EvidenceRow>> {
    if let Db::Postgres(c) = db {
        let query = evidence::table.filter(evidence::sha256.eq(sha256)).select(EvidenceRow::as_select());
        return Ok(query.for_update().first(c).optional()?);
    }
    // SQLite has one writer: the transaction itself is the lock.
    evidence_by_sha256(db, sha256)
}

/// The row with its lock, so that two decisions about one piece, or two looks of one person, take turns.
pub(super) fn evidence_lock(db: &mut Db, id: EvidenceId) -> Result<Option<EvidenceRow>> {
    if let Db::Postgres(c) = db {
        let query = evidence::table.find(id).select(EvidenceRow::as_select());
        return Ok(query.for_update().first(c).optional()?);
    }
    evidence_get(db, id)
}

pub(super) fn evidence_stored(db: &mut Db, sha256s: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for chunk in sha256s.chunks(500) {
        found.extend(
            evidence::table
                .filter(evidence::sha256.eq_any(chunk))
                .filter(evidence::state.eq("stored"))
                .filter(evidence::delete_at.is_null())
                .select(evidence::sha256)
                .load::<String>(db)?,
        );
    }
    Ok(found)
}

/// Stored evidence by id, after `after`.
pub(super) fn stored_after(db: &mut Db, after: Option<EvidenceId>, limit: i64) -> Result<Vec<EvidenceRow>> {
    let mut query = evidence::table.filter(evidence::state.eq("stored")).order(evidence::id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(evidence::id.gt(after));
    }
    Ok(query.select(EvidenceRow::as_select()).load(db)?)
}

/// Which evidence a list shows, of what a viewer may see.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// Only what is linked to this case.
    pub case: Option<CaseId>,
    /// Only these.
    pub only: Option<&'a [EvidenceId]>,
    /// Only what is stored.
    pub stored: bool,
    /// The last id of the page before.
    pub before: Option<EvidenceId>,
    /// At most that many.
    pub limit: i64,
}

/// Newest first.
pub(super) fn evidence_list(db: &mut Db, viewer: &Viewer, wanted: Wanted) -> Result<Vec<EvidenceRow>> {
    let mut rows = Vec::new();
    let ways = if viewer.centre { vec![None] } else { seen_by(viewer).into_iter().map(Some).collect() };
    for way in ways {
        rows.extend(evidence_by(db, way, wanted)?);
    }
    rows.sort_unstable_by_key(|row| Reverse(row.id));
    rows.dedup_by_key(|row| row.id);
    rows.truncate(usize::try_from(wanted.limit).unwrap_or(0));
    Ok(rows)
}

fn evidence_by(db: &mut Db, way: Option<Condition>, wanted: Wanted) -> Result<Vec<EvidenceRow>> {
    let there = evidence::delete_at.is_null();
    let mut query = evidence::table.filter(there).select(EvidenceRow::as_select()).into_boxed();
    if let Some(case) = wanted.case {
        query = query.filter(
            evidence::id.eq_any(
                evidence_links::table
                    .filter(evidence_links::target_kind.eq("case"))
                    .filter(evidence_links::target_id.eq(case.to_string()))
                    .select(evidence_links::evidence_id),
            ),
        );
    }
    if let Some(only) = wanted.only {
        query = query.filter(evidence::id.eq_any(only.to_vec()));
    }
    if wanted.stored {
        query = query.filter(evidence::state.eq("stored"));
    }
    if let Some(before) = wanted.before {
        query = query.filter(evidence::id.lt(before));
    }
    if let Some(way) = way {
        query = query.filter(way);
    }
    // Ids carry their time, so newest first is a keyset on the primary key alone.
    Ok(query.order(evidence::id.desc()).limit(wanted.limit).load(db)?)
}

/// Digests that must be stored before a case can be closed, and are not.
pub(super) fn missing_before_close(db: &mut Db, case: CaseId) -> Result<Vec<String>> {
    Ok(evidence_links::table
        .inner_join(evidence::table.on(evidence::id.eq(evidence_links::evidence_id)))
        .filter(evidence_links::target_kind.eq("case"))
        .filter(evidence_links::target_id.eq(case.to_string()))
        .filter(evidence_links::need.eq("before_close"))
        .filter(evidence::state.ne("stored"))
        .select(evidence::sha256)
        .distinct()
        .order(evidence::sha256.asc())
        .load(db)?)
}

type Condition = Box<dyn BoxableExpression<evidence::table, MultiBackend, SqlType = Bool>>;

/// The SQL form of `viewer.sees(audience)` for all but the Centre: a condition for each reason to see a piece, to be
/// asked one by one. Joined by OR, none of them could use an index, and each page would read every link there is.
fn seen_by(viewer: &Viewer) -> Vec<Condition> {
    let sent = uploads::table
        .filter(uploads::owner.eq_any(viewer.owners()))
        .filter(uploads::state.eq("accepted"))
        .filter(uploads::evidence_id.is_not_null())
        .select(uploads::evidence_id.assume_not_null());
    let mut seen: Vec<Condition> = vec![Box::new(evidence::id.eq_any(sent))];
    if let Some(device) = viewer.device {
        let declared = evidence::device_id.assume_not_null().eq(device).and(evidence::device_id.is_not_null());
        seen.push(Box::new(declared));
    }
    if let Some(user) = viewer.user {
        seen.push(Box::new(evidence::user_id.assume_not_null().eq(user).and(evidence::user_id.is_not_null())));
        // Who wore the camera.
        let worn = clips::table.filter(clips::user_id.eq(user)).select(clips::evidence_id);
        seen.push(Box::new(evidence::id.eq_any(worn)));
        let reported = cases::table.filter(cases::reported_by.eq(user)).select(sql::<Text>("CAST(cases.id AS TEXT)"));
        let reported = linked("case").filter(evidence_links::target_id.eq_any(reported));
        seen.push(Box::new(evidence::id.eq_any(reported)));
        let made = spot_checks::table
            .filter(spot_checks::actor_id.eq(user))
            .select(sql::<Text>("CAST(spot_checks.id AS TEXT)"));
        let made = linked("spot_check").filter(evidence_links::target_id.eq_any(made));
        seen.push(Box::new(evidence::id.eq_any(made)));
    }
    if let Some(unit) = viewer.unit {
        let owned = cases::table
            .filter(cases::unit_id.assume_not_null().eq(unit))
            .filter(cases::unit_id.is_not_null())
            .select(sql::<Text>("CAST(cases.id AS TEXT)"));
        let owned = linked("case").filter(evidence_links::target_id.eq_any(owned));
        seen.push(Box::new(evidence::id.eq_any(owned)));
        let judged = spot_checks::table
            .filter(spot_checks::unit_id.eq(unit))
            // A blind second visit is not the unit's to see.
            .filter(spot_checks::recheck.eq(false))
            .select(sql::<Text>("CAST(spot_checks.id AS TEXT)"));
        let judged = linked("spot_check").filter(evidence_links::target_id.eq_any(judged));
        seen.push(Box::new(evidence::id.eq_any(judged)));
    }
    seen
}

#[diesel::dsl::auto_type(no_type_alias)]
fn linked(kind: &'static str) -> _ {
    let of_kind = evidence_links::target_kind.eq(kind);
    evidence_links::table.filter(of_kind).select(evidence_links::evidence_id)
}

/// Adds a link unless it is there; says whether it is new.
pub(super) fn roles_of(db: &mut Db, case: CaseId) -> Result<Vec<String>> {
    Ok(evidence_links::table
        .filter(evidence_links::target_kind.eq("case"))
        .filter(evidence_links::target_id.eq(case.to_string()))
        .select(evidence_links::role)
        .distinct()
        .load(db)?)
}

pub(super) fn link_add(db: &mut Db, row: &LinkRow) -> Result<bool> {
    Ok(Each(diesel::insert_into(evidence_links::table).values(row).on_conflict_do_nothing()).execute(db)? > 0)
}

pub(super) fn links_of(db: &mut Db, ids: &[EvidenceId]) -> Result<Vec<LinkRow>> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(500) {
        rows.extend(
            evidence_links::table
                .filter(evidence_links::evidence_id.eq_any(chunk))
                .order((evidence_links::linked_at.asc(), evidence_links::target_id.asc(), evidence_links::role.asc()))
                .select(LinkRow::as_select())
                .load::<LinkRow>(db)?,
        );
    }
    Ok(rows)
}

/// Removes a link.
pub(super) fn link_remove(db: &mut Db, row: &LinkRow) -> Result<()> {
    let key = (row.evidence_id, &row.target_kind, &row.target_id, &row.role);
    diesel::delete(evidence_links::table.find(key)).execute(db)?;
    Ok(())
}

/// The evidence linked to a record that is not deleted, or about to be.
pub(super) fn linked_to(db: &mut Db, kind: &str, id: &str) -> Result<Vec<EvidenceRow>> {
    let ids = evidence_links::table
        .filter(evidence_links::target_kind.eq(kind))
        .filter(evidence_links::target_id.eq(id))
        .select(evidence_links::evidence_id);
    let there = evidence::delete_at.is_null();
    Ok(evidence::table.filter(evidence::id.eq_any(ids)).filter(there).select(EvidenceRow::as_select()).load(db)?)
}

/// The audience of one piece of evidence.
pub(super) fn audience(db: &mut Db, row: &EvidenceRow) -> Result<Keys> {
    Ok(audiences(db, std::slice::from_ref(row))?.remove(&row.id).unwrap_or_default())
}

/// The audience of each piece of evidence: the Centre, who declared it, who sent its bytes, who wore the camera, and
/// those concerned with the cases and spot checks it is linked to. What is deleted, or about to be, has none.
pub(super) fn audiences(db: &mut Db, rows: &[EvidenceRow]) -> Result<HashMap<EvidenceId, Keys>> {
    let there = || rows.iter().filter(|row| row.delete_at.is_none());
    let ids: Vec<EvidenceId> = there().map(|row| row.id).collect();
    let mut found: HashMap<EvidenceId, BTreeSet<String>> = HashMap::new();
    for row in there() {
        let keys = found.entry(row.id).or_insert_with(|| BTreeSet::from(["centre".to_owned()]));
        keys.extend(row.device_id.map(|id| format!("device:{id}")));
        keys.extend(row.user_id.map(|id| format!("user:{id}")));
    }
    // A list of ids makes a statement that is prepared anew each time; most often, for each photo that arrives, it is one.
    let senders = uploads::table
        .filter(uploads::state.eq("accepted"))
        .select((uploads::evidence_id, uploads::owner))
        .distinct()
        .into_boxed();
    let senders: Vec<(Option<EvidenceId>, String)> = match ids[..] {
        [id] => senders.filter(uploads::evidence_id.eq(id)),
        _ => senders.filter(uploads::evidence_id.eq_any(&ids)),
    }
    .load(db)?;
    for (id, owner) in senders {
        if let Some(keys) = id.and_then(|id| found.get_mut(&id)) {
            keys.insert(owner);
        }
    }
    let wearers = clips::table
        .filter(clips::user_id.is_not_null())
        .select((clips::evidence_id, clips::user_id.assume_not_null()))
        .into_boxed();
    let wearers: Vec<(EvidenceId, UserId)> = match ids[..] {
        [id] => wearers.filter(clips::evidence_id.eq(id)),
        _ => wearers.filter(clips::evidence_id.eq_any(&ids)),
    }
    .load(db)?;
    for (id, user) in wearers {
        found.entry(id).or_default().insert(format!("user:{user}"));
    }
    let links = evidence_links::table
        .select((evidence_links::evidence_id, evidence_links::target_kind, evidence_links::target_id))
        .into_boxed();
    let links: Vec<(EvidenceId, String, String)> = match ids[..] {
        [id] => links.filter(evidence_links::evidence_id.eq(id)),
        _ => links.filter(evidence_links::evidence_id.eq_any(&ids)),
    }
    .load(db)?;
    let targets = |kind: &'static str| links.iter().filter(move |(_, of, _)| of == kind).map(|(_, _, id)| id);
    let mut concerned: HashMap<String, (Option<UnitId>, UserId)> = HashMap::new();
    let checks: Vec<SpotCheckId> = targets("spot_check").filter_map(|id| id.parse().ok()).collect();
    if !checks.is_empty() {
        let rows: Vec<(SpotCheckId, UnitId, UserId, bool)> = spot_checks::table
            .filter(spot_checks::id.eq_any(checks))
            .select((spot_checks::id, spot_checks::unit_id, spot_checks::actor_id, spot_checks::recheck))
            .load(db)?;
        let seen = |(id, unit, maker, recheck): (SpotCheckId, UnitId, UserId, bool)| {
            (id.to_string(), (Some(unit).filter(|_| !recheck), maker))
        };
        concerned.extend(rows.into_iter().map(seen));
    }
    let linked: Vec<CaseId> = targets("case").filter_map(|id| id.parse().ok()).collect();
    if !linked.is_empty() {
        let rows: Vec<(CaseId, Option<UnitId>, UserId)> = cases::table
            .filter(cases::id.eq_any(linked))
            .select((cases::id, cases::unit_id, cases::reported_by))
            .load(db)?;
        concerned.extend(rows.into_iter().map(|(id, unit, reporter)| (id.to_string(), (unit, reporter))));
    }
    for (id, _, target) in &links {
        if let (Some(keys), Some((unit, user))) = (found.get_mut(id), concerned.get(target)) {
            keys.extend(unit.map(|id| format!("unit:{id}")));
            keys.insert(format!("user:{user}"));
        }
    }
    Ok(found.into_iter().map(|(id, keys)| (id, keys.into_iter().collect())).collect())
}

pub(super) fn evidence_by_id(db: &mut Db, ids: &[EvidenceId]) -> Result<Vec<EvidenceRow>> {
    Ok(evidence::table.filter(evidence::id.eq_any(ids)).select(EvidenceRow::as_select()).load(db)?)
}
