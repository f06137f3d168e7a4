//! What a handheld could not send, as the file that its page writes (导出未传数据包): read, checked, and brought to the
//! server by the token that lies in it. The form is in `api-spec/sync.md`.
//!
//! Invariants: nothing is sent of a file that differs from its own hashes; the file is never changed; to send it again
//! does no harm.

use super::{
    ClientError, Result,
    http::{Answer, Api, Content},
    upload::{After, Item, Step, after},
};
use crate::{
    db::types::DeviceId,
    env::Env,
    identity::tokens::{hex, sha256},
    sync::wire::{Outbox, PushResponse},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};
use ureq::http::Method;

/// A tar is made of blocks of so many bytes.
const BLOCK: usize = 512;
/// The largest file in it, bytes: a photo is a hundredth of that.
const MOST: u64 = 512 * 1024 * 1024;
/// Records of one request; the server takes no more.
const MOST_CAPTURES: usize = 100;
/// Tries of one photo without progress.
const TRIES: u32 = 5;

/// `outbox.json`.
#[derive(Debug, Deserialize)]
struct Head {
    v: u32,
    app: String,
    device: DeviceId,
    name: String,
    epoch: i32,
    made_at: DateTime<Utc>,
    token: String,
    push_token: Option<String>,
    offset_ms: Option<i64>,
    outbox: Outbox,
    attempts: Vec<i64>,
    batches: Vec<usize>,
    ops_sha256: String,
    captures_sha256: String,
    media: Vec<Photo>,
}

#[derive(Debug, Deserialize)]
struct Photo {
    sha256: String,
    size: u64,
    mime: String,
    filename: String,
    captured_at: Option<DateTime<Utc>>,
}

/// A file that holds what it says.
pub struct Parcel {
    file: File,
    entries: HashMap<String, (u64, u64)>,
    head: Head,
    ops: Vec<String>,
    captures: Vec<String>,
}

/// What became of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Operations by the word the server gave them; `known`: they had come before, or the device itself went on.
    pub ops: BTreeMap<String, usize>,
    /// Signed records that the server keeps.
    pub captures: usize,
    /// Photos that are stored.
    pub photos: usize,
    /// What did not arrive, in words.
    pub troubles: Vec<String>,
}

impl Parcel {
    /// Reads a file and compares it with its own hashes; photos are compared when they are sent.
    ///
    /// # Errors
    /// [`ClientError::File`], with what is wrong.
    pub fn open(path: &Path) -> Result<Parcel> {
        let wrong = |why: &dyn std::fmt::Display| ClientError::File(format!("{}: {why}", path.display()));
        let mut file = File::open(path).map_err(|e| wrong(&e))?;
        let entries = index(&mut file).map_err(|e| wrong(&e))?;
        let mut text = |name: &str| -> Result<String> {
            let bytes = bytes_of(&mut file, &entries, name).map_err(|e| wrong(&e))?;
            String::from_utf8(bytes).map_err(|e| wrong(&e))
        };
        let head: Head = serde_json::from_str(&text("outbox.json")?).map_err(|e| wrong(&e))?;
        let (ops, captures) = (text("ops.jsonl")?, text("captures.jsonl")?);
        if head.v != 1 {
            return Err(wrong(&"written by a newer version of the page; use a newer version of this program"));
        }
        for (name, text, expected) in
            [("ops.jsonl", &ops, &head.ops_sha256), ("captures.jsonl", &captures, &head.captures_sha256)]
        {
            if hex(&sha256(text.as_bytes())) != *expected {
                return Err(wrong(&format!("{name} was changed after it was written")));
            }
        }
        let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (ops, captures) = (lines(ops), lines(captures));
        if head.batches.iter().sum::<usize>() != ops.len() || head.batches.len() != head.attempts.len() {
            return Err(wrong(&"its parts do not fit together"));
        }
        Ok(Parcel { file, entries, head, ops, captures })
    }

