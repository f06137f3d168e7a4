//! Counting and listing by the same conditions.

use super::rules::{By, Counts, Figure};
use crate::{
    cases::queue::in_words_of,
    db::{
        Db,
        types::{At, CaseId, Uid, UnitId, Utc},
    },
    error::Result,
};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Double, Nullable, Text},
};
use std::collections::BTreeMap;

/// Which cases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Deadlines from here on.
    pub(super) from: At,
    /// Deadlines before this.
    pub(super) until: At,
    /// Only of this unit.
    pub(super) unit: Option<UnitId>,
    /// When it is asked: a deadline before has passed.
    pub(super) now: At,
}

/// The condition of a figure on a case; `{now}` is the moment it is asked, `{held}` whether its clock stands still.
fn holds(figure: Figure) -> &'static str {
    match figure {
        Figure::Closed => "state = 'closed'",
        Figure::Timely => "state = 'closed' AND timely",
        Figure::Late => "state = 'closed' AND NOT timely",
        Figure::NotHandled => "state = 'dispatched' AND rework_count = 0",
        Figure::NotApplied => "state = 'handled' AND rework_count = 0",
        Figure::NotPassed => "state IN ('dispatched', 'handled') AND rework_count > 0",
        Figure::InVerification => "state IN ('closing_applied', 'verifying', 'verified')",
        Figure::Handled => "handled_at IS NOT NULL",
        Figure::HandledInTime => "handled_at <= due_at",
        Figure::Overdue => "handled_at IS NULL AND due_at < {now} AND NOT {held}",
        Figure::Reworked => "rework_count > 0",
        Figure::Extended => "extension_count > 0",
        Figure::Total | Figure::SelfHandled => "1 = 1",
    }
}

/// What a line of a breakdown is called by.
fn key(by: By) -> &'static str {
    match by {
        // A grid is found outside of the database.
        By::All | By::Grid => "''",
        By::Unit => "CAST(unit_id AS TEXT)",
        By::Class => "COALESCE(class_code, '')",
        By::Reporter => "CAST(reported_by AS TEXT)",
    }
}

/// Deadlines of the period.
const DUE: &str = "due_at >= $1 AND due_at < $2 AND ($3 IS NULL OR unit_id = $3)";
/// What was reported in the period and put right by whoever reported it; it has no unit.
const SELF_HANDLED: &str = "void_reason = 'self_handled' AND reported_at >= $1 AND reported_at < $2 AND $3 IS NULL";

/// The cases that a figure is counted among.
fn among(figure: Figure) -> &'static str {
    if figure == Figure::SelfHandled { SELF_HANDLED } else { DUE }
}

/// What the lines of a breakdown are counted among; self-handled cases have no unit to be a line of.
fn sets(by: By) -> &'static [&'static str] {
    if by == By::Unit { &[DUE] } else { &[DUE, SELF_HANDLED] }
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(sql_type = BigInt)]
    closed: i64,
    #[diesel(sql_type = BigInt)]
    timely: i64,
    #[diesel(sql_type = BigInt)]
    late: i64,
    #[diesel(sql_type = BigInt)]
    not_handled: i64,
    #[diesel(sql_type = BigInt)]
    not_applied: i64,
    #[diesel(sql_type = BigInt)]
    not_passed: i64,
    #[diesel(sql_type = BigInt)]
    in_verification: i64,
    #[diesel(sql_type = BigInt)]
    handled: i64,
    #[diesel(sql_type = BigInt)]
    handled_in_time: i64,
    #[diesel(sql_type = BigInt)]
    overdue: i64,
    #[diesel(sql_type = BigInt)]
    reworked: i64,
    #[diesel(sql_type = BigInt)]
    extended: i64,
    #[diesel(sql_type = BigInt)]
    self_handled: i64,
}

impl From<Counted> for Counts {
    fn from(row: Counted) -> Counts {
        Counts {
            total: row.total,
            closed: row.closed,
            timely: row.timely,
            late: row.late,
            not_handled: row.not_handled,
            not_applied: row.not_applied,
            not_passed: row.not_passed,
            in_verification: row.in_verification,
            handled: row.handled,
            handled_in_time: row.handled_in_time,
            overdue: row.overdue,
            reworked: row.reworked,
            extended: row.extended,
            self_handled: row.self_handled,
        }
    }
}

