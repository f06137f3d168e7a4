//! When and whose a clip is, and how well it fits a case.
//!
//! The score is a whole number of thousandths with its parts, so that a person sees why. It adds up three questions: did
//! the wearer work on this case (400), at that time (350), and at that place (250)? A place that contradicts takes away
//! as much as one that agrees gives, so a wrong officer in the roster does not win by time alone.

use crate::{
    db::types::{CaseId, UnitId, UserId},
    error::Result,
    evidence::datum::{Position, distance_m},
    identity::rules::text_enum,
};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;

text_enum! {
    /// What became of a clip.
    ClipState {
        /// 待认领: no case fits well enough.
        Unclaimed = "unclaimed",
        /// 待确认: at least one case fits; a person must say so.
        Proposed = "proposed",
        /// 已关联: a person linked it to a case.
        Linked = "linked",
        /// 无需关联: a person said that it belongs to none.
        Dismissed = "dismissed",
    }
}

/// What a dock says about a file beside its time; see `dock::recording`. Whatever can't be read counts as absent: the
/// bytes are here, and a clip with fewer facts is better than none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The camera's serial.
    pub camera: Option<String>,
    /// The officer's number, by the file's name.
    pub officer: Option<String>,
    /// Who says when: `name`, `file` or `mtime`.
    pub captured_from: Option<String>,
    /// The error of the camera's clock, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Who says so.
    pub clock_from: Option<String>,
    /// Marked as a key file.
    pub key_file: bool,
    /// What did not fit, as code and figure.
    pub doubts: Vec<(String, String)>,
}

/// A clock that is wrong by more is no clock.
const CLOCK_MS: i64 = 86_400_000;
/// A recording that is longer is a broken header.
const LONGEST: TimeDelta = TimeDelta::hours(24);
/// Doubts that are kept of one file.
const DOUBTS: usize = 10;

impl Said {
    /// From the words of an upload's metadata.
    pub fn read(words: &HashMap<String, String>) -> Said {
        let short = |key: &str| {
            let text = words.get(key)?.trim();
            let plain = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
            plain.then(|| text.to_owned())
        };
        let from = short("captured_from").filter(|from| ["name", "file", "mtime"].contains(&from.as_str()));
        let offset = short("clock_offset_ms").and_then(|ms| ms.parse().ok());
        let offset = offset.filter(|ms: &i64| ms.unsigned_abs() <= CLOCK_MS.unsigned_abs());
        let doubts = words.get("doubts").map(String::as_str).unwrap_or_default();
        let doubts = doubts.split(',').filter(|doubt| (1..=100).contains(&doubt.chars().count())).take(DOUBTS);
        Said {
            camera: short("camera"),
            officer: short("officer"),
            captured_from: from,
            clock_offset_ms: offset,
            clock_from: short("clock_from").filter(|_| offset.is_some()),
            key_file: words.get("key_file").is_some_and(|mark| mark == "1"),
            doubts: doubts
                .map(|doubt| doubt.split_once(':').unwrap_or((doubt, "")))
                .map(|(code, figure)| (code.to_owned(), figure.to_owned()))
                .collect(),
        }
    }
}

/// When a clip was recorded: the camera's word, and the best that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// By the camera's clock.
    pub recorded_at: DateTime<Utc>,
    /// With the clock's known error taken off.
    pub started_at: DateTime<Utc>,
    /// As long after it as the video lasts.
    pub ended_at: DateTime<Utc>,
}

impl Span {
    /// The span of a video that lasts `duration_ms`.
    pub fn of(recorded_at: DateTime<Utc>, offset_ms: Option<i64>, duration_ms: Option<u64>) -> Span {
        let started_at = recorded_at - TimeDelta::milliseconds(offset_ms.unwrap_or(0));
        let lasts = i64::try_from(duration_ms.unwrap_or(0)).map_or(LONGEST, TimeDelta::milliseconds).min(LONGEST);
        Span { recorded_at, started_at, ended_at: started_at + lasts }
    }

    /// How long a moment lies outside, 0 inside.
    fn gap(&self, at: DateTime<Utc>) -> TimeDelta {
        (self.started_at - at).max(at - self.ended_at).max(TimeDelta::zero())
    }
}

