//! What a device says next and what it learns from the answer, without doing either: no clock, dice, network or disk.
//!
//! [`Engine::next`] gives one question, the caller asks it however it likes, and [`Engine::heard`] takes what came back,
//! nothing included. `sync::Client` asks over HTTP; a simulation delivers, loses, repeats and delays as it pleases: an
//! answer counts only for the question that is open, so whatever comes late or twice changes nothing.
//!
//! What must survive is in the [`Keep`]; what is here may be lost at any moment, and then begins anew.

mod reading;
mod sending;

use super::{
    ClientError, Result,
    device::ClockOffset,
    keep::{Attempt, Keep, Queued},
    rules::Pace,
};
use crate::{
    db::types::OpId,
    sync::wire::{Changes, EpochRequest, EpochResponse, PushRequest, PushResponse, RawResponse, Snapshot},
};
use chrono::{DateTime, Utc};
use reading::Reading;
use sending::Sending;
use std::time::Duration;

/// What the caller wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Send what waits.
    Push,
    /// The same, and say that the device is alive when nothing waits.
    Heartbeat,
    /// Read what changed; wait up to so many seconds for it, at most 25.
    Pull {
        /// Seconds.
        wait_s: u32,
    },
    /// Renew the person's access token, whether it is over or not.
    Refresh,
}

/// The moment of a call, with a die: everything that the engine knows of the world.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Wall clock.
    pub now: DateTime<Utc>,
    /// Monotonic clock, milliseconds since boot.
    pub mono_ms: i64,
    /// Which boot that is.
    pub boot: &'a str,
    /// Uniform in 0..2³².
    pub dice: u32,
}

/// One question to the server.
#[derive(Debug, Clone)]
pub enum Ask {
    /// `POST sync/push`, with the device's token.
    Push(Box<AskPush>),
    /// `POST sync/raw` with these bytes, with the device's token.
    Raw(Queued),
    /// `POST sync/epoch`, with the device's token.
    Epoch(AskEpoch),
    /// `GET sync/changes`, with the person's token.
    Changes(AskChanges),
    /// `GET sync/snapshot`, with the person's token.
    Snapshot(AskSnapshot),
    /// A new access token for the person; the caller keeps it.
    Refresh,
}

/// A push.
#[derive(Debug, Clone)]
pub struct AskPush {
    /// Which try it is.
    pub attempt: Attempt,
    /// The operations in it.
    pub batch: Vec<Queued>,
    /// What goes out.
    pub request: PushRequest,
}

/// A request for an epoch.
#[derive(Debug, Clone)]
pub struct AskEpoch {
    /// The life of the server that is known.
    pub generation: Option<String>,
    /// What goes out.
    pub request: EpochRequest,
}

/// A request for a page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskChanges {
    /// The life of the server that is known.
    pub generation: Option<String>,
    /// `cursor`.
    pub cursor: String,
    /// `limit`.
    pub limit: u32,
    /// `wait`, seconds.
    pub wait_s: u32,
    /// Whether `digest=1`.
    pub digest: bool,
}

/// A request for a page of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskSnapshot {
    /// The life of the server that is known.
    pub generation: Option<String>,
    /// `page`: none for the first.
    pub page: Option<String>,
    /// `since`.
    pub since: Option<String>,
    /// `keys`; absent when empty.
    pub keys: Vec<String>,
}

/// What tells one question from another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tag {
    Push(i32, i64),
    Raw(OpId),
    Epoch(i32),
    Changes(AskChanges),
    Snapshot(AskSnapshot),
    Refresh,
}

