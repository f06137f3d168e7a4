//! The loop as values: a stage carries its data, a command consumes it and gives the next stage or a reason why not.
//!
//! Steps are numbered as in the county's own report (三、项目产出情况); the side paths are what real life has besides.

use super::{edit::Edit, report::REPORTERS};
use crate::{
    calendar::rules::{Calendar, Limit, Pause},
    db::types::UnitId,
    error::{Code, Error, Result},
    identity::rules::{Actor, Role, text, text_enum},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

text_enum! {
    /// Where a case stands.
    Stage {
        /// 待派遣.
        Reported = "reported",
        /// 待处置, step 1 done.
        Dispatched = "dispatched",
        /// 已处置, step 2 done.
        Handled = "handled",
        /// 待审核, step 3 done: the unit asked for closing.
        ClosingApplied = "closing_applied",
        /// 核查中, step 4 done: the city was asked to verify.
        Verifying = "verifying",
        /// 待结案, step 6 done: the city sent its closing notice.
        Verified = "verified",
        /// 已结案, step 7 done.
        Closed = "closed",
        /// 作废: never dispatched.
        Void = "void",
        /// 已退回: not the unit's own, waits for a new dispatch.
        Returned = "returned",
    }
}

text_enum! {
    /// Why a case ends without being dispatched.
    VoidReason {
        /// 现场处置: solved on the spot.
        HandledOnSpot = "handled_on_spot",
        /// 自行处置: whoever reported it had put it right; only the report says so.
        SelfHandled = "self_handled",
        /// 无效.
        Invalid = "void",
        /// 重复.
        Duplicate = "duplicate",
    }
}

/// A case's place in the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Waits for its first dispatch.
    Reported,
    /// A unit has it; `stage` is one of dispatched … verified.
    InHand(Stage, Assignment),
    /// The unit sent it back.
    Returned {
        /// Which unit.
        unit_id: UnitId,
    },
    /// The end of the loop.
    Closed {
        /// Who solved it, by when.
        assignment: Assignment,
        /// When it was confirmed.
        closed_at: DateTime<Utc>,
        /// Through the whole process before the deadline.
        timely: bool,
    },
    /// Never dispatched.
    Void(VoidReason),
}

/// A unit's charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The unit.
    pub unit_id: UnitId,
    /// Since when.
    pub dispatched_at: DateTime<Utc>,
    /// Until when (截止时间), after granted extensions.
    pub due_at: DateTime<Utc>,
    /// What the deadline was computed from; none when it was named.
    pub limit: Option<Limit>,
    /// When its clock stood still (挂账); the last one may last.
    pub pauses: Vec<Pause>,
    /// Why the unit asks to stop the clock, while that waits for a decision.
    pub hold: Option<String>,
    /// An extension that waits for a decision.
    pub extension: Option<Extension>,
    /// When the unit said it was done.
    pub handled_at: Option<DateTime<Utc>>,
    /// When it applied for closing.
    pub applied_at: Option<DateTime<Utc>>,
    /// The city's collector found it solved (step 5).
    pub passed: bool,
}

/// An asked-for extension (延期).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The deadline that is asked for.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

impl State {
    /// The word for it.
    pub fn stage(&self) -> Stage {
        match self {
            State::Reported => Stage::Reported,
            State::InHand(stage, _) => *stage,
            State::Returned { .. } => Stage::Returned,
            State::Closed { .. } => Stage::Closed,
            State::Void(_) => Stage::Void,
        }
    }

    /// The unit's charge, also when it is over.
    pub fn assignment(&self) -> Option<&Assignment> {
        match self {
            State::InHand(_, a) | State::Closed { assignment: a, .. } => Some(a),
            State::Reported | State::Returned { .. } | State::Void(_) => None,
        }
    }

    /// Whether its clock stands still (挂账).
    pub fn on_hold(&self) -> bool {
        matches!(self, State::InHand(_, a) if a.on_hold())
    }

    /// The unit it concerns.
    pub fn unit_id(&self) -> Option<UnitId> {
        match self {
            State::Returned { unit_id } => Some(*unit_id),
            other => other.assignment().map(|a| a.unit_id),
        }
    }
}

