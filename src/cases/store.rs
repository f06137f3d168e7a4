//! Rows of cases and their timelines.

use super::{
    queue::{Queue, in_words_of},
    rules::{Assignment, Extension, Stage, State, VoidReason},
    words::{self, Search},
};
use crate::{
    calendar::rules::Limit,
    catalogue::rules::ClassKind,
    db::{
        Db, Each, MultiBackend, literally, on_each,
        schema::{case_claims, case_events, case_numbers, case_words, cases},
        types::{At, CaseId, DeviceId, EventId, Json, OpId, Uid, UnitId, UserId, Utc},
    },
    error::{Error, Result},
};
use diesel::{
    dsl::{AsSelect, SqlTypeOf, sql},
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Nullable, Text},
    upsert::excluded,
};
use serde_json::json;
use std::cmp::Reverse;

/// A case.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = cases, treat_none_as_null = true)]
pub struct CaseRow {
    /// Its id; made by whoever reported it.
    pub id: CaseId,
    /// The number people say: region, day, count of the day.
    pub number: String,
    /// Rises by one with each change.
    pub ver: i64,
    /// Lines of its timeline so far.
    pub lines: i64,
    /// See `rules::Stage`.
    pub state: String,
    /// Short words.
    pub title: String,
    /// Long words.
    pub description: String,
    /// Components or events; null while nobody said, and the class code does not tell.
    pub class_kind: Option<String>,
    /// Class code.
    pub class_code: Option<String>,
    /// Where, in words.
    pub address: Option<String>,
    /// Latitude, degrees, in `datum`.
    pub lat: Option<f64>,
    /// Longitude, degrees, in `datum`.
    pub lon: Option<f64>,
    /// Coordinate system.
    pub datum: Option<String>,
    /// The unit in charge.
    pub unit_id: Option<UnitId>,
    /// Who reported it.
    pub reported_by: UserId,
    /// When it was reported.
    pub reported_at: At,
    /// When the unit got it.
    pub dispatched_at: Option<At>,
    /// The deadline.
    pub due_at: Option<At>,
    /// What the deadline was computed from: in what it is counted.
    pub limit_kind: Option<String>,
    /// The same: how many, in tenths.
    pub limit_tenths: Option<i32>,
    /// When its clock stood still.
    pub pauses: Json,
    /// Why the unit asks to stop the clock.
    pub hold_reason: Option<String>,
    /// When the unit said it was done.
    pub handled_at: Option<At>,
    /// When it applied for closing.
    pub applied_at: Option<At>,
    /// The city found it solved.
    pub passed: bool,
    /// The deadline that is asked for.
    pub extension_until: Option<At>,
    /// Why.
    pub extension_reason: Option<String>,
    /// Deadlines moved so far.
    pub extension_count: i32,
    /// Times it went back.
    pub rework_count: i32,
    /// 0 普通, 1 紧急, 2 特急.
    pub priority: i32,
    /// When it was confirmed closed.
    pub closed_at: Option<At>,
    /// Whether in time.
    pub timely: Option<bool>,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// When it changed last.
    pub updated_at: At,
}

/// One line of a timeline.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = case_events)]
pub struct EventRow {
    /// Its id.
    pub id: EventId,
    /// The case.
    pub case_id: CaseId,
    /// Its place in the timeline, from 1, dense.
    pub seq: i64,
    /// The version it made; none for what changed nothing.
    pub ver: Option<i64>,
    /// When the server decided.
    pub at: At,
    /// When the person acted, by the device's clock.
    pub occurred_at: At,
    /// Who.
    pub actor_id: UserId,
    /// On which device.
    pub device_id: Option<DeviceId>,
    /// By which operation.
    pub op_id: Option<OpId>,
    /// `report`, `dispatch` …
    pub command: String,
    /// `applied` or `superseded`.
    pub outcome: String,
    /// The stage after it.
    pub state: String,
    /// The person's words.
    pub note: Option<String>,
    /// The arguments.
    pub args: Json,
}

impl CaseRow {
    /// Components or events.
    pub fn kind(&self) -> Option<ClassKind> {
        self.class_kind.as_deref().and_then(|kind| kind.parse().ok())
    }

