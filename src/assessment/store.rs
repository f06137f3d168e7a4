//! Rows of the assessment.

use super::{
    reckon::{Line, Total},
    rules::Phase,
};
use crate::{
    db::{
        Db, on_each,
        schema::{
            assessment_months, assessment_rules, score_lines, score_objection_steps, score_objections, score_totals,
        },
        types::{At, Json, ObjectionId, RecordId, UnitId, UserId},
    },
    error::{Error, Result},
};
use diesel::prelude::*;

/// A set of rules.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = assessment_rules)]
pub struct RulesRow {
    /// From 1.
    pub version: i32,
    /// See `rules::RuleSet`.
    pub body: Json,
    /// The first month they hold for.
    pub effective_from: String,
    /// Why they are as they are.
    pub note: String,
    /// Who wrote them.
    pub drafted_by: UserId,
    /// When.
    pub drafted_at: At,
    /// Who approved them.
    pub approved_by: Option<UserId>,
    /// When.
    pub approved_at: Option<At>,
}

/// A month.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = assessment_months, treat_none_as_null = true)]
pub struct MonthRow {
    /// `2026-10`.
    pub month: String,
    /// See `rules::Phase`.
    pub phase: String,
    /// Of the rules; 0 came with the program.
    pub rules_version: i32,
    /// The rules.
    pub rules: Json,
    /// The records.
    pub inputs: Json,
    /// The moment whose records were counted.
    pub as_of: At,
    /// Who ran it.
    pub run_by: UserId,
    /// Who opened it to the units.
    pub opened_by: Option<UserId>,
    /// When.
    pub opened_at: Option<At>,
    /// Objections are taken before this.
    pub objections_until: Option<At>,
    /// Who published it.
    pub published_by: Option<UserId>,
    /// When.
    pub published_at: Option<At>,
    /// Digest of the newest edition's pack, lower-case hexadecimal.
    pub pack_sha256: Option<String>,
    /// The newest edition, from 1; none before the month is published.
    pub edition: Option<i32>,
    /// Why there is a second edition, or a later one.
    pub correction: Option<String>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = score_lines)]
struct LineRow {
    month: String,
    n: i32,
    unit_id: UnitId,
    part: String,
    item: String,
    record_kind: Option<String>,
    record_id: Option<RecordId>,
    delta: i32,
    why: String,
    counters: Option<i32>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = score_totals)]
struct TotalRow {
    month: String,
    unit_id: UnitId,
    class: Option<String>,
    total: i32,
    digital_cases: i32,
    spot_checks: i32,
    supervision: i32,
    merits: i32,
    spot_low: i32,
    spot_high: i32,
    cases: i64,
    checks: i64,
    rank: Option<i32>,
    band: Option<i32>,
    veto: bool,
}

/// An objection.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = score_objections)]
pub struct ObjectionRow {
    /// Its id.
    pub id: ObjectionId,
    /// The month.
    pub month: String,
    /// The line.
    pub line: i32,
    /// The unit that objects.
    pub unit_id: UnitId,
    /// Why.
    pub reason: String,
    /// Who filed it.
    pub filed_by: UserId,
    /// When.
    pub filed_at: At,
    /// Steps that are done, 0–3.
    pub steps: i32,
    /// See `rules::Verdict`; after the last step.
    pub verdict: Option<String>,
}

/// A step of an objection.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = score_objection_steps)]
pub struct StepRow {
    /// The objection.
    pub objection_id: ObjectionId,
    /// 1–3.
    pub step: i32,
    /// See `rules::Verdict`.
    pub verdict: String,
    /// What the line is to be changed by, thousandths of a point; 0 when dismissed.
    pub delta: i32,
    /// Why.
    pub words: String,
    /// Who.
    pub decided_by: UserId,
    /// When.
    pub decided_at: At,
}

pub(super) fn rules_all(db: &mut Db) -> Result<Vec<RulesRow>> {
    Ok(assessment_rules::table.order(assessment_rules::version.desc()).select(RulesRow::as_select()).load(db)?)
}

pub(super) fn rules_get(db: &mut Db, version: i32) -> Result<Option<RulesRow>> {
    Ok(assessment_rules::table.find(version).select(RulesRow::as_select()).get_result(db).optional()?)
}

