//! What is known of a file from a card: whose camera, when, how important; from three voices that may disagree. Pure.
//!
//! The time is the camera's own word and is never corrected. The name says it to the second and is no part of the bytes
//! that are hashed; the MP4's header is, but makers write its start or its end, in UTC or in local time; the file
//! system's time moves with every copy. So the name counts while the container agrees within two minutes, the container
//! when it does not, and the file system when both are silent. What a known error of the camera's clock would make of
//! it goes beside.

use super::{clock::Clock, config::Config, names};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name and container may differ by so much.
const AGREE: TimeDelta = TimeDelta::minutes(2);
/// Local time written where UTC belongs.
const LOCAL: TimeDelta = TimeDelta::hours(8);

/// A file, as it lies there.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// The folder the camera appears under.
    pub mount: &'a str,
    /// The file, below that folder.
    pub inside: &'a Path,
    /// When the container says that it was made.
    pub container: Option<DateTime<Utc>>,
    /// How long it lasts.
    pub duration_ms: Option<u64>,
    /// Its last change.
    pub mtime: DateTime<Utc>,
    /// The present, by the server's clock.
    pub now: DateTime<Utc>,
    /// What was measured of the camera's clock.
    pub measured: Option<Clock>,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The camera's serial.
    pub camera: String,
    /// Who says so: `configured`, `name` or `folder`.
    pub camera_from: String,
    /// The unit's code, by the name.
    pub unit: Option<String>,
    /// The officer's number, by the name.
    pub officer: Option<String>,
    /// The segment's number, by the name.
    pub segment: Option<u32>,
    /// Marked as a key file by its name or its folder.
    pub key_file: bool,
    /// When it was taken, by the camera's clock.
    pub at: DateTime<Utc>,
    /// Who says so: `name`, `file` or `mtime`.
    pub from: String,
    /// The error of the camera's clock, when it is known.
    pub clock: Option<Clock>,
    /// What does not fit, `code:figure`.
    pub doubts: Vec<String>,
}

impl Recording {
    /// What is known of a file.
    pub fn of(seen: &Seen, config: &Config) -> Recording {
        let name = seen.inside.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let named = names::read(&config.patterns, &name).unwrap_or_default();
        let mut doubts = Vec::new();
        let (camera, camera_from) = camera(seen.mount, named.device.as_deref(), config, &mut doubts);
        let (at, from) = when(seen, named.at, &mut doubts);
        let folders = seen.inside.parent().into_iter().flat_map(Path::components);
        let key_folder = folders
            .map(|part| part.as_os_str().to_string_lossy().to_lowercase())
            .any(|folder| config.key_folders.contains(&folder));
        let configured = config.cameras.get(&camera).and_then(|known| known.clock_offset_s);
        let configured = configured.map(|s| Clock { offset_ms: s * 1000, from: "configured".into() });
        // A measurement is of today; what a person wrote down may be of last year.
        let clock = seen.measured.clone().or(configured);
        let truly = corrected(at, clock.as_ref());
        if truly > seen.now + AGREE {
            // It can't have been taken in the future: its clock is ahead by at least that much.
            doubts.push(format!("clock_ahead:{}", (truly - seen.now).num_seconds()));
        }
        Recording {
            camera,
            camera_from: camera_from.to_owned(),
            unit: named.unit,
            officer: named.officer,
            segment: named.segment,
            key_file: named.key || key_folder,
            at,
            from: from.to_owned(),
            clock,
            doubts,
        }
    }

    /// When it was taken if the clock's known error is taken off; none when no error is known.
    pub fn corrected_at(&self) -> Option<DateTime<Utc>> {
        self.clock.as_ref().map(|clock| corrected(self.at, Some(clock)))
    }

