//! The histories of the simulation once more, on the real databases and the real client store: every answer must be the
//! one that the model gave.

use crate::support::{pg, scratch::Folder, world::Engine};
use chengguan::{
    cases::{
        self,
        actions::{Cause, Outcome},
        rules::Command,
    },
    client::{
        self,
        device::{ClockOffset, Identity},
        engine::{AskChanges, AskSnapshot, Heard},
        keep::{Attempt, Extent, Keep, Life, Position, Queued},
        store::{Draft, MediaState, Store},
    },
    db::{
        Database, Db, Tx, feed, schema,
        types::{At, CaseId, DeviceId, OpId, SessionId, UnitId, UserId},
    },
    env::{Env, SimClock},
    error::{Code, Error, Result},
    evidence::{
        actions::{Arrived, store_bytes},
        media::{Facts, Kind},
        rules::{NewEvidence, Owner},
    },
    identity::{
        self,
        rules::{Actor, DeviceKind, Role},
        store::{DeviceRow, EpochRow, SessionRow, UnitRow, UserRow},
        tokens::{Keys, hex, sha256},
    },
    sim::dst::{
        self, Cast, Shape,
        memory::Memory,
        pocket::{Name, Pocket},
        server::{Access, BREAKS, CHANGES, Server, problem},
        world::World,
    },
    sync::{
        self, engine,
        ledger::{Ledger, raw_keep},
        pull::{self, RESTORED, Reader, SnapshotOf},
        record::{Decision, Push, Read},
        review, source,
        wire::{
            self, Base, Changes, DigestCheck, EpochRequest, EpochResponse, Op, OpResult, PushRequest, PushResponse,
            RawResponse, Snapshot, Status, Target,
        },
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Histories for each engine.
const SEEDS: std::ops::Range<u64> = 1..13;

#[test]
fn histories_are_the_same_on_sqlite() {
    compare(Engine::Sqlite);
}

#[test]
fn histories_are_the_same_on_postgres() {
    if Engine::Postgres.is_on("differential::histories_are_the_same_on_postgres") {
        compare(Engine::Postgres);
    }
}

fn compare(engine: Engine) {
    let keys = dst::keys().unwrap();
    let mut lines = 0;
    for seed in SEEDS {
        let shape = Shape { ruin: false, page: 2_000, ..Shape::of(seed) };
        let model = dst::run_shaped(seed, shape, None, &keys, true);
        assert_eq!(model.violation, None, "seed {seed}");
        let (outcome, real) = live(engine, seed, shape, &keys);
        for (place, (ours, theirs)) in model.trace.iter().zip(&real).enumerate() {
            let before = real[place.saturating_sub(6)..place].join("\n");
            assert_eq!(
                ours, theirs,
                "{engine:?}, seed {seed}, line {place}: the model (left), the real one (right), after\n{before}"
            );
        }
        assert_eq!((model.trace.len(), outcome), (real.len(), Ok(())), "{engine:?}, seed {seed}");
        lines += real.len();
    }
    assert!(lines > 1_000, "{lines} answers were compared");
}

fn live(engine: Engine, seed: u64, shape: Shape, keys: &Keys) -> (Result<(), String>, Vec<String>) {
    let folder = Folder::new("differential");
    let (env, clock) = Env::simulated(dst::began(), seed);
    let cast = Cast::new();
    let database = (engine == Engine::Postgres).then(pg::Database::migrated);
    let url = match &database {
        Some(database) => database.url.clone(),
        None => format!("sqlite:{}", folder.path().join("server.db").display()),
    };
    let server = Real::new(&url, clock.clone(), keys, &cast);
    let pockets = cast.devices.iter().map(|id| Phone::new(folder.path().to_owned(), *id)).collect();
    let county = (cast.people, cast.dispatcher, cast.units);
    let mut world = World::new(server, (env, clock), pockets, county.0, county.1, county.2, (None, shape)).unwrap();
    world.trace = Some(vec![]);
    let outcome = world.live().map_err(|violation| violation.to_string());
    (outcome, world.trace.take().unwrap())
}

/// The server's own code on a real database, without HTTP.
struct Real<'k> {
    db: Database,
    runtime: Runtime,
    env: Env,
    keys: &'k Keys,
}

fn release(tx: &mut Tx) -> Result<()> {
    sync::push::release(tx)
}

impl<'k> Real<'k> {
    fn new(url: &str, clock: Arc<SimClock>, keys: &'k Keys, cast: &Cast) -> Real<'k> {
        let env = Env::simulated(dst::began(), 99).0.with_clock(clock);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let db = Database::open(url, 2, env.clone(), true, release).unwrap();
        let server = Real { db, runtime, env, keys };
        let people: Vec<(UserId, Role, Option<UnitId>)> = cast
            .people
            .iter()
            .enumerate()
            .map(|(place, somebody)| (somebody.user, somebody.role, cast.unit(place, somebody.role)))
            .chain([(cast.dispatcher, Role::Dispatcher, None)])
            .collect();
        let (units, devices) = (cast.units.clone(), cast.devices.clone());
        server
            .write(move |tx| {
                feed::begin_generation(tx, "")?;
                people_enter(tx.db, &units, &people)?;
                devices_enter(tx.db, &devices)
            })
            .unwrap();
        server
    }

    fn write<T: Send + 'static>(&self, f: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static) -> Result<T> {
        self.runtime.block_on(self.db.write(f))
    }

    fn page<T: Send + 'static>(
        &self,
        by: Access,
        f: impl FnOnce(&mut Db, &Reader) -> Result<T> + Send + 'static,
    ) -> Result<(T, Reader)> {
        let now = self.env.now();
        if now > by.until {
            return Err(Code::TokenExpired.into());
        }
        let page = self.runtime.block_on(self.db.read(move |db| {
            db.snapshot(|db| {
                let (session, account) = identity::actions::sessions_by_id(db, &[by.session])?.pop().unwrap();
                if now > session.expires_at.0 {
                    return Err(Code::SessionEnded.into());
                }
                let who = Actor {
                    user_id: account.id,
                    name: account.name,
                    role: account.role.parse()?,
                    unit_id: account.unit_id,
                    session_id: session.id,
                    device_id: session.device_id,
                };
                let reader = source::reader(db, who)?;
                Ok((f(db, &reader)?, reader))
            })
        }));
        match page {
            Err(Error { cause, .. }) if cause.as_deref() == Some(RESTORED) => panic!("nothing was restored here"),
            page => page,
        }
    }
}

