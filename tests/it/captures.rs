//! Capture records against a real server: kept as they came, judged by the device's own chain, bounded in time.

use crate::{
    authorisation::dispatched_case,
    support::{
        http::Reply,
        on_both_engines,
        scratch::Folder,
        tus::Tus,
        world::{Device, World, block_on, read},
    },
};
use chengguan::{
    captures::rules::{Beacon, Content, GENESIS, Medium, SigningKey, VERSION},
    db::types::DeviceId,
    error::Code,
    evidence::datum::Datum,
    identity::{
        rules::{DeviceKind, Role},
        tokens::{fresh_pkcs8, hex, public_key, sha256},
    },
    proof::{
        bundle::{BundleFault, MANIFEST},
        export::export,
        verify::verify,
    },
    tlog,
};
use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use std::{fs, thread};

on_both_engines!(
    a_chain_is_taken_in_order_and_a_repeat_is_known,
    a_gap_is_named_until_it_fills,
    two_records_with_one_number_are_both_kept_and_the_second_is_a_fork,
    a_record_that_was_changed_after_the_next_was_made_is_named,
    what_is_no_record_of_a_device_is_kept_apart_and_costs_its_neighbours_nothing,
    a_request_that_is_none_is_refused,
    a_revoked_device_still_delivers_and_is_kept_apart,
    time_is_bounded_by_the_checkpoint_before_and_the_receipt_after,
    a_file_shows_who_signed_it_to_those_who_may_see_it,
    a_device_with_a_new_key_keeps_what_it_signed_with_the_old_one,
    a_record_that_another_device_brings_belongs_to_who_signed_it,
    two_servers_give_a_number_to_one_record_only,
    pages_of_records_follow_each_other,
    a_bundle_holds_what_devices_signed_and_is_checked_without_us,
);

fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// A device that signs.
struct Signer<'w> {
    world: &'w World,
    device: Device,
    epoch: i32,
    seq: i64,
    prev: String,
    mono_ms: i64,
}

