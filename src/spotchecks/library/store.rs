//! Rows of the library.

use crate::{
    db::{
        Db, MultiBackend,
        schema::{spot_checks, spot_site_versions, spot_sites, spot_substitutions},
        types::{At, Json, SiteId, UnitId, UserId},
    },
    error::Result,
};
use diesel::{
    dsl::{AsSelect, SqlTypeOf},
    prelude::*,
};
use serde::Serialize;

/// A site of the sample library.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = spot_sites, treat_none_as_null = true)]
pub struct SiteRow {
    /// Its id.
    pub id: SiteId,
    /// The unit whose work is judged there.
    pub unit_id: UnitId,
    /// Short, unique, for ever.
    pub code: String,
    /// See `rules::SiteKind`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// Where, in words.
    pub address: Option<String>,
    /// Latitude, degrees, WGS-84.
    pub lat: Option<f64>,
    /// Longitude, degrees, WGS-84.
    pub lon: Option<f64>,
    /// Its line or area: the text of a GeoJSON geometry, WGS-84.
    pub geometry: Option<String>,
    /// The first day on which it may be drawn, ISO date; since ever without one.
    pub active_from: Option<String>,
    /// Since when it is not drawn any more.
    pub struck_at: Option<At>,
    /// Why.
    pub strike_reason: Option<String>,
    /// Rises with each change.
    pub ver: i64,
    /// When it changed last.
    pub updated_at: At,
}

/// What a site was after a change.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = spot_site_versions)]
pub struct SiteVersionRow {
    /// The site.
    pub site_id: SiteId,
    /// Its version from then on.
    pub ver: i64,
    /// `enter`, `correct`, `strike` or `reinstate`.
    pub change: String,
    /// Why.
    pub reason: Option<String>,
    /// All of it.
    pub site: Json,
    /// Who; null on the server's own command line.
    pub changed_by: Option<UserId>,
    /// When.
    pub changed_at: At,
}

/// A version of the rules of substitution.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = spot_substitutions)]
pub struct SubstitutionRow {
    /// From 1.
    pub version: i32,
    /// For each kind those that stand in for it, in order.
    pub stand_ins: Json,
    /// Where it was decided, in words.
    pub source: String,
    /// Who entered it.
    pub set_by: UserId,
    /// When.
    pub set_at: At,
}

/// Which sites.
#[derive(Debug, Clone, Default)]
pub struct SitesWanted {
    /// Only of this unit.
    pub unit_id: Option<UnitId>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only struck ones, or only others.
    pub struck: Option<bool>,
    /// Those after this code.
    pub after: Option<String>,
    /// At most that many; all without.
    pub limit: Option<i64>,
}

type Boxed<'a> = spot_sites::BoxedQuery<'a, MultiBackend, SqlTypeOf<AsSelect<SiteRow, MultiBackend>>>;

pub(super) fn sites(db: &mut Db, wanted: &SitesWanted) -> Result<Vec<SiteRow>> {
    let mut query: Boxed = spot_sites::table.select(SiteRow::as_select()).into_boxed();
    if let Some(unit) = wanted.unit_id {
        query = query.filter(spot_sites::unit_id.eq(unit));
    }
    if let Some(kind) = &wanted.kind {
        query = query.filter(spot_sites::kind.eq(kind));
    }
    match wanted.struck {
        Some(true) => query = query.filter(spot_sites::struck_at.is_not_null()),
        Some(false) => query = query.filter(spot_sites::struck_at.is_null()),
        None => {}
    }
    if let Some(after) = &wanted.after {
        query = query.filter(spot_sites::code.gt(after));
    }
    if let Some(limit) = wanted.limit {
        query = query.limit(limit);
    }
    Ok(query.order(spot_sites::code.asc()).load(db)?)
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

pub(super) fn site_by_code(db: &mut Db, code: &str) -> Result<Option<SiteRow>> {
    let query = spot_sites::table.filter(spot_sites::code.eq(code));
    Ok(query.select(SiteRow::as_select()).get_result(db).optional()?)
}

pub(super) fn sites_by_id(db: &mut Db, ids: &[SiteId]) -> Result<Vec<SiteRow>> {
    Ok(spot_sites::table.filter(spot_sites::id.eq_any(ids)).select(SiteRow::as_select()).load(db)?)
}

pub(super) fn sites_by_code(db: &mut Db, codes: &[String]) -> Result<Vec<SiteRow>> {
    let query = spot_sites::table.filter(spot_sites::code.eq_any(codes)).order(spot_sites::code);
    Ok(query.select(SiteRow::as_select()).load(db)?)
}

/// How many sites of a kind a unit ever had.
pub(super) fn site_count(db: &mut Db, unit: UnitId, kind: &str) -> Result<i64> {
    let query = spot_sites::table.filter(spot_sites::unit_id.eq(unit)).filter(spot_sites::kind.eq(kind));
    Ok(query.count().get_result(db)?)
}

pub(super) fn units(db: &mut Db) -> Result<Vec<UnitId>> {
    Ok(spot_sites::table.select(spot_sites::unit_id).distinct().load(db)?)
}

/// The sites that were visited in a week or later.
pub(super) fn visited_since(db: &mut Db, week: &str) -> Result<Vec<SiteId>> {
    let query = spot_checks::table.filter(spot_checks::week.ge(week)).filter(spot_checks::unreachable.is_null());
    Ok(query.select(spot_checks::site_id).distinct().load(db)?)
}

pub(super) fn version_add(db: &mut Db, row: &SiteVersionRow) -> Result<()> {
    diesel::insert_into(spot_site_versions::table).values(row).execute(db)?;
    Ok(())
}

/// Versions below one, newest first.
pub(super) fn versions(db: &mut Db, site: SiteId, before: Option<i64>, limit: i64) -> Result<Vec<SiteVersionRow>> {
    let query = spot_site_versions::table
        .filter(spot_site_versions::site_id.eq(site))
        .filter(spot_site_versions::ver.lt(before.unwrap_or(i64::MAX)));
    Ok(query.order(spot_site_versions::ver.desc()).limit(limit).select(SiteVersionRow::as_select()).load(db)?)
}

pub(super) fn substitution(db: &mut Db) -> Result<Option<SubstitutionRow>> {
    let query = spot_substitutions::table.order(spot_substitutions::version.desc()).limit(1);
    Ok(query.select(SubstitutionRow::as_select()).load(db)?.pop())
}

pub(super) fn substitution_add(db: &mut Db, row: &SubstitutionRow) -> Result<()> {
    diesel::insert_into(spot_substitutions::table).values(row).execute(db)?;
    Ok(())
}
