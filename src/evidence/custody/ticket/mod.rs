//! Addresses of bytes for players and downloads: they fetch by themselves, in parts, and can't bring a token.
//!
//! A ticket names a piece, a person, a purpose and a reason, is sealed by the server and good for an hour. What it opens is
//! judged anew at each request, as if the person asked, and is on record like any other look.

pub mod routes;
