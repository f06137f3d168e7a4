//! What to send next, what an answer means, how long to wait: decisions without clock, dice, network or store.

use super::http::Answer;
use crate::{
    db::types::OpId,
    sync::wire::{MAX_OPS, MAX_PUSH_BYTES, PushResponse},
};
use std::time::Duration;

/// How long to wait between tries that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The longest first wait.
    pub first: Duration,
    /// No wait is longer.
    pub cap: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { first: Duration::from_secs(2), cap: Duration::from_secs(300) }
    }
}

impl Pace {
    /// Full jitter: anything up to `first · 2^(failures − 1)`, at most `cap`. `dice` is uniform in 0..2³².
    ///
    /// A server that comes back is met by a trickle of devices, not by all of them in the same second.
    pub fn wait(self, failures: u32, dice: u32) -> Duration {
        let ceiling = self.first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let nanos = ceiling.min(self.cap).as_nanos() * u128::from(dice) / u128::from(u32::MAX);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// After so many faults of the server with the same operation in front, the batch is halved.
const FAULTS_BEFORE_HALVING: u32 = 3;
/// Room for the envelope around the operations, bytes.
const ENVELOPE: usize = 4096;

/// What the answer to a push was.
#[derive(Debug, Clone)]
pub enum Pushed {
    /// Results, in the operations' order.
    Results(Box<PushResponse>),
    /// Nothing was learnt: no answer, overload. The same bytes go again.
    Again(Option<Duration>),
    /// The server broke on this batch.
    Fault,
    /// The batch is too large for something on the way.
    TooLarge,
    /// The device's token was refused for its time.
    ClockWrong,
    /// The server has another epoch for this device: it was enrolled anew elsewhere, or restored.
    EpochStale,
    /// The server does not know the device.
    Unknown,
    /// Something answered that is not this protocol, or refuses for good; a person must look.
    Strange(String),
}

/// What to do after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Go on at once.
    Go,
    /// Wait, then send again.
    Wait(Duration),
    /// Send the first operation alone, as bytes, to the endpoint that takes anything.
    SendRaw,
    /// Nothing can be sent until a person acts. Everything stays in the outbox.
    Stop(Stop),
}

/// Why nothing can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The device needs a new one-time code. Its operations stay and go with the new epoch.
    Enrol,
    /// The answer made no sense.
    Strange(String),
}

/// Reads the answer to a push.
pub fn read_push(answer: &Answer) -> Pushed {
    match answer.status {
        200 => match answer.json() {
            Ok(response) => Pushed::Results(Box::new(response)),
            // A captive portal answers 200 to everything.
            Err(error) => Pushed::Strange(error.to_string()),
        },
        401 => match answer.code().as_deref() {
            Some("device_unknown") => Pushed::Unknown,
            Some("token_expired" | "token_invalid") => Pushed::ClockWrong,
            _ => Pushed::Strange(answer.refusal().to_string()),
        },
        409 if answer.code().as_deref() == Some("epoch_stale") => Pushed::EpochStale,
        413 => Pushed::TooLarge,
        408 | 425 | 429 | 502..=504 | 507 => Pushed::Again(answer.retry_after()),
        500..=599 => Pushed::Fault,
        _ => Pushed::Strange(answer.refusal().to_string()),
    }
}

/// How pushing goes. Lives in memory only: after a restart the first try is a full batch again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The most operations of the next batch.
    pub limit: usize,
    failures: u32,
    faults: u32,
    head: Option<OpId>,
}

impl Default for Sender {
    fn default() -> Sender {
        Sender { limit: MAX_OPS, failures: 0, faults: 0, head: None }
    }
}

