//! What people do with letters, in an open transaction.

use super::{
    rules::{self, Command, Draft, Facts, LetterPaper, LetterStage, PaperItem, State, apply, document},
    store::{self, Bases, Counts, LetterRow, Only, Sight, StepRow},
};
use crate::{
    calendar, cases,
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, CaseId, Json, LetterId, LetterStepId, SpotId, UnitId, UserId},
    },
    error::{Code, Error, Result},
    evidence::{self, actions::NewLink},
    identity::{self, rules::Actor},
    spots,
};
use chrono::{DateTime, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Who may see a letter: the Centre, and once it is issued its unit.
pub fn keys(row: &LetterRow) -> Keys {
    let unit = row.issued_at.map(|_| format!("unit:{}", row.unit_id));
    ["centre".to_owned()].into_iter().chain(unit).collect()
}

/// Whose letters this person sees.
///
/// # Errors
/// `role_forbidden`.
pub fn sight(who: &Actor) -> Result<Sight> {
    Ok(who.only_unit()?.map_or(Sight::All, Sight::Unit))
}

/// A line of the timeline.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) actor: Option<UserId>,
    pub(super) command: &'static str,
    pub(super) words: Option<String>,
    pub(super) evidence: Vec<String>,
    pub(super) args: Value,
}

/// Writes down the next step of a letter, and tells whoever sees it. The row carries what the step made of it.
pub(super) fn step(tx: &mut Tx, row: &mut LetterRow, said: Said) -> Result<()> {
    row.ver += 1;
    row.updated_at = At(tx.now);
    if row.ver == 1 {
        store::letter_add(tx.db, row)?
    } else {
        store::letter_save(tx.db, row)?
    }
    let line = StepRow {
        id: LetterStepId(tx.id()),
        letter_id: row.id,
        ver: row.ver,
        at: At(tx.now),
        actor_id: said.actor,
        command: said.command.to_owned(),
        state: row.state.clone(),
        words: said.words,
        evidence: Json(json!(said.evidence)),
        args: Json(if said.args.is_null() { json!({}) } else { said.args }),
    };
    store::step_add(tx.db, &line)?;
    tx.announce(Change { kind: "letter", id: row.id.to_string(), before: vec![], after: keys(row), op: None });
    Ok(())
}

/// A row for a draft, not written yet.
pub(super) fn fresh(tx: &Tx, by: Option<UserId>, draft: &Draft) -> Result<LetterRow> {
    let mut row = LetterRow {
        id: LetterId(tx.id()),
        number: None,
        unit_id: draft.unit_id,
        kind: draft.kind.to_string(),
        subject: draft.subject.clone(),
        text: draft.text.clone(),
        note: draft.note.clone(),
        state: String::new(),
        limit_kind: None,
        limit_tenths: None,
        due_at: None,
        extension_until: None,
        replied_at: None,
        score: None,
        level: 0,
        reminded: false,
        ver: 0,
        drafted_by: by,
        drafted_at: At(tx.now),
        issued_at: None,
        received_at: None,
        graded_at: None,
        updated_at: At(tx.now),
    };
    row.put(&State::Drafted(draft.deadline()?));
    Ok(row)
}

/// Refuses what is not there, and what another open letter is about.
fn free(db: &mut Db, cases: &[CaseId], spots: &[SpotId]) -> Result<()> {
    if cases::actions::cases_by_id(db, cases)?.len() < cases.len() {
        return Err(Error::not_found("case"));
    }
    if spots::actions::spots_by_id(db, spots)?.len() < spots.len() {
        return Err(Error::not_found("spot"));
    }
    let Bases { cases, spots } = store::taken(db, cases, spots)?;
    if cases.is_empty() && spots.is_empty() {
        return Ok(());
    }
    Err(Code::AlreadyExists.with("an open letter is about one of these cases or spots"))
}

fn told(draft: &Draft) -> Result<Value> {
    let mut args = serde_json::to_value(draft).map_err(Error::internal)?;
    if let Some(args) = args.as_object_mut() {
        args.remove("evidence");
    }
    Ok(args)
}