impl<'w> Signer<'w> {
    fn new(world: &'w World) -> Signer<'w> {
        let device = world.device(DeviceKind::Handheld);
        let epoch = i32::try_from(device.epoch).unwrap();
        Signer { world, device, epoch, seq: 0, prev: GENESIS.into(), mono_ms: 0 }
    }

    /// What the next record says.
    fn content(&self) -> Content {
        Content {
            v: VERSION,
            device: self.device.id,
            epoch: self.epoch,
            seq: self.seq + 1,
            prev: self.prev.clone(),
            r#type: "action".into(),
            body: Map::new(),
            media: vec![],
            lat_e6: Some(27_440_000 + i32::try_from(self.seq).unwrap()),
            lon_e6: Some(109_944_456),
            datum: Some(Datum::Gcj02),
            accuracy_mm: Some(4_000),
            fix_age_ms: Some(500),
            wall_ms: self.world.now().timestamp_millis(),
            mono_ms: Some(self.mono_ms),
            boot: Some("b1".into()),
            beacon: None,
        }
    }

    fn sign(&self, content: Content) -> String {
        SigningKey::of(&self.device.key).unwrap().sign(content).unwrap()
    }

    fn next_of(&mut self, content: Content) -> String {
        let raw = self.sign(content);
        (self.seq, self.prev) = (self.seq + 1, digest(raw.as_bytes()));
        raw
    }

    fn next(&mut self) -> String {
        self.next_of(self.content())
    }

    fn chain(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Time goes by, on both clocks.
    fn wait(&mut self, minutes: i64) {
        self.world.wait(TimeDelta::minutes(minutes));
        self.mono_ms += minutes * 60_000;
    }

    #[track_caller]
    fn results(&self, records: &[String]) -> Vec<Value> {
        let answer = send(self.world, &self.device, &records.join(",")).expect(200);
        let results = answer["results"].as_array().unwrap().clone();
        let sha256s: Vec<Value> = records.iter().map(|raw| json!(digest(raw.as_bytes()))).collect();
        assert_eq!(results.iter().map(|r| r["sha256"].clone()).collect::<Vec<_>>(), sha256s);
        results
    }

    #[track_caller]
    fn took(&self, records: &[String]) -> Vec<(String, Vec<String>)> {
        self.results(records).iter().map(|result| (read(&result["status"]), codes(result))).collect()
    }

    fn status(&self) -> Value {
        chain_status(self.world, self.device.id)
    }

    /// The findings of the record with this hash, as they stand.
    fn found(&self, raw: &str) -> Vec<String> {
        let sha256 = digest(raw.as_bytes());
        let all = list(self.world, &format!("device_id={}&limit=200", self.device.id));
        codes(all.iter().find(|item| item["sha256"] == sha256.as_str()).unwrap())
    }
}

fn send(world: &World, device: &Device, records: &str) -> Reply {
    let body = format!("{{\"records\":[{records}]}}");
    world.post("/api/v1/captures").by(&world.device_token(device)).bytes("application/json", body).send()
}

fn codes(record: &Value) -> Vec<String> {
    record["findings"].as_array().unwrap().iter().map(|flag| read(&flag["code"])).collect()
}

#[track_caller]
fn list(world: &World, query: &str) -> Vec<Value> {
    let answer = world.get(&format!("/api/v1/captures?{query}")).by(&world.admin().token).send().expect(200);
    answer["items"].as_array().unwrap().clone()
}

fn chain_status(world: &World, device: DeviceId) -> Value {
    world.get(&format!("/api/v1/captures/chains/{device}")).by(&world.admin().token).send().expect(200)
}

fn accepted(count: usize) -> Vec<(String, Vec<String>)> {
    vec![("accepted".into(), vec![]); count]
}

fn took(status: &str, codes: &[&str]) -> (String, Vec<String>) {
    (status.into(), codes.iter().map(|code| (*code).to_owned()).collect())
}

/// What the log holds about capture records, newest first.
fn leaves(world: &World) -> Vec<Value> {
    let entries = world.read(|db| tlog::actions::list(db, None, None, None, 1000));
    let captures = entries.iter().filter(|entry| entry.kind == "capture");
    captures.map(|entry| serde_json::from_str(&entry.leaf).unwrap()).collect()
}

fn a_chain_is_taken_in_order_and_a_repeat_is_known(world: &World) {
    let mut signer = Signer::new(world);
    let records = signer.chain(4);
    assert_eq!(signer.took(&records), accepted(4));
    let again = signer.results(&records);
    assert!(again.iter().all(|result| result["duplicate"] == true && result["status"] == "accepted"), "{again:?}");
    // Twice in one request is a repeat as well.
    let fifth = signer.next();
    let twice = signer.results(&[fifth.clone(), fifth.clone()]);
    assert_eq!([&twice[0]["duplicate"], &twice[1]["duplicate"]], [false, true]);

    let status = signer.status();
    let (epoch, last) = (&status["epochs"][0], digest(fifth.as_bytes()));
    assert_eq!((&status["records"], &status["missing"], &status["forks"]), (&json!(5), &json!(0), &json!(0)));
    assert_eq!(
        (&epoch["begins"], &epoch["last_seq"], &epoch["last_sha256"]),
        (&json!("genesis"), &json!(5), &json!(last))
    );
    let leaves = leaves(world);
    assert_eq!(leaves.len(), 5, "each is in the log once");
    let newest = leaves.iter().find(|leaf| leaf["body"]["seq"] == 5).unwrap();
    let key = digest(&public_key(&signer.device.key).unwrap());
    let expected =
        json!({"sha256": last, "device": signer.device.id, "epoch": 1, "seq": 5, "status": "accepted", "key": key});
    assert_eq!(newest["body"], expected);
    // What is shown can be verified by anybody, byte for byte.
    let shown = list(world, &format!("device_id={}", signer.device.id));
    let item = shown.iter().find(|item| item["seq"] == 2).unwrap();
    assert_eq!((item["record"].to_string().len(), &item["signed"]), (records[1].len(), &json!(true)));
    let raw = world.get(&format!("/api/v1/captures?device_id={}", signer.device.id)).by(&world.admin().token).send();
    assert!(String::from_utf8_lossy(&raw.bytes).contains(&records[1]));
}

fn a_gap_is_named_until_it_fills(world: &World) {
    let mut signer = Signer::new(world);
    let mut records = Vec::new();
    for _ in 0..7 {
        records.push(signer.next());
        signer.wait(1);
    }
    assert_eq!(
        signer.took(&[records[0].clone(), records[5].clone()]),
        [took("accepted", &[]), took("accepted", &["gap"])]
    );
    let gaps = |signer: &Signer| signer.status()["epochs"][0]["gaps"].clone();
    assert_eq!(gaps(&signer), json!([{"from": 2, "to": 5}]));
    let shown = list(world, "limit=1");
    assert_eq!(shown[0]["findings"][0]["detail"], "缺第 2 至 5 条");

    assert_eq!(signer.took(&[records[3].clone()]), [took("accepted", &["reordered", "gap"])]);
    assert_eq!(gaps(&signer), json!([{"from": 2, "to": 3}, {"from": 5, "to": 5}]));
    assert_eq!(signer.status()["missing"], 3);
    signer.took(&[records[4].clone(), records[6].clone()]);
    assert_eq!(signer.found(&records[5]), Vec::<String>::new(), "what was missing before it is here");
    signer.took(&[records[2].clone(), records[1].clone()]);
    assert_eq!((gaps(&signer), &signer.status()["missing"]), (json!([]), &json!(0)));
    assert_eq!(signer.found(&records[3]), ["reordered"], "how it came stays true");
    // The beginning missing is a gap too.
    let mut other = Signer::new(world);
    let records = other.chain(2);
    assert_eq!(other.took(&records[1..]), [took("accepted", &["gap"])]);
    assert_eq!(other.status()["epochs"][0]["begins"], "missing");
    assert_eq!(gaps(&other), json!([{"from": 1, "to": 1}]));
}

fn two_records_with_one_number_are_both_kept_and_the_second_is_a_fork(world: &World) {
    let mut signer = Signer::new(world);
    let common = signer.chain(2);
    signer.took(&common);
    let mut copy = Signer { world, device: signer.device.clone(), prev: signer.prev.clone(), ..signer };
    let first = signer.chain(2);
    let copied: Vec<String> = (0..3)
        .map(|n| copy.next_of(Content { r#type: "copy".into(), lat_e6: Some(30_000_000 + n), ..copy.content() }))
        .collect();
    assert_eq!(signer.took(&first), accepted(2));
    // The third of the copy has a number nobody else bears, and is on the branch all the same.
    assert_eq!(copy.took(&copied), [took("forked", &["fork"]), took("forked", &["fork"]), took("forked", &["fork"])]);
    let status = signer.status();
    assert_eq!((&status["records"], &status["forks"], &status["missing"]), (&json!(7), &json!(3), &json!(0)));
    assert_eq!(status["epochs"][0]["forks"], json!([3, 4, 5]));
    assert_eq!(signer.found(&first[0]), Vec::<String>::new());
    // The first goes on, and has its number.
    let fifth = signer.next();
    assert_eq!(signer.took(&[fifth]), accepted(1));
    assert_eq!(leaves(world).iter().filter(|leaf| leaf["body"]["status"] == "forked").count(), 3);
}

fn a_record_that_was_changed_after_the_next_was_made_is_named(world: &World) {
    let mut signer = Signer::new(world);
    let mut records = signer.chain(4);
    // Somebody with the device's key signs the second one anew.
    let prev = digest(records[0].as_bytes());
    let seq = 2;
    records[1] = signer.sign(Content { seq, prev, lat_e6: Some(1_000_000), ..signer.content() });
    let found = signer.took(&records);
    assert_eq!(
        found,
        [took("accepted", &[]), took("accepted", &["edited"]), took("accepted", &[]), took("accepted", &[])]
    );
    assert_eq!((&signer.status()["edited"], &signer.status()["epochs"][0]["edited"]), (&json!(1), &json!([2])));
    // One at a time gives the same.
    let mut other = Signer::new(world);
    let mut records = other.chain(3);
    let prev = digest(records[0].as_bytes());
    records[1] = other.sign(Content { seq, prev, lat_e6: Some(1_000_000), ..other.content() });
    for record in &records {
        other.took(std::slice::from_ref(record));
    }
    assert_eq!(other.found(&records[1]), ["edited"]);
}

fn what_is_no_record_of_a_device_is_kept_apart_and_costs_its_neighbours_nothing(world: &World) {
    let mut signer = Signer::new(world);
    let good = signer.chain(2);
    let stranger = DeviceId(world.app.env.id());
    let rubbish: Vec<String> = vec![
        "null".into(),
        "[]".into(),
        "\"\\u0000\"".into(),
        "{}".into(),
        "1e999999".into(),
        format!("{{\"x\":\"{}\"}}", "长".repeat(100_000)),
        good[0].replace(r#""v":1"#, r#""v":2"#),
        good[0].replace("\"datum\":\"gcj02\"", "\"datum\":\"\\u0000\""),
        good[0].replace(':', ": "),
        good[0].replace("27440000", "27440009"),
        signer.sign(Content { device: stranger, ..signer.content() }),
    ];
    let sent = [&good[..1], &rubbish, &good[1..]].concat();
    let found = signer.took(&sent);
    let last = found.len() - 1;
    assert_eq!((&found[0], &found[last]), (&accepted(1)[0], &accepted(1)[0]));
    let kinds: Vec<&str> = found[1..last].iter().map(|(_, codes)| codes[0].as_str()).collect();
    assert_eq!(kinds[..9], ["malformed"; 9]);
    assert_eq!(kinds[9..], ["bad_signature", "device_unknown"]);
    assert!(found[1..last].iter().all(|(status, _)| status == "quarantined"));
    assert_eq!((&signer.status()["quarantined"], &signer.status()["records"]), (&json!(rubbish.len()), &json!(2)));
    assert_eq!(leaves(world).len(), 2, "nothing that is not signed is in the log");
    // Each byte of it is there, and a repeat is known.
    let shown = world
        .get(&format!("/api/v1/captures?device_id={}&limit=200", signer.device.id))
        .by(&world.admin().token)
        .send();
    let text = String::from_utf8(shown.bytes.clone()).unwrap();
    assert!(rubbish.iter().all(|raw| text.contains(raw.as_str())));
    assert!(signer.results(&sent).iter().all(|result| result["duplicate"] == true));
}

fn a_request_that_is_none_is_refused(world: &World) {
    let mut signer = Signer::new(world);
    let token = world.device_token(&signer.device);
    let post = |body: &str| world.post("/api/v1/captures").by(&token).bytes("application/json", body).send();
    post("{\"records\":[").refused(Code::JsonMalformed);
    post("[]").refused(Code::BodyInvalid);
    post("{}").refused(Code::BodyInvalid);
    post("{\"records\":{}}").refused(Code::BodyInvalid);
    post(&format!("{{\"records\":[{}1]}}", "1,".repeat(100))).refused(Code::BodyTooLarge);
    post(&format!("{{\"records\":[\"{}\"]}}", "x".repeat(1 << 20))).refused(Code::BodyTooLarge);
    let empty = post("{\"records\":[]}").expect(200);
    assert_eq!((&empty["results"], &empty["beacon"]), (&json!([]), &Value::Null));
    let person = world.person(Role::Inspector);
    world.post("/api/v1/captures").by(&person.token).json(&json!({"records": []})).send().refused(Code::DeviceRequired);
    for query in ["limit=0", "limit=201", "cursor=x", "what=1"] {
        let reply = world.get(&format!("/api/v1/captures?{query}")).by(&world.admin().token).send();
        assert!(matches!(reply.status, 400 | 410), "{query}: {reply}");
    }
    let nobody = world.app.env.id();
    world.get(&format!("/api/v1/captures/chains/{nobody}")).by(&world.admin().token).send().refused(Code::NotFound);
    let records = signer.chain(1);
    signer.took(&records);
    // A device sees its own chain and no other; people of the field see files, not chains.
    let own = format!("/api/v1/captures?device_id={}", signer.device.id);
    assert_eq!(world.get(&own).by(&token).send().expect(200)["items"].as_array().unwrap().len(), 1);
    world.get(&own).by(&world.device_token(&world.device(DeviceKind::Dock))).send().refused(Code::RoleForbidden);
    world.get("/api/v1/captures").by(&token).send().refused(Code::RoleForbidden);
    world.get(&own).by(&person.token).send().refused(Code::RoleForbidden);
}

fn a_revoked_device_still_delivers_and_is_kept_apart(world: &World) {
    let mut signer = Signer::new(world);
    let records = signer.chain(3);
    assert_eq!(signer.took(&records[..1]), accepted(1));
    world.revoke(&signer.device);
    assert_eq!(
        signer.took(&records[1..]),
        [took("quarantined", &["device_revoked"]), took("quarantined", &["device_revoked"])]
    );
    let status = signer.status();
    assert_eq!((&status["records"], &status["quarantined"]), (&json!(1), &json!(2)));
    assert!(signer.results(&records[1..]).iter().all(|result| result["duplicate"] == true));
}

/// Gives every leaf its place now, and signs the tree; what the log does by itself a second later.
fn checkpoint(world: &World) -> Beacon {
    let key = world.app.log.clone();
    world.write(move |tx| {
        while tlog::actions::sequence(tx, &key, 500)? > 0 {}
        Ok(())
    });
    let newest = world.read(tlog::actions::newest).unwrap();
    Beacon { size: newest.size, root: hex(&newest.root) }
}

fn time_is_bounded_by_the_checkpoint_before_and_the_receipt_after(world: &World) {
    let mut signer = Signer::new(world);
    let enrolled = world.now();
    signer.wait(1);
    let first = signer.next();
    let result = signer.results(&[first]).remove(0);
    assert_eq!((&result["lower_at"], &result["upper_at"]), (&json!(enrolled), &json!(world.now())), "all that is sure");
    // The newest leaf of the tree became true now; nobody can have known its root before.
    let (old, seen) = (checkpoint(world), world.now());
    let answer = send(world, &signer.device, "").expect(200);
    assert_eq!(answer["beacon"], json!({"size": old.size, "root": old.root}), "the device is told the newest one");
    signer.wait(3);
    // Made after the checkpoint, and the next one after that.
    let second = signer.next_of(Content { beacon: Some(old.clone()), ..signer.content() });
    signer.wait(1);
    let third = signer.next();
    signer.wait(2);
    for result in signer.results(&[second, third]) {
        assert_eq!((&result["lower_at"], &result["upper_at"]), (&json!(seen), &json!(world.now())));
        assert_eq!(codes(&result), Vec::<String>::new());
    }
    // Another root, a tree that is larger than ours.
    for beacon in [Beacon { root: "0".repeat(64), ..old.clone() }, Beacon { size: 1_000, ..old.clone() }] {
        let raw = signer.next_of(Content { beacon: Some(beacon), ..signer.content() });
        let result = signer.results(&[raw]).remove(0);
        assert_eq!((codes(&result), &result["lower_at"]), (vec!["beacon_unknown".into()], &json!(seen)));
    }
    // Clocks that say something that can't be.
    signer.wait(1);
    let now = world.now().timestamp_millis();
    let mut sets = Signer::new(world);
    let newest = checkpoint(world);
    world.wait(TimeDelta::minutes(1));
    let wall = |wall_ms| Content { wall_ms, mono_ms: None, boot: None, ..sets.content() };
    let (before, after) = (wall(now - 3_600_000), wall(now + 3_600_000));
    let before = sets.next_of(Content { beacon: Some(newest), ..before });
    let (seq, prev) = (sets.seq + 1, sets.prev.clone());
    let after = sets.next_of(Content { seq, prev, lat_e6: Some(1), ..after });
    let found = sets.took(&[before, after]);
    assert_eq!(found, [took("accepted", &["wall_out_of_bounds"]), took("accepted", &["wall_out_of_bounds"])]);
    // What comes late moves the bounds of those after it.
    let mut late = Signer::new(world);
    late.wait(2);
    let other = signer.next();
    signer.took(&[other]);
    let (newest, seen) = (checkpoint(world), world.now());
    let mut records = vec![late.next_of(Content { beacon: Some(newest), ..late.content() })];
    records.extend(late.chain(3));
    late.wait(1);
    late.took(&records[1..]);
    late.wait(1);
    late.took(&records[..1]);
    let shown = list(world, &format!("device_id={}", late.device.id));
    assert!(shown.len() == 4 && shown.iter().all(|item| item["lower_at"] == json!(seen)), "{shown:#?}");
}

fn a_file_shows_who_signed_it_to_those_who_may_see_it(world: &World) {
    let mut signer = Signer::new(world);
    let (film, other) = (b"film".to_vec(), b"another".to_vec());
    let medium = Medium { sha256: digest(&film), size: 4 };
    let record = signer.next_of(Content { media: vec![medium.clone(), medium], ..signer.content() });
    assert_eq!(signer.took(&[record]), accepted(1), "before its bytes");
    let (owner, stranger) = (world.person(Role::Inspector), world.person(Role::Inspector));
    let upload = |bytes: &[u8]| -> Value {
        let location = Tus::new(world, &owner.token).upload(bytes, &[("sha256", &digest(bytes))]);
        world.get(&location).by(&owner.token).send().expect(200)
    };
    let (film, other) = (upload(&film), upload(&other));
    let of = |evidence: &Value| format!("/api/v1/captures?evidence_id={}", evidence["id"].as_str().unwrap());
    let shown = world.get(&of(&film)).by(&owner.token).send().expect(200);
    let item = &shown["items"][0];
    assert_eq!(
        (&item["device_name"], &item["seq"], &item["signed"]),
        (&json!(signer.device.name), &json!(1), &json!(true))
    );
    assert_eq!((&item["lower_at"].is_string(), &item["upper_at"]), (&true, &json!(world.now())));
    let unsigned = world.get(&of(&other)).by(&owner.token).send().expect(200);
    assert_eq!(unsigned["items"], json!([]), "未签名");
    world.get(&of(&film)).by(&stranger.token).send().refused(Code::NotFound);
}

fn a_device_with_a_new_key_keeps_what_it_signed_with_the_old_one(world: &World) {
    let mut signer = Signer::new(world);
    let old = signer.chain(3);
    assert_eq!(signer.took(&old[..1]), accepted(1));
    let body = json!({"name": signer.device.name, "kind": "handheld"});
    let added = world.post("/api/v1/devices").by(&world.admin().token).json(&body).send().expect(201);
    let key = fresh_pkcs8().unwrap();
    let enrolled = world.enrol(&read::<String>(&added["code"]), &key).expect(201);
    let stolen = signer.sign(Content { epoch: 2, seq: 1, ..signer.content() });
    signer.device.key = key;
    assert_eq!((&enrolled["device_id"], &enrolled["epoch"]), (&json!(signer.device.id), &json!(2)));
    // What waited was signed with the key of its epoch. The old key signs nothing of the new one.
    assert_eq!(signer.took(&old[1..]), accepted(2));
    assert_eq!(signer.took(&[stolen]), [took("quarantined", &["bad_signature"])]);
    (signer.epoch, signer.seq) = (2, 0);
    let new = signer.chain(2);
    assert_eq!(signer.took(&new), accepted(2));
    let status = signer.status();
    assert_eq!([&status["epochs"][0]["begins"], &status["epochs"][1]["begins"]], ["genesis", "linked"]);
    // An epoch that the server never gave.
    (signer.epoch, signer.seq) = (9, 0);
    let raw = signer.next();
    assert_eq!(signer.took(&[raw]), [took("accepted", &["epoch_unknown"])]);
}

fn a_record_that_another_device_brings_belongs_to_who_signed_it(world: &World) {
    let (mut signer, carrier) = (Signer::new(world), world.device(DeviceKind::Dock));
    let records = signer.chain(2);
    let brought = send(world, &carrier, &records[0]).expect(200);
    assert_eq!(
        (&brought["results"][0]["status"], &brought["results"][0]["findings"]),
        (&json!("accepted"), &json!([]))
    );
    assert_eq!(signer.took(&records), [took("accepted", &["replayed"]), took("accepted", &[])]);
    assert_eq!((&signer.status()["records"], &chain_status(world, carrier.id)["records"]), (&json!(2), &json!(0)));
}

fn two_servers_give_a_number_to_one_record_only(world: &World) {
    // Before another start voids the code that makes the first administrator.
    let mut signer = Signer::new(world);
    let beside = world.beside();
    let mut copy = Signer { world, device: signer.device.clone(), prev: GENESIS.into(), ..signer };
    let (ours, theirs) =
        (signer.chain(20), (0..20).map(|_| copy.next_of(Content { r#type: "copy".into(), ..copy.content() })));
    let theirs: Vec<String> = theirs.collect();
    let token = world.device_token(&signer.device);
    thread::scope(|scope| {
        for (records, address) in [(&ours, world.address), (&theirs, beside.address), (&ours, beside.address)] {
            let token = &token;
            scope.spawn(move || {
                for part in records.chunks(5) {
                    let body = format!("{{\"records\":[{}]}}", part.join(","));
                    let base = format!("http://{address}");
                    loop {
                        let call = crate::support::http::Call::new(&base, "POST", "/api/v1/captures").by(token);
                        let reply = call.bytes("application/json", body.clone()).send();
                        if reply.status == 200 {
                            break;
                        }
                        reply.refused(Code::Busy);
                    }
                }
            });
        }
    });
    let all = list(world, &format!("device_id={}&limit=200", signer.device.id));
    assert_eq!(all.len(), 40);
    let mut held: Vec<i64> = all.iter().filter(|i| i["status"] == "accepted").map(|i| read(&i["seq"])).collect();
    held.sort_unstable();
    assert_eq!(held, (1..=20).collect::<Vec<i64>>());
    let status = signer.status();
    assert_eq!((&status["records"], &status["missing"], &status["forks"]), (&json!(40), &json!(0), &json!(20)));
}

fn pages_of_records_follow_each_other(world: &World) {
    let mut signer = Signer::new(world);
    let records = signer.chain(7);
    signer.took(&records);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/captures?device_id={}&limit=3{cursor}", signer.device.id);
        let page = world.get(&path).by(&world.admin().token).send().expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| read::<String>(&item["sha256"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    let mut sent: Vec<String> = records.iter().map(|raw| digest(raw.as_bytes())).collect();
    sent.sort();
    assert_eq!(seen, sent);
}

fn a_bundle_holds_what_devices_signed_and_is_checked_without_us(world: &World) {
    let mut signer = Signer::new(world);
    let who = world.person(Role::Dispatcher);
    let case = dispatched_case(world, &who, &world.unit());
    let (film, folder) = (b"film".to_vec(), Folder::new("signed"));
    Tus::new(world, &who.token).upload(&film, &[("sha256", &digest(&film)), ("case_id", &case)]);
    let medium = Medium { sha256: digest(&film), size: 4 };
    let records = [signer.next_of(Content { media: vec![medium], ..signer.content() }), signer.next()];
    signer.took(&records);
    let to = folder.path().join("bundle");
    let exported = block_on(export(&world.app, &who.actor(), case.parse().unwrap(), "复核", &to)).unwrap();
    let log = world.app.log.name();
    let report = verify(&exported.folder, Some(log));
    assert_eq!((report.findings.len(), report.captures, report.originals), (0, 1, 1), "{report:?}");
    let raw = to.join(format!("captures/{}.json", digest(records[0].as_bytes())));
    assert_eq!(fs::read_to_string(&raw).unwrap(), records[0]);
    let page = fs::read_to_string(to.join("index.html")).unwrap();
    assert!(page.contains(&signer.device.name) && page.contains("第 1 条"), "{page}");
    // Whoever puts in a record of their own device must change the manifest as well; both are told.
    let other = Signer::new(world);
    let medium = Medium { sha256: digest(&film), size: 4 };
    let forged = other.sign(Content { media: vec![medium], ..other.content() });
    let manifest = fs::read_to_string(to.join(MANIFEST)).unwrap();
    let (old, new) = (listed(records[0].as_bytes()), listed(forged.as_bytes()));
    assert!(manifest.contains(&old));
    fs::write(to.join(MANIFEST), manifest.replace(&old, &new)).unwrap();
    fs::write(&raw, forged).unwrap();
    let faults: Vec<BundleFault> = verify(&to, Some(log)).findings.into_iter().map(|finding| finding.fault).collect();
    assert_eq!(faults, [BundleFault::ManifestChanged, BundleFault::CaptureInvalid]);
}

/// A file's line in a manifest.
fn listed(bytes: &[u8]) -> String {
    format!("{{\"sha256\":\"{}\",\"size\":{}}}", digest(bytes), bytes.len())
}
