//! Rows of editions.

use crate::{
    db::{
        Db,
        schema::score_editions,
        types::{At, EditionId, Json, UserId},
    },
    error::Result,
};
use diesel::prelude::*;

/// An edition, without its pack.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = score_editions)]
pub struct EditionRow {
    /// Its id.
    pub id: EditionId,
    /// The month, `2026-10`.
    pub month: String,
    /// From 1; none before it is published.
    pub edition: Option<i32>,
    /// Why; empty for a first one.
    pub reason: String,
    /// See `actions::NewCounter`.
    pub counters: Json,
    /// Who opened it.
    pub opened_by: UserId,
    /// When.
    pub opened_at: At,
    /// See `rules::Verdict`; none while it waits.
    pub verdict: Option<String>,
    /// Why so.
    pub words: Option<String>,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// When; of a published one this is its publication.
    pub decided_at: Option<At>,
    /// Digest of its pack, lower-case hexadecimal.
    pub pack_sha256: Option<String>,
}

pub(super) fn add(db: &mut Db, row: &EditionRow, pack: Option<&str>) -> Result<()> {
    diesel::insert_into(score_editions::table).values((row, score_editions::pack.eq(pack))).execute(db)?;
    Ok(())
}

/// Keeps a decision.
pub(super) fn decide(db: &mut Db, row: &EditionRow, pack: Option<&str>) -> Result<()> {
    use score_editions as e;
    let decided = (
        e::edition.eq(row.edition),
        e::verdict.eq(&row.verdict),
        e::words.eq(&row.words),
        e::decided_by.eq(row.decided_by),
        e::decided_at.eq(row.decided_at),
        e::pack.eq(pack),
        e::pack_sha256.eq(&row.pack_sha256),
    );
    diesel::update(e::table.find(row.id)).set(decided).execute(db)?;
    Ok(())
}

/// An edition with its row locked until the transaction ends.
pub(super) fn locked(db: &mut Db, id: EditionId) -> Result<Option<EditionRow>> {
    let wanted = score_editions::table.find(id);
    if let Db::Postgres(c) = db {
        return Ok(wanted.select(EditionRow::as_select()).for_no_key_update().first(c).optional()?);
    }
    Ok(wanted.select(EditionRow::as_select()).get_result(db).optional()?)
}

pub(super) fn get(db: &mut Db, id: EditionId) -> Result<Option<EditionRow>> {
    Ok(score_editions::table.find(id).select(EditionRow::as_select()).get_result(db).optional()?)
}

/// All of a month, in the order they were opened.
pub(super) fn of_month(db: &mut Db, month: &str) -> Result<Vec<EditionRow>> {
    Ok(score_editions::table
        .filter(score_editions::month.eq(month))
        .order((score_editions::opened_at, score_editions::id))
        .select(EditionRow::as_select())
        .load(db)?)
}

/// A published edition with its pack.
pub(super) fn published(db: &mut Db, month: &str, edition: i32) -> Result<Option<(EditionRow, Option<String>)>> {
    Ok(score_editions::table
        .filter(score_editions::month.eq(month))
        .filter(score_editions::edition.eq(edition))
        .select((EditionRow::as_select(), score_editions::pack))
        .get_result(db)
        .optional()?)
}
