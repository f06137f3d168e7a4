//! The client library against a real server, over a network that breaks where it hurts.

use crate::support::{
    on_both_engines,
    scratch::Folder,
    world::{Engine, Options, Person, World, read},
};
use chengguan::{
    client::{
        device::ClockOffset,
        http::{Api, Patience},
        rules::{Pace, TOO_OLD},
        store::{Attachment, Draft, MediaState, Store},
        sync::{Client, Need, Step},
    },
    db::types::CaseId,
    env::{Clock, Env},
    error::Code,
    identity::{
        rules::{DeviceKind, Role},
        tokens::{hex, sha256},
    },
    sim::link::{Cut, Link},
    sync::wire::{Base, EvidenceRef, Op, Status, Target},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc, thread, time::Duration};

on_both_engines!(
    work_survives_crashes_around_the_answer_and_is_applied_once,
    a_push_cut_at_any_byte_is_sent_again_and_applied_once,
    a_chain_made_offline_builds_on_its_own_steps,
    a_shift_change_keeps_the_work_of_the_person_before,
    an_ended_session_holds_work_until_the_person_signs_in,
    a_revoked_device_still_delivers,
    a_copied_store_is_noticed_and_both_bring_their_work,
    a_wiped_store_goes_on_with_the_same_key,
    a_waiting_pull_returns_with_the_change,
    a_device_that_has_nothing_to_send_still_says_how_it_is,
    photos_follow_over_a_breaking_network,
    bytes_that_changed_on_the_device_are_refused_and_kept,
);

/// A handheld on its own network, and the file its store lies in.
struct Rig<'w> {
    world: &'w World,
    link: Link,
    path: PathBuf,
    env: Env,
    client: Client,
    _folder: Folder,
}

const PACE: Pace = Pace { first: Duration::from_millis(10), cap: Duration::from_millis(100) };

