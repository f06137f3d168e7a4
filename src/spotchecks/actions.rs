//! What can be done with sites and records.

use super::{
    rules::{self, Record, SLOTS},
    store::{self, SiteRow, SpotCheckRow, Wanted},
};
use crate::{
    cases::actions::Cause,
    db::{
        Db, Tx,
        feed::{Change, Keys},
        types::{At, Json, SiteId, SpotCheckId, UnitId},
    },
    error::{Code, Error, Result},
    identity::{
        self,
        rules::{Actor, CENTRE, Role, text},
    },
};

/// A place of the sample library to enter or correct.
#[derive(Debug, Clone)]
pub struct NewSite {
    /// The unit whose work is judged there.
    pub unit_id: UnitId,
    /// 1–9.
    pub slot: i32,
    /// What people call it.
    pub name: String,
    /// Where, in words.
    pub address: Option<String>,
    /// Where, degrees, WGS-84.
    pub position: Option<(f64, f64)>,
}

/// Who may see a site. Inspectors help with spot checks, so they carry the library as well.
pub fn site_keys(site: &SiteRow) -> Keys {
    vec!["centre".into(), "spotchecks".into(), format!("unit:{}", site.unit_id)]
}

/// Who may see a record: the Centre, the unit, and whoever made it; not other checkers, so that a second visit is blind.
pub fn check_keys(check: &SpotCheckRow) -> Keys {
    vec!["centre".to_owned(), format!("unit:{}", check.unit_id), format!("user:{}", check.actor_id)]
}

/// Enters a site into its slot, or corrects the one that is there.
///
/// # Errors
/// `value_invalid`, `not_found` for the unit.
pub fn site_put(tx: &mut Tx, new: NewSite) -> Result<SiteRow> {
    identity::actions::unit_get(tx.db, new.unit_id)?;
    let slot = usize::try_from(new.slot).ok().filter(|slot| (1..=9).contains(slot));
    let slot = slot.ok_or_else(|| Code::ValueInvalid.with("slot: 1–9"))?;
    text("name", &new.name, 80)?;
    if let Some(address) = &new.address {
        text("address", address, 200)?;
    }
    if let Some((lat, lon)) = new.position
        && !((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon))
    {
        return Err(Code::ValueInvalid.with("lat −90…90, lon −180…180"));
    }
    let there = store::site_in_slot(tx.db, new.unit_id, new.slot)?;
    let row = SiteRow {
        id: there.as_ref().map_or_else(|| SiteId(tx.id()), |site| site.id),
        unit_id: new.unit_id,
        kind: SLOTS[slot - 1].to_string(),
        slot: new.slot,
        name: new.name,
        address: new.address,
        lat: new.position.map(|p| p.0),
        lon: new.position.map(|p| p.1),
        ver: there.as_ref().map_or(1, |site| site.ver + 1),
        updated_at: At(tx.now),
    };
    if there.is_some() {
        store::site_save(tx.db, &row)?
    } else {
        store::site_add(tx.db, &row)?
    }
    let before = if there.is_some() { site_keys(&row) } else { vec![] };
    tx.announce(Change { kind: "site", id: row.id.to_string(), before, after: site_keys(&row), op: None });
    Ok(row)
}

/// Where the person stood.
#[derive(Debug, Clone, Copy)]
pub struct Stand {
    /// Latitude, degrees, WGS-84.
    pub lat: f64,
    /// Longitude, degrees, WGS-84.
    pub lon: f64,
    /// Radius, metres.
    pub accuracy_m: Option<f64>,
}

/// Adds a record; the id was made on the handheld.
///
/// # Errors
/// `role_forbidden`, `value_invalid`, `not_found` for the site, `already_exists` for the id.
pub fn check_record(
    tx: &mut Tx,
    who: &Actor,
    id: SpotCheckId,
    record: &Record,
    stand: Option<Stand>,
    cause: Cause,
) -> Result<SpotCheckRow> {
    who.must_be(&[Role::SpotChecker, Role::Inspector])?;
    record.check()?;
    let site = store::site_get(tx.db, record.site_id)?.ok_or_else(|| Error::not_found("site"))?;
    if store::check_get(tx.db, id)?.is_some() {
        return Err(Code::AlreadyExists.with("spot_check"));
    }
    let row = SpotCheckRow {
        id,
        site_id: site.id,
        unit_id: site.unit_id,
        week: record.week.clone(),
        score: record.score(),
        items: Json(serde_json::to_value(&record.items).map_err(Error::internal)?),
        note: record.note.clone(),
        lat: stand.map(|s| s.lat),
        lon: stand.map(|s| s.lon),
        accuracy_m: stand.and_then(|s| s.accuracy_m),
        checked_at: At(cause.occurred_at),
        recorded_at: At(tx.now),
        actor_id: who.user_id,
        device_id: cause.device,
        op_id: cause.op,
    };
    store::check_add(tx.db, &row)?;
    let after = check_keys(&row);
    tx.announce(Change { kind: "spot_check", id: id.to_string(), before: vec![], after, op: cause.op });
    Ok(row)
}

/// The sites a person may see.
///
/// # Errors
/// The engine's own.
pub fn site_list(db: &mut Db, who: &Actor, unit: Option<UnitId>) -> Result<Vec<SiteRow>> {
    let sites = store::site_list(db, unit)?;
    let held = who.keys();
    Ok(sites.into_iter().filter(|site| site_keys(site).iter().any(|key| held.contains(key))).collect())
}

/// Sites by id, for the feed.
///
/// # Errors
/// The engine's own.
pub fn sites_by_id(db: &mut Db, ids: &[SiteId]) -> Result<Vec<SiteRow>> {
    store::sites_by_id(db, ids)
}

/// Records by id, for the feed.
///
/// # Errors
/// The engine's own.
pub fn checks_by_id(db: &mut Db, ids: &[SpotCheckId]) -> Result<Vec<SpotCheckRow>> {
    store::checks_by_id(db, ids)
}

/// The records of a snapshot, by id.
///
/// # Errors
/// The engine's own.
pub fn check_after(db: &mut Db, who: &Actor, after: Option<SpotCheckId>, limit: i64) -> Result<Vec<SpotCheckRow>> {
    let mut wanted = Wanted { after, limit, ..Wanted::default() };
    narrow(who, &mut wanted);
    store::check_after(db, &wanted)
}

fn narrow(who: &Actor, wanted: &mut Wanted) {
    match who.role {
        role if CENTRE.contains(&role) => {}
        // Every unit may compare every score; the records behind them open with the assessment (全面公开).
        Role::Liaison | Role::Officer if who.unit_id.is_some() => wanted.unit_id = who.unit_id,
        _ => wanted.actor_id = Some(who.user_id),
    }
}

/// A page of the records a person may see, newest first.
///
/// # Errors
/// `value_invalid` for a week that is none.
pub fn check_page(db: &mut Db, who: &Actor, mut wanted: Wanted) -> Result<Vec<SpotCheckRow>> {
    if let Some(week) = &wanted.week {
        rules::week(week)?;
    }
    narrow(who, &mut wanted);
    store::check_page(db, &wanted)
}
