//! Rows of letters, of what they are about and of their steps.

use super::rules::{Deadline, LetterKind, LetterOutcome, LetterQueue, LetterStage, State, Term};
use crate::{
    calendar::rules::Limit,
    db::{
        Db, MultiBackend, on_each,
        schema::{
            case_events, case_urgings, cases, letter_cases, letter_numbers, letter_spots, letter_steps, letters,
            spot_cases, spot_events, spots,
        },
        types::{At, CaseId, Json, LetterId, LetterStepId, SpotId, UnitId, UserId},
    },
    error::{Error, Result},
};
use diesel::{
    dsl::{AsSelect, SqlTypeOf, count_star, exists, max, not},
    prelude::*,
};
use std::collections::HashMap;

/// A letter.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = letters, treat_none_as_null = true)]
pub struct LetterRow {
    /// Its id.
    pub id: LetterId,
    /// The number people say; null while it is not issued.
    pub number: Option<String>,
    /// To whom.
    pub unit_id: UnitId,
    /// See `rules::LetterKind`.
    pub kind: String,
    /// What about.
    pub subject: String,
    /// What is to be done.
    pub text: String,
    /// Where the task comes from.
    pub note: Option<String>,
    /// See `rules::LetterStage`.
    pub state: String,
    /// A limit from the issue on: in what it is counted.
    pub limit_kind: Option<String>,
    /// The same: how many, in tenths.
    pub limit_tenths: Option<i32>,
    /// The deadline; of a draft the one asked for.
    pub due_at: Option<At>,
    /// The deadline that is asked for.
    pub extension_until: Option<At>,
    /// When the unit replied.
    pub replied_at: Option<At>,
    /// Thousandths of a point.
    pub score: Option<i32>,
    /// How far its being late has gone up, 0–3.
    pub level: i32,
    /// The unit was reminded of this deadline.
    pub reminded: bool,
    /// Rises by one with each step.
    pub ver: i64,
    /// Who drafted it; null when the clock did.
    pub drafted_by: Option<UserId>,
    /// When.
    pub drafted_at: At,
    /// When it was issued.
    pub issued_at: Option<At>,
    /// When the unit signed for it.
    pub received_at: Option<At>,
    /// When it was graded.
    pub graded_at: Option<At>,
    /// When it changed last.
    pub updated_at: At,
}

impl LetterRow {
    /// Why the unit is supervised.
    ///
    /// # Errors
    /// `internal`, when the row holds another word.
    pub fn letter_kind(&self) -> Result<LetterKind> {
        self.kind.parse().map_err(|_| self.broken())
    }

    fn broken(&self) -> Error {
        Error::internal(format!("letter {} holds a broken state", self.id))
    }

    /// Where it stands.
    ///
    /// # Errors
    /// `internal`, when the row contradicts itself.
    pub fn place(&self) -> Result<State> {
        let broken = || self.broken();
        let stage: LetterStage = self.state.parse().map_err(|_| broken())?;
        let term = || -> Result<Term> {
            Ok(Term {
                due_at: self.due_at.ok_or_else(broken)?.0,
                extension: self.extension_until.map(|at| at.0),
                reminded: self.reminded,
                level: self.level,
            })
        };
        let replied_at = self.replied_at.map(|at| at.0);
        let graded = |outcome| -> Result<State> {
            Ok(State::Graded(term()?, outcome, replied_at, self.score.ok_or_else(broken)?))
        };
        Ok(match stage {
            LetterStage::Drafted => State::Drafted(match (&self.limit_kind, self.limit_tenths) {
                (Some(kind), Some(tenths)) => Deadline::Within(Limit::of_tenths(kind.parse()?, tenths)?),
                _ => Deadline::At(self.due_at.ok_or_else(broken)?.0),
            }),
            LetterStage::Issued => State::Issued(term()?),
            LetterStage::Received => State::Received(term()?),
            LetterStage::Replied => State::Replied(term()?, replied_at.ok_or_else(broken)?),
            LetterStage::Fulfilled => graded(LetterOutcome::Fulfilled)?,
            LetterStage::Partly => graded(LetterOutcome::Partly)?,
            LetterStage::Unfulfilled => graded(LetterOutcome::Unfulfilled)?,
            LetterStage::Withdrawn => State::Withdrawn,
        })
    }

