//! The nightly comparison of what is kept with what the log says: leaves, signed trees, records, originals.

use crate::{
    app::App,
    db::{Db, types::EvidenceId},
    error::{Error, Result},
    evidence::{self, custody::rules::Action, rules::State},
    identity::rules::text_enum,
    tlog::{
        self, Kind,
        merkle::{self, Hash},
        store::{CheckpointRow, Entry},
    },
};
use chrono::{TimeDelta, Timelike};
use chrono_tz::Asia::Shanghai;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// What the leaves of checks are about.
pub const SUBJECT: &str = "check";
/// How long one night's reading of originals may take. Terabytes take several nights.
const BUDGET: Duration = Duration::from_secs(2 * 3600);
/// The hour it begins, in the county.
const HOUR: u32 = 2;
/// Leaves and records in one read.
const PAGE: i64 = 1000;
/// Findings that a leaf names; all of them are logged.
const NAMED: usize = 100;

text_enum! {
    /// What does not agree.
    Disagreement {
        /// A leaf's text is not the one that was hashed.
        LeafChanged = "leaf_changed",
        /// There is no leaf at a place.
        LeafMissing = "leaf_missing",
        /// A signed tree is not the beginning of the present one.
        TreeRewritten = "tree_rewritten",
        /// The tree's kept hashes are not those of its leaves.
        TilesChanged = "tiles_changed",
        /// Evidence is kept that the log does not know, or knows otherwise.
        EvidenceUnlogged = "evidence_unlogged",
        /// The log knows evidence that has no record any more, or one that says deleted where the log does not.
        EvidenceMissing = "evidence_missing",
        /// An original is gone.
        OriginalMissing = "original_missing",
        /// An original has other bytes.
        OriginalDamaged = "original_damaged",
    }
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub disagreement: Disagreement,
    /// About what: `leaf:<place>`, `tree:<size>`, `evidence:<id>`.
    pub subject: String,
}

/// What a check saw.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checked {
    /// Leaves read and hashed.
    pub leaves: i64,
    /// Signed trees compared.
    pub trees: usize,
    /// Records compared with their leaves.
    pub evidence: i64,
    /// Originals read.
    pub originals: i64,
    /// Their bytes.
    pub bytes: u64,
    /// The evidence after which the next check goes on; none when this one came to the end.
    pub next: Option<EvidenceId>,
    /// What does not agree.
    pub findings: Vec<Finding>,
}

impl Checked {
    fn wrong(&mut self, disagreement: Disagreement, subject: String) {
        tracing::error!(disagreement = disagreement.as_str(), subject, "the check found a disagreement");
        self.findings.push(Finding { disagreement, subject });
    }
}

