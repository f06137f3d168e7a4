//! How a letter goes from draft to grade, what it scores, when the clock speaks, and the paper. Pure.
//!
//! The regulation (考核办法, 专项督办 20 %) asks for letters with a time limit for repeated problems, overdue unresolved
//! ones, tasks from above, strong public complaints and campaigns, scored by fulfilment. How much late or partial
//! fulfilment is worth it leaves open; the table of [`score`] stands on the one share it names, the 45 % that a late
//! case loses.

use crate::{
    calendar::rules::{Calendar, Limit, LimitKind},
    cases::rules::Nothing,
    db::types::{CaseId, SpotId, UnitId},
    document::plain,
    error::{Code, Result},
    identity::rules::{Role, text, text_enum},
};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

mod grounds;
mod paper;
#[cfg(test)]
mod tests;

pub use grounds::{Ground, Known, RECURRENCES, RETURNS, REWORKS, SPOT_MEMORY, ground};
pub use paper::{Facts, LetterPaper, PaperItem, document};

text_enum! {
    /// Why a unit is supervised.
    LetterKind {
        /// 反复发生问题.
        Repeated = "repeated",
        /// 到期未解决问题.
        Overdue = "overdue",
        /// 上级交办问题.
        FromAbove = "from_above",
        /// 群众反映强烈问题.
        Complaint = "complaint",
        /// 专项行动.
        Campaign = "campaign",
    }
}

impl LetterKind {
    /// As people read it.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Repeated => "反复发生问题",
            Self::Overdue => "到期未解决问题",
            Self::FromAbove => "上级交办问题",
            Self::Complaint => "群众反映强烈问题",
            Self::Campaign => "专项行动",
        }
    }
}

text_enum! {
    /// Where a letter stands.
    LetterStage {
        /// 草稿.
        Drafted = "drafted",
        /// 已下发, 待签收.
        Issued = "issued",
        /// 已签收, 待回复.
        Received = "received",
        /// 已回复, 待评定.
        Replied = "replied",
        /// 完成.
        Fulfilled = "fulfilled",
        /// 部分完成.
        Partly = "partly",
        /// 未完成.
        Unfulfilled = "unfulfilled",
        /// 已撤回.
        Withdrawn = "withdrawn",
    }
}

text_enum! {
    /// What came of it.
    LetterOutcome {
        /// 完成.
        Fulfilled = "fulfilled",
        /// 部分完成.
        Partly = "partly",
        /// 未完成.
        Unfulfilled = "unfulfilled",
    }
}

impl LetterOutcome {
    const fn stage(self) -> LetterStage {
        match self {
            Self::Fulfilled => LetterStage::Fulfilled,
            Self::Partly => LetterStage::Partly,
            Self::Unfulfilled => LetterStage::Unfulfilled,
        }
    }

    const fn zh(self) -> &'static str {
        match self {
            Self::Fulfilled => "完成",
            Self::Partly => "部分完成",
            Self::Unfulfilled => "未完成",
        }
    }
}

text_enum! {
    /// Letters that wait for the same thing. One may be in several.
    LetterQueue {
        /// 待下发: drafts.
        Issue = "issue",
        /// 待签收.
        Receive = "receive",
        /// 待回复.
        Reply = "reply",
        /// 延期审批.
        Extension = "extension",
        /// 待评定: replied.
        Grade = "grade",
        /// 逾期督办: past the deadline without a reply, at level 1, 2 or 3.
        Escalated = "escalated",
    }
}

/// Who drafts.
pub const DRAFTERS: &[Role] = &[Role::Dispatcher, Role::Supervisor, Role::Admin];
/// Who issues, grades and grants: 县政府督查室.
pub const ISSUERS: &[Role] = &[Role::Supervisor, Role::Admin];
/// Who answers for a unit.
const ANSWERERS: &[Role] = &[Role::Liaison];

/// A full score, thousandths of a point.
pub const FULL: i32 = 100_000;

/// What a letter scores by the rule, thousandths of a point: a task that is done whole 100, in part 50, not at all 0; a
/// reply after the deadline loses 45 % of that, as a late case does (计分规则: 扣除45%分值).
#[must_use]
pub const fn score(outcome: LetterOutcome, in_time: bool) -> i32 {
    match (outcome, in_time) {
        (LetterOutcome::Fulfilled, true) => FULL,
        (LetterOutcome::Fulfilled, false) => 55_000,
        (LetterOutcome::Partly, true) => 50_000,
        (LetterOutcome::Partly, false) => 27_500,
        (LetterOutcome::Unfulfilled, _) => 0,
    }
}

/// Until when a task is to be done: a limit from the issue on by the working calendar, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// So long after the issue.
    Within(Limit),
    /// By then.
    At(DateTime<Utc>),
}