/// What can be asked of an existing case. The wire form is `{"type":"dispatch","args":{…}}`, in sync `case.dispatch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "args", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Step 1: give it to a unit, with a deadline.
    Dispatch(Dispatch),
    /// Step 2: the unit solved it.
    Handle(Note),
    /// Step 3: the unit asks for closing.
    ApplyClosing(Note),
    /// The Centre is not satisfied.
    RefuseClosing(Reason),
    /// Step 4: ask the city to verify.
    RequestVerification(Nothing),
    /// Step 5: what the city's collector found.
    Verify(Verify),
    /// Step 6: the city's closing notice.
    NotifyClosing(Nothing),
    /// Step 7: the Centre confirms.
    ConfirmClosing(Nothing),
    /// Not this unit's own.
    Return(Reason),
    /// Ask for a later deadline.
    RequestExtension(ExtensionRequest),
    /// Grant or refuse it.
    DecideExtension(ExtensionDecision),
    /// 挂账: ask to stop the clock, for what can't be solved now.
    RequestHold(Reason),
    /// Grant or refuse that.
    DecideHold(HoldDecision),
    /// Let the clock go on. To handle a case does that too.
    Resume(Resumption),
    /// End it without dispatch.
    Void(VoidArgs),
    /// 复核不实: a self-handled case is not in order, and waits for its dispatch like any other.
    Reopen(Reason),
    /// Add a remark; changes nothing else.
    Note(Text),
    /// Correct what the report says, field by field.
    Edit(Box<Edit>),
}

macro_rules! args {
    ($($(#[doc = $doc:literal])* $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$meta])* pub $field: $type,)* }
    )*};
}

args! {
    /// No arguments.
    Nothing {}
    /// Words on what was done.
    Note {
        /// 1–2000 characters.
        note: String,
    }
    /// A remark.
    Text {
        /// 1–2000 characters.
        text: String,
    }
    /// Why not.
    Reason {
        /// 1–2000 characters.
        reason: String,
    }
    /// A finding on the spot.
    Verify {
        /// Whether the problem is solved.
        passed: bool,
        /// What was seen.
        #[serde(default)]
        note: String,
    }
    /// A later deadline, asked for.
    ExtensionRequest {
        /// The deadline that is asked for.
        until: DateTime<Utc>,
        /// 1–2000 characters.
        reason: String,
    }
    /// Why the clock goes on.
    Resumption {
        /// At most 2000 characters.
        #[serde(default)]
        reason: String,
    }
    /// The Centre's word on a hold.
    HoldDecision {
        /// Granted or refused.
        granted: bool,
        /// Why.
        #[serde(default)]
        reason: String,
    }
    /// The Centre's word on it.
    ExtensionDecision {
        /// Granted or refused.
        granted: bool,
        /// Why.
        #[serde(default)]
        reason: String,
    }
}

/// To whom, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// The unit.
    pub unit_id: UnitId,
    /// The deadline; must lie ahead. Either this or a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    /// How long it may take from now on, by the working calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// 0 普通, 1 紧急, 2 特急.
    #[serde(default)]
    pub priority: i32,
}

/// Why it is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidArgs {
    /// The sort.
    pub reason: VoidReason,
    /// Words.
    #[serde(default)]
    pub note: String,
}

/// The word of every command, as [`Command::name`] gives it.
pub const COMMANDS: &[&str] = &[
    "dispatch",
    "handle",
    "apply_closing",
    "refuse_closing",
    "request_verification",
    "verify",
    "notify_closing",
    "confirm_closing",
    "return",
    "request_extension",
    "decide_extension",
    "request_hold",
    "decide_hold",
    "resume",
    "void",
    "reopen",
    "note",
    "edit",
];

/// How a command can fail: by form, by right, or because the case stands elsewhere.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// Wrong at any stage: arguments, role, unit.
    Never(Error),
    /// The stage does not allow it; `reached` says that the case is already where the command leads.
    Stage {
        /// Somebody had done the same.
        reached: bool,
    },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Never(error)
    }
}

