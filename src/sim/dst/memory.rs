//! The server's record in memory: what the tables and the ledger are to the real one.

use super::mutant::Mutant;
use crate::{
    calendar::rules::Calendar,
    cases::{
        desk::{self, Shelf, Step},
        store::{CaseRow, EventRow},
    },
    catalogue::{national, rules::ClassKind},
    db::{
        feed::{Change, FeedRow, Keys, Life, next_generation},
        types::{At, CaseId, DeviceId, EvidenceId, OpId, SessionId, UnitId, UserId},
    },
    env::Env,
    error::{Code, Error, Result},
    evidence::{self, reuse::rules::Doubt},
    identity,
    identity::{
        rules::{Actor, Role},
        store::{DeviceRow, EpochRow},
    },
    sync::{
        record::{Act, Record},
        store::OpRow,
        types,
        verdict::{Verdict, on_case},
        wire::{Op, Status},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};
use uuid::Uuid;

/// A person.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their role.
    pub role: Role,
    /// Their unit.
    pub unit: Option<UnitId>,
}

/// A sign-in on a device.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// Who.
    pub user: UserId,
    /// Where.
    pub device: DeviceId,
    /// Until when it is good.
    pub until: DateTime<Utc>,
}

/// A photo.
#[derive(Debug, Clone, Default)]
pub struct Photo {
    /// Its bytes are here.
    pub stored: bool,
    /// Who told of it first, as audience keys.
    pub by: Keys,
    /// An operation has said what it shows.
    pub told: bool,
    /// The cases it belongs to, and whether closing waits for it.
    pub of: BTreeMap<CaseId, bool>,
}

/// Everything the server keeps. Cheap to copy: a copy is a backup, or what a failed transaction goes back to.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The name of this life.
    pub generation: String,
    /// The newest number of the feed.
    pub head: i64,
    /// The oldest number a reader may stand at.
    pub floor: i64,
    /// The feed.
    pub feed: BTreeMap<i64, Rc<FeedRow>>,
    /// Rows that were forgotten too early (a planted defect): cursors there look good still.
    pub forgotten: BTreeMap<i64, Rc<FeedRow>>,
    /// Devices.
    pub devices: BTreeMap<DeviceId, DeviceRow>,
    /// Their epochs.
    pub epochs: BTreeMap<(DeviceId, i32), Rc<EpochRow>>,
    /// Operations.
    pub ops: BTreeMap<OpId, Rc<OpRow>>,
    /// Cases.
    pub cases: BTreeMap<CaseId, Rc<CaseRow>>,
    /// Their timelines.
    pub lines: Vec<Rc<EventRow>>,
    /// Bytes that are no operation.
    pub raws: BTreeSet<Vec<u8>>,
    /// People.
    pub people: BTreeMap<UserId, Person>,
    /// Sign-ins.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Units.
    pub units: BTreeSet<UnitId>,
    /// Photos by their digest.
    pub photos: BTreeMap<String, Photo>,
}

/// The id of a photo's record.
pub fn photo_id(sha256: &str) -> EvidenceId {
    EvidenceId(Uuid::parse_str(&sha256[..32]).unwrap_or_default())
}

impl Memory {
    /// The feed as a whole.
    pub fn life(&self) -> Life {
        Life { head: self.head, floor: self.floor, generation: self.generation.clone() }
    }

    /// The person behind a sign-in.
    pub fn actor(&self, id: SessionId) -> Option<Actor> {
        let session = self.sessions.get(&id)?;
        let mut actor = self.person(session.user)?;
        (actor.session_id, actor.device_id) = (id, Some(session.device));
        Some(actor)
    }

    /// A person at the Centre's desk, or behind a session that somebody vouched for.
    pub fn person(&self, user_id: UserId) -> Option<Actor> {
        let person = self.people.get(&user_id)?;
        let session_id = SessionId(Uuid::nil());
        Some(Actor {
            user_id,
            name: String::new(),
            role: person.role,
            unit_id: person.unit,
            session_id,
            device_id: None,
        })
    }

