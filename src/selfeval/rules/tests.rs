//! The county's own report of 2020 comes out as its readers found it, and each rule finds what it is for.

use super::*;
use crate::statistics::rules::{Counts, Rates};
use FindingCode as F;

fn report() -> SelfEvaluation {
    serde_json::from_str(include_str!("county-2020.json")).expect("the report is written by the rules of its type")
}

/// A report without anything wrong.
fn sound() -> SelfEvaluation {
    let mut report = report();
    report.printed_total = None;
    report.budget_score = 5_000;
    for indicator in &mut report.indicators {
        indicator.score = indicator.points;
    }
    report
}

fn found(report: &SelfEvaluation) -> Vec<(FindingCode, String)> {
    report.assess().findings.into_iter().map(|finding| (finding.code, finding.place)).collect()
}

/// What is found when the one thing is changed.
fn found_when(change: impl FnOnce(&mut SelfEvaluation)) -> Vec<(FindingCode, String)> {
    let mut report = sound();
    change(&mut report);
    found(&report)
}

fn at(code: FindingCode, place: &str) -> (FindingCode, String) {
    (code, place.to_owned())
}

#[test]
fn the_report_of_2020_holds_the_errors_that_its_readers_found() {
    let report = report();
    report.check().unwrap();
    let assessed = report.assess();
    assert_eq!((assessed.total, report.printed_total), (95_000, Some(950_000)));
    assert_eq!(
        (assessed.execution, assessed.budget_rule_score, report.budget_score),
        (Some(50_000), Some(5_000), 10_000)
    );
    // The items of annex 2 sum to what is printed there.
    assert_eq!((assessed.common_total, report.common_printed_total), (95_000, Some(95_000)));
    let words: Vec<(FindingSeverity, &str)> =
        assessed.findings.iter().map(|f| (f.severity, f.words.as_str())).collect();
    assert_eq!(
        words,
        [
            (FindingSeverity::Error, "预算执行率 50%按计分规则应得 5 分，实得 10 分"),
            (FindingSeverity::Warning, "“经县人民政府批准同意：预算经费214.71万元”按计分规则应得 10 分，实得 8 分"),
            (FindingSeverity::Warning, "“公众满意度”按计分规则应得 10 分，实得 9 分"),
            (FindingSeverity::Warning, "“公众满意度”扣 1 分，未说明偏差原因及改进措施"),
            (FindingSeverity::Error, "附件1 总分填写为 950，各项得分合计为 95"),
        ]
    );
}

#[test]
fn a_table_of_94_points_that_says_95_is_found() {
    let mut report = report();
    report.common_indicators[0].score -= 1_000;
    let assessed = report.assess();
    assert_eq!(assessed.common_total, 94_000);
    assert!(found(&report).contains(&at(F::TotalDiffers, "common_printed_total")));
}

#[test]
fn the_rates_of_the_report_follow_from_its_counts() {
    let counts = Counts { total: 14_664, closed: 8_907, timely: 5_867, late: 3_040, ..Counts::default() };
    let rates = Rates::from(&counts);
    assert_eq!([&rates.resolution.text, &rates.timely.text, &rates.comprehensive.text], ["60.74%", "40.01%", "51.41%"]);
}

#[test]
fn a_quantity_scores_its_share_and_never_more_than_its_points() {
    let indicator = |kind, target, actual| {
        let target_value = (target > 0).then_some(target);
        Indicator { kind, target_value, actual_value: Some(actual), points: 10_000, ..report().indicators.remove(0) }
    };
    for (kind, target, actual, score) in [
        (IndicatorKind::Positive, 98_000, 100_000, Some(10_000)),
        (IndicatorKind::Positive, 95_000, 90_000, Some(9_474)),
        (IndicatorKind::Positive, 3, 2, Some(6_667)),
        (IndicatorKind::Positive, 0, 2, None),
        (IndicatorKind::Negative, 60_000, 80_000, Some(7_500)),
        (IndicatorKind::Negative, 60_000, 30_000, Some(10_000)),
        (IndicatorKind::Negative, 60_000, 0, Some(10_000)),
        (IndicatorKind::Qualitative, 60_000, 30_000, None),
        (IndicatorKind::Positive, MOST, MOST, Some(10_000)),
    ] {
        assert_eq!(indicator(kind, target, actual).rule_score(), score, "{kind} {target} {actual}");
    }
}

