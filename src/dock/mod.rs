//! The dock: body cameras are plugged in, their files go to the server, and a file is called safe to wipe only when the
//! server has said so about this very file. It never deletes anything itself.
//!
//! `scan` finds files that are complete, `ledger` remembers each across crashes, `work` hashes and sends them with
//! `client::upload`. What a person sees is told through [`Voice`]; the command line prints it.
//!
//! Invariants (held by `tests/it/dock.rs`):
//! * a file in state `receipted` was named by the server with the same SHA-256 and size, in state `stored`;
//! * killed at any moment, the next start goes on where the server's offset stands;
//! * a file that changes gets a new line in the ledger; the receipt of the old one says nothing about it.

pub mod ledger;
pub mod scan;
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
    /// It can't be sent; keep it.
    Failed {
        /// The file.
        path: &'a Path,
        /// Why.
        why: &'a str,
    },
    /// Something about the dock itself.
    Notice(&'a str),
}

/// Whoever listens. Called from several threads.
pub trait Voice: Send + Sync {
    /// One event.
    fn say(&self, event: Event);
}
