//! What a camera wrote into a file's name: vendors' patterns, as regular expressions with named groups. Pure.
//!
//! GA/T 947.4 fixes names for the police, vendors follow it loosely, and a name can be changed by anybody, so what it
//! says is one voice among three ([`super::recording`]) and never the only one that counts.

use chrono::{
    DateTime, FixedOffset, NaiveDateTime, Utc,
    format::{Item, StrftimeItems},
};
use regex::{Regex, RegexBuilder};

/// The groups that a pattern may have.
pub const GROUPS: [&str; 6] = ["unit", "device", "officer", "time", "seq", "key"];

/// Local time in China has been +08:00 all year since 1991.
pub const LOCAL: &str = "+08:00";

/// The patterns every dock knows, in the order they are tried: name, expression, form of the time. `key` marks a key
/// file (重点文件标记, GA/T 947.2 §6.2.20).
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "unit_device_officer",
        r"^(?<unit>[^_]+)_(?<device>[^_]+)_(?<officer>[^_]+)_(?<time>\d{14})(?:_(?<seq>\d{1,6}))?(?<key>_IMP|!)?\.[^.]+$",
        "%Y%m%d%H%M%S",
    ),
    (
        "device_officer",
        r"^(?<device>[^_]+)_(?<officer>[^_]+)_(?<time>\d{14})(?:_(?<seq>\d{1,6}))?(?<key>_IMP|!)?\.[^.]+$",
        "%Y%m%d%H%M%S",
    ),
    // Before the next, or "VID" would be a camera.
    (
        "bare_split",
        r"^(?:(?:VID|REC|MOV|IMG|PIC|DSC|AUD)[_-]?)?(?<time>\d{8}[_-]\d{6})(?:_(?<seq>\d{1,6}))?(?<key>_IMP|!)?\.[^.]+$",
        "%Y%m%d_%H%M%S",
    ),
    (
        "bare",
        r"^(?:(?:VID|REC|MOV|IMG|PIC|DSC|AUD)[_-]?)?(?<time>\d{14})(?:_(?<seq>\d{1,6}))?(?<key>_IMP|!)?\.[^.]+$",
        "%Y%m%d%H%M%S",
    ),
    (
        "device_split",
        r"^(?<device>[^_]+)_(?<time>\d{8}[_-]\d{6})(?:_(?<seq>\d{1,6}))?(?<key>_IMP|!)?\.[^.]+$",
        "%Y%m%d_%H%M%S",
    ),
    ("device", r"^(?<device>[^_]+)_(?<time>\d{14})(?:_(?<seq>\d{1,6}))?(?<key>_IMP|!)?\.[^.]+$", "%Y%m%d%H%M%S"),
];

/// One vendor's way to name files.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// What people call it.
    pub name: String,
    regex: Regex,
    time: String,
    offset: FixedOffset,
}

/// What a name says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The pattern that fitted.
    pub pattern: String,
    /// The unit's code.
    pub unit: Option<String>,
    /// The camera's serial.
    pub device: Option<String>,
    /// The officer's number.
    pub officer: Option<String>,
    /// When the recording began; none when the digits are no time.
    pub at: Option<DateTime<Utc>>,
    /// The segment's number.
    pub segment: Option<u32>,
    /// Whether the name marks a key file.
    pub key: bool,
}

impl Pattern {
    /// A pattern from its text: a regular expression (case does not count) with groups out of [`GROUPS`], the form of
    /// its time (`strftime`; a `-` in the name reads as `_`), and the offset of that time from UTC.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub fn new(name: &str, regex: &str, time: &str, offset: &str) -> Result<Pattern, String> {
        let wrong = |what: String| format!("pattern {name:?}: {what}");
        let regex = RegexBuilder::new(regex).case_insensitive(true).build().map_err(|e| wrong(e.to_string()))?;
        let groups: Vec<&str> = regex.capture_names().flatten().collect();
        if let Some(strange) = groups.iter().find(|group| !GROUPS.contains(group)) {
            return Err(wrong(format!("group {strange:?} is not one of: {}", GROUPS.join(", "))));
        }
        if groups.is_empty() {
            return Err(wrong(format!("it has none of the groups {}", GROUPS.join(", "))));
        }
        if groups.contains(&"time") {
            form(time).map_err(wrong)?;
        }
        let offset = offset.parse().map_err(|_| wrong(format!("offset {offset:?} is not such as +08:00")))?;
        Ok(Pattern { name: name.to_owned(), regex, time: time.to_owned(), offset })
    }

    /// What this pattern reads in a name; `None` when it does not fit.
    pub fn read(&self, name: &str) -> Option<Named> {
        let found = self.regex.captures(name)?;
        let text = |group: &str| found.name(group).map(|m| m.as_str()).filter(|text| !text.is_empty());
        Some(Named {
            pattern: self.name.clone(),
            unit: text("unit").map(str::to_owned),
            device: text("device").map(str::to_owned),
            officer: text("officer").map(str::to_owned),
            at: text("time").and_then(|digits| instant(digits, &self.time, self.offset)),
            segment: text("seq").and_then(|digits| digits.parse().ok()),
            key: text("key").is_some(),
        })
    }
}

