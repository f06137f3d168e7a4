//! Originals in a bucket of an S3-compatible store, under the same names as in a folder.
//!
//! A large file goes in parts, one after the other, so memory stays flat; each part and each small object carries its
//! SHA-256, which the store checks. An attempt that a kill cut off leaves parts that cost money and are seen by nobody:
//! its id is noted beside the staged file, and the next attempt removes them.

use super::{
    Listed, Originals, Source,
    digest::{self, Algorithm, hex},
    is_original,
    originals::changed,
    shelf,
};
use crate::config::blobs::Bucket;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, Checksum},
    client::{HttpError, SpawnedReqwestConnector},
    multipart::{MultipartStore, PartId},
    path::Path as Key,
};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
};

/// The size of a part, bytes, and the most that goes as one object. The store's least is 5 MiB.
const PART: u64 = 8 * 1024 * 1024;
/// The most parts a store takes is 10,000; longer files get larger parts.
const PARTS: u64 = 9_000;
/// What is fetched at a time when an original is read, bytes: no connection waits for a slow reader.
const WINDOW: u64 = 1024 * 1024;
/// Files that are sent at the same time; each takes the memory of a part.
const SENDERS: usize = 4;
/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long one request may take, with a part of 8 MiB in it.
const REQUEST: Duration = Duration::from_secs(30);
/// How often a failed request is repeated, and how long after the first no more.
const REPEATS: usize = 3;
const REPEATING: Duration = Duration::from_secs(15);

/// The bucket.
pub struct InBucket {
    store: Arc<Store>,
    prefix: String,
}

struct Store {
    s3: AmazonS3,
    senders: Semaphore,
    /// Of its own: connections belong to the runtime that opened them, and callers come from several.
    runtime: Option<Runtime>,
}

impl Drop for Store {
    fn drop(&mut self) {
        // Waiting for its threads is forbidden where a server drops this.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Store {
    fn wait<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
        self.run(work)?.map_err(failed)
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        Ok(self.runtime.as_ref().ok_or_else(|| io::Error::other("the store is closed"))?.block_on(work))
    }
}

fn failed(error: Error) -> io::Error {
    let kind = match error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::HostUnreachable,
    };
    io::Error::new(kind, error)
}

