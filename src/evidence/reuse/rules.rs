//! When two pictures count as the same, and what that means for the records they were handed in for. Pure.

use super::hash::{Coarse, Fine, Hash, Hashes, distance};
use crate::{
    db::types::{At, EvidenceId},
    identity::rules::text_enum,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Bits of 256 by which two hashes of one picture may differ. Measured by `hash`'s own test: the same picture saved anew,
/// smaller, brighter, stamped, mirrored or cropped differs by at most 36, two different streets by at least 77.
pub const SAME: u32 = 40;
/// Bits of 64, for the first look through all photos: those of one picture differ by less.
pub const SAME_COARSE: u32 = 10;
/// Of 256 bits fewer set or fewer unset: the picture is one even surface, a finger on the lens or the night, and says
/// nothing.
const FEATURES: u32 = 16;
/// Pictures that one photo is reported to equal, the nearest first. More say no more.
pub const AT_MOST: usize = 50;

text_enum! {
    /// What is suspected.
    Class {
        /// The same file was handed in for another record, or by another handheld.
        ExactReuse = "exact_reuse",
        /// The same picture, as another file, was handed in for another record.
        NearReuse = "near_reuse",
        /// 处置前后同图: a case's photo of after shows the picture of before.
        BeforeAfterSame = "before_after_same",
    }
}

text_enum! {
    /// What a person found.
    Finding {
        /// A photo was used again where a new one was due.
        Reuse = "reuse",
        /// There is a good reason for it, or the pictures only look alike.
        Legitimate = "legitimate",
    }
}

/// The role of a photo that shows the place before it was put in order.
pub const BEFORE: &str = "before";
/// The role of a photo that shows it put in order.
pub const AFTER: &str = "after";

/// Why a case can't be closed for its photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A photo of before or after is not compared yet; it will be in a moment.
    Uncompared,
    /// Before and after may be the same picture; a person must decide.
    Undecided,
    /// They are, a person found; a new photo of after is needed.
    Reused,
}

impl Doubt {
    /// The word in the detail of a problem.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uncompared => "uncompared",
            Self::Undecided => "undecided",
            Self::Reused => "reused",
        }
    }
}

/// The hashes of a photo that are kept, one for each crop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The photo.
    pub evidence: EvidenceId,
    /// Whole, then cropped.
    pub hashes: Vec<Hash>,
}

/// Whether a new photo and a kept one may be the same picture, by the coarse hashes alone.
#[must_use]
pub fn may_be_same(new: &Hashes, kept: &[Coarse]) -> bool {
    let near = |a: &Hash, b: &Coarse| (a.coarse ^ b).count_ones() <= SAME_COARSE;
    pairs(new, kept).any(|(a, b)| near(a, b))
}

/// How far apart two pictures are, bits of 256: the least of the whole or mirrored picture against each crop of the
/// other. `None` when they are different pictures.
#[must_use]
pub fn difference(new: &Hashes, kept: &[Hash]) -> Option<u32> {
    let near = |(a, b): &(&Hash, &Hash)| (a.coarse ^ b.coarse).count_ones() <= SAME_COARSE;
    let least = pairs(new, kept).filter(near).map(|(a, b)| distance(&a.fine, &b.fine)).min()?;
    (least <= SAME && has_features(&new.plain[0].fine)).then_some(least)
}

/// A crop of a crop would be a smaller crop: only pairs with one whole picture are compared.
fn pairs<'a, T>(new: &'a Hashes, kept: &'a [T]) -> impl Iterator<Item = (&'a Hash, &'a T)> {
    let whole = kept.iter().flat_map(|b| [(&new.plain[0], b), (&new.mirrored[0], b)]);
    let cropped = new.plain[1..].iter().chain(&new.mirrored[1..]);
    whole.chain(kept.first().into_iter().flat_map(move |b| cropped.clone().map(move |a| (a, b))))
}

fn has_features(fine: &Fine) -> bool {
    let set: u32 = fine.iter().map(|word| word.count_ones()).sum();
    (FEATURES..=256 - FEATURES).contains(&set)
}

