//! A device's own identity: its key, its names, its clock against the server's.

use super::{
    ClientError, Result,
    http::{Answer, Api},
};
use crate::{
    db::types::DeviceId,
    env::Env,
    identity::{
        routes::{Enrol, Enrolled},
        rules::DeviceKind,
        tokens::{self, PublicJwk},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a token that a device signs for itself is good.
const TOKEN_FOR: TimeDelta = TimeDelta::minutes(10);

/// Who a device is. The key never leaves its store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id on the server.
    pub device: DeviceId,
    /// The label.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Its epoch.
    pub epoch: i32,
    /// Private key, PKCS#8 DER.
    pub pkcs8: Vec<u8>,
}

/// The key is left out: this may reach a log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("device", &self.device).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is known of the own clock: the server's answers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Device minus server, milliseconds.
    pub offset_ms: i64,
    /// When it was measured, by the device's clock.
    pub measured_at: DateTime<Utc>,
}

impl ClockOffset {
    /// The offset, from the server's time in an answer that has just come.
    pub fn measure(device_now: DateTime<Utc>, server: DateTime<Utc>) -> ClockOffset {
        ClockOffset { offset_ms: (device_now - server).num_milliseconds(), measured_at: device_now }
    }

    /// The offset, when the server refused a token for its time and its own clock differs from what the token was signed
    /// by.
    pub fn refused(
        status: u16,
        code: &str,
        date: Option<DateTime<Utc>>,
        device_now: DateTime<Utc>,
        known: Option<ClockOffset>,
    ) -> Option<ClockOffset> {
        if status != 401 || !matches!(code, "token_expired" | "token_invalid") {
            return None;
        }
        let measured = ClockOffset::measure(device_now, date?);
        // A token that was signed by a clock as good as this is refused for another reason.
        let before = known.map_or(0, |o| o.offset_ms);
        ((measured.offset_ms - before).abs() > 5_000).then_some(measured)
    }

    /// The server's time at a moment of the device's clock.
    pub fn correct(offset: Option<ClockOffset>, device_now: DateTime<Utc>) -> DateTime<Utc> {
        device_now - TimeDelta::milliseconds(offset.map_or(0, |o| o.offset_ms))
    }
}

impl Identity {
    /// A token for push and uploads, good for ten minutes by the server's clock.
    ///
    /// # Errors
    /// [`ClientError::Store`], when the key is damaged.
    pub fn token(&self, env: &Env, offset: Option<ClockOffset>) -> Result<String> {
        let now = ClockOffset::correct(offset, env.now());
        Ok(tokens::sign_device(&self.pkcs8, self.device, now, TOKEN_FOR)?)
    }
}

/// Makes a key and enrols with a one-time code. The code works once: when the answer is lost, a new one is needed.
///
/// # Errors
/// [`ClientError::Refused`] with `code_wrong` or `device_revoked`, or [`ClientError::Offline`].
pub fn enrol(api: &Api, code: &str, env: &Env) -> Result<(Identity, ClockOffset)> {
    let pkcs8 = tokens::fresh_pkcs8()?;
    let public_key = PublicJwk::from_point(&tokens::public_key(&pkcs8)?);
    let answer = api.post("/api/v1/devices/enrol", None, &Enrol { code: code.trim().to_owned(), public_key })?;
    let enrolled: Enrolled = answer.expect()?;
    let identity =
        Identity { device: enrolled.device_id, name: enrolled.name, kind: enrolled.kind, epoch: enrolled.epoch, pkcs8 };
    Ok((identity, ClockOffset::measure(env.now(), enrolled.server_time)))
}

/// Whether an answer says that the device's clock is so wrong that its own token was refused, and what the clock's
/// offset is then.
pub fn clock_refused(answer: &Answer, device_now: DateTime<Utc>, known: Option<ClockOffset>) -> Option<ClockOffset> {
    ClockOffset::refused(answer.status, &answer.code()?, answer.date(), device_now, known)
}

/// The words for a person when a device is refused.
pub fn explain(error: &ClientError) -> String {
    match error {
        ClientError::Refused { code, .. } if code == "code_wrong" => {
            "the one-time code is wrong, was used before, or is older than 7 days; ask an administrator for a new one \
             (chengguan device add)"
                .into()
        }
        ClientError::Refused { code, .. } if code == "device_revoked" => {
            "this device was revoked; its files stay here, untouched. An administrator must give it a new name and code"
                .into()
        }
        ClientError::Refused { code, .. } if code == "device_unknown" => {
            "the server does not know this device; enrol it again with a new one-time code".into()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_wrong_clock_is_corrected_once_and_a_bad_token_is_not_blamed_on_the_clock() {
        let date = at(0).to_rfc2822();
        let body = r#"{"type":"","title":"","status":401,"code":"token_invalid"}"#;
        let answer = Answer::made(401, &[("date", &date)], body);
        let offset = clock_refused(&answer, at(7200), None).unwrap();
        assert_eq!(offset.offset_ms, 7_200_000);
        assert_eq!(ClockOffset::correct(Some(offset), at(7200)), at(0));
        assert_eq!(clock_refused(&answer, at(7201), Some(offset)), None);
        let other =
            Answer::made(401, &[("date", &date)], r#"{"type":"","title":"","status":401,"code":"device_unknown"}"#);
        assert_eq!(clock_refused(&other, at(7200), None), None);
    }
}
