//! What came out, in words and numbers.

use super::{
    check::Findings,
    judging::Judged,
    office::{Done, Filmed},
};
use crate::client::upload::Cost;
use std::{fmt, time::Duration};

/// The outcome of a whole run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Handhelds.
    pub handhelds: usize,
    /// Cameras.
    pub cameras: usize,
    /// Of these, the cameras whose files went through the dock.
    pub docked: usize,
    /// Devices whose work is all home.
    pub devices_home: usize,
    /// Operations that went out, repeats included.
    pub pushed: u64,
    /// Answers that said "known already".
    pub duplicates: u64,
    /// Pushes whose connection broke.
    pub pushes_cut: u64,
    /// What all uploads cost together.
    pub uploads: Cost,
    /// Breaks that the simulated network made, all together.
    pub breaks: u64,
    /// What people at desks did.
    pub office: Done,
    /// What the Centre saw of body cameras.
    pub filmed: Filmed,
    /// The week's draw and the month's trial.
    pub judged: Judged,
    /// The largest error of a device's clock, minutes.
    pub clock_error_min: i64,
    /// Files that were not accepted: device or name, and why.
    pub refused: Vec<(String, String)>,
    /// What the independent reader found.
    pub found: Findings,
    /// From the first enrolment to the last read-back.
    pub took: Duration,
}

impl Report {
    /// Whether nothing was lost, nothing doubled, every byte verified, and every handheld's photo is signed.
    pub fn good(&self) -> bool {
        let found = &self.found;
        found.lost.is_empty()
            && found.doubled.is_empty()
            && found.changed.is_empty()
            && found.bad_files.is_empty()
            && found.unsigned.is_empty()
            && (found.gaps, found.forks) == (0, 0)
            && self.devices_home == self.handhelds + self.cameras
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, office) = (&self.found, &self.office);
        let all = self.handhelds + self.cameras;
        let (handhelds, cameras, docked) = (self.handhelds, self.cameras, self.docked);
        writeln!(
            f,
            "devices      {}/{all} ({handhelds} handhelds, {cameras} cameras, {docked} of them through one dock)",
            self.devices_home
        )?;
        writeln!(f, "clocks       off by up to {} min on the devices", self.clock_error_min)?;
        let status = |name: &str| found.statuses.get(name).copied().unwrap_or(0);
        writeln!(
            f,
            "operations   {} made offline: {} applied, {} superseded, {} conflict, {} held, {} rejected, {} quarantined",
            found.operations,
            status("applied") + status("merged"),
            status("superseded"),
            status("conflict"),
            status("held"),
            status("rejected"),
            status("quarantined"),
        )?;
        writeln!(
            f,
            "pushes       {} cut; {} operations sent in all, {} answered as known already with their first result",
            self.pushes_cut, self.pushed, self.duplicates
        )?;
        let Cost { sent, cuts, resumed, taken } = self.uploads;
        writeln!(f, "uploads      {cuts} cut, {resumed} times resumed where the server stood")?;
        let again = if sent == 0 { 0.0 } else { 100.0 * sent.saturating_sub(taken) as f64 / sent as f64 };
        writeln!(f, "bytes        {:.1} MB sent, {:.1} MB accepted, {again:.1} % sent again", mb(sent), mb(taken))?;
        writeln!(
            f,
            "the Centre   {} commands, {} cases closed, {} closings waited for a photo, {} commands came too late",
            office.applied, office.closed, office.waited_for_evidence, office.refused
        )?;
        let film = &self.filmed;
        writeln!(
            f,
            "clips        {} arrived, {} proposed to a case by officer, time and place, {} of them confirmed; {} wait unclaimed",
            film.clips,
            film.proposed,
            film.linked,
            film.clips - film.linked
        )?;
        writeln!(
            f,
            "cameras      {} in use, {} not; {} min recorded, {} min linked to cases, {} files within 24 h",
            film.in_use, film.not_in_use, film.recorded_min, film.linked_min, film.within_24h
        )?;
        write!(f, "{}", self.judged)?;
        writeln!(
            f,
            "read back    {} photos and {} videos downloaded and compared ({:.1} MB), {} re-pushed operations answered as before",
            found.photos,
            found.videos,
            mb(found.bytes_verified),
            found.repeats
        )?;
        let flags: Vec<String> = found.capture_flags.iter().map(|(code, count)| format!("{code} {count}")).collect();
        writeln!(
            f,
            "captures     signed {}, gaps {}, forks {}; flagged: {}",
            found.captures,
            found.gaps,
            found.forks,
            if flags.is_empty() { "none".into() } else { flags.join(", ") }
        )?;
        for (name, notes) in found.noted.iter().take(10) {
            writeln!(f, "noted        {name} was accepted; the server found: {notes}")?;
        }
        for (name, why) in &self.refused {
            writeln!(f, "not accepted {name}: {why}")?;
        }
        for (what, list) in [
            ("LOST", &found.lost),
            ("DOUBLED", &found.doubled),
            ("CHANGED", &found.changed),
            ("WRONG BYTES", &found.bad_files),
            ("UNSIGNED", &found.unsigned),
        ] {
            for line in list.iter().take(10) {
                writeln!(f, "{what:12} {line}")?;
            }
        }
        write!(
            f,
            "result       lost {}, doubled {}, changed {}, wrong bytes {}; {:.1} s",
            found.lost.len(),
            found.doubled.len(),
            found.changed.len(),
            found.bad_files.len(),
            self.took.as_secs_f64()
        )
    }
}
