//! One file to the server over tus 1.0, however often the way breaks: `steps` decides, [`Upload::run`] does.

mod steps;

use super::{
    ClientError, Result,
    device::{ClockOffset, Identity, clock_refused},
    http::{Answer, Api, Content},
    rules::Pace,
};
use crate::{
    db::types::EvidenceId,
    env::Env,
    identity::tokens::{hex, sha256},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};
pub use steps::{After, Step, Stored, after};
use ureq::http::Method;

/// The most bytes of one PATCH: small enough that a proxy with a limit on requests lives, large enough to cost nothing.
const SEGMENT: u64 = 64 * 1024 * 1024;
const MIME: &str = "application/offset+octet-stream";

/// A file as it was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Media type.
    pub mime: String,
    /// Its name for people.
    pub filename: String,
    /// When it was taken.
    pub captured_at: Option<DateTime<Utc>>,
    /// Who says when: the device that made it, the file itself, or the file system.
    pub captured_from: Option<String>,
    /// More pairs for the metadata.
    pub words: Vec<(&'static str, String)>,
}

impl Item {
    /// `Upload-Metadata`.
    pub fn metadata(&self) -> String {
        let mut pairs =
            vec![("filename", self.filename.clone()), ("filetype", self.mime.clone()), ("sha256", self.sha256.clone())];
        if let Some(at) = self.captured_at {
            pairs.push(("captured_at", at.to_rfc3339_opts(SecondsFormat::Micros, true)));
        }
        if let Some(source) = &self.captured_from {
            pairs.push(("captured_from", source.clone()));
        }
        pairs.extend(self.words.iter().cloned());
        let pairs: Vec<String> =
            pairs.into_iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect();
        pairs.join(",")
    }

    /// The same creation gives the same key, so a lost answer makes no second upload.
    fn idempotency_key(&self) -> String {
        hex(&sha256(format!("{} {}", self.size, self.metadata()).as_bytes()))
    }
}

/// What the server said of the stored bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The piece of evidence.
    pub evidence_id: EvidenceId,
    /// The hash of the stored bytes.
    pub sha256: String,
    /// Their number.
    pub size: u64,
    /// When they were stored.
    pub stored_at: Option<DateTime<Utc>>,
    /// The server that said so.
    pub server: String,
    /// When it was asked, by this device's clock.
    pub confirmed_at: DateTime<Utc>,
}

/// What happens on the way; the caller keeps it.
pub trait Watch {
    /// The upload has this address from now on, or none: must be durable when it returns.
    ///
    /// # Errors
    /// The caller's store; ends the run.
    fn moved(&mut self, url: Option<&str>) -> Result<()>;
    /// A read of the file begins or has ended.
    fn reading(&mut self, _begins: bool) {}
    /// So many bytes have gone out or are known to be there.
    fn progress(&mut self, _bytes: u64) {}
    /// The server's clock was measured.
    fn clock(&mut self, _offset: ClockOffset) {}
    /// A wait begins.
    fn waiting(&mut self, _why: &str, _wait: Duration) {}
    /// Whether to stop now; asked before every step and during waits.
    fn stop(&self) -> bool {
        false
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The server has the file.
    Stored(Receipt),
    /// It never will.
    Refused(String),
    /// The device must be enrolled again; the file is as it was.
    Blocked(String),
    /// Too many tries without progress, or the caller asked to stop; go on later.
    Later(String),
}

/// What a run cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the file that were written to a connection.
    pub sent: u64,
    /// Bodies that broke off.
    pub cuts: u32,
    /// Times it went on from an offset above 0 after that.
    pub resumed: u32,
    /// Bytes that the server took in this run; what was sent beyond them went twice.
    pub taken: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.sent += other.sent;
        self.cuts += other.cuts;
        self.resumed += other.resumed;
        self.taken += other.taken;
    }
}

