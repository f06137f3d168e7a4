//! Power cuts and kills in every phase of an upload: what was acknowledged is there afterwards, and it goes on.
//!
//! `TEST_FULL=1` gives the long runs their full size.

use crate::support::{
    powercut::Recorder,
    rig::{Film, Rig},
};
use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A photo's size, bytes.
const PHOTO: usize = 200 * 1024;

/// What a run of cuts came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Uploads of which less was there than had been acknowledged.
    lost: usize,
    /// Uploads that could not be brought to an end.
    stuck: usize,
    /// Uploads whose stored bytes are others.
    corrupt: usize,
}

/// Where in an upload's life the cut falls.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Create,
    Append,
    Finish,
    /// All of it in the creation.
    Whole,
}

fn full_size() -> bool {
    env::var("TEST_FULL").is_ok_and(|value| value == "1")
}

/// How long one upload takes here, for a kill at a moment within.
fn pace(rig: &Rig, length: usize, chunk: usize) -> [Duration; 4] {
    let mut film = rig.film(length, 1_000_000 + chunk as u64);
    let mut spans = [Duration::ZERO; 4];
    let began = Instant::now();
    assert!(rig.create(&mut film));
    spans[0] = began.elapsed();
    let (began, last) = (Instant::now(), length.saturating_sub(chunk.min(length / 2)));
    send(rig, &mut film, last, chunk);
    spans[1] = began.elapsed();
    let began = Instant::now();
    send(rig, &mut film, length, chunk);
    spans[2] = began.elapsed();
    let mut photo = rig.film(PHOTO, 2_000_000 + chunk as u64);
    let began = Instant::now();
    assert!(rig.create_whole(&mut photo));
    spans[3] = began.elapsed();
    spans
}

/// Sends up to `end` in chunks, until the connection breaks.
fn send(rig: &Rig, film: &mut Film, end: usize, chunk: usize) {
    while film.acknowledged < end {
        let offset = film.acknowledged;
        if !rig.append(film, offset, end.min(offset + chunk)) {
            return;
        }
    }
}

/// One upload that is cut in `phase`, `within` of its span; `cut` ends the server and starts it again.
fn round(rig: &mut Rig, film: &mut Film, phase: Phase, delay: Duration, chunk: usize, cut: impl FnOnce(&mut Rig)) {
    let last = film.bytes.len().saturating_sub(chunk.min(film.bytes.len() / 2));
    if matches!(phase, Phase::Append | Phase::Finish) {
        assert!(rig.create(film));
    }
    if matches!(phase, Phase::Finish) {
        send(rig, film, last, chunk);
    }
    let process = rig.process();
    thread::scope(|scope| {
        let rig = &*rig;
        scope.spawn(move || match phase {
            Phase::Create => {
                rig.create(film);
            }
            Phase::Whole => {
                rig.create_whole(film);
            }
            Phase::Append => send(rig, film, last, chunk),
            Phase::Finish => {
                let length = film.bytes.len();
                send(rig, film, length, chunk);
            }
        });
        thread::sleep(delay);
        process.kill();
    });
    cut(rig);
}

/// After the cut: is everything there that was told, and can it be brought to an end?
fn judge(rig: &Rig, film: &mut Film, chunk: usize, verdict: &mut Verdict) {
    if film.location.is_none() && !rig.create(film) {
        verdict.stuck += 1;
        return;
    }
    let head = rig.head(film);
    let offset: Option<usize> = head.header("upload-offset").and_then(|offset| offset.parse().ok());
    let Some(offset) = offset.filter(|offset| head.status == 200 && *offset >= film.acknowledged) else {
        verdict.lost += 1;
        return;
    };
    film.acknowledged = offset;
    film.evidence = head.header("content-location").map(str::to_owned);
    let length = film.bytes.len();
    send(rig, film, length, chunk);
    match (&film.evidence, rig.stored(film)) {
        (None, _) => verdict.stuck += 1,
        (Some(_), Some(bytes)) if bytes == film.bytes => {}
        (Some(_), _) => verdict.corrupt += 1,
    }
}

/// Numbers that look random and are the same each time.
fn dice(n: usize) -> u32 {
    let mixed = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as u32 % 1000
}

fn phase(n: usize) -> Phase {
    [Phase::Append, Phase::Finish, Phase::Create, Phase::Finish, Phase::Whole][n % 5]
}

/// Cuts the power in `rounds` uploads.
fn power_cuts(rounds: usize, blind: Option<&'static str>) -> Verdict {
    const CHUNK: usize = 256 * 1024;
    const LENGTH: usize = 8 * CHUNK - 1;
    let mut rig = Rig::new();
    rig.process().kill();
    let mut recorder = Recorder::new(blind);
    rig.start_recorded(&recorder);
    let spans = pace(&rig, LENGTH, CHUNK);
    let mut verdict = Verdict::default();
    for n in 0..rounds {
        let length = if matches!(phase(n), Phase::Whole) { PHOTO } else { LENGTH };
        let mut film = rig.film(length, n as u64);
        let delay = spans[phase(n) as usize] * dice(n) / 1000;
        let next = Recorder::new(blind);
        round(&mut rig, &mut film, phase(n), delay, CHUNK, |rig| {
            std::mem::replace(&mut recorder, next).cut(&rig.data());
            rig.start_recorded(&recorder);
        });
        judge(&rig, &mut film, CHUNK, &mut verdict);
    }
    verdict
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    assert_eq!(power_cuts(50, None), Verdict::default());
}

