//! Rows of self-evaluations.

use crate::{
    db::{
        Db,
        schema::self_evaluations as table,
        types::{At, Json, UserId},
    },
    error::Result,
};
use diesel::prelude::*;

/// A version with its tables.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = table)]
pub struct VersionRow {
    /// The year it evaluates.
    pub year: i32,
    /// From 1.
    pub version: i32,
    /// See `rules::SelfEvaluation`.
    pub tables: Json,
    /// Words on findings; null while it is a draft.
    pub acknowledgements: Option<Json>,
    /// Who saved it.
    pub saved_by: UserId,
    /// When.
    pub saved_at: At,
    /// Who submitted it.
    pub submitted_by: Option<UserId>,
    /// When; null while it is a draft.
    pub submitted_at: Option<At>,
}

/// A version without them.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = table)]
pub struct VersionHead {
    /// The year it evaluates.
    pub year: i32,
    /// From 1.
    pub version: i32,
    /// Who saved it.
    pub saved_by: UserId,
    /// When.
    pub saved_at: At,
    /// Who submitted it.
    pub submitted_by: Option<UserId>,
    /// When; null while it is a draft.
    pub submitted_at: Option<At>,
}

/// A version of a year, the last one by default.
pub(super) fn version(db: &mut Db, year: i32, version: Option<i32>) -> Result<Option<VersionRow>> {
    let mut query = table::table.filter(table::year.eq(year)).into_boxed();
    if let Some(version) = version {
        query = query.filter(table::version.eq(version));
    }
    let found = query.order(table::version.desc()).limit(1).select(VersionRow::as_select()).load(db)?;
    Ok(found.into_iter().next())
}

/// A page of versions, the latest year and version first, behind a year and version.
pub(super) fn heads(db: &mut Db, year: Option<i32>, after: Option<(i32, i32)>, limit: i64) -> Result<Vec<VersionHead>> {
    let mut query = table::table.into_boxed();
    if let Some(year) = year {
        query = query.filter(table::year.eq(year));
    }
    if let Some((year, version)) = after {
        query = query.filter(table::year.lt(year).or(table::year.eq(year).and(table::version.lt(version))));
    }
    let order = (table::year.desc(), table::version.desc());
    Ok(query.order(order).limit(limit).select(VersionHead::as_select()).load(db)?)
}

pub(super) fn version_add(db: &mut Db, row: &VersionRow) -> Result<()> {
    diesel::insert_into(table::table).values(row).execute(db)?;
    Ok(())
}

/// Makes a draft the submitted version; false when it is none any more.
pub(super) fn submit(db: &mut Db, row: &VersionRow) -> Result<bool> {
    let draft = table::table.find((row.year, row.version)).filter(table::submitted_at.is_null());
    let submitted = (
        table::acknowledgements.eq(&row.acknowledgements),
        table::submitted_by.eq(row.submitted_by),
        table::submitted_at.eq(row.submitted_at),
    );
    Ok(diesel::update(draft).set(submitted).execute(db)? == 1)
}
