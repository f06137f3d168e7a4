//! The perceptual hashes of a photo: pictures that look alike have hashes that differ in few bits.
//!
//! A photo is hashed upright, without the strip at its lower edge where cameras burn in their stamp, whole and with a
//! margin cut off all around: whoever passes a photo off as another one crops the stamp away, and a crop of 3 % per side
//! already changes the hash of the whole beyond recognition. Brightness, compression and size hardly change a gradient
//! hash, for it holds only whether each point is darker than its neighbour.
//!
//! Distances measured: see `how_far_apart_pictures_are` below.

use super::super::thumbnail::{self, ThumbnailError};
use image::DynamicImage;
use image_hasher::{HashAlg, Hasher, HasherConfig};

/// What is cut off each side before hashing, percent of that side's length; the first is the whole picture.
pub const CROPS: [u32; 6] = [0, 2, 4, 6, 8, 10];

/// How much of the height is cut off at the lower edge, percent: the stamp of handhelds and cameras lies there.
pub const STAMP: u32 = 12;

/// The longer side to which a photo is shrunk first, pixels; 2 % of it are still ten.
const EDGE: u32 = 512;

/// The sides to which what is left is shrunk before it is hashed, pixels: means over areas are steadier than points.
const AREAS: u32 = 64;

/// 256 bits: does each of 16 × 16 points differ from its right neighbour upwards?
pub type Fine = [u64; 4];

/// The same of 8 × 8 points, to look through many photos quickly.
pub type Coarse = u64;

/// How one picture looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash {
    /// To tell apart.
    pub fine: Fine,
    /// To look through.
    pub coarse: Coarse,
}

/// The hashes of a photo, one for each of [`CROPS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// As it is.
    pub plain: [Hash; CROPS.len()],
    /// Left and right exchanged.
    pub mirrored: [Hash; CROPS.len()],
}

/// The hashes of the JPEG or PNG `bytes`; `orientation` is its EXIF code. Decoding takes 60 ms for 12 megapixels and up
/// to 600 MiB for a moment, hashing 10 ms: call it where blocking is allowed, with few others at the same time.
///
/// # Errors
/// When no picture can be read from the bytes.
pub fn of(bytes: &[u8], orientation: Option<u8>) -> Result<Hashes, ThumbnailError> {
    let picture = thumbnail::upright(bytes, EDGE, orientation)?.grayscale();
    let hashers = [16, 8].map(|side| HasherConfig::new().hash_size(side, side).hash_alg(HashAlg::Gradient).to_hasher());
    let [fine, coarse] = &hashers;
    let plain = CROPS.map(|percent| shown(&picture, percent));
    Ok(Hashes {
        mirrored: plain.each_ref().map(|picture| hash(&picture.fliph(), fine, coarse)),
        plain: plain.each_ref().map(|picture| hash(picture, fine, coarse)),
    })
}

/// The picture without its margin and the place of the stamp.
fn shown(picture: &DynamicImage, percent: u32) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let (left, top) = (width * percent / 100, height * percent / 100);
    let (width, height) = ((width - 2 * left).max(1), (height - 2 * top).max(1));
    picture.crop_imm(left, top, width, (height - height * STAMP / 100).max(1)).thumbnail_exact(AREAS, AREAS)
}

fn hash(picture: &DynamicImage, fine: &Hasher, coarse: &Hasher) -> Hash {
    let words = |hasher: &Hasher| -> Vec<u64> {
        let hash = hasher.hash_image(picture);
        let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash.as_bytes().chunks(8).map(word).collect()
    };
    let (fine, coarse) = (words(fine), words(coarse));
    Hash {
        fine: std::array::from_fn(|n| fine.get(n).copied().unwrap_or_default()),
        coarse: coarse.first().copied().unwrap_or_default(),
    }
}

