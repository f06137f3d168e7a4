//! The server as devices meet it: requests in, answers out. The decisions are the real ones of `sync`; this is the
//! wiring around them, on memory.

use super::{
    memory::{Memory, Open},
    mutant::Mutant,
    view::View,
};
use crate::{
    cases::{
        desk::{self, Cause, Outcome},
        rules::Command,
    },
    client::engine::{AskChanges, AskSnapshot, Heard},
    db::{
        feed::next_generation,
        types::{CaseId, DeviceId, OpId, SessionId, UnitId, UserId},
    },
    env::Env,
    error::{Code, Error, Result},
    identity::tokens::{Keys, hex, sha256},
    sync::{
        engine,
        pull::{self, RESTORED, Reader, SnapshotOf},
        record::{Answer, Decision, Push, Read, Record, Taken},
        wire::{EpochRequest, OpResult, PushRequest, RawResponse, Status},
    },
};
use chrono::{DateTime, TimeDelta, Utc};

/// A reader's right: the session, and until when the access token is good.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// The session.
    pub session: SessionId,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// A server that the simulation can talk to and do things to.
pub trait Server {
    /// Takes pushes that wait together.
    fn push(&mut self, asked: Vec<PushRequest>) -> Vec<Heard>;
    /// Begins an epoch.
    fn epoch(&mut self, device: DeviceId, asked: &EpochRequest) -> Heard;
    /// Keeps bytes.
    fn raw(&mut self, device: DeviceId, bytes: &str) -> Heard;
    /// A page of the feed.
    fn changes(&mut self, by: Access, ask: &AskChanges) -> Heard;
    /// A page of a snapshot.
    fn snapshot(&mut self, by: Access, ask: &AskSnapshot) -> Heard;
    /// Whether a session can still be refreshed.
    fn session_good(&mut self, session: SessionId) -> bool;
    /// A person signs in on a device.
    fn sign_in(&mut self, user: UserId, device: DeviceId, life: TimeDelta) -> SessionId;
    /// A dispatcher at the Centre acts; returns whether it took effect.
    fn office(&mut self, who: UserId, case: CaseId, command: &Command) -> bool;
    /// A reviewer decides; returns whether that was possible.
    fn decide(&mut self, op: OpId, decision: Decision, reviewer: UserId) -> bool;
    /// A photo arrives.
    fn photo(&mut self, sha256: &str, by: DeviceId);
    /// The administrator gives a person another unit.
    fn move_person(&mut self, user: UserId, unit: UnitId);
    /// The administrator revokes a device.
    fn revoke(&mut self, device: DeviceId);
    /// What the server does by itself: hands over what is held too long; forgets the feed before `keep` rows.
    fn tidy(&mut self, keep: i64);
    /// The process dies and starts again.
    fn crash(&mut self);
    /// Keeps a backup.
    fn backup(&mut self);
    /// Puts the backup back; returns whether there was one.
    fn restore(&mut self) -> bool;
    /// The newest number of the feed.
    fn head(&mut self) -> i64;
    /// The record, for whoever checks it; a real server has it elsewhere.
    fn memory(&self) -> Option<&Memory>;
}

/// The server on memory.
pub struct Model<'k> {
    memory: Memory,
    /// What a crash goes back to (a planted defect).
    durable: Option<Memory>,
    backup: Option<Memory>,
    /// Numbers given out and not visible yet (a planted defect).
    hidden: Vec<i64>,
    /// Rights that were looked up once (a planted defect).
    readers: Vec<(SessionId, Reader)>,
    env: Env,
    keys: &'k Keys,
    mutant: Option<Mutant>,
    page: usize,
}

/// Bytes that break the server.
pub const BREAKS: &str = "breaks-the-server";
/// Changes of a page: few, so that there are several.
pub const CHANGES: i64 = 4;

