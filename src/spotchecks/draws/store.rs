//! Rows of the draws.

use crate::{
    db::{
        Db,
        schema::{draw_commitments, draw_picks, draws, spot_team_members},
        types::{At, Json, LogEntryId, PickId, SiteId, SpotCheckId, UnitId, UserId},
    },
    error::Result,
};
use diesel::prelude::*;

/// A week's draw.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = draws, primary_key(week), treat_none_as_null = true)]
pub struct DrawRow {
    /// ISO week.
    pub week: String,
    /// See `rules::DrawState`.
    pub state: String,
    /// The frame's canonical text.
    pub frame: String,
    /// Its SHA-256.
    pub frame_sha256: String,
    /// The log's entry that says so.
    pub frame_entry: LogEntryId,
    /// Who framed it.
    pub framed_by: UserId,
    /// When.
    pub framed_at: At,
    /// Until when units may commit to a nonce.
    pub commit_until: At,
    /// The Centre's own nonce; a secret until the week is over.
    pub nonce: String,
    /// When the public event takes place.
    pub lottery_at: At,
    /// The event's results, as they were typed.
    pub sources: Option<Json>,
    /// Who typed them.
    pub typed_by: Option<UserId>,
    /// Who typed them again.
    pub confirmed_by: Option<UserId>,
    /// The seed's text; a secret until the week is over.
    pub seed: Option<String>,
    /// When it was confirmed.
    pub sealed_at: Option<At>,
    /// The result's canonical text.
    pub result: Option<String>,
    /// Its SHA-256.
    pub result_sha256: Option<String>,
    /// The log's entry that says so.
    pub result_entry: Option<LogEntryId>,
    /// When it was drawn.
    pub drawn_at: Option<At>,
}

/// A unit's commitment.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = draw_commitments)]
pub struct CommitmentRow {
    /// ISO week.
    pub week: String,
    /// The unit.
    pub unit_id: UnitId,
    /// SHA-256 of its nonce's text.
    pub commitment: String,
    /// Who committed for it.
    pub committed_by: UserId,
    /// When.
    pub committed_at: At,
    /// What it opened.
    pub nonce: Option<String>,
    /// When.
    pub opened_at: Option<At>,
}

/// A visit that a draw decided.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = draw_picks)]
pub struct PickRow {
    /// Its id.
    pub id: PickId,
    /// ISO week.
    pub week: String,
    /// The unit.
    pub unit_id: UnitId,
    /// 1–9.
    pub slot: i32,
    /// 0 was drawn, n took the place of n − 1.
    pub turn: i32,
    /// A blind second visit.
    pub recheck: bool,
    /// The kind that is owed.
    pub kind: String,
    /// The site.
    pub site_id: SiteId,
    /// Who goes.
    pub team: String,
    /// On which day, ISO date.
    pub day: String,
    /// In which time band.
    pub band: String,
    /// Its place on the way, from 1.
    pub visit_order: i32,
    /// See `rules::PickState`.
    pub state: String,
    /// The record of the visit.
    pub check_id: Option<SpotCheckId>,
}

/// Who is in which team.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = spot_team_members)]
pub struct TeamMemberRow {
    /// The person.
    pub user_id: UserId,
    /// The team's code.
    pub team: String,
}

pub(super) fn draw_get(db: &mut Db, week: &str) -> Result<Option<DrawRow>> {
    Ok(draws::table.find(week).select(DrawRow::as_select()).get_result(db).optional()?)
}

/// A draw with its row locked until the transaction ends.
pub(super) fn draw_locked(db: &mut Db, week: &str) -> Result<Option<DrawRow>> {
    let wanted = draws::table.find(week);
    if let Db::Postgres(c) = db {
        return Ok(wanted.select(DrawRow::as_select()).for_no_key_update().first(c).optional()?);
    }
    Ok(wanted.select(DrawRow::as_select()).get_result(db).optional()?)
}