impl<'w> Rig<'w> {
    fn new(world: &'w World) -> Rig<'w> {
        Rig::with(world, world.app.env.clone())
    }

    fn with(world: &'w World, env: Env) -> Rig<'w> {
        let link = Link::new(world.address).unwrap();
        let folder = Folder::new("handheld");
        let path = folder.path().join("handheld.db");
        let client = open(&path, &link, &env);
        let mut rig = Rig { world, link, path, env, client, _folder: folder };
        let (_, code) = world.device_code(DeviceKind::Handheld);
        rig.client.enrol(&code).unwrap();
        rig
    }

    /// As after a power cut: only the file remains.
    fn crash(&mut self) {
        self.client = open(&self.path, &self.link, &self.env);
    }

    fn sign_in(&mut self, person: &Person) {
        self.client.login(&person.username, crate::support::world::PASSWORD).unwrap();
    }

    fn save(&mut self, kind: &str, target: &Target, base: Option<Base>, args: Value) -> Op {
        self.save_with(kind, target, base, args, vec![])
    }

    fn save_with(
        &mut self,
        kind: &str,
        target: &Target,
        base: Option<Base>,
        args: Value,
        files: Vec<Attachment>,
    ) -> Op {
        let session = self.client.store.session().unwrap();
        let draft = Draft {
            op_id: self.client.op_id(),
            r#type: kind.into(),
            target: target.clone(),
            base,
            depends_on: vec![],
            actor: session.user_id,
            session: session.session_id,
            occurred_at: self.env.now(),
            mono: None,
            gps: None,
            args,
            attachments: files,
        };
        self.client.save(draft).unwrap()
    }

    fn report(&mut self) -> (Target, Op) {
        let target = Target::case(CaseId(self.env.id()));
        let op = self.save("case.report", &target, None, json!({"title": "井盖缺失"}));
        (target, op)
    }

    /// Pushes until the outbox is empty.
    #[track_caller]
    fn push_all(&mut self) {
        self.settle(Client::push);
    }

    #[track_caller]
    fn pull_all(&mut self) {
        self.settle(Client::pull);
    }

    #[track_caller]
    fn upload_all(&mut self) {
        self.settle(Client::upload);
    }

    #[track_caller]
    fn settle(&mut self, step: fn(&mut Client) -> chengguan::client::Result<Step>) {
        for _ in 0..200 {
            match step(&mut self.client).unwrap() {
                Step::Idle => return,
                Step::Moved => {}
                Step::Wait(wait, _) => thread::sleep(wait),
                Step::Stopped(need) => panic!("{need:?}"),
            }
        }
        panic!("no end");
    }

    fn statuses(&mut self) -> Vec<Status> {
        self.client.store.answered().unwrap().into_iter().map(|sent| sent.result.status).collect()
    }

    /// How often the operation stands in the case's timeline.
    fn times(&self, by: &Person, target: &Target, op: &Op) -> usize {
        let path = format!("/api/v1/cases/{}/timeline", target.id);
        let lines: Vec<Value> = read(&self.world.get(&path).by(&by.token).send().expect(200)["items"]);
        lines.iter().filter(|line| line["op_id"] == json!(op.op_id)).count()
    }
}

fn open(path: &std::path::Path, link: &Link, env: &Env) -> Client {
    let patience = Patience { connect: Duration::from_secs(5), silence: Duration::from_secs(20) };
    let api = Api::new(&link.url(), patience).unwrap();
    Client::new(Store::open(path).unwrap(), api, env.clone(), "test/1", PACE)
}

fn work_survives_crashes_around_the_answer_and_is_applied_once(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    let (target, op) = rig.report();
    rig.crash();
    assert_eq!(rig.client.store.outbox_summary().unwrap().depth, 1, "saved is saved");
    // The server acts, the answer is lost, and the device dies before it can ask again.
    rig.link.arm(Some(Cut::Answer));
    assert!(matches!(rig.client.push().unwrap(), Step::Wait(..)));
    rig.crash();
    rig.push_all();
    assert_eq!((rig.client.tally.duplicates, rig.statuses()), (1, vec![Status::Applied]));
    assert_eq!(rig.times(&inspector, &target, &op), 1);
}

fn a_push_cut_at_any_byte_is_sent_again_and_applied_once(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    let made: Vec<(Target, Op)> = (0..30).map(|_| rig.report()).collect();
    for after in [1, 100, 500, 2_000, 8_000, 12_000] {
        rig.link.arm(Some(Cut::Up(after)));
        drop(rig.client.push().unwrap());
    }
    rig.push_all();
    assert_eq!(rig.statuses(), vec![Status::Applied; 30]);
    for (target, op) in &made {
        assert_eq!(rig.times(&inspector, target, op), 1);
    }
}

fn a_chain_made_offline_builds_on_its_own_steps(world: &World) {
    let liaison = world.person(Role::Liaison);
    let dispatcher = world.person(Role::Dispatcher);
    let mut rig = Rig::new(world);
    rig.sign_in(&liaison);
    let case = world.post("/api/v1/cases").by(&dispatcher.token).json(&json!({"title": "占道"})).send().expect(201);
    let due = world.now() + TimeDelta::days(2);
    let body = json!({"type": "dispatch", "args": {"unit_id": liaison.unit, "due_at": due}});
    let path = format!("/api/v1/cases/{}/commands", read::<String>(&case["id"]));
    world.post(&path).by(&dispatcher.token).json(&body).send().expect(200);
    rig.pull_all();
    assert_eq!(rig.client.store.records("case").unwrap().len(), 1);
    rig.link.plug(false);
    let target = Target::case(read(&case["id"]));
    let seen = rig.client.store.base_for(&target).unwrap();
    assert_eq!(seen, Some(Base::Version { ver: 2 }));
    let handle = rig.save("case.handle", &target, seen, json!({"note": "已清理"}));
    let own = rig.client.store.base_for(&target).unwrap();
    assert_eq!(own, Some(Base::Op { op: handle.op_id }));
    rig.save("case.apply_closing", &target, own, json!({"note": "申请结案"}));
    assert!(matches!(rig.client.push().unwrap(), Step::Wait(..)), "there is no network");
    rig.link.plug(true);
    rig.push_all();
    assert_eq!(rig.statuses(), [Status::Applied, Status::Applied]);
    rig.pull_all();
    let (_, ver, data) = rig.client.store.records("case").unwrap().remove(0);
    assert_eq!((ver, &data["state"]), (4, &json!("closing_applied")));
}

fn a_shift_change_keeps_the_work_of_the_person_before(world: &World) {
    let (morning, evening) = (world.person(Role::Inspector), world.person(Role::SpotChecker));
    let mut rig = Rig::new(world);
    rig.sign_in(&morning);
    rig.pull_all();
    let (target, op) = rig.report();
    rig.sign_in(&evening);
    // Another scope: the old cursor is refused, a snapshot comes in its place, the outbox is not touched.
    rig.pull_all();
    assert_eq!(rig.client.store.outbox_summary().unwrap().depth, 1);
    rig.push_all();
    assert_eq!(rig.statuses(), [Status::Applied]);
    assert_eq!(rig.times(&morning, &target, &op), 1);
}

fn an_ended_session_holds_work_until_the_person_signs_in(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    rig.pull_all();
    let token = rig.client.store.session().unwrap().access_token;
    world.post("/api/v1/auth/logout").by(&token).json(&json!({})).send().expect(204);
    world.wait(TimeDelta::minutes(1));
    let (target, op) = rig.report();
    rig.push_all();
    assert_eq!(rig.statuses(), [Status::Held]);
    assert_eq!(rig.client.pull().unwrap(), Step::Stopped(Need::SignIn));
    rig.sign_in(&inspector);
    rig.pull_all();
    assert_eq!(rig.statuses(), [Status::Applied]);
    assert_eq!(rig.times(&inspector, &target, &op), 1);
}

fn a_revoked_device_still_delivers(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    rig.pull_all();
    rig.report();
    let id = rig.client.store.identity().unwrap().device;
    world.post(&format!("/api/v1/devices/{id}/revoke")).by(&world.admin().token).send().expect(200);
    rig.push_all();
    assert_eq!(rig.statuses(), [Status::Quarantined]);
    assert_eq!(rig.client.pull().unwrap(), Step::Stopped(Need::Enrol));
    assert_eq!(rig.client.store.records("unit").unwrap(), [], "nothing that was read stays");
}

fn a_copied_store_is_noticed_and_both_bring_their_work(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    rig.report();
    rig.push_all();
    // Last night's backup of the handheld.
    let copy = rig.path.with_file_name("copy.db");
    for ending in ["", "-wal"] {
        let name = |path: &std::path::Path| PathBuf::from(format!("{}{ending}", path.display()));
        std::fs::copy(name(&rig.path), name(&copy)).unwrap();
    }
    let (first, one) = rig.report();
    rig.push_all();
    // It is restored, and goes on with the numbers that were given out since.
    let original = std::mem::replace(&mut rig.client, open(&copy, &rig.link, &rig.env));
    let (second, two) = rig.report();
    assert_eq!(one.seq, two.seq);
    rig.push_all();
    assert_eq!(rig.statuses(), [Status::Applied, Status::Applied]);
    assert_eq!((rig.times(&inspector, &first, &one), rig.times(&inspector, &second, &two)), (1, 1));
    // The other one is not locked out either.
    rig.client = original;
    let (third, three) = rig.report();
    rig.push_all();
    assert_eq!(rig.statuses(), vec![Status::Applied; 3]);
    assert_eq!(rig.times(&inspector, &third, &three), 1);
}

fn a_wiped_store_goes_on_with_the_same_key(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    rig.report();
    rig.push_all();
    let identity = rig.client.store.identity().unwrap();
    rig.path = rig.path.with_file_name("new.db");
    rig.crash();
    rig.client.adopt(&identity).unwrap();
    rig.sign_in(&inspector);
    let (target, op) = rig.report();
    rig.push_all();
    assert!(rig.client.store.identity().unwrap().epoch > identity.epoch);
    assert_eq!((rig.statuses(), rig.times(&inspector, &target, &op)), (vec![Status::Applied], 1));
}

fn a_waiting_pull_returns_with_the_change(world: &World) {
    let dispatcher = world.person(Role::Dispatcher);
    let mut rig = Rig::new(world);
    rig.sign_in(&dispatcher);
    rig.pull_all();
    let started = std::time::Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            world.post("/api/v1/cases").by(&dispatcher.token).json(&json!({"title": "占道"})).send().expect(201);
        });
        rig.client.pull_waiting(Duration::from_secs(15)).unwrap();
    });
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(rig.client.store.records("case").unwrap().len(), 1);
}

