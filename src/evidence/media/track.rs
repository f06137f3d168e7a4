//! Where a recording was made, point by point, from the file that cameras write beside it: NMEA 0183 sentences, GPX or a
//! simple CSV.
//!
//! The file is untrusted: it is read in pieces, points beyond [`MOST_POINTS`] are thinned out evenly, and what can't be
//! read is skipped. XML is not parsed as such, so there is no entity to expand and nothing outside to fetch.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::super::datum::{Datum, Position, to_wgs84};
use super::from_shanghai;

/// Points that are kept; of more, each second one goes. Eight hours at one a second are 28 800, of which 7 200 stay.
pub const MOST_POINTS: usize = 10_000;

/// The longest file that is read to its end, bytes: a day of NMEA at ten sentences a second is 60 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The longest line or tag that is looked at, bytes.
const MAX_PIECE: u64 = 16 * 1024;

/// How a track is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Nmea,
    Gpx,
    Csv,
}

impl Format {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nmea => "nmea",
            Self::Gpx => "gpx",
            Self::Csv => "csv",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Nmea => "text/plain",
            Self::Gpx => "application/gpx+xml",
            Self::Csv => "text/csv",
        }
    }
}

/// A place at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    pub at: DateTime<Utc>,
    pub position: Position,
}

/// A track, its points in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    pub format: Format,
    /// What the file says its positions are in.
    pub datum: Option<Datum>,
    /// At least one; as the file states them.
    pub points: Vec<Fix>,
}

impl Serialize for Track {
    /// A summary: the points have their own place.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut track = serializer.serialize_struct("Track", 5)?;
        track.serialize_field("format", self.format.as_str())?;
        track.serialize_field("datum", &self.datum)?;
        track.serialize_field("points", &self.points.len())?;
        track.serialize_field("from", &self.points.first().map(|fix| fix.at))?;
        track.serialize_field("to", &self.points.last().map(|fix| fix.at))?;
        track.end()
    }
}

impl Track {
    /// Its points in WGS-84; `said` is the datum that the sender stated, for a file that states none.
    #[must_use]
    pub fn wgs84(&self, said: Datum) -> Vec<Fix> {
        let datum = self.datum.unwrap_or(said);
        self.points.iter().map(|fix| Fix { position: to_wgs84(fix.position, datum), ..*fix }).collect()
    }
}

/// Where a track was at a moment: between two points on the straight line, before and after all at the end's. `None` for
/// no points.
#[must_use]
pub fn place_at(points: &[Fix], at: DateTime<Utc>) -> Option<Position> {
    let next = points.partition_point(|fix| fix.at < at);
    let Some(after) = points.get(next) else { return points.last().map(|fix| fix.position) };
    let Some(before) = next.checked_sub(1).and_then(|n| points.get(n)) else { return Some(after.position) };
    let millis = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).as_seconds_f64();
    let part = millis(before.at, at) / millis(before.at, after.at).max(1e-3);
    let between = |a: f64, b: f64| a + (b - a) * part;
    let (a, b) = (before.position, after.position);
    Position::new(between(a.lat(), b.lat()), between(a.lon(), b.lon())).ok()
}

/// The track in a file of text, or `None` when there is none in it.
pub(super) fn read<R: Read + Seek>(source: &mut R, head: &[u8]) -> Option<Track> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    // Every text that is a track begins so; what holds other bytes is not worth reading to its end.
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E | 0x80..);
    if text.is_empty() || !head.iter().all(is_text) {
        return None;
    }
    source.seek(SeekFrom::Start(0)).ok()?;
    let pieces = BufReader::new(source.take(MAX_BYTES));
    let mut points = Points::default();
    let (format, datum) = match text.first()? {
        b'<' => (Format::Gpx, gpx(pieces, &mut points)),
        b'$' | b'!' | b'#' => (Format::Nmea, nmea(pieces, &mut points)),
        _ => csv(pieces, &mut points)?,
    };
    let points = points.in_order();
    (!points.is_empty()).then_some(Track { format, datum, points })
}

/// Points as they come, thinned when there are too many.
struct Points {
    kept: Vec<Fix>,
    /// One of so many is kept.
    stride: u64,
    seen: u64,
}

impl Default for Points {
    fn default() -> Points {
        Points { kept: Vec::new(), stride: 1, seen: 0 }
    }
}

