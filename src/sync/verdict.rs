//! What an operation came to, and how the outcome of a case's step is told.

use super::{
    record::Act,
    wire::{Op, Status},
};
use crate::{
    cases::{
        desk::{self, Cause, Outcome, Shelf},
        report::Report,
        rules::Command,
    },
    db::types::{CaseId, OpId},
    error::{Code, Error, Result},
    evidence,
    identity::rules::Actor,
};

/// What became of an operation, before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The status.
    pub status: Status,
    /// The reason.
    pub code: Option<Code>,
    /// What exactly.
    pub detail: Option<String>,
    /// The record's version after it.
    pub ver: Option<i64>,
    /// The operation that was there first.
    pub winner: Option<OpId>,
    /// What it waits for.
    pub waiting: Vec<String>,
    /// Fields that were written beside another person's change.
    pub adjusted: Vec<String>,
}

impl Verdict {
    /// It took effect.
    pub fn applied(ver: i64) -> Verdict {
        Verdict {
            status: Status::Applied,
            code: None,
            detail: None,
            ver: Some(ver),
            winner: None,
            waiting: vec![],
            adjusted: vec![],
        }
    }

    /// A verdict with an error's reason.
    pub fn of(status: Status, error: &Error) -> Verdict {
        Verdict {
            status,
            code: Some(error.code),
            detail: error.detail.clone(),
            ver: None,
            winner: None,
            waiting: vec![],
            adjusted: vec![],
        }
    }

    /// Kept until all of `waiting` has come.
    pub fn held(code: Code, waiting: Vec<String>) -> Verdict {
        Verdict { waiting, ..Verdict::of(Status::Held, &code.into()) }
    }
}

/// What a step came from.
pub fn cause(op: &Op, who: &Actor, act: Act) -> Cause {
    Cause { op: Some(op.op_id), device: who.device_id, occurred_at: act.at }
}

/// Lets a `case.…` operation act on the desk.
///
/// # Errors
/// What the case's rules refuse with whatever the stage; nothing was put down then.
pub fn on_case(shelf: &mut impl Shelf, op: &Op, who: &Actor, act: Act) -> Result<Verdict> {
    let (id, cause) = (CaseId(target(op, "case")?), cause(op, who, act));
    let name = op.r#type.strip_prefix("case.").unwrap_or_default();
    if name == "report" {
        let report: Report = args(&op.args)?;
        report.check_photos(op.evidence.iter().map(|named| named.role.as_str()))?;
        return Ok(Verdict::applied(desk::report(shelf, who, id, report, cause)?.ver));
    }
    let command: Command = args(&serde_json::json!({ "type": name, "args": op.args }))?;
    Ok(match desk::command(shelf, who, id, &command, act.seen, act.insist, cause)? {
        Outcome::Applied(case) => Verdict::applied(case.ver),
        Outcome::Merged(case, fields) => {
            Verdict { status: Status::Merged, adjusted: fields, ..Verdict::applied(case.ver) }
        }
        Outcome::Superseded { case, winner } => {
            Verdict { ver: Some(case.ver), winner, ..Verdict::of(Status::Superseded, &Code::AlreadyDone.into()) }
        }
        Outcome::Waits { evidence } => {
            let waiting = evidence.iter().map(|sha256| evidence::actions::settled_key(sha256)).collect();
            Verdict::held(Code::EvidenceMissing, waiting)
        }
        Outcome::Doubted(doubt) => {
            let waiting = vec![evidence::reuse::actions::settled_key(&id.to_string())];
            Verdict { detail: Some(doubt.as_str().to_owned()), ..Verdict::held(Code::PhotoReuseUndecided, waiting) }
        }
        Outcome::Refused { case, winner } => {
            let moved = Code::StageMoved.with(case.state);
            Verdict { ver: Some(case.ver), winner, ..Verdict::of(Status::Conflict, &moved) }
        }
        Outcome::Contested { case, fields, winner } => {
            let changed = Code::FieldChanged.with(fields.join(" "));
            Verdict { ver: Some(case.ver), winner, ..Verdict::of(Status::Conflict, &changed) }
        }
    })
}

/// The record an operation acts on, when it is of this kind.
///
/// # Errors
/// `args_invalid`.
pub fn target(op: &Op, kind: &str) -> Result<uuid::Uuid> {
    match &op.target {
        Some(target) if target.kind == kind => Ok(target.id),
        _ => Err(Code::ArgsInvalid.with(format!("target: must be a {kind}"))),
    }
}

/// Arguments in the shape their type needs.
///
/// # Errors
/// `args_invalid`.
pub fn args<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Result<T> {
    T::deserialize(value).map_err(|e| Code::ArgsInvalid.with(e.to_string()))
}
