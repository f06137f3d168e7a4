//! Claims, templates and views, in an open transaction.

use super::{
    rules::CLAIM_LASTS,
    store::{self, ClaimRow, TemplateRow, ViewRow},
};
use crate::{
    cases::{
        self,
        rules::{COMMANDS, Stage},
    },
    db::{
        Db, Tx,
        types::{At, CaseId, TemplateId, UserId, ViewId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        rules::{Actor, CENTRE, Role, text},
    },
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

/// Views that one person keeps at most.
const MOST_VIEWS: usize = 100;
/// Templates that the Centre keeps at most.
const MOST_TEMPLATES: usize = 500;

/// Takes a case in hand, or goes on having it.
///
/// # Errors
/// `not_found`, `stage_forbids` when the case is over, `case_claimed` with the name of whoever has it.
pub fn claim(tx: &mut Tx, who: &Actor, case: CaseId) -> Result<ClaimRow> {
    let row = cases::actions::case_get(tx.db, who, case)?;
    if matches!(row.state.parse()?, Stage::Closed | Stage::Void) {
        return Err(Code::StageForbids.with(row.state));
    }
    let theirs = |claim: &ClaimRow| claim.claimed_by != who.user_id && holds(claim, &row.state, tx.now);
    if let Some(claim) = store::claim_get(tx.db, case)?.filter(theirs) {
        let names = identity::actions::user_names(tx.db, &[claim.claimed_by])?;
        return Err(Code::CaseClaimed.with(names.into_values().next().unwrap_or_default()));
    }
    let claim = ClaimRow { case_id: case, state: row.state, claimed_by: who.user_id, claimed_at: At(tx.now) };
    store::claim_put(tx.db, &claim)?;
    Ok(claim)
}

/// Lets go of a case.
///
/// # Errors
/// `not_found` when the caller has not claimed it.
pub fn release(tx: &mut Tx, who: &Actor, case: CaseId) -> Result<()> {
    let own = store::claim_get(tx.db, case)?.is_some_and(|claim| claim.claimed_by == who.user_id);
    if own { store::claim_remove(tx.db, case) } else { Err(Error::not_found("claim")) }
}

fn holds(claim: &ClaimRow, state: &str, now: DateTime<Utc>) -> bool {
    claim.state == state && claim.claimed_at.0 + CLAIM_LASTS > now
}

/// The last claims that hold, with the names of those who claimed.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn claims(db: &mut Db, now: DateTime<Utc>, limit: i64) -> Result<Vec<(ClaimRow, String)>> {
    let rows = store::claims(db, now, limit)?;
    let ids: Vec<UserId> = rows.iter().map(|claim| claim.claimed_by).collect();
    let names = identity::actions::user_names(db, &ids)?;
    let named = |row: ClaimRow| {
        let name = names.get(&row.claimed_by).cloned().unwrap_or_default();
        (row, name)
    };
    Ok(rows.into_iter().map(named).collect())
}

/// Words to be kept.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTemplate {
    /// For which command of the loop, such as `return`.
    pub command: String,
    /// 1–40 characters.
    pub title: String,
    /// 1–2000 characters.
    pub text: String,
    /// Only for this class.
    pub class_code: Option<String>,
}

/// Keeps words.
///
/// # Errors
/// `value_invalid`.
pub fn template_add(tx: &mut Tx, who: &Actor, new: NewTemplate) -> Result<TemplateRow> {
    if !COMMANDS.contains(&new.command.as_str()) {
        return Err(Code::ValueInvalid.with(format!("command: one of {}", COMMANDS.join(", "))));
    }
    text("title", &new.title, 40)?;
    text("text", &new.text, 2000)?;
    new.class_code.as_deref().map_or(Ok(()), cases::report::class_code)?;
    if store::templates(tx.db)?.len() >= MOST_TEMPLATES {
        return Err(Code::ValueInvalid.with(format!("at most {MOST_TEMPLATES} templates")));
    }
    let NewTemplate { command, title, text, class_code } = new;
    let id = TemplateId(tx.id());
    let row = TemplateRow { id, command, title, text, class_code, made_by: who.user_id, made_at: At(tx.now) };
    store::template_add(tx.db, &row)?;
    Ok(row)
}

/// Every template, by command and title.
///
/// # Errors
/// The engine's own.
pub fn templates(db: &mut Db) -> Result<Vec<TemplateRow>> {
    store::templates(db)
}

/// Forgets words.
///
/// # Errors
/// `not_found`.
pub fn template_remove(tx: &mut Tx, id: TemplateId) -> Result<()> {
    if store::template_remove(tx.db, id)? { Ok(()) } else { Err(Error::not_found("template")) }
}

/// Filters to be saved.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewView {
    /// 1–40 characters; takes the place of the caller's view of the same name.
    pub name: String,
    /// The filters as they stand in the address, without `?`; 1–1000 characters.
    pub query: String,
    /// Whether others at the Centre see it.
    #[serde(default)]
    pub shared: bool,
}

/// Saves filters.
///
/// # Errors
/// `value_invalid`; `role_forbidden` when somebody outside the Centre shares.
pub fn view_save(tx: &mut Tx, who: &Actor, new: NewView) -> Result<ViewRow> {
    text("name", &new.name, 40)?;
    text("query", &new.query, 1000)?;
    if new.shared && !CENTRE.contains(&who.role) {
        return Err(Code::RoleForbidden.into());
    }
    let NewView { name, query, shared } = new;
    let row = ViewRow { id: ViewId(tx.id()), owner_id: who.user_id, name, query, shared, saved_at: At(tx.now) };
    store::view_put(tx.db, &row)?;
    if store::views(tx.db, who.user_id, false)?.len() > MOST_VIEWS {
        return Err(Code::ValueInvalid.with(format!("at most {MOST_VIEWS} views")));
    }
    Ok(row)
}

/// The caller's views, and at the Centre those that others share.
///
/// # Errors
/// The engine's own.
pub fn views(db: &mut Db, who: &Actor) -> Result<Vec<ViewRow>> {
    store::views(db, who.user_id, CENTRE.contains(&who.role))
}

/// Forgets an own view.
///
/// # Errors
/// `not_found`.
pub fn view_remove(tx: &mut Tx, who: &Actor, id: ViewId) -> Result<()> {
    if store::view_remove(tx.db, who.user_id, id)? { Ok(()) } else { Err(Error::not_found("view")) }
}

/// Who may claim and dispatch.
pub const DISPATCHERS: &[Role] = &[Role::Dispatcher];
