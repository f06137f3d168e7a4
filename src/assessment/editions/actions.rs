//! Opening, deciding and reading editions, in an open transaction.

use super::store::{self, EditionRow};
use crate::{
    assessment::{
        actions::{self, INSPECTORATE, sees_trials},
        pack::{self, PackCorrection},
        reckon::{self, CorrectionIn},
        rules::{Phase, Verdict},
        store::{self as months, MonthRow},
    },
    db::{
        Db, Tx,
        types::{At, EditionId, Json},
    },
    error::{Code, Error, Result},
    identity::rules::{Actor, text},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A counter-line that an edition is to bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditionCounter)]
pub struct NewCounter {
    /// The line it corrects.
    pub line: i32,
    /// What it gives or takes, thousandths of a point, ±1–100000.
    pub delta: i32,
    /// Why, 1–1000 characters.
    pub why: String,
}

/// The most counter-lines of an edition.
const MOST_COUNTERS: usize = 500;

/// Keeps the first edition, while its month is being published.
///
/// # Errors
/// The engine's own.
pub(in crate::assessment) fn first(tx: &mut Tx, who: &Actor, row: &MonthRow, pack: &str) -> Result<()> {
    let edition = EditionRow {
        id: EditionId(tx.id()),
        month: row.month.clone(),
        edition: Some(1),
        reason: String::new(),
        counters: Json(json!([])),
        opened_by: row.opened_by.unwrap_or(who.user_id),
        opened_at: row.opened_at.unwrap_or(At(tx.now)),
        verdict: Some(Verdict::Upheld.to_string()),
        words: None,
        decided_by: Some(who.user_id),
        decided_at: Some(At(tx.now)),
        pack_sha256: Some(pack::sha256(pack)),
    };
    store::add(tx.db, &edition, Some(pack))
}

/// Opens another edition of a published month. Nothing changes before a second person approves it.
///
/// # Errors
/// `value_invalid`, `not_found` for the month or a line; `month_forbids` before the month is published;
/// `already_exists` while another one waits.
pub fn open(tx: &mut Tx, who: &Actor, month: &str, reason: &str, counters: &[NewCounter]) -> Result<EditionRow> {
    text("reason", reason, 1000)?;
    let head = actions::month_head(tx.db, who, month)?;
    if head.phase != Phase::Published.as_str() {
        return Err(Code::MonthForbids.with("只有已发布的月份可以更正"));
    }
    if !(1..=MOST_COUNTERS).contains(&counters.len()) {
        return Err(Code::ValueInvalid.with(format!("counters: 1–{MOST_COUNTERS}")));
    }
    for NewCounter { line, delta, why } in counters {
        text("counters.why", why, 1000)?;
        if *delta == 0 || !(-100_000..=100_000).contains(delta) {
            return Err(Code::ValueInvalid.with("counters.delta: ±1–100000"));
        }
        months::line_get(tx.db, month, *line)?.ok_or_else(|| Error::not_found("line"))?;
    }
    if store::of_month(tx.db, month)?.iter().any(|row| row.decided_at.is_none()) {
        return Err(Code::AlreadyExists.with("该月已有一份更正待批准"));
    }
    let row = EditionRow {
        id: EditionId(tx.id()),
        month: month.to_owned(),
        edition: None,
        reason: reason.to_owned(),
        counters: actions::value(&counters)?,
        opened_by: who.user_id,
        opened_at: At(tx.now),
        verdict: None,
        words: None,
        decided_by: None,
        decided_at: None,
        pack_sha256: None,
    };
    store::add(tx.db, &row, None)?;
    actions::announce(tx, month);
    Ok(row)
}

