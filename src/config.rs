//! Settings: flags before environment (`CHENGGUAN_*`) before the TOML file before the defaults.
//!
//! Every source speaks in the same keys and goes through the same check, so a wrong key or value is one clear error
//! that names the source, the key and what was expected.

pub mod basemap;
pub mod blobs;
pub mod city;
pub mod letters;
pub mod open311;

use basemap::{ATTRIBUTION, Attribution, Basemap};
use blobs::{Access, BlobPlace};
use city::CityLink;
use letters::{Letters, Name, OFFICE, PREFIX};
use open311::Open311Keys;
use std::{collections::BTreeMap, fmt::Display, net::SocketAddr, path::PathBuf, str::FromStr};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people at a terminal.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// The settings of one server process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder of the embedded database, and by default of the blobs and the staging files.
    pub data: PathBuf,
    /// Where unfinished and refused uploads lie, in `staging` and `quarantine`; several processes may share it.
    pub staging: PathBuf,
    /// `sqlite:PATH` or `postgres://…`; by default a file in `data`.
    pub database_url: String,
    /// Where the evidence originals live; by default in `data/blobs`.
    pub blobs: BlobPlace,
    /// Apply missing migrations at start.
    pub migrate: bool,
    /// Connections of this process to the database, 1–200.
    pub connections: u32,
    /// HTTP worker threads, 1–64.
    pub workers: usize,
    /// The largest file an upload may hold, bytes.
    pub max_upload_bytes: u64,
    /// Free disk space that uploads must leave, bytes.
    pub reserve_bytes: u64,
    /// What unfinished uploads of one device or person may hold, bytes.
    pub quota_bytes: u64,
    /// Refuse uploads that declare no digest when they begin.
    pub require_digest: bool,
    /// The program that makes pictures of videos: a path, `off`, or empty to look for `ffmpeg` in `PATH`.
    pub ffmpeg: String,
    /// How long evidence is kept that nothing asks to keep longer, days; 183 or more.
    pub general_retention_days: u32,
    /// How long evidence of a case is kept after the case's end, years, 1–100.
    pub case_retention_years: u32,
    /// The oldest apps that may read; every app may push.
    pub min_app: OldestApps,
    /// The city's platform; none, and nothing is told to it.
    pub city: Option<CityLink>,
    /// Who may report by Open311.
    pub open311_keys: Open311Keys,
    /// What supervision letters are called, and who signs them.
    pub letters: Letters,
    /// What lies under the handheld's map; none, and it is drawn on plain ground.
    pub basemap: Option<Basemap>,
    /// Whose map that is, shown on it.
    pub map_attribution: Option<String>,
    /// Log line form.
    pub log_format: LogFormat,
    /// Log filter, `tracing` syntax.
    pub log: String,
}

/// The oldest version of each app that may read: `handheld/1.2, pwa/2.4`. Apps that are not named may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldestApps(Vec<(String, Vec<u64>)>);

impl OldestApps {
    /// Whether an app, `name/version`, is older than the oldest of its name. A part of its version that is no number
    /// counts as 0.
    pub fn refuses(&self, app: &str) -> bool {
        let (name, version) = app.split_once('/').unwrap_or((app, ""));
        let mut own: Vec<u64> = version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        self.0.iter().any(|(known, oldest)| {
            // 2.4 is not older than 2.4.0.
            own.resize(own.len().max(oldest.len()), 0);
            known == name && own < *oldest
        })
    }
}

impl FromStr for OldestApps {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<OldestApps, Self::Err> {
        let app = |part: &str| {
            let (name, version) = part.trim().split_once('/').filter(|(name, _)| !name.is_empty())?;
            let version = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
            Some((name.to_owned(), version))
        };
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        parts.map(app).collect::<Option<_>>().map(OldestApps).ok_or("no name/version")
    }
}

