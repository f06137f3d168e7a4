//! One card's own thread: looks at it, enters its files, removes what may go.

use super::{
    Event, Tally,
    clock::ClockWatch,
    ledger::{LedgerState, Line},
    receipt,
    scan::{Found, Scanner},
    work::{Dock, hold},
};
use crate::client::Result;
use std::{
    collections::HashSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A folder where a camera appears.
#[derive(Debug, Clone)]
pub(super) struct Card {
    /// Its name.
    pub(super) name: String,
    /// Where.
    pub(super) path: PathBuf,
    /// Whether it is the watched folder itself, without the cards in it.
    pub(super) root: bool,
}

/// How the looks at a card go.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Looks in a row after which nothing was left to do.
    pub(super) idle: u32,
    /// What could not be looked at the last time.
    pub(super) unseen: u64,
    /// Since when the present look lasts.
    pub(super) since: Option<Instant>,
}

/// What a card's thread remembers from look to look.
#[derive(Default)]
struct Memory {
    troubles: HashSet<(PathBuf, String)>,
    said: String,
    told: Option<Tally>,
    kept: HashSet<i64>,
    clock: ClockWatch,
}

impl Dock<'_> {
    /// Looks after a card until it is gone or the dock closes.
    pub(super) fn tend(&self, card: &Card) {
        let (root, settle) = (&card.path, self.settings.settle);
        let mut scanner = if card.root { Scanner::beside_cards(root, settle) } else { Scanner::new(root, settle) };
        let mut memory = Memory::default();
        while !self.stopped() && !hold(&self.turns).closed() {
            self.looks(card, |looks| looks.since = Some(Instant::now()));
            if !card.root && !card.path.is_dir() {
                break;
            }
            let (open, unseen) = self.look(card, &mut scanner, &mut memory);
            let idle = open == 0;
            self.looks(card, |looks| {
                (looks.since, looks.unseen) = (None, unseen);
                // A card that is just being mounted shows nothing for a moment: two empty looks end `once`.
                looks.idle = if idle { looks.idle + 1 } else { 0 };
            });
            self.sleep(if idle { self.settings.every } else { self.settings.every.min(Duration::from_secs(1)) });
        }
        hold(&self.cards).remove(&card.path);
    }

    fn looks(&self, card: &Card, change: impl FnOnce(&mut Looks)) {
        change(hold(&self.cards).entry(card.path.clone()).or_default());
    }

    /// One look; how many files are open, and how much could not be seen.
    fn look(&self, card: &Card, scanner: &mut Scanner, memory: &mut Memory) -> (usize, u64) {
        self.read_clock(card, &mut memory.clock);
        let look = scanner.look(Instant::now());
        for (path, why) in &look.trouble {
            if memory.troubles.insert((path.clone(), why.clone())) {
                self.voice.say(Event::Failed { path, why });
            }
        }
        if look.trouble.is_empty() {
            memory.troubles.clear();
        }
        let (mut open, mut tally, mut safe) = (look.growing, Tally::default(), Vec::new());
        for found in &look.complete {
            let (line, waits) = match self.enter(card, found) {
                Ok(entered) => entered,
                // Its own disk is full or gone: say so, go on looking; nothing is called safe meanwhile.
                Err(error) => {
                    let text = error.to_string();
                    if memory.said != text {
                        self.voice.say(Event::Notice(&text));
                        memory.said = text;
                    }
                    return (open + 1, look.trouble.len() as u64);
                }
            };
            open += usize::from(waits);
            (tally.files, tally.bytes) = (tally.files + 1, tally.bytes + found.size);
            if line.state == LedgerState::Receipted.as_str() {
                (tally.safe, tally.safe_bytes) = (tally.safe + 1, tally.safe_bytes + found.size);
                if !(self.settings.wipe && self.wipe(&line, memory)) {
                    safe.push(line);
                }
            } else {
                tally.failed += u64::from(line.state == LedgerState::Failed.as_str());
            }
        }
        if memory.told != Some(tally) && (memory.told.is_some() || tally.files > 0) {
            self.voice.say(Event::Card { card: &card.name, done: tally });
            self.list(card, &safe);
            memory.told = Some(tally);
        }
        (open, look.trouble.len() as u64)
    }

    /// Enters a file and hands it to the workers if there is something to do; says whether it is still open.
    fn enter(&self, card: &Card, found: &Found) -> Result<(Line, bool)> {
        let (line, fresh) = hold(&self.ledger).enter(found, self.env.now())?;
        if fresh {
            self.voice.say(Event::Found { path: &found.path, size: found.size });
        }
        let state: LedgerState = line.state.parse()?;
        if state == LedgerState::Receipted {
            return Ok((line, false));
        }
        let (rests, given_up) = {
            let rest = hold(&self.rest);
            let until = rest.get(&line.id);
            (until.is_some_and(|until| *until > Instant::now()), until.is_some() && self.settings.once)
        };
        // A refused file rests for ever; one that could not be read is looked at again, here and after a restart.
        if (state == LedgerState::Failed && line.sha256.is_some()) || rests || given_up {
            return Ok((line, !self.settings.once && rests));
        }
        hold(&self.turns).queue(&card.name, line.id);
        Ok((line, true))
    }

    /// Removes a file that may go; says whether it is gone. What may not is told once and stays.
    fn wipe(&self, line: &Line, memory: &mut Memory) -> bool {
        if memory.kept.contains(&line.id) {
            return false;
        }
        let path = line.path();
        match receipt::wipe(line, &self.key, &|| self.stopped()) {
            Ok(()) => {
                if let Err(error) = hold(&self.ledger).wiped(line.id, self.env.now()) {
                    self.voice.say(Event::Notice(&error.to_string()));
                }
                self.voice.say(Event::Wiped { path: &path });
                true
            }
            Err(why) => {
                if !self.stopped() {
                    memory.kept.insert(line.id);
                    self.voice.say(Event::Failed { path: &path, why: &format!("it is not wiped: {why}") });
                }
                false
            }
        }
    }

    /// Writes, for each camera whose files lie here, which of them may be wiped.
    fn list(&self, card: &Card, safe: &[Line]) {
        let mut cameras: Vec<&str> = safe.iter().filter_map(|line| line.camera.as_deref()).collect();
        cameras.sort_unstable();
        cameras.dedup();
        if cameras.is_empty() {
            cameras.push(&card.name);
        }
        for camera in cameras {
            let own: Vec<&Line> =
                safe.iter().filter(|line| line.camera.as_deref().unwrap_or(&card.name) == camera).collect();
            if let Err(error) = receipt::write_list(&self.settings.state, camera, &own) {
                self.voice.say(Event::Notice(&error.to_string()));
            }
        }
    }

    /// Looks at the file in which the camera writes its time, if there is one.
    fn read_clock(&self, card: &Card, watch: &mut ClockWatch) {
        let Some(file) = &self.settings.config.clock_file else { return };
        let Ok(text) = head(&card.path.join(&file.path)) else { return };
        if let Some(clock) = watch.look(&text, file, self.server_now()) {
            hold(&self.measured).insert(card.name.clone(), clock);
        }
    }
}

/// The first bytes of a small text.
fn head(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(200).read_to_string(&mut text)?;
    Ok(text)
}
