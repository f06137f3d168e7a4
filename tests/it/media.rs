//! What media say: tracks beside videos, pictures of videos, and files that were made to do harm.

use crate::support::{
    on_both_engines,
    scratch::Folder,
    tus::{Tus, metadata},
    world::{World, read},
};
use chengguan::{
    blob::digest::hex,
    error::Code,
    evidence::{
        datum::{Datum, Position, from_wgs84},
        media, poster, reuse, thumbnail,
    },
    identity::{
        rules::{DeviceKind, Role},
        tokens::sha256,
    },
    sim::media::{PhotoSpec, VideoSpec, photo, screenshot, video},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

on_both_engines!(
    a_track_says_where_a_video_was_made_whichever_comes_first,
    a_track_that_contradicts_the_stamp_is_a_flag,
    a_track_of_somebody_else_says_nothing,
    what_is_no_track_is_a_flag_of_its_own,
);

fn place() -> Position {
    Position::new(27.440_123, 109.944_456).unwrap()
}

fn film(world: &World, seed: u64) -> (Vec<u8>, DateTime<Utc>) {
    let taken = world.now() - TimeDelta::hours(3);
    let spec =
        VideoSpec { taken_at: Some(taken), position: Some(place()), target_bytes: 200_000, ..VideoSpec::new(seed) };
    (video(&spec), taken)
}

fn send_film(world: &World, token: &str, bytes: &[u8], taken: DateTime<Utc>) -> String {
    let (at, lat, lon) = (taken.to_rfc3339(), place().lat().to_string(), place().lon().to_string());
    let sha256 = hex(&sha256(bytes));
    let pairs =
        [("sha256", sha256.as_str()), ("filetype", "video/mp4"), ("captured_at", &at), ("lat", &lat), ("lon", &lon)];
    Tus::new(world, token).upload(bytes, &pairs)
}

fn send_track(world: &World, token: &str, track: &str, of: &[u8], datum: &str) -> String {
    let of = hex(&sha256(of));
    Tus::new(world, token).upload(track.as_bytes(), &[("sidecar_of", &of), ("datum", datum), ("filename", "0001.log")])
}

/// RMC sentences of a minute around a moment, one a second.
fn nmea(around: DateTime<Utc>, at: Position) -> String {
    let angle = |degrees: f64, width: usize| {
        let degrees = degrees.abs();
        format!("{:0width$}{:08.5}", degrees.floor(), degrees.fract() * 60.0)
    };
    let line = |second: i64| {
        let moment = around + TimeDelta::seconds(second);
        let body = format!(
            "GNRMC,{},A,{},N,{},E,0.1,,{},,,A",
            moment.format("%H%M%S.00"),
            angle(at.lat(), 2),
            angle(at.lon(), 3),
            moment.format("%d%m%y")
        );
        format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte))
    };
    (-30..30).map(line).collect()
}

fn codes(evidence: &Value) -> Vec<&str> {
    evidence["flags"].as_array().unwrap().iter().map(|flag| flag["code"].as_str().unwrap()).collect()
}

