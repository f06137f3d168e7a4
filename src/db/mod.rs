//! One Diesel code base on SQLite and PostgreSQL.
//!
//! `Db` is a connection to either engine; `Each` and [`on_each!`] reach what Diesel offers on each engine but not on
//! their union (`ON CONFLICT`, batch inserts). [`Database`] owns the connections and the transactions:
//!
//! * SQLite: WAL, `synchronous=FULL`, one writer thread that commits many waiting requests with one fsync; readers apart.
//! * PostgreSQL: READ COMMITTED, a bounded pool, the feed counter bumped as late as possible.
//!
//! Invariants:
//! * the engine is chosen by the URL's scheme alone; a PostgreSQL that is down is an error, never an empty SQLite file
//!   (`tests/it/migrations.rs`);
//! * every write goes through a [`Tx`], so no synced row changes without its feed row (`tests/it/sync.rs`);
//! * a write is answered only after its commit is durable (`tests/it/crash.rs`).

pub mod feed;
pub mod migrate;
pub mod pool;
pub mod schema;
mod tx;
pub mod types;
mod writer;

pub use pool::{Bell, Database, OpenError};
pub use tx::Tx;
pub(crate) use tx::panic_text;

use diesel::{
    connection::{AnsiTransactionManager, Connection, SimpleConnection, TransactionManager},
    pg::{Pg, PgConnection},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sqlite::{Sqlite, SqliteConnection},
};

/// A connection to one of the two engines.
#[derive(diesel::MultiConnection)]
pub enum Db {
    /// PostgreSQL 13 or newer.
    Postgres(PgConnection),
    /// SQLite, bundled.
    Sqlite(SqliteConnection),
}

/// A text as a part of a LIKE pattern whose escape is `\\`. Ranges of text would hang on the collation of the database.
#[must_use]
pub fn literally(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Wraps a statement that Diesel supports on each engine but not on the generated union of both.
/// Leans on `MultiBackend::walk_variant_ast`, public but undocumented: Diesel is pinned to `~2.3` for it.
pub struct Each<T>(pub T);

impl<T> QueryFragment<MultiBackend> for Each<T>
where
    T: QueryFragment<Pg> + QueryFragment<Sqlite>,
{
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(&self.0, pass)
    }
}
impl<T: QueryId> QueryId for Each<T> {
    type QueryId = T::QueryId;
    const HAS_STATIC_QUERY_ID: bool = T::HAS_STATIC_QUERY_ID;
}
impl<T: Query> Query for Each<T> {
    type SqlType = T::SqlType;
}
impl<T, Conn> diesel::RunQueryDsl<Conn> for Each<T> {}

/// Compiles one expression against each engine's own connection: for batch inserts.
macro_rules! on_each {
    ($db:expr, $c:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Postgres($c) => $body,
            $crate::db::Db::Sqlite($c) => $body,
        }
    };
}
pub(crate) use on_each;

/// What a connection is for; decides SQLite's pragmas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// May write. On SQLite there is one such connection.
    Write,
    /// Reads only; SQLite enforces it.
    Read,
}

impl Db {
    /// Opens one connection. `url` is `postgres://…`, `postgresql://…` or `sqlite:PATH`; nothing else is guessed.
    ///
    /// # Errors
    /// The engine's own message when it can't be reached, or a sentence that names the wrong scheme.
    pub fn open(url: &str, purpose: Purpose) -> Result<Db, OpenError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let fail = |e: &dyn std::fmt::Display| OpenError::Postgres(e.to_string());
            let mut connection = PgConnection::establish(url).map_err(|e| fail(&e))?;
            // A plan made while the tables were empty stays with its connection for ever, and reads whole tables when
            // they have grown; planning each time costs less.
            connection.batch_execute("SET plan_cache_mode = force_custom_plan").map_err(|e| fail(&e))?;
            return Ok(Db::Postgres(connection));
        }
        let Some(path) = url.strip_prefix("sqlite:") else { return Err(OpenError::Scheme(url.to_owned())) };
        let path = path.strip_prefix("//").unwrap_or(path);
        let fail = |e: &dyn std::fmt::Display| OpenError::Sqlite(format!("{path}: {e}"));
        let mut connection = SqliteConnection::establish(path).map_err(|e| fail(&e))?;
        let pragmas = match purpose {
            // FULL: with NORMAL a power cut may take back the last commits that were already acknowledged.
            Purpose::Write => {
                "PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; \
                 PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=4000; PRAGMA temp_store=MEMORY;"
            }
            Purpose::Read => "PRAGMA busy_timeout=10000; PRAGMA query_only=ON; PRAGMA temp_store=MEMORY;",
        };
        connection.batch_execute(pragmas).map_err(|e| fail(&e))?;
        Ok(Db::Sqlite(connection))
    }

    fn begin(&mut self) -> QueryResult<()> {
        match self {
            Db::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"),
            // READ COMMITTED and not SERIALIZABLE: the feed counter's row lock already orders writers, and
            // serialisable transactions would only turn that wait into failures.
            Db::Postgres(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL READ COMMITTED"),
        }
    }

    fn begin_snapshot(&mut self) -> QueryResult<()> {
        match self {
            Db::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN"),
            Db::Postgres(c) => {
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
        }
    }

    fn commit(&mut self) -> QueryResult<()> {
        <Db as TransactionManager<Db>>::commit_transaction(self)
    }

    fn rollback(&mut self) -> QueryResult<()> {
        <Db as TransactionManager<Db>>::rollback_transaction(self)
    }

    /// Runs `f` on one consistent snapshot of the data.
    ///
    /// # Errors
    /// Whatever `f` returns, or the engine's own error.
    pub fn snapshot<T>(&mut self, f: impl FnOnce(&mut Db) -> crate::error::Result<T>) -> crate::error::Result<T> {
        self.begin_snapshot()?;
        let result = f(self);
        self.rollback()?;
        result
    }
}