/// Approves an edition, which publishes it, or dismisses it, which leaves the month as it was. Whoever opened it may take
/// it back; nobody approves their own.
///
/// # Errors
/// `not_found`, `value_invalid`, `role_forbidden`, `second_person_required`, `already_done`.
pub fn decide(tx: &mut Tx, who: &Actor, id: EditionId, verdict: Verdict, words: &str) -> Result<EditionRow> {
    text("words", words, 1000)?;
    let mut row = store::locked(tx.db, id)?.ok_or_else(|| Error::not_found("edition"))?;
    if row.decided_at.is_some() {
        return Err(Code::AlreadyDone.into());
    }
    let own = row.opened_by == who.user_id;
    let upheld = verdict == Verdict::Upheld;
    if upheld || !own {
        who.must_be(INSPECTORATE)?;
    }
    if upheld && own {
        return Err(Code::SecondPersonRequired.into());
    }
    (row.verdict, row.words) = (Some(verdict.to_string()), Some(words.to_owned()));
    (row.decided_by, row.decided_at) = (Some(who.user_id), Some(At(tx.now)));
    let pack = if upheld { Some(publish(tx, &mut row)?) } else { None };
    store::decide(tx.db, &row, pack.as_deref())?;
    actions::announce(tx, &row.month);
    Ok(row)
}

/// Makes the edition the newest one of its month; its pack.
fn publish(tx: &mut Tx, edition: &mut EditionRow) -> Result<String> {
    let mut row = actions::month_row(tx.db, &edition.month)?;
    let (rules, mut inputs) = actions::parsed(&row)?;
    let before = row.edition.unwrap_or(1);
    let n = before + 1;
    let lines = reckon::reckon(&rules, &inputs).lines.len();
    let why = |one: &NewCounter| format!("第 {n} 版更正第 {} 条：{}", one.line, one.why);
    let counter = |one: NewCounter| CorrectionIn { id: edition.id, line: one.line, delta: one.delta, why: why(&one) };
    inputs.corrections.extend(counters(edition)?.into_iter().map(counter));
    let corrects = row.pack_sha256.take().ok_or_else(|| Error::internal("published without a pack"))?;
    let correction = PackCorrection { edition: n, corrects: corrects.clone(), reason: edition.reason.clone() };
    row.inputs = actions::value(&inputs)?;
    let pack = pack::Pack { correction: Some(correction), ..actions::packed(&row, rules, inputs)? };
    let text = pack.text()?;
    let sha256 = pack::sha256(&text);
    actions::log(
        tx,
        &row.month,
        &json!({"phase": "corrected", "month": row.month, "edition": n, "pack_sha256": sha256, "corrects_sha256": corrects}),
    )?;
    (row.edition, row.correction) = (Some(n), Some(edition.reason.clone()));
    (row.published_by, row.published_at) = (edition.decided_by, edition.decided_at);
    row.pack_sha256 = Some(sha256.clone());
    months::month_save(tx.db, &row)?;
    months::lines_add(tx.db, &row.month, pack.lines.get(lines..).unwrap_or_default())?;
    months::totals_put(tx.db, &row.month, &pack.totals)?;
    (edition.edition, edition.pack_sha256) = (Some(n), Some(sha256));
    Ok(text)
}

/// The counter-lines of an edition, as they were entered.
///
/// # Errors
/// `internal` when they can't be read.
pub fn counters(row: &EditionRow) -> Result<Vec<NewCounter>> {
    serde_json::from_value(row.counters.0.clone()).map_err(Error::internal)
}

/// A month's editions in the order they were opened: the published ones, and to those who make months all.
///
/// # Errors
/// `not_found` for the month.
pub fn list(db: &mut Db, who: &Actor, month: &str) -> Result<Vec<EditionRow>> {
    actions::month_head(db, who, month)?;
    let mut rows = store::of_month(db, month)?;
    rows.retain(|row| row.edition.is_some() || sees_trials(who));
    Ok(rows)
}

/// A published edition with its pack.
///
/// # Errors
/// `not_found`.
pub(in crate::assessment) fn published(db: &mut Db, month: &str, edition: i32) -> Result<(EditionRow, String)> {
    let found = store::published(db, month, edition)?;
    found.and_then(|(row, pack)| Some((row, pack?))).ok_or_else(|| Error::not_found("edition"))
}

/// The edition that a counter-line came with.
///
/// # Errors
/// `not_found`.
pub(in crate::assessment) fn of_line(db: &mut Db, id: EditionId) -> Result<EditionRow> {
    store::get(db, id)?.ok_or_else(|| Error::not_found("edition"))
}
