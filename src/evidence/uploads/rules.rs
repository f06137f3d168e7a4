//! The states of an upload, its limits, and what its metadata declares. Pure.

use super::headers;
use crate::{
    blob::digest,
    error::{Code, Error, Result},
    evidence::rules::{Gps, NewEvidence, OCTETS, Sidecar, filename, media_type},
    identity::rules::text_enum,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

text_enum! {
    /// Where an upload stands.
    UploadState {
        /// Takes bytes.
        Open = "open",
        /// Has all bytes; they are being verified.
        Finalizing = "finalizing",
        /// Became evidence.
        Accepted = "accepted",
        /// Its bytes have another digest than declared; kept aside until it expires.
        Rejected = "rejected",
        /// The disk has fewer bytes than were acknowledged.
        Lost = "lost",
        /// Its owner removed it.
        Removed = "removed",
        /// No progress for too long.
        Expired = "expired",
    }
}

/// How long an unfinished upload is kept after its last progress: cameras lie in drawers over holidays.
pub const KEEP_FOR: TimeDelta = TimeDelta::days(14);
/// How long the row of a dead upload is kept, so that 410 can be told from 404.
pub const REMEMBER_FOR: TimeDelta = TimeDelta::days(30);
/// How long the same creation gives the same upload.
pub const IDEMPOTENT_FOR: TimeDelta = TimeDelta::hours(24);
/// Open PATCH requests of one owner.
pub const WRITERS: usize = 4;
/// What an unfinished upload counts for at least, bytes.
pub const LEAST_HELD: i64 = 4096;
/// The longest file that is taken as a whole when it comes with its creation, bytes.
pub const WHOLE: i64 = 1024 * 1024;
/// The longest body with an `Upload-Checksum`, bytes: nothing of it survives a cut.
pub const MAX_CHECKED: i64 = 64 * 1024 * 1024;

/// What the metadata of an upload declares about the file.
///
/// Keys: `sha256` (hexadecimal or base64), `filename`, `filetype`, `captured_at` (RFC 3339), `lat`, `lon`, `datum`,
/// `accuracy_m`, `fix_age_s`, `source`, `case_id`, `role`, `sidecar_of` (the digest of the recording beside which a track
/// lies, whose positions are then in `datum`); all others are kept as they are. An empty value counts as
/// absent.
///
/// # Errors
/// `tus_header_invalid` for the header, or for a value of a known key that can't be read.
pub fn declaration(text: &str) -> Result<NewEvidence> {
    let pairs = headers::metadata(text)?;
    let wrong = |key: &str, why: &str| Code::TusHeaderInvalid.with(format!("Upload-Metadata: {key}: {why}"));
    let value = |key: &str| pairs.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.as_slice());
    let text = |key: &str| -> Result<Option<&str>> {
        value(key).map(|v| std::str::from_utf8(v).map_err(|_| wrong(key, "not UTF-8"))).transpose()
    };
    let number = |key: &str| -> Result<Option<f64>> {
        text(key)?.map(|v| v.parse().map_err(|_| wrong(key, "not a number"))).transpose()
    };
    let sha256 = match text("sha256")? {
        Some(v) => digest::sha256_text(v).ok_or_else(|| wrong("sha256", "64 hexadecimal digits or base64"))?,
        None => String::new(),
    };
    let datum = text("datum")?.unwrap_or("wgs84").parse().map_err(|_| wrong("datum", "unknown"))?;
    // Read before it is known whether there is a place: rubbish is told with or without one.
    let (accuracy_m, fix_age_s) = (number("accuracy_m")?, number("fix_age_s")?);
    let gps = match (number("lat")?, number("lon")?) {
        (Some(lat), Some(lon)) => {
            Some(Gps { lat, lon, datum, accuracy_m, fix_age_s, source: text("source")?.map(str::to_owned) })
        }
        (None, None) => None,
        _ => return Err(wrong("lat", "lat and lon belong together")),
    };
    let captured_at = text("captured_at")?
        .map(|v| DateTime::parse_from_rfc3339(v).map_err(|_| wrong("captured_at", "not RFC 3339")))
        .transpose()?
        .map(|at| at.with_timezone(&Utc));
    let case_id = text("case_id")?.map(|v| v.parse().map_err(|_| wrong("case_id", "not an id"))).transpose()?;
    let new = NewEvidence {
        sha256,
        size: 0,
        // Names come from file systems of all sorts; one that is no UTF-8 must not stop the upload.
        filename: value("filename").or(value("name")).and_then(|v| filename(&String::from_utf8_lossy(v))),
        media_type: text("filetype").ok().flatten().and_then(media_type).unwrap_or_else(|| OCTETS.to_owned()),
        captured_at,
        gps,
        case_id,
        role: text("role")?.map(str::to_owned),
        sidecar: text("sidecar_of")?.map(|of| Sidecar { of_sha256: of.to_owned(), datum }),
    };
    // Checked now, so that it can't fail when the bytes have travelled.
    let probe = NewEvidence { sha256: "0".repeat(64), ..new.clone() };
    let detail = |e: Error| Code::TusHeaderInvalid.with(format!("Upload-Metadata: {}", e.detail.unwrap_or_default()));
    probe.checked().map_err(detail)?;
    Ok(new)
}

