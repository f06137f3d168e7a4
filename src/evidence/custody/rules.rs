//! How long evidence is kept, who may delete it, and what a redaction covers.

use crate::{
    error::{Code, Result},
    identity::rules::{Role, text, text_enum},
};
use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

text_enum! {
    /// What was done with a piece of evidence.
    Action {
        /// Its details, its original or a large picture of it was shown.
        Seen = "seen",
        /// Its original was sent to be kept.
        Downloaded = "downloaded",
        /// It was put into a bundle for outsiders.
        Exported = "exported",
        /// It was said to belong to a record.
        Linked = "linked",
        /// That was taken back.
        Unlinked = "unlinked",
        /// A redacted picture was made of it.
        Redacted = "redacted",
        /// Its access or retention class was changed.
        ClassChanged = "class_changed",
        /// A legal hold was set.
        HoldSet = "hold_set",
        /// A legal hold was lifted.
        HoldLifted = "hold_lifted",
        /// Its deletion was proposed.
        DeletionProposed = "deletion_proposed",
        /// Its deletion was approved: seven days to undo it.
        DeletionApproved = "deletion_approved",
        /// Its deletion was withdrawn, refused or taken back.
        DeletionUndone = "deletion_undone",
        /// Its bytes were given up.
        Deleted = "deleted",
        /// Its bytes came again after they had been deleted.
        ArrivedAgain = "arrived_again",
    }
}

text_enum! {
    /// Who may open it how.
    AccessClass {
        /// Whoever may see it.
        Normal = "normal",
        /// Minors, medical matters, informants: only with a reason, which is recorded.
        Restricted = "restricted",
    }
}

text_enum! {
    /// How long it is kept. (公安机关现场执法视音频记录工作规定 art. 13 asks for six months at least, and for ever for
    /// what proves a case; it binds the police, and is the measure here.)
    RetentionClass {
        /// A fixed time after it was stored.
        General = "general",
        /// As long as the file of the case it proves.
        CaseLinked = "case_linked",
        /// For ever.
        Key = "key",
        /// As long as a legal hold stands.
        Hold = "hold",
    }
}

text_enum! {
    /// How far a deletion is.
    DeletionState {
        /// It waits for the second person.
        Proposed = "proposed",
        /// It waits for its week to be over.
        Approved = "approved",
        /// It was withdrawn, refused or taken back.
        Undone = "undone",
        /// The evidence is deleted.
        Done = "done",
    }
}

text_enum! {
    /// Why somebody opens an original.
    Purpose {
        /// To look at it here.
        Seen = "seen",
        /// To keep it.
        Downloaded = "downloaded",
    }
}

text_enum! {
    /// How a region is covered.
    Style {
        /// With a black box.
        Black = "black",
        /// With blocks of its mean colours.
        Mosaic = "mosaic",
    }
}

/// Repeated looks of one person at one piece are one line within this time.
pub const ONE_LOOK: TimeDelta = TimeDelta::minutes(10);
/// The longer side from which on a picture counts as a look, pixels.
pub const LOOK_EDGE: u32 = 640;
/// How long a deletion can be undone after its approval.
pub const UNDO_FOR: TimeDelta = TimeDelta::days(7);
/// The Centre proposes a deletion, and the administrator.
pub const PROPOSERS: &[Role] = &[Role::Dispatcher, Role::Admin];
/// The county government's inspectors (督查室), outside the Centre, approve it.
pub const APPROVERS: &[Role] = &[Role::Supervisor];
/// Both can undo it, and set holds.
pub const KEEPERS: &[Role] = &[Role::Dispatcher, Role::Supervisor, Role::Admin];

/// A reason in its one spelling: 1–500 characters.
///
/// # Errors
/// `value_invalid`.
pub fn reason(given: &str) -> Result<String> {
    let given = given.trim();
    text("reason", given, 500)?;
    Ok(given.to_owned())
}

/// A record that evidence proves: a case, a spot check, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// Not over yet, or not here yet.
    Open,
    /// Closed and filed then.
    Ended(DateTime<Utc>),
}

/// The county's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long general evidence is kept, days; 183 or more.
    pub general_days: u32,
    /// How long a case's file is kept after its end, years.
    pub case_years: u32,
}

/// What decides how long a piece is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// When its bytes were stored.
    pub stored_at: DateTime<Utc>,
    /// What a person asked for.
    pub raised: RetentionClass,
    /// What it proves.
    pub records: Vec<Record>,
    /// Holds that stand.
    pub holds: usize,
}

/// How long a piece is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The strongest of its reasons.
    pub class: RetentionClass,
    /// From then on its deletion may be proposed; none while a reason has no end.
    pub delete_after: Option<DateTime<Utc>>,
}