    /// Writes where it stands into the row.
    pub fn put(&mut self, state: &State) {
        self.state = state.stage().to_string();
        match state {
            State::Drafted(deadline) => {
                let (limit, due_at) = match *deadline {
                    Deadline::Within(limit) => (Some(limit), None),
                    Deadline::At(at) => (None, Some(At(at))),
                };
                self.limit_kind = limit.map(|limit| limit.kind.to_string());
                self.limit_tenths = limit.map(Limit::tenths);
                self.due_at = due_at;
            }
            State::Issued(term) | State::Received(term) => {
                self.put_term(term);
                self.replied_at = None;
            }
            State::Replied(term, replied_at) => {
                self.put_term(term);
                self.replied_at = Some(At(*replied_at));
            }
            State::Graded(term, _, replied_at, score) => {
                self.put_term(term);
                (self.replied_at, self.score) = (replied_at.map(At), Some(*score));
            }
            // What it was stays readable.
            State::Withdrawn => self.extension_until = None,
        }
    }

    fn put_term(&mut self, term: &Term) {
        self.due_at = Some(At(term.due_at));
        self.extension_until = term.extension.map(At);
        (self.reminded, self.level) = (term.reminded, term.level);
    }
}

/// A line of a letter.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = letter_steps)]
pub struct StepRow {
    /// Its id.
    pub id: LetterStepId,
    /// The letter.
    pub letter_id: LetterId,
    /// Its place, from 1, dense: the version it made.
    pub ver: i64,
    /// When.
    pub at: At,
    /// Who; null when the clock did it.
    pub actor_id: Option<UserId>,
    /// `draft`, `add`, `settle`, `remind`, `escalate`, or a command's word.
    pub command: String,
    /// The stage after it.
    pub state: String,
    /// The person's words.
    pub words: Option<String>,
    /// SHA-256 of evidence, a list.
    pub evidence: Json,
    /// What else was said.
    pub args: Json,
}

/// Whose letters a list may show.
#[derive(Debug, Clone, Copy)]
pub enum Sight {
    /// Every letter.
    All,
    /// Those that were issued to a unit.
    Unit(UnitId),
}

/// Which letters.
#[derive(Debug, Clone, Default)]
pub struct Only {
    /// To this unit.
    pub unit_id: Option<UnitId>,
    /// At this stage.
    pub state: Option<LetterStage>,
    /// Of this kind.
    pub kind: Option<LetterKind>,
    /// Waiting for this.
    pub queue: Option<LetterQueue>,
    /// About this case.
    pub case_id: Option<CaseId>,
}

type Boxed = letters::BoxedQuery<'static, MultiBackend, SqlTypeOf<AsSelect<LetterRow, MultiBackend>>>;

fn seen_by(sight: Sight) -> Boxed {
    let all = letters::table.select(LetterRow::as_select()).into_boxed();
    match sight {
        Sight::All => all,
        Sight::Unit(unit) => all.filter(letters::unit_id.eq(unit)).filter(letters::issued_at.is_not_null()),
    }
}

fn waiting(query: Boxed, queue: LetterQueue) -> Boxed {
    let at = |query: Boxed, stage: LetterStage| query.filter(letters::state.eq(stage.as_str()));
    match queue {
        LetterQueue::Issue => at(query, LetterStage::Drafted),
        LetterQueue::Receive => at(query, LetterStage::Issued),
        LetterQueue::Reply => at(query, LetterStage::Received),
        LetterQueue::Extension => at(query, LetterStage::Received).filter(letters::extension_until.is_not_null()),
        LetterQueue::Grade => at(query, LetterStage::Replied),
        LetterQueue::Escalated => {
            let unanswered = [LetterStage::Issued.as_str(), LetterStage::Received.as_str()];
            query.filter(letters::state.eq_any(unanswered)).filter(letters::level.gt(0))
        }
    }
}

