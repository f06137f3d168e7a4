//! Bounded samples of `chengguan torture`: real processes, killed at random, on both engines and on a full disk; and the
//! reckoning of such a run, which must see every sort of damage.

use crate::support::{
    process::chengguan,
    scratch::Folder,
    world::{Engine, Options, World},
};
use chengguan::{
    client::{
        http::Api,
        store::Store,
        sync::{Client, Step},
    },
    env::Env,
    sim::{
        county::{self, County, Passwords, Size},
        torture::{
            Report, check,
            device::{Assignment, PACE, PATIENCE, ledger_path, store_path},
            ledger,
        },
    },
};
use diesel::{Connection, RunQueryDsl, sql_query, sqlite::SqliteConnection};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// Runs it and returns what it printed; it must have ended well.
fn torture(args: &[&str]) -> String {
    let folder = Folder::new("torture");
    let mut command = chengguan(folder.path());
    if let Some(programs) = std::env::var_os("TEST_PG_BIN") {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(PathBuf::from(programs)).chain(std::env::split_paths(&own));
        command.env("PATH", std::env::join_paths(all).unwrap_or(OsString::new()));
    }
    let output = command.arg("torture").args(args).arg("--folder").arg(folder.path().join("run")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}\n{text}{errors}");
    assert!(text.contains("missing 0, doubled 0"), "{text}");
    text
}