/// The test itself is tested: when the syncs of the uploads' files are not seen, it must find losses.
#[test]
fn a_power_cut_without_the_syncs_takes_what_was_acknowledged() {
    let verdict = power_cuts(10, Some("/staging/"));
    assert!(verdict.lost + verdict.corrupt > 0, "{verdict:?}");
}

#[test]
fn a_kill_in_mid_upload_takes_nothing_that_was_acknowledged() {
    const LENGTH: usize = 12 * 1024 * 1024;
    let mut rig = Rig::new();
    let chunks = [LENGTH, 4 * 1024 * 1024];
    let spans = chunks.map(|chunk| pace(&rig, LENGTH, chunk));
    let mut verdict = Verdict::default();
    for n in 0..if full_size() { 100 } else { 50 } {
        let (chunk, spans) = (chunks[n % 2], spans[n % 2]);
        let mut film = rig.film(LENGTH, n as u64);
        let delay = spans[phase(n / 2) as usize] * dice(n) / 1000;
        round(&mut rig, &mut film, phase(n / 2), delay, chunk, Rig::start);
        judge(&rig, &mut film, chunk, &mut verdict);
    }
    assert_eq!(verdict, Verdict::default());
}

/// Ninety cameras send at once while the server is killed again and again: in the end every byte is right.
#[test]
fn ninety_uploads_outlive_a_server_that_is_killed_again_and_again() {
    let (kills, length) = if full_size() { (50, 16 << 20) } else { (8, 512 << 10) };
    let mut rig = Rig::new();
    let film = |n: u64| rig.film_of(rig.camera(&format!("执法仪-{n}")), length, n);
    let films: Vec<Mutex<Film>> = (0..90).map(|n| Mutex::new(film(n))).collect();
    let stored = AtomicUsize::new(0);
    for life in 0..=kills {
        let last = life == kills;
        let process = (!last).then(|| rig.process());
        thread::scope(|scope| {
            let (rig, stored, films) = (&rig, &stored, &films);
            for (n, film) in films.iter().enumerate() {
                scope.spawn(move || {
                    let (mut film, began) = (film.lock().unwrap(), Instant::now());
                    drive(rig, &mut film, n * 100 + life, stored);
                    // The last server is asked until it answers: the client may still hold connections of its forerunners.
                    while last && film.evidence.is_none() && began.elapsed() < Duration::from_secs(60) {
                        drive(rig, &mut film, n * 100 + life, stored);
                    }
                });
            }
            if let Some(process) = process {
                // Each life brings its share of the whole, however slow the machine is.
                let until = (life + 1) * films.len() / (kills + 1);
                let began = Instant::now();
                while stored.load(Ordering::Relaxed) < until && began.elapsed() < Duration::from_secs(60) {
                    thread::sleep(Duration::from_millis(2));
                }
                process.kill();
            }
        });
        if !last {
            rig.start();
        }
    }
    for film in films {
        let film = film.into_inner().unwrap();
        assert!(film.evidence.is_some(), "{} did not come to an end: {}", film.key, rig.head(&film));
        assert!(rig.stored(&film).is_some_and(|bytes| bytes == film.bytes), "{} differs", film.key);
    }
}

/// Works on one film until it is stored or the server is gone; sends it in pieces of different size.
fn drive(rig: &Rig, film: &mut Film, seed: usize, stored: &AtomicUsize) {
    if film.evidence.is_some() || film.location.is_none() && !rig.create(film) {
        return;
    }
    let length = film.bytes.len();
    let Some(offset) = offset(rig, film) else { return };
    assert!(offset >= film.acknowledged, "{}: {offset} after {}", film.key, film.acknowledged);
    film.acknowledged = offset;
    for n in seed.. {
        if film.evidence.is_some() {
            stored.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (offset, piece) = (film.acknowledged, length * (dice(n) as usize + 50) / 3000);
        if !rig.append(film, offset, length.min(offset + piece.max(1))) {
            return;
        }
    }
}

/// What HEAD says, when the server lives.
fn offset(rig: &Rig, film: &mut Film) -> Option<usize> {
    let head = rig.try_head(film)?;
    film.evidence = head.header("content-location").map(str::to_owned);
    head.header("upload-offset")?.parse().ok()
}

/// A full disk is told, and what was acknowledged stays; with room again it goes on.
#[test]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    let mut rig = Rig::new();
    rig.process().kill();
    let recorder = Recorder::new(None);
    rig.start_recorded(&recorder);
    let mut film = rig.film(400_000, 1);
    assert!(rig.create(&mut film));
    assert!(rig.append(&mut film, 0, 100_000));
    recorder.full(true);
    let reply = rig.answer_to(&film, 100_000, 400_000);
    assert_eq!((reply.status, reply.header("upload-offset")), (507, Some("100000")), "{reply}");
    assert_eq!(rig.head(&film).header("upload-offset"), Some("100000"));
    recorder.full(false);
    assert!(rig.append(&mut film, 100_000, 400_000));
    assert!(rig.stored(&film).is_some_and(|bytes| bytes == film.bytes));
}
