//! Servers and devices in processes of their own, killed at random while they work, over a network that breaks; then
//! everything heals, comes home, and is read back as a stranger would read it.
//!
//! `run` is the plot, `device` what a device does until it is killed, `ledger` what it remembers beside its store,
//! `network` the relay that breaks connections, `cluster` a PostgreSQL that is stopped, `disk` a disk that is full,
//! `processes` starts and kills, `check` compares.
//!
//! The seed decides who does what, where the network breaks and who dies in which order. The moments are the machine's
//! own, so a seed gives the same sort of run again and not the same run.
//!
//! Held by `tests/it/torture.rs`.

pub mod check;
pub mod cluster;
pub mod device;
pub mod disk;
pub mod ledger;
pub mod network;
pub mod processes;
pub mod run;

use super::office::Done;
use std::{collections::BTreeMap, fmt, time::Duration};

/// What was done to them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crimes {
    /// Server processes killed.
    pub servers: u32,
    /// Device processes killed.
    pub devices: u32,
    /// Times PostgreSQL was stopped without a farewell.
    pub database_stops: u32,
    /// Times the disk was full.
    pub full_disks: u32,
}

impl Crimes {
    /// Processes killed.
    pub fn kills(&self) -> u32 {
        self.servers + self.devices
    }
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// What was asked for.
    pub plan: Option<run::Plan>,
    /// What was done to them.
    pub crimes: Crimes,
    /// How the disk was made full.
    pub full_disk_by: Option<&'static str>,
    /// What the desks did meanwhile.
    pub office: Done,
    /// Connections that the network passed on, broke on purpose, and pushes it delivered twice.
    pub connections: u64,
    /// As above.
    pub cuts: u64,
    /// As above.
    pub doubled_pushes: u64,
    /// Operations that were called saved.
    pub saved: u64,
    /// Operations whose answer is stored on the device.
    pub acknowledged: u64,
    /// By their latest status.
    pub statuses: BTreeMap<String, u64>,
    /// Operations sent, repeats included.
    pub pushed: u64,
    /// Of those, answered as known already.
    pub duplicates: u64,
    /// Pushes without an answer.
    pub unanswered: u64,
    /// Files sent, and their bodies that broke off.
    pub files_sent: u64,
    /// As above.
    pub file_cuts: u64,
    /// Cases on the server.
    pub cases: u64,
    /// Rows of the feed.
    pub feed_rows: u64,
    /// Operations sent once more at the end, over HTTP.
    pub repeats: u64,
    /// Steps of chains that were compared.
    pub links: u64,
    /// Records of devices' views that were compared.
    pub rows_compared: u64,
    /// Files downloaded and equal.
    pub files: u64,
    /// Signed capture records read and verified.
    pub captures: u64,
    /// Work that is not where it must be.
    pub missing: Vec<String>,
    /// Work that is there more than once.
    pub doubled: Vec<String>,
    /// Results, bytes or orders that are not what they were.
    pub changed: Vec<String>,
    /// Holes in the feed.
    pub holes: Vec<String>,
    /// Views that are not their scope.
    pub views: Vec<String>,
    /// Files that came back different or not at all.
    pub bad_files: Vec<String>,
    /// Operations that are held although what they waited for has come.
    pub stuck: Vec<String>,
    /// Devices that did not bring everything home.
    pub not_home: Vec<String>,
    /// Processes that ended by themselves.
    pub crashed: Vec<String>,
    /// Moments in which a device waited for a person, although nobody had to act.
    pub stopped: Vec<String>,
    /// How long the killing went on, and how long everybody took to come home.
    pub stormy: Duration,
    /// As above.
    pub home_in: Duration,
    /// All together.
    pub took: Duration,
    /// Progress already told.
    pub(super) said: u32,
}

impl Report {
    fn findings(&self) -> [(&'static str, &Vec<String>); 10] {
        [
            ("MISSING", &self.missing),
            ("DOUBLED", &self.doubled),
            ("CHANGED", &self.changed),
            ("FEED", &self.holes),
            ("VIEW", &self.views),
            ("WRONG BYTES", &self.bad_files),
            ("STUCK", &self.stuck),
            ("NOT HOME", &self.not_home),
            ("CRASHED", &self.crashed),
            ("STOPPED", &self.stopped),
        ]
    }

    /// Whether every invariant held.
    pub fn good(&self) -> bool {
        self.findings().iter().all(|(_, list)| list.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Crimes { servers, devices, database_stops, full_disks } = self.crimes;
        writeln!(f, "killed       {servers} servers and {devices} devices by SIGKILL, each started again on its data")?;
        if database_stops > 0 {
            writeln!(f, "database     stopped {database_stops} × by pg_ctl stop -m immediate, and started again")?;
        }
        if full_disks > 0 {
            writeln!(f, "full disk    {full_disks} ×, by {}", self.full_disk_by.unwrap_or_default())?;
        }
        let (passed, cuts, doubled) = (self.connections, self.cuts, self.doubled_pushes);
        writeln!(f, "network      {passed} connections, {cuts} broken on purpose, {doubled} pushes delivered twice")?;
        let rate = self.acknowledged as f64 / self.stormy.as_secs_f64().max(0.001);
        writeln!(
            f,
            "operations   {} saved, {} acknowledged, {rate:.0} a second; {} sent in all, {} answered as known already, \
             {} pushes without an answer",
            self.saved, self.acknowledged, self.pushed, self.duplicates, self.unanswered
        )?;
        let statuses: Vec<String> = self.statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
        writeln!(f, "results      {}", statuses.join(", "))?;
        writeln!(
            f,
            "the Centre   {} commands, {} cases closed, {} closings waited for a photo",
            self.office.applied, self.office.closed, self.office.waited_for_evidence
        )?;
        writeln!(
            f,
            "read back    {} cases, {} feed rows, {} operations sent once more, {} steps of chains, {} records in views, \
             {} files ({} bodies had broken off), {} signed records",
            self.cases,
            self.feed_rows,
            self.repeats,
            self.links,
            self.rows_compared,
            self.files,
            self.file_cuts,
            self.captures
        )?;
        for (what, list) in self.findings() {
            for line in list.iter().take(12) {
                writeln!(f, "{what:12} {line}")?;
            }
            if list.len() > 12 {
                writeln!(f, "{what:12} and {} more", list.len() - 12)?;
            }
        }
        if !self.good()
            && let Some(plan) = &self.plan
        {
            writeln!(f, "seed         {} ({} kills, {} devices)", plan.seed, plan.kills, plan.devices)?;
        }
        let counts: Vec<String> =
            self.findings().iter().map(|(what, list)| format!("{} {}", what.to_lowercase(), list.len())).collect();
        write!(
            f,
            "result       {}; home in {:.1} s, {:.1} s in all",
            counts.join(", "),
            self.home_in.as_secs_f64(),
            self.took.as_secs_f64()
        )
    }
}
