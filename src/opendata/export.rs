//! Exports on their way: pages from the database into a file or straight to the reader. No connection is held while the
//! reader takes its time.

use super::{
    actions::{self, Page, Wanted},
    rules::Collection,
    tables::{Book, Growing},
};
use crate::{
    app::App,
    error::{Error, Result},
};
use actix_web::web::{self, Bytes};
use futures_util::Stream;
use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    sync::Arc,
};

/// Rows that are in memory at a time.
const ROWS: i64 = 500;
/// What is read of a finished file at a time, bytes.
const BLOCK: usize = 128 * 1024;

/// What to export.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) app: web::Data<App>,
    pub(super) collection: Collection,
    pub(super) wanted: Arc<Wanted>,
}

impl Order {
    async fn page(&self, after: Option<String>) -> Result<Page> {
        let (collection, wanted) = (self.collection, self.wanted.clone());
        self.app.db.read(move |db| actions::page(db, collection, &wanted, after.as_deref(), ROWS)).await
    }

    /// The file in pieces. An error breaks the answer off in the middle of its transfer coding, so the reader's program
    /// says that it is not whole.
    pub(super) fn pieces(self, file: Growing) -> impl Stream<Item = Result<Bytes>> {
        enum At {
            Head,
            Page(Option<String>),
            Tail,
            End,
        }
        futures_util::stream::unfold((self, file, At::Head), |(order, mut file, at)| async move {
            let step = match at {
                At::Head => file.head(order.collection).map(|bytes| (bytes, At::Page(None))),
                At::Page(after) => order.page(after).await.and_then(|page| {
                    let next = page.next.map_or(At::Tail, |next| At::Page(Some(next)));
                    Ok((file.page(order.collection, &page.features)?, next))
                }),
                At::Tail => Ok((file.tail().to_vec(), At::End)),
                At::End => return None,
            };
            Some(match step {
                Ok((bytes, next)) => (Ok(Bytes::from(bytes)), (order, file, next)),
                Err(error) => {
                    tracing::error!(collection = %order.collection, cause = ?error, "an export broke off");
                    (Err(error), (order, file, At::End))
                }
            })
        })
    }

    /// The spreadsheet, finished, in a file that goes when it is closed.
    pub(super) async fn book(self) -> Result<File> {
        let folder = self.app.config.staging.clone();
        let mut book = Book::new(self.collection, &folder)?;
        let mut after = None;
        loop {
            let page = self.page(after).await?;
            let added = move || book.page(&page.features).map(|()| (book, page.next));
            let (grown, next) = web::block(added).await.map_err(Error::internal)??;
            book = grown;
            after = next;
            if after.is_none() {
                break;
            }
        }
        let path = folder.join(format!("export-{}.xlsx", self.app.env.id()));
        let saved = move || {
            let mut file = disk(File::options().read(true).write(true).create_new(true).open(&path))?;
            // The file lives as long as it is open, and no crash leaves it behind.
            disk(fs::remove_file(&path))?;
            book.save(&file)?;
            disk(file.rewind())?;
            Ok(file)
        };
        web::block(saved).await.map_err(Error::internal)?
    }
}

fn disk<T>(result: io::Result<T>) -> Result<T> {
    result.map_err(Error::internal)
}

/// A file in blocks, as fast as the reader takes them.
pub(super) fn blocks(file: File) -> impl Stream<Item = Result<Bytes>> {
    futures_util::stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = move || {
            let mut block = vec![0; BLOCK];
            let length = file.read(&mut block)?;
            block.truncate(length);
            Ok::<_, io::Error>((block, file))
        };
        match web::block(read).await.map_err(Error::internal).and_then(disk) {
            Ok((block, _)) if block.is_empty() => None,
            Ok((block, file)) => Some((Ok(Bytes::from(block)), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    })
}