impl Ask {
    fn tag(&self) -> Tag {
        match self {
            Ask::Push(push) => Tag::Push(push.attempt.epoch, push.attempt.number),
            Ask::Raw(op) => Tag::Raw(op.op_id),
            Ask::Epoch(ask) => Tag::Epoch(ask.request.epoch),
            Ask::Changes(ask) => Tag::Changes(ask.clone()),
            Ask::Snapshot(ask) => Tag::Snapshot(ask.clone()),
            Ask::Refresh => Tag::Refresh,
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Heard {
    /// To [`Ask::Push`].
    Push(Box<PushResponse>),
    /// To [`Ask::Raw`].
    Raw(RawResponse),
    /// To [`Ask::Epoch`].
    Epoch(EpochResponse),
    /// To [`Ask::Changes`].
    Changes(Box<Changes>),
    /// To [`Ask::Snapshot`].
    Snapshot(Box<Snapshot>),
    /// To [`Ask::Refresh`]: the new token is kept.
    Refreshed,
    /// A refusal.
    Problem {
        /// HTTP status.
        status: u16,
        /// The stable reason; empty when a box on the way answered.
        code: String,
        /// What exactly.
        detail: Option<String>,
        /// `Retry-After`.
        retry_after: Option<Duration>,
        /// The server's clock.
        date: Option<DateTime<Utc>>,
    },
    /// Nothing, or half an answer: what the server did is unknown.
    Nothing,
    /// Something that is none of this protocol.
    Strange(String),
}

impl Heard {
    /// What a person should read about an answer that does not fit.
    pub(super) fn words(&self) -> String {
        match self {
            Heard::Problem { status, code, detail, .. } => {
                let code = if code.is_empty() { format!("HTTP {status}") } else { code.clone() };
                ClientError::Refused { status: *status, code, detail: detail.clone() }.to_string()
            }
            Heard::Nothing => "no answer".into(),
            Heard::Strange(what) => what.clone(),
            _ => "an answer to another question".into(),
        }
    }
}

/// What comes next.
#[derive(Debug, Clone)]
pub enum Next {
    /// This question.
    Ask(Ask),
    /// There is nothing to do.
    Idle,
    /// Only a person can help; nothing is lost.
    Stopped(Need),
}

/// What a step did, or what must happen before the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is nothing to do.
    Idle,
    /// Something was done; there may be more.
    Moved,
    /// Come again after that long.
    Wait(Duration, String),
    /// Only a person can help; nothing is lost.
    Stopped(Need),
}

/// What a person has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Enrol the device with a new one-time code.
    Enrol,
    /// Sign in.
    SignIn,
    /// Look at this.
    Look(String),
}

/// How a device introduces itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Name and version of the program, `pwa/2.4.1`.
    pub app: String,
    /// Whether what it keeps is safe from the system's tidying, if that is known.
    pub storage_persisted: Option<bool>,
    /// Waits.
    pub pace: Pace,
}

/// The protocol's state that may be lost.
#[derive(Debug)]
pub struct Engine {
    about: About,
    sending: Sending,
    reading: Reading,
}

impl Engine {
    /// A device that has just been switched on.
    pub fn new(about: About) -> Engine {
        Engine { about, sending: Sending::default(), reading: Reading::default() }
    }

    /// The next question, or why there is none. Whatever question of the same direction was open is given up.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotEnrolled`] for a push.
    pub fn next(&mut self, keep: &mut impl Keep, want: Want, at: Moment) -> Result<Next> {
        match want {
            Want::Push => self.sending.next(keep, &self.about, false, at),
            Want::Heartbeat => self.sending.next(keep, &self.about, true, at),
            Want::Pull { wait_s } => self.reading.next(keep, wait_s, at),
            Want::Refresh => Ok(self.reading.refresh()),
        }
    }

    /// A push of these operations, counted but in no other way part of the engine's own work: for checks that send again
    /// what was settled.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotEnrolled`].
    pub fn push_of(&mut self, keep: &mut impl Keep, ops: &[Queued], at: Moment) -> Result<PushRequest> {
        let attempt = keep.begin_attempt()?;
        sending::envelope(keep, &self.about, &attempt, ops, at)
    }

    /// Takes what came back for a question. An answer to a question that is not open any more changes nothing.
    ///
    /// # Errors
    /// [`ClientError::Store`]; the question is put again then.
    pub fn heard(&mut self, keep: &mut impl Keep, ask: &Ask, heard: &Heard, at: Moment) -> Result<Step> {
        let pace = self.about.pace;
        match ask {
            Ask::Push(_) | Ask::Raw(_) | Ask::Epoch(_) => self.sending.heard(keep, ask, heard, pace, at),
            Ask::Changes(_) | Ask::Snapshot(_) | Ask::Refresh => self.reading.heard(keep, ask, heard, pace, at),
        }
    }
}

/// The clock's offset, when an answer refuses the device's token for its time and shows a clock that differs.
fn clock_refused(heard: &Heard, now: DateTime<Utc>, known: Option<ClockOffset>) -> Option<ClockOffset> {
    let Heard::Problem { status, code, date, .. } = heard else { return None };
    ClockOffset::refused(*status, code, *date, now, known)
}

#[cfg(test)]
mod tests;
