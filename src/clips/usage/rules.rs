//! What counts as used, and why not.

use super::CameraUse;
use crate::identity::rules::text_enum;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

text_enum! {
    /// How a device stands.
    UseState {
        /// 在用.
        InUse = "in_use",
        /// 在册未用: registered, and not used.
        Idle = "idle",
        /// 失联: nothing of it arrives any more.
        Lost = "lost",
        /// 待修: an administrator said so.
        Repair = "repair",
    }
}

/// Used within so long, it is in use: a week has every shift in it.
pub const USED_WITHIN: TimeDelta = TimeDelta::days(7);
/// Nothing heard for so long, it is lost.
pub const LOST_AFTER: TimeDelta = TimeDelta::days(30);
/// Files that are here within a day are to be so many, thousandths.
pub const WITHIN_A_DAY: i64 = 800;

/// What is known of a device's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it was entered.
    pub added_at: DateTime<Utc>,
    /// Whether it ever became known.
    pub enrolled: bool,
    /// Whether it was revoked.
    pub revoked: bool,
    /// Whether it waits for repair.
    pub repair: bool,
    /// When it was last used, by its own record.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When something of it last arrived.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// How a device stands, since how many whole days, and why: `flagged`, `revoked`, `never_enrolled`, `never_used`,
/// `silent`, `not_used` or `used`.
pub fn state(life: &Life, now: DateTime<Utc>) -> (UseState, Option<i64>, &'static str) {
    let days = |since: DateTime<Utc>| Some((now - since).num_days().max(0));
    if life.repair {
        return (UseState::Repair, None, "flagged");
    }
    let Some(seen) = life.last_seen_at else {
        let why = if life.enrolled { "never_used" } else { "never_enrolled" };
        return match life.revoked {
            true => (UseState::Lost, days(life.added_at), "revoked"),
            false => (UseState::Idle, days(life.added_at), why),
        };
    };
    if life.revoked {
        return (UseState::Lost, days(seen), "revoked");
    }
    if now - seen > LOST_AFTER {
        return (UseState::Lost, days(seen), "silent");
    }
    match life.last_used_at {
        Some(used) if now - used <= USED_WITHIN => (UseState::InUse, None, "used"),
        Some(used) => (UseState::Idle, days(used), "not_used"),
        None => (UseState::Idle, days(life.added_at), "never_used"),
    }
}

/// What else is to be said of a camera: `not_registered`, `rostered_not_recording`, `late_uploads`, `footage_unclaimed`.
pub fn reasons(did: &CameraUse, registered: bool) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    reasons.extend((!registered).then_some("not_registered"));
    reasons.extend((did.rostered_s > 0 && did.recorded_s == 0).then_some("rostered_not_recording"));
    reasons.extend(did.within_24h_milli.is_some_and(|share| share < WITHIN_A_DAY).then_some("late_uploads"));
    reasons.extend((did.unclaimed_s * 2 > did.recorded_s).then_some("footage_unclaimed"));
    reasons
}

/// A share in thousandths, rounded down; none of nothing.
pub fn milli(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| i64::try_from(i128::from(part) * 1000 / i128::from(whole)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_stands_where_its_last_sign_of_life_puts_it() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let ago = |days: i64| now - TimeDelta::days(days);
        let fresh = Life {
            added_at: ago(90),
            enrolled: true,
            revoked: false,
            repair: false,
            last_used_at: Some(ago(7)),
            last_seen_at: Some(ago(1)),
        };
        for (life, expected) in [
            (fresh, (UseState::InUse, None, "used")),
            (Life { last_used_at: Some(ago(8)), ..fresh }, (UseState::Idle, Some(8), "not_used")),
            (Life { last_used_at: None, ..fresh }, (UseState::Idle, Some(90), "never_used")),
            (Life { last_seen_at: None, last_used_at: None, ..fresh }, (UseState::Idle, Some(90), "never_used")),
            (
                Life { last_seen_at: None, last_used_at: None, enrolled: false, ..fresh },
                (UseState::Idle, Some(90), "never_enrolled"),
            ),
            (
                Life { last_used_at: Some(ago(40)), last_seen_at: Some(ago(31)), ..fresh },
                (UseState::Lost, Some(31), "silent"),
            ),
            (Life { last_seen_at: Some(ago(30)), ..fresh }, (UseState::InUse, None, "used")),
            (Life { revoked: true, ..fresh }, (UseState::Lost, Some(1), "revoked")),
            (Life { revoked: true, last_seen_at: None, ..fresh }, (UseState::Lost, Some(90), "revoked")),
            (Life { repair: true, revoked: true, ..fresh }, (UseState::Repair, None, "flagged")),
            // Its clock is ahead: no negative days.
            (Life { last_used_at: None, added_at: ago(-2), ..fresh }, (UseState::Idle, Some(0), "never_used")),
        ] {
            assert_eq!(state(&life, now), expected, "{life:?}");
        }
    }

    #[test]
    fn a_camera_s_reasons_name_what_to_ask_about() {
        let good = CameraUse {
            files: 10,
            recorded_s: 3600,
            linked_s: 1800,
            unclaimed_s: 1800,
            within_24h_milli: Some(800),
            ..CameraUse::default()
        };
        assert_eq!(reasons(&good, true), Vec::<&str>::new());
        assert_eq!(reasons(&CameraUse { unclaimed_s: 1801, ..good.clone() }, true), ["footage_unclaimed"]);
        assert_eq!(
            reasons(&CameraUse { within_24h_milli: Some(799), ..good }, false),
            ["not_registered", "late_uploads"]
        );
        let hung_up = CameraUse { rostered_s: 8 * 3600, ..CameraUse::default() };
        assert_eq!(reasons(&hung_up, true), ["rostered_not_recording"]);
        assert_eq!((milli(1, 3), milli(1, 0), milli(i64::MAX, 1)), (Some(333), None, Some(i64::MAX)));
    }
}
