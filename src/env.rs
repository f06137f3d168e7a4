//! The outside world as values: clock, dice and the identifiers made of both.
//!
//! `Env` is the only place that reads the system's time or randomness (`clippy.toml` forbids it elsewhere), so a
//! test can stand still in time and a simulation can replay a seed.

use chrono::{DateTime, SubsecRound, Utc};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use uuid::Uuid;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The present, cut to microseconds: PostgreSQL stores no more, and an answer must equal a later read.
    fn now(&self) -> DateTime<Utc>;
}

/// Where randomness comes from. Must be unpredictable in production: tokens and ids are made of it.
pub trait Dice: Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// Whether anybody who knows a seed can say what comes next.
    fn is_predictable(&self) -> bool {
        false
    }
}

/// The two together; cheap to clone.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Env {
    /// The real clock and the operating system's randomness.
    pub fn system() -> Env {
        Env { clock: Arc::new(SystemClock), dice: Arc::new(SystemDice) }
    }

    /// The same dice with another clock: for a simulated device whose clock is wrong.
    pub fn with_clock(&self, clock: Arc<dyn Clock>) -> Env {
        Env { clock, dice: self.dice.clone() }
    }

    /// An `Env` for tests and simulations: time starts at `start` and moves only by [`SimClock::advance`].
    pub fn simulated(start: DateTime<Utc>, seed: u64) -> (Env, Arc<SimClock>) {
        let clock = Arc::new(SimClock(Mutex::new(start.trunc_subsecs(6))));
        (Env { clock: clock.clone(), dice: Arc::new(SimDice(AtomicU64::new(seed))) }, clock)
    }

    /// The present, microseconds.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A fresh UUIDv7 (RFC 9562 §5.7).
    pub fn id(&self) -> Uuid {
        let mut random = [0u8; 10];
        self.dice.fill(&mut random);
        let millis = u64::try_from(self.now().timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// `N` random bytes, for secrets.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0u8; N];
        self.dice.fill(&mut out);
        out
    }

    /// Whether its randomness is a simulation's, which guards no secret.
    pub fn is_simulated(&self) -> bool {
        self.dice.is_predictable()
    }

    /// A random number in `0..bound`; `bound` must be above 0. The bias is below 2⁻³² for the small bounds it is used for.
    pub fn below(&self, bound: u32) -> u32 {
        let wide = u64::from_le_bytes(self.bytes::<8>());
        u32::try_from(wide % u64::from(bound.max(1))).unwrap_or(0)
    }
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

struct SystemDice;

impl Dice for SystemDice {
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the operating system's random source answers, or nothing here is safe");
    }
}

/// A clock that stands still until it is told to move.
pub struct SimClock(Mutex<DateTime<Utc>>);

impl SimClock {
    /// Moves the time on by `step` (or back, when negative).
    pub fn advance(&self, step: chrono::TimeDelta) {
        let mut now = self.0.lock().expect("no code panics while it holds the simulated clock");
        *now += step;
    }
}

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("no code panics while it holds the simulated clock")
    }
}

/// SplitMix64: seeded, small, and good enough for a simulation; never used for secrets outside tests.
struct SimDice(AtomicU64);

impl Dice for SimDice {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    fn is_predictable(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_ids_again_and_ids_sort_by_time() {
        let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let (a, clock) = Env::simulated(start, 7);
        let (b, _) = Env::simulated(start, 7);
        let first = a.id();
        assert_eq!(first, b.id());
        clock.advance(chrono::TimeDelta::milliseconds(1));
        assert!(a.id() > first);
        assert_eq!(first.get_version_num(), 7);
    }
}