fn prove(tx: &mut Tx, who: &Actor, letter: LetterId, sha256s: &[String], role: &str) -> Result<()> {
    let to = NewLink { kind: "letter", id: &letter.to_string(), role, need: "none", op: None };
    evidence::actions::link_stored(tx, who, sha256s, to)
}

/// Drafts a letter.
///
/// # Errors
/// `value_invalid`, `due_at_invalid`, `not_found` for the unit, a case, a spot or evidence, `already_exists` when an
/// open letter is about the same.
pub fn draft(tx: &mut Tx, who: &Actor, draft: Draft) -> Result<LetterRow> {
    who.must_be(rules::DRAFTERS)?;
    let draft = draft.checked(tx.now)?;
    identity::actions::unit_get(tx.db, draft.unit_id)?;
    free(tx.db, &draft.case_ids, &draft.spot_ids)?;
    let mut row = fresh(tx, Some(who.user_id), &draft)?;
    let args = told(&draft)?;
    let said = Said { actor: Some(who.user_id), command: "draft", evidence: draft.evidence.clone(), args, words: None };
    step(tx, &mut row, said)?;
    store::bases_add(tx.db, row.id, &draft.case_ids, &draft.spot_ids, At(tx.now))?;
    prove(tx, who, row.id, &draft.evidence, "basis")?;
    Ok(row)
}

/// Puts a draft in the place of what was drafted. From now on it is the person's, and the clock leaves it alone.
fn revise(tx: &mut Tx, who: &Actor, row: &mut LetterRow, draft: &Draft) -> Result<()> {
    identity::actions::unit_get(tx.db, draft.unit_id)?;
    let old = store::bases_of(tx.db, &[row.id])?.remove(&row.id).unwrap_or_default();
    let new = |all: &[CaseId], known: &[CaseId]| -> Vec<CaseId> {
        all.iter().filter(|id| !known.contains(id)).copied().collect()
    };
    let (more, less) = (new(&draft.case_ids, &old.cases), new(&old.cases, &draft.case_ids));
    let new = |all: &[SpotId], known: &[SpotId]| -> Vec<SpotId> {
        all.iter().filter(|id| !known.contains(id)).copied().collect()
    };
    let (more_spots, less_spots) = (new(&draft.spot_ids, &old.spots), new(&old.spots, &draft.spot_ids));
    free(tx.db, &more, &more_spots)?;
    store::bases_remove(tx.db, row.id, &less, &less_spots)?;
    store::bases_add(tx.db, row.id, &more, &more_spots, At(tx.now))?;
    row.unit_id = draft.unit_id;
    row.kind = draft.kind.to_string();
    (row.subject, row.text, row.note) = (draft.subject.clone(), draft.text.clone(), draft.note.clone());
    row.drafted_by = Some(who.user_id);
    Ok(())
}

