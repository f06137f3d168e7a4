//! Weeks, frames and seeds: what may be said when. Pure.

use super::draw::{Source, SourceName};
use crate::{
    calendar::rules::Calendar,
    error::{Code, Result},
    identity::rules::{text, text_enum},
    spotchecks::rules::week,
};
use chrono::{DateTime, Days, NaiveDate, TimeZone, Utc, Weekday};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};

text_enum! {
    /// How far a draw is.
    DrawState {
        /// The frame is published.
        Framed = "framed",
        /// The seed is known and confirmed.
        Sealed = "sealed",
        /// The visits are known.
        Drawn = "drawn",
    }
}

text_enum! {
    /// How far a visit is.
    PickState {
        /// Still to be made.
        Open = "open",
        /// It was made.
        Visited = "visited",
        /// The site could not be reached; another took its place.
        Unreachable = "unreachable",
    }
}

/// 双色球: six of 33 and one of 16, 17.7 million outcomes.
pub const SSQ: &str = "双色球";
/// 福彩3D: a thousand outcomes, so a frame could be made to fit: never alone.
pub const FC3D: &str = "福彩3D";
/// Throws of a ten-sided die, on film, for a place without the lottery's news.
pub const DICE: &str = "骰子";

/// The Monday of an ISO week.
///
/// # Errors
/// `value_invalid`.
pub fn monday(name: &str) -> Result<NaiveDate> {
    week(name)?;
    let parts = name.split_once("-W").and_then(|(year, number)| Some((year.parse().ok()?, number.parse().ok()?)));
    let day = parts.and_then(|(year, number)| NaiveDate::from_isoywd_opt(year, number, Weekday::Mon));
    day.ok_or_else(|| Code::ValueInvalid.with("week: such as 2026-W47"))
}

/// The moment at which a day begins in the county.
fn begins(day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_hms_opt(0, 0, 0).unwrap_or_default();
    // Asia/Shanghai has had no gap at midnight since 1991.
    Shanghai.from_local_datetime(&midnight).earliest().map_or(midnight.and_utc(), |at| at.to_utc())
}

/// The moment at which a week is over and everything is open.
///
/// # Errors
/// `value_invalid`.
pub fn over_at(name: &str) -> Result<DateTime<Utc>> {
    Ok(begins(monday(name)? + Days::new(7)))
}

/// The week so many weeks earlier.
///
/// # Errors
/// `value_invalid`.
pub fn weeks_before(name: &str, weeks: u32) -> Result<String> {
    let day = begins(monday(name)? - Days::new(7 * u64::from(weeks)));
    Ok(crate::spotchecks::rules::week_of(day))
}

/// What a frame is made with.
#[derive(Debug, Clone)]
pub struct NewFrame {
    /// The week.
    pub week: String,
    /// Until when units may commit to a nonce.
    pub commit_until: DateTime<Utc>,
    /// When the public event takes place.
    pub lottery_at: DateTime<Utc>,
    /// Which event.
    pub sources: Vec<SourceName>,
    /// The days of the visits; the working days of the week when none are named.
    pub days: Vec<NaiveDate>,
    /// The time bands; a morning and an afternoon when none are named.
    pub bands: Vec<String>,
    /// A site without a visit for so many weeks has two tickets.
    pub double_after_weeks: Option<u32>,
}

impl NewFrame {
    /// Checks it and fills in the usual days and bands.
    ///
    /// # Errors
    /// `value_invalid`, also when nobody works in the week and no days are named; `due_at_invalid` when the moments are
    /// not in order.
    pub fn checked(mut self, now: DateTime<Utc>, calendar: &Calendar) -> Result<NewFrame> {
        let monday = monday(&self.week)?;
        if self.days.is_empty() {
            self.days = (0..7).map(|n| monday + Days::new(n)).filter(|day| calendar.works(*day)).collect();
        }
        if self.days.is_empty() {
            return Err(Code::ValueInvalid.with("days: the week has no working day; name the days"));
        }
        if self.bands.is_empty() {
            self.bands = vec!["09:00-11:30".to_owned(), "14:30-17:00".to_owned()];
        }
        let rising = self.days.windows(2).all(|two| two[0] < two[1]);
        let inside = self.days.iter().all(|day| (monday..monday + Days::new(7)).contains(day));
        if !rising || !inside {
            return Err(Code::ValueInvalid.with("days: of the week, in order, each once"));
        }
        if self.bands.len() > 8 || !self.bands.iter().all(|band| is_band(band)) {
            return Err(Code::ValueInvalid.with("bands: at most 8, such as 09:00-11:30"));
        }
        if self.double_after_weeks.is_some_and(|weeks| !(1..=52).contains(&weeks)) {
            return Err(Code::ValueInvalid.with("double_after_weeks: 1–52"));
        }
        source_names(&self.week, &self.sources)?;
        let first = self.days.first().copied().unwrap_or(monday);
        if !(now < self.commit_until && self.commit_until < self.lottery_at && self.lottery_at < begins(first)) {
            return Err(Code::DueAtInvalid.with("now < commit_until < lottery_at < the first day"));
        }
        Ok(self)
    }
}

