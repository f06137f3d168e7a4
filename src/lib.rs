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
//! | [`error`], [`env`], [`config`], [`canonical`] | stable codes; clock, ids and dice as values; settings; what is hashed |
//! | [`db`] | one Diesel code base on SQLite and PostgreSQL, transactions, the change feed |
//! | [`blob`] | bytes: staging, digests, content-addressed originals in a folder or an S3-compatible store |
//! | [`document`] | tables, letters and reports for print: workbook, Word file, PDF, page |
//! | [`identity`] | units, people, sessions, devices, tokens |
//! | [`calendar`] | when is worked; deadlines that explain themselves |
//! | [`catalogue`] | what cases are about: classes by code, conditions, limits, in versions |
//! | [`tlog`] | the transparency log: facts as leaves of one Merkle tree |
//! | [`evidence`] | photos and video: declaration, tus uploads, what a file says about itself, custody, re-use, tracks |
//! | [`grids`] | the county's grid units, and who is responsible where for what |
//! | [`basemap`] | what lies under the handheld's map |
//! | [`captures`] | what devices signed and chained |
//! | [`cases`] | the loop in seven steps and its side paths |
//! | [`city`] | the exchange with the city's platform: signed messages, numbered without gaps |
//! | [`statistics`] | the figures of a month, quarter or year, and the records behind each |
//! | [`spots`] | places of recurring problems: observations, recurrence, similar cases, the monthly top list |
//! | [`workbench`] | queues, claims, many at once; units are urged, and may object |
//! | [`spotchecks`] | the sample library, the draw that anybody can recompute, visits and their records |
//! | [`supervision`] | supervision letters: drafted from what recurs and what is overdue, answered, graded |
//! | [`merits`] | the positive/negative list of a month, entered by one person and approved by another |
//! | [`assessment`] | a month's scores as lines that open to records; objections, editions, the pack to replay |
//! | [`selfeval`] | the tables of a year's self-evaluation, scored by their printed rules |
//! | [`clips`] | what body cameras recorded, whose it is; the book of devices |
//! | [`proof`] | bundles of evidence that are checked without us; the nightly check of what is kept |
//! | [`opendata`], [`ogc`] | what is open, as files and as layers for maps |
//! | [`open311`] | reports of the public by GeoReport v2, and what became of them |
//! | [`sync`] | operations in, stored results out; the feed for each reader; reviews, losses, receipts |
//! | [`client`], [`dock`] | the handheld's engine in Rust; the body cameras' uploader |
//! | [`sim`] | a county, its media and its fleet, for `demo`, `simulate`, `torture` and tests |
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
//! # Sync, decided without IO
//!
//! What decides touches no clock, dice, disk, network or database (`tests/it/tidy.rs` names the files). It asks and
//! answers through four traits, each with two implementations, one of them memory that a simulation can break:
//!
//! | decides | asks | the real one | in `sim::dst` |
//! |---|---|---|---|
//! | [`sync::engine`]: what becomes of operations | [`sync::record::Record`] | [`sync::ledger`] | `memory` |
//! | [`sync::pull`]: what a reader is told | [`sync::pull::Source`] | [`sync::source`] | `view` |
//! | [`cases::desk`] with [`cases::edit`]: steps of cases | [`cases::desk::Shelf`] | [`cases::actions`] | `memory` |
//! | [`client::engine`]: what a device says next | [`client::keep::Keep`] | [`client::store`] | `pocket` |
//!
//! Around them on the server: [`sync::push`] batches, [`sync::live`] wakes readers, [`sync::jobs`] tidies,
//! [`sync::review`], [`sync::health`] and [`sync::centre`] serve the Centre. [`sim::dst`] lives through histories on
//! memory, [`sim::torture`] kills real processes. The rules that both judge by stand on the page of [`sync`].
//!
//! # Decisions that cost a day to reverse
//!
//! * **Commands, not row copies.** Devices send immutable operations with their own ids; the server's rules decide.
//! * **The stored result is the answer.** A push is answered after the commit, from the rows that were written; a
//!   repeat reads the same rows.
//! * **A dense counter as cursor**, taken after everything else: a sequence's numbers commit out of order, and a
//!   reader that follows them loses rows.
//! * **Many pushes, one transaction.** What waits together is read, decided in memory and written in batches; one
//!   commit carries it. Each push still fails alone: an operation that breaks a batch is found by trying and kept.
//! * **A try has a number, stored before it is sent; a device's numbering has an epoch.** A number used before means a
//!   copied or restored store: it begins an epoch and numbers its unsent work anew, and nothing of either is lost.
//!   Numbers that never came are the loss ledger.
//! * **A life of the data has a name, the generation.** A token or cursor that knows more than the server shows that a
//!   backup was put back; then devices send again what they still keep. Where nobody notices, `missing_seqs` names what
//!   a device already has an answer for, and the device sends that.
//! * **A rule that can't fail proves nothing.** The simulation runs the real decisions, a seed is one history, and each
//!   planted defect ([`sim::dst::Mutant`]) must break a rule; `torture`'s reckoning is held by planted damage.
//! * **The feed stores that a record changed, not the record.** It is read when it is pulled, in the same snapshot,
//!   and checked against the reader's keys once more, so nobody gets what has left their sight meanwhile.
//! * **Waiting is a table of keys** (`op:…`, `evidence:…`, `login:…`, `type:…`). Whatever transaction brings one of
//!   them re-judges the operations that wait, through [`db::Tx::settle`]; areas need not know sync for it.
//! * **An operation counts as a person's only in a session begun on that very device.** A device's key proves the
//!   device; without the session it could speak for anybody. Otherwise it is held until the person signs in there.
//! * **A fact is a leaf in the transaction that makes it true; its place in the tree comes later.** Else every write would
//!   wait for every other's place. Several processes take turns at giving places, by one locked row.
//! * **No byte leaves without an `Opened`.** Only custody makes one, after the look is on record and committed; whoever
//!   adds a way to the bytes has to come by.
//! * **Uploads are always staged on a local (or shared) folder**, wherever the originals live: what is acknowledged must be
//!   durable at once, and only whole, verified files go on.
//! * **One crypto library** (`aws-lc-rs`, which `jsonwebtoken` needs anyway) for hashes, HMAC and P-256.
//!
//! Protocol semantics: `api-spec/sync.md`. HTTP: `api-spec/openapi.json`, generated. Codes: `api-spec/problems.md`.

pub mod app;
pub mod assessment;
pub mod basemap;
pub mod blob;
pub mod calendar;
pub mod canonical;
pub mod captures;
pub mod cases;
pub mod catalogue;
pub mod city;
pub mod cli;
pub mod client;
pub mod clips;
pub mod config;
pub mod db;
pub mod dock;
pub mod document;
pub mod env;
pub mod error;
pub mod evidence;
pub mod grids;
pub mod http;
pub mod identity;
pub mod merits;
pub mod ogc;
pub mod open311;
pub mod opendata;
pub mod proof;
pub mod selfeval;
pub mod sim;
pub mod spotchecks;
pub mod spots;
pub mod statistics;
pub mod supervision;
pub mod sync;
pub mod tlog;
pub mod workbench;