impl Points {
    fn add(&mut self, at: DateTime<Utc>, lat: f64, lon: f64) {
        // What receivers write before their first fix.
        let Some(position) = Position::new(lat, lon).ok().filter(|_| lat != 0.0 || lon != 0.0) else { return };
        if self.seen.is_multiple_of(self.stride) {
            self.kept.push(Fix { at, position });
        }
        self.seen += 1;
        if self.kept.len() > MOST_POINTS {
            let mut odd = true;
            self.kept.retain(|_| {
                odd = !odd;
                !odd
            });
            self.stride *= 2;
        }
    }

    fn in_order(mut self) -> Vec<Fix> {
        self.kept.sort_by_key(|fix| fix.at);
        self.kept
    }
}

/// The next piece up to and with `end`, without it; what is longer than is looked at comes cut. `None` at the end.
fn piece(source: &mut impl BufRead, end: u8, into: &mut Vec<u8>) -> io::Result<Option<()>> {
    into.clear();
    let read = source.by_ref().take(MAX_PIECE).read_until(end, into)?;
    if read == 0 {
        return Ok(None);
    }
    if into.last() == Some(&end) {
        into.pop();
    } else {
        skip_until(source, end)?;
    }
    Ok(Some(()))
}

fn skip_until(source: &mut impl BufRead, end: u8) -> io::Result<()> {
    loop {
        let buffer = source.fill_buf()?;
        match buffer.iter().position(|byte| *byte == end) {
            Some(at) => {
                source.consume(at + 1);
                return Ok(());
            }
            None if buffer.is_empty() => return Ok(()),
            None => {
                let length = buffer.len();
                source.consume(length);
            }
        }
    }
}

/// Calls `f` with each piece as text; an error of the disk ends it, and what came before counts.
fn each(mut source: impl BufRead, end: u8, mut f: impl FnMut(&str)) {
    let mut bytes = Vec::new();
    while let Ok(Some(())) = piece(&mut source, end, &mut bytes) {
        f(&String::from_utf8_lossy(&bytes));
    }
}

/// RMC sentences, of any talker (`GP`, `GN`, `BD`), that are valid and whose checksum holds; a DTM sentence names the
/// datum. GGA has no date, and RMC comes with it.
fn nmea(source: impl BufRead, points: &mut Points) -> Option<Datum> {
    let mut datum = None;
    each(source, b'\n', |line| {
        let Some(fields) = sentence(line.trim()) else { return };
        match (fields[0].get(2..), &fields[1..]) {
            (Some("RMC"), [time, "A", lat, north, lon, east, _, _, date, ..]) => {
                let place = degrees(lat, north).zip(degrees(lon, east));
                if let (Some(at), Some((lat, lon))) = (moment(date, time), place) {
                    points.add(at, lat, lon);
                }
            }
            (Some("DTM"), ["W84", ..]) => datum = Some(Datum::Wgs84),
            _ => {}
        }
    });
    datum
}

/// The fields of a sentence, `$…*hh`, whose checksum holds.
fn sentence(line: &str) -> Option<Vec<&str>> {
    let (body, sum) = line.strip_prefix('$')?.rsplit_once('*')?;
    let actual = body.bytes().fold(0, |sum, byte| sum ^ byte);
    (u8::from_str_radix(sum.get(..2)?, 16) == Ok(actual)).then(|| body.split(',').collect())
}

/// `ddmm.mmmm` or `dddmm.mmmm` with its hemisphere.
fn degrees(text: &str, hemisphere: &str) -> Option<f64> {
    let sign = match hemisphere {
        "N" | "E" => 1.0,
        "S" | "W" => -1.0,
        _ => return None,
    };
    let whole = text.find('.').unwrap_or(text.len()).checked_sub(2)?;
    let (degrees, minutes) = (text.get(..whole)?, text.get(whole..)?);
    let minutes: f64 = minutes.parse().ok().filter(|minutes| (0.0..60.0).contains(minutes))?;
    Some(sign * (degrees.parse::<f64>().ok()? + minutes / 60.0))
}

/// `ddmmyy` and `hhmmss.ss`, UTC.
fn moment(date: &str, time: &str) -> Option<DateTime<Utc>> {
    let two = |text: &str, from: usize| text.get(from..from + 2)?.parse::<u32>().ok();
    // Two digits of the year: receivers did not write such files before 1980.
    let year = two(date, 4).map(|year| if year < 80 { 2000 + year } else { 1900 + year })?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, two(date, 2)?, two(date, 0)?)?;
    let second: f64 = time.get(4..)?.parse().ok().filter(|second| (0.0..61.0).contains(second))?;
    let time = NaiveTime::from_hms_opt(two(time, 0)?, two(time, 2)?, 0)?;
    #[expect(clippy::cast_possible_truncation, reason = "below 61 000")]
    let millis = TimeDelta::milliseconds((second * 1000.0).round() as i64);
    Some(date.and_time(time).and_utc() + millis)
}

