//! The composition root: everything one running server is made of.

use crate::{
    blob::Disk,
    config::Config,
    db::{Database, OpenError, feed},
    env::Env,
    error::{Error, Result},
    evidence::{self, poster, reuse, uploads::Uploads},
    http::auth::Verified,
    identity::{actions, tokens::Keys},
    sync,
    tlog::{self, LogKey},
};
use std::{io, path::PathBuf, sync::Arc};

/// One server process: its database, its files, its keys, its clock.
pub struct App {
    /// The database.
    pub db: Database,
    /// Staged uploads and the originals.
    pub blobs: Disk,
    /// Where pushes wait to be taken together.
    pub pushes: sync::push::Gate,
    /// Devices whose tokens were verified.
    pub verified: Verified,
    /// Tells who waits that something changed.
    pub watcher: sync::live::Watcher,
    /// The uploads this process works on.
    pub uploads: Uploads,
    /// The program that makes pictures of videos, if there is one.
    pub ffmpeg: Option<PathBuf>,
    /// Clock, ids, dice.
    pub env: Env,
    /// The server's own keys.
    pub keys: Keys,
    /// What signs the transparency log.
    pub log: Arc<LogKey>,
    /// The settings it was started with.
    pub config: Config,
    /// The code the first administrator needs, while there is none.
    pub setup_code: Option<String>,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder can't be used.
    #[error("the data folder {path}: {error}")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The database can't be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The first transaction failed.
    #[error("the database answered: {0}")]
    Record(#[from] Error),
}

impl App {
    /// Opens everything; the data folder is made when it is missing.
    ///
    /// # Errors
    /// [`StartError`], in words for the person who starts the server.
    pub async fn open(config: Config, env: Env) -> Result<App, StartError> {
        let db = App::open_for_administration(&config, env.clone()).await?;
        let (keys, log, setup_code) = db
            .write(|tx| {
                sync::push::settle_types(tx);
                if feed::life(tx.db)?.generation.is_empty() {
                    feed::begin_generation(tx, "")?;
                }
                evidence::actions::enter_log(tx)?;
                Ok((actions::keys_load(tx)?, Arc::new(tlog::actions::key_load(tx)?), actions::setup_code(tx)?))
            })
            .await?;
        let blobs = Disk::open(&config.data, &config.blobs)
            .map_err(|error| StartError::Folder { path: config.data.display().to_string(), error })?;
        let ffmpeg = poster::find(&config.ffmpeg);
        if ffmpeg.is_none() {
            tracing::info!("no ffmpeg: videos have no pictures");
        }
        sync::jobs::start(db.clone());
        reuse::sweep::start(db.clone(), blobs.clone(), env.clone());
        tlog::jobs::start(db.clone(), log.clone());
        let (pushes, watcher) = (sync::push::Gate::open(db.clone()), sync::live::Watcher::start(db.clone()));
        Ok(App {
            db,
            pushes,
            watcher,
            verified: Verified::default(),
            blobs,
            uploads: Uploads::default(),
            ffmpeg,
            env,
            keys,
            log,
            config,
            setup_code,
        })
    }

    /// Only the database: for commands that administer it beside a running server.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_for_administration(config: &Config, env: Env) -> Result<Database, StartError> {
        for path in [&config.data, &config.blobs] {
            std::fs::create_dir_all(path)
                .map_err(|error| StartError::Folder { path: path.display().to_string(), error })?;
        }
        let (url, connections, migrate) = (config.database_url.clone(), config.connections, config.migrate);
        let opened =
            tokio::task::spawn_blocking(move || Database::open(&url, connections, env, migrate, sync::push::release))
                .await;
        Ok(opened.map_err(Error::internal)??)
    }
}
