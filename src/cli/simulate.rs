//! `chengguan simulate`: lives through histories of sync in which everything goes wrong, and judges each.

use super::say;
use crate::sim::dst::{self, Mutant};
use clap::Args;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Args)]
pub(super) struct SimulateArgs {
    /// How many histories
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Plant a defect, and say how many of the histories catch it
    #[arg(long)]
    mutant: Option<String>,
    /// Plant every defect in turn; fails when one is never caught
    #[arg(long)]
    mutants: bool,
    /// Print what happened in the first history
    #[arg(long)]
    trace: bool,
    /// Threads, 1–64
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    threads: u64,
}

struct Tally {
    caught: Vec<(u64, dst::check::Violation)>,
    ops: u64,
    answers: u64,
    seconds: f64,
}

impl SimulateArgs {
    fn seeds(&self, mutant: Option<Mutant>) -> Outcome<Tally> {
        let began = Instant::now();
        let keys = dst::keys()?;
        let next = AtomicU64::new(self.from);
        let end = self.from + self.seeds;
        let work = || {
            let (mut caught, mut ops, mut answers) = (vec![], 0, 0);
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    return (caught, ops, answers);
                }
                let outcome = dst::run(seed, mutant, &keys, false);
                caught.extend(outcome.violation.map(|violation| (seed, violation)));
                ops += u64::try_from(outcome.ops).unwrap_or(0);
                answers += outcome.answers;
            }
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut tally = Tally { caught: vec![], ops: 0, answers: 0, seconds: 0.0 };
        for part in parts {
            let (caught, ops, answers) = part.map_err(|_| "a history panicked; run it alone to see where")?;
            tally.caught.extend(caught);
            (tally.ops, tally.answers) = (tally.ops + ops, tally.answers + answers);
        }
        tally.caught.sort_by_key(|(seed, _)| *seed);
        tally.seconds = began.elapsed().as_secs_f64();
        Ok(tally)
    }

    fn rules(tally: &Tally) -> String {
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        tally.caught.iter().for_each(|(_, violation)| *rules.entry(violation.rule).or_default() += 1);
        let words: Vec<String> = rules.into_iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        words.join(", ")
    }

    #[expect(clippy::cast_precision_loss, reason = "shares for people")]
    fn share(&self, tally: &Tally) -> f64 {
        tally.caught.len() as f64 * 100.0 / self.seeds.max(1) as f64
    }
}

pub(super) fn run(args: &SimulateArgs) -> Outcome {
    let one = args.mutant.as_deref().map(str::parse::<Mutant>).transpose().map_err(|e| e.to_string())?;
    if args.trace {
        let outcome = dst::run(args.from, one, &dst::keys()?, true);
        outcome.trace.iter().for_each(say);
        return match outcome.violation {
            Some(violation) => Err(format!("seed {}: {violation}", args.from).into()),
            None => Ok(()),
        };
    }
    let mutants: &[Mutant] = match (&one, args.mutants) {
        (Some(one), _) => std::slice::from_ref(one),
        (None, true) => Mutant::ALL,
        (None, false) => &[],
    };
    let mut missed = vec![];
    for mutant in mutants {
        let tally = args.seeds(Some(*mutant))?;
        say(format_args!(
            "{:<24} caught by {:>5.1} % of {} seeds ({})",
            mutant.as_str(),
            args.share(&tally),
            args.seeds,
            SimulateArgs::rules(&tally)
        ));
        if tally.caught.is_empty() {
            missed.push(mutant.as_str());
        }
    }
    if !missed.is_empty() {
        return Err(format!("not caught: {}", missed.join(", ")).into());
    }
    if !mutants.is_empty() {
        return Ok(());
    }
    let tally = args.seeds(None)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = args.seeds as f64 / tally.seconds.max(0.001);
    say(format_args!(
        "{} seeds, {} operations, {} answers in {:.1} s ({rate:.0} seeds/s): {} violations",
        args.seeds,
        tally.ops,
        tally.answers,
        tally.seconds,
        tally.caught.len()
    ));
    for (seed, violation) in tally.caught.iter().take(10) {
        say(format_args!("seed {seed}: {violation}"));
    }
    match tally.caught.first() {
        Some((seed, _)) => {
            Err(format!("see it again: chengguan simulate --from {seed} --trace ({})", SimulateArgs::rules(&tally))
                .into())
        }
        None => Ok(()),
    }
}
