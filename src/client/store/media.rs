//! Files that follow the operations.

use super::{ClientError, Result, Store, feed::sweep, schema::media};
use crate::{db::types::At, identity::rules::text_enum};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

text_enum! {
    /// Where a file stands.
    MediaState {
        /// Its bytes are not on the server, as far as is known.
        Waiting = "waiting",
        /// The server has said: stored, with this hash and size.
        Stored = "stored",
        /// The server will never take it; the file stays here.
        Refused = "refused",
    }
}

/// A file to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub size: i64,
    /// Media type.
    pub mime: String,
    /// Its name.
    pub filename: String,
    /// When it was taken, by the device's clock.
    pub captured_at: Option<DateTime<Utc>>,
    /// Where it stands.
    pub state: MediaState,
    /// The upload that was begun.
    pub upload_url: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
}

type Row = (String, String, i64, String, String, Option<At>, String, Option<String>, Option<String>);

impl Store {
    /// The files in this state, oldest first.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn media(&mut self, state: MediaState) -> Result<Vec<Media>> {
        let rows: Vec<Row> = media::table
            .filter(media::state.eq(state.as_str()))
            .order((media::added_at, media::sha256))
            .select((
                media::sha256,
                media::path,
                media::size,
                media::mime,
                media::filename,
                media::captured_at,
                media::state,
                media::upload_url,
                media::reason,
            ))
            .load(&mut self.db)?;
        rows.into_iter()
            .map(|(sha256, path, size, mime, filename, captured_at, state, upload_url, reason)| {
                let state = state.parse().map_err(|_| ClientError::Store(format!("media state {state:?}")))?;
                let captured_at = captured_at.map(|at| at.0);
                Ok(Media { sha256, path: path.into(), size, mime, filename, captured_at, state, upload_url, reason })
            })
            .collect()
    }

    /// Stores where an upload goes on, or that there is none.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn media_url(&mut self, sha256: &str, url: Option<&str>) -> Result<()> {
        diesel::update(media::table.find(sha256)).set(media::upload_url.eq(url)).execute(&mut self.db)?;
        Ok(())
    }

    /// Stores the server's receipt.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn media_stored(&mut self, sha256: &str, receipt: &str) -> Result<()> {
        let done = (media::state.eq(MediaState::Stored.as_str()), media::receipt.eq(receipt));
        self.db.immediate_transaction(|db| {
            diesel::update(media::table.find(sha256)).set(done).execute(db)?;
            sweep(db)
        })
    }

    /// Stores that the server will never take the file, and why.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn media_refused(&mut self, sha256: &str, reason: &str) -> Result<()> {
        let done = (media::state.eq(MediaState::Refused.as_str()), media::reason.eq(reason));
        self.db.immediate_transaction(|db| {
            diesel::update(media::table.find(sha256)).set(done).execute(db)?;
            sweep(db)
        })
    }
}
