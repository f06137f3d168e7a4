//! Offline work comes home: operations in, stored results out, and a feed of what changed.
//!
//! Devices send immutable operations; the areas' own actions decide; each operation has one stored result, which a
//! repeat gets again. Readers follow the feed from a cursor and get only what their audience keys let them see.
//!
//! `engine` decides about operations and `pull` about reading, both without IO: on the traits [`record::Record`] and
//! [`pull::Source`], with the words of `wire`, the outcomes of `verdict` and the operation types of `types`. `ledger`
//! and `source` are those traits on an open transaction, `store` their tables. `push` takes the pushes that wait
//! together in one transaction, `live` wakes readers, `jobs` hands over what waits too long and forgets old changes.
//! `review`, `health` and `centre` are for people at the Centre; `routes` is HTTP.
//!
//! Invariants (held by `tests/it/dst.rs`, whose judge, `sim/dst/check.rs`, gives them these names; the other files of
//! `tests/it` named here hold them besides on the real databases, `torture` with real processes that are killed):
//!
//! | rule | what holds, whatever happens | held besides by |
//! |---|---|---|
//! | I1 | what was answered, or lies in a living store, is on the server with its payload | `crash`, `torture` |
//! | I2 | an operation takes effect at most once; a record's versions and lines are dense | `sync`, `torture` |
//! | I3 | a terminal result is the same at every repeat and in the feed | `sync`, `torture` |
//! | I4 | what waits for a person can be found; nothing is refused for coming early | `sync`, `torture` |
//! | I5 | effect, stored result and feed row are there together or not at all | `torture` |
//! | I6 | nothing takes effect before or without what it builds on, unless a person says so | `sync`, `torture` |
//! | C1 | when all is quiet, a device shows exactly what its reader may see | `torture` |
//! | C2 | the numbers of a page rise, and end at the page's own | – |
//! | C3 | the feed's numbers have no hole | `sync`; `torture`, which calls it C2 |
//! | C4 | digests agree when records do | `protocol` |
//! | C5 | what came of a device's own work does not disappear from its sight again | `client/store/tests.rs` |
//! | C6 | when all is quiet, a device says of its unsettled work what the server says | `client/store/tests.rs` |
//! | S1 | no reader gets a record outside their audience | `sync`, `protocol` |
//! | S2 | a device that was told that it is revoked shows nothing of what it had read | `client/store/tests.rs` |
//! | L1 | when nothing fails any more, all work comes home and no device stops | `torture` |
//! | L2 | nobody asks without pause, in silence or in a circle | `client/engine/tests.rs` |
//! | D1 | the loss ledger names the numbers of which no operation came, and no others | `protocol` |
//! | E1 | a device that nobody copied is never taken for a copy | `protocol` |
//! | E2 | within an epoch no two operations bear the same number | `protocol` |
//! | T1 | nothing but `case.confirm_closing` waits for a photo (`torture` calls another rule so) | – |
//! | `time` | a moment called `good` is right, but for the time a request is under way | `protocol`, `vectors` |
//! | `held` | nothing is held for what has come, nor for more than three days | `protocol`, `torture` |
//! | `store` | the client's own store refuses nothing that the protocol asks of it | `client` |
//!
//! I1 has the limit that `api-spec/sync.md` names under `missing_seqs`; C5, D1 and E1 are not judged once the simulated
//! server was restored, and D1 is judged more mildly for a device that was copied.
//!
//! Not among them: one bad operation never blocks its neighbours, and a push needs the device's key and nothing else,
//! while reading needs a person who is signed in (`sync`); pushes and pages travel packed, and a device may hop between
//! the servers of one database (`carriage`).

pub mod centre;
pub mod engine;
pub mod health;
pub mod jobs;
pub mod ledger;
pub mod live;
pub mod pull;
pub mod push;
pub mod record;
pub mod review;
pub mod routes;
pub mod source;
pub mod store;
pub mod types;
pub mod verdict;
pub mod wire;
