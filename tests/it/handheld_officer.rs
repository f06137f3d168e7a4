//! An officer's evidence on the handheld's page, in a real Chromium against the real program: what a dock brings is seen,
//! linked to the case it shows or dismissed, and opened with a reason once it is restricted.

use crate::{
    handheld::{Tools, play, tools},
    support::{
        http::Call,
        process::{Process, chengguan},
        scratch::Folder,
        world::{PASSWORD, read},
    },
};
use serde_json::{Value, json};
use std::{env, fs};

#[test]
fn what_a_dock_brings_is_linked_on_the_handheld_and_opened_with_a_reason() {
    let name = "handheld_officer::what_a_dock_brings_is_linked_on_the_handheld_and_opened_with_a_reason";
    let Some(Tools { chromium, clients }) = tools(name) else { return };
    let (folder, profile, docked) = (Folder::new("officer"), Folder::new("profile"), Folder::new("dock"));
    let server = Process::start(folder.path(), None, 0);
    let origin = format!("http://{}", server.address);
    let post = |path: &str| Call::new(&origin, "POST", path);
    let code = server.setup_code.clone().expect("a fresh database");
    let admin = json!({"code": code, "username": "admin", "name": "管理员", "password": PASSWORD});
    post("/api/v1/setup").json(&admin).send().expect(201);
    let login = |username: &str| -> String {
        let body = json!({"username": username, "password": PASSWORD});
        read(&post("/api/v1/auth/login").json(&body).send().expect(200)["access_token"])
    };
    let admin = login("admin");
    let add = |path: &str, body: Value| post(path).by(&admin).json(&body).send().expect(201);
    let unit = json!({"code": "A01", "name": "中方县城市管理行政执法大队", "year": 2026, "class": "A"});
    let unit: String = read(&add("/api/v1/units", unit)["id"]);
    let person = |username: &str, name: &str, role: &str, unit: Option<&str>| -> String {
        let person = json!({"username": username, "name": name, "role": role, "unit_id": unit, "password": PASSWORD});
        read(&add("/api/v1/users", person)["id"])
    };
    let officer = person("li", "李强", "officer", Some(&unit));
    person("chen", "陈静", "dispatcher", None);
    person("tang", "唐敏", "supervisor", None);
    let handheld = add("/api/v1/devices", json!({"name": "城管通-07", "kind": "handheld"}));
    let dock = add("/api/v1/devices", json!({"name": "采集站-1", "kind": "dock"}));
    add("/api/v1/devices", json!({"name": "C0012", "kind": "camera"}));

    let (cards, state) = (docked.path().join("cards"), docked.path().join("state"));
    let card = cards.join("C0012");
    fs::create_dir_all(&card).unwrap();
    let job = json!({
        "origin": origin, "code": handheld["code"], "unit": unit, "officer": officer, "password": PASSWORD, "card": card,
        "tokens": {"chen": login("chen"), "tang": login("tang")}, "chromium": chromium, "profile": profile.path(),
        "shots": env::var("TEST_SHOTS").ok(),
    });
    let answer = play(&clients, "field_officer.mjs", &job, |wish| {
        assert_eq!(wish, "dock");
        let mut run = chengguan(docked.path());
        run.args(["dock", "--once", "--settle", "0", "--server", &origin]).arg("--watch").arg(&cards);
        let code: String = read(&dock["code"]);
        let run = run.arg("--state").arg(&state).args(["--code", &code]).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    });
    assert_eq!(answer["findings"], json!([]), "nothing on the screens hinders anybody");
    let said = &answer["said"];
    for film in ["seen_before_claimed", "played", "restricted"] {
        assert_eq!(said[film], 320, "{film}: the browser plays what the camera recorded: {said}");
    }
    let mut clips: Vec<Value> = said["clips"].as_array().unwrap().clone();
    clips.sort_by_key(Value::to_string);
    assert_eq!(clips, [json!(["dismissed", "出勤途中误录"]), json!(["linked", null])]);
    assert_eq!(said["links"], json!([[true, "recording"]]), "once, to the case it shows");
    let opened = json!(["seen", "核对处置过程"]);
    assert!(said["custody"].as_array().unwrap().contains(&opened), "the reason is on record: {said}");
    let states = |list: &Value, word: &str| {
        let rows = list.as_array().unwrap().iter().filter(|row| row.as_str().unwrap().contains(word));
        rows.count()
    };
    assert_eq!((states(&said["listed"], "已落库"), states(&said["listed"], "执法录像")), (3, 1), "{said}");
    assert_eq!((states(&said["offline"], "已落库"), states(&said["offline"], "未上传")), (3, 2), "{said}");
    assert_eq!(said["media"], json!(["stored", "stored", "stored", "stored"]), "what waited arrived");
}
