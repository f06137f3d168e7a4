//! What the server keeps to itself: made when it is first asked for, the same for all processes.

use super::{
    store,
    tokens::{self, Keys},
};
use crate::{
    db::{Tx, types::At},
    error::{Error, Result},
};

const SIGNING: &str = "signing_key";
const CURSOR: &str = "cursor_key";

/// The server's keys; made at the very first start.
///
/// # Errors
/// The engine's own, or damaged key material.
pub fn keys_load(tx: &mut Tx) -> Result<Keys> {
    let signing = secret(tx, SIGNING, tokens::fresh_pkcs8)?;
    let random = tx.env().bytes::<32>().to_vec();
    Keys::load(&signing, &secret(tx, CURSOR, || Ok(random))?)
}

/// A secret of the server's, made when it is first asked for.
///
/// # Errors
/// The engine's own, or what making it says.
pub fn secret(tx: &mut Tx, name: &str, fresh: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    if let Some(secret) = store::secret_get(tx.db, name)? {
        return Ok(secret);
    }
    store::secret_add(tx.db, name, &fresh()?, At(tx.now))?;
    // Another process may have been quicker; then its secret is the one.
    store::secret_get(tx.db, name)?.ok_or_else(|| Error::internal("a secret vanished"))
}
