//! Writing a bundle: gather on one snapshot, copy and hash the originals, seal in the log, prove.

use super::{
    bundle::{Listed, MANIFEST, Manifest, PROOFS, Piece, Proofs, Proved, Signed},
    page::page,
};
use crate::{
    app::App,
    blob::{Originals, digest},
    canonical::canonical,
    captures::actions::{Exhibit, exhibits},
    cases,
    db::{
        Db, Tx,
        types::{CaseId, EvidenceId},
    },
    error::{Error, Result},
    evidence::{
        self,
        custody::{self, actions::Opened},
    },
    identity::{
        rules::Actor,
        tokens::{hex, sha256},
    },
    tlog::{self, Kind, store::Entry},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Lines of a timeline in one bundle.
const LINES: i64 = 100_000;

/// What goes into a bundle, but for the bytes of originals.
pub(super) struct Dossier {
    pub(super) case: Value,
    pub(super) timeline: Vec<Value>,
    pub(super) evidence: Vec<Item>,
}

/// A piece of evidence of a dossier.
pub(super) struct Item {
    pub(super) id: EvidenceId,
    pub(super) piece: Piece,
    pub(super) media_type: String,
    pub(super) record: Value,
    pub(super) exhibits: Vec<Exhibit>,
}

/// What was written.
#[derive(Debug)]
pub struct Exported {
    /// The bundle.
    pub folder: PathBuf,
    /// Files in it.
    pub files: usize,
    /// Originals among them.
    pub originals: usize,
    /// The log's key, to be handed over apart from the bundle.
    pub log: String,
}

/// Writes the bundle of a case to `folder`, which must not be there yet.
///
/// # Errors
/// `not_found` for a case that this person may not see; `internal`, when the folder can't be written or an original is
/// not what its record says.
pub async fn export(app: &App, who: &Actor, case: CaseId, reason: &str, folder: &Path) -> Result<Exported> {
    let (actor, now) = (who.clone(), app.env.now());
    let dossier = app.db.read(move |db| db.snapshot(|db| gather(db, &actor, case, now))).await?;
    let log = app.log.name().verifier();
    let beside = folder.with_extension("part");
    fresh(folder, &beside)?;
    let opened = open(app, who, &dossier, reason).await?;
    let mut files = BTreeMap::new();
    for item in &dossier.evidence {
        if let (Some(path), Some(opened)) = (&item.piece.original, opened.get(&item.piece.sha256)) {
            let (originals, to, opened) = (app.originals.clone(), beside.join(path), opened.clone());
            let copied = tokio::task::spawn_blocking(move || copy(&*originals, &to, &opened));
            files.insert(path.clone(), copied.await.map_err(Error::internal)??);
        }
        write_json(&beside, &item.piece.record, &item.record, &mut files)?;
        for (exhibit, signed) in item.exhibits.iter().zip(&item.piece.captures) {
            write(&beside, &signed.record, &exhibit.row.raw, &mut files)?;
            write_json(&beside, &signed.key, &exhibit.key, &mut files)?;
        }
    }
    write_json(&beside, "case.json", &dossier.case, &mut files)?;
    write_json(&beside, "timeline.json", &dossier.timeline, &mut files)?;
    write(&beside, "index.html", page(&dossier, &log).as_bytes(), &mut files)?;
    let manifest = Manifest {
        v: 1,
        case,
        number: dossier.case["number"].as_str().unwrap_or_default().to_owned(),
        exported_at_ms: now.timestamp_millis(),
        log: log.clone(),
        evidence: dossier.evidence.iter().map(|item| item.piece.clone()).collect(),
        files,
    };
    let bytes = spelled(&manifest)?;
    write(&beside, MANIFEST, &bytes, &mut BTreeMap::new())?;
    let captures = dossier.evidence.iter().flat_map(|item| &item.exhibits).map(|exhibit| exhibit.row.id);
    let mut subjects: Vec<String> = captures.map(|id| format!("capture:{id}")).collect();
    subjects.extend(manifest.evidence.iter().map(|piece| format!("evidence:{}", piece.id)));
    let proofs = seal(app, who, &manifest, hex(&sha256(&bytes)), reason.to_owned(), subjects).await?;
    write(&beside, PROOFS, &spelled(&proofs)?, &mut BTreeMap::new())?;
    disk(sync_tree(&beside))?;
    disk(fs::rename(&beside, folder))?;
    let originals = manifest.evidence.iter().filter(|piece| piece.original.is_some()).count();
    Ok(Exported { folder: folder.to_owned(), files: manifest.files.len() + 2, originals, log })
}

/// Puts the export of each original on record, before a byte of it is copied.
async fn open(app: &App, who: &Actor, dossier: &Dossier, reason: &str) -> Result<BTreeMap<String, Opened>> {
    let ids: Vec<EvidenceId> =
        dossier.evidence.iter().filter(|item| item.piece.original.is_some()).map(|item| item.id).collect();
    let act = custody::actions::act_of(who, reason, None)?;
    let opened = app.db.write(move |tx| custody::actions::exported(tx, &ids, &act)).await?;
    Ok(opened.into_iter().map(|opened| (opened.row().sha256.clone(), opened)).collect())
}

fn fresh(folder: &Path, beside: &Path) -> Result<()> {
    if folder.exists() {
        return Err(crate::error::Code::AlreadyExists.with(folder.display().to_string()));
    }
    if beside.exists() {
        // What an export that was interrupted left.
        disk(fs::remove_dir_all(beside))?;
    }
    disk(fs::create_dir_all(beside))
}

fn gather(db: &mut Db, who: &Actor, case: CaseId, now: chrono::DateTime<chrono::Utc>) -> Result<Dossier> {
    let row = cases::actions::case_get(db, who, case)?;
    let timeline = cases::actions::case_timeline(db, who, case, 0, LINES)?;
    let timeline = timeline
        .into_iter()
        .map(|(event, name)| {
            json!({
                "seq": event.seq, "at": event.at, "occurred_at": event.occurred_at, "actor": event.actor_id,
                "actor_name": name, "device": event.device_id, "op": event.op_id, "command": event.command,
                "outcome": event.outcome, "state": event.state, "note": event.note, "args": event.args,
            })
        })
        .collect();
    let evidence = evidence::actions::evidence_of(db, "case", &case.to_string())?
        .into_iter()
        .map(|evidence| {
            let kept = evidence.state == evidence::rules::State::Stored.as_str();
            let extension = extension(&evidence.media_type);
            let exhibits = exhibits(db, &evidence.sha256)?;
            let signed = |exhibit: &Exhibit| Signed {
                record: format!("captures/{}.json", exhibit.row.sha256),
                key: format!("keys/{}.json", exhibit.key_sha256),
            };
            Ok(Item {
                id: evidence.id,
                piece: Piece {
                    id: evidence.id.to_string(),
                    size: evidence.size,
                    original: kept.then(|| format!("originals/{}.{extension}", evidence.sha256)),
                    record: format!("evidence/{}.json", evidence.sha256),
                    captures: exhibits.iter().map(signed).collect(),
                    sha256: evidence.sha256.clone(),
                },
                media_type: evidence.media_type.clone(),
                record: serde_json::to_value(&evidence).map_err(Error::internal)?,
                exhibits,
            })
        })
        .collect::<Result<_>>()?;
    let case = serde_json::to_value(cases::routes::Case::new(row, now)).map_err(Error::internal)?;
    Ok(Dossier { case, timeline, evidence })
}

/// The ending by which programs know a file; nothing of it comes from outside.
fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/heic" => "heic",
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/3gpp" => "3gp",
        _ => "bin",
    }
}

