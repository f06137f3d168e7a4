//! The words of a bundle, shared by who writes it and who checks it.

use crate::{db::types::CaseId, identity::rules::text_enum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The manifest's name in a bundle.
pub const MANIFEST: &str = "manifest.json";
/// The proofs' name in a bundle.
pub const PROOFS: &str = "proofs.json";

/// What a bundle holds. Canonical JSON (RFC 8785): its digest is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1.
    pub v: u32,
    /// The case.
    pub case: CaseId,
    /// The case's number.
    pub number: String,
    /// When the bundle was made, milliseconds since 1970.
    pub exported_at_ms: i64,
    /// The log's key, `name+id+key`. Compare it with what the county published elsewhere.
    pub log: String,
    /// Every file but this one and the proofs, by path.
    pub files: BTreeMap<String, Listed>,
    /// The evidence.
    pub evidence: Vec<Piece>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// A piece of evidence of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Its id, as the log's leaves name it: `evidence:<id>`.
    pub id: String,
    /// Of the original.
    pub sha256: String,
    /// Bytes of the original.
    pub size: i64,
    /// Where the original lies in the bundle; none when it is not kept any more, or not arrived.
    pub original: Option<String>,
    /// Where its record lies.
    pub record: String,
    /// The records that devices signed about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<Signed>,
}

/// A record that a device signed, see `captures.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Where the record lies, as its bytes came.
    pub record: String,
    /// Where the device's public key lies, a JWK (RFC 7517).
    pub key: String,
}

/// Proofs of leaves in one signed tree. Canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// The signed note of the tree.
    pub checkpoint: String,
    /// Which leaf holds the manifest's digest; hexadecimal hash of the leaf.
    pub seal: String,
    /// The leaves by their hash, hexadecimal.
    pub leaves: BTreeMap<String, Proved>,
}

/// A leaf and the way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proved {
    /// The leaf, canonical JSON.
    pub leaf: String,
    /// Its place.
    pub index: u64,
    /// Hashes to the root, nearest first, hexadecimal.
    pub path: Vec<String>,
}

text_enum! {
    /// What is wrong with a bundle.
    BundleFault {
        /// The folder, the manifest or the proofs can't be read.
        Unreadable = "unreadable",
        /// A file that the manifest names is not there.
        FileMissing = "file_missing",
        /// A file is there that the manifest does not name.
        FileUnlisted = "file_unlisted",
        /// A file is not the one that was exported.
        FileChanged = "file_changed",
        /// The manifest is not the one whose digest is in the log.
        ManifestChanged = "manifest_changed",
        /// The checkpoint was not signed by the log, or was changed.
        CheckpointInvalid = "checkpoint_invalid",
        /// The log's key is not the one that was expected.
        LogKeyForeign = "log_key_foreign",
        /// A leaf is not in the signed tree.
        LeafUnproved = "leaf_unproved",
        /// The proofs are not spelled as they were written.
        ProofsChanged = "proofs_changed",
        /// An original is not the one that the log says was accepted.
        EvidenceUnlogged = "evidence_unlogged",
        /// A device's signed record does not fit.
        CaptureInvalid = "capture_invalid",
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub fault: BundleFault,
    /// The file it is about.
    pub path: String,
    /// For a person, in Chinese.
    pub detail: String,
}
