//! A county at work: the fleet of the demonstration, with the county's numbers, on real HTTP and a bad network.
//!
//! `county` enters people, sites and devices; `handheld`, `camera` and `office` act; `link` is the network that breaks;
//! `fleet` is the plot; `check` reads everything back as a stranger would; `report` says what came out. `media` makes the
//! photos and videos.
//!
//! `dst` simulates sync on memory, seed by seed; `torture` kills processes at random and reads everything back.
//!
//! The clients are the real ones of `client` and `dock`; nothing here knows the server but over HTTP; the reckoning of
//! `torture` reads its tables besides, and `dst` has a server of its own around the real decisions.

pub mod camera;
pub mod check;
pub mod county;
pub mod dst;
pub mod fleet;
pub mod handheld;
pub mod link;
pub mod media;
pub mod office;
pub mod report;
pub mod torture;