impl Deadline {
    fn at(self, calendar: &Calendar, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
        match self {
            Self::Within(limit) => calendar.due(now, limit, &[]).at.ok_or_else(|| Code::DueAtInvalid.into()),
            Self::At(at) => ahead(at, now),
        }
    }
}

/// A moment that lies ahead, by ten years at most.
fn ahead(at: DateTime<Utc>, after: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let near = at > after && at.signed_duration_since(after) < TimeDelta::days(3653);
    if near { Ok(at) } else { Err(Code::DueAtInvalid.into()) }
}

/// The clock of an issued letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The deadline, after any granted extension.
    pub due_at: DateTime<Utc>,
    /// The later deadline that is asked for.
    pub extension: Option<DateTime<Utc>>,
    /// The unit was reminded of this deadline.
    pub reminded: bool,
    /// How far its being late has gone up, 0–3.
    pub level: i32,
}

/// Where a letter stands, with what belongs to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not issued.
    Drafted(Deadline),
    /// The unit has not signed for it.
    Issued(Term),
    /// The unit works on it.
    Received(Term),
    /// The unit says what it did, and when it said so.
    Replied(Term, DateTime<Utc>),
    /// Over: the outcome, when the unit had replied, and the score in thousandths.
    Graded(Term, LetterOutcome, Option<DateTime<Utc>>, i32),
    /// Taken back.
    Withdrawn,
}

impl State {
    /// Its stage.
    #[must_use]
    pub const fn stage(&self) -> LetterStage {
        match self {
            Self::Drafted(_) => LetterStage::Drafted,
            Self::Issued(_) => LetterStage::Issued,
            Self::Received(_) => LetterStage::Received,
            Self::Replied(..) => LetterStage::Replied,
            Self::Graded(_, outcome, ..) => outcome.stage(),
            Self::Withdrawn => LetterStage::Withdrawn,
        }
    }

    /// Whether something may still come of it.
    #[must_use]
    pub const fn open(&self) -> bool {
        !matches!(self, Self::Graded(..) | Self::Withdrawn)
    }
}

/// What a letter says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LetterDraft)]
pub struct Draft {
    /// To whom.
    pub unit_id: UnitId,
    /// Why.
    pub kind: LetterKind,
    /// What about, 1–80 characters.
    pub subject: String,
    /// What is to be done, 1–5000 characters; a paragraph a line.
    pub text: String,
    /// Where the task comes from, such as the number of the paper from above or the complaint; at most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The cases it is about, at most 50.
    #[serde(default)]
    pub case_ids: Vec<CaseId>,
    /// The spots it is about, at most 50.
    #[serde(default)]
    pub spot_ids: Vec<SpotId>,
    /// SHA-256 of stored evidence, at most 20.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// How long it may take from its issue on. Either this or a deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The deadline; must lie ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
}

/// Cases or spots that one letter is about at most.
pub const MOST_BASES: usize = 50;

impl Draft {
    /// Checks the form, and takes each case, spot and piece of evidence once.
    ///
    /// # Errors
    /// `value_invalid`, `due_at_invalid`.
    pub fn checked(mut self, now: DateTime<Utc>) -> Result<Draft> {
        text("subject", &self.subject, 80)?;
        text("text", &self.text, 5000)?;
        self.note.as_deref().map_or(Ok(()), |note| text("note", note, 500))?;
        self.case_ids = self.case_ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        self.spot_ids = self.spot_ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        if self.case_ids.len() > MOST_BASES || self.spot_ids.len() > MOST_BASES {
            return Err(Code::ValueInvalid.with(format!("case_ids, spot_ids: at most {MOST_BASES} each")));
        }
        self.evidence = pieces(self.evidence)?;
        if let Deadline::At(at) = self.deadline()? {
            ahead(at, now)?;
        }
        Ok(self)
    }

    /// Until when.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn deadline(&self) -> Result<Deadline> {
        match (self.limit, self.due_at) {
            (Some(limit), None) => Ok(Deadline::Within(limit)),
            (None, Some(at)) => Ok(Deadline::At(at)),
            _ => Err(Code::ValueInvalid.with("either limit or due_at")),
        }
    }
}

/// Digests of evidence, each once.
fn pieces(digests: Vec<String>) -> Result<Vec<String>> {
    let mut known = BTreeSet::new();
    let digests: Vec<String> = digests.into_iter().filter(|digest| known.insert(digest.clone())).collect();
    if digests.len() > 20 { Err(Code::ValueInvalid.with("evidence: at most 20")) } else { Ok(digests) }
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LetterWords)]
pub struct Words {
    /// 1–2000 characters.
    pub words: String,
}

/// What the unit did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LetterReply)]
pub struct Reply {
    /// 1–2000 characters.
    pub words: String,
    /// SHA-256 of stored evidence, at most 20.
    #[serde(default)]
    pub evidence: Vec<String>,
}

