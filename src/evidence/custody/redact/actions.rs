//! Recording a redaction, in an open transaction; its bytes are among the originals already.

use crate::{
    db::{Tx, types::EvidenceId},
    error::{Error, Result},
    evidence::{
        actions::{self as evidence, Arrived, NewLink},
        custody::{
            actions::{Act, record},
            rules::{Action, Region, Style},
        },
        media::Facts,
        rules::NewEvidence,
        store as pieces,
        view::Evidence,
    },
};
use serde_json::json;

/// A redacted picture that was made.
pub(super) struct Drawn {
    /// Of which original.
    pub(super) original: EvidenceId,
    /// Its digest.
    pub(super) sha256: String,
    /// Bytes.
    pub(super) size: i64,
    /// What its file says.
    pub(super) facts: Facts,
    /// What is covered.
    pub(super) regions: Vec<Region>,
    /// How.
    pub(super) style: Style,
}

/// The role under which a redaction is linked to the records of its original.
const ROLE: &str = "redacted";

/// The picture becomes evidence of its own: made of the original, restricted as it is, linked where it is. Says whether
/// it is new: the same regions of the same photo make the same bytes.
///
/// # Errors
/// `not_found`.
pub(super) fn keep(tx: &mut Tx, drawn: Drawn, act: &Act) -> Result<(Evidence, bool)> {
    let original = pieces::evidence_lock(tx.db, drawn.original)?.ok_or_else(|| Error::not_found("evidence"))?;
    let said = NewEvidence {
        sha256: drawn.sha256,
        size: drawn.size,
        media_type: drawn.facts.media_type.to_owned(),
        filename: Some(name(original.filename.as_deref())),
        captured_at: original.captured_at.map(|at| at.0),
        role: Some(ROLE.to_owned()),
        ..NewEvidence::default()
    };
    let before = evidence::audience_of(tx.db, &said.sha256)?;
    let mut row = evidence::declare(tx, &act.who, said.clone())?;
    let is_new = row.stored_at.is_none();
    if row.derived_from.is_none() {
        row.derived_from = Some(original.id);
        row.access_class.clone_from(&original.access_class);
        pieces::evidence_save(tx.db, &row)?;
    }
    for link in pieces::links_of(tx.db, &[original.id])? {
        let to = NewLink { kind: &link.target_kind, id: &link.target_id, role: ROLE, need: "none", op: None };
        evidence::link(tx, row.id, to, act.who.user_id)?;
    }
    let arrived = Arrived { said, facts: drawn.facts, sender: act.who, before, doubts: vec![] };
    let row = evidence::store_bytes(tx, arrived)?;
    let detail = json!({"derived": row.id, "sha256": row.sha256, "style": drawn.style, "regions": drawn.regions});
    record(tx, &original, Action::Redacted, act, &detail)?;
    let links = pieces::links_of(tx.db, &[row.id])?;
    Ok((Evidence::of(row, &links), is_new))
}

fn name(original: Option<&str>) -> String {
    let stem = original.and_then(|name| name.rsplit_once('.').map(|(stem, _)| stem).or(Some(name)));
    format!("{}-redacted.jpg", stem.unwrap_or("photo"))
}
