//! The originals' two places keep one contract; and what only a place across the network can do: be down.

use crate::support::{
    http::Reply,
    on_both_engines,
    process::{Process, chengguan},
    s3,
    scratch::Folder,
    tus::{Tus, number},
    world::{Engine, Options, PASSWORD, World, read},
};
use chengguan::{
    blob::{InBucket, InFolder, Listed, Originals},
    config::blobs::{Access, BlobPlace},
    error::Code,
    evidence::uploads,
    identity::{
        rules::Role,
        tokens::{hex, sha256},
    },
};
use serde_json::json;
use std::{
    fs,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Files that are larger go to a bucket in parts.
const PART: usize = 8 * 1024 * 1024;

/// A place for originals, and a folder to stage files in.
struct Place {
    originals: Box<dyn Originals>,
    /// Where its files lie in the end, in both cases in the same folders.
    files: PathBuf,
    folder: Folder,
}

impl Place {
    fn folder() -> Place {
        let folder = Folder::new("originals");
        let files = folder.path().join("blobs");
        Place { originals: Box::new(InFolder::open(&files).unwrap()), files, folder }
    }

    fn bucket() -> Place {
        let (store, prefix) = s3::shared();
        let originals = InBucket::open(&store.bucket(&prefix)).unwrap();
        Place { originals: Box::new(originals), files: store.objects(&prefix), folder: Folder::new("originals") }
    }

    fn stage(&self, bytes: &[u8]) -> (PathBuf, String) {
        let (path, sha256) = (self.folder.path().join("staged"), digest(bytes));
        fs::write(&path, bytes).unwrap();
        (path, sha256)
    }

    fn put(&self, bytes: &[u8]) -> String {
        let (staged, sha256) = self.stage(bytes);
        self.originals.put(&staged, &sha256, false).unwrap();
        assert!(fs::read(&staged).unwrap() == bytes, "what others may still have open stays where it is");
        sha256
    }

    fn bytes(&self, sha256: &str, from: u64) -> Vec<u8> {
        let (mut source, _) = self.originals.open(sha256).unwrap().unwrap();
        source.seek(SeekFrom::Start(from)).unwrap();
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn file(&self, sha256: &str) -> PathBuf {
        stored(&self.files, sha256)
    }
}

fn stored(root: &Path, sha256: &str) -> PathBuf {
    root.join(&sha256[..2]).join(&sha256[2..4]).join(sha256)
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// Makes `folder::name` and `bucket::name` of `fn name(place: &Place)`.
macro_rules! in_both_places {
    ($($name:ident),+ $(,)?) => {
        mod folder { $(#[test] fn $name() { super::$name(&super::Place::folder()) })+ }
        mod bucket { $(#[test] fn $name() { super::$name(&super::Place::bucket()) })+ }
    };
}

in_both_places!(
    bytes_become_an_original_and_are_read_from_anywhere,
    a_file_that_nobody_else_has_open_may_be_moved,
    an_original_that_is_there_is_read_and_not_sent_again,
    a_flipped_byte_is_found_and_healed_by_the_same_file,
    a_file_that_is_not_what_it_was_becomes_nothing,
    originals_are_listed_in_order_page_by_page,
    a_removed_original_takes_its_pictures_along,
);

fn bytes_become_an_original_and_are_read_from_anywhere(place: &Place) {
    for length in [0, 1, 200_000, PART, PART + 1, 2 * PART + 17] {
        let bytes = noise(length, length as u64 + 1);
        let sha256 = place.put(&bytes);
        assert!(fs::read(place.file(&sha256)).unwrap() == bytes, "{length}: one file or object of that name");
        let (_, told) = place.originals.open(&sha256).unwrap().unwrap();
        assert_eq!(told, length as u64);
        for from in [0, 1, length / 2, length, length + 5] {
            assert!(place.bytes(&sha256, from as u64) == bytes[from.min(length)..], "{length} from {from}");
        }
        assert_eq!(place.originals.verify(&sha256).unwrap(), Some((sha256, told)));
    }
    let absent = digest(b"absent");
    assert!(place.originals.open(&absent).unwrap().is_none());
    assert_eq!(place.originals.verify(&absent).unwrap(), None);
}

fn a_file_that_nobody_else_has_open_may_be_moved(place: &Place) {
    let bytes = noise(PART + 5, 3);
    let (staged, sha256) = place.stage(&bytes);
    place.originals.put(&staged, &sha256, true).unwrap();
    assert!(place.bytes(&sha256, 0) == bytes);
}

fn an_original_that_is_there_is_read_and_not_sent_again(place: &Place) {
    for length in [1000, PART + 1] {
        let bytes = noise(length, 5);
        let sha256 = place.put(&bytes);
        let written = || fs::metadata(place.file(&sha256)).unwrap().modified().unwrap();
        let before = written();
        thread::sleep(Duration::from_millis(20));
        place.put(&bytes);
        assert_eq!(written(), before);
    }
}

fn a_flipped_byte_is_found_and_healed_by_the_same_file(place: &Place) {
    for length in [1000, PART + 1] {
        let bytes = noise(length, 7);
        let sha256 = place.put(&bytes);
        flip(&place.file(&sha256));
        let (actual, told) = place.originals.verify(&sha256).unwrap().unwrap();
        assert!(actual != sha256 && told == length as u64);
        place.put(&bytes);
        assert!(place.bytes(&sha256, 0) == bytes);
        assert!(place.originals.is_sound(&sha256).unwrap());
    }
}

fn a_file_that_is_not_what_it_was_becomes_nothing(place: &Place) {
    for length in [1000, PART + 1] {
        let (staged, _) = place.stage(&noise(length, 9));
        let other = digest(b"what it was before");
        let refused = place.originals.put(&staged, &other, false).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
        assert!(place.originals.open(&other).unwrap().is_none() && place.originals.list("", 9).unwrap().is_empty());
        let beside = fs::read_dir(staged.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(beside.into_iter().all(|name| name == "staged" || name == "blobs"), "no note stays");
    }
}

fn originals_are_listed_in_order_page_by_page(place: &Place) {
    let mut all: Vec<Listed> = (1..=9_usize)
        .map(|n| Listed { sha256: place.put(&noise(n * 100, n as u64)), length: n as u64 * 100 })
        .collect();
    all.sort_by(|a, b| a.sha256.cmp(&b.sha256));
    place.originals.keep_derived(&all[0].sha256, "-160.jpg", "u", b"picture").unwrap();
    assert_eq!(place.originals.list("", 100).unwrap(), all);
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = place.originals.list(&after, 4).unwrap();
        let Some(last) = page.last() else { break };
        after = last.sha256.clone();
        found.extend(page);
    }
    assert_eq!(found, all);
    // A name that is not there is a place to begin as well.
    let between = format!("{}0", &all[3].sha256[..63]);
    let later = place.originals.list(&between, 100).unwrap();
    assert_eq!(later.last(), all.last());
}

fn a_removed_original_takes_its_pictures_along(place: &Place) {
    let (gone, stays) = (place.put(b"one"), place.put(b"two"));
    for sha256 in [&gone, &stays] {
        place.originals.keep_derived(sha256, "-160.jpg", "u1", b"small").unwrap();
        place.originals.keep_derived(sha256, "-320.jpg", "u2", b"larger").unwrap();
    }
    place.originals.remove(&gone).unwrap();
    place.originals.remove(&gone).unwrap();
    assert!(place.originals.open(&gone).unwrap().is_none());
    let picture = |sha256: &str, suffix: &str| place.originals.derived(sha256, suffix).unwrap();
    assert_eq!((picture(&gone, "-160.jpg"), picture(&gone, "-320.jpg")), (None, None));
    assert_eq!(picture(&stays, "-320.jpg").as_deref(), Some(&b"larger"[..]));
    assert_eq!(place.originals.list("", 9).unwrap(), [Listed { sha256: stays, length: 3 }]);
}

on_both_engines!(engine:
    an_upload_waits_for_a_store_that_is_down,
    the_same_bytes_are_one_object_and_a_rotten_one_is_told,
    a_kill_between_two_parts_leaves_no_parts_behind,
    what_keeps_a_store_from_being_used_is_told_at_the_start,
);

fn world_of(engine: Engine, place: BlobPlace) -> World {
    World::with(engine, Options { blobs: Some(place), ..Options::default() })
}

fn an_upload_waits_for_a_store_that_is_down(engine: Engine) {
    let store = s3::Server::start();
    let world = world_of(engine, store.place(""));
    let tus = Tus::new(&world, &world.person(Role::Inspector).token);
    let (small, large) = (noise(100_000, 1), noise(PART + 100_000, 2));
    store.stop();
    let mut locations: Vec<String> = [&small, &large]
        .map(|bytes| {
            let location = tus.begin(bytes.len(), &[("sha256", &digest(bytes))]);
            let last = tus.patch(&location, 0, bytes);
            last.refused(Code::UploadFinalizing);
            assert!(last.header("retry-after").is_some());
            location
        })
        .into();
    // A small file in one request.
    let whole = tus.call("POST", "/api/v1/uploads").header("upload-length", "5");
    let whole = whole.bytes("application/offset+octet-stream", b"hello").send();
    whole.refused(Code::UploadFinalizing);
    locations.push(whole.header("location").unwrap().to_owned());
    for location in &locations {
        assert_eq!(tus.head(location).status, 423, "neither a success nor a failure");
        tus.patch(location, 1, b"x").refused(Code::OffsetMismatch);
        assert_eq!(tus.call("GET", location).send().expect(200)["state"], "finalizing");
    }
    store.start_again();
    // The first by whoever asks, the others by the timer.
    let head = tus.head(&locations[0]);
    assert_eq!(number(&head, "upload-offset"), small.len());
    let app = world.app.clone().into_inner();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(uploads::resume(&app)).unwrap(), 2);
    let evidence = tus.head(&locations[1]).header("content-location").unwrap().to_owned();
    let content = || tus.call("GET", &format!("{evidence}/content")).send();
    assert!(content().bytes == large);
    assert!(store.unfinished().is_empty());
    assert_eq!(fs::read_dir(world.app.config.staging.join("staging")).unwrap().count(), 0);
    store.stop();
    content().refused(Code::Busy);
}

fn the_same_bytes_are_one_object_and_a_rotten_one_is_told(engine: Engine) {
    let store = s3::Server::start();
    let world = world_of(engine, store.place("county"));
    let bytes = noise(PART + 3, 1);
    let sha256 = digest(&bytes);
    let object = stored(&store.objects("county"), &sha256);
    let clients = [0, 1, 2].map(|_| Tus::new(&world, &world.person(Role::Inspector).token));
    let written = || fs::metadata(&object).unwrap().modified().unwrap();
    let evidence = clients[0].upload(&bytes, &[("sha256", &sha256)]);
    let first = written();
    assert_eq!(clients[1].upload(&bytes, &[]), evidence);
    assert_eq!(written(), first, "not sent again");
    flip(&object);
    assert!(!world.app.originals.is_sound(&sha256).unwrap());
    let content = |from: &str| {
        let reply = clients[1].call("GET", &format!("{evidence}/content")).header("range", from).send();
        reply.expect_status(206);
        reply.bytes
    };
    assert!(content("bytes=0-99") == bytes[..100] && content("bytes=-9") == bytes[bytes.len() - 9..]);
    clients[2].upload(&bytes, &[("sha256", &sha256)]);
    assert!(world.app.originals.is_sound(&sha256).unwrap() && content("bytes=0-") == bytes);
}

fn a_kill_between_two_parts_leaves_no_parts_behind(engine: Engine) {
    let (store, folder) = (s3::Server::start(), Folder::new("parts"));
    let database = (engine == Engine::Postgres).then(crate::support::pg::Database::empty);
    let start = |port| {
        let url = database.as_ref().map(|database| database.url.as_str());
        Process::start_with(folder.path(), url, port, |command| {
            command.args(["--blob-url", &store.url("killed")]);
            command.env("AWS_ACCESS_KEY_ID", s3::KEY_ID).env("AWS_SECRET_ACCESS_KEY", s3::SECRET);
        })
    };
    let process = start(0);
    let (port, code) = (process.address.port(), process.setup_code.clone().unwrap());
    let call =
        |method: &str, path: &str| crate::support::http::Call::new(&format!("http://127.0.0.1:{port}"), method, path);
    let setup = json!({"code": code, "username": "admin", "name": "王", "password": PASSWORD});
    call("POST", "/api/v1/setup").json(&setup).send().expect(201);
    let login = json!({"username": "admin", "password": PASSWORD});
    let token: String = read(&call("POST", "/api/v1/auth/login").json(&login).send().expect(200)["access_token"]);
    let tus = |method: &str, path: &str| call(method, path).by(&token).header("tus-resumable", "1.0.0");
    let film = noise(6 * PART + 5, 1);
    let created = tus("POST", "/api/v1/uploads").header("upload-length", &film.len().to_string()).send();
    let location = created.header("location").unwrap().to_owned();
    let last = || {
        let call = tus("PATCH", &location).header("upload-offset", "0");
        call.bytes("application/offset+octet-stream", film.clone()).try_send()
    };
    thread::scope(|scope| {
        let sending = scope.spawn(last);
        let since = Instant::now();
        while !store.unfinished().iter().any(|name| name.ends_with(".part-2")) {
            assert!(since.elapsed() < Duration::from_secs(60), "no second part: {:?}", store.unfinished());
        }
        process.kill();
        assert!(sending.join().unwrap().is_err(), "it was killed before it had sent all parts");
    });
    assert!(!store.unfinished().is_empty());
    let _process = start(port);
    let since = Instant::now();
    let head: Reply = loop {
        let head = tus("HEAD", &location).send();
        if head.status != 423 {
            break head;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "still 423");
        thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(number(&head, "upload-offset"), film.len());
    let content = format!("{}/content", head.header("content-location").unwrap());
    assert!(tus("GET", &content).send().bytes == film);
    assert_eq!(store.unfinished(), Vec::<String>::new());
    assert!(fs::read(stored(&store.objects("killed"), &digest(&film))).unwrap() == film);
    assert_eq!(fs::read_dir(folder.path().join("data/staging")).unwrap().count(), 0);
}

fn what_keeps_a_store_from_being_used_is_told_at_the_start(engine: Engine) {
    let (store, _) = s3::shared();
    let database = (engine == Engine::Postgres).then(crate::support::pg::Database::empty);
    let refused = |url: &str, secret: Option<&str>| {
        let folder = Folder::new("refused");
        let mut command = chengguan(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--blob-url", url]);
        command.args(database.iter().flat_map(|database| ["--database-url", &database.url]));
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        if let Some(secret) = secret {
            command.env("CHENGGUAN_S3_ACCESS_KEY_ID", s3::KEY_ID).env("CHENGGUAN_S3_SECRET_ACCESS_KEY", secret);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let good = store.url("start");
    for (url, secret, chinese, english) in [
        (good.as_str(), None, "缺少 S3 密钥", "the S3 keys are missing"),
        (&good, Some("wrong"), "密钥错误", "the keys are wrong"),
        (&good.replace(s3::BUCKET, "nobodys"), Some(s3::SECRET), "存储桶不存在", "there is no such bucket"),
        (&good.replace("allow_http", "allow_https"), Some(s3::SECRET), "未知参数", "unknown parameter"),
        ("ftp://somewhere", Some(s3::SECRET), "必须是", "must be file:PATH or s3://"),
    ] {
        let error = refused(url, secret);
        assert!(error.contains(chinese) && error.contains(english), "{url}: {error}");
        assert!(!error.contains(s3::SECRET), "{error}");
    }
    let access = Access { key_id: "k".into(), secret: "s".into(), token: None };
    let nobody = BlobPlace::parse("s3://b?endpoint=http://127.0.0.1:9&allow_http=true", access, None).unwrap();
    // A store that does not answer keeps nobody from beginning to upload.
    let world = world_of(engine, nobody);
    let tus = Tus::new(&world, &world.person(Role::Inspector).token);
    let location = tus.begin(5, &[]);
    tus.patch(&location, 0, b"hello").refused(Code::UploadFinalizing);
}
