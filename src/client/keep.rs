//! What a device keeps, as the engine needs it: the SQLite file of `store` is one; a simulation has another.
//!
//! Each method is one transaction: when it returns, all of it is durable, and when it fails or the device dies, none of
//! it happened. Nothing here knows time: a moment comes in as a value.

use super::{Result, device::ClockOffset};
use crate::{
    db::types::{DeviceId, OpId},
    sync::wire::{self, Changes, DigestCheck, EpochResponse, PushResponse, Snapshot},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// An operation that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its id.
    pub op_id: OpId,
    /// Its JSON; only a new epoch changes it, and there only the label.
    pub raw: String,
}

/// How far the feed was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The life of the server's data it was read from.
    pub generation: String,
    /// The cursor.
    pub cursor: String,
    /// The highest number in the feed that was seen: what an operation did up to there is in the records.
    #[serde(default)]
    pub seq: i64,
}

/// A try to push, and what the device believed when it was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The device.
    pub device: DeviceId,
    /// Its epoch.
    pub epoch: i32,
    /// Its number in the epoch, from 1.
    pub number: i64,
    /// The last token of this epoch.
    pub push_token: Option<String>,
    /// The server's life as it was known.
    pub generation: Option<String>,
}

/// What a generation in an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The one that is known.
    Same,
    /// The server's data began a new life since.
    New,
    /// The answer is of a life that is over: it says nothing any more.
    Over,
}

impl Life {
    /// Judges the generation of an answer: `asked` was known when the question was put, `kept` is known now.
    ///
    /// Generations have no order for a client, so an answer may only move a device on that has not moved since it asked:
    /// otherwise a late answer of the old life would take back what the new one taught.
    pub fn of(asked: Option<&str>, kept: Option<&str>, said: &str) -> Life {
        if kept == Some(said) {
            Life::Same
        } else if asked == kept {
            Life::New
        } else {
            Life::Over
        }
    }
}

/// How much of what a device may see a snapshot is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All: it takes the place of what is there.
    Whole,
    /// What some keys show: [`Snapshot`] says what becomes of the rest.
    Part,
}

/// What a device keeps.
///
/// Every method fails with [`ClientError::Store`](super::ClientError::Store) when the device's own storage does.
pub trait Keep {
    /// The device and its epoch; epoch 0 when its store is new and its key is not.
    ///
    /// # Errors
    /// [`ClientError::NotEnrolled`](super::ClientError::NotEnrolled).
    fn device(&mut self) -> Result<(DeviceId, i32)>;

    /// The life of the server's data, as the last answer said.
    ///
    /// # Errors
    /// See [`Keep`].
    fn generation(&mut self) -> Result<Option<String>>;

    /// The clock's measured offset.
    ///
    /// # Errors
    /// See [`Keep`].
    fn offset(&mut self) -> Result<Option<ClockOffset>>;

    /// Keeps a measurement of the clock's offset.
    ///
    /// # Errors
    /// See [`Keep`].
    fn set_offset(&mut self, offset: ClockOffset) -> Result<()>;

    /// The operations that wait, oldest first, at most `limit`.
    ///
    /// # Errors
    /// See [`Keep`].
    fn waiting(&mut self, limit: usize) -> Result<Vec<Queued>>;

    /// What a push says about the outbox.
    ///
    /// # Errors
    /// See [`Keep`].
    fn outbox_summary(&mut self) -> Result<wire::Outbox>;

    /// How many files wait for their upload.
    ///
    /// # Errors
    /// See [`Keep`].
    fn media_waiting(&mut self) -> Result<i64>;

    /// Counts a try to push, before anything is sent: a copy of the store would count the same number again.
    ///
    /// # Errors
    /// See [`Keep`], and [`ClientError::NotEnrolled`](super::ClientError::NotEnrolled).
    fn begin_attempt(&mut self) -> Result<Attempt>;

