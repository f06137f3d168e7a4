//! What a stored photo or video says about itself: kind, size, time, place, device.
//!
//! The answers come from the bytes alone and are set beside what the device *stamped* on the upload ([`compare`]); a
//! difference becomes a [`Flag`] that a person sees, never a correction. A file is untrusted: a broken or hostile one
//! yields fewer facts and a note, and nothing else happens.
//!
//! EXIF is parsed by `nom-exif`, fed with at most one 64 KiB block that the walkers here cut out. The boxes of MP4 are
//! walked by [`movie`]: `nom-exif` reads them too, but takes 64-bit headers for 32-bit ones, does not say whether a date
//! came with a zone, does not know 3GPP's `loci`, and loads the whole movie header into memory.
//!
//! Invariants:
//! - [`read`] never panics and holds at most about a megabyte, whatever the file's length (`rubbish_yields_notes_not_panics`
//!   here; truncations and bit flips of real files in `sim::media`).
//! - Times that a device writes when it has none (1904, 1970, zeros) and the place 0°, 0° are not facts
//!   (`a_clock_that_was_never_set_is_no_time`, `null_island_is_no_position`).

mod compare;
mod exif;
mod movie;
mod still;
pub mod track;

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Utc};
use serde::Serialize;

use super::datum::Position;

pub use compare::{FLAGS, Flag, MAX_DISTANCE_M, MAX_TIME_GAP_S, Stamp, compare, compare_track};

pub(crate) use still::jpeg_frame;

/// Notes on a file. Stable: they are stored, and the web client translates them.
pub mod note {
    /// The file could not be opened or read at all.
    pub const IO_ERROR: &str = "io_error";
    /// No byte in it.
    pub const EMPTY: &str = "empty";
    /// None of the kinds that this server reads.
    pub const KIND_UNKNOWN: &str = "kind_unknown";
    /// The bytes are of another type than the upload declared.
    pub const MEDIA_TYPE_DIFFERS: &str = "media_type_differs";
    /// The picture's own header (size) is missing or broken.
    pub const HEADER_BROKEN: &str = "header_broken";
    /// The movie header is missing or broken; such a recording usually ended with the battery.
    pub const MOVIE_BROKEN: &str = "movie_broken";
    /// The container announces more bytes than the file has.
    pub const TRUNCATED: &str = "truncated";
    /// There is an EXIF block, and it does not parse.
    pub const EXIF_BROKEN: &str = "exif_broken";
    /// A time is written that cannot be one: before 1980, or not in the calendar.
    pub const TIME_IMPLAUSIBLE: &str = "time_implausible";
    /// A position is written that cannot be one: 0°, 0° or outside the globe.
    pub const POSITION_IMPLAUSIBLE: &str = "position_implausible";
    /// A latitude or longitude without its other half or its hemisphere.
    pub const POSITION_INCOMPLETE: &str = "position_incomplete";
    /// The camera's clock and the satellites' time in the same file are more than five minutes apart.
    pub const GPS_TIME_DIFFERS: &str = "gps_time_differs";
    /// The file itself said GCJ-02; [`super::Facts::position`] is converted.
    pub const POSITION_WAS_GCJ02: &str = "position_was_gcj02";
    /// The file itself said BD-09; [`super::Facts::position`] is converted.
    pub const POSITION_WAS_BD09: &str = "position_was_bd09";
    /// The file names a datum that this server does not know; the position is taken as WGS-84.
    pub const DATUM_UNKNOWN: &str = "datum_unknown";

    /// After these nothing, or nothing of use, could be read.
    pub(super) const FATAL: [&str; 5] = [IO_ERROR, EMPTY, KIND_UNKNOWN, HEADER_BROKEN, MOVIE_BROKEN];
}

/// The formats of which more than the name is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Jpeg,
    Png,
    Mp4,
    Quicktime,
    ThreeGp,
    /// Where a recording was made, written beside it.
    Track,
    Unknown,
}

impl Kind {
    /// Whether it is one of the three containers made of boxes.
    #[must_use]
    pub const fn is_movie(self) -> bool {
        matches!(self, Self::Mp4 | Self::Quicktime | Self::ThreeGp)
    }
}

/// Why a time that a file states can be believed to be this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// Written with its offset from UTC (EXIF `OffsetTimeOriginal`, Apple's `creationdate`).
    ZoneKnown,
    /// Local time without a zone, taken as Asia/Shanghai: +08:00 since 1991, before which there were no such cameras.
    AssumedShanghai,
    /// The movie header, UTC by the standard; cheap cameras write local time there, which [`compare`] points out.
    MovieHeader,
    /// Satellite time, when the camera wrote no time of its own. It may be the time of an old fix.
    Gps,
}

