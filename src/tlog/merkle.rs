//! The tree of RFC 6962 §2.1, and its proofs: pure arithmetic over hashes that somebody else keeps.
//!
//! Hashes are kept in tiles of 256 (C2SP tlog-tiles, height 8): tile `(level, idx)` holds the roots of the complete
//! subtrees of 256^level leaves from number `256·idx` on.

use crate::{
    error::{Code, Error, Result},
    identity::tokens::sha256,
};

/// A SHA-256.
pub type Hash = [u8; 32];

/// Hashes in a full tile.
pub const TILE: u64 = 256;

/// Where the tiles are kept.
pub trait Tiles {
    /// The hashes of a tile, as many as there are.
    ///
    /// # Errors
    /// Whatever keeps a tile from being read.
    fn tile(&mut self, level: u8, idx: u64) -> Result<Vec<Hash>>;
}

/// The hash of an inner node.
pub fn inner(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left.as_slice(), right].concat())
}

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Hash {
    hash(&[&[0], data].concat())
}

/// The root of the empty tree.
pub fn empty() -> Hash {
    hash(&[])
}

fn hash(bytes: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(&sha256(bytes));
    hash
}

/// The root of a complete subtree; `hashes` are a power of two.
pub fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            inner(&fold(left), &fold(right))
        }
    }
}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
/// As [`Tiles::tile`].
pub fn root(tiles: &mut impl Tiles, size: u64) -> Result<Hash> {
    if size == 0 { Ok(empty()) } else { range(tiles, 0, size) }
}

