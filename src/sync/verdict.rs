//! From an operation to its outcome: which area acts, and what its refusal means for work that is already done.

use super::{
    store,
    wire::{Base, Gps, Op, Status},
};
use crate::{
    cases::{
        self,
        actions::{Cause, Outcome},
        rules::{Command, Report},
    },
    db::{
        Db, Tx,
        types::{CaseId, OpId, SpotCheckId},
    },
    error::{Code, Error, Result},
    evidence::{
        self,
        actions::NewLink,
        datum::{Datum, Position, to_wgs84},
        rules::{NewEvidence, Owner},
    },
    identity::rules::Actor,
    spotchecks::{self, actions::Stand, rules::Record},
};

/// The operation types and versions this server knows.
pub const TYPES: &[(&str, i32)] = &[
    ("case.report", 1),
    ("case.dispatch", 1),
    ("case.handle", 1),
    ("case.apply_closing", 1),
    ("case.refuse_closing", 1),
    ("case.request_verification", 1),
    ("case.verify", 1),
    ("case.notify_closing", 1),
    ("case.confirm_closing", 1),
    ("case.return", 1),
    ("case.request_extension", 1),
    ("case.decide_extension", 1),
    ("case.void", 1),
    ("case.note", 1),
    ("spot_check.record", 1),
];

/// Whether this server knows the type in this version.
pub fn supported(op_type: &str, version: i32) -> bool {
    TYPES.contains(&(op_type, version))
}

/// What an operation of an unknown type waits for: a server that knows it.
pub fn wait_for_type(op_type: &str, version: i32) -> String {
    format!("type:{op_type}:{version}")
}

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
}

impl Verdict {
    fn applied(ver: i64) -> Verdict {
        Verdict { status: Status::Applied, code: None, detail: None, ver: Some(ver), winner: None, waiting: vec![] }
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
        }
    }

    /// Kept until all of `waiting` has come.
    pub fn held(code: Code, waiting: Vec<String>) -> Verdict {
        Verdict { waiting, ..Verdict::of(Status::Held, &code.into()) }
    }
}

/// Lets the operation's area act.
///
/// # Errors
/// What the area refuses with; [`refused`] turns it into a verdict.
pub fn apply(tx: &mut Tx, op: &Op, who: &Actor) -> Result<Verdict> {
    let cause = Cause { op: Some(op.op_id), device: who.device_id, occurred_at: op.occurred_at };
    let verdict = match op.r#type.split_once('.') {
        Some(("case", "report")) => {
            let report: Report = args(op.args.clone())?;
            let row = cases::actions::case_report(tx, who, CaseId(target(op, "case")?), report, cause)?;
            Verdict::applied(row.ver)
        }
        Some(("case", name)) => {
            let command: Command = args(serde_json::json!({ "type": name, "args": op.args }))?;
            case_command(tx, op, who, &command, cause)?
        }
        Some(("spot_check", "record")) => {
            let record: Record = args(op.args.clone())?;
            let id = SpotCheckId(target(op, "spot_check")?);
            let stand = op.gps.as_ref().map(stand).transpose()?;
            spotchecks::actions::check_record(tx, who, id, &record, stand, cause)?;
            Verdict::applied(1)
        }
        _ => return Err(Code::OpUnsupported.into()),
    };
    attach(tx, op, who)?;
    Ok(verdict)
}

/// Declares the photos and videos of an operation and links them to its target; the bytes follow on their own.
fn attach(tx: &mut Tx, op: &Op, who: &Actor) -> Result<()> {
    let Some(target) = op.target.as_ref().filter(|_| !op.evidence.is_empty()) else { return Ok(()) };
    let owner = Owner { device_id: who.device_id, user_id: Some(who.user_id) };
    let gps = op.gps.as_ref().map(place).transpose()?;
    for named in &op.evidence {
        if !matches!(named.need.as_str(), "none" | "before_close") {
            return Err(Code::ArgsInvalid.with("evidence.need: none or before_close"));
        }
        let new = NewEvidence {
            sha256: named.sha256.clone(),
            size: named.size,
            media_type: named.mime.clone(),
            captured_at: named.captured_at.or(Some(op.occurred_at)),
            gps: gps.clone(),
            role: Some(named.role.clone()),
            ..NewEvidence::default()
        };
        let row = evidence::actions::declare(tx, &owner, new)?;
        let id = target.id.to_string();
        let link = NewLink { kind: &target.kind, id: &id, role: &named.role, need: &named.need, op: Some(op.op_id) };
        evidence::actions::link(tx, row.id, link, owner.user_id)?;
    }
    Ok(())
}