impl TimeSource {
    /// The name in JSON and in the details of a flag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ZoneKnown => "zone_known",
            Self::AssumedShanghai => "assumed_shanghai",
            Self::MovieHeader => "movie_header",
            Self::Gps => "gps",
        }
    }
}

/// When the file says it was taken. For a video this may be the start or the end: makers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TakenAt {
    pub at: DateTime<Utc>,
    pub source: TimeSource,
}

/// What a file says about itself. Absent means that it does not say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    pub kind: Kind,
    /// Told by the first bytes, not by the name; `application/octet-stream` when nothing fits.
    pub media_type: &'static str,
    /// Pixels as stored, before [`Facts::orientation`] is applied; 1 or more.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Of a video.
    pub duration_ms: Option<u64>,
    pub taken_at: Option<TakenAt>,
    /// WGS-84.
    pub position: Option<Position>,
    /// Metres above sea level, negative below.
    pub altitude_m: Option<f64>,
    /// Make and model in one, at most 128 characters.
    pub device: Option<String>,
    /// How to turn the stored picture upright, 1..=8 as in EXIF; of a video the same by its track matrix.
    pub orientation: Option<u8>,
    /// Only of a file that is nothing else; in JSON a summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<track::Track>,
    /// Codes of [`note`], in order of appearance, each once.
    pub notes: Vec<String>,
}

impl Facts {
    fn nothing(kind: Kind, media_type: &'static str) -> Self {
        Self {
            kind,
            media_type,
            width: None,
            height: None,
            duration_ms: None,
            taken_at: None,
            position: None,
            altitude_m: None,
            device: None,
            orientation: None,
            track: None,
            notes: Vec::new(),
        }
    }

    /// Whether the file could be read as a picture or video of a known kind at all.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.notes.iter().any(|note| note::FATAL.contains(&note.as_str()))
    }

    fn note(&mut self, code: &str) {
        if !self.notes.iter().any(|known| known == code) {
            self.notes.push(code.to_owned());
        }
    }

    fn set_size(&mut self, width: u32, height: u32) {
        (self.width, self.height) = (Some(width).filter(|w| *w > 0), Some(height).filter(|h| *h > 0));
    }

    /// Takes degrees as a file wrote them.
    fn set_position(&mut self, lat: f64, lon: f64) {
        match Position::new(lat, lon) {
            // What receivers write before their first fix. The real place is open sea off Africa.
            Ok(_) if lat == 0.0 && lon == 0.0 => self.note(note::POSITION_IMPLAUSIBLE),
            Ok(position) => self.position = Some(position),
            Err(_) => self.note(note::POSITION_IMPLAUSIBLE),
        }
    }

    fn set_taken_at(&mut self, at: DateTime<Utc>, source: TimeSource) {
        // A clock that lost its battery starts at 1904, 1970 or 1980; no digital camera of ours is that old.
        if (1981..=9999).contains(&at.year()) {
            self.taken_at = Some(TakenAt { at, source });
        } else {
            self.note(note::TIME_IMPLAUSIBLE);
        }
    }

    fn set_device(&mut self, make: Option<&str>, model: Option<&str>) {
        let (make, model) = (make.map_or("", clean), model.map_or("", clean));
        // Many models repeat the make ("vivo X90 Pro+" by "vivo").
        let repeats = model.get(..make.len()).is_some_and(|start| start.eq_ignore_ascii_case(make));
        let whole = if repeats { model.to_owned() } else { format!("{make} {model}") };
        let shown: String = whole.trim().chars().filter(|c| !c.is_control()).take(128).collect();
        self.device = Some(shown).filter(|device| !device.is_empty());
    }
}

fn clean(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0')
}

/// Reads what the file at `path` says. `declared_media_type` is what the upload announced; parameters and case do not
/// count. Never fails: what went wrong is in [`Facts::notes`].
#[must_use]
pub fn read(path: &Path, declared_media_type: &str) -> Facts {
    match File::open(path) {
        Ok(file) => read_from(&mut BufReader::new(file), declared_media_type),
        Err(_) => failed(),
    }
}

/// [`read`] for bytes in memory.
#[must_use]
pub fn read_bytes(bytes: &[u8], declared_media_type: &str) -> Facts {
    read_from(&mut Cursor::new(bytes), declared_media_type)
}