    /// What goes into the upload's metadata beside the time itself. Words of ours, see `clips::rules::Said`.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let mut words = vec![("camera", self.camera.clone())];
        words.extend(self.unit.clone().map(|unit| ("unit_code", unit)));
        words.extend(self.officer.clone().map(|officer| ("officer", officer)));
        words.extend(self.segment.map(|segment| ("segment", segment.to_string())));
        words.extend(self.key_file.then(|| ("key_file", "1".to_owned())));
        if let (Some(clock), Some(at)) = (&self.clock, self.corrected_at()) {
            words.push(("clock_offset_ms", clock.offset_ms.to_string()));
            words.push(("clock_from", clock.from.clone()));
            words.push(("corrected_at", at.to_rfc3339_opts(SecondsFormat::Micros, true)));
        }
        if !self.doubts.is_empty() {
            words.push(("doubts", self.doubts.join(",")));
        }
        words
    }
}

fn corrected(at: DateTime<Utc>, clock: Option<&Clock>) -> DateTime<Utc> {
    at - TimeDelta::milliseconds(clock.map_or(0, |clock| clock.offset_ms))
}

/// Whose file it is. A person's word about a slot counts most; a name is written by the camera itself; the folder is
/// what is left.
fn camera(mount: &str, named: Option<&str>, config: &Config, doubts: &mut Vec<String>) -> (String, &'static str) {
    let configured = config.in_folder(mount);
    if let (Some(configured), Some(named)) = (configured, named)
        && configured != named
    {
        doubts.push(format!("camera_differs:{}", word(named)));
    }
    match (configured, named) {
        (Some(serial), _) => (serial.to_owned(), "configured"),
        (None, Some(serial)) => (serial.to_owned(), "name"),
        (None, None) => (mount.to_owned(), "folder"),
    }
}

fn when(seen: &Seen, named: Option<DateTime<Utc>>, doubts: &mut Vec<String>) -> (DateTime<Utc>, &'static str) {
    match (named, seen.container) {
        (Some(named), Some(container)) => {
            let gap = gap(named, container, seen.duration_ms);
            if gap <= AGREE {
                return (named, "name");
            }
            doubts.push(format!("name_time_differs:{}", gap.num_seconds()));
            (container, "file")
        }
        (None, Some(container)) => (container, "file"),
        (Some(named), None) => {
            // The name alone is nobody's proof. A file is written until it ends.
            let end = named + TimeDelta::milliseconds(seen.duration_ms.map_or(0, |ms| ms.min(DAY_MS)).cast_signed());
            let gap = (seen.mtime - end).abs();
            if gap > AGREE {
                doubts.push(format!("name_time_alone:{}", gap.num_seconds()));
            }
            (named, "name")
        }
        (None, None) => (seen.mtime, "mtime"),
    }
}

const DAY_MS: u64 = 86_400_000;

/// How far a name's time is from the container's, which may be the start or the end, in UTC or in local time.
fn gap(named: DateTime<Utc>, container: DateTime<Utc>, duration_ms: Option<u64>) -> TimeDelta {
    let duration = TimeDelta::milliseconds(duration_ms.map_or(0, |ms| ms.min(DAY_MS)).cast_signed());
    let starts = [container, container - duration, container - LOCAL, container - duration - LOCAL];
    starts.iter().map(|start| (*start - named).abs()).min().unwrap_or(TimeDelta::MAX)
}

