//! The dock at work: finds, hashes, sends several files at once, and writes receipts.

use super::{
    Event, Voice,
    ledger::{Hashed, Ledger, Line, State},
    scan::{Found, Scanner, modified},
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
    identity::tokens::{hex, sha256},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
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

/// What a receipt file holds: the server's word, and what it is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceiptFile {
    /// Where the file lay.
    pub path: String,
    /// Its last change, when it was hashed.
    pub mtime: chrono::DateTime<chrono::Utc>,
    /// When it was taken.
    pub captured_at: chrono::DateTime<chrono::Utc>,
    /// Who says so: `file` or `mtime`.
    pub captured_from: String,
    /// The server's word.
    #[serde(flatten)]
    pub receipt: Receipt,
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
            let mut failures = 0;
            loop {
                match device::enrol(api, code, env) {
                    Ok((identity, offset)) => {
                        store.set_identity(&identity, offset)?;
                        store.set_note("enrolled_with", &mark.unwrap_or_default())?;
                        voice.say(Event::Notice(&format!("enrolled as {}", identity.name)));
                        return Ok(identity);
                    }
                    Err(ClientError::Offline(why)) if !settings.once || failures < TRIES_ONCE => {
                        failures += 1;
                        let wait = settings.pace.wait(failures, env.below(u32::MAX));
                        voice.say(Event::Notice(&format!("{}: {why}; trying again", api.base())));
                        thread::sleep(wait);
                    }
                    Err(error) => return Err(error),
                }
            }
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
    let offset = store.offset()?;
    let dock = Dock {
        settings,
        api,
        env,
        voice,
        stop,
        identity,
        ledger: Mutex::new(Ledger::open(&path)?),
        clock: Mutex::new(offset),
        queue: Mutex::new(Queue::default()),
        blocked: Mutex::new(None),
        cost: Mutex::new(Cost::default()),
    };
    let unseen = thread::scope(|scope| {
        for _ in 0..settings.jobs.max(1) {
            scope.spawn(|| dock.worker());
        }
        let outcome = dock.watch();
        hold(&dock.queue).closed = true;
        outcome
    })?;
    if let Some(offset) = *hold(&dock.clock) {
        store.set_offset(offset)?;
    }
    if let Some(why) = hold(&dock.blocked).take() {
        return Err(why);
    }
    dock.summary(unseen)
}