pub(super) fn rules_add(db: &mut Db, row: &RulesRow) -> Result<()> {
    diesel::insert_into(assessment_rules::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn rules_approve(db: &mut Db, version: i32, by: UserId, at: At) -> Result<()> {
    diesel::update(assessment_rules::table.find(version))
        .set((assessment_rules::approved_by.eq(by), assessment_rules::approved_at.eq(at)))
        .execute(db)?;
    Ok(())
}

pub(super) fn month_get(db: &mut Db, month: &str) -> Result<Option<MonthRow>> {
    Ok(assessment_months::table.find(month).select(MonthRow::as_select()).get_result(db).optional()?)
}

/// What a list shows of a month: all but its records.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = assessment_months)]
pub struct MonthHead {
    /// `2026-10`.
    pub month: String,
    /// See `rules::Phase`.
    pub phase: String,
    /// Of the rules; 0 came with the program.
    pub rules_version: i32,
    /// The moment whose records were counted.
    pub as_of: At,
    /// When it was opened to the units.
    pub opened_at: Option<At>,
    /// Objections are taken before this.
    pub objections_until: Option<At>,
    /// When it was published.
    pub published_at: Option<At>,
    /// The pack's digest, lower-case hexadecimal.
    pub pack_sha256: Option<String>,
    /// The edition, from 1; none before the month is published.
    pub edition: Option<i32>,
    /// Why there is a second edition, or a later one.
    pub correction: Option<String>,
}

impl From<&MonthRow> for MonthHead {
    fn from(row: &MonthRow) -> MonthHead {
        MonthHead {
            month: row.month.clone(),
            phase: row.phase.clone(),
            rules_version: row.rules_version,
            as_of: row.as_of,
            opened_at: row.opened_at,
            objections_until: row.objections_until,
            published_at: row.published_at,
            pack_sha256: row.pack_sha256.clone(),
            edition: row.edition,
            correction: row.correction.clone(),
        }
    }
}

pub(super) fn month_head(db: &mut Db, month: &str) -> Result<Option<MonthHead>> {
    Ok(assessment_months::table.find(month).select(MonthHead::as_select()).get_result(db).optional()?)
}

/// The months from the newest on.
pub(super) fn month_page(db: &mut Db, before: Option<&str>, trials: bool, limit: i64) -> Result<Vec<MonthHead>> {
    let mut query = assessment_months::table
        .order(assessment_months::month.desc())
        .limit(limit)
        .select(MonthHead::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(assessment_months::month.lt(before));
    }
    if !trials {
        query = query.filter(assessment_months::phase.ne(Phase::Trial.as_str()));
    }
    Ok(query.load(db)?)
}

pub(super) fn month_add(db: &mut Db, row: &MonthRow) -> Result<()> {
    diesel::insert_into(assessment_months::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn month_save(db: &mut Db, row: &MonthRow) -> Result<()> {
    diesel::update(assessment_months::table.find(&row.month)).set(row).execute(db)?;
    Ok(())
}

/// Takes away what a trial came to.
pub(super) fn clear(db: &mut Db, month: &str) -> Result<()> {
    diesel::delete(score_lines::table.filter(score_lines::month.eq(month))).execute(db)?;
    diesel::delete(score_totals::table.filter(score_totals::month.eq(month))).execute(db)?;
    Ok(())
}

/// Rows that one statement carries: SQLite takes 32,766 parameters.
const AT_ONCE: usize = 1000;

pub(super) fn lines_add(db: &mut Db, month: &str, lines: &[Line]) -> Result<()> {
    let row = |line: &Line| LineRow {
        month: month.to_owned(),
        n: line.n,
        unit_id: line.unit_id,
        part: line.part.to_string(),
        item: line.item.clone(),
        record_kind: line.record_kind.map(|kind| kind.to_string()),
        record_id: line.record_id,
        delta: line.delta,
        why: line.why.clone(),
        counters: line.counters,
    };
    for lines in lines.chunks(AT_ONCE) {
        let rows: Vec<LineRow> = lines.iter().map(row).collect();
        on_each!(&mut *db, c => diesel::insert_into(score_lines::table).values(&rows).execute(c))?;
    }
    Ok(())
}

/// Puts a month's totals in the place of those before.
pub(super) fn totals_put(db: &mut Db, month: &str, totals: &[Total]) -> Result<()> {
    diesel::delete(score_totals::table.filter(score_totals::month.eq(month))).execute(db)?;
    let row = |total: &Total| TotalRow {
        month: month.to_owned(),
        unit_id: total.unit_id,
        class: total.class.map(|class| class.to_string()),
        total: total.total,
        digital_cases: total.digital_cases,
        spot_checks: total.spot_checks,
        supervision: total.supervision,
        merits: total.merits,
        spot_low: total.spot_low,
        spot_high: total.spot_high,
        cases: total.cases,
        checks: total.checks,
        rank: total.rank,
        band: total.band,
        veto: total.veto,
    };
    let rows: Vec<TotalRow> = totals.iter().map(row).collect();
    for rows in rows.chunks(AT_ONCE) {
        on_each!(&mut *db, c => diesel::insert_into(score_totals::table).values(rows).execute(c))?;
    }
    Ok(())
}

impl TryFrom<LineRow> for Line {
    type Error = Error;

    fn try_from(row: LineRow) -> Result<Line> {
        Ok(Line {
            n: row.n,
            unit_id: row.unit_id,
            part: row.part.parse()?,
            item: row.item,
            record_kind: row.record_kind.map(|kind| kind.parse()).transpose()?,
            record_id: row.record_id,
            delta: row.delta,
            why: row.why,
            counters: row.counters,
        })
    }
}

impl TryFrom<TotalRow> for Total {
    type Error = Error;

    fn try_from(row: TotalRow) -> Result<Total> {
        Ok(Total {
            unit_id: row.unit_id,
            class: row.class.map(|class| class.parse()).transpose()?,
            total: row.total,
            digital_cases: row.digital_cases,
            spot_checks: row.spot_checks,
            supervision: row.supervision,
            merits: row.merits,
            spot_low: row.spot_low,
            spot_high: row.spot_high,
            cases: row.cases,
            checks: row.checks,
            rank: row.rank,
            band: row.band,
            veto: row.veto,
        })
    }
}

/// Lines by number.
pub(super) fn line_page(db: &mut Db, month: &str, unit: Option<UnitId>, after: i32, limit: i64) -> Result<Vec<Line>> {
    let mut query = score_lines::table
        .filter(score_lines::month.eq(month.to_owned()))
        .filter(score_lines::n.gt(after))
        .order(score_lines::n.asc())
        .limit(limit)
        .select(LineRow::as_select())
        .into_boxed();
    if let Some(unit) = unit {
        query = query.filter(score_lines::unit_id.eq(unit));
    }
    let rows: Vec<LineRow> = query.load(db)?;
    rows.into_iter().map(Line::try_from).collect()
}

pub(super) fn line_get(db: &mut Db, month: &str, n: i32) -> Result<Option<Line>> {
    let row = score_lines::table.find((month, n)).select(LineRow::as_select()).get_result(db).optional()?;
    row.map(Line::try_from).transpose()
}

/// The totals of some months, by month.
pub(super) fn totals(db: &mut Db, months: &[String]) -> Result<Vec<(String, Total)>> {
    let rows: Vec<TotalRow> = score_totals::table
        .filter(score_totals::month.eq_any(months))
        .order((score_totals::month, score_totals::unit_id))
        .select(TotalRow::as_select())
        .load(db)?;
    rows.into_iter().map(|row| Ok((row.month.clone(), row.try_into()?))).collect()
}

/// The months of these whose results stay, with their newest editions.
pub(super) fn published(db: &mut Db, months: &[String]) -> Result<Vec<(String, Option<i32>)>> {
    Ok(assessment_months::table
        .filter(assessment_months::month.eq_any(months))
        .filter(assessment_months::phase.eq(Phase::Published.as_str()))
        .order(assessment_months::month)
        .select((assessment_months::month, assessment_months::edition))
        .load(db)?)
}

pub(super) fn objection_add(db: &mut Db, row: &ObjectionRow) -> Result<()> {
    diesel::insert_into(score_objections::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn objection_get(db: &mut Db, id: ObjectionId) -> Result<Option<ObjectionRow>> {
    Ok(score_objections::table.find(id).select(ObjectionRow::as_select()).get_result(db).optional()?)
}

/// The objection to a line.
pub(super) fn objection_to(db: &mut Db, month: &str, line: i32) -> Result<Option<ObjectionRow>> {
    Ok(score_objections::table
        .filter(score_objections::month.eq(month))
        .filter(score_objections::line.eq(line))
        .select(ObjectionRow::as_select())
        .get_result(db)
        .optional()?)
}

/// A month's objections, in the order they were filed.
pub(super) fn objections(db: &mut Db, month: &str) -> Result<Vec<ObjectionRow>> {
    Ok(score_objections::table
        .filter(score_objections::month.eq(month))
        .order(score_objections::id)
        .select(ObjectionRow::as_select())
        .load(db)?)
}

pub(super) fn steps(db: &mut Db, ids: &[ObjectionId]) -> Result<Vec<StepRow>> {
    Ok(score_objection_steps::table
        .filter(score_objection_steps::objection_id.eq_any(ids))
        .order((score_objection_steps::objection_id, score_objection_steps::step))
        .select(StepRow::as_select())
        .load(db)?)
}

pub(super) fn step_add(db: &mut Db, step: &StepRow, verdict: Option<&str>) -> Result<()> {
    diesel::insert_into(score_objection_steps::table).values(step).execute(db)?;
    diesel::update(score_objections::table.find(step.objection_id))
        .set((score_objections::steps.eq(step.step), score_objections::verdict.eq(verdict)))
        .execute(db)?;
    Ok(())
}
