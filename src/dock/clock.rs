//! How wrong a camera's clock is. Pure.
//!
//! A time that a camera wrote says nothing by itself: it may be a second old or a month. Only one that is known to be
//! fresh tells the error, so a clock file counts when the dock saw it change between two looks. The looks are the
//! uncertainty: the error is known to within the time between them.

use super::{config::ClockFile, names::instant};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The error of a camera's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Camera minus true time, milliseconds.
    pub offset_ms: i64,
    /// Who says so: `configured` or `clock_file`.
    pub from: String,
}

/// Follows one camera's clock file.
#[derive(Debug, Default)]
pub struct ClockWatch {
    before: Option<(String, DateTime<Utc>)>,
}

/// A change counts as fresh when the look before was not longer ago than this.
const FRESH: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

impl ClockWatch {
    /// One look at the file: its text, and the present by the server's clock. Gives the error when the text has just
    /// changed.
    pub fn look(&mut self, text: &str, file: &ClockFile, now: DateTime<Utc>) -> Option<Clock> {
        let text = text.trim().to_owned();
        let before = self.before.replace((text.clone(), now));
        let (old, seen) = before?;
        if old == text || now - seen > FRESH || now < seen {
            return None;
        }
        let camera = instant(&text, &file.time, file.offset)?;
        // It was written somewhere between the two looks.
        let written = seen + (now - seen) / 2;
        Some(Clock { offset_ms: (camera - written).num_milliseconds(), from: "clock_file".into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn only_a_clock_file_that_was_seen_to_change_tells_the_error() {
        let offset = chrono::FixedOffset::east_opt(8 * 3600).unwrap();
        let file = ClockFile { path: "time.txt".into(), time: "%Y-%m-%d %H:%M:%S".into(), offset };
        let start = DateTime::parse_from_rfc3339("2026-11-23T18:00:00+08:00").unwrap().to_utc();
        let at = |s: i64| start + TimeDelta::seconds(s);
        let mut watch = ClockWatch::default();
        assert_eq!(watch.look("2026-11-20 07:00:00\n", &file, at(0)), None, "nobody knows how old it is");
        assert_eq!(watch.look("2026-11-20 07:00:00", &file, at(2)), None);
        // Two minutes ahead, seen within four seconds.
        let clock = watch.look("2026-11-23 18:02:04", &file, at(6)).unwrap();
        assert_eq!((clock.offset_ms, clock.from.as_str()), (120_000, "clock_file"));
        assert_eq!(watch.look("rubbish", &file, at(8)), None);
        assert_eq!(watch.look("2026-11-23 18:10:00", &file, at(600)), None, "the looks lie too far apart");
    }
}
