//! `chengguan demo`: the real server and a simulated county in one process.

use super::{Common, dock::stop_on_signal, say, serve};
use crate::{
    app::App,
    config::Config,
    env::Env,
    http::server,
    sim::{
        county::{self, County, Passwords, Size},
        fleet::{self, Plan, Progress},
    },
};
use actix_web::{dev::ServerHandle, web};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{atomic::Ordering, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    common: Common,
    /// Folder with photos and videos of your own that cameras shall carry
    #[arg(long)]
    media: Option<PathBuf>,
    /// Stop after the check; exit 0 only if nothing was lost, nothing doubled and every byte verified
    #[arg(long)]
    once: bool,
    /// Handhelds, each with a person, 1–200
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    handhelds: u16,
    /// Body cameras, 0–500
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(0..=500))]
    cameras: u16,
    /// Decides who does what and where connections break
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Where the demonstration keeps its data unless told otherwise: never in a real server's folder by accident.
const DATA: &str = "./demo-data";

pub(super) fn run(args: DemoArgs) -> Outcome {
    let mut common = args.common.clone();
    if common.data.is_none() && std::env::var_os("CHENGGUAN_DATA").is_none() && common.config.is_none() {
        common.data = Some(DATA.into());
    }
    if common.log.is_none() && std::env::var_os("CHENGGUAN_LOG").is_none() {
        // Cut connections are the plot here, not news.
        common.log = Some("error".into());
    }
    let config = common.load()?;
    serve::log(&config)?;
    let media = args.media.as_deref().map(media_in).transpose()?.unwrap_or_default();
    let stop = if args.once { None } else { Some(stop_on_signal()?) };
    let size = Size { handhelds: args.handhelds.into(), cameras: args.cameras.into() };
    let folder = config.data.join("demo-devices");
    let running = Running::start(config, size)?;
    fleet::clear(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let plan = Plan { folder, media, seed: args.seed, photo_width: 640 };
    say(format_args!(
        "chengguan demo: {} handhelds and {} cameras against http://{}/, seed {}",
        args.handhelds, args.cameras, running.address, args.seed
    ));
    let progress = Shown::new();
    let report = fleet::run(&plan, running.address, &running.county, &progress);
    progress.end();
    let report = report?;
    say(&report);
    let good = report.good();
    if let Some(stop) = stop {
        invite(&running);
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(100));
        }
    }
    running.stop()?;
    if good { Ok(()) } else { Err("the check failed; see above".into()) }
}

fn invite(running: &Running) {
    let County { dispatcher, admin, liaison, .. } = &running.county;
    say("");
    say(format_args!("Look around at http://{}/console/. Sign-ins of this run, shown once:", running.address));
    for account in [dispatcher, admin, liaison] {
        say(format_args!("  {:<16} {}   ({})", account.username, account.password, account.role));
    }
    say("Ctrl-C stops.");
}

/// The photos and videos of a folder, by name.
fn media_in(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let fail = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_file() && crate::dock::scan::media_type(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no .mp4, .mov, .3gp, .jpg, .jpeg or .png in it", folder.display()).into());
    }
    Ok(files)
}

/// The server in its own thread.
struct Running {
    address: SocketAddr,
    county: County,
    handle: ServerHandle,
    thread: JoinHandle<Result<(), String>>,
}

type Started = Result<(SocketAddr, ServerHandle, County), String>;

impl Running {
    fn start(config: Config, size: Size) -> Outcome<Running> {
        let (tell, told) = mpsc::channel::<Started>();
        let thread = thread::Builder::new().name("server".into()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match open(config, size).await {
                    Ok((bound, county)) => {
                        drop(tell.send(Ok((bound.address, bound.server.handle(), county))));
                        bound.server.await.map_err(|e| e.to_string())
                    }
                    Err(error) => {
                        drop(tell.send(Err(error.clone())));
                        Err(error)
                    }
                }
            })
        })?;
        let (address, handle, county) = told.recv().map_err(|_| "the server did not start")??;
        Ok(Running { address, county, handle, thread })
    }

    fn stop(self) -> Outcome {
        // Sent at once; the thread's end tells when it is done.
        drop(self.handle.stop(true));
        match self.thread.join() {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err("the server's thread failed".into()),
        }
    }
}

async fn open(config: Config, size: Size) -> Result<(server::Bound, County), String> {
    let env = Env::system();
    let app = web::Data::new(App::open(config, env.clone()).await.map_err(|e| e.to_string())?);
    if app.db.write(county::belongs_to_others).await.map_err(|e| e.to_string())? {
        return Err(format!(
            "{} holds accounts of a real server; give the demonstration a folder of its own with --data",
            app.config.database_url
        ));
    }
    let passwords = Passwords::fresh(&env).map_err(|e| e.to_string())?;
    let county = app.db.write(move |tx| county::load(tx, size, &passwords)).await.map_err(|e| e.to_string())?;
    let listen = app.config.listen;
    let bound = server::bind(app.clone()).map_err(|e| format!("can't listen on {listen}: {e}"))?;
    crate::evidence::uploads::start(app.clone().into_inner());
    crate::evidence::custody::start(app.into_inner());
    Ok((bound, county))
}

/// A bar on a terminal, lines elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Shown {
    fn new() -> Shown {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {pos:>4}/{len:4} {msg}");
            if let Ok(style) = style { bar.with_style(style) } else { bar }
        });
        Shown { bar, started: Instant::now() }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Shown {
    fn begin(&self, what: &str, steps: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(steps as u64);
                bar.set_position(0);
                bar.set_message(what.to_owned());
            }
            None => say(format_args!("{:5.1} s  {what}", self.started.elapsed().as_secs_f64())),
        }
    }

    fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}
