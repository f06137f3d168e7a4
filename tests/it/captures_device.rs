//! A device that signs what it saves, by the real client: through crashes, copies, wipes and new keys.

use crate::support::{
    on_both_engines,
    scratch::Folder,
    world::{PASSWORD, Person, World},
};
use chengguan::{
    captures::rules::{Fault, PublicKey, verify_chain},
    client::{
        device::Identity,
        http::{Api, Patience},
        rules::Pace,
        store::{Attachment, CaptureDraft, Draft, Store},
        sync::{Client, Step},
    },
    db::types::CaseId,
    identity::{
        rules::{DeviceKind, Role},
        tokens::{hex, public_key, sha256},
    },
    sim::link::{Cut, Link},
    sync::wire::{EvidenceRef, Gps, Target},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

on_both_engines!(
    what_is_saved_with_a_file_is_signed_and_goes_home_with_it,
    a_push_cut_around_the_records_brings_each_once,
    a_copied_store_makes_forks_and_loses_nothing,
    a_store_that_was_wiped_begins_again_and_one_that_was_enrolled_anew_goes_on,
    a_server_that_was_restored_gets_what_it_forgot,
);

const PACE: Pace = Pace { first: Duration::from_millis(10), cap: Duration::from_millis(100) };

/// A handheld with a person signed in.
struct Handheld<'w> {
    world: &'w World,
    folder: Folder,
    link: Link,
    client: Client,
    files: u32,
}