/// A clip, as far as it matters to its case.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// When.
    pub span: Span,
    /// Who wore the camera.
    pub wearer: Option<UserId>,
    /// The wearer's unit.
    pub unit: Option<UnitId>,
    /// Where it was, WGS-84: one place, or those of a track.
    pub places: Vec<Position>,
}

/// A case that may belong to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The case.
    pub case_id: CaseId,
    /// The unit in charge.
    pub unit: Option<UnitId>,
    /// Where it is, WGS-84.
    pub place: Option<Position>,
    /// What was done about it, near that time.
    pub deeds: Vec<Deed>,
}

/// Something done about a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deed {
    /// By whom.
    pub by: UserId,
    /// When.
    pub at: DateTime<Utc>,
    /// Where, WGS-84, when the device said so.
    pub place: Option<Position>,
}

/// How well a clip fits a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Proposal {
    /// The case.
    pub case_id: CaseId,
    /// Thousandths, 0–1000.
    pub score: i32,
    /// What it is made of.
    pub parts: Vec<Part>,
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// `officer`, `time` or `distance`.
    pub part: &'static str,
    /// Thousandths, may be negative.
    pub points: i32,
    /// The most there is.
    pub of: i32,
    /// Why: `acted`, `own_unit`, `other_unit`, `wearer_unknown`; `during`, `near`, `far`, `nothing_done`; `here`, `near`,
    /// `far`, `place_unknown`.
    pub why: &'static str,
    /// The figure behind it: seconds or metres.
    pub figure: Option<i64>,
}

/// A case from this score on is proposed.
pub const PROPOSED: i32 = 700;
/// A case below it is not even shown.
pub const SHOWN: i32 = 250;
/// Cases that are shown.
pub const MOST_SHOWN: usize = 10;
/// What was done so long before or after may still belong to it.
pub const AROUND: TimeDelta = TimeDelta::minutes(30);
/// Clocks of camera and handheld may differ by so much.
const CLOCKS: TimeDelta = TimeDelta::minutes(2);
/// The same place: two fixes between houses.
const HERE_M: i64 = 60;
/// Not at hand any more.
const NEAR_M: i64 = 500;
/// Certainly elsewhere.
const FAR_M: i64 = 3_000;

const OFFICER: i32 = 400;
const TIME: i32 = 350;
const DISTANCE: i32 = 250;

/// The cases that fit a clip, best first; of equal ones the older case.
pub fn proposals(film: &Film, candidates: &[Candidate]) -> Vec<Proposal> {
    let mut found: Vec<Proposal> = candidates.iter().map(|candidate| proposal(film, candidate)).collect();
    found.retain(|proposal| proposal.score >= SHOWN);
    found.sort_by_key(|proposal| (-proposal.score, proposal.case_id));
    found.truncate(MOST_SHOWN);
    found
}

/// How well one case fits.
pub fn proposal(film: &Film, candidate: &Candidate) -> Proposal {
    let own: Vec<&Deed> = candidate.deeds.iter().filter(|deed| Some(deed.by) == film.wearer).collect();
    let parts =
        vec![officer(film, candidate, !own.is_empty()), time(film, candidate, &own), distance(film, candidate, &own)];
    let score = parts.iter().map(|part| part.points).sum::<i32>().clamp(0, 1000);
    Proposal { case_id: candidate.case_id, score, parts }
}

fn officer(film: &Film, candidate: &Candidate, acted: bool) -> Part {
    let (points, why) = match film.wearer {
        None => (0, "wearer_unknown"),
        Some(_) if acted => (OFFICER, "acted"),
        Some(_) if film.unit.is_some() && film.unit == candidate.unit => (150, "own_unit"),
        Some(_) => (0, "other_unit"),
    };
    Part { part: "officer", points, of: OFFICER, why, figure: None }
}

