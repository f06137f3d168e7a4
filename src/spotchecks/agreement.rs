//! How far two visits of one site agree (双盲复核). Pure.

use super::checklist::{Answer, AnswerFinding};
use crate::db::types::UserId;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A first visit and the blind second one.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Who made the first visit.
    pub checker: UserId,
    /// The first and the second score, thousandths of a point.
    pub scores: (i32, i32),
    /// The first and the second answers; empty from an app without checklists.
    pub answers: (Vec<Answer>, Vec<Answer>),
}

/// What the second visits say about the first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Agreement {
    /// Sites that were visited twice.
    pub pairs: usize,
    /// Items that both visits answered.
    pub answered: usize,
    /// The share of them with the same finding; null without any.
    pub observed: Option<f64>,
    /// Gwet's AC1 over the three findings: agreement beyond chance, which stays sound when nearly everything passes. 1
    /// is perfect, 0 what chance gives; null without any.
    pub ac1: Option<f64>,
    /// By code.
    pub items: Vec<ItemAgreement>,
    /// By id.
    pub checkers: Vec<CheckerDifference>,
}

/// How far two visits agree about an item.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ItemAgreement {
    /// The item's code.
    pub item: String,
    /// How often both visits answered it.
    pub answered: usize,
    /// How often they found the same.
    pub same: usize,
}

/// Whether a checker is milder than those who came after.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CheckerDifference {
    /// The checker.
    pub user_id: UserId,
    /// How many of the checker's visits were made again.
    pub pairs: usize,
    /// The mean of the checker's score less the second one, thousandths of a point: above 0 is milder.
    pub mean_difference: f64,
}

/// Counts, from pairs of visits.
pub fn agreement(pairs: &[Pair]) -> Agreement {
    let mut items = BTreeMap::<&str, (usize, usize)>::new();
    let mut checkers = BTreeMap::<UserId, (usize, i64)>::new();
    let mut marginals = [0_usize; AnswerFinding::ALL.len()];
    for pair in pairs {
        let (first, second) = &pair.answers;
        for (a, b) in first.iter().filter_map(|a| Some((a, second.iter().find(|b| b.item == a.item)?))) {
            let item = items.entry(&a.item).or_default();
            (item.0, item.1) = (item.0 + 1, item.1 + usize::from(a.finding == b.finding));
            for (count, finding) in marginals.iter_mut().zip(AnswerFinding::ALL) {
                *count += usize::from(a.finding == *finding) + usize::from(b.finding == *finding);
            }
        }
        let checker = checkers.entry(pair.checker).or_default();
        *checker = (checker.0 + 1, checker.1 + i64::from(pair.scores.0) - i64::from(pair.scores.1));
    }
    let (answered, same) = items.values().fold((0, 0), |sum, item| (sum.0 + item.0, sum.1 + item.1));
    let observed = (answered > 0).then(|| same as f64 / answered as f64);
    // Gwet 2008: chance agreement is the mean of π(1 − π) over the categories, times q/(q − 1).
    let chance = marginals.iter().map(|count| *count as f64 / (2 * answered.max(1)) as f64).map(|p| p * (1.0 - p));
    let chance = chance.sum::<f64>() / (AnswerFinding::ALL.len() - 1) as f64;
    Agreement {
        pairs: pairs.len(),
        answered,
        observed,
        ac1: observed.map(|observed| (observed - chance) / (1.0 - chance)),
        items: items
            .into_iter()
            .map(|(item, (answered, same))| ItemAgreement { item: item.to_owned(), answered, same })
            .collect(),
        checkers: checkers
            .into_iter()
            .map(|(user_id, (pairs, sum))| CheckerDifference {
                user_id,
                pairs,
                mean_difference: sum as f64 / pairs as f64,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(findings: &[AnswerFinding]) -> Vec<Answer> {
        let answer = |(n, finding): (usize, &AnswerFinding)| Answer {
            item: format!("1.{n}"),
            finding: *finding,
            deduction: 0,
            text: None,
            photos: vec![],
        };
        (1..).zip(findings).map(answer).collect()
    }

    #[test]
    fn agreement_is_counted_beyond_chance_and_a_mild_checker_is_seen() {
        use AnswerFinding::{Deduct, Pass};
        let (mild, other) = (UserId(uuid::Uuid::from_u128(1)), UserId(uuid::Uuid::from_u128(2)));
        let pair = |checker, scores, first: &[AnswerFinding], second: &[AnswerFinding]| Pair {
            checker,
            scores,
            answers: (answers(first), answers(second)),
        };
        let told = agreement(&[
            pair(mild, (100_000, 95_000), &[Pass, Pass], &[Pass, Deduct]),
            pair(mild, (99_000, 98_000), &[Pass, Pass], &[Pass, Pass]),
            pair(other, (90_000, 91_000), &[Deduct, Pass], &[Deduct, Pass]),
        ]);
        assert_eq!((told.pairs, told.answered, told.observed), (3, 6, Some(5.0 / 6.0)));
        // π: pass 9/12, deduct 3/12; chance (3/16 + 3/16)/2 = 3/16; (5/6 − 3/16)/(13/16) = 31/39.
        assert!((told.ac1.unwrap() - 31.0 / 39.0).abs() < 1e-12);
        let items: Vec<_> = told.items.iter().map(|item| (item.item.as_str(), item.answered, item.same)).collect();
        assert_eq!(items, [("1.1", 3, 3), ("1.2", 3, 2)]);
        let checkers: Vec<_> = told.checkers.iter().map(|one| (one.pairs, one.mean_difference)).collect();
        assert_eq!(checkers, [(2, 3_000.0), (1, -1_000.0)]);
        assert_eq!(agreement(&[]).ac1, None);
    }
}
