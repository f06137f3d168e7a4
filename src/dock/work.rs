//! The dock at work: hashes and sends several files at once, and has each receipt signed.

use super::{
    Event, Voice,
    clock::Clock,
    config::Config,
    ledger::{Hashed, Ledger, Line},
    receipt::{self, ReceiptFile},
    recording::{Recording, Seen},
    scan::{cards, modified, recording_of},
    tend::{Card, Looks},
    turns::{Turn, Turns},
};
use crate::{
    client::{
        ClientError, Result,
        device::{self, ClockOffset, Identity, explain},
        http::Api,
        rules::Pace,
        store::Store,
        upload::{Cost, Item, Outcome, Receipt, Upload, Watch, hash_file},
    },
    env::Env,
    evidence::media,
    identity::{
        rules::DeviceKind,
        tokens::{PublicJwk, hex, sha256},
    },
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

/// What a dock is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder tree where cameras appear.
    pub watch: PathBuf,
    /// Where the dock keeps its identity, its ledger and the receipts.
    pub state: PathBuf,
    /// A one-time code, for the first start.
    pub code: Option<String>,
    /// Stop when everything that is there has been decided.
    pub once: bool,
    /// Files sent at the same time.
    pub jobs: usize,
    /// A file is complete when it has not changed for so long.
    pub settle: Duration,
    /// How often to look.
    pub every: Duration,
    /// Waits between tries.
    pub pace: Pace,
    /// Names, cameras, clocks.
    pub config: Config,
    /// Remove files from the cards once they are safe on the server.
    pub wipe: bool,
    /// A card that does not answer a read for so long loses its place.
    pub patience: Duration,
}

