//! What lines and rows of a file do, in an open transaction.

use super::rules::Row;
use crate::{
    city::{
        actions::{dispatched, receive},
        store,
        wire::{Envelope, ReplyCode},
    },
    db::{Tx, types::At},
    error::{Code, Error, Result},
};
use serde_json::Value;

/// What became of the lines or rows of a file.
#[derive(Debug, Default)]
pub struct Taken {
    /// They had their effect.
    pub applied: usize,
    /// They were here already.
    pub duplicate: usize,
    /// Messages that wait for one before them.
    pub waiting: usize,
    /// Lines that were refused, by their number from 1, and why.
    pub refused: Vec<(u32, Error)>,
}

/// Takes messages; each is judged alone.
///
/// # Errors
/// The engine's own; what is wrong with a line is told in its place.
pub fn take_messages(tx: &mut Tx, lines: Vec<(u32, Result<(Envelope, Value)>)>, taken: &mut Taken) -> Result<()> {
    for (number, line) in lines {
        let reply = match line {
            Ok((envelope, whole)) => receive(tx, &envelope, whole)?,
            Err(error) => {
                taken.refused.push((number, error));
                continue;
            }
        };
        match reply.code {
            ReplyCode::Ok => taken.applied += 1,
            ReplyCode::Duplicate => taken.duplicate += 1,
            ReplyCode::Retry => taken.waiting += 1,
            ReplyCode::Invalid => {
                let code = reply.reason.as_deref().and_then(Code::parse).unwrap_or(Code::ValueInvalid);
                taken.refused.push((number, Error { detail: reply.detail, ..code.into() }));
            }
        }
    }
    Ok(())
}

/// Takes the dispatches of a table, all or none. One whose case is here with the same deadline changes nothing.
///
/// # Errors
/// What the case desk says.
pub(super) fn take_rows(tx: &mut Tx, rows: &[Row]) -> Result<Taken> {
    // Nobody else takes messages meanwhile: they may be about the same cases.
    store::applied_locked(tx.db)?;
    let mut taken = Taken::default();
    for (dispatch, body) in rows {
        let known = store::link_by_number(tx.db, &dispatch.city_case_no)?;
        if known.is_some_and(|link| link.due_at == At(dispatch.deadline)) {
            taken.duplicate += 1;
        } else {
            let at = At(dispatch.at.unwrap_or(tx.now));
            dispatched(tx, dispatch, body, at)?;
            taken.applied += 1;
        }
    }
    Ok(taken)
}
