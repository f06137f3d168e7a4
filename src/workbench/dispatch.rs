//! Dispatching many cases at once, in an open transaction.

use super::rules::DISPATCHED_AT_ONCE;
use crate::{
    calendar::rules::Limit,
    cases::{
        self,
        actions::{Cause, Outcome},
        rules::{Command, Dispatch},
        store::CaseRow,
    },
    catalogue::{
        self, national,
        rules::{ClassKey, ClassKind},
    },
    db::{
        Db, Tx,
        types::{CaseId, UnitId},
    },
    error::{Code, Result},
    identity::rules::Actor,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

/// A case to be dispatched: with a deadline, a limit, or the limit of a filing condition of its class.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DispatchItem {
    /// The case.
    pub case_id: CaseId,
    /// The unit.
    pub unit_id: UnitId,
    /// The deadline.
    pub due_at: Option<DateTime<Utc>>,
    /// How long it may take from now on.
    pub limit: Option<Limit>,
    /// Take the limit that the catalogue in force gives.
    pub condition: Option<ConditionRef>,
    /// 0 普通, 1 紧急, 2 特急.
    #[serde(default)]
    pub priority: i32,
    /// Refuse with `version_stale` when the case has another version by now.
    pub base_ver: Option<i64>,
}

/// A filing condition of the case's class.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionRef {
    /// Component or event: a code alone does not say.
    pub kind: ClassKind,
    /// The scheme of the code; the national one unless told.
    pub scheme_version: Option<String>,
    /// Its number in the class, from 1.
    pub number: i32,
}

/// Dispatches many cases; each is judged alone, in order.
///
/// # Errors
/// `value_invalid` for none or more than 200; a fault of the server undoes all of them.
pub fn dispatch(tx: &mut Tx, who: &Actor, items: Vec<DispatchItem>) -> Result<Vec<(CaseId, Result<CaseRow>)>> {
    if items.is_empty() || items.len() > DISPATCHED_AT_ONCE {
        return Err(Code::ValueInvalid.with(format!("items: 1–{DISPATCHED_AT_ONCE}")));
    }
    let mut told = Vec::with_capacity(items.len());
    for item in items {
        let case = item.case_id;
        match tx.savepoint(|tx| dispatch_one(tx, who, item)) {
            // What the engine says concerns the whole transaction.
            Err(error) if error.cause.is_some() => return Err(error),
            outcome => told.push((case, outcome)),
        }
    }
    Ok(told)
}

fn dispatch_one(tx: &mut Tx, who: &Actor, item: DispatchItem) -> Result<CaseRow> {
    let row = cases::actions::case_get(tx.db, who, item.case_id)?;
    if item.base_ver.is_some_and(|ver| ver != row.ver) {
        return Err(Code::VersionStale.into());
    }
    let limit = match item.condition {
        Some(_) if item.limit.is_some() => return Err(Code::ValueInvalid.with("limit or condition: one of them")),
        Some(condition) => Some(limit_of(tx.db, &row, condition)?),
        None => item.limit,
    };
    let command =
        Command::Dispatch(Dispatch { unit_id: item.unit_id, due_at: item.due_at, limit, priority: item.priority });
    let cause = Cause { op: None, device: who.device_id, occurred_at: tx.now };
    match cases::actions::case_command(tx, who, item.case_id, &command, cause)? {
        Outcome::Applied(row) | Outcome::Merged(row, _) => Ok(*row),
        Outcome::Superseded { .. } => Err(Code::AlreadyDone.into()),
        _ => Err(Code::StageForbids.with(row.state)),
    }
}

fn limit_of(db: &mut Db, case: &CaseRow, condition: ConditionRef) -> Result<Limit> {
    let code = case.class_code.clone().ok_or_else(|| Code::ValueInvalid.with("condition: the case has no class"))?;
    let scheme_version = condition.scheme_version.unwrap_or_else(|| national::SCHEME.to_owned());
    let key = ClassKey { kind: condition.kind.as_str(), code, scheme_version };
    catalogue::actions::limit_of(db, &key, None, condition.number)
}