/// A refusal as the device hears it.
pub fn problem(error: &Error) -> Heard {
    // As `http::problem` has them.
    let status = match error.code {
        Code::DeviceUnknown | Code::TokenExpired | Code::SessionEnded => 401,
        Code::DeviceRevoked => 403,
        Code::EpochStale | Code::GenerationChanged | Code::ScopeChanged => 409,
        Code::CursorExpired => 410,
        Code::Busy => 503,
        Code::Internal => 500,
        _ => 400,
    };
    let (code, detail) = (error.code.as_str().to_owned(), error.detail.clone());
    Heard::Problem { status, code, detail, retry_after: None, date: None }
}

fn answered<T>(outcome: Result<T>, good: impl FnOnce(T) -> Heard) -> Heard {
    outcome.map_or_else(|error| problem(&error), good)
}

impl<'k> Model<'k> {
    /// A server with these people, devices and units.
    pub fn new(mut memory: Memory, env: Env, keys: &'k Keys, (mutant, page): (Option<Mutant>, usize)) -> Model<'k> {
        memory.generation = next_generation("", "", &env.bytes::<6>());
        Model { durable: None, backup: None, hidden: vec![], readers: vec![], memory, env, keys, mutant, page }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// One transaction: when it fails, nothing of it stays.
    fn write<T>(&mut self, f: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        let before = self.memory.clone();
        let head = before.head;
        let mut open = Open::new(&mut self.memory, &self.env, self.mutant);
        let outcome = f(&mut open).and_then(|value| open.commit().map(|()| value));
        if outcome.is_err() {
            self.memory = before;
        } else if self.is(Mutant::AckBeforeDurable) && self.env.below(3) > 0 {
            self.durable.get_or_insert(before);
        } else {
            self.durable = None;
        }
        if self.is(Mutant::NaiveCursor) {
            if self.env.below(3) == 0 {
                self.hidden.clear();
            }
            if self.env.below(3) == 0 {
                self.hidden.extend(head + 1..=self.memory.head);
            }
        }
        outcome
    }

    fn view(&self) -> View<'_> {
        View { memory: &self.memory, mutant: self.mutant, hidden: &self.hidden, page: self.page }
    }

    fn reader(&mut self, by: Access) -> Result<Reader> {
        if self.env.now() > by.until {
            return Err(Code::TokenExpired.into());
        }
        if !self.session_good(by.session) {
            return Err(Code::SessionEnded.into());
        }
        let who = self.memory.actor(by.session).ok_or(Code::SessionEnded)?;
        let device = who.device_id.and_then(|id| self.memory.devices.get(&id));
        if device.is_some_and(|device| device.revoked_at.is_some()) {
            return Err(Code::DeviceRevoked.into());
        }
        if self.is(Mutant::StaleScope) {
            if let Some((_, reader)) = self.readers.iter().find(|(session, _)| *session == by.session) {
                return Ok(reader.clone());
            }
            self.readers.push((by.session, Reader::of(who.clone())));
        }
        Ok(Reader::of(who))
    }

    /// A cursor of a life that nobody remembers begins a new one.
    fn heal<T>(&mut self, page: Result<T>) -> Result<T> {
        match &page {
            Err(error) if error.cause.as_deref() == Some(RESTORED) => {
                self.write(|open| open.begin_generation(""))?;
                Err(Code::GenerationChanged.into())
            }
            _ => page,
        }
    }

    fn results(&self, answer: &Answer) -> Result<Vec<OpResult>> {
        let one = |taken: &Taken| match taken {
            Taken::Answer(answer) => Ok(OpResult::clone(answer)),
            Taken::Stored(id, duplicate) => {
                let row = self.memory.ops.get(id).ok_or_else(|| Error::internal("an operation is gone"))?;
                Ok(OpResult { duplicate: *duplicate, ..row.result(self.memory.number_of(*id))? })
            }
        };
        answer.taken.iter().map(one).collect()
    }

    fn read_push(&self, asked: PushRequest) -> Read {
        let bytes = serde_json::to_vec(&asked).unwrap_or_default();
        let key = self.memory.devices.get(&asked.device).and_then(|row| row.public_key.clone()).unwrap_or_default();
        let mut read = Read::new(Push::of(asked, key, sha256(&bytes), self.keys));
        for op in read.ops.iter_mut().flatten() {
            if self.is(Mutant::NoGate) {
                op.depends_on.clear();
                op.base = None;
            }
            if self.is(Mutant::BlindToBoots) {
                op.boot = Some(read.push.clock.boot.clone());
            }
        }
        if self.is(Mutant::SilentRestore) {
            read.push.token = None;
        }
        read
    }
}

impl Server for Model<'_> {
    fn push(&mut self, asked: Vec<PushRequest>) -> Vec<Heard> {
        let breaks = |push: &PushRequest| push.ops.iter().any(|op| op.get().contains(BREAKS));
        let no_way_out = self.is(Mutant::NoWayOut);
        let mut heard: Vec<Option<Heard>> = asked
            .iter()
            .map(|push| {
                let code = if no_way_out { Code::Busy } else { Code::Internal };
                breaks(push).then(|| problem(&code.into()))
            })
            .collect();
        let reads: Vec<Read> =
            asked.into_iter().filter(|push| !breaks(push)).map(|push| self.read_push(push)).collect();
        let before = self.is(Mutant::HeadOfLine).then(|| self.memory.clone());
        let answers = self.write(|open| engine::take(open, &reads));
        let mut taken: Vec<Heard> = match answers {
            Err(error) => reads.iter().map(|_| problem(&error)).collect(),
            Ok(answers) => answers
                .into_iter()
                .map(|answer| {
                    answered(answer.and_then(|answer| Ok((self.results(&answer)?, answer))), |(results, answer)| {
                        let Answer { token, missing_seqs, .. } = answer;
                        Heard::Push(Box::new(token.push_taken(self.keys, self.env.now(), results, missing_seqs)))
                    })
                })
                .collect(),
        };
        if self.is(Mutant::LostConflict) {
            self.memory.ops.retain(|_, row| row.status != Status::Conflict.as_str());
        }
        let bad = |heard: &Heard| match heard {
            Heard::Push(push) => push.results.iter().any(|r| matches!(r.status, Status::Rejected | Status::Conflict)),
            _ => false,
        };
        if let Some(before) = before
            && taken.iter().any(bad)
        {
            self.memory = before;
            taken = taken.iter().map(|_| problem(&Code::Busy.into())).collect();
        }
        let mut taken = taken.into_iter();
        heard.iter_mut().filter(|heard| heard.is_none()).for_each(|heard| *heard = taken.next());
        heard.into_iter().flatten().collect()
    }