    /// Keeps what a push was answered: the results of what still waits of `batch`, the token, the clock. Results of
    /// operations that are not in the batch are ignored. With a new generation it does what [`Keep::live`] does first, so
    /// that only the operations of this very answer count as settled. What was answered before under a number that the
    /// answer misses waits again, see [`stored_under_its_number`].
    ///
    /// Returns false, and changes nothing, when the attempt is not the newest one begun or the answer is of a life that
    /// is over.
    ///
    /// # Errors
    /// See [`Keep`]; the same is sent again then, which is harmless.
    fn acknowledge(
        &mut self,
        attempt: &Attempt,
        batch: &[Queued],
        response: &PushResponse,
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// Keeps that an operation went as bytes to the endpoint that takes anything.
    ///
    /// # Errors
    /// See [`Keep`].
    fn acknowledge_raw(&mut self, op_id: OpId, now: DateTime<Utc>) -> Result<()>;

    /// Begins an epoch: token, attempts from 1, and everything that waits gets a number from 1 on, in its order, and says
    /// its old label in `was`. A new generation is entered as by [`Keep::live`]. Returns false, and changes nothing, when
    /// the device's epoch is not `old` any more or the answer is of a life that is over; `asked` is as for [`Life::of`].
    ///
    /// # Errors
    /// See [`Keep`]; the old epoch goes on then, and is found stale again.
    fn begin_epoch(
        &mut self,
        old: i32,
        asked: Option<&str>,
        response: &EpochResponse,
        now: DateTime<Utc>,
    ) -> Result<bool>;

    /// Judges the generation of an answer and, when it is a new life, enters it: what was settled and is still kept waits
    /// again, with its own bytes and at its old place before what was made later, files that were stored wait again, and
    /// the position is gone.
    ///
    /// # Errors
    /// See [`Keep`].
    fn live(&mut self, asked: Option<&str>, said: &str) -> Result<Life>;

    /// How far the feed was read; none before the first snapshot.
    ///
    /// # Errors
    /// See [`Keep`].
    fn position(&mut self) -> Result<Option<Position>>;

    /// Forgets the position, so that a whole snapshot follows; the records stay readable until then.
    ///
    /// # Errors
    /// See [`Keep`].
    fn drop_position(&mut self) -> Result<()>;

    /// Applies a page and moves the cursor. Returns false, and changes nothing, for a page that does not continue what is
    /// here.
    ///
    /// # Errors
    /// See [`Keep`].
    fn apply(&mut self, page: &Changes, now: DateTime<Utc>) -> Result<bool>;

    /// Begins a snapshot: what an interrupted one left is dropped.
    ///
    /// # Errors
    /// See [`Keep`].
    fn snapshot_begin(&mut self) -> Result<()>;

    /// Puts a page beside the current state, which stays readable meanwhile.
    ///
    /// # Errors
    /// See [`Keep`].
    fn snapshot_page(&mut self, page: &Snapshot) -> Result<()>;

    /// Swaps the snapshot in and moves the cursor. What waits stays, and what was answered and is not settled waits again;
    /// a record that unsent work or an unsent file belongs to stays as gone, until that is sent.
    ///
    /// # Errors
    /// See [`Keep`].
    fn snapshot_finish(&mut self, last: &Snapshot, extent: Extent, now: DateTime<Utc>) -> Result<()>;

    /// For each of these keys the sum over the records that carry it, see [`wire::digest_of`].
    ///
    /// # Errors
    /// See [`Keep`].
    fn digests(&mut self, keys: &[String]) -> Result<BTreeMap<String, String>>;

    /// The last comparison of digests.
    ///
    /// # Errors
    /// See [`Keep`].
    fn digest_check(&mut self) -> Result<Option<DigestCheck>>;

    /// Keeps what comparing digests gave.
    ///
    /// # Errors
    /// See [`Keep`].
    fn set_digest_check(&mut self, check: DigestCheck) -> Result<()>;

    /// Removes everything that was read, so that nothing of it can be read again. Outbox and files stay.
    ///
    /// # Errors
    /// See [`Keep`].
    fn wipe(&mut self) -> Result<()>;

    /// Forgets operations that were settled for good before this moment and whose effect the feed has shown; returns how
    /// many. Until then they can heal a server that was restored from a backup.
    ///
    /// # Errors
    /// See [`Keep`].
    fn forget(&mut self, before: DateTime<Utc>) -> Result<usize>;
}

/// Whether an answer shows that the server had the operation under the very number that this device gave it. If it says
/// later that the number never arrived, it was restored from a backup; a repeat may have come under another number, and
/// what could not be read has none.
pub fn stored_under_its_number(result: &wire::OpResult) -> bool {
    let unread = ["op_malformed", "nul_character", "op_id_reused"];
    !result.duplicate && !result.code.as_deref().is_some_and(|code| unread.contains(&code))
}

/// Labels that an operation remembers: more lives than any device has, and far from too deep for a reader.
const LABELS: usize = 32;

/// The JSON of an operation under its new label; every other byte of its values stays as it was, because a number that
/// is parsed and printed again may be another one. `old` is the label it had in this device's history: it remembers that
/// one and those before.
///
/// # Errors
/// [`ClientError::Store`](super::ClientError::Store), when the bytes are no JSON object.
pub fn relabel(raw: &str, seq: i64, old: Option<(i32, i64)>) -> Result<String> {
    let fail = |e: serde_json::Error| super::ClientError::Store(format!("an operation of the outbox: {e}"));
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw).map_err(fail)?;
    fields.insert("seq".into(), serde_json::value::to_raw_value(&seq).map_err(fail)?);
    let before: Option<wire::Was> = match fields.remove("was") {
        Some(was) => serde_json::from_str(was.get()).map_err(fail)?,
        None => None,
    };
    if let Some(old) = old {
        let labels: Vec<(i32, i64)> =
            std::iter::once(old).chain(before.iter().flat_map(wire::Was::labels)).take(LABELS).collect();
        let nest = |was, (epoch, seq)| Some(Box::new(wire::Was { epoch, seq, was }));
        let was = labels.into_iter().rev().fold(None, nest);
        fields.insert("was".into(), serde_json::value::to_raw_value(&was).map_err(fail)?);
    }
    serde_json::to_string(&fields).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_label_changes_no_other_value() {
        let raw = r#"{"seq":7,"args":{"b":1.10,"a":[0.1000000000000000055]},"op_id":"x"}"#;
        let new = relabel(raw, 1, Some((2, 7))).unwrap();
        assert_eq!(
            new,
            r#"{"args":{"b":1.10,"a":[0.1000000000000000055]},"op_id":"x","seq":1,"was":{"epoch":2,"seq":7}}"#
        );
    }

