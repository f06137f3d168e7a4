//! `chengguan dock`.

use super::say;
use crate::{
    client::{
        ClientError,
        device::explain,
        http::{Api, Patience},
    },
    dock::{
        Event, Tally, Voice,
        config::Config,
        receipt,
        work::{self, Settings},
    },
    env::Env,
};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;
use std::{
    collections::HashMap,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Args)]
pub(crate) struct DockArgs {
    /// Folder where body cameras appear, each in a folder of its own
    #[arg(long)]
    watch: Option<PathBuf>,
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    server: String,
    /// Folder for the dock's key, its ledger and the receipts; or the ledger's file, NAME.db
    #[arg(long, default_value = "./dock-state")]
    state: PathBuf,
    /// One-time enrolment code, for the first start
    #[arg(long)]
    code: Option<String>,
    /// Stop when everything that is there has been sent; exit 0 only if all of it is safe on the server
    #[arg(long)]
    once: bool,
    /// Files sent at the same time, 1–4
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=4))]
    jobs: u8,
    /// A file is complete when it has not changed for so many seconds
    #[arg(long, default_value_t = 5)]
    settle: u64,
    /// One JSON object a line instead of progress bars
    #[arg(long)]
    json: bool,
    /// TOML file: how files are named, which camera is in which folder, how wrong their clocks are
    #[arg(long)]
    config: Option<PathBuf>,
    /// Remove each file from its card once the server's signature for it verifies and its bytes, read again, are the same
    #[arg(long)]
    wipe: bool,
    /// Print the files that may be wiped, after checking each signature and reading each file again, and stop
    #[arg(long, alias = "wipe-list")]
    list_safe: bool,
}

pub(super) fn run(args: DockArgs) -> Outcome {
    if args.list_safe {
        for line in receipt::safe(&args.state)? {
            if args.json {
                say(serde_json::to_string(&line)?);
            } else {
                say(format_args!("{}\t{}", line.path, line.sha256.unwrap_or_default()));
            }
        }
        return Ok(());
    }
    let watch = args.watch.ok_or("--watch DIR is missing: the folder where cameras appear")?;
    if !watch.is_dir() {
        return Err(format!("{}: no such folder", watch.display()).into());
    }
    let config = match &args.config {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|e| e.to_string())
            .and_then(|text| Config::parse(&text))
            .map_err(|e| format!("{}: {e}", path.display()))?,
        None => Config::default(),
    };
    let settings = Settings {
        code: args.code,
        once: args.once,
        jobs: args.jobs.into(),
        settle: Duration::from_secs(args.settle),
        config,
        wipe: args.wipe,
        // The ledger knows files by their whole path, wherever the dock is started from.
        ..Settings::new(watch.canonicalize()?, args.state)
    };
    let api = Api::new(&args.server, Patience::default())?;
    let voice: Box<dyn Voice> = match (args.json, std::io::stderr().is_terminal()) {
        (true, _) => Box::new(JsonLines),
        (false, true) => Box::new(Bars::default()),
        (false, false) => Box::new(Lines),
    };
    let stop = stop_on_signal()?;
    let summary = work::run(&settings, &api, &Env::system(), voice.as_ref(), &stop).map_err(words)?;
    let line = json!({
        "event": "summary", "receipted": summary.receipted, "failed": summary.failed, "waiting": summary.waiting,
        "unseen": summary.unseen, "bytes_sent": summary.cost.sent, "interrupted": summary.cost.cuts,
        "resumed": summary.cost.resumed,
    });
    if args.json {
        say(line);
    } else {
        say(format_args!(
            "{} safe on the server, {} failed, {} to be sent, {} bytes sent, {} interruptions",
            summary.receipted, summary.failed, summary.waiting, summary.cost.sent, summary.cost.cuts
        ));
    }
    if settings.once && summary.failed + summary.waiting + summary.unseen > 0 {
        return Err("not everything is safe on the server; keep the files".into());
    }
    Ok(())
}

fn words(error: ClientError) -> String {
    match &error {
        ClientError::NotEnrolled => {
            "this dock is not enrolled: start it once with --code CODE (an administrator gets one with: chengguan device \
             add NAME --kind dock)"
                .into()
        }
        ClientError::Store(why) if ["disk is full", "disk I/O error", "No space left"].iter().any(|w| why.contains(w)) => {
            format!("the dock's own state can't be written; is its disk full? ({why})")
        }
        other => explain(other),
    }
}

