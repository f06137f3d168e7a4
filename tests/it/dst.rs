//! Histories in which everything goes wrong, on the real decisions: none may break a rule, and each planted defect must.

use chengguan::sim::dst::{self, Mutant};

/// Seeds of the bounded sample; `chengguan simulate --seeds N` lives through as many as wanted.
const SAMPLE: std::ops::Range<u64> = 1..250;
/// Histories in which a planted defect must be caught.
const TRIES: u64 = 1_500;

#[test]
fn no_history_of_the_sample_breaks_a_rule() {
    let keys = dst::keys().unwrap();
    let (mut ops, mut answers) = (0, 0);
    for seed in SAMPLE {
        let outcome = dst::run(seed, None, &keys, false);
        let again = format!("seed {seed}; again: chengguan simulate --from {seed} --trace");
        assert_eq!(outcome.violation, None, "{again}");
        (ops, answers) = (ops + outcome.ops, answers + outcome.answers);
    }
    assert!(ops > 2_000 && answers > 2_000, "people worked: {ops} operations, {answers} answers");
}

#[test]
fn each_planted_defect_is_caught() {
    let keys = dst::keys().unwrap();
    let caught =
        |mutant: &Mutant| (1..TRIES).any(|seed| dst::run(seed, Some(*mutant), &keys, false).violation.is_some());
    let missed: Vec<&Mutant> = Mutant::ALL.iter().filter(|mutant| !caught(mutant)).collect();
    assert!(missed.is_empty(), "no rule fails for {missed:?}");
}

#[test]
fn a_seed_gives_the_same_history_again() {
    let keys = dst::keys().unwrap();
    let (first, again) = (dst::run(11, None, &keys, true), dst::run(11, None, &keys, true));
    assert!(first.trace.len() > 50);
    assert_eq!(first.trace, again.trace);
    assert_ne!(first.trace, dst::run(12, None, &keys, true).trace);
}