impl Sender {
    /// Decides after an answer to a push of `sent` operations that began with `head`. `clock_learnt`: the answer gave a
    /// clock that differs from the one the token was signed by.
    pub fn after(
        &mut self,
        pushed: &Pushed,
        head: OpId,
        sent: usize,
        clock_learnt: bool,
        pace: Pace,
        dice: u32,
    ) -> Next {
        if self.head != Some(head) {
            (self.head, self.faults) = (Some(head), 0);
        }
        match pushed {
            Pushed::Results(response) => {
                self.failures = 0;
                self.faults = 0;
                // Grow back slowly: the operation that broke the server may be among the next.
                self.limit = (self.limit * 2).min(MAX_OPS);
                match response.retry_after_ms {
                    0 => Next::Go,
                    millis => Next::Wait(Duration::from_millis(millis).min(pace.cap)),
                }
            }
            Pushed::Again(asked) => self.wait(*asked, pace, dice),
            Pushed::Fault => {
                self.faults += 1;
                if self.faults < FAULTS_BEFORE_HALVING {
                    return self.wait(None, pace, dice);
                }
                if sent <= 1 {
                    return Next::SendRaw;
                }
                self.limit = sent / 2;
                self.wait(None, pace, dice)
            }
            Pushed::TooLarge if sent <= 1 => Next::SendRaw,
            Pushed::TooLarge => {
                self.limit = sent / 2;
                Next::Go
            }
            Pushed::ClockWrong if clock_learnt => Next::Go,
            Pushed::ClockWrong | Pushed::Unknown | Pushed::EpochStale => Next::Stop(Stop::Enrol),
            Pushed::Strange(what) => {
                self.failures += 1;
                Next::Stop(Stop::Strange(what.clone()))
            }
        }
    }

    fn wait(&mut self, asked: Option<Duration>, pace: Pace, dice: u32) -> Next {
        self.failures += 1;
        let own = pace.wait(self.failures, dice);
        // The server's word is a lower bound; jitter on top keeps the devices apart.
        Next::Wait(asked.map_or(own, |asked| asked.min(pace.cap) + own.min(asked)))
    }
}

/// How many of the oldest operations fit into one push.
pub fn batch(sizes: impl IntoIterator<Item = usize>, limit: usize) -> usize {
    let mut room = MAX_PUSH_BYTES - ENVELOPE;
    let mut count = 0;
    for size in sizes.into_iter().take(limit.min(MAX_OPS)) {
        // One larger than everything goes alone; the server will say what becomes of it.
        if count > 0 && size + 1 > room {
            break;
        }
        room = room.saturating_sub(size + 1);
        count += 1;
    }
    count
}

/// What the answer to a read of the feed was.
#[derive(Debug, Clone)]
pub enum Pulled {
    /// A page.
    Page(Answer),
    /// The cursor is of no use: take a snapshot, keep the outbox.
    Snapshot,
    /// The access token is over: refresh it.
    Refresh,
    /// Ask again later.
    Again(Option<Duration>),
    /// The person must sign in, or has no right to read.
    SignIn,
    /// Something else.
    Strange(String),
}

