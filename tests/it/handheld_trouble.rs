//! The handheld's page when things go wrong, in a real Chromium against the real program: two people on one device, a
//! session that ran out, a clock that is a day wrong, a camera that is not there, a storage that is full, an update with
//! work that waits, a device that was revoked; and the file that brings home what the device itself can't.

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
use std::{env, path::Path};

#[test]
fn what_goes_wrong_on_a_handheld_costs_nobody_their_work() {
    let name = "handheld_trouble::what_goes_wrong_on_a_handheld_costs_nobody_their_work";
    let Some(Tools { chromium, clients }) = tools(name) else { return };
    let (folder, profile, out) = (Folder::new("trouble"), Folder::new("profile"), Folder::new("parcel"));
    let server = Process::start(folder.path(), None, 0);
    let town = Town::found(&server);
    let origin = &town.origin;
    let (zhang, li) = (town.person("zhang", "张伟", "inspector"), town.person("li", "李强", "officer"));
    town.person("chen", "陈静", "dispatcher");
    let added = town.add("/devices", &json!({"name": "城管通-07", "kind": "handheld"}));

    let parcel = out.path().join("outbox.tar");
    let job = json!({
        "origin": origin, "code": added["code"], "device": added["device"]["id"], "unit": town.unit, "password": PASSWORD,
        "tokens": {"admin": town.admin, "chen": town.login("chen")}, "chromium": chromium, "profile": profile.path(),
        "parcel": parcel, "shots": env::var("TEST_SHOTS").ok(),
    });
    let (mut first, mut second) = (String::new(), String::new());
    let answer = play(&clients, "field_trouble.mjs", &job, |wish| {
        assert_eq!(wish, "import");
        first = import(&parcel, origin);
        // Again: it does no harm, and says that it was known.
        second = import(&parcel, origin);
    });
    println!("{}", answer["said"]["marks"]);
    assert!(first.contains("1 operations: applied") && first.contains("1 photos stored"), "{first}");
    assert!(second.contains("1 operations: known") && second.contains("1 photos stored"), "{second}");
    assert_eq!(answer["findings"], json!([]), "nothing on the screens hinders anybody");
    let said = &answer["said"];
    assert_eq!(said["language"], "en", "the choice outlives the page");
    assert_eq!(said["film"]["here"], said["film"]["there"], "a clip arrives as it was taken");
    let kept = json!({"same_bytes": true, "same_time": true, "where_it_was_put": true, "where_it_was_measured": true});
    assert_eq!(said["camera_app"], kept, "a photo of the phone's own camera, and a place that was put right by hand");
    assert_eq!(said["rows_of_the_other"], 0, "what was read for one is not the next one's to see");
    assert_eq!(said["actors_waiting"], json!([li, zhang]), "each in their own name");
    assert_eq!((&said["kept_over_the_update"], &said["duplicate"]), (&json!(true), &json!(true)));
    assert_eq!(said["shells"].as_array().map(Vec::len), Some(1), "the old page is gone: {said}");
    assert_eq!(said["left_after_revocation"], 0);
    assert_eq!(said["statuses"]["停用之后"], json!(["quarantined", "device_revoked"]));
    assert_eq!(said["statuses"]["case.edit"], json!(["conflict", "field_changed"]));

    let timeline = town.get(&format!("/cases/{}/timeline?limit=200", read::<String>(&said["first"])));
    let lines: Vec<(String, String)> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (read(&line["command"]), read(&line["actor_name"])))
        .filter(|(command, _)| command != "dispatch" && command != "edit")
        .collect();
    let expected = [("report", "张伟"), ("handle", "李强"), ("note", "李强"), ("note", "李强"), ("note", "李强")];
    let lines: Vec<(&str, &str)> = lines.iter().map(|(command, name)| (command.as_str(), name.as_str())).collect();
    assert_eq!(lines, expected, "each step once, in the name of whoever did it");
    let case = town.get(&format!("/cases/{}", read::<String>(&said["self_handled"])));
    assert_eq!((&case["state"], &case["void_reason"]), (&json!("void"), &json!("self_handled")), "{case}");
    for case in said["exported"].as_array().unwrap() {
        let path = format!("/evidence?case_id={}", read::<String>(&case["case"]));
        let states: Vec<Value> =
            town.get(&path)["items"].as_array().unwrap().iter().map(|e| e["state"].clone()).collect();
        assert_eq!(states, ["stored"], "its photo came by the file");
    }

    spoiled(&parcel, &out.path().join("spoiled.tar"), origin);
}

/// What the program says of the file; its exit must be in order.
fn import(parcel: &Path, origin: &str) -> String {
    let folder = parcel.parent().unwrap();
    let run = chengguan(folder).arg("import-outbox").arg(parcel).args(["--server", origin]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    said
}

/// Of a file that is not as it was written nothing is sent.
fn spoiled(parcel: &Path, copy: &Path, origin: &str) {
    let whole = std::fs::read(parcel).unwrap();
    let at = whole.windows(12).rposition(|bytes| bytes == "更新之前".as_bytes()).expect("what was written");
    let mut changed = whole.clone();
    changed[at..at + 3].copy_from_slice("改".as_bytes());
    for (bytes, word) in
        [(&changed[..], "was changed"), (&whole[..whole.len() / 2], "not all of it"), (b"x", "no outbox")]
    {
        std::fs::write(copy, bytes).unwrap();
        let folder = copy.parent().unwrap();
        let run = chengguan(folder).arg("import-outbox").arg(copy).args(["--server", origin]).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(!run.status.success() && said.contains(word), "{word}: {said}");
    }
}
