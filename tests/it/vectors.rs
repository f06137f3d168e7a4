//! `api-spec/sync-vectors.json`: what another client can test itself with. This program runs the same.

use crate::support::{field::Field, on_both_engines, world::World};
use chengguan::{
    identity::rules::Role,
    sync::{
        record::corrected,
        wire::{Clock, Op, digest_of},
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