fn people_enter(db: &mut Db, units: &[UnitId], people: &[(UserId, Role, Option<UnitId>)]) -> Result<()> {
    let at = At(dst::began());
    for unit in units {
        let row =
            UnitRow { id: *unit, code: unit.to_string()[30..].to_owned(), name: unit.to_string(), created_at: at };
        diesel::insert_into(schema::units::table).values(&row).execute(db)?;
    }
    for (id, role, unit_id) in people {
        let row = UserRow {
            id: *id,
            username: id.to_string(),
            name: String::new(),
            role: role.to_string(),
            unit_id: *unit_id,
            password_hash: String::new(),
            failed_logins: 0,
            locked_until: None,
            disabled_at: None,
            created_at: at,
        };
        diesel::insert_into(schema::users::table).values(&row).execute(db)?;
    }
    Ok(())
}

fn devices_enter(db: &mut Db, devices: &[DeviceId]) -> Result<()> {
    let at = At(dst::began());
    for id in devices {
        let row = DeviceRow {
            id: *id,
            name: id.to_string(),
            kind: DeviceKind::Handheld.to_string(),
            public_key: Some(vec![4; 65]),
            enrolment_code_sha256: None,
            enrolment_expires_at: None,
            enrolled_at: Some(at),
            revoked_at: None,
            epoch: 1,
            created_at: at,
        };
        diesel::insert_into(schema::devices::table).values(&row).execute(db)?;
        let epoch = EpochRow::new(*id, 1, "enrolled", at);
        diesel::insert_into(schema::device_epochs::table).values(&epoch).execute(db)?;
    }
    Ok(())
}

