//! The plot: a day of the whole fleet in under a minute, then the reckoning.

use super::{
    camera::{self, Sent, Way},
    check,
    county::County,
    handheld::{Handheld, PATIENCE},
    judging,
    office::{self, Desk, Done},
    report::Report,
};
use crate::{
    client::{ClientError, Result, http::Api, store::MediaState},
    db::types::UnitId,
    env::Env,
    identity::rules::Role,
};
use chrono::{DateTime, TimeDelta};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the devices keep their stores and files.
    pub folder: PathBuf,
    /// Files that cameras carry besides their own, from `--media`.
    pub media: Vec<PathBuf>,
    /// Decides who does what and where connections break.
    pub seed: u64,
    /// Width of the handhelds' photos, pixels.
    pub photo_width: u32,
}

/// Told what happens.
pub trait Progress: Sync {
    /// A part of the plot begins; it has so many steps.
    fn begin(&self, what: &str, steps: usize);
    /// One step of the current part is done.
    fn step(&self);
}

/// Devices at work at the same time.
const AT_ONCE: usize = 16;
/// Cameras that upload at the same time.
const CAMERAS_AT_ONCE: usize = 6;
/// Every so many cameras sends its files through the dock.
const DOCKED: usize = 5;

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something on all, some at a time; the first error ends it.
fn each<T: Send>(
    items: &[Mutex<T>],
    at_once: usize,
    progress: &dyn Progress,
    f: impl Fn(&mut T) -> Result<()> + Sync,
) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..at_once.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = f(&mut hold(item)) {
                        *hold(&failed) = Some(error);
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    progress.step();
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Runs the fleet against the server and reads everything back.
///
/// # Errors
/// When something failed that is no part of the plot: the server is away, a device is refused.
pub fn run(plan: &Plan, server: SocketAddr, county: &County, progress: &dyn Progress) -> Result<Report> {
    let started = Instant::now();
    let direct = Api::new(&format!("http://{server}"), PATIENCE)?;
    let dice = |salt: u64| Env::simulated(DateTime::UNIX_EPOCH, plan.seed.wrapping_mul(1_000_003).wrapping_add(salt)).0;
    let mut handhelds = Vec::new();
    for (n, (_, account)) in county.handhelds.iter().enumerate() {
        let folder = plan.folder.join(format!("handheld-{:02}", n + 1));
        let seed = plan.seed.wrapping_mul(7_919).wrapping_add(n as u64);
        handhelds.push(Mutex::new(Handheld::new(n, server, account, &folder, seed, plan.photo_width)?));
    }
    progress.begin("handhelds are enrolled, people sign in, cases and sites are loaded", handhelds.len());
    each(&handhelds, AT_ONCE, progress, |handheld| {
        let enrolment = &county.handhelds[handheld.number].0;
        handheld.start(enrolment)
    })?;
    let framed_at = Env::system().now();
    judging::frame(&direct, county, framed_at)?;
    progress.begin("cameras record their shift", county.cameras.len());
    let cards: Vec<Mutex<usize>> = (0..county.cameras.len()).map(Mutex::new).collect();
    each(&cards, 2, progress, |number| {
        let given = given(plan, *number);
        camera::fill(&card(plan, county, *number), &given, &dice(1_000 + *number as u64), Env::system().now())
    })?;
    // The cameras bring their gigabytes while the handhelds live their day.
    let (cameras, day) = thread::scope(|scope| {
        let cameras = scope.spawn(|| cameras(plan, server, county, &dice));
        let day = day(&direct, county, &handhelds, progress, &dice(3));
        let cameras =
            cameras.join().unwrap_or_else(|_| Err(ClientError::Unreadable("a camera's thread failed".into())));
        (cameras, day)
    });
    let (mut sent, office) = (cameras?, day?);
    sent.extend(evening(plan, server, county, &handhelds, progress, &dice)?);
    let filmed = office::confirm_clips(&Desk::sign_in(&direct, &county.dispatcher)?)?;
    progress.begin("next week's spot checks are drawn, the month is run on trial", 1);
    let judged = judging::judge(&direct, county, framed_at, &dice(5))?;
    let mut report = Report {
        judged,
        handhelds: county.handhelds.len(),
        cameras: county.cameras.len(),
        docked: docked(county.cameras.len()),
        office,
        filmed,
        ..Report::default()
    };
    tally(&mut report, county, &handhelds, &sent)?;
    reckon(&mut report, &direct, county, &handhelds, &sent, progress)?;
    report.took = started.elapsed();
    Ok(report)
}

/// Three trips, and the office in between.
fn day(
    direct: &Api,
    county: &County,
    handhelds: &[Mutex<Handheld>],
    progress: &dyn Progress,
    dice: &Env,
) -> Result<Done> {
    let checkers = (0..handhelds.len()).filter(|n| super::county::role_of(*n) == Role::SpotChecker).count();
    let dispatcher = Desk::sign_in(direct, &county.dispatcher)?;
    let verifier = Desk::sign_in(direct, &county.verifier)?;
    let liaison = Desk::sign_in(direct, &county.liaison)?;
    let cuts: Vec<u32> = (0..handhelds.len()).map(|_| 1 + dice.below(3)).collect();
    let all = |what: &str, f: &(dyn Fn(&mut Handheld) -> Result<()> + Sync)| {
        progress.begin(what, handhelds.len());
        each(handhelds, AT_ONCE, progress, f)
    };
    all("first trip, offline: reports with photos, spot checks", &|h| h.first_trip(checkers))?;
    all("back home over a bad network", &|h| {
        h.bring_home(cuts[h.number])?;
        h.send_photos(cuts[h.number])
    })?;
    let units = field_units(county, direct, &dispatcher)?;
    let mut done = office::dispatch(&dispatcher, &units, Env::system().now())?;
    all("people read what was dispatched to them", &|h| h.read())?;
    if let Some(first) = handhelds.first() {
        // This person's session ends while they are out; what they do afterwards waits until they sign in again.
        let token = hold(first).client.store.session()?.access_token;
        Desk::end_session(direct, &token)?;
    }
    progress.begin("second trip, offline: units solve cases, while desks move some of them", handhelds.len());
    let (own, other) = (units[0], units[1 % units.len()]);
    let (meddled, tripped) = thread::scope(|scope| {
        let desk = scope.spawn(|| office::meddle(&dispatcher, &liaison, own, other));
        let tripped = each(handhelds, AT_ONCE, progress, Handheld::second_trip);
        (desk.join().unwrap_or_else(|_| Err(ClientError::Unreadable("a desk's thread failed".into()))), tripped)
    });
    tripped?;
    add(&mut done, meddled?);
    all("operations come home, photos stay behind", &|h| h.bring_home(cuts[h.number]))?;
    add(&mut done, office::dispatch(&dispatcher, &units, Env::system().now())?);
    add(&mut done, office::close(&dispatcher, &verifier, true)?);
    all("photos follow", &|h| h.send_photos(cuts[h.number]))?;
    all("third trip, offline: rework", &|h| h.third_trip())?;
    all("back home", &|h| {
        h.bring_home(1)?;
        h.send_photos(1)
    })?;
    add(&mut done, office::close(&dispatcher, &verifier, false)?);
    all("everybody reads to the end", &|h| h.read())?;
    Ok(done)
}

fn add(total: &mut Done, part: Done) {
    total.applied += part.applied;
    total.refused += part.refused;
    total.waited_for_evidence += part.waited_for_evidence;
    total.closed += part.closed;
}

/// The units whose people carry handhelds, and two without, whose cases stay open.
fn field_units(county: &County, direct: &Api, dispatcher: &Desk) -> Result<Vec<UnitId>> {
    let mut units: Vec<UnitId> = Vec::new();
    for unit in county.handhelds.iter().filter_map(|(_, account)| account.unit) {
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    let everything = dispatcher.get("/api/v1/units")?;
    let ids = everything["items"].as_array().into_iter().flatten().filter_map(|unit| unit["id"].as_str()?.parse().ok());
    let idle: Vec<UnitId> = ids.filter(|id| !units.contains(id)).take(2).collect();
    units.extend(idle);
    if units.is_empty() {
        return Err(ClientError::Unreadable(format!("{} knows no units", direct.base())));
    }
    Ok(units)
}

/// A camera appears under its serial.
fn card(plan: &Plan, county: &County, camera: usize) -> PathBuf {
    let folder = if camera % DOCKED == DOCKED - 1 { "dock-slots" } else { "cards" };
    plan.folder.join(folder).join(&county.cameras[camera].name)
}

fn docked(cameras: usize) -> usize {
    (0..cameras).filter(|n| n % DOCKED == DOCKED - 1).count()
}

/// The files of `--media` that this camera carries: every file is on some card, and most cards have one.
fn given(plan: &Plan, camera: usize) -> Vec<PathBuf> {
    plan.media.iter().cycle().skip(camera).take(usize::from(!plan.media.is_empty())).cloned().collect()
}

fn cameras(plan: &Plan, server: SocketAddr, county: &County, dice: &(dyn Fn(u64) -> Env + Sync)) -> Result<Vec<Sent>> {
    let quiet = || {};
    let own: Vec<usize> = (0..county.cameras.len()).filter(|n| n % DOCKED != DOCKED - 1).collect();
    let (next, sent, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(None));
    let keep = |outcome: Result<Sent>| match outcome {
        Ok(part) => hold(&sent).push(part),
        Err(error) => *hold(&failed) = Some(error),
    };
    thread::scope(|scope| {
        if docked(county.cameras.len()) > 0 {
            scope.spawn(|| {
                let way = Way { jobs: 4, cut: true, again_every: 3 };
                keep(dock(plan, server, county, way, &dice(2)));
            });
        }
        for _ in 0..CAMERAS_AT_ONCE {
            scope.spawn(|| {
                while let Some(number) = own.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let dice = dice(5_000 + *number as u64);
                    let way = Way { jobs: 1, cut: dice.below(3) == 0, again_every: 0 };
                    let enrolment = &county.cameras[*number];
                    let (card, state) = (card(plan, county, *number), plan.folder.join("states").join(&enrolment.name));
                    keep(camera::send(&card, &state, enrolment, server, way, &dice, &quiet));
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(sent.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// Everything that lies in the dock's slots.
fn dock(plan: &Plan, server: SocketAddr, county: &County, way: Way, dice: &Env) -> Result<Sent> {
    let (cards, state) = (plan.folder.join("dock-slots"), plan.folder.join("dock-01"));
    camera::send(&cards, &state, &county.dock, server, way, dice, &|| {})
}

/// Officers dock what they filmed while they handled cases.
fn evening(
    plan: &Plan,
    server: SocketAddr,
    county: &County,
    handhelds: &[Mutex<Handheld>],
    progress: &dyn Progress,
    dice: &dyn Fn(u64) -> Env,
) -> Result<Option<Sent>> {
    let filmed = handhelds.iter().map(hold).filter(|h| h.role() == Role::Officer && h.number < county.cameras.len());
    let filmed: Vec<_> = filmed.filter_map(|h| Some((h.number, h.username().to_owned(), h.handled?))).collect();
    progress.begin("officers dock what they filmed", filmed.len());
    for (number, officer, place) in &filmed {
        let (card, now) = (card(plan, county, *number), Env::system().now());
        let (long, dice) = (TimeDelta::minutes(15), dice(9_000 + *number as u64));
        camera::film(&card, Some(officer), now - long, long, Some(*place), &dice)?;
        progress.step();
    }
    if filmed.is_empty() {
        return Ok(None);
    }
    dock(plan, server, county, Way { jobs: 4, cut: false, again_every: 0 }, &dice(4)).map(Some)
}

fn tally(report: &mut Report, county: &County, handhelds: &[Mutex<Handheld>], sent: &[Sent]) -> Result<()> {
    for handheld in handhelds {
        let mut handheld = hold(handheld);
        let tally = handheld.client.tally;
        report.pushed += tally.pushed;
        report.duplicates += tally.duplicates;
        report.pushes_cut += tally.unanswered;
        report.uploads += tally.files_cost;
        report.breaks += handheld.link.cuts();
        report.clock_error_min = report.clock_error_min.max(handheld.skew.num_minutes().abs());
        let refused = handheld.client.store.media(MediaState::Refused)?;
        let name = format!("handheld {}", handheld.number + 1);
        report.refused.extend(refused.iter().map(|media| (name.clone(), media.reason.clone().unwrap_or_default())));
        report.devices_home += usize::from(handheld.client.settled()? && refused.is_empty());
    }
    for part in sent {
        report.uploads += part.cost;
        report.breaks += part.cuts;
        report.refused.extend(part.failed.iter().cloned());
    }
    // A camera is home when none of its files lacks a receipt; the dock stands for those in its slots.
    let unfinished = |path: &str| {
        let inside = |name: &str| Path::new(path).components().any(|part| part.as_os_str() == name);
        county.cameras.iter().find(|camera| inside(&camera.name)).map(|camera| camera.name.clone())
    };
    let open: std::collections::BTreeSet<String> =
        sent.iter().flat_map(|part| part.failed.iter()).filter_map(|(path, _)| unfinished(path)).collect();
    report.devices_home += report.cameras - open.len();
    Ok(())
}

/// The independent reader's turn.
fn reckon(
    report: &mut Report,
    direct: &Api,
    county: &County,
    handhelds: &[Mutex<Handheld>],
    sent: &[Sent],
    progress: &dyn Progress,
) -> Result<()> {
    let reader = Desk::sign_in(direct, &county.supervisor)?;
    progress.begin("an independent reader compares every operation", 1);
    let mut held: Vec<MutexGuard<Handheld>> = handhelds.iter().map(hold).collect();
    let mut all: Vec<&mut Handheld> = held.iter_mut().map(|guard| &mut **guard).collect();
    check::operations(&reader, &mut all, &mut report.found)?;
    for handheld in &mut all {
        let name = format!("handheld {}", handheld.number + 1);
        check::captures(&reader, &name, &mut handheld.client.store, &mut report.found)?;
    }
    progress.step();
    let mut expected: Vec<(String, u64)> = sent.iter().flat_map(|part| part.safe.iter().cloned()).collect();
    for handheld in &mut all {
        let stored = handheld.client.store.media(MediaState::Stored)?;
        expected.extend(stored.into_iter().map(|m| (m.sha256, u64::try_from(m.size).unwrap_or(0))));
    }
    progress.begin("and downloads every photo and video", expected.len());
    check::files(&reader, &expected, &mut report.found, &|| progress.step())
}

/// Empties the devices' folder of an earlier run.
///
/// # Errors
/// When it can't be removed.
pub fn clear(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(folder),
    }
}