fn place(gps: &Gps) -> Result<evidence::rules::Gps> {
    Ok(evidence::rules::Gps {
        lat: gps.lat,
        lon: gps.lon,
        datum: gps.datum.parse().map_err(|_| Code::ArgsInvalid.with("gps.datum"))?,
        accuracy_m: gps.accuracy_m,
        fix_age_s: gps.fix_age_s,
        source: gps.source.clone(),
    })
}

fn case_command(tx: &mut Tx, op: &Op, who: &Actor, command: &Command, cause: Cause) -> Result<Verdict> {
    let id = CaseId(target(op, "case")?);
    Ok(match cases::actions::case_command(tx, who, id, command, cause)? {
        Outcome::Applied(case) => Verdict::applied(case.ver),
        Outcome::Superseded { case, winner } => {
            Verdict { ver: Some(case.ver), winner, ..Verdict::of(Status::Superseded, &Code::AlreadyDone.into()) }
        }
        Outcome::Waits { evidence } => {
            let waiting = evidence.iter().map(|sha256| evidence::actions::settled_key(sha256)).collect();
            Verdict::held(Code::EvidenceMissing, waiting)
        }
        Outcome::Refused { case, winner } => {
            // The person saw this very version and still asked for a step it does not allow: a plain mistake.
            // Otherwise the case moved while they were away, and a person must look at what they did.
            let status = if seen(tx.db, op)? == Some(case.ver) { Status::Rejected } else { Status::Conflict };
            let code = if status == Status::Rejected { Code::StageForbids } else { Code::StageMoved };
            Verdict { ver: Some(case.ver), winner, ..Verdict::of(status, &code.with(case.state)) }
        }
    })
}

/// The version the person had before their eyes.
fn seen(db: &mut Db, op: &Op) -> Result<Option<i64>> {
    match op.base {
        Some(Base::Version { ver }) => Ok(Some(ver)),
        Some(Base::Op { op }) => Ok(store::ops_by_id(db, &[op])?.pop().and_then(|row| row.ver)),
        None => Ok(None),
    }
}

/// The verdict for an area's refusal. Work on a case that has gone to somebody else meanwhile is not the person's
/// mistake: it is kept for a decision.
///
/// # Errors
/// The engine's own.
pub fn refused(db: &mut Db, op: &Op, error: &Error) -> Result<Verdict> {
    let gone = matches!(error.code, Code::NotFound | Code::UnitForeign) && op.base.is_some();
    if gone
        && let Ok(id) = target(op, "case")
        && !cases::actions::cases_by_id(db, &[CaseId(id)])?.is_empty()
    {
        return Ok(Verdict::of(Status::Conflict, &Code::StageMoved.into()));
    }
    Ok(Verdict::of(Status::Rejected, error))
}

fn target(op: &Op, kind: &str) -> Result<uuid::Uuid> {
    match &op.target {
        Some(target) if target.kind == kind => Ok(target.id),
        _ => Err(Code::ArgsInvalid.with(format!("target: must be a {kind}"))),
    }
}

fn args<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Code::ArgsInvalid.with(e.to_string()))
}

fn stand(gps: &Gps) -> Result<Stand> {
    let datum: Datum = gps.datum.parse().map_err(|_| Code::ArgsInvalid.with("gps.datum"))?;
    let position = Position::new(gps.lat, gps.lon).map_err(|e| Code::ArgsInvalid.with(format!("gps: {e}")))?;
    let position = to_wgs84(position, datum);
    Ok(Stand { lat: position.lat(), lon: position.lon(), accuracy_m: gps.accuracy_m })
}
