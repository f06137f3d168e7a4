//! What the clock does with letters, in an open transaction: it drafts, takes out what was settled, reminds, escalates.

use super::{
    actions::{Said, fresh, step},
    rules::{
        Draft, Ground, Known, LetterKind, MOST_BASES, Nudge, RECURRENCES, REWORKS, SPOT_MEMORY, State, ground, nudge,
        nudged,
    },
    store::{self, Bases, LetterRow, Sight},
};
use crate::{
    calendar, cases,
    db::{
        Db, Tx,
        types::{At, CaseId, SpotId, UnitId},
    },
    error::Result,
    spots,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Cases, or spots, that one transaction looks at.
pub const AT_ONCE: i64 = 500;
/// Letters are looked at when their deadline is so near: longer than a working day can take over the longest holiday.
const NEAR: TimeDelta = TimeDelta::days(16);

/// What belongs into one draft.
#[derive(Debug, Default)]
struct Heap {
    cases: Vec<(CaseId, Ground)>,
    spots: Vec<SpotId>,
}

/// By unit and kind.
type Heaps = BTreeMap<(UnitId, &'static str), Heap>;

/// The grounds that cases give now, with their unit. What lies before the last letter about a case, of `letters`, does
/// not count.
fn grounds(
    db: &mut Db,
    ids: &[CaseId],
    letters: &HashMap<CaseId, At>,
    now: DateTime<Utc>,
) -> Result<Vec<(CaseId, UnitId, Ground)>> {
    let (marks, returns) = (store::marks_of(db, ids)?, store::returns_of(db, ids)?);
    let mut found = Vec::new();
    for case in cases::actions::cases_by_id(db, ids)? {
        let waits = matches!(case.state.as_str(), "dispatched" | "handled");
        let place = case.place()?;
        let Some(charge) = place.assignment().filter(|_| waits) else { continue };
        let known = Known {
            dispatched_at: charge.dispatched_at,
            due_at: charge.due_at,
            on_hold: charge.on_hold(),
            reworks: case.rework_count,
            returns: returns.get(&case.id).copied().unwrap_or_default(),
            marked_at: marks.get(&(case.id, At(charge.due_at))).map(|at| at.0),
            last_letter_at: letters.get(&case.id).map(|at| at.0),
        };
        found.extend(ground(&known, now).map(|ground| (case.id, charge.unit_id, ground)));
    }
    Ok(found)
}

/// Drafts letters about the next cases behind one; says where to go on, none when those were the last.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn draft_for_cases(tx: &mut Tx, after: Option<CaseId>) -> Result<Option<CaseId>> {
    let ids = store::cases_in_question(tx.db, after, REWORKS, At(tx.now), AT_ONCE)?;
    let letters = store::last_letters_of(tx.db, &ids)?;
    let mut heaps = Heaps::new();
    for (case, unit, ground) in grounds(tx.db, &ids, &letters, tx.now)? {
        heaps.entry((unit, ground.kind().as_str())).or_default().cases.push((case, ground));
    }
    draft(tx, heaps)?;
    Ok(ids.last().copied().filter(|_| i64::try_from(ids.len()).is_ok_and(|found| found >= AT_ONCE)))
}

/// Drafts letters about spots whose problem came back again and again.
///
/// # Errors
/// The engine's own.
pub fn draft_for_spots(tx: &mut Tx) -> Result<()> {
    let since = At(tx.now - SPOT_MEMORY);
    let least = i32::try_from(RECURRENCES).unwrap_or(i32::MAX);
    let ids = store::spots_in_question(tx.db, least, since, AT_ONCE)?;
    let recurrences = store::recurrences_of(tx.db, &ids, since)?;
    let units = store::units_of_spots(tx.db, &ids)?;
    let mut heaps = Heaps::new();
    for id in ids {
        let often = recurrences.get(&id).is_some_and(|times| *times >= RECURRENCES);
        if let Some(unit) = units.get(&id).filter(|_| often) {
            heaps.entry((*unit, Ground::Recurred.kind().as_str())).or_default().spots.push(id);
        }
    }
    draft(tx, heaps)
}

/// Puts each heap into the clock's drafts to its unit, and begins new ones when those are full.
fn draft(tx: &mut Tx, heaps: Heaps) -> Result<()> {
    if heaps.is_empty() {
        return Ok(());
    }
    let drafts = store::clock_drafts(tx.db)?;
    let ids: Vec<_> = drafts.iter().map(|row| row.id).collect();
    let bases = store::bases_of(tx.db, &ids)?;
    for ((unit, word), mut heap) in heaps {
        let kind: LetterKind = word.parse()?;
        let theirs = drafts.iter().filter(|row| row.unit_id == unit && row.kind == word);
        for row in theirs {
            let room = MOST_BASES.saturating_sub(bases.get(&row.id).map_or(0, |of| of.cases.len() + of.spots.len()));
            if let Some(row) = store::letter_locked(tx.db, Sight::All, row.id)?.filter(ours) {
                put_in(tx, row, heap.part(room))?;
            }
        }
        while !heap.is_empty() {
            let (subject, text) = kind.usual_words();
            let draft = Draft {
                unit_id: unit,
                kind,
                subject: subject.to_owned(),
                text: text.to_owned(),
                note: None,
                case_ids: vec![],
                spot_ids: vec![],
                evidence: vec![],
                limit: Some(kind.usual_limit()?),
                due_at: None,
            };
            let row = fresh(tx, None, &draft)?;
            put_in(tx, row, heap.part(MOST_BASES))?;
        }
    }
    Ok(())
}

/// A draft that nobody has taken over.
fn ours(row: &LetterRow) -> bool {
    row.drafted_by.is_none() && row.state == "drafted"
}

impl Heap {
    fn is_empty(&self) -> bool {
        self.cases.is_empty() && self.spots.is_empty()
    }

    /// Takes so much of it.
    fn part(&mut self, most: usize) -> Heap {
        let cases: Vec<_> = self.cases.drain(..self.cases.len().min(most)).collect();
        let spots = self.spots.drain(..self.spots.len().min(most - cases.len())).collect();
        Heap { cases, spots }
    }
}

/// Takes cases and spots into a draft, a new one or one that is there.
fn put_in(tx: &mut Tx, mut row: LetterRow, heap: Heap) -> Result<()> {
    if heap.is_empty() {
        return Ok(());
    }
    let command = if row.ver == 0 { "draft" } else { "add" };
    let of_case = |(case, ground): &(CaseId, Ground)| json!({"case_id": case, "ground": ground.as_str()});
    let of_spot = |spot: &SpotId| json!({"spot_id": spot, "ground": Ground::Recurred.as_str()});
    let added: Vec<_> = heap.cases.iter().map(of_case).chain(heap.spots.iter().map(of_spot)).collect();
    step(tx, &mut row, Said { command, args: json!({ "added": added }), ..Said::default() })?;
    let cases: Vec<CaseId> = heap.cases.into_iter().map(|(case, _)| case).collect();
    store::bases_add(tx.db, row.id, &cases, &heap.spots, At(tx.now))
}

/// Takes out of the clock's drafts what was settled since; a draft of which nothing is left is withdrawn.
///
/// # Errors
/// The engine's own.
pub fn settle(tx: &mut Tx) -> Result<()> {
    let drafts = store::clock_drafts(tx.db)?;
    let ids: Vec<_> = drafts.iter().map(|row| row.id).collect();
    let mut bases = store::bases_of(tx.db, &ids)?;
    for LetterRow { id, unit_id, .. } in drafts {
        let Bases { cases, spots } = bases.remove(&id).unwrap_or_default();
        let still: HashSet<CaseId> = grounds(tx.db, &cases, &HashMap::new(), tx.now)?
            .into_iter()
            .filter(|(_, unit, _)| *unit == unit_id)
            .map(|(case, ..)| case)
            .collect();
        let open: HashSet<SpotId> = spots::actions::spots_by_id(tx.db, &spots)?
            .into_iter()
            .filter(|spot| spot.state == "open")
            .map(|spot| spot.id)
            .collect();
        let (cases, settled): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| still.contains(case));
        let (spots, solved): (Vec<_>, Vec<_>) = spots.into_iter().partition(|spot| open.contains(spot));
        if settled.is_empty() && solved.is_empty() {
            continue;
        }
        let Some(mut row) = store::letter_locked(tx.db, Sight::All, id)?.filter(ours) else { continue };
        store::bases_remove(tx.db, id, &settled, &solved)?;
        let nothing_left = cases.is_empty() && spots.is_empty();
        if nothing_left {
            row.put(&State::Withdrawn);
        }
        let said = Said {
            command: "settle",
            words: nothing_left.then(|| "所列问题均已解决，不再下发".to_owned()),
            args: json!({"case_ids": settled, "spot_ids": solved}),
            ..Said::default()
        };
        step(tx, &mut row, said)?;
    }
    Ok(())
}

/// Reminds units of deadlines that are near, and raises the level of letters that are late.
///
/// # Errors
/// The engine's own.
pub fn nudge_units(tx: &mut Tx) -> Result<()> {
    let calendar = calendar::actions::calendar(tx.db)?;
    for row in store::unanswered(tx.db, At(tx.now + NEAR))? {
        if nudge(&row.place()?, &calendar, tx.now).is_none() {
            continue;
        }
        let Some(mut row) = store::letter_locked(tx.db, Sight::All, row.id)? else { continue };
        let state = row.place()?;
        let Some(nudge) = nudge(&state, &calendar, tx.now) else { continue };
        row.put(&nudged(state, nudge));
        let said = match nudge {
            Nudge::Remind => Said { command: "remind", args: json!({"due_at": row.due_at}), ..Said::default() },
            Nudge::Escalate(level) => Said { command: "escalate", args: json!({"level": level}), ..Said::default() },
        };
        step(tx, &mut row, said)?;
    }
    Ok(())
}
