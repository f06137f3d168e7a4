//! Unchanged tus clients from npm and PyPI against the real server: 50 MB, broken off at 20 MB, resumed by a second
//! process, and equal byte for byte. Uppy does the same in a real Chromium whose connections break on the way.
//!
//! `tests/run` installs them. Where they are: `TEST_TUS_JS` (a folder with `tus_js.mjs` and its `node_modules`),
//! `TEST_TUS_PY` (a Python that has `tuspy` and the Open311 clients), `TEST_CHROMIUM` (by default `/usr/bin/chromium`).
//! Missing clients fail; `TEST_STOCK_CLIENTS=off` switches them off, `TEST_BROWSER=off` the one in the browser.

use crate::support::{
    scratch::Folder,
    world::{Engine, Options, World, read},
};
use chengguan::identity::{
    rules::DeviceKind,
    tokens::{self, hex, sha256},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::{env, ffi::OsString, fs, io::Write, path::PathBuf, process::Command};

const SIZE: usize = 50_000_000;
const STOP_AT: u64 = 20_000_000;
const MIB: u64 = 1 << 20;

/// A stock client and how it is told to work.
#[derive(Debug, Clone, Copy)]
enum Client {
    /// tus-js-client, with a chunk size or with one request for all.
    Js(Option<u64>),
    /// tuspy, with or without a checksum for each chunk.
    Py { checksum: bool },
}

#[test]
fn tus_js_client_resumes_a_film_in_one_request() {
    film_arrives("stock_clients::tus_js_client_resumes_a_film_in_one_request", Engine::Sqlite, Client::Js(None));
}

#[test]
fn tus_js_client_resumes_a_film_in_chunks_on_postgres() {
    let name = "stock_clients::tus_js_client_resumes_a_film_in_chunks_on_postgres";
    if Engine::all(name).contains(&Engine::Postgres) {
        film_arrives(name, Engine::Postgres, Client::Js(Some(4 * MIB)));
    }
}

#[test]
fn tuspy_resumes_a_film() {
    film_arrives("stock_clients::tuspy_resumes_a_film", Engine::Sqlite, Client::Py { checksum: false });
}

#[test]
fn tuspy_resumes_a_film_with_checksums() {
    film_arrives("stock_clients::tuspy_resumes_a_film_with_checksums", Engine::Sqlite, Client::Py { checksum: true });
}

/// A flipped byte is an error to the person who uploads, not a success.
#[test]
fn tus_js_client_hears_of_a_flipped_byte() {
    let name = "stock_clients::tus_js_client_hears_of_a_flipped_byte";
    if switched_off("TEST_STOCK_CLIENTS", name) {
        return;
    }
    let world = World::with(Engine::Sqlite, Options { simulated: false, ..Options::default() });
    let (folder, mut bytes) = (Folder::new("flipped"), film());
    bytes.truncate(3_000_000);
    let sum = hex(&sha256(&bytes));
    bytes[1_234_567] ^= 4;
    let path = folder.path().join("film.mp4");
    fs::write(&path, &bytes).unwrap();
    let device = world.device(DeviceKind::Camera);
    let job = json!({
        "phase": "whole", "endpoint": format!("http://{}/api/v1/uploads", world.address),
        "token": world.device_token(&device), "file": path, "store": folder.path().join("urls.json"), "sha256": sum,
    });
    let output = command(Client::Js(None)).arg(job.to_string()).output().unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && failed.contains("460"), "{failed}");
}

