//! The handheld's page in a real Chromium, against the real program: enrolled and signed in, then a day of two people
//! without a network, with a browser that ends and a server that dies.
//!
//! `tests/run` installs what it needs: `playwright-core` in `tests/clients` (or the folder `TEST_TUS_JS` names) and
//! Chromium (`TEST_CHROMIUM`). What is missing fails; `TEST_BROWSER=off` and `TEST_STOCK_CLIENTS=off` switch it off.

use crate::{
    stock_clients::{here, switched_off},
    support::{
        http::Call,
        process::Process,
        scratch::Folder,
        world::{Engine, PASSWORD, World, read},
    },
};
use chengguan::{
    env::Env,
    identity::rules::Role,
    spotchecks::rules::{SiteKind, week_of},
};
use chrono::{Datelike, TimeDelta};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// What the script does: the cases it reports, with so many photos each; those it handles, with two; the sites it checks.
const REPORTS: usize = 10;
const PHOTOS: usize = 3;
const HANDLED: usize = 5;
const SITES: usize = 9;

#[test]
fn a_day_without_a_network_arrives_once_with_all_its_photos_and_seals() {
    let name = "handheld::a_day_without_a_network_arrives_once_with_all_its_photos_and_seals";
    let Some(Tools { chromium, clients }) = tools(name) else { return };

    let (folder, profile, week) = drawn_for_today();
    let server = Process::start(folder.path(), None, 0);
    let origin = format!("http://{}", server.address);
    let login = |username: &str| -> String {
        let body = json!({"username": username, "password": PASSWORD});
        let signed = Call::new(&origin, "POST", "/api/v1/auth/login").json(&body).send();
        read(&signed.expect(200)["access_token"])
    };
    let (admin, dispatcher) = (login("admin"), login("chen"));
    let device = json!({"name": "城管通-07", "kind": "handheld"});
    let added = Call::new(&origin, "POST", "/api/v1/devices").by(&admin).json(&device).send().expect(201);
    let unit: String =
        read(&Call::new(&origin, "GET", "/api/v1/units").by(&admin).send().expect(200)["items"][0]["id"]);
    for number in 1..=HANDLED {
        let post = |path: &str, body: Value| Call::new(&origin, "POST", path).by(&dispatcher).json(&body).send();
        let case = json!({"title": format!("占道经营 {number}"), "address": "人民路"});
        let id: String = read(&post("/api/v1/cases", case).expect(201)["id"]);
        let limit = json!({"kind": "natural_day", "value": 3});
        let dispatch = json!({"type": "dispatch", "args": {"unit_id": unit, "limit": limit}});
        post(&format!("/api/v1/cases/{id}/commands"), dispatch).expect(200);
    }

    let job = json!({
        "origin": origin, "code": added["code"], "checker": "zhang", "officer": "li", "password": PASSWORD,
        "chromium": chromium, "profile": profile.path(), "shots": env::var("TEST_SHOTS").ok(),
    });
    let port = server.address.port();
    let mut server = Some(server);
    let said = play(&clients, "field.mjs", &job, |wish| match wish {
        "stop" => server.take().expect("it lives").kill(),
        // At the same address.
        _ => server = Some(Process::start(folder.path(), None, port)),
    });
    println!("{}", said["figures"]);
    assert_eq!(said["figures"]["waiting"], said["figures"]["after_restart"], "nothing is lost with the browser");
    assert_eq!(said["findings"], json!([]), "nothing on the screens hinders anybody");

    let get = |path: &str| Call::new(&origin, "GET", path).by(&admin).send().expect(200);
    let chain = get(&format!("/api/v1/captures/chains/{}", read::<String>(&added["device"]["id"])));
    let counts = ["records", "missing", "forks", "edited", "quarantined"].map(|name| chain[name].as_u64().unwrap());
    let signed = u64::try_from(REPORTS + HANDLED + SITES + 1).unwrap();
    assert_eq!(counts, [signed, 0, 0, 0, 0], "each piece of work is signed, in one chain: {chain}");
    reports_are_there_once(&said, get);
    cases_are_handled(get);
    visits_are_sealed(&said, &week, get);
}