impl Keeping {
    /// Several reasons make the longest time.
    pub fn retention(&self, terms: Terms) -> Retention {
        let years = |from: DateTime<Utc>| from.checked_add_months(Months::new(terms.case_years.saturating_mul(12)));
        let mut reasons = vec![(
            RetentionClass::General,
            self.stored_at.checked_add_signed(TimeDelta::days(terms.general_days.max(183).into())),
        )];
        reasons.extend(self.records.iter().map(|record| {
            let end = match record {
                Record::Open => None,
                Record::Ended(at) => years(*at),
            };
            (RetentionClass::CaseLinked, end)
        }));
        match self.raised {
            RetentionClass::General => {}
            RetentionClass::CaseLinked => reasons.push((RetentionClass::CaseLinked, years(self.stored_at))),
            endless => reasons.push((endless, None)),
        }
        if self.holds > 0 {
            reasons.push((RetentionClass::Hold, None));
        }
        let class = reasons.iter().map(|(class, _)| *class).max_by_key(|class| class.rank());
        let ends: Option<Vec<DateTime<Utc>>> = reasons.iter().map(|(_, end)| *end).collect();
        Retention {
            class: class.unwrap_or(RetentionClass::General),
            delete_after: ends.and_then(|ends| ends.into_iter().max()),
        }
    }

    /// Whether the evidence may be deleted now.
    ///
    /// # Errors
    /// `legal_hold`, `case_open`, or `retention_running` with the day it ends.
    pub fn deletable(&self, terms: Terms, now: DateTime<Utc>) -> Result<()> {
        if self.holds > 0 {
            return Err(Code::LegalHold.into());
        }
        if self.records.contains(&Record::Open) {
            return Err(Code::CaseOpen.into());
        }
        match self.retention(terms).delete_after {
            Some(end) if end <= now => Ok(()),
            Some(end) => Err(Code::RetentionRunning.with(end.to_rfc3339())),
            None => Err(Code::RetentionRunning.with("key")),
        }
    }
}

impl RetentionClass {
    /// The stronger, the higher.
    pub fn rank(self) -> u8 {
        match self {
            RetentionClass::General => 0,
            RetentionClass::CaseLinked => 1,
            RetentionClass::Key => 2,
            RetentionClass::Hold => 3,
        }
    }
}

/// Whether a person may change what is asked for: anybody who keeps evidence can raise it, lowering it takes the
/// inspectors. A hold is set and lifted on its own.
///
/// # Errors
/// `value_invalid` or `role_forbidden`.
pub fn may_set_class(role: Role, from: RetentionClass, to: RetentionClass) -> Result<()> {
    if to == RetentionClass::Hold {
        return Err(Code::ValueInvalid.with("class: general, case_linked or key; holds are set apart"));
    }
    if to.rank() < from.rank() && !APPROVERS.contains(&role) {
        return Err(Code::RoleForbidden.into());
    }
    Ok(())
}

/// A rectangle of the upright picture, thousandths of its width and height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// From the left edge, 0–999.
    pub x: u16,
    /// From the upper edge, 0–999.
    pub y: u16,
    /// Width, 1–1000.
    pub w: u16,
    /// Height, 1–1000.
    pub h: u16,
}

/// The same rectangle in pixels; it is never empty and lies inside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pixels {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

impl Region {
    /// Whether it lies inside the picture.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        let inside = |from: u16, length: u16| length > 0 && from < 1000 && u32::from(from) + u32::from(length) <= 1000;
        if inside(self.x, self.w) && inside(self.y, self.h) {
            return Ok(());
        }
        Err(Code::ValueInvalid.with("regions: x + w and y + h are at most 1000, w and h at least 1"))
    }

    /// Every pixel that it touches.
    pub fn pixels(&self, width: u32, height: u32) -> Pixels {
        let span = |from: u16, length: u16, whole: u32| {
            let (whole, from, to) = (u64::from(whole), u64::from(from), u64::from(from) + u64::from(length));
            let first = (from * whole / 1000).min(whole.saturating_sub(1));
            let last = (to * whole).div_ceil(1000).clamp(first + 1, whole.max(first + 1));
            (u32::try_from(first).unwrap_or(u32::MAX), u32::try_from(last - first).unwrap_or(u32::MAX))
        };
        let ((left, width), (top, height)) = (span(self.x, self.w, width), span(self.y, self.h, height));
        Pixels { left, top, width, height }
    }
}

impl Pixels {
    /// The edge of a mosaic's blocks, pixels: at most twelve along the longer side, so that a face or a plate becomes
    /// fewer colours than it has features, and never under 16.
    pub fn block(&self) -> u32 {
        self.width.max(self.height).div_ceil(12).max(16)
    }
}

