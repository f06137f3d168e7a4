//! What a reader of open data can rely on.

use super::*;

#[test]
fn numbers_and_addresses_that_tell_who_somebody_is_are_blotted_out() {
    for (text, blot) in [
        ("店外经营，联系13907451234", "店外经营，联系***"),
        ("王女士 139-0745-1234 反映", "王女士 *** 反映"),
        ("身份证43122119800101123X", "身份证***"),
        ("电话0745－12", "电话0745－12"),
        ("0745 2812345", "***"),
        ("写信给 a.b@example.com。", "写信给 ***。"),
        ("人民路123号，K12+300", "人民路123号，K12+300"),
        ("", ""),
    ] {
        assert_eq!(blotted(text), blot, "{text}");
    }
}

#[test]
fn no_text_is_a_formula_to_a_spreadsheet() {
    for text in ["=1+1", "+86", "-2", "@SUM(A1)", "\t=1", "\r=1", "＝1", "  =cmd|' /C calc'!A0"] {
        assert_eq!(guarded(text), format!("'{text}"));
    }
    for text in ["", "井盖", "1-2", "a=b", "'=1"] {
        assert_eq!(guarded(text), text);
    }
}

#[test]
fn bounds_are_four_or_six_numbers_and_may_cross_the_date_line() {
    let plain = Bounds::read("109.9, 27.4,110,27.5").unwrap();
    assert_eq!(plain, Bounds::read("109.9,27.4,-5,110,27.5,9000").unwrap());
    assert!(plain.holds((109.9, 27.5)) && !plain.holds((109.899_999, 27.5)) && !plain.holds((109.9, 27.51)));
    let across = Bounds::read("170,-10,-170,10").unwrap();
    assert!(across.holds((179.0, 0.0)) && across.holds((-179.0, 0.0)) && !across.holds((0.0, 0.0)));
    assert_eq!(across.parts().len(), 2);
    for wrong in ["", "1,2,3", "1,2,3,x", "0,5,1,4", "181,0,182,1", "NaN,0,1,1", "0,0,inf,1", "1,2,3,4,5", "1;2;3;4"] {
        assert_eq!(Bounds::read(wrong).unwrap_err().code, Code::ParameterInvalid, "{wrong}");
    }
}

#[test]
fn a_time_is_a_moment_a_day_in_beijing_or_an_interval_with_open_ends() {
    let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
    for (text, from, until) in [
        ("2026-11-23T01:00:00Z", at("2026-11-23T01:00:00Z"), at("2026-11-23T01:00:00Z")),
        ("2026-11-23T09:00:00+08:00/..", at("2026-11-23T01:00:00Z"), None),
        ("/2026-11-23T01:00:00Z", None, at("2026-11-23T01:00:00Z")),
        ("2026-11-23", at("2026-11-22T16:00:00Z"), at("2026-11-23T15:59:59.999999Z")),
        ("2026-11-01/2026-11-30", at("2026-10-31T16:00:00Z"), at("2026-11-30T15:59:59.999999Z")),
        ("../..", None, None),
    ] {
        assert_eq!(Span::read(text).unwrap(), Span { from, until }, "{text}");
    }
    for wrong in [
        "",
        "yesterday",
        "2026-11-23T01:00:00",
        "2026-11-30/2026-11-01",
        "a/b",
        "2026-1-1",
        "../../..",
        "0001-01-01T00:00:00Z",
        "+262142-12-31",
    ] {
        assert_eq!(Span::read(wrong).unwrap_err().code, Code::ParameterInvalid, "{wrong}");
    }
}

#[test]
fn headings_and_names_are_each_their_own() {
    for collection in Collection::ALL {
        let columns = collection.columns();
        for (n, column) in columns.iter().enumerate() {
            assert!(!column.heading.is_ascii() && column.name.is_ascii(), "{column:?}");
            assert!(columns[..n].iter().all(|other| other.name != column.name && other.heading != column.heading));
        }
    }
}
