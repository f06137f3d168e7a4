//! Sites and their versions, in an open transaction.

use super::{
    rules::{self, COLUMNS, SiteEntry, TableRow, fault},
    store::{self, SiteRow, SiteVersionRow, SitesWanted, SubstitutionRow},
};
use crate::{
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, Json, SiteId, UnitId, UserId},
    },
    error::{Code, Error, FileFault, Result},
    identity::{
        self,
        rules::{Actor, CENTRE, Role, text},
    },
    spotchecks::{draws::draw::Substitution, rules::SiteKind},
};
use chrono::Datelike;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Who may see a site.
pub fn keys(site: &SiteRow) -> Keys {
    vec!["centre".into(), "spotchecks".into(), format!("unit:{}", site.unit_id)]
}

/// Narrows to what a person may see; `false`: nothing.
fn narrow(who: &Actor, wanted: &mut SitesWanted) -> bool {
    if CENTRE.contains(&who.role) || who.role == Role::SpotChecker {
        return true;
    }
    let own = who.unit_of_cases();
    let may = own.is_some() && wanted.unit_id.is_none_or(|unit| Some(unit) == own);
    wanted.unit_id = own;
    may
}

/// The sites a person may see, by code.
///
/// # Errors
/// The engine's own, as everywhere here.
pub fn sites(db: &mut Db, who: &Actor, mut wanted: SitesWanted) -> Result<Vec<SiteRow>> {
    if narrow(who, &mut wanted) { store::sites(db, &wanted) } else { Ok(Vec::new()) }
}

/// All sites, by code.
///
/// # Errors
/// The engine's own.
pub fn all(db: &mut Db) -> Result<Vec<SiteRow>> {
    store::sites(db, &SitesWanted::default())
}

/// All sites that may be drawn on a day (ISO date), by code.
///
/// # Errors
/// The engine's own.
pub fn active(db: &mut Db, day: &str) -> Result<Vec<SiteRow>> {
    let mut sites = store::sites(db, &SitesWanted { struck: Some(false), ..SitesWanted::default() })?;
    sites.retain(|site| site.active_from.as_deref().is_none_or(|from| from <= day));
    Ok(sites)
}

/// The sites that were visited in a week or later.
///
/// # Errors
/// The engine's own.
pub fn visited_since(db: &mut Db, week: &str) -> Result<HashSet<SiteId>> {
    Ok(store::visited_since(db, week)?.into_iter().collect())
}

/// Sites by id.
///
/// # Errors
/// The engine's own.
pub fn sites_by_id(db: &mut Db, ids: &[SiteId]) -> Result<Vec<SiteRow>> {
    store::sites_by_id(db, ids)
}

/// A site.
///
/// # Errors
/// `not_found`.
pub fn site(db: &mut Db, id: SiteId) -> Result<SiteRow> {
    store::site_get(db, id)?.ok_or_else(|| Error::not_found("site"))
}

/// A site by its code.
///
/// # Errors
/// `not_found`.
pub fn site_by_code(db: &mut Db, code: &str) -> Result<SiteRow> {
    store::site_by_code(db, code)?.ok_or_else(|| Error::not_found("site"))
}

/// Sites by their codes, in the order of these.
///
/// # Errors
/// The engine's own.
pub fn sites_by_code(db: &mut Db, codes: &[String]) -> Result<Vec<SiteRow>> {
    store::sites_by_code(db, codes)
}

/// The units that have sites.
///
/// # Errors
/// The engine's own.
pub fn units_with_sites(db: &mut Db) -> Result<HashSet<UnitId>> {
    Ok(store::units(db)?.into_iter().collect())
}

/// Writes a site with its new version and announces it.
fn save(tx: &mut Tx, by: Option<UserId>, mut row: SiteRow, change: &str, reason: Option<String>) -> Result<SiteRow> {
    (row.ver, row.updated_at) = (row.ver + 1, At(tx.now));
    let is_new = row.ver == 1;
    if is_new {
        store::site_add(tx.db, &row)?
    } else {
        store::site_save(tx.db, &row)?
    }
    let version = SiteVersionRow {
        site_id: row.id,
        ver: row.ver,
        change: change.to_owned(),
        reason,
        site: Json(serde_json::to_value(&row).map_err(Error::internal)?),
        changed_by: by,
        changed_at: At(tx.now),
    };
    store::version_add(tx.db, &version)?;
    let before = if is_new { vec![] } else { keys(&row) };
    tx.announce(Change { kind: "site", id: row.id.to_string(), before, after: keys(&row), op: None });
    Ok(row)
}

/// The row as an entry would have it.
fn with(mut row: SiteRow, entry: &SiteEntry) -> SiteRow {
    row.name.clone_from(&entry.name);
    row.address.clone_from(&entry.address);
    (row.lat, row.lon) = entry.position.unzip();
    row.geometry = entry.geometry.as_ref().map(ToString::to_string);
    row.active_from = entry.active_from.map(|day| day.to_string());
    row
}

