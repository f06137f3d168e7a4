//! Rows of the exchange.

use super::wire::ACKNOWLEDGE;
use crate::{
    db::{
        Db, Each,
        schema::{cases, city_cases, city_codes, city_directions, city_inbox, city_outbox, city_reconciliations},
        types::{At, CaseId, Json, MessageId, UserId},
    },
    error::Result,
};
use diesel::prelude::*;

const IN: &str = "in";
const OUT: &str = "out";

/// A case that the city sent.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = city_cases, primary_key(city_number), treat_none_as_null = true)]
pub struct LinkRow {
    /// The city's number.
    pub city_number: String,
    /// Our case.
    pub case_id: CaseId,
    /// See `rules::ExchangeState`.
    pub state: String,
    /// The city's deadline.
    pub due_at: At,
    /// The unit that the city thinks of, by its code.
    pub unit_code: Option<String>,
    /// The last line of the timeline that was told, or that was the city's own.
    pub line: i64,
    /// What the city said of it, whole.
    pub dispatch: Json,
    /// When it came.
    pub received_at: At,
    /// When it got into this state, by the side that brought it there.
    pub updated_at: At,
}

/// A message of the city.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = city_inbox, primary_key(msg_id), treat_none_as_null = true)]
pub struct InboxRow {
    /// The city's name for it.
    pub msg_id: String,
    /// Its number.
    pub seq: i64,
    /// Its type.
    pub kind: String,
    /// As it came.
    pub envelope: Json,
    /// `ok` or `invalid`; none while one before it is missing.
    pub outcome: Option<String>,
    /// Why not.
    pub reason: Option<String>,
    /// Why not, in words.
    pub detail: Option<String>,
    /// Our number of the case.
    pub county_number: Option<String>,
    /// When it came.
    pub received_at: At,
    /// When its turn came.
    pub applied_at: Option<At>,
}

/// A message to the city.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = city_outbox, primary_key(msg_id), treat_none_as_null = true)]
pub struct OutboxRow {
    /// Our name for it.
    pub msg_id: MessageId,
    /// Its number.
    pub seq: i64,
    /// Its type.
    pub kind: String,
    /// The case it is about.
    pub case_id: Option<CaseId>,
    /// What it carries.
    pub body: Json,
    /// See `outbox::OutboxState`.
    pub state: String,
    /// Tries so far.
    pub attempts: i32,
    /// Not before.
    pub next_try_at: At,
    /// What the last try said.
    pub last_error: Option<String>,
    /// When it was written.
    pub queued_at: At,
    /// When it was delivered, sent anew or given up.
    pub settled_at: Option<At>,
    /// Who gave it up or sent it anew.
    pub settled_by: Option<UserId>,
    /// Why, or as which message.
    pub settled_note: Option<String>,
}

/// What a code of the city is here.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = city_codes, primary_key(kind, city_code))]
pub struct CodeRow {
    /// See `rules::CodeKind`.
    pub kind: String,
    /// The city's.
    pub city_code: String,
    /// Ours.
    pub county_code: String,
}

/// What came of a list of the city's.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = city_reconciliations, primary_key(seq))]
pub struct ReconciliationRow {
    /// The list's number.
    pub seq: i64,
    /// When it was compared.
    pub received_at: At,
    /// Cases it named.
    pub items: i32,
    /// Of ours in its range, those that a message was on its way about.
    pub in_flight: i32,
    /// What differed.
    pub differences: Json,
}

/// Switches the link on or off.
pub(super) fn enable(db: &mut Db, enabled: bool) -> Result<()> {
    // A write only when it changes something: each start comes by.
    let other = city_directions::table.filter(city_directions::enabled.ne(enabled));
    diesel::update(other).set(city_directions::enabled.eq(enabled)).execute(db)?;
    Ok(())
}

pub(super) fn is_enabled(db: &mut Db) -> Result<bool> {
    Ok(city_directions::table.find(OUT).select(city_directions::enabled).get_result(db)?)
}

/// The last number that was applied; nobody else applies until the transaction ends.
pub(super) fn applied_locked(db: &mut Db) -> Result<i64> {
    let seq = city_directions::table.find(IN).select(city_directions::seq);
    if let Db::Postgres(c) = db {
        return Ok(seq.for_update().first(c)?);
    }
    Ok(seq.get_result(db)?)
}