/// A setting that can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// No such key.
    #[error("{origin}: unknown setting {key:?}; the settings are {known}")]
    UnknownKey {
        /// File name or environment.
        origin: String,
        /// The key as it was written.
        key: String,
        /// All keys.
        known: String,
    },
    /// The value can't be read.
    #[error("{origin}: setting {key}: {value:?} {expected}")]
    Value {
        /// File name, environment variable or flag.
        origin: String,
        /// The key.
        key: String,
        /// The value as it was written.
        value: String,
        /// What would do.
        expected: String,
    },
    /// The file can't be read or is not TOML.
    #[error("{origin}: {message}")]
    File {
        /// The path.
        origin: String,
        /// What is wrong.
        message: String,
    },
}

/// Every key, with the sentence that `--help` and the README show.
pub const KEYS: &[(&str, &str)] = &[
    ("listen", "address and port to listen on [default: 127.0.0.1:8080]"),
    ("data", "folder for the embedded database, blobs and staging [default: ./data]"),
    ("database_url", "sqlite:PATH or postgres://… [default: sqlite:<data>/chengguan.db]"),
    ("staging", "folder of unfinished uploads; processes that share a database share it [default: <data>]"),
    ("blob_url", "file:PATH or s3://BUCKET/PREFIX?endpoint=… of the evidence originals [default: file:<data>/blobs]"),
    ("s3_access_key_id", "key of the S3 store [default: AWS_ACCESS_KEY_ID of the environment]"),
    ("s3_secret_access_key", "its secret; never as a flag [default: AWS_SECRET_ACCESS_KEY of the environment]"),
    ("migrate", "apply missing migrations at start: true or false [default: true]"),
    ("connections", "database connections, 1–200 [default: 8]"),
    ("workers", "HTTP worker threads, 1–64 [default: 2]"),
    ("max_upload_bytes", "largest upload, bytes [default: 8589934592]"),
    ("reserve_bytes", "free disk space that uploads must leave, bytes [default: 268435456]"),
    ("quota_bytes", "what unfinished uploads of one device or person may hold, bytes [default: 274877906944]"),
    ("require_digest", "refuse uploads that declare no SHA-256 when they begin: true or false [default: false]"),
    ("ffmpeg", "program that makes pictures of videos: a path, or off [default: ffmpeg in PATH, if there]"),
    ("general_retention_days", "days evidence is kept that nothing asks to keep longer, 183–36500 [default: 183]"),
    ("case_retention_years", "years evidence is kept after the end of its case, 1–100 [default: 30]"),
    ("min_app", "oldest apps that may read, for example handheld/1.2,pwa/2.4; pushing stays open [default: any]"),
    ("city_url", "http://… where the city's platform takes messages; with city_key [default: no link]"),
    ("city_key", "NAME:SECRET that signs what goes to the city, more after commas are taken from it; never as a flag"),
    (
        "open311_keys",
        "NAME:KEY of those who may report by Open311, after commas; never as a flag [default: no Open311]",
    ),
    ("letter_prefix", "what the numbers of supervision letters begin with [default: 中城督办]"),
    ("letter_office", "who signs supervision letters [default: 中方县人民政府督查室]"),
    (
        "map_template",
        "address of raster tiles under the map, with {z}, {x} and {y} in web Mercator [default: no tiles]",
    ),
    ("map_file", "PMTiles archive of raster or vector tiles that this server hands out instead [default: none]"),
    ("map_datum", "of the tiles: wgs84, cgcs2000 or gcj02 [default: wgs84]"),
    ("map_attribution", "what the map shows of its provider and 审图号, at most 200 characters [default: nothing]"),
    ("log_format", "text or json [default: text]"),
    ("log", "log filter, for example info,chengguan=debug [default: info]"),
];

/// Variables with our prefix that are not settings of the server: the web build reads them.
const NOT_SETTINGS: &[&str] = &["CHENGGUAN_WEB_DIST", "CHENGGUAN_WEB_SKIP", "CHENGGUAN_CONFIG"];

type Values = BTreeMap<&'static str, (String, String)>;