/// The number before a word of the summary.
#[track_caller]
fn number(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().filter(|before| before.len() < text.len());
    let number = before.and_then(|before| before.trim_end().rsplit(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no number before {word:?} in\n{text}"))
}

#[test]
fn killed_servers_and_devices_lose_nothing_on_sqlite() {
    let text = torture(&["--kills", "14", "--devices", "5", "--seed", "21"]);
    assert!(number(&text, " saved,") > 50 && number(&text, " broken on purpose") > 3, "{text}");
    assert!(number(&text, " answered as known already") > 0, "no push was repeated: {text}");
    assert_eq!(number(&text, " saved,"), number(&text, " acknowledged,"), "{text}");
}

#[test]
fn two_servers_on_one_postgresql_that_is_stopped_lose_nothing() {
    for engine in Engine::all("two_servers_on_one_postgresql_that_is_stopped_lose_nothing") {
        if engine == Engine::Postgres {
            let text = torture(&["--kills", "14", "--devices", "5", "--seed", "22", "--postgres", "--servers", "2"]);
            assert!(number(&text, " × by pg_ctl stop -m immediate") > 0, "{text}");
            assert!(number(&text, " saved,") > 50, "{text}");
        }
    }
}

#[test]
fn a_full_disk_stops_nothing_for_good() {
    let text = torture(&["--kills", "8", "--devices", "5", "--seed", "23", "--disk-full"]);
    assert!(number(&text, " ×, by ") > 0, "the disk was never full: {text}");
}

#[test]
fn one_database_for_several_servers_must_be_postgresql_and_a_used_folder_is_refused() {
    let folder = Folder::new("torture");
    let output = chengguan(folder.path()).args(["torture", "--servers", "2"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--postgres"));
    fs::write(folder.path().join("something"), "of a person").unwrap();
    let output = chengguan(folder.path()).args(["torture", "--folder", "."]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
}

/// Three devices that have worked, one of them killed, and brought everything home.
struct Day {
    world: World,
    county: County,
    devices: Folder,
}

impl Day {
    fn lived() -> Day {
        let world = World::with(Engine::Sqlite, Options { simulated: false, ..Options::default() });
        let passwords = Passwords::fresh(&Env::system()).unwrap();
        let county = world.write(move |tx| county::load(tx, Size { handhelds: 3, cameras: 0 }, &passwords));
        let day = Day { world, county, devices: Folder::new("torture-day") };
        let url = format!("http://{}", day.world.address);
        for (n, (enrolment, account)) in day.county.handhelds.iter().enumerate() {
            let folder = day.folder(n);
            fs::create_dir_all(&folder).unwrap();
            Assignment::new(n, url.clone(), 5, account).write(&folder).unwrap();
            let store = Store::open(&store_path(&folder)).unwrap();
            let api = Api::new(&url, PATIENCE).unwrap();
            let mut client = Client::new(store, api, Env::system(), "test/1", PACE);
            client.enrol(&enrolment.code).unwrap();
            client.login(&account.username, &account.password).unwrap();
            while client.pull().unwrap() != Step::Idle {}
        }
        let start = |n: usize, life: &str, more: &[&str]| {
            let mut command = chengguan(day.devices.path());
            command.arg("torture-device").arg(day.folder(n)).args(["--life", life]).args(more);
            command.stdout(Stdio::null()).spawn().unwrap()
        };
        let mut working: Vec<_> = (0..3).map(|n| start(n, "1", &[])).collect();
        // By what they have done and not by the clock: the machine may be busy.
        let done = |n: usize| ledger::read(&ledger_path(&day.folder(n))).is_ok_and(|told| told.saved.len() >= 25);
        let began = Instant::now();
        while !(0..3).all(done) {
            assert!(began.elapsed() < Duration::from_secs(60), "the devices do not work");
            thread::sleep(Duration::from_millis(100));
        }
        for child in &mut working {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for mut child in (0..3).map(|n| start(n, "2", &["--home"])) {
            assert!(child.wait().unwrap().success());
        }
        day
    }

    fn folder(&self, n: usize) -> PathBuf {
        self.devices.path().join(n.to_string())
    }

    fn reckon(&self) -> Report {
        let mut report = Report::default();
        let folders: Vec<PathBuf> = (0..3).map(|n| self.folder(n)).collect();
        let url = format!("http://{}", self.world.address);
        check::reckon(&url, &self.world.app.config.database_url, &folders, &self.county, &mut report).unwrap();
        report
    }

    fn server(&self, sql: &str) -> usize {
        change(Path::new(self.world.app.config.database_url.strip_prefix("sqlite:").unwrap()), sql)
    }

    fn device(&self, sql: &str) -> usize {
        change(&store_path(&self.folder(0)), sql)
    }
}

/// Past every rule, as a fault of the program or of the disk would.
fn change(database: &Path, sql: &str) -> usize {
    let mut db = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    sql_query("PRAGMA busy_timeout=10000").execute(&mut db).unwrap();
    sql_query(sql).execute(&mut db).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// A damage, where it is done, and the words the reckoning has for it.
type Damage = (&'static str, bool, &'static str, fn(&Report) -> &Vec<String>, &'static str);

/// They add up, and what the first device has forgotten can't be compared any more: later ones fall on the second.
/// Each of these must be found; a reckoning that finds nothing proves nothing.
const DAMAGES: &[Damage] = &[
    (
        "an effect is gone",
        true,
        "DELETE FROM case_events WHERE id = (SELECT id FROM case_events WHERE command = 'note' LIMIT 1)",
        |r| &r.missing,
        "had no effect",
    ),
    (
        "an effect came twice",
        true,
        "UPDATE spot_checks SET op_id = (SELECT min(op_id) FROM spot_checks) WHERE op_id = (SELECT max(op_id) FROM spot_checks)",
        |r| &r.doubled,
        "had 2 effects",
    ),
    (
        "a version is skipped",
        true,
        "UPDATE cases SET ver = ver + 1 WHERE id = (SELECT min(id) FROM cases)",
        |r| &r.doubled,
        "is not dense",
    ),
    (
        "the feed has a hole",
        true,
        "DELETE FROM changes WHERE seq = (SELECT max(seq) - 1 FROM changes)",
        |r| &r.holes,
        "C2: the feed goes from",
    ),
    (
        "a result changed",
        true,
        "UPDATE sync_ops SET status = 'superseded' WHERE op_id = (SELECT min(op_id) FROM sync_ops WHERE status = 'applied')",
        |r| &r.changed,
        "I3",
    ),
    (
        "a payload changed",
        true,
        "UPDATE sync_ops SET raw = x'7b7d' WHERE op_id = (SELECT max(op_id) FROM sync_ops)",
        |r| &r.changed,
        "I1",
    ),
    (
        "an operation belongs to another",
        true,
        "UPDATE sync_ops SET device_id = (SELECT max(id) FROM devices WHERE kind = 'dock') WHERE op_id = (SELECT max(op_id) FROM sync_ops)",
        |r| &r.changed,
        "as another device's",
    ),
    (
        "a device lost an answer",
        false,
        "DELETE FROM sent WHERE op_id = (SELECT min(op_id) FROM sent)",
        |r| &r.missing,
        "its own store has lost it",
    ),
    (
        "a view lost a record",
        false,
        "DELETE FROM base WHERE id = (SELECT min(id) FROM base WHERE kind = 'case')",
        |r| &r.views,
        "is missing",
    ),
    (
        "a view is old",
        false,
        "UPDATE base SET ver = ver - 1 WHERE id = (SELECT max(id) FROM base WHERE kind = 'case')",
        |r| &r.views,
        "shows version",
    ),
    (
        "a view keeps a ghost",
        false,
        "INSERT INTO base (kind, id, ver, gone, data) VALUES ('case', '00000000-0000-7000-8000-000000000000', 1, 0, '{}')",
        |r| &r.views,
        "is a ghost",
    ),
    (
        "an operation is held for nothing",
        true,
        "UPDATE sync_ops SET status = 'held', waiting = (SELECT '[\"op:' || max(op_id) || '\"]' FROM sync_ops WHERE status = 'applied') WHERE op_id = (SELECT min(op_id) FROM sync_ops WHERE status = 'applied' AND device_id = (SELECT id FROM devices WHERE name = 'demo-handheld-02'))",
        |r| &r.stuck,
        "which has come",
    ),
    (
        "an acknowledged operation is gone",
        true,
        "DELETE FROM sync_ops WHERE op_id = (SELECT max(op_id) FROM sync_ops WHERE device_id = (SELECT id FROM devices WHERE name = 'demo-handheld-02'))",
        |r| &r.missing,
        "is not on the server",
    ),
];

#[test]
fn the_reckoning_finds_nothing_on_a_good_day_and_every_damage_after_it() {
    let day = Day::lived();
    let report = day.reckon();
    assert!(report.good(), "{report}");
    assert!(report.saved > 10 && report.repeats == report.acknowledged && report.links > 0, "{report}");
    assert!(report.files > 0, "no photo was taken: {report}");
    for (name, on_server, sql, list, words) in DAMAGES {
        let changed = if *on_server { day.server(sql) } else { day.device(sql) };
        assert!(changed > 0, "{name}: nothing was there to damage");
        let report = day.reckon();
        assert!(list(&report).iter().any(|line| line.contains(words)), "{name} was not found: {report}");
        assert!(!report.good());
    }
}
