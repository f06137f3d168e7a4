//! Rows of hashes, pairs and matches.

use super::{
    hash::{CROPS, Coarse, Hash, Hashes},
    rules::{AFTER, BEFORE, Class, Kept, Suspicion, Use},
};
use crate::{
    db::{
        Db, Each, on_each,
        schema::{evidence, evidence_links, photo_hash_clock, photo_hashes, photo_matches, photo_pairs},
        types::{At, CaseId, EvidenceId, MatchId, UserId},
    },
    error::{Error, Result},
};
use diesel::prelude::*;
use std::collections::HashMap;

/// Queues a stored photo to be hashed; once is enough, unless its bytes were gone and came again.
pub(super) fn queue(db: &mut Db, id: EvidenceId, now: At) -> Result<()> {
    let row = (
        photo_hashes::evidence_id.eq(id),
        photo_hashes::state.eq("waiting"),
        photo_hashes::queued_at.eq(now),
        photo_hashes::lease_until.eq(now),
    );
    Each(diesel::insert_into(photo_hashes::table).values(row).on_conflict_do_nothing()).execute(db)?;
    let gone = photo_hashes::table.find(id).filter(photo_hashes::state.eq("unreadable"));
    let again = (photo_hashes::state.eq("waiting"), photo_hashes::lease_until.eq(now), photo_hashes::tries.eq(0));
    diesel::update(gone).set(again).execute(db)?;
    Ok(())
}

/// Photos that nobody is hashing, oldest first, with how often it was tried.
pub(super) fn waiting(db: &mut Db, now: At, limit: i64) -> Result<Vec<(EvidenceId, i32)>> {
    Ok(photo_hashes::table
        .filter(photo_hashes::state.eq("waiting"))
        .filter(photo_hashes::lease_until.le(now))
        .order((photo_hashes::lease_until, photo_hashes::evidence_id))
        .limit(limit)
        .select((photo_hashes::evidence_id, photo_hashes::tries))
        .load(db)?)
}

/// Takes a waiting photo until `until`, unless another process was quicker.
pub(super) fn lease(db: &mut Db, id: EvidenceId, now: At, until: At) -> Result<bool> {
    let free = photo_hashes::table
        .find(id)
        .filter(photo_hashes::state.eq("waiting"))
        .filter(photo_hashes::lease_until.le(now));
    let taken = (photo_hashes::lease_until.eq(until), photo_hashes::tries.eq(photo_hashes::tries + 1));
    Ok(diesel::update(free).set(taken).execute(db)? > 0)
}

/// Says that a try failed for no fault of the photo's.
pub(super) fn excuse(db: &mut Db, id: EvidenceId) -> Result<()> {
    diesel::update(photo_hashes::table.find(id)).set(photo_hashes::tries.eq(0)).execute(db)?;
    Ok(())
}

/// Notes that no picture can be read from a photo; false when it was decided already.
pub(super) fn unreadable(db: &mut Db, id: EvidenceId) -> Result<bool> {
    let row = photo_hashes::table.find(id).filter(photo_hashes::state.eq("waiting"));
    Ok(diesel::update(row).set(photo_hashes::state.eq("unreadable")).execute(db)? > 0)
}

/// Gives the next number and locks everybody else who wants one: then all photos with smaller numbers are there to see.
pub(super) fn next_seq(db: &mut Db) -> Result<i64> {
    let next = photo_hash_clock::n.eq(photo_hash_clock::n + 1);
    Ok(diesel::update(photo_hash_clock::table).set(next).returning(photo_hash_clock::n).get_result(db)?)
}

/// Keeps a photo's hashes; false when it was decided already.
pub(super) fn keep(db: &mut Db, id: EvidenceId, seq: i64, hashes: &Hashes) -> Result<bool> {
    let coarse: Vec<u8> = hashes.plain.iter().flat_map(|hash| hash.coarse.to_be_bytes()).collect();
    let fine: Vec<u8> = hashes.plain.iter().flat_map(|hash| hash.fine).flat_map(u64::to_be_bytes).collect();
    let row = photo_hashes::table.find(id).filter(photo_hashes::state.eq("waiting"));
    let kept = (
        photo_hashes::state.eq("hashed"),
        photo_hashes::seq.eq(seq),
        photo_hashes::coarse.eq(coarse),
        photo_hashes::fine.eq(fine),
    );
    Ok(diesel::update(row).set(kept).execute(db)? > 0)
}