/// `<trkpt lat="…" lon="…">` with the `<time>` inside it. GPX is WGS-84 by its definition; a maker's word in the upload
/// can say otherwise, so the file counts as silent.
fn gpx(source: impl BufRead, points: &mut Points) -> Option<Datum> {
    let mut place = None;
    each(source, b'<', |piece| {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        let name = tag.split_ascii_whitespace().next().unwrap_or_default();
        match name.rsplit(':').next() {
            Some("trkpt") => place = attribute(tag, "lat").zip(attribute(tag, "lon")),
            Some("time") => {
                if let (Some((lat, lon)), Ok(at)) = (place, DateTime::parse_from_rfc3339(text.trim())) {
                    points.add(at.to_utc(), lat, lon);
                }
            }
            Some("/trkpt") => place = None,
            _ => {}
        }
    });
    None
}

fn attribute(tag: &str, name: &str) -> Option<f64> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let own = rest[..at].ends_with(|c: char| c.is_ascii_whitespace());
        rest = &rest[at + name.len()..];
        if let Some(value) = rest.trim_ascii_start().strip_prefix('=').filter(|_| own) {
            let value = value.trim_ascii_start();
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            return value[1..].split(quote).next()?.trim().parse().ok();
        }
    }
}

/// Columns by their names in the first line, any order: `time` (or `timestamp`, `utc`), `lat`, `lon` (or `lng`), perhaps
/// `datum`. A time is RFC 3339, local time in Shanghai, or seconds or milliseconds since 1970.
fn csv(mut source: impl BufRead, points: &mut Points) -> Option<(Format, Option<Datum>)> {
    let mut first = Vec::new();
    piece(&mut source, b'\n', &mut first).ok()??;
    let first = String::from_utf8_lossy(&first).to_ascii_lowercase();
    let separator = if first.contains(';') { ';' } else { ',' };
    let names: Vec<&str> = first.trim_start_matches('\u{FEFF}').split(separator).map(cell).collect();
    let column = |known: &[&str]| names.iter().position(|name| known.contains(name));
    let time = column(&["time", "timestamp", "utc", "datetime"])?;
    let (lat, lon) = (column(&["lat", "latitude"])?, column(&["lon", "lng", "longitude"])?);
    let (in_datum, mut datum) = (column(&["datum"]), None);
    each(source, b'\n', |line| {
        let cells: Vec<&str> = line.split(separator).map(cell).collect();
        let number = |n: usize| cells.get(n)?.parse::<f64>().ok();
        if let (Some(at), Some(lat), Some(lon)) =
            (cells.get(time).and_then(|text| instant(text)), number(lat), number(lon))
        {
            points.add(at, lat, lon);
        }
        datum = datum.or_else(|| cells.get(in_datum?)?.to_ascii_lowercase().parse().ok());
    });
    Some((Format::Csv, datum))
}