/// The figures that are counted among these cases; the others are 0.
fn sums(set: &str) -> String {
    let holds = |figure: Figure| if among(figure) == set { holds(figure) } else { "1 = 0" };
    let sum =
        |figure: &Figure| format!("COUNT(CASE WHEN {} THEN 1 END) AS {figure}", holds(*figure).replace("{now}", "$4"));
    Figure::ALL.iter().map(sum).collect::<Vec<_>>().join(", ")
}

/// The figures of each line.
pub(super) fn counts(db: &mut Db, scope: Scope, by: By) -> Result<Vec<(String, Counts)>> {
    let mut lines = BTreeMap::<String, Counts>::new();
    for set in sets(by) {
        let select = format!("SELECT {} AS key, {} FROM cases", key(by), sums(set));
        let text = in_words_of(db, &format!("{select} WHERE {set} AND $4 = $4 GROUP BY 1"));
        let query = sql_query(text).bind::<Utc, _>(scope.from).bind::<Utc, _>(scope.until);
        let rows: Vec<Counted> = query.bind::<Nullable<Uid>, _>(scope.unit).bind::<Utc, _>(scope.now).load(db)?;
        for mut row in rows {
            lines.entry(std::mem::take(&mut row.key)).or_default().add(row.into());
        }
    }
    Ok(lines.into_iter().collect())
}

/// Where something is, as it was measured.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct Measured {
    #[diesel(sql_type = Nullable<Double>)]
    pub(super) lat: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    pub(super) lon: Option<f64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) datum: Option<String>,
}

#[derive(QueryableByName)]
struct CountedThere {
    #[diesel(embed)]
    place: Measured,
    #[diesel(embed)]
    counted: Counted,
}

/// The figures of each place.
pub(super) fn counts_by_place(db: &mut Db, scope: Scope) -> Result<Vec<(Measured, Counts)>> {
    let mut found = Vec::new();
    for set in sets(By::Grid) {
        let select = format!("SELECT '' AS key, lat, lon, datum, {} FROM cases", sums(set));
        let text = in_words_of(db, &format!("{select} WHERE {set} AND $4 = $4 GROUP BY lat, lon, datum"));
        let query = sql_query(text).bind::<Utc, _>(scope.from).bind::<Utc, _>(scope.until);
        let rows: Vec<CountedThere> = query.bind::<Nullable<Uid>, _>(scope.unit).bind::<Utc, _>(scope.now).load(db)?;
        found.extend(rows.into_iter().map(|row| (row.place, row.counted.into())));
    }
    Ok(found)
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Uid)]
    id: CaseId,
    #[diesel(embed)]
    place: Measured,
}

/// The cases behind a figure of a line, by id; of all grids, when the lines are grids.
pub(super) fn cases(
    db: &mut Db,
    scope: Scope,
    (by, line): (By, &str),
    figure: Figure,
    after: Option<CaseId>,
    limit: i64,
) -> Result<Vec<(CaseId, Measured)>> {
    let text = format!(
        "SELECT id, lat, lon, datum FROM cases WHERE {} AND {} AND {} = $5 AND ($6 IS NULL OR id > $6) AND $4 = $4 \
         ORDER BY id LIMIT $7",
        among(figure),
        holds(figure).replace("{now}", "$4"),
        key(by),
    );
    let query = sql_query(in_words_of(db, &text)).bind::<Utc, _>(scope.from).bind::<Utc, _>(scope.until);
    let query = query.bind::<Nullable<Uid>, _>(scope.unit).bind::<Utc, _>(scope.now).bind::<Text, _>(line);
    let rows: Vec<Found> = query.bind::<Nullable<Uid>, _>(after).bind::<BigInt, _>(limit).load(db)?;
    Ok(rows.into_iter().map(|row| (row.id, row.place)).collect())
}
