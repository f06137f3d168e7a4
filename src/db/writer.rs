//! SQLite's one writer: a thread that takes waiting requests together and makes them durable with one fsync.
//!
//! Each request runs in its own savepoint, so one that fails takes nothing of its neighbours with it; the answers go
//! out only after the common commit. Under load this turns the cost of an fsync into a shared one.

use super::{Db, Tx};
use crate::{
    env::Env,
    error::{Error, Result},
};
use std::{sync::mpsc, thread};
use tokio::sync::oneshot;

/// Sends a request's answer once the commit's outcome is known.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;
type Job = Box<dyn FnOnce(&mut Tx) -> Answer + Send>;

/// How many requests share one commit at most; bounds the time a single one waits for the others.
const BATCH: usize = 64;

pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    pub(super) fn start(mut db: Db, env: Env) -> std::io::Result<Writer> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        thread::Builder::new().name("writer".into()).spawn(move || {
            while let Ok(first) = waiting.recv() {
                commit_together(&mut db, &env, first, &waiting);
            }
        })?;
        Ok(Writer { jobs })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let outcome = tx.savepoint(f);
            Box::new(move |committed| {
                // The receiver is gone only when the request was dropped; its work is committed all the same.
                drop(tell.send(committed.and(outcome)));
            })
        });
        self.jobs.send(job).map_err(|_| Error::internal("the writer thread ended"))?;
        told.await.map_err(|_| Error::internal("the writer thread dropped a request"))?
    }
}

fn commit_together(db: &mut Db, env: &Env, first: Job, waiting: &mpsc::Receiver<Job>) {
    let mut answers = Vec::new();
    let outcome = db.begin().map_err(Error::from).and_then(|()| {
        let mut next = Some(first);
        while let Some(job) = next.take() {
            // A fresh `Tx` for each request: its `now`, its changes.
            let mut tx = Tx::new(db, env);
            answers.push(job(&mut tx));
            if answers.len() < BATCH {
                next = waiting.try_recv().ok();
            }
        }
        db.commit().map_err(Error::from)
    });
    if outcome.is_err() {
        // A failed commit may leave the transaction open; the error that is told is the commit's.
        drop(db.rollback());
    }
    for answer in answers {
        answer(outcome.clone());
    }
}