    /// Who may see a photo that is here.
    pub fn photo_keys(&self, photo: &Photo) -> Keys {
        let of = photo.of.keys().filter_map(|case| self.cases.get(case)).flat_map(|row| desk::keys(row));
        of.chain(photo.by.iter().cloned()).chain(["centre".to_owned()]).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The number of the newest change that an operation caused.
    pub fn number_of(&self, op: OpId) -> Option<i64> {
        self.feed.values().rev().find(|row| row.op_id == Some(op)).map(|row| row.seq)
    }
}

/// The record on an open transaction.
pub struct Open<'a> {
    /// The record; whoever opened it keeps a copy to go back to.
    pub memory: &'a mut Memory,
    env: &'a Env,
    mutant: Option<Mutant>,
    changes: Vec<Change>,
    settled: Vec<String>,
    /// Cases that changed hands, with the keys they lost.
    moved: BTreeMap<CaseId, BTreeSet<String>>,
    /// The next look at operations is a push's search for repeats (some planted defects are blind there).
    looking_up: bool,
}

impl<'a> Open<'a> {
    /// Opens a transaction.
    pub fn new(memory: &'a mut Memory, env: &'a Env, mutant: Option<Mutant>) -> Open<'a> {
        Open { memory, env, mutant, changes: vec![], settled: vec![], moved: BTreeMap::new(), looking_up: false }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Ends the transaction: what waited is judged again, then the feed is written.
    ///
    /// # Errors
    /// The engine's own.
    pub fn commit(mut self) -> Result<()> {
        self.photos_move();
        crate::sync::engine::release(&mut self)?;
        self.photos_move();
        let at = At(self.env.now());
        for change in std::mem::take(&mut self.changes) {
            if self.is(Mutant::EffectWithoutFeed) && self.env.below(8) == 0 {
                continue;
            }
            self.memory.head += 1;
            let seq = self.memory.head;
            let keys_before = if self.is(Mutant::NoScopeLeave) { String::new() } else { change.before.join(" ") };
            let row = FeedRow {
                seq,
                kind: change.kind.to_owned(),
                entity_id: change.id,
                keys_before,
                keys_after: change.after.join(" "),
                op_id: change.op,
                changed_at: at,
            };
            self.memory.feed.insert(seq, Rc::new(row));
        }
        Ok(())
    }

    /// A photo's bytes are here and checked.
    pub fn photo_stored(&mut self, sha256: &str, by: DeviceId) {
        let photo = self.memory.photos.entry(sha256.to_owned()).or_default();
        if std::mem::replace(&mut photo.stored, true) {
            return;
        }
        if photo.by.is_empty() {
            photo.by = vec![format!("device:{by}")];
        }
        self.settled.push(evidence::actions::settled_key(sha256));
        self.photo_changed(sha256, vec![], None);
    }

    fn photo_changed(&mut self, sha256: &str, before: Keys, op: Option<OpId>) {
        let after = self.memory.photos.get(sha256).map(|photo| self.memory.photo_keys(photo)).unwrap_or_default();
        self.changes.push(Change { kind: "evidence", id: photo_id(sha256).to_string(), before, after, op });
    }

    /// Photos go with their case: who gains or loses the sight of one gains or loses the other.
    fn photos_move(&mut self) {
        for (case, lost) in std::mem::take(&mut self.moved) {
            let of_case = |(_, photo): &(&String, &Photo)| photo.stored && photo.of.contains_key(&case);
            let here: Vec<String> = self.memory.photos.iter().filter(of_case).map(|(s, _)| s.clone()).collect();
            for sha256 in here {
                let mut before = self.memory.photo_keys(&self.memory.photos[&sha256]);
                before.extend(lost.iter().filter(|key| !before.contains(key)).cloned().collect::<Vec<_>>());
                self.photo_changed(&sha256, before, None);
            }
        }
    }

    /// Somebody signed in on a device.
    pub fn sign_in(&mut self, user: UserId, device: DeviceId, life: TimeDelta) -> SessionId {
        let id = SessionId(self.env.id());
        self.memory.sessions.insert(id, Session { user, device, until: self.env.now() + life });
        self.settled.push(identity::actions::login_key(user, device));
        id
    }

    /// A new version of the server knows every type there is.
    pub fn settle_types(&mut self) {
        self.settled.extend(types::known().map(|(name, version)| types::wait_for(name, version)));
    }

    fn attach(&mut self, op: &Op, who: &Actor) {
        let Some(case) = op.target.as_ref().filter(|t| t.kind == "case").map(|t| CaseId(t.id)) else { return };
        for named in &op.evidence {
            let mut photo = self.memory.photos.get(&named.sha256).cloned().unwrap_or_default();
            if !std::mem::replace(&mut photo.told, true) {
                let before = self.memory.photo_keys(&photo);
                photo.by.push(format!("user:{}", who.user_id));
                photo.by.extend(who.device_id.map(|device| format!("device:{device}")));
                self.memory.photos.insert(named.sha256.clone(), photo.clone());
                if photo.stored {
                    self.photo_changed(&named.sha256, before, None);
                }
            }
            let (stored, new) = (photo.stored, !photo.of.contains_key(&case));
            let before = self.memory.photo_keys(&self.memory.photos[&named.sha256]);
            let needed = named.need == "before_close";
            let photo = self.memory.photos.entry(named.sha256.clone()).or_default();
            *photo.of.entry(case).or_default() |= needed;
            if stored && new {
                self.photo_changed(&named.sha256, before, Some(op.op_id));
            }
        }
    }
}

