//! Bringing signed capture records home, beside the operations and never in their way.

use super::{
    ClientError, Result,
    device::clock_refused,
    http::{Answer, Api},
    rules::{ENVELOPE, Pace},
    store::Store,
};
use crate::{
    captures::{
        routes::{MOST_BYTES, MOST_RECORDS},
        view::{CapturesRequest, CapturesResponse},
    },
    env::Env,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use std::time::Duration;

/// How old the newest checkpoint that is known may become before the server is asked for another.
const BEACON_FOR: TimeDelta = TimeDelta::minutes(10);

/// After so many failures in a row the records stay where they are for a while: files must not wait behind them.
const FAILURES: u32 = 5;

/// What a round did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Round {
    /// Nothing waits, or nothing that the server would take.
    Idle,
    /// So many records were answered.
    Sent(usize),
    /// Another try is worth it after that long.
    Later(Duration, String),
}

/// What came of a request.
enum Heard {
    Answered(usize),
    Refused,
    Trouble(String),
}

/// How sending capture records goes; in memory only.
#[derive(Debug)]
pub struct Courier {
    pace: Pace,
    /// The server refused for a reason that does not pass by itself; a restart tries again.
    refused: Option<String>,
    asked: Option<DateTime<Utc>>,
    failures: u32,
    failed: Option<DateTime<Utc>>,
}

impl Courier {
    /// One that waits like this.
    pub fn new(pace: Pace) -> Courier {
        Courier { pace, refused: None, asked: None, failures: 0, failed: None }
    }

    /// Sends the oldest records that wait, and keeps what became of them.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotEnrolled`]; the same is sent again then, which is harmless.
    pub fn send(&mut self, store: &mut Store, api: &Api, env: &Env) -> Result<Round> {
        let since = |at: DateTime<Utc>| (env.now() - at).abs().to_std().unwrap_or_default();
        let paused = self.failures >= FAILURES && self.failed.is_some_and(|at| since(at) < self.pace.cap);
        if self.refused.is_some() || paused {
            return Ok(Round::Idle);
        }
        let mut waiting = store.captures_waiting(MOST_RECORDS)?;
        let mut room = MOST_BYTES - ENVELOPE;
        waiting.retain(|raw| {
            let fits = raw.len() < room;
            room = if fits { room - raw.len() - 1 } else { 0 };
            fits
        });
        if waiting.is_empty() {
            return Ok(Round::Idle);
        }
        let why = match self.ask(store, api, env, &waiting)? {
            Heard::Answered(count) => {
                self.failures = 0;
                return Ok(Round::Sent(count));
            }
            Heard::Refused => return Ok(Round::Idle),
            Heard::Trouble(why) => why,
        };
        self.failures = (self.failures + 1).min(FAILURES);
        if self.failures == FAILURES {
            self.failed = Some(env.now());
            return Ok(Round::Idle);
        }
        Ok(Round::Later(self.pace.wait(self.failures, env.below(u32::MAX)), why))
    }

    /// Asks for the log's newest checkpoint when the one that is known is old. Not to get one is no trouble, and a store
    /// that only reads signs nothing.
    ///
    /// # Errors
    /// As [`Courier::send`].
    pub fn refresh_beacon(&mut self, store: &mut Store, api: &Api, env: &Env) -> Result<()> {
        let now = env.now();
        if self.refused.is_none() && self.asked.is_none_or(|asked| (now - asked).abs() >= BEACON_FOR) {
            self.asked = Some(now);
            match self.ask(store, api, env, &[]) {
                Ok(_) | Err(ClientError::NotEnrolled) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn ask(&mut self, store: &mut Store, api: &Api, env: &Env, raws: &[String]) -> Result<Heard> {
        let records = raws.iter().map(|raw| RawValue::from_string(raw.clone())).collect::<Result<_, _>>();
        let request = CapturesRequest { records: records.map_err(|e| ClientError::Store(e.to_string()))? };
        let offset = store.offset()?;
        let token = store.identity()?.token(env, offset)?;
        let answer = match api.post("/api/v1/captures", Some(&token), &request) {
            Ok(answer) => answer,
            Err(ClientError::Offline(why)) => return Ok(Heard::Trouble(why)),
            Err(other) => return Err(other),
        };
        if !answer.good() {
            let learnt = clock_refused(&answer, env.now(), offset);
            if let Some(offset) = learnt {
                store.set_offset(offset)?;
            }
            return Ok(self.troubled(&answer, learnt.is_some()));
        }
        // A captive portal answers 200 to everything.
        let response: CapturesResponse = match answer.json() {
            Ok(response) => response,
            Err(error) => return Ok(Heard::Trouble(error.to_string())),
        };
        let answered = store.captures_acknowledge(raws, &response)?;
        self.asked = Some(env.now());
        Ok(if answered < raws.len() {
            Heard::Trouble("not all were answered".into())
        } else {
            Heard::Answered(answered)
        })
    }

    fn troubled(&mut self, answer: &Answer, clock_learnt: bool) -> Heard {
        let why = answer.refusal().to_string();
        let passes = matches!(answer.status, 408 | 425 | 429 | 500..=599) || answer.code().is_none();
        if !passes && !clock_learnt {
            // An older server, or a device that is unknown: the operations' own way says what a person must do.
            tracing::warn!(why, "capture records stay on the device");
            self.refused = Some(why);
            return Heard::Refused;
        }
        Heard::Trouble(why)
    }

    /// Why the server takes none, when it said so.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}