impl Config {
    /// Reads all sources. `flags` are (key, value) pairs from the command line, `environment` the process's
    /// variables, `file` the TOML file's path and text if there is one.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that can't be used.
    pub fn load(
        flags: &[(&str, String)],
        environment: impl IntoIterator<Item = (String, String)>,
        file: Option<(&str, &str)>,
    ) -> Result<Config, ConfigError> {
        let mut values = Values::new();
        if let Some((path, text)) = file {
            let table: toml::Table = text
                .parse()
                .map_err(|e: toml::de::Error| ConfigError::File { origin: path.to_owned(), message: e.to_string() })?;
            for (key, value) in table {
                let text = match value {
                    toml::Value::String(s) => s,
                    other => other.to_string(),
                };
                put(&mut values, path.to_owned(), &key, text)?;
            }
        }
        let mut aws = BTreeMap::new();
        for (name, value) in environment {
            if name.starts_with("AWS_") {
                aws.insert(name, value);
                continue;
            }
            let Some(key) = name.strip_prefix("CHENGGUAN_") else { continue };
            if !NOT_SETTINGS.contains(&name.as_str()) {
                put(&mut values, format!("environment variable {name}"), &key.to_ascii_lowercase(), value)?;
            }
        }
        for (key, value) in flags {
            put(&mut values, format!("--{}", key.replace('_', "-")), key, value.clone())?;
        }
        Config::from_values(&values, &aws)
    }

    fn from_values(values: &Values, aws: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
        let data: PathBuf = read(values, "data", "./data", "is not a path")?;
        let database_url = match values.get("database_url") {
            Some((_, url)) => {
                check(values, "database_url", is_database_url(url), "must begin with sqlite: or postgres://")?;
                url.clone()
            }
            None => format!("sqlite:{}", data.join("chengguan.db").display()),
        };
        let staging = read(values, "staging", &data.display().to_string(), "is not a path")?;
        let blobs = match values.get("blob_url") {
            Some((origin, url)) => {
                let region = aws.get("AWS_REGION").or_else(|| aws.get("AWS_DEFAULT_REGION"));
                BlobPlace::parse(url, access(values, aws), region.map(String::as_str)).map_err(|expected| {
                    ConfigError::Value { origin: origin.clone(), key: "blob_url".into(), value: url.clone(), expected }
                })?
            }
            None => BlobPlace::Folder(data.join("blobs")),
        };
        let connections = read(values, "connections", "8", "is not a number")?;
        check(values, "connections", (1..=200).contains(&connections), "must lie between 1 and 200")?;
        let workers = read(values, "workers", "2", "is not a number")?;
        check(values, "workers", (1..=64).contains(&workers), "must lie between 1 and 64")?;
        let general_retention_days = read(values, "general_retention_days", "183", "is not a number")?;
        let long = (183..=36_500).contains(&general_retention_days);
        check(values, "general_retention_days", long, "must lie between 183 (six months) and 36500")?;
        let case_retention_years = read(values, "case_retention_years", "30", "is not a number")?;
        let long = (1..=100).contains(&case_retention_years);
        check(values, "case_retention_years", long, "must lie between 1 and 100")?;
        let format: String = read(values, "log_format", "text", "")?;
        check(values, "log_format", matches!(format.as_str(), "text" | "json"), "must be text or json")?;
        Ok(Config {
            listen: read(values, "listen", "127.0.0.1:8080", "is not an address and port such as 127.0.0.1:8080")?,
            data,
            staging,
            database_url,
            blobs,
            migrate: read(values, "migrate", "true", "must be true or false")?,
            connections,
            workers,
            max_upload_bytes: read(values, "max_upload_bytes", "8589934592", "is not a number of bytes")?,
            reserve_bytes: read(values, "reserve_bytes", "268435456", "is not a number of bytes")?,
            quota_bytes: read(values, "quota_bytes", "274877906944", "is not a number of bytes")?,
            require_digest: read(values, "require_digest", "false", "must be true or false")?,
            ffmpeg: read(values, "ffmpeg", "", "")?,
            general_retention_days,
            case_retention_years,
            min_app: read(values, "min_app", "", "must be name/version, several separated by commas")?,
            city: city_link(values)?,
            open311_keys: open311_keys(values)?,
            letters: letters(values)?,
            basemap: basemap(values)?,
            map_attribution: read::<Attribution>(values, "map_attribution", "", ATTRIBUTION)?.0,
            log_format: if format == "json" { LogFormat::Json } else { LogFormat::Text },
            log: read(values, "log", "info", "is not a filter")?,
        })
    }
}