impl<'w> Handheld<'w> {
    fn new(world: &'w World) -> Handheld<'w> {
        let folder = Folder::new("signing");
        let link = Link::new(world.address).unwrap();
        let client = open(world, &link, &folder.path().join("handheld.db"));
        let mut handheld = Handheld { world, folder, link, client, files: 0 };
        handheld.client.enrol(&world.device_code(DeviceKind::Handheld).1).unwrap();
        handheld.sign_in(&world.person(Role::Inspector));
        handheld
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("handheld.db")
    }

    fn sign_in(&mut self, person: &Person) {
        self.client.login(&person.username, PASSWORD).unwrap();
    }

    /// Reports a case with this many photos.
    fn report(&mut self, photos: u32) {
        let photo = |n: u32| {
            let bytes = format!("photo {n} of {}", self.world.app.env.id()).into_bytes();
            let path = self.folder.path().join(format!("{n}.jpg"));
            fs::write(&path, &bytes).unwrap();
            let evidence = EvidenceRef {
                sha256: hex(&sha256(&bytes)),
                size: bytes.len() as i64,
                mime: "image/jpeg".into(),
                role: "scene".into(),
                need: "none".into(),
                captured_at: None,
            };
            Attachment { path, evidence }
        };
        let attachments: Vec<Attachment> = (self.files..self.files + photos).map(photo).collect();
        self.files += photos;
        let session = self.client.store.session().unwrap();
        let place = Gps {
            lat: 27.44 + f64::from(self.files) * 1e-5,
            lon: 109.944_456_7,
            datum: "wgs84".into(),
            accuracy_m: Some(4.25),
            fix_age_s: Some(0.5),
            source: None,
        };
        let draft = Draft {
            op_id: self.client.op_id(),
            r#type: "case.report".into(),
            target: Target::case(CaseId(self.world.app.env.id())),
            base: None,
            depends_on: vec![],
            actor: session.user_id,
            session: session.session_id,
            occurred_at: self.world.now(),
            mono: None,
            gps: Some(place),
            args: json!({"title": "井盖缺失"}),
            attachments,
        };
        self.client.save(draft).unwrap();
    }

    #[track_caller]
    fn home(&mut self) {
        for _ in 0..200 {
            match self.client.push().unwrap() {
                Step::Idle => return,
                Step::Moved => {}
                Step::Wait(wait, _) => thread::sleep(wait),
                Step::Stopped(need) => panic!("{need:?}"),
            }
        }
        panic!("no end");
    }

    fn identity(&mut self) -> Identity {
        self.client.store.identity().unwrap()
    }

    /// What the server has of this device's chains, oldest first.
    fn there(&mut self) -> Vec<Value> {
        let path = format!("/api/v1/captures?limit=200&device_id={}", self.identity().device);
        let answer = self.world.get(&path).by(&self.world.admin().token).send().expect(200);
        let mut items = answer["items"].as_array().unwrap().clone();
        items.sort_by_key(|item| (item["epoch"].as_i64(), item["seq"].as_i64()));
        items
    }

    fn status(&mut self) -> Value {
        let path = format!("/api/v1/captures/chains/{}", self.identity().device);
        self.world.get(&path).by(&self.world.admin().token).send().expect(200)
    }

    fn waiting(&mut self) -> Vec<String> {
        self.client.store.captures_waiting(1000).unwrap()
    }
}

fn open(world: &World, link: &Link, path: &Path) -> Client {
    let patience = Patience { connect: Duration::from_secs(5), silence: Duration::from_secs(30) };
    let api = Api::new(&link.url(), patience).unwrap();
    Client::new(Store::open(path).unwrap(), api, world.app.env.clone(), "test/1", PACE)
}

fn labels(items: &[Value]) -> Vec<(i64, i64, &str)> {
    let label = |i: &'_ Value| (i["epoch"].as_i64().unwrap(), i["seq"].as_i64().unwrap());
    items.iter().map(|i| (label(i).0, label(i).1, i["status"].as_str().unwrap())).collect()
}

fn what_is_saved_with_a_file_is_signed_and_goes_home_with_it(world: &World) {
    let mut handheld = Handheld::new(world);
    handheld.report(2);
    handheld.report(0);
    handheld.report(70);
    // A record names at most 64 files; what has none is not signed apart from the operation.
    let signed = handheld.waiting();
    assert_eq!(signed.len(), 3);
    handheld.client = open(world, &handheld.link, &handheld.path());
    assert_eq!(handheld.waiting(), signed, "they are on the disk");
    let key = PublicKey::of(&public_key(&handheld.identity().pkcs8).unwrap()).unwrap();
    let bytes: Vec<&[u8]> = signed.iter().map(String::as_bytes).collect();
    let found: Vec<Fault> = verify_chain(&bytes, &key).into_iter().map(|finding| finding.flag.code).collect();
    assert_eq!(found, [Fault::FixRepeated], "the same action, in two records");
    let record: Value = serde_json::from_str(&signed[0]).unwrap();
    assert_eq!(record["body"]["op_type"], "case.report");
    assert_eq!((&record["lat_e6"], &record["lon_e6"]), (&json!(27_440_020), &json!(109_944_457)));
    assert_eq!((&record["accuracy_mm"], &record["fix_age_ms"]), (&json!(4250), &json!(500)));
    assert!(!handheld.client.settled().unwrap());
    handheld.home();
    assert_eq!(handheld.waiting(), Vec::<String>::new());
    assert_eq!(labels(&handheld.there()), [(1, 1, "accepted"), (1, 2, "accepted"), (1, 3, "accepted")]);
    assert_eq!(handheld.there()[0]["media"].as_array().unwrap().len(), 2);
    // A caller's own record, as a dock makes them.
    let draft = CaptureDraft {
        r#type: "ingest",
        body: Map::new(),
        media: vec![],
        gps: None,
        wall: world.now(),
        mono: Some((5, "b".into())),
    };
    let raw = handheld.client.store.capture(draft).unwrap();
    assert_eq!(handheld.waiting(), [raw]);
}

fn a_push_cut_around_the_records_brings_each_once(world: &World) {
    let mut handheld = Handheld::new(world);
    for n in 0..6u64 {
        handheld.report(1);
        handheld.home();
        handheld.report(1);
        // The operation's own push goes through; the records' is cut, then its answer is.
        for cut in [Cut::Up(900 + n * 150), Cut::Answer] {
            handheld.link.arm(Some(cut));
            drop(handheld.client.push().unwrap());
            handheld.link.arm(None);
        }
        handheld.home();
    }
    let status = handheld.status();
    assert_eq!((&status["records"], &status["missing"], &status["forks"]), (&json!(12), &json!(0), &json!(0)));
    assert!(handheld.link.cuts() >= 6);
}

fn a_copied_store_makes_forks_and_loses_nothing(world: &World) {
    let mut handheld = Handheld::new(world);
    handheld.report(1);
    handheld.report(1);
    handheld.home();
    // A backup of the whole handheld, put into another one.
    let mut copy = Handheld { files: 100, ..Handheld::new(world) };
    handheld.client = open(world, &handheld.link, &handheld.path());
    for suffix in ["", "-wal", "-shm"] {
        let file = |of: &Handheld| PathBuf::from(format!("{}{suffix}", of.path().display()));
        drop(fs::remove_file(file(&copy)));
        if file(&handheld).exists() {
            fs::copy(file(&handheld), file(&copy)).unwrap();
        }
    }
    copy.client = open(world, &copy.link, &copy.path());
    for one in [&mut handheld, &mut copy] {
        one.report(1);
        one.report(1);
    }
    let made: BTreeSet<String> =
        [handheld.waiting(), copy.waiting()].concat().iter().map(|raw| hex(&sha256(raw.as_bytes()))).collect();
    assert_eq!(made.len(), 4);
    handheld.home();
    copy.home();
    // By now the copy knows that it is one: what it signs from here on is an epoch of its own, on its last record.
    copy.report(1);
    copy.home();
    handheld.report(1);
    handheld.home();
    let there = handheld.there();
    let have: BTreeSet<String> = there.iter().map(|item| item["sha256"].as_str().unwrap().to_owned()).collect();
    assert!(made.is_subset(&have), "nothing is lost");
    let status = handheld.status();
    assert_eq!((&status["missing"], &status["edited"]), (&json!(0), &json!(0)));
    // At least what both signed before one of them knew that it is a copy.
    let forks = status["epochs"][0]["forks"].as_array().unwrap();
    assert!(forks.starts_with(&[json!(3), json!(4)]) && status["forks"] == json!(forks.len()), "{status}");
    assert_eq!(status["records"], 8);
    let begins: Vec<&Value> = status["epochs"].as_array().unwrap().iter().map(|epoch| &epoch["begins"]).collect();
    assert_eq!((begins[0], begins[1]), (&json!("genesis"), &json!("linked")));
}

fn a_store_that_was_wiped_begins_again_and_one_that_was_enrolled_anew_goes_on(world: &World) {
    let mut handheld = Handheld::new(world);
    let person = world.person(Role::Inspector);
    handheld.report(1);
    handheld.home();
    let identity = handheld.identity();
    // Only the key is left, and the first work is signed before the server has said an epoch.
    let path = handheld.folder.path().join("new.db");
    handheld.client = open(world, &handheld.link, &path);
    handheld.client.adopt(&identity).unwrap();
    handheld.sign_in(&person);
    handheld.report(1);
    handheld.home();
    handheld.report(1);
    handheld.home();
    let ordinary = "accepted";
    assert_eq!(labels(&handheld.there()), [(0, 1, ordinary), (1, 1, ordinary), (2, 1, ordinary)]);
    let begins = |handheld: &mut Handheld| -> Vec<Value> {
        let status = handheld.status();
        status["epochs"].as_array().unwrap().iter().map(|epoch| epoch["begins"].clone()).collect()
    };
    assert_eq!(begins(&mut handheld), ["genesis", "genesis", "linked"]);
    // A new code: a new key and epoch, and what waits was signed with the old key.
    handheld.report(1);
    let body = json!({"name": identity.name, "kind": "handheld"});
    let added = world.post("/api/v1/devices").by(&world.admin().token).json(&body).send().expect(201);
    handheld.client.enrol(added["code"].as_str().unwrap()).unwrap();
    handheld.sign_in(&person);
    handheld.report(1);
    handheld.home();
    let tail = handheld.there().split_off(3);
    assert_eq!(labels(&tail), [(2, 2, ordinary), (3, 1, ordinary)]);
    assert_eq!(begins(&mut handheld)[3], "linked");
}

fn a_server_that_was_restored_gets_what_it_forgot(world: &World) {
    let mut handheld = Handheld::new(world);
    handheld.report(1);
    handheld.report(1);
    handheld.home();
    // A backup from before is put back: the records are not in it.
    world.write(|tx| {
        use diesel::connection::SimpleConnection;
        tx.db.batch_execute("DELETE FROM capture_media; DELETE FROM captures;")?;
        chengguan::db::feed::begin_generation(tx, "").map(drop)
    });
    assert_eq!(handheld.there(), Vec::<Value>::new());
    handheld.report(1);
    handheld.home();
    let status = handheld.status();
    assert_eq!((&status["records"], &status["missing"], &status["forks"]), (&json!(3), &json!(0), &json!(0)));
}
