//! What may be declared, and who may see it.

use super::datum::{Datum, Position, to_wgs84};
use crate::{
    blob::digest,
    db::types::{CaseId, DeviceId, UnitId, UserId},
    error::{Code, Result},
    identity::rules::{Actor, CENTRE, Role, text_enum},
};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};

text_enum! {
    /// How far a piece of evidence has come.
    State {
        /// Named, its bytes are still missing.
        Declared = "declared",
        /// Its bytes are here and have the declared digest.
        Stored = "stored",
        /// Its bytes were here, and two people decided that they go.
        Deleted = "deleted",
    }
}

/// The place where it was taken, as the device says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EvidenceGps)]
pub struct Gps {
    /// Degrees, north positive.
    pub lat: f64,
    /// Degrees, east positive.
    pub lon: f64,
    /// `wgs84`, `cgcs2000`, `gcj02` or `bd09`.
    #[schema(value_type = String)]
    pub datum: Datum,
    /// Radius in metres of the circle that holds the true place with 68 %.
    pub accuracy_m: Option<f64>,
    /// Age of the fix when it was taken, seconds.
    pub fix_age_s: Option<f64>,
    /// Where the device got it from: `gnss`, `network`, `fused`, `manual`, …
    pub source: Option<String>,
}

impl Gps {
    /// The place in WGS-84.
    ///
    /// # Errors
    /// `value_invalid` outside the globe.
    pub fn wgs84(&self) -> Result<Position> {
        let position = Position::new(self.lat, self.lon).map_err(|e| Code::ValueInvalid.with(format!("gps: {e}")))?;
        Ok(to_wgs84(position, self.datum))
    }
}

/// A declaration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewEvidence {
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// As the device names it; `application/octet-stream` when it does not say.
    pub media_type: String,
    /// The name to show and to download under.
    pub filename: Option<String>,
    /// When it was taken, by the device's corrected clock.
    pub captured_at: Option<DateTime<Utc>>,
    /// Where.
    pub gps: Option<Gps>,
    /// The case it belongs to.
    pub case_id: Option<CaseId>,
    /// What it shows there: `before`, `after`, …
    pub role: Option<String>,
    /// What it lies beside.
    pub sidecar: Option<Sidecar>,
}

/// A file that says where a recording was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Sidecar {
    /// The digest of the recording, lower-case hexadecimal.
    pub of_sha256: String,
    /// What its positions are in, when the file does not say.
    pub datum: Datum,
}

/// The type of bytes nobody named.
pub const OCTETS: &str = "application/octet-stream";
/// The role of a track that names none.
pub const TRACK: &str = "track";
/// The role of a link that names none.
pub const ROLE: &str = "evidence";

impl NewEvidence {
    /// The declaration in its one spelling.
    ///
    /// # Errors
    /// `value_invalid`, naming the field.
    pub fn checked(mut self) -> Result<NewEvidence> {
        let wrong = |text: &str| Code::ValueInvalid.with(text);
        self.sha256 = digest::sha256_text(&self.sha256)
            .filter(|_| self.sha256.len() == 64)
            .ok_or_else(|| wrong("sha256: 64 hexadecimal digits"))?;
        if self.size < 0 {
            return Err(wrong("size: 0 or more"));
        }
        self.media_type = media_type(&self.media_type).ok_or_else(|| wrong("media_type: such as image/jpeg"))?;
        self.filename = self.filename.as_deref().and_then(filename);
        if self.captured_at.is_some_and(|at| !(1970..=9999).contains(&at.year())) {
            return Err(wrong("captured_at: year 1970–9999"));
        }
        if let Some(gps) = &self.gps {
            gps.wgs84()?;
            let distance = |n: Option<f64>| n.is_none_or(|n| (0.0..=1e7).contains(&n));
            if !distance(gps.accuracy_m) || !distance(gps.fix_age_s) {
                return Err(wrong("gps: accuracy_m and fix_age_s are 0–10000000"));
            }
            if !gps.source.as_deref().is_none_or(word) {
                return Err(wrong("gps.source: 1–32 letters, digits, _ or -"));
            }
        }
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.of_sha256 = digest::sha256_text(&sidecar.of_sha256)
                .filter(|_| sidecar.of_sha256.len() == 64)
                .ok_or_else(|| wrong("sidecar_of: 64 hexadecimal digits"))?;
            self.role.get_or_insert_with(|| TRACK.to_owned());
        }
        if !self.role.as_deref().is_none_or(word) {
            return Err(wrong("role: 1–32 letters, digits, _ or -"));
        }
        Ok(self)
    }
}

/// Whether a text is a short word for machines.
fn word(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// A media type without its parameters, lower case (RFC 9110 §8.3.1); `None` when it is none.
pub fn media_type(text: &str) -> Option<String> {
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b));
    let (kind, subtype) = essence.split_once('/')?;
    (essence.len() <= 100 && token(kind) && token(subtype)).then_some(essence)
}

/// The name to show: the last part of a path, without control characters, at most 200 characters. `None` when nothing
/// is left. Never a path of ours.
pub fn filename(text: &str) -> Option<String> {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    // Direction overrides make "gpj.exe" read as "exe.jpg".
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let shown: String = last.chars().filter(|c| !hidden(*c)).take(200).collect();
    let shown = shown.trim();
    (!shown.is_empty() && shown.chars().any(|c| c != '.')).then(|| shown.to_owned())
}

