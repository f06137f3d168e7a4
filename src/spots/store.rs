//! Rows of spots, of what belongs to them, and the cases near a place.

use super::rules::{self, Bounds, SpotState, same_kind};
use crate::{
    catalogue::rules::ClassKind,
    db::{
        Db, MultiBackend,
        schema::{cases, evidence, evidence_links, spot_cases, spot_events, spots},
        types::{At, CaseId, DeviceId, EvidenceId, OpId, SpotEventId, SpotId, UnitId, UserId},
    },
    error::{Error, Result},
    evidence::datum::{Datum, Position, distance_m, to_wgs84},
};
use chrono::{DateTime, Utc};
use diesel::{
    dsl::{AsSelect, SqlTypeOf},
    prelude::*,
};
use std::collections::{HashMap, HashSet};

/// A spot.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = spots, treat_none_as_null = true)]
pub struct SpotRow {
    /// Its id.
    pub id: SpotId,
    /// Components or events; null while its cases don't say.
    pub class_kind: Option<String>,
    /// Class code.
    pub class_code: String,
    /// Where, in words.
    pub address: Option<String>,
    /// Latitude, degrees, WGS-84.
    pub lat: f64,
    /// Longitude, degrees, WGS-84.
    pub lon: f64,
    /// How far it reaches.
    pub radius_m: i32,
    /// The grid it lies in.
    pub grid_code: Option<String>,
    /// See `rules::SpotState`.
    pub state: String,
    /// Since when it is closed.
    pub closed_at: Option<At>,
    /// See `rules::SpotCause`.
    pub cause: Option<String>,
    /// Words on it.
    pub cause_note: Option<String>,
    /// Who said so.
    pub cause_by: Option<UserId>,
    /// When.
    pub cause_at: Option<At>,
    /// The first record.
    pub first_seen_at: At,
    /// The last record.
    pub last_seen_at: At,
    /// Cases that belong to it.
    pub case_count: i32,
    /// Observations.
    pub observation_count: i32,
    /// Records that came after it was solved.
    pub recurrence_count: i32,
    /// Rises by one with each line.
    pub ver: i64,
    /// When it was entered.
    pub created_at: At,
}

impl SpotRow {
    /// Its point.
    ///
    /// # Errors
    /// `internal`, when the row holds no point.
    pub fn point(&self) -> Result<Position> {
        Position::new(self.lat, self.lon).map_err(Error::internal)
    }

    /// Components or events.
    ///
    /// # Errors
    /// `internal`, when the row holds another word.
    pub fn kind(&self) -> Result<Option<ClassKind>> {
        self.class_kind.as_deref().map(str::parse).transpose().map_err(|e: Error| Error::internal(e.code.as_str()))
    }
}

/// A line of a spot.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = spot_events)]
pub struct SpotEventRow {
    /// Its id.
    pub id: SpotEventId,
    /// The spot.
    pub spot_id: SpotId,
    /// Its place, from 1, dense: the version it made.
    pub ver: i64,
    /// `create`, `attach`, `recur`, `detach`, `observe`, `set_cause` or `close`.
    pub command: String,
    /// When the server took it.
    pub at: At,
    /// When the person acted.
    pub occurred_at: At,
    /// Who; null when the rules did it.
    pub actor_id: Option<UserId>,
    /// On which device.
    pub device_id: Option<DeviceId>,
    /// By which operation.
    pub op_id: Option<OpId>,
    /// The case it is about.
    pub case_id: Option<CaseId>,
    /// Where it was seen: latitude, degrees, WGS-84.
    pub lat: Option<f64>,
    /// Longitude, degrees, WGS-84.
    pub lon: Option<f64>,
    /// How long the problem had been solved, seconds.
    pub since_closing_s: Option<i64>,
    /// The person's words.
    pub note: Option<String>,
}

/// A case and its spot.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = spot_cases)]
pub(super) struct SpotCaseRow {
    pub(super) case_id: CaseId,
    pub(super) spot_id: SpotId,
    pub(super) attached_at: At,
    pub(super) attached_by: Option<UserId>,
    pub(super) since_closing_s: Option<i64>,
}

/// What of a case matters here.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = cases)]
pub struct Reported {
    /// Its id.
    pub id: CaseId,
    /// The number people say.
    pub number: String,
    /// Short words.
    pub title: String,
    /// Where it stands.
    pub state: String,
    class_kind: Option<String>,
    /// Class code.
    pub class_code: Option<String>,
    /// Where, in words.
    pub address: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    datum: Option<String>,
    /// The unit in charge.
    pub unit_id: Option<UnitId>,
    /// When it was reported.
    pub reported_at: At,
    /// When it was confirmed closed.
    pub closed_at: Option<At>,
    void_reason: Option<String>,
    updated_at: At,
}

