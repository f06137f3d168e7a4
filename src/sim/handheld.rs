//! One person with a handheld: works without a network, comes back over a bad one.

use super::{
    county::{Account, CENTRE, Enrolment},
    link::{Cut, Link},
    media::{PhotoSpec, photo},
};
use crate::{
    client::{
        ClientError, Result,
        http::{Api, Patience},
        rules::Pace,
        store::{Attachment, Draft, MediaState, Session, Store},
        sync::{Client, Need, Step},
    },
    db::types::{CaseId, OpId},
    env::{Clock, Env},
    evidence::datum::{Datum, Position, from_wgs84},
    identity::{
        rules::Role,
        tokens::{hex, sha256},
    },
    spotchecks::{
        checklist::{self, CheckItem},
        rules::{SiteKind, week_of},
    },
    sync::wire::{EvidenceRef, Gps, Target},
};
use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Waits of a demonstration: a day's work in seconds.
pub const PACE: Pace = Pace { first: Duration::from_millis(20), cap: Duration::from_millis(400) };
/// Silence borne in the demonstration.
pub const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), silence: Duration::from_secs(30) };
/// No device may need longer to bring its work home.
const HOME_WITHIN: Duration = Duration::from_secs(120);

/// A handheld and its person.
pub struct Handheld {
    /// Its number, from 0.
    pub number: usize,
    /// The real client.
    pub client: Client,
    /// Its network.
    pub link: Link,
    /// Everything that was ever saved on it, kept apart from the client's own store.
    pub made: Vec<OpId>,
    /// How far its clock is off.
    pub skew: TimeDelta,
    account: Account,
    folder: PathBuf,
    dice: Env,
    photo_width: u32,
    photos: u32,
    /// Where the person stands: what they do and photograph is done and taken there.
    stands: Position,
    /// Where the person last handled a case.
    pub handled: Option<Position>,
}

struct WrongClock(Env, TimeDelta);

impl Clock for WrongClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now() + self.1
    }
}

impl Handheld {
    /// A new handheld with an empty store in `folder`; its photos are so many pixels wide.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::Offline`] when no port can be had.
    pub fn new(
        number: usize,
        server: SocketAddr,
        account: &Account,
        folder: &Path,
        seed: u64,
        photo_width: u32,
    ) -> Result<Handheld> {
        let (dice, _) = Env::simulated(DateTime::UNIX_EPOCH, seed);
        let minutes = match number % 5 {
            1 => i64::from(dice.below(22)) - 11,
            4 => 120,
            _ => 0,
        };
        let skew = TimeDelta::minutes(minutes);
        let env = Env::system().with_clock(Arc::new(WrongClock(Env::system(), skew)));
        let link = Link::new(server).map_err(|e| ClientError::Offline(e.to_string()))?;
        let api = Api::new(&link.url(), PATIENCE)?;
        let store = Store::open(&folder.join("handheld.db"))?;
        Ok(Handheld {
            number,
            client: Client::new(store, api, env, "sim-handheld/1", PACE),
            link,
            made: Vec::new(),
            skew,
            account: account.clone(),
            folder: folder.to_owned(),
            dice,
            photo_width,
            photos: 0,
            stands: Position::new(CENTRE.0, CENTRE.1)
                .unwrap_or_else(|_| unreachable!("the county seat is on the globe")),
            handled: None,
        })
    }

