//! Who and what the demonstration needs in the database: units, their nine sites, people, devices with their codes.

use crate::{
    clips::{self, rules::Shift},
    db::{
        Tx,
        types::{UnitId, UserId},
    },
    env::Env,
    error::Result,
    identity::{
        self,
        actions::NewUser,
        passwords,
        rules::{DeviceKind, Role},
    },
    spotchecks::{self, library::rules::SiteEntry},
};
use chrono::Datelike;

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Handhelds, each with a person.
    pub handhelds: usize,
    /// Body cameras.
    pub cameras: usize,
}

/// What the accounts of the demonstration begin with. On a database with other accounts it does not run.
pub const PREFIX: &str = "demo-";

/// One account and how it signs in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account.
    pub user_id: UserId,
    /// The name to sign in with.
    pub username: String,
    /// The password.
    pub password: String,
    /// The role.
    pub role: Role,
    /// The unit.
    pub unit: Option<UnitId>,
}

/// A device that waits for its enrolment.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The label.
    pub name: String,
    /// The one-time code.
    pub code: String,
}

/// Everything that was entered.
#[derive(Debug, Clone)]
pub struct County {
    /// Handhelds with their people.
    pub handhelds: Vec<(Enrolment, Account)>,
    /// Cameras.
    pub cameras: Vec<Enrolment>,
    /// The dock.
    pub dock: Enrolment,
    /// The Centre.
    pub dispatcher: Account,
    /// The city's collector.
    pub verifier: Account,
    /// Reads everything, changes nothing.
    pub supervisor: Account,
    /// For the visitor.
    pub admin: Account,
    /// At a desk in the first unit.
    pub liaison: Account,
}

/// The passwords of a run: one the fleet shares, and one for each account that a visitor gets. Hashed before the
/// transaction, because that takes time.
#[derive(Debug, Clone)]
pub struct Passwords {
    field: Secret,
    office: [Secret; 5],
}

#[derive(Debug, Clone)]
struct Secret {
    text: String,
    hash: String,
}

impl Passwords {
    /// Fresh ones; nothing of a password is fixed anywhere.
    ///
    /// # Errors
    /// `internal`.
    pub fn fresh(env: &Env) -> Result<Passwords> {
        let secret = || {
            let text = passwords::generate(env);
            Ok(Secret { hash: identity::actions::password_hash(env, &text)?, text })
        };
        let office: Result<Vec<Secret>> = (0..5).map(|_| secret()).collect();
        let office = office?.try_into().unwrap_or_else(|_| unreachable!("five were made"));
        Ok(Passwords { field: secret()?, office })
    }
}

/// Zhongfang's seat, degrees, WGS-84.
pub const CENTRE: (f64, f64) = (27.4402, 109.9445);

/// Units that get handhelds: a liaison and an officer each.
const UNITS_IN_THE_FIELD: usize = 4;

/// What the person with the handheld of this number does.
pub fn role_of(handheld: usize) -> Role {
    match handheld % 5 {
        0 | 1 => Role::Inspector,
        2 => Role::SpotChecker,
        3 => Role::Liaison,
        _ => Role::Officer,
    }
}

/// Whether the database holds accounts that are not the demonstration's.
///
/// # Errors
/// The engine's own.
pub fn belongs_to_others(tx: &mut Tx) -> Result<bool> {
    Ok(identity::actions::user_list(tx.db)?.iter().any(|user| !user.username.starts_with(PREFIX)))
}