/// The hashes that lead from leaf `index` to the root of the first `size` leaves, nearest first.
///
/// # Errors
/// `parameter_invalid` for a leaf outside of the tree.
pub fn inclusion(tiles: &mut impl Tiles, index: u64, size: u64) -> Result<Vec<Hash>> {
    if index >= size {
        return Err(Code::ParameterInvalid.with("index: below the size"));
    }
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(range(tiles, middle, to)?);
            to = middle;
        } else {
            path.push(range(tiles, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show the first `old` leaves of a tree of `size` to be those of the tree of `old` (RFC 6962 §2.1.2).
///
/// # Errors
/// `parameter_invalid` unless 0 < `old` ≤ `size`.
pub fn consistency(tiles: &mut impl Tiles, old: u64, size: u64) -> Result<Vec<Hash>> {
    if old == 0 || old > size {
        return Err(Code::ParameterInvalid.with("from: 1 up to the size"));
    }
    let (mut from, mut to, mut whole, mut path) = (0, size, true, Vec::new());
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(range(tiles, middle, to)?);
            to = middle;
        } else {
            path.push(range(tiles, from, middle)?);
            (from, whole) = (middle, false);
        }
    }
    if !whole {
        path.push(range(tiles, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// The largest power of two below `n`; `n` is 2 or more.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The hash over leaves `from..to`, as the tree has it.
fn range(tiles: &mut impl Tiles, from: u64, to: u64) -> Result<Hash> {
    let n = to - from;
    if n.is_power_of_two() {
        return node(tiles, n.trailing_zeros(), from >> n.trailing_zeros());
    }
    let middle = from + split(n);
    Ok(inner(&range(tiles, from, middle)?, &range(tiles, middle, to)?))
}

/// The root of the `n`-th complete subtree of 2^`height` leaves.
fn node(tiles: &mut impl Tiles, height: u32, n: u64) -> Result<Hash> {
    let (level, inside) = ((height / 8) as u8, height % 8);
    let first = n << inside;
    let tile = tiles.tile(level, first / TILE)?;
    let from = usize::try_from(first % TILE).map_err(Error::internal)?;
    let hashes = tile.get(from..from + (1 << inside));
    Ok(fold(hashes.ok_or_else(|| Error::internal(format!("tile {level}/{} is too short", first / TILE)))?))
}

/// Whether a path leads from a leaf to a root (RFC 9162 §2.1.3.2).
pub fn included(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut here) = (index, size - 1, *leaf);
    for step in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            here = inner(step, &here);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            here = inner(&here, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && here == *root
}

/// Whether a path shows that the tree of `size` goes on from the tree of `old` (RFC 9162 §2.1.4.2).
pub fn consistent(old: u64, old_root: &Hash, size: u64, root: &Hash, path: &[Hash]) -> bool {
    if old == 0 || old > size {
        return false;
    }
    if old == size {
        return path.is_empty() && old_root == root;
    }
    let mut steps = path.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { steps.next() };
    let Some(first) = first else { return false };
    let (mut at, mut last) = (old - 1, size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut before, mut after) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            before = inner(step, &before);
            after = inner(step, &after);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            after = inner(&after, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && before == *old_root && after == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tokens::hex;

    /// All leaves in memory, tiles made on demand.
    struct Forest(Vec<Hash>);

    impl Tiles for Forest {
        fn tile(&mut self, level: u8, idx: u64) -> Result<Vec<Hash>> {
            let width = 256_usize.pow(u32::from(level));
            let roots = self.0.chunks_exact(width).map(fold);
            Ok(roots.skip(256 * usize::try_from(idx).unwrap()).take(256).collect())
        }
    }

    /// The definition of RFC 6962 §2.1, word for word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(usize::try_from(split(leaves.len() as u64)).unwrap());
                inner(&mth(left), &mth(right))
            }
        }
    }

    fn forest(n: u32) -> Forest {
        Forest((0..n).map(|i| leaf(&i.to_be_bytes())).collect())
    }

    #[test]
    fn the_tree_of_certificate_transparencys_eight_test_leaves_has_their_published_roots() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut forest = Forest(inputs.iter().map(|data| leaf(data)).collect());
        assert_eq!(hex(&empty()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (size, expected) in [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(hex(&root(&mut forest, size).unwrap()), expected);
        }
    }

    #[test]
    fn every_proof_of_a_small_tree_holds_and_fails_for_another_leaf_place_size_or_root() {
        let mut forest = forest(70);
        for size in 1..=70_u64 {
            let root = root(&mut forest, size).unwrap();
            assert_eq!(root, mth(&forest.0[..usize::try_from(size).unwrap()]));
            for index in 0..size {
                let (leaf, path) =
                    (forest.0[usize::try_from(index).unwrap()], inclusion(&mut forest, index, size).unwrap());
                assert!(included(&leaf, index, size, &path, &root), "{index} of {size}");
                assert!(!included(&empty(), index, size, &path, &root));
                assert!(!included(&leaf, index, size, &path, &empty()));
                assert!(!included(&leaf, index + size, size, &path, &root));
                if size > 1 {
                    assert!(!included(&leaf, (index + 1) % size, size, &path, &root));
                    assert!(!included(&leaf, index, size, &path[1..], &root));
                }
            }
            for old in 1..=size {
                let before = super::root(&mut forest, old).unwrap();
                let path = consistency(&mut forest, old, size).unwrap();
                assert!(consistent(old, &before, size, &root, &path), "{old} of {size}");
                if old < size {
                    assert!(!consistent(old, &empty(), size, &root, &path));
                    assert!(!consistent(old, &before, size, &empty(), &path));
                    assert!(!consistent(old, &before, size, &root, &path[1..]));
                }
            }
        }
    }

    #[test]
    fn proofs_hold_across_the_borders_of_tiles() {
        let mut forest = forest(65_537);
        for size in [256, 257, 65_536, 65_537] {
            let root = root(&mut forest, size).unwrap();
            for index in [0, 255, 256, 65_535, size - 1] {
                if index < size {
                    let path = inclusion(&mut forest, index, size).unwrap();
                    assert!(included(&forest.0[usize::try_from(index).unwrap()], index, size, &path, &root));
                }
            }
            let old = super::root(&mut forest, 200).unwrap();
            assert!(consistent(200, &old, size, &root, &consistency(&mut forest, 200, size).unwrap()));
        }
        assert!(inclusion(&mut forest, 5, 5).is_err() && consistency(&mut forest, 0, 5).is_err());
        assert!(!included(&empty(), 0, 0, &[], &empty()) && !consistent(0, &empty(), 0, &empty(), &[]));
    }
}
