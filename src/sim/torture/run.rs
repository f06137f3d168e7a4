//! The plot: everything works, and chance kills it.

use super::{
    Crimes, Report, check,
    cluster::Cluster,
    device::{Assignment, PACE, PATIENCE, store_path},
    disk::Disk,
    network::{Network, Weather},
    processes::{DeviceProcess, Nursery, Server, ServerPlan, Servers},
};
use crate::{
    client::{ClientError, Result, http::Api, store::Store, sync::Client, sync::Step},
    db::types::UnitId,
    env::Env,
    sim::{
        county::County,
        office::{self, Desk, Done},
    },
};
use chrono::DateTime;
use std::{
    fs,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Processes to kill, servers and devices together.
    pub kills: u32,
    /// Devices.
    pub devices: usize,
    /// Server processes on the one database.
    pub servers: usize,
    /// Decides who does what, where the network breaks, and who dies when.
    pub seed: u64,
}

/// What the run stands on; made before it, because the county is entered there first.
pub struct Site {
    // In the order in which they must end.
    /// A PostgreSQL of its own, which may be stopped.
    pub cluster: Option<Cluster>,
    /// A disk of its own, which may be full.
    pub disk: Option<Disk>,
    /// Folder, program and process group.
    pub nursery: Nursery,
    /// How its servers are started.
    pub server: ServerPlan,
}

/// Told what happens.
pub trait Voice: Sync {
    /// Something a person should know now.
    fn say(&self, line: &str);
}

/// All devices must be home by then, after everything has healed.
const HOME_WITHIN: Duration = Duration::from_secs(110);
/// The grave of every so many kills is PostgreSQL's, or the disk's.
const STOP_EVERY: u32 = 15;
const FULL_EVERY: u32 = 25;

struct Run<'a> {
    plan: &'a Plan,
    site: Site,
    servers: Arc<Servers>,
    processes: Vec<Server>,
    devices: Vec<DeviceProcess>,
    networks: Vec<Network>,
    dice: Env,
    report: Report,
    voice: &'a dyn Voice,
}

/// Runs it and reads everything back.
///
/// # Errors
/// When something failed that is no part of the plot: a process can't be started, a device can't be enrolled.
pub fn run(plan: &Plan, site: Site, county: &County, voice: &dyn Voice) -> Result<Report> {
    let started = Instant::now();
    let servers = Arc::new(Servers::new(plan.servers));
    let weather = Arc::new(Weather::default());
    let dice = |salt: u64| Env::simulated(DateTime::UNIX_EPOCH, plan.seed.wrapping_mul(7_919).wrapping_add(salt)).0;
    let folder = site.nursery.folder().join("devices");
    let mut networks = Vec::new();
    let mut devices = Vec::new();
    for n in 0..plan.devices {
        let network = Network::new(servers.clone(), weather.clone(), dice(1_000 + n as u64));
        networks.push(network.map_err(|e| ClientError::Offline(e.to_string()))?);
        devices.push(DeviceProcess::new(n, folder.join(format!("{:02}", n + 1))));
    }
    let office = Network::new(servers.clone(), Arc::default(), dice(1));
    let office = office.map_err(|e| ClientError::Offline(e.to_string()))?;
    let processes = (0..plan.servers).map(Server::new).collect();
    let report = Report { plan: Some(plan.clone()), ..Report::default() };
    let mut run = Run { plan, site, servers, processes, devices, networks, dice: dice(2), report, voice };
    for server in &mut run.processes {
        server.start(&run.site.nursery, &run.site.server, &run.servers)?;
    }
    voice.say("servers listen; devices are enrolled, people sign in");
    run.hand_out(county)?;
    let over = AtomicBool::new(false);
    let (done, outcome) = thread::scope(|scope| {
        let desk = scope.spawn(|| desks(&office, county, &over));
        let outcome = run.storm();
        over.store(true, Ordering::Relaxed);
        (desk.join().unwrap_or_default(), outcome)
    });
    outcome?;
    run.report.office = done;
    run.heal()?;
    run.report.connections = weather.connections.load(Ordering::Relaxed);
    run.report.cuts = weather.cuts.load(Ordering::Relaxed);
    run.report.doubled_pushes = weather.doubled.load(Ordering::Relaxed);
    voice.say("everything is home; now it is read back");
    let folders: Vec<_> = run.devices.iter().map(|device| device.folder.clone()).collect();
    let address = run.servers.any(&run.dice).ok_or_else(|| ClientError::Offline("no server is up".into()))?;
    check::reckon(&format!("http://{address}"), &run.site.server.database_url, &folders, county, &mut run.report)?;
    run.report.took = started.elapsed();
    Ok(run.report)
}