/// A later deadline, asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LetterExtensionRequest)]
pub struct ExtensionRequest {
    /// The deadline that is asked for.
    pub until: DateTime<Utc>,
    /// Why, 1–2000 characters.
    pub words: String,
}

/// The office's word on that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LetterExtensionDecision)]
pub struct ExtensionDecision {
    /// Granted or refused.
    pub granted: bool,
    /// Why, 1–2000 characters.
    pub words: String,
}

/// What came of the letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LetterGrade)]
pub struct Grade {
    /// The outcome.
    pub outcome: LetterOutcome,
    /// Thousandths of a point, when it is to be less than the rule gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i32>,
    /// Why, 1–2000 characters.
    pub words: String,
}

/// What can be asked of a letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "args", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// 回复: the unit says what it did.
    Reply(Reply),
    /// 签收: the unit has it.
    Receive(Nothing),
    /// 申请延期.
    RequestExtension(ExtensionRequest),
    /// 改稿: all that a draft says.
    Revise(Box<Draft>),
    /// 下发: it gets its number, and its time begins.
    Issue(Nothing),
    /// 退回重办: the office is not satisfied, and the unit goes on.
    RefuseReply(Words),
    /// 审批延期.
    DecideExtension(ExtensionDecision),
    /// 评定.
    Grade(Grade),
    /// 撤回: a draft by who drafts, an issued letter by the office.
    Withdraw(Words),
}

impl Command {
    /// Its word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Receive(_) => "receive",
            Self::Reply(_) => "reply",
            Self::RequestExtension(_) => "request_extension",
            Self::Revise(_) => "revise",
            Self::Issue(_) => "issue",
            Self::RefuseReply(_) => "refuse_reply",
            Self::DecideExtension(_) => "decide_extension",
            Self::Grade(_) => "grade",
            Self::Withdraw(_) => "withdraw",
        }
    }

    /// The person's words.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Receive(_) | Self::Revise(_) | Self::Issue(_) => None,
            Self::Reply(Reply { words, .. })
            | Self::RequestExtension(ExtensionRequest { words, .. })
            | Self::RefuseReply(Words { words })
            | Self::DecideExtension(ExtensionDecision { words, .. })
            | Self::Grade(Grade { words, .. })
            | Self::Withdraw(Words { words }) => Some(words),
        }
    }

    /// The evidence it names.
    ///
    /// # Errors
    /// `value_invalid` for more than 20.
    pub fn evidence(&self) -> Result<Vec<String>> {
        match self {
            Self::Reply(reply) => pieces(reply.evidence.clone()),
            Self::Revise(draft) => pieces(draft.evidence.clone()),
            _ => Ok(vec![]),
        }
    }

    /// Who may ask it, of a letter that stands there.
    #[must_use]
    pub const fn roles(&self, state: &State) -> &'static [Role] {
        match self {
            Self::Receive(_) | Self::Reply(_) | Self::RequestExtension(_) => ANSWERERS,
            Self::Revise(_) => DRAFTERS,
            Self::Withdraw(_) if matches!(state, State::Drafted(_)) => DRAFTERS,
            Self::Withdraw(_) | Self::Issue(_) | Self::RefuseReply(_) | Self::DecideExtension(_) | Self::Grade(_) => {
                ISSUERS
            }
        }
    }
}

/// Where a command leads.
///
/// # Errors
/// `value_invalid`; `stage_forbids` from another stage; `due_at_invalid` for a deadline that does not lie ahead, and
/// for an extension asked for too late or no later than the deadline; `extension_pending`, `extension_absent`.
pub fn apply(state: State, command: &Command, calendar: &Calendar, now: DateTime<Utc>) -> Result<State> {
    if let Some(words) = command.words() {
        text("words", words, 2000)?;
    }
    Ok(match (state, command) {
        (State::Drafted(_), Command::Revise(draft)) => State::Drafted(draft.deadline()?),
        (State::Drafted(deadline), Command::Issue(_)) => {
            let due_at = deadline.at(calendar, now)?;
            State::Issued(Term { due_at, extension: None, reminded: false, level: 0 })
        }
        (State::Issued(term), Command::Receive(_)) => State::Received(term),
        (State::Received(term), Command::Reply(_)) => State::Replied(Term { extension: None, ..term }, now),
        (State::Received(Term { extension: Some(_), .. }), Command::RequestExtension(_)) => {
            return Err(Code::ExtensionPending.into());
        }
        (State::Received(term), Command::RequestExtension(asked)) => {
            // What was late is not made to be in time afterwards.
            ahead(term.due_at, now)?;
            State::Received(Term { extension: Some(ahead(asked.until, term.due_at)?), ..term })
        }
        (State::Received(term), Command::DecideExtension(decision)) => {
            let until = term.extension.ok_or(Code::ExtensionAbsent)?;
            State::Received(if decision.granted {
                Term { due_at: until, extension: None, reminded: false, level: 0 }
            } else {
                Term { extension: None, ..term }
            })
        }
        (State::Replied(term, _), Command::RefuseReply(_)) => State::Received(term),
        (State::Replied(term, replied_at), Command::Grade(grade)) => {
            let most = score(grade.outcome, replied_at <= term.due_at);
            let score = grade.score.unwrap_or(most);
            if !(0..=most).contains(&score) {
                return Err(Code::ValueInvalid.with(format!("score: 0–{most}")));
            }
            State::Graded(term, grade.outcome, Some(replied_at), score)
        }
        // Who never answers is not waited for, once the time is over.
        (State::Issued(term) | State::Received(term), Command::Grade(grade))
            if grade.outcome == LetterOutcome::Unfulfilled && now > term.due_at =>
        {
            State::Graded(Term { extension: None, ..term }, grade.outcome, None, 0)
        }
        (State::Drafted(_) | State::Issued(_) | State::Received(_) | State::Replied(..), Command::Withdraw(_)) => {
            State::Withdrawn
        }
        (state, _) => return Err(Code::StageForbids.with(state.stage().as_str())),
    })
}

