//! The record behind a line: what judged the unit, and nothing else of it.

use super::{
    editions, objections,
    reckon::{Line, ScoreRecordKind},
};
use crate::{
    cases,
    db::{
        Db,
        types::{CaseId, EditionId, EvidenceId, LetterId, MeritId, ObjectionId, RecordId, SpotCheckId, UnitId},
    },
    error::{Error, Result},
    evidence::{self, view::Evidence},
    merits, spotchecks, supervision,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A record, without the people in it: units judge the work, not who did it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ScoreRecord {
    /// A case.
    Case(CaseRecord),
    /// A visit.
    SpotCheck(VisitRecord),
    /// A supervision letter.
    Letter(LetterRecord),
    /// An entry of the positive and negative list.
    Merit(MeritRecord),
    /// A decided objection.
    Objection(ObjectionRecord),
    /// An edition that corrects what was published.
    Correction(CorrectionRecord),
}

/// A file that belongs to a record.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordFile {
    /// Its id.
    id: EvidenceId,
    /// Of its bytes, lower-case hexadecimal.
    sha256: String,
    /// As declared.
    media_type: String,
    /// `declared`, `stored` or `deleted`.
    state: String,
    /// What it shows: `before`, `after`, …
    role: String,
    /// When it was taken, as the device says.
    captured_at: Option<DateTime<Utc>>,
    /// Opening it takes a reason.
    restricted: bool,
}

/// A case as it was judged.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseRecord {
    number: String,
    title: String,
    description: String,
    class_code: Option<String>,
    address: Option<String>,
    unit_id: Option<UnitId>,
    state: String,
    reported_at: DateTime<Utc>,
    dispatched_at: Option<DateTime<Utc>>,
    due_at: Option<DateTime<Utc>>,
    handled_at: Option<DateTime<Utc>>,
    applied_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    timely: Option<bool>,
    extension_count: i32,
    rework_count: i32,
    steps: Vec<CaseStep>,
    files: Vec<RecordFile>,
}

/// A step of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseStep {
    at: DateTime<Utc>,
    command: String,
    outcome: String,
    state: String,
    note: Option<String>,
}

/// A visit to a site.
#[derive(Debug, Serialize, ToSchema)]
pub struct VisitRecord {
    week: String,
    site: String,
    site_kind: String,
    address: Option<String>,
    unit_id: UnitId,
    /// Thousandths of a point.
    score: i32,
    /// The findings.
    #[schema(value_type = Vec<Object>)]
    items: serde_json::Value,
    note: Option<String>,
    checked_at: DateTime<Utc>,
    arrived_at: Option<DateTime<Utc>>,
    left_at: Option<DateTime<Utc>>,
    /// From the site's point, metres.
    distance_m: Option<f64>,
    outside_fence: Option<bool>,
    checklist_version: Option<i32>,
    /// Of the sealed record, lower-case hexadecimal.
    seal_sha256: Option<String>,
    files: Vec<RecordFile>,
}

/// A letter.
#[derive(Debug, Serialize, ToSchema)]
pub struct LetterRecord {
    number: Option<String>,
    unit_id: UnitId,
    subject: String,
    text: String,
    state: String,
    due_at: Option<DateTime<Utc>>,
    replied_at: Option<DateTime<Utc>>,
    /// Thousandths of a point; null while it is not graded.
    score: Option<i32>,
    files: Vec<RecordFile>,
}

/// An entry of the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeritRecord {
    unit_id: UnitId,
    month: String,
    item: String,
    times: i32,
    summary: String,
    source: String,
    /// An ISO date.
    happened_on: String,
    files: Vec<RecordFile>,
}

/// An objection with what was found at each step.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectionRecord {
    line: i32,
    unit_id: UnitId,
    reason: String,
    filed_at: DateTime<Utc>,
    verdict: Option<String>,
    steps: Vec<ObjectionFinding>,
}

/// What was found at a step of an objection.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectionFinding {
    step: i32,
    verdict: String,
    delta: i32,
    words: String,
    decided_at: DateTime<Utc>,
}

/// An edition with what it brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct CorrectionRecord {
    edition: Option<i32>,
    reason: String,
    counters: Vec<editions::actions::NewCounter>,
    opened_at: DateTime<Utc>,
    words: Option<String>,
    published_at: Option<DateTime<Utc>>,
    /// Of its pack, lower-case hexadecimal.
    pack_sha256: Option<String>,
}

/// Lines of a timeline that are shown.
const STEPS_SHOWN: i64 = 200;

fn files(db: &mut Db, kind: &str, id: Uuid) -> Result<Vec<RecordFile>> {
    let id = id.to_string();
    let file = |file: Evidence| {
        let link = file.links.iter().find(|link| link.target_kind == kind && link.target_id == id);
        RecordFile {
            role: link.map(|link| link.role.clone()).unwrap_or_default(),
            id: file.id,
            sha256: file.sha256,
            media_type: file.media_type,
            state: file.state,
            captured_at: file.captured_at,
            restricted: file.access_class == "restricted",
        }
    };
    Ok(evidence::actions::evidence_of(db, kind, &id)?.into_iter().map(file).collect())
}