impl Run<'_> {
    /// Morning at the office: each device is enrolled and its person signed in, on a good network.
    fn hand_out(&mut self, county: &County) -> Result<()> {
        for ((device, network), (enrolment, account)) in self.devices.iter().zip(&self.networks).zip(&county.handhelds)
        {
            let made = fs::create_dir_all(&device.folder);
            made.map_err(|e| ClientError::File(format!("{}: {e}", device.folder.display())))?;
            let seed = self.plan.seed.wrapping_mul(31).wrapping_add(device.number as u64);
            Assignment::new(device.number, network.url(), seed, account).write(&device.folder)?;
            let store = Store::open(&store_path(&device.folder))?;
            let mut client = Client::new(store, Api::new(&network.url(), PATIENCE)?, Env::system(), "torture/1", PACE);
            client.enrol(&enrolment.code)?;
            client.login(&account.username, &account.password)?;
            while client.pull()? != Step::Idle {}
        }
        Ok(())
    }

    /// Until enough have died.
    fn storm(&mut self) -> Result<()> {
        for (device, network) in self.devices.iter_mut().zip(&self.networks) {
            network.rough(true);
            device.start(&self.site.nursery, false)?;
        }
        self.voice.say("everybody works; the killing begins");
        let began = Instant::now();
        let (mut stops, mut fulls) = (0, 0);
        while self.crimes().kills() < self.plan.kills {
            thread::sleep(Duration::from_millis(100 + u64::from(self.dice.below(700))));
            self.look_for_the_dead()?;
            self.kill_some()?;
            let kills = self.crimes().kills();
            // The first comes early, so that a short run has one too.
            if self.site.cluster.is_some() && (kills + STOP_EVERY - 3) / STOP_EVERY > stops {
                stops += 1;
                self.stop_database()?;
            }
            if self.site.disk.is_some() && (kills + FULL_EVERY - 5) / FULL_EVERY > fulls {
                fulls += 1;
                self.fill_disk()?;
            }
            if kills / 50 > self.report.said {
                self.report.said = kills / 50;
                self.voice.say(&format!("{kills} kills"));
            }
        }
        self.report.stormy = began.elapsed();
        Ok(())
    }

    fn crimes(&self) -> &Crimes {
        &self.report.crimes
    }

    /// A process that ended by itself is a fault of its own; it is started again like a killed one.
    fn look_for_the_dead(&mut self) -> Result<()> {
        for server in &mut self.processes {
            if let Some(how) = server.ended(&self.site.nursery) {
                self.report.crashed.push(how);
                server.kill(&self.servers);
                server.start(&self.site.nursery, &self.site.server, &self.servers)?;
            }
        }
        for device in &mut self.devices {
            if let Some(how) = device.ended(&self.site.nursery) {
                self.report.crashed.push(how);
                device.start(&self.site.nursery, false)?;
            }
        }
        Ok(())
    }

    /// Mostly one, now and then several at once.
    fn kill_some(&mut self) -> Result<()> {
        let victims = if self.dice.below(5) == 0 { 2 + self.dice.below(2) } else { 1 };
        let (mut servers, mut devices) = (Vec::new(), Vec::new());
        for _ in 0..victims {
            if self.dice.below(5) < 2 {
                servers.push(self.dice.below(u32::try_from(self.processes.len()).unwrap_or(1)) as usize);
            } else {
                devices.push(self.dice.below(u32::try_from(self.devices.len()).unwrap_or(1)) as usize);
            }
        }
        for list in [&mut servers, &mut devices] {
            list.sort_unstable();
            list.dedup();
        }
        for n in &servers {
            self.processes[*n].kill(&self.servers);
            self.report.crimes.servers += 1;
        }
        for n in &devices {
            self.devices[*n].kill();
            self.report.crimes.devices += 1;
        }
        thread::sleep(Duration::from_millis(u64::from(self.dice.below(300))));
        for n in servers {
            self.processes[n].start(&self.site.nursery, &self.site.server, &self.servers)?;
        }
        for n in devices {
            self.devices[n].start(&self.site.nursery, false)?;
        }
        Ok(())
    }

    fn stop_database(&mut self) -> Result<()> {
        let Some(cluster) = &mut self.site.cluster else { return Ok(()) };
        cluster.stop_immediately()?;
        self.report.crimes.database_stops += 1;
        thread::sleep(Duration::from_millis(u64::from(self.dice.below(1_500))));
        cluster.start(&self.site.nursery)
    }

    /// In the middle of it a server dies, and starts when there is room again.
    fn fill_disk(&mut self) -> Result<()> {
        let Some(disk) = &self.site.disk else { return Ok(()) };
        let filled = disk.fill(&self.processes);
        let half = Duration::from_millis(800 + u64::from(self.dice.below(1_200)));
        thread::sleep(half);
        let victim = self.dice.below(u32::try_from(self.processes.len()).unwrap_or(1)) as usize;
        self.processes[victim].kill(&self.servers);
        self.report.crimes.servers += 1;
        thread::sleep(half);
        if filled && disk.free(&self.processes) {
            self.report.crimes.full_disks += 1;
            self.report.full_disk_by = Some(disk.how());
        } else {
            self.report.crashed.push("the disk could not be made full and empty again".into());
        }
        if let Some(cluster) = &mut self.site.cluster {
            cluster.revive(&self.site.nursery)?;
        }
        self.processes[victim].start(&self.site.nursery, &self.site.server, &self.servers)
    }

    /// The network is good again, everybody starts once more and brings home what there is; then the servers die a last
    /// time, right after the last acknowledgement.
    fn heal(&mut self) -> Result<()> {
        self.look_for_the_dead()?;
        for network in &self.networks {
            network.rough(false);
        }
        for device in &mut self.devices {
            device.kill();
            device.start(&self.site.nursery, true)?;
        }
        self.voice.say("the network is healed; everybody goes home");
        let began = Instant::now();
        for device in &mut self.devices {
            let failed = device.home(&self.site.nursery, began + HOME_WITHIN);
            self.report.not_home.extend(failed);
        }
        self.report.home_in = began.elapsed();
        for server in &mut self.processes {
            server.kill(&self.servers);
            server.start(&self.site.nursery, &self.site.server, &self.servers)?;
        }
        Ok(())
    }
}

