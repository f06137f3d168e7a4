//! A city's platform that misbehaves on purpose: it dispatches cases, verifies, closes, and keeps its own book of all of
//! them, while its network and its clerks do what networks and clerks do.
//!
//! [`City`] decides on memory; [`link`] is its HTTP, with the faults; [`year`] lives through a year with a county.

pub mod link;
pub mod year;

use crate::{
    city::{
        rules::ExchangeState,
        wire::{self, Difference, Envelope, Item, Reply, ReplyCode},
    },
    env::Env,
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// A case in the city's book.
#[derive(Debug, Clone)]
struct Known {
    state: ExchangeState,
    updated_at: DateTime<Utc>,
    deadline: DateTime<Utc>,
    county_number: Option<String>,
}

/// The city's platform.
pub struct City {
    env: Env,
    book: BTreeMap<String, Known>,
    /// The last of the county's messages that was applied.
    applied: i64,
    answers: HashMap<String, Reply>,
    ahead: BTreeMap<i64, Envelope>,
    out: Vec<Envelope>,
    /// Of `out`, those that the county has answered for good.
    answered: usize,
    to_verify: Vec<String>,
    given: u32,
    /// What went on.
    pub tally: Tally,
}

/// What went over the link, as the city saw it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Messages of the county that were applied, by type.
    pub taken: BTreeMap<String, u64>,
    /// Messages of the county that came again.
    pub repeats: u64,
    /// Messages of the county that came ahead of a missing one.
    pub ahead: u64,
    /// Messages that the city refused.
    pub refused: u64,
    /// Messages that the county refused: type, reason, detail.
    pub refusals: Vec<String>,
    /// Requests to the county.
    pub sent: u64,
    /// Of these, answered `duplicate`.
    pub duplicates: u64,
    /// Of these, answered `retry`.
    pub retries: u64,
    /// Of these, without an answer.
    pub unanswered: u64,
    /// Cases that the city's lists named, and what the county found to differ.
    pub listed: u64,
    /// Differences.
    pub differences: Vec<Difference>,
    /// Parts of lists that the county has compared.
    pub compared: u64,
}

impl City {
    /// A city without cases. Clock and dice are `env`'s.
    pub fn new(env: Env) -> City {
        City {
            env,
            book: BTreeMap::new(),
            applied: 0,
            answers: HashMap::new(),
            ahead: BTreeMap::new(),
            out: Vec::new(),
            answered: 0,
            to_verify: Vec::new(),
            given: 0,
            tally: Tally::default(),
        }
    }

    /// Every case: number, state, since when.
    pub fn list(&self) -> Vec<(String, ExchangeState, DateTime<Utc>)> {
        self.book.iter().map(|(number, known)| (number.clone(), known.state, known.updated_at)).collect()
    }

    /// Cases without the county's number: their acknowledgement has not come.
    pub fn unacknowledged(&self) -> usize {
        self.book.values().filter(|known| known.county_number.is_none()).count()
    }

    /// Whether nothing is left to be sent or verified here.
    pub fn is_idle(&self) -> bool {
        self.answered == self.out.len() && self.to_verify.is_empty()
    }

    /// This city after a backup was put back: it knows its cases and what it has sent, and nothing that it was told.
    #[must_use]
    pub fn restored(&self) -> City {
        let bare = |known: &Known| Known { state: ExchangeState::Received, county_number: None, ..known.clone() };
        let book = self.book.iter().map(|(number, known)| (number.clone(), bare(known))).collect();
        City { book, out: self.out.clone(), answered: self.answered, given: self.given, ..City::new(self.env.clone()) }
    }

    fn push(&mut self, kind: &str, body: Value) {
        let (from, to) = wire::INBOUND;
        self.out.push(Envelope {
            msg_id: self.env.id().to_string(),
            r#type: kind.to_owned(),
            schema: wire::SCHEMA.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            sent_at: self.env.now(),
            seq: i64::try_from(self.out.len()).unwrap_or(i64::MAX) + 1,
            body,
        });
    }

    /// Gives the county one more case.
    pub fn dispatch(&mut self) {
        const SEEN: [(&str, &str, &str); 4] =
            [("04", "05", "店外经营"), ("01", "02", "暴露垃圾"), ("02", "10", "非法小广告"), ("03", "07", "道路破损")];
        let now = self.env.now();
        self.given += 1;
        let number = format!("{}{}{:05}", wire::CITY, now.with_timezone(&Shanghai).format("%Y%m%d"), self.given);
        let (main, sub, name) = SEEN[self.env.below(4) as usize];
        let deadline = now + TimeDelta::hours(8 + i64::from(self.env.below(160)));
        let body = json!({
            "cityCaseNo": number, "kind": "event", "mainTypeCode": main, "subTypeCode": sub, "typeName": name,
            "desc": format!("{name}，请及时处置"), "address": "中方县", "crs": "CGCS2000", "source": "city_dispatch",
            "lon": 109.90 + f64::from(self.env.below(1000)) / 10_000.0,
            "lat": 27.40 + f64::from(self.env.below(1000)) / 10_000.0,
            "at": now, "deadline": deadline, "unit": {"code": format!("U{:03}", self.env.below(32))},
        });
        let known = Known { state: ExchangeState::Received, updated_at: now, deadline, county_number: None };
        self.book.insert(number, known);
        self.push(wire::DISPATCH, body);
    }

    /// The city's collectors look at what waits for them: nine in ten are solved and closed.
    pub fn verify(&mut self) {
        let now = self.env.now();
        for number in std::mem::take(&mut self.to_verify) {
            let passed = self.env.below(10) > 0;
            let note = if passed { "现场已整改" } else { "现场未整改到位" };
            self.push(
                wire::VERIFICATION_RESULT,
                json!({"cityCaseNo": number, "passed": passed, "note": note, "at": now}),
            );
            self.enter(&number, if passed { ExchangeState::Passed } else { ExchangeState::Rework }, now);
            if passed {
                self.push(wire::CLOSING_NOTICE, json!({"cityCaseNo": number, "at": now}));
                self.enter(&number, ExchangeState::Closed, now);
            }
        }
    }

