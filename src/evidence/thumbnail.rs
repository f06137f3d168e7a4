//! Small upright JPEGs of photos, for lists and maps. A derivative: the original's bytes are never touched.
//!
//! Invariants:
//! - The picture stands upright for all eight orientations (`every_orientation_comes_out_upright`).
//! - A file cannot make the server take more than about 600 MiB, however large the picture it claims
//!   (`a_picture_that_claims_to_be_huge_is_refused`).
//! - Broken bytes give an error or a partly grey picture, never a panic (`a_broken_photo_is_an_error_or_a_picture`).

use std::io::{self, BufReader, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use super::media::jpeg_frame;

/// The longest file that is decoded; image's JPEG decoder reads it into memory whole. 50-megapixel phones write 20 MB.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Pixels on one side.
const MAX_SIDE: u32 = 20_000;

/// Pixels in all.
const MAX_PIXELS: u64 = 100_000_000;

/// Pixels of a JPEG in several passes: its decoder keeps 2 bytes of coefficient for each sample, outside `image`'s
/// accounting.
const MAX_PROGRESSIVE_PIXELS: u64 = 50_000_000;

/// What the decoded pixels may take.
const MAX_DECODED_BYTES: u64 = 256 * 1024 * 1024;

/// JPEG quality 0..=100; below this text on shop signs blurs at list size.
const QUALITY: u8 = 80;

/// Why there is no thumbnail.
#[derive(Debug, thiserror::Error)]
pub enum ThumbnailError {
    #[error("cannot read the file")]
    Io(#[from] io::Error),
    #[error("neither JPEG nor PNG")]
    Unsupported,
    #[error("larger than a thumbnail is made of: {0}")]
    TooLarge(String),
    #[error("the picture is broken: {0}")]
    Broken(String),
}

/// Makes a thumbnail of the JPEG or PNG that `source` holds: JPEG bytes, upright, the longer side at most `max_edge` pixels
/// (1 or more); a smaller picture keeps its size. Transparent parts become white.
///
/// `orientation` is the EXIF code 1..=8 from [`super::media::Facts::orientation`]; anything else counts as 1.
/// Decoding takes 60 ms for 12 megapixels: call it where blocking is allowed.
///
/// # Errors
/// Any [`ThumbnailError`]; only `Io` is worth a second try.
pub fn make(source: &mut impl Read, max_edge: u32, orientation: Option<u8>) -> Result<Vec<u8>, ThumbnailError> {
    let mut bytes = Vec::new();
    source.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    make_from_bytes(&bytes, max_edge, orientation)
}

/// [`make`] of a file already in memory.
///
/// # Errors
/// As [`make`], without `Io`.
pub fn make_from_bytes(bytes: &[u8], max_edge: u32, orientation: Option<u8>) -> Result<Vec<u8>, ThumbnailError> {
    let mut jpeg = Vec::new();
    let small = upright(bytes, max_edge, orientation)?;
    small.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY)).map_err(broken)?;
    Ok(jpeg)
}

/// The picture of a JPEG or PNG as 8-bit RGB, upright and small as in [`make`].
///
/// # Errors
/// As [`make`], without `Io`.
pub(super) fn upright(bytes: &[u8], max_edge: u32, orientation: Option<u8>) -> Result<DynamicImage, ThumbnailError> {
    // The decoders are meant not to panic and are fuzzed for it; a photo that proves otherwise must not end a worker.
    catch_unwind(AssertUnwindSafe(|| shrink(bytes, max_edge.max(1), orientation)))
        .unwrap_or_else(|_| Err(ThumbnailError::Broken("the decoder panicked".to_owned())))
}

fn shrink(bytes: &[u8], max_edge: u32, orientation: Option<u8>) -> Result<DynamicImage, ThumbnailError> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ThumbnailError::TooLarge(format!("more than {MAX_FILE_BYTES} bytes")));
    }
    let whole = decode(bytes)?;
    let mut small =
        if whole.width().max(whole.height()) > max_edge { whole.thumbnail(max_edge, max_edge) } else { whole };
    // Turning after shrinking moves fifty times fewer pixels.
    small.apply_orientation(orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms));
    Ok(on_white(&small))
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, ThumbnailError> {
    let format = image::guess_format(bytes).map_err(|_| ThumbnailError::Unsupported)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
        return Err(ThumbnailError::Unsupported);
    }
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::with_format(BufReader::new(Cursor::new(bytes)), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(broken)?;

    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let progressive = format == ImageFormat::Jpeg && jpeg_frame(&mut Cursor::new(bytes)).is_none_or(|f| f.progressive);
    if pixels > MAX_PIXELS
        || (progressive && pixels > MAX_PROGRESSIVE_PIXELS)
        || decoder.total_bytes() > MAX_DECODED_BYTES
    {
        return Err(ThumbnailError::TooLarge(format!("{width} x {height} pixels")));
    }
    DynamicImage::from_decoder(decoder).map_err(broken)
}

fn broken(error: ImageError) -> ThumbnailError {
    match error {
        ImageError::Limits(limit) => ThumbnailError::TooLarge(limit.to_string()),
        ImageError::Unsupported(_) => ThumbnailError::Unsupported,
        other => ThumbnailError::Broken(other.to_string()),
    }
}