impl Reported {
    /// Components or events.
    pub fn kind(&self) -> Option<ClassKind> {
        self.class_kind.as_deref().and_then(|kind| kind.parse().ok())
    }

    /// Where it is, in WGS-84.
    pub fn point(&self) -> Option<Position> {
        let position = Position::new(self.lat?, self.lon?).ok()?;
        Some(to_wgs84(position, self.datum.as_deref()?.parse().ok()?))
    }

    /// When the problem was solved: closed, or put right on the spot, which changes no more unless it is taken back.
    pub fn solved_at(&self) -> Option<DateTime<Utc>> {
        let on_spot = matches!(self.void_reason.as_deref(), Some("handled_on_spot" | "self_handled"));
        self.closed_at.or(on_spot.then_some(self.updated_at)).map(|at| at.0)
    }

    /// Whether it says that there was a problem. A duplicate does: it was collected again.
    pub fn counts(&self) -> bool {
        self.void_reason.as_deref() != Some("void")
    }

    /// Whether somebody still has to do something about it.
    pub fn is_open(&self) -> bool {
        !matches!(self.state.as_str(), "closed" | "void")
    }
}

/// Whose spots a list may show.
#[derive(Debug, Clone, Copy)]
pub enum Sight {
    /// All.
    All,
    /// Those of a unit's cases.
    Unit(UnitId),
    /// None.
    Nothing,
}

/// Which spots a list shows.
#[derive(Debug, Clone)]
pub struct SpotPage {
    /// Whose.
    pub sight: Sight,
    /// Only of this class.
    pub class_code: Option<String>,
    /// Only in grids whose code begins so.
    pub grid: Option<String>,
    /// Only in this state.
    pub state: Option<SpotState>,
    /// Only the one this case belongs to.
    pub case_id: Option<CaseId>,
    /// Those before this one.
    pub before: Option<SpotId>,
    /// At most so many.
    pub limit: i64,
}