fn a_track_says_where_a_video_was_made_whichever_comes_first(world: &World) {
    let token = world.device_token(&world.device(DeviceKind::Camera));
    for (seed, film_first) in [(1, true), (2, false)] {
        let (bytes, taken) = film(world, seed);
        // The maker's receiver shifts, and the sender says so.
        let track = nmea(taken, from_wgs84(place(), Datum::Gcj02));
        let (of, beside) = if film_first {
            let of = send_film(world, &token, &bytes, taken);
            world.get(&format!("{of}/track")).by(&token).send().refused(Code::NotFound);
            (of, send_track(world, &token, &track, &bytes, "gcj02"))
        } else {
            let beside = send_track(world, &token, &track, &bytes, "gcj02");
            (send_film(world, &token, &bytes, taken), beside)
        };
        let evidence = world.get(&of).by(&token).send().expect(200);
        assert_eq!(codes(&evidence), Vec::<&str>::new(), "{evidence}");
        let sidecar = world.get(&beside).by(&token).send().expect(200);
        assert_eq!((codes(&sidecar), &sidecar["role"]), (vec![], &json!("track")), "{sidecar}");
        assert_eq!((&sidecar["facts"]["kind"], &sidecar["facts"]["track"]["points"]), (&json!("track"), &json!(60)));
        for path in [&of, &beside] {
            let track = world.get(&format!("{path}/track")).by(&token).send().expect(200);
            assert_eq!((&track["track_id"], &track["datum"]), (&sidecar["id"], &json!("wgs84")));
            let points: Vec<Value> = read(&track["points"]);
            assert_eq!((points.len(), points[30]["at"].as_str().unwrap().parse()), (60, Ok(taken)));
            assert!((points[0]["lat"].as_f64().unwrap() - place().lat()).abs() < 1e-5, "{}", points[0]);
        }
    }
    let stranger = world.person(Role::Inspector);
    let (bytes, taken) = film(world, 3);
    let of = send_film(world, &token, &bytes, taken);
    world.get(&format!("{of}/track")).by(&stranger.token).send().refused(Code::NotFound);
}

fn a_track_that_contradicts_the_stamp_is_a_flag(world: &World) {
    let token = world.device_token(&world.device(DeviceKind::Camera));
    let (bytes, taken) = film(world, 1);
    // Shifted, and nobody said so.
    send_track(world, &token, &nmea(taken, from_wgs84(place(), Datum::Gcj02)), &bytes, "");
    let evidence = world.get(&send_film(world, &token, &bytes, taken)).by(&token).send().expect(200);
    assert_eq!(codes(&evidence), ["track_position_differs"], "{evidence}");
    let detail = evidence["flags"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("589 m > 100 m") && detail.ends_with(", as gcj02: 0 m"), "{detail}");

    let (bytes, taken) = film(world, 2);
    let of = send_film(world, &token, &bytes, taken);
    let gpx = format!(
        "<?xml version=\"1.0\"?><gpx><trk><trkseg><trkpt lat=\"27.44\" lon=\"109.95\"><time>{}</time></trkpt></trkseg></trk></gpx>",
        (taken - TimeDelta::hours(8)).to_rfc3339()
    );
    send_track(world, &token, &gpx, &bytes, "");
    let evidence = world.get(&of).by(&token).send().expect(200);
    assert_eq!(codes(&evidence), ["track_time_differs"], "{evidence}");
}

fn a_track_of_somebody_else_says_nothing(world: &World) {
    let (token, other) =
        (world.device_token(&world.device(DeviceKind::Camera)), world.device_token(&world.device(DeviceKind::Camera)));
    let (bytes, taken) = film(world, 1);
    let elsewhere = Position::new(28.0, 110.0).unwrap();
    send_track(world, &other, &nmea(taken, elsewhere), &bytes, "");
    let of = send_film(world, &token, &bytes, taken);
    send_track(world, &other, &nmea(taken + TimeDelta::seconds(1), elsewhere), &bytes, "");
    let evidence = world.get(&of).by(&token).send().expect(200);
    assert_eq!(codes(&evidence), Vec::<&str>::new(), "{evidence}");
    world.get(&format!("{of}/track")).by(&token).send().refused(Code::NotFound);
}

fn what_is_no_track_is_a_flag_of_its_own(world: &World) {
    let token = world.device_token(&world.device(DeviceKind::Camera));
    let (bytes, _) = film(world, 1);
    let beside = send_track(world, &token, "battery low\nbattery low\n", &bytes, "");
    let evidence = world.get(&beside).by(&token).send().expect(200);
    assert!(codes(&evidence).contains(&"track_unreadable"), "{evidence}");
    let tus = Tus::new(world, &token);
    for (of, datum) in [("abc", "wgs84"), (&*"a".repeat(64), "mars")] {
        let metadata = metadata(&[("sidecar_of", of), ("datum", datum)]);
        let reply = tus.create(&[("upload-length", "5"), ("upload-metadata", &metadata)]);
        reply.refused(Code::TusHeaderInvalid);
    }
    let body = json!({
        "sha256": "b".repeat(64), "size": 1, "media_type": "text/plain", "captured_at": world.now(), "sidecar_of": "x",
    });
    world.post("/api/v1/evidence").by(&token).json(&body).send().refused(Code::ValueInvalid);
}

