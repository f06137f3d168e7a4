//! The transparency log: facts get their places, and anybody can check that they stay.

use crate::support::{
    on_both_engines,
    tus::Tus,
    world::{World, block_on, read},
};
use chengguan::{
    app::App,
    blob::digest,
    error::{Code, Error},
    identity::rules::Role,
    tlog::{self, Kind, LogName, merkle},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

on_both_engines!(
    evidence_that_is_accepted_can_be_proved_to_somebody_without_an_account,
    a_fact_is_in_the_log_exactly_when_its_transaction_is,
    two_processes_that_give_places_leave_no_gap_and_every_signed_tree_goes_on,
    one_signed_tree_of_each_ten_minutes_is_kept,
    the_centre_reads_what_the_leaves_say,
    questions_that_make_no_sense_are_refused,
);

/// Waits until everything has its place, and gives the tree's size.
fn settled(world: &World) -> i64 {
    let key = world.app.log.clone();
    world.write(move |tx| {
        while tlog::actions::sequence(tx, &key, 500)? > 0 {}
        Ok(())
    });
    world.read(tlog::actions::newest).map_or(0, |head| head.size)
}

fn fact(world: &World, n: i64) -> String {
    let id = world.write(move |tx| tlog::record(tx, Kind::Draw, &format!("draw:{n}"), &json!({"n": n})));
    let entry = world.read(move |db| tlog::actions::get(db, id)).unwrap();
    digest::hex(&entry.leaf_hash)
}

fn log_name(world: &World) -> LogName {
    let key = world.get("/api/v1/log/key").send().expect(200);
    LogName::parse(&read::<String>(&key["verifier"])).unwrap()
}

fn hash(text: &str) -> merkle::Hash {
    merkle::Hash::try_from(digest::bytes(text).unwrap()).unwrap()
}

fn path(proof: &Value) -> Vec<merkle::Hash> {
    read::<Vec<String>>(&proof["path"]).iter().map(|text| hash(text)).collect()
}

/// Asks as an outsider for the proof of a leaf and checks it with nothing but the log's key.
fn proved(world: &World, leaf_hash: &str) -> bool {
    let proof = world.get(&format!("/api/v1/log/proof?leaf_hash={leaf_hash}")).send().expect(200);
    let checkpoint = log_name(world).verify(&read::<String>(&proof["checkpoint"])).unwrap();
    assert_eq!(proof["size"], json!(checkpoint.size));
    merkle::included(&hash(leaf_hash), read(&proof["index"]), checkpoint.size, &path(&proof), &checkpoint.root)
}

fn evidence_that_is_accepted_can_be_proved_to_somebody_without_an_account(world: &World) {
    let (person, bytes) = (world.person(Role::Inspector), b"a film".to_vec());
    let sha256 = digest::hex(&chengguan::identity::tokens::sha256(&bytes));
    let location = Tus::new(world, &person.token).upload(&bytes, &[("sha256", &sha256)]);
    let evidence = world.get(&location).by(&person.token).send().expect(200);
    settled(world);
    let subject = format!("evidence:{}", evidence["id"].as_str().unwrap());
    let path = format!("/api/v1/log/entries?subject={subject}&kind=evidence");
    let entries = world.get(&path).by(&world.person(Role::Verifier).token).send().expect(200);
    let entry = &entries["items"][0];
    assert_eq!((&entry["kind"], entries["items"].as_array().unwrap().len()), (&json!("evidence"), 1));
    let leaf: String = read(&entry["leaf"]);
    let said: Value = serde_json::from_str(&leaf).unwrap();
    assert_eq!((&said["body"]["sha256"], &said["body"]["size"]), (&json!(sha256), &json!(bytes.len())));
    assert_eq!(entry["leaf_hash"], json!(digest::hex(&merkle::leaf(leaf.as_bytes()))));
    assert!(proved(world, &read::<String>(&entry["leaf_hash"])));
}

fn a_fact_is_in_the_log_exactly_when_its_transaction_is(world: &World) {
    let before = settled(world);
    let failed: Result<(), Error> = world.try_write(|tx| {
        tlog::record(tx, Kind::Draw, "draw:1", &json!({}))?;
        Err(Code::ValueInvalid.into())
    });
    assert_eq!(failed.unwrap_err().code, Code::ValueInvalid);
    assert_eq!(settled(world), before);
    let leaf = fact(world, 1);
    assert_eq!(settled(world), before + 1);
    assert!(proved(world, &leaf));
    let float = world.try_write(|tx| tlog::record(tx, Kind::Score, "score:1", &json!({"points": 97.5})));
    assert_eq!(float.unwrap_err().code, Code::ValueInvalid, "a float has no single spelling");
}

fn two_processes_that_give_places_leave_no_gap_and_every_signed_tree_goes_on(world: &World) {
    let beside = world.again();
    let take_turns = |app: &App| {
        for _ in 0..30 {
            let key = world.app.log.clone();
            block_on(app.db.write(move |tx| tlog::actions::sequence(tx, &key, 7))).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for worker in 0..3 {
            scope.spawn(move || (0..100).for_each(|n| drop(fact(world, worker * 1000 + n))));
        }
        scope.spawn(|| take_turns(&world.app));
        scope.spawn(|| take_turns(&beside.app));
    });
    let size = settled(world);
    let entries = world.read(|db| tlog::actions::from(db, 0, i64::MAX));
    assert!(entries.iter().map(|entry| entry.leaf_index).eq((0..size).map(Some)) && size >= 300);
    let (root, name) = (world.read(move |db| tlog::actions::root(db, size)), log_name(world));
    for checkpoint in world.read(tlog::actions::kept) {
        let signed = name.verify(&checkpoint.note).unwrap();
        assert_eq!(checkpoint.root, signed.root);
        let proof = world.get(&format!("/api/v1/log/consistency?from={}", signed.size)).send().expect(200);
        let size = u64::try_from(size).unwrap();
        assert!(merkle::consistent(signed.size, &signed.root, size, &root, &path(&proof)));
    }
    for entry in entries.iter().step_by(41) {
        assert!(proved(world, &digest::hex(&entry.leaf_hash)));
    }
}

fn one_signed_tree_of_each_ten_minutes_is_kept(world: &World) {
    let first = settled(world);
    for n in 0..12 {
        fact(world, n);
        settled(world);
        world.wait(TimeDelta::minutes(4));
    }
    let kept: Vec<_> = world.read(tlog::actions::kept).into_iter().filter(|kept| kept.size > first).collect();
    assert_eq!(kept[0].size, first + 12, "the newest is always there");
    let gaps: Vec<_> = kept[1..].windows(2).map(|pair| pair[0].signed_at.0 - pair[1].signed_at.0).collect();
    assert!(gaps.iter().all(|gap| *gap >= TimeDelta::minutes(10)) && (3..=5).contains(&kept.len()), "{kept:?}");
}

fn the_centre_reads_what_the_leaves_say(world: &World) {
    let token = world.person(Role::Supervisor).token;
    for n in 0..5 {
        // Ids of one millisecond have no order.
        world.wait(TimeDelta::milliseconds(1));
        fact(world, n);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/api/v1/log/entries?limit=2{cursor}")).by(&token).send().expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| read::<String>(&item["subject"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen[..5], ["draw:4", "draw:3", "draw:2", "draw:1", "draw:0"]);
    let one = world.get("/api/v1/log/entries?subject=draw:3").by(&token).send().expect(200);
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
}

fn questions_that_make_no_sense_are_refused(world: &World) {
    let leaf = fact(world, 1);
    let size = settled(world);
    let token = world.person(Role::Supervisor).token;
    for (question, code) in [
        ("proof?leaf_hash=zz".to_owned(), Code::ParameterInvalid),
        (format!("proof?leaf_hash={}", "0".repeat(64)), Code::NotFound),
        (format!("proof?leaf_hash={leaf}&x=1"), Code::ParameterInvalid),
        ("consistency?from=0".to_owned(), Code::ParameterInvalid),
        ("consistency?from=-1".to_owned(), Code::ParameterInvalid),
        (format!("consistency?from={}&to={size}", size + 1), Code::ParameterInvalid),
        (format!("consistency?from=1&to={}", size + 1), Code::ParameterInvalid),
        ("entries?limit=0".to_owned(), Code::ParameterInvalid),
        ("entries?cursor=x".to_owned(), Code::CursorInvalid),
        ("entries?subject=a%00b".to_owned(), Code::ParameterInvalid),
    ] {
        world.get(&format!("/api/v1/log/{question}")).by(&token).send().refused(code);
    }
}