/// Where a photo was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The photo.
    pub evidence: EvidenceId,
    /// The kind of the record.
    pub kind: String,
    /// The record's id.
    pub target: String,
    /// What it shows there.
    pub role: String,
    /// When.
    pub at: At,
}

/// A suspicion: a photo for a record, and the earlier one it equals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// What is suspected.
    pub class: Class,
    /// Bits of 256.
    pub distance: i32,
    /// The later use; of before and after, after.
    pub later: Use,
    /// The earlier use.
    pub earlier: Use,
}

/// What is suspected of a photo's uses, given all uses of it and of the pictures that look the same, with how far each of
/// those is from it (0 for itself).
#[must_use]
pub fn suspicions(own: EvidenceId, uses: &[Use], distances: &HashMap<EvidenceId, i32>) -> Vec<Suspicion> {
    let (mut same, mut reused, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    for mine in uses.iter().filter(|of| of.evidence == own) {
        for other in uses {
            let Some(distance) = distances.get(&other.evidence).copied() else { continue };
            let one_record = (&mine.kind, &mine.target) == (&other.kind, &other.target);
            let (class, later, earlier) = match (one_record, mine.role.as_str(), other.role.as_str()) {
                (true, AFTER, BEFORE) => (Class::BeforeAfterSame, mine, other),
                (true, BEFORE, AFTER) => (Class::BeforeAfterSame, other, mine),
                (true, ..) => continue,
                (false, ..) => {
                    let class = if other.evidence == own { Class::ExactReuse } else { Class::NearReuse };
                    let order = |of: &Use| (of.at, of.evidence);
                    if order(other) <= order(mine) { (class, mine, other) } else { (class, other, mine) }
                }
            };
            let place = |of: &Use| (of.evidence, of.kind.clone(), of.target.clone());
            let mut pair = [place(later), place(earlier)];
            pair.sort_unstable();
            if known.insert(pair) {
                let found = Suspicion { class, distance, later: later.clone(), earlier: earlier.clone() };
                if one_record { same.push(found) } else { reused.push(found) }
            }
        }
    }
    reused.truncate(AT_MOST);
    same.extend(reused);
    same
}

/// A match of before and after in a case, as far as closing cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The photo of after.
    pub after: EvidenceId,
    /// What a person found, and when.
    pub finding: Option<(Finding, At)>,
}

