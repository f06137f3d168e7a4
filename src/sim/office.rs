//! People at desks: the Centre, the city's collector, a unit's liaison; over REST.

use super::county::Account;
use crate::{
    client::{ClientError, Result, http::Api},
    db::types::UnitId,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{thread, time::Duration};

/// A person who is signed in at a desk.
pub struct Desk {
    api: Api,
    token: String,
}

/// What the Centre did in a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Commands that took effect.
    pub applied: u64,
    /// Commands that the state of a case forbade by then.
    pub refused: u64,
    /// Closings that had to wait for a photo.
    pub waited_for_evidence: u64,
    /// Cases closed.
    pub closed: u64,
}

impl Desk {
    /// Signs in.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn sign_in(api: &Api, account: &Account) -> Result<Desk> {
        let body = json!({"username": account.username, "password": account.password});
        let tokens: Value = api.post("/api/v1/auth/login", None, &body)?.expect()?;
        let token = tokens["access_token"].as_str().unwrap_or_default().to_owned();
        Ok(Desk { api: api.clone(), token })
    }

    /// GET of a JSON value.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.api.get(path, &self.token)?.expect()
    }

    /// GET of bytes; see [`Api::fetch`].
    ///
    /// # Errors
    /// As there.
    pub fn fetch(&self, path: &str, sink: &mut dyn FnMut(&[u8])) -> Result<u64> {
        self.api.fetch(path, &self.token, sink)
    }

    /// All items of a list, page by page. `path` has a query already.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn all(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}{cursor}"))?;
            if let Some(Value::Array(part)) = page.get_mut("items").map(Value::take) {
                items.extend(part);
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// The ids of the cases in a stage, oldest first.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn cases(&self, stage: &str, unit: Option<UnitId>) -> Result<Vec<String>> {
        let unit = unit.map(|unit| format!("&unit_id={unit}")).unwrap_or_default();
        let cases = self.all(&format!("/api/v1/cases?limit=200&state={stage}{unit}"))?;
        Ok(cases.iter().rev().filter_map(|case| case["id"].as_str().map(str::to_owned)).collect())
    }

    /// A command on a case; the code of a refusal otherwise.
    ///
    /// # Errors
    /// [`ClientError::Offline`].
    pub fn command(&self, case: &str, kind: &str, args: Value) -> Result<Result<(), String>> {
        let path = format!("/api/v1/cases/{case}/commands");
        let answer = self.api.post(&path, Some(&self.token), &json!({"type": kind, "args": args}))?;
        if answer.good() { Ok(Ok(())) } else { Ok(Err(answer.code().unwrap_or_else(|| answer.status.to_string()))) }
    }

    /// POST of a JSON value.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.api.post(path, Some(&self.token), body)?.expect()
    }

    /// PUT of a JSON value.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.api.put(path, &self.token, body)?.expect()
    }

    /// Ends this session.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn end_session(api: &Api, access_token: &str) -> Result<()> {
        let answer = api.post("/api/v1/auth/logout", Some(access_token), &json!({}))?;
        if answer.good() { Ok(()) } else { Err(answer.refusal()) }
    }
}

impl Done {
    fn count(&mut self, outcome: Result<(), String>) -> Result<()> {
        match outcome {
            Ok(()) => self.applied += 1,
            Err(code) if matches!(code.as_str(), "evidence_missing" | "photo_reuse_undecided") => {
                self.waited_for_evidence += 1
            }
            Err(code) if matches!(code.as_str(), "stage_forbids" | "already_done" | "version_stale") => {
                self.refused += 1
            }
            Err(code) => return Err(ClientError::Refused { status: 0, code, detail: Some("at a desk".into()) }),
        }
        Ok(())
    }
}

/// Step 1: what was reported or sent back goes to units, a tenth is void.
///
/// # Errors
/// [`ClientError`].
pub fn dispatch(desk: &Desk, units: &[UnitId], now: DateTime<Utc>) -> Result<Done> {
    let mut done = Done::default();
    let waiting = [desk.cases("reported", None)?, desk.cases("returned", None)?].concat();
    for (n, case) in waiting.iter().enumerate() {
        let outcome = if n % 10 == 9 {
            desk.command(case, "void", json!({"reason": "duplicate", "note": "与前案重复"}))?
        } else {
            let due = now + TimeDelta::days(1 + i64::try_from(n % 5).unwrap_or(0));
            desk.command(case, "dispatch", json!({"unit_id": units[n % units.len()], "due_at": due}))?
        };
        done.count(outcome)?;
    }
    Ok(done)
}