fn answered<T>(outcome: Result<T>, good: impl FnOnce(T) -> Heard) -> Heard {
    outcome.map_or_else(|error| problem(&error), good)
}

impl Server for Real<'_> {
    fn push(&mut self, asked: Vec<PushRequest>) -> Vec<Heard> {
        let breaks = |push: &PushRequest| push.ops.iter().any(|op| op.get().contains(BREAKS));
        let broken: Vec<bool> = asked.iter().map(breaks).collect();
        let read = |asked: PushRequest| {
            let digest = sha256(&serde_json::to_vec(&asked).unwrap());
            Read::new(Push::of(asked, vec![4; 65], digest, self.keys))
        };
        let reads: Vec<Read> = asked.into_iter().filter(|push| !breaks(push)).map(read).collect();
        let count = reads.len();
        let taking = self.db.write_and_read(move |tx| sync::push::take_all(tx, &reads), sync::push::results);
        let mut taken = match self.runtime.block_on(taking) {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); count],
        }
        .into_iter();
        let mut heard = |broken: bool| {
            if broken {
                return problem(&Code::Internal.into());
            }
            answered(taken.next().unwrap(), |pushed| {
                let now = self.env.now();
                Heard::Push(Box::new(pushed.token.push_taken(self.keys, now, pushed.results, pushed.missing_seqs)))
            })
        };
        broken.into_iter().map(&mut heard).collect()
    }

    fn epoch(&mut self, device: DeviceId, asked: &EpochRequest) -> Heard {
        let asked = asked.clone();
        let token = self.write(move |tx| engine::begin_epoch(&mut Ledger::new(tx), device, &asked));
        answered(token, |token| Heard::Epoch(token.epoch_begun(self.keys, self.env.now())))
    }

    fn raw(&mut self, device: DeviceId, bytes: &str) -> Heard {
        let (kept, digest) = (bytes.as_bytes().to_vec(), hex(&sha256(bytes.as_bytes())));
        let kept = self.write(move |tx| raw_keep(tx, device, Code::OpMalformed, &kept));
        answered(kept, |()| Heard::Raw(RawResponse { status: Status::Quarantined, sha256: digest }))
    }

    fn changes(&mut self, by: Access, ask: &AskChanges) -> Heard {
        let (now, prev, digest) = (self.env.now(), ask.cursor.clone(), ask.digest);
        let (limit, keys) = (i64::from(ask.limit).min(CHANGES), dst::keys().unwrap());
        let page = self.page(by, move |db, reader| pull::changes(db, &keys, reader, &prev, limit, digest, now));
        answered(page, |(page, _)| Heard::Changes(Box::new(page.answer(ask.cursor.clone(), now))))
    }

    fn snapshot(&mut self, by: Access, ask: &AskSnapshot) -> Heard {
        let (now, keys) = (self.env.now(), dst::keys().unwrap());
        let of = SnapshotOf {
            page: ask.page.clone(),
            since: ask.since.clone(),
            keys: Some(ask.keys.clone()).filter(|keys| !keys.is_empty()),
        };
        let page = self.page(by, move |db, reader| pull::snapshot(db, &keys, reader, of, now));
        answered(page, |(page, reader)| Heard::Snapshot(Box::new(page.answer(reader.keys, now))))
    }

    fn session_good(&mut self, session: SessionId) -> bool {
        let now = self.env.now();
        let found = self.db.read(move |db| identity::actions::sessions_by_id(db, &[session]));
        self.runtime.block_on(found).unwrap().pop().is_some_and(|(session, _)| now <= session.expires_at.0)
    }

    fn sign_in(&mut self, user: UserId, device: DeviceId, life: TimeDelta) -> SessionId {
        self.write(move |tx| {
            let row = SessionRow {
                id: SessionId(tx.id()),
                user_id: user,
                device_id: Some(device),
                refresh_sha256: tx.id().as_bytes().to_vec(),
                previous_refresh_sha256: None,
                created_at: At(tx.now),
                expires_at: At(tx.now + life),
                ended_at: None,
                end_reason: None,
            };
            diesel::insert_into(schema::sessions::table).values(&row).execute(tx.db)?;
            tx.settle(identity::actions::login_key(user, device));
            Ok(row.id)
        })
        .unwrap()
    }

    fn office(&mut self, who: UserId, case: CaseId, command: &Command) -> bool {
        let (command, session_id) = (command.clone(), SessionId(Uuid::nil()));
        let outcome = self.write(move |tx| {
            let who = Actor {
                user_id: who,
                name: String::new(),
                role: Role::Dispatcher,
                unit_id: None,
                session_id,
                device_id: None,
            };
            let cause = Cause { op: None, device: None, occurred_at: tx.now };
            cases::actions::case_command(tx, &who, case, &command, cause)
        });
        matches!(outcome, Ok(Outcome::Applied(_) | Outcome::Merged(..)))
    }

    fn decide(&mut self, op: OpId, decision: Decision, reviewer: UserId) -> bool {
        self.write(move |tx| review::decide(tx, op, decision, reviewer, Some("…"))).is_ok()
    }

    fn photo(&mut self, sha256: &str, by: DeviceId) {
        let facts = Facts {
            kind: Kind::Jpeg,
            media_type: "image/jpeg",
            width: None,
            height: None,
            duration_ms: None,
            taken_at: None,
            position: None,
            altitude_m: None,
            device: None,
            orientation: None,
            track: None,
            notes: vec![],
        };
        let said = NewEvidence {
            sha256: sha256.to_owned(),
            size: 100,
            media_type: "image/jpeg".into(),
            ..NewEvidence::default()
        };
        let sender = Owner { device_id: Some(by), user_id: None };
        self.write(move |tx| {
            store_bytes(tx, Arrived { said, facts, sender, before: vec![], doubts: vec![] }).map(drop)
        })
        .unwrap();
    }

    fn move_person(&mut self, user: UserId, unit: UnitId) {
        self.write(move |tx| {
            use schema::users;
            diesel::update(users::table.find(user)).set(users::unit_id.eq(Some(unit))).execute(tx.db)?;
            Ok(())
        })
        .unwrap();
    }

    fn revoke(&mut self, device: DeviceId) {
        self.write(move |tx| {
            use schema::devices;
            diesel::update(devices::table.find(device)).set(devices::revoked_at.eq(Some(At(tx.now)))).execute(tx.db)?;
            Ok(())
        })
        .unwrap();
    }

    fn tidy(&mut self, keep: i64) {
        self.write(move |tx| {
            let mut ledger = Ledger::new(tx);
            engine::escalate(&mut ledger, 100)?;
            ledger.write().map(drop)
        })
        .unwrap();
        self.write(move |tx| {
            let floor = feed::life(tx.db)?.head - keep;
            feed::forget(tx, floor, 100_000).map(drop)
        })
        .unwrap();
    }

    fn crash(&mut self) {}

    fn backup(&mut self) {}

    fn restore(&mut self) -> bool {
        false
    }

    fn head(&mut self) -> i64 {
        self.runtime.block_on(self.db.read(feed::life)).unwrap().head
    }

    fn memory(&self) -> Option<&Memory> {
        None
    }
}

