//! What a leaf says.

use crate::{canonical::canonical, error::Result, identity::rules::text_enum};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

text_enum! {
    /// What kind of fact a leaf holds.
    Kind {
        /// A file was verified and became evidence.
        Evidence = "evidence",
        /// A device's signed capture record was accepted.
        Capture = "capture",
        /// Evidence was linked to a record, or the link was taken back.
        Link = "link",
        /// Somebody looked at, downloaded or exported evidence, or changed how it is kept.
        Custody = "custody",
        /// A person decided about a suspected re-use of a photo.
        ReuseDecision = "reuse_decision",
        /// A case's evidence was handed over, in a bundle whose manifest has this digest.
        Export = "export",
        /// A draw of the spot checks.
        Draw = "draw",
        /// A published score.
        Score = "score",
        /// The nightly comparison of what is kept with this log.
        Check = "check",
    }
}

/// The text of a leaf: what kind of fact, about what, when, and the fact itself.
///
/// # Errors
/// `value_invalid`, when the body holds a number that has no single spelling.
pub fn leaf(id: Uuid, kind: Kind, subject: &str, at: DateTime<Utc>, body: &Value) -> Result<String> {
    canonical(&json!({
        "v": 1, "id": id, "kind": kind, "subject": subject, "at_ms": at.timestamp_millis(), "body": body,
    }))
}
