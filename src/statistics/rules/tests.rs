//! The county's printed figures, and the borders of periods.

use super::*;

fn counts(total: i64, closed: i64, timely: i64) -> Counts {
    Counts { total, closed, timely, late: closed - timely, ..Counts::default() }
}

#[test]
fn the_counties_printed_figures_of_2020_come_out() {
    let rates = Rates::from(&counts(14_664, 8_907, 5_867));
    let told = [rates.resolution.text, rates.timely.text, rates.comprehensive.text];
    assert_eq!(told, ["60.74%", "40.01%", "51.41%"]);
}

#[test]
fn nothing_has_no_rate_and_halves_are_rounded_up() {
    let nothing = Rates::from(&Counts::default());
    assert_eq!((nothing.resolution.basis_points, nothing.resolution.text.as_str()), (None, "—"));
    assert_eq!(Rate::of(1, 1).text, "100.00%");
    assert_eq!(Rate::of(0, 7).text, "0.00%");
    assert_eq!(Rate::of(1, 20_000).text, "0.01%");
    assert_eq!(Rate::of(1, 20_001).text, "0.00%");
    assert_eq!(Rate::of(2, 3).text, "66.67%");
}

#[test]
fn periods_begin_and_end_at_local_midnight() {
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    for (text, from, until, before, year_before) in [
        ("2026-01", "2025-12-31T16:00:00Z", "2026-01-31T16:00:00Z", "2025-12", "2025-01"),
        ("2026-12", "2026-11-30T16:00:00Z", "2026-12-31T16:00:00Z", "2026-11", "2025-12"),
        ("2026-Q1", "2025-12-31T16:00:00Z", "2026-03-31T16:00:00Z", "2025-Q4", "2025-Q1"),
        ("2026-Q4", "2026-09-30T16:00:00Z", "2026-12-31T16:00:00Z", "2026-Q3", "2025-Q4"),
        ("2026", "2025-12-31T16:00:00Z", "2026-12-31T16:00:00Z", "2025", "2025"),
    ] {
        let period: Period = text.parse().unwrap();
        assert_eq!((period.to_string().as_str(), period.span()), (text, (at(from), at(until))));
        assert_eq!(
            (period.before().to_string(), period.year_before().to_string()),
            (before.into(), year_before.into())
        );
    }
    assert_eq!(Period::month_of(at("2026-10-31T16:00:00Z")).to_string(), "2026-11");
    for wrong in
        ["", "26", "2026-", "2026-00", "2026-13", "2026-1", "2026-Q0", "2026-Q5", "1999", "+026", "2026-+1", "二〇二六"]
    {
        assert!(wrong.parse::<Period>().is_err(), "{wrong}");
    }
}
