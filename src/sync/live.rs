//! Who waits for changes is told when there are some: one watcher a process, however many wait.

use crate::db::{Database, feed};
use std::time::Duration;
use tokio::sync::watch;

/// How often the feed is looked at for what other processes wrote. Writes of this process are seen at once.
const LOOK: Duration = Duration::from_millis(400);

/// The newest number of the feed, for those who wait.
pub struct Watcher {
    head: watch::Sender<i64>,
}

impl Watcher {
    /// Begins to watch; ends with the process.
    pub fn start(db: Database) -> Watcher {
        let head = watch::Sender::new(0);
        let (tell, mut written) = (head.clone(), db.written().listen());
        tokio::spawn(async move {
            loop {
                // An end of the bell is an end of the database, and of the process.
                if tokio::time::timeout(LOOK, written.changed()).await.is_ok_and(|rung| rung.is_err()) {
                    return;
                }
                if tell.receiver_count() == 0 {
                    continue;
                }
                if let Ok(life) = db.read(feed::life).await {
                    tell.send_if_modified(|head| std::mem::replace(head, life.head) != life.head);
                }
            }
        });
        Watcher { head }
    }

    /// The newest number as it rises. Look at the feed after this and before waiting, or a change may be missed.
    pub fn listen(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }
}
