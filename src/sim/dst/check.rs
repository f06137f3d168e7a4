//! What must hold, whatever happened. The ledger knows what really happened; `sync/mod.rs` tells what the names of the
//! rules stand for.

use super::{memory::Memory, mutant::Mutant, pocket::Pocket, world::Device};
use crate::{
    client::{
        ClientError,
        engine::{Ask, Heard},
        keep::Queued,
    },
    db::types::{CaseId, DeviceId, OpId, SessionId},
    error::Code,
    identity::rules::Actor,
    sync::{
        engine::{HELD_FOR, predecessors},
        health::missing_of,
        pull::{Reader, Source},
        record::Confidence,
        store::OpRow,
        types,
        wire::{Change, ChangeType, Op, OpResult, Status},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};
use uuid::Uuid;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: &'static str,
    /// How.
    pub what: String,
}

impl Violation {
    /// A broken rule.
    pub fn new(rule: &'static str, what: impl Into<String>) -> Violation {
        Violation { rule, what: what.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

struct Made {
    op: Op,
    at: DateTime<Utc>,
    /// What it builds on in the person's eyes.
    after: Option<OpId>,
}

/// What really happened.
#[derive(Default)]
pub struct Ledger {
    made: BTreeMap<OpId, Made>,
    order: Vec<OpId>,
    /// What the server said last; the word that ended a matter must stay.
    words: BTreeMap<OpId, OpResult>,
    labels: BTreeMap<(DeviceId, i32), BTreeMap<i64, BTreeSet<OpId>>>,
    raw: BTreeSet<OpId>,
    /// Answered, and taken back by a restore of the server since.
    taken_back: BTreeSet<OpId>,
    copied: BTreeSet<DeviceId>,
    server_restored: bool,
    /// Operations that were answered.
    pub answers: u64,
}

fn terminal(status: Status) -> bool {
    !matches!(status, Status::Held | Status::Conflict | Status::Quarantined)
}

impl Ledger {
    /// How many operations were made.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// A person did something.
    pub fn made(&mut self, device: DeviceId, epoch: i32, op: Op, after: Option<OpId>, at: DateTime<Utc>) {
        self.label(device, epoch, op.seq, op.op_id);
        self.order.push(op.op_id);
        self.made.insert(op.op_id, Made { op, at, after });
    }

    fn label(&mut self, device: DeviceId, epoch: i32, seq: i64, op: OpId) {
        self.labels.entry((device, epoch)).or_default().entry(seq).or_default().insert(op);
    }

    /// A device numbered its queue anew.
    pub fn renumbered(&mut self, device: DeviceId, epoch: i32, waiting: &[Queued]) {
        for queued in waiting {
            if let Ok(op) = serde_json::from_str::<Op>(&queued.raw) {
                self.label(device, epoch, op.seq, queued.op_id);
            }
        }
    }

    /// An operation went as bytes.
    pub fn raw_sent(&mut self, op: OpId) {
        self.raw.insert(op);
    }

    /// A device's store was copied, put back or emptied.
    pub fn copied(&mut self, device: DeviceId) {
        self.copied.insert(device);
    }

    /// The server's data are those of a backup now.
    pub fn server_restored(&mut self, memory: &Memory) {
        self.server_restored = true;
        self.taken_back.extend(self.words.keys().filter(|op| !memory.ops.contains_key(op)));
        // What was decided after the backup will be decided again.
        self.words.retain(|op, _| memory.ops.contains_key(op));
        for (op, word) in &mut self.words {
            if let Some(Ok(result)) = memory.ops.get(op).map(|row| row.result(None)) {
                *word = result;
            }
        }
    }

    /// An operation that was made not long ago.
    pub fn recent(&self, back: usize) -> Option<OpId> {
        self.order.iter().rev().nth(back).copied()
    }

    /// The cases that people reported.
    pub fn cases(&self) -> Vec<Uuid> {
        let reports =
            self.order.iter().filter_map(|op| self.made.get(op)).filter(|made| made.op.r#type == "case.report");
        reports.filter_map(|made| made.op.target.as_ref().map(|target| target.id)).collect()
    }

    /// What waits for a person, as far as answers told.
    pub fn open(&self) -> Vec<OpId> {
        self.words.iter().filter(|(_, word)| !terminal(word.status)).map(|(op, _)| *op).collect()
    }

    /// The last step that a device did to a case and nobody has answered.
    pub fn last_step(&self, waiting: &[Queued], case: Uuid) -> Option<OpId> {
        let steps = waiting.iter().rev().filter_map(|queued| self.made.get(&queued.op_id));
        let of_case = |made: &&Made| made.op.target.as_ref().is_some_and(|target| target.id == case);
        let chains = |made: &&Made| made.op.base.is_some() || made.op.r#type == "case.report";
        steps.filter(of_case).find(chains).map(|made| made.op.op_id)
    }

    /// The server answered (I3, T1).
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn answered(&mut self, results: &[OpResult]) -> Result<(), Violation> {
        results.iter().filter(|result| result.code.as_deref() != Some("op_id_reused")).try_for_each(|r| self.word(r))
    }

    fn word(&mut self, result: &OpResult) -> Result<(), Violation> {
        let Some(op_id) = result.op_id else { return Ok(()) };
        self.answers += 1;
        let Some(made) = self.made.get(&op_id) else {
            return Err(Violation::new("I1", format!("an answer to {op_id}, which nobody made")));
        };
        if result.code.as_deref() == Some("evidence_missing") && made.op.r#type != "case.confirm_closing" {
            return Err(Violation::new("T1", format!("{} waits for a photo", made.op.r#type)));
        }
        let said = |word: &OpResult| (word.status, word.ver, word.code.clone());
        if let Some(first) = self.words.get(&op_id).filter(|first| terminal(first.status))
            && said(first) != said(result)
        {
            return Err(Violation::new("I3", format!("{op_id} was {:?} and is {:?}", said(first), said(result))));
        }
        self.words.insert(op_id, result.clone());
        Ok(())
    }

    /// The server showed records (S1, C2).
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn shown(&mut self, memory: &Memory, by: SessionId, ask: &Ask, heard: &Heard) -> Result<(), Violation> {
        let Some(who) = memory.actor(by) else { return Ok(()) };
        match (ask, heard) {
            (_, Heard::Changes(page)) => {
                let mut last = 0;
                for change in &page.changes {
                    if change.seq <= last || change.seq > page.seq {
                        return Err(Violation::new("C2", format!("change {} out of its place", change.seq)));
                    }
                    last = change.seq;
                    if change.t == ChangeType::OpResult
                        && let Some(data) = &change.data
                        && let Ok(result) = serde_json::from_str::<OpResult>(data.get())
                    {
                        self.word(&result)?;
                    }
                }
                page.changes.iter().try_for_each(|change| in_scope(memory, &who, change))
            }
            (_, Heard::Snapshot(page)) => page.items.iter().try_for_each(|change| in_scope(memory, &who, change)),
            _ => Ok(()),
        }
    }

    /// What a device's own work came to does not disappear from its sight (C5).
    ///
    /// # Errors
    /// The store's own; inside, the rule that was broken.
    pub fn own_work_stays(&self, pocket: &mut impl Pocket) -> Result<Result<(), Violation>, ClientError> {
        // A restored server gives the same numbers to other changes, until somebody notices.
        let Some(position) = pocket.position()?.filter(|_| !self.server_restored) else { return Ok(Ok(())) };
        let words = pocket.words()?;
        if words.is_empty() {
            return Ok(Ok(()));
        }
        let sight = pocket.sight()?;
        for (op, word) in words {
            let (Some(number), Some(ver)) = (word.result_seq, word.ver) else { continue };
            let Some(made) = self.made.get(&op).filter(|_| position.seq >= number) else { continue };
            let Some(target) = &made.op.target else { continue };
            let shown = sight.get(&(target.kind.clone(), target.id.to_string()));
            if matches!(word.status, Status::Applied | Status::Merged) && shown.is_some_and(|(seen, _)| *seen < ver) {
                return Ok(Err(Violation::new(
                    "C5",
                    format!("{op} made version {ver}, the device shows an older one"),
                )));
            }
        }
        Ok(Ok(()))
    }

    /// When all is quiet, a device says of its work that is not settled what the server says (C6).
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn knows_what_became(memory: &Memory, pocket: &mut impl Pocket, place: usize) -> Result<(), Violation> {
        let wrong = |what: String| Violation::new("C6", format!("device {place}: {what}"));
        for (op, word) in pocket.words().map_err(|e| wrong(e.to_string()))? {
            let Some(row) = memory.ops.get(&op).filter(|_| !terminal(word.status)) else { continue };
            if row.status != word.status.as_str() {
                return Err(wrong(format!("{op} is {} here and {} there", word.status.as_str(), row.status)));
            }
        }
        Ok(())
    }

    /// When all is quiet, a device shows exactly what its reader may see (C1).
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn sees_what_is<P: Pocket>(
        &self,
        memory: &Memory,
        device: &mut Device<P>,
        place: usize,
        now: DateTime<Utc>,
    ) -> Result<(), Violation> {
        let wrong = |what: String| Violation::new("C1", format!("device {place}: {what}"));
        let Some(who) = memory.actor(device.access.session) else { return Ok(()) };
        let reader = Reader::of(who);
        let mut view = super::view::View { memory, mutant: None, hidden: &[], page: usize::MAX };
        let mut sight = device.pocket.sight().map_err(|e| wrong(e.to_string()))?;
        for kind in ["unit", "case", "evidence"] {
            let (records, _) = view.whole(&reader, kind, None, now).map_err(|e| wrong(e.to_string()))?;
            for (id, _) in records {
                let ver = id.parse().ok().and_then(|id| memory.cases.get(&CaseId(id))).map_or(0, |row| row.ver);
                match sight.remove(&(kind.to_owned(), id.clone())) {
                    Some((shown, _)) if shown == ver => {}
                    Some((shown, _)) => return Err(wrong(format!("{kind} {id} at {shown}, not {ver}"))),
                    None => return Err(wrong(format!("{kind} {id} is missing"))),
                }
            }
        }
        match sight.keys().next() {
            Some((kind, id)) => Err(wrong(format!("{kind} {id} should be gone"))),
            None => Ok(()),
        }
    }

    /// Judges the server's record. `homes` are what living stores hold or have held.
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn judge(
        &self,
        memory: &Memory,
        homes: &[&[OpId]],
        mutant: Option<Mutant>,
        now: DateTime<Utc>,
    ) -> Result<(), Violation> {
        let living: BTreeSet<OpId> = homes.iter().flat_map(|home| home.iter().copied()).collect();
        self.nothing_lost(memory, &living)?;
        nothing_twice(memory)?;
        labels_are_used_once(memory)?;
        effects_and_results_agree(memory)?;
        for row in memory.ops.values() {
            self.visible(row)?;
            self.in_order(memory, row)?;
            self.in_time(row)?;
            held_for_a_reason(memory, row, now)?;
        }
        self.ledger_of_losses(memory, mutant)?;
        self.no_copy_without_a_copy(memory)
    }

    /// I1: what a living store made, or what was answered and not taken back, is here, with its payload.
    fn nothing_lost(&self, memory: &Memory, living: &BTreeSet<OpId>) -> Result<(), Violation> {
        for (op_id, made) in &self.made {
            let answered = self.words.contains_key(op_id) && !self.taken_back.contains(op_id);
            let hidden = self.taken_back.contains(op_id) && self.number_filled(memory, *op_id);
            if hidden || !answered && !living.contains(op_id) {
                continue;
            }
            let kept = match memory.ops.get(op_id) {
                Some(row) => row.op().is_ok_and(|op| op.same_payload(&made.op)),
                None => self.raw.contains(op_id) && is_raw(memory, &made.op),
            };
            if !kept {
                return Err(Violation::new("I1", format!("{} {op_id} is not here", made.op.r#type)));
            }
        }
        Ok(())
    }

    /// Whether work of a copy of the device stands under a number that this operation had. Two accidents at once hide each
    /// other then: by that number it would be seen that the server was restored.
    fn number_filled(&self, memory: &Memory, op_id: OpId) -> bool {
        let had = |row: &&Rc<OpRow>| {
            let labels = self.labels.get(&(row.device_id, row.epoch)).and_then(|labels| labels.get(&row.seq));
            row.op_id != op_id && labels.is_some_and(|ops| ops.contains(&op_id))
        };
        memory.ops.values().any(|row| had(&row))
    }

    /// I4: what waits for a person can be found by one, with its payload and, in a conflict, its name.
    fn visible(&self, row: &OpRow) -> Result<(), Violation> {
        let status = row.status().map_err(|e| Violation::new("I4", e.to_string()))?;
        let told = status != Status::Conflict || row.conflict_id.is_some();
        let refused_for_order = status == Status::Rejected
            && row.resolution.is_none()
            && [Code::DependencyMissing, Code::DependencyUnsettled]
                .iter()
                .any(|c| row.code.as_deref() == Some(c.as_str()));
        if told && !refused_for_order {
            return Ok(());
        }
        Err(Violation::new("I4", format!("{} is {status} ({:?}) and nobody can decide it", row.op_id, row.code)))
    }

    /// I6: nothing took effect whose predecessor did not, unless a person decided so.
    fn in_order(&self, memory: &Memory, row: &OpRow) -> Result<(), Violation> {
        let status = row.status().map_err(|e| Violation::new("I6", e.to_string()))?;
        let Some(made) = self.made.get(&row.op_id) else { return Ok(()) };
        if !matches!(status, Status::Applied | Status::Merged) || row.resolved_by.is_some() {
            return Ok(());
        }
        for before in made.after.into_iter().chain(predecessors(&made.op)) {
            let well = memory.ops.get(&before).is_some_and(|row| row.status().is_ok_and(Status::settled_well));
            if !well {
                return Err(Violation::new("I6", format!("{} took effect before {before}", row.op_id)));
            }
            let place = |op: OpId| memory.lines.iter().position(|line| line.op_id == Some(op));
            if let (Some(first), Some(second)) = (place(before), place(row.op_id))
                && first > second
            {
                return Err(Violation::new("I6", format!("{} stands before {before}", row.op_id)));
            }
        }
        Ok(())
    }

    /// A time that is called good is right, up to what a request can be under way.
    fn in_time(&self, row: &OpRow) -> Result<(), Violation> {
        let Some((made, said)) = self.made.get(&row.op_id).zip(row.corrected_at) else { return Ok(()) };
        let off = (said.0 - made.at).abs();
        let good = row.time_confidence == Confidence::Good.as_str();
        if good && off > super::world::ON_THE_WAY + TimeDelta::seconds(1) {
            return Err(Violation::new("time", format!("{} is said to be good and is {off} off", row.op_id)));
        }
        Ok(())
    }

    /// D1: the numbers that the loss ledger misses are those of which no operation came.
    fn ledger_of_losses(&self, memory: &Memory, mutant: Option<Mutant>) -> Result<(), Violation> {
        // What a restored server has forgotten of its devices, it can not tell.
        if self.server_restored {
            return Ok(());
        }
        for ((device, epoch), row) in &memory.epochs {
            let own = |op: &&Rc<OpRow>| op.device_id == *device;
            let here = memory.ops.values().filter(own).filter(|op| op.epoch == *epoch).map(|op| op.seq);
            let later = memory.ops.values().filter(own).flat_map(|op| op.labels_before());
            let later = later.filter(|(of, _)| of == epoch && mutant != Some(Mutant::LedgerBlindToEpochs));
            let later = later.map(|(_, seq)| seq);
            let said: BTreeSet<i64> =
                missing_of(row.high_seq.max(row.received_seq), here.chain(later)).into_iter().collect();
            let labels = self.labels.get(&(*device, *epoch));
            for seq in 1..=row.high_seq.max(row.received_seq) {
                let Some(ops) = labels.and_then(|labels| labels.get(&seq)) else { continue };
                // Bytes have no number.
                if ops.iter().any(|op| self.raw.contains(op)) {
                    continue;
                }
                let came = ops.iter().any(|op| memory.ops.contains_key(op));
                // A store that was put back does not know the numbers that its work had in the store it replaced, so
                // some work of copies seems missing that came; what did not come never seems to have come.
                let known = ops.iter().filter_map(|op| memory.ops.get(op)).any(|row| says(row, *epoch, seq));
                let must = if self.copied.contains(device) { known } else { came };
                if must && said.contains(&seq) || !came && !said.contains(&seq) {
                    return Err(Violation::new("D1", format!("epoch {epoch}: number {seq} came: {came}")));
                }
            }
        }
        Ok(())
    }

    /// A device that nobody copied is never taken for a copy.
    fn no_copy_without_a_copy(&self, memory: &Memory) -> Result<(), Violation> {
        let innocent = |device: &DeviceId| !self.server_restored && !self.copied.contains(device);
        match memory.epochs.values().find(|row| row.reason == "copied" && innocent(&row.device_id)) {
            Some(row) => Err(Violation::new("E1", format!("{} is no copy", row.device_id))),
            None => Ok(()),
        }
    }
}

/// Whether an operation says that it had a number in an epoch.
fn says(row: &OpRow, epoch: i32, seq: i64) -> bool {
    let was = row.op().ok().and_then(|op| op.was);
    (row.epoch, row.seq) == (epoch, seq) || was.is_some_and(|was| was.labels().any(|label| label == (epoch, seq)))
}

fn is_raw(memory: &Memory, made: &Op) -> bool {
    memory.raws.iter().any(|raw| serde_json::from_slice::<Op>(raw).is_ok_and(|op| op.same_payload(made)))
}

/// S1: every record that is shown is the reader's to see.
fn in_scope(memory: &Memory, who: &Actor, change: &Change) -> Result<(), Violation> {
    let reader = Reader::of(who.clone());
    let audience = match (change.t, change.kind.as_str()) {
        (ChangeType::Upsert, "case") => {
            change.id.parse().ok().and_then(|id| memory.cases.get(&CaseId(id))).map(|row| crate::cases::desk::keys(row))
        }
        (ChangeType::Upsert, "evidence") => {
            let photo = memory.photos.iter().find(|(s, _)| super::memory::photo_id(s).to_string() == change.id);
            photo.map(|(_, photo)| memory.photo_keys(photo))
        }
        _ => return Ok(()),
    };
    if audience.is_some_and(|keys| keys.iter().any(|key| reader.keys.contains(key))) {
        return Ok(());
    }
    Err(Violation::new("S1", format!("{} {} is not the reader's to see", change.kind, change.id)))
}

/// I2: no operation made two lines; versions and lines of each case are dense.
fn nothing_twice(memory: &Memory) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    for line in &memory.lines {
        if line.op_id.is_some_and(|op| !seen.insert(op)) {
            return Err(Violation::new("I2", format!("{:?} was applied twice", line.op_id)));
        }
    }
    for case in memory.cases.values() {
        let lines = memory.lines.iter().filter(|line| line.case_id == case.id);
        let versions: Vec<i64> = lines.clone().filter_map(|line| line.ver).collect();
        let dense = versions.iter().zip(1..).all(|(ver, place)| *ver == place);
        let count = i64::try_from(lines.count()).unwrap_or(0);
        if !dense || versions.last() != Some(&case.ver) || count != case.lines {
            return Err(Violation::new("I2", format!("case {}: versions {versions:?}", case.id)));
        }
    }
    Ok(())
}

/// E2: of one device's epoch, no two operations bear the same number.
fn labels_are_used_once(memory: &Memory) -> Result<(), Violation> {
    let mut used = BTreeSet::new();
    match memory.ops.values().find(|row| !used.insert((row.device_id, row.epoch, row.seq))) {
        Some(row) => Err(Violation::new("E2", format!("two operations are number {} of epoch {}", row.seq, row.epoch))),
        None => Ok(()),
    }
}

/// I5: an effect has its stored result and its row in the feed, and a result that says so has its effect.
fn effects_and_results_agree(memory: &Memory) -> Result<(), Violation> {
    let told: BTreeSet<OpId> = memory.feed.values().filter_map(|row| row.op_id).collect();
    let first = memory.feed.keys().next().copied().unwrap_or(0);
    if memory.head >= first && i64::try_from(memory.feed.len()).unwrap_or(0) != memory.head - first + 1 && first > 0 {
        return Err(Violation::new("C3", "the feed has a hole"));
    }
    for line in &memory.lines {
        let Some(op) = line.op_id else { continue };
        let result = memory.ops.get(&op);
        let well = result.is_some_and(|row| row.status().is_ok_and(Status::settled_well));
        let numbered = told.contains(&op) || result.is_some_and(|row| row.result_seq.is_some());
        if !well || !numbered {
            return Err(Violation::new("I5", format!("{op} had an effect; result: {well}, feed: {numbered}")));
        }
    }
    let acted: BTreeSet<OpId> = memory.lines.iter().filter_map(|line| line.op_id).collect();
    for row in memory.ops.values() {
        if row.status().is_ok_and(Status::settled_well) && !acted.contains(&row.op_id) {
            return Err(Violation::new("I5", format!("{} is {} without an effect", row.op_id, row.status)));
        }
    }
    Ok(())
}

/// Nothing is held for what has come, nor for longer than three days.
fn held_for_a_reason(memory: &Memory, row: &OpRow, now: DateTime<Utc>) -> Result<(), Violation> {
    if row.status != Status::Held.as_str() {
        return Ok(());
    }
    if now - row.received_at.0 > HELD_FOR {
        return Err(Violation::new("held", format!("{} has waited for too long", row.op_id)));
    }
    let waiting = row.waiting();
    let come = |key: &String| match key.split_once(':') {
        Some(("op", id)) => {
            let id = id.parse::<OpId>().ok();
            id.and_then(|id| memory.ops.get(&id)).is_some_and(|row| row.status().is_ok_and(Status::settled_well))
        }
        Some(("evidence", sha256)) => memory.photos.get(sha256).is_some_and(|photo| photo.stored),
        Some(("type", rest)) => rest
            .rsplit_once(':')
            .is_some_and(|(name, version)| version.parse().is_ok_and(|version| types::supported(name, version))),
        _ => false,
    };
    if waiting.is_empty() || waiting.iter().all(come) {
        return Err(Violation::new("held", format!("{} waits for {waiting:?}, which is here", row.op_id)));
    }
    Ok(())
}
