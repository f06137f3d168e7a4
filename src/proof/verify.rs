//! Checking a bundle with nothing but its folder, and the log's key where the reader has it from elsewhere.

use super::bundle::{BundleFault, Finding, MANIFEST, Manifest, PROOFS, Piece, Proofs, Signed};
use crate::{
    blob::digest,
    canonical::canonical,
    captures::rules::{PublicKey, Record, verify_record},
    identity::tokens::{PublicJwk, hex, sha256},
    tlog::{
        LogName,
        merkle::{self, Hash},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// The largest manifest and the largest proofs that are read, bytes.
const MOST: u64 = 256 * 1024 * 1024;

/// What a check saw.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong; empty when the bundle holds.
    pub findings: Vec<Finding>,
    /// The case's number.
    pub number: String,
    /// Files that were read.
    pub files: usize,
    /// Originals that are what the log says was accepted.
    pub originals: usize,
    /// Records that devices signed, about originals, and that the log has.
    pub captures: usize,
    /// Leaves whose proofs hold.
    pub leaves: usize,
    /// The log's key as the bundle names it.
    pub log: String,
    /// Whether that key was compared with one from elsewhere.
    pub key_compared: bool,
}

impl Report {
    fn wrong(&mut self, fault: BundleFault, path: &str, detail: impl Into<String>) {
        self.findings.push(Finding { fault, path: path.to_owned(), detail: detail.into() });
    }
}

/// Checks a bundle; `log` is the log's key from elsewhere. Without it, the bundle's own key is taken: then the bundle is
/// proved to hang together, not whose it is.
pub fn verify(folder: &Path, log: Option<&LogName>) -> Report {
    let mut report = Report::default();
    let manifest_bytes = read(folder, MANIFEST, &mut report);
    let proofs_bytes = read(folder, PROOFS, &mut report);
    let proofs =
        proofs_bytes.and_then(|bytes| parse::<Proofs>(&bytes, PROOFS, BundleFault::ProofsChanged, &mut report));
    let manifest = manifest_bytes
        .as_ref()
        .and_then(|bytes| parse::<Manifest>(bytes, MANIFEST, BundleFault::ManifestChanged, &mut report));
    if let Some(manifest) = &manifest {
        report.number.clone_from(&manifest.number);
        report.log.clone_from(&manifest.log);
    }
    let key = key(manifest.as_ref(), log, &mut report);
    let leaves = match (&proofs, &key) {
        (Some(proofs), Some(key)) => proved(proofs, key, &mut report),
        _ => BTreeMap::new(),
    };
    if let (Some(proofs), Some(bytes)) = (&proofs, &manifest_bytes)
        && key.is_some()
    {
        sealed(proofs, &leaves, bytes, &mut report);
    }
    if let Some(manifest) = &manifest {
        let changed = files(folder, manifest, &mut report);
        for piece in &manifest.evidence {
            accepted(piece, manifest, &leaves, &changed, &mut report);
            let sound = |path: &String| manifest.files.contains_key(path) && !changed.contains(path);
            for signed in piece.captures.iter().filter(|signed| sound(&signed.record) && sound(&signed.key)) {
                match capture(folder, piece, signed, &leaves) {
                    Ok(()) => report.captures += 1,
                    Err(why) => report.wrong(BundleFault::CaptureInvalid, &signed.record, why),
                }
            }
        }
    }
    report
}

fn read(folder: &Path, name: &str, report: &mut Report) -> Option<Vec<u8>> {
    let path = folder.join(name);
    let bytes = fs::metadata(&path)
        .and_then(|found| if found.len() > MOST { Err(io::Error::other("文件过大")) } else { fs::read(&path) });
    match bytes {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            report.wrong(BundleFault::Unreadable, name, format!("无法读取：{error}"));
            None
        }
    }
}

/// Reads a document that has one spelling.
fn parse<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    name: &str,
    fault: BundleFault,
    report: &mut Report,
) -> Option<T> {
    let document: T = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => {
            report.wrong(BundleFault::Unreadable, name, format!("内容无法识别：{error}"));
            return None;
        }
    };
    let spelled = serde_json::to_value(&document).ok().and_then(|value| canonical(&value).ok());
    if spelled.as_deref().map(str::as_bytes) != Some(bytes) {
        report.wrong(fault, name, "写法与导出时不同");
    }
    Some(document)
}

/// The key to check by.
fn key(manifest: Option<&Manifest>, expected: Option<&LogName>, report: &mut Report) -> Option<LogName> {
    let named = manifest.and_then(|manifest| LogName::parse(&manifest.log).ok());
    if let Some(expected) = expected {
        report.key_compared = true;
        if manifest.is_some() && named.as_ref() != Some(expected) {
            report.wrong(BundleFault::LogKeyForeign, MANIFEST, "所列日志公钥与给定公钥不同");
        }
        return Some(expected.clone());
    }
    if manifest.is_some() && named.is_none() {
        report.wrong(BundleFault::LogKeyForeign, MANIFEST, "所列日志公钥无法识别");
    }
    named
}

