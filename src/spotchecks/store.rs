//! Rows of the sample library and of the records.

use crate::{
    db::{
        Db, MultiBackend,
        schema::{spot_checks, spot_sites},
        types::{At, DeviceId, Json, OpId, SiteId, SpotCheckId, UnitId, UserId},
    },
    error::Result,
};
use diesel::{
    dsl::{AsSelect, SqlTypeOf},
    prelude::*,
};

/// A site of the sample library.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = spot_sites, treat_none_as_null = true)]
pub struct SiteRow {
    /// Its id.
    pub id: SiteId,
    /// The unit whose work is judged there.
    pub unit_id: UnitId,
    /// See `rules::SiteKind`.
    pub kind: String,
    /// 1–9; the kind follows from it.
    pub slot: i32,
    /// What people call it.
    pub name: String,
    /// Where, in words.
    pub address: Option<String>,
    /// Latitude, degrees, WGS-84.
    pub lat: Option<f64>,
    /// Longitude, degrees, WGS-84.
    pub lon: Option<f64>,
    /// Rises with each change.
    pub ver: i64,
    /// When it changed last.
    pub updated_at: At,
}

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
}

pub(super) fn site_add(db: &mut Db, row: &SiteRow) -> Result<()> {
    diesel::insert_into(spot_sites::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn site_save(db: &mut Db, row: &SiteRow) -> Result<()> {
    diesel::update(spot_sites::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn site_get(db: &mut Db, id: SiteId) -> Result<Option<SiteRow>> {
    Ok(spot_sites::table.find(id).select(SiteRow::as_select()).get_result(db).optional()?)
}

pub(super) fn site_in_slot(db: &mut Db, unit: UnitId, slot: i32) -> Result<Option<SiteRow>> {
    Ok(spot_sites::table
        .filter(spot_sites::unit_id.eq(unit))
        .filter(spot_sites::slot.eq(slot))
        .select(SiteRow::as_select())
        .get_result(db)
        .optional()?)
}

pub(super) fn site_list(db: &mut Db, unit: Option<UnitId>) -> Result<Vec<SiteRow>> {
    let mut query = spot_sites::table.select(SiteRow::as_select()).into_boxed();
    if let Some(unit) = unit {
        query = query.filter(spot_sites::unit_id.eq(unit));
    }
    Ok(query.order((spot_sites::unit_id.asc(), spot_sites::slot.asc())).load(db)?)
}

pub(super) fn sites_by_id(db: &mut Db, ids: &[SiteId]) -> Result<Vec<SiteRow>> {
    Ok(spot_sites::table.filter(spot_sites::id.eq_any(ids)).select(SiteRow::as_select()).load(db)?)
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
    if let Some(actor) = wanted.actor_id {
        query = query.filter(spot_checks::actor_id.eq(actor));
    }
    query
}