fn is_band(band: &str) -> bool {
    let clock = |text: &str| {
        let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)?;
        let (hour, minute) = (parts.0.parse::<u32>().ok()?, parts.1.parse::<u32>().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let ends = band.split_once('-').and_then(|(from, until)| clock(from).zip(clock(until)));
    ends.is_some_and(|(from, until)| from < until)
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

/// 双色球, also with 福彩3D behind it; or 骰子 alone.
fn source_names(week: &str, names: &[SourceName]) -> Result<()> {
    let good = match names {
        [dice] if dice.name == DICE => dice.issue == week,
        [ssq] => ssq.name == SSQ && digits(&ssq.issue, 7),
        [ssq, fc3d] => ssq.name == SSQ && fc3d.name == FC3D && digits(&ssq.issue, 7) && digits(&fc3d.issue, 7),
        _ => false,
    };
    let words = "sources: 双色球 with the seven digits of its draw, and 福彩3D after it if wanted; or 骰子 with the week. \
                 福彩3D alone has a thousand outcomes only";
    if good { Ok(()) } else { Err(Code::ValueInvalid.with(words)) }
}

/// Checks that results are those of the events a frame names, and look like it.
///
/// # Errors
/// `value_invalid`.
pub fn results(names: &[SourceName], sources: &[Source]) -> Result<()> {
    if !names.iter().map(|name| (&name.name, &name.issue)).eq(sources.iter().map(|one| (&one.name, &one.issue))) {
        return Err(Code::ValueInvalid.with("sources: the events that the frame names, in its order"));
    }
    for source in sources {
        text("sources.origin", &source.origin, 300)?;
        let (good, shape) = match source.name.as_str() {
            SSQ => (is_ssq(&source.result), "six rising numbers of 01–33 and one of 01–16: 03-08-11-19-24-31+07"),
            FC3D => (is_fc3d(&source.result), "three digits: 4-0-7"),
            _ => (digits(&source.result, 20), "twenty throws, one digit each"),
        };
        if !good {
            return Err(Code::ValueInvalid.with(format!("sources.result: {shape}")));
        }
    }
    Ok(())
}

fn is_ssq(result: &str) -> bool {
    let number = |text: &str, most: u32| text.parse().ok().filter(|n| digits(text, 2) && (1..=most).contains(n));
    let Some((reds, blue)) = result.split_once('+') else { return false };
    let reds: Option<Vec<u32>> = reds.split('-').map(|red| number(red, 33)).collect();
    number(blue, 16).is_some() && reds.is_some_and(|reds| reds.len() == 6 && reds.windows(2).all(|two| two[0] < two[1]))
}

fn is_fc3d(result: &str) -> bool {
    result.len() == 5 && result.split('-').map(|digit| digits(digit, 1)).eq([true; 3])
}

/// Checks a commitment: SHA-256 as 64 small hexadecimal digits.
///
/// # Errors
/// `value_invalid`.
pub fn commitment(words: &str) -> Result<()> {
    if words.len() == 64 && is_hex(words) {
        Ok(())
    } else {
        Err(Code::ValueInvalid.with("commitment: SHA-256, 64 hex digits"))
    }
}

/// Checks a nonce: 32–128 small hexadecimal digits.
///
/// # Errors
/// `value_invalid`.
pub fn nonce(words: &str) -> Result<()> {
    let good = (32..=128).contains(&words.len()) && is_hex(words);
    if good { Ok(()) } else { Err(Code::ValueInvalid.with("nonce: 32–128 hex digits")) }
}

fn is_hex(words: &str) -> bool {
    words.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Checks a team's code.
///
/// # Errors
/// `value_invalid`.
pub fn team(code: &str) -> Result<()> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    if (1..=16).contains(&code.chars().count()) && code.chars().all(good) {
        Ok(())
    } else {
        Err(Code::ValueInvalid.with("team: 1–16 letters, digits, - or _"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::national;

    fn names(of: &[(&str, &str)]) -> Vec<SourceName> {
        of.iter().map(|(name, issue)| SourceName { name: (*name).into(), issue: (*issue).into() }).collect()
    }

    fn frame(sources: &[(&str, &str)]) -> NewFrame {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        NewFrame {
            week: "2026-W48".into(),
            commit_until: at("2026-11-21T18:00:00+08:00"),
            lottery_at: at("2026-11-22T21:15:00+08:00"),
            sources: names(sources),
            days: vec![],
            bands: vec![],
            double_after_weeks: None,
        }
    }

    #[test]
    fn a_seed_comes_from_the_large_lottery_or_dice_never_from_a_thousand_outcomes() {
        let now = DateTime::parse_from_rfc3339("2026-11-20T10:00:00Z").unwrap().to_utc();
        let good = |sources: &[(&str, &str)]| frame(sources).checked(now, &Calendar::default()).is_ok();
        assert!(
            good(&[(SSQ, "2026134")]) && good(&[(SSQ, "2026134"), (FC3D, "2026312")]) && good(&[(DICE, "2026-W48")])
        );
        for bad in [
            &[(FC3D, "2026312")][..],
            &[],
            &[(SSQ, "134")],
            &[(DICE, "2026-W49")],
            &[(FC3D, "2026312"), (SSQ, "2026134")],
            &[(SSQ, "2026134"), (DICE, "2026-W48")],
        ] {
            assert!(!good(bad), "{bad:?}");
        }
    }

    #[test]
    fn commitments_end_before_the_event_and_the_event_comes_before_the_visits() {
        let now = DateTime::parse_from_rfc3339("2026-11-20T10:00:00Z").unwrap().to_utc();
        let dice = || frame(&[(DICE, "2026-W48")]);
        let made = dice().checked(now, &Calendar::default()).unwrap();
        assert_eq!((made.days.len(), made.days[0].to_string(), made.bands.len()), (5, "2026-11-23".to_owned(), 2));
        let wrong = |change: fn(&mut NewFrame)| {
            let mut frame = dice();
            change(&mut frame);
            assert!(frame.checked(now, &Calendar::default()).is_err());
        };
        wrong(|frame| frame.lottery_at = frame.commit_until);
        wrong(|frame| frame.lottery_at += chrono::TimeDelta::hours(3));
        wrong(|frame| frame.commit_until -= chrono::TimeDelta::days(30));
        wrong(|frame| frame.days = vec![NaiveDate::from_ymd_opt(2026, 11, 30).unwrap()]);
        wrong(|frame| frame.bands = vec!["9:00-10:00".into()]);
        wrong(|frame| frame.bands = vec!["11:00-10:00".into()]);
        wrong(|frame| frame.double_after_weeks = Some(0));
    }

    #[test]
    fn days_that_nobody_names_are_those_on_which_is_worked() {
        let calendar = Calendar::new(vec![], national::days_2026(), national::SEEDED);
        let days = |week: &str, named: &[NaiveDate]| {
            let first = monday(week).unwrap() - Days::new(2);
            let at = |hour: u32| first.and_hms_opt(hour, 0, 0).unwrap().and_utc();
            let mut new = frame(&[(DICE, week)]);
            (new.week, new.days) = (week.into(), named.to_vec());
            (new.commit_until, new.lottery_at) = (at(3), at(5));
            new.checked(at(1), &calendar).map(|new| new.days.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        // Three days before the National Day; after it Thursday, Friday and the Saturday that makes up for it.
        assert_eq!(days("2026-W40", &[]).unwrap(), ["2026-09-28", "2026-09-29", "2026-09-30"]);
        assert_eq!(days("2026-W41", &[]).unwrap(), ["2026-10-08", "2026-10-09", "2026-10-10"]);
        // The Spring Festival takes the whole week; who wants visits then names the days.
        assert!(days("2026-W08", &[]).is_err());
        let named = NaiveDate::from_ymd_opt(2026, 2, 17).unwrap();
        assert_eq!(days("2026-W08", &[named]).unwrap(), ["2026-02-17"]);
    }

    #[test]
    fn results_are_those_of_the_named_events() {
        let ask = |name: &str, issue: &str, result: &str| {
            let source =
                Source {
                    name: name.into(), issue: issue.into(), result: result.into(), origin: "中国福彩网".into()
                };
            results(&names(&[(name, "2026134")]), &[source]).is_ok()
        };
        assert!(ask(SSQ, "2026134", "03-08-11-19-24-31+07") && !ask(SSQ, "2026135", "03-08-11-19-24-31+07"));
        assert!(ask(FC3D, "2026134", "4-0-7") && ask(DICE, "2026134", "01234567890123456789"));
        for bad in
            ["03-08-11-19-24-34+07", "03-08-11-19-24-31+17", "08-03-11-19-24-31+07", "03-08-11-19-24+07", "3", ""]
        {
            assert!(!ask(SSQ, "2026134", bad), "{bad}");
        }
        assert!(!ask(FC3D, "2026134", "4-0-12") && !ask(FC3D, "2026134", "407") && !ask(DICE, "2026134", "0123"));
    }

    #[test]
    fn a_week_is_over_on_the_next_monday_in_the_county() {
        assert_eq!(over_at("2026-W48").unwrap().to_rfc3339(), "2026-11-29T16:00:00+00:00");
        assert_eq!(weeks_before("2026-W02", 8).unwrap(), "2025-W46");
        assert!(monday("2026-W60").is_err());
    }
}
