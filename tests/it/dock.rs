//! The dock: killed, cut off, lied to; a file is safe when the server has signed that it has it, and never before.

use crate::support::{
    process::chengguan,
    scratch::Folder,
    world::{Engine, World},
};
use chengguan::{
    client::{
        ClientError, Result,
        http::{Api, Patience},
        rules::Pace,
        store::Store,
    },
    dock::{
        Event, Voice,
        config::Config,
        ledger::{Ledger, LedgerState},
        receipt::{self, ReceiptFile, lists},
        work::{self, Settings, Summary, database, receipts},
    },
    env::Env,
    identity::{
        rules::{DeviceKind, Role},
        tokens::{PublicJwk, fresh_pkcs8, hex, public_key, sha256},
    },
    sim::{
        link::{Cut, Link},
        media::{VideoSpec, video},
    },
};
use chrono::{DateTime, FixedOffset, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A dock on its own network, watching a card.
struct Rig {
    world: World,
    link: Link,
    card: PathBuf,
    state: PathBuf,
    code: String,
    folder: Folder,
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Voice for Heard {
    fn say(&self, event: Event) {
        if !matches!(event, Event::Progress { .. }) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }
}

fn rig() -> Rig {
    let world = World::start_now();
    let (_, code) = world.device_code(DeviceKind::Dock);
    let folder = Folder::new("dock");
    let (card, state) = (folder.path().join("card"), folder.path().join("dock"));
    fs::create_dir_all(&card).unwrap();
    let link = Link::new(world.address).unwrap();
    Rig { world, link, card, state, code, folder }
}

impl Rig {
    fn settings(&self) -> Settings {
        Settings {
            code: Some(self.code.clone()),
            once: true,
            jobs: 2,
            settle: Duration::ZERO,
            every: Duration::from_millis(20),
            pace: Pace { first: Duration::from_millis(10), cap: Duration::from_millis(50) },
            ..Settings::new(self.card.clone(), self.state.clone())
        }
    }

    fn run(&self) -> Result<Summary> {
        self.run_with(&self.settings(), &Heard::default())
    }

    fn run_with(&self, settings: &Settings, heard: &Heard) -> Result<Summary> {
        let patience = Patience { connect: Duration::from_secs(2), silence: Duration::from_secs(20) };
        let api = Api::new(&self.link.url(), patience).unwrap();
        work::run(settings, &api, &Env::system(), heard, &AtomicBool::new(false))
    }

    /// Puts a video of so many bytes on the card.
    fn record(&self, name: &str, seed: u64, bytes: u64) -> PathBuf {
        let path = self.card.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, video(&VideoSpec { target_bytes: bytes, ..VideoSpec::new(seed) })).unwrap();
        path
    }

    fn safe(&self) -> Vec<String> {
        receipt::safe(&self.state).unwrap().into_iter().map(|line| line.path).collect()
    }

    fn states(&self) -> Vec<String> {
        let lines = Ledger::open(&database(&self.state)).unwrap().lines().unwrap();
        lines.into_iter().map(|line| line.state).collect()
    }

    fn receipt(&self, name: &str) -> ReceiptFile {
        let bytes = fs::read(receipts(&self.state).join(format!("{name}.receipt.json"))).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

/// Other bytes in a file that looks the same from outside.
fn tamper(path: &Path) {
    let (mut bytes, before) = (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
    File::options().append(true).open(path).unwrap().set_modified(before).unwrap();
}

#[test]
fn files_are_safe_with_a_receipt_and_stay_where_they_are() {
    let rig = rig();
    let (a, b) = (rig.record("A.MP4", 1, 300_000), rig.record("B.mp4", 2, 200_000));
    fs::write(rig.card.join("B.mp4.tmp"), "x").unwrap();
    let summary = rig.run().unwrap();
    assert_eq!((summary.receipted, summary.failed, summary.waiting), (2, 0, 0));
    for path in [&a, &b] {
        let bytes = fs::read(path).unwrap();
        let receipt = rig.receipt(path.file_name().unwrap().to_str().unwrap());
        assert_eq!(receipt.receipt.sha256, hex(&sha256(&bytes)));
        assert_eq!(receipt.receipt.size, bytes.len() as u64);
        assert_eq!(receipt.recording.from, "mtime", "this video has no time of its own");
    }
    assert_eq!(rig.safe(), [a.display().to_string(), b.display().to_string()]);
    assert_eq!(fs::read_dir(&rig.card).unwrap().count(), 3, "nothing was added or removed on the card");
    // Again: nothing to do, nothing travels.
    let before = rig.link.up_bytes();
    assert_eq!(rig.run().unwrap().receipted, 2);
    assert_eq!(rig.link.up_bytes(), before);
    // The card is used again under the same name, size and time.
    tamper(&a);
    assert_eq!(rig.safe(), [b.display().to_string()]);
}

#[test]
fn a_dock_killed_in_mid_upload_goes_on_where_the_server_stands() {
    const SIZE: u64 = 24_000_000;
    let rig = rig();
    let path = rig.record("long.mp4", 3, SIZE);
    // The connection dies after a third, and the network stays away until the dock is dead.
    rig.link.arm(Some(Cut::Up(SIZE / 3)));
    let mut command = chengguan(rig.folder.path());
    command.args(["dock", "--settle", "0", "--server", &rig.link.url(), "--code", &rig.code]);
    command.arg("--watch").arg(&rig.card).arg("--state").arg(&rig.state);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while rig.link.cuts() == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "it never sent anything");
        thread::sleep(Duration::from_millis(5));
    }
    rig.link.plug(false);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(rig.states(), [LedgerState::Uploading.as_str()]);
    assert!(rig.safe().is_empty());
    rig.link.plug(true);
    let summary = rig.run().unwrap();
    assert_eq!((summary.receipted, summary.waiting), (1, 0));
    assert_eq!(rig.safe(), [path.display().to_string()]);
    assert!(rig.link.up_bytes() < SIZE + SIZE / 4, "{} bytes travelled for {SIZE}", rig.link.up_bytes());
}

#[test]
fn a_file_that_is_not_what_was_hashed_never_gets_a_receipt() {
    let rig = rig();
    let path = rig.record("A.mp4", 4, 400_000);
    // Enrolled and hashed, then the network is gone, and the bytes rot on the card.
    rig.link.arm(Some(Cut::Up(50_000)));
    let patience = Patience::default();
    let api = Api::new(&rig.link.url(), patience).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let run = scope.spawn(|| work::run(&rig.settings(), &api, &Env::system(), &Heard::default(), &stop));
        while rig.link.cuts() == 0 {
            thread::sleep(Duration::from_millis(2));
        }
        rig.link.plug(false);
        run.join().unwrap().unwrap();
    });
    tamper(&path);
    rig.link.plug(true);
    let summary = rig.run().unwrap();
    assert_eq!((summary.receipted, summary.failed), (0, 1));
    assert!(rig.safe().is_empty());
    let lines = Ledger::open(&database(&rig.state)).unwrap().lines().unwrap();
    assert!(lines[0].reason.as_deref().unwrap().contains("checksum_mismatch"), "{lines:?}");
    // It is refused for good; the file is touched by nobody, and a new recording goes through.
    assert_eq!(rig.run().unwrap().failed, 1);
    rig.record("B.mp4", 5, 100_000);
    assert_eq!(rig.run().unwrap().receipted, 1);
    assert!(path.exists());
}

