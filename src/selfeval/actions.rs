//! Saving, submitting and reading self-evaluations, in an open transaction.

use super::{
    rules::{Acknowledgement, SelfEvaluation, YEARS, check_acknowledged},
    store::{self, VersionRow},
};
use crate::{
    db::{
        Db, Tx,
        types::{At, Json, UserId},
    },
    error::{Code, Error, Result},
    statistics::{
        self,
        rules::{By, Counts, Period},
    },
};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

pub use super::store::VersionHead;

/// A version as it is read.
#[derive(Debug, Clone)]
pub struct Version {
    /// Which, by whom and when.
    pub head: VersionHead,
    /// The two annexes.
    pub tables: SelfEvaluation,
    /// Words on findings; empty while it is a draft.
    pub acknowledgements: Vec<Acknowledgement>,
}

fn read<T: DeserializeOwned>(json: Json) -> Result<T> {
    serde_json::from_value(json.0).map_err(Error::internal)
}

fn json(value: impl serde::Serialize) -> Result<Json> {
    serde_json::to_value(value).map(Json).map_err(Error::internal)
}

fn version_of(row: VersionRow) -> Result<Version> {
    let VersionRow { year, version, tables, acknowledgements, saved_by, saved_at, submitted_by, submitted_at } = row;
    let head = VersionHead { year, version, saved_by, saved_at, submitted_by, submitted_at };
    let acknowledgements = acknowledgements.map(read).transpose()?.unwrap_or_default();
    Ok(Version { head, tables: read(tables)?, acknowledgements })
}

/// A version of a year, the last one by default.
///
/// # Errors
/// `not_found`.
pub fn version(db: &mut Db, year: i32, version: Option<i32>) -> Result<Version> {
    let row = store::version(db, year, version)?.ok_or_else(|| Error::not_found("self-evaluation"))?;
    version_of(row)
}

/// A page of versions without their tables, the latest first, of one year or of all.
///
/// # Errors
/// The engine's own.
pub fn heads(db: &mut Db, year: Option<i32>, after: Option<(i32, i32)>, limit: i64) -> Result<Vec<VersionHead>> {
    store::heads(db, year, after, limit)
}

/// Saves the tables as the next version after `base`, 0 for the first one.
///
/// # Errors
/// `value_invalid`; `version_stale` when `base` is not the last one.
pub fn save(tx: &mut Tx, by: UserId, year: i32, base: i32, tables: &SelfEvaluation) -> Result<Version> {
    if !YEARS.contains(&year) {
        return Err(Code::ValueInvalid.with("year: 2000–2100"));
    }
    tables.check()?;
    let last = store::version(tx.db, year, None)?.map_or(0, |row| row.version);
    if base != last {
        return Err(Code::VersionStale.into());
    }
    let row = VersionRow {
        year,
        version: last + 1,
        tables: json(tables)?,
        acknowledgements: None,
        saved_by: by,
        saved_at: At(tx.now),
        submitted_by: None,
        submitted_at: None,
    };
    store::version_add(tx.db, &row)?;
    version_of(row)
}

/// Submits the last version, with words on every error that stays.
///
/// # Errors
/// `not_found`; `version_stale` when it is not the last one; `already_done`; `value_invalid`, naming an error that
/// nobody explained.
pub fn submit(tx: &mut Tx, by: UserId, year: i32, version: i32, words: &[Acknowledgement]) -> Result<Version> {
    let mut row = store::version(tx.db, year, None)?.ok_or_else(|| Error::not_found("self-evaluation"))?;
    if row.version != version {
        return Err(Code::VersionStale.into());
    }
    let tables: SelfEvaluation = read(row.tables.clone())?;
    check_acknowledged(&tables.assess().findings, words)?;
    row.acknowledgements = Some(json(words)?);
    (row.submitted_by, row.submitted_at) = (Some(by), Some(At(tx.now)));
    if !store::submit(tx.db, &row)? {
        return Err(Code::AlreadyDone.into());
    }
    version_of(row)
}

/// The figures of a year that its indicators may take as actual values.
///
/// # Errors
/// `parameter_invalid` for a year without statistics.
pub fn figures(db: &mut Db, year: i32, now: DateTime<Utc>) -> Result<Counts> {
    let period: Period = format!("{year:04}").parse()?;
    let lines = statistics::actions::table(db, period, By::All, None, now)?;
    Ok(lines.into_iter().next().map(|line| line.counts).unwrap_or_default())
}