/// The number of reworks a command adds and the state it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The state.
    pub state: State,
    /// 1 when the case goes back for rework.
    pub rework: i32,
    /// 1 when a deadline was moved.
    pub extended: i32,
}

impl Command {
    /// The word in the timeline and, after `case.`, in sync.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Dispatch(_) => "dispatch",
            Command::Handle(_) => "handle",
            Command::ApplyClosing(_) => "apply_closing",
            Command::RefuseClosing(_) => "refuse_closing",
            Command::RequestVerification(_) => "request_verification",
            Command::Verify(_) => "verify",
            Command::NotifyClosing(_) => "notify_closing",
            Command::ConfirmClosing(_) => "confirm_closing",
            Command::Return(_) => "return",
            Command::RequestExtension(_) => "request_extension",
            Command::DecideExtension(_) => "decide_extension",
            Command::RequestHold(_) => "request_hold",
            Command::DecideHold(_) => "decide_hold",
            Command::Resume(_) => "resume",
            Command::Void(_) => "void",
            Command::Reopen(_) => "reopen",
            Command::Note(_) => "note",
            Command::Edit(_) => "edit",
        }
    }

    /// The words a person wrote with it.
    pub fn words(&self) -> Option<&str> {
        let words = match self {
            Command::Handle(n) | Command::ApplyClosing(n) => n.note.as_str(),
            Command::RefuseClosing(r) | Command::Return(r) | Command::RequestHold(r) | Command::Reopen(r) => {
                r.reason.as_str()
            }
            Command::DecideHold(d) => d.reason.as_str(),
            Command::Resume(r) => r.reason.as_str(),
            Command::Verify(v) => v.note.as_str(),
            Command::RequestExtension(e) => e.reason.as_str(),
            Command::DecideExtension(d) => d.reason.as_str(),
            Command::Void(v) => v.note.as_str(),
            Command::Note(t) => t.text.as_str(),
            _ => "",
        };
        (!words.is_empty()).then_some(words)
    }

    /// Checks form and role: what no stage of the case can mend.
    ///
    /// # Errors
    /// `value_invalid`, `role_forbidden`.
    pub fn check(&self, who: &Actor) -> Result<()> {
        use Role::{Dispatcher, Liaison, Officer, Verifier};
        match self {
            Command::Dispatch(d) => {
                who.must_be(&[Dispatcher])?;
                if d.due_at.is_some() == d.limit.is_some() {
                    return Err(Code::ValueInvalid.with("due_at or limit: one of them"));
                }
                if (0..=2).contains(&d.priority) { Ok(()) } else { Err(Code::ValueInvalid.with("priority: 0, 1 or 2")) }
            }
            Command::RequestVerification(_) | Command::ConfirmClosing(_) => who.must_be(&[Dispatcher]),
            Command::Resume(r) => {
                who.must_be(&[Dispatcher])?;
                if r.reason.is_empty() { Ok(()) } else { text("reason", &r.reason, 2000) }
            }
            Command::RefuseClosing(r) | Command::Reopen(r) => {
                who.must_be(&[Dispatcher]).and_then(|()| text("reason", &r.reason, 2000))
            }
            Command::DecideExtension(d) => {
                who.must_be(&[Dispatcher])?;
                if d.reason.is_empty() { Ok(()) } else { text("reason", &d.reason, 2000) }
            }
            Command::DecideHold(d) => {
                who.must_be(&[Dispatcher])?;
                if d.reason.is_empty() { Ok(()) } else { text("reason", &d.reason, 2000) }
            }
            Command::RequestHold(r) => who.must_be(&[Liaison]).and_then(|()| text("reason", &r.reason, 2000)),
            Command::Void(v) => {
                who.must_be(&[Dispatcher])?;
                if v.reason == VoidReason::SelfHandled {
                    return Err(Code::ValueInvalid.with("reason: self_handled is what a report says"));
                }
                if v.note.is_empty() { Ok(()) } else { text("note", &v.note, 2000) }
            }
            Command::Handle(n) => {
                who.must_be(&[Liaison, Officer, Dispatcher]).and_then(|()| text("note", &n.note, 2000))
            }
            Command::ApplyClosing(n) => who.must_be(&[Liaison, Officer]).and_then(|()| text("note", &n.note, 2000)),
            Command::Return(r) => who.must_be(&[Liaison, Officer]).and_then(|()| text("reason", &r.reason, 2000)),
            Command::RequestExtension(e) => who.must_be(&[Liaison]).and_then(|()| text("reason", &e.reason, 2000)),
            Command::Verify(v) => {
                who.must_be(&[Verifier, Dispatcher])?;
                if v.note.is_empty() { Ok(()) } else { text("note", &v.note, 2000) }
            }
            Command::NotifyClosing(_) => who.must_be(&[Verifier, Dispatcher]),
            Command::Note(t) => text("text", &t.text, 2000),
            Command::Edit(e) => who.must_be(REPORTERS).and_then(|()| e.check()),
        }
    }
}

