//! Real photos and videos made from a seed, for the demonstration and the tests: JPEG with the EXIF that a handheld
//! writes, MP4 with the headers that a body camera writes. The same spec gives the same bytes, another seed other ones.
//!
//! The video is H.264, not the simpler Motion JPEG, so that the console's browser plays it: uncompressed key frames
//! ([`h264`]) that cost no encoder, and in between frames that say "as before" in a dozen bytes.
//!
//! Invariants:
//! - `evidence::media` and `nom-exif` read back what a spec says (`a_photo_says_what_its_spec_says`,
//!   `a_video_says_what_its_spec_says`).
//! - A video is exactly as long as asked, if that is enough for one picture (`a_video_is_as_large_as_asked`).

mod exif;
mod h264;
mod mp4;
mod scene;

use std::io::{self, Cursor, Write};

use chrono::{DateTime, FixedOffset, Utc};
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat};

use crate::evidence::datum::Position;

/// A photo to be made. Start from [`PhotoSpec::new`] and change what matters.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoSpec {
    pub seed: u64,
    /// Pixels of the upright picture, 1..=65 535.
    pub width: u32,
    pub height: u32,
    /// Written as local time with its offset; without it the photo has no time.
    pub taken_at: Option<DateTime<FixedOffset>>,
    /// WGS-84. To imitate a device that shifts it, pass the result of `from_wgs84`.
    pub position: Option<Position>,
    /// Metres above the sea, negative below.
    pub altitude_m: Option<f64>,
    pub make: String,
    pub model: String,
    /// EXIF code 1..=8: how the camera was held. The pixels are stored turned the other way, so that the picture stands
    /// upright for whoever heeds the code.
    pub orientation: u8,
    pub description: Option<String>,
}

impl PhotoSpec {
    /// 1280 x 960 pixels from an upright handheld that knows neither time nor place.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            width: 1280,
            height: 960,
            taken_at: None,
            position: None,
            altitude_m: None,
            make: "Chengguan".to_owned(),
            model: "Sim Handheld".to_owned(),
            orientation: 1,
            description: None,
        }
    }
}

/// A video to be made. Start from [`VideoSpec::new`] and change what matters.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoSpec {
    pub seed: u64,
    /// Pixels, rounded up to multiples of 16; a key frame takes 1.5 bytes for each.
    pub width: u16,
    pub height: u16,
    /// Up to 49 days.
    pub duration_ms: u32,
    /// The start, from 1904 to 2040 (32 bits of seconds); without it the header holds 0 as from a camera without clock.
    pub taken_at: Option<DateTime<Utc>>,
    /// WGS-84.
    pub position: Option<Position>,
    pub altitude_m: Option<f64>,
    pub make: String,
    pub model: String,
    /// Length of the file. What the frames leave is filled with bytes that no compression shortens.
    pub target_bytes: u64,
}

impl VideoSpec {
    /// Ten seconds, 320 x 240 pixels, 1 MB, from a body camera that knows neither time nor place.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            width: 320,
            height: 240,
            duration_ms: 10_000,
            taken_at: None,
            position: None,
            altitude_m: None,
            make: "Chengguan".to_owned(),
            model: "Sim Bodycam".to_owned(),
            target_bytes: 1_000_000,
        }
    }
}

/// A JPEG as a handheld writes it. Takes about 35 ms at the default size in a release build.
#[must_use]
pub fn photo(spec: &PhotoSpec) -> Vec<u8> {
    let upright = scene::draw(spec.seed, spec.width.clamp(1, 65_535), spec.height.clamp(1, 65_535), 0);
    let mut stored = DynamicImage::ImageRgb8(upright);
    let held = Orientation::from_exif(spec.orientation).unwrap_or(Orientation::NoTransforms);
    stored.apply_orientation(match held {
        Orientation::Rotate90 => Orientation::Rotate270,
        Orientation::Rotate270 => Orientation::Rotate90,
        own_inverse => own_inverse,
    });
    let mut plain = Vec::new();
    stored
        .write_with_encoder(JpegEncoder::new_with_quality(&mut plain, 80))
        .expect("memory takes any number of bytes, and the sides were clamped to what JPEG can hold");
    // After the start-of-image marker, before all else, is where the EXIF standard wants it.
    let (start, rest) = plain.split_at(2);
    [start, &exif::segment(spec), rest].concat()
}

