//! A real server in this process, on either engine, with a clock that stands still until a test moves it.

use super::{http::Call, pg, s3, scratch::Folder};
use actix_web::{dev::ServerHandle, web};
use chengguan::{
    app::App,
    config::{Config, LogFormat, blobs::BlobPlace},
    db::{
        Db, Tx,
        types::{DeviceId, SessionId, UserId},
    },
    env::{Env, SimClock},
    error::Result,
    http::server,
    identity::{
        passwords,
        rules::{Actor, DeviceKind, Role},
        tokens::{self, PublicJwk},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

/// The two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// The throw-away server of `support::pg`.
    Postgres,
}

impl Engine {
    /// Both, or SQLite alone after `TEST_PG=off`, which is then said under `name`.
    pub fn all(name: &str) -> Vec<Engine> {
        [Engine::Sqlite, Engine::Postgres].into_iter().filter(|engine| engine.is_on(name)).collect()
    }

    /// Whether tests on this engine run; one that is switched off says so.
    pub fn is_on(self, name: &str) -> bool {
        let on = self == Engine::Sqlite || !pg::switched_off();
        if !on {
            // Past the test harness's capture: a test that did not run must be seen.
            drop(writeln!(std::io::stderr(), "SWITCHED OFF by TEST_PG=off: {name}"));
        }
        on
    }
}

/// When the simulated clock begins: a Monday, 09:00 in Beijing.
pub const START: &str = "2026-11-23T01:00:00Z";

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// What a world may have different from the usual.
pub struct Options {
    /// Stand still, or run with the real clock.
    pub simulated: bool,
    /// Changes to the settings.
    pub config: fn(&mut Config),
    /// Where the originals live, when not in a folder of its own.
    pub blobs: Option<BlobPlace>,
}

impl Default for Options {
    fn default() -> Options {
        Options { simulated: true, config: |_| {}, blobs: None }
    }
}

/// A running server with what belongs to it; stopped and removed when dropped.
pub struct World {
    /// Which database.
    pub engine: Engine,
    /// Where it listens.
    pub address: SocketAddr,
    /// The server's inside.
    pub app: web::Data<App>,
    /// Moves the time of a simulated world.
    pub clock: Arc<SimClock>,
    admin: OnceLock<Person>,
    names: AtomicU32,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    // After the server that writes there.
    _folder: Folder,
    // After everything that is connected to it.
    _database: Option<pg::Database>,
}

/// An account that is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account.
    pub id: UserId,
    /// The name to sign in with; the password is [`PASSWORD`].
    pub username: String,
    /// The role.
    pub role: Role,
    /// The unit's id, for liaisons and officers.
    pub unit: Option<String>,
    /// An access token.
    pub token: String,
    /// The refresh token.
    pub refresh: String,
    /// The session.
    pub session: SessionId,
}

impl Person {
    /// What the use cases know of this person.
    pub fn actor(&self) -> Actor {
        Actor {
            user_id: self.id,
            name: self.username.clone(),
            role: self.role,
            unit_id: self.unit.as_deref().map(|unit| unit.parse().expect("a unit's id is one")),
            session_id: self.session,
            device_id: None,
        }
    }
}

/// A device with its own key.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// The label.
    pub name: String,
    /// PKCS#8.
    pub key: Vec<u8>,
    /// The epoch it got when it enrolled.
    pub epoch: i64,
}

impl World {
    /// Runs one scenario on one engine; the body of every test that `on_both_engines!` makes.
    pub fn run(engine: Engine, name: &str, scenario: fn(&World)) {
        if engine.is_on(name) {
            scenario(&World::start(engine));
        }
    }

    /// Runs one scenario with the originals in a bucket, on the database that such a site has.
    pub fn run_in_a_bucket(name: &str, scenario: fn(&World)) {
        if Engine::Postgres.is_on(name) {
            let (store, prefix) = s3::shared();
            scenario(&World::with(
                Engine::Postgres,
                Options { blobs: Some(store.place(&prefix)), ..Options::default() },
            ));
        }
    }

    /// Runs one scenario that makes its own world, or its own process.
    pub fn run_alone(engine: Engine, name: &str, scenario: fn(Engine)) {
        if engine.is_on(name) {
            scenario(engine);
        }
    }

    /// A server on an empty database.
    pub fn start(engine: Engine) -> World {
        World::with(engine, Options::default())
    }

