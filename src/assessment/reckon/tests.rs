//! Months made by hand, and a thousand random ones.

use super::*;
use crate::{
    assessment::{
        pack::{Pack, replay},
        rules::POINT,
    },
    env::Env,
};
use chrono::DateTime;

const NAMES: [&str; 2] = ["甲单位", "乙单位"];

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn unit(n: u128, class: Option<UnitClass>) -> UnitIn {
    UnitIn {
        id: UnitId(id(n)),
        code: format!("U{n:02}"),
        name: NAMES[n as usize % 2].into(),
        class,
        filed: 0,
        filed_year_before: 0,
    }
}

fn case(n: u128, unit: u128, outcome: CaseOutcome) -> CaseIn {
    CaseIn {
        id: CaseId(id(1000 + n)),
        number: format!("431221-{n}"),
        unit_id: UnitId(id(unit)),
        outcome,
        exempt: false,
    }
}

fn cases(unit: u128, outcomes: [(CaseOutcome, usize); 3]) -> Vec<CaseIn> {
    let each = outcomes.into_iter().flat_map(|(outcome, times)| std::iter::repeat_n(outcome, times));
    each.enumerate().map(|(n, outcome)| case(unit * 100_000 + n as u128, unit, outcome)).collect()
}

fn check(n: u128, unit: u128, score: i32) -> CheckIn {
    let (id, unit_id) = (SpotCheckId(id(n)), UnitId(id(unit)));
    CheckIn { id, unit_id, week: "2026-W41".into(), site: "芙蓉路".into(), score }
}

fn letter(n: u128, unit: u128, score: i32) -> LetterIn {
    let (id, unit_id) = (LetterId(id(n)), UnitId(id(unit)));
    LetterIn { id, number: format!("〔2026〕{n}号"), unit_id, score, why: "按期完成".into() }
}

fn merit(n: u128, unit: u128, item: &str, times: i32) -> MeritIn {
    let (id, unit_id) = (MeritId(id(n)), UnitId(id(unit)));
    MeritIn { id, unit_id, item: item.parse().unwrap(), times, summary: "通报".into() }
}

fn month(inputs: &Inputs) -> Outcome {
    reckon(&RuleSet::county(), inputs)
}

fn only(inputs: Inputs) -> Total {
    let totals = month(&inputs).totals;
    assert_eq!(totals.len(), 1);
    totals[0].clone()
}

use CaseOutcome::{Late, Timely, Unsolved};

#[test]
fn the_year_of_the_county_is_worth_what_its_comprehensive_rate_says() {
    let outcomes = [(Timely, 5_867), (Late, 8_907 - 5_867), (Unsolved, 14_664 - 8_907)];
    let inputs = Inputs { units: vec![unit(1, Some(UnitClass::A))], cases: cases(1, outcomes), ..Inputs::default() };
    let total = only(inputs);
    // (5867 + 0.55 × 3040) ÷ 14664 = 51.41 % of 60 points.
    assert_eq!((total.digital_cases, total.cases), (30_847, 14_664));
    assert_eq!(total.total, 30_847 + 20_000 + 20_000, "nobody looked and nothing was urged: both count in full");
}

#[test]
fn lines_of_a_part_add_up_to_the_rounded_mean_and_each_is_the_fair_share_within_a_thousandth() {
    for (timely, late, unsolved) in [(1, 0, 0), (1, 1, 1), (7, 3, 1), (0, 0, 3), (37, 11, 5)] {
        let n = timely + late + unsolved;
        let inputs = Inputs {
            units: vec![unit(1, Some(UnitClass::B))],
            cases: cases(1, [(Timely, timely), (Late, late), (Unsolved, unsolved)]),
            ..Inputs::default()
        };
        let outcome = month(&inputs);
        let exact = 60_000.0 * (timely as f64 + 0.55 * late as f64) / n as f64;
        assert!((f64::from(outcome.totals[0].digital_cases) - exact).abs() <= 0.5, "{timely} {late} {unsolved}");
        for line in outcome.lines.iter().filter(|line| line.part == ScorePart::DigitalCases) {
            let share = match line.item.as_str() {
                "timely" => 60_000.0 / n as f64,
                "late" => 33_000.0 / n as f64,
                _ => 0.0,
            };
            assert!((f64::from(line.delta) - share).abs() <= 1.0, "{line:?}");
        }
    }
}

