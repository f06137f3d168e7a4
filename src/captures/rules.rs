//! What a capture record is, and what is wrong with one alone or among others. No clock, no database.

use crate::{
    canonical::canonical,
    db::types::DeviceId,
    error::{Code, Error, Result},
    evidence::datum::Datum,
    identity::{
        rules::text_enum,
        tokens::{hex, sha256},
    },
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// The version of the format.
pub const VERSION: i64 = 1;
/// What the first record of a device names as the one before.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The most files of one record.
pub const MOST_MEDIA: usize = 64;
/// By how much the wall clock may go another way than the monotonic one, and lie outside the provable time, ms.
const CLOCK_SLACK_MS: i64 = 120_000;
/// By how much a wall clock may be set back without a word: ordinary time keeping does that, ms.
const STEP_BACK_MS: i64 = 1_000;
/// A fix older than this is somewhere else, ms.
const FIX_AGE_MS: i64 = 60_000;
/// 9999-12-31, ms: what the databases and JavaScript can tell.
const LAST_MS: i64 = 253_402_300_799_999;

text_enum! {
    /// What became of a record.
    CaptureStatus {
        /// It has its place in the chain.
        Accepted = "accepted",
        /// It is well signed, and another one has its number: a copy of the device's store has gone on.
        Forked = "forked",
        /// It is kept apart: not to be read, not signed by the device, or of a revoked one.
        Quarantined = "quarantined",
    }
}

text_enum! {
    /// What can be found wrong with a record.
    Fault {
        /// It is no capture record, or not in its one spelling.
        Malformed = "malformed",
        /// The device it names is not enrolled here.
        DeviceUnknown = "device_unknown",
        /// The device it names was revoked before it came.
        DeviceRevoked = "device_revoked",
        /// The signature is not the device's, or what was signed was changed.
        BadSignature = "bad_signature",
        /// The device has no such epoch.
        EpochUnknown = "epoch_unknown",
        /// Records before it are missing.
        Gap = "gap",
        /// Another record of the device has the same number.
        Fork = "fork",
        /// The record after it was made on another record than this.
        Edited = "edited",
        /// It came after a record with a higher number.
        Reordered = "reordered",
        /// It came a second time, in another place or from another device.
        Replayed = "replayed",
        /// Wall clock and monotonic clock went apart within a boot.
        ClockDrift = "clock_drift",
        /// A clock went back.
        ClockBack = "clock_back",
        /// The wall clock lies outside the time that can be proved.
        WallOutOfBounds = "wall_out_of_bounds",
        /// The position was old.
        FixOld = "fix_old",
        /// The same position as before, to a millionth of a degree.
        FixRepeated = "fix_repeated",
        /// A position that claims to be exact.
        AccuracyZero = "accuracy_zero",
        /// The checkpoint it names is none of the log's.
        BeaconUnknown = "beacon_unknown",
    }
}

/// One thing found wrong, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flag {
    /// What.
    pub code: Fault,
    /// What exactly, zh-CN.
    pub detail: String,
}

impl Flag {
    /// A flag with its words.
    pub fn new(code: Fault, detail: impl Into<String>) -> Flag {
        Flag { code, detail: detail.into() }
    }
}

/// A file that a record names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Medium {
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
}

/// A checkpoint of the transparency log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Beacon {
    /// Leaves of the tree, from 1.
    pub size: i64,
    /// Its root, lower-case hexadecimal.
    pub root: String,
}

