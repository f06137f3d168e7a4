//! How near is near, when a problem has come back, and what a spot weighs. Pure.
//!
//! The radii and the weights are starting values of the platform's design (点位档案): 部件 10–15 m, 事件 30–50 m; 返潮
//! within 7 days counts whole, within 30 half, later as a new problem; 蘑菇指数 = Σ over the last 90 days of
//! weight(interval) × open days.

use crate::{
    catalogue::rules::ClassKind,
    error::{Code, Result},
    evidence::datum::{Datum, EARTH_RADIUS_M, Position, from_wgs84},
    identity::rules::text_enum,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

#[cfg(test)]
mod tests;

text_enum! {
    /// Whether the problem is there.
    SpotState {
        /// 未销号.
        Open = "open",
        /// 已销号: the Centre found it solved.
        Closed = "closed",
    }
}

text_enum! {
    /// Why the problem comes back.
    SpotCause {
        /// 权属不清.
        UnclearOwnership = "unclear_ownership",
        /// 屡教不改.
        RepeatOffender = "repeat_offender",
        /// 工程.
        Construction = "construction",
        /// 采集过密.
        OverCollection = "over_collection",
        /// 其他.
        Other = "other",
    }
}

text_enum! {
    /// What counts at a spot.
    RecordKind {
        /// A case.
        Case = "case",
        /// An observation in place of a case.
        Observation = "observation",
    }
}

/// Within what distance two reports of a class may be about the same problem, metres. Of a case that does not say
/// whether its class is one of components or of events, the narrower is taken.
#[must_use]
pub const fn radius_m(kind: Option<ClassKind>) -> i32 {
    match kind {
        Some(ClassKind::Event) => 50,
        Some(ClassKind::Component) | None => 15,
    }
}

/// A radius that a person may give a spot, metres.
///
/// # Errors
/// `value_invalid`.
pub fn radius(metres: i32) -> Result<i32> {
    if (5..=100).contains(&metres) { Ok(metres) } else { Err(Code::ValueInvalid.with("radius_m: 5–100")) }
}

/// How long after it was solved a problem can come back; later it is a new one. Also what the index looks back on.
pub const MEMORY: TimeDelta = TimeDelta::days(90);

/// Whether classes may be the same: their kinds only differ when both are known.
#[must_use]
pub fn same_kind(a: Option<ClassKind>, b: Option<ClassKind>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// A box in degrees of one datum; does not reach over the poles or the date line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Least latitude.
    pub south: f64,
    /// Greatest latitude.
    pub north: f64,
    /// Least longitude.
    pub west: f64,
    /// Greatest longitude.
    pub east: f64,
}

/// A box that holds every place within `radius` metres of `here` (WGS-84) as it is stated in `datum`. The shifts of
/// GCJ-02 stretch the ground by less than 1 %, those of BD-09 by less than 3 %, so their boxes are a little wider.
#[must_use]
pub fn bounds(here: Position, datum: Datum, radius: f64) -> Bounds {
    let metres = match datum {
        Datum::Wgs84 | Datum::Cgcs2000 => radius * 1.000_1 + 0.01,
        Datum::Gcj02 | Datum::Bd09 => radius * 1.05 + 1.0,
    };
    let middle = from_wgs84(here, datum);
    let lat = (metres / EARTH_RADIUS_M).to_degrees();
    // The meridians stand nearest together at the edge that is farthest from the equator.
    let edge = (middle.lat().abs() + lat).min(89.9).to_radians();
    let lon = lat / edge.cos();
    Bounds { south: middle.lat() - lat, north: middle.lat() + lat, west: middle.lon() - lon, east: middle.lon() + lon }
}

/// How much a case looks like the one in question, 0–100: nearness counts 70, how lately it was reported 30.
#[must_use]
pub fn score(distance_m: f64, radius: i32, age: TimeDelta) -> i32 {
    let share = |part: f64, whole: f64| (1.0 - part / whole).clamp(0.0, 1.0);
    let near = share(distance_m, f64::from(radius));
    let late = share(seconds(age), seconds(MEMORY));
    #[expect(clippy::cast_possible_truncation, reason = "0–100")]
    let score = (70.0 * near + 30.0 * late).round() as i32;
    score
}

fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}

/// A record at a spot: that the problem was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Of the case or the observation.
    pub id: Uuid,
    /// What it is.
    pub kind: RecordKind,
    /// When it was reported.
    pub at: DateTime<Utc>,
}

