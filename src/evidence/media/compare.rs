//! What the device stamped on an upload against what the file says: pure, so that a dispute can be replayed.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::super::datum::{Datum, Position, distance_m, to_wgs84};
use super::track::{Fix, place_at};
use super::{Facts, TimeSource, note, same_media_type};

/// Stamp and file may differ by this many seconds: clocks of handhelds that were offline for days drift by minutes.
pub const MAX_TIME_GAP_S: i64 = 300;

/// Stamp and file may lie this many metres apart, and the accuracy that the stamp states on top of it. The camera takes
/// its own fix, and in a street between tall houses two fixes of one place differ by tens of metres.
pub const MAX_DISTANCE_M: f64 = 100.0;

/// What the device said when it took the evidence, before any look into the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    pub captured_at: DateTime<Utc>,
    /// WGS-84, whatever it was sent in.
    pub position: Option<Position>,
    /// Radius in metres of the circle that holds the true place with 68 %.
    pub accuracy_m: Option<f64>,
    pub media_type: String,
}

/// A difference for a person to judge.
///
/// `detail` holds figures and stable words only, so that it reads the same in every language; the words for the code are
/// in [`FLAGS`]:
///
/// | code | detail, for example |
/// |---|---|
/// | `unreadable` | `movie_broken, truncated` (the notes) |
/// | `media_type_differs` | `image/jpeg, file: image/png` |
/// | `time_missing_in_file` | empty |
/// | `time_differs` | `28800 s > 300 s, file: 2026-11-22T10:30:00Z (movie_header), as local time: 0 s` |
/// | `position_missing_in_file` | empty |
/// | `position_missing_in_stamp` | `file: 27.440000, 109.944000` |
/// | `position_differs` | `589 m > 110 m, file: 27.436534, 109.948514, as gcj02: 0 m` |
/// | `track_time_differs` | `28800 s > 300 s, track: 2026-11-22T02:30:00Z – 2026-11-22T03:30:00Z` |
/// | `track_position_differs` | `589 m > 110 m, track: 27.436534, 109.948514, as gcj02: 0 m` |
///
/// A note on the file that leaves doubt about its time or place is a flag of the same name, with an empty detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flag {
    pub code: &'static str,
    pub detail: String,
}

/// Every flag there is, with what it says to people, in Chinese and in English.
pub const FLAGS: [(&str, &str, &str); 20] = [
    ("unreadable", "文件无法读取", "The file can't be read"),
    ("media_type_differs", "文件类型与申报不符", "The file is of another type than declared"),
    ("truncated", "文件不完整", "The file is shorter than it says"),
    ("time_missing_in_file", "文件内没有拍摄时间", "The file says no time"),
    ("time_missing_in_stamp", "申报没有拍摄时间", "No time was declared"),
    ("time_differs", "文件内的时间与申报时间不符", "The time in the file is not the declared one"),
    ("time_in_future", "申报的拍摄时间晚于服务器收到的时间", "The declared time is after its arrival"),
    (
        "time_implausible",
        "文件内的时间不可信（设备时钟未设置）",
        "The time in the file can't be one: the clock was not set",
    ),
    ("gps_time_differs", "设备时钟与卫星时间不符", "The device's clock differs from the satellites' time"),
    ("position_missing_in_file", "文件内没有位置", "The file says no place"),
    ("position_missing_in_stamp", "申报没有位置", "No place was declared"),
    ("position_differs", "文件内的位置与申报位置不符", "The place in the file is not the declared one"),
    ("position_implausible", "文件内的位置不可信", "The place in the file can't be one"),
    ("position_incomplete", "文件内的位置不完整", "The place in the file lacks a part"),
    ("datum_unknown", "文件使用了未知的坐标系", "The file names an unknown datum"),
    (
        "stamp_after_bytes",
        "文件到达之后才补充了申报的时间或位置",
        "Time or place were declared after the file had come",
    ),
    ("device_revoked", "上传设备已被停用", "The device that sent it was revoked"),
    ("track_time_differs", "轨迹的时间与录像时间不符", "The track was recorded at another time"),
    ("track_position_differs", "轨迹的位置与录像位置不符", "The track was elsewhere at that time"),
    ("track_unreadable", "轨迹文件中没有可读的轨迹", "The track file holds no track"),
];

/// Notes on a file that leave doubt about what it is compared by.
const DOUBTS: [&str; 6] = [
    note::TRUNCATED,
    note::TIME_IMPLAUSIBLE,
    note::GPS_TIME_DIFFERS,
    note::POSITION_IMPLAUSIBLE,
    note::POSITION_INCOMPLETE,
    note::DATUM_UNKNOWN,
];

