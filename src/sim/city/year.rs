//! A year of a county with the city: cases come, people here work, both platforms talk over a bad network, and at the
//! end both books are compared.

use super::link::{Faults, Shared};
use crate::{
    cases::{
        self,
        actions::Cause,
        rules::{Command, Dispatch, ExtensionRequest, Note, Nothing, Reason, Stage, VoidArgs, VoidReason},
        store::{CaseRow, Only, Page, Sight},
    },
    city::{self, rules::ExchangeState, sweep},
    config::city::CityLink,
    db::{
        Database,
        types::{At, CaseId},
    },
    env::{Env, SimClock},
    error::{Error, Result},
    identity::rules::Actor,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

/// Who works at the county's desks.
#[derive(Debug, Clone)]
pub struct Staff {
    /// At the Centre.
    pub dispatcher: Actor,
    /// In the unit that gets the cases.
    pub liaison: Actor,
}

/// How much happens.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Cases that the city sends.
    pub cases: u32,
    /// Over how many days.
    pub days: u32,
    /// What goes wrong on the way.
    pub faults: Faults,
}

/// Times a day that both platforms talk.
const ROUNDS: u32 = 4;
/// Cases of one stage that are worked on in one round.
const AT_ONCE: i64 = 200;
/// Rounds after the last day until everything must have come to rest.
const PATIENCE: u32 = 2000;
/// Cases in a part of the city's list.
const LISTED: usize = 2000;

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Steps that people here took.
    pub steps: u64,
    /// Messages to the city that are done with.
    pub told: u64,
    /// Rounds in which the city was down.
    pub down: u32,
    /// Cases by state, as both sides know them.
    pub states: BTreeMap<String, u64>,
    /// Cases that stand otherwise on the two sides, by comparing both books whole.
    pub unequal: Vec<String>,
    /// Dead letters.
    pub dead: i64,
    /// What the city saw.
    pub tally: super::Tally,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Whether nothing was lost, doubled or refused, and both sides know the same.
    pub fn good(&self) -> bool {
        let t = &self.tally;
        self.unequal.is_empty() && t.differences.is_empty() && t.refusals.is_empty() && t.refused == 0 && self.dead == 0
    }
}

/// The county of a year.
#[derive(Clone, Copy)]
pub struct County<'a> {
    /// Its database.
    pub db: &'a Database,
    /// Its clock and dice.
    pub env: &'a Env,
    /// What moves that clock.
    pub clock: &'a SimClock,
    /// Its people.
    pub staff: &'a Staff,
    /// Where it takes messages.
    pub url: &'a str,
    /// Where it sends its own.
    pub link: &'a CityLink,
}

/// Lives through it.
///
/// # Errors
/// The engine's own; `internal` when the two don't come to rest.
pub async fn live(county: County<'_>, city: &Shared, plan: Plan) -> Result<Report> {
    let began = Instant::now();
    let County { db, env, clock, .. } = county;
    let mut year = Year { county, city, report: Report::default() };
    city.set_faults(plan.faults);
    let rounds = plan.days.max(1) * ROUNDS;
    let (mut given, mut outage) = (0, 0);
    for round in 1..=rounds {
        let due = u64::from(plan.cases) * u64::from(round) / u64::from(rounds);
        while given < due {
            city.city().dispatch();
            given += 1;
        }
        if outage == 0 && env.below(1000) < plan.faults.down {
            outage = 1 + env.below(12);
        }
        city.set_down(outage > 0);
        year.report.down += u32::from(outage > 0);
        outage = outage.saturating_sub(1);
        year.round().await?;
        clock.advance(TimeDelta::hours(24) / i32::try_from(ROUNDS).unwrap_or(1));
    }
    city.set_down(false);
    year.rest().await?;
    city.set_faults(Faults::NONE);
    city.city().send_list(LISTED);
    year.rest().await?;
    let mut report = year.report;
    report.tally = city.city().tally.clone();
    let ours = db.read(city::actions::list).await?;
    let ours: BTreeMap<String, (String, DateTime<Utc>)> =
        ours.into_iter().map(|(number, state, at)| (number, (state, at.0))).collect();
    let theirs: BTreeMap<String, (String, DateTime<Utc>)> =
        city.city().list().into_iter().map(|(number, state, at)| (number, (state.to_string(), at))).collect();
    let numbers = ours.keys().chain(theirs.keys().filter(|number| !ours.contains_key(*number)));
    for number in numbers {
        if ours.get(number) != theirs.get(number) {
            report.unequal.push(format!("{number}: {:?} here, {:?} at the city", ours.get(number), theirs.get(number)));
        }
    }
    for (state, _) in ours.values() {
        *report.states.entry(state.clone()).or_default() += 1;
    }
    report.dead = db.read(city::actions::standing).await?.dead;
    report.took = began.elapsed();
    Ok(report)
}

struct Year<'a> {
    county: County<'a>,
    city: &'a Shared,
    report: Report,
}

