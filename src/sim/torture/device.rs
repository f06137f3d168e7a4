//! A device of the run, in a process of its own: it works and syncs without end, by the real client on the real store,
//! until it is killed. All it knows when it is switched on again lies in its folder.

use super::ledger::{Entry, Ledger};
use crate::{
    client::{
        ClientError, Result,
        http::{Api, Patience},
        rules::Pace,
        store::{Attachment, Draft, MediaState, Store},
        sync::{Client, Need, Step},
    },
    db::types::{CaseId, OpId, UserId},
    env::Env,
    evidence::datum::Position,
    identity::{
        rules::Role,
        tokens::{hex, sha256},
    },
    sim::{
        county::{Account, CENTRE},
        media::{PhotoSpec, photo},
    },
    spotchecks::rules::week_of,
    sync::wire::{Base, EvidenceRef, Gps, Target},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Waits of a run: a bad day in minutes.
pub const PACE: Pace = Pace { first: Duration::from_millis(20), cap: Duration::from_millis(400) };
/// Silence that is borne.
pub const PATIENCE: Patience = Patience { connect: Duration::from_secs(2), silence: Duration::from_secs(10) };
/// With a healed network no device may need longer.
const HOME_WITHIN: Duration = Duration::from_secs(100);
/// How often the ledger is told what was answered.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// What a device is told once, in its folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// Its number, from 0.
    pub number: usize,
    /// Its own address of the servers.
    pub server: String,
    /// Decides what it does.
    pub seed: u64,
    /// The person on it.
    pub user_id: UserId,
    /// Their name to sign in with.
    pub username: String,
    /// Their password.
    pub password: String,
    /// What they do.
    pub role: Role,
}

impl Assignment {
    /// For a person of the county.
    pub fn new(number: usize, server: String, seed: u64, account: &Account) -> Assignment {
        Assignment {
            number,
            server,
            seed,
            user_id: account.user_id,
            username: account.username.clone(),
            password: account.password.clone(),
            role: account.role,
        }
    }

    /// Writes it into the device's folder, for its owner's eyes.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = folder.join("assignment.json");
        let text = serde_json::to_string_pretty(self).map_err(|e| ClientError::File(e.to_string()))?;
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|e| ClientError::File(format!("{}: {e}", path.display())))
    }

    fn read(folder: &Path) -> Result<Assignment> {
        let path = folder.join("assignment.json");
        let text = fs::read_to_string(&path).map_err(|e| ClientError::File(format!("{}: {e}", path.display())))?;
        serde_json::from_str(&text).map_err(|e| ClientError::File(format!("{}: {e}", path.display())))
    }
}

/// The store of a device.
pub fn store_path(folder: &Path) -> PathBuf {
    folder.join("handheld.db")
}

/// The ledger of a device.
pub fn ledger_path(folder: &Path) -> PathBuf {
    folder.join("ledger")
}

/// One life of a device. With `home` it makes no more work and ends when everything has been brought home.
///
/// # Errors
/// What no device should meet: its own store or disk fails, or it can't bring everything home.
pub fn live(folder: &Path, life: u64, home: bool) -> Result<()> {
    let given = Assignment::read(folder)?;
    let api = Api::new(&given.server, PATIENCE)?;
    let client = Client::new(Store::open(&store_path(folder))?, api, Env::system(), "torture/1", PACE);
    let seed = given.seed.wrapping_mul(1_000_003).wrapping_add(life);
    let (dice, _) = Env::simulated(DateTime::UNIX_EPOCH, seed);
    let ledger = Ledger::open(&ledger_path(folder))?;
    let mut device = Device {
        given,
        client,
        dice,
        ledger,
        folder: folder.to_owned(),
        life,
        noted: HashSet::new(),
        noted_at: Instant::now(),
        last: None,
    };
    if home { device.go_home() } else { device.work() }
}

struct Device {
    given: Assignment,
    client: Client,
    dice: Env,
    ledger: Ledger,
    folder: PathBuf,
    life: u64,
    /// What the ledger knows of this life's view of the answers: operation and status.
    noted: HashSet<(OpId, &'static str)>,
    noted_at: Instant,
    /// The last record this person acted on, for remarks on it.
    last: Option<(Target, OpId)>,
}

impl Device {
    fn chance(&self, one_in: u32) -> bool {
        self.dice.below(one_in) == 0
    }