/// Does something with a letter. `prefix` begins the number that an issue gives.
///
/// # Errors
/// `not_found`, `role_forbidden`, `version_stale` when it has another version than `base_ver`, and those of
/// [`rules::apply`] and [`draft`].
pub fn command(
    tx: &mut Tx,
    who: &Actor,
    id: LetterId,
    mut command: Command,
    base_ver: Option<i64>,
    prefix: &str,
) -> Result<LetterRow> {
    let sight = sight(who)?;
    let mut row = store::letter_locked(tx.db, sight, id)?.ok_or_else(|| Error::not_found("letter"))?;
    let state = row.place()?;
    who.must_be(command.roles(&state))?;
    if base_ver.is_some_and(|ver| ver != row.ver) {
        return Err(Code::VersionStale.into());
    }
    if let Command::Revise(draft) = &mut command {
        **draft = draft.as_ref().clone().checked(tx.now)?;
    }
    let evidence = command.evidence()?;
    let next = apply(state, &command, &calendar::actions::calendar(tx.db)?, tx.now)?;
    let mut args = serde_json::to_value(&command).map_err(Error::internal)?["args"].take();
    let mut tell = |name: &str, value: Value| {
        if let Some(args) = args.as_object_mut() {
            args.insert(name.to_owned(), value);
        }
    };
    match (&command, &next) {
        (Command::Revise(draft), _) => revise(tx, who, &mut row, draft)?,
        (Command::Issue(_), State::Issued(term)) => {
            let year = rules::year_of(tx.now);
            let number = rules::number(prefix, year, store::number_next(tx.db, year)?);
            tell("number", json!(number));
            tell("due_at", json!(term.due_at));
            (row.number, row.issued_at) = (Some(number), Some(At(tx.now)));
        }
        (Command::Receive(_), _) => row.received_at = Some(At(tx.now)),
        (Command::Grade(_), State::Graded(.., score)) => {
            tell("score", json!(score));
            row.graded_at = Some(At(tx.now));
        }
        _ => {}
    }
    if let Some(args) = args.as_object_mut() {
        // They have columns of their own.
        args.retain(|name, _| name != "words" && name != "evidence");
    }
    if !next.open() {
        store::bases_release(tx.db, row.id)?;
    }
    row.put(&next);
    let words = command.words().map(str::to_owned);
    let role = if matches!(command, Command::Reply(_)) { "reply" } else { "basis" };
    prove(tx, who, row.id, &evidence, role)?;
    step(tx, &mut row, Said { actor: Some(who.user_id), command: command.name(), words, evidence, args })?;
    Ok(row)
}

/// A letter with what it is about.
pub type Whole = (LetterRow, Bases);

/// A letter with what it is about.
///
/// # Errors
/// The engine's own.
pub fn whole(db: &mut Db, row: LetterRow) -> Result<Whole> {
    let bases = store::bases_of(db, &[row.id])?.remove(&row.id).unwrap_or_default();
    Ok((row, bases))
}

fn all_whole(db: &mut Db, rows: Vec<LetterRow>) -> Result<Vec<Whole>> {
    let ids: Vec<LetterId> = rows.iter().map(|row| row.id).collect();
    let mut bases = store::bases_of(db, &ids)?;
    let with = |row: LetterRow| {
        let of = bases.remove(&row.id).unwrap_or_default();
        (row, of)
    };
    Ok(rows.into_iter().map(with).collect())
}

/// A page of letters, the last drafted first.
///
/// # Errors
/// `role_forbidden`.
pub fn page(db: &mut Db, who: &Actor, only: &Only, before: Option<LetterId>, limit: i64) -> Result<Vec<Whole>> {
    let rows = store::letter_page(db, sight(who)?, only, before, limit)?;
    all_whole(db, rows)
}

/// A letter.
///
/// # Errors
/// `role_forbidden`, `not_found`.
pub fn get(db: &mut Db, who: &Actor, id: LetterId) -> Result<LetterRow> {
    store::letter_get(db, sight(who)?, id)?.ok_or_else(|| Error::not_found("letter"))
}

/// An issued letter, whoever asks: for the assessment, whose records are open to every unit (全面公开).
///
/// # Errors
/// `not_found`.
pub fn issued(db: &mut Db, id: LetterId) -> Result<LetterRow> {
    let row = store::letter_get(db, Sight::All, id)?.filter(|row| row.issued_at.is_some());
    row.ok_or_else(|| Error::not_found("letter"))
}

/// How many letters stand where.
///
/// # Errors
/// `role_forbidden`.
pub fn counts(db: &mut Db, who: &Actor) -> Result<Counts> {
    store::counts(db, sight(who)?)
}

/// A page of a letter's timeline, oldest first, each line with the name of who acted.
///
/// # Errors
/// `role_forbidden`, `not_found`.
pub fn timeline(
    db: &mut Db,
    who: &Actor,
    id: LetterId,
    after: i64,
    limit: i64,
) -> Result<Vec<(StepRow, Option<String>)>> {
    get(db, who, id)?;
    let rows = store::steps(db, sight(who)?, id, after, limit)?;
    let ids: Vec<UserId> = rows.iter().filter_map(|row| row.actor_id).collect();
    let names: HashMap<UserId, String> = identity::actions::user_names(db, &ids)?;
    let named = |row: StepRow| {
        let name = row.actor_id.and_then(|id| names.get(&id).cloned());
        (row, name)
    };
    Ok(rows.into_iter().map(named).collect())
}