/// One file's way.
pub struct Upload<'a> {
    /// The server.
    pub api: &'a Api,
    /// The device.
    pub identity: &'a Identity,
    /// Clock and dice.
    pub env: &'a Env,
    /// The clock's offset; corrected on the way.
    pub offset: Option<ClockOffset>,
    /// Waits.
    pub pace: Pace,
    /// After so many tries in a row without progress, leave it for later; `None` never gives up.
    pub tries: Option<u32>,
    /// What it has cost so far.
    pub cost: Cost,
}

impl Upload<'_> {
    /// Brings the file to the server, from `url` on if there is one.
    ///
    /// # Errors
    /// [`ClientError::File`] when the file can't be read or is no longer the one that was hashed, and what `watch` says.
    pub fn run(&mut self, item: &Item, url: Option<String>, watch: &mut dyn Watch) -> Result<Outcome> {
        let mut step = match url {
            Some(url) => Step::Ask { url },
            None => Step::Create,
        };
        let (mut failures, mut broken) = (0u32, false);
        // Where the server stands; unknown until it has said so.
        let mut stands: Option<u64> = None;
        loop {
            if watch.stop() {
                return Ok(Outcome::Later("stopped".into()));
            }
            let mut silence = String::new();
            let answer = match self.exchange(&step, item, watch) {
                Ok(answer) => Some(answer),
                Err(ClientError::Offline(why)) => {
                    tracing::debug!(file = %item.filename, ?step, why, "no answer");
                    silence = format!("{} does not answer: {why}", self.api.base());
                    None
                }
                Err(other) => return Err(other),
            };
            if let (Step::Send { .. }, None) = (&step, &answer) {
                (self.cost.cuts, broken) = (self.cost.cuts + 1, true);
            }
            if let Some(answer) = &answer
                && let Some(offset) = clock_refused(answer, self.env.now(), self.offset)
            {
                self.offset = Some(offset);
                watch.clock(offset);
                continue;
            }
            let (next, answered) = (after(&step, answer.as_ref(), item), answer.is_some());
            tracing::trace!(file = %item.filename, ?step, status = answer.map(|a| a.status), ?next, "upload");
            let next = match next {
                After::Do(next) => {
                    failures = 0;
                    next
                }
                After::Wait(next, asked, why) => {
                    let why = if answered { why } else { silence };
                    failures += 1;
                    if self.tries.is_some_and(|tries| failures >= tries) {
                        return Ok(Outcome::Later(why));
                    }
                    let own = self.pace.wait(failures, self.env.below(u32::MAX));
                    let wait = asked.map_or(own, |asked| {
                        if asked.is_zero() && failures == 1 { asked } else { asked.min(self.pace.cap).max(own) }
                    });
                    watch.waiting(&why, wait);
                    pause(wait, watch);
                    next
                }
                After::Refused(why) => return Ok(Outcome::Refused(why)),
                After::Blocked(why) => return Ok(Outcome::Blocked(why)),
                After::Stored(stored) => {
                    return Ok(Outcome::Stored(Receipt {
                        evidence_id: stored.id,
                        sha256: stored.sha256,
                        size: stored.size,
                        stored_at: stored.stored_at,
                        server: self.api.base().to_owned(),
                        confirmed_at: self.env.now(),
                    }));
                }
            };
            match (&step, &next) {
                (Step::Create, Step::Send { url, .. } | Step::Confirm { url, .. }) => watch.moved(Some(url))?,
                (Step::Ask { .. } | Step::Send { .. }, Step::Create) => watch.moved(None)?,
                (Step::Ask { .. }, Step::Send { offset, .. }) if broken && *offset > 0 => self.cost.resumed += 1,
                _ => {}
            }
            let there = match &next {
                Step::Send { offset, .. } => Some(*offset),
                Step::Confirm { .. } => Some(item.size),
                _ => None,
            };
            if let Some(there) = there {
                broken = false;
                // A fresh upload may begin with bytes that somebody else brought: those were not sent here.
                let before = if step == Step::Create { None } else { stands };
                self.cost.taken += before.map_or(0, |before| there.saturating_sub(before));
                stands = Some(there);
                watch.progress(there);
            }
            step = next;
        }
    }

    fn exchange(&mut self, step: &Step, item: &Item, watch: &mut dyn Watch) -> Result<Answer> {
        let token = self.identity.token(self.env, self.offset)?;
        let tus = ("tus-resumable", "1.0.0".to_owned());
        let send = |method, path: &str, headers: &[(&str, String)], content: Content| {
            self.api.send(method, path, Some(&token), headers, content)
        };
        match step {
            Step::Create => {
                let headers = [
                    tus,
                    ("upload-length", item.size.to_string()),
                    ("upload-metadata", item.metadata()),
                    ("idempotency-key", item.idempotency_key()),
                ];
                send(Method::POST, "/api/v1/uploads", &headers, Content::Empty)
            }
            Step::Ask { url } => send(Method::HEAD, url, &[tus], Content::Empty),
            Step::Confirm { url, evidence } => {
                send(Method::GET, evidence.as_deref().unwrap_or(url), &[], Content::Empty)
            }
            Step::Send { url, offset } => {
                let length = (item.size - offset).min(SEGMENT);
                let mut body = Body::open(item, *offset, length, watch)?;
                let headers = [tus, ("upload-offset", offset.to_string())];
                let answer =
                    self.api.send(Method::PATCH, url, Some(&token), &headers, Content::Stream(MIME, length, &mut body));
                self.cost.sent += body.read;
                match body.failure {
                    Some(failure) => Err(ClientError::File(format!("{}: {failure}", item.path.display()))),
                    None => answer,
                }
            }
        }
    }
}

