//! A county at work: the fleet of the demonstration, with the county's numbers, on real HTTP and a bad network.
//!
//! `county` enters people, sites and devices; `handheld`, `camera` and `office` act; `link` is the network that breaks;
//! `judging` draws a week and runs a month; `fleet` is the plot; `check` reads everything back as a stranger would; `report` says what came out. `media` makes the
//! photos and videos.
//!
//! `city` is the city's platform on the other side of the exchange, and lives through a year with it.
//!
//! `dst` simulates sync on memory, seed by seed; `torture` kills processes at random and reads everything back.
//!
//! The clients are the real ones of `client` and `dock`; nothing here knows the server but over HTTP; the reckoning of
//! `torture` reads its tables besides, `dst` has a server of its own around the real decisions, and people of `city`'s
//! county act straight on the database, because a year of them has to pass in minutes.

pub mod camera;
pub mod check;
pub mod city;
pub mod county;
pub mod dst;
pub mod fleet;
pub mod handheld;
pub mod judging;
pub mod link;
pub mod media;
pub mod office;
pub mod report;
pub mod torture;