/// The real client store.
struct Phone {
    folder: PathBuf,
    device: DeviceId,
    path: PathBuf,
    store: Store,
}

type Kept<T> = client::Result<T>;

impl Phone {
    fn open(folder: PathBuf, device: DeviceId, fill: impl FnOnce(&PathBuf)) -> Phone {
        let path = folder.join(format!("{}.db", Env::system().id()));
        fill(&path);
        let store = Store::open(&path).unwrap();
        Phone { folder, device, path, store }
    }

    fn new(folder: PathBuf, device: DeviceId) -> Phone {
        let mut phone = Phone::open(folder, device, |_| {});
        let offset = ClockOffset { offset_ms: 0, measured_at: dst::began() };
        phone.store.set_identity(&identity(device), offset).unwrap();
        phone
    }
}

fn identity(device: DeviceId) -> Identity {
    Identity { device, name: "h".into(), kind: DeviceKind::Handheld, epoch: 1, pkcs8: vec![1] }
}

impl Pocket for Phone {
    fn copy(&mut self) -> Kept<Phone> {
        let beside = |path: &PathBuf| PathBuf::from(format!("{}-wal", path.display()));
        Ok(Phone::open(self.folder.clone(), self.device, |new| {
            std::fs::copy(&self.path, new).unwrap();
            std::fs::copy(beside(&self.path), beside(new)).unwrap();
        }))
    }

