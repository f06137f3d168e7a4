//! Every way that rows can stand to each other.

use super::*;
use chrono::TimeZone;
use uuid::Uuid;

const HERE: &str = "431221100001001";
const THERE: &str = "431221102001001";

fn unit(n: u128) -> UnitId {
    UnitId(Uuid::from_u128(n))
}

fn scope(area: &str, class: &str) -> Scope {
    let kind = match class.chars().next() {
        Some('C') => Some(ClassKind::Component),
        Some(_) => Some(ClassKind::Event),
        None => None,
    };
    Scope { area: area.into(), class_kind: kind, class_code: class.get(1..).unwrap_or_default().into(), hours: None }
}

/// The n-th row entered; classes are written `E0405`, `C01`, `E` or nothing.
fn row(n: u128, area: &str, class: &str, by: u128) -> Responsibility {
    let set_at = Utc.timestamp_opt(i64::try_from(n).unwrap(), 0).unwrap();
    Responsibility {
        id: ResponsibilityId(Uuid::from_u128(n)),
        scope: scope(area, class),
        unit_id: unit(by),
        ruling: false,
        set_at,
    }
}

fn ruling(n: u128, area: &str, class: &str, by: u128) -> Responsibility {
    Responsibility { ruling: true, ..row(n, area, class, by) }
}

fn hours(from_h: i32, until_h: i32, row: Responsibility) -> Responsibility {
    let hours = Some(Hours { from_min: from_h * 60, until_min: until_h * 60 });
    Responsibility { scope: Scope { hours, ..row.scope }, ..row }
}

fn question(grids: &[&str], class: &str, hour: i32) -> Question {
    let Scope { class_kind, class_code, .. } = scope("", class);
    Question { grids: grids.iter().map(|grid| (*grid).to_owned()).collect(), class_kind, class_code, minute: hour * 60 }
}

/// The standing and the units of a question, the same in whatever order the rows stand.
fn stands(rows: &[Responsibility], question: &Question) -> (Standing, Vec<u128>) {
    let told = |rows: &[Responsibility]| {
        let verdict = judge(rows, question);
        let mut units: Vec<u128> = verdict.units.iter().map(|unit| unit.0.as_u128()).collect();
        units.sort_unstable();
        (verdict.standing, units)
    };
    let backwards: Vec<Responsibility> = rows.iter().rev().cloned().collect();
    assert_eq!(told(rows), told(&backwards));
    told(rows)
}

#[test]
fn the_narrowest_rows_decide() {
    use Standing::{Disputed, One, Several, Unset};
    let here = question(&[HERE], "E0405", 9);
    for (rows, expected) in [
        (vec![], (Unset, vec![])),
        (vec![row(1, THERE, "", 1), row(2, "", "C04", 2), row(3, "", "E0406", 3)], (Unset, vec![])),
        (vec![row(1, "", "", 1)], (One, vec![1])),
        // A narrower area, a narrower class, both.
        (vec![row(1, "", "", 1), row(2, "431221100", "", 2)], (One, vec![2])),
        (vec![row(1, "", "", 1), row(2, "", "E04", 2), row(3, "", "E", 3)], (One, vec![2])),
        (vec![row(1, "431221100", "E04", 1), row(2, HERE, "E0405", 2)], (One, vec![2])),
        // Several units of one scope; the same unit twice is one.
        (vec![row(1, HERE, "E04", 1), row(2, HERE, "E04", 2), row(3, "", "", 3)], (Several, vec![1, 2])),
        (vec![row(1, HERE, "E04", 1), row(2, HERE, "E04", 1)], (One, vec![1])),
        // One knows the place better, the other the class.
        (vec![row(1, HERE, "", 1), row(2, "", "E0405", 2)], (Disputed, vec![1, 2])),
        (vec![row(1, HERE, "", 1), row(2, "", "E0405", 1)], (One, vec![1])),
        (vec![row(1, HERE, "", 1), row(2, "", "E0405", 2), row(3, HERE, "E0405", 3)], (One, vec![3])),
        (vec![row(1, HERE, "", 1), row(2, HERE, "", 2), row(3, "", "E0405", 1)], (Disputed, vec![1, 2])),
    ] {
        assert_eq!(stands(&rows, &here), expected, "{rows:#?}");
    }
}

#[test]
fn a_ruling_decides_over_its_own_scope_and_the_last_one_holds() {
    use Standing::{Disputed, One};
    let here = question(&[HERE], "E0405", 9);
    let dispute = [row(1, HERE, "", 1), row(2, "", "E0405", 2)];
    let with = |more: &[Responsibility]| stands(&[&dispute[..], more].concat(), &here);
    assert_eq!(with(&[]), (Disputed, vec![1, 2]));
    assert_eq!(with(&[ruling(3, HERE, "E0405", 2)]), (One, vec![2]));
    assert_eq!(with(&[ruling(3, HERE, "E0405", 2), ruling(4, HERE, "E0405", 3)]), (One, vec![3]));
    assert_eq!(
        with(&[row(3, HERE, "E0405", 1), ruling(4, HERE, "E0405", 2), row(5, HERE, "E0405", 3)]),
        (One, vec![2])
    );
    // It says nothing about the grid next door.
    let there = question(&[THERE], "E0405", 9);
    let rows = [row(1, "", "E0405", 2), ruling(2, HERE, "E0405", 1)];
    assert_eq!(stands(&rows, &there), (One, vec![2]));
    let verdict = judge(&rows, &here);
    assert_eq!((verdict.units.as_slice(), verdict.passed_over), ([unit(1)].as_slice(), 1));
}

