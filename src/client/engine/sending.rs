//! Bringing operations home: batches, epochs, and the way out for an operation that breaks the server.

use super::{About, Ask, AskEpoch, AskPush, Heard, Moment, Need, Next, Step, Tag, clock_refused};
use crate::{
    client::{
        ClientError, Result,
        keep::{Attempt, Keep, Queued},
        rules::{self, Pace, Pushed, Sender, Stop, batch, read_push},
    },
    db::types::OpId,
    identity::tokens::{hex, sha256},
    sync::wire::{self, EpochReason, EpochRequest, Health, MAX_OPS, PROTOCOL, PushRequest},
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How sending goes.
#[derive(Debug, Default)]
pub(super) struct Sending {
    open: Option<Tag>,
    sender: Sender,
    /// Goes as bytes next.
    raw: Option<OpId>,
    /// Goes as bytes if an empty push is taken: a server that takes nothing at all would else get everything as bytes,
    /// and people would have to read it.
    suspect: Option<OpId>,
    /// What not even the endpoint for bytes takes, and why: the others go on around it.
    stuck: BTreeMap<OpId, String>,
    /// The epoch that was found stale.
    stale: Option<i32>,
}

impl Sending {
    pub(super) fn next(&mut self, keep: &mut impl Keep, about: &About, alive: bool, at: Moment) -> Result<Next> {
        self.open = None;
        let ask = match self.ask(keep, about, alive, at)? {
            Ok(ask) => ask,
            Err(next) => return Ok(next),
        };
        self.open = Some(ask.tag());
        Ok(Next::Ask(ask))
    }

    fn ask(&mut self, keep: &mut impl Keep, about: &About, alive: bool, at: Moment) -> Result<Result<Ask, Next>> {
        let (_, epoch) = keep.device()?;
        if epoch == 0 || self.stale == Some(epoch) {
            let reason = if epoch == 0 { EpochReason::Wiped } else { EpochReason::Copied };
            let request = EpochRequest { epoch, reason };
            return Ok(Ok(Ask::Epoch(AskEpoch { generation: keep.generation()?, request })));
        }
        let limit = self.sender.limit.min(MAX_OPS);
        let mut waiting = keep.waiting(limit + self.stuck.len())?;
        let nothing = waiting.is_empty();
        waiting.retain(|queued| !self.stuck.contains_key(&queued.op_id));
        waiting.truncate(batch(waiting.iter().map(|queued| queued.raw.len()), limit));
        match (self.raw, waiting.first()) {
            (Some(raw), Some(head)) if head.op_id == raw => return Ok(Ok(Ask::Raw(head.clone()))),
            _ => self.raw = None,
        }
        self.suspect = self.suspect.filter(|op| waiting.first().is_some_and(|head| head.op_id == *op));
        if self.suspect.is_some() {
            waiting.clear();
        }
        if waiting.is_empty() && !alive && self.suspect.is_none() {
            return Ok(Err(match self.stuck.values().next() {
                Some(why) if !nothing => Next::Stopped(Need::Look(why.clone())),
                _ => Next::Idle,
            }));
        }
        let attempt = keep.begin_attempt()?;
        let request = envelope(keep, about, &attempt, &waiting, at)?;
        Ok(Ok(Ask::Push(Box::new(AskPush { attempt, batch: waiting, request }))))
    }

    pub(super) fn heard(
        &mut self,
        keep: &mut impl Keep,
        ask: &Ask,
        heard: &Heard,
        pace: Pace,
        at: Moment,
    ) -> Result<Step> {
        if self.open.as_ref() != Some(&ask.tag()) {
            return Ok(Step::Moved);
        }
        let known = keep.offset()?;
        let offset = clock_refused(heard, at.now, known);
        if let Some(offset) = offset {
            keep.set_offset(offset)?;
        }
        let learnt = offset.is_some();
        let step = match ask {
            Ask::Push(push) => self.pushed(keep, push, heard, learnt, pace, at),
            Ask::Raw(op) => self.sent_raw(keep, op, heard, learnt, pace, at),
            Ask::Epoch(epoch) => self.renewed(keep, epoch, heard, learnt, pace, at),
            _ => Ok(Step::Moved),
        }?;
        self.open = None;
        Ok(step)
    }

    fn pushed(
        &mut self,
        keep: &mut impl Keep,
        push: &AskPush,
        heard: &Heard,
        learnt: bool,
        pace: Pace,
        at: Moment,
    ) -> Result<Step> {
        let AskPush { attempt, batch, .. } = push;
        let head = batch.first().map(|op| op.op_id);
        let mut empty = false;
        if let Heard::Push(response) = heard {
            keep.acknowledge(attempt, batch, response, at.now)?;
            empty = response.results.is_empty() && !batch.is_empty();
        }
        let suspect = self.suspect.take().filter(|_| batch.is_empty());
        let next = self.sender.after(&read_push(heard), head, batch.len(), learnt, pace, at.dice);
        if suspect.is_some() && matches!(heard, Heard::Push(_)) {
            self.raw = suspect;
        }
        Ok(match next {
            // An answer that looked at nothing must not be asked for again and again.
            rules::Next::Go if empty => step(self.sender.wait(None, pace, at.dice)),
            rules::Next::Go if batch.is_empty() && suspect.is_none() => Step::Idle,
            rules::Next::SendRaw if head.is_none() => Step::Stopped(Need::Look(heard.words())),
            rules::Next::SendRaw => {
                self.raw = head;
                Step::Moved
            }
            rules::Next::Suspect => {
                self.suspect = head;
                Step::Moved
            }
            rules::Next::NewEpoch => {
                self.stale = Some(attempt.epoch);
                Step::Moved
            }
            other => step(other),
        })
    }

    fn sent_raw(
        &mut self,
        keep: &mut impl Keep,
        op: &Queued,
        heard: &Heard,
        learnt: bool,
        pace: Pace,
        at: Moment,
    ) -> Result<Step> {
        match heard {
            Heard::Raw(answer) if answer.sha256.eq_ignore_ascii_case(&hex(&sha256(op.raw.as_bytes()))) => {
                keep.acknowledge_raw(op.op_id, at.now)?;
                self.raw = None;
                return Ok(Step::Moved);
            }
            Heard::Raw(_) => return Ok(Step::Stopped(Need::Look("the server stored other bytes".into()))),
            // Without a code it is a box on the way that speaks, which can only be right about the size.
            Heard::Problem { status: status @ (400 | 402..=407 | 409..=424 | 426..=428 | 430..=499), code, .. }
                if !code.is_empty() || *status == 413 =>
            {
                self.raw = None;
                self.stuck.insert(op.op_id, heard.words());
                return Ok(Step::Moved);
            }
            _ => {}
        }
        Ok(self.patience(&read_push(heard), learnt, pace, at))
    }

    fn renewed(
        &mut self,
        keep: &mut impl Keep,
        ask: &AskEpoch,
        heard: &Heard,
        learnt: bool,
        pace: Pace,
        at: Moment,
    ) -> Result<Step> {
        let Heard::Epoch(response) = heard else {
            return Ok(match heard {
                Heard::Problem { status: 400 | 403 | 404, .. } => Step::Stopped(Need::Look(heard.words())),
                _ => self.patience(&read_push(heard), learnt, pace, at),
            });
        };
        keep.begin_epoch(ask.request.epoch, ask.generation.as_deref(), response, at.now)?;
        self.stale = None;
        Ok(step(self.sender.renewed(pace, at.dice)))
    }

    /// What to do after an answer that is only a trouble of the way.
    fn patience(&mut self, pushed: &Pushed, learnt: bool, pace: Pace, at: Moment) -> Step {
        step(match pushed {
            Pushed::Again(asked) => self.sender.wait(*asked, pace, at.dice),
            Pushed::ClockWrong if learnt => rules::Next::Go,
            Pushed::ClockWrong | Pushed::Unknown => rules::Next::Stop(Stop::Enrol),
            Pushed::Strange(what) | Pushed::Garbled(what) => rules::Next::Stop(Stop::Strange(what.clone())),
            _ => self.sender.wait(None, pace, at.dice),
        })
    }
}

fn step(next: rules::Next) -> Step {
    match next {
        rules::Next::Go | rules::Next::SendRaw | rules::Next::Suspect | rules::Next::NewEpoch => Step::Moved,
        rules::Next::Wait(wait) => Step::Wait(wait, "push".into()),
        rules::Next::Stop(Stop::Enrol) => Step::Stopped(Need::Enrol),
        rules::Next::Stop(Stop::Strange(what)) => Step::Stopped(Need::Look(what)),
    }
}

/// The push of these operations.
///
/// # Errors
/// [`ClientError::Store`].
pub(super) fn envelope(
    keep: &mut impl Keep,
    about: &About,
    attempt: &Attempt,
    ops: &[Queued],
    at: Moment,
) -> Result<PushRequest> {
    let raw = |queued: &Queued| RawValue::from_string(queued.raw.clone());
    let ops: Result<Vec<Box<RawValue>>, _> = ops.iter().map(raw).collect();
    let offset = keep.offset()?;
    Ok(PushRequest {
        protocol: PROTOCOL,
        app: about.app.clone(),
        device: attempt.device,
        epoch: attempt.epoch,
        attempt: attempt.number,
        push_token: attempt.push_token.clone(),
        clock: wire::Clock {
            wall: at.now,
            mono_ms: at.mono_ms,
            boot: at.boot.to_owned(),
            offset_ms: offset.map(|o| o.offset_ms),
            offset_age_s: offset.map(|o| (at.now - o.measured_at).num_seconds().max(0)),
        },
        outbox: keep.outbox_summary()?,
        health: Some(Health {
            storage_persisted: about.storage_persisted,
            media_waiting: Some(keep.media_waiting()?),
            cursor: keep.position()?.map(|position| position.cursor),
            digest: keep.digest_check()?,
        }),
        ops: ops.map_err(|e| ClientError::Store(e.to_string()))?,
    })
}
