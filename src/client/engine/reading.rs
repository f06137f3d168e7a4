//! Learning what changed: pages of the feed, snapshots when the cursor is of no use, digests to be sure.

use super::{Ask, AskChanges, AskSnapshot, Heard, Moment, Need, Next, Step, Tag};
use crate::{
    client::{
        Result,
        keep::{Extent, Keep, Life},
        rules::{Pace, Pulled, read_pull},
    },
    sync::wire::{Changes, DigestCheck, Snapshot},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{collections::BTreeMap, time::Duration};

/// Changes asked for at once.
const LIMIT: u32 = 500;
/// The longest wait for a change, seconds; the server waits no longer.
const LONGEST_WAIT_S: u32 = 25;
/// After so many pages the digests are compared.
const PAGES_PER_DIGEST: u32 = 20;
/// A device that has just been switched on compares when the last time is longer ago: one that is restarted often would
/// never count to the pages above.
const DIGEST_AT_LEAST: TimeDelta = TimeDelta::days(1);
/// When reading what differs has not helped so often, everything is read.
const MISMATCHES_BEFORE_WHOLE: u32 = 3;
/// Settled operations are kept that long, so that a server restored from a backup can be healed.
const SETTLED_FOR: TimeDelta = TimeDelta::days(30);
/// How often they are looked through.
const FORGET_EVERY: TimeDelta = TimeDelta::days(1);

/// A snapshot on its way.
#[derive(Debug, Clone)]
struct Run {
    extent: Extent,
    since: Option<String>,
    keys: Vec<String>,
    page: Option<String>,
}

impl Run {
    fn whole() -> Run {
        Run { extent: Extent::Whole, since: None, keys: vec![], page: None }
    }

    fn part(since: String, keys: Vec<String>) -> Run {
        Run { extent: Extent::Part, since: Some(since), keys, page: None }
    }
}

/// How reading goes.
#[derive(Debug, Default)]
pub(super) struct Reading {
    open: Option<Tag>,
    /// It was seen when the digests were last compared.
    awake: bool,
    run: Option<Run>,
    /// The access token is over.
    expired: bool,
    /// It was renewed, and nothing was read with the new one yet.
    renewed: bool,
    failures: u32,
    /// Snapshots begun since a page of the feed was last applied.
    resyncs: u32,
    /// Pages since the digests were last compared.
    pages: u32,
    mismatches: u32,
    forgot: Option<DateTime<Utc>>,
}

impl Reading {
    pub(super) fn next(&mut self, keep: &mut impl Keep, wait_s: u32, at: Moment) -> Result<Next> {
        self.open = None;
        if !self.awake {
            // One from the future is of a clock that was wrong, and says as little.
            let known = keep.digest_check()?.map(|check| (at.now - check.at).abs());
            if known.is_none_or(|age| age >= DIGEST_AT_LEAST) {
                self.pages = PAGES_PER_DIGEST;
            }
            self.awake = true;
        }
        let ask = self.ask(keep, wait_s)?;
        self.open = Some(ask.tag());
        Ok(Next::Ask(ask))
    }

    pub(super) fn refresh(&mut self) -> Next {
        self.open = Some(Tag::Refresh);
        Next::Ask(Ask::Refresh)
    }

    fn ask(&mut self, keep: &mut impl Keep, wait_s: u32) -> Result<Ask> {
        if self.expired {
            return Ok(Ask::Refresh);
        }
        let generation = keep.generation()?;
        if self.run.is_none() {
            if let Some(position) = keep.position()? {
                return Ok(Ask::Changes(AskChanges {
                    generation,
                    cursor: position.cursor,
                    limit: LIMIT,
                    wait_s: wait_s.min(LONGEST_WAIT_S),
                    digest: self.pages >= PAGES_PER_DIGEST,
                }));
            }
            self.begin(keep, Run::whole())?;
        }
        let Run { since, keys, page, .. } = self.run.clone().unwrap_or_else(Run::whole);
        Ok(Ask::Snapshot(AskSnapshot { generation, page, since, keys }))
    }

    fn begin(&mut self, keep: &mut impl Keep, run: Run) -> Result<()> {
        keep.snapshot_begin()?;
        self.run = Some(run);
        Ok(())
    }

    pub(super) fn heard(
        &mut self,
        keep: &mut impl Keep,
        ask: &Ask,
        heard: &Heard,
        pace: Pace,
        at: Moment,
    ) -> Result<Step> {
        if self.open.as_ref() != Some(&ask.tag()) {
            return Ok(Step::Moved);
        }
        let step = match (ask, heard) {
            (Ask::Changes(ask), Heard::Changes(page)) => self.page(keep, ask, page, pace, at),
            (Ask::Snapshot(ask), Heard::Snapshot(page)) => self.part(keep, ask, page, pace, at),
            (Ask::Refresh, _) => Ok(self.refreshed(heard, pace, at)),
            _ => self.trouble(keep, heard, pace, at),
        }?;
        self.open = None;
        Ok(step)
    }

    fn page(&mut self, keep: &mut impl Keep, ask: &AskChanges, page: &Changes, pace: Pace, at: Moment) -> Result<Step> {
        match keep.live(ask.generation.as_deref(), &page.generation)? {
            Life::Same => {}
            Life::New => return self.resync(keep, Run::whole(), pace, at),
            Life::Over => return Ok(Step::Moved),
        }
        if !keep.apply(page, at.now)? {
            return Ok(self.later(pace, at, None, "the page does not continue what is here"));
        }
        (self.failures, self.resyncs, self.renewed) = (0, 0, false);
        self.pages = self.pages.saturating_add(1);
        // By the server's clock: the device's own may jump by years.
        if self.forgot.is_none_or(|last| page.server_time - last >= FORGET_EVERY) {
            keep.forget(page.server_time - SETTLED_FOR)?;
            self.forgot = Some(page.server_time);
        }
        if page.has_more {
            return Ok(Step::Moved);
        }
        if ask.digest {
            self.pages = 0;
        }
        match &page.digest {
            Some(theirs) => self.compare(keep, theirs, page, at),
            None => Ok(Step::Idle),
        }
    }

    /// Compares the server's digests with the device's own; reads again what differs.
    fn compare(
        &mut self,
        keep: &mut impl Keep,
        theirs: &BTreeMap<String, String>,
        page: &Changes,
        at: Moment,
    ) -> Result<Step> {
        let keys: Vec<String> = theirs.keys().cloned().collect();
        let own = keep.digests(&keys)?;
        let wrong: Vec<String> = keys.into_iter().filter(|key| own.get(key) != theirs.get(key)).collect();
        keep.set_digest_check(DigestCheck { at: at.now, matched: wrong.is_empty() })?;
        if wrong.is_empty() {
            self.mismatches = 0;
            return Ok(Step::Idle);
        }
        self.mismatches += 1;
        let helpless = self.mismatches.is_multiple_of(MISMATCHES_BEFORE_WHOLE);
        self.begin(keep, if helpless { Run::whole() } else { Run::part(page.next.clone(), wrong) })?;
        Ok(Step::Moved)
    }

    fn part(
        &mut self,
        keep: &mut impl Keep,
        ask: &AskSnapshot,
        page: &Snapshot,
        pace: Pace,
        at: Moment,
    ) -> Result<Step> {
        let Some(run) = &mut self.run else { return Ok(Step::Moved) };
        let extent = run.extent;
        match keep.live(ask.generation.as_deref(), &page.generation)? {
            Life::Same => {}
            // The first page of a whole one begins with the new life; anything else is half old, half new.
            Life::New if ask.page.is_none() && extent == Extent::Whole => {}
            Life::New => return self.resync(keep, Run::whole(), pace, at),
            Life::Over => return Ok(Step::Moved),
        }
        keep.snapshot_page(page)?;
        (self.failures, self.renewed) = (0, false);
        if page.next_page.is_some() {
            run.page.clone_from(&page.next_page);
            return Ok(Step::Moved);
        }
        keep.snapshot_finish(page, extent, at.now)?;
        self.run = None;
        if extent == Extent::Whole {
            self.pages = PAGES_PER_DIGEST;
        }
        Ok(Step::Moved)
    }

    fn refreshed(&mut self, heard: &Heard, pace: Pace, at: Moment) -> Step {
        match heard {
            Heard::Refreshed => {
                (self.expired, self.renewed) = (false, true);
                Step::Moved
            }
            Heard::Problem { status: 401 | 403, code, .. } if !code.is_empty() => {
                self.expired = false;
                Step::Stopped(Need::SignIn)
            }
            _ => self.later(pace, at, None, "refresh"),
        }
    }

    fn trouble(&mut self, keep: &mut impl Keep, heard: &Heard, pace: Pace, at: Moment) -> Result<Step> {
        Ok(match read_pull(heard) {
            Pulled::Whole => self.resync(keep, Run::whole(), pace, at)?,
            Pulled::Part => {
                let run = keep.position()?.map_or_else(Run::whole, |here| Run::part(here.cursor, vec![]));
                self.resync(keep, run, pace, at)?
            }
            Pulled::Refresh => {
                self.expired = true;
                if self.renewed { self.later(pace, at, None, "refresh") } else { Step::Moved }
            }
            Pulled::Again(asked) => self.later(pace, at, asked, &heard.words()),
            Pulled::SignIn => Step::Stopped(Need::SignIn),
            Pulled::Revoked => {
                keep.wipe()?;
                self.run = None;
                Step::Stopped(Need::Enrol)
            }
            Pulled::Strange(what) => {
                self.failures += 1;
                Step::Stopped(Need::Look(what))
            }
        })
    }

    /// Begins a snapshot; at once the first time, then ever more slowly until the feed goes on again: a server that
    /// refuses each cursor it has just given would be asked for everything in a circle.
    fn resync(&mut self, keep: &mut impl Keep, run: Run, pace: Pace, at: Moment) -> Result<Step> {
        self.begin(keep, run)?;
        self.resyncs += 1;
        if self.resyncs == 1 {
            return Ok(Step::Moved);
        }
        Ok(Step::Wait(pace.wait(self.resyncs, at.dice), "resync".into()))
    }

    fn later(&mut self, pace: Pace, at: Moment, asked: Option<Duration>, why: &str) -> Step {
        self.failures += 1;
        let own = pace.wait(self.failures, at.dice);
        Step::Wait(asked.unwrap_or_default().min(pace.cap).max(own), why.to_owned())
    }
}