/// What the wearer did counts whole; what others did half, unless nobody knows who the wearer is.
fn time(film: &Film, candidate: &Candidate, own: &[&Deed]) -> Part {
    let nearest = |deeds: &mut dyn Iterator<Item = &Deed>| deeds.map(|deed| film.span.gap(deed.at)).min();
    let mine = nearest(&mut own.iter().copied());
    let gap = mine.or_else(|| nearest(&mut candidate.deeds.iter()));
    let whole = if mine.is_some() || film.wearer.is_none() { TIME } else { TIME / 2 };
    let (points, why) = match gap {
        None => (0, "nothing_done"),
        Some(gap) if gap <= CLOCKS => (whole, "during"),
        Some(gap) if gap < AROUND => {
            (falling(gap.num_seconds(), CLOCKS.num_seconds(), AROUND.num_seconds(), whole), "near")
        }
        Some(_) => (0, "far"),
    };
    Part { part: "time", points, of: TIME, why, figure: gap.map(|gap| gap.num_seconds()) }
}

fn distance(film: &Film, candidate: &Candidate, own: &[&Deed]) -> Part {
    let there: Vec<Position> = candidate.place.into_iter().chain(own.iter().filter_map(|deed| deed.place)).collect();
    let metres = film.places.iter().flat_map(|here| there.iter().map(|there| distance_m(*here, *there)));
    // Whole metres; the earth is smaller than 2^31 of them.
    let metres = metres.map(|m| m.round() as i64).min();
    let (points, why) = match metres {
        None => (0, "place_unknown"),
        Some(m) if m <= HERE_M => (DISTANCE, "here"),
        Some(m) if m <= NEAR_M => (falling(m, HERE_M, NEAR_M, DISTANCE), "near"),
        Some(m) => (falling(m, NEAR_M, FAR_M, DISTANCE) - DISTANCE, "far"),
    };
    Part { part: "distance", points, of: DISTANCE, why, figure: metres }
}

/// `whole` at `from`, 0 at `to` and beyond, a straight line in between.
fn falling(at: i64, from: i64, to: i64, whole: i32) -> i32 {
    let left = (to - at).clamp(0, to - from);
    i32::try_from(i64::from(whole) * left / (to - from)).unwrap_or(0)
}

/// A shift to enter into the roster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// The camera's serial: its label among the devices.
    pub camera: String,
    /// Who carries it.
    pub user_id: UserId,
    /// From then on.
    pub from: DateTime<Utc>,
    /// Until then, at most 31 days later.
    pub until: DateTime<Utc>,
}

impl Shift {
    /// Checks the form.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        crate::identity::rules::text("camera", &self.camera, 64)?;
        if !(1970..=9999).contains(&self.from.year())
            || self.until <= self.from
            || self.until - self.from > TimeDelta::days(31)
        {
            return Err(crate::error::Code::ValueInvalid.with("until: after from, at most 31 days"));
        }
        Ok(())
    }
}

/// A shift as a roster names it.
#[derive(Debug, PartialEq, Eq)]
pub struct RosterLine {
    /// The camera's serial.
    pub camera: String,
    /// Who carries it.
    pub username: String,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// One line of a roster in CSV: camera, user name, from, until; times are local (`2026-11-23 08:00`) or RFC 3339. `None`
/// for an empty line and for the heading.
///
/// # Errors
/// A sentence for whoever wrote it.
pub fn roster_line(line: &str) -> Result<Option<RosterLine>, String> {
    let line = line.trim().trim_start_matches('\u{feff}');
    let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"').trim()).collect();
    if line.is_empty() || fields[0].eq_ignore_ascii_case("camera") {
        return Ok(None);
    }
    let [camera, username, from, until] = fields[..] else {
        return Err(format!("{} fields instead of 4: camera,username,from,until", fields.len()));
    };
    let time = |text: &str| {
        let local = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M"]
            .iter()
            .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok())
            .and_then(|local| local.and_local_timezone(chrono_tz::Asia::Shanghai).single());
        local
            .map(|at| at.to_utc())
            .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()))
            .ok_or_else(|| format!("{text:?} is no time such as 2026-11-23 08:00"))
    };
    let (from, until) = (time(from)?, time(until)?);
    Ok(Some(RosterLine { camera: camera.to_owned(), username: username.to_owned(), from, until }))
}

#[cfg(test)]
mod tests;