/// While the handhelds are away: the unit's desk sends two cases back and the Centre notes one as handled.
///
/// # Errors
/// [`ClientError`].
pub fn meddle(dispatcher: &Desk, liaison: &Desk, unit: UnitId, other: UnitId) -> Result<Done> {
    let mut done = Done::default();
    for case in liaison.cases("dispatched", Some(unit))?.iter().take(2) {
        done.count(liaison.command(case, "return", json!({"reason": "权属不清"}))?)?;
    }
    if let Some(case) = dispatcher.cases("dispatched", Some(other))?.first() {
        done.count(dispatcher.command(case, "handle", json!({"note": "来电告知已处理"}))?)?;
    }
    Ok(done)
}

/// Steps 4 to 7 for what units applied for. `strict`: some applications are refused and some verifications fail.
///
/// # Errors
/// [`ClientError`].
pub fn close(dispatcher: &Desk, verifier: &Desk, strict: bool) -> Result<Done> {
    let mut done = Done::default();
    for (n, case) in dispatcher.cases("closing_applied", None)?.iter().enumerate() {
        if strict && n % 7 == 3 {
            done.count(dispatcher.command(case, "refuse_closing", json!({"reason": "照片不清楚"}))?)?;
            continue;
        }
        done.count(dispatcher.command(case, "request_verification", json!({}))?)?;
        let passed = !(strict && n % 5 == 4);
        done.count(verifier.command(case, "verify", json!({"passed": passed, "note": "现场核查"}))?)?;
        if passed {
            done.count(verifier.command(case, "notify_closing", json!({}))?)?;
        }
    }
    for case in dispatcher.cases("verified", None)? {
        let before = done.applied;
        let mut outcome = dispatcher.command(&case, "confirm_closing", json!({}))?;
        // The server is still comparing photos that came a moment ago; or it found something, and nobody decides here.
        let mut tries = 40;
        while tries > 0 && outcome.as_ref().is_err_and(|code| code == "photo_reuse_undecided") {
            tries -= 1;
            thread::sleep(Duration::from_millis(250));
            outcome = dispatcher.command(&case, "confirm_closing", json!({}))?;
        }
        done.count(outcome)?;
        done.closed += done.applied - before;
    }
    Ok(done)
}

/// What the Centre sees of body cameras in the evening.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filmed {
    /// Clips that arrived.
    pub clips: usize,
    /// Of these, proposed to a case.
    pub proposed: usize,
    /// Of these, linked to the case that fitted best.
    pub linked: usize,
    /// Minutes recorded, all together.
    pub recorded_min: i64,
    /// Minutes linked to a case.
    pub linked_min: i64,
    /// Files that were here within 24 hours of their end.
    pub within_24h: i64,
    /// Cameras in use.
    pub in_use: usize,
    /// Cameras that are not.
    pub not_in_use: usize,
}

/// The Centre confirms what is proposed, and looks at what each camera did.
///
/// # Errors
/// The server's refusal.
pub fn confirm_clips(dispatcher: &Desk) -> Result<Filmed> {
    let mut filmed = Filmed { clips: dispatcher.all("/api/v1/clips?limit=200")?.len(), ..Filmed::default() };
    for clip in dispatcher.all("/api/v1/clips?state=proposed&limit=200")? {
        filmed.proposed += 1;
        let path = format!("/api/v1/clips/{}/link", clip["id"].as_str().unwrap_or_default());
        dispatcher.post(&path, &json!({"case_id": clip["best_case"], "reason": "按时间地点核对"}))?;
        filmed.linked += 1;
    }
    let board = dispatcher.get("/api/v1/devices/utilisation")?;
    for device in board["items"].as_array().into_iter().flatten().filter(|device| device["kind"] == "camera") {
        let figure = |name: &str| device["camera"][name].as_i64().unwrap_or(0);
        filmed.recorded_min += figure("recorded_s");
        filmed.linked_min += figure("linked_s");
        filmed.within_24h += figure("within_24h");
        if device["state"] == "in_use" { filmed.in_use += 1 } else { filmed.not_in_use += 1 }
    }
    (filmed.recorded_min, filmed.linked_min) = (filmed.recorded_min / 60, filmed.linked_min / 60);
    Ok(filmed)
}