pub(super) fn applied_save(db: &mut Db, last: i64) -> Result<()> {
    diesel::update(city_directions::table.find(IN)).set(city_directions::seq.eq(last)).execute(db)?;
    Ok(())
}

/// The last numbers: applied, given.
pub(super) fn numbers(db: &mut Db) -> Result<(i64, i64)> {
    let mut of =
        |direction: &str| city_directions::table.find(direction).select(city_directions::seq).get_result::<i64>(db);
    Ok((of(IN)?, of(OUT)?))
}

/// The next number of a message to the city. Its row stays locked until the transaction ends, so numbers are committed
/// in their order.
pub(super) fn number_next(db: &mut Db) -> Result<i64> {
    Ok(Each(
        diesel::update(city_directions::table.find(OUT))
            .set(city_directions::seq.eq(city_directions::seq + 1))
            .returning(city_directions::seq),
    )
    .get_result(db)?)
}

/// Takes or keeps the turn to send, until `until`; false while another process has it.
pub(super) fn turn_take(db: &mut Db, me: &str, now: At, until: At) -> Result<bool> {
    let free = city_directions::held_by.is_null().or(city_directions::held_by.eq(me));
    let mine = city_directions::table.find(OUT).filter(free.or(city_directions::held_until.lt(now)));
    let taken = (city_directions::held_by.eq(me), city_directions::held_until.eq(until));
    Ok(diesel::update(mine).set(taken).execute(db)? == 1)
}

pub(super) fn link_by_number(db: &mut Db, number: &str) -> Result<Option<LinkRow>> {
    Ok(city_cases::table.find(number).select(LinkRow::as_select()).get_result(db).optional()?)
}

/// The links of these cases, nobody else's to change until the transaction ends.
pub(super) fn links_locked(db: &mut Db, cases: &[CaseId]) -> Result<Vec<LinkRow>> {
    let ours = city_cases::table.filter(city_cases::case_id.eq_any(cases));
    if let Db::Postgres(c) = db {
        return Ok(ours.order(city_cases::case_id).select(LinkRow::as_select()).for_update().load(c)?);
    }
    Ok(ours.select(LinkRow::as_select()).load(db)?)
}

/// Cases with lines that were not told, because there was no link.
pub(super) fn links_behind(db: &mut Db) -> Result<Vec<CaseId>> {
    let rows = city_cases::table.inner_join(cases::table.on(cases::id.eq(city_cases::case_id)));
    let behind = rows.filter(cases::lines.gt(city_cases::line)).order(city_cases::case_id);
    Ok(behind.select(city_cases::case_id).load(db)?)
}

/// Links of which the city was never told that their case is here, with the case's number.
pub(super) fn links_unacknowledged(db: &mut Db) -> Result<Vec<(LinkRow, String)>> {
    let told = city_outbox::table
        .filter(city_outbox::kind.eq(ACKNOWLEDGE))
        .filter(city_outbox::case_id.is_not_null())
        .select(city_outbox::case_id.assume_not_null());
    let rows = city_cases::table.inner_join(cases::table.on(cases::id.eq(city_cases::case_id)));
    let untold = rows.filter(city_cases::case_id.ne_all(told)).order(city_cases::case_id);
    Ok(untold.select((LinkRow::as_select(), cases::number)).load(db)?)
}

/// Puts a link in the place of one with the same number.
pub(super) fn link_put(db: &mut Db, row: &LinkRow) -> Result<()> {
    if diesel::update(city_cases::table.find(&row.city_number)).set(row).execute(db)? == 0 {
        diesel::insert_into(city_cases::table).values(row).execute(db)?;
    }
    Ok(())
}

/// Numbers and states, by number.
pub(super) fn links_between(
    db: &mut Db,
    after: Option<&str>,
    until: Option<&str>,
) -> Result<Vec<(String, String, At, CaseId)>> {
    let mut query = city_cases::table.order(city_cases::city_number).into_boxed();
    if let Some(after) = after {
        query = query.filter(city_cases::city_number.gt(after.to_owned()));
    }
    if let Some(until) = until {
        query = query.filter(city_cases::city_number.le(until.to_owned()));
    }
    let columns = (city_cases::city_number, city_cases::state, city_cases::updated_at, city_cases::case_id);
    Ok(query.select(columns).load(db)?)
}

