//! What can be done about photos that look the same, in an open transaction.

use super::{
    hash::Hashes,
    rules::{self, AFTER, AT_MOST, BEFORE, Class, Doubt, Finding, Kept, Suspicion, Use, Verdict},
    store::{self, MatchPage, MatchRow},
};
use crate::{
    db::{
        Db, Tx,
        types::{At, CaseId, DeviceId, EvidenceId, MatchId, UserId},
    },
    error::{Code, Result},
    evidence::{
        store::{EvidenceRow, evidence_get},
        view::Evidence,
    },
    identity::{self, rules::DeviceKind},
    tlog,
};
use chrono::TimeDelta;
use serde_json::json;
use std::collections::HashMap;

/// How long a process may take for a photo before another one tries.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// Tries after which a photo counts as one that ends the process, and is left alone.
const TRIES: i32 = 5;

/// What operations wait for that close a case whose photos are not cleared.
pub fn settled_key(case: &str) -> String {
    format!("reuse:{case}")
}

/// A photo's bytes are here: it is queued to be hashed. What is no photo is left alone.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn stored(tx: &mut Tx, row: &EvidenceRow) -> Result<()> {
    if is_photo(row) { store::queue(tx.db, row.id, At(tx.now)) } else { Ok(()) }
}

fn is_photo(row: &EvidenceRow) -> bool {
    let kind = row.facts.as_ref().and_then(|facts| facts.0.get("kind")).and_then(|kind| kind.as_str());
    matches!(kind, Some("jpeg" | "png"))
}

/// A photo was linked to a record: perhaps it, or its picture, was handed in before.
///
/// # Errors
/// The engine's own.
pub fn linked(tx: &mut Tx, row: &EvidenceRow) -> Result<()> {
    if is_photo(row) || row.media_type.starts_with("image/") { judge(tx, row.id) } else { Ok(()) }
}

/// A handheld named a file that another one had named before.
///
/// # Errors
/// The engine's own.
pub fn sent_again(tx: &mut Tx, row: &EvidenceRow, by: DeviceId) -> Result<()> {
    let Some(first) = row.device_id.filter(|first| *first != by && row.media_type.starts_with("image/")) else {
        return Ok(());
    };
    // A camera's files come by the camera and by its dock, and nobody took them twice.
    let devices = identity::devices::devices_by_id(tx.db, &[first, by])?;
    if devices.len() < 2 || devices.iter().any(|device| device.kind != DeviceKind::Handheld.as_str()) {
        return Ok(());
    }
    let by_device = |id: DeviceId, at| Use {
        evidence: row.id,
        kind: "device".into(),
        target: id.to_string(),
        role: String::new(),
        at,
    };
    let (later, earlier) = (by_device(by, At(tx.now)), by_device(first, row.declared_at));
    suspect(tx, Suspicion { class: Class::ExactReuse, distance: 0, later, earlier })
}

fn suspect(tx: &mut Tx, suspicion: Suspicion) -> Result<()> {
    let row = MatchRow::new(MatchId(tx.id()), suspicion, At(tx.now));
    store::match_add(tx.db, &row)
}

/// Looks at all uses of a photo and of what looks like it, and lets closings be tried again that waited for it.
fn judge(tx: &mut Tx, id: EvidenceId) -> Result<()> {
    let limit = i64::try_from(AT_MOST).unwrap_or(i64::MAX);
    let distances = store::alike(tx.db, id, limit)?;
    let uses = store::uses(tx.db, &distances.keys().copied().collect::<Vec<_>>())?;
    for suspicion in rules::suspicions(id, &uses, &distances) {
        suspect(tx, suspicion)?;
    }
    let closes = |of: &&Use| of.evidence == id && of.kind == "case" && [BEFORE, AFTER].contains(&of.role.as_str());
    for of in uses.iter().filter(closes) {
        tx.settle(settled_key(&of.target));
    }
    Ok(())
}

/// A photo to be hashed.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which.
    pub id: EvidenceId,
    /// Where its bytes are.
    pub sha256: String,
    /// Pixels as the file says; the largest number when it does not.
    pub pixels: u64,
    /// EXIF code.
    pub orientation: Option<u8>,
}

/// Takes photos that nobody is at, oldest first; another process may take them when this one does not come back.
///
/// # Errors
/// The engine's own.
pub fn lease(tx: &mut Tx, limit: i64) -> Result<Vec<Job>> {
    let (now, until) = (At(tx.now), At(tx.now + LEASE));
    let mut jobs = Vec::new();
    for (id, tries) in store::waiting(tx.db, now, limit)? {
        if tries >= TRIES {
            tracing::error!(evidence = %id, tries, "a photo was begun too often and never hashed; it is left alone");
            unreadable(tx, id)?;
            continue;
        }
        if store::lease(tx.db, id, now, until)?
            && let Some(row) = evidence_get(tx.db, id)?
        {
            let fact = |name: &str| row.facts.as_ref().and_then(|f| f.0.get(name)).and_then(serde_json::Value::as_u64);
            jobs.push(Job {
                id,
                pixels: fact("width").unwrap_or(u64::MAX).saturating_mul(fact("height").unwrap_or(1)),
                orientation: fact("orientation").and_then(|code| u8::try_from(code).ok()),
                sha256: row.sha256,
            });
        }
    }
    Ok(jobs)
}

/// A try failed for no fault of the photo's; it is tried again when the lease ends.
///
/// # Errors
/// The engine's own.
pub fn failed(tx: &mut Tx, id: EvidenceId) -> Result<()> {
    store::excuse(tx.db, id)
}

