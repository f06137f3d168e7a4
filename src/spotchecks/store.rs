//! Rows of the records.

use crate::{
    db::{
        Db, MultiBackend,
        schema::{spot_checklists, spot_checks},
        types::{At, DeviceId, Json, OpId, PickId, SiteId, SpotCheckId, UnitId, UserId},
    },
    error::Result,
};
use diesel::{
    dsl::{AsSelect, SqlTypeOf},
    prelude::*,
};

/// A record of one visit.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = spot_checks)]
pub struct SpotCheckRow {
    /// Its id, made on the handheld.
    pub id: SpotCheckId,
    /// The site.
    pub site_id: SiteId,
    /// The site's unit.
    pub unit_id: UnitId,
    /// ISO week.
    pub week: String,
    /// Thousandths of a point.
    pub score: i32,
    /// The findings.
    pub items: Json,
    /// A remark.
    pub note: Option<String>,
    /// Latitude as measured, WGS-84.
    pub lat: Option<f64>,
    /// Longitude as measured, WGS-84.
    pub lon: Option<f64>,
    /// Radius, metres.
    pub accuracy_m: Option<f64>,
    /// When, by the device's clock.
    pub checked_at: At,
    /// When it arrived.
    pub recorded_at: At,
    /// Who.
    pub actor_id: UserId,
    /// On which device.
    pub device_id: Option<DeviceId>,
    /// By which operation.
    pub op_id: Option<OpId>,
    /// The drawn visit it is the record of; null from an app that did not know the draw.
    pub pick_id: Option<PickId>,
    /// Whether it is a blind second visit, which does not count for the unit.
    pub recheck: bool,
    /// The version of the checklist that was answered.
    pub checklist_version: Option<i32>,
    /// The answers, one an item.
    pub answers: Option<Json>,
    /// When the checker came, by the device's clock.
    pub arrived_at: Option<At>,
    /// When the checker went.
    pub left_at: Option<At>,
    /// From where the checker stood to the site's point, metres.
    pub distance_m: Option<f64>,
    /// Whether that is too far, the fix's accuracy counted.
    pub outside_fence: Option<bool>,
    /// Why the site could not be reached; then there is no score to count.
    pub unreachable: Option<String>,
    /// SHA-256 of the drawn signature.
    pub signature_sha256: Option<String>,
    /// SHA-256 of the canonical record as it came.
    pub seal_sha256: Option<String>,
}

/// A version of the checklist.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = spot_checklists)]
pub struct ChecklistRow {
    /// From 2; 1 came with the program.
    pub version: i32,
    /// The lists of the kinds.
    pub kinds: Json,
    /// Where it was decided, in words.
    pub source: String,
    /// Who entered it.
    pub set_by: UserId,
    /// When.
    pub set_at: At,
}

pub(super) fn checklist_newest(db: &mut Db) -> Result<Option<ChecklistRow>> {
    let query = spot_checklists::table.order(spot_checklists::version.desc()).limit(1);
    Ok(query.select(ChecklistRow::as_select()).load(db)?.pop())
}

pub(super) fn checklist_get(db: &mut Db, version: i32) -> Result<Option<ChecklistRow>> {
    Ok(spot_checklists::table.find(version).select(ChecklistRow::as_select()).get_result(db).optional()?)
}

pub(super) fn checklist_add(db: &mut Db, row: &ChecklistRow) -> Result<()> {
    diesel::insert_into(spot_checklists::table).values(row).execute(db)?;
    Ok(())
}

/// The records of some weeks that say how a site was found, second visits left out; by id.
pub(super) fn found_in(db: &mut Db, weeks: &[String]) -> Result<Vec<SpotCheckRow>> {
    let query = spot_checks::table
        .filter(spot_checks::week.eq_any(weeks))
        .filter(spot_checks::recheck.eq(false))
        .filter(spot_checks::unreachable.is_null());
    Ok(query.order(spot_checks::id).select(SpotCheckRow::as_select()).load(db)?)
}

pub(super) fn check_add(db: &mut Db, row: &SpotCheckRow) -> Result<()> {
    diesel::insert_into(spot_checks::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn check_get(db: &mut Db, id: SpotCheckId) -> Result<Option<SpotCheckRow>> {
    Ok(spot_checks::table.find(id).select(SpotCheckRow::as_select()).get_result(db).optional()?)
}

pub(super) fn checks_by_id(db: &mut Db, ids: &[SpotCheckId]) -> Result<Vec<SpotCheckRow>> {
    Ok(spot_checks::table.filter(spot_checks::id.eq_any(ids)).select(SpotCheckRow::as_select()).load(db)?)
}

/// Which records a list shows.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only of this ISO week.
    pub week: Option<String>,
    /// Only of this unit.
    pub unit_id: Option<UnitId>,
    /// Only by this person.
    pub actor_id: Option<UserId>,
    /// No blind second visits.
    pub without_rechecks: bool,
    /// Those before this one.
    pub after: Option<SpotCheckId>,
    /// At most that many.
    pub limit: i64,
}

pub(super) fn check_page(db: &mut Db, wanted: &Wanted) -> Result<Vec<SpotCheckRow>> {
    let mut query = filtered(wanted);
    if let Some(after) = wanted.after {
        query = query.filter(spot_checks::id.lt(after));
    }
    Ok(query.order(spot_checks::id.desc()).limit(wanted.limit).load(db)?)
}

/// The same records by rising id, for a snapshot.
pub(super) fn check_after(db: &mut Db, wanted: &Wanted) -> Result<Vec<SpotCheckRow>> {
    let mut query = filtered(wanted);
    if let Some(after) = wanted.after {
        query = query.filter(spot_checks::id.gt(after));
    }
    Ok(query.order(spot_checks::id.asc()).limit(wanted.limit).load(db)?)
}

type Boxed<'a> = spot_checks::BoxedQuery<'a, MultiBackend, SqlTypeOf<AsSelect<SpotCheckRow, MultiBackend>>>;

fn filtered(wanted: &Wanted) -> Boxed<'_> {
    let mut query = spot_checks::table.select(SpotCheckRow::as_select()).into_boxed();
    if let Some(week) = &wanted.week {
        query = query.filter(spot_checks::week.eq(week));
    }
    if let Some(unit) = wanted.unit_id {
        query = query.filter(spot_checks::unit_id.eq(unit));
    }
    if wanted.without_rechecks {
        query = query.filter(spot_checks::recheck.eq(false));
    }
    if let Some(actor) = wanted.actor_id {
        query = query.filter(spot_checks::actor_id.eq(actor));
    }
    query
}