pub(super) fn letter_page(
    db: &mut Db,
    sight: Sight,
    only: &Only,
    before: Option<LetterId>,
    limit: i64,
) -> Result<Vec<LetterRow>> {
    let mut query = seen_by(sight);
    if let Some(unit) = only.unit_id {
        query = query.filter(letters::unit_id.eq(unit));
    }
    if let Some(state) = only.state {
        query = query.filter(letters::state.eq(state.as_str()));
    }
    if let Some(kind) = only.kind {
        query = query.filter(letters::kind.eq(kind.as_str()));
    }
    if let Some(queue) = only.queue {
        query = waiting(query, queue);
    }
    if let Some(case) = only.case_id {
        let about = letter_cases::table.filter(letter_cases::case_id.eq(case)).select(letter_cases::letter_id);
        query = query.filter(letters::id.eq_any(about));
    }
    if let Some(before) = before {
        query = query.filter(letters::id.lt(before));
    }
    Ok(query.order(letters::id.desc()).limit(limit).load(db)?)
}

/// How many letters stand where, wait for an extension, and are late at which level.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// By stage.
    pub states: Vec<(String, i64)>,
    /// Those that ask for a later deadline.
    pub extensions: i64,
    /// By level, those that are late and not answered.
    pub levels: Vec<(i32, i64)>,
}

pub(super) fn counts(db: &mut Db, sight: Sight) -> Result<Counts> {
    let mut all = letters::table.group_by(letters::state).select((letters::state, count_star())).into_boxed();
    let mut asked = letters::table.filter(letters::extension_until.is_not_null()).count().into_boxed();
    let mut late = letters::table
        .filter(letters::level.gt(0))
        .filter(letters::state.eq_any([LetterStage::Issued.as_str(), LetterStage::Received.as_str()]))
        .group_by(letters::level)
        .select((letters::level, count_star()))
        .into_boxed();
    if let Sight::Unit(unit) = sight {
        all = all.filter(letters::unit_id.eq(unit)).filter(letters::issued_at.is_not_null());
        asked = asked.filter(letters::unit_id.eq(unit)).filter(letters::issued_at.is_not_null());
        late = late.filter(letters::unit_id.eq(unit)).filter(letters::issued_at.is_not_null());
    }
    Ok(Counts {
        states: all.order(letters::state).load(db)?,
        extensions: asked.get_result(db)?,
        levels: late.order(letters::level).load(db)?,
    })
}

pub(super) fn letter_get(db: &mut Db, sight: Sight, id: LetterId) -> Result<Option<LetterRow>> {
    Ok(seen_by(sight).filter(letters::id.eq(id)).get_result(db).optional()?)
}

/// The letter with its row locked until the transaction ends.
pub(super) fn letter_locked(db: &mut Db, sight: Sight, id: LetterId) -> Result<Option<LetterRow>> {
    if let Db::Postgres(c) = db {
        letters::table.find(id).select(letters::id).for_no_key_update().load::<LetterId>(c)?;
    }
    letter_get(db, sight, id)
}

