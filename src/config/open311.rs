//! Who may report by Open311.

use std::{fmt, str::FromStr};

/// The keys of those who may report; without any, the facade is not there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Open311Keys(Vec<(String, String)>);

impl Open311Keys {
    /// Whether anybody may report.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and key of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, key)| (name.as_str(), key.as_str()))
    }
}

impl FromStr for Open311Keys {
    type Err = &'static str;

    /// `NAME:KEY`, more after commas; the key of 16 characters or more.
    fn from_str(text: &str) -> Result<Open311Keys, Self::Err> {
        let pair = |pair: &str| {
            let (name, key) = pair.trim().split_once(':')?;
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
            (plain(name) && plain(key) && key.len() >= 16).then(|| (name.to_owned(), key.to_owned()))
        };
        let pairs = text.split(',').filter(|part| !part.trim().is_empty()).map(pair);
        pairs.collect::<Option<_>>().map(Open311Keys).ok_or("not NAME:KEY")
    }
}

impl fmt::Debug for Open311Keys {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_name_and_is_long_and_is_not_shown() {
        let keys: Open311Keys = "app:0123456789abcdef, web:fedcba9876543210".parse().unwrap();
        assert_eq!(keys.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["app", "web"]);
        assert_eq!(format!("{keys:?}"), r#"["app", "web"]"#);
        assert!("".parse::<Open311Keys>().unwrap().is_empty());
        for wrong in ["app", "app:short", ":0123456789abcdef", "app:0123456789 abcdef"] {
            assert!(wrong.parse::<Open311Keys>().is_err(), "{wrong}");
        }
    }
}
