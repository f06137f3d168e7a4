//! Setup, sign-in, people, units and devices over HTTP.

use super::{
    actions::{self, NewUser, SignedIn},
    devices, passwords,
    rules::{ACCESS_FOR, Actor, CENTRE, DeviceKind, Role, UnitClass},
    store::{DeviceRow, EpochRow, UserRow},
    tokens::{self, Claim, PublicJwk},
};
use crate::{
    app::App,
    db::types::{At, DeviceId, SessionId, UnitId, UserId},
    error::{Error, Result},
    http::{
        auth::{self, Caller},
        body::Body,
        table::Routes,
    },
};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mounts the area under `/api/v1`.
pub fn routes(cfg: &mut Routes) {
    cfg.service(setup)
        .service(login)
        .service(refresh)
        .service(logout)
        .service(me)
        .service(unit_list)
        .service(unit_add)
        .service(user_list)
        .service(user_add)
        .service(device_list)
        .service(names)
        .service(device_add)
        .service(device_enrol)
        .service(device_revoke);
}

/// A person as others may see them.
#[derive(Serialize, ToSchema)]
pub struct User {
    id: UserId,
    username: String,
    name: String,
    #[schema(value_type = Role)]
    role: String,
    unit_id: Option<UnitId>,
    disabled_at: Option<DateTime<Utc>>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> User {
        User {
            id: row.id,
            username: row.username,
            name: row.name,
            role: row.role,
            unit_id: row.unit_id,
            disabled_at: row.disabled_at.map(|at| at.0),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// The code that the first start printed.
    code: String,
    username: String,
    name: String,
    /// 10–200 characters.
    password: String,
}

/// Make the first administrator with the code that the first start printed.
#[utoipa::path(tag = "identity", request_body = Setup, responses((status = 201, body = User)))]
#[post("/setup")]
async fn setup(app: web::Data<App>, body: Body<Setup>) -> Result<HttpResponse> {
    let body = body.0;
    let password_hash = hashed(&app, body.password).await?;
    let user = NewUser { username: body.username, name: body.name, role: Role::Admin, unit_id: None, password_hash };
    let row = app.db.write(move |tx| actions::setup(tx, &body.code, user)).await?;
    Ok(HttpResponse::Created().json(User::from(row)))
}

async fn hashed(app: &App, password: String) -> Result<String> {
    let env = app.env.clone();
    tokio::task::spawn_blocking(move || actions::password_hash(&env, &password)).await.map_err(Error::internal)?
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    username: String,
    password: String,
    /// A device-signed JWT: binds the session to the device, so that work made there offline counts as this person's.
    device_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Tokens {
    access_token: String,
    /// Works once; gives the next pair.
    refresh_token: String,
    /// Life of the access token, seconds.
    expires_in: i64,
    session_id: SessionId,
    user: User,
}

fn tokens(app: &App, signed: SignedIn) -> Result<Tokens> {
    let access_token = app.keys.sign_user(signed.user.id, signed.session, app.env.now(), ACCESS_FOR)?;
    Ok(Tokens {
        access_token,
        refresh_token: signed.refresh_token,
        expires_in: ACCESS_FOR.num_seconds(),
        session_id: signed.session,
        user: signed.user.into(),
    })
}

/// Sign in.
#[utoipa::path(tag = "identity", request_body = Login, responses((status = 200, body = Tokens)))]
#[post("/auth/login")]
async fn login(app: web::Data<App>, body: Body<Login>) -> Result<web::Json<Tokens>> {
    let Login { username, password, device_token } = body.0;
    let device = match device_token {
        Some(token) => {
            // A person's token here would be a confusion of tongues; only a device may vouch for itself.
            let Claim::Device(_) = tokens::peek(&token)? else { return Err(crate::error::Code::TokenInvalid.into()) };
            Some(auth::authenticate(&app, &token).await?.not_revoked()?.device()?.id)
        }
        None => None,
    };
    let name = username.clone();
    let account = app.db.read(move |db| actions::user_by_username(db, &name)).await?;
    let hash = account.map(|a| a.password_hash);
    let matches = tokio::task::spawn_blocking(move || passwords::matches(&password, hash.as_deref()))
        .await
        .map_err(Error::internal)?;
    let signed = app.db.write(move |tx| actions::login(tx, &username, matches, device)).await??;
    Ok(web::Json(tokens(&app, signed)?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    refresh_token: String,
}

/// Exchange a refresh token for the next pair.
#[utoipa::path(tag = "identity", request_body = Refresh, responses((status = 200, body = Tokens)))]
#[post("/auth/refresh")]
async fn refresh(app: web::Data<App>, body: Body<Refresh>) -> Result<web::Json<Tokens>> {
    let token = body.0.refresh_token;
    let signed = app.db.write(move |tx| actions::refresh(tx, &token)).await??;
    Ok(web::Json(tokens(&app, signed)?))
}

/// End the session.
#[utoipa::path(tag = "identity", responses((status = 204)))]
#[post("/auth/logout")]
async fn logout(app: web::Data<App>, caller: Caller) -> Result<HttpResponse> {
    let session = caller.user()?.session_id;
    app.db.write(move |tx| actions::logout(tx, session)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Serialize, ToSchema)]
struct Me {
    user: MeUser,
    session: Session,
}

#[derive(Serialize, ToSchema)]
struct MeUser {
    id: UserId,
    name: String,
    role: Role,
    unit_id: Option<UnitId>,
}

#[derive(Serialize, ToSchema)]
struct Session {
    id: SessionId,
    device_id: Option<DeviceId>,
}

/// Who am I?
#[utoipa::path(tag = "identity", responses((status = 200, body = Me)))]
#[get("/me")]
async fn me(caller: Caller) -> Result<web::Json<Me>> {
    let Actor { user_id, name, role, unit_id, session_id, device_id } = caller.user()?;
    Ok(web::Json(Me {
        user: MeUser { id: user_id, name, role, unit_id },
        session: Session { id: session_id, device_id },
    }))
}

#[derive(Serialize, ToSchema)]
struct Unit {
    id: UnitId,
    code: String,
    name: String,
    /// The class that holds this year.
    #[schema(value_type = Option<UnitClass>)]
    class: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Units {
    items: Vec<Unit>,
}

/// All assessed units, with this year's class.
#[utoipa::path(tag = "identity", responses((status = 200, body = Units)))]
#[get("/units")]
async fn unit_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<Units>> {
    caller.not_revoked()?;
    let year = app.env.now().with_timezone(&chrono_tz::Asia::Shanghai).year();
    let rows = app.db.read(move |db| actions::unit_list(db, year)).await?;
    let items = rows.into_iter().map(|(u, class)| Unit { id: u.id, code: u.code, name: u.name, class }).collect();
    Ok(web::Json(Units { items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUnit {
    code: String,
    name: String,
    /// The year the class holds from.
    year: i32,
    class: UnitClass,
}

/// Add a unit.
#[utoipa::path(tag = "identity", request_body = NewUnit, responses((status = 201, body = Unit)))]
#[post("/units")]
async fn unit_add(app: web::Data<App>, caller: Caller, body: Body<NewUnit>) -> Result<HttpResponse> {
    caller.role(&[Role::Admin])?;
    let NewUnit { code, name, year, class } = body.0;
    let row = app.db.write(move |tx| actions::unit_add(tx, &code, &name, year, class)).await?;
    let unit = Unit { id: row.id, code: row.code, name: row.name, class: Some(class.to_string()) };
    Ok(HttpResponse::Created().json(unit))
}

#[derive(Serialize, ToSchema)]
struct Users {
    items: Vec<User>,
}

/// All accounts.
#[utoipa::path(tag = "identity", responses((status = 200, body = Users)))]
#[get("/users")]
async fn user_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<Users>> {
    caller.role(&[Role::Admin])?;
    let rows = app.db.read(actions::user_list).await?;
    Ok(web::Json(Users { items: rows.into_iter().map(User::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserToAdd {
    username: String,
    name: String,
    role: Role,
    unit_id: Option<UnitId>,
    /// 10–200 characters.
    password: String,
}

/// Add an account.
#[utoipa::path(tag = "identity", request_body = UserToAdd, responses((status = 201, body = User)))]
#[post("/users")]
async fn user_add(app: web::Data<App>, caller: Caller, body: Body<UserToAdd>) -> Result<HttpResponse> {
    caller.role(&[Role::Admin])?;
    let body = body.0;
    let password_hash = hashed(&app, body.password).await?;
    let new =
        NewUser { username: body.username, name: body.name, role: body.role, unit_id: body.unit_id, password_hash };
    let row = app.db.write(move |tx| actions::user_add(tx, new)).await?;
    Ok(HttpResponse::Created().json(User::from(row)))
}

/// A device as administrators see it.
#[derive(Serialize, ToSchema)]
struct Device {
    id: DeviceId,
    name: String,
    #[schema(value_type = DeviceKind)]
    kind: String,
    epoch: i32,
    enrolled_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_push_at: Option<DateTime<Utc>>,
    /// Operations that waited on it at its last push.
    outbox_depth: Option<i64>,
    app: Option<String>,
}

impl Device {
    fn new(row: DeviceRow, said: Option<EpochRow>) -> Device {
        let said = said.as_ref();
        let time = |at: Option<At>| at.map(|at| at.0);
        Device {
            id: row.id,
            name: row.name,
            kind: row.kind,
            epoch: row.epoch,
            enrolled_at: time(row.enrolled_at),
            revoked_at: time(row.revoked_at),
            last_push_at: time(said.and_then(|e| e.last_push_at)),
            outbox_depth: said.filter(|e| e.last_push_at.is_some()).map(|e| e.depth),
            app: said.and_then(|e| e.app.clone()),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Devices {
    items: Vec<Device>,
}

/// All devices.
#[utoipa::path(tag = "identity", responses((status = 200, body = Devices)))]
#[get("/devices")]
async fn device_list(app: web::Data<App>, caller: Caller) -> Result<web::Json<Devices>> {
    caller.role(&[Role::Admin, Role::Dispatcher])?;
    let (rows, mut epochs) = app.db.read(|db| Ok((devices::device_list(db)?, devices::epochs_newest(db)?))).await?;
    let items = rows.into_iter().map(|row| (epochs.remove(&row.id), row)).map(|(said, row)| Device::new(row, said));
    Ok(web::Json(Devices { items: items.collect() }))
}

#[derive(Serialize, ToSchema)]
struct UserName {
    id: UserId,
    name: String,
}

#[derive(Serialize, ToSchema)]
struct DeviceName {
    id: DeviceId,
    /// The label on it.
    name: String,
}

#[derive(Serialize, ToSchema)]
struct Names {
    users: Vec<UserName>,
    devices: Vec<DeviceName>,
}

/// The names behind the ids that records carry.
#[utoipa::path(tag = "identity", responses((status = 200, body = Names)))]
#[get("/names")]
async fn names(app: web::Data<App>, caller: Caller) -> Result<web::Json<Names>> {
    caller.role(CENTRE)?;
    let (users, devices) = app.db.read(|db| Ok((actions::user_list(db)?, devices::device_list(db)?))).await?;
    Ok(web::Json(Names {
        users: users.into_iter().map(|row| UserName { id: row.id, name: row.name }).collect(),
        devices: devices.into_iter().map(|row| DeviceName { id: row.id, name: row.name }).collect(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    /// The label on the device.
    name: String,
    kind: DeviceKind,
}

#[derive(Serialize, ToSchema)]
struct EnrolmentCode {
    device: Device,
    /// Works once, for 7 days.
    code: String,
}

/// Add a device, or give an existing one a new enrolment code.
#[utoipa::path(tag = "identity", request_body = NewDevice, responses((status = 201, body = EnrolmentCode)))]
#[post("/devices")]
async fn device_add(app: web::Data<App>, caller: Caller, body: Body<NewDevice>) -> Result<HttpResponse> {
    caller.role(&[Role::Admin])?;
    let NewDevice { name, kind } = body.0;
    let (row, code) = app.db.write(move |tx| devices::device_add(tx, &name, kind)).await?;
    Ok(HttpResponse::Created().json(EnrolmentCode { device: Device::new(row, None), code }))
}

/// What a device sends once to become known.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The one-time code.
    pub code: String,
    /// The device's own public key.
    pub public_key: PublicJwk,
}

/// What it gets.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Enrolled {
    /// Its id from now on.
    pub device_id: DeviceId,
    /// The label.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Its epoch: goes into every push.
    pub epoch: i32,
    /// The server's clock, to correct the own one.
    pub server_time: DateTime<Utc>,
}

/// Enrol a device with its one-time code and its own key.
#[utoipa::path(tag = "identity", request_body = Enrol, responses((status = 201, body = Enrolled)))]
#[post("/devices/enrol")]
async fn device_enrol(app: web::Data<App>, body: Body<Enrol>) -> Result<HttpResponse> {
    let point = body.0.public_key.point()?;
    let code = body.0.code;
    let row = app.db.write(move |tx| devices::device_enrol(tx, &code, point)).await?;
    Ok(HttpResponse::Created().json(Enrolled {
        device_id: row.id,
        name: row.name,
        kind: row.kind.parse()?,
        epoch: row.epoch,
        server_time: app.env.now(),
    }))
}

/// Revoke a device: it can't read any more, and what it still sends is kept for a person to look at.
#[utoipa::path(tag = "identity", responses((status = 200, body = Device)), params(("id" = DeviceId, Path)))]
#[post("/devices/{id}/revoke")]
async fn device_revoke(app: web::Data<App>, caller: Caller, id: web::Path<DeviceId>) -> Result<web::Json<Device>> {
    caller.role(&[Role::Admin])?;
    let row = app.db.write(move |tx| devices::device_revoke(tx, *id)).await?;
    Ok(web::Json(Device::new(row, None)))
}