pub(super) fn letter_add(db: &mut Db, row: &LetterRow) -> Result<()> {
    diesel::insert_into(letters::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn letter_save(db: &mut Db, row: &LetterRow) -> Result<()> {
    diesel::update(letters::table.find(row.id)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn step_add(db: &mut Db, row: &StepRow) -> Result<()> {
    diesel::insert_into(letter_steps::table).values(row).execute(db)?;
    Ok(())
}

/// The lines of a letter after one. What was thought before the issue is the Centre's.
pub(super) fn steps(db: &mut Db, sight: Sight, letter: LetterId, after: i64, limit: i64) -> Result<Vec<StepRow>> {
    let mut query = letter_steps::table
        .filter(letter_steps::letter_id.eq(letter))
        .filter(letter_steps::ver.gt(after))
        .order(letter_steps::ver)
        .limit(limit)
        .select(StepRow::as_select())
        .into_boxed();
    if let Sight::Unit(_) = sight {
        query = query.filter(letter_steps::state.ne(LetterStage::Drafted.as_str()));
    }
    Ok(query.load(db)?)
}

/// The next running number of a year. The row stays locked until the transaction ends, so a number that is not used is
/// not used up.
pub(super) fn number_next(db: &mut Db, year: i32) -> Result<i32> {
    Ok(on_each!(db, c => diesel::insert_into(letter_numbers::table)
        .values((letter_numbers::year.eq(year), letter_numbers::last.eq(1)))
        .on_conflict(letter_numbers::year)
        .do_update()
        .set(letter_numbers::last.eq(letter_numbers::last + 1))
        .returning(letter_numbers::last)
        .get_result(c))?)
}

/// What letters are about.
#[derive(Debug, Clone, Default)]
pub struct Bases {
    /// Cases, by id.
    pub cases: Vec<CaseId>,
    /// Spots, by id.
    pub spots: Vec<SpotId>,
}

pub(super) fn bases_of(db: &mut Db, ids: &[LetterId]) -> Result<HashMap<LetterId, Bases>> {
    let mut found: HashMap<LetterId, Bases> = HashMap::new();
    let of_cases: Vec<(LetterId, CaseId)> = letter_cases::table
        .filter(letter_cases::letter_id.eq_any(ids))
        .order(letter_cases::case_id)
        .select((letter_cases::letter_id, letter_cases::case_id))
        .load(db)?;
    for (letter, case) in of_cases {
        found.entry(letter).or_default().cases.push(case);
    }
    let of_spots: Vec<(LetterId, SpotId)> = letter_spots::table
        .filter(letter_spots::letter_id.eq_any(ids))
        .order(letter_spots::spot_id)
        .select((letter_spots::letter_id, letter_spots::spot_id))
        .load(db)?;
    for (letter, spot) in of_spots {
        found.entry(letter).or_default().spots.push(spot);
    }
    Ok(found)
}

/// Those of the cases and spots that an open letter is about.
pub(super) fn taken(db: &mut Db, cases: &[CaseId], spots: &[SpotId]) -> Result<Bases> {
    Ok(Bases {
        cases: letter_cases::table
            .filter(letter_cases::open)
            .filter(letter_cases::case_id.eq_any(cases))
            .select(letter_cases::case_id)
            .load(db)?,
        spots: letter_spots::table
            .filter(letter_spots::open)
            .filter(letter_spots::spot_id.eq_any(spots))
            .select(letter_spots::spot_id)
            .load(db)?,
    })
}

pub(super) fn bases_add(db: &mut Db, letter: LetterId, cases: &[CaseId], spots: &[SpotId], at: At) -> Result<()> {
    for case in cases {
        diesel::insert_into(letter_cases::table)
            .values((
                letter_cases::letter_id.eq(letter),
                letter_cases::case_id.eq(*case),
                letter_cases::added_at.eq(at),
                letter_cases::open.eq(true),
            ))
            .execute(db)?;
    }
    for spot in spots {
        diesel::insert_into(letter_spots::table)
            .values((
                letter_spots::letter_id.eq(letter),
                letter_spots::spot_id.eq(*spot),
                letter_spots::added_at.eq(at),
                letter_spots::open.eq(true),
            ))
            .execute(db)?;
    }
    Ok(())
}

/// Takes cases and spots out of a draft.
pub(super) fn bases_remove(db: &mut Db, letter: LetterId, cases: &[CaseId], spots: &[SpotId]) -> Result<()> {
    let of = letter_cases::table.filter(letter_cases::letter_id.eq(letter));
    diesel::delete(of.filter(letter_cases::case_id.eq_any(cases))).execute(db)?;
    let of = letter_spots::table.filter(letter_spots::letter_id.eq(letter));
    diesel::delete(of.filter(letter_spots::spot_id.eq_any(spots))).execute(db)?;
    Ok(())
}

/// The letter is over: others may be about the same.
pub(super) fn bases_release(db: &mut Db, letter: LetterId) -> Result<()> {
    let of = letter_cases::table.filter(letter_cases::letter_id.eq(letter));
    diesel::update(of).set(letter_cases::open.eq(false)).execute(db)?;
    let of = letter_spots::table.filter(letter_spots::letter_id.eq(letter));
    diesel::update(of).set(letter_spots::open.eq(false)).execute(db)?;
    Ok(())
}

/// Letters that were issued, not taken back, and whose deadline lies in a stretch, by number's age.
pub(super) fn due_between(db: &mut Db, from: At, until: At) -> Result<Vec<LetterRow>> {
    Ok(letters::table
        .filter(letters::issued_at.is_not_null())
        .filter(letters::state.ne(LetterStage::Withdrawn.as_str()))
        .filter(letters::due_at.ge(from))
        .filter(letters::due_at.lt(until))
        .order((letters::due_at, letters::id))
        .select(LetterRow::as_select())
        .load(db)?)
}

/// Issued letters that are not answered, and whose deadline lies before a moment.
pub(super) fn unanswered(db: &mut Db, due_before: At) -> Result<Vec<LetterRow>> {
    Ok(letters::table
        .filter(letters::state.eq_any([LetterStage::Issued.as_str(), LetterStage::Received.as_str()]))
        .filter(letters::due_at.lt(due_before))
        .order(letters::id)
        .select(LetterRow::as_select())
        .load(db)?)
}

/// The clock's drafts, by id.
pub(super) fn clock_drafts(db: &mut Db) -> Result<Vec<LetterRow>> {
    Ok(letters::table
        .filter(letters::state.eq(LetterStage::Drafted.as_str()))
        .filter(letters::drafted_by.is_null())
        .order(letters::id)
        .select(LetterRow::as_select())
        .load(db)?)
}

/// Cases that a unit has, in no open letter, and for which there may be a ground, by id.
pub(super) fn cases_in_question(
    db: &mut Db,
    after: Option<CaseId>,
    reworks: i32,
    now: At,
    limit: i64,
) -> Result<Vec<CaseId>> {
    let taken = letter_cases::table.filter(letter_cases::open).filter(letter_cases::case_id.eq(cases::id));
    let marked = case_urgings::table
        .filter(case_urgings::case_id.eq(cases::id))
        .filter(case_urgings::due_at.nullable().eq(cases::due_at))
        .filter(case_urgings::kind.eq("letter_draft"));
    let returned =
        case_events::table.filter(case_events::case_id.eq(cases::id)).filter(case_events::command.eq("return"));
    let mut query = cases::table
        .filter(cases::state.eq_any(["dispatched", "handled"]))
        .filter(not(exists(taken)))
        .filter(
            cases::due_at
                .assume_not_null()
                .lt(now)
                .or(cases::rework_count.ge(reworks))
                .or(exists(marked))
                .or(exists(returned)),
        )
        .order(cases::id)
        .limit(limit)
        .select(cases::id)
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(cases::id.gt(after));
    }
    Ok(query.load(db)?)
}

/// When the workbench marked each case at four fifths of its time, for each deadline.
pub(super) fn marks_of(db: &mut Db, ids: &[CaseId]) -> Result<HashMap<(CaseId, At), At>> {
    let rows: Vec<(CaseId, At, At)> = case_urgings::table
        .filter(case_urgings::case_id.eq_any(ids))
        .filter(case_urgings::kind.eq("letter_draft"))
        .select((case_urgings::case_id, case_urgings::due_at, case_urgings::urged_at))
        .load(db)?;
    Ok(rows.into_iter().map(|(case, due_at, urged_at)| ((case, due_at), urged_at)).collect())
}

/// How often units returned each case.
pub(super) fn returns_of(db: &mut Db, ids: &[CaseId]) -> Result<HashMap<CaseId, usize>> {
    let rows: Vec<CaseId> = case_events::table
        .filter(case_events::case_id.eq_any(ids))
        .filter(case_events::command.eq("return"))
        .filter(case_events::outcome.eq("applied"))
        .select(case_events::case_id)
        .load(db)?;
    let mut found = HashMap::new();
    for case in rows {
        *found.entry(case).or_default() += 1;
    }
    Ok(found)
}

/// When a letter took each case in last.
pub(super) fn last_letters_of(db: &mut Db, ids: &[CaseId]) -> Result<HashMap<CaseId, At>> {
    let rows: Vec<(CaseId, Option<At>)> = letter_cases::table
        .filter(letter_cases::case_id.eq_any(ids))
        .group_by(letter_cases::case_id)
        .select((letter_cases::case_id, max(letter_cases::added_at)))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(case, at)| Some((case, at?))).collect())
}

/// Open spots, in no open letter, that came back so often and were seen since, by id.
pub(super) fn spots_in_question(db: &mut Db, recurrences: i32, since: At, limit: i64) -> Result<Vec<SpotId>> {
    let taken = letter_spots::table.filter(letter_spots::open).filter(letter_spots::spot_id.eq(spots::id));
    Ok(spots::table
        .filter(spots::state.eq("open"))
        .filter(spots::recurrence_count.ge(recurrences))
        .filter(spots::last_seen_at.ge(since))
        .filter(not(exists(taken)))
        .order(spots::id)
        .limit(limit)
        .select(spots::id)
        .load(db)?)
}

/// When each spot's problem came back, since a moment and after the last letter about it.
pub(super) fn recurrences_of(db: &mut Db, ids: &[SpotId], since: At) -> Result<HashMap<SpotId, usize>> {
    let letters: Vec<(SpotId, Option<At>)> = letter_spots::table
        .filter(letter_spots::spot_id.eq_any(ids))
        .group_by(letter_spots::spot_id)
        .select((letter_spots::spot_id, max(letter_spots::added_at)))
        .load(db)?;
    let letters: HashMap<SpotId, At> = letters.into_iter().filter_map(|(spot, at)| Some((spot, at?))).collect();
    let rows: Vec<(SpotId, At)> = spot_events::table
        .filter(spot_events::spot_id.eq_any(ids))
        .filter(spot_events::since_closing_s.is_not_null())
        .filter(spot_events::at.ge(since))
        .select((spot_events::spot_id, spot_events::at))
        .load(db)?;
    let mut found = HashMap::new();
    for (spot, at) in rows {
        if letters.get(&spot).is_none_or(|letter| *letter < at) {
            *found.entry(spot).or_default() += 1;
        }
    }
    Ok(found)
}

/// The unit that each spot's last case with a unit is with.
pub(super) fn units_of_spots(db: &mut Db, ids: &[SpotId]) -> Result<HashMap<SpotId, UnitId>> {
    let rows: Vec<(SpotId, Option<UnitId>)> = spot_cases::table
        .inner_join(cases::table.on(cases::id.eq(spot_cases::case_id)))
        .filter(spot_cases::spot_id.eq_any(ids))
        .filter(cases::unit_id.is_not_null())
        .order(cases::reported_at)
        .select((spot_cases::spot_id, cases::unit_id))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(spot, unit)| Some((spot, unit?))).collect())
}
