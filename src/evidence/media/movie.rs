//! Facts from the boxes of MP4, QuickTime and 3GPP files (ISO/IEC 14496-12, Apple's QuickTime File Format, 3GPP TS
//! 26.244). Only headers and short leaves are read, wherever they lie in a file of any length; samples never are.

use std::io::{Read, Seek, SeekFrom};

use chrono::DateTime;

use super::{Facts, TimeSource, note};

/// How many box headers are looked at on the top level, and again inside the movie header. A recording has a few hundred,
/// one in fragments of a second thousands.
const MAX_BOXES: u32 = 20_000;

/// The longest leaf that is read; those of interest hold a line of text.
const MAX_LEAF_BYTES: u64 = 16 * 1024;

/// Seconds from 1904-01-01, where these files count from, to 1970-01-01.
const MAC_EPOCH_S: i64 = 2_082_844_800;

pub(super) fn read<R: Read + Seek>(source: &mut R, length: u64, facts: &mut Facts) {
    let mut walk = Walk { source, boxes_left: MAX_BOXES };
    let mut moov = None;
    let mut at = 0;
    while let Some(found) = walk.next_box(at, length) {
        if found.is_cut {
            facts.note(note::TRUNCATED);
        }
        if found.kind == *b"moov" && moov.is_none() {
            moov = Some(found);
        }
        at = found.end;
    }
    let Some(moov) = moov else { return facts.note(note::MOVIE_BROKEN) };
    // A day in fragments may have used up the first allowance.
    walk.boxes_left = MAX_BOXES;
    let mut movie = Movie::default();
    walk.movie(moov, &mut movie);
    movie.tell(facts);
}

/// What was gathered on the way, before it is weighed.
#[derive(Default)]
struct Movie {
    header: Option<Header>,
    /// Of a file written in fragments, whose movie header says 0; in the header's units.
    fragments_duration: Option<u64>,
    track: Option<Track>,
    /// ISO 6709 text or a decoded `loci`.
    place: Option<Place>,
    /// Text with an offset.
    created: Option<String>,
    make: Option<String>,
    model: Option<String>,
}

#[derive(Clone, Copy)]
struct Header {
    created_s: u64,
    units_per_s: u32,
    duration: Option<u64>,
}

#[derive(Clone, Copy)]
struct Track {
    width: u32,
    height: u32,
    orientation: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    lat: f64,
    lon: f64,
    altitude_m: Option<f64>,
}

impl Movie {
    fn tell(self, facts: &mut Facts) {
        match self.header {
            Some(header) => {
                let duration = header.duration.filter(|units| *units > 0).or(self.fragments_duration);
                facts.duration_ms = duration.and_then(|units| millis(units, header.units_per_s));
            }
            None => facts.note(note::MOVIE_BROKEN),
        }
        if let Some(track) = self.track {
            facts.set_size(track.width, track.height);
            facts.orientation = track.orientation;
        }
        if let Some(place) = self.place {
            facts.set_position(place.lat, place.lon);
            facts.altitude_m = place.altitude_m;
        }
        facts.set_device(self.make.as_deref(), self.model.as_deref());
        let zoned = self.created.as_deref().and_then(|text| {
            ["%+", "%Y-%m-%dT%H:%M:%S%z"].iter().find_map(|format| DateTime::parse_from_str(text, format).ok())
        });
        let created_s = self.header.map(|header| header.created_s).filter(|seconds| *seconds > 0);
        match (zoned, created_s) {
            (Some(zoned), _) => facts.set_taken_at(zoned.to_utc(), TimeSource::ZoneKnown),
            (None, Some(seconds)) => {
                let unix = i64::try_from(seconds).ok().map(|seconds| seconds - MAC_EPOCH_S);
                match unix.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) {
                    Some(at) => facts.set_taken_at(at, TimeSource::MovieHeader),
                    None => facts.note(note::TIME_IMPLAUSIBLE),
                }
            }
            (None, None) => {}
        }
    }
}

fn millis(units: u64, units_per_s: u32) -> Option<u64> {
    let millis = (u128::from(units) * 1000).checked_div(u128::from(units_per_s))?;
    u64::try_from(millis).ok()
}

/// A box: its type, where its body starts and where it ends.
#[derive(Clone, Copy)]
struct Found {
    kind: [u8; 4],
    body: u64,
    end: u64,
    /// It claims to reach beyond what holds it; `end` is cut to that.
    is_cut: bool,
}

struct Walk<'a, R> {
    source: &'a mut R,
    boxes_left: u32,
}

