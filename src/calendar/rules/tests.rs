//! Deadlines against hand-made rows, and against counting minute by minute.

use super::*;
use crate::calendar::national;

fn calendar() -> Calendar {
    Calendar::new(vec![usual()], national::days_2026(), &[2026])
}

/// A moment of the county.
fn at(text: &str) -> DateTime<Utc> {
    let local = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    Shanghai.from_local_datetime(&local).unwrap().to_utc()
}

fn due(start: &str, kind: LimitKind, value: f64) -> DateTime<Utc> {
    calendar().due(at(start), Limit::new(kind, value).unwrap(), &[]).at.unwrap()
}

#[test]
fn worked_examples_come_out_as_by_hand() {
    use LimitKind::{NaturalDay, UrgentHour, WorkDay, WorkHour};
    for (start, kind, value, expected) in [
        // The night before the National Day, whose seven days do not count.
        ("2026-09-30 17:00", WorkHour, 4.0, "2026-10-08 11:00"),
        ("2026-09-30 17:00", UrgentHour, 4.0, "2026-09-30 21:00"),
        ("2026-09-30 17:00", WorkDay, 1.0, "2026-10-08 17:00"),
        ("2026-09-30 17:00", UrgentHour, 8.0, "2026-10-01 01:00"),
        // Saturday 10-10 makes up for a holiday.
        ("2026-09-30 17:00", WorkDay, 5.0, "2026-10-13 17:00"),
        // So does Sunday 09-20.
        ("2026-09-19 10:00", WorkHour, 2.0, "2026-09-20 10:00"),
        ("2026-09-19 10:00", UrgentHour, 2.0, "2026-09-19 12:00"),
        ("2026-11-20 17:30", WorkHour, 2.0, "2026-11-23 09:30"),
        ("2026-11-20 17:30", UrgentHour, 2.0, "2026-11-20 19:30"),
        // What ends with the slot stays at its end.
        ("2026-11-20 19:00", WorkHour, 8.0, "2026-11-23 18:00"),
        ("2026-11-20 19:00", UrgentHour, 8.0, "2026-11-21 03:00"),
        // Over and in the lunch break.
        ("2026-11-23 11:30", WorkHour, 2.0, "2026-11-23 15:30"),
        ("2026-11-23 11:30", UrgentHour, 2.0, "2026-11-23 13:30"),
        ("2026-11-23 12:30", WorkHour, 2.0, "2026-11-23 16:00"),
        ("2026-11-23 12:30", UrgentHour, 2.0, "2026-11-23 14:30"),
        // The end of the last slot is outside of it.
        ("2026-11-23 18:00", WorkHour, 1.0, "2026-11-24 09:00"),
        ("2026-11-23 18:00", UrgentHour, 1.0, "2026-11-23 19:00"),
        ("2026-11-23 18:00", NaturalDay, 1.0, "2026-11-24 18:00"),
        ("2026-02-13 17:00", WorkHour, 10.0, "2026-02-24 09:00"),
    ] {
        assert_eq!(due(start, kind, value), at(expected), "{start} + {value} {kind}");
    }
}

/// Another way to the same: every minute is asked whether it counts.
fn by_the_minute(calendar: &Calendar, start: DateTime<Utc>, limit: Limit, pauses: &[Pause]) -> DateTime<Utc> {
    let counts = |minute: DateTime<Utc>| {
        let local = minute.with_timezone(&Shanghai);
        let day = local.date_naive();
        let of_day = i32::try_from((local.naive_local() - day.and_time(NaiveTime::MIN)).num_minutes()).unwrap();
        let table = calendar.tables.iter().rfind(|table| table.from_day <= day).unwrap_or(&calendar.tables[0]);
        let slot = table.slots.iter().any(|slot| (slot.from_min..slot.until_min).contains(&of_day));
        let paused = pauses.iter().any(|p| p.from <= minute && minute < p.until.unwrap());
        !paused && (limit.kind.continuous() || calendar.works(day) && slot)
    };
    let (mut at, mut left) = (start, limit.span().num_minutes());
    while left > 0 {
        left -= i64::from(counts(at));
        at += TimeDelta::minutes(1);
    }
    at
}

