//! A device's memory outside its own store: an append-only file, synced line by line, in which the device writes what
//! its store told it. The reckoning holds both against each other and against the server.

use crate::{
    client::{ClientError, Result},
    db::types::OpId,
    sync::wire::{OpResult, Status},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write,
    path::Path,
};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Entry {
    /// The store returned from saving: a person has read "saved".
    Saved {
        /// The operation.
        op: OpId,
        /// SHA-256 of its bytes, hexadecimal.
        sha256: String,
    },
    /// The store holds this answer.
    Answered {
        /// The operation.
        op: OpId,
        /// What became of it.
        status: Status,
        /// Why.
        code: Option<String>,
        /// The record's version after it.
        ver: Option<i64>,
    },
    /// Something that only a person could mend.
    Stopped {
        /// What.
        what: String,
    },
    /// What this life of the process has done so far.
    Tally {
        /// The number of the life.
        life: u64,
        /// Operations sent, repeats included.
        pushed: u64,
        /// Answered as known already.
        duplicates: u64,
        /// Pushes without an answer.
        unanswered: u64,
        /// Files that reached the server.
        files: u64,
        /// Bodies of files that broke off.
        file_cuts: u64,
    },
}

impl Entry {
    /// The entry for an answer.
    pub fn answered(op: OpId, result: &OpResult) -> Entry {
        Entry::Answered { op, status: result.status, code: result.code.clone(), ver: result.ver }
    }
}

/// The open file of a living device.
pub struct Ledger(File);

impl Ledger {
    /// Opens it for appending. A line that an earlier life did not finish is ended, so that it stays alone.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn open(path: &Path) -> Result<Ledger> {
        let torn = fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|byte| *byte != b'\n'));
        let mut file = File::options().append(true).create(true).open(path).map_err(|e| fail(path, &e))?;
        if torn {
            file.write_all(b"\n").map_err(|e| fail(path, &e))?;
        }
        Ok(Ledger(file))
    }

    /// Writes lines; they are on the disk when this returns.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn write(&mut self, entries: &[Entry]) -> Result<()> {
        let mut text = String::new();
        for entry in entries {
            text += &serde_json::to_string(entry).map_err(|e| ClientError::File(e.to_string()))?;
            text.push('\n');
        }
        let written = self.0.write_all(text.as_bytes()).and_then(|()| self.0.sync_data());
        written.map_err(|e| ClientError::File(format!("the ledger: {e}")))
    }
}

/// An answer: the status, the reason, the record's version.
pub type Answered = (Status, Option<String>, Option<i64>);

/// Everything a ledger says.
#[derive(Debug, Default)]
pub struct Told {
    /// Saved operations with the hash of their bytes.
    pub saved: HashMap<OpId, String>,
    /// Each operation's answers, oldest first.
    pub answered: HashMap<OpId, Vec<Answered>>,
    /// What stopped it.
    pub stopped: Vec<String>,
    /// The last tally of each life: pushed, duplicates, unanswered, files, cut bodies.
    pub lives: HashMap<u64, [u64; 5]>,
}

/// Reads a ledger.
///
/// # Errors
/// [`ClientError::File`].
pub fn read(path: &Path) -> Result<Told> {
    let text = fs::read_to_string(path).map_err(|e| fail(path, &e))?;
    let mut told = Told::default();
    // A line that can't be read is one that a kill cut short: what it would have said is in the store as well.
    for entry in text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
        match entry {
            Entry::Saved { op, sha256 } => drop(told.saved.insert(op, sha256)),
            Entry::Answered { op, status, code, ver } => told.answered.entry(op).or_default().push((status, code, ver)),
            Entry::Stopped { what } => told.stopped.push(what),
            Entry::Tally { life, pushed, duplicates, unanswered, files, file_cuts } => {
                told.lives.insert(life, [pushed, duplicates, unanswered, files, file_cuts]);
            }
        }
    }
    Ok(told)
}

fn fail(path: &Path, error: &std::io::Error) -> ClientError {
    ClientError::File(format!("{}: {error}", path.display()))
}
