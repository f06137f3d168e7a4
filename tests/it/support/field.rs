//! A handheld with a person on it, as a test writes its pushes by hand.

use super::{
    http::Reply,
    world::{Device, Person, World, read},
};
use chengguan::identity::rules::{DeviceKind, Role};
use serde_json::{Value, json};
use std::cell::Cell;

/// A person signed in on a handheld, with the next sequence number.
pub struct Field<'w> {
    world: &'w World,
    /// The handheld.
    pub device: Device,
    /// The person, signed in on it.
    pub person: Person,
    seq: Cell<i64>,
    attempts: Cell<i64>,
}

impl<'w> Field<'w> {
    /// A new person of a role on a new handheld.
    pub fn new(world: &'w World, role: Role) -> Field<'w> {
        let person = world.person(role);
        Field::of(world, &person)
    }

    /// A person on a new handheld.
    pub fn of(world: &'w World, person: &Person) -> Field<'w> {
        let device = world.device(DeviceKind::Handheld);
        let person = Person { unit: person.unit.clone(), ..world.sign_in(&person.username, Some(&device)) };
        Field { world, device, person, seq: Cell::new(0), attempts: Cell::new(0) }
    }

    /// A new operation of this person.
    pub fn op(&self, op_type: &str, kind: &str, id: uuid::Uuid, args: Value) -> Value {
        self.seq.set(self.seq.get() + 1);
        json!({
            "op_id": self.world.app.env.id(), "seq": self.seq.get(), "type": op_type, "v": 1,
            "target": {"kind": kind, "id": id}, "actor": self.person.id, "session": self.person.session,
            "occurred_at": self.world.now(), "args": args,
        })
    }

    /// An operation on a case.
    pub fn case_op(&self, op_type: &str, case: &Value, args: Value) -> Value {
        self.op(op_type, "case", read(case), args)
    }

    /// A report of a new case.
    pub fn report(&self, title: &str) -> Value {
        self.op("case.report", "case", self.world.app.env.id(), json!({"title": title}))
    }

    /// Sends operations as they are.
    pub fn push(&self, ops: &[Value]) -> Reply {
        let body = self.envelope(ops);
        self.push_raw(body.to_string().into_bytes())
    }

    /// Sends a body as it is.
    pub fn push_raw(&self, body: Vec<u8>) -> Reply {
        let token = self.world.device_token(&self.device);
        self.world.post("/api/v1/sync/push").by(&token).bytes("application/json", body).send()
    }

    /// The body of a push.
    pub fn envelope(&self, ops: &[Value]) -> Value {
        json!({
            "protocol": 1, "app": "test/1", "device": self.device.id, "epoch": self.device.epoch,
            "attempt": self.attempts.replace(self.attempts.get() + 1) + 1,
            "clock": {"wall": self.world.now(), "mono_ms": 5, "boot": "b1"},
            "outbox": {"depth": ops.len(), "high_seq": self.seq.get()},
            "ops": ops,
        })
    }

    /// Sends operations and gives their results.
    #[track_caller]
    pub fn results(&self, ops: &[Value]) -> Vec<Value> {
        let answer = self.push(ops).expect(200);
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        assert_eq!(results.len(), ops.len(), "{answer}");
        results
    }

    /// Sends one operation and demands its status.
    #[track_caller]
    pub fn result(&self, op: &Value, status: &str) -> Value {
        let result = self.results(std::slice::from_ref(op)).remove(0);
        assert_eq!(result["status"], status, "{op}\n{result}");
        result
    }

    /// The whole snapshot: its cursor and its items.
    #[track_caller]
    pub fn snapshot(&self) -> (String, Vec<Value>) {
        let (mut items, mut page) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/sync/snapshot{page}");
            let answer = self.world.get(&path).by(&self.person.token).send().expect(200);
            items.extend(answer["items"].as_array().cloned().unwrap_or_default());
            match answer["next_page"].as_str() {
                Some(next) => page = format!("?page={next}"),
                None => return (read(&answer["cursor"]), items),
            }
        }
    }

    /// All changes after a cursor, and the cursor after them.
    #[track_caller]
    pub fn changes(&self, cursor: &str, limit: u32) -> (String, Vec<Value>) {
        let (mut changes, mut cursor) = (Vec::new(), cursor.to_owned());
        loop {
            let path = format!("/api/v1/sync/changes?cursor={cursor}&limit={limit}");
            let answer = self.world.get(&path).by(&self.person.token).send().expect(200);
            assert_eq!(answer["prev"], cursor.as_str());
            changes.extend(answer["changes"].as_array().cloned().unwrap_or_default());
            cursor = read(&answer["next"]);
            if answer["has_more"] == false {
                return (cursor, changes);
            }
        }
    }
}