/// No picture can be read from a photo: only its bytes are compared.
///
/// # Errors
/// The engine's own.
pub fn unreadable(tx: &mut Tx, id: EvidenceId) -> Result<()> {
    if store::unreadable(tx.db, id)? { judge(tx, id) } else { Ok(()) }
}

/// Keeps the hashes of a photo. `found`: the photos up to number `known` that look the same; those after it, which came
/// meanwhile, are compared here, where nobody else can add one.
///
/// # Errors
/// The engine's own.
pub fn hashed(tx: &mut Tx, id: EvidenceId, hashes: &Hashes, known: i64, found: Vec<(EvidenceId, u32)>) -> Result<()> {
    let seq = store::next_seq(tx.db)?;
    let newer = store::kept_after(tx.db, known)?;
    if !store::keep(tx.db, id, seq, hashes)? {
        return Ok(());
    }
    let mut others = found;
    others.extend(same(hashes, &newer));
    others.sort_unstable_by_key(|(other, distance)| (*distance, *other));
    others.truncate(AT_MOST);
    let others: Vec<(EvidenceId, i32)> =
        others.into_iter().map(|(other, distance)| (other, i32::try_from(distance).unwrap_or(i32::MAX))).collect();
    if !others.is_empty() {
        store::pairs_add(tx.db, id, &others, At(tx.now))?;
    }
    judge(tx, id)
}

/// Those of these photos that show the same picture, and by how much they differ.
pub fn same(hashes: &Hashes, kept: &[Kept]) -> Vec<(EvidenceId, u32)> {
    kept.iter().filter_map(|kept| Some((kept.evidence, rules::difference(hashes, &kept.hashes)?))).collect()
}

/// Whether, and why, a case can't be closed for its photos.
///
/// # Errors
/// The engine's own.
pub fn doubt(db: &mut Db, case: CaseId) -> Result<Option<Doubt>> {
    let (photos, uncompared) = store::before_and_after(db, case)?;
    let afters: Vec<(EvidenceId, At)> =
        photos.into_iter().filter(|(_, role, _)| role == AFTER).map(|(id, _, at)| (id, at)).collect();
    let verdict = |row: MatchRow| -> Result<Verdict> {
        let finding = row.decision.as_deref().map(str::parse::<Finding>).transpose()?;
        Ok(Verdict { after: row.evidence_id, finding: finding.zip(row.decided_at) })
    };
    let verdicts = store::same_in_case(db, case)?.into_iter().map(verdict).collect::<Result<Vec<_>>>()?;
    Ok(rules::doubt(uncompared, &afters, &verdicts))
}

/// A match with both pieces and the names of those concerned.
#[derive(Debug, Clone)]
pub struct Sides {
    /// The match.
    pub row: MatchRow,
    /// The later photo.
    pub later: Evidence,
    /// The earlier one.
    pub earlier: Evidence,
    /// Who declared the later one and who the earlier one, by name.
    pub authors: [Option<String>; 2],
    /// The name of who decided.
    pub decider: Option<String>,
}

/// A page of matches, oldest first.
///
/// # Errors
/// The engine's own.
pub fn page(db: &mut Db, page: &MatchPage) -> Result<Vec<Sides>> {
    let rows = store::match_page(db, page)?;
    sides(db, rows)
}

/// One match.
///
/// # Errors
/// `not_found`.
pub fn get(db: &mut Db, id: MatchId) -> Result<Sides> {
    let row = store::found(store::match_get(db, id)?)?;
    store::found(sides(db, vec![row])?.pop())
}

fn sides(db: &mut Db, rows: Vec<MatchRow>) -> Result<Vec<Sides>> {
    let ids: Vec<EvidenceId> = rows.iter().flat_map(|row| [row.evidence_id, row.other_id]).collect();
    let links = super::super::store::links_of(db, &ids)?;
    let pieces: HashMap<EvidenceId, EvidenceRow> =
        super::super::store::evidence_by_id(db, &ids)?.into_iter().map(|row| (row.id, row)).collect();
    let people: Vec<UserId> =
        pieces.values().filter_map(|row| row.user_id).chain(rows.iter().filter_map(|row| row.decided_by)).collect();
    let names = identity::actions::user_names(db, &people)?;
    let name = |id: Option<UserId>| id.and_then(|id| names.get(&id).cloned());
    let of = |row: MatchRow| -> Option<Sides> {
        let (later, earlier) = (pieces.get(&row.evidence_id)?, pieces.get(&row.other_id)?);
        Some(Sides {
            authors: [name(later.user_id), name(earlier.user_id)],
            decider: name(row.decided_by),
            later: Evidence::of(later.clone(), &links),
            earlier: Evidence::of(earlier.clone(), &links),
            row,
        })
    };
    Ok(rows.into_iter().filter_map(of).collect())
}

/// A person's word on a match.
///
/// # Errors
/// `not_found`; `review_closed` when it was decided.
pub fn decide(tx: &mut Tx, id: MatchId, finding: Finding, reason: &str, by: UserId) -> Result<()> {
    let row = store::found(store::match_get(tx.db, id)?)?;
    if !store::match_decide(tx.db, id, finding.as_str(), reason, by, At(tx.now))? {
        return Err(Code::ReviewClosed.into());
    }
    let body = json!({
        "match": id, "class": row.class, "distance": row.distance, "decision": finding, "reason": reason, "by": by,
        "later": { "evidence": row.evidence_id, "kind": row.target_kind, "target": row.target_id },
        "earlier": { "evidence": row.other_id, "kind": row.other_kind, "target": row.other_target },
    });
    tlog::record(tx, tlog::Kind::ReuseDecision, &format!("evidence:{}", row.evidence_id), &body)?;
    if row.target_kind == "case" {
        tx.settle(settled_key(&row.target_id));
    }
    Ok(())
}