/// A county where two days ago a dispatcher and a supervisor drew today's visits of the one unit and the one team. The
/// real program goes on in the folder; the other one is for the browser.
fn drawn_for_today() -> (Folder, Folder, String) {
    // The visits are of this day until the handheld has read them.
    let real = || Env::system().now().with_timezone(&Shanghai);
    while (real() + TimeDelta::minutes(1)).date_naive() != real().date_naive() {
        thread::sleep(Duration::from_secs(1));
    }
    let (today, week) = (real().date_naive(), week_of(Env::system().now()));
    let world = World::start(Engine::Sqlite);
    world.wait(Env::system().now() - TimeDelta::days(2) - world.now());
    let admin = || world.sign_in("admin", None).token;
    world.admin();
    let post = |path: &str, by: &str, body: &Value| world.post(&format!("/api/v1{path}")).by(by).json(body).send();
    let put = |path: &str, by: &str, body: &Value| world.put(&format!("/api/v1{path}")).by(by).json(body).send();
    let unit = json!({"code": "A01", "name": "中方县城市管理行政执法大队", "year": today.year(), "class": "A"});
    let unit: String = read(&post("/units", &admin(), &unit).expect(201)["id"]);
    let add = |username: &str, name: &str, role: Role, unit: Option<&str>| -> String {
        let body = json!({"username": username, "name": name, "role": role, "unit_id": unit, "password": PASSWORD});
        read(&post("/users", &admin(), &body).expect(201)["id"])
    };
    let checker = add("zhang", "张伟", Role::SpotChecker, None);
    add("li", "李强", Role::Officer, Some(&unit));
    add("chen", "陈静", Role::Dispatcher, None);
    add("wu", "吴敏", Role::Supervisor, None);
    for (at, kind) in SiteKind::ALL.iter().enumerate() {
        for number in 1..=4_u32 {
            let (row, column) = (f64::from(u32::try_from(at).unwrap()), f64::from(number));
            let site = json!({"unit_id": unit, "kind": kind, "name": format!("{}{number}号点", kind.chinese()),
                "address": "中方镇", "lat": 27.44 + row / 500.0, "lon": 109.94 + column / 500.0});
            put("/sites", &admin(), &site).expect(200);
        }
    }
    put("/spot-teams", &admin(), &json!({"members": [{"user_id": checker, "team": "T1"}]})).expect(200);

    let draw = format!("/draws/{week}");
    let token = |username: &str| world.sign_in(username, None).token;
    let at = |hours: i64| world.now() + TimeDelta::hours(hours);
    let frame = json!({"commit_until": at(1), "lottery_at": at(2), "days": [today],
        "sources": [{"name": "骰子", "issue": week}]});
    post(&format!("{draw}/frame"), &token("chen"), &frame).expect(200);
    world.wait(TimeDelta::hours(3));
    let results =
        json!({"sources": [{"name": "骰子", "issue": week, "result": "01234567890123456789", "origin": "录像"}]});
    put(&format!("{draw}/seed"), &token("chen"), &results).expect(200);
    post(&format!("{draw}/seed/confirm"), &token("wu"), &results).expect(200);
    world.post(&format!("/api/v1{draw}/run")).by(&token("chen")).send().expect(200);
    (world.left_behind(), Folder::new("profile"), week)
}

fn reports_are_there_once(said: &Value, get: impl Fn(&str) -> Value) {
    let reports = said["after"]["reports"].as_array().unwrap();
    let ids = |of: &Value| -> BTreeSet<String> {
        of["reports"].as_array().unwrap().iter().map(|report| read(&report["id"])).collect()
    };
    assert_eq!((reports.len(), ids(&said["before"])), (REPORTS, ids(&said["after"])));
    let list = get("/api/v1/cases?limit=200&state=reported");
    let cases: BTreeSet<String> = list["items"].as_array().unwrap().iter().map(|case| read(&case["id"])).collect();
    let listed = list["items"].as_array().unwrap().len();
    assert_eq!((listed, &cases), (REPORTS, &ids(&said["after"])), "each is there once");
    let mut photos = BTreeSet::new();
    for report in reports {
        let case: String = read(&report["id"]);
        let evidence = get(&format!("/api/v1/evidence?case_id={case}"));
        let taken: BTreeSet<String> = report["photos"].as_array().unwrap().iter().map(read).collect();
        assert_eq!((taken.len(), stored(&evidence)), (PHOTOS, taken.clone()), "{case}: its photos, by their hash");
        photos.extend(taken);
    }
    assert_eq!(photos.len(), REPORTS * PHOTOS, "each photo is another");
}