/// Id, number and title of the cases that a letter is about, by number.
///
/// # Errors
/// `role_forbidden`, `not_found`.
pub fn cases_of(db: &mut Db, who: &Actor, id: LetterId) -> Result<Vec<(CaseId, String, String)>> {
    let row = get(db, who, id)?;
    let (_, bases) = whole(db, row)?;
    let mut cases = cases::actions::cases_by_id(db, &bases.cases)?;
    cases.sort_by(|a, b| a.number.cmp(&b.number));
    Ok(cases.into_iter().map(|case| (case.id, case.number, case.title)).collect())
}

/// A letter as it is printed; `office` signs it.
///
/// # Errors
/// `role_forbidden`, `not_found`.
pub fn paper(db: &mut Db, who: &Actor, id: LetterId, office: &str, now: DateTime<Utc>) -> Result<LetterPaper> {
    let row = get(db, who, id)?;
    let bases = store::bases_of(db, &[id])?.remove(&id).unwrap_or_default();
    let unit = identity::actions::unit_get(db, row.unit_id)?.name;
    let mut cases = cases::actions::cases_by_id(db, &bases.cases)?;
    cases.sort_by(|a, b| a.number.cmp(&b.number));
    let due = |at: At| format!("截止 {}", at.0.with_timezone(&Shanghai).format("%Y-%m-%d %H:%M"));
    let mut items: Vec<PaperItem> = cases
        .into_iter()
        .map(|case| PaperItem {
            number: case.number,
            title: case.title,
            address: case.address.unwrap_or_default(),
            remark: case.due_at.map(due).unwrap_or_default(),
        })
        .collect();
    items.extend(spots::actions::spots_by_id(db, &bases.spots)?.into_iter().map(|spot| PaperItem {
        number: "问题点位".to_owned(),
        title: format!("类别 {}", spot.class_code),
        address: spot.address.unwrap_or_default(),
        remark: format!("返潮 {} 次", spot.recurrence_count),
    }));
    let stage: LetterStage = row.state.parse()?;
    Ok(document(&Facts {
        number: row.number.as_deref(),
        unit: &unit,
        kind: row.letter_kind()?,
        subject: &row.subject,
        text: &row.text,
        note: row.note.as_deref(),
        items,
        due_at: row.due_at.map(|at| at.0),
        office,
        at: row.issued_at.map_or(now, |at| at.0),
        stage,
    }))
}

/// What a letter counts for in the assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoredLetter {
    /// The letter.
    pub id: LetterId,
    /// Its number.
    pub number: String,
    /// The unit.
    pub unit_id: UnitId,
    /// What it is about.
    pub subject: String,
    /// The deadline, after any granted extension.
    pub due_at: At,
    /// Thousandths of a point, 0–100000.
    pub score: i32,
    /// Why, in Chinese.
    pub why: String,
}

/// The letters that were issued, not taken back, and whose deadline lies in a stretch, `until` excluded, by deadline.
/// Of these, undecided ones count 0: so `until` must not lie ahead, or letters would count that are not due yet.
///
/// # Errors
/// The engine's own.
pub fn scored(db: &mut Db, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<ScoredLetter>> {
    let mut found = Vec::new();
    for row in store::due_between(db, At(from), At(until))? {
        let counted = rules::counted(&row.place()?);
        let (Some((score, why)), Some(number), Some(due_at)) = (counted, row.number, row.due_at) else { continue };
        found.push(ScoredLetter { id: row.id, number, unit_id: row.unit_id, subject: row.subject, due_at, score, why });
    }
    Ok(found)
}

/// Letters with their deadline in a stretch that were answered and wait for the office's grade.
///
/// # Errors
/// The engine's own.
pub fn ungraded(db: &mut Db, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<usize> {
    let due = store::due_between(db, At(from), At(until))?;
    Ok(due.iter().filter(|row| row.state == LetterStage::Replied.as_str()).count())
}
