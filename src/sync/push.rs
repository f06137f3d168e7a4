//! Operations in, many pushes at a time.
//!
//! Pushes that wait together are taken together: one transaction reads what all of them need, decides, writes and
//! commits once, so the cost of a commit and of each statement is shared. Each push still fails alone, and an operation
//! that breaks the server is found and kept apart. An answer goes out after the commit; it is made of the rows that
//! were written, and a repeat reads the same rows.

use super::{
    engine,
    ledger::Ledger,
    record::{Answer, Push, Read, Taken, Token},
    store::{self, OpRow},
    types,
    wire::OpResult,
};
use crate::{
    db::{Database, Tx, feed, types::OpId},
    error::{Code, Error, Result},
};
use std::collections::{HashMap, HashSet};
use tokio::sync::{mpsc, oneshot};

/// Pushes taken together at most.
const TOGETHER: usize = 128;
/// Operations in them at most, unless a single push has more; bounds how long the others wait.
const OPS_TOGETHER: usize = 400;
/// Batches at work at the same time: while one commits the next is decided.
const BATCHES: usize = 2;

/// A push that was taken.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// One result for each operation.
    pub results: Vec<OpResult>,
    /// For the next token.
    pub token: Token,
    /// Numbers that never arrived.
    pub missing_seqs: Vec<i64>,
}

type Told = oneshot::Sender<Result<Pushed>>;

/// Where pushes wait for the next batch.
pub struct Gate {
    waiting: mpsc::Sender<(Read, Told)>,
}

impl Gate {
    /// Opens the gate; its workers end when it is dropped.
    pub fn open(db: Database) -> Gate {
        let (waiting, arrivals) = mpsc::channel(4 * TOGETHER);
        let arrivals = std::sync::Arc::new(tokio::sync::Mutex::new(arrivals));
        for _ in 0..BATCHES {
            let (db, arrivals) = (db.clone(), arrivals.clone());
            tokio::spawn(async move {
                while let Some(batch) = together(&mut *arrivals.lock().await).await {
                    take(&db, batch).await;
                }
            });
        }
        Gate { waiting }
    }

    /// Takes a push and returns when it is durable.
    ///
    /// # Errors
    /// `device_unknown`, `epoch_stale`, and transient ones: then nothing of it is recorded and it may be sent again.
    pub async fn push(&self, read: Read) -> Result<Pushed> {
        let (tell, told) = oneshot::channel();
        self.waiting.send((read, tell)).await.map_err(|_| Code::Busy)?;
        told.await.map_err(|_| Code::Busy)?
    }
}

/// The next pushes, as many as wait.
async fn together(arrivals: &mut mpsc::Receiver<(Read, Told)>) -> Option<Vec<(Read, Told)>> {
    let first = arrivals.recv().await?;
    let mut ops = first.0.ops.len();
    let mut batch = vec![first];
    while batch.len() < TOGETHER && ops < OPS_TOGETHER {
        let Ok(next) = arrivals.try_recv() else { break };
        ops += next.0.ops.len();
        batch.push(next);
    }
    Some(batch)
}

async fn take(db: &Database, batch: Vec<(Read, Told)>) {
    let (reads, tells): (Vec<Read>, Vec<Told>) = batch.into_iter().unzip();
    let reads = std::sync::Arc::new(reads);
    let whole = reads.clone();
    let mut outcome = db.write_and_read(move |tx| take_all(tx, &whole), results).await;
    if let Err(error) = &outcome
        && error.code == Code::Internal
    {
        tracing::error!(cause = error.cause, "a batch of pushes failed; looking for the operation behind it");
        outcome = db.write_and_read(move |tx| take_apart(tx, &reads), results).await;
    }
    match outcome {
        Ok(pushed) => {
            for (tell, pushed) in tells.into_iter().zip(pushed) {
                // The receiver is gone when its request was dropped; the work is committed all the same.
                drop(tell.send(pushed));
            }
        }
        Err(error) => {
            for tell in tells {
                drop(tell.send(Err(error.clone())));
            }
        }
    }
}

/// A batch that was decided and written, before it is numbered and committed.
pub struct Decided {
    answers: Vec<Result<Answer>>,
    rows: HashMap<OpId, OpRow>,
}

/// Takes pushes on an open transaction; [`results`] turns what it returns into answers once the feed is written.
///
/// # Errors
/// Then nothing may be recorded. Transient ones; `internal`, when an operation breaks the server: [`take_apart`] finds it.
pub fn take_all(tx: &mut Tx, reads: &[Read]) -> Result<Decided> {
    let mut ledger = Ledger::new(tx);
    let answers = engine::take(&mut ledger, reads)?;
    Ok(Decided { answers, rows: ledger.write()? })
}

