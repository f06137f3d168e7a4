//! The two sorts of token, both ES256 JWTs: people's, signed by the server, and devices', signed by the device itself.

use crate::{
    db::types::{DeviceId, SessionId, UserId},
    error::{Code, Error, Result},
};
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const USER_TYPE: &str = "at+jwt";
const DEVICE_TYPE: &str = "device+jwt";
const RECEIPT_TYPE: &str = "receipt+jwt";
const AUDIENCE: &str = "chengguan";
/// Device clocks drift; the client corrects its own, this is what may remain.
const LEEWAY: TimeDelta = TimeDelta::minutes(5);
/// No device token may be good for longer.
const DEVICE_TOKEN_FOR: TimeDelta = TimeDelta::hours(24);

/// What sort of token it says it is; unverified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A person's access token.
    User,
    /// A device's token.
    Device(DeviceId),
}

/// The claims of a person's access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserClaims {
    /// The person.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    /// Issued, seconds since 1970.
    pub iat: i64,
    /// Expires, seconds since 1970.
    pub exp: i64,
    /// Always `chengguan`.
    pub aud: String,
}

/// The claims of a device's token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceClaims {
    /// The device.
    pub iss: DeviceId,
    /// Issued, seconds since 1970.
    pub iat: i64,
    /// Expires, seconds since 1970; at most 24 h after `iat`.
    pub exp: i64,
    /// Always `chengguan`.
    pub aud: String,
}

/// The server's own keys: one for access tokens and receipts, one for cursors.
pub struct Keys {
    signing: EncodingKey,
    verifying: DecodingKey,
    cursor: hmac::Key,
    public: Vec<u8>,
}

impl Keys {
    /// Keys from stored material.
    ///
    /// # Errors
    /// `internal`, when the material is damaged.
    pub fn load(pkcs8: &[u8], cursor: &[u8]) -> Result<Keys> {
        let public = public_key(pkcs8)?;
        Ok(Keys {
            signing: EncodingKey::from_ec_der(pkcs8),
            verifying: DecodingKey::from_ec_der(&public),
            cursor: hmac::Key::new(hmac::HMAC_SHA256, cursor),
            public,
        })
    }

    /// The public half of the signing key, for whoever checks a receipt.
    pub fn public(&self) -> PublicJwk {
        PublicJwk::from_point(&self.public)
    }

    /// A receipt: claims that anybody with [`Keys::public`] can check, a compact JWS (RFC 7515).
    ///
    /// # Errors
    /// `internal`.
    pub fn sign_receipt(&self, claims: &impl Serialize) -> Result<String> {
        let header = Header { typ: Some(RECEIPT_TYPE.into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.signing).map_err(Error::internal)
    }

    /// An access token.
    ///
    /// # Errors
    /// `internal`.
    pub fn sign_user(&self, user: UserId, session: SessionId, now: DateTime<Utc>, life: TimeDelta) -> Result<String> {
        let claims = UserClaims {
            sub: user,
            sid: session,
            iat: now.timestamp(),
            exp: (now + life).timestamp(),
            aud: AUDIENCE.into(),
        };
        let header = Header { typ: Some(USER_TYPE.into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(Error::internal)
    }

    /// Verifies an access token's signature, audience and time.
    ///
    /// # Errors
    /// `token_invalid` or `token_expired`.
    pub fn verify_user(&self, token: &str, now: DateTime<Utc>) -> Result<UserClaims> {
        let claims: UserClaims = verify(token, &self.verifying)?;
        if claims.exp <= now.timestamp() {
            return Err(Code::TokenExpired.into());
        }
        Ok(claims)
    }

    /// Makes a text tamper-evident: `base64url(text).base64url(hmac)`.
    pub fn seal(&self, text: &str) -> String {
        format!("{}.{}", B64.encode(text), self.mark(text))
    }

    /// The mark that only this server can put on a text: 22 characters of base64url, an HMAC of 128 bits.
    pub fn mark(&self, text: &str) -> String {
        B64.encode(&hmac::sign(&self.cursor, text.as_bytes()).as_ref()[..16])
    }

    /// Whether a mark is the one of this text.
    pub fn is_marked(&self, text: &str, mark: &str) -> bool {
        let expected = hmac::sign(&self.cursor, text.as_bytes());
        B64.decode(mark).is_ok_and(|mark| {
            aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..16], &mark).is_ok()
        })
    }

    /// The text of a seal that is ours.
    pub fn unseal(&self, sealed: &str) -> Option<String> {
        let (text, mark) = sealed.split_once('.')?;
        let text = String::from_utf8(B64.decode(text).ok()?).ok()?;
        self.is_marked(&text, mark).then_some(text)
    }
}

/// What a token says it is, without believing it.
///
/// # Errors
/// `token_invalid`.
pub fn peek(token: &str) -> Result<Claim> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Code::TokenInvalid)?;
    match (header.typ.as_deref(), header.kid) {
        (Some(USER_TYPE), _) => Ok(Claim::User),
        (Some(DEVICE_TYPE), Some(kid)) => Ok(Claim::Device(kid.parse().map_err(|_| Code::TokenInvalid)?)),
        _ => Err(Code::TokenInvalid.into()),
    }
}