    fn enter(&mut self, number: &str, state: ExchangeState, at: DateTime<Utc>) {
        if let Some(known) = self.book.get_mut(number) {
            (known.state, known.updated_at) = (state, at);
        }
    }

    /// Sends the whole book to be compared, in parts of at most `most` cases.
    pub fn send_list(&mut self, most: usize) {
        let items: Vec<Item> = self
            .list()
            .into_iter()
            .map(|(city_case_no, state, updated_at)| Item { city_case_no, state: state.to_string(), updated_at })
            .collect();
        self.tally.listed += items.len() as u64;
        let mut after: Option<String> = None;
        let parts: Vec<&[Item]> = items.chunks(most).collect();
        for (n, part) in parts.iter().enumerate() {
            let until = part.last().filter(|_| n + 1 < parts.len()).map(|item| item.city_case_no.clone());
            let body = json!({"after": after, "until": until, "seenSeq": self.applied, "items": part});
            self.push(wire::LIST, body);
            after = until;
        }
    }

    /// Takes a message of the county, with the same rules as the county takes ours by, written a second time.
    pub fn take(&mut self, envelope: Envelope) -> Reply {
        if let Some(first) = self.answers.get(&envelope.msg_id) {
            self.tally.repeats += 1;
            let first = first.clone();
            return Reply { code: ReplyCode::Duplicate, first: Some(first.code), ..first };
        }
        if envelope.seq <= self.applied || envelope.check(wire::OUTBOUND).is_err() {
            self.tally.refused += 1;
            return self.reply(&envelope, Err("seq_or_envelope".into()));
        }
        if envelope.seq > self.applied + 1 {
            self.tally.ahead += 1;
            let reply = Reply { code: ReplyCode::Retry, ..self.reply(&envelope, Ok(())) };
            self.ahead.insert(envelope.seq, envelope);
            return reply;
        }
        let mut reply = self.apply(&envelope);
        while let Some(next) = self.ahead.remove(&(self.applied + 1)) {
            self.apply(&next);
        }
        reply.expected_seq = self.applied + 1;
        reply
    }

    fn reply(&self, envelope: &Envelope, outcome: Result<(), String>) -> Reply {
        Reply {
            msg_id: envelope.msg_id.clone(),
            code: if outcome.is_ok() { ReplyCode::Ok } else { ReplyCode::Invalid },
            first: None,
            reason: outcome.err(),
            detail: None,
            expected_seq: self.applied + 1,
            county_case_no: None,
        }
    }

    fn apply(&mut self, envelope: &Envelope) -> Reply {
        self.applied = envelope.seq;
        let outcome = self.act(&envelope.r#type, &envelope.body);
        match &outcome {
            Ok(()) => *self.tally.taken.entry(envelope.r#type.clone()).or_default() += 1,
            Err(_) => self.tally.refused += 1,
        }
        let reply = self.reply(envelope, outcome);
        self.answers.insert(envelope.msg_id.clone(), reply.clone());
        reply
    }

    fn act(&mut self, kind: &str, body: &Value) -> Result<(), String> {
        use ExchangeState::{Closed, Handled, Passed, Received, Returned, Rework, Verifying};
        if kind == wire::LIST_RESULT {
            let found: Vec<Difference> =
                serde_json::from_value(body["differences"].clone()).map_err(|e| e.to_string())?;
            self.tally.differences.extend(found);
            self.tally.compared += 1;
            return Ok(());
        }
        if kind == wire::SKIP {
            return Ok(());
        }
        let number = body["cityCaseNo"].as_str().unwrap_or_default().to_owned();
        let known = self.book.get_mut(&number).ok_or("unknown_case")?;
        let at: DateTime<Utc> = serde_json::from_value(body["at"].clone()).map_err(|_| "no_time")?;
        let passed = body["passed"] == json!(true);
        let (from, state): (&[ExchangeState], ExchangeState) = match kind {
            wire::ACKNOWLEDGE => {
                known.county_number = body["countyCaseNo"].as_str().map(str::to_owned);
                return Ok(());
            }
            wire::EXTENSION_REQUEST => {
                let until: DateTime<Utc> = serde_json::from_value(body["until"].clone()).map_err(|_| "no_time")?;
                let granted = self.env.below(4) > 0;
                if granted {
                    known.deadline = until;
                }
                let reason = if granted { "情况属实" } else { "理由不足" };
                let decision = json!({"cityCaseNo": number, "granted": granted, "reason": reason, "until": granted.then_some(until)});
                self.push(wire::EXTENSION_DECISION, decision);
                return Ok(());
            }
            wire::EXTENSION_DECISION => return Ok(()),
            // The Centre refuses a closing application without asking the city: then it is fed back again.
            wire::FEEDBACK => (&[Received, Rework, Handled], Handled),
            wire::VERIFICATION_REQUEST => (&[Handled], Verifying),
            wire::RETURN => (&[Received, Rework, Handled], Returned),
            wire::VERIFICATION_RESULT => (&[Verifying], if passed { Passed } else { Rework }),
            wire::CLOSING_NOTICE => (&[Passed], Closed),
            _ => return Err("unknown_type".into()),
        };
        if !from.contains(&known.state) {
            return Err(format!("state_{}", known.state));
        }
        if state == Verifying {
            self.to_verify.push(number.clone());
        }
        self.enter(&number, state, at);
        Ok(())
    }
}