/// In how many of 256 bits two hashes differ.
#[must_use]
pub fn distance(a: &Fine, b: &Fine) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::rules::{SAME, difference};
    use super::*;
    use crate::sim::media::{PhotoSpec, photo};
    use image::codecs::jpeg::JpegEncoder;
    use image::{Rgb, imageops::FilterType};

    fn saved(picture: &DynamicImage, quality: u8) -> Vec<u8> {
        let mut jpeg = Vec::new();
        picture.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, quality)).unwrap();
        jpeg
    }

    fn cropped(picture: &DynamicImage, percent: u32) -> DynamicImage {
        let (left, top) = (picture.width() * percent / 100, picture.height() * percent / 100);
        picture.crop_imm(left, top, picture.width() - 2 * left, picture.height() - 2 * top)
    }

    fn stamped(picture: &DynamicImage) -> DynamicImage {
        let mut picture = picture.to_rgb8();
        let (width, height) = picture.dimensions();
        for (x, y) in
            (height * 89 / 100..height * 99 / 100).flat_map(|y| (width / 50..width * 62 / 100).map(move |x| (x, y)))
        {
            picture.put_pixel(x, y, Rgb([0, 0, 0]));
        }
        DynamicImage::ImageRgb8(picture)
    }

    /// The least distance whatever the coarse hashes say.
    fn least(new: &Hashes, kept: &Hashes) -> u32 {
        let whole = kept.plain.iter().flat_map(|b| [(&new.plain[0], b), (&new.mirrored[0], b)]);
        let cropped = new.plain[1..].iter().chain(&new.mirrored[1..]).map(|a| (a, &kept.plain[0]));
        whole.chain(cropped).map(|(a, b)| distance(&a.fine, &b.fine)).min().unwrap()
    }

    /// Files of real cameras beside the generated streets, where there are some.
    fn pictures() -> Vec<Vec<u8>> {
        let street = |seed| photo(&PhotoSpec { width: 480, height: 360, ..PhotoSpec::new(seed) });
        let folder = std::env::var_os("TEST_MEDIA_DIR").map(std::path::PathBuf::from);
        let files = folder.into_iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let photos =
            files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "jpg"));
        (0..24).map(street).chain(photos.map(|path| std::fs::read(path).unwrap())).collect()
    }

    type Change = fn(&DynamicImage) -> Vec<u8>;

    #[test]
    fn how_far_apart_pictures_are() {
        let originals = pictures();
        let hashes: Vec<Hashes> = originals.iter().map(|bytes| of(bytes, None).unwrap()).collect();
        let changes: [(&str, Change); 11] = [
            ("quality 50", |p| saved(p, 50)),
            ("half the size", |p| saved(&p.resize(p.width() / 2, p.height() / 2, FilterType::Triangle), 80)),
            ("brighter by 25", |p| saved(&p.brighten(25), 80)),
            ("stamped", |p| saved(&stamped(p), 80)),
            ("cropped by 3 %", |p| saved(&cropped(p, 3), 80)),
            ("cropped by 5 %", |p| saved(&cropped(p, 5), 80)),
            ("cropped by 8 %", |p| saved(&cropped(p, 8), 80)),
            ("cropped by 10 %", |p| saved(&cropped(p, 10), 80)),
            ("mirrored", |p| saved(&p.fliph(), 80)),
            ("mirrored, cropped by 5 %, quality 50", |p| saved(&cropped(&p.fliph(), 5), 50)),
            ("cropped by 6 % and stamped", |p| saved(&stamped(&cropped(p, 6)), 80)),
        ];
        for (name, change) in changes {
            let mut found = Vec::new();
            for (bytes, kept) in originals.iter().zip(&hashes) {
                let again = of(&change(&image::load_from_memory(bytes).unwrap()), None).unwrap();
                assert!(difference(&again, &kept.plain).is_some(), "{name}: {} bits", least(&again, kept));
                found.push(least(&again, kept));
            }
            report(name, found);
        }
        let mut found = Vec::new();
        for (n, new) in hashes.iter().enumerate() {
            for kept in &hashes[..n] {
                assert_eq!(difference(new, &kept.plain), None);
                found.push(least(new, kept));
            }
        }
        assert!(found.iter().all(|bits| *bits > SAME));
        report("another picture", found);
    }

    /// `HASH_REPORT=1` with `--nocapture` shows the figures.
    fn report(name: &str, mut found: Vec<u32>) {
        found.sort_unstable();
        if std::env::var_os("HASH_REPORT").is_some() {
            eprintln!("{name}: least {}, median {}, most {}", found[0], found[found.len() / 2], found[found.len() - 1]);
        }
    }

    #[test]
    fn a_picture_of_any_shape_has_hashes() {
        for (width, height) in [(1, 1), (3, 500), (500, 3), (17, 33)] {
            assert!(
                of(&photo(&PhotoSpec { width, height, ..PhotoSpec::new(3) }), Some(6)).is_ok(),
                "{width} x {height}"
            );
        }
        assert!(of(b"no picture", None).is_err());
    }

    #[test]
    fn a_turned_photo_has_the_hashes_of_the_upright_one() {
        let spec = PhotoSpec { width: 480, height: 360, ..PhotoSpec::new(3) };
        let upright = of(&photo(&spec), Some(1)).unwrap();
        let turned = of(&photo(&PhotoSpec { orientation: 6, ..spec }), Some(6)).unwrap();
        assert!(difference(&turned, &upright.plain).is_some_and(|bits| bits < 8));
    }
}