/// A text that may stand in a list of words.
fn word(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ',' | ':') && !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn seen(inside: &str) -> Seen<'_> {
        Seen {
            mount: "slot-03",
            inside: Path::new(inside),
            container: Some(at("2026-11-23T08:30:20+08:00")),
            duration_ms: Some(600_000),
            mtime: at("2026-11-23T08:40:20+08:00"),
            now: at("2026-11-23T18:00:00+08:00"),
            measured: None,
        }
    }

    const NAME: &str = "DCIM/431221_C0012_005617_20261123083015_0001.MP4";

    #[test]
    fn name_container_and_file_system_are_heard_in_turn() {
        let config = Config::default();
        let told = |seen: Seen| {
            let recording = Recording::of(&seen, &config);
            (recording.from, recording.at, recording.doubts)
        };
        let (named, container) = (at("2026-11-23T08:30:15+08:00"), at("2026-11-23T08:30:20+08:00"));
        let name = || "name".to_owned();
        assert_eq!(told(seen(NAME)), (name(), named, vec![]));
        // The container's time is the end, or local time where UTC belongs, or both.
        for other in ["2026-11-23T08:40:18+08:00", "2026-11-23T16:30:20+08:00", "2026-11-23T16:40:20+08:00"] {
            assert_eq!(told(Seen { container: Some(at(other)), ..seen(NAME) }), (name(), named, vec![]), "{other}");
        }
        // Somebody renamed it: the bytes count, and it is told.
        let off = at("2026-11-23T08:33:00+08:00");
        let renamed = told(Seen { container: Some(off), ..seen(NAME) });
        assert_eq!(renamed, ("file".into(), off, vec!["name_time_differs:165".into()]));
        assert_eq!(told(seen("VID_0001.MP4")), ("file".into(), container, vec![]));
        assert_eq!(told(Seen { container: None, ..seen(NAME) }), (name(), named, vec![]));
        let copied = Seen { container: None, mtime: at("2026-11-25T08:40:15+08:00"), ..seen(NAME) };
        assert_eq!(told(copied), (name(), named, vec!["name_time_alone:172800".into()]));
        let silent = Seen { container: None, ..seen("VID_0001.MP4") };
        assert_eq!(told(silent), ("mtime".into(), at("2026-11-23T08:40:20+08:00"), vec![]));
    }

    #[test]
    fn a_camera_is_known_by_configuration_by_name_or_by_folder() {
        let config = Config::parse("[cameras.C0012]\nfolder='slot-03'\nclock_offset_s=300").unwrap();
        let known = Recording::of(&seen(NAME), &config);
        assert_eq!((known.camera.as_str(), known.camera_from.as_str()), ("C0012", "configured"));
        assert_eq!(known.clock.as_ref().unwrap().offset_ms, 300_000);
        assert_eq!(known.at, at("2026-11-23T08:30:15+08:00"), "its own word stands");
        assert_eq!(known.corrected_at(), Some(at("2026-11-23T08:25:15+08:00")));
        let other = Recording::of(&seen("1_C0099_2_20261123083015.MP4"), &config);
        assert_eq!((other.camera.as_str(), &other.doubts), ("C0012", &vec!["camera_differs:C0099".to_owned()]));
        let named = Recording::of(&Seen { mount: "slot-04", ..seen(NAME) }, &config);
        assert_eq!((named.camera.as_str(), named.camera_from.as_str()), ("C0012", "name"));
        let bare = Recording::of(&Seen { mount: "slot-04", ..seen("A.MP4") }, &config);
        assert_eq!((bare.camera.as_str(), bare.camera_from.as_str(), bare.clock), ("slot-04", "folder", None));
    }

    #[test]
    fn a_key_file_is_marked_by_name_or_folder_and_a_clock_ahead_is_told() {
        let config = Config::default();
        let key = |inside: &str| Recording::of(&seen(inside), &config).key_file;
        assert!(key("431221_C0012_005617_20261123083015_0001_IMP.MP4") && key("DCIM/imp/A.MP4") && key("重点/A.MP4"));
        assert!(!key(NAME) && !key("IMPRINT/A.MP4"));
        let early = Seen { now: at("2026-11-23T08:00:00+08:00"), ..seen(NAME) };
        assert_eq!(Recording::of(&early, &config).doubts, ["clock_ahead:1815"]);
        let measured = Some(Clock { offset_ms: 3_600_000, from: "clock_file".into() });
        let corrected = Recording::of(&Seen { measured, ..early }, &config);
        assert_eq!(corrected.doubts, Vec::<String>::new(), "its measured error explains it");
        let words = corrected.words();
        assert!(words.contains(&("corrected_at", "2026-11-22T23:30:15.000000Z".to_owned())), "{words:?}");
        assert!(words.contains(&("clock_from", "clock_file".to_owned())), "{words:?}");
    }
}