/// Verifies a device's token against its registered key (SEC 1 uncompressed point).
///
/// # Errors
/// `token_invalid` or `token_expired`.
pub fn verify_device(token: &str, device: DeviceId, public_key: &[u8], now: DateTime<Utc>) -> Result<()> {
    let claims: DeviceClaims = verify(token, &DecodingKey::from_ec_der(public_key))?;
    let (now, leeway) = (now.timestamp(), LEEWAY.num_seconds());
    if claims.iss != device || claims.exp - claims.iat > DEVICE_TOKEN_FOR.num_seconds() || claims.iat > now + leeway {
        return Err(Code::TokenInvalid.into());
    }
    if claims.exp + leeway <= now {
        return Err(Code::TokenExpired.into());
    }
    Ok(())
}

/// Until when a device's token, verified before, is good: its own word, without the leeway.
pub fn device_token_until(token: &str) -> Option<DateTime<Utc>> {
    let claims = token.split('.').nth(1)?;
    let claims: DeviceClaims = serde_json::from_slice(&B64.decode(claims).ok()?).ok()?;
    DateTime::from_timestamp(claims.exp, 0)
}

/// Signs a device's own token; used by the clients in this crate.
///
/// # Errors
/// `internal`, when the key is damaged.
pub fn sign_device(pkcs8: &[u8], device: DeviceId, now: DateTime<Utc>, life: TimeDelta) -> Result<String> {
    let claims =
        DeviceClaims { iss: device, iat: now.timestamp(), exp: (now + life).timestamp(), aud: AUDIENCE.into() };
    let header =
        Header { typ: Some(DEVICE_TYPE.into()), kid: Some(device.to_string()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(pkcs8)).map_err(Error::internal)
}

fn verify<T: DeserializeOwned>(token: &str, key: &DecodingKey) -> Result<T> {
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[AUDIENCE]);
    // Time is checked against Env's clock by the callers.
    rules.validate_exp = false;
    rules.required_spec_claims.clear();
    Ok(jsonwebtoken::decode::<T>(token, key, &rules).map_err(|_| Code::TokenInvalid)?.claims)
}

/// The claims of a receipt, when this key signed them.
///
/// # Errors
/// `token_invalid`.
pub fn verify_receipt<T: DeserializeOwned>(receipt: &str, key: &PublicJwk) -> Result<T> {
    let header = jsonwebtoken::decode_header(receipt).map_err(|_| Code::TokenInvalid)?;
    if header.typ.as_deref() != Some(RECEIPT_TYPE) {
        return Err(Code::TokenInvalid.into());
    }
    verify(receipt, &DecodingKey::from_ec_der(&key.point()?))
}

/// A fresh P-256 key pair, PKCS#8 DER.
///
/// # Errors
/// `internal`.
pub fn fresh_pkcs8() -> Result<Vec<u8>> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(Error::internal)?;
    Ok(document.as_ref().to_vec())
}

