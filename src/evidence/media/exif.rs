//! Facts from an EXIF block (CIPA DC-008), as photos carry it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use nom_exif::{EntryValue, ExifTag, IfdIndex, IfdKind, MediaParser, MediaSource};

use super::super::datum::{Datum, to_wgs84};
use super::{Facts, MAX_TIME_GAP_S, TimeSource, from_shanghai, note};

/// How many entries of a block are looked at. A camera writes some hundred; a hostile block of 64 KiB can hold five
/// thousand that each span all of it.
const MAX_ENTRIES: usize = 1_000;

/// Adds what `tiff`, an EXIF block without its `Exif\0\0` and below 64 KiB, says.
pub(super) fn read(tiff: &[u8], facts: &mut Facts) {
    // nom-exif is fuzzed by its authors, yet it asserts and slices by offsets from the file in places. A panic there
    // must cost this file its EXIF, not the server a request.
    let Some(entries) = catch_unwind(AssertUnwindSafe(|| Entries::parse(tiff))).ok().flatten() else {
        facts.note(note::EXIF_BROKEN);
        return;
    };
    facts.set_device(entries.text(ExifTag::Make), entries.text(ExifTag::Model));
    facts.orientation = entries
        .get(ExifTag::Orientation)
        .and_then(EntryValue::try_as_integer)
        .and_then(|code| u8::try_from(code).ok())
        .filter(|code| (1..=8).contains(code));
    read_position(&entries, facts);
    read_time(&entries, facts);
}

const TAGS: [ExifTag; 8] = [
    ExifTag::Make,
    ExifTag::Model,
    ExifTag::Orientation,
    ExifTag::DateTimeOriginal,
    ExifTag::CreateDate,
    ExifTag::OffsetTimeOriginal,
    ExifTag::OffsetTimeDigitized,
    ExifTag::OffsetTime,
];

const GPS_TAGS: [ExifTag; 9] = [
    ExifTag::GPSLatitudeRef,
    ExifTag::GPSLatitude,
    ExifTag::GPSLongitudeRef,
    ExifTag::GPSLongitude,
    ExifTag::GPSAltitudeRef,
    ExifTag::GPSAltitude,
    ExifTag::GPSTimeStamp,
    ExifTag::GPSDateStamp,
    ExifTag::GPSMapDatum,
];

/// The entries of interest by tag number, the first of each.
#[derive(Default)]
struct Entries(BTreeMap<u16, EntryValue>);

impl Entries {
    /// `None` when the block does not parse or holds no entry at all. Entries are taken one at a time, because
    /// nom-exif's eager form would hold copies of all of them.
    fn parse(tiff: &[u8]) -> Option<Self> {
        let source = MediaSource::from_memory(as_jpeg(tiff)?).ok()?;
        let mut wanted = Self::default();
        let mut seen = 0;
        for entry in MediaParser::new().parse_exif(source).ok()?.take(MAX_ENTRIES) {
            seen += 1;
            let Some(tag) = entry.tag().tag() else { continue };
            // The numbers of GPS tags mean other things elsewhere, and IFD1 describes the embedded preview.
            let known = if entry.ifd_kind() == IfdKind::Gps { GPS_TAGS.contains(&tag) } else { TAGS.contains(&tag) };
            if known
                && entry.ifd() == IfdIndex::MAIN
                && let Ok(value) = entry.into_result()
            {
                wanted.0.entry(tag.code()).or_insert(value);
            }
        }
        (seen > 0).then_some(wanted)
    }

    fn get(&self, tag: ExifTag) -> Option<&EntryValue> {
        self.0.get(&tag.code())
    }

    fn text(&self, tag: ExifTag) -> Option<&str> {
        self.get(tag).and_then(EntryValue::as_str).map(super::clean).filter(|text| !text.is_empty())
    }