    fn save(&mut self, draft: Draft) -> Kept<Op> {
        self.store.save(draft)
    }

    fn seen(&mut self, target: &Target) -> Kept<Option<Base>> {
        self.store.base_for(target)
    }

    fn sight(&mut self) -> Kept<BTreeMap<Name, (i64, String)>> {
        let mut sight = BTreeMap::new();
        for kind in ["unit", "case", "evidence"] {
            let records = self.store.records(kind)?;
            sight.extend(records.into_iter().map(|(id, ver, data)| ((kind.to_owned(), id), (ver, data.to_string()))));
        }
        Ok(sight)
    }

    fn words(&mut self) -> Kept<Vec<(OpId, OpResult)>> {
        Ok(self.store.answered()?.into_iter().map(|sent| (sent.op_id, sent.result)).collect())
    }

    fn photo_sent(&mut self, sha256: &str) -> Kept<()> {
        if self.store.media(MediaState::Waiting)?.iter().any(|media| media.sha256 == sha256) {
            self.store.media_stored(sha256, "{}")?;
        }
        Ok(())
    }

    fn rot(&mut self) -> Kept<bool> {
        Ok(false)
    }

    fn reset(&mut self) -> Kept<()> {
        *self = Phone::open(self.folder.clone(), self.device, |_| {});
        self.store.adopt(&identity(self.device))
    }

    fn drop_work(&mut self) {}
}

macro_rules! forward {
    ($(fn $name:ident(&mut self $(, $arg:ident: $type:ty)*) -> $back:ty;)*) => {
        $(fn $name(&mut self $(, $arg: $type)*) -> Kept<$back> { Keep::$name(&mut self.store $(, $arg)*) })*
    };
}

impl Keep for Phone {
    forward! {
        fn device(&mut self) -> (DeviceId, i32);
        fn generation(&mut self) -> Option<String>;
        fn offset(&mut self) -> Option<ClockOffset>;
        fn set_offset(&mut self, offset: ClockOffset) -> ();
        fn waiting(&mut self, limit: usize) -> Vec<Queued>;
        fn outbox_summary(&mut self) -> wire::Outbox;
        fn media_waiting(&mut self) -> i64;
        fn begin_attempt(&mut self) -> Attempt;
        fn acknowledge(&mut self, attempt: &Attempt, batch: &[Queued], response: &PushResponse, now: DateTime<Utc>) -> bool;
        fn acknowledge_raw(&mut self, op_id: OpId, now: DateTime<Utc>) -> ();
        fn begin_epoch(&mut self, old: i32, asked: Option<&str>, response: &EpochResponse, now: DateTime<Utc>) -> bool;
        fn live(&mut self, asked: Option<&str>, said: &str) -> Life;
        fn position(&mut self) -> Option<Position>;
        fn drop_position(&mut self) -> ();
        fn apply(&mut self, page: &Changes, now: DateTime<Utc>) -> bool;
        fn snapshot_begin(&mut self) -> ();
        fn snapshot_page(&mut self, page: &Snapshot) -> ();
        fn snapshot_finish(&mut self, last: &Snapshot, extent: Extent, now: DateTime<Utc>) -> ();
        fn digests(&mut self, keys: &[String]) -> BTreeMap<String, String>;
        fn digest_check(&mut self) -> Option<DigestCheck>;
        fn set_digest_check(&mut self, check: DigestCheck) -> ();
        fn wipe(&mut self) -> ();
        fn forget(&mut self, before: DateTime<Utc>) -> usize;
    }
}