/// The coarse hashes after a number, in order.
pub(super) fn coarse_after(db: &mut Db, seq: i64, limit: i64) -> Result<Vec<(i64, [Coarse; CROPS.len()])>> {
    let rows: Vec<(i64, Vec<u8>)> = photo_hashes::table
        .filter(photo_hashes::seq.gt(seq))
        .order(photo_hashes::seq)
        .limit(limit)
        .select((photo_hashes::seq.assume_not_null(), photo_hashes::coarse.assume_not_null()))
        .load(db)?;
    let known = |(seq, bytes): (i64, Vec<u8>)| {
        let mut coarse = [0; CROPS.len()];
        coarse.iter_mut().zip(words(&bytes)).for_each(|(to, word)| *to = word);
        (seq, coarse)
    };
    Ok(rows.into_iter().map(known).collect())
}

type KeptRow = (EvidenceId, Vec<u8>, Vec<u8>);

/// The hashes with these numbers.
pub(super) fn kept(db: &mut Db, seqs: &[i64]) -> Result<Vec<Kept>> {
    let mut found = Vec::new();
    for chunk in seqs.chunks(500) {
        let rows: Vec<KeptRow> = photo_hashes::table
            .filter(photo_hashes::seq.eq_any(chunk))
            .select((
                photo_hashes::evidence_id,
                photo_hashes::coarse.assume_not_null(),
                photo_hashes::fine.assume_not_null(),
            ))
            .load(db)?;
        found.extend(rows.into_iter().map(from_row));
    }
    Ok(found)
}

/// The hashes after a number.
pub(super) fn kept_after(db: &mut Db, seq: i64) -> Result<Vec<Kept>> {
    let rows: Vec<KeptRow> = photo_hashes::table
        .filter(photo_hashes::seq.gt(seq))
        .select((
            photo_hashes::evidence_id,
            photo_hashes::coarse.assume_not_null(),
            photo_hashes::fine.assume_not_null(),
        ))
        .load(db)?;
    Ok(rows.into_iter().map(from_row).collect())
}

fn from_row((evidence, coarse, fine): KeptRow) -> Kept {
    let fine: Vec<u64> = words(&fine).collect();
    let hashes = words(&coarse)
        .zip(fine.chunks_exact(4))
        .map(|(coarse, of)| Hash { coarse, fine: [of[0], of[1], of[2], of[3]] });
    Kept { evidence, hashes: hashes.collect() }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().copied().map(u64::from_be_bytes)
}

/// Adds what a photo equals.
pub(super) fn pairs_add(db: &mut Db, id: EvidenceId, others: &[(EvidenceId, i32)], now: At) -> Result<()> {
    let rows: Vec<_> = others
        .iter()
        .map(|(other, distance)| {
            (
                photo_pairs::evidence_id.eq(id),
                photo_pairs::other_id.eq(*other),
                photo_pairs::distance.eq(*distance),
                photo_pairs::found_at.eq(now),
            )
        })
        .collect();
    on_each!(&mut *db, c => diesel::insert_into(photo_pairs::table).values(rows).on_conflict_do_nothing().execute(c))?;
    Ok(())
}

/// What looks like a photo, itself included.
pub(super) fn alike(db: &mut Db, id: EvidenceId, limit: i64) -> Result<HashMap<EvidenceId, i32>> {
    let mut found = HashMap::from([(id, 0)]);
    let earlier = photo_pairs::table.filter(photo_pairs::evidence_id.eq(id));
    let earlier = earlier.select((photo_pairs::other_id, photo_pairs::distance));
    found.extend(earlier.order(photo_pairs::distance).limit(limit).load::<(EvidenceId, i32)>(db)?);
    let later = photo_pairs::table.filter(photo_pairs::other_id.eq(id));
    let later = later.select((photo_pairs::evidence_id, photo_pairs::distance));
    found.extend(later.order(photo_pairs::distance).limit(limit).load::<(EvidenceId, i32)>(db)?);
    Ok(found)
}

/// Where these photos were handed in.
pub(super) fn uses(db: &mut Db, ids: &[EvidenceId]) -> Result<Vec<Use>> {
    let rows: Vec<(EvidenceId, String, String, String, At)> = evidence_links::table
        .filter(evidence_links::evidence_id.eq_any(ids))
        .order((evidence_links::linked_at, evidence_links::evidence_id, evidence_links::target_id))
        .select((
            evidence_links::evidence_id,
            evidence_links::target_kind,
            evidence_links::target_id,
            evidence_links::role,
            evidence_links::linked_at,
        ))
        .load(db)?;
    let of = |(evidence, kind, target, role, at)| Use { evidence, kind, target, role, at };
    Ok(rows.into_iter().map(of).collect())
}

/// A suspicion that waits for a person, or was decided.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = photo_matches)]
pub struct MatchRow {
    /// Its id.
    pub id: MatchId,
    /// See `rules::Class`.
    pub class: String,
    /// Bits of 256 by which the hashes differ; 0 for the same file.
    pub distance: i32,
    /// The later photo.
    pub evidence_id: EvidenceId,
    /// The kind of record it was handed in for; `device` when another handheld sent the same file.
    pub target_kind: String,
    /// That record's id.
    pub target_id: String,
    /// The earlier photo.
    pub other_id: EvidenceId,
    /// The kind of its record.
    pub other_kind: String,
    /// Its record's id.
    pub other_target: String,
    /// When it was noticed.
    pub found_at: At,
    /// See `rules::Finding`; absent while it is open.
    pub decision: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<At>,
}