/// Applies a command whose form and role were checked. `now` is when the server decides.
///
/// # Errors
/// [`Refusal`].
pub fn decide(
    state: State,
    command: &Command,
    who: &Actor,
    now: DateTime<Utc>,
    calendar: &Calendar,
) -> Result<Next, Refusal> {
    use Stage::{ClosingApplied, Dispatched, Handled, Verified, Verifying};
    own_unit(&state, command, who)?;
    // Who works on a case does not wait for its clock to be started again.
    let state = match (command, state) {
        (Command::Handle(_) | Command::ApplyClosing(_), State::InHand(stage, a)) => {
            State::InHand(stage, a.resumed(now, calendar))
        }
        (_, state) => state,
    };
    let next = |state| Ok(Next { state, rework: 0, extended: 0 });
    match (command, state) {
        (Command::Dispatch(d), State::Reported | State::Returned { .. }) => {
            let due_at = d.deadline(now, calendar)?;
            next(State::InHand(
                Dispatched,
                Assignment {
                    unit_id: d.unit_id,
                    dispatched_at: now,
                    due_at,
                    limit: d.limit,
                    pauses: vec![],
                    hold: None,
                    extension: None,
                    handled_at: None,
                    applied_at: None,
                    passed: false,
                },
            ))
        }
        (Command::Handle(_), State::InHand(Dispatched, a)) => {
            next(State::InHand(Handled, Assignment { handled_at: Some(now), ..a }))
        }
        (Command::ApplyClosing(_), State::InHand(Handled, a)) => {
            next(State::InHand(ClosingApplied, Assignment { applied_at: Some(now), ..a }))
        }
        (Command::RefuseClosing(_), State::InHand(ClosingApplied, a)) => rework(a),
        (Command::RequestVerification(_), State::InHand(ClosingApplied, a)) => next(State::InHand(Verifying, a)),
        (Command::Verify(v), State::InHand(Verifying, a)) if !a.passed => {
            if v.passed {
                next(State::InHand(Verifying, Assignment { passed: true, ..a }))
            } else {
                rework(a)
            }
        }
        (Command::NotifyClosing(_), State::InHand(Verifying, a)) if a.passed => next(State::InHand(Verified, a)),
        (Command::ConfirmClosing(_), State::InHand(Verified, a)) => {
            // "Through the process before the deadline" (截止时间之前走完处置流程) counts to the confirmation.
            let timely = now <= a.due_at;
            let assignment = Assignment { extension: None, hold: None, ..a };
            next(State::Closed { assignment, closed_at: now, timely })
        }
        (Command::Return(_), State::InHand(Dispatched, a)) => next(State::Returned { unit_id: a.unit_id }),
        (Command::RequestExtension(e), State::InHand(stage @ (Dispatched | Handled), a)) => {
            if a.extension.is_some() {
                return Err(Error::from(Code::ExtensionPending).into());
            }
            if e.until <= a.due_at {
                return Err(Code::DueAtInvalid.with("until must lie after the present deadline").into());
            }
            let extension = Some(Extension { until: e.until, reason: e.reason.clone() });
            next(State::InHand(stage, Assignment { extension, ..a }))
        }
        (Command::DecideExtension(d), State::InHand(stage, a)) => {
            let Some(asked) = a.extension.clone() else { return Err(Error::from(Code::ExtensionAbsent).into()) };
            let due_at = if d.granted { asked.until } else { a.due_at };
            let state = State::InHand(stage, Assignment { extension: None, due_at, ..a });
            Ok(Next { state, rework: 0, extended: i32::from(d.granted) })
        }
        (Command::RequestHold(r), State::InHand(stage @ (Dispatched | Handled), a)) => {
            if a.hold.is_some() || a.on_hold() {
                return Err(Error::from(Code::HoldPending).into());
            }
            next(State::InHand(stage, Assignment { hold: Some(r.reason.clone()), ..a }))
        }
        (Command::DecideHold(d), State::InHand(stage @ (Dispatched | Handled), a)) => {
            if a.hold.is_none() {
                return Err(Error::from(Code::HoldAbsent).into());
            }
            next(State::InHand(stage, if d.granted { a.held(now) } else { Assignment { hold: None, ..a } }))
        }
        (Command::Resume(_), State::InHand(stage, a)) => {
            if !a.on_hold() {
                return Err(Error::from(Code::HoldAbsent).into());
            }
            next(State::InHand(stage, a.resumed(now, calendar)))
        }
        (Command::Void(v), State::Reported | State::Returned { .. }) => next(State::Void(v.reason)),
        (Command::Reopen(_), State::Void(VoidReason::SelfHandled)) => next(State::Reported),
        (Command::Note(_), state) => next(state),
        // The words of a case that is over are part of the record.
        (Command::Edit(_), state @ (State::Reported | State::Returned { .. } | State::InHand(..))) => next(state),
        (command, state) => Err(Refusal::Stage { reached: reached(&state, command) }),
    }
}