impl Settings {
    /// The usual ones.
    pub fn new(watch: PathBuf, state: PathBuf) -> Settings {
        Settings {
            watch,
            state,
            code: None,
            once: false,
            jobs: 3,
            settle: Duration::from_secs(5),
            every: Duration::from_secs(3),
            pace: Pace::default(),
            config: Config::default(),
            wipe: false,
            patience: Duration::from_secs(60),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files the server has.
    pub receipted: u64,
    /// Files that can't be sent.
    pub failed: u64,
    /// Files that are still to be sent.
    pub waiting: u64,
    /// Folders and files that could not even be looked at.
    pub unseen: u64,
    /// What this run cost.
    pub cost: Cost,
}

/// How long an unreadable file is left alone.
const UNREADABLE_FOR: Duration = Duration::from_secs(60);
/// With `once`, so many tries in a row without progress end a file's run.
const TRIES_ONCE: u32 = 6;

/// The dock's database inside its state folder.
pub fn database(state: &Path) -> PathBuf {
    if state.extension().is_some_and(|e| e == "db") { state.to_owned() } else { state.join("dock.db") }
}

/// The folder of the receipts: beside the ledger, never on a camera.
pub fn receipts(state: &Path) -> PathBuf {
    database(state).parent().unwrap_or(Path::new(".")).join("receipts")
}

/// Enrols the dock if it is not; the same code given again is no error.
///
/// # Errors
/// [`ClientError::NotEnrolled`] without a code, [`ClientError::Refused`] for a wrong one. A server that is away is
/// waited for.
pub fn identity(store: &mut Store, api: &Api, env: &Env, settings: &Settings, voice: &dyn Voice) -> Result<Identity> {
    let known = store.identity();
    let mark = settings.code.as_deref().map(|code| hex(&sha256(code.trim().as_bytes())));
    let used = store.note("enrolled_with")?;
    match (known, mark) {
        (Ok(identity), mark) if mark.is_none() || mark == used => Ok(identity),
        (Err(ClientError::NotEnrolled), None) => Err(ClientError::NotEnrolled),
        (Err(error), None) => Err(error),
        (_, mark) => {
            let code = settings.code.as_deref().unwrap_or_default();
            let (identity, offset) = patiently(api, env, settings, voice, || device::enrol(api, code, env))?;
            // Another server's key must not survive its enrolment.
            receipt::unpin(store)?;
            store.set_identity(&identity, offset)?;
            store.set_note("enrolled_with", &mark.unwrap_or_default())?;
            // Now, while the code that a person brought vouches for whom we are talking to.
            patiently(api, env, settings, voice, || receipt::pin(store, api))?;
            voice.say(Event::Notice(&format!("enrolled as {}", identity.name)));
            Ok(identity)
        }
    }
}

/// Asks until the server answers; with `once` a few times.
fn patiently<T>(
    api: &Api,
    env: &Env,
    settings: &Settings,
    voice: &dyn Voice,
    mut ask: impl FnMut() -> Result<T>,
) -> Result<T> {
    let mut failures = 0;
    loop {
        match ask() {
            Err(ClientError::Offline(why)) if !settings.once || failures < TRIES_ONCE => {
                failures += 1;
                let wait = settings.pace.wait(failures, env.below(u32::MAX));
                voice.say(Event::Notice(&format!("{}: {why}; trying again", api.base())));
                thread::sleep(wait);
            }
            outcome => return outcome,
        }
    }
}

/// Runs the dock until `stop`, or, with `once`, until everything is decided.
///
/// # Errors
/// What only a person can mend: no code, a wrong one, a revoked device, a state folder that can't be written.
pub fn run(settings: &Settings, api: &Api, env: &Env, voice: &dyn Voice, stop: &AtomicBool) -> Result<Summary> {
    let path = database(&settings.state);
    let mut store = Store::open(&path)?;
    let lock = File::open(&path).map_err(|e| ClientError::Store(format!("{}: {e}", path.display())))?;
    if lock.try_lock().is_err() {
        return Err(ClientError::Store(format!("{} is in use by another dock", path.display())));
    }
    let identity = identity(&mut store, api, env, settings, voice)?;
    let key = patiently(api, env, settings, voice, || match receipt::pinned(&mut store)? {
        Some(key) => Ok(key),
        // Enrolled by an earlier version, or the answer was lost.
        None => receipt::pin(&mut store, api),
    })?;
    let offset = store.offset()?;
    let dock = Dock {
        settings,
        api,
        env,
        voice,
        stop,
        identity,
        key,
        ledger: Mutex::new(Ledger::open(&path)?),
        clock: Mutex::new(offset),
        turns: Mutex::new(Turns::new(settings.jobs)),
        rest: Mutex::default(),
        cards: Mutex::default(),
        measured: Mutex::default(),
        blocked: Mutex::new(None),
        cost: Mutex::new(Cost::default()),
    };
    let unseen = thread::scope(|scope| {
        for _ in 0..settings.jobs.max(1) {
            scope.spawn(|| dock.worker());
        }
        let unseen = dock.watch(scope);
        hold(&dock.turns).close();
        unseen
    });
    if let Some(offset) = *hold(&dock.clock) {
        store.set_offset(offset)?;
    }
    if let Some(why) = hold(&dock.blocked).take() {
        return Err(why);
    }
    dock.summary(unseen)
}

pub(super) struct Dock<'a> {
    pub(super) settings: &'a Settings,
    api: &'a Api,
    pub(super) env: &'a Env,
    pub(super) voice: &'a dyn Voice,
    stop: &'a AtomicBool,
    identity: Identity,
    /// The server's, pinned.
    pub(super) key: PublicJwk,
    pub(super) ledger: Mutex<Ledger>,
    clock: Mutex<Option<ClockOffset>>,
    pub(super) turns: Mutex<Turns>,
    /// Files that are left alone until then.
    pub(super) rest: Mutex<HashMap<i64, Instant>>,
    pub(super) cards: Mutex<BTreeMap<PathBuf, Looks>>,
    /// What was measured of cameras' clocks, by card.
    pub(super) measured: Mutex<HashMap<String, Clock>>,
    blocked: Mutex<Option<ClientError>>,
    cost: Mutex<Cost>,
}

pub(super) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Dock<'_> {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || hold(&self.blocked).is_some()
    }

    /// The present by the server's clock, as far as it is known.
    pub(super) fn server_now(&self) -> DateTime<Utc> {
        ClockOffset::correct(*hold(&self.clock), self.env.now())
    }

    /// Gives each card a thread, and a place back that a dead one holds; returns how much could not be looked at.
    fn watch<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> u64 {
        let root = &self.settings.watch;
        let name = match self.identity.kind {
            // A camera that sends its own files.
            DeviceKind::Camera => self.identity.name.clone(),
            _ => label(root),
        };
        self.take(scope, Card { name, path: root.clone(), root: true });
        while !self.stopped() {
            // What can't be listed is told by the root's own thread.
            for path in cards(root).unwrap_or_default() {
                if !hold(&self.cards).contains_key(&path) {
                    self.take(scope, Card { name: label(&path), path, root: false });
                }
            }
            for card in hold(&self.turns).give_away(Instant::now(), self.settings.patience) {
                self.voice.say(Event::Notice(&format!("{card}: the card does not answer; the others go on")));
                scope.spawn(|| self.worker());
            }
            if self.settings.once && self.decided() {
                break;
            }
            self.sleep(self.settings.every.min(Duration::from_secs(1)));
        }
        let now = Instant::now();
        hold(&self.cards).values().map(|looks| looks.unseen + u64::from(self.dead(looks, now))).sum()
    }

    fn take<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, card: Card) {
        hold(&self.cards).insert(card.path.clone(), Looks::default());
        scope.spawn(move || self.tend(&card));
    }

    fn dead(&self, looks: &Looks, now: Instant) -> bool {
        looks.since.is_some_and(|since| now.duration_since(since) >= self.settings.patience)
    }

    /// Whether nothing is left to do on any card that answers.
    fn decided(&self) -> bool {
        let now = Instant::now();
        let quiet = hold(&self.cards).values().all(|looks| looks.idle >= 2 || self.dead(looks, now));
        quiet && hold(&self.turns).idle()
    }

    pub(super) fn sleep(&self, wait: Duration) {
        let end = Instant::now() + wait;
        while Instant::now() < end && !self.stopped() && !hold(&self.turns).closed() {
            thread::sleep(Duration::from_millis(50).min(wait));
        }
    }

    fn worker(&self) {
        loop {
            let next = {
                let mut turns = hold(&self.turns);
                if self.stopped() || turns.closed() {
                    return;
                }
                turns.next(Instant::now())
            };
            let Some(turn) = next else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            let rest = self.one(&turn).unwrap_or_else(|error| {
                self.voice.say(Event::Notice(&error.to_string()));
                Some(UNREADABLE_FOR)
            });
            match rest {
                Some(rest) => hold(&self.rest).insert(turn.line, Instant::now() + rest),
                None => hold(&self.rest).remove(&turn.line),
            };
            turn.reading(Instant::now(), false);
            if hold(&self.turns).end(&turn) {
                // Somebody else has had this place for a while.
                return;
            }
        }
    }

    /// One file as far as it goes now; `Some` is how long to leave it alone.
    fn one(&self, turn: &Turn) -> Result<Option<Duration>> {
        let id = turn.line;
        let line = hold(&self.ledger).line(id)?;
        let path = line.path();
        let hashed = match self.hashed(turn, &line, &path) {
            Ok(Some(hashed)) => hashed,
            Ok(None) => return Ok(None),
            Err(ClientError::File(why)) => {
                let why = format!("it can't be read: {why}");
                if line.reason.as_deref() != Some(&why) {
                    hold(&self.ledger).failed(id, &why, self.env.now())?;
                    self.voice.say(Event::Failed { path: &path, why: &why });
                }
                return Ok(Some(UNREADABLE_FOR));
            }
            Err(error) => return Err(error),
        };
        let item = Item {
            path: path.clone(),
            size: u64::try_from(line.size).unwrap_or(0),
            sha256: hashed.sha256.clone(),
            mime: line.mime.clone(),
            filename: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            captured_at: Some(hashed.recording.at),
            captured_from: Some(hashed.recording.from.clone()),
            words: self.words(turn, &line, &hashed)?,
        };
        let mut upload = Upload {
            api: self.api,
            identity: &self.identity,
            env: self.env,
            offset: *hold(&self.clock),
            pace: self.settings.pace,
            tries: self.settings.once.then_some(TRIES_ONCE),
            cost: Cost::default(),
        };
        let mut watch = FileWatch { dock: self, turn, path: &path, size: item.size, told: 0 };
        let outcome = upload.run(&item, line.upload_url.clone(), &mut watch);
        *hold(&self.cost) += upload.cost;
        match outcome {
            Ok(Outcome::Stored(receipt)) => self.stored(&line, &item, hashed.recording, receipt),
            Ok(Outcome::Refused(why)) => {
                let why = format!("the server refused it: {why}");
                hold(&self.ledger).failed(id, &why, self.env.now())?;
                self.voice.say(Event::Failed { path: &path, why: &why });
                Ok(None)
            }
            Ok(Outcome::Blocked(why)) => {
                let code = why.split(':').next().unwrap_or_default().to_owned();
                let refused = ClientError::Refused { status: 403, code, detail: None };
                *hold(&self.blocked) = Some(ClientError::File(explain(&refused)));
                Ok(None)
            }
            // Others' turn.
            Ok(Outcome::Later(_)) if watch.enough() => Ok(None),
            Ok(Outcome::Later(why)) => {
                if !self.stopped() {
                    self.voice.say(Event::Waiting { path: &path, why: &why, wait: UNREADABLE_FOR });
                }
                Ok(Some(UNREADABLE_FOR))
            }
            // It changed, or the card was pulled out: the next look tells.
            Err(ClientError::File(why)) => {
                self.voice.say(Event::Waiting { path: &path, why: &why, wait: self.settings.every });
                Ok(Some(self.settings.every))
            }
            Err(error) => Err(error),
        }
    }

    /// The server says that it has the file: it must sign that.
    fn stored(&self, line: &Line, item: &Item, recording: Recording, receipt: Receipt) -> Result<Option<Duration>> {
        let mut failures = 0;
        let fetched = loop {
            let token = self.identity.token(self.env, *hold(&self.clock))?;
            match receipt::fetch(self.api, &token, receipt.evidence_id) {
                Err(error) if passes(&error) && failures < TRIES_ONCE && !self.stopped() => {
                    failures += 1;
                    self.sleep(self.settings.pace.wait(failures, self.env.below(u32::MAX)));
                }
                outcome => break outcome,
            }
        };
        let checked = fetched
            .map_err(|e| e.to_string())
            .and_then(|signed| receipt::check(&signed, &self.key, &item.sha256, item.size).map(|_| signed));
        let signed = match checked {
            Ok(signed) => signed,
            Err(why) => {
                let why = format!("it is not safe yet: {why}");
                self.voice.say(Event::Waiting { path: &item.path, why: &why, wait: UNREADABLE_FOR });
                return Ok(Some(UNREADABLE_FOR));
            }
        };
        let file = ReceiptFile { path: line.path.clone(), mtime: line.mtime.0, recording, receipt, signed };
        let text = serde_json::to_string_pretty(&file).map_err(|e| ClientError::Store(e.to_string()))?;
        // Files of two cards often bear one name: what is on the disk says which of them may have it.
        let mut ledger = hold(&self.ledger);
        receipt::write(&self.settings.state, &item.filename, line.id, &file, &text)?;
        ledger.receipted(line.id, &text, self.env.now())?;
        drop(ledger);
        self.voice.say(Event::Receipted { path: &item.path, sha256: &item.sha256, size: item.size });
        Ok(None)
    }

    /// What goes with a file beside its time: whose it is; of a track, also the video it belongs to.
    fn words(&self, turn: &Turn, line: &Line, hashed: &Hashed) -> Result<Vec<(&'static str, String)>> {
        let mut words = hashed.recording.words();
        if line.mime.starts_with("video/") || line.mime.starts_with("image/") {
            return Ok(words);
        }
        let Some(video) = recording_of(&line.path()) else { return Ok(words) };
        let known = hold(&self.ledger).sha256_of(&video)?;
        let sha256 = match known {
            Some(sha256) => sha256,
            None => {
                hash_file(&video, &|| {
                    turn.reading(Instant::now(), true);
                    self.stopped()
                })?
                .0
            }
        };
        words.push(("sidecar_of", sha256));
        Ok(words)
    }

    /// Reads the file unless that was done; `None` when it is no longer the file of this line.
    fn hashed(&self, turn: &Turn, line: &Line, path: &Path) -> Result<Option<Hashed>> {
        let fail = |e: std::io::Error| ClientError::File(e.to_string());
        let reading = |begins| turn.reading(Instant::now(), begins);
        reading(true);
        let now = fs::metadata(path).map_err(fail)?;
        if i64::try_from(now.len()).ok() != Some(line.size) || modified(&now).map_err(fail)? != line.mtime.0 {
            return Ok(None);
        }
        if let Some(hashed) = line.hashed() {
            reading(false);
            return Ok(Some(hashed));
        }
        let (sha256, size) = hash_file(path, &|| {
            reading(true);
            self.stopped()
        })?;
        if i64::try_from(size).ok() != Some(line.size) {
            return Ok(None);
        }
        let facts = media::read(path, &line.mime);
        reading(false);
        let card = self.settings.watch.join(&turn.mount);
        let seen = Seen {
            mount: &turn.mount,
            inside: path.strip_prefix(&card).or(path.strip_prefix(&self.settings.watch)).unwrap_or(path),
            container: facts.taken_at.map(|taken| taken.at),
            duration_ms: facts.duration_ms,
            mtime: line.mtime.0,
            now: self.server_now(),
            measured: hold(&self.measured).get(&turn.mount).cloned(),
        };
        let hashed = Hashed { sha256, recording: Recording::of(&seen, &self.settings.config) };
        hold(&self.ledger).hashed(line.id, &hashed, self.env.now())?;
        Ok(Some(hashed))
    }

    fn summary(&self, unseen: u64) -> Result<Summary> {
        let mut summary = Summary { unseen, cost: *hold(&self.cost), ..Summary::default() };
        for (state, count) in hold(&self.ledger).counts()? {
            let count = u64::try_from(count).unwrap_or(0);
            match state.as_str() {
                "receipted" => summary.receipted += count,
                "failed" => summary.failed += count,
                _ => summary.waiting += count,
            }
        }
        Ok(summary)
    }
}