    /// Numbers of a rational array, for instance degrees, minutes, seconds. `None` when one has denominator 0.
    fn numbers(&self, tag: ExifTag) -> Option<Vec<f64>> {
        match self.get(tag)? {
            EntryValue::URationalArray(values) => values.iter().map(nom_exif::Rational::to_f64).collect(),
            EntryValue::IRationalArray(values) => values.iter().map(nom_exif::Rational::to_f64).collect(),
            single => single.try_as_float().map(|number| vec![number]),
        }
    }

    /// Degrees from degrees, minutes and seconds (the latter two may be absent), negative in the `negative` hemisphere.
    fn degrees(&self, value: ExifTag, hemisphere: ExifTag, negative: char, positive: char) -> Option<f64> {
        let numbers = self.numbers(value)?;
        let mut parts = numbers.iter();
        let degrees = parts.next()?
            + parts.next().copied().unwrap_or_default() / 60.0
            + parts.next().copied().unwrap_or_default() / 3600.0;
        match self.text(hemisphere)?.chars().next()?.to_ascii_uppercase() {
            letter if letter == negative => Some(-degrees),
            letter if letter == positive => Some(degrees),
            _ => None,
        }
    }

    fn local_time(&self, tag: ExifTag) -> Option<NaiveDateTime> {
        // nom-exif may have applied an offset of its own choice (it mixes OffsetTimeDigitized into the original's);
        // the local reading is what stands in the file.
        self.get(tag).and_then(EntryValue::as_datetime).map(nom_exif::ExifDateTime::into_naive)
    }