    /// The row's place in the loop.
    ///
    /// # Errors
    /// `internal`, when the row contradicts itself.
    pub fn place(&self) -> Result<State> {
        let broken = || Error::internal(format!("case {} holds a broken state", self.id));
        let stage: Stage = self.state.parse().map_err(|_| broken())?;
        let limit = || -> Result<Option<Limit>> {
            let (Some(kind), Some(tenths)) = (&self.limit_kind, self.limit_tenths) else { return Ok(None) };
            Ok(Some(Limit::of_tenths(kind.parse()?, tenths)?))
        };
        let assignment = || -> Result<Assignment> {
            Ok(Assignment {
                unit_id: self.unit_id.ok_or_else(broken)?,
                dispatched_at: self.dispatched_at.ok_or_else(broken)?.0,
                due_at: self.due_at.ok_or_else(broken)?.0,
                limit: limit().map_err(|_| broken())?,
                pauses: serde_json::from_value(self.pauses.0.clone()).map_err(|_| broken())?,
                hold: self.hold_reason.clone(),
                extension: self.extension_until.map(|until| Extension {
                    until: until.0,
                    reason: self.extension_reason.clone().unwrap_or_default(),
                }),
                handled_at: self.handled_at.map(|at| at.0),
                applied_at: self.applied_at.map(|at| at.0),
                passed: self.passed,
            })
        };
        Ok(match stage {
            Stage::Reported => State::Reported,
            Stage::Returned => State::Returned { unit_id: self.unit_id.ok_or_else(broken)? },
            Stage::Void => State::Void(self.void_reason.as_deref().and_then(|r| r.parse().ok()).ok_or_else(broken)?),
            Stage::Closed => State::Closed {
                assignment: assignment()?,
                closed_at: self.closed_at.ok_or_else(broken)?.0,
                timely: self.timely.ok_or_else(broken)?,
            },
            stage => State::InHand(stage, assignment()?),
        })
    }

    /// Writes a place in the loop into the row.
    pub fn put(&mut self, state: &State) {
        self.state = state.stage().to_string();
        self.unit_id = state.unit_id();
        (self.closed_at, self.timely, self.void_reason) = (None, None, None);
        match state {
            State::InHand(_, a) => self.put_assignment(Some(a)),
            State::Closed { assignment, closed_at, timely } => {
                self.put_assignment(Some(assignment));
                (self.closed_at, self.timely) = (Some(At(*closed_at)), Some(*timely));
            }
            State::Void(reason) => {
                self.put_assignment(None);
                self.void_reason = Some(reason.to_string());
            }
            State::Reported | State::Returned { .. } => self.put_assignment(None),
        }
    }

    fn put_assignment(&mut self, a: Option<&Assignment>) {
        self.dispatched_at = a.map(|a| At(a.dispatched_at));
        self.due_at = a.map(|a| At(a.due_at));
        let limit = a.and_then(|a| a.limit);
        self.limit_kind = limit.map(|limit| limit.kind.to_string());
        self.limit_tenths = limit.map(Limit::tenths);
        self.pauses = Json(json!(a.map_or(&[][..], |a| &a.pauses)));
        self.hold_reason = a.and_then(|a| a.hold.clone());
        self.handled_at = a.and_then(|a| a.handled_at).map(At);
        self.applied_at = a.and_then(|a| a.applied_at).map(At);
        self.passed = a.is_some_and(|a| a.passed);
        let extension = a.and_then(|a| a.extension.as_ref());
        self.extension_until = extension.map(|e| At(e.until));
        self.extension_reason = extension.map(|e| e.reason.clone());
    }
}

/// SQLite takes 32,766 parameters a statement; a case has 34.
const ROWS: usize = 500;

pub(super) fn cases_add(db: &mut Db, rows: &[CaseRow]) -> Result<()> {
    for chunk in rows.chunks(ROWS) {
        on_each!(&mut *db, c => diesel::insert_into(cases::table).values(chunk).execute(c))?;
    }
    Ok(())
}

/// Every column that a step may change, for one macro: what is set, and the names for the test that holds the list.
macro_rules! changing {
    ($then:ident) => {
        $then!(
            ver lines state title description class_kind class_code address lat lon datum unit_id dispatched_at due_at
            limit_kind limit_tenths pauses hold_reason handled_at applied_at passed extension_until extension_reason
            extension_count rework_count priority closed_at timely void_reason updated_at
        )
    };
}

macro_rules! replaced {
    ($($column:ident)*) => { ($(cases::$column.eq(excluded(cases::$column)),)*) };
}