    /// Morning at the office: enrolled, signed in, and loaded with what the person may see.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn start(&mut self, enrolment: &Enrolment) -> Result<()> {
        self.client.enrol(&enrolment.code)?;
        self.login()?;
        self.read()
    }

    fn login(&mut self) -> Result<Session> {
        let (username, password) = (self.account.username.clone(), self.account.password.clone());
        self.client.login(&username, &password)
    }

    /// The name the person signs in with.
    pub fn username(&self) -> &str {
        &self.account.username
    }

    /// What the person does with a handheld.
    pub fn role(&self) -> Role {
        self.account.role
    }

    fn chance(&self, one_in: u32) -> bool {
        self.dice.below(one_in) == 0
    }

    /// First trip, offline: problems in the street, the week's sites.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn first_trip(&mut self, checkers: usize) -> Result<()> {
        self.link.plug(false);
        match self.account.role {
            Role::Inspector => {
                for n in 0..5 {
                    self.report(n)?;
                }
            }
            Role::SpotChecker => self.visit_sites(checkers)?,
            _ => self.report(0)?,
        }
        Ok(())
    }

    /// Second trip, offline: the unit's people solve what was dispatched; inspectors go on.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn second_trip(&mut self) -> Result<()> {
        self.link.plug(false);
        match self.account.role {
            Role::Liaison | Role::Officer => self.solve(false)?,
            Role::Inspector => {
                self.report(5)?;
                self.remark()?;
                match self.number {
                    // What people type, and what a newer app may send.
                    1 => {
                        let args = json!({"title": "长".repeat(200), "description": ""});
                        let target = Target::case(CaseId(self.client.env().id()));
                        self.save("case.report", target, None, vec![], args, vec![])?;
                    }
                    5 => {
                        let target = Target::case(CaseId(self.client.env().id()));
                        self.save("case.praise", target, None, vec![], json!({"stars": 5}), vec![])?;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Third trip, offline: what came back for rework.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn third_trip(&mut self) -> Result<()> {
        self.link.plug(false);
        match self.account.role {
            Role::Liaison | Role::Officer => self.solve(true),
            _ => self.remark(),
        }
    }

    fn report(&mut self, n: u32) -> Result<()> {
        const TITLES: [&str; 6] = ["井盖缺失", "占道经营", "垃圾满溢", "路灯不亮", "违章停车", "广告牌破损"];
        let target = Target::case(CaseId(self.client.env().id()));
        let place = self.walk();
        let title = TITLES[(self.number + n as usize) % TITLES.len()];
        let args = json!({
            "title": title,
            "description": format!("{title}，{}号巡查点", self.number * 10 + n as usize),
            "class_code": "1101",
            "position": {"lat": place.lat(), "lon": place.lon(), "datum": "wgs84"},
        });
        let mut photos = vec![self.photo("scene", "none")?];
        if self.chance(2) {
            photos.push(self.photo("before", "none")?);
        }
        let report = self.save("case.report", target.clone(), None, vec![], args, photos)?;
        if self.chance(3) {
            let args = json!({"text": "已现场提醒"});
            self.save("case.note", target, None, vec![report], args, vec![])?;
        }
        Ok(())
    }

    /// A remark on a case of one's own that the server has shown.
    fn remark(&mut self) -> Result<()> {
        let me = self.account.user_id.to_string();
        let own = |case: &Value| case["reported_by"] == me.as_str();
        let mine = self.client.store.records("case")?.into_iter().find(|(_, _, case)| own(case));
        if let Some((id, ..)) = mine {
            let target = case_target(&id)?;
            self.save("case.note", target, None, vec![], json!({"text": "现场复看，情况如前"}), vec![])?;
        }
        Ok(())
    }

    fn visit_sites(&mut self, checkers: usize) -> Result<()> {
        let sites = self.client.store.records("site")?;
        let (mine, checklist) = (self.number / 5, checklist::usual());
        let week = week_of(self.client.env().now() - self.skew);
        for (n, (id, _, site)) in sites.into_iter().enumerate().filter(|(n, _)| n % checkers.max(1) == mine) {
            self.walk();
            if let (Some(lat), Some(lon)) = (site["lat"].as_f64(), site["lon"].as_f64()) {
                self.stands = Position::new(lat, lon).unwrap_or(self.stands);
            }
            // Where points are deducted a photo shows why, and who was there signs.
            let files = if n % 8 == 0 { vec![self.photo("scene", "none")?, self.signature()?] } else { Vec::new() };
            let shown = files.first().map(|photo| photo.evidence.sha256.clone());
            let kind = site["kind"].as_str().and_then(|kind| kind.parse().ok()).unwrap_or(SiteKind::Other);
            let (found, left_at) = (1 + self.dice.below(3), self.client.env().now());
            let answer = |(n, item): (usize, &CheckItem)| match &shown {
                Some(shown) if n == 0 => json!({"item": item.code, "finding": "deduct", "text": "保洁不到位",
                    "deduction": item.points.min(item.step * i32::try_from(found).unwrap_or(1)), "photos": [shown]}),
                _ if n == 1 && found == 2 => json!({"item": item.code, "finding": "not_applicable"}),
                _ => json!({"item": item.code, "finding": "pass"}),
            };
            let answers: Vec<Value> = checklist.of(kind).iter().enumerate().map(answer).collect();
            let mut args = json!({"site_id": id, "week": week, "checklist_version": checklist.version, "answers": answers,
                "arrived_at": left_at - TimeDelta::minutes(6), "left_at": left_at});
            if let Some(signature) = files.get(1) {
                args["signature"] = json!(signature.evidence.sha256);
            }
            let target = Target { kind: "spot_check".into(), id: self.client.env().id() };
            self.save("spot_check.record", target, None, vec![], args, files)?;
        }
        Ok(())
    }

    /// Works through the unit's dispatched cases. Two people of a unit carry the same list, as they do in life.
    fn solve(&mut self, rework: bool) -> Result<()> {
        let unit = self.account.unit.map(|unit| unit.to_string()).unwrap_or_default();
        let cases = self.client.store.records("case")?;
        let open = cases.into_iter().filter(|(_, _, case)| {
            case["state"] == "dispatched"
                && case["unit_id"] == unit.as_str()
                && (!rework || case["rework_count"].as_i64() > Some(0))
        });
        for (n, (id, _, case)) in open.enumerate() {
            let target = case_target(&id)?;
            self.walk();
            let liaison = self.account.role == Role::Liaison;
            if liaison && n % 6 == 5 {
                let args = json!({"reason": "不属于本单位职责范围"});
                self.step("case.return", &target, args, vec![])?;
                continue;
            }
            // An officer may not ask for more time: that is refused, and everything else goes on.
            if (liaison && n % 6 == 1) || (!liaison && n == 0) {
                let due: Option<DateTime<Utc>> = case["due_at"].as_str().and_then(|at| at.parse().ok());
                let until = due.unwrap_or_else(|| self.client.env().now()) + TimeDelta::days(2);
                let args = json!({"until": until, "reason": "等待材料"});
                if liaison {
                    self.step("case.request_extension", &target, args, vec![])?;
                } else {
                    // Nothing builds on it, so it names no base.
                    self.save("case.request_extension", target.clone(), None, vec![], args, vec![])?;
                }
            }
            let photo = self.photo("after", "before_close")?;
            self.step("case.handle", &target, json!({"note": "已整改完毕"}), vec![photo])?;
            self.step("case.apply_closing", &target, json!({"note": "申请结案"}), vec![])?;
            if n % 4 == 0 {
                self.save("case.note", target, None, vec![], json!({"text": "照片见附件"}), vec![])?;
            }
        }
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
        base: Option<crate::sync::wire::Base>,
        depends_on: Vec<OpId>,
        args: Value,
        attachments: Vec<Attachment>,
    ) -> Result<OpId> {
        let session = self.client.store.session()?;
        let op_id = self.client.op_id();
        // Some makers' handhelds report positions in the shifted datum.
        let datum = if self.number % 7 == 3 { Datum::Gcj02 } else { Datum::Wgs84 };
        let shown = from_wgs84(self.stands, datum);
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
                lat: shown.lat(),
                lon: shown.lon(),
                datum: datum.as_str().to_owned(),
                accuracy_m: Some(f64::from(3 + self.dice.below(20))),
                fix_age_s: Some(f64::from(self.dice.below(5))),
                source: Some("gnss".into()),
            }),
            args,
            attachments,
        };
        self.client.save(draft)?;
        if kind == "case.handle" {
            self.handled = Some(self.stands);
        }
        self.made.push(op_id);
        Ok(op_id)
    }

    /// Goes somewhere else.
    fn walk(&mut self) -> Position {
        let near = |centre: f64| centre + (f64::from(self.dice.below(20_000)) - 10_000.0) / 1e6;
        self.stands = Position::new(near(CENTRE.0), near(CENTRE.1)).unwrap_or(self.stands);
        self.stands
    }

    /// Takes a photo; it is on the disk when this returns.
    fn photo(&mut self, role: &str, need: &str) -> Result<Attachment> {
        let now = self.client.env().now();
        self.photos += 1;
        let spec = PhotoSpec {
            width: self.photo_width,
            height: self.photo_width * 3 / 4,
            taken_at: Some(now.with_timezone(&beijing())),
            position: Some(self.stands),
            ..PhotoSpec::new(u64::from(self.dice.below(u32::MAX)))
        };
        self.keep(format!("IMG_{:04}.jpg", self.photos), &photo(&spec), "image/jpeg", role, need)
    }

    /// A stroke drawn on the glass, as the page keeps it: black on white, PNG.
    fn signature(&mut self) -> Result<Attachment> {
        self.photos += 1;
        let mut glass = image::GrayImage::from_pixel(240, 80, image::Luma([255]));
        let (height, turns) =
            (10.0 + f64::from(self.dice.below(25_000)) / 1e3, 2.0 + f64::from(self.dice.below(5_000)) / 1e3);
        for x in 20..220_u32 {
            let y = 40.0 + height * (f64::from(x) / 200.0 * turns * std::f64::consts::TAU).sin();
            for dy in 0..3 {
                glass.put_pixel(x, y as u32 + dy, image::Luma([0]));
            }
        }
        let mut bytes = std::io::Cursor::new(Vec::new());
        let written = glass.write_to(&mut bytes, image::ImageFormat::Png);
        written.map_err(|e| ClientError::File(format!("a signature: {e}")))?;
        self.keep(format!("SIGN_{:04}.png", self.photos), bytes.get_ref(), "image/png", "signature", "none")
    }

    fn keep(&self, name: String, bytes: &[u8], mime: &str, role: &str, need: &str) -> Result<Attachment> {
        let now = self.client.env().now();
        let path = self.folder.join(name);
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|e| ClientError::File(format!("{}: {e}", path.display())))?;
        let evidence = EvidenceRef {
            sha256: hex(&sha256(bytes)),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            mime: mime.to_owned(),
            role: role.to_owned(),
            need: need.to_owned(),
            captured_at: Some(now),
        };
        Ok(Attachment { path, evidence })
    }

    /// Comes back and brings the operations home, over a connection that breaks `cuts` times, then reads.
    ///
    /// # Errors
    /// [`ClientError::Offline`] when it takes too long, and what only a person could mend.
    pub fn bring_home(&mut self, mut cuts: u32) -> Result<()> {
        self.link.plug(true);
        let end = Instant::now() + HOME_WITHIN;
        loop {
            if cuts > 0 && self.client.store.outbox_summary()?.depth > 0 {
                cuts -= 1;
                let depth = u32::try_from(self.client.store.outbox_summary()?.depth).unwrap_or(1);
                let up = Cut::Up(400 + u64::from(self.dice.below(depth * 500)));
                self.link.arm(Some(if self.chance(2) { Cut::Answer } else { up }));
            }
            match self.client.push()? {
                Step::Idle => break,
                Step::Moved => {}
                Step::Wait(wait, why) => self.wait(wait, end, &why)?,
                Step::Stopped(need) => return Err(stopped(need)),
            }
        }
        self.link.arm(None);
        self.read()
    }

    /// Reads the feed to its end; signs in again when the session is over.
    ///
    /// # Errors
    /// As [`Handheld::bring_home`].
    pub fn read(&mut self) -> Result<()> {
        self.link.plug(true);
        let end = Instant::now() + HOME_WITHIN;
        loop {
            match self.client.pull() {
                Ok(Step::Idle) => return Ok(()),
                Ok(Step::Moved) => {}
                Ok(Step::Wait(wait, why)) => self.wait(wait, end, &why)?,
                Ok(Step::Stopped(Need::SignIn)) | Err(ClientError::NotSignedIn) => drop(self.login()?),
                Ok(Step::Stopped(need)) => return Err(stopped(need)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the photos, over a connection that breaks `cuts` times, then reads what that released.
    ///
    /// # Errors
    /// As [`Handheld::bring_home`].
    pub fn send_photos(&mut self, mut cuts: u32) -> Result<()> {
        self.link.plug(true);
        let end = Instant::now() + HOME_WITHIN;
        loop {
            let waiting = self.client.store.media(MediaState::Waiting)?;
            if let Some(next) = waiting.first().filter(|_| cuts > 0) {
                cuts -= 1;
                let size = u32::try_from(next.size).unwrap_or(u32::MAX);
                self.link.arm(Some(Cut::Up(1_500 + u64::from(self.dice.below(size)))));
            }
            match self.client.upload()? {
                Step::Idle => break,
                Step::Moved => {}
                Step::Wait(wait, why) => self.wait(wait, end, &why)?,
                Step::Stopped(need) => return Err(stopped(need)),
            }
        }
        self.link.arm(None);
        self.read()
    }

    fn wait(&self, wait: Duration, end: Instant, why: &str) -> Result<()> {
        if Instant::now() + wait > end {
            return Err(ClientError::Offline(format!("{}: no end of {why}", self.account.username)));
        }
        thread::sleep(wait);
        Ok(())
    }
}

fn stopped(need: Need) -> ClientError {
    ClientError::Unreadable(match need {
        Need::Enrol => "the device must be enrolled again".into(),
        Need::SignIn => "the person must sign in".into(),
        Need::Look(what) => what,
    })
}

fn case_target(id: &str) -> Result<Target> {
    let id = id.parse().map_err(|_| ClientError::Unreadable(format!("a case's id is {id:?}")))?;
    Ok(Target::case(CaseId(id)))
}

fn beijing() -> FixedOffset {
    FixedOffset::east_opt(8 * 3600).unwrap_or_else(|| unreachable!("eight hours are a valid offset"))
}
