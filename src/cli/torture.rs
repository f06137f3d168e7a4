//! `chengguan torture`: kills servers and devices at random while they work, and proves that nothing acknowledged is
//! missing or doubled. For a county's own hardware, before it is trusted.

use super::{Common, say, serve};
use crate::{
    app::App,
    config::Config,
    env::Env,
    identity,
    sim::{
        county::{self, County, Passwords, Size},
        torture::{
            cluster::Cluster,
            device,
            disk::{Disk, How},
            processes::{Nursery, ServerPlan},
            run::{self, Plan, Site, Voice},
        },
    },
};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Args)]
pub(super) struct TortureArgs {
    /// Processes to kill, servers and devices together
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Devices, each a process, 1–100
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=100))]
    devices: u16,
    /// Server processes on the one database, 1–4; more than one needs PostgreSQL
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4))]
    servers: u16,
    /// Decides who does what, where the network breaks and who dies
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// An empty PostgreSQL database to run on instead of SQLite; what is in it afterwards is rubbish
    #[arg(long, conflicts_with = "postgres")]
    database_url: Option<String>,
    /// Run on a PostgreSQL cluster of its own, and stop that too (pg_ctl stop -m immediate)
    #[arg(long)]
    postgres: bool,
    /// Let the servers' disk be full now and then: a small file system where one may be mounted (as root), otherwise or
    /// by `--disk-full=limit` a limit on the size of their files
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    disk_full: Option<How>,
    /// Scratch folder; must be new or empty. A folder that was not named is removed after a good run
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct DeviceArgs {
    /// The device's folder
    folder: PathBuf,
    /// Which of its lives this is
    #[arg(long)]
    life: u64,
    /// Bring everything home and end
    #[arg(long)]
    home: bool,
}

/// One life of a device: started by `torture`, killed by it.
pub(super) fn device(args: &DeviceArgs) -> Outcome {
    Ok(device::live(&args.folder, args.life, args.home)?)
}

pub(super) fn run(args: &TortureArgs) -> Outcome {
    let on_postgres = args.postgres || args.database_url.is_some();
    if args.servers > 1 && !on_postgres {
        return Err(
            "--servers: one database for several servers is PostgreSQL: add --postgres or --database-url".into()
        );
    }
    let (folder, named) = scratch(args.folder.as_deref())?;
    let kept = folder.clone();
    let outcome = proceed(args, &folder);
    match &outcome {
        Ok(true) if !named => fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?,
        _ => say(format_args!("stores, ledgers and logs stay in {}", kept.display())),
    }
    if outcome? { Ok(()) } else { Err("an invariant was broken; see above".into()) }
}

/// A folder of this run's own, and whether it was named by a person.
fn scratch(named: Option<&Path>) -> Outcome<(PathBuf, bool)> {
    let folder = match named {
        Some(folder) => folder.to_owned(),
        None => std::env::temp_dir().join(format!("chengguan-torture-{}", std::process::id())),
    };
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(&folder).map_err(fail)?;
    if fs::read_dir(&folder).map_err(fail)?.next().is_some() {
        return Err(format!("{}: is not empty; a run begins with an empty folder", folder.display()).into());
    }
    Ok((fs::canonicalize(&folder).map_err(fail)?, named.is_some()))
}

fn proceed(args: &TortureArgs, folder: &Path) -> Outcome<bool> {
    let nursery = Nursery::new(&std::env::current_exe()?, folder)?;
    let disk = args.disk_full.map(|how| Disk::new(&nursery, how)).transpose()?;
    let within = disk.as_ref().and_then(Disk::folder).unwrap_or(folder);
    let cluster = if args.postgres { Some(Cluster::new(&nursery, within)?) } else { None };
    let data = within.join("data");
    let database_url = match (&cluster, &args.database_url) {
        (Some(cluster), _) => cluster.url(),
        (None, Some(url)) => url.clone(),
        (None, None) => format!("sqlite:{}", data.join("chengguan.db").display()),
    };
    let server = ServerPlan { data: data.clone(), database_url: database_url.clone() };
    let common = Common {
        data: Some(data.display().to_string()),
        database_url: Some(database_url),
        log: Some("error".into()),
        ..Common::default()
    };
    let config = common.load()?;
    serve::log(&config)?;
    let devices = usize::from(args.devices);
    let county = enter(&config, Size { handhelds: devices, cameras: 0 })?;
    let plan = Plan { kills: args.kills, devices, servers: args.servers.into(), seed: args.seed };
    say(format_args!(
        "chengguan torture: {} kills among {} server(s) and {devices} devices on {}, seed {}",
        args.kills,
        args.servers,
        if args.postgres || args.database_url.is_some() { "PostgreSQL" } else { "SQLite" },
        args.seed
    ));
    let site = Site { cluster, disk, nursery, server };
    let report = run::run(&plan, site, &county, &Lines(Instant::now()))?;
    say(&report);
    Ok(report.good())
}

/// Enters units, people and devices as an administrator would, on an empty database only.
fn enter(config: &Config, size: Size) -> Outcome<County> {
    let env = Env::system();
    let passwords = Passwords::fresh(&env)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (url, config) = (config.database_url.clone(), config.clone());
    runtime.block_on(async move {
        let db = App::open_for_administration(&config, env).await?;
        if !db.read(identity::actions::user_list).await?.is_empty() {
            return Err(format!("{url} holds accounts already: this would ruin real data").into());
        }
        Ok(db.write(move |tx| county::load(tx, size, &passwords)).await?)
    })
}

/// Progress, line by line.
struct Lines(Instant);

impl Voice for Lines {
    fn say(&self, line: &str) {
        say(format_args!("{:6.1} s  {line}", self.0.elapsed().as_secs_f64()));
    }
}