pub(super) fn spot_add(db: &mut Db, row: &SpotRow) -> Result<()> {
    diesel::insert_into(spots::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn spot_save(db: &mut Db, row: &SpotRow) -> Result<()> {
    diesel::update(spots::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

/// A spot with its row locked until the transaction ends. Rows that point to it can still be added: they are, before
/// their spot is locked.
pub(super) fn spot_locked(db: &mut Db, id: SpotId) -> Result<Option<SpotRow>> {
    let wanted = spots::table.find(id);
    if let Db::Postgres(c) = db {
        return Ok(wanted.select(SpotRow::as_select()).for_no_key_update().first(c).optional()?);
    }
    Ok(wanted.select(SpotRow::as_select()).get_result(db).optional()?)
}

type Boxed = spots::BoxedQuery<'static, MultiBackend, SqlTypeOf<AsSelect<SpotRow, MultiBackend>>>;

fn seen_by(sight: Sight) -> Option<Boxed> {
    let all = spots::table.select(SpotRow::as_select()).into_boxed();
    match sight {
        Sight::All => Some(all),
        Sight::Nothing => None,
        Sight::Unit(unit) => {
            let theirs = spot_cases::table
                .inner_join(cases::table.on(cases::id.eq(spot_cases::case_id)))
                .filter(cases::unit_id.eq(unit))
                .select(spot_cases::spot_id);
            Some(all.filter(spots::id.eq_any(theirs)))
        }
    }
}

pub(super) fn spot_get(db: &mut Db, sight: Sight, id: SpotId) -> Result<Option<SpotRow>> {
    let Some(query) = seen_by(sight) else { return Ok(None) };
    Ok(query.filter(spots::id.eq(id)).get_result(db).optional()?)
}

pub(super) fn spot_page(db: &mut Db, page: &SpotPage) -> Result<Vec<SpotRow>> {
    let Some(mut query) = seen_by(page.sight) else { return Ok(vec![]) };
    if let Some(code) = page.class_code.clone() {
        query = query.filter(spots::class_code.eq(code));
    }
    if let Some(grid) = page.grid.clone() {
        let after = format!("{grid}:");
        // Codes are digits, and `:` follows `9`.
        let within = spots::grid_code.assume_not_null().ge(grid).and(spots::grid_code.assume_not_null().lt(after));
        query = query.filter(spots::grid_code.is_not_null()).filter(within);
    }
    if let Some(state) = page.state {
        query = query.filter(spots::state.eq(state.as_str()));
    }
    if let Some(case) = page.case_id {
        let of = spot_cases::table.filter(spot_cases::case_id.eq(case)).select(spot_cases::spot_id);
        query = query.filter(spots::id.eq_any(of));
    }
    if let Some(before) = page.before {
        query = query.filter(spots::id.lt(before));
    }
    Ok(query.order(spots::id.desc()).limit(page.limit).load(db)?)
}

pub(super) fn spots_by_id(db: &mut Db, ids: &[SpotId]) -> Result<Vec<SpotRow>> {
    Ok(spots::table.filter(spots::id.eq_any(ids)).select(SpotRow::as_select()).load(db)?)
}

/// All spots by id, for a snapshot.
pub(super) fn spot_after(db: &mut Db, after: Option<SpotId>, limit: i64) -> Result<Vec<SpotRow>> {
    let mut query = spots::table.select(SpotRow::as_select()).into_boxed();
    if let Some(after) = after {
        query = query.filter(spots::id.gt(after));
    }
    Ok(query.order(spots::id.asc()).limit(limit).load(db)?)
}

/// Spots at which something was seen since, of a sight.
pub(super) fn spots_seen_since(db: &mut Db, sight: Sight, since: At) -> Result<Vec<SpotRow>> {
    let Some(query) = seen_by(sight) else { return Ok(vec![]) };
    Ok(query.filter(spots::last_seen_at.ge(since)).order(spots::id.asc()).load(db)?)
}

/// Spots of a class that may be the same and reach to a place, the nearest first, with their distance in metres.
pub(super) fn spots_around(
    db: &mut Db,
    class: (Option<ClassKind>, &str),
    here: Position,
) -> Result<Vec<(f64, SpotRow)>> {
    // The widest radius there can be.
    let b = rules::bounds(here, Datum::Wgs84, 100.0);
    let rows: Vec<SpotRow> = spots::table
        .filter(spots::class_code.eq(class.1))
        .filter(spots::lat.between(b.south, b.north))
        .filter(spots::lon.between(b.west, b.east))
        .select(SpotRow::as_select())
        .load(db)?;
    let mut found = Vec::new();
    for row in rows {
        let distance = distance_m(row.point()?, here);
        if distance <= f64::from(row.radius_m) && same_kind(row.kind()?, class.0) {
            found.push((distance, row));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.id.cmp(&b.1.id)));
    Ok(found)
}

pub(super) fn case_get(db: &mut Db, id: CaseId) -> Result<Option<Reported>> {
    Ok(cases::table.find(id).select(Reported::as_select()).get_result(db).optional()?)
}

/// Those of the cases that were reported at a moment and have a class and a place, oldest first.
pub(super) fn cases_new(db: &mut Db, ids: &[CaseId], at: At) -> Result<Vec<Reported>> {
    Ok(cases::table
        .filter(cases::id.eq_any(ids))
        .filter(cases::reported_at.eq(at))
        .filter(cases::class_code.is_not_null())
        .filter(cases::datum.is_not_null())
        .order(cases::id.asc())
        .select(Reported::as_select())
        .load(db)?)
}

/// Cases whose class may be the same, within a radius, metres, with their distance: those that are open, and those that
/// were closed or declared void since; of each datum `most` at most, any of them. Each datum is asked in its own
/// numbers, by the index.
pub(super) fn cases_around(
    db: &mut Db,
    (kind, code): (Option<ClassKind>, &str),
    here: Position,
    radius: i32,
    since: At,
    most: i64,
) -> Result<Vec<(f64, Reported)>> {
    let systems: [(Datum, &[&str]); 3] =
        [(Datum::Wgs84, &["wgs84", "cgcs2000"]), (Datum::Gcj02, &["gcj02"]), (Datum::Bd09, &["bd09"])];
    let kinds: Vec<&str> =
        ClassKind::ALL.iter().filter(|one| same_kind(kind, Some(**one))).map(|one| one.as_str()).collect();
    let mut found = Vec::new();
    for (datum, names) in systems {
        let Bounds { south, north, west, east } = rules::bounds(here, datum, f64::from(radius));
        let over = cases::closed_at.is_not_null().or(cases::state.eq("void"));
        let lately = cases::updated_at.ge(since);
        let rows: Vec<Reported> = cases::table
            .filter(cases::class_code.eq(code))
            .filter(cases::class_kind.is_null().or(cases::class_kind.assume_not_null().eq_any(&kinds)))
            .filter(cases::lat.assume_not_null().between(south, north))
            .filter(cases::lon.assume_not_null().between(west, east))
            .filter(cases::lat.is_not_null().and(cases::lon.is_not_null()))
            .filter(cases::datum.eq_any(names))
            .filter(lately.or(diesel::dsl::not(over)))
            .limit(most)
            .select(Reported::as_select())
            .load(db)?;
        let near = |row: Reported| Some((distance_m(row.point()?, here), row));
        found.extend(rows.into_iter().filter_map(near).filter(|(distance, _)| *distance <= f64::from(radius)));
    }
    Ok(found)
}

pub(super) fn case_attach(db: &mut Db, row: &SpotCaseRow) -> Result<()> {
    diesel::insert_into(spot_cases::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn case_recurred(db: &mut Db, case: CaseId, since_closing_s: Option<i64>) -> Result<()> {
    let row = spot_cases::table.find(case);
    diesel::update(row).set(spot_cases::since_closing_s.eq(since_closing_s)).execute(db)?;
    Ok(())
}

/// Unties a case from a spot; says whether it was tied.
pub(super) fn case_detach(db: &mut Db, case: CaseId, spot: SpotId) -> Result<bool> {
    let row = spot_cases::table.filter(spot_cases::case_id.eq(case)).filter(spot_cases::spot_id.eq(spot));
    Ok(diesel::delete(row).execute(db)? > 0)
}

/// The spots of these cases.
pub(super) fn spots_of(db: &mut Db, ids: &[CaseId]) -> Result<HashMap<CaseId, SpotId>> {
    let rows: Vec<(CaseId, SpotId)> = spot_cases::table
        .filter(spot_cases::case_id.eq_any(ids))
        .select((spot_cases::case_id, spot_cases::spot_id))
        .load(db)?;
    Ok(rows.into_iter().collect())
}

/// The cases of spots: their spot, how long the problem had been solved, the case.
pub(super) fn cases_of(db: &mut Db, ids: &[SpotId]) -> Result<Vec<(SpotId, Option<i64>, Reported)>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(500) {
        let rows: Vec<(SpotId, Option<i64>, Reported)> = spot_cases::table
            .inner_join(cases::table.on(cases::id.eq(spot_cases::case_id)))
            .filter(spot_cases::spot_id.eq_any(chunk))
            .select((spot_cases::spot_id, spot_cases::since_closing_s, Reported::as_select()))
            .load(db)?;
        found.extend(rows);
    }
    Ok(found)
}

/// The lines of spots that say when the problem was seen without a case, or solved.
pub(super) fn lines_of(db: &mut Db, ids: &[SpotId]) -> Result<Vec<SpotEventRow>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(500) {
        let rows: Vec<SpotEventRow> = spot_events::table
            .filter(spot_events::spot_id.eq_any(chunk))
            .filter(spot_events::command.eq_any(["observe", "close"]))
            .select(SpotEventRow::as_select())
            .load(db)?;
        found.extend(rows);
    }
    Ok(found)
}

pub(super) fn event_add(db: &mut Db, row: &SpotEventRow) -> Result<()> {
    diesel::insert_into(spot_events::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn event_page(db: &mut Db, spot: SpotId, after: i64, limit: i64) -> Result<Vec<SpotEventRow>> {
    Ok(spot_events::table
        .filter(spot_events::spot_id.eq(spot))
        .filter(spot_events::ver.gt(after))
        .order(spot_events::ver.asc())
        .limit(limit)
        .select(SpotEventRow::as_select())
        .load(db)?)
}

/// The first stored photo of each case.
pub(super) fn first_photos(db: &mut Db, ids: &[CaseId]) -> Result<HashMap<CaseId, EvidenceId>> {
    let targets: HashSet<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, EvidenceId)> = evidence_links::table
        .inner_join(evidence::table.on(evidence::id.eq(evidence_links::evidence_id)))
        .filter(evidence_links::target_kind.eq("case"))
        .filter(evidence_links::target_id.eq_any(targets))
        .filter(evidence::state.eq("stored"))
        .filter(evidence::delete_at.is_null())
        .filter(evidence::media_type.like("image/%"))
        .order((evidence_links::linked_at.desc(), evidence::id.desc()))
        .select((evidence_links::target_id, evidence::id))
        .load(db)?;
    // The last one put in is the first that was linked.
    Ok(rows.into_iter().filter_map(|(case, photo)| Some((case.parse().ok()?, photo))).collect())
}