    /// Whose it is, when it was written, and how much it holds.
    pub fn words(&self) -> String {
        let Head { name, made_at, media, .. } = &self.head;
        let (ops, captures) = (self.ops.len(), self.captures.len());
        format!("{name}, {made_at}: {ops} operations, {captures} signed records, {} photos", media.len())
    }

    /// Brings everything to the server: operations, then signed records, then photos.
    ///
    /// # Errors
    /// [`ClientError::Offline`], and [`ClientError::Refused`] when the token is too old or the device is not known.
    pub fn deliver(&mut self, api: &Api, env: &Env) -> Result<Delivered> {
        let mut delivered = Delivered::default();
        self.push(api, env, &mut delivered)?;
        self.send_captures(api, &mut delivered)?;
        for n in 0..self.head.media.len() {
            match self.send_photo(api, n)? {
                None => delivered.photos += 1,
                Some(why) => delivered.troubles.push(why),
            }
        }
        Ok(delivered)
    }

    fn push(&self, api: &Api, env: &Env, delivered: &mut Delivered) -> Result<()> {
        let head = &self.head;
        let (mut token, mut rest) = (head.push_token.clone(), self.ops.as_slice());
        for (attempt, count) in head.attempts.iter().zip(&head.batches) {
            let (batch, later) = rest.split_at(*count);
            rest = later;
            // The device's monotonic clock means nothing here, so its wall clock must do: what that would show now.
            let wall = env.now() + TimeDelta::milliseconds(head.offset_ms.unwrap_or(0));
            let mut envelope = json!({
                "protocol": 1, "app": head.app, "device": head.device, "epoch": head.epoch, "attempt": attempt,
                "clock": {"wall": wall, "mono_ms": 0, "boot": "import", "offset_ms": head.offset_ms},
                "outbox": head.outbox,
            });
            if let Some(token) = &token {
                envelope["push_token"] = json!(token);
            }
            let text = envelope.to_string();
            // As they were saved, not parsed and written again.
            let open = text.strip_suffix('}').unwrap_or(&text);
            let body = format!("{open},\"ops\":[{}]}}", batch.join(","));
            let answer = api.send(
                Method::POST,
                "/api/v1/sync/push",
                Some(&head.token),
                &[],
                Content::Bytes("application/json", body.into_bytes()),
            )?;
            if answer.status == 409 && answer.code().as_deref() == Some("epoch_stale") {
                *delivered.ops.entry("known".into()).or_default() += batch.len();
                continue;
            }
            let response: PushResponse = answer.expect()?;
            token = Some(response.push_token);
            for result in &response.results {
                let word = serde_json::to_value(result.status).ok();
                let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or("?").to_owned();
                *delivered.ops.entry(word).or_default() += 1;
            }
            if response.results.len() < batch.len() {
                let left = batch.len() - response.results.len();
                delivered.troubles.push(format!("{left} operations were not looked at; they are still on the device"));
            }
        }
        Ok(())
    }

    fn send_captures(&self, api: &Api, delivered: &mut Delivered) -> Result<()> {
        for records in self.captures.chunks(MOST_CAPTURES) {
            let body = format!("{{\"records\":[{}]}}", records.join(","));
            let content = Content::Bytes("application/json", body.into_bytes());
            let answer = api.send(Method::POST, "/api/v1/captures", Some(&self.head.token), &[], content)?;
            if answer.good() {
                delivered.captures += records.len();
            } else {
                delivered.troubles.push(format!("{} signed records: {}", records.len(), answer.refusal()));
            }
        }
        Ok(())
    }