#[test]
fn a_growing_file_waits_and_a_changed_one_is_sent_as_another() {
    let rig = rig();
    let path = rig.record("A.mp4", 6, 150_000);
    assert_eq!(rig.run().unwrap().receipted, 1);
    fs::write(&path, video(&VideoSpec { target_bytes: 160_000, ..VideoSpec::new(7) })).unwrap();
    assert_eq!(rig.run().unwrap().receipted, 2);
    assert_eq!(fs::read_dir(receipts(&rig.state)).unwrap().count(), 2, "each has its own receipt");
    assert_eq!(rig.safe().len(), 1, "only what lies there now");
}

#[test]
fn a_wrong_code_and_a_revoked_dock_say_what_to_do() {
    let mut rig = rig();
    rig.record("A.mp4", 8, 50_000);
    let good = std::mem::replace(&mut rig.code, "aaaa-bbbb-cccc-dddd".into());
    let wrong = rig.run().unwrap_err();
    assert!(matches!(&wrong, ClientError::Refused { code, .. } if code == "code_wrong"), "{wrong:?}");
    rig.code = good;
    rig.run().unwrap();
    let admin = rig.world.admin().token.clone();
    let devices = rig.world.get("/api/v1/devices").by(&admin).send().expect(200);
    let id = devices["items"][0]["id"].as_str().unwrap();
    rig.world.post(&format!("/api/v1/devices/{id}/revoke")).by(&admin).send().expect(200);
    rig.record("B.mp4", 9, 50_000);
    let revoked = rig.run().unwrap_err().to_string();
    assert!(revoked.contains("revoked"), "{revoked}");
    assert_eq!(rig.states(), [LedgerState::Receipted.as_str(), LedgerState::Hashed.as_str()]);
}

