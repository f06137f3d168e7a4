//! What is alike, on an open connection.

use crate::{
    catalogue::rules::ClassKind,
    db::{
        Db,
        types::{At, CaseId, EvidenceId, SpotId},
    },
    error::{Code, Error, Result},
    evidence::datum::Position,
    spots::{
        rules,
        store::{self, Reported, SpotRow},
    },
};
use chrono::{DateTime, TimeDelta, Utc};

/// A case that may be about the same problem.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The case.
    pub case: Reported,
    /// How far away.
    pub distance_m: f64,
    /// How long ago it was reported.
    pub age: TimeDelta,
    /// 0–100.
    pub score: i32,
    /// The spot it belongs to.
    pub spot_id: Option<SpotId>,
    /// Its first stored photo.
    pub photo: Option<EvidenceId>,
}

/// A class at a place, for whom what is alike is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Components or events, when it is known.
    pub class_kind: Option<ClassKind>,
    /// Class code.
    pub class_code: String,
    /// Where, WGS-84.
    pub here: Position,
    /// The case in question.
    pub except: Option<CaseId>,
}

/// The question of a case; of its own kind unless told.
///
/// # Errors
/// `not_found`, `value_invalid` for a case without class or position.
pub fn question_of(db: &mut Db, case: CaseId, class_kind: Option<ClassKind>) -> Result<Question> {
    let case = store::case_get(db, case)?.ok_or_else(|| Error::not_found("case"))?;
    let here = case.point().ok_or_else(|| Code::ValueInvalid.with("case: has no position"))?;
    let (except, class_kind) = (Some(case.id), class_kind.or(case.kind()));
    let class_code = case.class_code.ok_or_else(|| Code::ValueInvalid.with("case: has no class"))?;
    Ok(Question { class_kind, class_code, here, except })
}

/// A spot and its distance, metres.
pub type NearSpot = (f64, SpotRow);

/// Cases of the class within its radius that are open, or were solved within [`rules::MEMORY`]: the likeliest first.
/// And the spots that reach there, the nearest first, with their distance in metres.
///
/// # Errors
/// The engine's own.
pub fn candidates(
    db: &mut Db,
    asked: &Question,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<(Vec<Candidate>, Vec<NearSpot>)> {
    let (radius, since) = (rules::radius_m(asked.class_kind), now - rules::MEMORY);
    let mut near =
        store::cases_around(db, (asked.class_kind, &asked.class_code), asked.here, radius, At(since), i64::MAX)?;
    let fits = |case: &Reported| case.is_open() || case.solved_at().is_some_and(|solved| solved >= since);
    near.retain(|(_, case)| Some(case.id) != asked.except && fits(case));
    let mut found: Vec<Candidate> = near
        .into_iter()
        .map(|(distance_m, case)| {
            let age = now - case.reported_at.0;
            let score = rules::score(distance_m, radius, age);
            Candidate { case, distance_m, age, score, spot_id: None, photo: None }
        })
        .collect();
    found.sort_by(|a, b| b.score.cmp(&a.score).then(b.case.id.cmp(&a.case.id)));
    found.truncate(limit);
    let ids: Vec<CaseId> = found.iter().map(|candidate| candidate.case.id).collect();
    let (spots, photos) = (store::spots_of(db, &ids)?, store::first_photos(db, &ids)?);
    for candidate in &mut found {
        candidate.spot_id = spots.get(&candidate.case.id).copied();
        candidate.photo = photos.get(&candidate.case.id).copied();
    }
    let around = store::spots_around(db, (asked.class_kind, &asked.class_code), asked.here)?;
    Ok((found, around))
}
