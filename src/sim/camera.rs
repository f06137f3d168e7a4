//! Body cameras at the end of a shift, through the dock's own code.

use super::{
    county::Enrolment,
    handheld::{PACE, PATIENCE},
    link::{Cut, Link},
    media::{VideoSpec, video_to},
};
use crate::{
    client::{ClientError, Result, http::Api, upload::Cost},
    dock::{
        Event, Voice,
        ledger::{Ledger, LedgerState},
        work::{self, Settings, database},
    },
    env::Env,
    evidence::datum::Position,
    identity::county::REGION,
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::{
    fs::{self, File},
    io::BufWriter,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// What cameras sent, or one dock for several of them.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Hash and size of each file that has a receipt.
    pub safe: Vec<(String, u64)>,
    /// Files without one, with the reason.
    pub failed: Vec<(String, String)>,
    /// What it cost.
    pub cost: Cost,
    /// Connections that broke.
    pub cuts: u64,
    /// Bytes that reached the server.
    pub up_bytes: u64,
}

/// Fills a camera's card, a folder named after its serial: one or two videos of the shift, and what `given` adds.
///
/// # Errors
/// [`ClientError::File`].
pub fn fill(card: &Path, given: &[PathBuf], dice: &Env, now: DateTime<Utc>) -> Result<()> {
    let videos = if given.is_empty() { 1 + dice.below(2) } else { 1 };
    for _ in 0..videos {
        let taken = now - TimeDelta::minutes(i64::from(20 + dice.below(400)));
        let place = Position::new(27.43 + f64::from(dice.below(200)) / 1e4, 109.94 + f64::from(dice.below(200)) / 1e4);
        let lasts = TimeDelta::seconds(i64::from(60 + dice.below(900)));
        film(card, None, taken, lasts, place.ok(), dice)?;
    }
    let folder = media(card)?;
    for source in given {
        let name = source.file_name().unwrap_or_default();
        fs::copy(source, folder.join(name)).map_err(|e| fail(source, &e))?;
    }
    Ok(())
}

/// Records one video, under a name as vendors write it: the unit, the serial, the officer's number if one is set, the
/// local time.
///
/// # Errors
/// [`ClientError::File`].
pub fn film(
    card: &Path,
    officer: Option<&str>,
    taken: DateTime<Utc>,
    lasts: TimeDelta,
    place: Option<Position>,
    dice: &Env,
) -> Result<()> {
    // Cameras write whole seconds, and a video header knows no others.
    let taken = taken.trunc_subsecs(0);
    let serial = card.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let local = taken.with_timezone(&chrono_tz::Asia::Shanghai).format("%Y%m%d%H%M%S");
    let name = match officer {
        Some(officer) => format!("{REGION}_{serial}_{officer}_{local}_0001.MP4"),
        None => format!("{serial}_{local}_{:04}.MP4", dice.below(10_000)),
    };
    let path = media(card)?.join(name);
    let spec = VideoSpec {
        taken_at: Some(taken),
        duration_ms: u32::try_from(lasts.num_milliseconds()).unwrap_or(u32::MAX),
        position: place,
        target_bytes: 500_000 + u64::from(dice.below(1_500_000)),
        ..VideoSpec::new(u64::from(dice.below(u32::MAX)))
    };
    let mut file = BufWriter::new(File::create(&path).map_err(|e| fail(&path, &e))?);
    video_to(&spec, &mut file).map_err(|e| fail(&path, &e))?;
    file.into_inner().map_err(|e| fail(&path, e.error()))?.sync_all().map_err(|e| fail(&path, &e))
}

fn fail(path: &Path, error: &std::io::Error) -> ClientError {
    ClientError::File(format!("{}: {error}", path.display()))
}

/// The folder of the media on a card.
fn media(card: &Path) -> Result<PathBuf> {
    let folder = card.join("DCIM").join("100MEDIA");
    fs::create_dir_all(&folder).map_err(|e| fail(&folder, &e))?;
    Ok(folder)
}

struct Listener<'a> {
    link: &'a Link,
    /// Breaks the connection again after so many files.
    again_every: u64,
    done: AtomicU64,
    dice: Mutex<Env>,
    tick: &'a (dyn Fn() + Sync),
}

impl Voice for Listener<'_> {
    fn say(&self, event: Event) {
        match event {
            Event::Receipted { .. } => {
                let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                if self.again_every > 0 && done.is_multiple_of(self.again_every) {
                    let after = self.dice.lock().unwrap_or_else(PoisonError::into_inner).below(700_000);
                    self.link.arm(Some(Cut::Up(20_000 + u64::from(after))));
                }
                (self.tick)();
            }
            Event::Failed { .. } => (self.tick)(),
            _ => {}
        }
    }
}

/// How a card is sent.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Files at once.
    pub jobs: usize,
    /// Break the connection in the first body.
    pub cut: bool,
    /// Break it again after so many files; 0 never.
    pub again_every: u64,
}

/// Sends everything under `cards` with the device's own key, over its own bad network. `tick` is called for each file.
///
/// # Errors
/// What only a person could mend.
pub fn send(
    cards: &Path,
    state: &Path,
    enrolment: &Enrolment,
    server: SocketAddr,
    way: Way,
    dice: &Env,
    tick: &(dyn Fn() + Sync),
) -> Result<Sent> {
    let link = Link::new(server).map_err(|e| ClientError::Offline(e.to_string()))?;
    let settings = Settings {
        code: Some(enrolment.code.clone()),
        once: true,
        jobs: way.jobs,
        settle: Duration::ZERO,
        every: Duration::from_millis(50),
        pace: PACE,
        ..Settings::new(cards.to_owned(), state.to_owned())
    };
    if way.cut {
        // Past the enrolment, inside the first file.
        link.arm(Some(Cut::Up(20_000 + u64::from(dice.below(450_000)))));
    }
    let listener = Listener {
        link: &link,
        again_every: way.again_every,
        done: AtomicU64::new(0),
        dice: Mutex::new(dice.clone()),
        tick,
    };
    let api = Api::new(&link.url(), PATIENCE)?;
    let summary = work::run(&settings, &api, &Env::system(), &listener, &AtomicBool::new(false))?;
    let mut sent = Sent { cost: summary.cost, cuts: link.cuts(), up_bytes: link.up_bytes(), ..Sent::default() };
    for line in Ledger::open(&database(state))?.lines()? {
        let state: LedgerState = line.state.parse()?;
        match (state, line.sha256) {
            (LedgerState::Receipted, Some(sha256)) => sent.safe.push((sha256, u64::try_from(line.size).unwrap_or(0))),
            (_, _) => sent.failed.push((line.path, line.reason.unwrap_or(line.state))),
        }
    }
    Ok(sent)
}
