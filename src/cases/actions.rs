//! What can be done with cases; called by REST, sync and jobs alike.

pub use super::desk::{Cause, Outcome, keys};
use super::{
    clock::{Stretch, stretches},
    desk::{self, Shelf, Step},
    report::Report,
    rules::{Assignment, Command, State},
    store::{self, CaseRow, EventRow, Page, Sight, Waiting},
};
use crate::{
    calendar::{
        self,
        rules::{Calendar, Due},
    },
    catalogue::{self, rules::ClassKind},
    db::{
        Db, Tx,
        types::{At, CaseId, OpId, UnitId},
    },
    error::{Error, Result},
    evidence::{self, reuse::rules::Doubt},
    identity::{
        self,
        county::REGION,
        rules::{Actor, CENTRE},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

/// Whose cases a person's lists show.
pub fn sight(who: &Actor) -> Sight {
    if CENTRE.contains(&who.role) {
        return Sight::All;
    }
    Sight::UnitOr(who.unit_of_cases(), who.user_id)
}

/// The cases a transaction has in hand: read and locked once, written together by [`Held::clear`].
#[derive(Default)]
pub struct Held {
    rows: HashMap<CaseId, Option<CaseRow>>,
    new: HashSet<CaseId>,
    dirty: HashSet<CaseId>,
    lines: Vec<EventRow>,
    moved: BTreeMap<CaseId, HashSet<String>>,
    units: Option<HashSet<UnitId>>,
    calendar: Option<Arc<Calendar>>,
}

impl Held {
    /// Reads and locks these cases, in one order for everybody, so that two transactions can't wait for each other.
    ///
    /// # Errors
    /// The engine's own.
    pub fn fetch(&mut self, tx: &mut Tx, ids: &[CaseId]) -> Result<()> {
        let wanted: Vec<CaseId> = ids.iter().copied().filter(|id| !self.rows.contains_key(id)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.rows.extend(wanted.iter().map(|id| (*id, None)));
        self.rows.extend(store::cases_locked(tx.db, &wanted)?.into_iter().map(|row| (row.id, Some(row))));
        Ok(())
    }

    fn rows_of<'i>(&self, ids: impl Iterator<Item = &'i CaseId>) -> Vec<CaseRow> {
        ids.filter_map(|id| self.rows.get(id).cloned().flatten()).collect()
    }

    /// The desk, for decisions.
    pub fn desk<'a, 't>(&'a mut self, tx: &'a mut Tx<'t>) -> Desk<'a, 't> {
        Desk { held: self, tx }
    }

    /// Writes what was decided. The rows stay in hand.
    ///
    /// # Errors
    /// The engine's own.
    pub fn clear(&mut self, tx: &mut Tx) -> Result<()> {
        let mut fresh = self.rows_of(self.new.iter());
        if !fresh.is_empty() {
            // In the order of their ids, which sort by when they were made.
            fresh.sort_unstable_by_key(|row| row.id);
            number(tx, &mut fresh)?;
            store::cases_add(tx.db, &fresh)?;
            self.rows.extend(fresh.into_iter().map(|row| (row.id, Some(row))));
        }
        let mut changed = self.rows_of(self.dirty.difference(&self.new));
        changed.sort_unstable_by_key(|row| row.id);
        store::cases_save(tx.db, &changed)?;
        store::events_add(tx.db, &self.lines)?;
        let written = self.lines.iter().filter(|line| matches!(line.command.as_str(), "report" | "edit"));
        let written: BTreeSet<CaseId> = written.map(|line| line.case_id).collect();
        let written: Vec<&CaseRow> = written.iter().filter_map(|id| self.rows.get(id)?.as_ref()).collect();
        store::words_put(tx.db, &written)?;
        self.new.clear();
        self.dirty.clear();
        self.lines.clear();
        for (case, lost) in std::mem::take(&mut self.moved) {
            evidence::actions::case_moved(tx, case, &lost.into_iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

/// Gives cases the number people say: region, local day, count of that day. Every report of a day shares the counter.
fn number(tx: &mut Tx, rows: &mut [CaseRow]) -> Result<()> {
    let day = tx.now.with_timezone(&chrono_tz::Asia::Shanghai).format("%Y%m%d").to_string();
    let count = i64::try_from(rows.len()).map_err(Error::internal)?;
    let last = store::numbers_next(tx.db, &day, count)?;
    for (row, number) in rows.iter_mut().zip(last - count + 1..) {
        row.number = format!("{REGION}{day}{number:04}");
    }
    Ok(())
}

/// Cases in hand, on an open transaction.
pub struct Desk<'a, 't> {
    held: &'a mut Held,
    tx: &'a mut Tx<'t>,
}

impl Shelf for Desk<'_, '_> {
    fn now(&self) -> DateTime<Utc> {
        self.tx.now
    }

    fn fresh_id(&mut self) -> Uuid {
        self.tx.id()
    }

    fn case(&mut self, id: CaseId) -> Result<Option<CaseRow>> {
        self.held.fetch(self.tx, &[id])?;
        Ok(self.held.rows.get(&id).cloned().flatten())
    }

    fn unit_known(&mut self, id: UnitId) -> Result<bool> {
        if self.held.units.is_none() {
            self.held.units = Some(identity::actions::unit_ids(self.tx.db)?);
        }
        Ok(self.held.units.as_ref().is_some_and(|units| units.contains(&id)))
    }

    fn calendar(&mut self) -> Result<Arc<Calendar>> {
        match &self.held.calendar {
            Some(calendar) => Ok(calendar.clone()),
            None => Ok(self.held.calendar.insert(Arc::new(calendar::actions::calendar(self.tx.db)?)).clone()),
        }
    }

    fn class_kind(&mut self, code: &str) -> Result<Option<ClassKind>> {
        catalogue::actions::kind_of(self.tx.db, code)
    }

    fn missing_before_close(&mut self, id: CaseId) -> Result<Vec<String>> {
        evidence::actions::missing_before_close(self.tx.db, id)
    }

    fn photo_doubt(&mut self, id: CaseId) -> Result<Option<Doubt>> {
        evidence::reuse::actions::doubt(self.tx.db, id)
    }

    fn mover(&mut self, id: CaseId, command: Option<&str>) -> Result<Option<OpId>> {
        let counts = |line: &&EventRow| {
            line.case_id == id && line.ver.is_some() && command.is_none_or(|name| name == line.command)
        };
        if let Some(line) = self.held.lines.iter().rev().find(counts) {
            return Ok(line.op_id);
        }
        Ok(store::event_newest(self.tx.db, id, command)?.and_then(|line| line.op_id))
    }

    fn put(&mut self, step: Step) {
        self.tx.announce(step.change());
        let Step { row, line, before } = step;
        match before {
            None => drop(self.held.new.insert(row.id)),
            Some(before) => {
                let after = keys(&row);
                // Evidence goes with its case: who gains or loses the sight of one gains or loses the other.
                if before != after {
                    let lost = before.into_iter().filter(|key| !after.contains(key));
                    self.held.moved.entry(row.id).or_default().extend(lost);
                }
            }
        }
        self.held.dirty.insert(row.id);
        self.held.lines.push(line);
        self.held.rows.insert(row.id, Some(row));
    }
}

/// Takes a report; the id was made by whoever reports, so a repeat finds the same case.
///
/// # Errors
/// `value_invalid`, also for a self-handled report whose photos of before and after were not declared for this id;
/// `role_forbidden`, `already_exists` when the id is taken.
pub fn case_report(tx: &mut Tx, who: &Actor, id: CaseId, report: Report, cause: Cause) -> Result<()> {
    if report.self_handled.is_some() {
        let roles = evidence::actions::roles_of(tx.db, id)?;
        report.check_photos(roles.iter().map(String::as_str))?;
    }
    let mut held = Held::default();
    desk::report(&mut held.desk(tx), who, id, report, cause)?;
    held.clear(tx)
}

/// Applies a command to a case, or says why not. Nothing is written unless the outcome is `Applied`, `Merged` or
/// `Superseded`.
///
/// # Errors
/// `not_found` (also for a case that is private to others), and what no stage could mend: `value_invalid`,
/// `role_forbidden`, `unit_foreign`, `due_at_invalid`, `extension_pending`, `extension_absent`.
pub fn case_command(tx: &mut Tx, who: &Actor, id: CaseId, command: &Command, cause: Cause) -> Result<Outcome> {
    let mut held = Held::default();
    let outcome = desk::command(&mut held.desk(tx), who, id, command, None, false, cause)?;
    held.clear(tx)?;
    Ok(outcome)
}

/// A case that this person may see.
///
/// # Errors
/// `not_found`.
pub fn case_get(db: &mut Db, who: &Actor, id: CaseId) -> Result<CaseRow> {
    store::case_get(db, id)?.filter(|row| desk::visible(row, who)).ok_or_else(|| Error::not_found("case"))
}

/// A case that this person may see, by the number people say.
///
/// # Errors
/// `not_found`.
pub fn case_by_number(db: &mut Db, who: &Actor, number: &str) -> Result<CaseRow> {
    let row = store::case_by_number(db, number)?;
    row.filter(|row| desk::visible(row, who)).ok_or_else(|| Error::not_found("case"))
}

/// A page of the cases that this person may see.
///
/// # Errors
/// The engine's own.
pub fn case_page(db: &mut Db, page: &Page) -> Result<Vec<CaseRow>> {
    store::case_page(db, page)
}

/// Which of the next cases by id can't be found by words, because they are of a time before there was a search; and where
/// to go on, none when those were the last.
///
/// # Errors
/// The engine's own.
pub fn wordless(db: &mut Db, after: Option<CaseId>, at_once: i64) -> Result<(Option<CaseId>, Vec<CaseId>)> {
    let rows = store::worded(db, after, at_once)?;
    let next = rows.last().map(|(id, _)| *id);
    Ok((next, rows.into_iter().filter(|(_, worded)| !worded).map(|(id, _)| id).collect()))
}

/// Makes cases findable by their words.
///
/// # Errors
/// The engine's own.
pub fn words_put(tx: &mut Tx, ids: &[CaseId]) -> Result<()> {
    let rows = store::cases_by_id(tx.db, ids)?;
    store::words_put(tx.db, &rows.iter().collect::<Vec<_>>())
}

/// How many cases wait for what: of all units, or of one.
///
/// # Errors
/// The engine's own.
pub fn waiting(db: &mut Db, unit: Option<UnitId>, now: DateTime<Utc>) -> Result<Vec<Waiting>> {
    store::waiting(db, unit, At(now))
}

/// Cases by id, for the feed; audience is checked by the caller with [`keys`].
///
/// # Errors
/// The engine's own.
pub fn cases_by_id(db: &mut Db, ids: &[CaseId]) -> Result<Vec<CaseRow>> {
    store::cases_by_id(db, ids)
}

/// The cases of a snapshot, by id.
///
/// # Errors
/// The engine's own.
pub fn case_after(db: &mut Db, sight: &Sight, after: Option<CaseId>, limit: i64) -> Result<Vec<CaseRow>> {
    store::case_after(db, sight, after, limit)
}

/// A page of a case's timeline, oldest first, with the actors' names.
///
/// # Errors
/// `not_found`.
pub fn case_timeline(db: &mut Db, who: &Actor, id: CaseId, after: i64, limit: i64) -> Result<Vec<(EventRow, String)>> {
    case_get(db, who, id)?;
    let events = store::event_page(db, id, after, limit)?;
    let ids: Vec<_> = events.iter().map(|event| event.actor_id).collect();
    let names = identity::actions::user_names(db, &ids)?;
    Ok(events
        .into_iter()
        .map(|event| {
            let name = names.get(&event.actor_id).cloned().unwrap_or_default();
            (event, name)
        })
        .collect())
}

/// The first lines of a case's timeline, whoever may see it: the caller has found that the reader may.
///
/// # Errors
/// The engine's own.
pub fn timeline_of(db: &mut Db, id: CaseId, limit: i64) -> Result<Vec<EventRow>> {
    store::event_page(db, id, 0, limit)
}

/// The clocks of a case.
#[derive(Debug, Clone)]
pub struct Clocks {
    /// The charge they belong to; none before the first dispatch and when the case is void.
    pub charge: Option<Assignment>,
    /// When its limit runs out by the calendar that holds now, with every stretch on the way; none when the deadline was
    /// named. The case's own deadline was fixed when it was dispatched, and an extension may have moved it.
    pub due: Option<Due>,
    /// How much of the limit is used.
    pub used: Option<TimeDelta>,
    /// Which stage had the case when.
    pub stretches: Vec<Stretch>,
}

/// The clocks of a case that this person may see, at a moment.
///
/// # Errors
/// `not_found`.
pub fn case_clocks(db: &mut Db, who: &Actor, id: CaseId, now: DateTime<Utc>) -> Result<Clocks> {
    let row = case_get(db, who, id)?;
    let calendar = calendar::actions::calendar(db)?;
    let charge = row.place()?.assignment().cloned();
    let moves = store::moves(db, id)?.into_iter().map(|(at, stage)| Ok((at.0, stage.parse()?)));
    let stretches = stretches(&moves.collect::<Result<Vec<_>>>()?, charge.as_ref(), &calendar, now);
    let limited = charge.as_ref().and_then(|a| Some((a, a.limit?)));
    // What the unit has used ends with its application, and starts again with a rework.
    let until = |a: &Assignment| a.applied_at.unwrap_or(now);
    Ok(Clocks {
        due: limited.map(|(a, limit)| calendar.due(a.dispatched_at, limit, &a.pauses)),
        used: limited.map(|(a, limit)| calendar.elapsed(limit.kind, a.dispatched_at, until(a), &a.pauses)),
        stretches,
        charge,
    })
}

/// Whether a case's deadline has passed while it is neither closed nor on hold.
pub fn overdue(case: &CaseRow, now: DateTime<Utc>) -> bool {
    let open =
        case.place().is_ok_and(|place| !matches!(place, State::Closed { .. } | State::Void(_)) && !place.on_hold());
    open && case.due_at.is_some_and(|due| due.0 < now)
}