/// A page of links with the deadlines of their cases, by number.
pub(super) fn link_page(
    db: &mut Db,
    due_differs: bool,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<(LinkRow, String, Option<At>)>> {
    let rows = city_cases::table.inner_join(cases::table.on(cases::id.eq(city_cases::case_id)));
    let mut query = rows.order(city_cases::city_number).limit(limit).into_boxed();
    if due_differs {
        query = query.filter(cases::due_at.is_not_null()).filter(cases::due_at.ne(city_cases::due_at.nullable()));
    }
    if let Some(after) = after {
        query = query.filter(city_cases::city_number.gt(after.to_owned()));
    }
    Ok(query.select((LinkRow::as_select(), cases::number, cases::due_at)).load(db)?)
}

pub(super) fn inbox_get(db: &mut Db, msg_id: &str) -> Result<Option<InboxRow>> {
    Ok(city_inbox::table.find(msg_id).select(InboxRow::as_select()).get_result(db).optional()?)
}

pub(super) fn inbox_at(db: &mut Db, seq: i64) -> Result<Option<InboxRow>> {
    let at = city_inbox::table.filter(city_inbox::seq.eq(seq));
    Ok(at.select(InboxRow::as_select()).get_result(db).optional()?)
}

pub(super) fn inbox_add(db: &mut Db, row: &InboxRow) -> Result<()> {
    diesel::insert_into(city_inbox::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn inbox_save(db: &mut Db, row: &InboxRow) -> Result<()> {
    diesel::update(city_inbox::table.find(&row.msg_id)).set(row).execute(db)?;
    Ok(())
}

pub(super) fn inbox_remove(db: &mut Db, msg_id: &str) -> Result<()> {
    diesel::delete(city_inbox::table.find(msg_id)).execute(db)?;
    Ok(())
}

/// A page, newest first; those with an outcome, or those that wait.
pub(super) fn inbox_page(
    db: &mut Db,
    outcome: Option<Option<&str>>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<InboxRow>> {
    let mut query = city_inbox::table.order(city_inbox::seq.desc()).limit(limit).into_boxed();
    match outcome {
        Some(Some(outcome)) => query = query.filter(city_inbox::outcome.eq(outcome.to_owned())),
        Some(None) => query = query.filter(city_inbox::outcome.is_null()),
        None => {}
    }
    if let Some(before) = before {
        query = query.filter(city_inbox::seq.lt(before));
    }
    Ok(query.select(InboxRow::as_select()).load(db)?)
}

/// Messages that wait for one before them.
pub(super) fn inbox_waiting(db: &mut Db, applied: i64) -> Result<i64> {
    let waiting = city_inbox::table.filter(city_inbox::seq.gt(applied));
    Ok(waiting.filter(city_inbox::outcome.is_null()).count().get_result(db)?)
}

pub(super) fn outbox_add(db: &mut Db, row: &OutboxRow) -> Result<()> {
    diesel::insert_into(city_outbox::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn outbox_save(db: &mut Db, row: &OutboxRow) -> Result<()> {
    diesel::update(city_outbox::table.find(row.msg_id)).set(row).execute(db)?;
    Ok(())
}

/// The message, nobody else's to change until the transaction ends.
pub(super) fn outbox_locked(db: &mut Db, id: MessageId) -> Result<Option<OutboxRow>> {
    let row = city_outbox::table.find(id);
    if let Db::Postgres(c) = db {
        return Ok(row.select(OutboxRow::as_select()).for_update().first(c).optional()?);
    }
    Ok(row.select(OutboxRow::as_select()).get_result(db).optional()?)
}

/// The next messages to send, in order.
pub(super) fn outbox_head(db: &mut Db, limit: i64) -> Result<Vec<OutboxRow>> {
    let queued = city_outbox::table.filter(city_outbox::state.eq("queued"));
    Ok(queued.order(city_outbox::seq).limit(limit).select(OutboxRow::as_select()).load(db)?)
}

/// Refused and not settled, or tried that often.
macro_rules! dead {
    ($tries:expr) => {
        city_outbox::state
            .eq("refused")
            .and(city_outbox::settled_at.is_null())
            .or(city_outbox::state.eq("queued").and(city_outbox::attempts.ge($tries)))
    };
}

/// How many are queued, and how many are dead.
pub(super) fn outbox_counts(db: &mut Db, stuck_from: i32) -> Result<(i64, i64)> {
    let queued = city_outbox::table.filter(city_outbox::state.eq("queued")).count().get_result(db)?;
    Ok((queued, city_outbox::table.filter(dead!(stuck_from)).count().get_result(db)?))
}

/// A page, newest first; `dead_from` tries make a queued message dead.
pub(super) fn outbox_page(
    db: &mut Db,
    state: Option<&str>,
    dead_from: Option<i32>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<OutboxRow>> {
    let order = (city_outbox::seq.desc(), city_outbox::msg_id.desc());
    let mut query = city_outbox::table.order(order).limit(limit).into_boxed();
    if let Some(state) = state {
        query = query.filter(city_outbox::state.eq(state.to_owned()));
    }
    if let Some(tries) = dead_from {
        query = query.filter(dead!(tries));
    }
    if let Some(before) = before {
        query = query.filter(city_outbox::seq.lt(before));
    }
    Ok(query.select(OutboxRow::as_select()).load(db)?)
}

/// Cases that a message after `seq` is about.
pub(super) fn outbox_cases_after(db: &mut Db, seq: i64) -> Result<Vec<CaseId>> {
    let later = city_outbox::table.filter(city_outbox::seq.gt(seq)).filter(city_outbox::case_id.is_not_null());
    Ok(later.select(city_outbox::case_id.assume_not_null()).distinct().load(db)?)
}

/// Makes messages from a number on wait to be sent again: the city has lost them.
pub(super) fn outbox_reopen(db: &mut Db, from: i64, before: i64, now: At) -> Result<usize> {
    let lost = city_outbox::table
        .filter(city_outbox::seq.ge(from))
        .filter(city_outbox::seq.lt(before))
        .filter(city_outbox::state.eq_any(["delivered", "refused"]));
    Ok(diesel::update(lost)
        .set((city_outbox::state.eq("queued"), city_outbox::attempts.eq(0), city_outbox::next_try_at.eq(now)))
        .execute(db)?)
}

pub(super) fn codes(db: &mut Db) -> Result<Vec<CodeRow>> {
    let order = (city_codes::kind, city_codes::city_code);
    Ok(city_codes::table.order(order).select(CodeRow::as_select()).load(db)?)
}

/// Our code for one of the city's.
pub(super) fn code_here(db: &mut Db, kind: &str, city: &str) -> Result<Option<String>> {
    Ok(city_codes::table.find((kind, city)).select(city_codes::county_code).get_result(db).optional()?)
}

/// The city's code for one of ours; the first, where several of its are one of ours.
pub(super) fn code_there(db: &mut Db, kind: &str, county: &str) -> Result<Option<String>> {
    let codes = city_codes::table.filter(city_codes::kind.eq(kind)).filter(city_codes::county_code.eq(county));
    Ok(codes.order(city_codes::city_code).select(city_codes::city_code).first(db).optional()?)
}

pub(super) fn code_put(db: &mut Db, row: &CodeRow) -> Result<()> {
    let known = city_codes::table.find((&row.kind, &row.city_code));
    if diesel::update(known).set(city_codes::county_code.eq(&row.county_code)).execute(db)? == 0 {
        diesel::insert_into(city_codes::table).values(row).execute(db)?;
    }
    Ok(())
}

pub(super) fn code_remove(db: &mut Db, kind: &str, city: &str) -> Result<bool> {
    Ok(diesel::delete(city_codes::table.find((kind, city))).execute(db)? == 1)
}

pub(super) fn reconciliation_add(db: &mut Db, row: &ReconciliationRow) -> Result<()> {
    diesel::insert_into(city_reconciliations::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn reconciliation_page(db: &mut Db, before: Option<i64>, limit: i64) -> Result<Vec<ReconciliationRow>> {
    let mut query = city_reconciliations::table.order(city_reconciliations::seq.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        query = query.filter(city_reconciliations::seq.lt(before));
    }
    Ok(query.select(ReconciliationRow::as_select()).load(db)?)
}

/// When the message with the highest number came.
pub(super) fn heard_at(db: &mut Db) -> Result<Option<At>> {
    let newest = city_inbox::table.order(city_inbox::seq.desc()).select(city_inbox::received_at);
    Ok(newest.first(db).optional()?)
}
