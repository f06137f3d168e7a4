//! What to send next, what an answer means, how long to wait: decisions without clock, dice, network or store.

use super::engine::Heard;
use crate::{
    db::types::OpId,
    sync::wire::{MAX_OPS, MAX_PUSH_BYTES},
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
pub const ENVELOPE: usize = 4096;

/// What the answer to a push was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// Results; the server asks for that much peace before the next push.
    Results(Duration),
    /// Nothing was learnt: no answer, overload. The same bytes go again.
    Again(Option<Duration>),
    /// The server broke on this batch.
    Fault,
    /// The server, or a box on the way, could not read this batch, and does not blame its envelope.
    Garbled(String),
    /// The batch is too large for something on the way.
    TooLarge,
    /// The device's token was refused for its time.
    ClockWrong,
    /// The device's store is a copy of one that has gone on, or its epoch is over.
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
    /// The same, once an empty push was taken: otherwise it is not this operation that does not pass.
    Suspect,
    /// Ask for a new epoch.
    NewEpoch,
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
pub fn read_push(heard: &Heard) -> Pushed {
    let (status, code, retry_after) = match heard {
        Heard::Push(response) => return Pushed::Results(Duration::from_millis(response.retry_after_ms)),
        Heard::Nothing => return Pushed::Again(None),
        Heard::Problem { status, code, retry_after, .. } => (*status, code.as_str(), *retry_after),
        other => return Pushed::Strange(other.words()),
    };
    match (status, code) {
        (401, "device_unknown") => Pushed::Unknown,
        (401, "token_expired" | "token_invalid") => Pushed::ClockWrong,
        (409, "epoch_stale") => Pushed::EpochStale,
        (413, _) => Pushed::TooLarge,
        (408 | 425 | 429 | 502..=504 | 507, _) => Pushed::Again(retry_after),
        // It broke off between here and there: what was sent is not what is refused.
        (400, "body_interrupted") => Pushed::Again(None),
        // The server judges operations one by one inside a 200, so these blame the envelope, which every push shares.
        (400 | 422, "body_invalid" | "nul_character" | "parameter_invalid" | "value_invalid") => {
            Pushed::Strange(heard.words())
        }
        // One operation's bytes have spoilt the document, for somebody. The halves will tell which.
        (400 | 422, _) => Pushed::Garbled(heard.words()),
        (500..=599, _) => Pushed::Fault,
        _ => Pushed::Strange(heard.words()),
    }
}

/// How pushing goes. Lives in memory only: after a restart the first try is a full batch again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The most operations of the next batch.
    pub limit: usize,
    failures: u32,
    faults: u32,
    stale: u32,
    head: Option<OpId>,
}

impl Default for Sender {
    fn default() -> Sender {
        Sender { limit: MAX_OPS, failures: 0, faults: 0, stale: 0, head: None }
    }
}