#[test]
fn an_exempt_case_counts_as_timely_when_it_is_closed_and_not_at_all_when_it_is_open() {
    let mut cases = cases(1, [(Timely, 1), (Late, 1), (Unsolved, 1)]);
    cases.iter_mut().for_each(|case| case.exempt = true);
    let inputs = Inputs { units: vec![unit(1, Some(UnitClass::A))], cases, ..Inputs::default() };
    let outcome = month(&inputs);
    let items: Vec<(&str, i32)> = outcome.lines.iter().take(3).map(|l| (l.item.as_str(), l.delta)).collect();
    assert_eq!(items, [("timely", 30_000), ("exempt", 30_000), ("exempt", 0)]);
    assert_eq!(outcome.totals[0].cases, 2);
}

#[test]
fn spot_checks_and_letters_count_by_their_mean() {
    let inputs = Inputs {
        units: vec![unit(1, Some(UnitClass::A))],
        cases: cases(1, [(Timely, 1), (Late, 0), (Unsolved, 0)]),
        checks: vec![check(1, 1, 100_000), check(2, 1, 85_500), check(3, 1, 90_000)],
        letters: vec![letter(1, 1, 60_000), letter(2, 1, 0)],
        ..Inputs::default()
    };
    let total = only(inputs);
    assert_eq!((total.spot_checks, total.supervision, total.total), (18_367, 6_000, 60_000 + 18_367 + 6_000));
}

#[test]
fn the_list_adds_and_takes_at_most_its_cap_and_says_so() {
    let with = |merits: Vec<MeritIn>| Inputs {
        units: vec![unit(1, Some(UnitClass::A))],
        cases: cases(1, [(Timely, 1), (Late, 0), (Unsolved, 0)]),
        merits,
        ..Inputs::default()
    };
    assert_eq!(only(with(vec![merit(1, 1, "praised", 3), merit(2, 1, "criticised", 1)])).merits, 1_000);
    let over = month(&with(vec![merit(1, 1, "reputation_won", 4)]));
    assert_eq!(over.totals[0].merits, 5_000);
    assert!(over.lines.iter().any(|line| line.item == "cap" && line.delta == -3_000));
    let under = month(&with(vec![merit(1, 1, "fault", 9)]));
    assert!(under.lines.iter().any(|line| line.item == "cap" && line.delta == 13_000));
    assert_eq!(under.totals[0].total, 95_000);
}

#[test]
fn fewer_cases_than_a_year_before_count_by_the_whole_percent() {
    let mut fewer = unit(1, Some(UnitClass::A));
    (fewer.filed, fewer.filed_year_before) = (80, 100);
    let inputs = Inputs {
        units: vec![fewer],
        cases: cases(1, [(Timely, 1), (Late, 0), (Unsolved, 0)]),
        merits: vec![merit(1, 1, "not_reporting", 1)],
        ..Inputs::default()
    };
    assert_eq!(only(inputs).merits, 1_500);
}

#[test]
fn a_veto_makes_the_score_void_and_puts_the_unit_last() {
    let inputs = Inputs {
        units: vec![unit(1, Some(UnitClass::A)), unit(2, Some(UnitClass::A))],
        cases: [cases(1, [(Timely, 9), (Late, 0), (Unsolved, 0)]), cases(2, [(Timely, 0), (Late, 0), (Unsolved, 4)])]
            .concat(),
        merits: vec![merit(1, 1, "exposed", 1), merit(2, 1, "praised", 2)],
        ..Inputs::default()
    };
    let totals = month(&inputs).totals;
    assert_eq!((totals[0].total, totals[0].veto, totals[0].rank, totals[0].band), (0, true, Some(2), Some(2)));
    assert_eq!((totals[1].rank, totals[1].band), (Some(1), Some(1)));
}