impl Record for Open<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    fn fresh_id(&mut self) -> Uuid {
        self.env.id()
    }

    fn generation(&mut self) -> Result<String> {
        Ok(self.memory.generation.clone())
    }

    fn begin_generation(&mut self, beyond: &str) -> Result<()> {
        if !self.is(Mutant::SilentRestore) {
            self.memory.generation = next_generation(&self.memory.generation, beyond, &self.env.bytes::<6>());
        }
        Ok(())
    }

    fn device(&mut self, id: DeviceId) -> Result<Option<DeviceRow>> {
        Ok(self.memory.devices.get(&id).cloned())
    }

    fn epoch(&mut self, device: DeviceId, epoch: i32) -> Result<Option<EpochRow>> {
        self.looking_up = true;
        let mut row = self.memory.epochs.get(&(device, epoch)).map(|row| EpochRow::clone(row));
        match (self.mutant, &mut row) {
            // Every push looks like the next one of the one store.
            (Some(Mutant::NoEpoch), Some(row)) => row.attempt = 0,
            (Some(Mutant::TwiceIsACopy), Some(row)) => row.attempt_sha256 = None,
            _ => {}
        }
        Ok(row)
    }

    fn put_epoch(&mut self, row: EpochRow) {
        self.memory.epochs.insert((row.device_id, row.epoch), Rc::new(row));
    }

    fn begin_epoch(&mut self, device: &DeviceRow, row: EpochRow) -> Result<()> {
        self.memory.devices.insert(device.id, device.clone());
        self.put_epoch(row);
        Ok(())
    }

    fn ops(&mut self, ids: &[OpId]) -> Result<Vec<OpRow>> {
        // The first look of a push is for repeats; the others are for what an operation builds on.
        let first = std::mem::replace(&mut self.looking_up, false);
        let known = |row: &Rc<OpRow>| match self.mutant {
            Some(Mutant::NoDedupe) => !first,
            Some(Mutant::ForgetsRefusals) => !first || row.status != Status::Rejected.as_str(),
            _ => true,
        };
        let found = ids.iter().filter_map(|id| self.memory.ops.get(id)).filter(|row| known(row));
        Ok(found.map(|row| OpRow::clone(row)).collect())
    }

    fn labels(&mut self, device: DeviceId, epoch: i32, from: i64, to: i64) -> Result<Vec<(i64, OpId)>> {
        if self.is(Mutant::NoEpoch) || self.is(Mutant::NoDedupe) || self.is(Mutant::ForgetsRefusals) {
            return Ok(vec![]);
        }
        let own = |row: &&Rc<OpRow>| row.device_id == device && row.epoch == epoch && (from..=to).contains(&row.seq);
        Ok(self.memory.ops.values().filter(own).map(|row| (row.seq, row.op_id)).collect())
    }

    fn put_op(&mut self, mut row: OpRow) {
        if self.is(Mutant::RejectsEarly) && row.code.as_deref() == Some(Code::DependencyMissing.as_str()) {
            row.status = Status::Rejected.to_string();
        }
        let lost = match self.mutant {
            Some(Mutant::HalfAtomic) => self.env.below(8) == 0,
            _ => false,
        };
        if !lost {
            self.memory.ops.insert(row.op_id, Rc::new(row));
        }
    }

    fn waiting_for(&mut self, keys: &[String]) -> Result<Vec<OpId>> {
        let waits = |row: &&Rc<OpRow>| row.status == "held" && row.waiting().iter().any(|key| keys.contains(key));
        Ok(self.memory.ops.values().filter(waits).map(|row| row.op_id).collect())
    }

    fn held_since(&mut self, before: DateTime<Utc>, limit: i64) -> Result<Vec<OpId>> {
        if self.is(Mutant::NoEscalation) {
            return Ok(vec![]);
        }
        let old = |row: &&Rc<OpRow>| row.status == "held" && row.received_at.0 < before;
        let limit = usize::try_from(limit).unwrap_or(0);
        Ok(self.memory.ops.values().filter(old).take(limit).map(|row| row.op_id).collect())
    }

    fn keep_raw(&mut self, _: DeviceId, _: Code, raw: &[u8]) -> Result<()> {
        self.memory.raws.insert(raw.to_vec());
        Ok(())
    }

    fn actor(&mut self, user: UserId, session: SessionId, device: DeviceId, at: DateTime<Utc>) -> Result<Actor> {
        let known = self.memory.sessions.get(&session);
        let good = known.is_some_and(|s| s.user == user && s.device == device && at <= s.until);
        self.memory.actor(session).filter(|_| good).ok_or_else(|| Code::Reauth.into())
    }

    fn actor_vouched(&mut self, user: UserId, session: SessionId, device: DeviceId) -> Result<Actor> {
        let actor = self.memory.person(user).ok_or(Code::Reauth)?;
        Ok(Actor { session_id: session, device_id: Some(device), ..actor })
    }

    fn apply(&mut self, op: &Op, who: &Actor, act: Act) -> Result<Verdict> {
        if op.args.get("text").and_then(|text| text.as_str()) == Some(super::person::POISON) {
            return Err(Error::internal("panic: planted"));
        }
        let photos_missing = || {
            let here = |sha256: &str| self.memory.photos.get(sha256).is_some_and(|photo| photo.stored);
            op.evidence.iter().filter(|e| !here(&e.sha256)).map(|e| evidence::actions::settled_key(&e.sha256)).collect()
        };
        if self.is(Mutant::MediaFirst) {
            let missing: Vec<String> = photos_missing();
            if !missing.is_empty() {
                return Ok(Verdict::held(Code::EvidenceMissing, missing));
            }
        }
        // An operation with photos acts on what the others have written.
        if !op.evidence.is_empty() {
            self.photos_move();
        }
        let verdict = on_case(self, op, who, act)?;
        if !op.evidence.is_empty() {
            self.photos_move();
        }
        self.attach(op, who);
        Ok(verdict)
    }

    fn case_exists(&mut self, id: Uuid) -> Result<bool> {
        Ok(self.memory.cases.contains_key(&CaseId(id)))
    }

    fn announce(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn settle(&mut self, key: String) {
        self.settled.push(key);
    }

    fn take_settled(&mut self) -> Vec<String> {
        let settled = std::mem::take(&mut self.settled);
        if self.is(Mutant::NoRelease) { vec![] } else { settled }
    }
}

