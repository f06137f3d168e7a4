//! Who is asking: a signed-in person or an enrolled device, from the bearer token.

use crate::{
    app::App,
    db::types::DeviceId,
    error::{Code, Error, Result},
    identity::{
        actions, devices,
        rules::{Actor, Role},
        store::DeviceRow,
        tokens::{self, Claim},
    },
};
use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::LocalBoxFuture;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A verified caller.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A signed-in person.
    User(Actor),
    /// An enrolled device, perhaps revoked: what it may still do is the operation's choice.
    Device(Box<DeviceRow>),
}

impl Caller {
    /// The person.
    ///
    /// # Errors
    /// `user_required` when a device asks.
    pub fn user(self) -> Result<Actor> {
        match self {
            Caller::User(actor) => Ok(actor),
            Caller::Device(_) => Err(Code::UserRequired.into()),
        }
    }

    /// The person, when the role is one of `roles`.
    ///
    /// # Errors
    /// `user_required` or `role_forbidden`.
    pub fn role(self, roles: &[Role]) -> Result<Actor> {
        let actor = self.user()?;
        if roles.contains(&actor.role) { Ok(actor) } else { Err(Code::RoleForbidden.into()) }
    }

    /// The device, revoked or not.
    ///
    /// # Errors
    /// `device_required` when a person asks.
    pub fn device(self) -> Result<DeviceRow> {
        match self {
            Caller::User(_) => Err(Code::DeviceRequired.into()),
            Caller::Device(device) => Ok(*device),
        }
    }

    /// Refuses revoked devices.
    ///
    /// # Errors
    /// `device_revoked`.
    pub fn not_revoked(self) -> Result<Caller> {
        match &self {
            Caller::Device(device) if device.revoked_at.is_some() => Err(Code::DeviceRevoked.into()),
            _ => Ok(self),
        }
    }
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<web::Data<App>>().cloned();
        let token = bearer(request).map(str::to_owned);
        Box::pin(async move {
            let app = app.ok_or_else(|| Error::internal("no App in the request"))?;
            let token = token?;
            authenticate(&app, &token).await
        })
    }
}

/// The bearer token of a request.
///
/// # Errors
/// `credentials_missing`.
pub fn bearer(request: &HttpRequest) -> Result<&str> {
    let value = request.headers().get(header::AUTHORIZATION).ok_or(Code::CredentialsMissing)?;
    let text = value.to_str().map_err(|_| Code::TokenInvalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(Code::TokenInvalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Code::TokenInvalid.into());
    }
    Ok(token.trim())
}

/// Verifies a token of either sort against the keys and the record.
///
/// # Errors
/// `token_invalid`, `token_expired`, `session_ended`, `account_disabled` or `device_unknown`.
pub async fn authenticate(app: &App, token: &str) -> Result<Caller> {
    let now = app.env.now();
    match tokens::peek(token)? {
        Claim::User => {
            let claims = app.keys.verify_user(token, now)?;
            let actor = app.db.read(move |db| actions::session_actor(db, claims.sid, now)).await?;
            Ok(Caller::User(actor))
        }
        Claim::Device(id) => {
            let device = app.db.read(move |db| devices::device_known(db, id)).await?;
            tokens::verify_device(token, id, device.public_key.as_deref().unwrap_or_default(), now)?;
            Ok(Caller::Device(Box::new(device)))
        }
    }
}

/// Devices whose tokens were verified, by the SHA-256 of the token. What a token proves does not change while it lasts:
/// which key signed it. Whether that is still the device's key, and whether the device was revoked, is asked of the
/// record each time.
#[derive(Default)]
pub struct Verified(Mutex<HashMap<Vec<u8>, Signer>>);

/// Whose key signed a token.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The device.
    pub device: DeviceId,
    /// Its public key when the token was verified.
    pub key: Vec<u8>,
    /// The token is good until then.
    until: DateTime<Utc>,
}

impl Verified {
    /// Tokens that are remembered.
    const MOST: usize = 10_000;
    /// How long, at most.
    const FOR: TimeDelta = TimeDelta::minutes(10);

    /// The device behind a request's token. Whoever asks must compare [`Signer::key`] with the record.
    ///
    /// # Errors
    /// As [`authenticate`], and `device_required` when a person asks.
    pub async fn device(&self, app: &App, request: &HttpRequest) -> Result<Signer> {
        let (token, now) = (bearer(request)?, app.env.now());
        let digest = tokens::sha256(token.as_bytes());
        if let Some(signer) = self.tokens().get(&digest).filter(|signer| now < signer.until) {
            return Ok(signer.clone());
        }
        let device = authenticate(app, token).await?.device()?;
        let until = tokens::device_token_until(token).unwrap_or(now).min(now + Verified::FOR);
        let signer = Signer { device: device.id, key: device.public_key.unwrap_or_default(), until };
        let mut tokens = self.tokens();
        if tokens.len() >= Verified::MOST {
            tokens.clear();
        }
        tokens.insert(digest, signer.clone());
        Ok(signer)
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Signer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