struct FileWatch<'a> {
    dock: &'a Dock<'a>,
    turn: &'a Turn,
    path: &'a Path,
    size: u64,
    told: u64,
}

impl Watch for FileWatch<'_> {
    fn moved(&mut self, url: Option<&str>) -> Result<()> {
        hold(&self.dock.ledger).moved(self.turn.line, url, self.dock.env.now())
    }

    fn progress(&mut self, sent: u64) {
        // A call for every block would cost more than sending it.
        if sent < self.told || sent - self.told >= 1024 * 1024 || sent == self.size {
            self.told = sent;
            self.dock.voice.say(Event::Progress { path: self.path, sent, size: self.size });
        }
    }

    fn clock(&mut self, offset: ClockOffset) {
        *hold(&self.dock.clock) = Some(offset);
    }

    fn waiting(&mut self, why: &str, wait: Duration) {
        self.dock.voice.say(Event::Waiting { path: self.path, why, wait });
    }

    fn reading(&mut self, begins: bool) {
        self.turn.reading(Instant::now(), begins);
    }

    fn stop(&self) -> bool {
        self.dock.stopped() || self.enough()
    }
}

impl FileWatch<'_> {
    /// Whether others should have their turn now. At first the file must get on at all.
    fn enough(&self) -> bool {
        hold(&self.dock.turns).enough(self.turn, Instant::now())
    }
}

/// Whether a failure is one that goes away by itself.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Offline(_) => true,
        ClientError::Refused { status, .. } => matches!(status, 408 | 423 | 425 | 429 | 500..=599),
        _ => false,
    }
}

/// What to call a folder.
fn label(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