fn is_same(a: &SiteRow, b: &SiteRow) -> bool {
    (&a.name, &a.address, a.lat, a.lon, &a.geometry, &a.active_from)
        == (&b.name, &b.address, b.lat, b.lon, &b.geometry, &b.active_from)
}

/// Enters a site, or corrects the one with the entry's code. What changes nothing makes no version.
///
/// # Errors
/// `value_invalid`, also for another unit or kind than the site's; `not_found` for the unit.
pub fn put(tx: &mut Tx, by: Option<UserId>, entry: SiteEntry) -> Result<SiteRow> {
    entry.check()?;
    let unit = identity::actions::unit_get(tx.db, entry.unit_id)?;
    let there = entry.code.as_deref().map(|code| store::site_by_code(tx.db, code)).transpose()?.flatten();
    if let Some(there) = there {
        if there.unit_id != entry.unit_id || there.kind != entry.kind.as_str() {
            return Err(Code::ValueInvalid.with("a site's unit and kind stay: strike it and enter another"));
        }
        let row = with(there.clone(), &entry);
        return if is_same(&there, &row) { Ok(there) } else { save(tx, by, row, "correct", None) };
    }
    let code = match &entry.code {
        Some(code) => code.clone(),
        None => free_code(tx.db, &unit.code, &entry)?,
    };
    let row = SiteRow {
        id: SiteId(tx.id()),
        unit_id: entry.unit_id,
        code,
        kind: entry.kind.to_string(),
        name: String::new(),
        address: None,
        lat: None,
        lon: None,
        geometry: None,
        active_from: None,
        struck_at: None,
        strike_reason: None,
        ver: 0,
        updated_at: At(tx.now),
    };
    save(tx, by, with(row, &entry), "enter", None)
}

fn free_code(db: &mut Db, unit: &str, entry: &SiteEntry) -> Result<String> {
    let mut n = usize::try_from(store::site_count(db, entry.unit_id, entry.kind.as_str())?).unwrap_or(0);
    loop {
        n += 1;
        let code = rules::made_code(unit, entry.kind, n);
        if store::site_by_code(db, &code)?.is_none() {
            return Ok(code);
        }
    }
}

/// Takes a site out of the draw, or back into it; it and its records stay.
///
/// # Errors
/// `not_found`, `value_invalid` for the reason, `already_exists` when it stands so already.
pub fn strike(tx: &mut Tx, by: UserId, id: SiteId, reason: &str, struck: Struck) -> Result<SiteRow> {
    text("reason", reason, 200)?;
    let mut row = site(tx.db, id)?;
    if row.struck_at.is_some() == (struck == Struck::Out) {
        return Err(Code::AlreadyExists.with("it stands so already"));
    }
    let out = struck == Struck::Out;
    row.struck_at = out.then_some(At(tx.now));
    row.strike_reason = out.then(|| reason.to_owned());
    save(tx, Some(by), row, if out { "strike" } else { "reinstate" }, Some(reason.to_owned()))
}

/// Whether a site goes or comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Struck {
    /// It is struck.
    Out,
    /// It is reinstated.
    In,
}

/// What a site was, newest first.
///
/// # Errors
/// `not_found`, also for one the person may not see.
pub fn versions(db: &mut Db, who: &Actor, id: SiteId, before: Option<i64>, limit: i64) -> Result<Vec<SiteVersionRow>> {
    let row = site(db, id)?;
    let mut wanted = SitesWanted { unit_id: Some(row.unit_id), ..SitesWanted::default() };
    if !narrow(who, &mut wanted) {
        return Err(Error::not_found("site"));
    }
    store::versions(db, id, before, limit)
}

/// What an import does, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct SitesImported {
    /// New sites.
    pub entered: usize,
    /// Sites that the file describes otherwise than they were.
    pub corrected: usize,
    /// Sites that stay as they are.
    pub unchanged: usize,
}

