//! The dock: body cameras are plugged in, their files go to the server, and a file is called safe to wipe only when the
//! server has signed that it has this very file. It deletes nothing unless it was told to, and then only such files.
//!
//! Each folder directly below the watched one is a card with a thread of its own (`tend`), so a card that is slow, dead
//! or unplugged keeps nobody waiting; `turns` shares the few connections among cards. `scan` finds files that are
//! complete; `recording` says whose a file is and when it was taken, from its name (`names`), its container and the file
//! system, and `clock` how wrong the camera's clock is; `ledger` remembers each file across crashes; `work` hashes and
//! sends with `client::upload`; `receipt` checks and keeps what the server signed. What a person sees is told through
//! [`Voice`]; the command line prints it.
//!
//! Invariants (held by `tests/it/dock.rs`):
//! * a file in state `receipted` has a receipt that names the same SHA-256 and size and verifies with the key that was
//!   pinned at enrolment;
//! * killed at any moment, the next start goes on where the server's offset stands;
//! * a file that changes gets a new line in the ledger; the receipt of the old one says nothing about it;
//! * a file is removed only with `wipe`, after its bytes were read again; its own name and time go with the upload
//!   unchanged, what is known of its clock's error beside them.

mod clock;
pub mod config;
pub mod ledger;
mod names;
pub mod receipt;
mod recording;
pub mod scan;
mod tend;
mod turns;
pub mod work;

use std::{path::Path, time::Duration};

/// Something a person at the dock may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A complete file was found.
    Found {
        /// The file.
        path: &'a Path,
        /// Bytes.
        size: u64,
    },
    /// So many of its bytes are on the way or there.
    Progress {
        /// The file.
        path: &'a Path,
        /// Bytes.
        sent: u64,
        /// Bytes of the whole.
        size: u64,
    },
    /// It has to wait: the server is away or busy.
    Waiting {
        /// The file.
        path: &'a Path,
        /// Why.
        why: &'a str,
        /// How long.
        wait: Duration,
    },
    /// The server has it: safe to wipe.
    Receipted {
        /// The file.
        path: &'a Path,
        /// Its hash, hexadecimal.
        sha256: &'a str,
        /// Bytes.
        size: u64,
    },
    /// It was removed from the card.
    Wiped {
        /// The file.
        path: &'a Path,
    },
    /// It can't be sent; keep it.
    Failed {
        /// The file.
        path: &'a Path,
        /// Why.
        why: &'a str,
    },
    /// How far a card is.
    Card {
        /// The folder it appears under.
        card: &'a str,
        /// Files.
        done: Tally,
    },
    /// Something about the dock itself.
    Notice(&'a str),
}

/// How far a card is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Complete files on it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are safe on the server.
    pub safe: u64,
    /// Their bytes.
    pub safe_bytes: u64,
    /// Files that can't be sent.
    pub failed: u64,
}

/// Whoever listens. Called from several threads.
pub trait Voice: Send + Sync {
    /// One event.
    fn say(&self, event: Event);
}