impl MatchRow {
    /// An open one.
    pub(super) fn new(id: MatchId, found: Suspicion, now: At) -> MatchRow {
        let Suspicion { class, distance, later, earlier } = found;
        MatchRow {
            id,
            class: class.to_string(),
            distance,
            evidence_id: later.evidence,
            target_kind: later.kind,
            target_id: later.target,
            other_id: earlier.evidence,
            other_kind: earlier.kind,
            other_target: earlier.target,
            found_at: now,
            decision: None,
            reason: None,
            decided_by: None,
            decided_at: None,
        }
    }
}

/// Adds a match unless it is known.
pub(super) fn match_add(db: &mut Db, row: &MatchRow) -> Result<()> {
    Each(diesel::insert_into(photo_matches::table).values(row).on_conflict_do_nothing()).execute(db)?;
    Ok(())
}

pub(super) fn match_get(db: &mut Db, id: MatchId) -> Result<Option<MatchRow>> {
    Ok(photo_matches::table.find(id).select(MatchRow::as_select()).get_result(db).optional()?)
}

/// Which matches a list shows.
#[derive(Debug, Clone)]
pub struct MatchPage {
    /// Those that wait for a person, or those that were decided.
    pub open: bool,
    /// The last of the page before.
    pub after: Option<MatchId>,
    /// At most that many.
    pub limit: i64,
}

/// Oldest first.
pub(super) fn match_page(db: &mut Db, page: &MatchPage) -> Result<Vec<MatchRow>> {
    let mut query = photo_matches::table.select(MatchRow::as_select()).into_boxed();
    query = if page.open {
        query.filter(photo_matches::decision.is_null())
    } else {
        query.filter(photo_matches::decision.is_not_null())
    };
    if let Some(after) = page.after {
        query = query.filter(photo_matches::id.gt(after));
    }
    Ok(query.order(photo_matches::id).limit(page.limit).load(db)?)
}

/// Notes a person's word on an open match; false when somebody was quicker.
pub(super) fn match_decide(db: &mut Db, id: MatchId, finding: &str, reason: &str, by: UserId, now: At) -> Result<bool> {
    let open = photo_matches::table.find(id).filter(photo_matches::decision.is_null());
    let word = (
        photo_matches::decision.eq(finding),
        photo_matches::reason.eq(reason),
        photo_matches::decided_by.eq(by),
        photo_matches::decided_at.eq(now),
    );
    Ok(diesel::update(open).set(word).execute(db)? > 0)
}

/// A photo of a case, its role and when it was linked.
pub(super) type RoleRow = (EvidenceId, String, At);

/// The photos of a case for before and after, and whether one of them is stored and waits to be hashed.
pub(super) fn before_and_after(db: &mut Db, case: CaseId) -> Result<(Vec<RoleRow>, bool)> {
    let rows: Vec<(EvidenceId, String, At, String, Option<String>)> = evidence_links::table
        .inner_join(evidence::table.on(evidence::id.eq(evidence_links::evidence_id)))
        .left_join(photo_hashes::table.on(photo_hashes::evidence_id.eq(evidence_links::evidence_id)))
        .filter(evidence_links::target_kind.eq("case"))
        .filter(evidence_links::target_id.eq(case.to_string()))
        .filter(evidence_links::role.eq_any([BEFORE, AFTER]))
        .select((
            evidence_links::evidence_id,
            evidence_links::role,
            evidence_links::linked_at,
            evidence::state,
            photo_hashes::state.nullable(),
        ))
        .load(db)?;
    let waits = rows.iter().any(|(.., state)| state.as_deref() == Some("waiting"));
    let stored = rows.into_iter().filter(|(_, _, _, state, _)| state == "stored");
    Ok((stored.map(|(id, role, at, ..)| (id, role, at)).collect(), waits))
}

/// What was found about before and after of a case.
pub(super) fn same_in_case(db: &mut Db, case: CaseId) -> Result<Vec<MatchRow>> {
    Ok(photo_matches::table
        .filter(photo_matches::class.eq(Class::BeforeAfterSame.as_str()))
        .filter(photo_matches::target_kind.eq("case"))
        .filter(photo_matches::target_id.eq(case.to_string()))
        .select(MatchRow::as_select())
        .load(db)?)
}

/// An id that must be there.
pub(super) fn found<T>(row: Option<T>) -> Result<T> {
    row.ok_or_else(|| Error::not_found("match"))
}