/// What a device signs. Absent members are left out; members of a newer version are signed and kept too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// [`VERSION`].
    pub v: i64,
    /// The device.
    pub device: DeviceId,
    /// Its epoch; 0 while a new store has not been told one.
    pub epoch: i32,
    /// The place in the epoch, from 1, without holes.
    pub seq: i64,
    /// Hash of the record before: the last one that the device knew of itself, or [`GENESIS`].
    pub prev: String,
    /// `action` for a field action, `ingest` for a file that a dock took in, …
    pub r#type: String,
    /// What the type says: ids, digests, codes.
    pub body: Map<String, Value>,
    /// The files that belong to it.
    pub media: Vec<Medium>,
    /// Millionths of a degree in `datum`, north positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat_e6: Option<i32>,
    /// Millionths of a degree in `datum`, east positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon_e6: Option<i32>,
    /// Goes with the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datum: Option<Datum>,
    /// Radius of the circle that holds the true place with 68 %, mm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_mm: Option<i64>,
    /// Age of the position, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_age_ms: Option<i64>,
    /// The device's wall clock, ms since 1970; never corrected.
    pub wall_ms: i64,
    /// The device's monotonic clock, ms since `boot` began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mono_ms: Option<i64>,
    /// Which boot that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The newest checkpoint that the device had seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beacon: Option<Beacon>,
}

impl Content {
    fn checked(self) -> Result<Content, String> {
        let is = |good: bool, what: &str| if good { Ok(()) } else { Err(what.to_owned()) };
        is(self.v == VERSION, "v: 1")?;
        is(self.epoch >= 0, "epoch: 0 or more")?;
        is(self.seq >= 1, "seq: 1 or more")?;
        is(is_digest(&self.prev), "prev: 64 lower-case hexadecimal digits")?;
        let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'.');
        is((1..=32).contains(&self.r#type.len()) && self.r#type.bytes().all(word), "type: 1–32 of a–z, 0–9, _, .")?;
        is(self.media.len() <= MOST_MEDIA, "media: at most 64")?;
        is(self.media.iter().all(|m| is_digest(&m.sha256) && m.size >= 0), "media: sha256 and size")?;
        let in_range = |degrees: Option<i32>, most: i32| degrees.is_none_or(|d| (-most..=most).contains(&d));
        is(in_range(self.lat_e6, 90_000_000) && in_range(self.lon_e6, 180_000_000), "lat_e6, lon_e6: on the globe")?;
        let whole = self.lat_e6.is_some() == self.lon_e6.is_some() && self.lat_e6.is_some() == self.datum.is_some();
        is(whole, "lat_e6, lon_e6, datum: all or none")?;
        is(self.accuracy_mm.is_none_or(|mm| mm >= 0), "accuracy_mm: 0 or more")?;
        is(self.fix_age_ms.is_none_or(|ms| ms >= 0), "fix_age_ms: 0 or more")?;
        is((0..=LAST_MS).contains(&self.wall_ms), "wall_ms: 1970–9999")?;
        is(self.mono_ms.is_some() == self.boot.is_some(), "mono_ms, boot: both or none")?;
        is(self.mono_ms.is_none_or(|ms| ms >= 0), "mono_ms: 0 or more")?;
        is(self.boot.as_ref().is_none_or(|boot| (1..=64).contains(&boot.len())), "boot: 1–64 bytes")?;
        let sound = |b: &Beacon| b.size >= 1 && is_digest(&b.root);
        is(self.beacon.as_ref().is_none_or(sound), "beacon: size from 1, root 64 hexadecimal digits")?;
        Ok(self)
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

/// A record in its one spelling.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What it says.
    pub content: Content,
    /// SHA-256 of its bytes, signature included: what the next one names.
    pub sha256: String,
    signed: String,
    sig: Vec<u8>,
}

impl Record {
    /// Reads bytes as a record. Says nothing about the signature.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(bytes: &[u8]) -> Result<Record, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let spelling = canonical(&value).map_err(|e| e.detail.unwrap_or_default())?;
        if spelling.as_bytes() != bytes {
            return Err("is not in canonical form (RFC 8785)".into());
        }
        let Value::Object(mut members) = value else { return Err("must be an object".into()) };
        let sig = match members.remove("sig") {
            Some(Value::String(sig)) => B64.decode(sig).ok().filter(|sig| sig.len() == 64),
            _ => None,
        };
        let sig = sig.ok_or("sig: 64 bytes, base64url")?;
        let value = Value::Object(members);
        let signed = canonical(&value).map_err(|e| e.detail.unwrap_or_default())?;
        let content = Content::deserialize(&value).map_err(|e| e.to_string())?.checked()?;
        if value["device"] != content.device.to_string() {
            return Err("device: lower case, with hyphens".into());
        }
        Ok(Record { content, sha256: hex(&sha256(bytes)), signed, sig })
    }

    /// Whether this key signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.parsed.verify_sig(self.signed.as_bytes(), &self.sig).is_ok()
    }