/// What lies under the handheld's map.
fn basemap(values: &Values) -> Result<Option<Basemap>, ConfigError> {
    let own = |key: &str| values.get(key).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
    Basemap::parse(own("map_template"), own("map_file"), own("map_datum")).map_err(|(key, expected)| {
        let (origin, value) = values.get(key).cloned().unwrap_or_else(|| ("default".into(), String::new()));
        ConfigError::Value { origin, key: key.into(), value, expected: expected.into() }
    })
}

/// What supervision letters carry of the county.
fn letters(values: &Values) -> Result<Letters, ConfigError> {
    let name = |key, default| read::<Name>(values, key, default, "must be 1–40 characters").map(|name| name.0);
    Ok(Letters { prefix: name("letter_prefix", PREFIX)?, office: name("letter_office", OFFICE)? })
}

/// The keys of Open311, which no message shows.
fn open311_keys(values: &Values) -> Result<Open311Keys, ConfigError> {
    read(values, "open311_keys", "", "must be NAME:KEY, the key of 16 characters or more").map_err(
        |error| match error {
            ConfigError::Value { origin, key, expected, .. } => {
                ConfigError::Value { origin, key, value: String::new(), expected }
            }
            other => other,
        },
    )
}

/// The link to the city: both settings, or none.
fn city_link(values: &Values) -> Result<Option<CityLink>, ConfigError> {
    let own = |key: &str| values.get(key).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
    CityLink::parse(own("city_url"), own("city_key")).map_err(|(key, expected)| {
        let (origin, value) = values.get(key).cloned().unwrap_or_else(|| ("default".into(), String::new()));
        // A secret is not shown.
        let value = if key == "city_key" { String::new() } else { value };
        ConfigError::Value { origin, key: key.into(), value, expected: expected.into() }
    })
}

