//! Rows of the workbench.

use super::rules::{CLAIM_LASTS, Past, UrgingKind};
use crate::{
    db::{
        Db, on_each,
        schema::{case_appeals, case_claims, case_templates, case_urgings, cases, saved_views},
        types::{AppealId, At, CaseId, TemplateId, UnitId, UrgingId, UserId, ViewId},
    },
    error::Result,
};
use chrono::{DateTime, Utc};
use diesel::{
    dsl::{exists, not},
    prelude::*,
};
use std::collections::HashSet;

/// Who has a case in hand.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = case_claims)]
pub struct ClaimRow {
    /// The case.
    pub case_id: CaseId,
    /// Where it stood then.
    pub state: String,
    /// Who.
    pub claimed_by: UserId,
    /// Since when.
    pub claimed_at: At,
}

/// A word to a unit that its time runs out.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = case_urgings)]
pub struct UrgingRow {
    /// Its id.
    pub id: UrgingId,
    /// The case.
    pub case_id: CaseId,
    /// The unit that had it.
    pub unit_id: UnitId,
    /// See [`UrgingKind`].
    pub kind: String,
    /// The deadline then.
    pub due_at: At,
    /// How much of the time was used.
    pub used_percent: i32,
    /// What was said.
    pub text: String,
    /// Who; null when the clock did it.
    pub urged_by: Option<UserId>,
    /// When.
    pub urged_at: At,
}

/// A unit's objection to a case's being late.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = case_appeals)]
pub struct AppealRow {
    /// Its id.
    pub id: AppealId,
    /// The case.
    pub case_id: CaseId,
    /// The unit.
    pub unit_id: UnitId,
    /// The deadline that passed.
    pub due_at: At,
    /// Why it should not count.
    pub reason: String,
    /// Who filed it.
    pub filed_by: UserId,
    /// When.
    pub filed_at: At,
    /// Whether the case is exempt; null while it waits for a decision.
    pub exempt: Option<bool>,
    /// The decision in words.
    pub words: Option<String>,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<At>,
}

/// Words that are said again and again.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = case_templates)]
pub struct TemplateRow {
    /// Its id.
    pub id: TemplateId,
    /// For which command.
    pub command: String,
    /// What it is called.
    pub title: String,
    /// The words.
    pub text: String,
    /// Only for this class.
    pub class_code: Option<String>,
    /// Who made it.
    pub made_by: UserId,
    /// When.
    pub made_at: At,
}

/// Saved filters of a list.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = saved_views)]
pub struct ViewRow {
    /// Its id.
    pub id: ViewId,
    /// Whose.
    pub owner_id: UserId,
    /// What it is called.
    pub name: String,
    /// The filters, as they stand in the address.
    pub query: String,
    /// Whether others at the Centre see it.
    pub shared: bool,
    /// When it was saved.
    pub saved_at: At,
}

/// The claim of a case, whether it still holds or not.
pub(super) fn claim_get(db: &mut Db, case: CaseId) -> Result<Option<ClaimRow>> {
    Ok(case_claims::table.find(case).select(ClaimRow::as_select()).get_result(db).optional()?)
}

pub(super) fn claim_put(db: &mut Db, row: &ClaimRow) -> Result<()> {
    on_each!(db, c => diesel::insert_into(case_claims::table)
        .values(row)
        .on_conflict(case_claims::case_id)
        .do_update()
        .set(row)
        .execute(c))?;
    Ok(())
}

pub(super) fn claim_remove(db: &mut Db, case: CaseId) -> Result<()> {
    diesel::delete(case_claims::table.find(case)).execute(db)?;
    Ok(())
}

/// The claims that hold, the last first.
pub(super) fn claims(db: &mut Db, now: DateTime<Utc>, limit: i64) -> Result<Vec<ClaimRow>> {
    Ok(case_claims::table
        .inner_join(cases::table.on(cases::id.eq(case_claims::case_id)))
        .filter(cases::state.eq(case_claims::state))
        .filter(case_claims::claimed_at.gt(At(now - CLAIM_LASTS)))
        .order((case_claims::claimed_at.desc(), case_claims::case_id))
        .limit(limit)
        .select(ClaimRow::as_select())
        .load(db)?)
}

