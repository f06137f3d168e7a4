//! Who is asking: a signed-in person or an enrolled device, from the bearer token.

use crate::{
    app::App,
    error::{Code, Error, Result},
    identity::{
        actions,
        rules::{Actor, Role},
        store::DeviceRow,
        tokens::{self, Claim},
    },
};
use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use futures_util::future::LocalBoxFuture;

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
            let device = app.db.read(move |db| actions::device_known(db, id)).await?;
            tokens::verify_device(token, id, device.public_key.as_deref().unwrap_or_default(), now)?;
            Ok(Caller::Device(Box::new(device)))
        }
    }
}
