//! The record as the engine sees it, and the values that go in and out.

use super::{
    pull::Place,
    store::OpRow,
    verdict::Verdict,
    wire::{Clock, EpochResponse, Health, Op, OpResult, Outbox, PushRequest, PushResponse},
};
use crate::{
    db::{
        feed::Change,
        types::{DeviceId, OpId, SessionId, UserId, holds_nul},
    },
    error::{Code, Result},
    identity::{
        rules::{Actor, text_enum},
        store::{DeviceRow, EpochRow},
        tokens::Keys,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use uuid::Uuid;

/// The record as the decisions see it, inside one transaction.
pub trait Record {
    /// The moment of the decisions.
    fn now(&self) -> DateTime<Utc>;
    /// A fresh id.
    fn fresh_id(&mut self) -> Uuid;
    /// Told what a batch will ask for, so that it can be read together. Needs no effect.
    ///
    /// # Errors
    /// The engine's own, as everywhere here.
    fn prefetch(&mut self, _pushes: &[Read]) -> Result<()> {
        Ok(())
    }
    /// The name of this life of the data.
    fn generation(&mut self) -> Result<String>;
    /// Begins a new life of the data, with a name after `beyond` too.
    fn begin_generation(&mut self, beyond: &str) -> Result<()>;
    /// A device.
    fn device(&mut self, id: DeviceId) -> Result<Option<DeviceRow>>;
    /// One of its epochs, nobody else's to change until the transaction ends.
    fn epoch(&mut self, device: DeviceId, epoch: i32) -> Result<Option<EpochRow>>;
    /// Changes an epoch.
    fn put_epoch(&mut self, row: EpochRow);
    /// Begins an epoch.
    fn begin_epoch(&mut self, device: &DeviceRow, row: EpochRow) -> Result<()>;
    /// Operations that arrived, this transaction's own included, in no order.
    fn ops(&mut self, ids: &[OpId]) -> Result<Vec<OpRow>>;
    /// The numbers of an epoch that arrived, with the operations that bear them; both ends included.
    fn labels(&mut self, device: DeviceId, epoch: i32, from: i64, to: i64) -> Result<Vec<(i64, OpId)>>;
    /// Adds an operation or changes what became of it.
    fn put_op(&mut self, row: OpRow);
    /// The operations that wait for any of these keys, oldest first.
    fn waiting_for(&mut self, keys: &[String]) -> Result<Vec<OpId>>;
    /// Held operations that arrived before a moment, oldest first.
    fn held_since(&mut self, before: DateTime<Utc>, limit: i64) -> Result<Vec<OpId>>;
    /// Keeps bytes that are no operation.
    fn keep_raw(&mut self, device: DeviceId, code: Code, raw: &[u8]) -> Result<()>;
    /// The person behind an operation, if the session vouches for them at that moment.
    ///
    /// # Errors
    /// `reauth`.
    fn actor(&mut self, user: UserId, session: SessionId, device: DeviceId, at: DateTime<Utc>) -> Result<Actor>;
    /// The person behind an operation, vouched for by a sign-in on the device or a reviewer.
    ///
    /// # Errors
    /// `reauth`, when the account is gone or disabled.
    fn actor_vouched(&mut self, user: UserId, session: SessionId, device: DeviceId) -> Result<Actor>;
    /// Lets the operation's area act. When it fails, nothing of it stays.
    ///
    /// # Errors
    /// What the area refuses with.
    fn apply(&mut self, op: &Op, who: &Actor, act: Act) -> Result<Verdict>;
    /// Whether a case exists, visible to the person or not.
    fn case_exists(&mut self, id: Uuid) -> Result<bool>;
    /// Announces a change for the feed.
    fn announce(&mut self, change: Change);
    /// Says that something others may wait for has come.
    fn settle(&mut self, key: String);
    /// What came since the last call.
    fn take_settled(&mut self) -> Vec<String>;
}

/// How an operation is let act.
#[derive(Debug, Clone, Copy)]
pub struct Act {
    /// When the person acted, by the server's clock.
    pub at: DateTime<Utc>,
    /// The version they saw.
    pub seen: Option<i64>,
    /// A reviewer decided that it shall apply, whatever others did.
    pub insist: bool,
}

text_enum! {
    /// How well the time of an act is known.
    Confidence {
        /// By the device's monotonic clock, within the boot of the push.
        Good = "good",
        /// By its wall clock, whose difference to ours has not changed since it was measured.
        Aged = "aged",
        /// By a wall clock that may have been set meanwhile.
        Suspect = "suspect",
    }
}

text_enum! {
    /// What a reviewer decides.
    Decision {
        /// It shall apply.
        Apply = "apply",
        /// It shall not, nor what builds on it.
        Discard = "discard",
    }
}

/// What a push token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The life of the data that gave it.
    pub generation: String,
    /// To which device.
    pub device: DeviceId,
    /// In which of its epochs.
    pub epoch: i32,
    /// After how many pushes of it.
    pub pushes: i64,
}

impl Token {
    /// The token as the device keeps it.
    pub fn seal(&self, keys: &Keys) -> String {
        keys.seal(&format!("push {} {} {} {}", self.generation, self.device, self.epoch, self.pushes))
    }

    /// A token of ours; anything else says nothing.
    pub fn open(keys: &Keys, token: &str) -> Option<Token> {
        let text = keys.unseal(token)?;
        let parts: Vec<&str> = text.split(' ').collect();
        let ["push", generation, device, epoch, pushes] = parts[..] else { return None };
        Some(Token {
            generation: generation.to_owned(),
            device: device.parse().ok()?,
            epoch: epoch.parse().ok()?,
            pushes: pushes.parse().ok()?,
        })
    }
}

impl Token {
    /// The answer that begins an epoch.
    pub fn epoch_begun(self, keys: &Keys, now: DateTime<Utc>) -> EpochResponse {
        let push_token = self.seal(keys);
        EpochResponse { epoch: self.epoch, push_token, generation: self.generation, server_time: now }
    }

    /// The answer to a push that was taken.
    pub fn push_taken(
        self,
        keys: &Keys,
        now: DateTime<Utc>,
        results: Vec<OpResult>,
        missing_seqs: Vec<i64>,
    ) -> PushResponse {
        PushResponse {
            push_token: self.seal(keys),
            generation: self.generation,
            server_time: now,
            results,
            unprocessed_from: None,
            retry_after_ms: 0,
            missing_seqs,
        }
    }
}

/// A push, its token opened.
#[derive(Debug, Clone)]
pub struct Push {
    /// The device that authenticated.
    pub device: DeviceId,
    /// The public key that its token was verified with.
    pub key: Vec<u8>,
    /// The epoch it numbers in.
    pub epoch: i32,
    /// Which try it is.
    pub attempt: i64,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// Its last token, if ours.
    pub token: Option<Token>,
    /// Its client.
    pub app: String,
    /// Its clock.
    pub clock: Clock,
    /// What waits on it.
    pub outbox: Outbox,
    /// How it is.
    pub health: Option<Health>,
    /// The place in the feed up to which it has read, if known.
    pub feed_seq: Option<i64>,
    /// The operations' bytes.
    pub ops: Vec<Vec<u8>>,
}

impl Push {
    /// The push of an envelope: of a device whose token was verified with `key`, with the digest of its bytes.
    pub fn of(asked: PushRequest, key: Vec<u8>, sha256: Vec<u8>, keys: &Keys) -> Push {
        let token = asked.push_token.and_then(|token| Token::open(keys, &token));
        let cursor = asked.health.as_ref().and_then(|health| health.cursor.as_deref());
        Push {
            device: asked.device,
            key,
            epoch: asked.epoch,
            attempt: asked.attempt,
            sha256,
            token: token.filter(|token| token.device == asked.device),
            feed_seq: cursor.and_then(|cursor| Place::open(keys, cursor).ok()).map(|place| place.seq),
            app: asked.app,
            clock: asked.clock,
            outbox: asked.outbox,
            health: asked.health,
            ops: asked.ops.iter().map(|op| op.get().as_bytes().to_vec()).collect(),
        }
    }
}

/// A push with its operations read.
pub struct Read {
    /// The push.
    pub push: Push,
    /// Its operations, or why one can't be read.
    pub ops: Vec<Result<Op>>,
    /// Those that broke the server when it tried: they are kept apart, untried.
    pub poisoned: HashSet<OpId>,
}

impl Read {
    /// Reads the operations.
    pub fn new(push: Push) -> Read {
        let ops = push.ops.iter().map(|raw| parse(raw)).collect();
        Read { push, ops, poisoned: HashSet::new() }
    }

    /// The operations that could be read.
    pub fn good(&self) -> impl Iterator<Item = &Op> {
        self.ops.iter().filter_map(|op| op.as_ref().ok())
    }
}

/// What became of one operation of a push: a stored result, or an answer of its own.
#[derive(Debug, Clone)]
pub enum Taken {
    /// Read the stored result; `true` when it was there before.
    Stored(OpId, bool),
    /// It could not be stored as an operation.
    Answer(Box<OpResult>),
}

/// What became of a push.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Each operation, in order.
    pub taken: Vec<Taken>,
    /// For the next token.
    pub token: Token,
    /// Numbers that never arrived.
    pub missing_seqs: Vec<i64>,
}