/// A program in place of the decoder.
fn program(folder: &Folder, text: &str) -> PathBuf {
    let path = folder.path().join("decoder");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_decoder_that_fails_is_an_error_and_one_that_talks_too_much_is_cut() {
    let folder = Folder::new("poster");
    let film = folder.path().join("film.mp4");
    fs::write(&film, video(&VideoSpec::new(1))).unwrap();
    let make = |text: &str| poster::make(&program(&folder, text), &film, Some(10_000));
    let error = make("echo 'moov atom not found' >&2; exit 1").unwrap_err().to_string();
    assert!(error.contains("moov atom not found"), "{error}");
    assert!(matches!(poster::make(Path::new("no/such/decoder"), &film, None), Err(poster::PosterError::Io(_))));
    let much = make("head -c 50000000 /dev/zero").unwrap();
    assert_eq!(much.len(), 16 << 20);
    assert!(thumbnail::make_from_bytes(&much, 160, None).is_err());
}

#[test]
fn a_video_has_a_picture_where_there_is_a_decoder() {
    assert_eq!(poster::find("off"), None);
    assert_eq!(poster::find("/opt/ffmpeg"), Some(PathBuf::from("/opt/ffmpeg")));
    let Some(ffmpeg) = poster::find("") else { return };
    let folder = Folder::new("poster");
    let film = folder.path().join("film.mp4");
    fs::write(&film, video(&VideoSpec::new(1))).unwrap();
    let poster = poster::make(&ffmpeg, &film, Some(10_000)).unwrap();
    let picture = image::load_from_memory(&poster).unwrap();
    assert_eq!((picture.width(), picture.height()), (320, 240));
    fs::write(&film, b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08moov").unwrap();
    assert!(matches!(poster::make(&ffmpeg, &film, None), Err(poster::PosterError::NoPicture(_))));
    // Lists of other files are no films, whatever their name.
    fs::write(&film, b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n").unwrap();
    assert!(matches!(poster::make(&ffmpeg, &film, None), Err(poster::PosterError::NoPicture(_))));
}

/// Files to be broken: generated ones, and those of real cameras where there are some.
fn originals() -> Vec<(String, Vec<u8>)> {
    let spec = PhotoSpec {
        width: 96,
        height: 64,
        taken_at: Some("2026-11-22T10:30:15+08:00".parse().unwrap()),
        position: Some(place()),
        altitude_m: Some(235.5),
        orientation: 6,
        ..PhotoSpec::new(7)
    };
    let film = VideoSpec {
        width: 64,
        height: 48,
        duration_ms: 1_000,
        target_bytes: 0,
        position: Some(place()),
        ..VideoSpec::new(7)
    };
    let moment = "2026-11-22T02:30:15Z".parse().unwrap();
    let gpx = "<?xml version=\"1.0\"?>\n<gpx><trk><trkseg>".to_owned()
        + &"<trkpt lat=\"27.44\" lon=\"109.95\"><time>2026-11-22T02:30:15Z</time></trkpt>\n".repeat(20);
    let csv = "time,lat,lon,datum\n".to_owned() + &"2026-11-22 10:30:15,27.44,109.95,GCJ02\n".repeat(20);
    let mut all = vec![
        ("photo.jpg".to_owned(), photo(&spec)),
        ("screen.png".to_owned(), screenshot(7, 96, 64)),
        ("film.mp4".to_owned(), video(&film)),
        ("track.log".to_owned(), nmea(moment, place()).into_bytes()),
        ("track.gpx".to_owned(), gpx.into_bytes()),
        ("track.csv".to_owned(), csv.into_bytes()),
    ];
    // Real ones too, where somebody has some; a folder that is named must be there.
    let Some(folder) = env::var_os("TEST_MEDIA_DIR") else { return all };
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| ["jpg", "mp4"].iter().any(|known| end == *known)) {
            all.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()));
        }
    }
    all
}