#[test]
fn each_rule_finds_what_it_is_for() {
    assert!(found(&sound()).is_empty());
    assert_eq!(found_when(|r| r.printed_total = Some(94_000)), [at(F::TotalDiffers, "printed_total")]);
    assert_eq!(found_when(|r| r.budget_score = 11_000), [at(F::ScoreAbovePoints, "budget_score")]);
    assert_eq!(found_when(|r| r.budget_score = 4_000), [at(F::ScoreBelowRule, "budget_score")]);
    // Two digits of a rounded score are no error.
    assert!(found_when(|r| r.budget_score = 5_050).is_empty());
    assert_eq!(found_when(|r| r.funds.clear()), [at(F::ValueMissing, "funds")]);
    assert_eq!(found_when(|r| r.funds[2].planned = Some(1)), [at(F::FundsDiffer, "funds/planned")]);
    assert_eq!(found_when(|r| r.indicators[1].score = 20_001), [at(F::ScoreAbovePoints, "indicators/1")]);
    assert_eq!(found_when(|r| r.indicators[0].actual_value = None), [at(F::ValueMissing, "indicators/0")]);
    let lower = |r: &mut SelfEvaluation| r.indicators[0].actual_value = Some(49_000);
    assert_eq!(found_when(lower), [at(F::ScoreAboveRule, "indicators/0")]);
    assert_eq!(found_when(|r| r.indicators[4].grade = None), [at(F::GradeMissing, "indicators/4")]);
    let levels = [at(F::LevelSum, "level_points/benefit")];
    assert_eq!(found_when(|r| r.indicators[4].points = 6_000)[1..], levels);
    let unusual = found_when(|r| (r.level_points.budget, r.budget_score) = (20_000, 10_000));
    assert_eq!(unusual, [at(F::LevelsUnusual, "level_points"), at(F::PointsSum, "level_points")]);
    let common = |r: &mut SelfEvaluation| {
        r.common_indicators[0].points = 3_000;
        r.common_printed_total = None;
    };
    let expected = [at(F::ScoreAbovePoints, "common_indicators/0"), at(F::PointsSum, "common_indicators")];
    assert_eq!(found_when(common), expected);
}

#[test]
fn a_qualitative_score_lies_in_the_band_of_its_grade() {
    for (grade, score, within) in [
        (IndicatorGrade::Reached, 10_000, true),
        (IndicatorGrade::Reached, 8_000, true),
        (IndicatorGrade::Reached, 7_999, false),
        (IndicatorGrade::Partly, 8_000, false),
        (IndicatorGrade::Partly, 7_999, true),
        (IndicatorGrade::Partly, 5_000, true),
        (IndicatorGrade::Partly, 4_999, false),
        (IndicatorGrade::Missed, 5_000, false),
        (IndicatorGrade::Missed, 4_999, true),
        (IndicatorGrade::Missed, 0, true),
    ] {
        let found = found_when(|report| {
            let indicator = &mut report.indicators[7];
            (indicator.grade, indicator.score, indicator.reason) = (Some(grade), score, "经费不足".to_owned());
        });
        assert_eq!(found.is_empty(), within, "{grade} {score}: {found:?}");
    }
}

#[test]
fn every_error_needs_words_and_words_need_a_finding() {
    let findings = report().assess().findings;
    let words = |code, place: &str, words: &str| Acknowledgement { code, place: place.into(), words: words.into() };
    let budget = words(F::ScoreAboveRule, "budget_score", "当年未支付部分已结转");
    let total = words(F::TotalDiffers, "printed_total", "笔误，应为95");
    let holds = |given: &[&Acknowledgement]| {
        let given: Vec<Acknowledgement> = given.iter().map(|words| (*words).clone()).collect();
        check_acknowledged(&findings, &given).is_ok()
    };
    assert!(holds(&[&budget, &total]));
    assert!(!holds(&[]) && !holds(&[&budget]), "each of them");
    assert!(!holds(&[&budget, &total, &total]), "once");
    assert!(!holds(&[&budget, &words(F::TotalDiffers, "printed_total", " ")]), "in words");
    assert!(!holds(&[&budget, &total, &words(F::PointsSum, "level_points", "x")]), "nothing else");
    assert!(holds(&[&budget, &total, &words(F::ReasonMissing, "indicators/8", "已补充")]), "warnings may have words");
}

#[test]
fn what_can_not_be_a_report_is_refused() {
    let refused = |change: fn(&mut SelfEvaluation)| {
        let mut report = report();
        change(&mut report);
        assert_eq!(report.check().map_err(|error| error.code), Err(Code::ValueInvalid));
    };
    refused(|r| r.indicators.clear());
    refused(|r| r.indicators = vec![r.indicators[0].clone(); 101]);
    refused(|r| r.funds.push(r.funds[0]));
    refused(|r| r.budget_score = -1);
    refused(|r| r.indicators[0].actual_value = Some(i64::MAX));
    refused(|r| r.goal = "长".repeat(2001));
    refused(|r| r.project = " ".to_owned());
}
