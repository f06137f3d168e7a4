//! Whose turn it is: many cards, few connections. Pure; the caller brings the time.
//!
//! The server takes a few streams from one dock. A card with a hundred files must not starve one with a single file, a
//! slow one must not slow the others, and one that stopped answering (a bad contact, a dying card) must not hold a place
//! at all. So the card with the fewest files under way goes next, among equals the one that was served longest ago; a
//! long turn ends when others wait; and the place of a reader that is stuck is given away until it comes back.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A turn goes on at least so long while others wait.
pub const TURN: Duration = Duration::from_secs(10);

/// The right to work on one file.
#[derive(Debug, Clone)]
pub struct Turn {
    number: u64,
    /// The card.
    pub mount: String,
    /// The ledger's line.
    pub line: i64,
    began: Instant,
    /// Milliseconds from `began` to the read that is under way, plus one; 0 between reads.
    reading: Arc<AtomicU64>,
}

impl Turn {
    /// A read of the card begins or has ended.
    pub fn reading(&self, now: Instant, begins: bool) {
        let since = u64::try_from(now.duration_since(self.began).as_millis()).unwrap_or(u64::MAX - 1) + 1;
        self.reading.store(if begins { since } else { 0 }, Ordering::Relaxed);
    }
}

/// All cards and the places.
#[derive(Debug)]
pub struct Turns {
    places: usize,
    mounts: BTreeMap<String, Mount>,
    running: HashMap<u64, (Turn, bool)>,
    taken: HashSet<i64>,
    count: u64,
    closed: bool,
}

#[derive(Debug, Default)]
struct Mount {
    waiting: VecDeque<i64>,
    running: usize,
    stuck: usize,
    served: u64,
}

impl Turns {
    /// Nobody waits yet.
    pub fn new(places: usize) -> Turns {
        Turns {
            places: places.max(1),
            mounts: BTreeMap::new(),
            running: HashMap::new(),
            taken: HashSet::new(),
            count: 0,
            closed: false,
        }
    }

    /// A file waits, unless it does already or is under way.
    pub fn queue(&mut self, mount: &str, line: i64) {
        if self.taken.insert(line) {
            self.mounts.entry(mount.to_owned()).or_default().waiting.push_back(line);
        }
    }

    /// The next turn, when a place is free and somebody may have it.
    pub fn next(&mut self, now: Instant) -> Option<Turn> {
        let busy: usize = self.mounts.values().map(|mount| mount.running).sum();
        if busy >= self.places {
            return None;
        }
        let ready = self.mounts.iter_mut().filter(|(_, mount)| mount.stuck == 0 && !mount.waiting.is_empty());
        let (name, mount) = ready.min_by_key(|(_, mount)| (mount.running, mount.served))?;
        let line = mount.waiting.pop_front()?;
        self.count += 1;
        (mount.running, mount.served) = (mount.running + 1, self.count);
        let turn = Turn { number: self.count, mount: name.clone(), line, began: now, reading: Arc::default() };
        self.running.insert(turn.number, (turn.clone(), false));
        Some(turn)
    }

    /// A turn has ended. Says whether its place had been given away meanwhile.
    pub fn end(&mut self, turn: &Turn) -> bool {
        self.taken.remove(&turn.line);
        let Some((_, stuck)) = self.running.remove(&turn.number) else { return false };
        if let Some(mount) = self.mounts.get_mut(&turn.mount) {
            if stuck {
                mount.stuck = mount.stuck.saturating_sub(1);
            } else {
                mount.running = mount.running.saturating_sub(1);
            }
        }
        stuck
    }

    /// Whether a turn should end for now: it was long enough, and a card waits that has no place.
    pub fn enough(&self, turn: &Turn, now: Instant) -> bool {
        let others = |(name, mount): (&String, &Mount)| {
            *name != turn.mount && mount.running == 0 && mount.stuck == 0 && !mount.waiting.is_empty()
        };
        now.duration_since(turn.began) >= TURN && self.mounts.iter().any(others)
    }