/// Writes changed cases. PostgreSQL takes them in one statement (each exists, so each insert turns into an update);
/// SQLite has no round trip to save.
pub(super) fn cases_save(db: &mut Db, rows: &[CaseRow]) -> Result<()> {
    if let (Db::Postgres(c), 2..) = (&mut *db, rows.len()) {
        for chunk in rows.chunks(ROWS) {
            diesel::insert_into(cases::table)
                .values(chunk)
                .on_conflict(cases::id)
                .do_update()
                .set(changing!(replaced))
                .execute(c)?;
        }
        return Ok(());
    }
    for row in rows {
        diesel::update(cases::table.find(row.id)).set(row).execute(db)?;
    }
    Ok(())
}

pub(super) fn case_get(db: &mut Db, id: CaseId) -> Result<Option<CaseRow>> {
    Ok(cases::table.find(id).select(CaseRow::as_select()).get_result(db).optional()?)
}

/// The cases with their rows locked until the transaction ends, always in the same order so that two transactions
/// can't wait for each other.
pub(super) fn cases_locked(db: &mut Db, ids: &[CaseId]) -> Result<Vec<CaseRow>> {
    let wanted = cases::table.filter(cases::id.eq_any(ids));
    if let Db::Postgres(c) = db {
        return Ok(wanted.order(cases::id.asc()).select(CaseRow::as_select()).for_update().load(c)?);
    }
    Ok(wanted.select(CaseRow::as_select()).load(db)?)
}

pub(super) fn cases_by_id(db: &mut Db, ids: &[CaseId]) -> Result<Vec<CaseRow>> {
    Ok(cases::table.filter(cases::id.eq_any(ids)).select(CaseRow::as_select()).load(db)?)
}

/// Whose cases a list may show.
#[derive(Debug, Clone)]
pub enum Sight {
    /// Every case.
    All,
    /// Those of a unit and those a person reported.
    UnitOr(Option<UnitId>, UserId),
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whose.
    pub sight: Sight,
    /// Which of them.
    pub only: Only,
    /// The oldest reports first; else the newest.
    pub oldest_first: bool,
    /// Those after this one.
    pub after: Option<CaseId>,
    /// At most that many.
    pub limit: i64,
    /// When it is asked.
    pub now: At,
}

/// Which cases a list holds; each part narrows it.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// In this stage.
    pub state: Option<Stage>,
    /// Of this unit.
    pub unit_id: Option<UnitId>,
    /// Void for this reason.
    pub void_reason: Option<VoidReason>,
    /// Waiting for this.
    pub queue: Option<Queue>,
    /// Of this class, or of a big class by its first digits.
    pub class_code: Option<String>,
    /// Reported from here on.
    pub from: Option<At>,
    /// Reported before this.
    pub until: Option<At>,
    /// In this person's hand.
    pub claimed_by: Option<UserId>,
    /// With these words.
    pub search: Option<Search>,
}

impl Only {
    fn of(&self, mut query: Boxed, db: &Db, now: At) -> Boxed {
        if let Some(state) = self.state {
            query = query.filter(cases::state.eq(state.as_str()));
        }
        if let Some(reason) = self.void_reason {
            query = query.filter(cases::void_reason.eq(reason.as_str()));
        }
        if let Some(unit) = self.unit_id {
            query = query.filter(cases::unit_id.eq(unit));
        }
        if let Some(queue) = self.queue {
            let condition = in_words_of(db, &queue.condition());
            query = match condition.split_once("{now}") {
                Some((before, after)) => query.filter(sql::<Bool>(before).bind::<Utc, _>(now).sql(after)),
                None => query.filter(sql::<Bool>(&condition)),
            };
        }
        if let Some(code) = &self.class_code {
            query = query.filter(cases::class_code.like(format!("{}%", literally(code))).escape('\\'));
        }
        if let Some(from) = self.from {
            query = query.filter(cases::reported_at.ge(from));
        }
        if let Some(until) = self.until {
            query = query.filter(cases::reported_at.lt(until));
        }
        if let Some(person) = self.claimed_by {
            let claimed = case_claims::table
                .filter(case_claims::case_id.eq(cases::id))
                .filter(case_claims::state.eq(cases::state))
                .filter(case_claims::claimed_by.eq(person));
            query = query.filter(diesel::dsl::exists(claimed));
        }
        if let Some(Search { words, grams }) = &self.search {
            let (found, wanted) = match db {
                Db::Postgres(_) => (
                    "cases.id IN (SELECT case_id FROM case_words WHERE string_to_array(grams, ' ') @> string_to_array(",
                    grams.iter().cloned().collect::<Vec<_>>().join(" "),
                ),
                Db::Sqlite(_) => (
                    "cases.id IN (SELECT case_id FROM case_words WHERE n IN (SELECT rowid FROM case_grams(",
                    grams.iter().map(|gram| format!("\"{gram}\"")).collect::<Vec<_>>().join(" "),
                ),
            };
            let end = if matches!(db, Db::Postgres(_)) { ", ' '))" } else { ")))" };
            query = query.filter(sql::<Bool>(found).bind::<Text, _>(wanted).sql(end));
            for word in words {
                // Pairs of neighbours may stand apart.
                let pattern = format!("%{}%", literally(word));
                let there = case_words::table
                    .filter(case_words::case_id.eq(cases::id))
                    .filter(case_words::words.like(pattern).escape('\\'));
                query = query.filter(diesel::dsl::exists(there));
            }
        }
        query
    }
}