#[test]
fn classes_are_ranked_apart_equal_totals_share_a_place_and_without_a_case_there_is_none() {
    let (a, b) = (Some(UnitClass::A), Some(UnitClass::B));
    let inputs = Inputs {
        units: vec![unit(1, a), unit(2, a), unit(3, a), unit(4, b), unit(5, a), unit(6, None)],
        cases: [
            cases(1, [(Timely, 1), (Late, 1), (Unsolved, 0)]),
            cases(2, [(Timely, 2), (Late, 2), (Unsolved, 0)]),
            cases(3, [(Timely, 0), (Late, 1), (Unsolved, 0)]),
            cases(4, [(Timely, 0), (Late, 0), (Unsolved, 1)]),
            cases(6, [(Timely, 1), (Late, 0), (Unsolved, 0)]),
        ]
        .concat(),
        ..Inputs::default()
    };
    let ranks: Vec<Option<i32>> = month(&inputs).totals.iter().map(|total| total.rank).collect();
    assert_eq!(ranks, [Some(1), Some(1), Some(3), Some(1), None, None]);
}

#[test]
fn wilsons_interval_is_the_textbooks_and_never_leaves_the_scale() {
    // 9 of 10 at 95 %: 0.5958 to 0.9821 (the usual example).
    let marks: Vec<i64> = [vec![100_000; 9], vec![0]].concat();
    assert_eq!(wilson(10_000, &marks, 95), (9_000 - 5_958, 9_821 - 9_000));
    assert_eq!(wilson(20_000, &[100_000; 36], 90).1, 0);
    assert_eq!(wilson(20_000, &[0; 36], 90).0, 0);
    assert_eq!(wilson(20_000, &[], 90), (0, 0));
}

