//! Redactions: a new JPEG of nothing but pixels, those of the covered regions gone before it is encoded.
//!
//! Takes as much memory as a thumbnail of the same photo: the same limits hold.

pub(super) mod actions;
pub(super) mod routes;

use super::rules::{Pixels, Region, Style};
use crate::evidence::thumbnail::{self, ThumbnailError};
use image::{DynamicImage, Rgb, RgbImage, codecs::jpeg::JpegEncoder};

/// JPEG quality 0..=100; the picture is to be read by people who decide on it.
const QUALITY: u8 = 90;

/// The photo in `bytes`, upright, with the regions covered. `orientation` is the EXIF code 1..=8.
///
/// # Errors
/// As [`thumbnail::make_from_bytes`].
fn render(bytes: &[u8], orientation: Option<u8>, regions: &[Region], style: Style) -> Result<Vec<u8>, ThumbnailError> {
    let mut picture = thumbnail::upright(bytes, u32::MAX, orientation)?.into_rgb8();
    let (width, height) = picture.dimensions();
    for region in regions {
        cover(&mut picture, region.pixels(width, height), style);
    }
    let mut jpeg = Vec::new();
    // The encoder writes the pixels and their size, no block of the original's is carried over.
    DynamicImage::ImageRgb8(picture)
        .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY))
        .map_err(|error| ThumbnailError::Broken(error.to_string()))?;
    Ok(jpeg)
}

fn cover(picture: &mut RgbImage, region: Pixels, style: Style) {
    let (right, bottom) = (region.left + region.width, region.top + region.height);
    let edge = match style {
        Style::Black => region.width.max(region.height),
        Style::Mosaic => region.block(),
    };
    for top in (region.top..bottom).step_by(edge as usize) {
        for left in (region.left..right).step_by(edge as usize) {
            let (columns, rows) = (left..right.min(left + edge), top..bottom.min(top + edge));
            let colour = match style {
                Style::Black => Rgb([0; 3]),
                Style::Mosaic => mean(picture, columns.clone(), rows.clone()),
            };
            for y in rows {
                for x in columns.clone() {
                    picture.put_pixel(x, y, colour);
                }
            }
        }
    }
}

fn mean(picture: &RgbImage, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> Rgb<u8> {
    let (mut sums, mut count) = ([0_u64; 3], 0_u64);
    for y in rows {
        for x in columns.clone() {
            for (sum, channel) in sums.iter_mut().zip(picture.get_pixel(x, y).0) {
                *sum += u64::from(channel);
            }
            count += 1;
        }
    }
    Rgb(sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageFormat;
    use std::io::Cursor;

    /// Stripes of one pixel, black and white: any detail that is left shows.
    fn stripes(width: u32, height: u32) -> Vec<u8> {
        let picture = RgbImage::from_fn(width, height, |x, _| Rgb([if x % 2 == 0 { 0 } else { 255 }; 3]));
        let mut bytes = Vec::new();
        DynamicImage::ImageRgb8(picture).write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        bytes
    }

    fn redacted(bytes: &[u8], region: Region, style: Style) -> RgbImage {
        let jpeg = render(bytes, None, &[region], style).unwrap();
        image::load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).unwrap().to_rgb8()
    }

    #[test]
    fn nothing_of_a_covered_region_is_left_and_all_of_the_rest() {
        let (bytes, region) = (stripes(200, 100), Region { x: 250, y: 200, w: 500, h: 600 });
        for style in Style::ALL {
            let picture = redacted(&bytes, region, *style);
            assert_eq!((picture.width(), picture.height()), (200, 100));
            // JPEG smears over its own blocks of 8: look where none of them is cut.
            for x in 64..136 {
                let inside = picture.get_pixel(x, 50).0[0];
                let expected = if *style == Style::Black { 0_u8 } else { 127 };
                assert!(inside.abs_diff(expected) < 12, "{style}: {inside} at {x}");
            }
            let outside: Vec<u8> = (0..40).map(|x| picture.get_pixel(x, 50).0[0]).collect();
            assert!(outside.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 150), "{style}: {outside:?}");
        }
    }

    #[test]
    fn a_region_is_one_of_the_upright_picture() {
        // Stored lying: what is the left edge upright is the bottom of what is stored.
        let stored = stripes(100, 200);
        let region = Region { x: 0, y: 0, w: 500, h: 1000 };
        let jpeg = render(&stored, Some(6), &[region], Style::Black).unwrap();
        let picture = image::load_from_memory(&jpeg).unwrap().to_rgb8();
        assert_eq!((picture.width(), picture.height()), (200, 100));
        assert!((0..96).all(|x| (0..100).all(|y| picture.get_pixel(x, y).0[0] < 12)));
        assert!((0..99).all(|y| picture.get_pixel(150, y).0[0].abs_diff(picture.get_pixel(150, y + 1).0[0]) > 150));
    }

    #[test]
    fn what_is_no_photo_is_refused() {
        let region = [Region { x: 0, y: 0, w: 1, h: 1 }];
        for bytes in [&b"film"[..], b"", b"\xFF\xD8\xFF"] {
            assert!(render(bytes, None, &region, Style::Black).is_err());
        }
    }
}