fn failed() -> Facts {
    let mut facts = Facts::nothing(Kind::Unknown, OCTETS);
    facts.note(note::IO_ERROR);
    facts
}

/// [`read`] for anything that can be read from anywhere.
pub fn read_from<R: Read + Seek>(source: &mut R, declared_media_type: &str) -> Facts {
    let Ok((length, head)) = length_and_head(source) else { return failed() };
    let (mut kind, mut media_type) = sniff(&head);
    let track = if kind == Kind::Unknown && media_type == OCTETS { track::read(source, &head) } else { None };
    if let Some(track) = &track {
        (kind, media_type) = (Kind::Track, track.format.media_type());
    }
    let mut facts = Facts { track, ..Facts::nothing(kind, media_type) };
    if head.is_empty() {
        facts.note(note::EMPTY);
        return facts;
    }
    if kind == Kind::Unknown {
        facts.note(note::KIND_UNKNOWN);
    }
    if !same_media_type(declared_media_type, media_type) {
        facts.note(note::MEDIA_TYPE_DIFFERS);
    }
    match kind {
        Kind::Jpeg | Kind::Png => still::read(source, &mut facts),
        Kind::Mp4 | Kind::Quicktime | Kind::ThreeGp => movie::read(source, length, &mut facts),
        Kind::Track | Kind::Unknown => {}
    }
    facts
}

/// The file's length and its first bytes; leaves the source at its start.
fn length_and_head<R: Read + Seek>(source: &mut R) -> io::Result<(u64, Vec<u8>)> {
    let length = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(0))?;
    let mut head = Vec::with_capacity(64);
    source.by_ref().take(64).read_to_end(&mut head)?;
    source.seek(SeekFrom::Start(0))?;
    Ok((length, head))
}

const OCTETS: &str = "application/octet-stream";

/// Kind and media type by magic numbers. Types that only get a name, no facts, are those that phones and body cameras
/// are known to produce.
fn sniff(head: &[u8]) -> (Kind, &'static str) {
    if head.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return (Kind::Jpeg, "image/jpeg");
    }
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return (Kind::Png, "image/png");
    }
    if head.starts_with(b"RIFF") {
        return match head.get(8..12) {
            Some(b"AVI ") => (Kind::Unknown, "video/x-msvideo"),
            Some(b"WEBP") => (Kind::Unknown, "image/webp"),
            Some(b"WAVE") => (Kind::Unknown, "audio/wav"),
            _ => (Kind::Unknown, OCTETS),
        };
    }
    match (head.get(4..8), head.get(8..12)) {
        (Some(b"ftyp"), Some(brand)) => match brand {
            b"qt  " => (Kind::Quicktime, "video/quicktime"),
            b"heic" | b"heix" | b"heim" | b"heis" | b"mif1" | b"msf1" => (Kind::Unknown, "image/heic"),
            b"avif" | b"avis" => (Kind::Unknown, "image/avif"),
            b"crx " => (Kind::Unknown, OCTETS),
            [b'3', b'g', ..] => (Kind::ThreeGp, "video/3gpp"),
            // isom, iso2…, mp41, mp42, avc1, M4V, MSNV, dash and whatever a chip vendor invents next.
            _ => (Kind::Mp4, "video/mp4"),
        },
        // QuickTime before 2001, and some action cameras still, start without a brand.
        (Some(b"moov" | b"mdat" | b"wide" | b"pnot"), _) => (Kind::Quicktime, "video/quicktime"),
        _ => (Kind::Unknown, OCTETS),
    }
}

/// Compares the type before any `;`, without regard to case, with two spellings of JPEG that browsers have used.
fn same_media_type(declared: &str, sniffed: &str) -> bool {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_track = matches!(sniffed, "text/plain" | "text/csv" | "application/gpx+xml");
    let canonical = match essence.as_str() {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "video/3gpp2" => "video/3gpp",
        // Cameras name their tracks by any of these.
        "text/plain" | "text/csv" | "text/xml" | "application/xml" if is_track => sniffed,
        other => other,
    };
    canonical == sniffed
}