    fn place(&self) -> (i32, i64) {
        (self.content.epoch, self.content.seq)
    }
}

/// A device's public key, ready to verify many records.
pub struct PublicKey {
    parsed: ParsedPublicKey,
    /// SHA-256 of its point, lower-case hexadecimal.
    pub sha256: String,
}

impl PublicKey {
    /// The key of a SEC 1 uncompressed point, 65 bytes.
    ///
    /// # Errors
    /// `value_invalid`, when it does not lie on P-256.
    pub fn of(point: &[u8]) -> Result<PublicKey> {
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let wrong = |_| Code::ValueInvalid.with("public key: must be a point of P-256");
        Ok(PublicKey { parsed: parsed.map_err(wrong)?, sha256: hex(&sha256(point)) })
    }
}

/// The keys that may have signed in an epoch, of those that a device had, each with the first epoch it signs in: the
/// newest that is not later. In epoch 0 a new store does not know its epoch, so any may have.
pub fn keys_of_epoch(keys: &[(i32, PublicKey)], epoch: i32) -> Vec<&PublicKey> {
    if epoch == 0 {
        return keys.iter().map(|(_, key)| key).collect();
    }
    let of = keys.iter().filter(|(from, _)| *from <= epoch).max_by_key(|(from, _)| *from);
    of.map(|(_, key)| key).into_iter().collect()
}

/// A device's private key, ready to sign.
pub struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    /// The key of a PKCS#8 document.
    ///
    /// # Errors
    /// `internal`, when it is damaged.
    pub fn of(pkcs8: &[u8]) -> Result<SigningKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
        pair.map(SigningKey).map_err(Error::internal)
    }

    /// The bytes of the signed record.
    ///
    /// # Errors
    /// `value_invalid` for what is no content of a record, `internal` when the key can't sign.
    pub fn sign(&self, content: Content) -> Result<String> {
        let content = content.checked().map_err(|what| Code::ValueInvalid.with(what))?;
        let mut value = serde_json::to_value(&content).map_err(Error::internal)?;
        let signed = canonical(&value)?;
        let sig = self.0.sign(&SystemRandom::new(), signed.as_bytes()).map_err(Error::internal)?;
        value["sig"] = Value::String(B64.encode(sig.as_ref()));
        canonical(&value)
    }
}

/// What is wrong with a record's own words.
pub fn alone(record: &Content) -> Vec<Flag> {
    let mut flags = Vec::new();
    if let Some(ms) = record.fix_age_ms.filter(|ms| *ms > FIX_AGE_MS) {
        flags.push(Flag::new(Fault::FixOld, format!("定位是 {} 秒前的", ms / 1000)));
    }
    if record.accuracy_mm == Some(0) {
        flags.push(Flag::new(Fault::AccuracyZero, "定位精度为 0"));
    }
    flags
}