/// Takes pushes one by one, and keeps apart each operation that breaks the server.
///
/// # Errors
/// Transient ones, and the server's own trouble; then nothing may be recorded.
pub fn take_apart(tx: &mut Tx, reads: &[Read]) -> Result<Decided> {
    let mut whole = Decided { answers: Vec::new(), rows: HashMap::new() };
    for read in reads {
        let one = find_poison(tx, read)?;
        whole.answers.extend(one.answers);
        whole.rows.extend(one.rows);
    }
    Ok(whole)
}

/// Takes a push alone. When that fails, its operations are tried one more at a time: the one with which it begins to
/// fail is poisoned. A push that fails without any operation is the server's own trouble.
fn find_poison(tx: &mut Tx, read: &Read) -> Result<Decided> {
    let alone = |tx: &mut Tx, read: &Read| tx.savepoint(|tx| take_all(tx, std::slice::from_ref(read)));
    let whole = alone(tx, read);
    if !matches!(&whole, Err(error) if error.code == Code::Internal) {
        return whole;
    }
    let part = |count: usize| Read::new(Push { ops: read.push.ops[..count].to_vec(), ..read.push.clone() });
    let mut poisoned = HashSet::new();
    for count in 0..=read.ops.len() {
        let tried = tx.savepoint(|tx| {
            take_all(tx, &[Read { poisoned: poisoned.clone(), ..part(count) }])?;
            // Only a trial: an error takes everything back.
            Err::<(), Error>(Code::Busy.into())
        });
        let Err(error) = tried else { continue };
        if error.code == Code::Internal {
            let Some(Ok(op)) = count.checked_sub(1).and_then(|last| read.ops.get(last)) else { return Err(error) };
            tracing::error!(op_id = %op.op_id, cause = error.cause, "operation quarantined");
            poisoned.insert(op.op_id);
        }
    }
    alone(tx, &Read { poisoned, ..part(read.ops.len()) })
}

/// The answers to a batch, when the feed is written: in the order of its pushes.
///
/// # Errors
/// The engine's own.
pub fn results(tx: &mut Tx, decided: Decided) -> Result<Vec<Result<Pushed>>> {
    let Decided { answers, mut rows } = decided;
    // What the end of the transaction judged again, and the numbers of what was there before.
    let revised: Vec<OpId> = rows.keys().copied().filter(|id| tx.is_revised(*id)).collect();
    rows.extend(store::ops_by_id(tx.db, &revised)?.into_iter().map(|row| (row.op_id, row)));
    let duplicates: Vec<OpId> = answers
        .iter()
        .flatten()
        .flat_map(|answer| &answer.taken)
        .filter_map(|taken| match taken {
            Taken::Stored(id, true) if tx.numbered(*id).is_none() => Some(*id),
            _ => None,
        })
        .collect();
    let numbers = if duplicates.is_empty() { Default::default() } else { feed::seqs_of(tx.db, &duplicates)? };
    let one = |taken: Taken| match taken {
        Taken::Answer(answer) => Ok(*answer),
        Taken::Stored(id, duplicate) => {
            let row = rows.get(&id).ok_or_else(|| Error::internal(format!("operation {id} is gone")))?;
            let number = tx.numbered(id).or_else(|| numbers.get(&id).copied());
            Ok(OpResult { duplicate, ..row.result(number)? })
        }
    };
    answers
        .into_iter()
        .map(|answer| match answer {
            Ok(Answer { taken, token, missing_seqs }) => {
                let results = taken.into_iter().map(one).collect::<Result<_>>()?;
                Ok(Ok(Pushed { results, token, missing_seqs }))
            }
            Err(error) => Ok(Err(error)),
        })
        .collect()
}

/// Re-evaluates the operations that waited for what this transaction brought; runs at the end of each one that writes.
///
/// # Errors
/// Transient ones; then nothing of the transaction is recorded.
pub fn release(tx: &mut Tx) -> Result<()> {
    if !tx.has_settled() {
        return Ok(());
    }
    let mut ledger = Ledger::new(tx);
    engine::release(&mut ledger)?;
    ledger.write().map(drop)
}

/// Operations of types that this version has learned since they were held.
pub fn settle_types(tx: &mut Tx) {
    for (op_type, version) in types::known() {
        tx.settle(types::wait_for(op_type, version));
    }
}
