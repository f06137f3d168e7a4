//! The catalogue in force, those before it, and imports, in an open transaction.

use super::{
    national,
    rules::{self, CaseClass, ClassKey, ClassKind},
    store::{self, VersionRow},
};
use crate::{
    calendar::rules::Limit,
    db::{
        Db, Tx,
        types::{At, UserId},
    },
    error::{Code, Error, Result},
};
use std::borrow::Cow;

/// The version of the catalogue that comes with the program.
pub const NATIONAL: i32 = 0;

/// The number of the version in force.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn in_force(db: &mut Db) -> Result<i32> {
    Ok(store::last_version(db)?.unwrap_or(NATIONAL))
}

/// The classes of a version in order, of the one in force unless named.
///
/// # Errors
/// `not_found`.
pub fn classes(db: &mut Db, version: Option<i32>) -> Result<(i32, Cow<'static, [CaseClass]>)> {
    let version = version.map_or_else(|| in_force(db), Ok)?;
    if version == NATIONAL {
        return Ok((NATIONAL, Cow::Borrowed(national::classes())));
    }
    let classes = store::classes(db, version, None)?;
    // No version is empty: an import has at least one class.
    if classes.is_empty() { Err(Error::not_found("version")) } else { Ok((version, Cow::Owned(classes))) }
}

/// A class as a version has it: the last one that does, unless named. So a class that a case was filed under is found
/// for ever, whatever was imported since.
///
/// # Errors
/// `not_found`.
pub fn class_get(db: &mut Db, key: &ClassKey, version: Option<i32>) -> Result<(i32, CaseClass)> {
    let version = match version {
        Some(version) => version,
        None => store::last_with(db, key)?.unwrap_or(NATIONAL),
    };
    let class = if version == NATIONAL {
        national::classes().iter().find(|class| class.key() == *key).cloned()
    } else {
        store::classes(db, version, Some(key))?.into_iter().next()
    };
    Ok((version, class.ok_or_else(|| Error::not_found("class"))?))
}

/// The kind of a class code, when only one kind has it in the catalogue in force.
///
/// # Errors
/// The engine's own.
pub fn kind_of(db: &mut Db, code: &str) -> Result<Option<ClassKind>> {
    let version = in_force(db)?;
    if version == NATIONAL {
        return Ok(national::kind_of(code));
    }
    Ok(rules::one_kind(store::kinds_of(db, version, code)?))
}

/// How long a case filed under a condition of a class may take.
///
/// # Errors
/// `not_found`.
pub fn limit_of(db: &mut Db, key: &ClassKey, version: Option<i32>, condition: i32) -> Result<Limit> {
    let (_, class) = class_get(db, key, version)?;
    let found = class.conditions.iter().find(|known| known.number == condition);
    found.map(|condition| condition.limit).ok_or_else(|| Error::not_found("condition"))
}

/// What was imported, the last first. The national classes, version 0, are not in it.
///
/// # Errors
/// The engine's own.
pub fn versions(db: &mut Db) -> Result<Vec<VersionRow>> {
    store::versions(db)
}

/// Makes classes the catalogue in force. A kind of which the import has none, as when a city keeps components and
/// events in two files, stays as it was.
///
/// # Errors
/// `value_invalid`.
pub fn import(
    tx: &mut Tx,
    by: Option<UserId>,
    source: &str,
    imported: Vec<CaseClass>,
) -> Result<(i32, Vec<CaseClass>)> {
    let source = source.trim();
    if !(1..=200).contains(&source.chars().count()) {
        return Err(Code::ValueInvalid.with("source: 1–200 characters"));
    }
    let (before, classes) = classes(tx.db, None)?;
    let classes = rules::completed(imported, &classes);
    let row = VersionRow { version: before + 1, source: source.to_owned(), imported_by: by, imported_at: At(tx.now) };
    store::version_add(tx.db, &row, &classes)?;
    Ok((row.version, classes))
}
