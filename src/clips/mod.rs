//! Clips (执法记录): what body cameras recorded, who wore them, and what case each belongs to.
//!
//! A stored video that a camera or a dock sent is a clip. The roster says who carried which camera on which shift. A
//! clip is proposed to the cases that its wearer worked on about that time and place, with a score and its parts; a
//! person decides, and the link is a leaf of the transparency log. What nobody claims waits in a queue with its age.
//! `usage` counts what each device does with its time (一机一账).
//!
//! Invariants (held by `rules.rs` and `tests/it/clips.rs`):
//! * only a person links a clip to a case; the score only sorts;
//! * the camera's own time stands as it came, a corrected one beside it;
//! * one camera is with one person at a time;
//! * every video of a camera is here, whatever it says about itself.

pub mod actions;
pub mod routes;
pub mod rules;
pub mod store;
pub mod sweep;
pub mod usage;
