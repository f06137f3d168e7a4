//! The dock: killed, cut off, lied to; a file is safe when the server has it, and never before.

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
    },
    dock::{
        Event, Voice,
        ledger::{Ledger, State},
        work::{self, ReceiptFile, Settings, Summary, database, receipts},
    },
    env::Env,
    identity::{
        rules::DeviceKind,
        tokens::{hex, sha256},
    },
    sim::{
        link::{Cut, Link},
        media::{VideoSpec, video},
    },
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, atomic::AtomicBool},
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
            watch: self.card.clone(),
            state: self.state.clone(),
            code: Some(self.code.clone()),
            once: true,
            jobs: 2,
            settle: Duration::ZERO,
            every: Duration::from_millis(20),
            pace: Pace { first: Duration::from_millis(10), cap: Duration::from_millis(50) },
        }
    }

    fn run(&self) -> Result<Summary> {
        let patience = Patience { connect: Duration::from_secs(2), silence: Duration::from_secs(20) };
        let api = Api::new(&self.link.url(), patience).unwrap();
        work::run(&self.settings(), &api, &Env::system(), &Heard::default(), &AtomicBool::new(false))
    }

    /// Puts a video of so many bytes on the card.
    fn record(&self, name: &str, seed: u64, bytes: u64) -> PathBuf {
        let path = self.card.join(name);
        fs::write(&path, video(&VideoSpec { target_bytes: bytes, ..VideoSpec::new(seed) })).unwrap();
        path
    }

    fn safe(&self) -> Vec<String> {
        work::safe(&self.state).unwrap().into_iter().map(|line| line.path).collect()
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
        assert_eq!(receipt.captured_from, "mtime", "this video has no time of its own");
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
    assert_eq!(rig.states(), [State::Uploading.as_str()]);
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
    assert_eq!(rig.states(), [State::Receipted.as_str(), State::Hashed.as_str()]);
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

impl World {
    /// SQLite and the real clock: another process cannot share a simulated one.
    fn start_now() -> World {
        let options = crate::support::world::Options { simulated: false, ..Default::default() };
        World::with(Engine::Sqlite, options)
    }
}
