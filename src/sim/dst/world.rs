//! A county in which everything goes wrong: devices with their people, a network that loses, repeats and delays, and
//! the accidents that befall them. One seed is one history.

use super::{
    Shape,
    check::{Ledger, Violation},
    mutant::Mutant,
    person,
    pocket::Pocket,
    server::{Access, Server},
};
use crate::{
    client::{
        ClientError,
        engine::{About, Ask, AskChanges, Engine, Heard, Moment, Need, Next, Step, Want},
        rules::Pace,
    },
    db::types::{DeviceId, OpId, UnitId, UserId},
    env::{Env, SimClock},
    identity::rules::Role,
    sync::wire::Op,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{sync::Arc, time::Duration};

/// How long a request or an answer may be on its way: every client gives up by then.
pub const ON_THE_WAY: TimeDelta = TimeDelta::seconds(60);
/// Asks that a device may need, all in all, to be done when nothing fails any more.
const ENOUGH: u32 = 900;
/// To read what is there.
const PULL: Want = Want::Pull { wait_s: 0 };

/// A device with the person who holds it.
pub struct Device<P> {
    /// Who it is.
    pub id: DeviceId,
    /// What it keeps.
    pub pocket: P,
    pub(super) engine: Engine,
    /// Who holds it.
    pub user: UserId,
    /// Their right to read.
    pub access: Access,
    pub(super) skew: TimeDelta,
    pub(super) boot: u32,
    pub(super) booted: DateTime<Utc>,
    pub(super) push_from: DateTime<Utc>,
    pub(super) pull_from: DateTime<Utc>,
    /// What was made in this store, in order: a copy of the store has it too.
    pub made: Vec<OpId>,
    pub(super) kept: Option<(P, Vec<OpId>)>,
    /// Only a person can help it to read: it was revoked.
    pub banned: bool,
    /// A record went bad since digests were last compared.
    pub rotten: bool,
}

pub(super) struct Flight {
    to: usize,
    ask: Ask,
    pub(super) heard: Option<Heard>,
    since: DateTime<Utc>,
}

/// One person of the county.
#[derive(Debug, Clone, Copy)]
pub struct Somebody {
    /// Their account.
    pub user: UserId,
    /// What they do.
    pub role: Role,
}

/// The county.
pub struct World<S, P> {
    /// The server.
    pub server: S,
    /// The dice of everything but the server.
    pub env: Env,
    clock: Arc<SimClock>,
    /// The devices; copies of one bear the same id.
    pub devices: Vec<Device<P>>,
    pub(super) flights: Vec<Flight>,
    /// Who can hold a device.
    pub people: Vec<Somebody>,
    /// A dispatcher at the Centre.
    pub dispatcher: UserId,
    /// The units.
    pub units: Vec<UnitId>,
    /// What really happened.
    pub ledger: Ledger,
    /// Photos that were taken and have not come home.
    pub photos: Vec<(usize, String)>,
    /// The planted defect.
    pub mutant: Option<Mutant>,
    pub(super) shape: Shape,
    /// What happened, when somebody asks for it.
    pub trace: Option<Vec<String>>,
}

impl<S: Server, P: Pocket> World<S, P> {
    /// A county on a server, with one device for each of the first people.
    pub fn new(
        server: S,
        (env, clock): (Env, Arc<SimClock>),
        pockets: Vec<P>,
        people: Vec<Somebody>,
        dispatcher: UserId,
        units: Vec<UnitId>,
        (mutant, shape): (Option<Mutant>, Shape),
    ) -> Result<World<S, P>, ClientError> {
        let mut world = World {
            server,
            env,
            clock,
            devices: vec![],
            flights: vec![],
            people,
            dispatcher,
            units,
            ledger: Ledger::default(),
            photos: vec![],
            mutant,
            shape,
            trace: None,
        };
        for (place, mut pocket) in pockets.into_iter().enumerate() {
            let (id, now) = (pocket.device()?.0, world.env.now());
            let user = world.people[place % world.people.len()].user;
            let access = Access { session: crate::db::types::SessionId(uuid::Uuid::nil()), until: now };
            world.devices.push(Device {
                id,
                pocket,
                engine: engine(mutant),
                user,
                access,
                skew: TimeDelta::zero(),
                boot: 1,
                booted: now,
                push_from: now,
                pull_from: now,
                made: vec![],
                kept: None,
                banned: false,
                rotten: false,
            });
            world.sign_in(place);
        }
        Ok(world)
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether what only a model can suffer happens.
    pub fn ruins(&self) -> bool {
        self.shape.ruin
    }

    /// A number below a bound.
    pub fn dice(&self, bound: u32) -> u32 {
        self.env.below(bound)
    }

    /// Whether something happens that happens once in so many times.
    pub fn once_in(&self, times: u32) -> bool {
        self.dice(times) == 0
    }

    /// One of so many.
    pub fn pick(&self, count: usize) -> usize {
        usize::try_from(self.dice(u32::try_from(count).unwrap_or(u32::MAX))).unwrap_or(0)
    }

    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Notes something together with where the feed has come to.
    pub(super) fn note_head(&mut self, line: impl FnOnce() -> String) {
        if self.trace.is_some() {
            let head = self.server.head();
            self.say(|| format!("{} #{head}", line()));
        }
    }

    /// What a device's clocks show.
    pub fn wall(&self, place: usize) -> (DateTime<Utc>, i64, String) {
        let device = &self.devices[place];
        let mono = (self.env.now() - device.booted).num_milliseconds();
        (self.env.now() + device.skew, mono, format!("{}-{}", place, device.boot))
    }

    /// Lives through a history, then lets everything heal, and judges.
    ///
    /// # Errors
    /// The first rule that was broken.
    pub fn live(&mut self) -> Result<(), Violation> {
        for _ in 0..self.shape.steps {
            self.step()?;
        }
        self.settle()?;
        self.judge()
    }

    fn step(&mut self) -> Result<(), Violation> {
        let place = self.pick(self.devices.len());
        match self.dice(100) {
            0..18 => person::act(self, place).map_err(broken),
            18..30 => self.talk(place, Want::Push),
            30..46 => self.talk(place, Want::Pull { wait_s: 0 }),
            46..52 => self.speak(place, if self.once_in(4) { Want::Heartbeat } else { Want::Push }),
            52..58 => self.speak(place, Want::Pull { wait_s: 0 }),
            58..72 => self.carry(),
            72..86 => {
                let done = person::office(self);
                self.note_head(|| format!("office: {done}"));
                Ok(())
            }
            86..89 => {
                let seconds = match self.dice(10) {
                    0..6 => self.dice(120),
                    6..9 => self.dice(4 * 3600),
                    _ => self.dice(40 * 3600),
                };
                self.pass(TimeDelta::seconds(i64::from(seconds)));
                Ok(())
            }
            _ => self.accident(place),
        }
    }

    pub(super) fn pass(&mut self, time: TimeDelta) {
        self.clock.advance(time);
        let now = self.env.now();
        self.flights.retain(|flight| now - flight.since <= ON_THE_WAY);
    }

    /// A device talks with the server for a while, as long as nothing is lost.
    fn talk(&mut self, place: usize, want: Want) -> Result<(), Violation> {
        for _ in 0..=self.dice(7) {
            let waits = self.waits(place, want);
            if waits > TimeDelta::zero() {
                self.pass(waits);
            }
            let count = self.flights.len();
            self.speak(place, want)?;
            if self.flights.len() == count {
                return Ok(());
            }
            // There, and back again.
            for _ in 0..2 {
                if self.flights.len() > count {
                    self.carry_one(count)?;
                }
            }
        }
        Ok(())
    }

    /// How long a device still means to be silent.
    fn waits(&self, place: usize, want: Want) -> TimeDelta {
        let device = &self.devices[place];
        let from = if matches!(want, Want::Pull { .. }) { device.pull_from } else { device.push_from };
        (from - self.env.now()).max(TimeDelta::zero())
    }

    /// A device puts its next question.
    fn speak(&mut self, place: usize, want: Want) -> Result<(), Violation> {
        let now = self.env.now();
        let reads = matches!(want, Want::Pull { .. });
        if self.waits(place, want) > TimeDelta::zero() || reads && self.devices[place].banned {
            return Ok(());
        }
        if let Some(ask) = self.ask(place, want)? {
            self.flights.push(Flight { to: place, ask, heard: None, since: now });
        }
        Ok(())
    }

    pub(super) fn ask(&mut self, place: usize, want: Want) -> Result<Option<Ask>, Violation> {
        let (now, mono_ms, boot) = self.wall(place);
        let at = Moment { now, mono_ms, boot: &boot, dice: self.env.below(u32::MAX) };
        let device = &mut self.devices[place];
        match device.engine.next(&mut device.pocket, want, at) {
            Ok(Next::Ask(ask)) => Ok(Some(ask)),
            Ok(Next::Idle) => Ok(None),
            Ok(Next::Stopped(need)) => Err(Violation::new("L1", format!("device {place} stopped: {need:?}"))),
            Err(error) => Err(broken(error)),
        }
    }

    /// Something that is on its way arrives, or does not.
    fn carry(&mut self) -> Result<(), Violation> {
        if self.flights.is_empty() {
            return Ok(());
        }
        self.carry_one(self.pick(self.flights.len()))
    }

    fn carry_one(&mut self, chosen: usize) -> Result<(), Violation> {
        if self.once_in(self.shape.loss) {
            let lost = self.flights.swap_remove(chosen);
            if self.once_in(3) {
                return Ok(());
            }
            return self.hear(lost.to, &lost.ask, &Heard::Nothing).map(drop);
        }
        let flight = self.flights.swap_remove(chosen);
        if self.once_in(self.shape.repeat) {
            let Flight { to, ask, heard, since } = &flight;
            self.flights.push(Flight { to: *to, ask: ask.clone(), heard: heard.clone(), since: *since });
        }
        let Flight { to, ask, heard, since } = flight;
        if let Some(heard) = heard {
            return self.hear(to, &ask, &heard).map(drop);
        }
        for (to, ask, heard) in self.serve(to, ask)? {
            self.flights.push(Flight { to, ask, heard: Some(heard), since });
        }
        Ok(())
    }

    /// The server answers; pushes that are on their way may be taken together.
    fn serve(&mut self, to: usize, ask: Ask) -> Result<Vec<(usize, Ask, Heard)>, Violation> {
        let by = self.devices[to].access;
        let heard = match &ask {
            Ask::Push(_) => return self.serve_pushes(to, ask),
            Ask::Raw(op) => {
                self.ledger.raw_sent(op.op_id);
                self.server.raw(self.devices[to].id, &op.raw)
            }
            Ask::Epoch(ask) => self.server.epoch(self.devices[to].id, &ask.request),
            Ask::Changes(ask) => self.server.changes(by, ask),
            Ask::Snapshot(ask) => self.server.snapshot(by, ask),
            Ask::Refresh => {
                if self.server.session_good(by.session) {
                    self.devices[to].access.until = self.env.now() + TimeDelta::minutes(15);
                    Heard::Refreshed
                } else {
                    super::server::problem(&crate::error::Code::SessionEnded.into())
                }
            }
        };
        self.say(|| format!("{to} {}", super::trace::told(&ask, &heard)));
        if let Some(memory) = self.server.memory() {
            self.ledger.shown(memory, by.session, &ask, &heard)?;
        }
        Ok(vec![(to, ask, heard)])
    }

    fn serve_pushes(&mut self, to: usize, ask: Ask) -> Result<Vec<(usize, Ask, Heard)>, Violation> {
        // A box on the way that takes little.
        if matches!(&ask, Ask::Push(push) if push.batch.len() > 1) && self.once_in(5) {
            let (code, detail) = (String::new(), None);
            let heard = Heard::Problem { status: 413, code, detail, retry_after: None, date: None };
            return Ok(vec![(to, ask, heard)]);
        }
        let mut together = vec![(to, ask)];
        if self.once_in(3) {
            let waiting = |flight: &Flight| matches!(flight.ask, Ask::Push(_)) && flight.heard.is_none();
            while let Some(other) = self.flights.iter().position(waiting).filter(|_| together.len() < 3) {
                let other = self.flights.swap_remove(other);
                together.push((other.to, other.ask));
            }
        }
        let requests = together.iter().filter_map(|(_, ask)| match ask {
            Ask::Push(push) => Some(push.request.clone()),
            _ => None,
        });
        let answers = self.server.push(requests.collect());
        let mut served = vec![];
        for ((to, ask), heard) in together.into_iter().zip(answers) {
            self.say(|| format!("{to} {}", super::trace::told(&ask, &heard)));
            if let Heard::Push(push) = &heard {
                self.ledger.answered(&push.results)?;
            }
            served.push((to, ask, heard));
        }
        Ok(served)
    }

    /// A device hears an answer.
    pub(super) fn hear(&mut self, place: usize, ask: &Ask, heard: &Heard) -> Result<Option<Step>, Violation> {
        let (now, mono_ms, boot) = self.wall(place);
        let at = Moment { now, mono_ms, boot: &boot, dice: self.env.below(u32::MAX) };
        let silence = match (ask, heard) {
            (Ask::Push(push), Heard::Nothing) if self.is(Mutant::SilenceIsSuccess) => {
                Some(super::mutant::success(push, self.env.now()))
            }
            _ => None,
        };
        let heard = silence.as_ref().unwrap_or(heard);
        let device = &mut self.devices[place];
        let step = match device.engine.heard(&mut device.pocket, ask, heard, at) {
            Ok(step) => step,
            // Its storage failed: the program is started again.
            Err(ClientError::Store(_)) if self.mutant.is_some() => {
                self.restart(place);
                return Ok(None);
            }
            Err(error) => return Err(broken(error)),
        };
        let (reads, from) = (matches!(ask, Ask::Changes(_) | Ask::Snapshot(_) | Ask::Refresh), self.env.now());
        match &step {
            Step::Wait(wait, _) => {
                let until = from + TimeDelta::from_std(*wait).unwrap_or_default();
                let device = &mut self.devices[place];
                *(if reads { &mut device.pull_from } else { &mut device.push_from }) = until;
            }
            Step::Stopped(Need::SignIn) => self.sign_in(place),
            Step::Stopped(Need::Enrol) if reads => {
                self.devices[place].banned = true;
                let left = self.devices[place].pocket.sight().map_err(broken)?;
                if !left.is_empty() {
                    return Err(Violation::new("S2", format!("revoked device {place} still shows {}", left.len())));
                }
            }
            Step::Stopped(need) => return Err(Violation::new("L1", format!("device {place} stopped: {need:?}"))),
            Step::Idle | Step::Moved => {}
        }
        if matches!(heard, Heard::Epoch(_)) {
            let (id, epoch) = self.devices[place].pocket.device().map_err(broken)?;
            let waiting = self.devices[place].pocket.waiting(10_000).map_err(broken)?;
            self.ledger.renumbered(id, epoch, &waiting);
        }
        self.ledger.own_work_stays(&mut self.devices[place].pocket).map_err(broken)??;
        Ok(Some(step))
    }

    pub(super) fn restart(&mut self, place: usize) {
        let now = self.env.now();
        let device = &mut self.devices[place];
        device.engine = engine(self.mutant);
        (device.push_from, device.pull_from) = (now, now);
    }

    pub(super) fn sign_in(&mut self, place: usize) {
        let (user, id) = (self.devices[place].user, self.devices[place].id);
        let life = TimeDelta::hours(i64::from(8 + self.dice(200)));
        let session = self.server.sign_in(user, id, life);
        let until = self.env.now() + TimeDelta::minutes(15);
        self.note_head(|| format!("{place} signs in"));
        self.devices[place].access = Access { session, until };
        self.devices[place].banned = false;
    }

    /// Nothing fails any more: everything must come home, and everybody must see what is.
    fn settle(&mut self) -> Result<(), Violation> {
        self.flights.clear();
        self.server.crash();
        while !self.photos.is_empty() {
            self.deliver_photo();
        }
        for place in 0..self.devices.len() {
            if !self.devices[place].banned {
                self.sign_in(place);
            }
        }
        let mut asks = vec![0u32; self.devices.len()];
        // Three quiet rounds: what one brings the others read, and a restored server is noticed by whoever knows more.
        let mut quiet = 0;
        while quiet < 3 {
            let before = asks.clone();
            let mut moved = false;
            for (place, asks) in asks.iter_mut().enumerate() {
                moved |= self.drain(place, Want::Push, asks)?;
                self.once(place, Want::Heartbeat, asks)?;
                moved |= self.drain(place, PULL, asks)?;
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if let Some((place, count)) = asks.iter().enumerate().find(|(_, asks)| **asks > ENOUGH) {
                let rule = if before[place] + ENOUGH / 2 < *count { "L2" } else { "L1" };
                return Err(Violation::new(rule, format!("device {place} is not done after {count} asks")));
            }
        }
        for (place, asks) in asks.iter_mut().enumerate() {
            if !self.devices[place].rotten {
                continue;
            }
            // Twenty pages to a comparison of digests, three of them until everything is read anew.
            for _ in 0..80 {
                self.once(place, PULL, asks)?;
            }
        }
        self.server.tidy(1_000);
        for (place, asks) in asks.iter_mut().enumerate() {
            // Who read everything anew asks again what became of their work.
            self.drain(place, Want::Push, asks)?;
            self.drain(place, PULL, asks)?;
        }
        Ok(())
    }

    /// One question and its answer, without accidents; the answer's step.
    fn once(&mut self, place: usize, want: Want, asks: &mut u32) -> Result<Option<Step>, Violation> {
        if matches!(want, Want::Pull { .. }) && self.devices[place].banned {
            return Ok(None);
        }
        let Some(ask) = self.ask(place, want)? else { return Ok(None) };
        *asks += 1;
        let mut last = None;
        for (to, ask, heard) in self.serve(place, ask)? {
            last = self.hear(to, &ask, &heard)?;
        }
        if let Some(Step::Wait(wait, _)) = &last {
            self.pass(TimeDelta::from_std(*wait).unwrap_or_default());
        }
        Ok(last)
    }

    /// Asks until there is nothing to do; returns whether there was.
    fn drain(&mut self, place: usize, want: Want, asks: &mut u32) -> Result<bool, Violation> {
        let mut moved = false;
        loop {
            let seq = self.devices[place].pocket.position().map_err(broken)?.map(|position| position.seq);
            match self.once(place, want, asks)? {
                None => return Ok(moved),
                Some(Step::Idle) => {
                    let now = self.devices[place].pocket.position().map_err(broken)?.map(|position| position.seq);
                    return Ok(moved || matches!(want, Want::Pull { .. }) && seq != now);
                }
                Some(_) if *asks > ENOUGH => return Ok(true),
                Some(_) => moved = true,
            }
        }
    }

    fn judge(&mut self) -> Result<(), Violation> {
        let now = self.env.now();
        for place in 0..self.devices.len() {
            let device = &mut self.devices[place];
            if device.pocket.outbox_summary().map_err(broken)?.depth > 0 {
                return Err(Violation::new("L1", format!("device {place} still has work to send")));
            }
            let Some(memory) = self.server.memory() else { continue };
            if !device.banned {
                self.ledger.sees_what_is(memory, device, place, now)?;
                Ledger::knows_what_became(memory, &mut device.pocket, place)?;
            }
        }
        for place in 0..self.devices.len() {
            self.digests_agree(place)?;
        }
        let homes: Vec<&[OpId]> = self.devices.iter().map(|device| device.made.as_slice()).collect();
        let Some(memory) = self.server.memory() else { return Ok(()) };
        self.ledger.judge(memory, &homes, self.mutant, now)
    }

    /// The server's digests and the device's own are equal, because their records are.
    fn digests_agree(&mut self, place: usize) -> Result<(), Violation> {
        let device = &mut self.devices[place];
        let Some(position) = device.pocket.position().map_err(broken)?.filter(|_| !device.banned) else {
            return Ok(());
        };
        let ask = AskChanges {
            generation: Some(position.generation),
            cursor: position.cursor,
            limit: 500,
            wait_s: 0,
            digest: true,
        };
        let mut access = device.access;
        access.until = self.env.now();
        let Heard::Changes(page) = self.server.changes(access, &ask) else { return Ok(()) };
        let Some(theirs) = page.digest else { return Ok(()) };
        let keys: Vec<String> = theirs.keys().cloned().collect();
        let own = self.devices[place].pocket.digests(&keys).map_err(broken)?;
        if own == theirs { Ok(()) } else { Err(Violation::new("C4", format!("device {place}: digests differ"))) }
    }

    /// A person's work, for the ledger.
    pub fn record(&mut self, place: usize, op: Op, after: Option<OpId>) {
        let now = self.env.now();
        let device = &mut self.devices[place];
        device.made.push(op.op_id);
        let epoch = device.pocket.device().map_or(0, |(_, epoch)| epoch);
        self.ledger.made(device.id, epoch, op, after, now);
    }
}

/// The engine of a device that has just been switched on.
pub(super) fn engine(mutant: Option<Mutant>) -> Engine {
    let pace = if mutant == Some(Mutant::HotRetry) {
        Pace { first: Duration::ZERO, cap: Duration::ZERO }
    } else {
        Pace::default()
    };
    Engine::new(About { app: "simulated/1".into(), storage_persisted: Some(true), pace })
}

pub(super) fn broken(error: ClientError) -> Violation {
    Violation::new("store", error.to_string())
}
