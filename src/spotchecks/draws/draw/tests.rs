//! The draw's own tests: the vector of its design, consistency, fairness, and what happens to a unit that lacks a kind.

use super::*;

fn site(code: &str, kind: SiteKind, weight: u32) -> FrameSite {
    FrameSite { code: code.to_owned(), kind, weight }
}

fn sites(unit: &str, kind: SiteKind, count: usize) -> Vec<FrameSite> {
    (1..=count).map(|n| site(&format!("{unit}-{kind}-{n:03}"), kind, 1)).collect()
}

fn unit(code: &str, sites: Vec<FrameSite>) -> FrameUnit {
    FrameUnit { code: code.to_owned(), name: code.to_owned(), sites }
}

fn full(code: &str, each: usize) -> FrameUnit {
    unit(code, SiteKind::ALL.iter().flat_map(|kind| sites(code, *kind, each)).collect())
}

fn stand_ins(of: &[(SiteKind, &[SiteKind])]) -> Substitution {
    Substitution { version: 1, stand_ins: of.iter().map(|(kind, list)| (kind.to_string(), list.to_vec())).collect() }
}

fn frame(units: Vec<FrameUnit>) -> Frame {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Frame {
        format: "chengguan-draw-frame/1".into(),
        rule: RULE.into(),
        week: "2026-W48".into(),
        sources: vec![SourceName { name: "骰子".into(), issue: "2026-W48".into() }],
        substitution: stand_ins(&[]),
        teams: list(&["T1", "T2"]),
        days: list(&["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27"]),
        bands: list(&["09:00-11:30", "14:30-17:00"]),
        recheck_per_mille: 50,
        double_after_weeks: None,
        commit_until: "2026-11-20T10:00:00Z".into(),
        lottery_at: "2026-11-22T13:15:00Z".into(),
        centre_commitment: hex(&sha256("ab".repeat(16).as_bytes())),
        units,
    }
}

fn picked(key: &str, unit: &FrameUnit, rules: &Substitution) -> Vec<String> {
    draw_unit(key, unit, rules).0.into_iter().map(|(_, _, site)| site).collect()
}

#[test]
fn the_published_vector_holds() {
    let key = key("2026-W47|福彩3D:2026312=4-0-7|commit:3f1c");
    assert!(key.starts_with("ff0d716f") && key.ends_with("f1ed362"), "{key}");
    let mains: Vec<FrameSite> = (1..=40).map(|n| site(&format!("U07/main/{n:03}"), SiteKind::MainRoad, 1)).collect();
    assert_eq!(picked(&key, &unit("U07", mains), &stand_ins(&[])), ["U07/main/027", "U07/main/007"]);
    assert!(hex(&ticket(&key, "U07/main/027")).starts_with("014ae078"));
    assert!(hex(&ticket(&key, "U07/main/007")).starts_with("01bf5c33"));
}