/// Reads what the rows of a file mean, against the library as it is. A row without code is the site of that unit, kind
/// and name where there is one, else a new site.
///
/// # Errors
/// `table_invalid` with all that is wrong.
pub fn plan(db: &mut Db, rows: &[TableRow], year: i32) -> Result<(Vec<SiteEntry>, SitesImported)> {
    let units = identity::actions::unit_list(db, year)?;
    let units: HashMap<&str, UnitId> =
        units.iter().flat_map(|(unit, _)| [(unit.code.as_str(), unit.id), (unit.name.as_str(), unit.id)]).collect();
    let there = store::sites(db, &SitesWanted::default())?;
    let by_code: HashMap<&str, &SiteRow> = there.iter().map(|site| (site.code.as_str(), site)).collect();
    let by_name: HashMap<_, &SiteRow> =
        there.iter().map(|site| ((site.unit_id, site.kind.as_str(), site.name.as_str()), site)).collect();
    let (mut entries, mut told, mut faults) = (Vec::new(), SitesImported::default(), Vec::<FileFault>::new());
    let mut seen = HashMap::<(UnitId, SiteKind, String), u32>::new();
    let mut codes = HashMap::<String, u32>::new();
    for row in rows {
        let unit = row.cells.get(1).map_or("", |cell| cell.trim());
        let Some(unit_id) = units.get(unit) else {
            faults.push(fault(row.row, 1, format!("没有“{unit}”这个单位：应为单位名称或编码")));
            continue;
        };
        let Some(mut entry) = row.entry(*unit_id, &mut faults) else { continue };
        let key = (entry.unit_id, entry.kind.as_str(), entry.name.as_str());
        let found = match entry.code.as_deref() {
            Some(code) => by_code.get(code),
            None => by_name.get(&key),
        };
        if let Some(first) = seen.insert((entry.unit_id, entry.kind, entry.name.clone()), row.row) {
            faults.push(fault(row.row, 3, format!("与第 {first} 行的单位、类别、名称相同")));
        }
        if let Some(first) = entry.code.clone().and_then(|code| codes.insert(code, row.row)) {
            faults.push(fault(row.row, 0, format!("与第 {first} 行的编号相同")));
        }
        match found {
            Some(site) if (site.unit_id, site.kind.as_str()) != (entry.unit_id, entry.kind.as_str()) => {
                faults.push(fault(row.row, 0, "该编号的点位属于另一单位或类别：请停用后另建"));
            }
            Some(site) => {
                entry.code = Some(site.code.clone());
                let same = is_same(site, &with((*site).clone(), &entry));
                *(if same { &mut told.unchanged } else { &mut told.corrected }) += 1;
            }
            None => told.entered += 1,
        }
        entries.push(entry);
    }
    if faults.is_empty() { Ok((entries, told)) } else { Err(Error::faults(faults)) }
}

/// Takes a file's rows into the library, all or none.
///
/// # Errors
/// `table_invalid`.
pub fn import(tx: &mut Tx, by: Option<UserId>, rows: &[TableRow]) -> Result<SitesImported> {
    let (entries, told) = plan(tx.db, rows, tx.now.year())?;
    for entry in entries {
        put(tx, by, entry)?;
    }
    Ok(told)
}

/// The library as rows of a file, struck sites among them.
///
/// # Errors
/// The engine's own.
pub fn rows(db: &mut Db, who: &Actor, wanted: SitesWanted, year: i32) -> Result<Vec<TableRow>> {
    let units = identity::actions::unit_list(db, year)?;
    let names: HashMap<UnitId, &str> = units.iter().map(|(unit, _)| (unit.id, unit.name.as_str())).collect();
    let degrees = |degrees: Option<f64>| degrees.map(|degrees| degrees.to_string()).unwrap_or_default();
    let row = |(n, site): (u32, SiteRow)| {
        let cells: [String; COLUMNS.len()] = [
            site.code,
            names.get(&site.unit_id).copied().unwrap_or_default().to_owned(),
            site.kind.parse().map_or(String::new(), |kind: SiteKind| kind.chinese().to_owned()),
            site.name,
            site.address.unwrap_or_default(),
            degrees(site.lon),
            degrees(site.lat),
            site.active_from.unwrap_or_default(),
            site.strike_reason.unwrap_or_default(),
        ];
        let geometry = site.geometry.and_then(|text| serde_json::from_str(&text).ok());
        TableRow { row: n, cells: cells.into(), geometry }
    };
    Ok((1..).zip(sites(db, who, wanted)?).map(row).collect())
}

/// The rules of substitution that hold now, and where they were decided.
///
/// # Errors
/// The engine's own.
pub fn substitution(db: &mut Db) -> Result<(Substitution, String)> {
    let Some(row) = store::substitution(db)? else {
        return Ok((rules::usual_substitution(), "随程序提供".to_owned()));
    };
    let stand_ins = serde_json::from_value(row.stand_ins.0).map_err(Error::internal)?;
    Ok((Substitution { version: row.version, stand_ins }, row.source))
}

/// Sets the rules of substitution; draws that were framed keep theirs.
///
/// # Errors
/// `value_invalid`.
pub fn substitution_set(
    tx: &mut Tx,
    by: UserId,
    stand_ins: &BTreeMap<String, Vec<SiteKind>>,
    source: &str,
) -> Result<Substitution> {
    rules::stand_ins(stand_ins)?;
    text("source", source, 200)?;
    let version = substitution(tx.db)?.0.version + 1;
    let row = SubstitutionRow {
        version,
        stand_ins: Json(serde_json::to_value(stand_ins).map_err(Error::internal)?),
        source: source.to_owned(),
        set_by: by,
        set_at: At(tx.now),
    };
    store::substitution_add(tx.db, &row)?;
    Ok(Substitution { version, stand_ins: stand_ins.clone() })
}