/// Regions of one redaction.
pub const MOST_REGIONS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { general_days: 183, case_years: 10 };

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}T00:00:00Z").parse().unwrap()
    }

    fn keeping(raised: RetentionClass, records: &[Record], holds: usize) -> Keeping {
        Keeping { stored_at: at("2026-01-31"), raised, records: records.to_vec(), holds }
    }

    #[test]
    fn the_longest_reason_decides() {
        use Record::{Ended, Open};
        use RetentionClass::{CaseLinked, General, Hold, Key};
        let (early, late) = (Ended(at("2020-02-29")), Ended(at("2027-03-01")));
        for (raised, records, holds, class, delete_after) in [
            (General, &[][..], 0, General, Some("2026-08-02")),
            (General, &[late], 0, CaseLinked, Some("2037-03-01")),
            (General, &[early], 0, CaseLinked, Some("2030-02-28")),
            (General, &[Ended(at("2010-01-01"))], 0, CaseLinked, Some("2026-08-02")),
            (General, &[late, early], 0, CaseLinked, Some("2037-03-01")),
            (General, &[late, Open], 0, CaseLinked, None),
            (CaseLinked, &[], 0, CaseLinked, Some("2036-01-31")),
            (CaseLinked, &[late], 0, CaseLinked, Some("2037-03-01")),
            (Key, &[], 0, Key, None),
            (Key, &[late], 0, Key, None),
            (General, &[], 1, Hold, None),
            (Key, &[Open], 2, Hold, None),
        ] {
            let keeping = keeping(raised, records, holds);
            let expected = Retention { class, delete_after: delete_after.map(at) };
            assert_eq!(keeping.retention(TERMS), expected, "{keeping:?}");
        }
        let short = Terms { general_days: 1, case_years: 10 };
        let kept = keeping(General, &[], 0).retention(short).delete_after;
        assert_eq!(kept, Some(at("2026-08-02")), "no setting goes under the six months");
    }

    #[test]
    fn nothing_is_deleted_too_early_under_a_hold_or_with_an_open_record() {
        use RetentionClass::{General, Key};
        let (open, ended) = (&[Record::Open][..], &[Record::Ended(at("2010-01-01"))][..]);
        for (raised, records, holds, now, code) in [
            (General, &[][..], 0, "2026-08-02", None),
            (General, &[], 0, "2026-08-01", Some(Code::RetentionRunning)),
            (General, ended, 0, "2026-08-02", None),
            (General, open, 0, "2099-01-01", Some(Code::CaseOpen)),
            (General, open, 1, "2099-01-01", Some(Code::LegalHold)),
            (General, &[], 1, "2099-01-01", Some(Code::LegalHold)),
            (Key, &[], 0, "2099-01-01", Some(Code::RetentionRunning)),
        ] {
            let keeping = keeping(raised, records, holds);
            assert_eq!(keeping.deletable(TERMS, at(now)).err().map(|e| e.code), code, "{keeping:?} {now}");
        }
    }

    #[test]
    fn anybody_who_keeps_evidence_raises_its_class_and_only_the_inspectors_lower_it() {
        use RetentionClass::{General, Hold, Key};
        assert!(may_set_class(Role::Dispatcher, General, Key).is_ok());
        assert!(may_set_class(Role::Dispatcher, Key, Key).is_ok());
        assert_eq!(may_set_class(Role::Admin, Key, General).unwrap_err().code, Code::RoleForbidden);
        assert!(may_set_class(Role::Supervisor, Key, General).is_ok());
        assert_eq!(may_set_class(Role::Supervisor, General, Hold).unwrap_err().code, Code::ValueInvalid);
    }

    #[test]
    fn those_who_propose_and_those_who_approve_have_no_role_in_common() {
        assert!(PROPOSERS.iter().all(|role| !APPROVERS.contains(role)));
        assert!(PROPOSERS.iter().chain(APPROVERS).all(|role| KEEPERS.contains(role)));
    }

    #[test]
    fn a_region_covers_every_pixel_it_touches_and_no_pixel_outside() {
        let region = |x, y, w, h| Region { x, y, w, h };
        for (region, size, expected) in [
            (region(0, 0, 1000, 1000), (640, 480), (0, 0, 640, 480)),
            (region(1, 1, 1, 1), (640, 480), (0, 0, 2, 1)),
            (region(500, 500, 1, 1), (1, 1), (0, 0, 1, 1)),
            (region(999, 999, 1, 1), (4000, 3000), (3996, 2997, 4, 3)),
            (region(250, 500, 500, 250), (100, 10), (25, 5, 50, 3)),
        ] {
            let p = region.pixels(size.0, size.1);
            assert_eq!((p.left, p.top, p.width, p.height), expected, "{region:?}");
            assert!(p.left + p.width <= size.0 && p.top + p.height <= size.1);
            assert!(region.check().is_ok());
        }
        for wrong in [region(0, 0, 0, 1), region(0, 0, 1, 0), region(1000, 0, 1, 1), region(500, 0, 501, 1)] {
            assert_eq!(wrong.check().unwrap_err().code, Code::ValueInvalid, "{wrong:?}");
        }
    }

    #[test]
    fn a_mosaic_has_few_and_large_blocks() {
        let block = |width, height| Pixels { left: 0, top: 0, width, height }.block();
        assert_eq!((block(10, 5), block(192, 100), block(193, 100), block(100, 1201)), (16, 16, 17, 101));
    }
}