/// Puts the manifest's digest into the log, and proves it and everything about these subjects in one signed tree.
async fn seal(
    app: &App,
    who: &Actor,
    manifest: &Manifest,
    digest: String,
    reason: String,
    subjects: Vec<String>,
) -> Result<Proofs> {
    let ids: Vec<String> = manifest.evidence.iter().map(|piece| piece.id.clone()).collect();
    let (case, key, user) = (manifest.case, app.log.clone(), who.user_id);
    let seal = app
        .db
        .write(move |tx: &mut Tx| {
            let body = json!({ "manifest_sha256": digest, "evidence": ids, "user": user, "reason": reason });
            tlog::record(tx, Kind::Export, &format!("case:{case}"), &body)
        })
        .await?;
    // The tree goes on for everybody, so it may take several turns until this leaf has its place.
    let placed = move |db: &mut Db| Ok(tlog::actions::get(db, seal)?.is_some_and(|entry| entry.leaf_index.is_some()));
    while !app.db.read(placed).await? {
        let key = key.clone();
        app.db.write(move |tx| tlog::actions::sequence(tx, &key, 500)).await?;
    }
    app.db.read(move |db| db.snapshot(|db| prove(db, seal, &subjects))).await
}

fn prove(db: &mut Db, seal: crate::db::types::LogEntryId, subjects: &[String]) -> Result<Proofs> {
    let gone = || Error::internal("the log lost a leaf");
    let newest = tlog::actions::newest(db)?.ok_or_else(gone)?;
    let seal = tlog::actions::get(db, seal)?.ok_or_else(gone)?;
    let mut entries = vec![seal.clone()];
    for subject in subjects {
        entries.extend(tlog::actions::list(db, Some(subject), None, None, i64::MAX)?);
    }
    let mut leaves = BTreeMap::new();
    for entry in entries.into_iter().filter(|entry| entry.leaf_index.is_some_and(|index| index < newest.size)) {
        leaves.insert(hex(&entry.leaf_hash), proof(db, entry, newest.size)?);
    }
    Ok(Proofs { checkpoint: newest.note, seal: hex(&seal.leaf_hash), leaves })
}

