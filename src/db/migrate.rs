//! The two migration folders, embedded; equal names on both engines, applied at start.

use super::{Db, OpenError};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Applies what is missing, or says what is missing when `apply` is false.
///
/// # Errors
/// [`OpenError::Schema`] with the names of the pending migrations, or the engine's message.
pub fn check(db: &mut Db, apply: bool) -> Result<(), OpenError> {
    let fail = |e: &dyn std::fmt::Display| OpenError::Schema(format!("the database schema could not be updated: {e}"));
    match db {
        Db::Sqlite(c) if apply => {
            // Several processes may start at once on one file: the write lock makes them take turns, and the second
            // then finds nothing pending.
            use diesel::connection::{AnsiTransactionManager as Ansi, TransactionManager};
            Ansi::begin_transaction_sql(c, "BEGIN IMMEDIATE").map_err(|e| fail(&e))?;
            let outcome = run(c, SQLITE, apply);
            let ended = if outcome.is_ok() { Ansi::commit_transaction(c) } else { Ansi::rollback_transaction(c) };
            outcome.and(ended.map_err(|e| fail(&e)))
        }
        Db::Sqlite(c) => run(c, SQLITE, apply),
        Db::Postgres(c) => {
            // Several processes may start at once on one database; the lock ends with the session's unlock below.
            use diesel::connection::SimpleConnection;
            c.batch_execute("SELECT pg_advisory_lock(4312211)").map_err(|e| fail(&e))?;
            let outcome = run(c, POSTGRES, apply);
            c.batch_execute("SELECT pg_advisory_unlock(4312211)").map_err(|e| fail(&e))?;
            outcome
        }
    }
}

fn run<DB, C>(connection: &mut C, source: EmbeddedMigrations, apply: bool) -> Result<(), OpenError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
{
    let fail = |e: &dyn std::fmt::Display| OpenError::Schema(format!("the database schema could not be updated: {e}"));
    if apply {
        connection.run_pending_migrations(source).map_err(|e| fail(&e))?;
        return Ok(());
    }
    let pending = connection.pending_migrations(source).map_err(|e| fail(&e))?;
    if pending.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = pending.iter().map(|m| m.name().to_string()).collect();
    Err(OpenError::Schema(format!(
        "the database lacks {} migration(s) ({}), and --no-migrate forbids to apply them",
        names.len(),
        names.join(", ")
    )))
}