/// Writes down what these cases are found by.
pub(super) fn words_put(db: &mut Db, rows: &[&CaseRow]) -> Result<()> {
    for row in rows {
        let (words, grams) = words::of(row);
        on_each!(&mut *db, c => diesel::insert_into(case_words::table)
            .values((case_words::case_id.eq(row.id), case_words::words.eq(&words), case_words::grams.eq(&grams)))
            .on_conflict(case_words::case_id)
            .do_update()
            .set((case_words::words.eq(&words), case_words::grams.eq(&grams)))
            .execute(c))?;
    }
    Ok(())
}

/// The next cases by id, each with whether it can be found by its words.
pub(super) fn worded(db: &mut Db, after: Option<CaseId>, limit: i64) -> Result<Vec<(CaseId, bool)>> {
    let mut query = cases::table
        .left_join(case_words::table.on(case_words::case_id.eq(cases::id)))
        .order(cases::id)
        .limit(limit)
        .select((cases::id, case_words::n.nullable().is_not_null()))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(cases::id.gt(after));
    }
    Ok(query.load(db)?)
}

/// How many cases wait for something, and since when the oldest.
#[derive(Debug, Clone, QueryableByName)]
pub struct Waiting {
    /// See [`Queue`].
    #[diesel(sql_type = Text)]
    pub queue: String,
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub cases: i64,
    /// When the oldest was reported.
    #[diesel(sql_type = Nullable<Utc>)]
    pub oldest_at: Option<At>,
}

/// Every queue of a unit, or of all, in order.
pub(super) fn waiting(db: &mut Db, unit: Option<UnitId>, now: At) -> Result<Vec<Waiting>> {
    let of_queue = |queue: &Queue| {
        let condition = queue.condition().replace("{now}", "$1");
        let unit = unit.map_or("", |_| "AND unit_id = $2");
        format!(
            "SELECT '{queue}' AS queue, COUNT(*) AS cases, MIN(reported_at) AS oldest_at FROM cases \
             WHERE {condition} {unit}"
        )
    };
    let text = Queue::ALL.iter().map(of_queue).collect::<Vec<_>>().join(" UNION ALL ");
    let query = sql_query(in_words_of(db, &text)).bind::<Utc, _>(now);
    Ok(match unit {
        Some(unit) => query.bind::<Uid, _>(unit).load(db)?,
        None => query.load(db)?,
    })
}

pub(super) fn case_by_number(db: &mut Db, number: &str) -> Result<Option<CaseRow>> {
    Ok(cases::table.filter(cases::number.eq(number)).select(CaseRow::as_select()).get_result(db).optional()?)
}

pub(super) fn case_page(db: &mut Db, page: &Page) -> Result<Vec<CaseRow>> {
    let mut rows: Vec<CaseRow> = Vec::new();
    for query in ways(&page.sight) {
        let query = page.only.of(query, db, page.now);
        let query = match (page.after, page.oldest_first) {
            (None, true) => query.order(cases::id.asc()),
            (None, false) => query.order(cases::id.desc()),
            (Some(after), true) => query.filter(cases::id.gt(after)).order(cases::id.asc()),
            (Some(after), false) => query.filter(cases::id.lt(after)).order(cases::id.desc()),
        };
        rows.extend(query.limit(page.limit).load(db)?);
    }
    if page.oldest_first {
        rows.sort_unstable_by_key(|row| row.id);
    } else {
        rows.sort_unstable_by_key(|row| Reverse(row.id));
    }
    Ok(first(rows, page.limit))
}