    fn work(&mut self) -> Result<()> {
        loop {
            if self.client.store.session().is_ok() {
                // A person without a session can't begin; what was made before goes home all the same.
                for _ in 0..1 + self.dice.below(4) {
                    self.one_thing()?;
                }
            }
            // Out of reach for a while, now and then, so that batches grow.
            if !self.chance(4) {
                self.sync()?;
            }
            if self.noted_at.elapsed() > NOTE_EVERY {
                self.note()?;
            }
            thread::sleep(Duration::from_millis(20 + u64::from(self.dice.below(250))));
        }
    }

    fn one_thing(&mut self) -> Result<()> {
        match (self.given.role, self.dice.below(10)) {
            (_, 0) => self.remark(),
            (Role::SpotChecker, 1..8) => self.visit(),
            (Role::Liaison | Role::Officer, 1..8) => self.solve(),
            _ => self.report(),
        }
    }

    fn report(&mut self) -> Result<()> {
        const TITLES: [&str; 6] = ["井盖缺失", "占道经营", "垃圾满溢", "路灯不亮", "违章停车", "广告牌破损"];
        let target = Target::case(CaseId(self.client.env().id()));
        let title = TITLES[self.dice.below(6) as usize];
        let args = json!({"title": title, "description": format!("{title}，{}号巡查员", self.given.number + 1)});
        let photos = if self.chance(5) { vec![self.photo("scene", "none")?] } else { vec![] };
        let report = self.save("case.report", target.clone(), None, vec![], args, photos)?;
        let mut before = report;
        // A chain of the person's own: each builds on the one before.
        for n in 0..self.dice.below(3) {
            let args = json!({"text": format!("补充说明{}", n + 1)});
            before = self.save("case.note", target.clone(), None, vec![before], args, vec![])?;
        }
        self.last = Some((target, before));
        Ok(())
    }

    /// A remark on one's last record, or on any record that the server has shown.
    fn remark(&mut self) -> Result<()> {
        let args = json!({"text": "现场复看，情况如前"});
        if let Some((target, before)) = self.last.clone().filter(|_| self.chance(2)) {
            self.save("case.note", target, None, vec![before], args, vec![])?;
        } else if let Some((target, _)) = self.case(|_| true)? {
            self.save("case.note", target, None, vec![], args, vec![])?;
        }
        Ok(())
    }