    #[test]
    fn a_label_remembers_all_the_labels_before_it() {
        let twice = relabel(&relabel(r#"{"seq":7}"#, 3, Some((1, 7))).unwrap(), 1, Some((2, 3))).unwrap();
        assert_eq!(twice, r#"{"seq":1,"was":{"epoch":2,"seq":3,"was":{"epoch":1,"seq":7}}}"#);
        let many = (1..100).fold(twice, |raw, epoch| relabel(&raw, 1, Some((epoch, 1))).unwrap());
        let op: serde_json::Value = serde_json::from_str(&many).unwrap();
        let was: wire::Was = serde_json::from_value(op["was"].clone()).unwrap();
        assert_eq!((was.epoch, was.labels().count()), (99, LABELS));
    }

    #[test]
    fn an_answer_moves_only_a_device_that_has_not_moved_since_it_asked() {
        assert_eq!(Life::of(Some("a"), Some("a"), "a"), Life::Same);
        assert_eq!(Life::of(None, None, "a"), Life::New);
        assert_eq!(Life::of(Some("a"), Some("a"), "b"), Life::New);
        assert_eq!(Life::of(Some("a"), Some("b"), "a"), Life::Over);
        assert_eq!(Life::of(Some("a"), Some("b"), "b"), Life::Same);
    }
}