/// Begins to check every night; several processes do it once. Ends with the process.
pub fn start(app: Arc<App>) {
    tokio::spawn(async move {
        loop {
            let now = app.env.now();
            if now.with_timezone(&Shanghai).hour() == HOUR {
                let outcome = match app.db.read(last).await {
                    Ok(Some(last)) if now - last.recorded_at.0 < TimeDelta::hours(20) => Ok(None),
                    Ok(_) => check(&app, BUDGET).await.map(Some),
                    Err(error) => Err(error),
                };
                if let Err(error) = outcome {
                    tracing::warn!(%error, "the nightly check did not come to its end; trying again");
                }
            }
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
    });
}

/// The newest check's leaf.
fn last(db: &mut Db) -> Result<Option<Entry>> {
    Ok(tlog::actions::list(db, Some(SUBJECT), None, None, 1)?.pop())
}

/// Compares everything now; originals for at most `budget`, going on where the last check stopped. The outcome is a leaf.
///
/// # Errors
/// The engine's own; disagreements are no errors.
pub async fn check(app: &App, budget: Duration) -> Result<Checked> {
    let mut checked = Checked::default();
    tree(app, &mut checked).await?;
    records(app, budget, &mut checked).await?;
    let named: Vec<Value> = checked.findings.iter().take(NAMED).map(|finding| json!(finding)).collect();
    let body = json!({
        "leaves": checked.leaves, "trees": checked.trees, "evidence": checked.evidence, "originals": checked.originals,
        "bytes": checked.bytes, "next": checked.next, "findings": checked.findings.len(), "named": named,
    });
    app.db.write(move |tx| tlog::record(tx, Kind::Check, SUBJECT, &body)).await?;
    Ok(checked)
}

/// Hashes every leaf again, and compares the tree of them with all that was signed and with the kept hashes.
async fn tree(app: &App, checked: &mut Checked) -> Result<()> {
    let mut signed = app.db.read(tlog::actions::kept).await?;
    let Some(newest) = signed.first().cloned() else { return Ok(()) };
    signed.reverse();
    let mut signed = signed.into_iter().peekable();
    let mut peaks: Vec<(u32, Hash)> = Vec::new();
    let mut place = 0;
    while place < newest.size {
        let page = app.db.read(move |db| tlog::actions::from(db, place, PAGE)).await?;
        let page: Vec<Entry> = page.into_iter().filter(|e| e.leaf_index.is_some_and(|at| at < newest.size)).collect();
        known_missing(app, &page, checked).await?;
        if page.is_empty() {
            checked.wrong(Disagreement::LeafMissing, format!("leaf:{place}"));
            return Ok(());
        }
        for entry in page {
            let at = entry.leaf_index.unwrap_or_default();
            if at != place {
                checked.wrong(Disagreement::LeafMissing, format!("leaf:{place}"));
                // Without it nothing above can be computed, so the signed trees say no more.
                return Ok(());
            }
            let hash = merkle::leaf(entry.leaf.as_bytes());
            if hash.as_slice() != entry.leaf_hash {
                checked.wrong(Disagreement::LeafChanged, format!("leaf:{at}"));
            }
            grow(&mut peaks, hash);
            place += 1;
            checked.leaves += 1;
            while let Some(tree) = signed.next_if(|tree| tree.size == place) {
                compare(app, &tree, &peaks, checked);
            }
        }
    }
    let size = newest.size;
    let kept = app.db.read(move |db| tlog::actions::root(db, size)).await;
    if kept.ok() != root(&peaks) {
        checked.wrong(Disagreement::TilesChanged, format!("tree:{size}"));
    }
    Ok(())
}

/// Adds a leaf to the roots of the complete subtrees so far, largest first.
fn grow(peaks: &mut Vec<(u32, Hash)>, leaf: Hash) {
    let mut new = (0, leaf);
    while let Some((_, left)) = peaks.pop_if(|(height, _)| *height == new.0) {
        new = (new.0 + 1, merkle::inner(&left, &new.1));
    }
    peaks.push(new);
}

/// The root over those subtrees.
fn root(peaks: &[(u32, Hash)]) -> Option<Hash> {
    peaks.iter().rev().map(|(_, hash)| *hash).reduce(|right, left| merkle::inner(&left, &right))
}

fn compare(app: &App, tree: &CheckpointRow, peaks: &[(u32, Hash)], checked: &mut Checked) {
    checked.trees += 1;
    let signed = app.log.name().verify(&tree.note);
    let holds = signed.is_ok_and(|signed| {
        i64::try_from(signed.size).is_ok_and(|size| size == tree.size) && Some(signed.root) == root(peaks)
    });
    if !holds {
        checked.wrong(Disagreement::TreeRewritten, format!("tree:{}", tree.size));
    }
}

/// Evidence that these leaves know must be kept, or have been deleted before the eyes of the log.
async fn known_missing(app: &App, page: &[Entry], checked: &mut Checked) -> Result<()> {
    let known = page.iter().filter(|entry| entry.kind == Kind::Evidence.as_str());
    let ids: Vec<EvidenceId> =
        known.filter_map(|entry| entry.subject.strip_prefix("evidence:")?.parse().ok()).collect();
    let asked = ids.clone();
    let there: HashMap<EvidenceId, String> =
        app.db.read(move |db| evidence::actions::known(db, &asked)).await?.into_iter().collect();
    for id in ids {
        let subject = format!("evidence:{id}");
        let sound = match there.get(&id).and_then(|state| state.parse().ok()) {
            Some(State::Stored) => true,
            Some(State::Deleted) => was_deleted(app, subject.clone()).await?,
            Some(State::Declared) | None => false,
        };
        if !sound {
            checked.wrong(Disagreement::EvidenceMissing, subject);
        }
    }
    Ok(())
}

/// Whether a leaf says that two people deleted it.
async fn was_deleted(app: &App, subject: String) -> Result<bool> {
    let leaves = app.db.read(move |db| tlog::actions::list(db, Some(&subject), Some(Kind::Custody), None, i64::MAX));
    let says = |entry: &Entry| {
        let leaf = serde_json::from_str::<Value>(&entry.leaf);
        leaf.is_ok_and(|leaf| leaf["body"]["action"] == Action::Deleted.as_str())
    };
    Ok(leaves.await?.iter().any(says))
}

/// Compares every record with its leaf, and reads originals while there is time.
async fn records(app: &App, budget: Duration, checked: &mut Checked) -> Result<()> {
    let resumed = app.db.read(last).await?.and_then(|entry| {
        let leaf: Value = serde_json::from_str(&entry.leaf).ok()?;
        leaf["body"]["next"].as_str()?.parse::<EvidenceId>().ok()
    });
    let (began, mut after, mut reading) = (Instant::now(), None, true);
    loop {
        let page = app.db.read(move |db| evidence::actions::stored_after(db, after, PAGE)).await?;
        let Some(end) = page.last().map(|piece| piece.id) else { return Ok(()) };
        for piece in page {
            let subject = format!("evidence:{}", piece.id);
            let (about, expected) = (subject.clone(), (piece.sha256.clone(), piece.size));
            let logged = app
                .db
                .read(move |db| {
                    let leaves = tlog::actions::list(db, Some(&about), Some(Kind::Evidence), None, i64::MAX)?;
                    Ok(leaves.iter().any(|entry| accepted(entry, &expected.0, expected.1)))
                })
                .await?;
            checked.evidence += 1;
            if !logged {
                checked.wrong(Disagreement::EvidenceUnlogged, subject.clone());
            }
            if resumed.is_some_and(|resumed| piece.id <= resumed) || !reading {
                continue;
            }
            let (originals, sha256) = (app.originals.clone(), piece.sha256.clone());
            let found =
                tokio::task::spawn_blocking(move || originals.verify(&sha256)).await.map_err(Error::internal)?;
            match found.map_err(Error::internal)? {
                Some((sha256, size)) => {
                    checked.originals += 1;
                    checked.bytes += size;
                    if sha256 != piece.sha256 {
                        checked.wrong(Disagreement::OriginalDamaged, subject);
                    }
                }
                None => checked.wrong(Disagreement::OriginalMissing, subject),
            }
            if began.elapsed() >= budget {
                (reading, checked.next) = (false, Some(piece.id));
            }
        }
        after = Some(end);
    }
}

/// Whether a leaf says that this very file was accepted.
fn accepted(entry: &Entry, sha256: &str, size: i64) -> bool {
    entry.kind == Kind::Evidence.as_str()
        && serde_json::from_str::<Value>(&entry.leaf)
            .is_ok_and(|leaf| leaf["body"]["sha256"] == sha256 && leaf["body"]["size"] == size)
}