/// All cases of a sight by id, for a snapshot.
pub(super) fn case_after(db: &mut Db, sight: &Sight, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseRow>> {
    let mut rows: Vec<CaseRow> = Vec::new();
    for mut query in ways(sight) {
        if let Some(after) = after {
            query = query.filter(cases::id.gt(after));
        }
        rows.extend(query.order(cases::id.asc()).limit(limit).load(db)?);
    }
    rows.sort_unstable_by_key(|row| row.id);
    Ok(first(rows, limit))
}

/// The first of sorted rows, each once.
fn first(mut rows: Vec<CaseRow>, limit: i64) -> Vec<CaseRow> {
    rows.dedup_by_key(|row| row.id);
    rows.truncate(usize::try_from(limit).unwrap_or(0));
    rows
}

type Boxed = cases::BoxedQuery<'static, MultiBackend, SqlTypeOf<AsSelect<CaseRow, MultiBackend>>>;

/// A query for each reason to see a case. Each walks an index that is in the order of ids, so a page costs what it holds,
/// however many cases there are; one query for both reasons sorts all of theirs, or passes over everybody else's.
fn ways(sight: &Sight) -> Vec<Boxed> {
    let all = || cases::table.select(CaseRow::as_select()).into_boxed();
    match *sight {
        Sight::All => vec![all()],
        Sight::UnitOr(unit, user) => {
            let own = unit.map(|unit| all().filter(cases::unit_id.eq(unit)));
            own.into_iter().chain([all().filter(cases::reported_by.eq(user))]).collect()
        }
    }
}

pub(super) fn events_add(db: &mut Db, rows: &[EventRow]) -> Result<()> {
    for chunk in rows.chunks(ROWS) {
        on_each!(&mut *db, c => diesel::insert_into(case_events::table).values(chunk).execute(c))?;
    }
    Ok(())
}

pub(super) fn event_page(db: &mut Db, case: CaseId, after: i64, limit: i64) -> Result<Vec<EventRow>> {
    Ok(case_events::table
        .filter(case_events::case_id.eq(case))
        .filter(case_events::seq.gt(after))
        .order(case_events::seq.asc())
        .limit(limit)
        .select(EventRow::as_select())
        .load(db)?)
}

/// When the case changed, and where it stood then, oldest first.
pub(super) fn moves(db: &mut Db, case: CaseId) -> Result<Vec<(At, String)>> {
    Ok(case_events::table
        .filter(case_events::case_id.eq(case))
        .filter(case_events::ver.is_not_null())
        .order(case_events::seq.asc())
        .select((case_events::at, case_events::state))
        .load(db)?)
}

/// The newest line that changed the case, or the newest of one command: to name who was quicker.
pub(super) fn event_newest(db: &mut Db, case: CaseId, command: Option<&str>) -> Result<Option<EventRow>> {
    let mut query = case_events::table
        .filter(case_events::case_id.eq(case))
        .filter(case_events::ver.is_not_null())
        .order(case_events::ver.desc())
        .select(EventRow::as_select())
        .into_boxed();
    if let Some(command) = command {
        query = query.filter(case_events::command.eq(command.to_owned()));
    }
    Ok(query.get_result(db).optional()?)
}

/// Takes `count` numbers of a day and returns the last; `day` is `YYYYMMDD`.
pub(super) fn numbers_next(db: &mut Db, day: &str, count: i64) -> Result<i64> {
    Ok(Each(
        diesel::insert_into(case_numbers::table)
            .values((case_numbers::day.eq(day), case_numbers::last.eq(count)))
            .on_conflict(case_numbers::day)
            .do_update()
            .set(case_numbers::last.eq(case_numbers::last + count))
            .returning(case_numbers::last),
    )
    .get_result(db)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    macro_rules! names {
        ($($column:ident)*) => { [$(stringify!($column)),*] };
    }

    #[test]
    fn no_column_of_a_case_is_left_out_when_many_are_saved_at_once() {
        let table = include_str!("../db/schema/centre.rs").split_once("\n    cases (id) {\n").unwrap().1;
        let columns = table.split_once('}').unwrap().0.lines().filter_map(|line| line.trim().split_once(" -> "));
        let fixed = ["id", "number", "reported_by", "reported_at"];
        let expected: BTreeSet<&str> = columns.map(|(name, _)| name).filter(|name| !fixed.contains(name)).collect();
        assert_eq!(changing!(names).into_iter().collect::<BTreeSet<_>>(), expected);
    }
}