/// SplitMix64: the same seed breaks the same bytes.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    /// A place in a file, more often in its headers.
    fn place(&mut self, length: usize) -> usize {
        let reach = if self.next().is_multiple_of(4) { length } else { length.min(2_000) };
        self.below(reach)
    }
}

const SIZES: [u32; 10] = [0, 1, 7, 8, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF8, u32::MAX];

/// What disks, networks and people who mean harm do to files.
fn broken(whole: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.place(bytes.len());
        let length = dice.below(64.min(bytes.len() - at) + 1);
        match dice.below(7) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            1 => bytes
                .iter_mut()
                .skip(at)
                .take(4)
                .zip(SIZES[dice.below(SIZES.len())].to_be_bytes())
                .for_each(|(to, byte)| *to = byte),
            2 => bytes
                .iter_mut()
                .skip(at)
                .take(4)
                .zip(SIZES[dice.below(SIZES.len())].to_le_bytes())
                .for_each(|(to, byte)| *to = byte),
            3 => bytes.truncate(at.max(1)),
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let from = dice.place(other.len());
                let piece = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece.repeat(1 + dice.below(8)));
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// Everything that reads what strangers send.
fn swallow(bytes: &[u8], name: &str) {
    let media_type = if name.ends_with("mp4") { "video/mp4" } else { "image/jpeg" };
    let facts = media::read_bytes(bytes, media_type);
    assert!(facts.device.is_none_or(|device| device.chars().count() <= 128));
    assert!(facts.track.is_none_or(|track| track.points.len() <= media::track::MOST_POINTS + 1));
    drop(thumbnail::make_from_bytes(bytes, 160, facts.orientation));
    drop(reuse::hash::of(bytes, facts.orientation));
}

/// `FUZZ_ROUNDS` (60) times each original, from `FUZZ_SEED` (1); large files are broken less often.
#[test]
fn broken_media_is_read_without_panic_and_soon() {
    let number = |name: &str, or: u64| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (rounds, mut dice) = (number("FUZZ_ROUNDS", 60), Dice(number("FUZZ_SEED", 1)));
    let (originals, mut slowest, mut cases) = (originals(), Duration::ZERO, 0);
    for (name, whole) in &originals {
        let rounds = if whole.len() > 100_000 { rounds.div_ceil(20) } else { rounds };
        for _ in 0..rounds {
            let other = &originals[dice.below(originals.len())].1;
            let bytes = broken(whole, other, &mut dice);
            let begun = Instant::now();
            swallow(&bytes, name);
            slowest = slowest.max(begun.elapsed());
            cases += 1;
        }
    }
    assert!(slowest < Duration::from_secs(30), "{slowest:?}");
    if env::var_os("FUZZ_SEED").is_some() {
        let (files, slowest) = (originals.len(), slowest.as_millis());
        let line = format!("files={files} cases={cases} slowest_ms={slowest} peak_kib={}\n", peak_kib());
        io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

/// The most memory this process ever had.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn broken_media_is_read_in_bounded_memory() {
    // A process of its own: what other tests take at the same time is not counted.
    let test = ["--exact", "media::broken_media_is_read_without_panic_and_soon", "--nocapture"];
    let output = Command::new(env::current_exe().unwrap()).args(test).env("FUZZ_SEED", "2").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let peak = text.split("peak_kib=").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(peak.parse::<u64>().unwrap() < 700 * 1024, "{text}");
}