    fn epoch(&mut self, device: DeviceId, asked: &EpochRequest) -> Heard {
        let token = self.write(|open| engine::begin_epoch(open, device, asked));
        answered(token, |token| Heard::Epoch(token.epoch_begun(self.keys, self.env.now())))
    }

    fn raw(&mut self, device: DeviceId, bytes: &str) -> Heard {
        let kept = self.write(|open| open.keep_raw(device, Code::OpMalformed, bytes.as_bytes()));
        answered(kept, |()| {
            Heard::Raw(RawResponse { status: Status::Quarantined, sha256: hex(&sha256(bytes.as_bytes())) })
        })
    }

    fn changes(&mut self, by: Access, ask: &AskChanges) -> Heard {
        let (now, keys) = (self.env.now(), self.keys);
        let digest = ask.digest && !self.is(Mutant::NoDigest);
        let limit = i64::from(ask.limit).min(CHANGES);
        let page = self
            .reader(by)
            .and_then(|reader| pull::changes(&mut self.view(), keys, &reader, &ask.cursor, limit, digest, now));
        answered(self.heal(page), |page| Heard::Changes(Box::new(page.answer(ask.cursor.clone(), now))))
    }

    fn snapshot(&mut self, by: Access, ask: &AskSnapshot) -> Heard {
        let (now, keys) = (self.env.now(), self.keys);
        let of = SnapshotOf {
            page: ask.page.clone(),
            since: ask.since.clone(),
            keys: Some(ask.keys.clone()).filter(|keys| !keys.is_empty()),
        };
        let page = self.reader(by).and_then(|reader| {
            let mut page = pull::snapshot(&mut self.view(), keys, &reader, of, now)?;
            if self.is(Mutant::SnapshotNoFloor) && page.next_page.is_none() {
                let fresh = pull::snapshot(&mut self.view(), keys, &reader, SnapshotOf::default(), now)?;
                (page.cursor, page.seq) = (fresh.cursor, fresh.seq);
            }
            Ok((page, reader.keys))
        });
        answered(self.heal(page), |(page, scope)| Heard::Snapshot(Box::new(page.answer(scope, now))))
    }