struct Dock<'a> {
    settings: &'a Settings,
    api: &'a Api,
    env: &'a Env,
    voice: &'a dyn Voice,
    stop: &'a AtomicBool,
    identity: Identity,
    ledger: Mutex<Ledger>,
    clock: Mutex<Option<ClockOffset>>,
    queue: Mutex<Queue>,
    blocked: Mutex<Option<ClientError>>,
    cost: Mutex<Cost>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<i64>,
    /// In the queue or with a worker.
    taken: HashSet<i64>,
    /// Not before then.
    rest: HashMap<i64, Instant>,
    closed: bool,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Dock<'_> {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || hold(&self.blocked).is_some()
    }

    /// The scanning side; returns how much could not be looked at the last time.
    fn watch(&self) -> Result<u64> {
        let mut scanner = Scanner::new(&self.settings.watch, self.settings.settle);
        let mut troubles = HashSet::new();
        let (mut decided, mut unseen) = (0, 0);
        let mut said = String::new();
        while !self.stopped() {
            let look = scanner.look(Instant::now());
            unseen = look.trouble.len() as u64;
            for (path, why) in &look.trouble {
                if troubles.insert((path.clone(), why.clone())) {
                    self.voice.say(Event::Failed { path, why });
                }
            }
            if look.trouble.is_empty() {
                troubles.clear();
            }
            let mut open = 0;
            for found in &look.complete {
                match self.enter(found) {
                    Ok(waits) => open += usize::from(waits),
                    // Its own disk is full or gone: say so, go on looking; nothing is called safe meanwhile.
                    Err(error) => {
                        let text = error.to_string();
                        if said != text {
                            self.voice.say(Event::Notice(&text));
                            said = text;
                        }
                        open += 1;
                        break;
                    }
                }
            }
            // A card that is just being mounted shows nothing for a moment: two empty looks end `once`.
            let idle = open == 0 && look.growing == 0 && hold(&self.queue).taken.is_empty();
            decided = if idle { decided + 1 } else { 0 };
            if self.settings.once && decided >= 2 {
                break;
            }
            self.sleep(if idle { self.settings.every } else { self.settings.every.min(Duration::from_secs(1)) });
        }
        Ok(unseen)
    }

    fn sleep(&self, wait: Duration) {
        let end = Instant::now() + wait;
        while Instant::now() < end && !self.stopped() {
            thread::sleep(Duration::from_millis(50).min(wait));
        }
    }

    /// Enters a file and hands it to the workers if there is something to do; returns whether it is still open.
    fn enter(&self, found: &Found) -> Result<bool> {
        let (line, fresh) = hold(&self.ledger).enter(found, self.env.now())?;
        if fresh {
            self.voice.say(Event::Found { path: &found.path, size: found.size });
        }
        let state: State = line.state.parse()?;
        if state == State::Receipted {
            return Ok(false);
        }
        let mut queue = hold(&self.queue);
        let resting = queue.rest.get(&line.id).is_some_and(|until| *until > Instant::now());
        // A refused file rests for ever; one that could not be read is looked at again, here and after a restart.
        if (state == State::Failed && line.sha256.is_some()) || resting {
            return Ok(!self.settings.once && resting);
        }
        if self.settings.once && queue.rest.contains_key(&line.id) {
            return Ok(false);
        }
        if queue.taken.insert(line.id) {
            queue.waiting.push_back(line.id);
        }
        Ok(true)
    }

    fn worker(&self) {
        loop {
            let next = {
                let mut queue = hold(&self.queue);
                if self.stopped() || (queue.closed && queue.waiting.is_empty()) {
                    return;
                }
                queue.waiting.pop_front()
            };
            let Some(id) = next else {
                thread::sleep(Duration::from_millis(50));
                continue;
            };
            let rest = self.one(id).unwrap_or_else(|error| {
                self.voice.say(Event::Notice(&error.to_string()));
                Some(UNREADABLE_FOR)
            });
            let mut queue = hold(&self.queue);
            queue.taken.remove(&id);
            match rest {
                Some(rest) => queue.rest.insert(id, Instant::now() + rest),
                None => queue.rest.remove(&id),
            };
        }
    }

    /// One file as far as it goes now; `Some` is how long to leave it alone.
    fn one(&self, id: i64) -> Result<Option<Duration>> {
        let line = hold(&self.ledger).line(id)?;
        let path = line.path();
        let hashed = match self.hashed(&line, &path) {
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
            captured_at: Some(hashed.captured_at),
            captured_from: Some(hashed.captured_from.clone()),
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
        let mut watch = FileWatch { dock: self, id, path: &path, size: item.size, told: 0 };
        let outcome = upload.run(&item, line.upload_url.clone(), &mut watch);
        *hold(&self.cost) += upload.cost;
        match outcome {
            Ok(Outcome::Stored(receipt)) => {
                let file = ReceiptFile {
                    path: line.path.clone(),
                    mtime: line.mtime.0,
                    captured_at: hashed.captured_at,
                    captured_from: hashed.captured_from,
                    receipt,
                };
                let text = serde_json::to_string_pretty(&file).map_err(|e| ClientError::Store(e.to_string()))?;
                self.write_receipt(&item.filename, id, &text)?;
                hold(&self.ledger).receipted(id, &text, self.env.now())?;
                self.voice.say(Event::Receipted { path: &path, sha256: &item.sha256, size: item.size });
                Ok(None)
            }
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

    /// Reads the file unless that was done; `None` when it is no longer the file of this line.
    fn hashed(&self, line: &Line, path: &Path) -> Result<Option<Hashed>> {
        let fail = |e: std::io::Error| ClientError::File(e.to_string());
        let now = fs::metadata(path).map_err(fail)?;
        if i64::try_from(now.len()).ok() != Some(line.size) || modified(&now).map_err(fail)? != line.mtime.0 {
            return Ok(None);
        }
        if let (Some(sha256), Some(at), Some(from)) = (&line.sha256, line.captured_at, &line.captured_from) {
            return Ok(Some(Hashed { sha256: sha256.clone(), captured_at: at.0, captured_from: from.clone() }));
        }
        let (sha256, size) = hash_file(path, &|| self.stopped())?;
        if i64::try_from(size).ok() != Some(line.size) {
            return Ok(None);
        }
        let taken = media::read(path, &line.mime).taken_at;
        let (captured_at, from) = taken.map_or((line.mtime.0, "mtime"), |taken| (taken.at, "file"));
        let hashed = Hashed { sha256, captured_at, captured_from: from.to_owned() };
        hold(&self.ledger).hashed(line.id, &hashed, self.env.now())?;
        Ok(Some(hashed))
    }

    /// Whole or not at all, and on the disk before the ledger says so.
    fn write_receipt(&self, name: &str, id: i64, text: &str) -> Result<()> {
        let folder = receipts(&self.settings.state);
        let path = folder.join(format!("{name}.receipt.json"));
        let owner = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<ReceiptFile>(&bytes).ok());
        let mine: Option<ReceiptFile> = serde_json::from_str(text).ok();
        // Cameras count from 1 again: another file of the same name keeps its own receipt.
        let same = owner.is_none_or(|o| mine.is_some_and(|m| m.path == o.path && m.receipt.sha256 == o.receipt.sha256));
        let path = if same { path } else { folder.join(format!("{name}.{id}.receipt.json")) };
        let temporary = folder.join(format!(".{id}.tmp"));
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&folder)?;
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&folder)?.sync_all()
        };
        write().map_err(|e| ClientError::Store(format!("{}: {e}", path.display())))
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
    id: i64,
    path: &'a Path,
    size: u64,
    told: u64,
}

impl Watch for FileWatch<'_> {
    fn moved(&mut self, url: Option<&str>) -> Result<()> {
        hold(&self.dock.ledger).moved(self.id, url, self.dock.env.now())
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

    fn stop(&self) -> bool {
        self.dock.stopped()
    }
}

/// A file that may be wiped: receipted, and still the very file, read again now.
///
/// # Errors
/// [`ClientError::Store`].
pub fn safe(state: &Path) -> Result<Vec<Line>> {
    let lines = Ledger::open(&database(state))?.lines()?;
    let receipted = lines.into_iter().filter(|line| line.state == State::Receipted.as_str());
    Ok(receipted
        .filter(|line| {
            // Size and time can be equal by chance on a card that was used again; the bytes can't.
            hash_file(&line.path(), &|| false).is_ok_and(|(sha256, size)| {
                Some(&sha256) == line.sha256.as_ref() && i64::try_from(size).ok() == Some(line.size)
            })
        })
        .collect())
}