impl Shelf for Open<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.env.now()
    }

    fn fresh_id(&mut self) -> Uuid {
        self.env.id()
    }

    fn case(&mut self, id: CaseId) -> Result<Option<CaseRow>> {
        Ok(self.memory.cases.get(&id).map(|row| CaseRow::clone(row)))
    }

    fn unit_known(&mut self, id: UnitId) -> Result<bool> {
        Ok(self.memory.units.contains(&id))
    }

    fn calendar(&mut self) -> Result<Arc<Calendar>> {
        Ok(Arc::default())
    }

    fn class_kind(&mut self, code: &str) -> Result<Option<ClassKind>> {
        Ok(national::kind_of(code))
    }

    fn missing_before_close(&mut self, id: CaseId) -> Result<Vec<String>> {
        let missing = |(_, photo): &(&String, &Photo)| !photo.stored && photo.of.get(&id) == Some(&true);
        Ok(self.memory.photos.iter().filter(missing).map(|(sha256, _)| sha256.clone()).collect())
    }

    fn photo_doubt(&mut self, _: CaseId) -> Result<Option<Doubt>> {
        // The photos of the simulation show scenes: none is one of before or after.
        Ok(None)
    }

    fn mover(&mut self, id: CaseId, command: Option<&str>) -> Result<Option<OpId>> {
        let counts = |line: &&Rc<EventRow>| {
            line.case_id == id && line.ver.is_some() && command.is_none_or(|name| name == line.command)
        };
        Ok(self.memory.lines.iter().rev().find(counts).and_then(|line| line.op_id))
    }

    fn put(&mut self, step: Step) {
        self.changes.push(step.change());
        let Step { row, line, before } = step;
        let after = desk::keys(&row);
        if let Some(before) = before.filter(|before| *before != after) {
            self.moved.entry(row.id).or_default().extend(before.into_iter().filter(|key| !after.contains(key)));
        }
        self.memory.cases.insert(row.id, Rc::new(row));
        self.memory.lines.push(Rc::new(line));
    }
}