/// What a record says against the one before it.
pub fn beside(before: &Content, record: &Content) -> Vec<Flag> {
    let mut flags = Vec::new();
    let wall = record.wall_ms - before.wall_ms;
    if wall < -STEP_BACK_MS {
        flags.push(Flag::new(Fault::ClockBack, format!("时钟倒退 {} 秒", -wall / 1000)));
    }
    if let (Some(then), Some(now)) = (before.mono_ms, record.mono_ms)
        && before.boot == record.boot
    {
        let drift = wall - (now - then);
        if now < then {
            flags.push(Flag::new(Fault::ClockBack, format!("开机计时倒退 {} 毫秒", then - now)));
        } else if drift.abs() > CLOCK_SLACK_MS {
            flags.push(Flag::new(Fault::ClockDrift, format!("时钟与开机计时相差 {} 秒", drift / 1000)));
        }
    }
    if record.lat_e6.is_some() && (record.lat_e6, record.lon_e6) == (before.lat_e6, before.lon_e6) {
        flags.push(Flag::new(Fault::FixRepeated, "与上一条的位置完全相同"));
    }
    flags
}

/// What the wall clock says against the time that can be proved, all ms since 1970.
pub fn bounds(wall_ms: i64, lower_ms: i64, upper_ms: i64) -> Option<Flag> {
    let off = if wall_ms < lower_ms - CLOCK_SLACK_MS {
        wall_ms - lower_ms
    } else if wall_ms > upper_ms + CLOCK_SLACK_MS {
        wall_ms - upper_ms
    } else {
        return None;
    };
    let way = if off < 0 { "早于" } else { "晚于" };
    Some(Flag::new(Fault::WallOutOfBounds, format!("设备时间{way}可证区间 {} 秒", off.abs() / 1000)))
}

/// Well-signed records of one device that stand near each other, as they came: what each is to the others.
///
/// A record's neighbours must be there when they exist: those with the number before and after in its epoch, the one it
/// names as `prev`, and the highest below a gap.
pub struct Chain<'a> {
    places: BTreeMap<(i32, i64), Vec<&'a Record>>,
    by_hash: HashMap<&'a str, &'a Record>,
}

impl<'a> Chain<'a> {
    /// Of these records, in the order in which they came; the same one twice counts once.
    pub fn new(records: impl IntoIterator<Item = &'a Record>) -> Chain<'a> {
        let mut chain = Chain { places: BTreeMap::new(), by_hash: HashMap::new() };
        for record in records {
            if chain.by_hash.insert(&record.sha256, record).is_none() {
                chain.places.entry(record.place()).or_default().push(record);
            }
        }
        chain
    }

    fn at(&self, (epoch, seq): (i32, i64)) -> &[&'a Record] {
        self.places.get(&(epoch, seq)).map_or(&[], Vec::as_slice)
    }

    /// The record that this one was made on.
    pub fn parent(&self, record: &Record) -> Option<&'a Record> {
        let (epoch, seq) = record.place();
        let parent = *self.by_hash.get(record.content.prev.as_str())?;
        // The first of an epoch goes on where the epochs before had ended.
        let fits = if seq == 1 { parent.content.epoch < epoch } else { parent.place() == (epoch, seq - 1) };
        (fits && parent.content.device == record.content.device).then_some(parent)
    }

    /// The first number missing directly before this record, 0 for the end of an earlier epoch; none when all is there.
    pub fn gap(&self, record: &Record) -> Option<i64> {
        let (epoch, seq) = record.place();
        if seq == 1 {
            return (record.content.prev != GENESIS && self.parent(record).is_none()).then_some(0);
        }
        let lower = self.places.range((epoch, 0)..(epoch, seq)).next_back();
        let from = lower.map_or(1, |((_, seq), _)| seq + 1);
        (from < seq).then_some(from)
    }

    /// Whether the next record was made on another record than this, and none on this.
    pub fn is_edited(&self, record: &Record) -> bool {
        let (epoch, seq) = record.place();
        let here: Vec<&str> = self.at((epoch, seq)).iter().map(|record| record.sha256.as_str()).collect();
        let next = self.at((epoch, seq + 1));
        let stranger = next.iter().any(|next| !here.contains(&next.content.prev.as_str()));
        stranger && next.iter().all(|next| next.content.prev != record.sha256)
    }