/// The differences between `stamp` and `facts`, empty when they agree. Where the difference is one that a known fault
/// of devices explains exactly (local time in a field for UTC, GCJ-02 in a field for WGS-84) the detail says so; the
/// facts stay as they are.
#[must_use]
pub fn compare(stamp: &Stamp, facts: &Facts) -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut flag = |code: &'static str, detail: String| flags.push(Flag { code, detail });
    if !same_media_type(&stamp.media_type, facts.media_type) {
        flag("media_type_differs", format!("{}, file: {}", stamp.media_type, facts.media_type));
    }
    if !facts.is_readable() {
        // That it has neither time nor place then goes without saying.
        flag("unreadable", facts.notes.join(", "));
        return flags;
    }
    if facts.track.is_some() {
        // It was not taken at a moment, nor in one place.
        return flags;
    }
    for doubt in DOUBTS.into_iter().filter(|doubt| facts.notes.iter().any(|note| note == doubt)) {
        flag(doubt, String::new());
    }
    match facts.taken_at {
        None => flag("time_missing_in_file", String::new()),
        Some(taken) => {
            let gap_s = gap_s(stamp.captured_at, taken.at, facts);
            if gap_s > MAX_TIME_GAP_S {
                let written = taken.at.format("%Y-%m-%dT%H:%M:%SZ");
                let mut detail = format!("{gap_s} s > {MAX_TIME_GAP_S} s, file: {written} ({})", taken.source.as_str());
                if let Some(gap_s) = gap_s_as_local(stamp, facts).filter(|gap| *gap <= MAX_TIME_GAP_S) {
                    detail.extend([", as local time: ", &gap_s.to_string(), " s"]);
                }
                flag("time_differs", detail);
            }
        }
    }
    match (stamp.position, facts.position) {
        (None, None) => {}
        (Some(_), None) => flag("position_missing_in_file", String::new()),
        (None, Some(file)) => flag("position_missing_in_stamp", format!("file: {}", degrees(file))),
        (Some(stamped), Some(file)) => {
            // `max` turns NaN into 0 as well.
            let limit_m = MAX_DISTANCE_M + stamp.accuracy_m.unwrap_or_default().max(0.0);
            let apart_m = distance_m(stamped, file);
            if apart_m > limit_m {
                flag("position_differs", apart("file", stamped, file, limit_m));
            }
        }
    }
    flags
}

/// The differences between a recording's stamp and the track that was recorded beside it, in WGS-84 and in order. The
/// track's times are the satellites', so they also tell how well the camera's clock went.
#[must_use]
pub fn compare_track(stamp: &Stamp, duration_ms: Option<u64>, track: &[Fix]) -> Vec<Flag> {
    let (Some(first), Some(last)) = (track.first(), track.last()) else { return Vec::new() };
    let length_s = duration_ms.and_then(|millis| i64::try_from(millis / 1000).ok()).unwrap_or_default();
    let outside = (first.at - stamp.captured_at).max(stamp.captured_at - last.at).num_seconds();
    let gap_s = outside.saturating_sub(length_s).max(0);
    if gap_s > MAX_TIME_GAP_S {
        let [from, to] = [first, last].map(|fix| fix.at.format("%Y-%m-%dT%H:%M:%SZ"));
        let detail = format!("{gap_s} s > {MAX_TIME_GAP_S} s, track: {from} – {to}");
        return vec![Flag { code: "track_time_differs", detail }];
    }
    let limit_m = MAX_DISTANCE_M + stamp.accuracy_m.unwrap_or_default().max(0.0);
    match (stamp.position, place_at(track, stamp.captured_at)) {
        (Some(stamped), Some(there)) if distance_m(stamped, there) > limit_m => {
            vec![Flag { code: "track_position_differs", detail: apart("track", stamped, there, limit_m) }]
        }
        _ => Vec::new(),
    }
}

/// By how much two places differ, and whether a datum that somebody forgot to undo explains it.
fn apart(source: &str, stamped: Position, there: Position, limit_m: f64) -> String {
    let apart_m = distance_m(stamped, there);
    let mut detail = format!("{apart_m:.0} m > {limit_m:.0} m, {source}: {}", degrees(there));
    for datum in [Datum::Gcj02, Datum::Bd09] {
        let apart_m = distance_m(stamped, to_wgs84(there, datum));
        if apart_m <= limit_m {
            detail.extend([", as ", datum.as_str(), ": ", &format!("{apart_m:.0} m")]);
        }
    }
    detail
}

