//! The memory of a server that a hundred and ten cameras send to at once, faster than its disk writes.

use crate::support::rig::{Film, Rig};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

const CAMERAS: usize = 110;
const FILM: usize = 2 << 20;
/// What they may cost in all, KiB. Left to itself the framework alone takes half a MiB for each.
const LIMIT: u64 = 36 << 10;

#[test]
fn a_hundred_and_ten_uploads_at_once_take_little_memory() {
    let rig = Rig::new();
    let mut films: Vec<Film> = (0..CAMERAS)
        .map(|n| {
            let mut film = rig.film_of(rig.camera(&format!("执法仪-{n}")), FILM, n as u64);
            assert!(rig.create(&mut film));
            film
        })
        .collect();
    let idle = rig.anonymous_memory();
    let (most, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (rig, most, ended) = (&rig, &most, &ended);
        scope.spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                most.fetch_max(rig.anonymous_memory(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let cameras: Vec<_> =
            films.iter_mut().map(|film| scope.spawn(move || assert!(rig.append(film, 0, FILM)))).collect();
        let sent: Vec<_> = cameras.into_iter().map(|camera| camera.join()).collect();
        ended.store(true, Ordering::Relaxed);
        assert!(sent.iter().all(Result::is_ok), "an upload failed");
    });
    for film in &films {
        assert!(rig.stored(film).is_some_and(|bytes| bytes == film.bytes), "{} differs", film.key);
    }
    let more = most.load(Ordering::Relaxed) - idle;
    println!("anonymous memory: idle {} MiB, {CAMERAS} uploads {} MiB more", idle >> 10, more >> 10);
    assert!(more < LIMIT, "{more} KiB more than the {idle} KiB of an idle server");
}