/// What lies between a sighting and the closing before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing was seen here before.
    Nothing,
    /// The problem was known and not solved.
    Unsolved,
    /// It had been solved for so long.
    Solved(TimeDelta),
}

impl Before {
    /// How much a sighting weighs, percent: as long as it is the same problem that was not solved, or came back within
    /// 7 days, whole; within 30 days half; else it is a new problem.
    #[must_use]
    pub fn weight_percent(self) -> i64 {
        match self {
            Before::Nothing => 0,
            Before::Unsolved => 100,
            Before::Solved(time) if time <= TimeDelta::days(7) => 100,
            Before::Solved(time) if time <= TimeDelta::days(30) => 50,
            Before::Solved(_) => 0,
        }
    }

    /// How long it had been solved when it came back (返潮); none when it did not.
    #[must_use]
    pub fn recurred(self) -> Option<TimeDelta> {
        match self {
            Before::Solved(time) if time <= MEMORY => Some(time),
            _ => None,
        }
    }
}

/// When a case was reported, and when its problem was solved.
pub type Span = (DateTime<Utc>, Option<DateTime<Utc>>);

/// The moments at which nothing was left to solve, of cases.
#[must_use]
pub fn closings(cases: &[Span]) -> Vec<DateTime<Utc>> {
    let left = |at: DateTime<Utc>| {
        cases.iter().any(|(reported, solved)| *reported < at && solved.is_none_or(|solved| solved > at))
    };
    cases.iter().filter_map(|(_, solved)| *solved).filter(|solved| !left(*solved)).collect()
}

/// What came before a moment at a spot, by its sightings and the moments at which it was solved, in any order.
#[must_use]
pub fn before(sightings: &[Sighting], closings: &[DateTime<Utc>], at: DateTime<Utc>) -> Before {
    let seen = sightings.iter().map(|sighting| sighting.at).filter(|seen| *seen < at).max();
    let solved = closings.iter().copied().filter(|closing| *closing < at).max();
    match (seen, solved) {
        (None, None) => Before::Nothing,
        (Some(seen), Some(solved)) if seen > solved => Before::Unsolved,
        (_, Some(solved)) => Before::Solved(at - solved),
        (Some(_), None) => Before::Unsolved,
    }
}

/// What a sighting adds to the index of its spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighed {
    /// Which.
    pub sighting: Sighting,
    /// What came before it.
    pub before: Before,
    /// From then until it was solved, or until the end.
    pub open: TimeDelta,
    /// weight × open days, in hundredths of a day, rounded down.
    pub points: i64,
}

/// The sightings from one moment up to another, oldest first, each with what it adds to the index (蘑菇指数).
#[must_use]
pub fn weigh(
    sightings: &[Sighting],
    closings: &[DateTime<Utc>],
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<Weighed> {
    let mut inside: Vec<&Sighting> = sightings.iter().filter(|s| (from..until).contains(&s.at)).collect();
    inside.sort_unstable_by_key(|sighting| (sighting.at, sighting.id));
    let weighed = |sighting: &Sighting| {
        let before = before(sightings, closings, sighting.at);
        let solved = closings.iter().copied().filter(|closing| *closing >= sighting.at).min();
        let open = solved.map_or(until, |solved| solved.min(until)) - sighting.at;
        Weighed { sighting: *sighting, before, open, points: before.weight_percent() * open.num_seconds() / 86_400 }
    };
    inside.into_iter().map(weighed).collect()
}

/// An index as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MushroomIndex {
    /// Hundredths of a weighted day.
    pub hundredths: i64,
    /// `12.50`.
    pub text: String,
}

impl From<i64> for MushroomIndex {
    fn from(hundredths: i64) -> MushroomIndex {
        MushroomIndex { hundredths, text: format!("{}.{:02}", hundredths / 100, hundredths % 100) }
    }
}

/// The counting rule, as it is printed with the list.
pub const RULE: &str = "统计口径：以统计月末（当月以查询时刻）为止向前 90 天内的案件上报和现场补拍为记录，无效作废的案件不计；蘑菇指数＝各记录\
（间隔权重×未解决天数）之和。间隔权重：上次解决前再次采集、或解决后 7 天内返潮为 1，8 至 30 天为 0.5，30 天以上和首次采集为 0。未解决天数自该记录起，\
至其后首次解决（案件结案、现场处置或点位销号）止，未解决的计至期末。";