    /// None when it is stored, else why not.
    fn send_photo(&mut self, api: &Api, n: usize) -> Result<Option<String>> {
        let photo = &self.head.media[n];
        let name = format!("media/{}.jpg", photo.sha256);
        let bytes = match bytes_of(&mut self.file, &self.entries, &name) {
            Ok(bytes) if hex(&sha256(&bytes)) == photo.sha256 => bytes,
            Ok(_) => return Ok(Some(format!("{name}: was changed after it was written"))),
            Err(why) => return Ok(Some(why)),
        };
        let item = Item {
            path: PathBuf::from(&name),
            size: photo.size,
            sha256: photo.sha256.clone(),
            mime: photo.mime.clone(),
            filename: photo.filename.clone(),
            captured_at: photo.captured_at,
            captured_from: None,
            words: vec![],
        };
        let (mut step, mut failures) = (Step::Create, 0);
        loop {
            let answer = match exchange(api, &self.head.token, &step, &item, &bytes) {
                Ok(answer) => Some(answer),
                Err(ClientError::Offline(_)) => None,
                Err(other) => return Err(other),
            };
            step = match after(&step, answer.as_ref(), &item) {
                After::Do(next) => {
                    failures = 0;
                    next
                }
                After::Stored(_) => return Ok(None),
                After::Refused(why) | After::Blocked(why) => return Ok(Some(format!("{name}: {why}"))),
                After::Wait(next, asked, why) => {
                    failures += 1;
                    if failures >= TRIES {
                        return Ok(Some(format!("{name}: {why}")));
                    }
                    std::thread::sleep(asked.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(10)));
                    next
                }
            };
        }
    }
}

fn exchange(api: &Api, token: &str, step: &Step, item: &Item, bytes: &[u8]) -> Result<Answer> {
    let tus = ("tus-resumable", "1.0.0".to_owned());
    match step {
        Step::Create => {
            let length = ("upload-length", item.size.to_string());
            let headers = [tus, length, ("upload-metadata", item.metadata())];
            api.send(Method::POST, "/api/v1/uploads", Some(token), &headers, Content::Empty)
        }
        Step::Ask { url } => api.send(Method::HEAD, url, Some(token), &[tus], Content::Empty),
        Step::Confirm { url, evidence } => {
            api.send(Method::GET, evidence.as_deref().unwrap_or(url), Some(token), &[], Content::Empty)
        }
        Step::Send { url, offset } => {
            let rest = usize::try_from(*offset).ok().and_then(|from| bytes.get(from..)).unwrap_or_default().to_vec();
            let headers = [tus, ("upload-offset", offset.to_string())];
            let content = Content::Bytes("application/offset+octet-stream", rest);
            api.send(Method::PATCH, url, Some(token), &headers, content)
        }
    }
}

/// Where each file of a tar begins, and its bytes.
fn index(file: &mut File) -> std::result::Result<HashMap<String, (u64, u64)>, String> {
    let broken = || "this is no outbox of a handheld, or not all of it".to_owned();
    let mut entries = HashMap::new();
    let mut header = [0u8; BLOCK];
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    loop {
        file.read_exact(&mut header).map_err(|_| broken())?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(entries);
        }
        let text = |from: usize, to: usize| -> Option<&str> {
            let field = header.get(from..to)?.split(|byte| *byte == 0).next()?;
            std::str::from_utf8(field).ok()
        };
        let name = text(0, 100).filter(|_| text(257, 262) == Some("ustar")).ok_or_else(broken)?.to_owned();
        let size = text(124, 136).and_then(|field| u64::from_str_radix(field.trim(), 8).ok()).ok_or_else(broken)?;
        let begin = file.stream_position().map_err(|e| e.to_string())?;
        let end = begin + size.next_multiple_of(BLOCK as u64);
        if size > MOST || end > length {
            return Err(broken());
        }
        entries.insert(name, (begin, size));
        file.seek(SeekFrom::Start(end)).map_err(|e| e.to_string())?;
    }
}

fn bytes_of(
    file: &mut File,
    entries: &HashMap<String, (u64, u64)>,
    name: &str,
) -> std::result::Result<Vec<u8>, String> {
    let (begin, size) = entries.get(name).ok_or_else(|| format!("{name} is missing"))?;
    file.seek(SeekFrom::Start(*begin)).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    file.take(*size).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}
