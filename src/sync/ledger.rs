//! The record on an open transaction: what a batch needs is read in a few statements, kept in hand while the engine
//! decides, and written in a few statements by [`Ledger::write`].

use super::{
    record::{Act, Read, Record},
    store::{self, OpRow, RawRow},
    verdict::{Verdict, args, cause, on_case, target},
    wire::{Gps, Op, Target},
};
use crate::{
    cases::{actions::Held, desk::Shelf},
    db::{
        Tx,
        feed::{self, Change},
        types::{At, CaseId, DeviceId, OpId, SessionId, SpotCheckId, SpotId, UserId},
    },
    error::{Code, Error, Result},
    evidence::{
        self,
        actions::NewLink,
        datum::{Datum, Position, to_wgs84},
        rules::{NewEvidence, Owner},
    },
    identity::{
        self,
        rules::Actor,
        store::{DeviceRow, EpochRow, SessionRow, UserRow},
        tokens::sha256,
    },
    spotchecks::{self, actions::Stand},
    spots,
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};
use uuid::Uuid;

/// The record in the hands of one batch.
pub struct Ledger<'a, 't> {
    tx: &'a mut Tx<'t>,
    generation: Option<String>,
    devices: HashMap<DeviceId, Option<DeviceRow>>,
    epochs: BTreeMap<(DeviceId, i32), EpochRow>,
    pushed: BTreeSet<(DeviceId, i32)>,
    /// Operations that were looked up: found, or known to be absent.
    ops: HashMap<OpId, Option<OpRow>>,
    added: Vec<OpId>,
    changed: BTreeSet<OpId>,
    sessions: HashMap<SessionId, Option<(SessionRow, UserRow)>>,
    held: Held,
}

impl<'a, 't> Ledger<'a, 't> {
    /// The record on a transaction.
    pub fn new(tx: &'a mut Tx<'t>) -> Ledger<'a, 't> {
        Ledger {
            tx,
            generation: None,
            devices: HashMap::new(),
            epochs: BTreeMap::new(),
            pushed: BTreeSet::new(),
            ops: HashMap::new(),
            added: Vec::new(),
            changed: BTreeSet::new(),
            sessions: HashMap::new(),
            held: Held::default(),
        }
    }

    /// Writes what was decided, and returns the operations that were in hand.
    ///
    /// # Errors
    /// The engine's own.
    pub fn write(mut self) -> Result<HashMap<OpId, OpRow>> {
        self.held.clear(self.tx)?;
        let epochs: Vec<EpochRow> = self.pushed.iter().filter_map(|key| self.epochs.get(key).cloned()).collect();
        identity::devices::epochs_save(self.tx, &epochs)?;
        let row = |id: &OpId| self.ops.get(id)?.as_ref();
        let added: Vec<&OpRow> = self.added.iter().filter_map(row).collect();
        let changed: Vec<&OpRow> = self.changed.iter().filter_map(row).collect();
        store::ops_add(self.tx.db, &added)?;
        for row in &changed {
            store::op_save(self.tx.db, row)?;
            store::waits_remove(self.tx.db, row.op_id)?;
            self.tx.revised(row.op_id);
        }
        let waits: Vec<(OpId, String)> = added
            .iter()
            .chain(&changed)
            .flat_map(|row| row.waiting().into_iter().map(|key| (row.op_id, key)))
            .collect();
        store::waits_add(self.tx.db, &waits)?;
        Ok(self.ops.into_iter().filter_map(|(id, row)| Some((id, row?))).collect())
    }

    fn load_ops(&mut self, ids: &[OpId]) -> Result<()> {
        let missing: Vec<OpId> = ids.iter().copied().filter(|id| !self.ops.contains_key(id)).collect();
        if !missing.is_empty() {
            self.ops.extend(missing.iter().map(|id| (*id, None)));
            let found = store::ops_by_id(self.tx.db, &missing)?;
            self.ops.extend(found.into_iter().map(|row| (row.op_id, Some(row))));
        }
        Ok(())
    }

    fn load_sessions(&mut self, ids: &[SessionId]) -> Result<()> {
        let missing: Vec<SessionId> = ids.iter().copied().filter(|id| !self.sessions.contains_key(id)).collect();
        if !missing.is_empty() {
            self.sessions.extend(missing.iter().map(|id| (*id, None)));
            let found = identity::actions::sessions_by_id(self.tx.db, &missing)?;
            self.sessions.extend(found.into_iter().map(|(session, user)| (session.id, Some((session, user)))));
        }
        Ok(())
    }

    fn load_devices(&mut self, ids: &[DeviceId]) -> Result<()> {
        let missing: Vec<DeviceId> = ids.iter().copied().filter(|id| !self.devices.contains_key(id)).collect();
        if !missing.is_empty() {
            let epochs = identity::devices::epochs_locked(self.tx, &missing)?;
            self.epochs.extend(epochs.into_iter().map(|row| ((row.device_id, row.epoch), row)));
            self.devices.extend(missing.iter().map(|id| (*id, None)));
            let found = identity::devices::devices_by_id(self.tx.db, &missing)?;
            self.devices.extend(found.into_iter().map(|row| (row.id, Some(row))));
        }
        Ok(())
    }