    /// Gives away the places of turns whose read has not come back for `patience`; returns their cards. For each, one
    /// more worker is needed.
    pub fn give_away(&mut self, now: Instant, patience: Duration) -> Vec<String> {
        let mut given = Vec::new();
        for (turn, stuck) in self.running.values_mut().filter(|(_, stuck)| !stuck) {
            let since = turn.reading.load(Ordering::Relaxed);
            let began = since.checked_sub(1).map(|ms| turn.began + Duration::from_millis(ms));
            if began.is_some_and(|began| now.duration_since(began) >= patience) {
                *stuck = true;
                if let Some(mount) = self.mounts.get_mut(&turn.mount) {
                    (mount.running, mount.stuck) = (mount.running.saturating_sub(1), mount.stuck + 1);
                }
                given.push(turn.mount.clone());
            }
        }
        given
    }

    /// Whether nothing waits and nothing is under way, stuck readers apart.
    pub fn idle(&self) -> bool {
        self.mounts.values().all(|mount| mount.running == 0 && (mount.stuck > 0 || mount.waiting.is_empty()))
    }

    /// Nothing more comes: who looks for a turn may go home.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether it was closed.
    pub fn closed(&self) -> bool {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(turns: &mut Turns, now: Instant, count: usize) -> Vec<(String, Turn)> {
        (0..count).filter_map(|_| turns.next(now)).map(|turn| (turn.mount.clone(), turn)).collect()
    }

    #[test]
    fn places_go_round_the_cards_and_one_card_alone_may_have_them_all() {
        let (mut turns, now) = (Turns::new(3), Instant::now());
        for line in 0..5 {
            turns.queue("a", line);
        }
        turns.queue("a", 0);
        let alone = lines(&mut turns, now, 9);
        assert_eq!(alone.len(), 3, "places");
        for (n, card) in ["b", "c"].into_iter().enumerate() {
            turns.queue(card, 10 + n as i64);
            turns.queue(card, 20 + n as i64);
        }
        let mut order = Vec::new();
        let mut under_way: VecDeque<Turn> = alone.into_iter().map(|(_, turn)| turn).collect();
        while let Some(turn) = under_way.pop_front() {
            assert!(!turns.end(&turn));
            if let Some(next) = turns.next(now) {
                order.push(next.mount.clone());
                under_way.push_back(next);
            }
        }
        assert_eq!(order, ["b", "c", "a", "b", "c", "a"]);
        assert!(turns.idle());
    }

    #[test]
    fn a_card_that_does_not_answer_loses_its_place_until_it_comes_back() {
        let (mut turns, now) = (Turns::new(1), Instant::now());
        let at = |s| now + Duration::from_secs(s);
        turns.queue("dead", 1);
        turns.queue("dead", 2);
        let stuck = turns.next(now).unwrap();
        turns.queue("good", 3);
        assert!(turns.next(now).is_none());
        stuck.reading(at(1), true);
        assert_eq!(turns.give_away(at(30), Duration::from_secs(60)), Vec::<String>::new());
        stuck.reading(at(31), false);
        assert_eq!(
            turns.give_away(at(99), Duration::from_secs(60)),
            Vec::<String>::new(),
            "the network is slow, not it"
        );
        stuck.reading(at(40), true);
        assert_eq!(turns.give_away(at(100), Duration::from_secs(60)), ["dead"]);
        assert_eq!(turns.give_away(at(200), Duration::from_secs(60)), Vec::<String>::new(), "once");
        let good = turns.next(at(100)).unwrap();
        assert_eq!(good.mount, "good");
        assert!(!turns.end(&good) && turns.next(at(101)).is_none() && turns.idle());
        assert!(turns.end(&stuck), "its place was given away");
        assert_eq!(turns.next(at(102)).unwrap().line, 2);
    }

    #[test]
    fn a_long_turn_ends_when_a_card_waits_that_has_no_place() {
        let (mut turns, now) = (Turns::new(2), Instant::now());
        turns.queue("a", 1);
        turns.queue("a", 2);
        let (first, _) = (turns.next(now).unwrap(), turns.next(now).unwrap());
        let late = now + TURN;
        assert!(!turns.enough(&first, late), "nobody waits");
        turns.queue("b", 3);
        assert!(turns.enough(&first, late) && !turns.enough(&first, now));
    }
}