/// A flag that SIGINT and SIGTERM set; a second signal ends the process at once.
pub(super) fn stop_on_signal() -> Result<Arc<AtomicBool>, Box<dyn std::error::Error>> {
    use tokio::signal::unix::{SignalKind, signal};
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async move {
            loop {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                if set.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    })?;
    Ok(flag)
}

struct JsonLines;

impl Voice for JsonLines {
    fn say(&self, event: Event) {
        say(match event {
            Event::Found { path, size } => json!({"event": "found", "path": path, "size": size}),
            Event::Progress { path, sent, size } => {
                json!({"event": "progress", "path": path, "sent": sent, "size": size})
            }
            Event::Waiting { path, why, wait } => {
                json!({"event": "waiting", "path": path, "why": why, "wait_ms": wait.as_millis()})
            }
            Event::Receipted { path, sha256, size } => {
                json!({"event": "receipted", "path": path, "sha256": sha256, "size": size})
            }
            Event::Wiped { path } => json!({"event": "wiped", "path": path}),
            Event::Failed { path, why } => json!({"event": "failed", "path": path, "why": why}),
            Event::Card { card, done } => {
                let Tally { files, bytes, safe, safe_bytes, failed } = done;
                json!({"event": "card", "card": card, "files": files, "bytes": bytes, "safe": safe,
                       "safe_bytes": safe_bytes, "failed": failed})
            }
            Event::Notice(text) => json!({"event": "notice", "text": text}),
        });
    }
}

struct Lines;

/// The line for an event; progress has none.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Found { path, size } => format!("found     {} ({size} bytes)", path.display()),
        Event::Progress { .. } => return None,
        Event::Waiting { path, why, wait } => {
            format!("waiting   {}: {why}; again in {:.0} s", path.display(), wait.as_secs_f64().ceil())
        }
        Event::Receipted { path, sha256, .. } => format!("safe      {} {sha256}", path.display()),
        Event::Wiped { path } => format!("wiped     {}", path.display()),
        Event::Failed { path, why } => format!("KEEP      {}: {why}", path.display()),
        Event::Card { card, done } => {
            let left = if done.failed > 0 { format!(", {} can't be sent", done.failed) } else { String::new() };
            format!("card      {card}: {} of {} files safe{left}", done.safe, done.files)
        }
        Event::Notice(text) => (*text).to_owned(),
    })
}

impl Voice for Lines {
    fn say(&self, event: Event) {
        if let Some(line) = line(&event) {
            say(line);
        }
    }
}

/// A bar for each card, and one for each file that is under way.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    bars: Mutex<HashMap<PathBuf, ProgressBar>>,
}

impl Bars {
    fn bars(&self) -> MutexGuard<'_, HashMap<PathBuf, ProgressBar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, path: &Path, size: u64) -> ProgressBar {
        let mut bars = self.bars();
        let bar = bars.entry(path.to_owned()).or_insert_with(|| {
            let style =
                ProgressStyle::with_template("{msg:30!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let bar = self.all.add(ProgressBar::new(size).with_message(name));
            if let Ok(style) = style { bar.with_style(style) } else { bar }
        });
        bar.clone()
    }
}

impl Voice for Bars {
    fn say(&self, event: Event) {
        match &event {
            Event::Progress { path, sent, size } => self.bar(path, *size).set_position(*sent),
            Event::Receipted { path, .. } | Event::Failed { path, .. } => {
                if let Some(bar) = self.bars().remove(*path) {
                    bar.finish_and_clear();
                }
            }
            Event::Card { card, done } => {
                // No file's path is relative.
                let bar = self.bar(Path::new(card), done.bytes);
                bar.set_length(done.bytes);
                bar.set_position(done.safe_bytes);
                bar.set_message(format!("{card} {}/{}", done.safe, done.files));
                return;
            }
            Event::Found { .. } => return,
            Event::Wiped { .. } | Event::Waiting { .. } | Event::Notice(_) => {}
        }
        if let Some(line) = line(&event) {
            drop(self.all.println(line));
        }
    }
}