fn proof(db: &mut Db, entry: Entry, size: i64) -> Result<Proved> {
    let path = tlog::actions::inclusion(db, &entry, size)?;
    let index = entry.leaf_index.and_then(|index| u64::try_from(index).ok()).unwrap_or_default();
    Ok(Proved { leaf: entry.leaf, index, path: path.iter().map(|hash| hex(hash)).collect() })
}

fn spelled(document: &impl Serialize) -> Result<Vec<u8>> {
    Ok(canonical(&serde_json::to_value(document).map_err(Error::internal)?)?.into_bytes())
}

fn write_json(folder: &Path, path: &str, value: &impl Serialize, files: &mut BTreeMap<String, Listed>) -> Result<()> {
    write(folder, path, &serde_json::to_vec_pretty(value).map_err(Error::internal)?, files)
}

fn write(folder: &Path, path: &str, bytes: &[u8], files: &mut BTreeMap<String, Listed>) -> Result<()> {
    let to = folder.join(path);
    let work = || -> io::Result<()> {
        fs::create_dir_all(to.parent().unwrap_or(folder))?;
        let mut file = File::create(&to)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    disk(work())?;
    files.insert(path.to_owned(), Listed { size: bytes.len() as u64, sha256: hex(&sha256(bytes)) });
    Ok(())
}

/// Copies an original and reads the copy again: what is handed over was looked at.
fn copy(originals: &dyn Originals, to: &Path, opened: &Opened) -> Result<Listed> {
    let expected = opened.row().sha256.as_str();
    let work = || -> io::Result<(String, u64)> {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        let (mut source, _) = originals.open(expected)?.ok_or(io::ErrorKind::NotFound)?;
        let mut file = File::create(to)?;
        io::copy(&mut source, &mut file)?;
        file.sync_all()?;
        digest::sha256_of(&mut File::open(to)?)
    };
    let (sha256, size) = disk(work())?;
    if sha256 != expected {
        return Err(Error::internal(format!("the original {expected} is damaged: it reads as {sha256}")));
    }
    Ok(Listed { size, sha256 })
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

fn disk<T>(outcome: io::Result<T>) -> Result<T> {
    outcome.map_err(Error::internal)
}