/// Uppy, unchanged, in a browser whose connections break in the middle: one creation, and all bytes arrive.
#[test]
fn uppy_in_chromium_goes_on_after_its_connections_broke() {
    let name = "stock_clients::uppy_in_chromium_goes_on_after_its_connections_broke";
    if switched_off("TEST_STOCK_CLIENTS", name) || switched_off("TEST_BROWSER", name) {
        return;
    }
    let chromium = env::var("TEST_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    assert!(PathBuf::from(&chromium).exists(), "{}", missing("Chromium", "TEST_CHROMIUM"));
    let world = World::with(Engine::Sqlite, Options { simulated: false, ..Options::default() });
    let (folder, bytes) = (Folder::new("uppy"), film());
    let (path, sum) = (folder.path().join("film.mp4"), hex(&sha256(&bytes)));
    fs::write(&path, &bytes).unwrap();
    let device = world.device(DeviceKind::Camera);
    let job = json!({
        "server": format!("http://{}", world.address), "token": world.device_token(&device), "file": path, "sha256": sum,
        "stop_at": STOP_AT, "chromium": chromium,
    });
    let clients = env::var_os("TEST_TUS_JS").map_or(here(), PathBuf::from);
    assert!(clients.join("node_modules/@uppy/tus").is_dir(), "{}", missing("Uppy", "TEST_TUS_JS"));
    let mut command = Command::new("node");
    let output = command.arg(clients.join("uppy.mjs")).arg(job.to_string()).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
    let ended: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap();
    assert_eq!((ended["failed"].as_array().map(Vec::len), &ended["stopped"]), (Some(0), &json!(true)), "{ended}");
    let asked: Vec<&str> = ended["asked"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let count = |method| asked.iter().filter(|one| **one == method).count();
    assert_eq!(count("POST"), 1, "it went on with the same upload: {asked:?}");
    assert!(count("HEAD") >= 1 && count("PATCH") >= 2, "{asked:?}");
    stored_once(&world, &sum, &bytes);
}

fn film_arrives(name: &str, engine: Engine, client: Client) {
    if switched_off("TEST_STOCK_CLIENTS", name) {
        return;
    }
    let world = World::with(engine, Options { simulated: false, ..Options::default() });
    let folder = Folder::new("film");
    let bytes = film();
    let (path, sum) = (folder.path().join("film.mp4"), hex(&sha256(&bytes)));
    fs::write(&path, &bytes).unwrap();
    let device = world.device(DeviceKind::Camera);
    let token = tokens::sign_device(&device.key, device.id, world.now(), TimeDelta::hours(24)).unwrap();
    let job = |phase: &str| {
        let (chunk, checksum) = match client {
            Client::Js(chunk) => (chunk, false),
            Client::Py { checksum } => (Some(5 * MIB), checksum),
        };
        json!({
            "phase": phase, "endpoint": format!("http://{}/api/v1/uploads", world.address), "token": token,
            "file": path, "store": folder.path().join("urls.json"), "sha256": sum, "stop_at": STOP_AT,
            "chunk": chunk, "checksum": checksum,
        })
    };
    let first = run(client, &job("start"));
    assert!(first["sent"].as_u64().is_some_and(|sent| (STOP_AT..SIZE as u64).contains(&sent)), "{first}");
    let second = run(client, &job("resume"));
    assert_eq!(second["url"], first["url"], "it went on with the same upload");
    let from = second["resumed_from"].as_u64();
    assert!(from.is_some_and(|from| from > 0 && from < SIZE as u64), "it began anew: {second}");
    stored_once(&world, &sum, &bytes);
}

fn stored_once(world: &World, sum: &str, bytes: &[u8]) {
    let list = world.get("/api/v1/evidence").by(&world.admin().token).send().expect(200);
    let stored: Vec<&Value> = list["items"].as_array().unwrap().iter().filter(|e| e["sha256"] == sum).collect();
    assert_eq!(stored.len(), 1, "{list}");
    assert_eq!((&stored[0]["state"], &stored[0]["size"]), (&json!("stored"), &json!(bytes.len())));
    let content = format!("/api/v1/evidence/{}/content", read::<String>(&stored[0]["id"]));
    let back = world.get(&content).by(&world.admin().token).send();
    back.expect_status(200);
    assert!(back.bytes == bytes, "the bytes differ");
}

/// Bytes that no part of the way can shorten or guess.
fn film() -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(SIZE + 4);
    while bytes.len() < SIZE {
        bytes.extend_from_slice(&next()[..4]);
    }
    bytes.truncate(SIZE);
    bytes
}

/// The Python that has the clients of `requirements.txt`.
pub fn python() -> OsString {
    env::var_os("TEST_TUS_PY").unwrap_or_else(|| panic!("{}", missing("A client of Python", "TEST_TUS_PY")))
}

/// The folder of the clients' scripts.
pub fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn command(client: Client) -> Command {
    match client {
        Client::Js(_) => {
            let folder = env::var_os("TEST_TUS_JS").map_or(here(), PathBuf::from);
            assert!(folder.join("node_modules/tus-js-client").is_dir(), "{}", missing("tus-js-client", "TEST_TUS_JS"));
            let mut command = Command::new("node");
            command.arg(folder.join("tus_js.mjs"));
            command
        }
        Client::Py { .. } => {
            let mut command = Command::new(python());
            command.arg(here().join("tus_py.py"));
            command
        }
    }
}

fn run(client: Client, job: &Value) -> Value {
    let mut command = command(client);
    let output = command.arg(job.to_string()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{client:?} failed: {said}{failed}");
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{client:?} said {said:?}: {e}"))
}

fn missing(client: &str, variable: &str) -> String {
    format!(
        "{client} is not installed: run tests/run, which installs it, or name it in {variable}, or set \
         TEST_STOCK_CLIENTS=off to go without these tests"
    )
}

/// Whether a variable says `off`; a test that does not run says so.
pub fn switched_off(variable: &str, name: &str) -> bool {
    let off = match env::var(variable).as_deref() {
        Err(_) | Ok("" | "on") => false,
        Ok("off") => true,
        Ok(other) => panic!("{variable}={other}: must be on or off"),
    };
    if off {
        // Past the test harness's capture: a test that did not run must be seen.
        drop(writeln!(std::io::stderr(), "SWITCHED OFF by {variable}=off: {name}"));
    }
    off
}