    /// Lets an operation act that touches more than a case: in a savepoint, with what was decided before written.
    fn apply_beyond(&mut self, op: &Op, who: &Actor, act: Act) -> Result<Verdict> {
        self.held.clear(self.tx)?;
        let verdict = self.tx.savepoint(|tx| {
            let mut held = Held::default();
            let mut beside = None;
            let verdict = match op.r#type.split_once('.') {
                Some(("spot", "observe")) => {
                    let id = SpotId(target(op, "spot")?);
                    let fix = op.gps.as_ref().map(|gps| Ok::<_, Error>((wgs84(gps)?, gps.accuracy_m))).transpose()?;
                    let (spot, case) =
                        spots::actions::observe(tx, who, id, &args(&op.args)?, fix, cause(op, who, act))?;
                    beside = case;
                    Verdict::applied(spot.ver)
                }
                Some(("spot_check", "record")) => {
                    let id = SpotCheckId(target(op, "spot_check")?);
                    let stand = op.gps.as_ref().map(stand).transpose()?;
                    let named: Vec<String> = op.evidence.iter().map(|one| one.sha256.clone()).collect();
                    let (record, beside) = (args(&op.args)?, (stand, named.as_slice()));
                    spotchecks::actions::check_record(tx, who, id, &record, beside, cause(op, who, act))?;
                    Verdict::applied(1)
                }
                _ => on_case(&mut held.desk(tx), op, who, act)?,
            };
            held.clear(tx)?;
            if let Some(target) = &op.target {
                attach(tx, op, who, target)?;
            }
            // What shows a spot shows the case that is open there.
            if let Some(case) = beside {
                attach(tx, op, who, &Target::case(case))?;
            }
            Ok(verdict)
        });
        // What is in hand may have changed below it.
        self.held = Held::default();
        verdict
    }
}

impl Record for Ledger<'_, '_> {
    fn now(&self) -> DateTime<Utc> {
        self.tx.now
    }

    fn fresh_id(&mut self) -> Uuid {
        self.tx.id()
    }

    fn prefetch(&mut self, pushes: &[Read]) -> Result<()> {
        // Devices before cases, each in the order of their ids: no two batches wait for each other.
        let mut devices: Vec<DeviceId> = pushes.iter().map(|read| read.push.device).collect();
        devices.sort_unstable();
        devices.dedup();
        self.load_devices(&devices)?;
        let ops = || pushes.iter().flat_map(Read::good);
        let ids: HashSet<OpId> =
            ops().flat_map(|op| std::iter::once(op.op_id).chain(super::engine::predecessors(op))).collect();
        self.load_ops(&ids.into_iter().collect::<Vec<_>>())?;
        let sessions: HashSet<SessionId> = ops().map(|op| op.session).collect();
        self.load_sessions(&sessions.into_iter().collect::<Vec<_>>())?;
        let fresh = ops().filter(|op| self.ops.get(&op.op_id).is_none_or(Option::is_none));
        let cases: BTreeSet<CaseId> =
            fresh.filter_map(|op| op.target.as_ref()).filter(|t| t.kind == "case").map(|t| CaseId(t.id)).collect();
        self.held.fetch(self.tx, &cases.into_iter().collect::<Vec<_>>())
    }

    fn generation(&mut self) -> Result<String> {
        match &self.generation {
            Some(generation) => Ok(generation.clone()),
            None => {
                let generation = feed::life(self.tx.db)?.generation;
                self.generation = Some(generation.clone());
                Ok(generation)
            }
        }
    }

    fn begin_generation(&mut self, beyond: &str) -> Result<()> {
        let generation = feed::begin_generation(self.tx, beyond)?;
        tracing::warn!(generation, "a device knows a later life of this data: it was restored from a backup");
        self.generation = Some(generation);
        Ok(())
    }

    fn device(&mut self, id: DeviceId) -> Result<Option<DeviceRow>> {
        self.load_devices(&[id])?;
        Ok(self.devices.get(&id).cloned().flatten())
    }

    fn epoch(&mut self, device: DeviceId, epoch: i32) -> Result<Option<EpochRow>> {
        self.load_devices(&[device])?;
        Ok(self.epochs.get(&(device, epoch)).cloned())
    }

    fn put_epoch(&mut self, row: EpochRow) {
        let key = (row.device_id, row.epoch);
        self.epochs.insert(key, row);
        self.pushed.insert(key);
    }

    fn begin_epoch(&mut self, device: &DeviceRow, row: EpochRow) -> Result<()> {
        identity::devices::epoch_add(self.tx, device, &row)?;
        self.epochs.insert((row.device_id, row.epoch), row);
        self.devices.insert(device.id, Some(device.clone()));
        Ok(())
    }

    fn ops(&mut self, ids: &[OpId]) -> Result<Vec<OpRow>> {
        self.load_ops(ids)?;
        Ok(ids.iter().filter_map(|id| self.ops.get(id).cloned().flatten()).collect())
    }