/// An instant from local time in Shanghai. `None` only at the very edge of the calendar.
fn from_shanghai(local: NaiveDateTime) -> Option<DateTime<Utc>> {
    local.checked_sub_signed(TimeDelta::hours(8)).map(|utc| utc.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (head, kind, media_type) in [
            (&b"\xFF\xD8\xFF\xE1"[..], Kind::Jpeg, "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0D", Kind::Png, "image/png"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", Kind::Mp4, "video/mp4"),
            (b"\0\0\0\x18ftypisom\0\0\0\0", Kind::Mp4, "video/mp4"),
            (b"\0\0\0\x18ftypqt  \0\0\0\0", Kind::Quicktime, "video/quicktime"),
            (b"\0\0\0\x18ftyp3gp4\0\0\0\0", Kind::ThreeGp, "video/3gpp"),
            (b"\0\0\0\x18ftyp3g2a\0\0\0\0", Kind::ThreeGp, "video/3gpp"),
            (b"\0\0\x10\0mdat\0\0\0\0", Kind::Quicktime, "video/quicktime"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", Kind::Unknown, "image/heic"),
            (b"RIFF\0\0\0\0AVI LIST", Kind::Unknown, "video/x-msvideo"),
            (b"<!DOCTYPE html>", Kind::Unknown, OCTETS),
            (b"", Kind::Unknown, OCTETS),
        ] {
            assert_eq!(sniff(head), (kind, media_type), "{head:?}");
        }
    }

    #[test]
    fn a_declared_type_that_the_bytes_deny_is_noted() {
        let facts = read_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0", "image/jpeg");
        assert!(facts.notes.contains(&note::MEDIA_TYPE_DIFFERS.to_owned()));
        for spelling in ["video/mp4", "Video/MP4; codecs=avc1", " video/mp4 "] {
            assert!(same_media_type(spelling, "video/mp4"), "{spelling}");
        }
        assert!(same_media_type("image/jpg", "image/jpeg"));
    }

    #[test]
    fn a_missing_or_empty_file_is_noted() {
        let missing = read(Path::new("no/such/file.jpg"), "image/jpeg");
        assert_eq!(missing.notes, [note::IO_ERROR]);
        let empty = read_bytes(b"", "image/jpeg");
        assert_eq!(empty.notes, [note::EMPTY]);
        assert!(!missing.is_readable() && !empty.is_readable());
    }

    #[test]
    fn null_island_is_no_position() {
        let mut facts = Facts::nothing(Kind::Jpeg, "image/jpeg");
        facts.set_position(0.0, 0.0);
        facts.set_position(91.0, 0.0);
        assert_eq!((facts.position, facts.notes.as_slice()), (None, &[note::POSITION_IMPLAUSIBLE.to_owned()][..]));
    }

    #[test]
    fn a_clock_that_was_never_set_is_no_time() {
        for never_set in ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1980-01-01T00:00:00Z"] {
            let mut facts = Facts::nothing(Kind::Jpeg, "image/jpeg");
            facts.set_taken_at(never_set.parse().unwrap(), TimeSource::ZoneKnown);
            assert_eq!((facts.taken_at, facts.notes.len()), (None, 1), "{never_set}");
        }
    }

    #[test]
    fn make_and_model_are_not_said_twice() {
        for (make, model, device) in [
            (Some("vivo"), Some("vivo X90 Pro+"), Some("vivo X90 Pro+")),
            (Some("NIKON\0"), Some("COOLPIX P6000 "), Some("NIKON COOLPIX P6000")),
            (Some("海康威视"), Some("DS-MCW407"), Some("海康威视 DS-MCW407")),
            (None, Some("DSJ-V8"), Some("DSJ-V8")),
            (Some("华"), Some("é"), Some("华 é")),
            (Some(" "), None, None),
        ] {
            let mut facts = Facts::nothing(Kind::Jpeg, "image/jpeg");
            facts.set_device(make, model);
            assert_eq!(facts.device.as_deref(), device);
        }
    }

    #[test]
    fn rubbish_yields_notes_not_panics() {
        let heads: [&[u8]; 6] = [
            b"\xFF\xD8\xFF\xE1",
            b"\xFF\xD8\xFF\xE1\x40\0Exif\0\0II*\0\x08\0\0\0",
            b"\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR",
            b"\0\0\0\x10ftypmp42\0\0\0\0\0\0\x7F\xFFmoov",
            b"\0\0\0\x10ftypqt  \0\0\0\0\0\0\0\0moov",
            b"\0\0\0\x01mdat\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        ];
        let mut noise = 7_u32;
        for head in heads {
            for length in [0, 1, 7, 100, 70_000] {
                let mut bytes = head.to_vec();
                bytes.extend((0..length).map(|_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    noise.to_be_bytes()[0]
                }));
                let facts = read_bytes(&bytes, "image/jpeg");
                assert!(!facts.notes.is_empty(), "{head:?} {length}");
            }
        }
    }
}