/// The public point of a key pair, SEC 1 uncompressed, 65 bytes.
///
/// # Errors
/// `internal`, when the key is damaged.
pub fn public_key(pkcs8: &[u8]) -> Result<Vec<u8>> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(Error::internal)?;
    Ok(pair.public_key().as_ref().to_vec())
}

/// A public key as browsers export it (RFC 7517).
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicJwk {
    /// `EC`.
    pub kty: String,
    /// `P-256`.
    pub crv: String,
    /// The point's x, base64url, 32 bytes.
    pub x: String,
    /// The point's y, base64url, 32 bytes.
    pub y: String,
}

impl PublicJwk {
    /// The key of a SEC 1 point.
    pub fn from_point(point: &[u8]) -> PublicJwk {
        PublicJwk {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: B64.encode(point.get(1..33).unwrap_or_default()),
            y: B64.encode(point.get(33..65).unwrap_or_default()),
        }
    }

    /// The SEC 1 point, checked to lie on the curve.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn point(&self) -> Result<Vec<u8>> {
        let wrong = || Code::ValueInvalid.with("public_key: must be an EC P-256 JWK");
        if self.kty != "EC" || self.crv != "P-256" {
            return Err(wrong());
        }
        let (x, y) = (B64.decode(&self.x).map_err(|_| wrong())?, B64.decode(&self.y).map_err(|_| wrong())?);
        if x.len() != 32 || y.len() != 32 {
            return Err(wrong());
        }
        let point = [&[4u8][..], &x, &y].concat();
        let key = aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED, &point);
        key.map(|_| point).map_err(|_| wrong())
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    #[test]
    fn a_device_token_is_good_for_its_device_its_key_and_its_time_only() {
        let (key, other) = (fresh_pkcs8().unwrap(), fresh_pkcs8().unwrap());
        let device = DeviceId(Uuid::from_u128(5));
        let point = PublicJwk::from_point(&public_key(&key).unwrap()).point().unwrap();
        let token = sign_device(&key, device, now(), TimeDelta::minutes(10)).unwrap();
        assert_eq!(peek(&token).unwrap(), Claim::Device(device));
        verify_device(&token, device, &point, now()).unwrap();
        let code = |r: Result<()>| r.unwrap_err().code;
        let later = now() + TimeDelta::minutes(16);
        assert_eq!(code(verify_device(&token, device, &point, later)), Code::TokenExpired);
        assert_eq!(code(verify_device(&token, DeviceId(Uuid::nil()), &point, now())), Code::TokenInvalid);
        assert_eq!(code(verify_device(&token, device, &public_key(&other).unwrap(), now())), Code::TokenInvalid);
        let endless = sign_device(&key, device, now(), TimeDelta::days(30)).unwrap();
        assert_eq!(code(verify_device(&endless, device, &point, now())), Code::TokenInvalid);
    }

    #[test]
    fn an_access_token_expires_and_a_changed_one_is_refused() {
        let keys = Keys::load(&fresh_pkcs8().unwrap(), &[7; 32]).unwrap();
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let token = keys.sign_user(user, session, now(), TimeDelta::minutes(15)).unwrap();
        assert_eq!(keys.verify_user(&token, now()).unwrap().sid, session);
        let late = now() + TimeDelta::minutes(15);
        assert_eq!(keys.verify_user(&token, late).unwrap_err().code, Code::TokenExpired);
        let mut forged = token.clone();
        forged.replace_range(token.len() - 4.., "AAAA");
        assert_eq!(keys.verify_user(&forged, now()).unwrap_err().code, Code::TokenInvalid);
    }

    #[test]
    fn a_seal_opens_only_unchanged() {
        let keys = Keys::load(&fresh_pkcs8().unwrap(), &[7; 32]).unwrap();
        let sealed = keys.seal("g:17");
        assert_eq!(keys.unseal(&sealed).as_deref(), Some("g:17"));
        assert_eq!(keys.unseal(&sealed.replacen('Z', "Y", 1)), None);
        assert_eq!(keys.unseal("rubbish"), None);
    }
}