    fn session_good(&mut self, session: SessionId) -> bool {
        self.memory.sessions.get(&session).is_some_and(|session| self.env.now() <= session.until)
    }

    fn sign_in(&mut self, user: UserId, device: DeviceId, life: TimeDelta) -> SessionId {
        self.write(|open| Ok(open.sign_in(user, device, life))).unwrap_or(SessionId(uuid::Uuid::nil()))
    }

    fn office(&mut self, who: UserId, case: CaseId, command: &Command) -> bool {
        let outcome = self.write(|open| {
            let actor = open.memory.person(who).ok_or(Code::Reauth)?;
            let cause = Cause { op: None, device: None, occurred_at: Record::now(open) };
            desk::command(open, &actor, case, command, None, false, cause)
        });
        matches!(outcome, Ok(Outcome::Applied(_) | Outcome::Merged(..)))
    }

    fn decide(&mut self, op: OpId, decision: Decision, reviewer: UserId) -> bool {
        self.write(|open| engine::decide(open, op, decision, reviewer, Some("…"))).is_ok()
    }

    fn photo(&mut self, sha256: &str, by: DeviceId) {
        drop(self.write(|open| {
            open.photo_stored(sha256, by);
            Ok(())
        }));
    }

    fn move_person(&mut self, user: UserId, unit: UnitId) {
        self.memory.people.entry(user).and_modify(|person| person.unit = Some(unit));
    }

    fn revoke(&mut self, device: DeviceId) {
        let now = crate::db::types::At(self.env.now());
        self.memory.devices.entry(device).and_modify(|row| row.revoked_at = Some(now));
    }

    fn tidy(&mut self, keep: i64) {
        drop(self.write(|open| engine::escalate(open, 100)));
        let memory = &mut self.memory;
        let to = (memory.head - keep).max(memory.floor);
        let rest = memory.feed.split_off(&to);
        let gone = std::mem::replace(&mut memory.feed, rest);
        for row in gone.values() {
            // The operation keeps the number of its last change.
            let op = row.op_id.and_then(|id| memory.ops.get_mut(&id));
            if let Some(op) = op {
                std::rc::Rc::make_mut(op).result_seq = Some(row.seq);
            }
        }
        if self.mutant == Some(Mutant::EarlyGc) {
            memory.forgotten.extend(gone);
        }
        memory.floor = to;
    }

    fn crash(&mut self) {
        if let Some(durable) = self.durable.take() {
            self.memory = durable;
        }
    }

    fn backup(&mut self) {
        self.backup = Some(self.memory.clone());
    }

    fn restore(&mut self) -> bool {
        let Some(backup) = self.backup.clone() else { return false };
        self.memory = backup;
        (self.durable, self.hidden) = (None, vec![]);
        true
    }

    fn head(&mut self) -> i64 {
        self.memory.head
    }

    fn memory(&self) -> Option<&Memory> {
        Some(&self.memory)
    }
}