/// Numbers that look random and are the same each time.
fn dice(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[test]
fn deadlines_are_those_of_counting_minute_by_minute() {
    let summer = SlotTable {
        from_day: NaiveDate::from_ymd_opt(2026, 6, 1).unwrap(),
        slots: vec![Slot { from_min: 480, until_min: 720 }, Slot { from_min: 900, until_min: 1080 }],
    };
    let calendar = Calendar::new(vec![usual(), summer], national::days_2026(), &[2026]);
    let seed = &mut 7;
    let first = at("2026-01-01 00:00");
    for _ in 0..600 {
        let start = first + TimeDelta::minutes(dice(seed, 360 * 24 * 60) as i64);
        let kind = LimitKind::ALL[dice(seed, 4) as usize];
        let most = if kind.minutes() > 60 { 120 } else { 300 };
        let limit = Limit::new(kind, (1 + dice(seed, most)) as f64 / 10.0).unwrap();
        let pauses: Vec<Pause> = (0..dice(seed, 3))
            .map(|_| {
                let from = start + TimeDelta::minutes(dice(seed, 5 * 24 * 60) as i64 - 600);
                Pause { from, until: Some(from + TimeDelta::minutes(dice(seed, 6 * 24 * 60) as i64)) }
            })
            .collect();
        let due = calendar.due(start, limit, &pauses);
        assert_eq!(due.at, Some(by_the_minute(&calendar, start, limit, &pauses)), "{start} {limit:?} {pauses:?}");
        // It explains itself: no hole, and what it counts is the limit.
        assert_eq!(due.intervals.first().map(|interval| interval.from), Some(start));
        assert_eq!(due.intervals.last().map(|interval| interval.until), due.at);
        assert!(due.intervals.windows(2).all(|two| two[0].until == two[1].from && two[0].from < two[0].until));
        let counted = due.intervals.iter().filter(|interval| interval.why == Why::Counted);
        assert_eq!(counted.fold(TimeDelta::zero(), |sum, i| sum + (i.until - i.from)), limit.span());
        assert_eq!(calendar.elapsed(kind, start, due.at.unwrap(), &pauses), limit.span());
    }
}

#[test]
fn a_later_start_is_never_due_earlier() {
    let calendar = calendar();
    let seed = &mut 11;
    for _ in 0..2000 {
        let limit = Limit::new(LimitKind::ALL[dice(seed, 4) as usize], (1 + dice(seed, 200)) as f64 / 10.0).unwrap();
        let start = at("2026-01-01 00:00") + TimeDelta::seconds(dice(seed, 400 * 86_400) as i64);
        let later = start + TimeDelta::seconds(dice(seed, 4 * 86_400) as i64);
        let from = start + TimeDelta::seconds(dice(seed, 86_400) as i64);
        let pauses = [Pause { from, until: Some(from + TimeDelta::hours(dice(seed, 72) as i64)) }];
        assert!(
            calendar.due(start, limit, &pauses).at <= calendar.due(later, limit, &pauses).at,
            "{start} {later} {limit:?}"
        );
    }
}

#[test]
fn a_suspension_without_an_end_has_no_deadline_and_one_that_comes_too_late_changes_nothing() {
    let (calendar, limit) = (calendar(), Limit::new(LimitKind::WorkHour, 4.0).unwrap());
    let start = at("2026-11-23 08:00");
    let open = |from: &str| [Pause { from: at(from), until: None }];
    assert_eq!(calendar.due(start, limit, &open("2026-11-23 09:00")).at, None);
    assert_eq!(calendar.due(start, limit, &open("2026-11-23 12:00")).at, Some(at("2026-11-23 12:00")));
    assert_eq!(
        calendar.elapsed(limit.kind, start, at("2026-11-30 08:00"), &open("2026-11-23 09:00")),
        TimeDelta::hours(1)
    );
}

#[test]
fn the_explanation_names_nights_weekends_holidays_and_suspensions() {
    let pause = Pause { from: at("2026-10-08 08:00"), until: Some(at("2026-10-08 10:00")) };
    let due = calendar().due(at("2026-09-30 17:00"), Limit::new(LimitKind::WorkHour, 2.0).unwrap(), &[pause]);
    let told: Vec<(Why, Option<&str>)> = due.intervals.iter().map(|i| (i.why, i.name.as_deref())).collect();
    let expected = [
        (Why::Counted, None),
        (Why::OffHours, None),
        (Why::Holiday, Some("国庆节")),
        (Why::OffHours, None),
        (Why::Paused, None),
        (Why::Counted, None),
    ];
    assert_eq!((told.as_slice(), due.at), (expected.as_slice(), Some(at("2026-10-08 11:00"))));
}

#[test]
fn a_deadline_in_a_year_without_known_holidays_says_so() {
    let calendar = calendar();
    let limit = |kind| Limit::new(kind, 3.0).unwrap();
    let start = at("2026-12-30 17:00");
    assert!(calendar.due(start, limit(LimitKind::WorkDay), &[]).beyond_calendar);
    assert!(!calendar.due(start, limit(LimitKind::WorkHour), &[]).beyond_calendar);
    assert!(!calendar.due(start, limit(LimitKind::NaturalDay), &[]).beyond_calendar, "it knows no holidays");
    assert!(Calendar::new(vec![], vec![], &[]).due(start, limit(LimitKind::WorkHour), &[]).beyond_calendar);
}

#[test]
fn what_is_no_limit_and_no_working_day_is_refused() {
    for value in [0.0, -1.0, 0.04, 0.25, 1000.1, f64::NAN, f64::INFINITY] {
        assert!(Limit::new(LimitKind::WorkDay, value).is_err(), "{value}");
    }
    let table = |slots: &[(i32, i32)]| SlotTable {
        slots: slots.iter().map(|&(from_min, until_min)| Slot { from_min, until_min }).collect(),
        ..usual()
    };
    for wrong in
        [&[][..], &[(480, 480)], &[(-1, 5)], &[(0, 1441)], &[(480, 720), (700, 800)], &[(800, 900), (480, 720)]]
    {
        assert!(table(wrong).check().is_err(), "{wrong:?}");
    }
    assert!(table(&[(0, 1440)]).check().is_ok());
    let all_day = Calendar::new(vec![table(&[(0, 1440)])], vec![], &[2026]);
    let due = all_day.due(at("2026-11-23 23:00"), Limit::new(LimitKind::WorkHour, 2.0).unwrap(), &[]);
    assert_eq!((due.at, due.intervals.len()), (Some(at("2026-11-24 01:00")), 1));
}
