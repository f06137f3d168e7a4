//! The composition root: everything one running server is made of.

use crate::{
    blob::{Disk, InBucket, InFolder, Originals},
    city, clips,
    config::{Config, blobs::BlobPlace},
    db::{Database, OpenError, Tx, feed},
    env::Env,
    error::{Error, Result},
    evidence::{self, poster, reuse, uploads::Uploads},
    http::auth::Verified,
    identity::{actions, secrets, tokens::Keys},
    spots, supervision, sync,
    tlog::{self, LogKey},
    workbench,
};
use std::{io, path::PathBuf, sync::Arc};

/// One server process: its database, its files, its keys, its clock.
pub struct App {
    /// The database.
    pub db: Database,
    /// Uploads on their way.
    pub blobs: Disk,
    /// What arrived, for ever.
    pub originals: Arc<dyn Originals>,
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
    /// The place of the originals can't be used.
    #[error("照片视频存储 / blob store {place}: {error}")]
    Blobs {
        /// Which.
        place: String,
        /// Why.
        error: String,
    },
    /// The database can't be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The first transaction failed.
    #[error("the database answered: {0}")]
    Record(#[from] Error),
}

/// What the end of every writing transaction brings about: videos that arrived become clips, operations that waited
/// are judged again, cases that came back find their spots, and the city is told of what all that did to its cases.
fn release(tx: &mut Tx) -> Result<()> {
    clips::actions::arrived(tx)?;
    sync::push::release(tx)?;
    spots::actions::follow(tx)?;
    city::outbox::follow(tx)
}

impl App {
    /// Opens everything; the data folder is made when it is missing.
    ///
    /// # Errors
    /// [`StartError`], in words for the person who starts the server.
    pub async fn open(config: Config, env: Env) -> Result<App, StartError> {
        let db = App::open_for_administration(&config, env.clone()).await?;
        let linked = config.city.is_some();
        db.write(move |tx| city::actions::connect(tx, linked)).await?;
        // Apart from that: it takes the same locks in the other order.
        db.write(city::outbox::catch_up).await?;
        let (keys, log, setup_code) = db
            .write(|tx| {
                sync::push::settle_types(tx);
                if feed::life(tx.db)?.generation.is_empty() {
                    feed::begin_generation(tx, "")?;
                }
                evidence::actions::enter_log(tx)?;
                Ok((secrets::keys_load(tx)?, Arc::new(tlog::actions::key_load(tx)?), actions::setup_code(tx)?))
            })
            .await?;
        let place = config.blobs.clone();
        let originals =
            tokio::task::spawn_blocking(move || open_originals(&place)).await.map_err(Error::internal)??;
        let folder = match &config.blobs {
            BlobPlace::Folder(folder) => Some(folder.as_path()),
            BlobPlace::Bucket(_) => None,
        };
        let blobs = Disk::open(&config.staging, folder)
            .map_err(|error| StartError::Folder { path: config.staging.display().to_string(), error })?;
        sync::jobs::start(db.clone());
        clips::sweep::start(db.clone());
        workbench::sweep::start(db.clone(), env.clone());
        supervision::sweep::start(db.clone());
        tlog::jobs::start(db.clone(), log.clone());
        let ffmpeg = poster::find(&config.ffmpeg);
        if ffmpeg.is_none() {
            tracing::info!("no ffmpeg: videos have no pictures");
        }
        reuse::sweep::start(db.clone(), originals.clone(), env.clone());
        let (pushes, watcher) = (sync::push::Gate::open(db.clone()), sync::live::Watcher::start(db.clone()));
        Ok(App {
            db,
            pushes,
            watcher,
            verified: Verified::default(),
            blobs,
            originals,
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
        std::fs::create_dir_all(&config.data)
            .map_err(|error| StartError::Folder { path: config.data.display().to_string(), error })?;
        let (url, connections, migrate) = (config.database_url.clone(), config.connections, config.migrate);
        let opened =
            tokio::task::spawn_blocking(move || Database::open(&url, connections, env, migrate, release)).await;
        Ok(opened.map_err(Error::internal)??)
    }
}

fn open_originals(place: &BlobPlace) -> Result<Arc<dyn Originals>, StartError> {
    let name = match place {
        BlobPlace::Folder(folder) => folder.display().to_string(),
        BlobPlace::Bucket(bucket) => format!("{bucket:?}"),
    };
    let unusable = |error: String| StartError::Blobs { place: name, error };
    Ok(match place {
        BlobPlace::Folder(folder) => Arc::new(InFolder::open(folder).map_err(|error| unusable(error.to_string()))?),
        BlobPlace::Bucket(bucket) => Arc::new(InBucket::open(bucket).map_err(unusable)?),
    })
}
