//! The independent reader: signs in like anybody, reads over HTTP what the server shows, and compares it with what the
//! devices' people remember having done. It uses nothing of the server's inside.

use super::{handheld::Handheld, office::Desk};
use crate::{
    canonical::canonical,
    captures::rules::{Fault, PublicKey, verify_chain},
    client::{
        Result,
        store::{MediaState, Queued, Sent, Store},
    },
    db::types::OpId,
    identity::tokens::{self, hex},
    sync::wire::MAX_OPS,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What it found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Operations that people made.
    pub operations: u64,
    /// By their latest status.
    pub statuses: BTreeMap<String, u64>,
    /// Operations sent a second time for the check.
    pub repeats: u64,
    /// Work that is not where it must be.
    pub lost: Vec<String>,
    /// Work that is there more than once, or where none must be.
    pub doubled: Vec<String>,
    /// Repeats that were answered otherwise than the first time.
    pub changed: Vec<String>,
    /// Photos downloaded and equal.
    pub photos: u64,
    /// Videos downloaded and equal.
    pub videos: u64,
    /// Files that were accepted although something is wrong with them, and what.
    pub noted: BTreeMap<String, String>,
    /// Bytes of both.
    pub bytes_verified: u64,
    /// Capture records that devices signed and the server has.
    pub captures: u64,
    /// Records that are missing in devices' chains.
    pub gaps: u64,
    /// Numbers that two records of a device bear.
    pub forks: u64,
    /// What was found about clocks and positions of records: how often.
    pub capture_flags: BTreeMap<String, u64>,
    /// Files of handhelds that no record names, and records that are not what the device signed.
    pub unsigned: Vec<String>,
    /// Files that came back different or not at all.
    pub bad_files: Vec<String>,
}

/// Compares the people's memory with cases, timelines and spot checks, and sends every operation again.
///
/// # Errors
/// When the server can't be read.
pub fn operations(desk: &Desk, handhelds: &mut [&mut Handheld], found: &mut Findings) -> Result<()> {
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut count = |item: &Value| {
        if let Some(op) = item["op_id"].as_str() {
            *seen.entry(op.to_owned()).or_default() += 1;
        }
    };
    for case in desk.all("/api/v1/cases?limit=200")? {
        let id = case["id"].as_str().unwrap_or_default();
        let events = desk.all(&format!("/api/v1/cases/{id}/timeline?limit=200"))?;
        events.iter().for_each(&mut count);
        let reports = events.iter().filter(|event| event["command"] == "report").count();
        if reports != 1 {
            found.doubled.push(format!("case {id} was reported {reports} times"));
        }
    }
    desk.all("/api/v1/spot-checks?limit=200")?.iter().for_each(&mut count);
    for handheld in handhelds {
        one(handheld, &seen, found)?;
    }
    Ok(())
}

/// Compares the capture records that a device signed with what the server shows of them, verifies them with the device's
/// own key, and looks for a record that names each of its files.
///
/// # Errors
/// When the server can't be read.
pub fn captures(desk: &Desk, name: &str, store: &mut Store, found: &mut Findings) -> Result<()> {
    let identity = store.identity()?;
    let key = PublicKey::of(&tokens::public_key(&identity.pkcs8)?)?;
    let shown = desk.all(&format!("/api/v1/captures?device_id={}&limit=200", identity.device))?;
    let mut raws: Vec<(i64, i64, String)> = Vec::new();
    for item in &shown {
        let place = |name: &str| item[name].as_i64().unwrap_or_default();
        // Only canonical bytes verify, so spelling them anew changes nothing that is sound.
        raws.push((place("epoch"), place("seq"), canonical(&item["record"])?));
        for flag in item["findings"].as_array().into_iter().flatten().filter_map(|flag| flag["code"].as_str()) {
            *found.capture_flags.entry(flag.to_owned()).or_default() += 1;
        }
    }
    raws.sort_unstable();
    let bytes: Vec<&[u8]> = raws.iter().map(|(.., raw)| raw.as_bytes()).collect();
    for finding in verify_chain(&bytes, &key) {
        match finding.flag.code {
            Fault::Gap => found.gaps += 1,
            Fault::Fork => found.forks += 1,
            Fault::Malformed | Fault::BadSignature | Fault::Edited | Fault::Replayed | Fault::Reordered => {
                found.unsigned.push(format!("{name}: record {}: {}", finding.index + 1, finding.flag.code));
            }
            _ => {}
        }
    }
    found.captures += raws.len() as u64;
    let (signed, waiting) = store.captures_count()?;
    if waiting > 0 || usize::try_from(signed) != Ok(raws.len()) {
        found.unsigned.push(format!("{name}: {signed} records signed, {} on the server", raws.len()));
    }
    let named: HashSet<&str> = shown
        .iter()
        .flat_map(|item| item["media"].as_array().into_iter().flatten())
        .filter_map(|file| file["sha256"].as_str())
        .collect();
    for media in store.media(MediaState::Stored)? {
        if !named.contains(media.sha256.as_str()) {
            found.unsigned.push(format!("{name}: {} is not signed", media.filename));
        }
    }
    Ok(())
}