    /// A server on an empty database, somewhat different.
    pub fn with(engine: Engine, options: Options) -> World {
        let folder = Folder::new("world");
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(pg::Database::migrated()),
        };
        let mut config = config(&folder, database.as_ref());
        (options.config)(&mut config);
        config.blobs = options.blobs.unwrap_or(config.blobs);
        let start = START.parse().expect("START is a moment");
        let (simulated, clock) = Env::simulated(start, 7);
        let env = if options.simulated { simulated } else { Env::system() };
        let (app, handle, address, thread) = serve(config, env);
        let (admin, names) = (OnceLock::new(), AtomicU32::new(0));
        World {
            engine,
            address,
            app,
            clock,
            admin,
            names,
            handle,
            thread: Some(thread),
            _folder: folder,
            _database: database,
        }
    }

    /// The present of this world.
    pub fn now(&self) -> DateTime<Utc> {
        self.app.env.now()
    }

    /// Moves the simulated time on.
    pub fn wait(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    /// A request of any method.
    pub fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&format!("http://{}", self.address), method, path)
    }

    /// A GET request.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// A POST request.
    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    /// A PUT request.
    pub fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    /// A name nobody has here yet.
    pub fn name(&self, kind: &str) -> String {
        format!("{kind}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// The first administrator, made with the setup code at the first call.
    pub fn admin(&self) -> &Person {
        self.admin.get_or_init(|| {
            let code = self.app.setup_code.clone().expect("a fresh server has a setup code");
            let body = json!({"code": code, "username": "admin", "name": "管理员", "password": PASSWORD});
            self.post("/api/v1/setup").json(&body).send().expect(201);
            self.sign_in("admin", None)
        })
    }

    /// A new account of this role, signed in; a liaison and an officer get a new unit.
    pub fn person(&self, role: Role) -> Person {
        let unit = matches!(role, Role::Liaison | Role::Officer).then(|| self.unit());
        self.person_of(role, unit)
    }

    /// A new account of this role and unit, signed in.
    pub fn person_of(&self, role: Role, unit: Option<String>) -> Person {
        let username = self.name(role.as_str());
        let body = json!({
            "username": username, "name": "张伟", "role": role, "unit_id": unit, "password": PASSWORD,
        });
        self.post("/api/v1/users").by(&self.admin().token).json(&body).send().expect(201);
        Person { unit, ..self.sign_in(&username, None) }
    }

    /// Signs in, on a device if one is given.
    pub fn sign_in(&self, username: &str, device: Option<&Device>) -> Person {
        let token = device.map(|device| self.device_token(device));
        let body = json!({"username": username, "password": PASSWORD, "device_token": token});
        let signed = self.post("/api/v1/auth/login").json(&body).send().expect(200);
        Person {
            id: read(&signed["user"]["id"]),
            username: username.to_owned(),
            role: read(&signed["user"]["role"]),
            unit: signed["user"]["unit_id"].as_str().map(str::to_owned),
            token: read(&signed["access_token"]),
            refresh: read(&signed["refresh_token"]),
            session: read(&signed["session_id"]),
        }
    }

    /// A new unit of class A; returns its id.
    pub fn unit(&self) -> String {
        let code = self.name("u");
        let body = json!({"code": code, "name": format!("单位 {code}"), "year": 2026, "class": "A"});
        read(&self.post("/api/v1/units").by(&self.admin().token).json(&body).send().expect(201)["id"])
    }

    /// A new device with its enrolment code, not enrolled yet.
    pub fn device_code(&self, kind: DeviceKind) -> (String, String) {
        let name = self.name(kind.as_str());
        let body = json!({"name": name, "kind": kind});
        let added = self.post("/api/v1/devices").by(&self.admin().token).json(&body).send().expect(201);
        (name, read(&added["code"]))
    }

    /// A new device, enrolled with its own key.
    pub fn device(&self, kind: DeviceKind) -> Device {
        let (name, code) = self.device_code(kind);
        let key = tokens::fresh_pkcs8().expect("a key can be made");
        let enrolled = self.enrol(&code, &key).expect(201);
        Device { id: read(&enrolled["device_id"]), name, key, epoch: read(&enrolled["epoch"]) }
    }

    /// Sends an enrolment.
    pub fn enrol(&self, code: &str, key: &[u8]) -> super::http::Reply {
        let point = tokens::public_key(key).expect("our own key is sound");
        let body = json!({"code": code, "public_key": PublicJwk::from_point(&point)});
        self.post("/api/v1/devices/enrol").json(&body).send()
    }

    /// A token the device signs itself, good for ten minutes.
    pub fn device_token(&self, device: &Device) -> String {
        tokens::sign_device(&device.key, device.id, self.now(), TimeDelta::minutes(10)).expect("our own key signs")
    }

    /// Opens the same data a second time, as another process or a restart would.
    pub fn again(&self) -> Opened {
        let (config, env) = (self.app.config.clone(), self.app.env.clone());
        Opened { app: block_on(App::open(config, env)).expect("the data can be opened again") }
    }

    /// Stops the server and leaves what it wrote, for a real program to go on with: started in this folder, it finds its
    /// data where it looks for it.
    pub fn left_behind(mut self) -> Folder {
        std::mem::replace(&mut self._folder, Folder::new("left"))
    }

    /// A second server on the same data, as another process would be.
    pub fn beside(&self) -> Beside {
        let (_, handle, address, thread) = serve(self.app.config.clone(), self.app.env.clone());
        Beside { address, handle, thread: Some(thread) }
    }

    /// One writing transaction beside the API: what the command line does.
    #[track_caller]
    pub fn write<T: Send + 'static>(&self, f: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static) -> T {
        block_on(self.app.db.write(f)).expect("the transaction commits")
    }

    /// One writing transaction that may be refused.
    pub fn try_write<T: Send + 'static>(&self, f: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static) -> Result<T> {
        block_on(self.app.db.write(f))
    }

    /// One read beside the API.
    #[track_caller]
    pub fn read<T: Send + 'static>(&self, f: impl FnOnce(&mut Db) -> Result<T> + Send + 'static) -> T {
        block_on(self.app.db.read(f)).expect("the database answers")
    }

    /// A password's hash.
    pub fn hash(&self, password: &str) -> String {
        passwords::hash(&self.app.env, password).expect("a password can be hashed")
    }

    /// Revokes a device.
    pub fn revoke(&self, device: &Device) {
        let path = format!("/api/v1/devices/{}/revoke", device.id);
        self.post(&path).by(&self.admin().token).send().expect(200);
    }
}