impl Sender {
    /// Decides after an answer to a push of `sent` operations that began with `head`. `clock_learnt`: the answer gave a
    /// clock that differs from the one the token was signed by.
    pub fn after(
        &mut self,
        pushed: &Pushed,
        head: Option<OpId>,
        sent: usize,
        clock_learnt: bool,
        pace: Pace,
        dice: u32,
    ) -> Next {
        if self.head != head {
            (self.head, self.faults) = (head, 0);
        }
        match pushed {
            Pushed::Results(peace) => {
                (self.failures, self.faults, self.stale) = (0, 0, 0);
                // Grow back slowly: the operation that broke the server may be among the next.
                self.limit = (self.limit * 2).min(MAX_OPS);
                if peace.is_zero() { Next::Go } else { Next::Wait((*peace).min(pace.cap)) }
            }
            Pushed::Again(asked) => self.wait(*asked, pace, dice),
            // Nothing of ours was in it, so no operation is to blame.
            Pushed::Garbled(what) if sent == 0 => Next::Stop(Stop::Strange(what.clone())),
            Pushed::Fault | Pushed::Garbled(_) => {
                self.faults += 1;
                if self.faults < FAULTS_BEFORE_HALVING || sent == 0 {
                    return self.wait(None, pace, dice);
                }
                if sent == 1 {
                    return Next::Suspect;
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
            Pushed::ClockWrong | Pushed::Unknown => Next::Stop(Stop::Enrol),
            Pushed::EpochStale => Next::NewEpoch,
            Pushed::Strange(what) => {
                self.failures += 1;
                Next::Stop(Stop::Strange(what.clone()))
            }
        }
    }

    /// An epoch began. The first follows at once; if the next push finds that one stale as well, not for ever so.
    pub fn renewed(&mut self, pace: Pace, dice: u32) -> Next {
        self.stale += 1;
        if self.stale == 1 { Next::Go } else { Next::Wait(pace.wait(self.stale, dice)) }
    }

    /// A wait after a try that failed.
    pub fn wait(&mut self, asked: Option<Duration>, pace: Pace, dice: u32) -> Next {
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

/// What the answer to a read of the feed asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// The cursor is of no use: take a whole snapshot, keep the outbox.
    Whole,
    /// The reader's keys are others now: read what the new ones show.
    Part,
    /// The access token is over: refresh it.
    Refresh,
    /// Ask again later.
    Again(Option<Duration>),
    /// The person must sign in, or has no right to read.
    SignIn,
    /// The device was revoked: nothing that was read may stay.
    Revoked,
    /// Something else.
    Strange(String),
}

/// Reads an answer to `changes` or `snapshot` that is none of their pages.
pub fn read_pull(heard: &Heard) -> Pulled {
    let (status, code, retry_after) = match heard {
        Heard::Nothing => return Pulled::Again(None),
        Heard::Problem { status, code, retry_after, .. } => (*status, code.as_str(), *retry_after),
        other => return Pulled::Strange(other.words()),
    };
    match (status, code) {
        (_, "cursor_expired" | "cursor_invalid" | "generation_changed") => Pulled::Whole,
        (_, "scope_changed") => Pulled::Part,
        (401, "token_expired" | "token_invalid") => Pulled::Refresh,
        (403, "device_revoked") => Pulled::Revoked,
        // A box on the way that forbids knows nothing of the person.
        (401 | 403, code) if !code.is_empty() => Pulled::SignIn,
        (408 | 425 | 429 | 500..=599, _) => Pulled::Again(retry_after),
        (426, _) => Pulled::Strange(TOO_OLD.into()),
        _ => Pulled::Strange(heard.words()),
    }
}

/// What a person reads when the server refuses this version of the program.
pub const TOO_OLD: &str = "应用版本过旧，无法读取最新数据，请升级；已保存的工作仍会照常提交";

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const PACE: Pace = Pace { first: Duration::from_secs(2), cap: Duration::from_secs(300) };

    fn op(n: u128) -> Option<OpId> {
        Some(OpId(Uuid::from_u128(n)))
    }

    fn problem(status: u16, code: &str) -> Heard {
        let (code, retry_after) = (code.to_owned(), Some(Duration::from_secs(7)));
        Heard::Problem { status, code, detail: None, retry_after, date: None }
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
                Next::Suspect => break,
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
    fn a_refused_device_stops_and_a_refused_clock_or_epoch_does_not() {
        let next = |heard: &Heard, learnt| Sender::default().after(&read_push(heard), op(1), 3, learnt, PACE, 0);
        assert_eq!(next(&problem(409, "epoch_stale"), false), Next::NewEpoch);
        assert_eq!(next(&problem(401, "device_unknown"), true), Next::Stop(Stop::Enrol));
        assert_eq!(next(&problem(401, "token_expired"), true), Next::Go);
        assert_eq!(next(&problem(401, "token_expired"), false), Next::Stop(Stop::Enrol));
        let portal = Heard::Strange("<html>Welcome</html>".into());
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
        let read = |status, code| read_pull(&problem(status, code));
        assert_eq!(read(410, "cursor_expired"), Pulled::Whole);
        assert_eq!(read(409, "generation_changed"), Pulled::Whole);
        assert_eq!(read(409, "scope_changed"), Pulled::Part);
        assert_eq!(read(401, "token_expired"), Pulled::Refresh);
        assert_eq!(read(401, "session_ended"), Pulled::SignIn);
        assert_eq!(read(403, "device_revoked"), Pulled::Revoked);
        assert!(matches!(read(503, "busy"), Pulled::Again(Some(_))));
        assert_eq!(read(426, "protocol_unsupported"), Pulled::Strange(TOO_OLD.into()));
    }
}