/// The same scene as a PNG, which carries neither time nor place: a screenshot, in effect.
#[must_use]
pub fn screenshot(seed: u64, width: u32, height: u32) -> Vec<u8> {
    let scene = DynamicImage::ImageRgb8(scene::draw(seed, width.clamp(1, 65_535), height.clamp(1, 65_535), 0));
    let mut png = Vec::new();
    scene.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).expect("memory takes any number of bytes");
    png
}

/// An MP4 as a body camera writes it, in memory: about 6 ms for 1 MB in a release build. For large ones use [`video_to`].
#[must_use]
pub fn video(spec: &VideoSpec) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(usize::try_from(spec.target_bytes).unwrap_or(0));
    video_to(spec, &mut bytes).expect("memory takes any number of bytes");
    bytes
}

/// Writes the video to `out` without holding it; returns its length in bytes.
///
/// # Errors
/// Those of `out`.
pub fn video_to(spec: &VideoSpec, out: &mut impl Write) -> io::Result<u64> {
    mp4::write(spec, out)
}

/// SplitMix64 (Steele, Lea, Flood 2014): a picture needs millions of numbers that depend on its seed alone, whatever else
/// the simulation's own dice have thrown.
#[derive(Debug, Clone)]
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; `bound` 0 counts as 1.
    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound.max(1))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::evidence::datum::distance_m;
    use crate::evidence::media::{Facts, Kind, Stamp, TimeSource, compare, read, read_bytes};
    use crate::evidence::thumbnail;
    use nom_exif::{ExifTag, MediaParser, MediaSource, TrackInfoTag};

    fn taken_at() -> DateTime<FixedOffset> {
        "2026-11-22T10:30:15+08:00".parse().unwrap()
    }

    fn zhongfang() -> Position {
        Position::new(27.440_123, 109.944_456).unwrap()
    }

    fn a_photo() -> PhotoSpec {
        PhotoSpec {
            width: 320,
            height: 240,
            taken_at: Some(taken_at()),
            position: Some(zhongfang()),
            altitude_m: Some(235.5),
            ..PhotoSpec::new(7)
        }
    }

    fn a_video() -> VideoSpec {
        VideoSpec {
            taken_at: Some(taken_at().to_utc()),
            position: Some(zhongfang()),
            altitude_m: Some(235.5),
            ..VideoSpec::new(7)
        }
    }

    /// 64 x 48 pixels and a handful of frames, to be broken a thousand times.
    fn a_small_video() -> VideoSpec {
        VideoSpec { width: 64, height: 48, duration_ms: 1_000, target_bytes: 0, ..a_video() }
    }

    fn stamp(media_type: &str) -> Stamp {
        let (captured_at, media_type) = (taken_at().to_utc(), media_type.to_owned());
        Stamp { captured_at, position: Some(zhongfang()), accuracy_m: Some(5.0), media_type }
    }

    fn assert_place_and_height(facts: &Facts) {
        assert!(distance_m(facts.position.unwrap(), zhongfang()) < 0.1);
        assert!((facts.altitude_m.unwrap() - 235.5).abs() < 0.01);
    }

    #[test]
    fn a_photo_says_what_its_spec_says() {
        let spec = PhotoSpec { orientation: 6, description: Some("占道经营".to_owned()), ..a_photo() };
        let bytes = photo(&spec);
        let facts = read_bytes(&bytes, "image/jpeg");
        assert_eq!((facts.kind, facts.media_type), (Kind::Jpeg, "image/jpeg"));
        assert_eq!((facts.width, facts.height, facts.orientation), (Some(240), Some(320), Some(6)));
        let taken = facts.taken_at.unwrap();
        assert_eq!((taken.at, taken.source), (taken_at().to_utc(), TimeSource::ZoneKnown));
        assert_place_and_height(&facts);
        assert_eq!(facts.device.as_deref(), Some("Chengguan Sim Handheld"));
        assert!(facts.notes.is_empty(), "{:?}", facts.notes);
        assert_eq!(compare(&stamp("image/jpeg"), &facts), []);

        let exif: nom_exif::Exif =
            MediaParser::new().parse_exif(MediaSource::from_memory(bytes).unwrap()).unwrap().into();
        let text = |tag| exif.get(tag).and_then(|value| value.as_str()).map(str::to_owned);
        assert_eq!(text(ExifTag::ImageDescription).as_deref(), Some("占道经营"));
        assert_eq!(text(ExifTag::OffsetTimeOriginal).as_deref(), Some("+08:00"));
        assert!((exif.gps_info().unwrap().latitude_decimal().unwrap() - 27.440_123).abs() < 1e-7);
        assert!(exif.errors().is_empty(), "{:?}", exif.errors());
    }

    #[test]
    fn a_photo_without_time_and_place_says_nothing_of_them() {
        let facts = read_bytes(&photo(&PhotoSpec { width: 64, height: 48, ..PhotoSpec::new(1) }), "image/jpeg");
        assert_eq!((facts.taken_at, facts.position, facts.altitude_m), (None, None, None));
        let codes: Vec<_> = compare(&stamp("image/jpeg"), &facts).into_iter().map(|flag| flag.code).collect();
        assert_eq!(codes, ["time_missing_in_file", "position_missing_in_file"]);
    }

    #[test]
    fn southern_western_and_low_places_survive() {
        let patagonia = Position::new(-54.999_999_9, -67.5).unwrap();
        let spec = PhotoSpec { position: Some(patagonia), altitude_m: Some(-12.25), ..a_photo() };
        let facts = read_bytes(&photo(&spec), "image/jpeg");
        assert!(distance_m(facts.position.unwrap(), patagonia) < 0.01);
        assert_eq!(facts.altitude_m, Some(-12.25));
        let video_spec = VideoSpec { position: Some(patagonia), altitude_m: Some(-12.2), ..a_small_video() };
        let facts = read_bytes(&video(&video_spec), "video/mp4");
        assert!(distance_m(facts.position.unwrap(), patagonia) < 0.1);
        assert_eq!(facts.altitude_m, Some(-12.2));
    }

    #[test]
    fn every_orientation_gives_the_same_upright_thumbnail_size() {
        for orientation in 1..=8 {
            let bytes = photo(&PhotoSpec { orientation, ..a_photo() });
            let thumbnail = thumbnail::make_from_bytes(&bytes, 160, Some(orientation)).unwrap();
            let upright = image::load_from_memory(&thumbnail).unwrap().to_rgb8();
            assert_eq!((upright.width(), upright.height()), (160, 120), "{orientation}");
            // The road is dark and below, the horizon bright.
            let [above, below] = [60, 110].map(|y| upright.get_pixel(1, y).0.map(u32::from).iter().sum::<u32>());
            assert!(below < above, "{orientation}: {above} {below}");
        }
    }

    #[test]
    fn a_video_says_what_its_spec_says() {
        let bytes = video(&a_video());
        let facts = read_bytes(&bytes, "video/mp4");
        assert_eq!((facts.kind, facts.media_type), (Kind::Mp4, "video/mp4"));
        assert_eq!((facts.width, facts.height, facts.orientation), (Some(320), Some(240), Some(1)));
        assert_eq!(facts.duration_ms, Some(10_000));
        let taken = facts.taken_at.unwrap();
        assert_eq!((taken.at, taken.source), (taken_at().to_utc(), TimeSource::MovieHeader));
        assert_place_and_height(&facts);
        assert_eq!(facts.device.as_deref(), Some("Chengguan Sim Bodycam"));
        assert!(facts.notes.is_empty(), "{:?}", facts.notes);
        assert_eq!(compare(&stamp("video/mp4"), &facts), []);

        let track = MediaParser::new().parse_track(MediaSource::from_memory(bytes).unwrap()).unwrap();
        assert_eq!(track.get(TrackInfoTag::DurationMs), Some(&10_000_u64.into()));
        assert_eq!(track.get(TrackInfoTag::Width), Some(&320_u32.into()));
        let created = track.get(TrackInfoTag::CreateDate).and_then(|value| value.as_datetime()).unwrap();
        assert_eq!(created.aware().unwrap(), taken_at());
        assert!((track.gps_info().unwrap().longitude_decimal().unwrap() - 109.944_456).abs() < 1e-4);
    }

    #[test]
    fn a_video_without_clock_has_no_time() {
        let facts = read_bytes(&video(&VideoSpec { taken_at: None, ..a_small_video() }), "video/mp4");
        assert_eq!((facts.taken_at, facts.notes.len()), (None, 0));
    }

    #[test]
    fn a_video_is_as_large_as_asked() {
        for target_bytes in [150_000, 1_000_000, 3_333_333] {
            let bytes = video(&VideoSpec { target_bytes, ..a_video() });
            assert_eq!(bytes.len() as u64, target_bytes);
            assert!(read_bytes(&bytes, "video/mp4").notes.is_empty());
        }
        // At least one picture, however little was asked.
        assert!(video(&a_small_video()).len() > 12 * 386);
    }

    #[test]
    fn a_video_beyond_four_gigabytes_uses_a_long_size() {
        /// Counts, and keeps the beginning.
        struct Head(Vec<u8>, u64);
        impl Write for Head {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let room = 200_000_usize.saturating_sub(self.0.len()).min(bytes.len());
                self.0.extend_from_slice(&bytes[..room]);
                self.1 += bytes.len() as u64;
                // Generating all of it would take seconds; what matters is written by now.
                if self.0.len() < 200_000 { Ok(bytes.len()) } else { Err(io::ErrorKind::StorageFull.into()) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut head = Head(Vec::new(), 0);
        assert!(video_to(&VideoSpec { target_bytes: 5_000_000_000, ..a_video() }, &mut head).is_err());
        let mdat = head.0.windows(4).position(|kind| kind == b"mdat").unwrap();
        assert_eq!(head.0[mdat - 4..mdat], [0, 0, 0, 1]);
        let size = u64::from_be_bytes(*head.0[mdat + 4..].first_chunk().unwrap());
        assert_eq!(mdat as u64 - 4 + size, 5_000_000_000);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let small = PhotoSpec { width: 64, height: 48, ..a_photo() };
        assert_eq!(photo(&small), photo(&small));
        assert_ne!(photo(&small), photo(&PhotoSpec { seed: 8, ..small.clone() }));
        assert_eq!(video(&a_small_video()), video(&a_small_video()));
        assert_ne!(video(&a_small_video()), video(&VideoSpec { seed: 8, ..a_small_video() }));
    }

    #[test]
    fn odd_sizes_are_drawn_without_complaint() {
        for (width, height) in [(1, 1), (3, 500), (500, 3), (17, 33), (0, 0)] {
            let bytes = photo(&PhotoSpec { width, height, ..PhotoSpec::new(3) });
            assert!(thumbnail::make_from_bytes(&bytes, 64, None).is_ok(), "{width}x{height}");
            assert!(read_bytes(&screenshot(3, width, height), "image/png").is_readable());
        }
        for duration_ms in [0, 1, 199, 200, 201, 3_600_000, u32::MAX] {
            let bytes = video(&VideoSpec { duration_ms, ..a_small_video() });
            let duration = (duration_ms > 0 && duration_ms < u32::MAX).then_some(duration_ms.into());
            assert_eq!(read_bytes(&bytes, "video/mp4").duration_ms, duration, "{duration_ms}");
        }
    }

    /// Every prefix and a few hundred bit flips, mostly in the headers; the reader must survive all of them.
    fn torment(whole: &[u8], media_type: &str) {
        let head = whole.len().min(3_000);
        for length in (0..head).chain([whole.len() / 2, whole.len() - 1]) {
            let _ = read_bytes(&whole[..length], media_type);
        }
        let mut noise = Noise(1);
        for _ in 0..2_000 {
            let mut broken = whole[..head].to_vec();
            for _ in 0..=noise.below(6) {
                let at = noise.below(u32::try_from(head).unwrap()) as usize;
                broken[at] = noise.next().to_le_bytes()[0];
            }
            let facts = read_bytes(&broken, media_type);
            assert!(facts.device.is_none_or(|device| device.chars().count() <= 128));
            assert!(facts.orientation.is_none_or(|code| (1..=8).contains(&code)));
        }
    }

    #[test]
    fn broken_media_is_read_without_panic() {
        torment(&photo(&PhotoSpec { width: 32, height: 32, ..a_photo() }), "image/jpeg");
        torment(&video(&a_small_video()), "video/mp4");
        torment(&screenshot(7, 32, 32), "image/png");
    }

    /// Files of real cameras, where there are some (`TEST_MEDIA_DIR`).
    fn real_files() -> Vec<PathBuf> {
        let Some(folder) = std::env::var_os("TEST_MEDIA_DIR") else { return Vec::new() };
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|p| media_type(p).is_some())
            .collect();
        files.sort();
        files
    }

    fn media_type(path: &Path) -> Option<&'static str> {
        match path.extension()?.to_str()? {
            "jpg" => Some("image/jpeg"),
            "mp4" => Some("video/mp4"),
            _ => None,
        }
    }

    #[test]
    fn files_of_real_cameras_are_read_and_survive_damage() {
        for path in real_files() {
            let declared = media_type(&path).unwrap();
            let facts = read(&path, declared);
            assert!(facts.is_readable() && facts.width.is_some(), "{}: {facts:?}", path.display());
            assert!(!facts.notes.contains(&"media_type_differs".to_owned()));
            torment(&std::fs::read(&path).unwrap(), declared);
            let thumbnail = thumbnail::make_from_bytes(&std::fs::read(&path).unwrap(), 320, facts.orientation);
            assert_eq!(thumbnail.is_ok(), declared == "image/jpeg", "{}", path.display());
        }
    }
}