fn a_device_that_has_nothing_to_send_still_says_how_it_is(world: &World) {
    let mut rig = Rig::new(world);
    assert_eq!(rig.client.push().unwrap(), Step::Idle);
    assert_eq!(rig.client.heartbeat().unwrap(), Step::Idle);
    let id = rig.client.store.identity().unwrap().device;
    let listed = world.get("/api/v1/devices").by(&world.admin().token).send().expect(200);
    let devices: Vec<Value> = read(&listed["items"]);
    let own = devices.iter().find(|device| device["id"] == json!(id)).unwrap();
    assert_eq!((&own["app"], &own["outbox_depth"]), (&json!("test/1"), &json!(0)));
}

/// A file of these bytes, and how an operation names it.
fn attachment(rig: &Rig, name: &str, bytes: &[u8]) -> Attachment {
    let path = rig.path.with_file_name(name);
    std::fs::write(&path, bytes).unwrap();
    let evidence = EvidenceRef {
        sha256: hex(&sha256(bytes)),
        size: bytes.len() as i64,
        mime: "image/jpeg".into(),
        role: "scene".into(),
        need: "none".into(),
        captured_at: Some(rig.env.now()),
    };
    Attachment { path, evidence }
}

/// More than the heads of all requests of one upload take, bytes.
const HEADS: u64 = 32 * 1024;
/// What the server's framework may have read ahead of the writer when a connection ends, and then drops: 128 KiB, and one
/// more read into the room it has grown.
const READ_AHEAD: u64 = 256 * 1024;