/// Reads the answer to `changes` or `snapshot`.
pub fn read_pull(answer: Answer) -> Pulled {
    let code = answer.code();
    match (answer.status, code.as_deref()) {
        (200, _) => Pulled::Page(answer),
        (_, Some("cursor_expired" | "cursor_invalid" | "generation_changed" | "scope_changed")) => Pulled::Snapshot,
        (401, Some("token_expired" | "token_invalid")) => Pulled::Refresh,
        (401 | 403, _) => Pulled::SignIn,
        (408 | 425 | 429 | 500..=599, _) => Pulled::Again(answer.retry_after()),
        _ => Pulled::Strange(answer.refusal().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const PACE: Pace = Pace { first: Duration::from_secs(2), cap: Duration::from_secs(300) };

    fn op(n: u128) -> OpId {
        OpId(Uuid::from_u128(n))
    }

    fn problem(status: u16, code: &str) -> Answer {
        let body = format!(r#"{{"type":"","title":"","status":{status},"code":"{code}"}}"#);
        Answer::made(status, &[("retry-after", "7")], &body)
    }

    #[test]
    fn waits_grow_to_the_cap_and_jitter_covers_the_whole_range() {
        assert_eq!(PACE.wait(1, u32::MAX), Duration::from_secs(2));
        assert_eq!(PACE.wait(4, u32::MAX), Duration::from_secs(16));
        assert_eq!(PACE.wait(60, u32::MAX), Duration::from_secs(300));
        assert_eq!(PACE.wait(9, 0), Duration::ZERO);
        let middle = PACE.wait(3, u32::MAX / 2);
        assert!(middle > Duration::from_millis(3999) && middle < Duration::from_millis(4001), "{middle:?}");
    }

    #[test]
    fn three_faults_halve_the_batch_down_to_one_operation_that_then_goes_raw() {
        let mut sender = Sender::default();
        let mut sent = 200;
        let mut rounds = 0;
        loop {
            rounds += 1;
            match sender.after(&Pushed::Fault, op(1), sent, false, PACE, 0) {
                Next::Wait(_) => sent = sent.min(sender.limit),
                Next::SendRaw => break,
                other => panic!("{other:?}"),
            }
        }
        // Two patient tries, then 200 → 100 → 50 → 25 → 12 → 6 → 3 → 1.
        assert_eq!((rounds, sent), (10, 1));
        let mut other_head = sender.clone();
        assert!(matches!(other_head.after(&Pushed::Fault, op(2), 1, false, PACE, 0), Next::Wait(_)));
    }

    #[test]
    fn overload_waits_as_long_as_the_server_asks_and_changes_no_batch() {
        let mut sender = Sender::default();
        let next = sender.after(&read_push(&problem(503, "busy")), op(1), 200, false, PACE, 0);
        assert_eq!((next, sender.limit), (Next::Wait(Duration::from_secs(7)), MAX_OPS));
        let next = sender.after(&Pushed::Again(Some(Duration::from_secs(9000))), op(1), 200, false, PACE, 0);
        assert_eq!(next, Next::Wait(PACE.cap));
    }

    #[test]
    fn a_refused_device_stops_and_a_refused_clock_does_not() {
        let next = |answer: &Answer, learnt| Sender::default().after(&read_push(answer), op(1), 3, learnt, PACE, 0);
        assert_eq!(next(&problem(409, "epoch_stale"), false), Next::Stop(Stop::Enrol));
        assert_eq!(next(&problem(401, "device_unknown"), true), Next::Stop(Stop::Enrol));
        assert_eq!(next(&problem(401, "token_expired"), true), Next::Go);
        assert_eq!(next(&problem(401, "token_expired"), false), Next::Stop(Stop::Enrol));
        let portal = Answer::made(200, &[], "<html>Welcome</html>");
        assert!(matches!(next(&portal, false), Next::Stop(Stop::Strange(_))));
    }

    #[test]
    fn a_batch_keeps_both_limits_but_never_sends_nothing() {
        assert_eq!(batch([10; 500], MAX_OPS), MAX_OPS);
        assert_eq!(batch([10; 500], 7), 7);
        assert_eq!(batch([400_000; 5], MAX_OPS), 2);
        assert_eq!(batch([9_000_000, 10], MAX_OPS), 1);
        assert_eq!(batch([], MAX_OPS), 0);
    }

    #[test]
    fn a_lost_cursor_asks_for_a_snapshot_and_an_old_token_for_a_fresh_one() {
        assert!(matches!(read_pull(problem(410, "cursor_expired")), Pulled::Snapshot));
        assert!(matches!(read_pull(problem(409, "generation_changed")), Pulled::Snapshot));
        assert!(matches!(read_pull(problem(401, "token_expired")), Pulled::Refresh));
        assert!(matches!(read_pull(problem(401, "session_ended")), Pulled::SignIn));
        assert!(matches!(read_pull(problem(403, "device_revoked")), Pulled::SignIn));
        assert!(matches!(read_pull(problem(503, "busy")), Pulled::Again(Some(_))));
    }
}
