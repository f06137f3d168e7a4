//! The coarse hashes of all photos in memory: 56 bytes a photo, looked through from one end to the other for each new
//! one. A tree would look at nearly all of them too, for hashes of one picture differ in too many bits.

use super::{
    hash::{CROPS, Coarse, Hashes},
    rules::may_be_same,
};

/// The index of one process.
#[derive(Debug, Default)]
pub struct Index {
    photos: Vec<(i64, [Coarse; CROPS.len()])>,
}

impl Index {
    /// Up to which number it knows all photos.
    #[must_use]
    pub fn known(&self) -> i64 {
        self.photos.last().map_or(0, |(seq, _)| *seq)
    }

    /// Adds the next photo. Numbers rise.
    pub fn add(&mut self, seq: i64, coarse: [Coarse; CROPS.len()]) {
        debug_assert!(seq > self.known());
        self.photos.push((seq, coarse));
    }

    /// The numbers of those that may show the same picture.
    #[must_use]
    pub fn near(&self, new: &Hashes) -> Vec<i64> {
        self.photos.iter().filter(|(_, coarse)| may_be_same(new, coarse)).map(|(seq, _)| *seq).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::Hash;
    use super::*;
    use std::time::{Duration, Instant};

    fn noise(n: u64) -> u64 {
        let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^ (z >> 27)
    }

    #[test]
    fn a_hundred_thousand_photos_are_looked_through_at_once() {
        let mut index = Index::default();
        for seq in 1..=100_000_i64 {
            let of = noise(seq.unsigned_abs());
            index.add(seq, std::array::from_fn(|n| of.rotate_left(u32::try_from(n).unwrap())));
        }
        let hash = |coarse| Hash { fine: [coarse; 4], coarse };
        let plain = std::array::from_fn(|n| hash(noise(77_777).rotate_left(u32::try_from(n).unwrap()) ^ 0b111));
        let new = Hashes { plain, mirrored: [hash(noise(0)); CROPS.len()] };
        let begun = Instant::now();
        assert_eq!(index.near(&new), [77_777]);
        let took = begun.elapsed();
        if std::env::var_os("HASH_REPORT").is_some() {
            eprintln!("100,000 photos in {took:?}");
        }
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!((index.known(), index.near(&Hashes { plain: [hash(noise(0)); 6], ..new })), (100_000, vec![]));
    }
}