#[test]
fn hours_narrow_a_row_and_may_pass_midnight() {
    use Standing::{Disputed, One};
    let at = |hour: i32| question(&[HERE], "E0405", hour);
    let rows = [row(1, HERE, "E", 1), hours(22, 6, row(2, HERE, "E", 2)), hours(23, 1, row(3, HERE, "E", 3))];
    for (hour, expected) in [(21, 1), (22, 2), (23, 3), (0, 3), (1, 2), (5, 2), (6, 1), (12, 1)] {
        assert_eq!(stands(&rows, &at(hour)), (One, vec![expected]), "{hour} o'clock");
    }
    // Neither lies within the other.
    let rows = [hours(8, 18, row(1, HERE, "E", 1)), hours(12, 20, row(2, HERE, "E", 2))];
    assert_eq!(stands(&rows, &at(13)), (Disputed, vec![1, 2]));
    assert_eq!(stands(&rows, &at(19)), (One, vec![2]));
    let rows = [hours(8, 24, row(1, HERE, "E", 1)), hours(22, 2, row(2, HERE, "E", 2))];
    assert_eq!(stands(&rows, &at(23)), (Disputed, vec![1, 2]));
}

#[test]
fn outside_of_all_grids_only_rows_for_everywhere_hold_and_in_two_grids_those_of_both() {
    use Standing::{Disputed, One, Unset};
    let rows = [row(1, "431221", "", 1)];
    assert_eq!(stands(&rows, &question(&[], "E0405", 9)), (Unset, vec![]));
    let rows = [row(1, "431221", "", 1), row(2, "", "", 2)];
    assert_eq!(stands(&rows, &question(&[], "E0405", 9)), (One, vec![2]));
    let rows = [row(1, HERE, "", 1), row(2, THERE, "", 2)];
    assert_eq!(stands(&rows, &question(&[HERE, THERE], "E0405", 9)), (Disputed, vec![1, 2]));
    // A case that does not say whether it is about a component or an event may be meant by rows of both.
    let rows = [row(1, "", "C04", 1), row(2, "", "E04", 2)];
    let open = Question { class_kind: None, ..question(&[HERE], "E0405", 9) };
    assert_eq!(stands(&rows, &open), (Disputed, vec![1, 2]));
}

#[test]
fn the_reason_names_the_row() {
    let name = |id: UnitId| format!("单位{}", id.0.as_u128());
    let told = |rows: &[Responsibility], question: &Question| reason(&judge(rows, question), question, name);
    let here = question(&[HERE], "E0405", 9);
    let wide = row(1, "431221100", "", 1);
    assert_eq!(
        told(&[wide.clone(), hours(8, 18, row(2, HERE, "E0405", 2))], &here),
        "位于网格 431221100001001，按责任清单“网格 431221100001001、事件 0405、08:00–18:00”由单位2负责；\
         另有 1 条范围更宽或已被裁定的未采用"
    );
    assert_eq!(
        told(&[wide, row(2, "", "E", 2)], &here),
        "位于网格 431221100001001，规定互相冲突，须裁定：责任清单“区域 431221100、全部分类”由单位1负责；\
         责任清单“全部区域、事件”由单位2负责"
    );
    assert_eq!(told(&[], &question(&[], "C01", 9)), "该点不在任何单元网格内，责任清单中没有适用于该类的规定");
    assert!(told(&[ruling(1, HERE, "E0405", 1)], &here).contains("按裁定“网格"));
    assert!(told(&[row(1, "", "", 1), row(2, "", "", 2)], &here).contains("请选定"));
}

#[test]
fn what_can_be_no_scope_is_refused() {
    for (area, class) in [("", ""), ("431221", "E"), (HERE, "C0101"), ("4312211000010010", "E04099")] {
        scope(area, class).check().unwrap();
    }
    for (area, class) in
        [("43", ""), ("431222", ""), ("43122110000100100", ""), ("43122１", ""), ("", "E040999"), ("", "Exx")]
    {
        assert!(scope(area, class).check().is_err(), "{area} {class}");
    }
    assert!(Scope { class_kind: None, ..scope("", "E04") }.check().is_err());
    for (from_min, until_min, good) in [
        (0, 720, true),
        (1380, 60, true),
        (60, 1440, true),
        (0, 1440, false),
        (60, 60, false),
        (1440, 5, false),
        (-1, 5, false),
    ] {
        let scope = Scope { hours: Some(Hours { from_min, until_min }), ..scope("", "") };
        assert_eq!(scope.check().is_ok(), good, "{from_min}–{until_min}");
    }
}

#[test]
fn a_case_that_goes_from_one_unit_to_another_is_a_bounce() {
    let case = |n: u128| CaseId(Uuid::from_u128(n));
    let dispatches = [(1, 1), (1, 2), (1, 1), (2, 1), (2, 2), (3, 2), (3, 2), (4, 3)];
    let dispatches = dispatches.map(|(n, by)| (case(n), unit(by)));
    let bounce = |from: u128, to: u128, times: i64| Bounce { from: unit(from), to: unit(to), times };
    assert_eq!(bounces(&dispatches), [bounce(1, 2, 2), bounce(2, 1, 1)]);
    assert_eq!(bounces(&[]), []);
}