/// The Centre and the city's collector at their desks, as far as the servers answer: cases are dispatched and closed.
fn desks(network: &Network, county: &County, over: &AtomicBool) -> Done {
    let total = Mutex::new(Done::default());
    let mut units: Vec<UnitId> = Vec::new();
    for unit in county.handhelds.iter().filter_map(|(_, account)| account.unit) {
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    let add = |part: Done| {
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        total.applied += part.applied;
        total.refused += part.refused;
        total.waited_for_evidence += part.waited_for_evidence;
        total.closed += part.closed;
    };
    let (mut signed, mut rounds) = (None, 0u32);
    while !over.load(Ordering::Relaxed) {
        let (dispatcher, verifier) = match signed.take() {
            Some(pair) => pair,
            None => match sign_in(network, county) {
                Ok(pair) => pair,
                Err(_) => {
                    thread::sleep(Duration::from_millis(100));
                    continue;
                }
            },
        };
        // In turns, because most rounds end early: their server dies.
        rounds += 1;
        let outcome = if rounds % 2 == 1 && !units.is_empty() {
            office::dispatch(&dispatcher, &units, Env::system().now())
        } else {
            office::close(&dispatcher, &verifier, true)
        };
        match outcome {
            Ok(part) => add(part),
            Err(ClientError::Refused { status: 401, .. }) => continue,
            // Whatever else it was, the desk tries again when its server is back.
            Err(_) => {}
        }
        signed = Some((dispatcher, verifier));
        thread::sleep(Duration::from_millis(200));
    }
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn sign_in(network: &Network, county: &County) -> Result<(Desk, Desk)> {
    let api = Api::new(&network.url(), PATIENCE)?;
    Ok((Desk::sign_in(&api, &county.dispatcher)?, Desk::sign_in(&api, &county.verifier)?))
}