/// Every pair of an upload's metadata whose value is text. What can't be read counts as absent.
pub fn words(text: &str) -> HashMap<String, String> {
    let pairs = headers::metadata(text).unwrap_or_default();
    pairs.into_iter().filter_map(|(key, value)| Some((key, String::from_utf8(value).ok()?))).collect()
}

/// The digest of the whole file, from two sources that may not contradict each other.
///
/// # Errors
/// `tus_header_invalid` when they do.
pub fn one_digest(known: Option<&str>, said: Option<String>) -> Result<Option<String>> {
    match (known, said) {
        (Some(known), Some(said)) if known != said => {
            Err(Code::TusHeaderInvalid.with("the declared digests contradict each other"))
        }
        (Some(known), _) => Ok(Some(known.to_owned())),
        (None, said) => Ok(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD as B64};

    fn header(pairs: &[(&str, &str)]) -> String {
        pairs.iter().map(|(k, v)| format!("{k} {}", B64.encode(v))).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn metadata_becomes_a_declaration() {
        let text = header(&[
            ("filename", "../井盖\0.jpg"),
            ("filetype", "image/jpeg"),
            ("captured_at", "2026-11-22T10:30:00+08:00"),
            ("lat", "27.44"),
            ("lon", "109.95"),
            ("datum", "gcj02"),
            ("accuracy_m", "8.5"),
            ("role", "before"),
            ("vendor", "x"),
        ]);
        let new = declaration(&text).unwrap();
        assert_eq!((new.filename.as_deref(), new.media_type.as_str()), (Some("井盖.jpg"), "image/jpeg"));
        assert_eq!(new.captured_at.unwrap().to_rfc3339(), "2026-11-22T02:30:00+00:00");
        assert_eq!(new.gps.unwrap().accuracy_m, Some(8.5));
        let bare = declaration(&header(&[("filename", ""), ("lat", ""), ("filetype", "rubbish")])).unwrap();
        assert_eq!((bare.filename, bare.gps, bare.media_type.as_str()), (None, None, OCTETS));
    }

    #[test]
    fn a_known_key_with_rubbish_is_told_at_once() {
        for pair in [
            ("sha256", "abc"),
            ("captured_at", "yesterday"),
            ("lat", "27"),
            ("case_id", "1"),
            ("role", "a b"),
            ("accuracy_m", "near"),
        ] {
            let code = declaration(&header(&[pair])).unwrap_err().code;
            assert_eq!(code, Code::TusHeaderInvalid, "{pair:?}");
        }
        assert!(declaration(&header(&[("lat", "95"), ("lon", "1")])).is_err());
        assert!(declaration(&header(&[("lat", "NaN"), ("lon", "1")])).is_err());
        assert!(declaration(&header(&[("lat", "1"), ("lon", "1"), ("datum", "mars")])).is_err());
    }

    #[test]
    fn two_digests_must_agree() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(one_digest(None, None).unwrap(), None);
        assert_eq!(one_digest(Some(&a), None).unwrap(), Some(a.clone()));
        assert_eq!(one_digest(Some(&a), Some(a.clone())).unwrap(), Some(a.clone()));
        assert_eq!(one_digest(Some(&a), Some(b)).unwrap_err().code, Code::TusHeaderInvalid);
    }
}
