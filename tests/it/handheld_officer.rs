//! An officer's evidence on the handheld's page, in a real Chromium against the real program: what a dock brings is seen,
//! linked to the case it shows or dismissed, and opened with a reason once it is restricted.

use crate::{
    handheld::{Tools, play, tools},
    support::{
        process::{Process, chengguan},
        scratch::Folder,
        town::Town,
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
    let town = Town::found(&server);
    let officer = town.person("li", "李强", "officer");
    town.person("chen", "陈静", "dispatcher");
    town.person("tang", "唐敏", "supervisor");
    let handheld = town.add("/devices", &json!({"name": "城管通-07", "kind": "handheld"}));
    let dock = town.add("/devices", &json!({"name": "采集站-1", "kind": "dock"}));
    town.add("/devices", &json!({"name": "C0012", "kind": "camera"}));

    let (cards, state) = (docked.path().join("cards"), docked.path().join("state"));
    let card = cards.join("C0012");
    fs::create_dir_all(&card).unwrap();
    let job = json!({
        "origin": town.origin, "code": handheld["code"], "unit": town.unit, "officer": officer, "password": PASSWORD, "card": card,
        "tokens": {"chen": town.login("chen"), "tang": town.login("tang")}, "chromium": chromium, "profile": profile.path(),
        "shots": env::var("TEST_SHOTS").ok(),
    });
    let answer = play(&clients, "field_officer.mjs", &job, |wish| {
        assert_eq!(wish, "dock");
        let mut run = chengguan(docked.path());
        run.args(["dock", "--once", "--settle", "0", "--server", &town.origin]).arg("--watch").arg(&cards);
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
