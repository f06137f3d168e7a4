//! The server's word that it has a file, signed; and what may be done on the strength of it.
//!
//! The key is pinned when the dock is enrolled: whoever puts another server, or a page of a captive portal, in the way
//! later can say "stored", but can't sign it. A file leaves a card only if its receipt verifies with that key and the
//! bytes that lie there now are the very ones it names.

use super::{
    ledger::{Ledger, LedgerState, Line},
    recording::Recording,
    work::{database, receipts},
};
use crate::{
    client::{
        ClientError, Result,
        http::{Api, Content},
        store::Store,
        upload::{Receipt, hash_file},
    },
    db::types::EvidenceId,
    evidence::receipt::FileReceipt,
    identity::tokens::{PublicJwk, verify_receipt},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};
use ureq::http::Method;

/// What a receipt file holds: the server's word, and what it is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceiptFile {
    /// Where the file lay.
    pub path: String,
    /// Its last change, when it was hashed.
    pub mtime: chrono::DateTime<chrono::Utc>,
    /// Whose it is, when it was taken.
    pub recording: Recording,
    /// The server's word.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// The same, signed: a compact JWS, see [`FileReceipt`].
    pub signed: String,
}

const NOTE: &str = "receipt_key";

/// The pinned key of the server.
///
/// # Errors
/// [`ClientError::Store`].
pub fn pinned(store: &mut Store) -> Result<Option<PublicJwk>> {
    let text = store.note(NOTE)?.filter(|text| !text.is_empty());
    text.map(|text| serde_json::from_str(&text).map_err(|e| ClientError::Store(format!("{NOTE}: {e}")))).transpose()
}

/// Asks the server for its key and pins it.
///
/// # Errors
/// [`ClientError::Offline`], [`ClientError::Refused`], [`ClientError::Unreadable`].
pub fn pin(store: &mut Store, api: &Api) -> Result<PublicJwk> {
    let key: PublicJwk = api.send(Method::GET, "/api/v1/sync/receipt-key", None, &[], Content::Empty)?.expect()?;
    key.point().map_err(|_| ClientError::Unreadable("the server's receipt key is no key".into()))?;
    let text = serde_json::to_string(&key).map_err(|e| ClientError::Store(e.to_string()))?;
    store.set_note(NOTE, &text)?;
    Ok(key)
}

/// Forgets the pinned key.
///
/// # Errors
/// [`ClientError::Store`].
pub(super) fn unpin(store: &mut Store) -> Result<()> {
    store.set_note(NOTE, "")
}

#[derive(Deserialize)]
struct Signed {
    receipt: String,
}

/// The signed receipt of a stored file.
///
/// # Errors
/// [`ClientError::Offline`], [`ClientError::Refused`].
pub fn fetch(api: &Api, token: &str, id: EvidenceId) -> Result<String> {
    let answer = api.get(&format!("/api/v1/evidence/{id}/receipt"), token)?;
    Ok(answer.expect::<Signed>()?.receipt)
}

/// Checks that a receipt is signed with this key and speaks of this file.
///
/// # Errors
/// A sentence for a person.
pub fn check(signed: &str, key: &PublicJwk, sha256: &str, size: u64) -> Result<FileReceipt, String> {
    let claims: FileReceipt = verify_receipt(signed, key)
        .map_err(|_| "the receipt is not signed with the key that was pinned at enrolment".to_owned())?;
    if claims.sha256 != sha256 || claims.size != size {
        return Err("the receipt speaks of another file".into());
    }
    Ok(claims)
}

/// Writes a receipt's file, whole or not at all, and on the disk when it returns.
///
/// # Errors
/// [`ClientError::Store`].
pub(super) fn write(state: &Path, name: &str, id: i64, file: &ReceiptFile, text: &str) -> Result<()> {
    let folder = receipts(state);
    let path = folder.join(format!("{name}.receipt.json"));
    let owner = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<ReceiptFile>(&bytes).ok());
    // Cameras count from 1 again: another file of the same name keeps its own receipt.
    let same = owner.is_none_or(|o| o.path == file.path && o.receipt.sha256 == file.receipt.sha256);
    let path = if same { path } else { folder.join(format!("{name}.{id}.receipt.json")) };
    replace(&path, text)
}

/// Writes the list of a camera's files that may be wiped.
///
/// # Errors
/// [`ClientError::Store`].
pub(super) fn write_list(state: &Path, camera: &str, lines: &[&Line]) -> Result<()> {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = camera.chars().map(plain).collect();
    let mut text = String::new();
    for line in lines {
        text.push_str(&format!("{}  {}\n", line.sha256.as_deref().unwrap_or_default(), line.path));
    }
    replace(&lists(state).join(format!("{}.txt", name.trim_start_matches('.'))), &text)
}

/// The folder of the lists of what may be wiped, one a camera; in the form of `sha256sum --check`.
pub fn lists(state: &Path) -> PathBuf {
    database(state).parent().unwrap_or(Path::new(".")).join("safe-to-wipe")
}

fn replace(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|e| ClientError::Store(format!("{}: {e}", path.display())))
}

/// Whether a file may be wiped: its receipt verifies, and the bytes that lie there now, read again, are the ones it
/// names. Size and time can be equal by chance on a card that was used again; the bytes can't.
///
/// # Errors
/// A sentence for a person.
pub fn sound(line: &Line, key: &PublicJwk, stop: &dyn Fn() -> bool) -> Result<(), String> {
    if line.state != LedgerState::Receipted.as_str() || line.wiped_at.is_some() {
        return Err("it has no receipt".into());
    }
    let file: ReceiptFile = serde_json::from_str(line.receipt.as_deref().unwrap_or_default())
        .map_err(|_| "its receipt can't be read".to_owned())?;
    let (sha256, size) = hash_file(&line.path(), stop).map_err(|e| e.to_string())?;
    if Some(&sha256) != line.sha256.as_ref() {
        return Err("it is not the file that was sent".into());
    }
    check(&file.signed, key, &sha256, size).map(drop)
}

/// Removes a file from its card if [`sound`] says so.
///
/// # Errors
/// A sentence for a person.
pub(super) fn wipe(line: &Line, key: &PublicJwk, stop: &dyn Fn() -> bool) -> Result<(), String> {
    sound(line, key, stop)?;
    fs::remove_file(line.path()).map_err(|e| e.to_string())
}

/// The files that may be wiped.
///
/// # Errors
/// [`ClientError::Store`].
pub fn safe(state: &Path) -> Result<Vec<Line>> {
    let path = database(state);
    let lines = Ledger::open(&path)?.lines()?;
    let Some(key) = pinned(&mut Store::open(&path)?)? else { return Ok(vec![]) };
    Ok(lines.into_iter().filter(|line| sound(line, &key, &|| false).is_ok()).collect())
}
