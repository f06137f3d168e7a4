//! Deterministic simulation of sync: the real decisions of server and client on memory, in a county where everything goes
//! wrong. One seed is one history, and gives it again.
//!
//! `world` is the plot, `accidents` what befalls it, `person` what people do, `server` and `memory` the server, `pocket` the client's store, `check`
//! the rules. A [`Mutant`] is a planted defect that the rules must catch: it proves that they can fail.
//!
//! `tests/it/dst.rs` runs a sample of seeds and every mutant; `tests/it/differential.rs` lives the same histories on the
//! real databases and the real client store, and compares every answer.

mod accidents;
pub mod check;
pub mod memory;
pub mod mutant;
pub mod person;
pub mod pocket;
pub mod server;
pub mod trace;
mod view;
pub mod world;

use crate::{
    db::types::{At, DeviceId, UnitId, UserId},
    env::Env,
    error::Result,
    identity::{
        rules::{DeviceKind, Role},
        store::{DeviceRow, EpochRow},
        tokens::{self, Keys},
    },
};
use check::Violation;
use chrono::{DateTime, Utc};
use memory::{Memory, Person};
pub use mutant::Mutant;
use server::Model;
use std::rc::Rc;
use uuid::Uuid;
use world::{Somebody, World};

/// How wild a history is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Things that happen before all heals.
    pub steps: u32,
    /// One in so many messages is lost.
    pub loss: u32,
    /// One in so many is delivered again.
    pub repeat: u32,
    /// Whether devices and the server are copied, wiped, revoked and put back.
    pub restores: bool,
    /// Whether what only a model can suffer happens: words that break the server, records that go bad on a disk, a
    /// server put back from a backup.
    pub ruin: bool,
    /// Records of a page of a snapshot.
    pub page: usize,
}

impl Shape {
    /// The shape of a seed: some histories are calm, so that rare accidents are seen alone.
    pub fn of(seed: u64) -> Shape {
        Shape {
            steps: 180 + 60 * u32::try_from(seed % 4).unwrap_or(0),
            loss: if seed.is_multiple_of(3) { 40 } else { 6 },
            repeat: if seed.is_multiple_of(5) { 40 } else { 8 },
            restores: !seed.is_multiple_of(4),
            ruin: true,
            page: 3,
        }
    }
}

/// What a history came to.
#[derive(Debug)]
pub struct Outcome {
    /// The rule that was broken, if one was.
    pub violation: Option<Violation>,
    /// Operations that people made.
    pub ops: usize,
    /// Answers to operations.
    pub answers: u64,
    /// What happened, when it was asked for.
    pub trace: Vec<String>,
}

/// Server keys: one pair for all histories, because making one costs more than living through one.
///
/// # Errors
/// `internal`.
pub fn keys() -> Result<Keys> {
    let env = Env::simulated(began(), 7).0;
    Keys::load(&tokens::fresh_pkcs8()?, &env.bytes::<32>())
}

/// When histories begin.
pub fn began() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default()
}

/// Who is in the county.
pub struct Cast {
    /// People with a device in the hand, or waiting for one.
    pub people: Vec<Somebody>,
    /// The dispatcher at the Centre.
    pub dispatcher: UserId,
    /// The units.
    pub units: Vec<UnitId>,
    /// The devices.
    pub devices: Vec<DeviceId>,
}

impl Cast {
    /// Five people with four devices between them, one at the Centre without, and two units.
    pub fn new() -> Cast {
        let user = |n: u128| UserId(Uuid::from_u128(0x100 + n));
        let roles = [Role::Inspector, Role::Officer, Role::Officer, Role::Dispatcher, Role::Liaison];
        Cast {
            people: roles.into_iter().zip(1..).map(|(role, n)| Somebody { user: user(n), role }).collect(),
            dispatcher: user(9),
            units: vec![UnitId(Uuid::from_u128(0xa)), UnitId(Uuid::from_u128(0xb))],
            devices: (1..=4).map(|n| DeviceId(Uuid::from_u128(0xd0 + n))).collect(),
        }
    }

    /// The unit somebody begins in: two officers work side by side.
    pub fn unit(&self, place: usize, role: Role) -> Option<UnitId> {
        matches!(role, Role::Officer | Role::Liaison).then(|| self.units[place / 4])
    }

    fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for (place, somebody) in self.people.iter().enumerate() {
            let unit = self.unit(place, somebody.role);
            memory.people.insert(somebody.user, Person { role: somebody.role, unit });
        }
        memory.people.insert(self.dispatcher, Person { role: Role::Dispatcher, unit: None });
        memory.units = self.units.iter().copied().collect();
        for id in &self.devices {
            memory.devices.insert(*id, device(*id));
            memory.epochs.insert((*id, 1), Rc::new(EpochRow::new(*id, 1, "enrolled", At(began()))));
        }
        memory
    }
}

impl Default for Cast {
    fn default() -> Cast {
        Cast::new()
    }
}

fn device(id: DeviceId) -> DeviceRow {
    DeviceRow {
        id,
        name: id.to_string(),
        kind: DeviceKind::Handheld.to_string(),
        public_key: Some(vec![4; 65]),
        enrolment_code_sha256: None,
        enrolment_expires_at: None,
        enrolled_at: Some(At(began())),
        revoked_at: None,
        epoch: 1,
        created_at: At(began()),
    }
}

/// Lives through the history of a seed.
pub fn run(seed: u64, mutant: Option<Mutant>, keys: &Keys, traced: bool) -> Outcome {
    run_shaped(seed, Shape::of(seed), mutant, keys, traced)
}

/// Lives through the history of a seed in another shape than its own.
pub fn run_shaped(seed: u64, shape: Shape, mutant: Option<Mutant>, keys: &Keys, traced: bool) -> Outcome {
    let (env, clock) = Env::simulated(began(), seed);
    let cast = Cast::new();
    let server_env = Env::simulated(began(), seed ^ 0x5eed).0.with_clock(clock.clone());
    let server = Model::new(cast.memory(), server_env, keys, (mutant, shape.page));
    let pockets = cast.devices.iter().map(|id| pocket::Memory::new(*id, 1, mutant)).collect();
    match World::new(server, (env, clock), pockets, cast.people, cast.dispatcher, cast.units, (mutant, shape)) {
        Ok(mut world) => {
            world.trace = traced.then(Vec::new);
            let violation = world.live().err();
            let (ops, answers) = (world.ledger.count(), world.ledger.answers);
            Outcome { violation, ops, answers, trace: world.trace.unwrap_or_default() }
        }
        Err(error) => {
            Outcome { violation: Some(Violation::new("store", error.to_string())), ops: 0, answers: 0, trace: vec![] }
        }
    }
}
