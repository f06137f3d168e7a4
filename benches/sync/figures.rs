//! Rounds as rows of a table, and the ratios between them.

use std::io::Write;

/// What a benchmark's steps return.
pub type Done<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Rates of the rounds of one thing, each in the same unit.
pub type Rates = Vec<f64>;

/// A line on standard output.
pub fn say(line: impl std::fmt::Display) -> Done {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// The head of a table.
pub fn head(title: &str) -> Done {
    say(format_args!("\n{title:<58} {:>10} {:>10} {:>10}", "median", "best", "worst"))
}

/// One row: more is better.
pub fn row(name: &str, rates: &[f64], unit: &str) -> Done {
    let best = rates.iter().copied().fold(f64::MIN, f64::max);
    let worst = rates.iter().copied().fold(f64::MAX, f64::min);
    say(format_args!("{name:<58} {:>10.0} {best:>10.0} {worst:>10.0}  {unit}", median(rates)))
}

/// The middle one, the upper of two.
pub fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