/// The keys of the S3 store: our own settings, or what every tool for such stores reads.
fn access(values: &Values, aws: &BTreeMap<String, String>) -> Access {
    let aws = |name: &str| aws.get(name).filter(|value| !value.is_empty()).cloned();
    let own = |key: &str| values.get(key).map(|(_, value)| value.clone());
    match own("s3_access_key_id") {
        Some(key_id) => Access { key_id, secret: own("s3_secret_access_key").unwrap_or_default(), token: None },
        None => Access {
            key_id: aws("AWS_ACCESS_KEY_ID").unwrap_or_default(),
            secret: aws("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
            token: aws("AWS_SESSION_TOKEN"),
        },
    }
}

fn is_database_url(url: &str) -> bool {
    ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
}

fn put(values: &mut Values, origin: String, key: &str, value: String) -> Result<(), ConfigError> {
    let Some((name, _)) = KEYS.iter().find(|(name, _)| *name == key) else {
        let known: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
        return Err(ConfigError::UnknownKey { origin, key: key.to_owned(), known: known.join(", ") });
    };
    values.insert(name, (origin, value));
    Ok(())
}

fn read<T: FromStr>(values: &Values, key: &str, default: &str, expected: &str) -> Result<T, ConfigError>
where
    T::Err: Display,
{
    let (origin, text) = values.get(key).map_or(("default", default), |(origin, text)| (origin, text));
    text.parse().map_err(|_| ConfigError::Value {
        origin: origin.to_owned(),
        key: key.to_owned(),
        value: text.to_owned(),
        expected: expected.to_owned(),
    })
}

fn check(values: &Values, key: &str, good: bool, expected: &str) -> Result<(), ConfigError> {
    if good {
        return Ok(());
    }
    let (origin, value) = values.get(key).cloned().unwrap_or_default();
    Err(ConfigError::Value { origin, key: key.to_owned(), value, expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = Some(("c.toml", "listen = \"127.0.0.1:1\"\nconnections = 3\nworkers = 4"));
        let environment = env(&[("CHENGGUAN_LISTEN", "127.0.0.1:2"), ("CHENGGUAN_CONNECTIONS", "5"), ("PATH", "x")]);
        let config = Config::load(&[("listen", "127.0.0.1:3".into())], environment, file).unwrap();
        assert_eq!((config.listen.port(), config.connections, config.workers), (3, 5, 4));
        assert_eq!(config.database_url, "sqlite:./data/chengguan.db");
    }

    #[test]
    fn an_app_is_too_old_by_the_numbers_of_its_version() {
        let oldest: OldestApps = "handheld/1.10, pwa/2".parse().unwrap();
        for old in ["handheld/1.9.9", "handheld/1", "handheld", "handheld/x", "pwa/1.99"] {
            assert!(oldest.refuses(old), "{old}");
        }
        for good in ["handheld/1.10", "handheld/1.10.0", "handheld/2", "pwa/2.0", "dock/0.1", "", "2"] {
            assert!(!oldest.refuses(good), "{good}");
        }
        assert!(!OldestApps::default().refuses("handheld/0"));
        for wrong in ["handheld", "/1", "handheld/1.x", "pwa/"] {
            assert!(wrong.parse::<OldestApps>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_keys_of_a_bucket_are_ours_or_amazons_never_half_of_each() {
        let url = [("blob_url", "s3://bucket".to_owned())];
        let aws = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "cn-north-1")];
        let bucket = |environment: &[(&str, &str)]| match Config::load(&url, env(environment), None).unwrap().blobs {
            BlobPlace::Bucket(bucket) => (bucket.access.key_id, bucket.access.secret, bucket.region),
            BlobPlace::Folder(path) => panic!("{path:?}"),
        };
        assert_eq!(bucket(&aws), ("a".into(), "b".into(), "cn-north-1".into()));
        let own = [("CHENGGUAN_S3_ACCESS_KEY_ID", "c"), ("CHENGGUAN_S3_SECRET_ACCESS_KEY", "d")];
        assert_eq!(bucket(&[&aws[..], &own].concat()), ("c".into(), "d".into(), "cn-north-1".into()));
        let error = Config::load(&url, env(&[aws[0], aws[1], own[0]].map(|pair| pair)), None).unwrap_err().to_string();
        assert!(error.contains("--blob-url") && error.contains("CHENGGUAN_S3_SECRET_ACCESS_KEY"), "{error}");
        assert_eq!(Config::load(&[], env(&[]), None).unwrap().blobs, BlobPlace::Folder("./data/blobs".into()));
    }

    #[test]
    fn a_wrong_key_or_value_names_its_source() {
        let error = Config::load(&[], env(&[("CHENGGUAN_LISTN", "x")]), None).unwrap_err().to_string();
        assert!(error.contains("CHENGGUAN_LISTN") && error.contains("listn"), "{error}");
        let error = Config::load(&[], env(&[]), Some(("c.toml", "lissten = 1"))).unwrap_err().to_string();
        assert!(error.contains("c.toml") && error.contains("lissten"), "{error}");
        let error = Config::load(&[("connections", "900".into())], env(&[]), None).unwrap_err().to_string();
        assert!(error.contains("--connections") && error.contains("1 and 200"), "{error}");
        let error = Config::load(&[("general_retention_days", "182".into())], env(&[]), None).unwrap_err().to_string();
        assert!(error.contains("--general-retention-days") && error.contains("six months"), "{error}");
        let error = Config::load(&[("database_url", "mysql://x".into())], env(&[]), None).unwrap_err().to_string();
        assert!(error.contains("--database-url") && error.contains("postgres://"), "{error}");
        let long = "图".repeat(201);
        let error = Config::load(&[("map_attribution", long)], env(&[]), None).unwrap_err().to_string();
        assert!(error.contains("--map-attribution") && error.contains("at most 200"), "{error}");
        let error = Config::load(&[], env(&[]), Some(("c.toml", "a = ["))).unwrap_err().to_string();
        assert!(error.starts_with("c.toml"), "{error}");
    }
}