/// Whether nobody answered at all, as opposed to an answer that refuses.
fn is_silence(error: &io::Error) -> bool {
    let mut cause = error.get_ref().map(|inner| inner as &dyn std::error::Error);
    while let Some(inner) = cause {
        if inner.is::<HttpError>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// `None` for what is not there.
fn there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

impl InBucket {
    /// Connects, and asks for an object that is not there to see whether the store lets us in. A store that does not
    /// answer at all is only logged: uploads are taken without it and finished when it is back.
    ///
    /// # Errors
    /// A sentence for the person who starts the server, in Chinese and English.
    pub fn open(bucket: &Bucket) -> Result<InBucket, String> {
        let unusable = |e: &dyn std::fmt::Display| format!("无法使用 / unusable: {e}");
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("bucket").enable_all().build();
        let runtime = runtime.map_err(|e| unusable(&e))?;
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(200), ..BackoffConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_access_key_id(&bucket.access.key_id)
            .with_secret_access_key(&bucket.access.secret)
            .with_virtual_hosted_style_request(!bucket.path_style)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(RetryConfig { backoff, max_retries: REPEATS, retry_timeout: REPEATING })
            .with_client_options(ClientOptions::new().with_connect_timeout(CONNECTING).with_timeout(REQUEST))
            .with_allow_http(bucket.allow_http)
            .with_http_connector(SpawnedReqwestConnector::new(runtime.handle().clone()));
        if let Some(address) = bucket.address() {
            builder = builder.with_endpoint(address);
        }
        if let Some(token) = &bucket.access.token {
            builder = builder.with_token(token);
        }
        let s3 = builder.build().map_err(|e| unusable(&e))?;
        let store = Arc::new(Store { s3, senders: Semaphore::new(SENDERS), runtime: Some(runtime) });
        let opened = InBucket { store, prefix: bucket.prefix.clone() };
        let probe = opened.store.wait(opened.store.s3.get(&opened.key("probe")));
        let Err(error) = probe else { return Ok(opened) };
        let why = match error.kind() {
            // Some stores miss the object before they miss the bucket.
            io::ErrorKind::NotFound if !error.to_string().contains("NoSuchBucket") && opened.list("", 1).is_ok() => {
                return Ok(opened);
            }
            io::ErrorKind::NotFound => "存储桶不存在 / there is no such bucket",
            io::ErrorKind::PermissionDenied => "密钥错误或无权访问 / the keys are wrong or may not use it",
            _ if is_silence(&error) => {
                tracing::error!(
                    ?bucket,
                    %error,
                    "对象存储没有应答，收到的文件先留在本地 / the blob store does not answer; uploads wait until it is back"
                );
                return Ok(opened);
            }
            _ => "服务拒绝了请求 / the store refused the request",
        };
        Err(format!("{why} ({error})"))
    }

    /// What every key begins with, when that is anything.
    fn root(&self) -> Option<Key> {
        (!self.prefix.is_empty()).then(|| Key::from(self.prefix.as_str()))
    }

    fn key(&self, path: &str) -> Key {
        if self.prefix.is_empty() { Key::from(path) } else { Key::from(format!("{}/{path}", self.prefix)) }
    }

    fn original(&self, sha256: &str) -> Key {
        self.key(&format!("{}/{sha256}", shelf(sha256)))
    }

    fn picture(&self, sha256: &str, suffix: &str) -> Key {
        self.key(&format!("derived/{}/{sha256}{suffix}", shelf(sha256)))
    }

    fn put_object(&self, key: &Key, bytes: Vec<u8>) -> io::Result<()> {
        self.store.wait(self.store.s3.put(key, bytes.into())).map(|_| ())
    }

    fn put_in_parts(&self, staged: &Path, key: &Key, sha256: &str, length: u64) -> io::Result<()> {
        let id = self.store.wait(self.store.s3.create_multipart(key))?;
        let sent = fs::write(note(staged), &id).and_then(|()| {
            let parts = self.send(staged, key, &id, sha256, length)?;
            self.store.wait(self.store.s3.complete_multipart(key, &id, parts)).map(|_| ())
        });
        if let Err(error) = sent {
            // When this fails too, the note stays for the next attempt.
            if let Err(error) = self.give_up(staged, key) {
                tracing::warn!(%error, %key, "parts of an unfinished object stay in the store for now");
            }
            return Err(error);
        }
        fs::remove_file(note(staged))
    }

    fn send(&self, staged: &Path, key: &Key, id: &String, sha256: &str, length: u64) -> io::Result<Vec<PartId>> {
        let size = PART.max(length.div_ceil(PARTS));
        let (mut file, mut running, mut parts) = (File::open(staged)?, Algorithm::Sha256.start(), Vec::new());
        loop {
            let mut part = Vec::with_capacity(usize::try_from(size).map_err(io::Error::other)?);
            file.by_ref().take(size).read_to_end(&mut part)?;
            if part.is_empty() {
                break;
            }
            running.update(&part);
            parts.push(self.store.wait(self.store.s3.put_part(key, id, parts.len(), part.into()))?);
        }
        if hex(&running.finish()) == sha256 { Ok(parts) } else { Err(changed()) }
    }

    /// Removes the parts of an attempt that did not come to its end.
    fn give_up(&self, staged: &Path, key: &Key) -> io::Result<()> {
        let note = note(staged);
        let Some(id) = there(fs::read_to_string(&note))? else { return Ok(()) };
        match self.store.wait(self.store.s3.abort_multipart(key, &id)) {
            // Completed or removed meanwhile, which some stores call forbidden.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                tracing::warn!(error = %e, %key, "an unfinished object of an earlier attempt could not be given up");
            }
            outcome => outcome?,
        }
        fs::remove_file(note)
    }
}

/// Where the id of a running attempt is noted.
fn note(staged: &Path) -> PathBuf {
    staged.with_extension("parts")
}

impl Originals for InBucket {
    fn put(&self, staged: &Path, sha256: &str, _alone: bool) -> io::Result<()> {
        let key = self.original(sha256);
        self.give_up(staged, &key)?;
        if self.is_sound(sha256)? {
            return Ok(());
        }
        let _place = self.store.run(self.store.senders.acquire())?.map_err(io::Error::other)?;
        let length = fs::metadata(staged)?.len();
        if length > PART {
            self.put_in_parts(staged, &key, sha256, length)?;
        } else {
            let bytes = fs::read(staged)?;
            if digest::sha256_of(&mut bytes.as_slice())?.0 != sha256 {
                return Err(changed());
            }
            self.put_object(&key, bytes)?;
        }
        let stored = self.store.wait(self.store.s3.head(&key))?.size;
        if stored == length {
            return Ok(());
        }
        Err(io::Error::other(format!("the store keeps {stored} bytes of {length}")))
    }

    fn open(&self, sha256: &str) -> io::Result<Option<(Source, u64)>> {
        let key = self.original(sha256);
        let Some(found) = there(self.store.wait(self.store.s3.head(&key)))? else { return Ok(None) };
        let length = found.size;
        let reader = Reader { store: self.store.clone(), key, length, at: 0, window: Bytes::new(), window_at: 0 };
        Ok(Some((Box::new(reader), length)))
    }

    fn remove(&self, sha256: &str) -> io::Result<()> {
        let shelf = self.key(&format!("derived/{}", shelf(sha256)));
        let pictures: Vec<_> = self.store.wait(self.store.s3.list(Some(&shelf)).try_collect())?;
        let own = |key: &Key| key.filename().is_some_and(|name| name.starts_with(sha256));
        let pictures = pictures.into_iter().map(|found| found.location).filter(own);
        for key in pictures.chain([self.original(sha256)]) {
            there(self.store.wait(self.store.s3.delete(&key)))?;
        }
        Ok(())
    }

    fn list(&self, after: &str, limit: usize) -> io::Result<Vec<Listed>> {
        let (s3, root) = (&self.store.s3, self.root());
        // Names sort as their keys do, because a key begins with its name.
        let all = match after {
            "" => s3.list(root.as_ref()),
            after => s3.list_with_offset(root.as_ref(), &self.original(after)),
        };
        let originals = all.try_filter_map(|found| {
            let name = found.location.filename().filter(|name| is_original(name)).map(str::to_owned);
            std::future::ready(Ok(name.map(|sha256| Listed { sha256, length: found.size })))
        });
        self.store.wait(originals.take(limit).try_collect())
    }

    fn derived(&self, sha256: &str, suffix: &str) -> io::Result<Option<Vec<u8>>> {
        let key = self.picture(sha256, suffix);
        let bytes = self.store.wait(async { self.store.s3.get(&key).await?.bytes().await });
        Ok(there(bytes)?.map(Vec::from))
    }

    fn keep_derived(&self, sha256: &str, suffix: &str, _unique: &str, bytes: &[u8]) -> io::Result<()> {
        self.put_object(&self.picture(sha256, suffix), bytes.to_vec())
    }
}

/// An original, fetched a window at a time.
struct Reader {
    store: Arc<Store>,
    key: Key,
    length: u64,
    at: u64,
    window: Bytes,
    window_at: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let behind = self.window_at + self.window.len() as u64;
        if !(self.window_at..behind).contains(&self.at) {
            let to = self.length.min(self.at + WINDOW);
            self.window = self.store.wait(self.store.s3.get_range(&self.key, self.at..to))?;
            self.window_at = self.at;
            if self.window.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let begin = usize::try_from(self.at - self.window_at).map_err(io::Error::other)?;
        let length = buffer.len().min(self.window.len() - begin);
        buffer[..length].copy_from_slice(&self.window[begin..begin + length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
