//! The dock's own TOML file: names of files, cameras and their clocks.
//!
//! ```toml
//! default_patterns = true          # also try the patterns that every dock knows
//! key_folders = ["IMP", "重点"]     # folders whose files count as key files
//!
//! [[patterns]]                     # tried before the known ones, in this order
//! name = "our vendor"
//! regex = '^(?<device>C\d{4})-(?<time>\d{12})(?<key>K)?\.'
//! time = "%y%m%d%H%M%S"            # strftime; of the group `time`
//! offset = "+08:00"
//!
//! [cameras."C0012"]                # by serial
//! folder = "slot-03"               # the folder it appears under, when that is not its serial
//! clock_offset_s = 37              # its clock minus the true time, seconds
//!
//! [clock_file]                     # cameras that keep writing their time into a file
//! path = "time.txt"                # below the camera's folder
//! time = "%Y-%m-%d %H:%M:%S"
//! offset = "+08:00"
//! ```

use super::names::{self, LOCAL, Pattern, form};
use chrono::FixedOffset;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

/// What a dock was told about cameras.
#[derive(Debug, Clone)]
pub struct Config {
    /// In the order they are tried.
    pub patterns: Vec<Pattern>,
    /// Folders of key files, lower case.
    pub key_folders: Vec<String>,
    /// By serial.
    pub cameras: BTreeMap<String, Camera>,
    /// Where cameras write their time.
    pub clock_file: Option<ClockFile>,
}

/// What is known of a camera beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Camera {
    /// The folder it appears under.
    pub folder: Option<String>,
    /// Its clock minus the true time, seconds, at most a day.
    pub clock_offset_s: Option<i64>,
}

/// A file in which a camera writes its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockFile {
    /// Below the camera's folder.
    pub path: PathBuf,
    /// Its form, `strftime`.
    pub time: String,
    /// Of that time from UTC.
    pub offset: FixedOffset,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default = "yes")]
    default_patterns: bool,
    #[serde(default)]
    patterns: Vec<PatternText>,
    key_folders: Option<Vec<String>>,
    #[serde(default)]
    cameras: BTreeMap<String, Camera>,
    clock_file: Option<ClockText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternText {
    name: String,
    regex: String,
    #[serde(default)]
    time: String,
    #[serde(default = "local")]
    offset: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockText {
    path: PathBuf,
    time: String,
    #[serde(default = "local")]
    offset: String,
}

fn yes() -> bool {
    true
}

fn local() -> String {
    LOCAL.to_owned()
}

/// Folders that cameras put key files into unless told otherwise.
const KEY_FOLDERS: [&str; 5] = ["imp", "important", "key", "重点", "重要"];

impl Default for Config {
    fn default() -> Config {
        Config {
            patterns: names::known(),
            key_folders: KEY_FOLDERS.map(str::to_owned).to_vec(),
            cameras: BTreeMap::new(),
            clock_file: None,
        }
    }
}

impl Config {
    /// Reads the TOML text.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub fn parse(text: &str) -> Result<Config, String> {
        let text: Text = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut patterns = Vec::new();
        for p in &text.patterns {
            patterns.push(Pattern::new(&p.name, &p.regex, &p.time, &p.offset)?);
        }
        if text.default_patterns {
            patterns.extend(names::known());
        }
        for (serial, camera) in &text.cameras {
            if camera.clock_offset_s.is_some_and(|s| s.unsigned_abs() > 86_400) {
                return Err(format!("cameras.{serial:?}: clock_offset_s is more than a day"));
            }
        }
        let clock_file = text.clock_file.map(clock_file).transpose()?;
        let key_folders = text.key_folders.map_or_else(
            || KEY_FOLDERS.map(str::to_owned).to_vec(),
            |folders| folders.iter().map(|folder| folder.to_lowercase()).collect(),
        );
        Ok(Config { patterns, key_folders, cameras: text.cameras, clock_file })
    }

    /// The camera that was said to appear under this folder.
    pub fn in_folder(&self, folder: &str) -> Option<&str> {
        let mut cameras = self.cameras.iter();
        cameras.find(|(_, camera)| camera.folder.as_deref() == Some(folder)).map(|(serial, _)| serial.as_str())
    }
}

fn clock_file(text: ClockText) -> Result<ClockFile, String> {
    let inside = text.path.components().all(|part| matches!(part, Component::Normal(_)));
    if !inside || text.path == Path::new("") {
        return Err("clock_file: path must lie below the camera's folder".into());
    }
    form(&text.time).map_err(|e| format!("clock_file: {e}"))?;
    let offset = text.offset.parse().map_err(|_| "clock_file: offset is not such as +08:00".to_owned())?;
    Ok(ClockFile { path: text.path, time: text.time, offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_s_own_example_is_read() {
        let page = include_str!("config.rs");
        let example: Vec<&str> = page
            .lines()
            .skip_while(|line| !line.contains("```toml"))
            .skip(1)
            .take_while(|line| !line.contains("```"))
            .map(|line| line.trim_start_matches("//!"))
            .collect();
        let config = Config::parse(&example.join("\n")).unwrap();
        assert_eq!(config.in_folder("slot-03"), Some("C0012"));
        assert_eq!(config.cameras["C0012"].clock_offset_s, Some(37));
        assert_eq!(config.patterns.len(), names::known().len() + 1);
        let named = names::read(&config.patterns, "C0012-261123083015K.mp4").unwrap();
        assert_eq!((named.pattern.as_str(), named.key), ("our vendor", true));
        assert_eq!(named.at.unwrap().to_rfc3339(), "2026-11-23T00:30:15+00:00");
        assert_eq!(config.clock_file.unwrap().path, Path::new("time.txt"));
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        for (text, told) in [
            ("colour = 1", "colour"),
            ("[[patterns]]\nname='x'\nregex='('", "unclosed"),
            ("[cameras.C1]\nclock_offset_s = 90000", "more than a day"),
            ("[cameras.C1]\nofficer = 'x'", "officer"),
            ("[clock_file]\npath='../time.txt'\ntime='%Y-%m-%d %H:%M:%S'", "below"),
            ("[clock_file]\npath='/etc/passwd'\ntime='%Y-%m-%d %H:%M:%S'", "below"),
            ("[clock_file]\npath='t'\ntime='%Y'", "form"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
        assert!(Config::parse("default_patterns = false").unwrap().patterns.is_empty());
    }
}
