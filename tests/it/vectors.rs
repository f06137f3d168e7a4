//! `api-spec/sync-vectors.json`: what another client can test itself with. This program runs the same.

use crate::support::{field::Field, on_both_engines, scratch::Folder, world::World};
use chengguan::{
    client::{
        device::{ClockOffset, Identity},
        keep::{Extent, Keep},
        store::{Draft, Store, open},
    },
    db::types::{CaseId, DeviceId, OpId, SessionId, UserId},
    env::Env,
    identity::rules::{DeviceKind, Role},
    sync::{
        record::corrected,
        wire::{Change, ChangeType, Clock, EpochResponse, Op, Snapshot, Target, digest_of},
    },
};
use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;

on_both_engines!(a_predecessor_decides_whether_an_operation_is_judged);

fn vectors<T: DeserializeOwned>(name: &str) -> T {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("api-spec/sync-vectors.json");
    let mut all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(all[name].take()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[derive(Deserialize)]
struct Record {
    kind: String,
    id: String,
    ver: i64,
    #[serde(default)]
    number: String,
    #[serde(default)]
    keys: Vec<String>,
}

#[test]
fn digests_are_those_of_the_vectors() {
    for record in vectors::<Vec<Record>>("digest_of") {
        assert_eq!(format!("{:016x}", digest_of(&record.kind, &record.id, record.ver)), record.number);
    }
    #[derive(Deserialize)]
    struct Digests {
        records: Vec<Record>,
        digest: BTreeMap<String, String>,
    }
    let vector: Digests = vectors("digests");
    for (key, sum) in vector.digest {
        let carried = vector.records.iter().filter(|record| record.keys.contains(&key));
        let own = carried.fold(0u64, |sum, r| sum.wrapping_add(digest_of(&r.kind, &r.id, r.ver)));
        assert_eq!(format!("{own:016x}"), sum, "{key}");
    }
}

#[test]
fn time_is_corrected_as_the_vectors_say() {
    #[derive(Deserialize)]
    struct Correction {
        why: String,
        op: Value,
        clock: Clock,
        now: DateTime<Utc>,
        at: DateTime<Utc>,
        confidence: String,
    }
    for vector in vectors::<Vec<Correction>>("corrected") {
        let id = "01900000-0000-7000-8000-000000000001";
        let mut op = json!({"op_id": id, "seq": 1, "type": "case.note", "v": 1, "actor": id, "session": id});
        for (name, value) in vector.op.as_object().unwrap() {
            op[name] = value.clone();
        }
        let op: Op = serde_json::from_value(op).unwrap();
        let (at, confidence) = corrected(&op, &vector.clock, vector.now);
        assert_eq!((at, confidence.as_str()), (vector.at, vector.confidence.as_str()), "{}", vector.why);
    }
}

#[test]
fn payloads_are_compared_as_the_vectors_say() {
    #[derive(Deserialize)]
    struct Pair {
        why: String,
        a: Op,
        b: Op,
        same: bool,
    }
    for vector in vectors::<Vec<Pair>>("same_payload") {
        assert_eq!(vector.a.same_payload(&vector.b), vector.same, "{}", vector.why);
    }
}

/// Against the real server: predecessors are brought into each state, then an operation names them.
fn a_predecessor_decides_whether_an_operation_is_judged(world: &World) {
    #[derive(Deserialize)]
    struct Gate {
        predecessors: Vec<Option<String>>,
        status: String,
        code: Option<String>,
    }
    let field = Field::new(world, Role::Inspector);
    let case = field.report("依据");
    field.result(&case, "applied");
    for vector in vectors::<Vec<Gate>>("gate") {
        let mut names = Vec::new();
        for state in &vector.predecessors {
            let Some(state) = state else {
                names.push(json!(world.app.env.id()));
                continue;
            };
            let op = field.case_op("case.note", &case["target"]["id"], json!({"text": "前一步"}));
            field.result(&op, "applied");
            let (id, state): (String, String) = (serde_json::from_value(op["op_id"].clone()).unwrap(), state.clone());
            let set = format!("UPDATE sync_ops SET status = '{state}' WHERE op_id = '{id}'");
            world.write(move |tx| Ok(tx.db.batch_execute(&set)?));
            names.push(op["op_id"].clone());
        }
        let mut op = field.case_op("case.note", &case["target"]["id"], json!({"text": "后一步"}));
        op["depends_on"] = json!(names);
        let status = if vector.status == "judged" { "applied" } else { &vector.status };
        let result = field.result(&op, status);
        assert_eq!(result["code"], json!(vector.code), "{:?}", vector.predecessors);
    }
}

/// A device's own store, enrolled in an epoch.
fn device(folder: &Folder, epoch: i32) -> Store {
    let env = Env::system();
    let mut store = Store::open(&folder.path().join("device.db")).unwrap();
    let (device, kind) = (DeviceId(env.id()), DeviceKind::Handheld);
    let identity = Identity { device, name: "h".into(), kind, epoch, pkcs8: vec![1] };
    store.set_identity(&identity, ClockOffset { offset_ms: 0, measured_at: env.now() }).unwrap();
    store
}

#[test]
fn a_new_epoch_numbers_what_waits_as_the_vector_says() {
    #[derive(Deserialize)]
    struct Renumber {
        from_epoch: i32,
        to_epoch: i32,
        outbox: Vec<Value>,
        becomes: Vec<Value>,
        next_seq: i64,
    }
    let vector: Renumber = vectors("renumber");
    let (folder, env) = (Folder::new("renumber"), Env::system());
    let mut store = device(&folder, vector.from_epoch);
    let mut file = open(&folder.path().join("device.db")).unwrap();
    for (place, op) in (-100..).zip(&vector.outbox) {
        let (id, target) = (op["op_id"].as_str().unwrap(), op["target"]["id"].as_str().unwrap());
        let line = format!(
            "INSERT INTO outbox (place, epoch, seq, op_id, chains, target_kind, target_id, made_at, raw) \
             VALUES ({place}, {}, {}, '{id}', 0, 'case', '{target}', 1, '{op}')",
            vector.from_epoch, op["seq"]
        );
        file.batch_execute(&line).unwrap();
    }
    let (push_token, generation, server_time) = ("t".to_owned(), "g".to_owned(), env.now());
    let answer = EpochResponse { epoch: vector.to_epoch, push_token, generation, server_time };
    assert!(store.begin_epoch(vector.from_epoch, None, &answer, env.now()).unwrap());
    let waiting = store.waiting(100).unwrap();
    let became: Vec<Value> = waiting.iter().map(|queued| serde_json::from_str(&queued.raw).unwrap()).collect();
    assert_eq!(became, vector.becomes);
    let attempt = store.begin_attempt().unwrap();
    assert_eq!((attempt.epoch, attempt.number, attempt.push_token.as_deref()), (vector.to_epoch, 1, Some("t")));
    let draft = Draft {
        op_id: OpId(env.id()),
        r#type: "case.note".into(),
        target: Target::case(CaseId(env.id())),
        base: None,
        depends_on: vec![],
        actor: UserId(env.id()),
        session: SessionId(env.id()),
        occurred_at: env.now(),
        mono: None,
        gps: None,
        args: json!({"text": "x"}),
        attachments: vec![],
    };
    assert_eq!(store.save(draft).unwrap().seq, vector.next_seq);
}

#[test]
fn a_snapshot_ends_as_the_vectors_say() {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        ver: i64,
        #[serde(default)]
        keys: Vec<String>,
    }
    #[derive(Deserialize)]
    struct End {
        why: String,
        extent: String,
        scope: Vec<String>,
        of: Vec<String>,
        here: Vec<Row>,
        came: Vec<Row>,
        then: Vec<Row>,
    }
    let upsert = |row: &Row| Change {
        seq: 1,
        t: ChangeType::Upsert,
        kind: "case".into(),
        id: row.id.clone(),
        ver: Some(row.ver),
        keys: row.keys.clone(),
        data: Some(serde_json::value::to_raw_value(&json!({})).unwrap()),
    };
    for vector in vectors::<Vec<End>>("snapshot_end") {
        let (folder, now) = (Folder::new("snapshot-end"), Env::system().now());
        let mut store = device(&folder, 1);
        store.live(None, "g").unwrap();
        let mut read = |rows: &[Row], of: &[String], extent| {
            let page = Snapshot {
                generation: "g".into(),
                server_time: now,
                cursor: "c".into(),
                seq: 1,
                next_page: None,
                scope: vector.scope.clone(),
                of: of.to_vec(),
                items: rows.iter().map(upsert).collect(),
            };
            store.snapshot_begin().unwrap();
            store.snapshot_page(&page).unwrap();
            store.snapshot_finish(&page, extent, now).unwrap();
        };
        read(&vector.here, &vector.scope, Extent::Whole);
        let extent = if vector.extent == "whole" { Extent::Whole } else { Extent::Part };
        read(&vector.came, &vector.of, extent);
        let then: Vec<(String, i64)> = vector.then.into_iter().map(|row| (row.id, row.ver)).collect();
        let records = store.records("case").unwrap().into_iter().map(|(id, ver, _)| (id, ver));
        assert_eq!(records.collect::<Vec<_>>(), then, "{}", vector.why);
    }
}