#[test]
fn a_unit_is_visited_two_two_and_once_of_each_other_kind() {
    let key = key("x");
    let (picks, left) = draw_unit(&key, &full("U01", 4), &stand_ins(&[]));
    let kinds: Vec<SiteKind> = picks.iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(kinds, crate::spotchecks::rules::SLOTS);
    assert_eq!(picks.iter().map(|(slot, _, _)| *slot).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(left.values().map(Vec::len).sum::<usize>(), 28 - 9);
}

#[test]
fn striking_or_adding_a_site_moves_nobody_else() {
    for n in 0..300 {
        let key = key(&format!("seed {n}"));
        let before = full("U01", 2 + n % 5);
        let picks = picked(&key, &before, &stand_ins(&[]));
        let gone = &before.sites[n % before.sites.len()];
        let without = unit("U01", before.sites.iter().filter(|site| *site != gone).cloned().collect());
        let after = picked(&key, &without, &stand_ins(&[]));
        let left: Vec<&String> = picks.iter().filter(|site| **site != gone.code).collect();
        assert!(left.iter().all(|site| after.contains(site)), "{n}: who was drawn and is there is still drawn");
        let came = after.iter().filter(|site| !picks.contains(site)).count();
        assert!(
            came <= usize::from(picks.contains(&gone.code)),
            "{n}: at most one takes the place of the one that went"
        );
    }
}

#[test]
fn a_kind_that_is_missing_is_filled_in_the_order_of_the_frame() {
    use SiteKind::{BackStreet, MainRoad, Other, Toilet};
    let rules = stand_ins(&[(Toilet, &[Other, MainRoad]), (SiteKind::Market, &[BackStreet])]);
    let mut all = full("U01", 3).sites;
    all.retain(|site| !matches!(site.kind, Toilet | SiteKind::Market));
    let key = key("y");
    let (picks, _) = draw_unit(&key, &unit("U01", all.clone()), &rules);
    let of = |slot: u32| picks.iter().find(|pick| pick.0 == slot).map(|pick| pick.2.clone()).unwrap_or_default();
    assert!(of(6).starts_with("U01-back_street") && of(8).starts_with("U01-other"), "{picks:?}");
    let distinct: BTreeSet<&String> = picks.iter().map(|pick| &pick.2).collect();
    assert_eq!(distinct.len(), 9, "nothing is visited twice");
    // One other area only: it has its own slot, and the toilet's goes to a main road.
    all.retain(|site| site.kind != Other || site.code.ends_with("001"));
    let (picks, _) = draw_unit(&key, &unit("U01", all.clone()), &rules);
    let eighth = picks.iter().find(|pick| pick.0 == 8).map(|pick| pick.2.clone()).unwrap_or_default();
    assert!(eighth.starts_with("U01-main_road"), "{picks:?}");
    all.retain(|site| site.kind == Other);
    assert_eq!(picked(&key, &unit("U01", all), &rules), ["U01-other-001"], "what nothing stands in for stays empty");
}

#[test]
fn a_site_that_can_t_be_reached_gives_way_to_the_next_of_its_kind_and_then_to_those_that_stand_in() {
    let rules = stand_ins(&[(SiteKind::Toilet, &[SiteKind::Other])]);
    let mut week = frame(vec![full("U01", 2)]);
    week.substitution = rules.clone();
    let outcome = draw(&week, "", "z");
    let unit = &outcome.units[0];
    let mut used = BTreeSet::new();
    let mut came = Vec::new();
    while let Some(next) = next_of(unit, SiteKind::Toilet, &rules, &used) {
        used.insert(next.clone());
        came.push(next);
    }
    assert_eq!(came.len(), 2, "{came:?}");
    assert!(came[0].starts_with("U01-toilet") && came[1].starts_with("U01-other"), "{came:?}");
}

#[test]
fn teams_days_and_bands_are_shared_out_evenly_and_every_way_has_each_place_once() {
    let units: Vec<FrameUnit> = (1..=32).map(|n| full(&format!("U{n:02}"), 3)).collect();
    let outcome = draw(&frame(units), "", "evenly");
    let count = |of: fn(&DrawnUnit) -> String| {
        let mut counts = BTreeMap::<String, usize>::new();
        outcome.units.iter().for_each(|unit| *counts.entry(of(unit)).or_default() += 1);
        counts.into_values().collect::<Vec<_>>()
    };
    assert_eq!(count(|unit| unit.day.clone()), [7, 7, 6, 6, 6]);
    assert!(count(|unit| unit.team.clone()).iter().all(|n| (15..=17).contains(n)));
    assert!(count(|unit| format!("{} {}", unit.team, unit.day)).iter().all(|n| (3..=4).contains(n)));
    for unit in &outcome.units {
        let mut orders: Vec<u32> = unit.picks.iter().map(|pick| pick.order).collect();
        orders.sort_unstable();
        assert_eq!(orders, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    assert_eq!(outcome.rechecks.len(), 14, "5 % of 288");
    for recheck in &outcome.rechecks {
        let unit = outcome.units.iter().find(|unit| unit.code == recheck.unit).unwrap();
        assert!(unit.team != recheck.team && recheck.day >= unit.day);
        assert!(unit.picks.iter().any(|pick| pick.slot == recheck.slot && pick.site == recheck.site));
    }
}

/// Pearson's statistic of how often sites were drawn, each with the probability it should have. Without replacement a
/// kind's k draws of n hang together: dividing by 1 − p and weighing with (n − 1)/n makes it χ² of n − 1 again.
fn chi_square(counts: &[u32], probabilities: &[f64], draws: f64, without_replacement: bool) -> f64 {
    let n = counts.len() as f64;
    let term = |(count, p): (&u32, &f64)| {
        let spread = if without_replacement { draws * p * (1.0 - p) * n / (n - 1.0) } else { draws * p };
        (f64::from(*count) - draws * p).powi(2) / spread
    };
    counts.iter().zip(probabilities).map(term).sum()
}

#[test]
fn over_100_000_seeds_every_site_is_drawn_as_often_as_it_should_be() {
    let (mains, mut toilets) = (sites("U01", SiteKind::MainRoad, 5), sites("U01", SiteKind::Toilet, 3));
    toilets[1].weight = 2;
    let codes: Vec<String> = mains.iter().chain(&toilets).map(|site| site.code.clone()).collect();
    let unit = unit("U01", mains.into_iter().chain(toilets).collect());
    let mut counts = [0_u32; 8];
    for n in 0..100_000 {
        for site in picked(&key(&format!("2026-W48|{n}")), &unit, &stand_ins(&[])) {
            counts[codes.iter().position(|code| *code == site).unwrap()] += 1;
        }
    }
    let mains = chi_square(&counts[..5], &[0.4; 5], 100_000.0, true);
    let toilets = chi_square(&counts[5..], &[0.25, 0.5, 0.25], 100_000.0, false);
    println!("{counts:?}: chi-square {mains:.2} of 4 degrees, {toilets:.2} of 2");
    // The 99.9 % points of χ² with 4 and 2 degrees of freedom.
    assert!(mains < 18.47 && toilets < 13.82, "{mains} {toilets}");
    let blind = chi_square(&counts[5..], &[1.0 / 3.0; 3], 100_000.0, false);
    assert!(blind > 1000.0, "a draw that forgot the weight would be found: {blind}");
}

#[test]
fn one_changed_byte_of_frame_or_seed_is_seen() {
    let pack = packed(&frame(vec![full("U01", 3), full("U02", 2)]));
    assert!(verify(&pack).is_ok());
    let changed = |change: fn(&mut Pack)| {
        let mut changed = pack.clone();
        change(&mut changed);
        verify(&changed).unwrap_err()
    };
    let rehash = |pack: &mut Pack| pack.frame_sha256 = hex(&sha256(pack.frame.as_bytes()));
    assert_eq!(changed(|pack| pack.frame = pack.frame.replace("U02-toilet-002", "U02-toilet-003")), Mismatch::Frame);
    let mut hidden = pack.clone();
    hidden.frame = hidden.frame.replace("U02-toilet-002", "U02-toilet-003");
    rehash(&mut hidden);
    assert_eq!(verify(&hidden).unwrap_err(), Mismatch::Draw, "and the log holds the old hash");
    assert_eq!(changed(|pack| pack.seed = pack.seed.replace("0123", "1123")), Mismatch::Seed);
    assert_eq!(changed(|pack| pack.sources[0].result = "11234567890123456789".into()), Mismatch::Seed);
    assert_eq!(changed(|pack| pack.sources[0].issue = "2026-W49".into()), Mismatch::Sources);
    assert_eq!(changed(|pack| pack.nonces[0].nonce = None), Mismatch::Nonce);
    assert_eq!(changed(|pack| pack.nonces[1].nonce = Some("ab".repeat(16))), Mismatch::Nonce);
    assert_eq!(changed(|pack| pack.nonces.truncate(2)), Mismatch::Nonce);
    assert_eq!(changed(|pack| pack.result = pack.result.replace("T1", "T2")), Mismatch::Draw);
    assert_eq!(changed(|pack| pack.result_sha256 = UNOPENED.into()), Mismatch::Result);
}

fn packed(frame: &Frame) -> Pack {
    let text = |value: serde_json::Value| canonical(&value).unwrap();
    let digest = |text: &str| hex(&sha256(text.as_bytes()));
    let frame_text = text(serde_json::to_value(frame).unwrap());
    let sources = vec![Source {
        name: "骰子".into(),
        issue: frame.week.clone(),
        result: "01234567890123456789".into(),
        origin: "x".into(),
    }];
    let nonce = |unit: &str, nonce: String, opened: bool| {
        let commitment = Some(digest(&nonce));
        UnitNonce { unit: unit.to_owned(), commitment, nonce: opened.then_some(nonce) }
    };
    let mut nonces = vec![nonce(CENTRE, "ab".repeat(16), true)];
    nonces.extend((0..).zip(&frame.units).map(|(n, unit)| nonce(&unit.code, "cd".repeat(16), n % 2 == 0)));
    let seed = seed_text(&frame.week, &sources, &nonces);
    let result = text(serde_json::to_value(draw(frame, &digest(&frame_text), &seed)).unwrap());
    Pack {
        format: "chengguan-draw-pack/1".into(),
        frame_sha256: digest(&frame_text),
        frame: frame_text,
        frame_entry: String::new(),
        sources,
        nonces,
        seed,
        result_sha256: digest(&result),
        result,
        result_entry: String::new(),
    }
}
