//! A real S3-compatible server in a process of its own, that a test may kill and start again.
//!
//! The process is this test binary once more, told by a variable to serve one folder with `s3s-fs`: nothing has to be
//! installed, and it is built whenever the tests are.

use super::scratch::Folder;
use chengguan::config::blobs::{Access, BlobPlace, Bucket};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The only bucket.
pub const BUCKET: &str = "evidence";
/// The account that may use it.
pub const KEY_ID: &str = "test-key";
/// Its secret.
pub const SECRET: &str = "test-secret";

const ROOT: &str = "TEST_S3_ROOT";
const PORT: &str = "TEST_S3_PORT";

/// A server with its folder; killed when dropped.
pub struct Server {
    folder: Folder,
    child: Mutex<Option<Child>>,
    /// Where it listens, also after it was started again.
    pub address: SocketAddr,
}

impl Server {
    /// An empty store.
    pub fn start() -> Server {
        let folder = Folder::new("s3");
        fs::create_dir(folder.path().join(BUCKET)).expect("a bucket is a folder");
        let (child, address) = spawn(folder.path(), 0);
        Server { folder, child: Mutex::new(Some(child)), address }
    }

    /// Kills it: nothing answers at its address any more.
    pub fn stop(&self) {
        if let Some(mut child) = self.child.lock().expect("no test panicked here").take() {
            child.kill().expect("it was running");
            child.wait().expect("it can be waited for");
        }
    }

    /// Starts it again, with what it had.
    pub fn start_again(&self) {
        let (child, address) = spawn(self.folder.path(), self.address.port());
        assert_eq!(address, self.address);
        *self.child.lock().expect("no test panicked here") = Some(child);
    }

    /// What `--blob-url` takes.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}?endpoint=http://{}&allow_http=true", self.address)
    }

    /// The same as a setting.
    pub fn place(&self, prefix: &str) -> BlobPlace {
        let access = Access { key_id: KEY_ID.into(), secret: SECRET.into(), token: None };
        BlobPlace::parse(&self.url(prefix), access, None).expect("the URL of our own server is one")
    }

    /// The bucket as a setting.
    pub fn bucket(&self, prefix: &str) -> Bucket {
        match self.place(prefix) {
            BlobPlace::Bucket(bucket) => bucket,
            BlobPlace::Folder(_) => unreachable!("s3: is a bucket"),
        }
    }

    /// The folder that holds the objects whose keys begin with `prefix`.
    pub fn objects(&self, prefix: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(prefix)
    }

    /// The files of multipart uploads that were neither completed nor given up.
    pub fn unfinished(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("our own folder can be read");
        let names = entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".upload_id") || name.starts_with(".upload-")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The store that tests share who do not kill it, and a prefix that nobody else has.
pub fn shared() -> (&'static Server, String) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("world-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    (SERVER.get_or_init(Server::start), prefix)
}

fn spawn(root: &Path, port: u16) -> (Child, SocketAddr) {
    let own = env::current_exe().expect("a test binary knows itself");
    let mut command = Command::new(own);
    command.args(["--exact", "support::s3::it_keeps_what_it_has_when_it_is_killed", "--nocapture", "--test-threads=1"]);
    command.env(ROOT, root).env(PORT, port.to_string());
    // The pipe on its standard input tells it when we are gone.
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("the test binary can be run");
    let output = child.stdout.take().expect("its output is ours");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.split_once("S3 listens on ").map(|(_, address)| address.to_owned()));
    (child, address.and_then(|address| address.parse().ok()).expect("the store tells where it listens"))
}

fn serve(root: &str, port: u16) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    std::thread::spawn(|| {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        std::process::exit(0);
    });
    runtime.expect("a runtime can be made").block_on(async {
        let files = s3s_fs::FileSystem::new(root).expect("the folder is there");
        let mut service = s3s::service::S3ServiceBuilder::new(files);
        service.set_auth(s3s::auth::SimpleAuth::from_single(KEY_ID, SECRET));
        let service = service.build();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let address = listener.local_addr().expect("it has an address");
        writeln!(std::io::stdout(), "S3 listens on {address}").expect("somebody reads this");
        let http = Builder::new(TokioExecutor::new());
        loop {
            let (socket, _) = listener.accept().await.expect("connections come");
            let connection = http.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
            tokio::spawn(async move { drop(connection.await) });
        }
    });
}

#[test]
fn it_keeps_what_it_has_when_it_is_killed() {
    if let (Ok(root), Ok(port)) = (env::var(ROOT), env::var(PORT)) {
        return serve(&root, port.parse().expect("a port is a number"));
    }
    let server = Server::start();
    let bucket = chengguan::blob::InBucket::open(&server.bucket("a/b")).unwrap();
    let store: &dyn chengguan::blob::Originals = &bucket;
    let sha256 = "0".repeat(64);
    store.keep_derived(&sha256, "-160.jpg", "u", b"picture").unwrap();
    server.stop();
    assert!(store.derived(&sha256, "-160.jpg").is_err());
    server.start_again();
    assert_eq!(store.derived(&sha256, "-160.jpg").unwrap().as_deref(), Some(&b"picture"[..]));
}
