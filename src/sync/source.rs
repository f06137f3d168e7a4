//! What readers read, from the database.

use super::{
    pull::{PAGE, Reader, Records, Source, Told},
    store,
};
use crate::{
    cases,
    db::{
        Db,
        feed::{self, FeedRow, Life},
        types::{CaseId, EvidenceId, OpId, SiteId, SpotCheckId, SpotId, UnitId},
    },
    error::{Code, Result},
    evidence::{self, view::Evidence},
    identity::{self, rules::Actor},
    spotchecks::{
        self,
        library::{
            self,
            store::{SiteRow, SitesWanted},
        },
    },
    spots,
};
use chrono::{DateTime, Datelike, Utc};
use std::str::FromStr;

/// The reader behind a session.
///
/// # Errors
/// `device_revoked`, when the session's device was revoked.
pub fn reader(db: &mut Db, who: Actor) -> Result<Reader> {
    if let Some(device) = who.device_id
        && identity::devices::device_known(db, device)?.revoked_at.is_some()
    {
        return Err(Code::DeviceRevoked.into());
    }
    Ok(Reader::of(who))
}

impl Source for Db {
    fn life(&mut self) -> Result<Life> {
        feed::life(self)
    }

    fn stamp(&mut self, seq: i64) -> Result<Option<i64>> {
        feed::stamp(self, seq)
    }

    fn after(&mut self, seq: i64, limit: i64) -> Result<Vec<FeedRow>> {
        feed::after(self, seq, limit)
    }

    fn load(&mut self, reader: &Reader, kind: &str, ids: &[&str], now: DateTime<Utc>) -> Result<Records> {
        let db = self;
        match kind {
            "case" => {
                cases::actions::cases_by_id(db, &parsed::<CaseId>(ids))?.into_iter().map(|r| case(r, now)).collect()
            }
            "site" => library::actions::sites_by_id(db, &parsed::<SiteId>(ids))?.into_iter().map(site).collect(),
            "spot_check" => {
                spotchecks::actions::checks_by_id(db, &parsed::<SpotCheckId>(ids))?.into_iter().map(check).collect()
            }
            "unit" => {
                let wanted = parsed::<UnitId>(ids);
                units(db, now)?.into_iter().filter(|u| wanted.contains(&u.0)).map(|u| unit(&u)).collect()
            }
            "evidence" => {
                let seen = evidence::actions::evidence_for_feed(db, &reader.viewer, &parsed::<EvidenceId>(ids))?;
                pieces(db, seen)
            }
            "spot" => spots::actions::spots_by_id(db, &parsed::<SpotId>(ids))?.into_iter().map(spot).collect(),
            "op_result" => results(db, &parsed::<OpId>(ids)),
            _ => Ok(vec![]),
        }
    }

    fn whole(
        &mut self,
        reader: &Reader,
        kind: &str,
        after: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(Records, bool)> {
        let db = self;
        let who = &reader.who;
        let id = after.and_then(|text| uuid::Uuid::parse_str(text).ok());
        let full = |count: usize| i64::try_from(count).unwrap_or(0) >= PAGE;
        Ok(match kind {
            "case" => {
                let sight = cases::actions::sight(who);
                let rows = cases::actions::case_after(db, &sight, id.map(CaseId), PAGE)?;
                let full = full(rows.len());
                (rows.into_iter().map(|r| case(r, now)).collect::<Result<_>>()?, full)
            }
            "spot_check" => {
                let rows = spotchecks::actions::check_after(db, who, id.map(SpotCheckId), PAGE)?;
                let full = full(rows.len());
                (rows.into_iter().map(check).collect::<Result<_>>()?, full)
            }
            "evidence" => {
                let records = evidence::actions::evidence_before(db, &reader.viewer, id.map(EvidenceId), PAGE)?;
                let full = full(records.len());
                (pieces(db, records)?, full)
            }
            "spot" => {
                let rows = spots::actions::spot_after(db, who, id.map(SpotId), PAGE)?;
                let full = full(rows.len());
                (rows.into_iter().map(spot).collect::<Result<_>>()?, full)
            }
            "site" => {
                let rows = library::actions::sites(db, who, SitesWanted::default())?;
                (rows.into_iter().map(site).collect::<Result<_>>()?, false)
            }
            _ => (units(db, now)?.iter().map(unit).collect::<Result<_>>()?, false),
        })
    }
}

fn parsed<T: FromStr>(ids: &[&str]) -> Vec<T> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

fn results(db: &mut Db, ids: &[OpId]) -> Result<Vec<(String, Told)>> {
    let numbers = feed::seqs_of(db, ids)?;
    let row = |row: store::OpRow| {
        let keys = vec![format!("device:{}", row.device_id)];
        Ok((row.op_id.to_string(), Told::new(row.ver, keys, row.result(numbers.get(&row.op_id).copied())?)?))
    };
    store::ops_by_id(db, ids)?.into_iter().map(row).collect()
}

fn case(row: cases::store::CaseRow, now: DateTime<Utc>) -> Result<(String, Told)> {
    let (id, ver, keys) = (row.id.to_string(), row.ver, cases::actions::keys(&row));
    Ok((id, Told::new(Some(ver), keys, cases::routes::Case::new(row, now))?))
}

fn site(row: SiteRow) -> Result<(String, Told)> {
    let (id, ver, keys) = (row.id.to_string(), row.ver, library::actions::keys(&row));
    Ok((id, Told::new(Some(ver), keys, library::routes::Site::from(row))?))
}

fn spot(row: spots::store::SpotRow) -> Result<(String, Told)> {
    let (id, ver) = (row.id.to_string(), row.ver);
    Ok((id, Told::new(Some(ver), spots::actions::keys(), spots::routes::Spot::from(row))?))
}

fn check(row: spotchecks::store::SpotCheckRow) -> Result<(String, Told)> {
    let (id, keys) = (row.id.to_string(), spotchecks::actions::check_keys(&row));
    Ok((id, Told::new(Some(1), keys, spotchecks::routes::SpotCheck::from(row))?))
}

fn pieces(db: &mut Db, records: Vec<Evidence>) -> Result<Vec<(String, Told)>> {
    let ids: Vec<EvidenceId> = records.iter().map(|record| record.id).collect();
    let mut audiences = evidence::actions::audiences(db, &ids)?;
    let piece = |record: Evidence| {
        let keys = audiences.remove(&record.id).unwrap_or_default();
        Ok((record.id.to_string(), Told::new(None, keys, record)?))
    };
    records.into_iter().map(piece).collect()
}

type UnitLine = (UnitId, String, String, Option<String>);

fn units(db: &mut Db, now: DateTime<Utc>) -> Result<Vec<UnitLine>> {
    let year = now.with_timezone(&chrono_tz::Asia::Shanghai).year();
    let rows = identity::actions::unit_list(db, year)?;
    Ok(rows.into_iter().map(|(u, class)| (u.id, u.code, u.name, class)).collect())
}

fn unit((id, code, name, class): &UnitLine) -> Result<(String, Told)> {
    let data = serde_json::json!({ "id": id, "code": code, "name": name, "class": class });
    Ok((id.to_string(), Told::new(None, vec!["all".into()], data)?))
}
