//! A dock in a world, and what is asked about the clips that it brought.

use super::{
    http::Reply,
    tus::Tus,
    world::{Person, World, read},
};
use chengguan::{
    blob::digest::hex,
    evidence::datum::Position,
    identity::{
        rules::{DeviceKind, Role},
        tokens::sha256,
    },
    sim::media::{VideoSpec, video},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// Where its cases are.
pub fn place() -> Position {
    Position::new(27.4402, 109.9445).unwrap()
}

/// A video of so many seconds.
pub fn film(seed: u64, start: DateTime<Utc>, seconds: u32, at: Option<Position>) -> Vec<u8> {
    let spec = VideoSpec { target_bytes: 60_000, duration_ms: seconds * 1000, ..VideoSpec::new(seed) };
    video(&VideoSpec { taken_at: Some(start), position: at, ..spec })
}

/// A dock that brings the films of one camera.
pub struct Docked<'w> {
    pub world: &'w World,
    /// The dock's own.
    pub token: String,
    /// Its serial.
    pub camera: String,
    pub dispatcher: Person,
}

pub fn docked(world: &World) -> Docked<'_> {
    let (dock, camera) = (world.device(DeviceKind::Dock), world.device(DeviceKind::Camera).name);
    Docked { world, token: world.device_token(&dock), camera, dispatcher: world.person(Role::Dispatcher) }
}

impl Docked<'_> {
    /// Uploads a video with what a dock says of it; gives its id.
    pub fn bring(&self, bytes: &[u8], start: DateTime<Utc>, more: &[(&str, &str)]) -> String {
        let (digest, start) = (hex(&sha256(bytes)), start.to_rfc3339());
        let own = [
            ("sha256", digest.as_str()),
            ("filename", "a.mp4"),
            ("filetype", "video/mp4"),
            ("captured_at", &start),
            ("captured_from", "name"),
            ("camera", &self.camera),
        ];
        let said = |key: &str| more.iter().any(|(other, _)| *other == key);
        let own = own.into_iter().filter(|(key, _)| !said(key));
        let words: Vec<(&str, &str)> = more.iter().copied().chain(own).collect();
        let path = Tus::new(self.world, &self.token).upload(bytes, &words);
        path.rsplit('/').next().unwrap().to_owned()
    }

    /// After a wait in which tokens expire.
    pub fn later(self) -> Self {
        Docked { dispatcher: self.world.sign_in(&self.dispatcher.username, None), ..self }
    }

    pub fn clip(&self, id: &str) -> Value {
        self.get(&self.dispatcher, id).expect(200)
    }

    pub fn get(&self, who: &Person, id: &str) -> Reply {
        self.world.get(&format!("/api/v1/clips/{id}")).by(&who.token).send()
    }

    pub fn post(&self, who: &Person, id: &str, what: &str, body: Value) -> Reply {
        self.world.post(&format!("/api/v1/clips/{id}/{what}")).by(&who.token).json(&body).send()
    }

    pub fn list(&self, who: &Person, query: &str) -> Vec<String> {
        let page = self.world.get(&format!("/api/v1/clips{query}")).by(&who.token).send().expect(200);
        page["items"].as_array().unwrap().iter().map(|item| read(&item["id"])).collect()
    }

    pub fn shift(&self, camera: &str, who: &Person, from: DateTime<Utc>, until: DateTime<Utc>) -> Reply {
        let body = json!({"camera": camera, "user_id": who.id, "from": from, "until": until});
        self.world.put("/api/v1/camera-assignments").by(&self.dispatcher.token).json(&body).send()
    }

    /// A case at the place, dispatched to a unit.
    pub fn case(&self, unit: &str) -> String {
        let (lat, lon) = (place().lat(), place().lon());
        let report = json!({"title": "占道经营", "position": {"lat": lat, "lon": lon, "datum": "wgs84"}});
        let by = &self.dispatcher.token;
        let case: String = read(&self.world.post("/api/v1/cases").by(by).json(&report).send().expect(201)["id"]);
        let due = self.world.now() + TimeDelta::days(3);
        let dispatch = json!({"type": "dispatch", "args": {"unit_id": unit, "due_at": due}});
        self.world.post(&format!("/api/v1/cases/{case}/commands")).by(by).json(&dispatch).send().expect(200);
        case
    }
}
