//! `chengguan city` and `chengguan city-sim`: messages from a file, and a city to talk to.

use super::{Common, dock::stop_on_signal, say, serve};
use crate::{
    app::App,
    city::{actions, routes, wire::ReplyCode},
    config::{Config, city::CityLink},
    db::Tx,
    env::Env,
    error::Result as ActionResult,
    http::server,
    identity::{self, actions::NewUser, rules::Role},
    sim::city::{
        City,
        link::{self, Faults},
        year::{self, County, Plan, Staff},
    },
};
use actix_web::{dev::ServerHandle, web};
use clap::{Args, Subcommand};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    sync::{atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Args)]
pub(super) struct CityArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: CityCommand,
}

#[derive(Subcommand)]
enum CityCommand {
    /// Take the city's messages from a file instead of the network: one JSON envelope a line. A message that is here
    /// already has no second effect.
    Import {
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn run(args: CityArgs) -> Outcome {
    let CityCommand::Import { file } = args.command;
    let config = args.common.load()?;
    super::run_async(import(config, file))
}

async fn import(config: Config, file: PathBuf) -> Outcome {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{name}: {e}"))?;
    let db = App::open_for_administration(&config, Env::system()).await?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (n, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (envelope, whole) = routes::message(line.as_bytes()).map_err(|e| format!("{name}, line {n}: {e}"))?;
        let reply = db.write(move |tx| actions::receive(tx, &envelope, whole)).await?;
        *counts.entry(reply.code.as_str()).or_default() += 1;
        if !matches!(reply.code, ReplyCode::Ok | ReplyCode::Duplicate) {
            let why = [reply.reason, reply.detail].into_iter().flatten().collect::<Vec<_>>().join(" ");
            say(format_args!("line {n}: {} {why}; next is {}", reply.code, reply.expected_seq));
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(code, count)| format!("{count} {code}")).collect();
    say(format_args!("{name}: {}", counts.join(", ")));
    Ok(())
}

#[derive(Args)]
pub(super) struct SimArgs {
    #[command(flatten)]
    common: Common,
    /// Live through a year with a county of its own, compare both books, and end; exit 0 only if nothing was lost,
    /// doubled or refused. Otherwise: listen where city_url says and talk to a running server
    #[arg(long)]
    once: bool,
    /// Cases of the year; without --once, cases to dispatch at all
    #[arg(long, default_value_t = 14_664, value_parser = clap::value_parser!(u32).range(1..=99_999))]
    cases: u32,
    /// Days of the year, 1–366
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Decides what happens and what goes wrong
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nothing goes wrong on the way
    #[arg(long)]
    faultless: bool,
    /// Where the running server is
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    county: String,
}

/// Where a year's county keeps its data unless told otherwise: never in a real server's folder by accident.
const DATA: &str = "./city-sim-data";
/// Where counties take messages.
const PATH: &str = "/api/v1/city/messages";

pub(super) fn simulate(args: &SimArgs) -> Outcome {
    let mut common = args.common.clone();
    if args.once && common.data.is_none() && std::env::var_os("CHENGGUAN_DATA").is_none() && common.config.is_none() {
        common.data = Some(DATA.into());
    }
    if common.log.is_none() && std::env::var_os("CHENGGUAN_LOG").is_none() {
        // What goes wrong on the way is the plot here, not news.
        common.log = Some("error".into());
    }
    let config = common.load()?;
    serve::log(&config)?;
    let faults = if args.faultless { Faults::NONE } else { Faults::BAD };
    if args.once { live(config, args, faults) } else { play(&config, args, faults) }
}

/// Plays the city to a running server until it is stopped.
fn play(config: &Config, args: &SimArgs, faults: Faults) -> Outcome {
    let city = config.city.clone().ok_or("city_url and city_key must be set, the same as for the server")?;
    let url = url::Url::parse(&city.url)?;
    let host = (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or(80));
    let listen = host.to_socket_addrs()?.next().ok_or("city_url names no address")?;
    let env = Env::system();
    let running = link::start(City::new(env.clone()), listen, city, env)?;
    running.shared.set_faults(faults);
    let stop = stop_on_signal()?;
    say(format_args!("the city listens on http://{}/messages and talks to {}", running.address, args.county));
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let target = format!("{}{PATH}", args.county.trim_end_matches('/'));
    let mut given = 0;
    while !stop.load(Ordering::Relaxed) {
        if given < args.cases {
            running.shared.city().dispatch();
            given += 1;
        }
        running.shared.city().verify();
        running.shared.deliver(&agent, &target, 100);
        thread::sleep(Duration::from_secs(1));
    }
    let tally = running.shared.city().tally.clone();
    say(format_args!("{given} cases; sent {}, unanswered {}, taken {:?}", tally.sent, tally.unanswered, tally.taken));
    Ok(())
}

/// A year with a county of its own, in this process, over HTTP.
fn live(mut config: Config, args: &SimArgs, faults: Faults) -> Outcome {
    let start = "2026-01-01T00:00:00Z".parse()?;
    let (env, clock) = Env::simulated(start, args.seed);
    let secret: String = identity::passwords::generate(&Env::system());
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let keys = CityLink { url: String::new(), keys: vec![("k1".into(), secret)] };
    let city = link::start(City::new(env.clone()), free, keys.clone(), env.clone())?;
    let link = CityLink { url: format!("http://{}/messages", city.address), ..keys };
    config.city = Some(link.clone());
    config.listen = free;
    let place = config.database_url.clone();
    let (app, handle, address, thread) = county(config, env)?;
    say(format_args!(
        "a year of {} cases over {} days, seed {}, in {}: {faults:?}",
        args.cases,
        args.days,
        args.seed,
        Path::new(&place).display()
    ));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let plan = Plan { cases: args.cases, days: args.days, faults };
    let target = format!("http://{address}{PATH}");
    let stop = stop_on_signal()?;
    let stopped = async {
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let year = async {
        let staff = app.db.write(staff).await?;
        let county = County { db: &app.db, env: &app.env, clock: &clock, staff: &staff, url: &target, link: &link };
        year::live(county, &city.shared, plan).await
    };
    let report = runtime.block_on(async {
        tokio::select! {
            report = year => Some(report),
            () = stopped => None,
        }
    });
    drop(handle.stop(true));
    drop(thread.join());
    let report = report.ok_or("stopped before the end of the year")??;
    say(&report);
    if report.good() { Ok(()) } else { Err("the two platforms differ; see above".into()) }
}

/// People of the county; nobody can sign in as them.
fn staff(tx: &mut Tx) -> ActionResult<Staff> {
    identity::actions::county_load(tx)?;
    let unit = identity::actions::unit_by_code(tx.db, "A01")?.id;
    let mut person = |username: &str, role: Role| {
        let unit_id = (role == Role::Liaison).then_some(unit);
        let name = role.to_string();
        let new = NewUser { username: username.into(), name, role, unit_id, password_hash: "!".into() };
        let row = identity::actions::user_add(tx, new)?;
        identity::actions::person_by_id(tx.db, row.id)
    };
    Ok(Staff {
        dispatcher: person("sim-dispatcher", Role::Dispatcher)?,
        liaison: person("sim-liaison", Role::Liaison)?,
    })
}

type Served = (web::Data<App>, ServerHandle, SocketAddr, thread::JoinHandle<()>);

/// The county's server in its own thread.
fn county(config: Config, env: Env) -> Outcome<Served> {
    let (tell, told) = mpsc::channel::<Result<(web::Data<App>, ServerHandle, SocketAddr), String>>();
    let thread = thread::Builder::new().name("county".into()).spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let opened = async {
                let app = web::Data::new(App::open(config, env).await.map_err(|e| e.to_string())?);
                let used = app.db.read(|db| Ok(!identity::actions::user_list(db)?.is_empty()));
                if used.await.map_err(|e| e.to_string())? {
                    return Err("the database holds accounts already; give the year a new folder with --data".into());
                }
                let bound = server::bind(app.clone()).map_err(|e| e.to_string())?;
                Ok((app, bound))
            };
            match opened.await {
                Ok((app, bound)) => {
                    drop(tell.send(Ok((app, bound.server.handle(), bound.address))));
                    drop(bound.server.await);
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
    })?;
    let (app, handle, address) = told.recv().map_err(|_| "the county did not start")??;
    Ok((app, handle, address, thread))
}