/// Sleeps in slices, so that a stop is heard.
fn pause(wait: Duration, watch: &dyn Watch) {
    let mut left = wait;
    while !left.is_zero() && !watch.stop() {
        let slice = left.min(Duration::from_millis(200));
        std::thread::sleep(slice);
        left -= slice;
    }
}

/// A part of the file on its way out; its own failures are kept apart from the connection's.
struct Body<'a> {
    file: io::Take<File>,
    start: u64,
    read: u64,
    failure: Option<String>,
    watch: &'a mut dyn Watch,
}

impl<'a> Body<'a> {
    fn open(item: &Item, offset: u64, length: u64, watch: &'a mut dyn Watch) -> Result<Body<'a>> {
        let fail = |e: io::Error| ClientError::File(format!("{}: {e}", item.path.display()));
        watch.reading(true);
        let opened = File::open(&item.path);
        watch.reading(false);
        let mut file = opened.map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        if size != item.size {
            let (path, before) = (item.path.display(), item.size);
            return Err(ClientError::File(format!(
                "{path}: changed while it was sent, {size} bytes instead of {before}"
            )));
        }
        file.seek(SeekFrom::Start(offset)).map_err(fail)?;
        Ok(Body { file: file.take(length), start: offset, read: 0, failure: None, watch })
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.reading(true);
        let read = self.file.read(buffer);
        self.watch.reading(false);
        match read {
            Ok(0) if self.file.limit() > 0 && !buffer.is_empty() => {
                self.failure = Some("the file became shorter while it was sent".into());
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(n) => {
                self.read += n as u64;
                self.watch.progress(self.start + self.read);
                Ok(n)
            }
            Err(error) => {
                self.failure = Some(error.to_string());
                Err(error)
            }
        }
    }
}

/// SHA-256 of a file in bounded memory, hexadecimal, and its size. `stop` is asked for every block.
///
/// # Errors
/// [`ClientError::File`] with the path, also when it was told to stop.
pub fn hash_file(path: &Path, stop: &dyn Fn() -> bool) -> Result<(String, u64)> {
    let fail = |e: &dyn std::fmt::Display| ClientError::File(format!("{}: {e}", path.display()));
    let mut file = File::open(path).map_err(|e| fail(&e))?;
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let (mut buffer, mut size) = (vec![0u8; 1024 * 1024], 0u64);
    loop {
        if stop() {
            return Err(fail(&"stopped"));
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hex(context.finish().as_ref()), size)),
            Ok(n) => {
                context.update(&buffer[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(&error)),
        }
    }
}
