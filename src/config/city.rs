//! The link to the city's platform.

use std::fmt;

/// Where the city takes messages, and the keys that both sides share.
#[derive(Clone, PartialEq, Eq)]
pub struct CityLink {
    /// `http://host:port/path`; the extranet between the two ends the encryption itself.
    pub url: String,
    /// Name and secret; the first signs what we send, each is taken from the city.
    pub keys: Vec<(String, String)>,
}

impl CityLink {
    /// Reads the two settings: both, or none.
    ///
    /// # Errors
    /// The key that is wrong, and what was expected.
    pub fn parse(url: Option<&str>, keys: Option<&str>) -> Result<Option<CityLink>, (&'static str, &'static str)> {
        let (url, keys) = match (url, keys) {
            (None, None) => return Ok(None),
            (Some(url), Some(keys)) => (url, keys),
            (Some(_), None) => return Err(("city_key", "must be there when city_url is")),
            (None, Some(_)) => return Err(("city_url", "must be there when city_key is")),
        };
        let good = url::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.host().is_some());
        if !good {
            return Err(("city_url", "must look like http://host:port/path"));
        }
        let pair = |key: &str| {
            let (name, secret) = key.trim().split_once(':')?;
            let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) && secret.len() >= 16;
            good.then(|| (name.to_owned(), secret.to_owned()))
        };
        let keys = keys.split(',').map(pair).collect::<Option<Vec<_>>>();
        let keys = keys.ok_or(("city_key", "must be NAME:SECRET, the secret of 16 characters or more"))?;
        Ok(Some(CityLink { url: url.to_owned(), keys }))
    }

    /// The secret of a key.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.keys.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.as_str())
    }
}

impl fmt::Debug for CityLink {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_an_address_and_keys_or_is_not_there() {
        assert_eq!(CityLink::parse(None, None), Ok(None));
        let link = CityLink::parse(Some("http://10.0.0.1:8080/x"), Some("k1:0123456789abcdef, k2:fedcba9876543210"));
        let link = link.unwrap().unwrap();
        assert_eq!((link.secret("k2"), link.secret("k3")), (Some("fedcba9876543210"), None));
        assert!(!format!("{link:?}").contains("0123"));
        for (url, key, wrong) in [
            (Some("http://x"), None, "city_key"),
            (None, Some("k:0123456789abcdef"), "city_url"),
            (Some("https://x"), Some("k:0123456789abcdef"), "city_url"),
            (Some("http://x"), Some("k:short"), "city_key"),
            (Some("http://x"), Some("0123456789abcdef"), "city_key"),
        ] {
            assert_eq!(CityLink::parse(url, key).unwrap_err().0, wrong, "{url:?}");
        }
    }
}