/// The leaves whose proofs hold, parsed, by their hash.
fn proved(proofs: &Proofs, key: &LogName, report: &mut Report) -> BTreeMap<String, Value> {
    let checkpoint = match key.verify(&proofs.checkpoint) {
        Ok(checkpoint) => checkpoint,
        Err(why) => {
            report.wrong(BundleFault::CheckpointInvalid, PROOFS, format!("检查点签名不成立：{why}"));
            return BTreeMap::new();
        }
    };
    let mut leaves = BTreeMap::new();
    for (named, proved) in &proofs.leaves {
        let leaf = merkle::leaf(proved.leaf.as_bytes());
        let path: Option<Vec<Hash>> = proved.path.iter().map(|text| hash(text)).collect();
        let holds = hex(&leaf) == *named
            && path.is_some_and(|path| merkle::included(&leaf, proved.index, checkpoint.size, &path, &checkpoint.root));
        match serde_json::from_str(&proved.leaf) {
            Ok(value) if holds => drop(leaves.insert(named.clone(), value)),
            _ => report.wrong(BundleFault::LeafUnproved, PROOFS, format!("存证记录 {named} 不在已签名的日志中")),
        }
    }
    report.leaves = leaves.len();
    leaves
}

fn hash(text: &str) -> Option<Hash> {
    digest::bytes(text).filter(|_| text.bytes().all(|b| !b.is_ascii_uppercase()))?.try_into().ok()
}

/// Whether the manifest is the one whose digest is in the log.
fn sealed(proofs: &Proofs, leaves: &BTreeMap<String, Value>, manifest: &[u8], report: &mut Report) {
    let Some(seal) = leaves.get(&proofs.seal) else {
        report.wrong(BundleFault::LeafUnproved, PROOFS, "导出记录不在已签名的日志中");
        return;
    };
    let digest = hex(&sha256(manifest));
    if seal["kind"] != "export" || seal["body"]["manifest_sha256"] != digest.as_str() {
        report.wrong(BundleFault::ManifestChanged, MANIFEST, format!("清单的 SHA-256 {digest} 与存证日志不符"));
    }
}

/// Compares the folder with the manifest; gives the paths that differ.
fn files(folder: &Path, manifest: &Manifest, report: &mut Report) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    if let Err(error) = walk(folder, "", &mut there) {
        report.wrong(BundleFault::Unreadable, "", format!("文件夹无法读取：{error}"));
    }
    let mut changed = BTreeSet::new();
    for (path, listed) in &manifest.files {
        if !there.remove(path) {
            report.wrong(BundleFault::FileMissing, path, "清单所列文件不存在");
            changed.insert(path.clone());
            continue;
        }
        report.files += 1;
        // Only names that the walk found are opened, so no path of the manifest leads out of the folder.
        match fs::File::open(folder.join(path)).and_then(|mut file| digest::sha256_of(&mut file)) {
            Ok((sha256, size)) if sha256 == listed.sha256 && size == listed.size => {}
            Ok((sha256, size)) => {
                let detail =
                    format!("应为 {} 字节、SHA-256 {}；实为 {size} 字节、{sha256}", listed.size, listed.sha256);
                report.wrong(BundleFault::FileChanged, path, detail);
                changed.insert(path.clone());
            }
            Err(error) => {
                report.wrong(BundleFault::Unreadable, path, format!("无法读取：{error}"));
                changed.insert(path.clone());
            }
        }
    }
    for path in there.iter().filter(|path| ![MANIFEST, PROOFS].contains(&path.as_str())) {
        report.wrong(BundleFault::FileUnlisted, path, "清单中没有这个文件");
    }
    changed
}

/// The files under a folder, with `/`; links are named, not followed.
fn walk(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

/// Whether the log says that exactly this original was accepted.
fn accepted(
    piece: &Piece,
    manifest: &Manifest,
    leaves: &BTreeMap<String, Value>,
    changed: &BTreeSet<String>,
    report: &mut Report,
) {
    let Some(path) = &piece.original else { return };
    let listed = manifest.files.get(path).is_some_and(|listed| {
        listed.sha256 == piece.sha256 && i64::try_from(listed.size).is_ok_and(|size| size == piece.size)
    });
    let subject = format!("evidence:{}", piece.id);
    let logged = leaves.values().any(|leaf| {
        leaf["kind"] == "evidence"
            && leaf["subject"] == subject.as_str()
            && leaf["body"]["sha256"] == piece.sha256.as_str()
            && leaf["body"]["size"] == piece.size
    });
    if listed && logged && !changed.contains(path) {
        report.originals += 1;
    } else if !listed || !logged {
        report.wrong(BundleFault::EvidenceUnlogged, path, "存证日志中没有与之相符的入库记录");
    }
}

/// Whether a device's key signed the record, the record is about this piece, and the log says that it came, signed by
/// this key.
fn capture(folder: &Path, piece: &Piece, signed: &Signed, leaves: &BTreeMap<String, Value>) -> Result<(), String> {
    let read = |path: &String| fs::read(folder.join(path)).map_err(|error| format!("无法读取 {path}：{error}"));
    let jwk: PublicJwk = serde_json::from_slice(&read(&signed.key)?).map_err(|_| "设备公钥无法识别")?;
    let key = jwk.point().and_then(|point| PublicKey::of(&point)).map_err(|_| "设备公钥无法识别")?;
    let Record { content, sha256, .. } =
        verify_record(&read(&signed.record)?, &key).map_err(|flag| format!("{}：{}", flag.code, flag.detail))?;
    if !content.media.iter().any(|medium| medium.sha256 == piece.sha256 && medium.size == piece.size) {
        return Err("记录中没有这份证据".into());
    }
    let logged = leaves.values().any(|leaf| {
        leaf["kind"] == "capture"
            && leaf["body"]["sha256"] == sha256.as_str()
            && leaf["body"]["key"] == key.sha256.as_str()
    });
    if logged { Ok(()) } else { Err("存证日志中没有与之相符的采集记录".into()) }
}