fn one(handheld: &mut Handheld, seen: &HashMap<String, u64>, found: &mut Findings) -> Result<()> {
    let number = handheld.number + 1;
    let answered = handheld.client.store.answered()?;
    let results: HashMap<OpId, &Sent> = answered.iter().map(|sent| (sent.op_id, sent)).collect();
    for op in &handheld.made {
        found.operations += 1;
        let Some(sent) = results.get(op) else {
            found.lost.push(format!("handheld {number}: operation {op} was never answered"));
            continue;
        };
        let status = sent.result.status;
        *found.statuses.entry(status.to_string()).or_default() += 1;
        let times = seen.get(&op.to_string()).copied().unwrap_or(0);
        match (status.settled_well(), times) {
            (true, 1) | (false, 0) => {}
            (true, 0) => found.lost.push(format!("handheld {number}: {op} is {status}, but in no timeline or list")),
            (_, times) => found.doubled.push(format!("handheld {number}: {op} is {status} and there {times} times")),
        }
    }
    for part in answered.chunks(MAX_OPS) {
        let again: Vec<Queued> = part.iter().map(|s| Queued { op_id: s.op_id, raw: s.raw.clone() }).collect();
        let response = handheld.client.push_again(&again)?;
        for (sent, result) in part.iter().zip(&response.results) {
            found.repeats += 1;
            if !result.duplicate || result.op_id != Some(sent.op_id) || result.status != sent.result.status {
                let (first, now) = (sent.result.status, result.status);
                let known = if result.duplicate { "" } else { " and was new to the server" };
                found.changed.push(format!("handheld {number}: {} was {first}, is {now}{known}", sent.op_id));
            }
        }
        if response.results.len() != part.len() {
            found.lost.push(format!(
                "handheld {number}: {} of {} repeats answered",
                response.results.len(),
                part.len()
            ));
        }
    }
    Ok(())
}

/// Downloads every file that somebody has a receipt for, and compares size and hash. `tick` is called for each.
///
/// # Errors
/// When the list can't be read.
pub fn files(desk: &Desk, expected: &[(String, u64)], found: &mut Findings, tick: &(dyn Fn() + Sync)) -> Result<()> {
    let mut there: HashMap<String, Value> = HashMap::new();
    for item in desk.all("/api/v1/evidence?limit=200")? {
        let sha256 = item["sha256"].as_str().unwrap_or_default().to_owned();
        let flags = item["flags"].as_array().into_iter().flatten().filter_map(|flag| flag["code"].as_str());
        let facts = item["facts"]["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let notes: Vec<&str> = facts.chain(flags).collect();
        if !notes.is_empty() {
            found.noted.insert(item["filename"].as_str().unwrap_or(&sha256).to_owned(), notes.join(", "));
        }
        if there.insert(sha256.clone(), item).is_some() {
            found.doubled.push(format!("evidence {sha256} is listed twice"));
        }
    }
    // The same bytes may lie on several cards; they are one piece of evidence.
    let unique: BTreeMap<&String, u64> = expected.iter().map(|(sha256, size)| (sha256, *size)).collect();
    let work: Vec<(&String, u64)> = unique.into_iter().collect();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((sha256, size)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = compare(desk, there.get(*sha256), sha256, *size);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(outcome.map(|video| (video, *size)));
                    tick();
                }
            });
        }
    });
    for outcome in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match outcome {
            Ok((true, size)) => (found.videos, found.bytes_verified) = (found.videos + 1, found.bytes_verified + size),
            Ok((false, size)) => (found.photos, found.bytes_verified) = (found.photos + 1, found.bytes_verified + size),
            Err(why) => found.bad_files.push(why),
        }
    }
    Ok(())
}

/// Downloads one file; says whether it is a video.
fn compare(desk: &Desk, item: Option<&Value>, sha256: &str, size: u64) -> Result<bool, String> {
    let Some(item) = item else { return Err(format!("{sha256} is not listed")) };
    let id = item["id"].as_str().unwrap_or_default();
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let length = desk
        .fetch(&format!("/api/v1/evidence/{id}/content"), &mut |bytes| context.update(bytes))
        .map_err(|e| format!("{sha256}: {e}"))?;
    let hash = hex(context.finish().as_ref());
    if length != size || hash != sha256 {
        return Err(format!("{sha256} ({size} bytes) came back as {hash} ({length} bytes)"));
    }
    Ok(item["media_type"].as_str().is_some_and(|media_type| media_type.starts_with("video/")))
}
