//! Boxes, scores, recurrence and the index.

use super::*;
use crate::evidence::datum::{distance_m, to_wgs84};

fn at(day: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day)
}

fn seen(n: u128, day: i64) -> Sighting {
    Sighting { id: Uuid::from_u128(n), kind: RecordKind::Case, at: at(day) }
}

/// A place so many metres from another, in a direction.
fn off(here: Position, metres: f64, direction: f64) -> Position {
    let lat = (metres * direction.cos() / EARTH_RADIUS_M).to_degrees();
    let lon = (metres * direction.sin() / EARTH_RADIUS_M).to_degrees() / here.lat().to_radians().cos();
    Position::new(here.lat() + lat, here.lon() + lon).unwrap()
}

/// Numbers of 0–1 that are the same in every run.
fn dice(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 33).unwrap()) / f64::from(1u32 << 31)
    }
}

#[test]
fn a_box_holds_all_that_is_within_the_radius_in_every_datum() {
    let mut roll = dice(5);
    for _ in 0..20_000 {
        let here = Position::new(27.2 + roll() * 0.6, 109.6 + roll() * 0.8).unwrap();
        let radius = 5.0 + roll() * 95.0;
        let place = off(here, radius * roll(), roll() * 6.3);
        if distance_m(here, place) > radius {
            continue;
        }
        for datum in Datum::ALL {
            let stated = from_wgs84(place, datum);
            let b = bounds(here, datum, radius);
            let inside = (b.south..=b.north).contains(&stated.lat()) && (b.west..=b.east).contains(&stated.lon());
            assert!(inside, "{datum}: {here:?} {place:?} {radius}");
            // Not so wide that it holds half the town.
            let corner = to_wgs84(Position::new(b.north, b.east).unwrap(), datum);
            assert!(distance_m(here, corner) < radius * 1.6 + 4.0, "{datum}: {radius}");
        }
    }
}

#[test]
fn the_narrower_radius_holds_for_a_class_of_unknown_kind() {
    assert_eq!(radius_m(None), radius_m(Some(ClassKind::Component)));
    assert!(radius_m(Some(ClassKind::Component)) < radius_m(Some(ClassKind::Event)));
    for kind in [None, Some(ClassKind::Component), Some(ClassKind::Event)] {
        assert!(radius(radius_m(kind)).is_ok());
    }
    assert!(radius(4).is_err() && radius(101).is_err());
    assert!(same_kind(None, Some(ClassKind::Event)) && !same_kind(Some(ClassKind::Component), Some(ClassKind::Event)));
}

#[test]
fn the_score_falls_with_distance_and_age() {
    let day = TimeDelta::days;
    assert_eq!((score(0.0, 15, day(0)), score(15.0, 15, day(90)), score(15.0, 15, day(400))), (100, 0, 0));
    assert!(score(5.0, 15, day(1)) > score(6.0, 15, day(1)) && score(5.0, 15, day(1)) > score(5.0, 15, day(9)));
}

#[test]
fn the_first_report_weighs_nothing_and_the_same_problem_again_weighs_whole() {
    let weighed = weigh(&[seen(1, 0), seen(2, 4), seen(3, 6)], &[at(10)], at(-10), at(30));
    let told: Vec<(i64, i64)> = weighed.iter().map(|w| (w.before.weight_percent(), w.points)).collect();
    // Six days and four days until it was solved.
    assert_eq!(told, [(0, 0), (100, 600), (100, 400)]);
}

#[test]
fn what_comes_back_weighs_by_how_soon() {
    for (days, weight, recurred) in
        [(1, 100, true), (7, 100, true), (8, 50, true), (30, 50, true), (31, 0, true), (90, 0, true), (91, 0, false)]
    {
        let before = before(&[seen(1, 0)], &[at(5)], at(5 + days));
        assert_eq!(before, Before::Solved(TimeDelta::days(days)));
        assert_eq!((before.weight_percent(), before.recurred().is_some()), (weight, recurred), "{days}");
    }
}

#[test]
fn once_it_is_back_the_next_report_is_of_the_same_problem() {
    let sightings = [seen(1, 0), seen(2, 40), seen(3, 42)];
    assert_eq!(before(&sightings, &[at(5)], at(40)), Before::Solved(TimeDelta::days(35)));
    assert_eq!(before(&sightings, &[at(5)], at(42)), Before::Unsolved);
}

#[test]
fn what_is_handled_on_the_spot_was_not_solved_before_it_was_seen() {
    assert_eq!(before(&[seen(1, 5)], &[at(5)], at(5)), Before::Nothing);
    let weighed = weigh(&[seen(1, 5), seen(2, 6)], &[at(5), at(6)], at(0), at(30));
    assert_eq!(weighed[1].before, Before::Solved(TimeDelta::days(1)));
    assert!(weighed.iter().all(|w| w.open.is_zero()));
}

#[test]
fn nothing_is_solved_while_another_case_is_open() {
    assert!(closings(&[(at(0), Some(at(5))), (at(3), None)]).is_empty());
    assert_eq!(closings(&[(at(0), Some(at(5))), (at(3), Some(at(9)))]), [at(9)]);
    assert_eq!(closings(&[(at(0), Some(at(5))), (at(6), None)]), [at(5)]);
}

#[test]
fn only_what_lies_in_the_time_is_weighed_and_what_is_open_counts_to_its_end() {
    let sightings = [seen(1, 0), seen(2, 10), seen(3, 40)];
    let weighed = weigh(&sightings, &[], at(5), at(30));
    assert_eq!(weighed.len(), 1);
    assert_eq!(
        (weighed[0].sighting.id, weighed[0].open, weighed[0].points),
        (Uuid::from_u128(2), TimeDelta::days(20), 2_000)
    );
}

#[test]
fn an_index_is_never_negative_and_never_more_than_all_its_days() {
    let mut roll = dice(8);
    for _ in 0..2_000 {
        let mut days = |n: f64| -> Vec<i64> {
            #[expect(clippy::cast_possible_truncation, reason = "small")]
            (0..(roll() * n) as usize).map(|_| (roll() * 120.0) as i64).collect()
        };
        let sightings: Vec<Sighting> = (1..).zip(days(9.0)).map(|(n, day)| seen(n, day)).collect();
        let closings: Vec<DateTime<Utc>> = days(5.0).into_iter().map(at).collect();
        for w in weigh(&sightings, &closings, at(30), at(120)) {
            assert!((0..=9_000).contains(&w.points) && w.open >= TimeDelta::zero(), "{w:?}");
            assert!(w.points <= w.open.num_hours() * 100 / 24 + 1, "{w:?}");
        }
    }
}

#[test]
fn an_index_is_read_with_two_places() {
    assert_eq!(MushroomIndex::from(1_205).text, "12.05");
    assert_eq!(MushroomIndex::from(0).text, "0.00");
}