fn rework(a: Assignment) -> Result<Next, Refusal> {
    let state = State::InHand(
        Stage::Dispatched,
        Assignment { handled_at: None, applied_at: None, passed: false, extension: None, hold: None, ..a },
    );
    Ok(Next { state, rework: 1, extended: 0 })
}

/// A unit's people act on the unit's own cases only; for others the case does not concern them.
fn own_unit(state: &State, command: &Command, who: &Actor) -> Result<(), Refusal> {
    let unit_work = !matches!(command, Command::Note(_)) && matches!(who.role, Role::Liaison | Role::Officer);
    if unit_work && state.unit_id().is_some_and(|unit| Some(unit) != who.unit_id) {
        return Err(Error::from(Code::UnitForeign).into());
    }
    Ok(())
}

/// Whether the case is already where the command would lead, or past it on the same road: then the work is not in
/// dispute, somebody was only quicker.
fn reached(state: &State, command: &Command) -> bool {
    use Stage::{Closed, ClosingApplied, Dispatched, Handled, Returned, Verified, Verifying, Void};
    let stage = state.stage();
    let past: &[Stage] = match command {
        Command::Dispatch(d) => {
            return state.unit_id() == Some(d.unit_id) && ![Returned, Void].contains(&stage);
        }
        Command::Handle(_) => &[Handled, ClosingApplied, Verifying, Verified, Closed],
        Command::ApplyClosing(_) => &[ClosingApplied, Verifying, Verified, Closed],
        Command::RequestVerification(_) => &[Verifying, Verified, Closed],
        Command::Verify(v) => match (v.passed, state) {
            (true, State::InHand(Verifying, a)) => return a.passed,
            (true, _) => &[Verified, Closed],
            (false, _) => &[],
        },
        Command::NotifyClosing(_) => &[Verified, Closed],
        Command::ConfirmClosing(_) => &[Closed],
        Command::Return(_) => &[Returned],
        Command::Void(_) => &[Void],
        Command::RefuseClosing(_)
        | Command::RequestExtension(_)
        | Command::DecideExtension(_)
        | Command::RequestHold(_)
        | Command::DecideHold(_)
        | Command::Resume(_)
        | Command::Reopen(_)
        | Command::Note(_)
        | Command::Edit(_) => &[],
    };
    debug_assert!(!past.contains(&Dispatched), "a dispatch is compared by its unit");
    past.contains(&stage)
}

#[cfg(test)]
mod tests;
