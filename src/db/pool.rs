//! The connections of a running server: chosen by URL, bounded, and never silently the wrong engine.

use super::{Db, Purpose, Tx, feed, migrate, writer::Writer};
use crate::{
    env::Env,
    error::{Code, Error, Result},
};
use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Why a database could not be opened; written for the person who starts the server.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no engine we have.
    #[error("database URL {0:?}: the scheme must be sqlite: or postgres://")]
    Scheme(String),
    /// PostgreSQL does not answer or refuses us.
    #[error("PostgreSQL can't be reached: {0}")]
    Postgres(String),
    /// The file can't be opened.
    #[error("SQLite can't open {0}")]
    Sqlite(String),
    /// The schema is not what this program needs.
    #[error("{0}")]
    Schema(String),
    /// The pool could not be filled.
    #[error("the connection pool could not be opened: {0}")]
    Pool(String),
}

/// What runs at the end of every writing transaction, before the feed is written: the re-evaluation of held
/// operations. Passed in by the composition root, because the database knows no sync.
pub type Release = fn(&mut Tx) -> Result<()>;

/// All connections of one server process.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    release: Release,
    readers: Pool<Manager>,
    places: Semaphore,
    written: Bell,
    /// SQLite's one writer; `None` on PostgreSQL, where the pool's connections write.
    writer: Option<Writer>,
}

/// How long a request waits for a connection before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);

impl Database {
    /// Opens the database, applies missing migrations (or refuses when `migrate` is false) and fills the pool.
    ///
    /// # Errors
    /// [`OpenError`], in words for the person who starts the server.
    pub fn open(url: &str, connections: u32, env: Env, migrate: bool, release: Release) -> Result<Database, OpenError> {
        let mut first = Db::open(url, Purpose::Write)?;
        migrate::check(&mut first, migrate)?;
        let writer = match first {
            Db::Sqlite(_) => Some(Writer::start(first, env.clone()).map_err(|e| OpenError::Pool(e.to_string()))?),
            Db::Postgres(_) => None,
        };
        let purpose = if writer.is_some() { Purpose::Read } else { Purpose::Write };
        let readers = Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .connection_timeout(PATIENCE)
            .test_on_check_out(false)
            .build(Manager { url: url.to_owned(), purpose })
            .map_err(|e| OpenError::Pool(e.to_string()))?;
        let places = Semaphore::new(connections as usize);
        Ok(Database { inner: Arc::new(Inner { env, release, readers, places, written: Bell::new(), writer }) })
    }

    /// Runs `f` in one writing transaction and returns after its commit is durable.
    ///
    /// # Errors
    /// What `f` returns (nothing is written then), `busy` when no connection is free in time or the engine asks for
    /// a retry, `internal` otherwise.
    pub async fn write<T: Send + 'static>(&self, f: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static) -> Result<T> {
        self.write_and_read(f, |_, value| Ok(value)).await
    }

    /// As [`Database::write`]; `then` reads what the transaction made when all of it is written, the feed too.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_and_read<T: 'static, U: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static,
        then: impl FnOnce(&mut Tx, T) -> Result<U> + Send + 'static,
    ) -> Result<U> {
        let release = self.inner.release;
        let whole = move |tx: &mut Tx| {
            let value = f(tx)?;
            finish(tx, release)?;
            then(tx, value)
        };
        let outcome = match &self.inner.writer {
            Some(writer) => writer.write(whole).await,
            None => {
                let env = self.inner.env.clone();
                self.blocking(move |db| transaction(db, &env, whole)).await
            }
        };
        if outcome.is_ok() {
            self.inner.written.notify();
        }
        outcome
    }

    /// Wakes those who wait for changes, after each write of this process.
    pub fn written(&self) -> &Bell {
        &self.inner.written
    }

    /// Runs `f` on a connection that should only read.
    ///
    /// # Errors
    /// What `f` returns, or `busy`.
    pub async fn read<T: Send + 'static>(&self, f: impl FnOnce(&mut Db) -> Result<T> + Send + 'static) -> Result<T> {
        self.blocking(f).await
    }

    async fn blocking<T: Send + 'static>(&self, f: impl FnOnce(&mut Db) -> Result<T> + Send + 'static) -> Result<T> {
        // Waiting here and not in the pool keeps the blocking threads free for those who have a connection.
        let place = tokio::time::timeout(PATIENCE, self.inner.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(Code::Busy.into()) };
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.connection()?.run(f)).await.map_err(Error::internal)?
    }
}

impl Inner {
    fn connection(&self) -> Result<PooledConnection<Manager>> {
        self.readers.get().map_err(|e| Error { cause: Some(e.to_string()), ..Code::Busy.into() })
    }
}

/// One transaction from begin to commit, on a connection of either engine.
fn transaction<T>(db: &mut Db, env: &Env, f: impl FnOnce(&mut Tx) -> Result<T>) -> Result<T> {
    db.begin()?;
    match f(&mut Tx::new(db, env)) {
        Ok(value) => {
            db.commit()?;
            Ok(value)
        }
        Err(error) => {
            db.rollback()?;
            Err(error)
        }
    }
}

/// The end of every writing transaction: held operations, then the feed.
fn finish(tx: &mut Tx, release: Release) -> Result<()> {
    release(tx)?;
    feed::flush(tx)
}

/// Rung after each write; those who wait for changes listen. A ring between two waits is not lost.
#[derive(Clone)]
pub struct Bell(Arc<tokio::sync::watch::Sender<()>>);

impl Bell {
    fn new() -> Bell {
        Bell(Arc::new(tokio::sync::watch::Sender::new(())))
    }

    fn notify(&self) {
        self.0.send_replace(());
    }

    /// From now on.
    pub fn listen(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// A connection of the pool.
struct Slot {
    db: Db,
    /// The server behind it is gone.
    dead: bool,
}

impl Slot {
    /// Runs `f`; when it failed, finds out whether the connection itself is lost. Diesel notices that only inside of
    /// transactions, and a pool that does not know hands the dead connection out for ever.
    fn run<T>(&mut self, f: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        let mut outcome = f(&mut self.db);
        if let Err(error) = &mut outcome
            && error.cause.is_some()
        {
            self.dead = self.db.ping().is_err();
            if self.dead && error.code == Code::Internal {
                // The next try gets a new connection.
                error.code = Code::Busy;
            }
        }
        outcome
    }
}

struct Manager {
    url: String,
    purpose: Purpose,
}

impl ManageConnection for Manager {
    type Connection = Slot;
    type Error = OpenError;

    fn connect(&self) -> Result<Slot, OpenError> {
        Ok(Slot { db: Db::open(&self.url, self.purpose)?, dead: false })
    }

    fn is_valid(&self, slot: &mut Slot) -> Result<(), OpenError> {
        slot.db.ping().map_err(|e| OpenError::Pool(e.to_string()))
    }

    fn has_broken(&self, slot: &mut Slot) -> bool {
        std::thread::panicking() || slot.dead || slot.db.is_broken()
    }
}