impl<R: Read + Seek> Walk<'_, R> {
    /// The box that starts at `at` inside something that ends at `end`. `None` at the end, when what stands there is no
    /// box, and when too many were seen. `end` of the result is always beyond `at`.
    fn next_box(&mut self, at: u64, end: u64) -> Option<Found> {
        if end.checked_sub(at)? < 8 {
            return None;
        }
        self.boxes_left = self.boxes_left.checked_sub(1)?;
        self.source.seek(SeekFrom::Start(at)).ok()?;
        let [s3, s2, s1, s0, kind @ ..] = self.array::<8>()?;
        let (size, head) = match u32::from_be_bytes([s3, s2, s1, s0]) {
            // Up to the end of the file.
            0 => (end - at, 8),
            1 => (u64::from_be_bytes(self.array()?), 16),
            size => (size.into(), 8),
        };
        if size < head {
            return None;
        }
        let claimed = at.saturating_add(size);
        // A box of 64-bit size may be cut inside its own header.
        let body = (at + head).min(end);
        Some(Found { kind, body, end: claimed.min(end), is_cut: claimed > end })
    }

    fn children(&mut self, parent: Found) -> Vec<Found> {
        let mut children = Vec::new();
        let mut at = parent.body;
        // The limit holds this list below a megabyte.
        while let Some(child) = self.next_box(at, parent.end) {
            children.push(child);
            at = child.end;
        }
        children
    }

    fn child(&mut self, parent: Found, kind: [u8; 4]) -> Option<Found> {
        let mut at = parent.body;
        while let Some(child) = self.next_box(at, parent.end) {
            if child.kind == kind {
                return Some(child);
            }
            at = child.end;
        }
        None
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The body of a leaf, unless it is too long or cut.
    fn leaf(&mut self, leaf: Found) -> Option<Vec<u8>> {
        let length = leaf.end.checked_sub(leaf.body).filter(|length| *length <= MAX_LEAF_BYTES && !leaf.is_cut)?;
        self.source.seek(SeekFrom::Start(leaf.body)).ok()?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.source.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn movie(&mut self, moov: Found, movie: &mut Movie) {
        for child in self.children(moov) {
            match &child.kind {
                b"mvhd" => movie.header = self.leaf(child).and_then(|body| header(&body)),
                b"mvex" => {
                    let mehd = self.child(child, *b"mehd").and_then(|mehd| self.leaf(mehd));
                    movie.fragments_duration = mehd.and_then(|body| match body.first()? {
                        0 => be32(&body, 4).map(u64::from),
                        _ => be64(&body, 4),
                    });
                }
                b"trak" if movie.track.is_none() => movie.track = self.video_track(child),
                b"udta" => self.user_data(child, movie),
                b"meta" => self.apple_metadata(child, movie),
                _ => {}
            }
        }
    }

    fn video_track(&mut self, trak: Found) -> Option<Track> {
        const ONE: i32 = 0x1_0000;
        let mdia = self.child(trak, *b"mdia")?;
        let hdlr = self.child(mdia, *b"hdlr")?;
        if self.leaf(hdlr)?.get(8..12)? != b"vide" {
            return None;
        }
        let tkhd = self.child(trak, *b"tkhd")?;
        let body = self.leaf(tkhd)?;
        // Version 1 has three fields of 64 bits where version 0 has 32.
        let matrix = if *body.first()? == 0 { 40 } else { 52 };
        let turn = |index: usize| be32(&body, matrix + index * 4).map(u32::cast_signed);
        // a b u / c d v / x y w; the translation does not matter here.
        let orientation = match [turn(0)?, turn(1)?, turn(3)?, turn(4)?] {
            [ONE, 0, 0, ONE] => Some(1),
            [-0x1_0000, 0, 0, -0x1_0000] => Some(3),
            [0, ONE, -0x1_0000, 0] => Some(6),
            [0, -0x1_0000, ONE, 0] => Some(8),
            _ => None,
        };
        // 16.16 fixed point.
        Some(Track { width: be32(&body, matrix + 36)? >> 16, height: be32(&body, matrix + 40)? >> 16, orientation })
    }

    /// QuickTime's and 3GPP's user data: what Android phones and most body cameras write.
    fn user_data(&mut self, udta: Found, movie: &mut Movie) {
        for child in self.children(udta) {
            match &child.kind {
                b"\xA9xyz" => movie.place = movie.place.or(self.text(child).and_then(|text| iso6709(&text))),
                b"loci" => movie.place = movie.place.or(self.leaf(child).and_then(|body| loci(&body))),
                b"\xA9mak" => movie.make = self.text(child),
                b"\xA9mod" => movie.model = self.text(child),
                b"\xA9day" => movie.created = movie.created.take().or(self.text(child)),
                _ => {}
            }
        }
    }

    /// A string of user data: its length, its language, its bytes; some writers leave the first two out.
    fn text(&mut self, leaf: Found) -> Option<String> {
        let body = self.leaf(leaf)?;
        let length = usize::from(u16::from_be_bytes(*body.first_chunk()?));
        let bytes = body.get(4..4 + length).or_else(|| body.get(4..)).filter(|_| length < 0x2000).unwrap_or(&body);
        Some(super::clean(&String::from_utf8_lossy(bytes)).to_owned())
    }

    /// Apple's key–value list: names in `keys`, values in `ilst` under the (one-based) number of their name.
    fn apple_metadata(&mut self, meta: Found, movie: &mut Movie) {
        // ISO made `meta` a box with version and flags; Apple's has none. Its first child tells which this is.
        let plain = self.next_box(meta.body, meta.end).is_some_and(|first| first.kind == *b"hdlr");
        let meta = if plain { meta } else { Found { body: meta.body.saturating_add(4), ..meta } };
        let Some(keys) = self.child(meta, *b"keys").and_then(|keys| self.leaf(keys)) else { return };
        let Some(ilst) = self.child(meta, *b"ilst") else { return };
        let names = key_names(&keys);
        for item in self.children(ilst) {
            let number = u32::from_be_bytes(item.kind) as usize;
            let Some(name) = number.checked_sub(1).and_then(|index| names.get(index)) else { continue };
            let Some(data) = self.child(item, *b"data").and_then(|data| self.leaf(data)) else { continue };
            let Some(value) = data.get(8..).map(|value| super::clean(&String::from_utf8_lossy(value)).to_owned())
            else {
                continue;
            };
            match *name {
                b"com.apple.quicktime.location.ISO6709" => movie.place = iso6709(&value).or(movie.place),
                b"com.apple.quicktime.creationdate" => movie.created = Some(value),
                b"com.apple.quicktime.make" | b"com.android.manufacturer" => movie.make = Some(value),
                b"com.apple.quicktime.model" | b"com.android.model" => movie.model = Some(value),
                _ => {}
            }
        }
    }
}

fn header(body: &[u8]) -> Option<Header> {
    let (created_s, units_per_s, duration) = match body.first()? {
        // All ones means "not known".
        0 => (be32(body, 4)?.into(), be32(body, 12)?, Some(be32(body, 16)?).filter(|d| *d < u32::MAX).map(u64::from)),
        _ => (be64(body, 4)?, be32(body, 20)?, Some(be64(body, 24)?).filter(|d| *d < u64::MAX)),
    };
    Some(Header { created_s, units_per_s, duration })
}

fn be32(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn be64(body: &[u8], at: usize) -> Option<u64> {
    body.get(at..)?.first_chunk().copied().map(u64::from_be_bytes)
}

fn key_names(keys: &[u8]) -> Vec<&[u8]> {
    let mut names = Vec::new();
    let mut at = 8;
    while let Some(size) = be32(keys, at).map(|size| size as usize).filter(|size| *size >= 8) {
        let Some(name) = keys.get(at + 8..).and_then(|rest| rest.get(..size - 8)) else { break };
        names.push(name);
        at += size;
    }
    names
}

/// 3GPP TS 26.244 §8.8: version and flags, language, a name that ends in 0, a role, then longitude, latitude and
/// altitude as 16.16 fixed point.
fn loci(body: &[u8]) -> Option<Place> {
    let rest = body.get(6..)?;
    // A byte order mark makes the name UTF-16.
    let name_length = if rest.starts_with(&[0xFE, 0xFF]) {
        rest.chunks_exact(2).position(|unit| unit == [0, 0])? * 2 + 2
    } else {
        rest.iter().position(|byte| *byte == 0)? + 1
    };
    let fixed =
        |index: usize| be32(rest, name_length + 1 + index * 4).map(|bits| f64::from(bits.cast_signed()) / 65_536.0);
    Some(Place { lon: fixed(0)?, lat: fixed(1)?, altitude_m: fixed(2) })
}

/// ISO 6709 annex H: `±DD.D±DDD.D`, or with minutes, or with minutes and seconds; then perhaps `±metres`; then `/`,
/// which some devices leave out.
fn iso6709(text: &str) -> Option<Place> {
    let (lat, rest) = iso6709_number(text, Some(2))?;
    let (lon, rest) = iso6709_number(rest, Some(3))?;
    let altitude_m = iso6709_number(rest, None).map(|(metres, _)| metres);
    Some(Place { lat, lon, altitude_m })
}

/// One signed number and what follows it. With `degree_digits` the digits before the point are that many of degrees,
/// then two of minutes and two of seconds if they are there.
fn iso6709_number(text: &str, degree_digits: Option<usize>) -> Option<(f64, &str)> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1.0,
        b'-' => -1.0,
        _ => return None,
    };
    let unsigned = text.get(1..)?;
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, rest) = unsigned.split_at(end);
    let whole = number.find('.').unwrap_or(number.len());
    let value = match degree_digits {
        Some(degrees) if whole == degrees + 2 => {
            number[..degrees].parse::<f64>().ok()? + number[degrees..].parse::<f64>().ok()? / 60.0
        }
        Some(degrees) if whole == degrees + 4 => {
            number[..degrees].parse::<f64>().ok()?
                + number[degrees..degrees + 2].parse::<f64>().ok()? / 60.0
                + number[degrees + 2..].parse::<f64>().ok()? / 3600.0
        }
        _ => number.parse().ok()?,
    };
    Some((sign * value, rest))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, read_bytes};
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
    }

    fn mvhd_v0(created_s: u32, units_per_s: u32, duration: u32) -> Vec<u8> {
        let numbers = [0, created_s, created_s, units_per_s, duration];
        let mut body: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        body.resize(100, 0);
        boxed(b"mvhd", &body)
    }

    fn mp4(moov: &[u8]) -> Vec<u8> {
        [boxed(b"ftyp", b"mp42\0\0\0\0mp42isom"), boxed(b"mdat", &[0; 50]), boxed(b"moov", moov)].concat()
    }

    fn facts(moov: &[u8]) -> Facts {
        read_bytes(&mp4(moov), "video/mp4")
    }

    fn place(lat: f64, lon: f64, altitude_m: Option<f64>) -> Option<Place> {
        Some(Place { lat, lon, altitude_m })
    }

    /// 2026-11-22T02:30:00Z in seconds since 1904.
    const CREATED_S: u32 = 3_878_159_400;

    #[test]
    fn the_movie_header_counts_from_1904() {
        let facts = facts(&mvhd_v0(CREATED_S, 600, 900));
        let taken = facts.taken_at.unwrap();
        assert_eq!(taken.at.to_rfc3339(), "2026-11-22T02:30:00+00:00");
        assert_eq!((taken.source, facts.duration_ms), (TimeSource::MovieHeader, Some(1_500)));
        assert!(facts.notes.is_empty(), "{:?}", facts.notes);
    }

    #[test]
    fn a_movie_header_with_64_bit_fields_is_read() {
        let mut body = vec![1, 0, 0, 0];
        body.extend(u64::from(CREATED_S).to_be_bytes());
        body.extend([0; 8]);
        body.extend(1000_u32.to_be_bytes());
        body.extend(5_000_000_000_u64.to_be_bytes());
        body.resize(112, 0);
        let facts = facts(&boxed(b"mvhd", &body));
        assert_eq!(facts.taken_at.unwrap().at.to_rfc3339(), "2026-11-22T02:30:00+00:00");
        assert_eq!(facts.duration_ms, Some(5_000_000_000));
    }

    #[test]
    fn a_header_never_filled_in_says_nothing() {
        let zero = facts(&mvhd_v0(0, 600, 600));
        assert_eq!((zero.taken_at, zero.notes.len()), (None, 0));
        // Seconds since 1970 where 1904 is the rule: 1960 is no time, and guessing is not this module's business.
        let unix = facts(&mvhd_v0(1_795_314_600, 600, 600));
        assert_eq!((unix.taken_at, unix.notes), (None, vec![note::TIME_IMPLAUSIBLE.to_owned()]));
        for (units, duration) in [(0, 600), (600, u32::MAX), (600, 0)] {
            assert_eq!(facts(&mvhd_v0(CREATED_S, units, duration)).duration_ms, None);
        }
    }

    #[test]
    fn a_recording_in_fragments_has_its_duration_elsewhere() {
        let mehd = boxed(b"mehd", &[0, 0, 0, 0, 0, 0, 0x17, 0x70]);
        let moov = [mvhd_v0(CREATED_S, 600, 0), boxed(b"mvex", &mehd)].concat();
        assert_eq!(facts(&moov).duration_ms, Some(10_000));
    }

    #[test]
    fn a_place_in_user_data_is_read() {
        let xyz = boxed(b"\xA9xyz", b"\0\x1B\x15\xC7+27.4400+109.9440+235.000/");
        let facts_xyz = facts(&[mvhd_v0(CREATED_S, 1, 1), boxed(b"udta", &xyz)].concat());
        assert_eq!(facts_xyz.position.map(|p| (p.lat(), p.lon())), Some((27.44, 109.944)));
        assert_eq!(facts_xyz.altitude_m, Some(235.0));
        let mut loci = b"\0\0\0\0\x15\xC7\xE4\xB8\xAD\0\0".to_vec();
        for degrees in [109.5_f64, 27.25, -3.0] {
            #[expect(clippy::cast_possible_truncation, reason = "exact in 16.16")]
            loci.extend(((degrees * 65_536.0) as i32).to_be_bytes());
        }
        let facts_loci = facts(&[mvhd_v0(CREATED_S, 1, 1), boxed(b"udta", &boxed(b"loci", &loci))].concat());
        assert_eq!(facts_loci.position.map(|p| (p.lat(), p.lon())), Some((27.25, 109.5)));
        assert_eq!(facts_loci.altitude_m, Some(-3.0));
    }

    #[test]
    fn apples_metadata_wins_over_the_movie_header() {
        let key = |name: &str| boxed(b"mdta", name.as_bytes());
        let keys = [
            vec![0, 0, 0, 0, 0, 0, 0, 3],
            key("com.apple.quicktime.make"),
            key("com.apple.quicktime.creationdate"),
            key("com.apple.quicktime.location.ISO6709"),
        ]
        .concat();
        let item = |number: u32, value: &str| {
            boxed(&number.to_be_bytes(), &boxed(b"data", &[b"\0\0\0\x01\0\0\0\0", value.as_bytes()].concat()))
        };
        let items = [item(2, "2026-11-22T10:30:00+0800"), item(1, "Apple"), item(3, "+27.44+109.944/")].concat();
        for prefix in [&b""[..], &[0, 0, 0, 0]] {
            let meta = [prefix, &boxed(b"hdlr", &[0; 24]), &boxed(b"keys", &keys), &boxed(b"ilst", &items)].concat();
            let facts = facts(&[mvhd_v0(1, 1, 1), boxed(b"meta", &meta)].concat());
            assert_eq!(facts.taken_at.unwrap().at.to_rfc3339(), "2026-11-22T02:30:00+00:00");
            assert_eq!(facts.taken_at.unwrap().source, TimeSource::ZoneKnown);
            assert_eq!(facts.device.as_deref(), Some("Apple"));
            assert!(facts.position.is_some());
        }
    }

    #[test]
    fn iso6709_is_read_in_all_its_forms() {
        assert_eq!(iso6709("+51.4169-000.0806/"), place(51.4169, -0.0806, None));
        assert_eq!(iso6709("+27.2939+112.6932+123.5/"), place(27.2939, 112.6932, Some(123.5)));
        assert_eq!(iso6709("+2730-10930/"), place(27.5, -109.5, None));
        assert_eq!(iso6709("+273036+1093036-5CRSWGS_84/"), place(27.51, 109.51, Some(-5.0)));
        assert_eq!(iso6709("+27.44+109.944"), place(27.44, 109.944, None));
        for text in ["", "+", "27.44+109.944/", "+27.44/", "+27.44+/", "+1.2.3+4/", "+é+1", "++"] {
            assert_eq!(iso6709(text), None, "{text}");
        }
    }

    #[test]
    fn a_recording_without_its_header_is_noted() {
        let cut = &mp4(&mvhd_v0(CREATED_S, 600, 900));
        let without = read_bytes(&cut[..60], "video/mp4");
        assert_eq!(
            (without.kind, without.notes.as_slice()),
            (Kind::Mp4, &[note::TRUNCATED.to_owned(), note::MOVIE_BROKEN.to_owned()][..])
        );
        assert!(!without.is_readable());
        let half = read_bytes(&cut[..cut.len() - 20], "video/mp4");
        assert_eq!(half.notes, [note::TRUNCATED, note::MOVIE_BROKEN]);
    }

    #[test]
    fn boxes_that_lie_about_their_size_end_the_walk() {
        for size in [0_u32, 1, 2, 7, 0x7FFF_FFFF, u32::MAX] {
            let mut moov = mvhd_v0(CREATED_S, 600, 900);
            moov.extend(size.to_be_bytes());
            moov.extend(b"trak\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
            assert_eq!(facts(&moov).duration_ms, Some(1_500), "{size}");
        }
        let fragments = [mp4(&mvhd_v0(CREATED_S, 600, 900)), boxed(b"moof", b"").repeat(30_000)].concat();
        assert_eq!(read_bytes(&fragments, "video/mp4").duration_ms, Some(1_500));
        let endless = mp4(&boxed(b"free", b"").repeat(100_000));
        assert_eq!(read_bytes(&endless, "video/mp4").notes, [note::MOVIE_BROKEN]);
    }
}