/// Reads an operation.
///
/// # Errors
/// `nul_character` or `op_malformed`.
pub fn parse(raw: &[u8]) -> Result<Op> {
    if holds_nul(raw) {
        return Err(Code::NulCharacter.into());
    }
    let op: Op = serde_json::from_slice(raw).map_err(|e| Code::OpMalformed.with(e.to_string()))?;
    // Both engines hold these in columns of their own.
    if op.seq < 1 || op.r#type.len() > 64 || op.target.as_ref().is_some_and(|t| t.kind.len() > 32) {
        return Err(Code::OpMalformed.with("seq from 1, type at most 64 and target.kind at most 32 bytes"));
    }
    Ok(op)
}

/// When a person acted, by the server's clock. A push tells both of the device's clocks at the moment `now`.
pub fn corrected(op: &Op, clock: &Clock, now: DateTime<Utc>) -> (DateTime<Utc>, Confidence) {
    let since = op.mono_ms.map(|then| clock.mono_ms.saturating_sub(then)).filter(|ms| *ms >= 0);
    if let (Some(boot), Some(since)) = (&op.boot, since)
        && *boot == clock.boot
        && let Some(since) = TimeDelta::try_milliseconds(since)
        && let Some(at) = now.checked_sub_signed(since)
    {
        return (at, Confidence::Good);
    }
    let offset = clock.wall - now;
    let at = op.occurred_at.checked_sub_signed(offset).unwrap_or(now);
    // Two minutes: what a good clock drifts in weeks.
    let steady = clock.offset_ms.is_some_and(|known| (known - offset.num_milliseconds()).abs() < 120_000);
    // Nobody acts after their work arrived.
    if at > now {
        return (now, Confidence::Suspect);
    }
    (at, if steady { Confidence::Aged } else { Confidence::Suspect })
}
