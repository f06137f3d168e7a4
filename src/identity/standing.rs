//! Whether who sent something may still act.

use super::store;
use crate::{
    db::{
        Db,
        types::{At, DeviceId, UserId},
    },
    error::{Code, Result},
};

/// What took the right of a sender away, and when: `device_revoked`, `account_disabled`. Empty while they may act.
///
/// # Errors
/// The engine's own.
pub fn ended(db: &mut Db, device: Option<DeviceId>, user: Option<UserId>) -> Result<Vec<(Code, At)>> {
    let mut ended = Vec::new();
    if let Some(device) = device {
        let revoked = store::device_get(db, device)?.and_then(|device| device.revoked_at);
        ended.extend(revoked.map(|at| (Code::DeviceRevoked, at)));
    }
    if let Some(user) = user {
        let disabled = store::user_get(db, user)?.and_then(|user| user.disabled_at);
        ended.extend(disabled.map(|at| (Code::AccountDisabled, at)));
    }
    Ok(ended)
}
