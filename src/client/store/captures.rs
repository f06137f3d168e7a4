//! Capture records: signed with what is saved, kept until the server has them, and a while longer.

use super::{
    ClientError, Result, Store, get, micros, put,
    schema::{captures, meta},
};
use crate::{
    captures::{
        rules::{Beacon, Content, GENESIS, Medium, SigningKey, VERSION},
        view::CapturesResponse,
    },
    client::device::Identity,
    db::types::{At, DeviceId},
    evidence::datum::{Datum, Position},
    identity::tokens::{hex, sha256},
    sync::wire::Gps,
};
use chrono::{DateTime, Utc};
use diesel::{prelude::*, sqlite::SqliteConnection};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A record as the caller knows it; the store gives it its place in the chain and the device's signature.
#[derive(Debug, Clone)]
pub struct CaptureDraft {
    /// `action`, `ingest`, …
    pub r#type: &'static str,
    /// What the type says: ids, digests, codes; whole numbers only.
    pub body: Map<String, Value>,
    /// The files that belong to it.
    pub media: Vec<Medium>,
    /// Where.
    pub gps: Option<Gps>,
    /// When, by the device's wall clock.
    pub wall: DateTime<Utc>,
    /// When, by its monotonic clock: milliseconds and the boot they count from.
    pub mono: Option<(i64, String)>,
}

/// The last record that this store signed: the next one goes on from it.
#[derive(Serialize, Deserialize)]
struct Head {
    device: DeviceId,
    epoch: i32,
    seq: i64,
    sha256: String,
}

const HEAD: &str = "capture_head";
const BEACON: &str = "beacon";

impl Store {
    /// Signs a record and queues it; durable when it returns. Gives its bytes.
    ///
    /// # Errors
    /// [`ClientError::NotEnrolled`] or [`ClientError::Store`]; nothing is kept then.
    pub fn capture(&mut self, draft: CaptureDraft) -> Result<String> {
        self.db.immediate_transaction(|db| {
            let identity: Identity = get(db, "identity")?.ok_or(ClientError::NotEnrolled)?;
            append(db, &identity, draft)?.ok_or_else(|| ClientError::Store("the record can't be signed".into()))
        })
    }

    /// The oldest records that were not answered.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn captures_waiting(&mut self, limit: usize) -> Result<Vec<String>> {
        let waiting = captures::table.filter(captures::answered_at.is_null()).order(captures::place);
        Ok(waiting.limit(i64::try_from(limit).unwrap_or(i64::MAX)).select(captures::raw).load(&mut self.db)?)
    }

    /// How many records were signed here and are still known, and how many of them were not answered.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn captures_count(&mut self) -> Result<(i64, i64)> {
        let all = captures::table.count().get_result(&mut self.db)?;
        let waiting = captures::table.filter(captures::answered_at.is_null()).count().get_result(&mut self.db)?;
        Ok((all, waiting))
    }

    /// Keeps what became of records that were sent, and the log's newest checkpoint. Gives how many were answered.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn captures_acknowledge(&mut self, sent: &[String], response: &CapturesResponse) -> Result<usize> {
        let sent: Vec<String> = sent.iter().map(|raw| hex(&sha256(raw.as_bytes()))).collect();
        self.db.immediate_transaction(|db| {
            let mut answered = 0;
            for result in response.results.iter().filter(|result| sent.contains(&result.sha256)) {
                let word = (
                    captures::answered_at.eq(Some(At(micros(response.server_time)))),
                    captures::status.eq(Some(result.status.as_str())),
                );
                let one = captures::table.filter(captures::sha256.eq(&result.sha256));
                answered += diesel::update(one).set(word).execute(db)?;
            }
            if let Some(beacon) = &response.beacon {
                put(db, BEACON, beacon)?;
            }
            Ok(answered)
        })
    }
}

/// Signs a record in an open transaction and gives its bytes; none when it can't be signed, which is logged and must
/// not cost anybody their work.
pub(super) fn append(db: &mut SqliteConnection, identity: &Identity, draft: CaptureDraft) -> Result<Option<String>> {
    let head: Option<Head> = get(db, HEAD)?;
    let (seq, prev) = match head.filter(|head| head.device == identity.device) {
        Some(head) if head.epoch == identity.epoch => (head.seq + 1, head.sha256),
        // A new epoch goes on from the last record that this store knows.
        Some(head) => (1, head.sha256),
        None => (1, GENESIS.to_owned()),
    };
    let beacon = get(db, BEACON)?;
    let content = content(identity, seq, prev, beacon, draft);
    let raw = match SigningKey::of(&identity.pkcs8).and_then(|key| key.sign(content)) {
        Ok(raw) => raw,
        Err(error) => {
            tracing::error!(%error, "a capture record can't be signed");
            return Ok(None);
        }
    };
    let sha256 = hex(&sha256(raw.as_bytes()));
    let row = (
        captures::epoch.eq(identity.epoch),
        captures::seq.eq(seq),
        captures::sha256.eq(&sha256),
        captures::raw.eq(&raw),
    );
    diesel::insert_into(captures::table).values(row).execute(db)?;
    put(db, HEAD, &Head { device: identity.device, epoch: identity.epoch, seq, sha256 })?;
    Ok(Some(raw))
}

fn content(identity: &Identity, seq: i64, prev: String, beacon: Option<Beacon>, draft: CaptureDraft) -> Content {
    let (mono_ms, boot) = draft.mono.unzip();
    let fix = draft.gps.and_then(|gps| {
        let position = Position::new(gps.lat, gps.lon).ok()?;
        Some((gps.datum.parse::<Datum>().ok()?, position, gps))
    });
    let thousandths = |value: f64| (value.is_finite() && value >= 0.0).then(|| (value * 1e3).round() as i64);
    Content {
        v: VERSION,
        device: identity.device,
        epoch: identity.epoch,
        seq,
        prev,
        r#type: draft.r#type.to_owned(),
        body: draft.body,
        media: draft.media,
        lat_e6: fix.as_ref().map(|(_, at, _)| (at.lat() * 1e6).round() as i32),
        lon_e6: fix.as_ref().map(|(_, at, _)| (at.lon() * 1e6).round() as i32),
        datum: fix.as_ref().map(|(datum, ..)| *datum),
        accuracy_mm: fix.as_ref().and_then(|(.., gps)| thousandths(gps.accuracy_m?)),
        fix_age_ms: fix.as_ref().and_then(|(.., gps)| thousandths(gps.fix_age_s?)),
        wall_ms: draft.wall.timestamp_millis(),
        mono_ms,
        boot,
        beacon,
    }
}

/// A new life of the server may have forgotten what an earlier one had answered: everything that is kept waits again.
pub(super) fn doubt(db: &mut SqliteConnection) -> Result<()> {
    diesel::update(captures::table).set(captures::answered_at.eq(None::<At>)).execute(db)?;
    // Its log is another one as well.
    diesel::delete(meta::table.find(BEACON)).execute(db)?;
    Ok(())
}

/// Forgets records that were answered before a moment.
pub(super) fn forget(db: &mut SqliteConnection, before: DateTime<Utc>) -> Result<()> {
    diesel::delete(captures::table.filter(captures::answered_at.lt(At(before)))).execute(db)?;
    Ok(())
}