/// Whole seconds between the stamp and the time in the file. A recording's time may be that of its start or its end, so
/// anything within its length of either side counts as no gap.
fn gap_s(captured_at: DateTime<Utc>, taken_at: DateTime<Utc>, facts: &Facts) -> i64 {
    let length_s = facts.duration_ms.and_then(|millis| i64::try_from(millis / 1000).ok()).unwrap_or_default();
    ((captured_at - taken_at).num_seconds().abs() - length_s).max(0)
}

/// The gap if the movie header holds Shanghai's time of day instead of UTC. `None` where that cannot be.
fn gap_s_as_local(stamp: &Stamp, facts: &Facts) -> Option<i64> {
    let taken = facts.taken_at.filter(|taken| taken.source == TimeSource::MovieHeader)?;
    Some(gap_s(stamp.captured_at, taken.at.checked_sub_signed(TimeDelta::hours(8))?, facts))
}

/// Six decimals: a tenth of a metre.
fn degrees(position: Position) -> String {
    format!("{:.6}, {:.6}", position.lat(), position.lon())
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, TakenAt, note};
    use super::*;
    use crate::evidence::datum::from_wgs84;

    fn zhongfang() -> Position {
        Position::new(27.440, 109.944).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        "2026-11-22T04:00:00Z".parse().unwrap()
    }

    fn stamp() -> Stamp {
        let media_type = "image/jpeg".to_owned();
        Stamp { captured_at: noon(), position: Some(zhongfang()), accuracy_m: Some(10.0), media_type }
    }

    fn agreeing() -> Facts {
        let taken_at = Some(TakenAt { at: noon(), source: TimeSource::ZoneKnown });
        Facts { taken_at, position: Some(zhongfang()), ..Facts::nothing(Kind::Jpeg, "image/jpeg") }
    }

    fn taken(at: &str, source: TimeSource) -> Option<TakenAt> {
        Some(TakenAt { at: at.parse().unwrap(), source })
    }

    fn one(stamp: &Stamp, facts: &Facts) -> (&'static str, String) {
        let mut flags = compare(stamp, facts);
        assert_eq!(flags.len(), 1, "{flags:?}");
        flags.pop().map(|flag| (flag.code, flag.detail)).unwrap()
    }

    #[test]
    fn a_file_that_agrees_with_its_stamp_raises_nothing() {
        assert_eq!(compare(&stamp(), &agreeing()), []);
        let edge = Facts { taken_at: taken("2026-11-22T04:05:00Z", TimeSource::ZoneKnown), ..agreeing() };
        assert_eq!(compare(&stamp(), &edge), []);
    }

    #[test]
    fn a_photo_taken_at_another_time_is_flagged_with_the_seconds() {
        let old = Facts { taken_at: taken("2026-11-22T03:54:59Z", TimeSource::AssumedShanghai), ..agreeing() };
        let (code, detail) = one(&stamp(), &old);
        assert_eq!(
            (code, detail.as_str()),
            ("time_differs", "301 s > 300 s, file: 2026-11-22T03:54:59Z (assumed_shanghai)")
        );
    }

    #[test]
    fn a_recording_may_state_its_start_or_its_end() {
        for at in ["2026-11-22T03:30:00Z", "2026-11-22T04:30:00Z"] {
            let half_hour = Facts { taken_at: taken(at, TimeSource::MovieHeader), ..agreeing() };
            assert_eq!(one(&stamp(), &half_hour).0, "time_differs");
            assert_eq!(compare(&stamp(), &Facts { duration_ms: Some(1_800_000), ..half_hour }), []);
        }
    }

    #[test]
    fn local_time_in_a_movie_header_is_flagged_and_explained() {
        let local = Facts { taken_at: taken("2026-11-22T12:00:05Z", TimeSource::MovieHeader), ..agreeing() };
        let (code, detail) = one(&stamp(), &local);
        assert_eq!(code, "time_differs");
        assert!(detail.starts_with("28805 s > 300 s") && detail.ends_with(", as local time: 5 s"), "{detail}");
        let zoned = Facts { taken_at: taken("2026-11-22T12:00:05Z", TimeSource::ZoneKnown), ..agreeing() };
        assert!(!one(&stamp(), &zoned).1.contains("local"));
    }

    #[test]
    fn a_photo_of_another_place_is_flagged_with_the_metres() {
        let elsewhere = Position::new(27.441, 109.944).unwrap();
        let facts = Facts { position: Some(elsewhere), ..agreeing() };
        let (code, detail) = one(&stamp(), &facts);
        assert_eq!((code, detail.as_str()), ("position_differs", "111 m > 110 m, file: 27.441000, 109.944000"));
        assert_eq!(compare(&Stamp { accuracy_m: Some(20.0), ..stamp() }, &facts), []);
        for accuracy_m in [None, Some(f64::NAN), Some(-1.0)] {
            let (_, detail) = one(&Stamp { accuracy_m, ..stamp() }, &facts);
            assert!(detail.starts_with("111 m > 100 m"), "{detail}");
        }
    }

    #[test]
    fn a_position_in_the_wrong_datum_is_flagged_and_explained() {
        for datum in [Datum::Gcj02, Datum::Bd09] {
            let shifted = Facts { position: Some(from_wgs84(zhongfang(), datum)), ..agreeing() };
            let (code, detail) = one(&stamp(), &shifted);
            assert_eq!(code, "position_differs");
            assert!(detail.ends_with(&format!(", as {datum}: 0 m")), "{detail}");
        }
    }

    #[test]
    fn what_one_side_lacks_is_flagged() {
        let bare = Facts { taken_at: None, position: None, ..agreeing() };
        let codes: Vec<_> = compare(&stamp(), &bare).into_iter().map(|flag| flag.code).collect();
        assert_eq!(codes, ["time_missing_in_file", "position_missing_in_file"]);
        let (code, detail) = one(&Stamp { position: None, ..stamp() }, &agreeing());
        assert_eq!((code, detail.as_str()), ("position_missing_in_stamp", "file: 27.440000, 109.944000"));
        let neither = Facts { position: None, ..agreeing() };
        assert_eq!(compare(&Stamp { position: None, ..stamp() }, &neither), []);
    }

    #[test]
    fn what_leaves_doubt_about_a_file_is_flagged_and_every_flag_has_its_words() {
        for doubt in DOUBTS {
            let facts = Facts { notes: vec![doubt.to_owned()], ..agreeing() };
            assert_eq!(one(&stamp(), &facts), (doubt, String::new()));
        }
        let written = include_str!("compare.rs");
        let codes: Vec<&str> = FLAGS.iter().map(|(code, ..)| *code).collect();
        let raised =
            written.match_indices("flag(\"").filter_map(|(at, call)| written[at + call.len()..].split('"').next());
        for code in raised
            .chain(written.match_indices("code: \"").filter_map(|(at, c)| written[at + c.len()..].split('"').next()))
        {
            assert!(codes.contains(&code), "{code}");
        }
    }

    #[test]
    fn a_track_tells_where_and_when_a_recording_was_made() {
        let fix = |minute: i64, lat: f64| Fix {
            at: noon() + TimeDelta::minutes(minute),
            position: Position::new(lat, 109.944).unwrap(),
        };
        let track = [fix(-30, 27.430), fix(30, 27.450)];
        assert_eq!(compare_track(&stamp(), None, &track), []);
        assert_eq!(compare_track(&stamp(), None, &[]), []);
        let late = Stamp { captured_at: noon() + TimeDelta::minutes(40), ..stamp() };
        let flags = compare_track(&late, None, &track);
        assert_eq!((flags.len(), flags[0].code), (1, "track_time_differs"));
        assert!(flags[0].detail.starts_with("600 s > 300 s, track: 2026-11-22T03:30:00Z"), "{flags:?}");
        assert_eq!(compare_track(&late, Some(600_000), &track)[0].code, "track_position_differs");
        let shifted = [fix(-30, 27.440), fix(30, 27.440)]
            .map(|fix| Fix { position: from_wgs84(fix.position, Datum::Gcj02), ..fix });
        let flags = compare_track(&stamp(), None, &shifted);
        assert!(
            flags[0].detail.starts_with("589 m > 110 m") && flags[0].detail.ends_with(", as gcj02: 0 m"),
            "{flags:?}"
        );
    }

    #[test]
    fn a_file_of_another_type_is_flagged() {
        let png = Facts { media_type: "image/png", kind: Kind::Png, ..agreeing() };
        assert_eq!(one(&stamp(), &png), ("media_type_differs", "image/jpeg, file: image/png".to_owned()));
    }

    #[test]
    fn an_unreadable_file_is_flagged_once() {
        let broken =
            Facts { taken_at: None, position: None, notes: vec![note::HEADER_BROKEN.to_owned()], ..agreeing() };
        assert_eq!(one(&stamp(), &broken), ("unreadable", "header_broken".to_owned()));
    }
}
