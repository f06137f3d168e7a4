//! Evidence as JSON: what REST answers and what sync hands out.

use super::{
    custody::{actions::is_restricted, rules::AccessClass},
    rules::State,
    store::{EvidenceRow, LinkRow},
};
use crate::db::types::{DeviceId, EvidenceId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A photo or video.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Evidence {
    /// Its id.
    pub id: EvidenceId,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
    /// As declared; downloads carry the type that the bytes tell, `facts.media_type`.
    pub media_type: String,
    /// `declared` until the bytes are here and verified.
    #[schema(value_type = State)]
    pub state: String,
    /// The name to show.
    pub filename: Option<String>,
    /// When it was taken, as the device says.
    pub captured_at: Option<DateTime<Utc>>,
    /// Where it was taken, as the device says.
    pub gps: Option<Place>,
    /// What it shows, as declared first.
    pub role: Option<String>,
    /// The device that declared it.
    pub device_id: Option<DeviceId>,
    /// When the server heard of it.
    pub declared_at: DateTime<Utc>,
    /// When its bytes were verified.
    pub stored_at: Option<DateTime<Utc>>,
    /// What the file says about itself.
    #[schema(value_type = Option<Object>)]
    pub facts: Option<serde_json::Value>,
    /// Differences between the declaration and the file, `[{code, detail}]`.
    #[schema(value_type = Vec<Object>)]
    pub flags: serde_json::Value,
    /// Of a stored video, where the server was asked for it alone or in a list: whether `thumbnail` gives a picture of
    /// it, `by_ffmpeg`, or does not, `no_decoder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poster: Option<&'static str>,
    /// What it belongs to.
    pub links: Vec<Link>,
    /// `restricted`: opening it takes a reason.
    #[schema(value_type = AccessClass)]
    pub access_class: String,
    /// Whether its name, its place and what the file says are left out, because it is restricted and no reason was
    /// given.
    pub masked: bool,
    /// The original that it was made of.
    pub derived_from: Option<EvidenceId>,
    /// When its bytes go, or went; only those who can undo a deletion see such evidence.
    pub delete_at: Option<DateTime<Utc>>,
}

/// A place as it was sent, and in WGS-84.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Place {
    /// Degrees in `datum`.
    pub lat: f64,
    /// Degrees in `datum`.
    pub lon: f64,
    /// As sent.
    pub datum: Option<String>,
    /// Metres.
    pub accuracy_m: Option<f64>,
    /// Seconds.
    pub fix_age_s: Option<f64>,
    /// `gnss`, `network`, …
    pub source: Option<String>,
    /// For maps and comparisons.
    pub wgs84: Option<Degrees>,
}

/// A place in WGS-84.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Degrees {
    /// North positive.
    pub lat: f64,
    /// East positive.
    pub lon: f64,
}

/// What evidence belongs to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Link {
    /// `case`, `spot_check`, …
    pub target_kind: String,
    /// The record's id.
    pub target_id: String,
    /// What the evidence shows there.
    pub role: String,
}

impl Evidence {
    /// The record for a list, or for someone who gave no reason to see more of it. `links` may hold other evidence's
    /// links too.
    pub fn of(mut row: EvidenceRow, links: &[LinkRow]) -> Evidence {
        let masked = is_restricted(&row);
        if masked {
            (row.filename, row.lat, row.lon, row.wgs84_lat, row.wgs84_lon) = (None, None, None, None, None);
            (row.facts, row.flags.0) = (None, serde_json::Value::Array(vec![]));
        }
        Evidence { masked, ..Evidence::whole(row, links) }
    }

    /// The whole record. `links` may hold other evidence's links too.
    pub fn whole(row: EvidenceRow, links: &[LinkRow]) -> Evidence {
        let own = links.iter().filter(|l| l.evidence_id == row.id);
        let links = own.map(|l| Link {
            target_kind: l.target_kind.clone(),
            target_id: l.target_id.clone(),
            role: l.role.clone(),
        });
        let wgs84 = row.wgs84_lat.zip(row.wgs84_lon).map(|(lat, lon)| Degrees { lat, lon });
        let gps = row.lat.zip(row.lon).map(|(lat, lon)| Place {
            lat,
            lon,
            datum: row.datum,
            accuracy_m: row.accuracy_m,
            fix_age_s: row.fix_age_s,
            source: row.position_source,
            wgs84,
        });
        Evidence {
            id: row.id,
            links: links.collect(),
            sha256: row.sha256,
            size: row.size,
            media_type: row.media_type,
            state: row.state,
            filename: row.filename,
            captured_at: row.captured_at.map(|at| at.0),
            gps,
            role: row.role,
            device_id: row.device_id,
            declared_at: row.declared_at.0,
            stored_at: row.stored_at.map(|at| at.0),
            facts: row.facts.map(|f| f.0),
            flags: row.flags.0,
            poster: None,
            access_class: row.access_class,
            masked: false,
            derived_from: row.derived_from,
            delete_at: row.delete_at.map(|at| at.0),
        }
    }

    /// With a word on whether there is a picture of it, when it is a video.
    pub fn with_poster(mut self, decoder: bool) -> Evidence {
        let kind = self.facts.as_ref().and_then(|facts| facts.get("kind")).and_then(serde_json::Value::as_str);
        if matches!(kind, Some("mp4" | "quicktime" | "three_gp")) {
            self.poster = Some(if decoder { "by_ffmpeg" } else { "no_decoder" });
        }
        self
    }

    /// The record for someone who named a digest that others had named before: no more than they said themselves. They
    /// see the rest once they have proved, by sending them, that the bytes are theirs too.
    pub fn blind(row: EvidenceRow) -> Evidence {
        Evidence {
            id: row.id,
            sha256: row.sha256,
            size: row.size,
            media_type: row.media_type,
            state: State::Declared.to_string(),
            filename: None,
            captured_at: None,
            gps: None,
            role: None,
            device_id: None,
            declared_at: row.declared_at.0,
            stored_at: None,
            facts: None,
            flags: serde_json::Value::Array(vec![]),
            poster: None,
            links: vec![],
            access_class: AccessClass::Normal.to_string(),
            masked: false,
            derived_from: None,
            delete_at: None,
        }
    }
}
