//! The exchange between the city's platform (市平台, 431200) and ours (县分平台, 431221), for the loop's steps that both share.
//!
//! The city dispatches a case; ours acknowledges, feeds back, asks for verification, for an extension, or sends the
//! case back; the city verifies, decides, sends its closing notice, and from time to time a list to compare. Messages
//! are JSON in one envelope ([`wire`], `api-spec/city.md`), signed over their bytes, numbered without gaps in each direction; a file with a
//! message a line stands in where the network fails. What goes out is written in the transaction of the step it tells
//! of ([`outbox`]) and sent by [`sweep`], by one process at a time.
//!
//! Locks are taken in one order: the row of `in`, then cases, then their links, then the row of `out`.
//!
//! Invariants (held by `tests/it/city.rs`):
//! * a message has one effect, however often it comes, and a repeat gets the first answer;
//! * messages take effect in the order of their numbers; what came ahead is kept until the gap is filled;
//! * a step of the city's case has its message, or neither is there; without a link nothing is queued;
//! * the city's deadline is the city's; ours stands beside it, and a difference is shown;
//! * every case of the city's is acknowledged once there is a link, however it came;
//! * what the other side refused stays until a person sends it anew or gives it up with a reason.

pub mod actions;
pub mod import;
pub mod outbox;
pub mod routes;
pub mod rules;
pub mod store;
pub mod sweep;
pub mod wire;