    /// One of the cases that the server has shown, by chance, with its record.
    fn case(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Option<(Target, Value)>> {
        let mut cases = self.client.store.records("case")?;
        cases.retain(|(_, _, case)| wanted(case));
        if cases.is_empty() {
            return Ok(None);
        }
        let choice = self.dice.below(u32::try_from(cases.len()).unwrap_or(u32::MAX));
        let (id, _, case) = cases.swap_remove(choice as usize);
        let id = id.parse().map_err(|_| ClientError::Unreadable(format!("a case's id is {id:?}")))?;
        Ok(Some((Target::case(CaseId(id)), case)))
    }

    /// The unit's own work: handle and apply for closing, each step built on the one before; or send it back, or ask
    /// for time. Several people of a unit take the same cases, as they do in life.
    fn solve(&mut self) -> Result<()> {
        let Some((target, case)) = self.case(|case| case["state"] == "dispatched")? else { return self.report() };
        if self.chance(8) {
            self.step("case.return", &target, json!({"reason": "不属于本单位职责范围"}), vec![])?;
            return Ok(());
        }
        if self.given.role == Role::Liaison && self.chance(6) {
            let due: Option<DateTime<Utc>> = case["due_at"].as_str().and_then(|at| at.parse().ok());
            let until = due.unwrap_or_else(|| self.client.env().now()) + TimeDelta::days(2);
            self.step("case.request_extension", &target, json!({"until": until, "reason": "等待材料"}), vec![])?;
        }
        let photos = if self.chance(3) { vec![self.photo("after", "before_close")?] } else { vec![] };
        self.step("case.handle", &target, json!({"note": "已整改完毕"}), photos)?;
        let applied = self.step("case.apply_closing", &target, json!({"note": "申请结案"}), vec![])?;
        if self.chance(3) {
            let args = json!({"text": "照片见附件"});
            self.save("case.note", target, None, vec![applied], args, vec![])?;
        }
        Ok(())
    }

    fn visit(&mut self) -> Result<()> {
        let sites = self.client.store.records("site")?;
        if sites.is_empty() {
            return Ok(());
        }
        let choice = self.dice.below(u32::try_from(sites.len()).unwrap_or(u32::MAX)) as usize;
        let items: Vec<Value> = (0..self.dice.below(3))
            .map(|n| json!({"code": format!("1.{}", n + 1), "text": "保洁不到位", "deduction": 500 * (n + 1)}))
            .collect();
        let args = json!({"site_id": sites[choice].0, "week": week_of(self.client.env().now()), "items": items});
        let photos = if self.chance(8) { vec![self.photo("scene", "none")?] } else { vec![] };
        let target = Target { kind: "spot_check".into(), id: self.client.env().id() };
        self.save("spot_check.record", target, None, vec![], args, photos)?;
        Ok(())
    }

    /// A step on a case: it builds on what this person has seen, or on their own last step.
    fn step(&mut self, kind: &str, target: &Target, args: Value, photos: Vec<Attachment>) -> Result<OpId> {
        let base = self.client.store.base_for(target)?;
        self.save(kind, target.clone(), base, vec![], args, photos)
    }

    fn save(
        &mut self,
        kind: &str,
        target: Target,
        base: Option<Base>,
        depends_on: Vec<OpId>,
        args: Value,
        attachments: Vec<Attachment>,
    ) -> Result<OpId> {
        let session = self.client.store.session()?;
        let op_id = self.client.op_id();
        let place = self.place();
        let draft = Draft {
            op_id,
            r#type: kind.to_owned(),
            target,
            base,
            depends_on,
            actor: session.user_id,
            session: session.session_id,
            occurred_at: self.client.env().now(),
            mono: None,
            gps: Some(Gps {
                lat: place.lat(),
                lon: place.lon(),
                datum: "wgs84".into(),
                accuracy_m: Some(f64::from(3 + self.dice.below(20))),
                fix_age_s: None,
                source: Some("gnss".into()),
            }),
            args,
            attachments,
        };
        let op = self.client.save(draft)?;
        let bytes = serde_json::to_vec(&op).map_err(|e| ClientError::Store(e.to_string()))?;
        // From here on a person has read "saved": the reckoning will ask for it.
        self.ledger.write(&[Entry::Saved { op: op_id, sha256: hex(&sha256(&bytes)) }])?;
        Ok(op_id)
    }

    fn place(&self) -> Position {
        let near = |centre: f64| centre + (f64::from(self.dice.below(20_000)) - 10_000.0) / 1e6;
        Position::new(near(CENTRE.0), near(CENTRE.1)).unwrap_or_else(|_| unreachable!("it is near the county seat"))
    }

    /// Takes a photo; it is on the disk when this returns.
    fn photo(&mut self, role: &str, need: &str) -> Result<Attachment> {
        let now = self.client.env().now();
        let width = [96, 320, 640][self.dice.below(3) as usize];
        let spec = PhotoSpec {
            width,
            height: width * 3 / 4,
            position: Some(self.place()),
            ..PhotoSpec::new(u64::from(self.dice.below(u32::MAX)))
        };
        let bytes = photo(&spec);
        let path = self.folder.join(format!("{}.jpg", self.client.env().id()));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(|e| ClientError::File(format!("{}: {e}", path.display())))?;
        let evidence = EvidenceRef {
            sha256: hex(&sha256(&bytes)),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            mime: "image/jpeg".into(),
            role: role.to_owned(),
            need: need.to_owned(),
            captured_at: Some(now),
        };
        Ok(Attachment { path, evidence })
    }

    /// A while of syncing: each part goes on until it is done or has to wait.
    fn sync(&mut self) -> Result<()> {
        for _ in 0..10 {
            let step = self.client.push()?;
            if !self.go_on(&step)? {
                break;
            }
        }
        for _ in 0..10 {
            let step = match self.client.pull() {
                Err(ClientError::NotSignedIn) => Step::Stopped(Need::SignIn),
                other => other?,
            };
            if !self.go_on(&step)? {
                break;
            }
        }
        if self.chance(30) {
            // The token is still good; what this tries is a kill between the server's new token and ours.
            let step = match self.client.refresh() {
                Err(ClientError::NotSignedIn) => Step::Stopped(Need::SignIn),
                other => other?,
            };
            self.go_on(&step)?;
        }
        if self.chance(2) {
            let step = self.client.upload()?;
            self.go_on(&step)?;
        }
        Ok(())
    }

    /// Whether there is more to do at once.
    fn go_on(&mut self, step: &Step) -> Result<bool> {
        match step {
            Step::Idle => Ok(false),
            Step::Moved => Ok(true),
            Step::Wait(wait, _) => {
                thread::sleep((*wait).min(PACE.cap));
                Ok(false)
            }
            Step::Stopped(Need::SignIn) => self.sign_in(),
            Step::Stopped(need) => {
                self.ledger.write(&[Entry::Stopped { what: format!("{need:?}") }])?;
                Ok(false)
            }
        }
    }

    fn sign_in(&mut self) -> Result<bool> {
        let (username, password) = (self.given.username.clone(), self.given.password.clone());
        match self.client.login(&username, &password) {
            Ok(_) => Ok(true),
            // No answer, or one that says "later".
            Err(ClientError::Offline(_) | ClientError::Unreadable(_)) => Ok(false),
            Err(ClientError::Refused { status, .. }) if status >= 500 || status == 429 => Ok(false),
            Err(ClientError::Refused { status, code, detail }) => {
                let what = format!("signing in: {status} {code} {}", detail.unwrap_or_default());
                self.ledger.write(&[Entry::Stopped { what }])?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells the ledger what the store holds of answers, and what this life has cost so far.
    fn note(&mut self) -> Result<()> {
        self.noted_at = Instant::now();
        let mut entries = Vec::new();
        for sent in self.client.store.answered()? {
            if self.noted.insert((sent.op_id, sent.result.status.as_str())) {
                entries.push(Entry::answered(sent.op_id, &sent.result));
            }
        }
        let tally = self.client.tally;
        entries.push(Entry::Tally {
            life: self.life,
            pushed: tally.pushed,
            duplicates: tally.duplicates,
            unanswered: tally.unanswered,
            files: tally.files,
            file_cuts: tally.files_cost.cuts.into(),
        });
        self.ledger.write(&entries)
    }

    /// The day is over: everything goes home, whatever it needs but a person with a new code.
    fn go_home(&mut self) -> Result<()> {
        let end = Instant::now() + HOME_WITHIN;
        // Signing in vouches for what was made in a session that had ended.
        while !self.sign_in()? {
            late(end, "signing in")?;
            thread::sleep(Duration::from_millis(100));
        }
        loop {
            let mut step = self.client.push()?;
            if step == Step::Idle {
                step = self.client.upload()?;
            }
            match step {
                Step::Idle if self.client.settled()? => break,
                Step::Idle | Step::Moved => {}
                Step::Wait(wait, why) => {
                    late(end, &why)?;
                    thread::sleep(wait);
                }
                Step::Stopped(need) => return Err(ClientError::Unreadable(format!("{need:?}"))),
            }
            late(end, "work")?;
        }
        while self.client.pull()? != Step::Idle {
            late(end, "reading")?;
            thread::sleep(Duration::from_millis(5));
        }
        let refused = self.client.store.media(MediaState::Refused)?;
        for media in refused {
            let what = format!("{} was refused: {}", media.filename, media.reason.unwrap_or_default());
            self.ledger.write(&[Entry::Stopped { what }])?;
        }
        self.note()
    }
}

fn late(end: Instant, what: &str) -> Result<()> {
    if Instant::now() > end { Err(ClientError::Offline(format!("no end of {what}"))) } else { Ok(()) }
}
