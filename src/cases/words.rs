//! Searching cases by any words, Chinese ones too. Pure.
//!
//! Chinese has no spaces between words, and most words have two characters: what is indexed is each character and each
//! pair of neighbours. They narrow down; whether the words stand there is then read in the text itself.

use super::store::CaseRow;
use crate::error::{Code, Result};
use std::collections::BTreeSet;

/// At most so many characters are looked for.
const LONGEST: usize = 100;

/// Text without what people write differently: small letters, narrow forms of wide ones, single spaces.
#[must_use]
pub fn folded(text: &str) -> String {
    let narrow = text.chars().map(|c| match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        0x3000 => ' ',
        _ => c,
    });
    let small: String = narrow.flat_map(char::to_lowercase).collect();
    small.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Letters, digits and characters that stand together.
fn runs(folded: &str) -> impl Iterator<Item = Vec<char>> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()).map(|run| run.chars().collect())
}

/// What a text is found by, each once.
fn grams(folded: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for run in runs(folded) {
        found.extend(run.iter().map(char::to_string));
        found.extend(run.windows(2).map(|pair| pair.iter().collect::<String>()));
    }
    found
}

/// The words of a case in one piece, and what they are found by.
#[must_use]
pub(super) fn of(case: &CaseRow) -> (String, String) {
    let parts = [&case.title, case.address.as_ref().unwrap_or(&String::new()), &case.description].map(|s| folded(s));
    let words = parts.join("\n");
    let grams = grams(&words).into_iter().collect::<Vec<_>>().join(" ");
    (words, grams)
}

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Each must stand in the text.
    pub(super) words: Vec<String>,
    /// Each must be among what the text is found by.
    pub(super) grams: BTreeSet<String>,
}

impl Search {
    /// Words with spaces between them; all must be there.
    ///
    /// # Errors
    /// `parameter_invalid`.
    pub fn new(text: &str) -> Result<Search> {
        let text = folded(text);
        let mut grams = BTreeSet::new();
        for run in runs(&text) {
            match run.len() {
                1 => grams.extend(run.iter().map(char::to_string)),
                _ => grams.extend(run.windows(2).map(|pair| pair.iter().collect::<String>())),
            }
        }
        if grams.is_empty() || text.chars().count() > LONGEST {
            return Err(Code::ParameterInvalid.with("q: 1–100 characters, some of them letters or digits"));
        }
        Ok(Search { words: text.split(' ').map(str::to_owned).collect(), grams })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_inside_a_sentence_is_among_what_it_is_found_by() {
        let text = grams(&folded("东大街12号　ＡＴＭ机旁井盖破损"));
        for words in ["井盖", "盖破", "东大街", "12号", "atm", "Atm机", "井"] {
            assert!(Search::new(words).unwrap().grams.is_subset(&text), "{words}");
        }
        for words in ["盖井", "街号", "沟盖"] {
            assert!(!Search::new(words).unwrap().grams.is_subset(&text), "{words}");
        }
    }

    #[test]
    fn what_holds_nothing_to_look_for_is_refused() {
        for words in ["", "  ", "，。", &"井".repeat(101)] {
            assert_eq!(Search::new(words).unwrap_err().code, Code::ParameterInvalid, "{words}");
        }
    }
}