    fn labels(&mut self, device: DeviceId, epoch: i32, from: i64, to: i64) -> Result<Vec<(i64, OpId)>> {
        let mut found = store::labels_between(self.tx.db, device, epoch, from, to)?;
        let unwritten = self.added.iter().filter_map(|id| self.ops.get(id)?.as_ref());
        found.extend(
            unwritten
                .filter(|row| row.device_id == device && row.epoch == epoch && (from..=to).contains(&row.seq))
                .map(|row| (row.seq, row.op_id)),
        );
        Ok(found)
    }

    fn put_op(&mut self, row: OpRow) {
        let id = row.op_id;
        if self.ops.insert(id, Some(row)).flatten().is_none() {
            self.added.push(id);
        } else if !self.added.contains(&id) {
            self.changed.insert(id);
        }
    }

    fn waiting_for(&mut self, keys: &[String]) -> Result<Vec<OpId>> {
        let mut ids = store::ops_waiting(self.tx.db, keys)?;
        // Rows in hand know better than the table.
        self.load_ops(&ids)?;
        let waits = |row: &OpRow| row.waiting().iter().any(|key| keys.contains(key));
        ids.retain(|id| self.ops.get(id).and_then(Option::as_ref).is_some_and(waits));
        let in_hand = self.added.iter().chain(&self.changed);
        ids.extend(in_hand.filter(|id| self.ops.get(id).and_then(Option::as_ref).is_some_and(waits)));
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    fn held_since(&mut self, before: DateTime<Utc>, limit: i64) -> Result<Vec<OpId>> {
        store::held_since(self.tx.db, At(before), limit)
    }

    fn keep_raw(&mut self, device_id: DeviceId, code: Code, raw: &[u8]) -> Result<()> {
        raw_keep(self.tx, device_id, code, raw)
    }

    fn actor(&mut self, user: UserId, session: SessionId, device: DeviceId, at: DateTime<Utc>) -> Result<Actor> {
        self.load_sessions(&[session])?;
        let Some((session, account)) = self.sessions.get(&session).cloned().flatten() else {
            return Err(Code::Reauth.into());
        };
        identity::actions::op_actor(&session, account, user, device, at)
    }

    fn actor_vouched(&mut self, user: UserId, session: SessionId, device: DeviceId) -> Result<Actor> {
        identity::actions::op_actor_vouched(self.tx.db, user, session, device)
    }

    fn apply(&mut self, op: &Op, who: &Actor, act: Act) -> Result<Verdict> {
        if matches!(op.r#type.as_str(), "spot_check.record" | "spot.observe") || !op.evidence.is_empty() {
            return self.apply_beyond(op, who, act);
        }
        // Decided in memory, put down only when it stands: no savepoint. A panic has put nothing down either.
        let mut desk = self.held.desk(self.tx);
        catch_unwind(AssertUnwindSafe(|| on_case(&mut desk, op, who, act)))
            .unwrap_or_else(|panic| Err(Error::internal(format!("panic: {}", crate::db::panic_text(&*panic)))))
    }

    fn case_exists(&mut self, id: Uuid) -> Result<bool> {
        Ok(self.held.desk(self.tx).case(CaseId(id))?.is_some())
    }

    fn announce(&mut self, change: Change) {
        self.tx.announce(change);
    }

    fn settle(&mut self, key: String) {
        self.tx.settle(key);
    }

    fn take_settled(&mut self) -> Vec<String> {
        self.tx.take_settled()
    }
}

/// Keeps bytes that are no operation, or came under an id that was taken.
///
/// # Errors
/// The engine's own.
pub fn raw_keep(tx: &mut Tx, device_id: DeviceId, code: Code, raw: &[u8]) -> Result<()> {
    let row = RawRow {
        id: OpId(tx.id()),
        device_id,
        received_at: At(tx.now),
        code: code.as_str().to_owned(),
        raw: raw.to_vec(),
        raw_sha256: sha256(raw),
        resolved_by: None,
        resolved_at: None,
        resolution_reason: None,
    };
    store::raw_add(tx.db, &row)
}

/// Declares the photos and videos of an operation and links them to a record; the bytes follow on their own.
fn attach(tx: &mut Tx, op: &Op, who: &Actor, target: &Target) -> Result<()> {
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

fn datum(gps: &Gps) -> Result<Datum> {
    gps.datum.parse().map_err(|_| Code::ArgsInvalid.with("gps.datum"))
}

fn place(gps: &Gps) -> Result<evidence::rules::Gps> {
    Ok(evidence::rules::Gps {
        lat: gps.lat,
        lon: gps.lon,
        datum: datum(gps)?,
        accuracy_m: gps.accuracy_m,
        fix_age_s: gps.fix_age_s,
        source: gps.source.clone(),
    })
}

fn wgs84(gps: &Gps) -> Result<Position> {
    let position = Position::new(gps.lat, gps.lon).map_err(|e| Code::ArgsInvalid.with(format!("gps: {e}")))?;
    Ok(to_wgs84(position, datum(gps)?))
}

fn stand(gps: &Gps) -> Result<Stand> {
    let position = wgs84(gps)?;
    Ok(Stand { lat: position.lat(), lon: position.lon(), accuracy_m: gps.accuracy_m })
}
