//! What supervision letters are called, and who signs them.

use std::str::FromStr;

/// What supervision letters (督办函) carry of the county.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letters {
    /// What their numbers begin with: 中城督办.
    pub prefix: String,
    /// Who signs: 中方县人民政府督查室.
    pub office: String,
}

impl Default for Letters {
    fn default() -> Letters {
        Letters { prefix: PREFIX.to_owned(), office: OFFICE.to_owned() }
    }
}

/// What numbers begin with unless told.
pub const PREFIX: &str = "中城督办";
/// Who signs unless told.
pub const OFFICE: &str = "中方县人民政府督查室";

/// One of these names: 1–40 characters, no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub String);

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Name, Self::Err> {
        let text = text.trim();
        let good = (1..=40).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if good { Ok(Name(text.to_owned())) } else { Err("no name") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert_eq!(" 中城督办 ".parse::<Name>(), Ok(Name("中城督办".into())));
        for wrong in ["", "  ", "中\n城", "长".repeat(41).as_str()] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }
}