/// Who declares or uploads: a device, a person, or a person on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The device.
    pub device_id: Option<DeviceId>,
    /// The person.
    pub user_id: Option<UserId>,
}

impl Owner {
    /// A device on its own.
    pub fn device(id: DeviceId) -> Owner {
        Owner { device_id: Some(id), user_id: None }
    }

    /// A person, with the device their session is bound to.
    pub fn person(actor: &Actor) -> Owner {
        Owner { device_id: actor.device_id, user_id: Some(actor.user_id) }
    }

    /// The audience key of whoever answers for it: the person when there is one.
    pub fn key(&self) -> String {
        match (self.user_id, self.device_id) {
            (Some(user), _) => format!("user:{user}"),
            (None, Some(device)) => format!("device:{device}"),
            (None, None) => "nobody".into(),
        }
    }
}

/// Who looks: the keys they hold, apart, for queries.
#[derive(Debug, Clone, Default)]
pub struct Viewer {
    /// Sees everything.
    pub centre: bool,
    /// The device asking, or the one the session is bound to.
    pub device: Option<DeviceId>,
    /// The person.
    pub user: Option<UserId>,
    /// The person's unit, when the role sees its cases.
    pub unit: Option<UnitId>,
}

impl Viewer {
    /// A person.
    pub fn person(actor: &Actor) -> Viewer {
        Viewer {
            centre: CENTRE.contains(&actor.role),
            device: actor.device_id,
            user: Some(actor.user_id),
            unit: actor.unit_id.filter(|_| matches!(actor.role, Role::Liaison | Role::Officer)),
        }
    }

    /// A device on its own sees what it declared or sent.
    pub fn device(id: DeviceId) -> Viewer {
        Viewer { device: Some(id), ..Viewer::default() }
    }

    /// The audience keys.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = self.owners();
        keys.extend(self.centre.then(|| "centre".to_owned()));
        keys.extend(self.unit.map(|id| format!("unit:{id}")));
        keys
    }

    /// The keys under which uploads are theirs.
    pub fn owners(&self) -> Vec<String> {
        let device = self.device.map(|id| format!("device:{id}"));
        let user = self.user.map(|id| format!("user:{id}"));
        device.into_iter().chain(user).collect()
    }

    /// Whether a record with this audience is theirs to see.
    pub fn sees(&self, audience: &[String]) -> bool {
        self.keys().iter().any(|key| audience.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> NewEvidence {
        NewEvidence { sha256: "A".repeat(64), size: 1, media_type: "Image/JPEG; q=1".into(), ..Default::default() }
    }

    fn gps(lat: f64, accuracy_m: f64) -> Gps {
        Gps { lat, lon: 110.0, datum: Datum::Gcj02, accuracy_m: Some(accuracy_m), fix_age_s: None, source: None }
    }

    #[test]
    fn a_declaration_gets_one_spelling_and_rubbish_is_refused() {
        let good = NewEvidence { filename: Some("../../a/照片.jpg".into()), ..new() }.checked().unwrap();
        assert_eq!((good.sha256, good.media_type.as_str()), ("a".repeat(64), "image/jpeg"));
        assert_eq!(good.filename.as_deref(), Some("照片.jpg"));
        for bad in [
            NewEvidence { sha256: "x".repeat(64), ..new() },
            NewEvidence { sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(), ..new() },
            NewEvidence { size: -1, ..new() },
            NewEvidence { media_type: "jpeg".into(), ..new() },
            NewEvidence { media_type: "a/b\r\nX: y".into(), ..new() },
            NewEvidence { gps: Some(gps(91.0, 1.0)), ..new() },
            NewEvidence { gps: Some(gps(27.0, f64::NAN)), ..new() },
            NewEvidence { gps: Some(gps(27.0, -1.0)), ..new() },
            NewEvidence { role: Some("a b".into()), ..new() },
            NewEvidence { captured_at: DateTime::from_timestamp(-9_000_000_000, 0), ..new() },
        ] {
            assert_eq!(bad.checked().unwrap_err().code, Code::ValueInvalid);
        }
    }

    #[test]
    fn a_shown_name_is_never_a_path_and_hides_nothing() {
        for (given, shown) in [
            ("a.jpg", Some("a.jpg")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\DCIM\\1.mp4", Some("1.mp4")),
            ("a\0b\r\nc\u{7f}.jpg", Some("abc.jpg")),
            ("photo\u{202E}gpj.exe", Some("photogpj.exe")),
            ("..", None),
            ("a/", None),
            (" ", None),
            ("", None),
        ] {
            assert_eq!(filename(given).as_deref(), shown, "{given:?}");
        }
        assert_eq!(filename(&"字".repeat(900)).unwrap().chars().count(), 200);
    }

    #[test]
    fn a_person_sees_the_own_unit_and_what_the_own_device_made() {
        let (unit, device) = (UnitId(uuid::Uuid::from_u128(1)), DeviceId(uuid::Uuid::from_u128(2)));
        let viewer = Viewer { unit: Some(unit), device: Some(device), ..Viewer::default() };
        assert!(viewer.sees(&[format!("unit:{unit}")]) && viewer.sees(&[format!("device:{device}")]));
        assert!(!viewer.sees(&["centre".into(), "unit:other".into()]) && !viewer.sees(&[]));
        assert!(Viewer { centre: true, ..Viewer::default() }.sees(&["centre".into()]));
    }
}