pub(super) fn draw_add(db: &mut Db, row: &DrawRow) -> Result<()> {
    diesel::insert_into(draws::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn draw_save(db: &mut Db, row: &DrawRow) -> Result<()> {
    diesel::update(draws::table.find(&row.week)).set(row).execute(db)?;
    Ok(())
}

/// Draws of weeks before one, newest first.
pub(super) fn draw_page(db: &mut Db, before: Option<&str>, limit: i64) -> Result<Vec<DrawRow>> {
    let mut query = draws::table.select(DrawRow::as_select()).into_boxed();
    if let Some(before) = before {
        query = query.filter(draws::week.lt(before));
    }
    Ok(query.order(draws::week.desc()).limit(limit).load(db)?)
}

/// Those of the weeks that were drawn.
pub(super) fn weeks_drawn(db: &mut Db, weeks: &[String]) -> Result<Vec<String>> {
    let query = draws::table.filter(draws::week.eq_any(weeks)).filter(draws::state.eq("drawn"));
    Ok(query.select(draws::week).load(db)?)
}

pub(super) fn commitments(db: &mut Db, week: &str) -> Result<Vec<CommitmentRow>> {
    let query = draw_commitments::table.filter(draw_commitments::week.eq(week)).order(draw_commitments::unit_id);
    Ok(query.select(CommitmentRow::as_select()).load(db)?)
}

pub(super) fn commitment_add(db: &mut Db, row: &CommitmentRow) -> Result<()> {
    diesel::insert_into(draw_commitments::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn commitment_open(db: &mut Db, week: &str, unit: UnitId, nonce: &str, at: At) -> Result<()> {
    diesel::update(draw_commitments::table.find((week, unit)))
        .set((draw_commitments::nonce.eq(nonce), draw_commitments::opened_at.eq(at)))
        .execute(db)?;
    Ok(())
}

pub(super) fn pick_add(db: &mut Db, row: &PickRow) -> Result<()> {
    diesel::insert_into(draw_picks::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn pick_get(db: &mut Db, id: PickId) -> Result<Option<PickRow>> {
    Ok(draw_picks::table.find(id).select(PickRow::as_select()).get_result(db).optional()?)
}

pub(super) fn pick_close(db: &mut Db, id: PickId, state: &str, check: SpotCheckId) -> Result<()> {
    diesel::update(draw_picks::table.find(id))
        .set((draw_picks::state.eq(state), draw_picks::check_id.eq(check)))
        .execute(db)?;
    Ok(())
}

/// The visits of a week, by unit and slot; of one unit only when it is named.
pub(super) fn picks(db: &mut Db, week: &str, unit: Option<UnitId>) -> Result<Vec<PickRow>> {
    let mut query = draw_picks::table.filter(draw_picks::week.eq(week)).select(PickRow::as_select()).into_boxed();
    if let Some(unit) = unit {
        query = query.filter(draw_picks::unit_id.eq(unit));
    }
    let order = (draw_picks::unit_id, draw_picks::slot, draw_picks::recheck, draw_picks::turn);
    Ok(query.order(order).load(db)?)
}

pub(super) fn team_members(db: &mut Db) -> Result<Vec<TeamMemberRow>> {
    let query = spot_team_members::table.order((spot_team_members::team, spot_team_members::user_id));
    Ok(query.select(TeamMemberRow::as_select()).load(db)?)
}

pub(super) fn team_of(db: &mut Db, user: UserId) -> Result<Option<String>> {
    Ok(spot_team_members::table.find(user).select(spot_team_members::team).get_result(db).optional()?)
}

pub(super) fn team_members_put(db: &mut Db, rows: &[TeamMemberRow]) -> Result<()> {
    diesel::delete(spot_team_members::table).execute(db)?;
    for row in rows {
        diesel::insert_into(spot_team_members::table).values(row).execute(db)?;
    }
    Ok(())
}
