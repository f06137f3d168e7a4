//! Accidents: what befalls devices, the server and their people.

use super::{
    check::Violation,
    mutant::Mutant,
    person,
    pocket::Pocket,
    server::Server,
    world::{Device, World, broken, engine},
};
use crate::{
    client::engine::{Heard, Want},
    db::types::OpId,
    identity::rules::Role,
    sync::record::Decision,
};
use chrono::TimeDelta;

/// Asks that a device may make while a server is silent for half an hour.
const PATIENCE: u32 = 80;

impl<S: Server, P: Pocket> World<S, P> {
    /// Something befalls a device, the server or both.
    pub(super) fn accident(&mut self, place: usize) -> Result<(), Violation> {
        let now = self.env.now();
        match self.dice(30) {
            0..4 => {
                self.say(|| format!("{place} crashes"));
                self.restart(place);
            }
            4..6 => {
                self.say(|| format!("{place} reboots"));
                self.restart(place);
                (self.devices[place].boot, self.devices[place].booted) = (self.devices[place].boot + 1, now);
            }
            6..8 => {
                let minutes = i64::from(self.dice(2 * 24 * 60)) - 24 * 60;
                self.devices[place].skew = TimeDelta::minutes(minutes);
            }
            8..11 => {
                self.flights.retain(|flight| flight.heard.is_some());
                self.server.crash();
            }
            11..13 => {
                if self.once_in(3) {
                    // A long weekend.
                    self.pass(TimeDelta::hours(80));
                }
                self.server.tidy(i64::from(self.dice(25)));
            }
            13..16 => self.deliver_photo(),
            16..18 => self.shift(place)?,
            18 => {
                let (somebody, unit) = (self.pick(self.people.len()), self.units[self.pick(self.units.len())]);
                let somebody = self.people[somebody];
                if matches!(somebody.role, Role::Officer | Role::Liaison) {
                    self.server.move_person(somebody.user, unit);
                }
            }
            19..21 => self.review(),
            21 => self.silence(place)?,
            22 if self.once_in(3) && self.shape.restores => {
                self.say(|| format!("{place} is revoked"));
                self.server.revoke(self.devices[place].id);
            }
            23 if self.shape.ruin => self.devices[place].rotten |= self.devices[place].pocket.rot().map_err(broken)?,
            _ if !self.shape.restores => {}
            24 => {
                let device = &mut self.devices[place];
                device.kept = Some((device.pocket.copy().map_err(broken)?, device.made.clone()));
            }
            25 => self.device_restored(place)?,
            26 if self.devices.len() < 6 => self.cloned(place)?,
            27 => self.wiped(place)?,
            28 => self.server.backup(),
            29 if self.shape.ruin && self.once_in(2) && self.server.restore() => {
                self.say(|| "the server is restored".to_owned());
                self.flights.retain(|flight| flight.heard.is_some());
                // It takes a while: no two lives write a row in the same microsecond.
                self.pass(TimeDelta::minutes(1));
                self.devices.iter_mut().for_each(|device| device.rotten = true);
                if let Some(memory) = self.server.memory() {
                    self.ledger.server_restored(memory);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The next person takes the device.
    fn shift(&mut self, place: usize) -> Result<(), Violation> {
        if self.devices[place].banned {
            return Ok(());
        }
        self.devices[place].user = self.people[self.pick(self.people.len())].user;
        self.say(|| format!("{place} changes hands"));
        if self.is(Mutant::ShiftDropsWork) {
            person::drop_work(self, place);
        }
        self.sign_in(place);
        self.restart(place);
        Ok(())
    }

    fn device_restored(&mut self, place: usize) -> Result<(), Violation> {
        let Some((pocket, made)) = &mut self.devices[place].kept else { return Ok(()) };
        let (pocket, made) = (pocket.copy().map_err(broken)?, made.clone());
        self.say(|| format!("{place} is restored"));
        self.ledger.copied(self.devices[place].id);
        (self.devices[place].pocket, self.devices[place].made) = (pocket, made);
        self.devices[place].rotten = true;
        self.restart(place);
        Ok(())
    }

    fn cloned(&mut self, place: usize) -> Result<(), Violation> {
        self.say(|| format!("{place} is cloned"));
        self.ledger.copied(self.devices[place].id);
        let (now, mutant) = (self.env.now(), self.mutant);
        let device = &mut self.devices[place];
        let copy = Device {
            id: device.id,
            pocket: device.pocket.copy().map_err(broken)?,
            engine: engine(mutant),
            user: device.user,
            access: device.access,
            skew: device.skew,
            boot: 1,
            booted: now,
            push_from: now,
            pull_from: now,
            made: device.made.clone(),
            kept: None,
            banned: device.banned,
            rotten: device.rotten,
        };
        self.devices.push(copy);
        Ok(())
    }

    fn wiped(&mut self, place: usize) -> Result<(), Violation> {
        self.say(|| format!("{place} is wiped"));
        self.ledger.copied(self.devices[place].id);
        person::wipe(self, place).map_err(broken)?;
        self.devices[place].made = vec![];
        self.restart(place);
        Ok(())
    }

    /// A photo comes home, by whatever way.
    pub(super) fn deliver_photo(&mut self) {
        if self.photos.is_empty() {
            return;
        }
        let chosen = self.pick(self.photos.len());
        let (place, sha256) = self.photos.swap_remove(chosen);
        self.server.photo(&sha256, self.devices[place].id);
        for device in &mut self.devices {
            drop(device.pocket.photo_sent(&sha256));
        }
        self.note_head(|| format!("photo {sha256}"));
    }

    /// A reviewer decides one of the things that wait for a person.
    fn review(&mut self) {
        let open: Vec<OpId> = self.ledger.open();
        if open.is_empty() {
            return;
        }
        let op = open[self.pick(open.len())];
        let decision = if self.once_in(3) { Decision::Discard } else { Decision::Apply };
        let done = self.server.decide(op, decision, self.dispatcher);
        self.note_head(|| format!("review {decision}: {done}"));
    }

    /// Nobody answers a device for half an hour.
    fn silence(&mut self, place: usize) -> Result<(), Violation> {
        let end = self.env.now() + TimeDelta::minutes(30);
        let mut asks = 0;
        while self.env.now() < end {
            let Some(ask) = self.ask(place, Want::Heartbeat)? else { break };
            asks += 1;
            if asks > PATIENCE {
                return Err(Violation::new("L2", format!("{asks} asks in half an hour of silence")));
            }
            self.hear(place, &ask, &Heard::Nothing)?;
            let wait = (self.devices[place].push_from - self.env.now()).max(TimeDelta::milliseconds(1));
            self.pass(wait);
        }
        Ok(())
    }
}