/// Checks a `strftime` form: it must give a whole date and time.
///
/// # Errors
/// A sentence.
pub fn form(time: &str) -> Result<(), String> {
    let sound = StrftimeItems::new(time).all(|item| item != Item::Error);
    let sample = DateTime::UNIX_EPOCH.naive_utc();
    let whole = sound && NaiveDateTime::parse_from_str(&sample.format(time).to_string(), time) == Ok(sample);
    if whole { Ok(()) } else { Err(format!("time {time:?} is no form of a date and time such as %Y%m%d%H%M%S")) }
}

/// The instant that digits of this form state.
pub fn instant(digits: &str, time: &str, offset: FixedOffset) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(digits, time)
        .or_else(|_| NaiveDateTime::parse_from_str(&digits.replace('-', "_"), time))
        .ok()?;
    local.and_local_timezone(offset).single().map(|at| at.to_utc())
}

/// The patterns every dock knows.
pub fn known() -> Vec<Pattern> {
    KNOWN
        .iter()
        .map(|(name, regex, time)| {
            Pattern::new(name, regex, time, LOCAL).unwrap_or_else(|e| unreachable!("held by a test: {e}"))
        })
        .collect()
}

/// What the first pattern that fits reads.
pub fn read(patterns: &[Pattern], name: &str) -> Option<Named> {
    patterns.iter().find_map(|pattern| pattern.read(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_patterns_read_the_names_vendors_write() {
        let patterns = known();
        let at = |text: &str| Some(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        let whole = read(&patterns, "431221_C0012_005617_20261123083015_0003_IMP.MP4").unwrap();
        let expected = Named {
            pattern: "unit_device_officer".into(),
            unit: Some("431221".into()),
            device: Some("C0012".into()),
            officer: Some("005617".into()),
            at: at("2026-11-23T08:30:15+08:00"),
            segment: Some(3),
            key: true,
        };
        assert_eq!(whole, expected);
        for (name, pattern, device, key) in [
            ("431221_C0012_005617_20261123083015_0003.mp4", "unit_device_officer", Some("C0012"), false),
            ("C0012_005617_20261123083015!.mp4", "device_officer", Some("C0012"), true),
            ("C0012_20261123083015_0001.MP4", "device", Some("C0012"), false),
            ("DSJ-T8_20261123-083015.mov", "device_split", Some("DSJ-T8"), false),
            ("VID_20261123_083015.mp4", "bare_split", None, false),
            ("REC20261123083015_IMP.MP4", "bare", None, true),
            ("20261123083015.jpg", "bare", None, false),
        ] {
            let named = read(&patterns, name).unwrap_or_else(|| panic!("{name}"));
            let found = (named.pattern.as_str(), named.device.as_deref(), named.key);
            assert_eq!((found, named.at), ((pattern, device, key), at("2026-11-23T08:30:15+08:00")), "{name}");
        }
        // Month 13: it fits, but says no time.
        assert_eq!(read(&patterns, "C1_20261323083015.mp4").map(|named| named.at), Some(None));
        for strange in ["VID_0001.MP4", "A.mp4", "现场.mp4", "C1_2026.mp4", ""] {
            assert_eq!(read(&patterns, strange), None, "{strange}");
        }
    }

    #[test]
    fn a_pattern_that_can_not_work_is_told() {
        let new = |regex: &str, time: &str, offset: &str| Pattern::new("p", regex, time, offset).unwrap_err();
        assert!(new("(", "%Y", "+08:00").contains("unclosed group"));
        assert!(new(r"^(?<serial>\d+)", "", "+08:00").contains("serial"));
        assert!(new(r"^\d+", "", "+08:00").contains("none of the groups"));
        assert!(new(r"(?<time>\d+)", "%Y%m%d", "+08:00").contains("form"));
        assert!(new(r"(?<time>\d+)", "%Q", "+08:00").contains("form"));
        assert!(new(r"(?<device>\d+)", "", "east").contains("+08:00"));
        let utc = Pattern::new("utc", r"^(?<time>\d{14})Z", "%Y%m%d%H%M%S", "+00:00").unwrap();
        assert_eq!(utc.read("20261123003015Z.mp4").unwrap().at.unwrap().to_rfc3339(), "2026-11-23T00:30:15+00:00");
    }
}