    /// What the records around it say of it, but for forks: which of two came first is known to who took them.
    pub fn flags(&self, record: &Record) -> Vec<Flag> {
        let mut flags = alone(&record.content);
        if let Some(parent) = self.parent(record) {
            flags.extend(beside(&parent.content, &record.content));
        }
        let to = record.content.seq - 1;
        flags.extend(self.gap(record).map(|from| match from {
            0 => Flag::new(Fault::Gap, "缺上一个记录链的最后一条"),
            _ if from == to => Flag::new(Fault::Gap, format!("缺第 {to} 条")),
            _ => Flag::new(Fault::Gap, format!("缺第 {from} 至 {to} 条")),
        }));
        if self.is_edited(record) {
            let seq = record.content.seq + 1;
            flags.push(Flag::new(Fault::Edited, format!("第 {seq} 条接的是另一条记录：本条已被改换")));
        }
        flags
    }
}

/// Something found in a chain of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which of the records, from 0.
    pub index: usize,
    /// Its epoch, when it can be read.
    pub epoch: Option<i32>,
    /// Its number, when it can be read.
    pub seq: Option<i64>,
    /// What.
    #[serde(flatten)]
    pub flag: Flag,
}

/// The flag of bytes that are no record; what was wrong may quote them.
pub fn malformed(what: impl AsRef<str>) -> Flag {
    let shown = |c: &char| !c.is_control();
    Flag::new(Fault::Malformed, what.as_ref().chars().filter(shown).take(200).collect::<String>())
}

/// The flag of a record that the key did not sign as it is.
pub fn unsigned() -> Flag {
    Flag::new(Fault::BadSignature, "签名与内容或密钥不符")
}

/// Reads one record and checks that the key signed it.
///
/// # Errors
/// `malformed` or `bad_signature`.
pub fn verify_record(bytes: &[u8], key: &PublicKey) -> Result<Record, Flag> {
    let record = Record::read(bytes).map_err(malformed)?;
    if record.is_signed_by(key) { Ok(record) } else { Err(unsigned()) }
}

/// Verifies each record, on as many threads as there are processors: nearly all of the time goes into signatures.
fn verify_all(records: &[&[u8]], key: &PublicKey) -> Vec<Result<Record, Flag>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let part = records.len().div_ceil(threads).max(64);
    let verify = |part: &[&[u8]]| part.iter().map(|bytes| verify_record(bytes, key)).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let parts: Vec<_> = records.chunks(part).map(|part| scope.spawn(move || verify(part))).collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Verifies the records of one device and key, in the order in which they are said to have been made. Nothing found
/// means: every record was signed by the key, and none between the first and the last is missing, changed or moved.
pub fn verify_chain(records: &[&[u8]], key: &PublicKey) -> Vec<Finding> {
    let read = verify_all(records, key);
    let chain = Chain::new(read.iter().flatten());
    let mut findings = Vec::new();
    let mut highest = (0, 0);
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, record) in read.iter().enumerate() {
        let record = match record {
            Ok(record) => record,
            Err(flag) => {
                findings.push(Finding { index, epoch: None, seq: None, flag: flag.clone() });
                continue;
            }
        };
        let (epoch, seq) = record.place();
        let mut flags = Vec::new();
        if let Some(first) = seen.insert(&record.sha256, index) {
            flags.push(Flag::new(Fault::Replayed, format!("与第 {} 个文件相同", first + 1)));
        } else {
            if record.place() < highest {
                flags.push(Flag::new(Fault::Reordered, format!("排在第 {} 条之后", highest.1)));
            }
            if chain.at(record.place()).first().is_some_and(|first| first.sha256 != record.sha256) {
                flags.push(Flag::new(Fault::Fork, format!("另有一条第 {seq} 条")));
            }
            flags.extend(chain.flags(record));
        }
        highest = highest.max(record.place());
        findings.extend(flags.into_iter().map(|flag| Finding { index, epoch: Some(epoch), seq: Some(seq), flag }));
    }
    findings
}

#[cfg(test)]
mod tests;
