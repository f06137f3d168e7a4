//! Rows of the catalogue.

use super::rules::{CaseClass, ClassKey, ClassKind, Condition};
use crate::{
    calendar::rules::Limit,
    db::{
        Db,
        schema::{catalogue_classes, catalogue_conditions, catalogue_versions},
        types::{At, UserId},
    },
    error::Result,
};
use diesel::{dsl::max, prelude::*};
use std::collections::BTreeMap;

/// A version of the catalogue that somebody imported.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = catalogue_versions)]
pub struct VersionRow {
    /// From 1, in order of import.
    pub version: i32,
    /// Where it comes from, in words.
    pub source: String,
    /// Who imported it; null on the server's own command line.
    pub imported_by: Option<UserId>,
    /// When; in force from then on, until the next one.
    pub imported_at: At,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = catalogue_classes)]
struct ClassRow {
    version: i32,
    scheme_version: String,
    kind: String,
    code: String,
    big_name: String,
    name: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = catalogue_conditions)]
struct ConditionRow {
    version: i32,
    scheme_version: String,
    kind: String,
    code: String,
    number: i32,
    filing: String,
    closing: String,
    limit_kind: String,
    limit_tenths: i32,
    remark: String,
}

pub(super) fn versions(db: &mut Db) -> Result<Vec<VersionRow>> {
    Ok(catalogue_versions::table.order(catalogue_versions::version.desc()).select(VersionRow::as_select()).load(db)?)
}

/// The number of the version in force; nothing while none was imported.
pub(super) fn last_version(db: &mut Db) -> Result<Option<i32>> {
    Ok(catalogue_versions::table.select(max(catalogue_versions::version)).get_result(db)?)
}

pub(super) fn version_add(db: &mut Db, version: &VersionRow, classes: &[CaseClass]) -> Result<()> {
    diesel::insert_into(catalogue_versions::table).values(version).execute(db)?;
    let version = version.version;
    for class in classes {
        let row = ClassRow {
            version,
            scheme_version: class.scheme_version.clone(),
            kind: class.kind.to_string(),
            code: class.code.clone(),
            big_name: class.big_name.clone(),
            name: class.name.clone(),
        };
        diesel::insert_into(catalogue_classes::table).values(&row).execute(db)?;
        for condition in &class.conditions {
            let row = ConditionRow {
                version,
                scheme_version: class.scheme_version.clone(),
                kind: class.kind.to_string(),
                code: class.code.clone(),
                number: condition.number,
                filing: condition.filing.clone(),
                closing: condition.closing.clone(),
                limit_kind: condition.limit.kind.to_string(),
                limit_tenths: condition.limit.tenths(),
                remark: condition.remark.clone(),
            };
            diesel::insert_into(catalogue_conditions::table).values(&row).execute(db)?;
        }
    }
    Ok(())
}

/// The classes of a version in order, or the one of them with this key.
pub(super) fn classes(db: &mut Db, version: i32, key: Option<&ClassKey>) -> Result<Vec<CaseClass>> {
    use catalogue_classes as cl;
    use catalogue_conditions as co;
    let mut classes = cl::table.filter(cl::version.eq(version)).select(ClassRow::as_select()).into_boxed();
    let mut conditions = co::table.filter(co::version.eq(version)).select(ConditionRow::as_select()).into_boxed();
    if let Some(ClassKey { kind, code, scheme_version }) = key {
        let same = cl::scheme_version.eq(scheme_version.clone()).and(cl::kind.eq(*kind)).and(cl::code.eq(code.clone()));
        classes = classes.filter(same);
        let same = co::scheme_version.eq(scheme_version.clone()).and(co::kind.eq(*kind)).and(co::code.eq(code.clone()));
        conditions = conditions.filter(same);
    }
    let mut found = BTreeMap::<ClassKey, CaseClass>::new();
    for row in classes.load::<ClassRow>(db)? {
        let ClassRow { scheme_version, kind, code, big_name, name, .. } = row;
        let kind: ClassKind = kind.parse()?;
        let class = CaseClass { scheme_version, kind, code, big_name, name, conditions: Vec::new() };
        found.insert(class.key(), class);
    }
    for row in conditions.order(co::number).load::<ConditionRow>(db)? {
        let kind: ClassKind = row.kind.parse()?;
        let key = ClassKey { kind: kind.as_str(), code: row.code, scheme_version: row.scheme_version };
        let limit = Limit::of_tenths(row.limit_kind.parse()?, row.limit_tenths)?;
        let ConditionRow { number, filing, closing, remark, .. } = row;
        if let Some(class) = found.get_mut(&key) {
            class.conditions.push(Condition { number, filing, closing, limit, remark });
        }
    }
    Ok(found.into_values().collect())
}

/// The kinds of the classes of a version that have a code.
pub(super) fn kinds_of(db: &mut Db, version: i32, code: &str) -> Result<Vec<ClassKind>> {
    use catalogue_classes as cl;
    let of_code = cl::table.filter(cl::version.eq(version)).filter(cl::code.eq(code));
    of_code.select(cl::kind).load::<String>(db)?.iter().map(|kind| kind.parse()).collect()
}

/// The last version that has a class.
pub(super) fn last_with(db: &mut Db, key: &ClassKey) -> Result<Option<i32>> {
    use catalogue_classes as cl;
    Ok(cl::table
        .filter(cl::scheme_version.eq(&key.scheme_version))
        .filter(cl::kind.eq(key.kind))
        .filter(cl::code.eq(&key.code))
        .select(max(cl::version))
        .get_result(db)?)
}