/// Whether a case may be closed, given its photos of after, each with the moment it was handed in, and what was found
/// about before and after. `uncompared`: a stored photo of either is not hashed yet.
#[must_use]
pub fn doubt(uncompared: bool, afters: &[(EvidenceId, At)], verdicts: &[Verdict]) -> Option<Doubt> {
    if verdicts.iter().any(|verdict| verdict.finding.is_none()) {
        return Some(Doubt::Undecided);
    }
    if uncompared {
        return Some(Doubt::Uncompared);
    }
    let reused = |verdict: &Verdict| match verdict.finding {
        Some((Finding::Reuse, at)) => Some((verdict.after, at)),
        _ => None,
    };
    let refused: HashMap<EvidenceId, At> = verdicts.iter().filter_map(reused).collect();
    let last = refused.values().max()?;
    let replaced = afters.iter().any(|(photo, at)| at > last && !refused.contains_key(photo));
    (!replaced).then_some(Doubt::Reused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use uuid::Uuid;

    fn photo(n: u128) -> EvidenceId {
        EvidenceId(Uuid::from_u128(n))
    }

    fn at(second: i64) -> At {
        At(DateTime::from_timestamp(second, 0).unwrap())
    }

    fn used(n: u128, target: &str, role: &str, second: i64) -> Use {
        Use { evidence: photo(n), kind: "case".into(), target: target.into(), role: role.into(), at: at(second) }
    }

    fn found(uses: &[Use]) -> Vec<(Class, String, u128, u128)> {
        let distances = HashMap::from([(photo(1), 0), (photo(2), 7)]);
        let of = |s: Suspicion| (s.class, s.later.target, s.later.evidence.0.as_u128(), s.earlier.evidence.0.as_u128());
        suspicions(photo(1), uses, &distances).into_iter().map(of).collect()
    }

    #[test]
    fn the_record_and_the_role_tell_what_the_same_picture_means() {
        let near = found(&[used(1, "b", "scene", 5), used(2, "a", "scene", 9)]);
        assert_eq!(near, [(Class::NearReuse, "a".into(), 2, 1)], "the later use is the suspected one");
        assert_eq!(
            found(&[used(1, "a", "scene", 1), used(1, "b", "scene", 2)]),
            [(Class::ExactReuse, "b".into(), 1, 1)]
        );
        for (mine, other) in [("after", "before"), ("before", "after")] {
            let same = found(&[used(1, "a", mine, 1), used(2, "a", other, 2)]);
            let after = if mine == "after" { (1, 2) } else { (2, 1) };
            assert_eq!(same, [(Class::BeforeAfterSame, "a".into(), after.0, after.1)]);
        }
        assert_eq!(
            found(&[used(1, "a", "before", 1), used(1, "a", "after", 2)]),
            [(Class::BeforeAfterSame, "a".into(), 1, 1)]
        );
        assert_eq!(found(&[used(1, "a", "scene", 1), used(2, "a", "after", 2)]), []);
        assert_eq!(found(&[used(1, "a", "scene", 1), used(3, "b", "scene", 2)]), [], "another picture");
    }

    #[test]
    fn one_photo_is_never_reported_without_end_and_its_own_case_comes_first() {
        let mut uses: Vec<Use> = (0..200).map(|n| used(1, &format!("case {n}"), "before", n)).collect();
        uses.push(used(2, "case 150", "after", 500));
        let found = found(&uses);
        assert_eq!((found.len(), found[0].0), (AT_MOST + 1, Class::BeforeAfterSame));
    }

    #[test]
    fn a_case_is_closed_when_nothing_is_open_and_a_new_photo_replaced_what_was_used_again() {
        let verdict = |n, finding: Option<Finding>, second| Verdict {
            after: photo(n),
            finding: finding.map(|f| (f, at(second))),
        };
        let afters = [(photo(1), at(10)), (photo(2), at(30))];
        assert_eq!(doubt(false, &afters, &[]), None);
        assert_eq!(doubt(true, &afters, &[]), Some(Doubt::Uncompared));
        assert_eq!(doubt(true, &afters, &[verdict(1, None, 0)]), Some(Doubt::Undecided));
        assert_eq!(doubt(false, &afters, &[verdict(1, Some(Finding::Legitimate), 20)]), None);
        assert_eq!(doubt(false, &afters, &[verdict(1, Some(Finding::Reuse), 20)]), None);
        assert_eq!(
            doubt(false, &afters, &[verdict(1, Some(Finding::Reuse), 30)]),
            Some(Doubt::Reused),
            "it came before"
        );
        assert_eq!(doubt(false, &afters[..1], &[verdict(1, Some(Finding::Reuse), 20)]), Some(Doubt::Reused));
        let both = [verdict(1, Some(Finding::Reuse), 20), verdict(2, Some(Finding::Reuse), 25)];
        assert_eq!(doubt(false, &afters, &both), Some(Doubt::Reused));
    }

    #[test]
    fn an_even_surface_says_nothing() {
        let hash = |fine: Fine| Hash { fine, coarse: 0 };
        let one = |fine| Hashes { plain: [hash(fine); 6], mirrored: [hash(fine); 6] };
        assert_eq!(difference(&one([0; 4]), &one([0; 4]).plain), None);
        assert_eq!(difference(&one([u64::MAX; 4]), &one([u64::MAX; 4]).plain), None);
        let busy = [0xF0F0, 0xFF, 0x0FF0, 7];
        assert_eq!(difference(&one(busy), &one(busy).plain), Some(0));
        assert!(may_be_same(&one(busy), &[0x3FF; 6]) && !may_be_same(&one(busy), &[0x7FF; 6]));
    }
}