/// What the clock does about a letter that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// 提醒: the deadline is near.
    Remind,
    /// 逾期升级, to this level.
    Escalate(i32),
}

/// A unit is reminded when so much working time is left: a working day.
const REMIND_AT: TimeDelta = TimeDelta::hours(8);
/// Level 1 is reached at the deadline, 2 and 3 so much working time after it: two and five working days.
const LEVELS: [TimeDelta; 2] = [TimeDelta::hours(16), TimeDelta::hours(40)];

/// What the clock has to do about a letter now; none when it was done, or the unit has answered.
#[must_use]
pub fn nudge(state: &State, calendar: &Calendar, now: DateTime<Utc>) -> Option<Nudge> {
    let (State::Issued(term) | State::Received(term)) = state else { return None };
    if now <= term.due_at {
        let left = calendar.elapsed(LimitKind::WorkHour, now, term.due_at, &[]);
        return (!term.reminded && left <= REMIND_AT).then_some(Nudge::Remind);
    }
    let late = calendar.elapsed(LimitKind::WorkHour, term.due_at, now, &[]);
    let level = LEVELS.iter().fold(1, |level, from| level + i32::from(late >= *from));
    (level > term.level).then_some(Nudge::Escalate(level))
}

/// The letter after that.
#[must_use]
pub fn nudged(state: State, nudge: Nudge) -> State {
    let after = |term: Term| match nudge {
        Nudge::Remind => Term { reminded: true, ..term },
        Nudge::Escalate(level) => Term { level, ..term },
    };
    match state {
        State::Issued(term) => State::Issued(after(term)),
        State::Received(term) => State::Received(after(term)),
        other => other,
    }
}

/// The number of a letter, as GB/T 9704—2012 (7.2.5) writes it: `中城督办〔2026〕12号`.
#[must_use]
pub fn number(prefix: &str, year: i32, running: i32) -> String {
    format!("{prefix}〔{year}〕{running}号")
}

/// The year that a number of this moment is of.
#[must_use]
pub fn year_of(at: DateTime<Utc>) -> i32 {
    at.with_timezone(&Shanghai).year()
}

/// What a letter counts for in the assessment, in thousandths of a point, and why; none while it is a draft or when it
/// was taken back. An undecided one counts 0: it is asked for when its deadline has passed.
#[must_use]
pub fn counted(state: &State) -> Option<(i32, String)> {
    let points = |thousandths: i32| plain(i64::from(thousandths));
    Some(match state {
        State::Drafted(_) | State::Withdrawn => return None,
        State::Issued(_) => (0, "截止时间已过，未签收、未回复，计 0 分".to_owned()),
        State::Received(_) => (0, "截止时间已过，未回复，计 0 分".to_owned()),
        State::Replied(..) => (0, "截止时间已过，已回复，尚未评定，暂计 0 分".to_owned()),
        State::Graded(term, outcome, replied_at, given) => {
            let in_time = replied_at.is_some_and(|at| at <= term.due_at);
            let when = match (replied_at, in_time) {
                (None, _) => "未回复",
                (Some(_), true) => "按期回复",
                (Some(_), false) => "逾期回复",
            };
            let most = score(*outcome, in_time);
            let lowered = if *given < most {
                format!("（按规则 {} 分，督查室酌减）", points(most))
            } else {
                String::new()
            };
            (*given, format!("{when}，评定为{}，计 {} 分{lowered}", outcome.zh(), points(*given)))
        }
    })
}