#[test]
fn an_unreadable_folder_and_two_docks_on_one_state_are_told() {
    let rig = rig();
    rig.record("A.mp4", 10, 50_000);
    rig.run().unwrap();
    let held = File::open(database(&rig.state)).unwrap();
    held.lock().unwrap();
    assert!(rig.run().unwrap_err().to_string().contains("in use by another dock"));
    drop(held);
    fs::rename(&rig.card, rig.card.with_extension("away")).unwrap();
    assert_eq!(rig.run().unwrap().unseen, 1);
}

/// Sets a file's time.
fn touch(path: &Path, at: DateTime<Utc>) {
    File::options().append(true).open(path).unwrap().set_modified(at.into()).unwrap();
}

#[test]
fn cameras_are_told_apart_and_their_own_words_go_with_the_files() {
    let rig = rig();
    let officer = rig.world.person(Role::Officer);
    let start = rig.world.now().trunc_subsecs(0) - TimeDelta::hours(3);
    let name = |device: &str, at: DateTime<Utc>, end: &str| {
        let local = at.with_timezone(&FixedOffset::east_opt(8 * 3600).unwrap());
        format!("431221_{device}_{}_{}{end}", officer.username, local.format("%Y%m%d%H%M%S"))
    };
    let record = |path: String, seed: u64, taken_at: Option<DateTime<Utc>>| {
        let path = rig.record(&path, seed, 80_000);
        let spec = VideoSpec { target_bytes: 80_000, duration_ms: 60_000, taken_at, ..VideoSpec::new(seed) };
        fs::write(&path, video(&spec)).unwrap();
        touch(&path, start + TimeDelta::seconds(60));
    };
    record(format!("slot-01/DCIM/100MEDIA/{}", name("C0012", start, "_0001_IMP.MP4")), 1, Some(start));
    record("slot-02/VID_0001.MP4".into(), 2, Some(start));
    record(format!("slot-03/{}", name("C0099", start + TimeDelta::hours(1), ".MP4")), 3, Some(start));
    record("slot-04/重点/A.MP4".into(), 4, None);
    // The camera writes where it was into a file beside.
    let local = |s: i64| (start + TimeDelta::seconds(s)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let point = |s: i64| format!("<trkpt lat=\"27.44\" lon=\"109.94\"><time>{}</time></trkpt>", local(s));
    let track = format!("<gpx><trk><trkseg>{}{}</trkseg></trk></gpx>", point(0), point(30));
    fs::write(rig.card.join("slot-02/VID_0001.GPX"), track).unwrap();
    let config = Config::parse("[cameras.C0012]\nfolder = 'slot-01'\nclock_offset_s = 3600").unwrap();
    let summary = rig.run_with(&Settings { config, ..rig.settings() }, &Heard::default()).unwrap();
    assert_eq!((summary.receipted, summary.waiting, summary.failed), (5, 0, 0));
    let dispatcher = rig.world.person(Role::Dispatcher);
    let clips = rig.world.get("/api/v1/clips").by(&dispatcher.token).send().expect(200);
    let clip = |camera: &str| {
        let items = clips["items"].as_array().unwrap();
        items.iter().find(|item| item["camera"] == camera).unwrap_or_else(|| panic!("{camera}: {clips}")).clone()
    };
    let at = |clip: &Value, field: &str| clip[field].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let codes = |clip: &Value| {
        let doubts = clip["doubts"].as_array().unwrap().iter();
        doubts.map(|doubt| doubt["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Its clock is an hour ahead, and a person has said so: beside its own word, not instead of it.
    let ahead = clip("C0012");
    assert_eq!((at(&ahead, "recorded_at"), at(&ahead, "started_at")), (start, start - TimeDelta::hours(1)));
    assert_eq!((&ahead["recorded_from"], &ahead["clock_from"]), (&json!("name"), &json!("configured")));
    assert_eq!((&ahead["key_file"], &ahead["user_id"]), (&json!(true), &json!(officer.id)));
    assert_eq!(at(&ahead, "ended_at") - at(&ahead, "started_at"), TimeDelta::seconds(60));
    // Renamed: the container's time counts, and it is told.
    let renamed = clip("C0099");
    assert_eq!((at(&renamed, "recorded_at"), &renamed["recorded_from"]), (start, &json!("file")));
    assert_eq!(codes(&renamed), ["name_time_differs", "camera_unknown"]);
    let bare = clip("slot-02");
    assert_eq!((&bare["recorded_from"], &bare["key_file"]), (&json!("file"), &json!(false)));
    let path = format!("/api/v1/evidence/{}/track", bare["id"].as_str().unwrap());
    let track = rig.world.get(&path).by(&dispatcher.token).send().expect(200);
    assert_eq!(track["points"].as_array().map(Vec::len), Some(2), "{track}");
    let timeless = clip("slot-04");
    assert_eq!((at(&timeless, "recorded_at"), &timeless["key_file"]), (start + TimeDelta::seconds(60), &json!(true)));
    assert_eq!(timeless["recorded_from"], json!("mtime"));
    // Each camera has its list of what may go, in the form of `sha256sum`.
    let list = fs::read_to_string(lists(&rig.state).join("C0012.txt")).unwrap();
    let checked = Command::new("sha256sum").arg("--check").arg(lists(&rig.state).join("C0012.txt")).output().unwrap();
    assert!(checked.status.success() && list.contains("_0001_IMP.MP4"), "{list}");
}

#[test]
fn twelve_cameras_share_the_connections_fairly() {
    const CAMERAS: usize = 12;
    const FILES: usize = 5;
    const BYTES: u64 = 1_500_000;
    let rig = rig();
    for camera in 0..CAMERAS {
        for file in 0..FILES {
            rig.record(&format!("C{camera:02}/DCIM/{file}.MP4"), (camera * 10 + file) as u64, BYTES);
        }
    }
    let (heard, started) = (Heard::default(), Instant::now());
    let summary = rig.run_with(&Settings { jobs: 4, ..rig.settings() }, &heard).unwrap();
    let took = started.elapsed().as_secs_f64();
    let files = (CAMERAS * FILES) as u64;
    let heard = heard.0.into_inner().unwrap();
    assert_eq!((summary.receipted, summary.failed, summary.waiting), (files, 0, 0), "{heard:#?}");
    let camera = |line: &str| line.split("/C").nth(1).and_then(|rest| rest[..2].parse::<usize>().ok()).unwrap();
    // While cards are still being found, those found first are ahead by right.
    let seen = heard.iter().rposition(|line| line.starts_with("Found")).unwrap();
    let (mut done, mut since, mut spread) = ([0usize; CAMERAS], [0usize; CAMERAS], 0);
    for (n, line) in heard.iter().enumerate().filter(|(_, line)| line.starts_with("Receipted")) {
        let camera = camera(line);
        done[camera] += 1;
        since[camera] += usize::from(n > seen);
        let waiting = || (0..CAMERAS).filter(|camera| done[*camera] < FILES).map(|camera| since[camera]);
        spread = spread.max(waiting().max().unwrap_or(0) - waiting().min().unwrap_or(0));
    }
    println!(
        "{files} files of {CAMERAS} cameras, {:.1} MB, in {took:.1} s: {:.1} MB/s; no card more than {spread} files ahead",
        files as f64 * BYTES as f64 / 1e6,
        files as f64 * BYTES as f64 / 1e6 / took
    );
    // Turns go round the cards (`dock::turns`); how long one takes is the server's affair. Nobody is left behind.
    assert!(spread < FILES, "one card was {spread} files ahead of another");
    let told = heard.iter().filter(|line| line.starts_with("Card") && line.contains("safe: 5")).count();
    assert_eq!(told, CAMERAS, "the end of each card is told");
}

#[test]
fn a_card_that_stops_answering_keeps_nobody_waiting() {
    const SIZE: u64 = 6_000_000;
    let rig = rig();
    let path = rig.record("dying/A.MP4", 1, SIZE);
    rig.link.arm(Some(Cut::Up(SIZE / 3)));
    let api = Api::new(&rig.link.url(), Patience::default()).unwrap();
    let (stop, heard) = (AtomicBool::new(false), Heard::default());
    // One place: whoever holds it for ever would keep everybody out.
    let settings = Settings { once: false, jobs: 1, patience: Duration::from_millis(400), ..rig.settings() };
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(90), "{what}: {:?}", heard.0.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        }
    };
    thread::scope(|scope| {
        let run = scope.spawn(|| work::run(&settings, &api, &Env::system(), &heard, &stop));
        wait("nothing was sent", &|| rig.link.cuts() > 0);
        rig.link.plug(false);
        // Whoever opens this for reading waits until somebody writes: as a card with a bad contact does.
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        rig.link.plug(true);
        let dead = |line: &String| line.contains("dying: the card does not answer");
        wait("nobody noticed", &|| heard.0.lock().unwrap().iter().any(dead));
        rig.record("good/B.MP4", 2, 200_000);
        rig.record("good/C.MP4", 3, 200_000);
        wait("the others wait", &|| rig.states().iter().filter(|state| *state == "receipted").count() == 2);
        assert_eq!(rig.states().iter().filter(|state| *state == "uploading").count(), 1);
        // The contact is back; the file is another one by now.
        drop(File::options().write(true).open(&path).unwrap());
        stop.store(true, Ordering::Relaxed);
        run.join().unwrap().unwrap();
    });
    assert_eq!(rig.safe().len(), 2);
}

#[test]
fn a_receipt_that_another_key_signed_counts_for_nothing() {
    let rig = rig();
    let path = rig.record("A.MP4", 1, 60_000);
    rig.run().unwrap();
    assert_eq!(rig.safe(), [path.display().to_string()]);
    // The dock was enrolled with another server than the one that answers now.
    let mut store = Store::open(&database(&rig.state)).unwrap();
    let genuine = store.note("receipt_key").unwrap().unwrap();
    let other = PublicJwk::from_point(&public_key(&fresh_pkcs8().unwrap()).unwrap());
    store.set_note("receipt_key", &serde_json::to_string(&other).unwrap()).unwrap();
    assert_eq!(rig.safe(), Vec::<String>::new(), "an old receipt is checked again each time");
    rig.record("B.MP4", 2, 60_000);
    let heard = Heard::default();
    let summary = rig.run_with(&Settings { wipe: true, ..rig.settings() }, &heard).unwrap();
    assert_eq!((summary.receipted, summary.waiting), (1, 1), "it is there, but nobody we know has signed that");
    let heard = heard.0.into_inner().unwrap().join("\n");
    assert!(heard.contains("not signed with the key that was pinned") && path.exists(), "{heard}");
    store.set_note("receipt_key", &genuine).unwrap();
    assert_eq!(rig.run().unwrap().receipted, 2);
}

#[test]
fn a_file_is_wiped_only_when_told_and_only_while_it_is_the_file_that_is_safe() {
    let rig = rig();
    let (a, b) = (rig.record("C1/A.MP4", 1, 60_000), rig.record("C1/B.MP4", 2, 60_000));
    rig.run().unwrap();
    assert!(a.exists() && b.exists(), "nobody said so");
    tamper(&b);
    let c = rig.record("C1/C.MP4", 3, 60_000);
    let heard = Heard::default();
    let wipe = Settings { wipe: true, ..rig.settings() };
    let summary = rig.run_with(&wipe, &heard).unwrap();
    assert_eq!((summary.receipted, a.exists(), b.exists(), c.exists()), (3, false, true, false));
    let heard = heard.0.into_inner().unwrap();
    assert_eq!(heard.iter().filter(|line| line.starts_with("Wiped")).count(), 2, "{heard:?}");
    assert!(
        heard.iter().any(|line| line.contains("B.MP4") && line.contains("not the file that was sent")),
        "{heard:?}"
    );
    let lines = Ledger::open(&database(&rig.state)).unwrap().lines().unwrap();
    assert_eq!(lines.iter().map(|line| line.wiped_at.is_some()).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(rig.safe(), Vec::<String>::new());
    // The camera counts from 1 again: the same name is a new file, and the old receipt says nothing about it.
    rig.record("C1/A.MP4", 4, 60_000);
    assert_eq!(rig.run().unwrap().receipted, 4);
    assert_eq!(rig.safe(), [a.display().to_string()]);
}

#[test]
fn a_wrong_configuration_is_told_before_anything_happens() {
    let rig = rig();
    rig.record("C1/A.MP4", 1, 60_000);
    let config = rig.folder.path().join("dock.toml");
    fs::write(&config, "[[patterns]]\nname = 'x'\nregex = '(?<serial>x)'").unwrap();
    let mut command = chengguan(rig.folder.path());
    command.args(["dock", "--once", "--settle", "0", "--server", &rig.link.url(), "--code", &rig.code]);
    command.arg("--watch").arg(&rig.card).arg("--state").arg(&rig.state).arg("--config").arg(&config);
    let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("serial") && said.contains("dock.toml"), "{said}");
    assert!(!rig.state.exists());
}

impl World {
    /// SQLite and the real clock: another process cannot share a simulated one.
    fn start_now() -> World {
        let options = crate::support::world::Options { simulated: false, ..Default::default() };
        World::with(Engine::Sqlite, options)
    }
}
