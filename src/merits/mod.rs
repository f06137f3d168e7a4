//! The positive/negative list (正负面清单) of a month: what a unit was praised or blamed for, on the record.
//!
//! An entry says which unit, which item of the regulation, how often, what happened, when, where that is written,
//! and carries its evidence. It counts once somebody else has approved it. What it is worth is data of the assessment's rule
//! set; the item that is computed, fewer cases than a year before, is counted here from the cases themselves.
//!
//! Invariants (held by `rules.rs` and `tests/it/merits.rs`):
//! * whoever entered an entry never decides on it;
//! * a decision or a withdrawal adds to an entry; what was entered is never changed;
//! * every unit may see every approved entry (全面公开); what is not approved is the Centre's;
//! * only fewer cases than in the same month a year before count, by whole percentage points.

pub mod actions;
pub mod routes;
pub mod rules;
pub mod store;
