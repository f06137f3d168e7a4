//! Fresh databases of both engines: a folder for SQLite, a throw-away PostgreSQL cluster that syncs to disk.

use crate::{
    figures::Done,
    server::Data,
    support::{pg, scratch::Folder},
};
use chengguan::db::{Db, Purpose};
use diesel::connection::SimpleConnection;
use std::sync::atomic::{AtomicU32, Ordering};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const BOTH: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

    pub fn name(self) -> &'static str {
        match self {
            Engine::Sqlite => "SQLite, synchronous=FULL",
            Engine::Postgres => "PostgreSQL, fsync on",
        }
    }
}

/// A fresh, empty database and a folder, both gone when dropped.
pub struct Place {
    pub engine: Engine,
    pub data: Data,
    folder: Folder,
    database: Option<Database>,
}

enum Database {
    Own {
        _database: pg::Database,
    },
    /// On a server that was given: its maintenance URL, and the name to drop.
    Given(String, String),
}

impl Place {
    /// `postgres_url` names a server where databases may be made; without it, one of our own is started.
    pub fn fresh(engine: Engine, postgres_url: Option<&str>) -> Done<Place> {
        let folder = Folder::new("bench");
        let mut data = Data::embedded(folder.path());
        let database = match (engine, postgres_url) {
            (Engine::Sqlite, _) => None,
            (Engine::Postgres, None) => {
                let own = pg::Database::empty();
                data.url.clone_from(&own.url);
                Some(Database::Own { _database: own })
            }
            (Engine::Postgres, Some(server)) => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("chengguan_bench_{}_{count}", std::process::id());
                Db::open(server, Purpose::Write)?.batch_execute(&format!("CREATE DATABASE {name}"))?;
                data.url = beside(server, &name)?;
                Some(Database::Given(server.to_owned(), name))
            }
        };
        Ok(Place { engine, data, folder, database })
    }

    /// The folder, for what lies beside the database.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A connection of our own.
    pub fn open(&self) -> Done<Db> {
        Ok(Db::open(&self.data.url, Purpose::Write)?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(Database::Given(server, name)) = &self.database
            && let Ok(mut db) = Db::open(server, Purpose::Write)
        {
            drop(db.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")));
        }
    }
}

/// The URL of another database of the same server.
fn beside(url: &str, name: &str) -> Done<String> {
    let (scheme, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
    let (rest, query) = rest.split_once('?').map_or((rest, String::new()), |(rest, q)| (rest, format!("?{q}")));
    let authority = rest.split('/').next().unwrap_or_default();
    Ok(format!("{scheme}://{authority}/{name}{query}"))
}
