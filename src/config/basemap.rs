//! What lies under the handheld's map: tiles of somebody's server, or a file of the county's own.

use std::{path::PathBuf, str::FromStr};

/// The datum that the tiles of a map are cut by; by BD-09 none are, in web Mercator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileDatum {
    /// What satellites say.
    Wgs84,
    /// 天地图; within centimetres of WGS-84.
    Cgcs2000,
    /// What commercial maps in China are shifted to.
    Gcj02,
}

impl TileDatum {
    const ALL: [TileDatum; 3] = [TileDatum::Wgs84, TileDatum::Cgcs2000, TileDatum::Gcj02];

    /// The name on the wire and in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TileDatum::Wgs84 => "wgs84",
            TileDatum::Cgcs2000 => "cgcs2000",
            TileDatum::Gcj02 => "gcj02",
        }
    }
}

/// What the map is drawn on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basemap {
    /// Raster tiles that browsers fetch themselves.
    Template {
        /// The address of a tile, with `{z}`, `{x}` and `{y}` in web Mercator.
        url: String,
        /// Its scheme, host and port: what the page's policy lets in.
        origin: String,
        /// Of the tiles.
        datum: TileDatum,
    },
    /// A PMTiles archive, of pictures or vectors, that this server hands out.
    Archive {
        /// Where it lies.
        path: PathBuf,
        /// Of the tiles.
        datum: TileDatum,
    },
}

/// What a template must be.
pub const TEMPLATE: &str = "must be http:// or https:// with a host, and hold {z}, {x} and {y}";
/// What a datum must be.
pub const DATUM: &str = "must be wgs84, cgcs2000 or gcj02";

impl Basemap {
    /// The map that the settings ask for.
    ///
    /// # Errors
    /// The key that is wrong, and what it must be.
    pub fn parse(
        template: Option<&str>,
        file: Option<&str>,
        datum: Option<&str>,
    ) -> Result<Option<Basemap>, (&'static str, &'static str)> {
        let wanted = datum.unwrap_or("wgs84");
        let datum = TileDatum::ALL.into_iter().find(|one| one.as_str() == wanted).ok_or(("map_datum", DATUM))?;
        match (template, file) {
            (Some(_), Some(_)) => Err(("map_file", "can't stand beside map_template")),
            (Some(url), None) => {
                let origin = origin(url).ok_or(("map_template", TEMPLATE))?;
                Ok(Some(Basemap::Template { url: url.to_owned(), origin, datum }))
            }
            (None, Some(path)) => Ok(Some(Basemap::Archive { path: path.into(), datum })),
            (None, None) => Ok(None),
        }
    }
}

/// Whose map it is, as the map says it: provider and 审图号, which a map that is shown must carry.
/// At most 200 characters, no control characters; empty is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution(pub Option<String>);

/// What an attribution must be.
pub const ATTRIBUTION: &str = "must be at most 200 characters in one line";

impl FromStr for Attribution {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Attribution, Self::Err> {
        let text = text.trim();
        let good = text.chars().count() <= 200 && !text.chars().any(char::is_control);
        if good { Ok(Attribution((!text.is_empty()).then(|| text.to_owned()))) } else { Err(ATTRIBUTION) }
    }
}

/// The origin of a template. It goes into a header, so that nothing but a plain host may stand in it.
fn origin(url: &str) -> Option<String> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme))?;
    let (host, path) = url[scheme.len()..].split_once('/')?;
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
    let whole = ["{z}", "{x}", "{y}"].into_iter().all(|part| path.contains(part));
    let clean = !path.chars().any(|c| c.is_control() || c.is_whitespace());
    (plain && whole && clean).then(|| format!("{scheme}{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_known_with_its_origin_and_datum() {
        let url = "https://t0.example.cn:8443/vec_w/wmts?TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk=k";
        let map = Basemap::parse(Some(url), None, Some("gcj02")).unwrap();
        let origin = "https://t0.example.cn:8443".to_owned();
        assert_eq!(map, Some(Basemap::Template { url: url.to_owned(), origin, datum: TileDatum::Gcj02 }));
        assert_eq!(Basemap::parse(None, None, None), Ok(None));
    }

    #[test]
    fn an_attribution_is_one_short_line() {
        let most = "图".repeat(200);
        for (text, shown) in [(" 审图号：GS（2024）0650号 天地图 ", "审图号：GS（2024）0650号 天地图"), (&most, &most)]
        {
            assert_eq!(text.parse(), Ok(Attribution(Some(shown.to_owned()))));
        }
        assert_eq!(" ".parse(), Ok(Attribution(None)));
        for wrong in ["天地\n图".to_owned(), "图".repeat(201)] {
            assert!(wrong.parse::<Attribution>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for url in [
            "ftp://a/{z}/{x}/{y}",
            "https://a/{z}/{x}",
            "https:///{z}/{x}/{y}",
            "https://a; script-src */{z}/{x}/{y}",
            "https://u@a/{z}/{x}/{y}",
            "https://{z}.a/{x}/{y}",
            "https://a/{z}/{x}/{y} ",
        ] {
            assert_eq!(Basemap::parse(Some(url), None, None), Err(("map_template", TEMPLATE)), "{url}");
        }
    }

    #[test]
    fn a_file_stands_alone_and_bd09_cuts_no_tiles() {
        let file = Basemap::parse(None, Some("county.pmtiles"), None).unwrap();
        assert_eq!(file, Some(Basemap::Archive { path: "county.pmtiles".into(), datum: TileDatum::Wgs84 }));
        let template = Some("https://a/{z}/{x}/{y}");
        assert_eq!(Basemap::parse(template, Some("a"), None).unwrap_err().0, "map_file");
        assert_eq!(Basemap::parse(template, None, Some("bd09")), Err(("map_datum", DATUM)));
    }
}