/// Cases that a unit has and for whose deadline no letter was drafted yet, by id.
pub(super) fn ticking(db: &mut Db, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseId>> {
    let drafted = case_urgings::table
        .filter(case_urgings::case_id.eq(cases::id))
        .filter(case_urgings::due_at.nullable().eq(cases::due_at))
        .filter(case_urgings::kind.eq(UrgingKind::LetterDraft.as_str()));
    let mut query = cases::table
        .filter(cases::state.eq_any(["dispatched", "handled"]))
        .filter(not(exists(drafted)))
        .order(cases::id)
        .limit(limit)
        .select(cases::id)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(cases::id.gt(after));
    }
    Ok(query.load(db)?)
}

/// Cases that a unit has and whose deadline lies in a stretch, by deadline.
pub(super) fn due_between(db: &mut Db, unit: Option<UnitId>, from: At, until: At) -> Result<Vec<CaseId>> {
    let mut query = cases::table
        .filter(cases::closed_at.is_null())
        .filter(cases::due_at.ge(from))
        .filter(cases::due_at.lt(until))
        .filter(cases::state.eq_any(["dispatched", "handled"]))
        .order((cases::due_at, cases::id))
        .limit(500)
        .select(cases::id)
        .into_boxed();
    if let Some(unit) = unit {
        query = query.filter(cases::unit_id.eq(unit));
    }
    Ok(query.load(db)?)
}

/// What a unit closed since a moment, the last first.
pub(super) fn past(db: &mut Db, unit: UnitId, since: At, limit: i64) -> Result<Vec<Past>> {
    let rows: Vec<(Option<String>, Option<At>, Option<At>)> = cases::table
        .filter(cases::unit_id.eq(unit))
        .filter(cases::closed_at.ge(since))
        .order(cases::closed_at.desc())
        .limit(limit)
        .select((cases::class_code, cases::dispatched_at, cases::applied_at))
        .load(db)?;
    let past = |(class_code, from, until): (_, Option<At>, Option<At>)| {
        Some(Past { class_code, dispatched_at: from?.0, applied_at: until?.0 })
    };
    Ok(rows.into_iter().filter_map(past).collect())
}

/// Writes what the clock said; another process may have been quicker.
pub(super) fn urging_add(db: &mut Db, row: &UrgingRow) -> Result<()> {
    on_each!(db, c => diesel::insert_into(case_urgings::table).values(row).on_conflict_do_nothing().execute(c))?;
    Ok(())
}

/// The kinds that were said of a case for a deadline.
pub(super) fn urged(db: &mut Db, case: CaseId, due_at: At) -> Result<Vec<String>> {
    Ok(case_urgings::table
        .filter(case_urgings::case_id.eq(case))
        .filter(case_urgings::due_at.eq(due_at))
        .select(case_urgings::kind)
        .load(db)?)
}

/// Which urgings.
#[derive(Debug, Clone, Default)]
pub struct Urged {
    /// Of this unit.
    pub unit_id: Option<UnitId>,
    /// Of this case.
    pub case_id: Option<CaseId>,
    /// Of this kind.
    pub kind: Option<UrgingKind>,
}