fn stored(evidence: &Value) -> BTreeSet<String> {
    let all = evidence["items"].as_array().unwrap().iter();
    all.filter(|piece| piece["state"] == "stored").map(|piece| read(&piece["sha256"])).collect()
}

fn cases_are_handled(get: impl Fn(&str) -> Value) {
    let list = get("/api/v1/cases?limit=200&state=handled");
    assert_eq!(list["items"].as_array().unwrap().len(), HANDLED);
    for case in list["items"].as_array().unwrap() {
        let evidence = get(&format!("/api/v1/evidence?case_id={}", read::<String>(&case["id"])));
        assert_eq!(stored(&evidence).len(), 2, "before and after: {case}");
    }
}

fn visits_are_sealed(said: &Value, week: &str, get: impl Fn(&str) -> Value) {
    let checks = get(&format!("/api/v1/spot-checks?week={week}&limit=200"));
    let checks = checks["items"].as_array().unwrap();
    let told: BTreeSet<String> = checks.iter().map(|check| read(&check["seal_sha256"])).collect();
    let shown: BTreeSet<String> = read(&said["seals"]);
    assert_eq!((checks.len(), &told), (SITES + 1, &shown), "each once, with the seal that the handheld showed");
    let (reached, closed): (Vec<&Value>, Vec<&Value>) = checks.iter().partition(|check| check["unreachable"].is_null());
    assert_eq!((reached.len(), closed.len()), (SITES, 1));
    assert!(reached.iter().all(|check| check["outside_fence"] == false && check["signature_sha256"].is_string()));
    // The first item, by two steps of its price; everything else passes.
    let less: Vec<i64> = reached.iter().filter_map(|check| check["score"].as_i64().filter(|s| *s < 100_000)).collect();
    assert_eq!(
        (less.as_slice(), &json!(less)),
        ([less[0]].as_slice(), &said["scores"]),
        "the handheld computed the same"
    );
    let named: BTreeSet<String> = read(&said["check_photos"]);
    let evidence = stored(&get("/api/v1/evidence?limit=200"));
    assert_eq!(
        (named.len(), named.difference(&evidence).count()),
        (SITES + 2, 0),
        "signatures, a finding, a closed gate"
    );
    let draw = get(&format!("/api/v1/draws/{week}"));
    let states = |state: &str| draw["picks"].as_array().unwrap().iter().filter(|pick| pick["state"] == state).count();
    assert_eq!((states("visited"), states("unreachable"), states("open")), (SITES, 1, 0));
    let next = draw["picks"].as_array().unwrap().iter().find(|pick| pick["turn"] == 1).unwrap();
    assert_eq!(next["site_code"], said["replaced_by"], "by the published order, as the handheld knew");
}

/// What these tests need beside the program.
pub struct Tools {
    /// The browser.
    pub chromium: String,
    /// The folder with `playwright-core`.
    pub clients: PathBuf,
}

/// None when they are switched off; fails when something is missing.
pub fn tools(name: &str) -> Option<Tools> {
    if switched_off("TEST_STOCK_CLIENTS", name) || switched_off("TEST_BROWSER", name) {
        return None;
    }
    let chromium = env::var("TEST_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    assert!(Path::new(&chromium).exists(), "Chromium is missing: run tests/run, or name it in TEST_CHROMIUM");
    let clients = env::var_os("TEST_TUS_JS").map_or(here(), PathBuf::from);
    assert!(clients.join("node_modules/playwright-core").is_dir(), "playwright-core is missing: run tests/run");
    Some(Tools { chromium, clients })
}

/// Runs the script, does what it asks for on a line of its own, and gives what it says at last.
pub fn play(clients: &Path, name: &str, job: &Value, mut grant: impl FnMut(&str)) -> Value {
    let mut script = Command::new("node")
        .arg(clients.join(name))
        .arg(job.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node can be run");
    let (mut answer, mut last) = (script.stdin.take().unwrap(), String::new());
    for line in BufReader::new(script.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if line.starts_with('{') {
            last = line;
            continue;
        }
        grant(&line);
        answer.write_all(b"done\n").unwrap();
    }
    let status = script.wait().unwrap();
    assert!(status.success(), "{status}: {last}");
    serde_json::from_str(&last).unwrap_or_else(|e| panic!("{last:?}: {e}"))
}
