//! The judging side of the demonstration: next week's draw from its frame to the verifier, and the month on trial.

use super::{county::County, office::Desk};
use crate::{
    client::{ClientError, Result, http::Api},
    env::Env,
    identity::rules::Role,
    spotchecks::{
        draws::{
            draw::{self, Pack},
            rules::{DICE, monday},
        },
        rules::week_of,
    },
};
use chrono::{DateTime, Days, TimeDelta, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};
use std::{fmt, thread};

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// The week that was drawn.
    pub week: String,
    /// Units in the draw.
    pub drawn: usize,
    /// Visits.
    pub visits: usize,
    /// Blind second visits.
    pub rechecks: usize,
    /// The month on trial.
    pub month: String,
    /// Its units.
    pub units: usize,
    /// Of these, ranked.
    pub ranked: usize,
    /// Visits of the day that count in it.
    pub checks: i64,
    /// The best unit and its points, thousandths.
    pub best: Option<(String, i64)>,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "draw         {}: {} visits and {} blind second visits at {} units; computed again from its pack, it agrees",
            self.week, self.visits, self.rechecks, self.drawn
        )?;
        let best = self.best.as_ref().map(|(name, total)| format!("; best {name}, {}", crate::document::plain(*total)));
        writeln!(
            f,
            "assessment   {} on trial: {} units, {} ranked, {} visits by the checklist{}",
            self.month,
            self.units,
            self.ranked,
            self.checks,
            best.unwrap_or_default()
        )
    }
}

/// The week that the demonstration draws: always one that has not begun, at least a day away.
fn drawn_week(now: DateTime<Utc>) -> String {
    week_of(now + TimeDelta::days(8))
}

fn drawing(desk: &Desk, week: &str) -> Result<Option<Value>> {
    Ok(desk.all("/api/v1/draws?limit=200")?.into_iter().find(|draw| draw["week"] == week))
}

/// Makes teams of the checkers and publishes what the week is drawn from, unless an earlier run did.
///
/// # Errors
/// The server's refusal.
pub fn frame(direct: &Api, county: &County, now: DateTime<Utc>) -> Result<()> {
    let (dispatcher, admin) = (Desk::sign_in(direct, &county.dispatcher)?, Desk::sign_in(direct, &county.admin)?);
    let week = drawn_week(now);
    if drawing(&dispatcher, &week)?.is_some() {
        return Ok(());
    }
    let checkers = county.handhelds.iter().filter(|(_, person)| person.role == Role::SpotChecker);
    let members: Vec<Value> = checkers
        .enumerate()
        .map(|(n, (_, person))| json!({"user_id": person.user_id, "team": if n % 2 == 0 { "一队" } else { "二队" }}))
        .collect();
    admin.put("/api/v1/spot-teams", &json!({"members": members}))?;
    let monday = monday(&week).map_err(|error| ClientError::Unreadable(error.to_string()))?;
    // Named, because a week of holidays has no days of its own.
    let days: Vec<String> = (0..5).map(|n| (monday + Days::new(n)).to_string()).collect();
    let soon = |seconds: i64| Env::system().now() + TimeDelta::seconds(seconds);
    let sources = json!([{"name": DICE, "issue": week}]);
    let body = json!({"commit_until": soon(4), "lottery_at": soon(5), "sources": sources, "days": days});
    dispatcher.post(&format!("/api/v1/draws/{week}/frame"), &body).map(drop)
}

/// Throws the dice, has a second person type them too, draws, and computes the draw again from its pack; then runs the
/// month.
///
/// # Errors
/// The server's refusal, or a draw that does not agree.
pub fn judge(direct: &Api, county: &County, framed_at: DateTime<Utc>, dice: &Env) -> Result<Judged> {
    let (dispatcher, admin) = (Desk::sign_in(direct, &county.dispatcher)?, Desk::sign_in(direct, &county.admin)?);
    let week = drawn_week(framed_at);
    let path = |step: &str| format!("/api/v1/draws/{week}/{step}");
    if let Some(draw) = drawing(&dispatcher, &week)?.filter(|draw| draw["state"] == "framed") {
        let lottery_at = draw["lottery_at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
        let wait = lottery_at.and_then(|at| (at - Env::system().now()).to_std().ok()).unwrap_or_default();
        thread::sleep(wait);
        let throws: String = (0..20).map(|_| char::from(b'0' + u8::try_from(dice.below(10)).unwrap_or(0))).collect();
        let source = json!({"name": DICE, "issue": week, "result": throws, "origin": "演示：程序掷骰"});
        let results = json!({"sources": [source]});
        dispatcher.put(&path("seed"), &results)?;
        admin.post(&path("seed/confirm"), &results)?;
        dispatcher.post(&path("run"), &json!({}))?;
    }
    let unreadable = |what: String| ClientError::Unreadable(format!("the draw of {week}: {what}"));
    let pack: Pack =
        serde_json::from_value(dispatcher.get(&path("pack"))?).map_err(|error| unreadable(error.to_string()))?;
    let outcome = draw::verify(&pack).map_err(|mismatch| unreadable(format!("{mismatch:?}")))?;
    let month = framed_at.with_timezone(&Shanghai).format("%Y-%m").to_string();
    let trial = dispatcher.post(&format!("/api/v1/assessment/months/{month}/run"), &json!({}))?;
    let units = trial["units"].as_array().cloned().unwrap_or_default();
    let best = units.iter().filter(|unit| unit["rank"].is_i64()).max_by_key(|unit| unit["total"].as_i64());
    Ok(Judged {
        drawn: outcome.units.len(),
        visits: outcome.units.iter().map(|unit| unit.picks.len()).sum(),
        rechecks: outcome.rechecks.len(),
        ranked: units.iter().filter(|unit| unit["rank"].is_i64()).count(),
        checks: units.iter().filter_map(|unit| unit["checks"].as_i64()).sum(),
        best: best.and_then(|unit| Some((unit["name"].as_str()?.to_owned(), unit["total"].as_i64()?))),
        units: units.len(),
        week,
        month,
    })
}