impl Year<'_> {
    /// People work, then both platforms say what they have to say. Returns the steps that were taken.
    async fn round(&mut self) -> Result<u64> {
        let steps = self.work().await?;
        self.report.steps += steps;
        loop {
            let turn = sweep::turn(self.county.db, self.county.env, self.county.link, "year").await?;
            self.report.told += turn.done as u64;
            if !turn.left {
                break;
            }
        }
        self.city.city().verify();
        let (city, url) = (self.city.clone(), self.county.url.to_owned());
        let sent = tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
            city.deliver(&agent, &url, 2000);
        });
        sent.await.map_err(Error::internal)?;
        Ok(steps)
    }

    /// Goes on until nobody has anything left to do or to say.
    async fn rest(&mut self) -> Result<()> {
        let mut quiet = 0;
        for _ in 0..PATIENCE {
            let steps = self.round().await?;
            let standing = self.county.db.read(city::actions::standing).await?;
            let idle = steps == 0 && standing.queued == 0 && standing.waiting == 0 && self.city.city().is_idle();
            quiet = if idle { quiet + 1 } else { 0 };
            // Whoever waits for the dice may have nothing to do in one round.
            if quiet == 3 {
                return Ok(());
            }
            self.county.clock.advance(TimeDelta::minutes(10));
        }
        Err(Error::internal("the two platforms did not come to rest"))
    }

    async fn work(&self) -> Result<u64> {
        let mut steps = 0;
        // Backwards, so that a case takes one step a round.
        let stages = [
            Stage::Verified,
            Stage::ClosingApplied,
            Stage::Handled,
            Stage::Dispatched,
            Stage::Returned,
            Stage::Reported,
        ];
        for stage in stages {
            let only = Only { state: Some(stage), ..Only::default() };
            let now = At(self.county.env.now());
            let page = Page { sight: Sight::All, only, oldest_first: false, after: None, limit: AT_ONCE, now };
            let rows = self.county.db.read(move |db| cases::actions::case_page(db, &page)).await?;
            let todo: Vec<(CaseId, Actor, Command)> = rows
                .iter()
                .filter_map(|row| {
                    let (who, command) = self.next(stage, row)?;
                    Some((row.id, who.clone(), command))
                })
                .collect();
            if todo.is_empty() {
                continue;
            }
            steps += todo.len() as u64;
            let done = self.county.db.write(move |tx| {
                for (id, who, command) in todo {
                    let cause = Cause { op: None, device: None, occurred_at: tx.now };
                    cases::actions::case_command(tx, &who, id, &command, cause)?;
                }
                Ok(())
            });
            done.await?;
        }
        Ok(steps)
    }

    /// What somebody does next with a case; now and then it must wait.
    fn next(&self, stage: Stage, row: &CaseRow) -> Option<(&Actor, Command)> {
        let County { env, staff: Staff { dispatcher, liaison }, .. } = self.county;
        let now = env.now();
        if env.below(10) < 3 {
            return None;
        }
        Some(match stage {
            Stage::Reported | Stage::Returned => {
                // 12,299 of 14,664 were dispatched in 2020.
                if env.below(1000) < 161 {
                    let note = "不属我县管辖".to_owned();
                    (dispatcher, Command::Void(VoidArgs { reason: VoidReason::Invalid, note }))
                } else {
                    let unit_id = liaison.unit_id?;
                    let due_at = now + TimeDelta::hours(24 + i64::from(env.below(100)));
                    (
                        dispatcher,
                        Command::Dispatch(Dispatch { unit_id, due_at: Some(due_at), limit: None, priority: 0 }),
                    )
                }
            }
            Stage::Dispatched if row.extension_until.is_some() => return None,
            Stage::Dispatched if row.extension_count == 0 && env.below(10) == 0 => {
                let until = row.due_at?.0 + TimeDelta::days(3);
                (liaison, Command::RequestExtension(ExtensionRequest { until, reason: "需协调权属单位".into() }))
            }
            Stage::Dispatched if env.below(50) == 0 => (liaison, Command::Return(Reason { reason: "权属不清".into() })),
            Stage::Dispatched => (liaison, Command::Handle(Note { note: "已现场整改".into() })),
            Stage::Handled => (liaison, Command::ApplyClosing(Note { note: "申请结案".into() })),
            Stage::ClosingApplied if env.below(20) == 0 => {
                (dispatcher, Command::RefuseClosing(Reason { reason: "照片不清楚".into() }))
            }
            Stage::ClosingApplied => (dispatcher, Command::RequestVerification(Nothing {})),
            Stage::Verified => (dispatcher, Command::ConfirmClosing(Nothing {})),
            _ => return None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.tally;
        let total: u64 = self.states.values().sum();
        writeln!(f, "cases                {total:>8}")?;
        for state in ExchangeState::ALL {
            writeln!(f, "  {:<18} {:>8}", state.as_str(), self.states.get(state.as_str()).copied().unwrap_or(0))?;
        }
        writeln!(f, "steps taken here     {:>8}", self.steps)?;
        writeln!(f, "told to the city     {:>8}", self.told)?;
        for (kind, count) in &t.taken {
            writeln!(f, "  {kind:<26} {count:>8}")?;
        }
        writeln!(f, "  came again {}, came ahead {}, refused {}", t.repeats, t.ahead, t.refused)?;
        writeln!(f, "requests of the city {:>8}", t.sent)?;
        writeln!(f, "  duplicate {}, retry {}, unanswered {}", t.duplicates, t.retries, t.unanswered)?;
        writeln!(f, "  refused here {}", t.refusals.len())?;
        writeln!(f, "rounds with the city down {}, dead letters {}", self.down, self.dead)?;
        writeln!(f, "reconciliation: {} cases listed, {} differ", t.listed, t.differences.len())?;
        writeln!(f, "both books whole: {} differ", self.unequal.len())?;
        for line in self.unequal.iter().chain(&t.refusals).take(10) {
            writeln!(f, "  {line}")?;
        }
        let seconds = self.took.as_secs_f64();
        let messages = self.told + t.sent;
        write!(f, "{seconds:.1} s, {messages} messages, {:.0} a second", messages as f64 / seconds.max(0.001))
    }
}
