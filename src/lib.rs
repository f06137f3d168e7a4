//! `chengguan`: the field-sync platform of a county's urban management (智慧城管).
//!
//! Handhelds work for hours without a network, body cameras bring gigabytes, officials act and score units on the
//! record. The promise: **what a person saved is never lost, never applied twice, never silently overwritten, and
//! anyone can check that the record was not changed.**
//!
//! # Map
//!
//! One crate, one binary. Areas are vertical slices with fixed file names, each importing only those above it in this
//! list; `tests/it/tidy.rs` reads the source and holds that.
//!
//! | module | what it is |
//! |---|---|
//! | [`error`], [`env`], [`config`] | stable codes; clock, ids and dice as values; settings |
//! | [`db`] | one Diesel code base on SQLite and PostgreSQL, transactions, the change feed |
//! | [`blob`] | files: staging, digests, content-addressed originals |
//! | [`identity`] | units, people, sessions, devices, tokens |
//! | [`evidence`] | photos and video: declaration, tus uploads, what a file says about itself |
//! | [`cases`] | the loop in seven steps and its side paths |
//! | [`spotchecks`] | the nine sites of a unit and their weekly records |
//! | [`sync`] | operations in, stored results out; the feed for each reader |
//! | [`client`], [`dock`] | the handheld's engine in Rust; the body cameras' uploader |
//! | [`sim`] | a county, its media and its fleet, for `demo` and tests |
//! | [`http`], [`app`], [`cli`] | the edge, the composition root, the command line |
//!
//! In an area: `rules.rs` is pure (no clock, no database, no HTTP), `store.rs` speaks Diesel, `actions.rs` are the use
//! cases inside an open transaction, `routes.rs` is HTTP. Sync, REST, jobs and the command line call the same actions.
//!
//! # A write, from the wire to the disk
//!
//! `routes` parses → `Database::write` opens the transaction → `actions` load, let `rules` decide, save, announce the
//! change → held operations that waited for it are judged again → the feed numbers the changes → commit → answer.
//! On SQLite one writer thread commits many waiting requests with one fsync; on PostgreSQL the feed's counter row is
//! bumped last. Bytes of evidence go to disk (fsync of file and folder) before any row names them, and no connection
//! is held meanwhile.
//!
//! # Decisions that cost a day to reverse
//!
//! * **Commands, not row copies.** Devices send immutable operations with their own ids; the server's rules decide.
//! * **The stored result is the answer.** A push is answered by reading the results back after the commit, so the
//!   first answer and every repeat come from the same row.
//! * **A dense counter as cursor**, taken after everything else: a sequence's numbers commit out of order, and a
//!   reader that follows them loses rows.
//! * **The feed stores that a record changed, not the record.** It is read when it is pulled, in the same snapshot,
//!   and checked against the reader's keys once more, so nobody gets what has left their sight meanwhile.
//! * **Waiting is a table of keys** (`op:…`, `evidence:…`, `login:…`, `type:…`). Whatever transaction brings one of
//!   them re-judges the operations that wait, through [`db::Tx::settle`]; areas need not know sync for it.
//! * **An operation counts as a person's only in a session begun on that very device.** A device's key proves the
//!   device; without the session it could speak for anybody. Otherwise it is held until the person signs in there.
//! * **One crypto library** (`aws-lc-rs`, which `jsonwebtoken` needs anyway) for hashes, HMAC and P-256.
//!
//! Protocol semantics: `api-spec/sync.md`. HTTP: `api-spec/openapi.json`, generated. Codes: `api-spec/problems.md`.

pub mod app;
pub mod blob;
pub mod cases;
pub mod cli;
pub mod client;
pub mod config;
pub mod db;
pub mod dock;
pub mod env;
pub mod error;
pub mod evidence;
pub mod http;
pub mod identity;
pub mod sim;
pub mod spotchecks;
pub mod sync;