/// JPEG has no transparency, and dropping the alpha channel would show whatever colour lies hidden under it.
fn on_white(image: &DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return DynamicImage::ImageRgb8(image.to_rgb8());
    }
    let rgba = image.to_rgba8();
    DynamicImage::ImageRgb8(RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [red, green, blue, alpha] = rgba.get_pixel(x, y).0;
        let blend = |channel: u8| {
            let mixed = u16::from(channel) * u16::from(alpha) + 255 * (255 - u16::from(alpha));
            // At most 255: a mean of two bytes.
            u8::try_from(mixed / 255).unwrap_or(u8::MAX)
        };
        Rgb([blend(red), blend(green), blend(blue)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgba;
    use std::fs::File;

    /// Upright 96x64: red top left, green top right, blue bottom left, white bottom right.
    fn quarters() -> DynamicImage {
        DynamicImage::ImageRgb8(RgbImage::from_fn(96, 64, |x, y| match (x < 48, y < 32) {
            (true, true) => Rgb([255, 0, 0]),
            (false, true) => Rgb([0, 255, 0]),
            (true, false) => Rgb([0, 0, 255]),
            (false, false) => Rgb([255, 255, 255]),
        }))
    }

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn assert_upright(thumbnail: &[u8], width: u32, height: u32, what: &str) {
        let got = image::load_from_memory_with_format(thumbnail, ImageFormat::Jpeg).unwrap().to_rgb8();
        assert_eq!((got.width(), got.height()), (width, height), "{what}");
        for (x, y, want) in [(1, 1, [255, 0, 0]), (3, 1, [0, 255, 0]), (1, 3, [0, 0, 255]), (3, 3, [255, 255, 255])] {
            let pixel = got.get_pixel(width * x / 4, height * y / 4).0;
            let near = pixel.iter().zip(want).all(|(got, want)| got.abs_diff(want) < 40);
            assert!(near, "{what}: {pixel:?} at {x},{y} quarters, want {want:?}");
        }
    }

    #[test]
    fn every_orientation_comes_out_upright() {
        for code in 1..=8_u8 {
            // A camera held so stores the picture turned the other way.
            let inverse = match code {
                6 => 8,
                8 => 6,
                own_inverse => own_inverse,
            };
            let mut stored = quarters();
            stored.apply_orientation(Orientation::from_exif(inverse).unwrap());
            let jpeg = encoded(&stored, ImageFormat::Jpeg);
            assert_upright(&make_from_bytes(&jpeg, 48, Some(code)).unwrap(), 48, 32, &format!("orientation {code}"));
        }
        let jpeg = encoded(&quarters(), ImageFormat::Jpeg);
        for nonsense in [None, Some(0), Some(9), Some(255)] {
            assert_upright(&make_from_bytes(&jpeg, 48, nonsense).unwrap(), 48, 32, "no orientation");
        }
    }

    #[test]
    fn a_small_picture_keeps_its_size() {
        let png = encoded(&quarters(), ImageFormat::Png);
        assert_upright(&make_from_bytes(&png, 320, None).unwrap(), 96, 64, "png");
    }

    #[test]
    fn a_sliver_does_not_vanish() {
        let sliver = encoded(&DynamicImage::ImageRgb8(RgbImage::new(2_000, 1)), ImageFormat::Png);
        let thumbnail = make_from_bytes(&sliver, 100, Some(6)).unwrap();
        let got = image::load_from_memory(&thumbnail).unwrap();
        assert_eq!((got.width(), got.height()), (1, 100));
        assert!(make_from_bytes(&sliver, 0, None).is_ok());
    }

    #[test]
    fn transparent_parts_become_white() {
        let clear = image::RgbaImage::from_pixel(16, 16, Rgba([255, 0, 0, 0]));
        let thumbnail =
            make_from_bytes(&encoded(&DynamicImage::ImageRgba8(clear), ImageFormat::Png), 16, None).unwrap();
        assert!(image::load_from_memory(&thumbnail).unwrap().to_rgb8().pixels().all(|p| p.0.iter().all(|c| *c > 250)));
    }

    /// A PNG whose header claims a size that its few bytes of pixels do not have.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut png = encoded(&DynamicImage::ImageRgb8(RgbImage::new(1, 1)), ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        png
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn a_picture_that_claims_to_be_huge_is_refused() {
        for (width, height) in [(60_000, 60_000), (20_001, 1), (1, 20_001), (10_100, 10_100), (10_000, 9_900)] {
            let refused = make_from_bytes(&claiming(width, height), 320, None);
            assert!(matches!(refused, Err(ThumbnailError::TooLarge(_))), "{width}x{height}: {refused:?}");
        }
        // A JPEG can claim 65 535 squared in eleven bytes.
        let mut jpeg = encoded(&quarters(), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        jpeg[frame + 5..frame + 9].fill(0xFF);
        let refused = make_from_bytes(&jpeg, 320, None);
        assert!(matches!(refused, Err(ThumbnailError::TooLarge(_))), "{refused:?}");
    }

    #[test]
    fn other_formats_are_refused() {
        for bytes in [&b""[..], b"GIF89a\x01\0\x01\0", b"\0\0\0\x18ftypmp42\0\0\0\0", b"plain text"] {
            assert!(matches!(make_from_bytes(bytes, 320, None), Err(ThumbnailError::Unsupported)), "{bytes:?}");
        }
        let folder = &mut File::open(std::env::temp_dir()).unwrap();
        assert!(matches!(make(folder, 320, None), Err(ThumbnailError::Io(_))));
    }

    #[test]
    fn a_broken_photo_is_an_error_or_a_picture() {
        let mut noise = 1_u32;
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = encoded(&quarters(), format);
            for length in 0..whole.len() {
                let _ = make_from_bytes(&whole[..length], 32, Some(6));
            }
            for _ in 0..500 {
                let mut flipped = whole.clone();
                for _ in 0..4 {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = (noise >> 8) as usize % flipped.len();
                    flipped[at] ^= noise.to_be_bytes()[0] | 1;
                }
                let _ = make_from_bytes(&flipped, 32, Some(6));
            }
        }
    }
}
