//! What the scenarios of custody begin with: a photo, who took it, and the two offices that keep it.

use super::{
    http::Reply,
    tus::Tus,
    world::{Person, World, read},
};
use chengguan::{
    blob::digest::hex,
    evidence::{custody::sweep, datum::Position},
    identity::{rules::Role, tokens::sha256},
    sim::media::{PhotoSpec, photo},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// A reporter with a stored photo of a case, and the two offices that keep it.
pub struct Scene<'w> {
    pub world: &'w World,
    pub reporter: Person,
    pub dispatcher: Person,
    pub supervisor: Person,
    pub bytes: Vec<u8>,
    /// `/api/v1/evidence/<id>`.
    pub at: String,
}

pub fn a_photo() -> Vec<u8> {
    let position = Position::new(27.440_123, 109.944_456).ok();
    let taken_at = "2026-11-23T08:30:15+08:00".parse().ok();
    photo(&PhotoSpec { width: 640, height: 480, orientation: 6, taken_at, position, ..PhotoSpec::new(1) })
}

impl<'w> Scene<'w> {
    pub fn new(world: &'w World) -> Scene<'w> {
        let (reporter, dispatcher) = (world.person(Role::Inspector), world.person(Role::Dispatcher));
        let (supervisor, bytes) = (world.person(Role::Supervisor), a_photo());
        let at = Tus::new(world, &reporter.token).upload(&bytes, &[("filename", "儿童.jpg")]);
        Scene { world, reporter, dispatcher, supervisor, bytes, at }
    }

    pub fn id(&self) -> &str {
        self.at.rsplit('/').next().unwrap()
    }

    /// Ids are in the order of time only from one millisecond to the next.
    pub fn tick(&self) {
        self.world.wait(TimeDelta::milliseconds(1));
    }

    /// Moves the time on; everybody signs in again.
    pub fn wait(&mut self, time: TimeDelta) {
        self.world.wait(time);
        for person in [&mut self.reporter, &mut self.dispatcher, &mut self.supervisor] {
            *person = self.world.sign_in(&person.username, None);
        }
    }

    pub fn get(&self, person: &Person, what: &str) -> Reply {
        self.tick();
        self.world.get(&format!("{}{what}", self.at)).by(&person.token).send()
    }

    pub fn post(&self, person: &Person, what: &str, body: &Value) -> Reply {
        self.tick();
        self.world.post(&format!("{}{what}", self.at)).by(&person.token).json(body).send()
    }

    pub fn put(&self, person: &Person, what: &str, body: &Value) -> Reply {
        self.tick();
        self.world.put(&format!("{}{what}", self.at)).by(&person.token).json(body).send()
    }

    /// The record, oldest first: who, what, which part, and why.
    pub fn record(&self) -> Vec<Value> {
        let page = self.get(&self.dispatcher, "/custody?limit=200").expect(200);
        let mut items = page["items"].as_array().unwrap().clone();
        items.reverse();
        items
    }

    pub fn actions(&self) -> Vec<String> {
        self.record().iter().map(|event| read(&event["action"])).collect()
    }

    pub fn listed(&self, person: &Person) -> usize {
        let page = self.world.get("/api/v1/evidence").by(&person.token).send().expect(200);
        page["items"].as_array().unwrap().len()
    }

    pub fn due(&self) -> usize {
        let page = self.world.get("/api/v1/evidence/retention/due").by(&self.dispatcher.token).send().expect(200);
        page["items"].as_array().unwrap().len()
    }

    pub fn case(&self) -> String {
        let report = json!({"title": "井盖缺失"});
        read(&self.world.post("/api/v1/cases").by(&self.reporter.token).json(&report).send().expect(201)["id"])
    }

    /// Says that the photo belongs to a case.
    pub fn link(&self, case: &str) {
        let body = json!({
            "sha256": digest(&self.bytes), "size": self.bytes.len(), "media_type": "image/jpeg",
            "captured_at": "2026-11-23T00:30:15Z", "case_id": case, "role": "before",
        });
        self.world.post("/api/v1/evidence").by(&self.reporter.token).json(&body).send().expect(200);
    }

    pub fn void(&self, case: &str) {
        let body = json!({"type": "void", "args": {"reason": "duplicate"}});
        let path = format!("/api/v1/cases/{case}/commands");
        self.world.post(&path).by(&self.dispatcher.token).json(&body).send().expect(200);
    }

    pub fn delete(&self) {
        self.post(&self.dispatcher, "/deletion", &because("到期")).expect(201);
        self.post(&self.supervisor, "/deletion/approve", &because("同意")).expect(200);
    }

    pub fn sweep(&self) -> usize {
        block_on(sweep::sweep(&self.world.app)).unwrap()
    }

    pub fn has_bytes(&self) -> bool {
        self.world.app.originals.open(&digest(&self.bytes)).unwrap().is_some()
    }
}

pub fn because(reason: &str) -> Value {
    json!({ "reason": reason })
}

pub fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub fn over() -> TimeDelta {
    TimeDelta::days(183)
}
