//! The store as the engine sees it.

use super::{
    Result, Store, captures, epochs, feed, get, outbox, put,
    schema::{media, meta, sent},
};
use crate::{
    client::{
        ClientError,
        device::{ClockOffset, Identity},
        keep::{Attempt, Extent, Keep, Life, Position, Queued},
    },
    db::types::{At, DeviceId, OpId},
    sync::wire::{self, Changes, DigestCheck, EpochResponse, OpResult, PushResponse, Snapshot, Status},
};
use chrono::{DateTime, Utc};
use diesel::{connection::SimpleConnection, prelude::*};
use std::collections::BTreeMap;

const DIGEST_CHECK: &str = "digest_check";

impl Keep for Store {
    fn device(&mut self) -> Result<(DeviceId, i32)> {
        let identity = self.identity()?;
        Ok((identity.device, identity.epoch))
    }

    fn generation(&mut self) -> Result<Option<String>> {
        self.get("generation")
    }

    fn offset(&mut self) -> Result<Option<ClockOffset>> {
        Store::offset(self)
    }

    fn set_offset(&mut self, offset: ClockOffset) -> Result<()> {
        Store::set_offset(self, offset)
    }

    fn waiting(&mut self, limit: usize) -> Result<Vec<Queued>> {
        Store::waiting(self, limit)
    }

    fn outbox_summary(&mut self) -> Result<wire::Outbox> {
        Store::outbox_summary(self)
    }

    fn media_waiting(&mut self) -> Result<i64> {
        Ok(media::table.filter(media::state.eq("waiting")).count().get_result(&mut self.db)?)
    }

    fn begin_attempt(&mut self) -> Result<Attempt> {
        self.db.immediate_transaction(|db| {
            let identity: Identity = get(db, "identity")?.ok_or(ClientError::NotEnrolled)?;
            let number = get::<i64>(db, "attempt")?.unwrap_or(0) + 1;
            put(db, "attempt", &number)?;
            Ok(Attempt {
                device: identity.device,
                epoch: identity.epoch,
                number,
                push_token: get(db, "push_token")?,
                generation: get(db, "generation")?,
            })
        })
    }

    fn acknowledge(
        &mut self,
        attempt: &Attempt,
        batch: &[Queued],
        response: &PushResponse,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        self.db.immediate_transaction(|db| {
            let identity: Identity = get(db, "identity")?.ok_or(ClientError::NotEnrolled)?;
            let newest: i64 = get(db, "attempt")?.unwrap_or(0);
            if (identity.device, identity.epoch, newest) != (attempt.device, attempt.epoch, attempt.number) {
                return Ok(false);
            }
            if epochs::live(db, attempt.generation.as_deref(), &response.generation)? == Life::Over {
                return Ok(false);
            }
            put(db, "push_token", &response.push_token)?;
            put(db, "offset", &ClockOffset::measure(now, response.server_time))?;
            for (place, result) in response.results.iter().enumerate() {
                // An operation whose bytes the server could not read has no id there: its place tells.
                let op_id = result.op_id.or_else(|| batch.get(place).map(|queued| queued.op_id));
                if let Some(op_id) = op_id.filter(|id| batch.iter().any(|queued| queued.op_id == *id)) {
                    outbox::settle(db, op_id, result, response.server_time)?;
                }
            }
            epochs::doubt(db, identity.epoch, &response.missing_seqs)?;
            feed::sweep(db)?;
            Ok(true)
        })
    }

    fn acknowledge_raw(&mut self, op_id: OpId, now: DateTime<Utc>) -> Result<()> {
        let result = OpResult { code: Some("op_malformed".into()), ..OpResult::bare(Some(op_id), Status::Quarantined) };
        self.db.immediate_transaction(|db| {
            let offset: Option<ClockOffset> = get(db, "offset")?;
            outbox::settle(db, op_id, &result, ClockOffset::correct(offset, now))?;
            feed::sweep(db)
        })
    }

    fn begin_epoch(
        &mut self,
        old: i32,
        asked: Option<&str>,
        response: &EpochResponse,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        self.db.immediate_transaction(|db| {
            let identity: Identity = get(db, "identity")?.ok_or(ClientError::NotEnrolled)?;
            if identity.epoch != old || epochs::live(db, asked, &response.generation)? == Life::Over {
                return Ok(false);
            }
            put(db, "offset", &ClockOffset::measure(now, response.server_time))?;
            epochs::enter(db, &Identity { epoch: response.epoch, ..identity }, Some(&response.push_token))?;
            Ok(true)
        })
    }

    fn live(&mut self, asked: Option<&str>, said: &str) -> Result<Life> {
        self.db.immediate_transaction(|db| epochs::live(db, asked, said))
    }

    fn position(&mut self) -> Result<Option<Position>> {
        Store::position(self)
    }

    fn drop_position(&mut self) -> Result<()> {
        diesel::delete(meta::table.find(feed::POSITION)).execute(&mut self.db)?;
        Ok(())
    }

    fn apply(&mut self, page: &Changes, now: DateTime<Utc>) -> Result<bool> {
        self.db.immediate_transaction(|db| feed::apply(db, page, now))
    }

    fn snapshot_begin(&mut self) -> Result<()> {
        feed::snapshot_begin(&mut self.db)
    }

    fn snapshot_page(&mut self, page: &Snapshot) -> Result<()> {
        self.db.immediate_transaction(|db| feed::snapshot_page(db, page))
    }

    fn snapshot_finish(&mut self, last: &Snapshot, extent: Extent, now: DateTime<Utc>) -> Result<()> {
        self.db.immediate_transaction(|db| feed::snapshot_finish(db, last, extent, now))
    }

    fn digests(&mut self, keys: &[String]) -> Result<BTreeMap<String, String>> {
        feed::digests(&mut self.db, keys)
    }

    fn digest_check(&mut self) -> Result<Option<DigestCheck>> {
        self.get(DIGEST_CHECK)
    }

    fn set_digest_check(&mut self, check: DigestCheck) -> Result<()> {
        put(&mut self.db, DIGEST_CHECK, &check)
    }

    fn wipe(&mut self) -> Result<()> {
        // Nothing readable may stay in free pages or in the log either.
        self.db.batch_execute("PRAGMA secure_delete=ON")?;
        self.db.immediate_transaction::<_, ClientError, _>(|db| {
            diesel::delete(meta::table.find(feed::POSITION)).execute(db)?;
            feed::clear(db)
        })?;
        self.db.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }

    fn forget(&mut self, before: DateTime<Utc>) -> Result<usize> {
        let seen = self.position()?.map_or(0, |position| position.seq);
        captures::forget(&mut self.db, before)?;
        let old = sent::table
            .filter(sent::answered_at.lt(At(before)))
            .filter(sent::status.eq_any(["applied", "merged", "superseded", "rejected"]))
            .filter(sent::result_seq.is_null().or(sent::result_seq.le(seen)));
        Ok(diesel::delete(old).execute(&mut self.db)?)
    }
}
