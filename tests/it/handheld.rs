//! The handheld's page in a real Chromium, against the real program: enrolled and signed in, then a day without a
//! network, with a browser that ends and a server that dies.
//!
//! `tests/run` installs what it needs: `playwright-core` in `tests/clients` (or the folder `TEST_TUS_JS` names) and
//! Chromium (`TEST_CHROMIUM`). What is missing fails; `TEST_BROWSER=off` and `TEST_STOCK_CLIENTS=off` switch it off.

use crate::{
    stock_clients::{here, switched_off},
    support::{
        http::Call,
        process::Process,
        scratch::Folder,
        world::{PASSWORD, read},
    },
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the script reports, and the photos of each.
const REPORTS: usize = 10;
const PHOTOS: usize = 3;

#[test]
fn ten_reports_of_a_day_without_a_network_arrive_once_with_all_their_photos() {
    let name = "handheld::ten_reports_of_a_day_without_a_network_arrive_once_with_all_their_photos";
    let Some(Tools { chromium, clients }) = tools(name) else { return };

    let (folder, profile) = (Folder::new("handheld"), Folder::new("profile"));
    let server = Process::start(folder.path(), None, 0);
    let code = server.setup_code.clone().expect("a fresh database");
    let origin = format!("http://{}", server.address);
    let post = |path: &str| Call::new(&origin, "POST", path);
    let admin = json!({"code": code, "username": "admin", "name": "管理员", "password": PASSWORD});
    post("/api/v1/setup").json(&admin).send().expect(201);
    let login = json!({"username": "admin", "password": PASSWORD});
    let token: String = read(&post("/api/v1/auth/login").json(&login).send().expect(200)["access_token"]);
    let person = json!({"username": "zhang", "name": "张伟", "role": "inspector", "password": PASSWORD});
    post("/api/v1/users").by(&token).json(&person).send().expect(201);
    let device = json!({"name": "城管通-07", "kind": "handheld"});
    let added = post("/api/v1/devices").by(&token).json(&device).send().expect(201);
    let code: String = read(&added["code"]);

    let job = json!({
        "origin": origin, "code": code, "username": "zhang", "password": PASSWORD, "chromium": chromium,
        "profile": profile.path(), "shots": env::var("TEST_SHOTS").ok(),
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
    let reports = said["after"]["reports"].as_array().unwrap();
    let ids = |of: &Value| -> BTreeSet<String> {
        of["reports"].as_array().unwrap().iter().map(|report| read(&report["id"])).collect()
    };
    assert_eq!((reports.len(), ids(&said["before"])), (REPORTS, ids(&said["after"])));

    let get = |path: &str| Call::new(&origin, "GET", path).by(&token);
    let list = get("/api/v1/cases?limit=200").send().expect(200);
    let cases: BTreeSet<String> = list["items"].as_array().unwrap().iter().map(|case| read(&case["id"])).collect();
    assert_eq!(
        (list["items"].as_array().unwrap().len(), &cases),
        (REPORTS, &ids(&said["after"])),
        "each is there once"
    );
    let mut photos = BTreeSet::new();
    for report in reports {
        let case: String = read(&report["id"]);
        let evidence = get(&format!("/api/v1/evidence?case_id={case}")).send().expect(200);
        let stored: BTreeSet<String> = evidence["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|piece| piece["state"] == "stored")
            .map(|piece| read(&piece["sha256"]))
            .collect();
        let taken: BTreeSet<String> = report["photos"].as_array().unwrap().iter().map(read).collect();
        assert_eq!((stored.len(), &stored), (PHOTOS, &taken), "{case}: its photos, byte for byte by their hash");
        photos.extend(taken);
    }
    assert_eq!(photos.len(), REPORTS * PHOTOS, "each photo is another");
    let chain = get(&format!("/api/v1/captures/chains/{}", read::<String>(&added["device"]["id"]))).send().expect(200);
    let counts = ["records", "missing", "forks", "edited", "quarantined"].map(|name| chain[name].as_u64().unwrap());
    assert_eq!(counts, [REPORTS as u64, 0, 0, 0, 0], "each report is signed, in one chain: {chain}");
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