fn cell(text: &str) -> &str {
    text.trim().trim_matches('"')
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(number) = text.parse::<i64>() {
        // Seconds reach this size in the year 5138.
        return if number.abs() < 100_000_000_000 {
            DateTime::from_timestamp(number, 0)
        } else {
            DateTime::from_timestamp_millis(number)
        };
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok();
    let local = |format| NaiveDateTime::parse_from_str(text, format).ok().and_then(from_shanghai);
    zoned.or_else(|| local("%Y-%m-%d %H:%M:%S%.f")).or_else(|| local("%Y/%m/%d %H:%M:%S%.f"))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, read_bytes};
    use super::*;

    fn track(text: &str) -> Option<Track> {
        read_bytes(text.as_bytes(), "text/plain").track
    }

    fn with_sum(body: &str) -> String {
        format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte))
    }

    fn shown(fix: &Fix) -> (String, f64, f64) {
        let round = |degrees: f64| (degrees * 1e6).round() / 1e6;
        (fix.at.to_rfc3339(), round(fix.position.lat()), round(fix.position.lon()))
    }

    #[test]
    fn nmea_gives_the_fixes_whose_checksum_holds() {
        let text = [
            &with_sum("GNRMC,023015.00,A,2726.40738,N,10956.66736,E,0.1,,221126,,,A"),
            &with_sum("GNGGA,023015.00,2726.40738,N,10956.66736,E,1,09,0.9,235.5,M,,,,"),
            &with_sum("GNRMC,023016.00,V,,,,,,,221126,,,N"),
            "$GNRMC,023017.00,A,2726.5,N,10956.7,E,0.1,,221126,,,A*00\r\n",
            "a line of the maker's\r\n",
            &with_sum("BDRMC,023018.50,A,2726.5,N,10956.7,E,0.1,,221126,,,A"),
        ]
        .concat();
        let found = track(&text).unwrap();
        let points: Vec<_> = found.points.iter().map(shown).collect();
        assert_eq!(
            points,
            [
                ("2026-11-22T02:30:15+00:00".to_owned(), 27.440_123, 109.944_456),
                ("2026-11-22T02:30:18.500+00:00".to_owned(), 27.441_667, 109.945),
            ]
        );
        assert_eq!((found.format, found.datum), (Format::Nmea, None));
    }

    #[test]
    fn gpx_gives_its_track_points_and_expands_nothing() {
        let text = r#"<?xml version="1.0"?>
            <!DOCTYPE gpx [<!ENTITY a "&b;&b;"><!ENTITY b SYSTEM "file:///etc/passwd">]>
            <gpx><metadata><time>2020-01-01T00:00:00Z</time></metadata><trk><trkseg>
            <trkpt lat="27.44" lon="109.944"><ele>235</ele><time>2026-11-22T10:30:15+08:00</time></trkpt>
            <trkpt lon='109.945' lat='27.441'><time>2026-11-22T02:30:16Z</time></trkpt>
            <trkpt lat="95" lon="109.945"><time>2026-11-22T02:30:17Z</time></trkpt>
            <trkpt lat="27" lon="109.945"><time>&a;</time></trkpt></trkseg></trk></gpx>"#;
        let points: Vec<_> = track(text).unwrap().points.iter().map(shown).collect();
        assert_eq!(points[0], ("2026-11-22T02:30:15+00:00".to_owned(), 27.44, 109.944));
        assert_eq!((points.len(), points[1].2), (2, 109.945));
    }

    #[test]
    fn csv_is_read_by_the_names_of_its_columns() {
        let text = "\u{FEFF}Time,Lng,Lat,Datum,Speed\n2026-11-22 10:30:15,109.948514,27.436534,GCJ02,3\nrubbish\n\
                    1795314616,109.95,27.44,GCJ02,3\n1795314617000,\"109.95\",27.44,,\n";
        let found = track(text).unwrap();
        assert_eq!((found.points.len(), found.datum), (3, Some(Datum::Gcj02)));
        assert_eq!(found.points[0].at.to_rfc3339(), "2026-11-22T02:30:15+00:00");
        let wgs84 = found.wgs84(Datum::Wgs84)[0].position;
        assert!((wgs84.lat() - 27.44).abs() < 1e-5 && (wgs84.lon() - 109.944).abs() < 1e-5, "{wgs84:?}");
    }

    #[test]
    fn what_is_no_track_is_none() {
        for text in ["", "plain words", "time,speed\n1,2\n", "<html></html>", "$GPRMC", "time,lat,lon\n", "{\"lat\":1}"]
        {
            assert_eq!(track(text), None, "{text}");
        }
        let facts = read_bytes(b"time,lat,lon\n1795314616,27.44,109.95\n", "image/jpeg");
        assert_eq!((facts.kind, facts.media_type), (Kind::Track, "text/csv"));
    }

    #[test]
    fn a_long_track_is_thinned_evenly_and_keeps_its_order() {
        let line = |n: i64| format!("{},27.{:06},109.95\n", 1_795_314_616 - n, n);
        let text = "time,lat,lon\n".to_owned() + &(0..50_000).map(line).collect::<String>();
        let points = track(&text).unwrap().points;
        assert!((MOST_POINTS / 2..=MOST_POINTS + 1).contains(&points.len()), "{}", points.len());
        assert!(points.windows(2).all(|two| (two[1].at - two[0].at).num_seconds() == 8));
    }

    #[test]
    fn a_place_between_two_points_lies_between_them() {
        let fix = |second: i64, lat: f64| Fix {
            at: DateTime::from_timestamp(1_795_314_600 + second, 0).unwrap(),
            position: Position::new(lat, 110.0).unwrap(),
        };
        let points = [fix(0, 27.0), fix(10, 27.1), fix(10, 27.1), fix(20, 27.1)];
        let lat = |second: i64| place_at(&points, fix(second, 0.0).at).unwrap().lat();
        assert!((lat(5) - 27.05).abs() < 1e-9 && (lat(-5) - 27.0).abs() < 1e-9 && (lat(99) - 27.1).abs() < 1e-9);
        assert!(place_at(&[], points[0].at).is_none());
    }
}