fn photos_follow_over_a_breaking_network(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    let bytes: Vec<u8> = (0..900_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let photo = attachment(&rig, "a.jpg", &bytes);
    let target = Target::case(CaseId(rig.env.id()));
    rig.save_with("case.report", &target, None, json!({"title": "违停"}), vec![photo]);
    rig.push_all();
    let (admin, mut passed, mut lost) = (world.admin(), 0, HEADS);
    for after in [1_500_000, 1_000_000] {
        rig.link.arm(Some(Cut::Off(after)));
        assert!(matches!(rig.client.upload().unwrap(), Step::Wait(..)));
        rig.crash();
        (passed, lost) = (passed + after, lost + READ_AHEAD);
        // A device that is back before the server has read what came makes it stop reading, and brings that again: with
        // two busy processors anything up to the whole file. This one comes back later.
        let url = rig.client.store.media(MediaState::Waiting).unwrap().remove(0).upload_url.unwrap();
        let there = || world.get(&url).by(&admin.token).send().expect(200)["offset"].as_u64().unwrap();
        let since = std::time::Instant::now();
        while there() + lost < passed {
            assert!(since.elapsed() < Duration::from_secs(20), "{} of {passed}", there());
            thread::sleep(Duration::from_millis(20));
        }
        rig.link.plug(true);
    }
    rig.upload_all();
    assert_eq!(rig.client.store.media(MediaState::Stored).unwrap().len(), 1);
    assert!(rig.link.up_bytes() < bytes.len() as u64 + lost, "{} of {}", rig.link.up_bytes(), bytes.len());
    let listed = world.get("/api/v1/evidence").by(&inspector.token).send().expect(200);
    assert_eq!(listed["items"][0]["state"], "stored", "{listed}");
    let path = format!("/api/v1/evidence/{}/content", read::<String>(&listed["items"][0]["id"]));
    assert_eq!(world.get(&path).by(&inspector.token).send().bytes, bytes);
}

fn bytes_that_changed_on_the_device_are_refused_and_kept(world: &World) {
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(world);
    rig.sign_in(&inspector);
    let photo = attachment(&rig, "a.jpg", &[7; 5000]);
    let path = photo.path.clone();
    let target = Target::case(CaseId(rig.env.id()));
    rig.save_with("case.report", &target, None, json!({"title": "违停"}), vec![photo]);
    std::fs::write(&path, [8; 5000]).unwrap();
    rig.push_all();
    rig.upload_all();
    let refused = rig.client.store.media(MediaState::Refused).unwrap();
    assert!(refused[0].reason.as_deref().unwrap().starts_with("checksum_mismatch"), "{refused:?}");
    assert!(path.exists());
    assert!(rig.client.store.media(MediaState::Stored).unwrap().is_empty());
}

#[test]
fn an_app_that_is_too_old_reads_nothing_and_still_delivers() {
    let config = |config: &mut chengguan::config::Config| config.min_app = "test/1.1,pwa/3".parse().unwrap();
    let world = World::with(Engine::Sqlite, Options { config, ..Options::default() });
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::new(&world);
    rig.sign_in(&inspector);
    rig.report();
    assert_eq!(rig.client.pull().unwrap(), Step::Stopped(Need::Look(TOO_OLD.into())));
    rig.push_all();
    assert_eq!(rig.statuses(), [Status::Applied]);
    let token = rig.client.store.session().unwrap().access_token;
    let ask = |query: &str| world.get(&format!("/api/v1/sync/snapshot{query}")).by(&token).send();
    ask("?app=pwa/2.9").refused(Code::ProtocolUnsupported);
    ask("?app=test/1.1").expect(200);
    ask("").expect(200);
}

struct Off(TimeDelta);

impl Clock for Off {
    fn now(&self) -> DateTime<Utc> {
        Env::system().now() + self.0
    }
}

#[test]
fn a_device_whose_clock_jumps_corrects_itself_by_the_servers() {
    let world = World::with(Engine::Sqlite, Options { simulated: false, ..Options::default() });
    let inspector = world.person(Role::Inspector);
    let mut rig = Rig::with(&world, Env::system());
    rig.sign_in(&inspector);
    // The battery was out: the clock is three days off, and what was measured before is of no use.
    rig.env = Env::system().with_clock(Arc::new(Off(TimeDelta::days(-3))));
    rig.crash();
    rig.report();
    rig.push_all();
    assert_eq!(rig.statuses(), [Status::Applied]);
    let offset: ClockOffset = rig.client.store.offset().unwrap().unwrap();
    assert!((offset.offset_ms + 3 * 86_400_000).abs() < 5_000, "{offset:?}");
}