    /// UTC from the satellites.
    fn gps_time(&self) -> Option<DateTime<Utc>> {
        let date = NaiveDate::parse_from_str(self.text(ExifTag::GPSDateStamp)?, "%Y:%m:%d").ok()?;
        let &[hours, minutes, seconds] = self.numbers(ExifTag::GPSTimeStamp)?.as_slice() else { return None };
        let millis = ((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0;
        if !(0.0..86_401_000.0).contains(&millis) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was just checked")]
        let since_midnight = TimeDelta::milliseconds(millis.round() as i64);
        date.and_time(NaiveTime::MIN).checked_add_signed(since_midnight).map(|time| time.and_utc())
    }
}

/// Wraps the block in the shortest JPEG. Handed over as the TIFF file that it is, nom-exif would first visit every
/// sub-directory three levels deep, which a block whose entries all point at itself turns into days of work.
fn as_jpeg(tiff: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(tiff.len() + 2 + 6).ok()?;
    let mut jpeg = Vec::with_capacity(tiff.len() + 14);
    jpeg.extend_from_slice(&[0xFF, 0xD8, 0xFF, 0xE1]);
    jpeg.extend_from_slice(&length.to_be_bytes());
    jpeg.extend_from_slice(b"Exif\0\0");
    jpeg.extend_from_slice(tiff);
    jpeg.extend_from_slice(&[0xFF, 0xD9]);
    Some(jpeg)
}

fn read_position(entries: &Entries, facts: &mut Facts) {
    let lat = entries.degrees(ExifTag::GPSLatitude, ExifTag::GPSLatitudeRef, 'S', 'N');
    let lon = entries.degrees(ExifTag::GPSLongitude, ExifTag::GPSLongitudeRef, 'W', 'E');
    match (lat, lon) {
        (Some(lat), Some(lon)) => facts.set_position(lat, lon),
        // Phones without a fix write a GPS directory with neither.
        (None, None) => {}
        _ => facts.note(note::POSITION_INCOMPLETE),
    }
    read_datum(entries, facts);
    facts.altitude_m =
        entries.numbers(ExifTag::GPSAltitude).and_then(|numbers| numbers.first().copied()).map(|metres| match entries
            .get(ExifTag::GPSAltitudeRef)
            .and_then(EntryValue::try_as_integer)
        {
            // 1 is below; EXIF 3.0 tells the ellipsoid (0, 1) from the sea (2, 3), which is some 20 m in Hunan.
            Some(1 | 3) => -metres,
            _ => metres,
        });
}

fn read_datum(entries: &Entries, facts: &mut Facts) {
    let (Some(written), Some(position)) = (entries.text(ExifTag::GPSMapDatum), facts.position) else { return };
    let name: String = written.chars().filter(char::is_ascii_alphanumeric).collect();
    let (datum, code) = match name.to_ascii_uppercase().as_str() {
        "WGS84" | "WGS1984" | "CGCS2000" => return,
        "GCJ02" => (Datum::Gcj02, note::POSITION_WAS_GCJ02),
        "BD09" | "BD09LL" => (Datum::Bd09, note::POSITION_WAS_BD09),
        _ => return facts.note(note::DATUM_UNKNOWN),
    };
    facts.position = Some(to_wgs84(position, datum));
    facts.note(code);
}

/// The moment of exposure. `ModifyDate` is not asked: an editor rewrites it.
fn read_time(entries: &Entries, facts: &mut Facts) {
    let camera =
        [(ExifTag::DateTimeOriginal, ExifTag::OffsetTimeOriginal), (ExifTag::CreateDate, ExifTag::OffsetTimeDigitized)]
            .into_iter()
            .find_map(|(time, offset)| entries.local_time(time).map(|local| (local, offset)));
    if let Some((local, offset)) = camera {
        let offset_s = [offset, ExifTag::OffsetTime].into_iter().find_map(|tag| entries.text(tag)).and_then(offset_s);
        let (at, source) = match offset_s {
            Some(east_s) => {
                let utc = local.checked_sub_signed(TimeDelta::seconds(east_s.into()));
                (utc.map(|utc| utc.and_utc()), TimeSource::ZoneKnown)
            }
            None => (from_shanghai(local), TimeSource::AssumedShanghai),
        };
        match at {
            Some(at) => facts.set_taken_at(at, source),
            None => facts.note(note::TIME_IMPLAUSIBLE),
        }
    }
    let Some(gps) = entries.gps_time() else { return };
    match facts.taken_at {
        Some(taken) if (taken.at - gps).num_seconds().abs() > MAX_TIME_GAP_S => facts.note(note::GPS_TIME_DIFFERS),
        Some(_) => {}
        None => facts.set_taken_at(gps, TimeSource::Gps),
    }
}

/// Seconds east of UTC from `+08:00`, `+0800` or `Z`; `None` for anything else or beyond 14 hours.
fn offset_s(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    (hours <= 14 && minutes < 60).then(|| sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    /// Little-endian TIFF under construction: directories of (tag, type, count, bytes).
    type Entry = (u16, u16, u32, Vec<u8>);

    fn ascii(tag: u16, text: &str) -> Entry {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        (tag, 2, u32::try_from(bytes.len()).unwrap(), bytes)
    }

    fn rationals(tag: u16, values: &[(u32, u32)]) -> Entry {
        let bytes = values.iter().flat_map(|(n, d)| [n.to_le_bytes(), d.to_le_bytes()].concat()).collect();
        (tag, 5, u32::try_from(values.len()).unwrap(), bytes)
    }

    fn long(tag: u16, value: usize) -> Entry {
        (tag, 4, 1, u32::try_from(value).unwrap().to_le_bytes().to_vec())
    }

    fn directory(at: usize, entries: &[Entry]) -> Vec<u8> {
        let mut table = u16::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
        let mut data: Vec<u8> = Vec::new();
        let data_at = at + 2 + entries.len() * 12 + 4;
        for (tag, format, count, bytes) in entries {
            table.extend(tag.to_le_bytes());
            table.extend(format.to_le_bytes());
            table.extend(count.to_le_bytes());
            if bytes.len() <= 4 {
                table.extend(bytes);
                table.resize(table.len() + 4 - bytes.len(), 0);
            } else {
                table.extend(u32::try_from(data_at + data.len()).unwrap().to_le_bytes());
                data.extend(bytes);
            }
        }
        table.extend([0; 4]);
        table.extend(data);
        table
    }

    fn tiff(main: &[Entry], exif: &[Entry], gps: &[Entry]) -> Vec<u8> {
        let mut main = main.to_vec();
        let pointers = [long(0x8769, 0), long(0x8825, 0)];
        main.extend(pointers);
        let exif_at = 8 + directory(8, &main).len();
        let exif = directory(exif_at, exif);
        let gps_at = exif_at + exif.len();
        let count = main.len();
        main[count - 2] = long(0x8769, exif_at);
        main[count - 1] = long(0x8825, gps_at);
        [b"II*\0\x08\0\0\0".to_vec(), directory(8, &main), exif, directory(gps_at, gps)].concat()
    }

    fn facts(tiff: &[u8]) -> Facts {
        let mut facts = Facts::nothing(Kind::Jpeg, "image/jpeg");
        read(tiff, &mut facts);
        facts
    }

    fn zhongfang_gps() -> Vec<Entry> {
        vec![
            ascii(1, "N"),
            rationals(2, &[(27, 1), (26, 1), (2400, 100)]),
            ascii(3, "E"),
            rationals(4, &[(109, 1), (56, 1), (3840, 100)]),
            (5, 1, 1, vec![0]),
            rationals(6, &[(2350, 10)]),
        ]
    }

    #[test]
    fn a_time_with_its_offset_is_an_instant() {
        let block = tiff(
            &[ascii(0x010F, "vivo"), ascii(0x0110, "vivo X90 Pro+"), (0x0112, 3, 1, vec![6, 0])],
            &[ascii(0x9003, "2026:11:22 10:30:00"), ascii(0x9011, "+08:00")],
            &zhongfang_gps(),
        );
        let facts = facts(&block);
        let taken = facts.taken_at.unwrap();
        assert_eq!(
            (taken.at.to_rfc3339().as_str(), taken.source),
            ("2026-11-22T02:30:00+00:00", TimeSource::ZoneKnown)
        );
        assert_eq!((facts.device.as_deref(), facts.orientation), (Some("vivo X90 Pro+"), Some(6)));
        let position = facts.position.unwrap();
        assert!((position.lat() - 27.44).abs() < 1e-9 && (position.lon() - 109.944).abs() < 1e-9, "{position:?}");
        assert_eq!(facts.altitude_m, Some(235.0));
        assert!(facts.notes.is_empty(), "{:?}", facts.notes);
    }

    #[test]
    fn a_time_without_offset_is_taken_as_shanghai() {
        let taken = facts(&tiff(&[], &[ascii(0x9003, "2026:11:22 10:30:00")], &[])).taken_at.unwrap();
        assert_eq!(taken.at.to_rfc3339(), "2026-11-22T02:30:00+00:00");
        assert_eq!(taken.source, TimeSource::AssumedShanghai);
    }

    #[test]
    fn the_offset_of_the_original_wins_over_the_general_one() {
        let exif = [ascii(0x9003, "2026:11:22 10:30:00"), ascii(0x9010, "+00:00"), ascii(0x9011, "+08:00")];
        assert_eq!(facts(&tiff(&[], &exif, &[])).taken_at.unwrap().at.to_rfc3339(), "2026-11-22T02:30:00+00:00");
    }

    #[test]
    fn satellite_time_stands_in_and_a_differing_one_is_noted() {
        let mut gps = zhongfang_gps();
        gps.push(rationals(7, &[(2, 1), (30, 1), (5, 1)]));
        gps.push(ascii(29, "2026:11:22"));
        let alone = facts(&tiff(&[], &[], &gps));
        assert_eq!(alone.taken_at.unwrap().source, TimeSource::Gps);
        assert_eq!(alone.taken_at.unwrap().at.to_rfc3339(), "2026-11-22T02:30:05+00:00");
        let near = facts(&tiff(&[], &[ascii(0x9003, "2026:11:22 10:34:00")], &gps));
        assert!(near.notes.is_empty());
        let far = facts(&tiff(&[], &[ascii(0x9003, "2026:11:21 10:30:00")], &gps));
        assert_eq!(far.notes, [note::GPS_TIME_DIFFERS]);
    }

    #[test]
    fn a_position_without_hemisphere_is_no_position() {
        let mut gps = zhongfang_gps();
        gps.remove(2);
        let facts = facts(&tiff(&[], &[], &gps));
        assert_eq!((facts.position, facts.notes.as_slice()), (None, &[note::POSITION_INCOMPLETE.to_owned()][..]));
    }

    #[test]
    fn a_datum_named_by_the_file_is_honoured_and_noted() {
        for (name, moved_m, notes) in [
            ("WGS-84", 0.0, vec![]),
            ("CGCS2000", 0.0, vec![]),
            ("GCJ-02", 589.0, vec![note::POSITION_WAS_GCJ02]),
            ("BD-09", 1121.0, vec![note::POSITION_WAS_BD09]),
            ("TOKYO", 0.0, vec![note::DATUM_UNKNOWN]),
        ] {
            let mut gps = zhongfang_gps();
            gps.push(ascii(18, name));
            let facts = facts(&tiff(&[], &[], &gps));
            let written = super::super::Position::new(27.44, 109.944).unwrap();
            let distance = super::super::super::datum::distance_m(written, facts.position.unwrap());
            assert!((distance - moved_m).abs() < 10.0, "{name}: {distance}");
            assert_eq!(facts.notes, notes, "{name}");
        }
    }

    #[test]
    fn the_zeros_of_an_unset_clock_are_no_time() {
        for zero in ["0000:00:00 00:00:00", "    :  :     :  :  ", ""] {
            assert_eq!(facts(&tiff(&[ascii(0x010F, "x")], &[ascii(0x9003, zero)], &[])).taken_at, None, "{zero:?}");
        }
        let unset = facts(&tiff(&[], &[ascii(0x9003, "1970:01:01 08:00:00")], &[]));
        assert_eq!((unset.taken_at, unset.notes.as_slice()), (None, &[note::TIME_IMPLAUSIBLE.to_owned()][..]));
    }

    #[test]
    fn offsets_are_read_strictly() {
        let cases = [("+08:00", Some(28_800)), ("-05:30", Some(-19_800)), ("+0800", Some(28_800)), ("Z", Some(0))];
        for (text, seconds) in cases {
            assert_eq!(offset_s(text), seconds, "{text}");
        }
        for text in ["", "+", "08:00", "+15:00", "+08:99", "+8", "+-8:00", "＋08:00", "CST"] {
            assert_eq!(offset_s(text), None, "{text}");
        }
    }

    #[test]
    fn a_broken_block_is_noted() {
        for block in [&b""[..], b"II*\0", b"II*\0\xFF\xFF\xFF\x7F", b"rubbish rubbish"] {
            assert_eq!(facts(block).notes, [note::EXIF_BROKEN], "{block:?}");
        }
    }

    #[test]
    fn a_block_of_entries_that_all_span_it_costs_no_more_than_a_moment() {
        // Every entry points at the whole block, or is a directory that is the block itself.
        for (tag, format, count) in [(0x9286_u16, 7_u16, 65_000_u32), (0x010E, 2, 65_000), (0x8769, 4, 1)] {
            let mut block = b"II*\0\x08\0\0\0".to_vec();
            block.extend(5_400_u16.to_le_bytes());
            for index in 0..5_400_u16 {
                let tag = if tag == 0x8769 { tag } else { tag.wrapping_add(index) };
                block.extend([tag.to_le_bytes(), format.to_le_bytes()].concat());
                block.extend([count.to_le_bytes(), 8_u32.to_le_bytes()].concat());
            }
            block.resize(65_500, b'A');
            let _ = facts(&block);
        }
    }
}