/// What a line opens to.
///
/// # Errors
/// `not_found` for a line that follows from counts alone.
pub fn open(db: &mut Db, line: &Line) -> Result<ScoreRecord> {
    let gone = || Error::not_found("record");
    let (kind, RecordId(id)) = line.record_kind.zip(line.record_id).ok_or_else(gone)?;
    Ok(match kind {
        ScoreRecordKind::Case => {
            let row = cases::actions::cases_by_id(db, &[CaseId(id)])?.pop().ok_or_else(gone)?;
            let at = |at: Option<crate::db::types::At>| at.map(|at| at.0);
            let steps = cases::actions::timeline_of(db, row.id, STEPS_SHOWN)?.into_iter().map(|event| CaseStep {
                at: event.at.0,
                command: event.command,
                outcome: event.outcome,
                state: event.state,
                note: event.note,
            });
            ScoreRecord::Case(CaseRecord {
                steps: steps.collect(),
                files: files(db, "case", id)?,
                number: row.number,
                title: row.title,
                description: row.description,
                class_code: row.class_code,
                address: row.address,
                unit_id: row.unit_id,
                state: row.state,
                reported_at: row.reported_at.0,
                dispatched_at: at(row.dispatched_at),
                due_at: at(row.due_at),
                handled_at: at(row.handled_at),
                applied_at: at(row.applied_at),
                closed_at: at(row.closed_at),
                timely: row.timely,
                extension_count: row.extension_count,
                rework_count: row.rework_count,
            })
        }
        ScoreRecordKind::SpotCheck => {
            let row = spotchecks::actions::checks_by_id(db, &[SpotCheckId(id)])?.pop().ok_or_else(gone)?;
            let site = spotchecks::library::actions::sites_by_id(db, &[row.site_id])?.pop().ok_or_else(gone)?;
            ScoreRecord::SpotCheck(VisitRecord {
                files: files(db, "spot_check", id)?,
                week: row.week,
                site: site.name,
                site_kind: site.kind,
                address: site.address,
                unit_id: row.unit_id,
                score: row.score,
                items: row.items.0,
                note: row.note,
                checked_at: row.checked_at.0,
                arrived_at: row.arrived_at.map(|at| at.0),
                left_at: row.left_at.map(|at| at.0),
                distance_m: row.distance_m,
                outside_fence: row.outside_fence,
                checklist_version: row.checklist_version,
                seal_sha256: row.seal_sha256,
            })
        }
        ScoreRecordKind::Objection => {
            let objection = objections::actions::decided(db, ObjectionId(id))?;
            let steps = objection.steps.into_iter().map(|step| ObjectionFinding {
                step: step.step,
                verdict: step.verdict,
                delta: step.delta,
                words: step.words,
                decided_at: step.decided_at.0,
            });
            ScoreRecord::Objection(ObjectionRecord {
                steps: steps.collect(),
                line: objection.row.line,
                unit_id: objection.row.unit_id,
                reason: objection.row.reason,
                filed_at: objection.row.filed_at.0,
                verdict: objection.row.verdict,
            })
        }
        ScoreRecordKind::Correction => {
            let row = editions::actions::of_line(db, EditionId(id))?;
            ScoreRecord::Correction(CorrectionRecord {
                counters: editions::actions::counters(&row)?,
                edition: row.edition,
                reason: row.reason,
                opened_at: row.opened_at.0,
                words: row.words,
                published_at: row.decided_at.map(|at| at.0),
                pack_sha256: row.pack_sha256,
            })
        }
        ScoreRecordKind::Letter => {
            let row = supervision::actions::issued(db, LetterId(id))?;
            ScoreRecord::Letter(LetterRecord {
                files: files(db, "letter", id)?,
                number: row.number,
                unit_id: row.unit_id,
                subject: row.subject,
                text: row.text,
                state: row.state,
                due_at: row.due_at.map(|at| at.0),
                replied_at: row.replied_at.map(|at| at.0),
                score: row.score,
            })
        }
        ScoreRecordKind::Merit => {
            let row = merits::actions::judged(db, MeritId(id))?;
            ScoreRecord::Merit(MeritRecord {
                files: files(db, "merit", id)?,
                unit_id: row.unit_id,
                month: row.month,
                item: row.item,
                times: row.times,
                summary: row.summary,
                source: row.source,
                happened_on: row.happened_on,
            })
        }
    })
}

/// Whether a file belongs to the record behind a line.
///
/// # Errors
/// `not_found` when it does not.
pub fn belongs(db: &mut Db, line: &Line, file: EvidenceId) -> Result<()> {
    let gone = || Error::not_found("evidence");
    let (kind, RecordId(id)) = line.record_kind.zip(line.record_id).ok_or_else(gone)?;
    let own = files(db, kind.as_str(), id)?;
    if own.iter().any(|one| one.id == file) { Ok(()) } else { Err(gone()) }
}