/// Enters everything that is missing, and gives existing accounts and devices new passwords and codes.
///
/// # Errors
/// The engine's own; `device_revoked` later, at enrolment, for a device that was revoked.
pub fn load(tx: &mut Tx, size: Size, passwords: &Passwords) -> Result<County> {
    identity::actions::county_load(tx)?;
    let year = tx.now.with_timezone(&chrono_tz::Asia::Shanghai).year();
    let units: Vec<UnitId> = identity::actions::unit_list(tx.db, year)?.into_iter().map(|(unit, _)| unit.id).collect();
    sites(tx, &units)?;
    let unit = |n: usize| units.get(n % UNITS_IN_THE_FIELD).copied();
    let [dispatcher, verifier, supervisor, admin, liaison] = &passwords.office;
    let mut handhelds = Vec::with_capacity(size.handhelds);
    for n in 0..size.handhelds {
        let role = role_of(n);
        let name = format!("{role}-{:02}", n + 1).replace('_', "-");
        let of_unit = matches!(role, Role::Liaison | Role::Officer);
        let unit = if of_unit { unit(n / 5) } else { None };
        let account = account(tx, &name, PEOPLE[n % PEOPLE.len()], role, unit, &passwords.field)?;
        handhelds.push((enrolment(tx, &format!("{PREFIX}handheld-{:02}", n + 1), DeviceKind::Handheld)?, account));
    }
    let mut cameras = Vec::with_capacity(size.cameras);
    for n in 0..size.cameras {
        cameras.push(enrolment(tx, &format!("{PREFIX}camera-{:02}", n + 1), DeviceKind::Camera)?);
    }
    roster(tx, &handhelds, &cameras)?;
    Ok(County {
        handhelds,
        cameras,
        dock: enrolment(tx, &format!("{PREFIX}dock-01"), DeviceKind::Dock)?,
        dispatcher: account(tx, "dispatcher", "派遣员", Role::Dispatcher, None, dispatcher)?,
        verifier: account(tx, "verifier", "市采集员", Role::Verifier, None, verifier)?,
        supervisor: account(tx, "supervisor", "督查室", Role::Supervisor, None, supervisor)?,
        admin: account(tx, "admin", "管理员", Role::Admin, None, admin)?,
        liaison: account(tx, "liaison", "专干", Role::Liaison, unit(0), liaison)?,
    })
}

const PEOPLE: [&str; 20] = [
    "张伟",
    "王芳",
    "李强",
    "杨秀英",
    "刘洋",
    "陈静",
    "黄磊",
    "周敏",
    "吴军",
    "徐丽",
    "孙涛",
    "胡燕",
    "朱鹏",
    "高洁",
    "林峰",
    "何娟",
    "郭勇",
    "马兰",
    "罗斌",
    "梁雪",
];

fn account(
    tx: &mut Tx,
    name: &str,
    person: &str,
    role: Role,
    unit_id: Option<UnitId>,
    secret: &Secret,
) -> Result<Account> {
    let username = format!("{PREFIX}{name}");
    let row = match identity::actions::user_by_username(tx.db, &username)? {
        Some(_) => identity::actions::user_reset(tx, &username, secret.hash.clone())?,
        None => {
            let (username, name) = (username.clone(), person.to_owned());
            identity::actions::user_add(
                tx,
                NewUser { username, name, role, unit_id, password_hash: secret.hash.clone() },
            )?
        }
    };
    Ok(Account { user_id: row.id, username, password: secret.text.clone(), role, unit: unit_id })
}

fn enrolment(tx: &mut Tx, name: &str, kind: DeviceKind) -> Result<Enrolment> {
    let (row, code) = identity::devices::device_add(tx, name, kind)?;
    Ok(Enrolment { name: row.name, code })
}

/// Each officer carries the camera of the same number, from midnight to midnight.
fn roster(tx: &mut Tx, handhelds: &[(Enrolment, Account)], cameras: &[Enrolment]) -> Result<()> {
    let midnight = tx.now.with_timezone(&chrono_tz::Asia::Shanghai).date_naive().and_time(chrono::NaiveTime::MIN);
    let Some(from) = midnight.and_local_timezone(chrono_tz::Asia::Shanghai).single() else { return Ok(()) };
    for ((_, person), camera) in handhelds.iter().zip(cameras).filter(|((_, p), _)| p.role == Role::Officer) {
        let (from, until) = (from.to_utc(), from.to_utc() + chrono::TimeDelta::days(1));
        let shift = Shift { camera: camera.name.clone(), user_id: person.user_id, from, until };
        clips::actions::assign(tx, None, shift)?;
    }
    Ok(())
}

fn sites(tx: &mut Tx, units: &[UnitId]) -> Result<()> {
    let there = spotchecks::library::actions::units_with_sites(tx.db)?;
    for (n, unit) in units.iter().enumerate().filter(|(_, unit)| !there.contains(unit)) {
        for (slot, kind) in (1i32..).zip(spotchecks::rules::SLOTS) {
            let (row, column) = ((n / 6) as f64, (n % 6) as f64);
            let position = (CENTRE.0 + row * 0.004, CENTRE.1 + column * 0.005 + f64::from(slot) * 0.0004);
            let site = SiteEntry {
                code: None,
                unit_id: *unit,
                kind,
                name: format!("{}{slot}号点", kind.chinese()),
                address: None,
                position: Some(position),
                geometry: None,
                active_from: None,
            };
            spotchecks::library::actions::put(tx, None, site)?;
        }
    }
    Ok(())
}