/// A second opening of a world's data.
pub struct Opened {
    /// Its inside.
    pub app: App,
}

/// A second server on a world's data; ends when dropped.
pub struct Beside {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Waits for a future of the server's inside.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made").block_on(future)
}

impl Drop for World {
    fn drop(&mut self) {
        // Sent at once; the future would only tell when it is done, which the thread's end tells too.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the server's thread panicked");
        }
    }
}

/// The settings of a test server.
pub fn config(folder: &Folder, database: Option<&pg::Database>) -> Config {
    let data = folder.path().join("data");
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        database_url: match database {
            Some(database) => database.url.clone(),
            None => format!("sqlite:{}", data.join("chengguan.db").display()),
        },
        staging: data.clone(),
        blobs: BlobPlace::Folder(data.join("blobs")),
        data,
        migrate: true,
        connections: 4,
        workers: 1,
        max_upload_bytes: 1 << 33,
        reserve_bytes: 0,
        quota_bytes: 1 << 38,
        require_digest: false,
        ffmpeg: "off".into(),
        general_retention_days: 183,
        case_retention_years: 30,
        min_app: chengguan::config::OldestApps::default(),
        city: None,
        open311_keys: chengguan::config::open311::Open311Keys::default(),
        letters: chengguan::config::letters::Letters::default(),
        basemap: None,
        map_attribution: None,
        log_format: LogFormat::Text,
        log: "warn".into(),
    }
}

type Served = (web::Data<App>, ServerHandle, SocketAddr, JoinHandle<()>);

fn serve(config: Config, env: Env) -> Served {
    let (tell, told) = mpsc::channel();
    let thread = thread::Builder::new().name("server".into()).spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = App::open(config, env).await.expect("the server starts");
            let app = web::Data::new(app);
            let bound = server::bind(app.clone()).expect("a free port is found");
            tell.send((app, bound.server.handle(), bound.address)).expect("the test waits for this");
            bound.server.await.expect("the server runs to its end");
        });
    });
    let thread = thread.expect("a thread can be started");
    let (app, handle, address) = told.recv().expect("the server started (its own message is above)");
    (app, handle, address, thread)
}

/// A documented member of an answer.
#[track_caller]
pub fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}