/// A page of urgings, the last first.
pub(super) fn urging_page(db: &mut Db, only: &Urged, after: Option<UrgingId>, limit: i64) -> Result<Vec<UrgingRow>> {
    let mut query =
        case_urgings::table.order(case_urgings::id.desc()).limit(limit).select(UrgingRow::as_select()).into_boxed();
    if let Some(unit) = only.unit_id {
        query = query.filter(case_urgings::unit_id.eq(unit));
    }
    if let Some(case) = only.case_id {
        query = query.filter(case_urgings::case_id.eq(case));
    }
    if let Some(kind) = only.kind {
        query = query.filter(case_urgings::kind.eq(kind.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(case_urgings::id.lt(after));
    }
    Ok(query.load(db)?)
}

pub(super) fn appeal_add(db: &mut Db, row: &AppealRow) -> Result<()> {
    diesel::insert_into(case_appeals::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn appeal_of(db: &mut Db, case: CaseId) -> Result<Option<AppealRow>> {
    Ok(case_appeals::table
        .filter(case_appeals::case_id.eq(case))
        .select(AppealRow::as_select())
        .get_result(db)
        .optional()?)
}

pub(super) fn appeal_get(db: &mut Db, id: AppealId) -> Result<Option<AppealRow>> {
    Ok(case_appeals::table.find(id).select(AppealRow::as_select()).get_result(db).optional()?)
}

/// Writes a decision; false when somebody decided before.
pub(super) fn appeal_decide(db: &mut Db, row: &AppealRow) -> Result<bool> {
    let open = case_appeals::table.filter(case_appeals::id.eq(row.id)).filter(case_appeals::decided_at.is_null());
    Ok(diesel::update(open).set(row).execute(db)? == 1)
}

/// Which appeals.
#[derive(Debug, Clone, Default)]
pub struct Appealed {
    /// Of this unit.
    pub unit_id: Option<UnitId>,
    /// Of this case.
    pub case_id: Option<CaseId>,
    /// Those that wait for a decision, or those that are decided.
    pub open: Option<bool>,
}

/// Those of the cases whose appeal was upheld.
pub(super) fn exempt(db: &mut Db, cases: &[CaseId]) -> Result<HashSet<CaseId>> {
    let ids: Vec<CaseId> = case_appeals::table
        .filter(case_appeals::exempt.eq(true))
        .filter(case_appeals::case_id.eq_any(cases))
        .select(case_appeals::case_id)
        .load(db)?;
    Ok(ids.into_iter().collect())
}

/// A page of appeals, the last first.
pub(super) fn appeal_page(db: &mut Db, only: &Appealed, after: Option<AppealId>, limit: i64) -> Result<Vec<AppealRow>> {
    let mut query =
        case_appeals::table.order(case_appeals::id.desc()).limit(limit).select(AppealRow::as_select()).into_boxed();
    if let Some(unit) = only.unit_id {
        query = query.filter(case_appeals::unit_id.eq(unit));
    }
    if let Some(case) = only.case_id {
        query = query.filter(case_appeals::case_id.eq(case));
    }
    match only.open {
        Some(true) => query = query.filter(case_appeals::decided_at.is_null()),
        Some(false) => query = query.filter(case_appeals::decided_at.is_not_null()),
        None => {}
    }
    if let Some(after) = after {
        query = query.filter(case_appeals::id.lt(after));
    }
    Ok(query.load(db)?)
}

pub(super) fn templates(db: &mut Db) -> Result<Vec<TemplateRow>> {
    let order = (case_templates::command, case_templates::title, case_templates::id);
    Ok(case_templates::table.order(order).select(TemplateRow::as_select()).load(db)?)
}

pub(super) fn template_add(db: &mut Db, row: &TemplateRow) -> Result<()> {
    diesel::insert_into(case_templates::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn template_remove(db: &mut Db, id: TemplateId) -> Result<bool> {
    Ok(diesel::delete(case_templates::table.find(id)).execute(db)? == 1)
}

/// A person's own views, and those that others share.
pub(super) fn views(db: &mut Db, owner: UserId, others: bool) -> Result<Vec<ViewRow>> {
    let mut query =
        saved_views::table.order((saved_views::name, saved_views::id)).select(ViewRow::as_select()).into_boxed();
    query = query.filter(saved_views::owner_id.eq(owner));
    if others {
        query = query.or_filter(saved_views::shared.eq(true));
    }
    Ok(query.load(db)?)
}

/// Saves a view in the place of the one of the same name.
pub(super) fn view_put(db: &mut Db, row: &ViewRow) -> Result<()> {
    diesel::delete(saved_views::table.filter(saved_views::owner_id.eq(row.owner_id)))
        .filter(saved_views::name.eq(&row.name))
        .execute(db)?;
    diesel::insert_into(saved_views::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn view_remove(db: &mut Db, owner: UserId, id: ViewId) -> Result<bool> {
    let own = saved_views::table.filter(saved_views::id.eq(id)).filter(saved_views::owner_id.eq(owner));
    Ok(diesel::delete(own).execute(db)? == 1)
}