#[test]
fn units_whose_difference_may_be_chance_share_a_band() {
    let all = [(Timely, 1), (Late, 0), (Unsolved, 0)];
    let visits = |unit: u128, score: i32| (0..36).map(move |n| check(unit * 100 + n, unit, score)).collect::<Vec<_>>();
    let units = (1..=3).map(|n| unit(n, Some(UnitClass::A))).collect();
    let inputs = Inputs {
        units,
        cases: (1..=3).flat_map(|n| cases(n, all)).collect(),
        checks: [visits(1, 95_000), visits(2, 93_000), visits(3, 60_000)].concat(),
        ..Inputs::default()
    };
    let totals = month(&inputs).totals;
    assert_eq!(totals.iter().map(|t| t.rank).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(totals.iter().map(|t| t.band).collect::<Vec<_>>(), [Some(1), Some(1), Some(2)], "{totals:#?}");
}

#[test]
fn a_counter_line_stands_beside_the_line_and_changes_no_other() {
    let mut inputs = Inputs {
        units: vec![unit(1, Some(UnitClass::A)), unit(2, Some(UnitClass::A))],
        cases: [cases(1, [(Timely, 1), (Late, 1), (Unsolved, 0)]), cases(2, [(Timely, 1), (Late, 0), (Unsolved, 0)])]
            .concat(),
        ..Inputs::default()
    };
    let before = month(&inputs);
    let late = before.lines.iter().find(|line| line.item == "late").unwrap();
    let counter = CounterIn { id: ObjectionId(id(9)), line: late.n, delta: 13_500, why: "停电".into() };
    inputs.counters.push(counter);
    let after = month(&inputs);
    assert_eq!(after.lines[..before.lines.len()], before.lines[..]);
    let last = after.lines.last().unwrap();
    assert_eq!((last.counters, last.delta, last.part), (Some(late.n), 13_500, ScorePart::DigitalCases));
    assert_eq!(after.totals[0].total, before.totals[0].total + 13_500);
    assert_eq!((before.totals[0].rank, after.totals[0].rank), (Some(2), Some(1)));
}

/// A month as it might be, from dice: all paths of the rules come often.
fn random(env: &Env, units: u128) -> Inputs {
    let dice = |below: u32| env.below(below);
    let mut inputs = Inputs::default();
    let mut next = 1_000_000;
    for n in 1..=units {
        let class = [Some(UnitClass::A), Some(UnitClass::B), Some(UnitClass::A), None][dice(4) as usize];
        let mut one = unit(n, class);
        (one.filed, one.filed_year_before) = (dice(60) as i64, dice(60) as i64);
        inputs.units.push(one);
        let mut fresh = || {
            next += 1;
            next
        };
        for _ in 0..[0, 1, 4, 11][dice(4) as usize] {
            let mut one = case(fresh(), n, CaseOutcome::ALL[dice(3) as usize]);
            one.exempt = dice(10) == 0;
            inputs.cases.push(one);
        }
        for _ in 0..dice(9) {
            inputs.checks.push(check(fresh(), n, dice(100_001) as i32));
        }
        for _ in 0..dice(3) {
            inputs.letters.push(letter(fresh(), n, dice(100_001) as i32));
        }
        let items = ["praised", "reputation_kept", "reputation_won", "criticised", "fault", "not_reporting", "exposed"];
        for _ in 0..dice(4) {
            let item = items[dice(items.len() as u32) as usize];
            inputs.merits.push(merit(fresh(), n, item, 1 + dice(3) as i32));
        }
    }
    let lines = month(&inputs).lines.len() as u32;
    for _ in 0..dice(4) {
        let delta = dice(2_000) as i32 - 1_000;
        let counter = CounterIn { id: ObjectionId(id(1)), line: dice(lines) as i32 + 1, delta, why: "申诉".into() };
        inputs.counters.push(counter);
    }
    inputs
}

#[test]
fn in_a_thousand_random_months_totals_are_sums_of_lines_and_a_replay_is_equal() {
    let env = Env::simulated(DateTime::UNIX_EPOCH, 6).0;
    let (mut vetoes, mut caps, mut ties, mut alone, mut counters) = (0, 0, 0, 0, 0);
    for n in 0..1000 {
        let inputs = random(&env, 5);
        let rules = RuleSet::county();
        let outcome = reckon(&rules, &inputs);
        for total in &outcome.totals {
            let sum: i32 = outcome.lines.iter().filter(|l| l.unit_id == total.unit_id).map(|l| l.delta).sum();
            assert_eq!(sum, total.total, "month {n}");
            let parts = total.digital_cases + total.spot_checks + total.supervision + total.merits;
            assert_eq!(parts, total.total, "month {n}");
            assert_eq!(total.rank.is_some(), total.class.is_some() && total.cases > 0, "month {n}");
            alone += usize::from(total.rank.is_none());
        }
        vetoes += outcome.totals.iter().filter(|total| total.veto).count();
        caps += outcome.lines.iter().filter(|line| line.item == "cap").count();
        counters += outcome.lines.iter().filter(|line| line.counters.is_some()).count();
        for class in [UnitClass::A, UnitClass::B] {
            let mut places: Vec<&Total> =
                outcome.totals.iter().filter(|t| t.class == Some(class) && t.rank.is_some()).collect();
            places.sort_by_key(|total| total.rank);
            for pair in places.windows(2) {
                ties += usize::from(pair[0].rank == pair[1].rank);
                assert!(pair[0].band <= pair[1].band, "month {n}");
                assert!(pair[1].veto || pair[0].total >= pair[1].total, "month {n}");
            }
        }
        let pack = Pack::new("2026-10", DateTime::UNIX_EPOCH, (0, rules), inputs, outcome);
        let text = pack.text().unwrap();
        let replayed = replay(&text).unwrap();
        assert_eq!(replayed.differences, Vec::<String>::new(), "month {n}");
        if n % 100 == 0 {
            assert_eq!(Pack::read(&text).unwrap(), pack);
        }
    }
    assert!(vetoes > 300 && caps > 300 && ties > 10 && alone > 300 && counters > 300);
}

#[test]
fn a_pack_that_was_changed_anywhere_is_found_unequal() {
    let env = Env::simulated(DateTime::UNIX_EPOCH, 7).0;
    let inputs = loop {
        let inputs = random(&env, 4);
        if inputs.cases.len() > 10 && inputs.checks.len() > 10 {
            break inputs;
        }
    };
    let rules = RuleSet::county();
    let outcome = reckon(&rules, &inputs);
    let pack = Pack::new("2026-10", DateTime::UNIX_EPOCH, (0, rules), inputs, outcome);
    let sound = replay(&pack.text().unwrap()).unwrap();
    assert!(sound.differences.is_empty());
    let changes: [fn(&mut Pack); 6] = [
        |pack| pack.lines[0].delta += 1,
        |pack| pack.totals[0].total += 1,
        |pack| pack.rules.digital_cases.late_percent = 60,
        |pack| pack.inputs.checks[0].score = (pack.inputs.checks[0].score + 50_000) % 100_000,
        |pack| drop(pack.inputs.cases.remove(0)),
        |pack| pack.totals[1].band = Some(9),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut changed = pack.clone();
        change(&mut changed);
        let replayed = replay(&changed.text().unwrap()).unwrap();
        assert!(!replayed.differences.is_empty(), "change {n}");
        assert_ne!(replayed.sha256, sound.sha256, "change {n}");
    }
    let respelt = pack.text().unwrap().replacen(',', ", ", 1);
    assert_eq!(replay(&respelt).unwrap().differences.len(), 1);
    assert!(replay("{}").is_err() && replay("").is_err());
}

#[test]
fn rules_that_cannot_be_computed_with_are_refused() {
    let county = RuleSet::county();
    assert!(county.check().is_ok());
    let changes: [fn(&mut RuleSet); 8] = [
        |rules| rules.digital_cases.points = 50 * POINT,
        |rules| rules.digital_cases.late_percent = 101,
        |rules| rules.spot_checks.points = -1,
        |rules| rules.merits.cap = -1,
        |rules| rules.merits.amounts.fault = 1,
        |rules| rules.confidence_percent = 91,
        |rules| rules.objection_days = 0,
        |rules| rules.title = String::new(),
    ];
    for change in changes {
        let mut rules = county.clone();
        change(&mut rules);
        assert!(rules.check().is_err(), "{rules:?}");
    }
}

/// What other implementations are held to (`api-spec/assessment.md`): each pack is equal, each change is told as written.
#[test]
fn the_published_vectors_hold() {
    let text = include_str!("../../../api-spec/assessment-vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let (packs, changes) = (vectors["packs"].as_array().unwrap(), vectors["changes"].as_array().unwrap());
    assert!(packs.len() >= 3 && changes.len() >= 7);
    for pack in packs {
        let replayed = replay(pack["text"].as_str().unwrap()).unwrap();
        assert_eq!(replayed.differences, [""; 0], "{}", pack["name"]);
        assert_eq!(replayed.sha256, pack["sha256"], "{}", pack["name"]);
    }
    for change in changes {
        let pack = packs[change["pack"].as_u64().unwrap() as usize]["text"].as_str().unwrap();
        let changed = pack.replacen(change["from"].as_str().unwrap(), change["to"].as_str().unwrap(), 1);
        assert_ne!(changed, pack, "{}", change["name"]);
        assert_eq!(
            serde_json::json!(replay(&changed).unwrap().differences),
            change["differences"],
            "{}",
            change["name"]
        );
    }
}
