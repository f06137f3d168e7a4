//! A device at work: save, push, pull, send files; one step at a time, so that the caller owns time.

use super::{
    ClientError, Result,
    device::{self, ClockOffset, Identity, clock_refused},
    http::{Answer, Api, Content},
    rules::{Next, Pace, Pulled, Pushed, Sender, Stop, batch, read_pull, read_push},
    store::{Draft, MediaState, Queued, Session, Store},
    upload::{self, Item, Outcome, Upload},
};
use crate::{
    db::types::OpId,
    env::Env,
    identity::rules::Role,
    sync::wire::{self, Changes, MAX_OPS, PROTOCOL, PushRequest, Snapshot},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::{Duration, Instant};
use ureq::http::Method;

/// What a step did, or what must happen before the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// There is nothing to do.
    Idle,
    /// Something was done; there may be more.
    Moved,
    /// Come again after that long.
    Wait(Duration, String),
    /// Only a person can help; nothing is lost.
    Stopped(Need),
}

/// What a person has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Enrol the device with a new one-time code.
    Enrol,
    /// Sign in.
    SignIn,
    /// Look at this.
    Look(String),
}

/// What a device has done so far; in memory only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations that went out, repeats included.
    pub pushed: u64,
    /// Of those, answered as known already.
    pub duplicates: u64,
    /// Pushes that got no answer.
    pub unanswered: u64,
    /// Files that reached the server.
    pub files: u64,
    /// What the files cost.
    pub files_cost: upload::Cost,
    /// Changes that were read.
    pub changes: u64,
}

#[derive(Serialize)]
struct Login<'a> {
    username: &'a str,
    password: &'a str,
    device_token: String,
}

#[derive(Serialize)]
struct Refresh<'a> {
    refresh_token: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    session_id: crate::db::types::SessionId,
    user: TokenUser,
}

#[derive(Deserialize)]
struct TokenUser {
    id: crate::db::types::UserId,
    name: String,
    role: Role,
    unit_id: Option<crate::db::types::UnitId>,
}

impl From<Tokens> for Session {
    fn from(tokens: Tokens) -> Session {
        Session {
            session_id: tokens.session_id,
            user_id: tokens.user.id,
            name: tokens.user.name,
            role: tokens.user.role,
            unit_id: tokens.user.unit_id,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
        }
    }
}

/// A device: its store and its way to the server.
pub struct Client {
    /// What it keeps.
    pub store: Store,
    /// What it has done.
    pub tally: Tally,
    api: Api,
    env: Env,
    app: String,
    pace: Pace,
    boot: String,
    started: Instant,
    sender: Sender,
    read_failures: u32,
}

impl Client {
    /// A device on its store. `app` is its name and version, for example `handheld/1.0`.
    pub fn new(store: Store, api: Api, env: Env, app: &str, pace: Pace) -> Client {
        let boot = env.id().to_string();
        Client {
            store,
            tally: Tally::default(),
            api,
            env,
            app: app.to_owned(),
            pace,
            boot,
            started: Instant::now(),
            sender: Sender::default(),
            read_failures: 0,
        }
    }

    /// The clock and the dice it uses.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Sends everything to another address from now on (a device that changed its network).
    pub fn set_api(&mut self, api: Api) {
        self.api = api;
    }

    /// Enrols with a one-time code and keeps the new key.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `code_wrong` or `device_revoked`, [`ClientError::Offline`], [`ClientError::Store`].
    pub fn enrol(&mut self, code: &str) -> Result<Identity> {
        let (identity, offset) = device::enrol(&self.api, code, &self.env)?;
        self.store.set_identity(&identity, offset)?;
        Ok(identity)
    }

    /// Signs a person in on this device, so that what they do here offline counts as theirs.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the server's reason, [`ClientError::Offline`].
    pub fn login(&mut self, username: &str, password: &str) -> Result<Session> {
        let device_token = self.token()?;
        let answer = self.api.post("/api/v1/auth/login", None, &Login { username, password, device_token })?;
        let session = Session::from(answer.expect::<Tokens>()?);
        self.store.set_session(Some(&session))?;
        Ok(session)
    }

    /// Keeps a piece of work; durable when it returns. Fills in the clocks.
    ///
    /// # Errors
    /// [`ClientError::Store`] or [`ClientError::NotEnrolled`]: then it is not saved.
    pub fn save(&mut self, draft: Draft) -> Result<wire::Op> {
        let mono = Some((self.mono_ms(), self.boot.clone()));
        self.store.save(Draft { mono: draft.mono.or(mono), ..draft })
    }

    /// Sends the oldest operations and stores what became of them.
    ///
    /// # Errors
    /// [`ClientError::Store`] and [`ClientError::NotEnrolled`]; the network's troubles are [`Step`]s.
    pub fn push(&mut self) -> Result<Step> {
        let waiting = self.store.waiting(self.sender.limit.min(MAX_OPS))?;
        let count = batch(waiting.iter().map(|queued| queued.raw.len()), self.sender.limit);
        let ops = &waiting[..count];
        let Some(head) = ops.first() else { return Ok(Step::Idle) };
        let request = self.request(ops)?;
        let token = self.token()?;
        self.tally.pushed += ops.len() as u64;
        let answer = self.api.post("/api/v1/sync/push", Some(&token), &request);
        let (pushed, learnt) = match self.heard(answer)? {
            Some(answer) => (read_push(&answer), self.learn_clock(&answer)?),
            None => {
                self.tally.unanswered += 1;
                (Pushed::Again(None), false)
            }
        };
        if let Pushed::Results(response) = &pushed {
            self.tally.duplicates += response.results.iter().filter(|r| r.duplicate).count() as u64;
            self.store.acknowledge(ops, response, self.env.now())?;
        }
        let dice = self.env.below(u32::MAX);
        Ok(match self.sender.after(&pushed, head.op_id, ops.len(), learnt, self.pace, dice) {
            Next::Go => Step::Moved,
            Next::Wait(wait) => Step::Wait(wait, "push".into()),
            Next::SendRaw => self.push_raw(head)?,
            Next::Stop(Stop::Enrol) => Step::Stopped(Need::Enrol),
            Next::Stop(Stop::Strange(what)) => Step::Stopped(Need::Look(what)),
        })
    }

    /// Sends given operations again, whatever became of them, and returns the answers: for checks. Nothing is stored.
    ///
    /// # Errors
    /// As [`Api::send`], and [`ClientError::Refused`].
    pub fn push_again(&mut self, ops: &[Queued]) -> Result<wire::PushResponse> {
        let request = self.request(ops)?;
        let token = self.token()?;
        self.api.post("/api/v1/sync/push", Some(&token), &request)?.expect()
    }

    fn request(&mut self, ops: &[Queued]) -> Result<PushRequest> {
        let identity = self.store.identity()?;
        let raw = |queued: &Queued| RawValue::from_string(queued.raw.clone());
        let ops: Vec<Box<RawValue>> =
            ops.iter().map(raw).collect::<Result<_, _>>().map_err(|e| ClientError::Store(e.to_string()))?;
        let (now, offset) = (self.env.now(), self.store.offset()?);
        let (attempt, push_token) = self.store.begin_attempt()?;
        Ok(PushRequest {
            protocol: PROTOCOL,
            app: self.app.clone(),
            device: identity.device,
            epoch: identity.epoch,
            attempt,
            push_token,
            health: None,
            clock: wire::Clock {
                wall: now,
                mono_ms: self.mono_ms(),
                boot: self.boot.clone(),
                offset_ms: offset.map(|o| o.offset_ms),
                offset_age_s: offset.map(|o| (now - o.measured_at).num_seconds().max(0)),
            },
            outbox: self.store.outbox_summary()?,
            ops,
        })
    }

    /// The way out for an operation that breaks the server: its bytes, kept there for a person.
    fn push_raw(&mut self, head: &Queued) -> Result<Step> {
        let token = self.token()?;
        let content = Content::Bytes("application/octet-stream", head.raw.clone().into_bytes());
        let answer = self.api.send(Method::POST, "/api/v1/sync/raw", Some(&token), &[], content);
        match self.heard(answer)? {
            Some(answer) if answer.good() => {
                self.store.acknowledge_raw(head.op_id, self.env.now())?;
                Ok(Step::Moved)
            }
            Some(answer) if answer.status < 500 => Ok(Step::Stopped(Need::Look(answer.refusal().to_string()))),
            _ => Ok(Step::Wait(self.pace.wait(8, self.env.below(u32::MAX)), "raw".into())),
        }
    }

    /// Reads one page of the feed, or a whole snapshot when there is no usable cursor.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotSignedIn`].
    pub fn pull(&mut self) -> Result<Step> {
        let session = self.store.session()?;
        let Some(position) = self.store.position()? else { return self.snapshot(&session) };
        let path = format!("/api/v1/sync/changes?cursor={}&limit=500", position.cursor);
        let answer = self.api.get(&path, &session.access_token);
        match self.read(answer)? {
            Ok(answer) => {
                let page: Changes = answer.json()?;
                let applied = self.store.apply(&page, self.env.now())?;
                self.tally.changes += page.changes.len() as u64;
                if !applied && page.generation != position.generation {
                    return self.snapshot(&session);
                }
                Ok(if applied && !page.has_more { Step::Idle } else { Step::Moved })
            }
            Err(None) => self.snapshot(&session),
            Err(Some(step)) => Ok(step),
        }
    }

    fn snapshot(&mut self, session: &Session) -> Result<Step> {
        self.store.snapshot_begin()?;
        let mut page = None;
        loop {
            let path = match &page {
                None => "/api/v1/sync/snapshot".to_owned(),
                Some(page) => format!("/api/v1/sync/snapshot?page={page}"),
            };
            let answer = self.api.get(&path, &session.access_token);
            match self.read(answer)? {
                Ok(answer) => {
                    let part: Snapshot = answer.json()?;
                    self.store.snapshot_page(&part)?;
                    match part.next_page {
                        Some(next) => page = Some(next),
                        None => {
                            self.store.snapshot_finish(&part, self.env.now())?;
                            return Ok(Step::Moved);
                        }
                    }
                }
                // The first page's moment is over: begin again, but not at once for ever.
                Err(None) => return Ok(self.later("snapshot")),
                Err(Some(step)) => return Ok(step),
            }
        }
    }

    /// A page, or what to do instead; `None` there asks for a snapshot.
    fn read(&mut self, answer: Result<Answer>) -> Result<Result<Answer, Option<Step>>> {
        let Some(answer) = self.heard(answer)? else { return Ok(Err(Some(self.later("no answer")))) };
        Ok(match read_pull(answer) {
            Pulled::Page(answer) => {
                self.read_failures = 0;
                Ok(answer)
            }
            Pulled::Snapshot => Err(None),
            Pulled::Refresh => Err(Some(self.refresh()?)),
            Pulled::Again(asked) => {
                let Step::Wait(own, why) = self.later("busy") else { return Ok(Err(Some(Step::Moved))) };
                Err(Some(Step::Wait(asked.unwrap_or_default().max(own), why)))
            }
            Pulled::SignIn => Err(Some(Step::Stopped(Need::SignIn))),
            Pulled::Strange(what) => Err(Some(Step::Stopped(Need::Look(what)))),
        })
    }

    /// The next access token. A refused refresh ends the session here, and nothing else: the outbox needs no session.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotSignedIn`].
    pub fn refresh(&mut self) -> Result<Step> {
        let session = self.store.session()?;
        let answer = self.api.post("/api/v1/auth/refresh", None, &Refresh { refresh_token: &session.refresh_token });
        match self.heard(answer)? {
            Some(answer) if answer.good() => {
                self.store.set_session(Some(&Session::from(answer.json::<Tokens>()?)))?;
                Ok(Step::Moved)
            }
            Some(answer) if answer.status == 401 => {
                self.store.set_session(None)?;
                Ok(Step::Stopped(Need::SignIn))
            }
            _ => Ok(self.later("refresh")),
        }
    }

    /// Sends the next file that waits.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotEnrolled`].
    pub fn upload(&mut self) -> Result<Step> {
        let Some(media) = self.store.media(MediaState::Waiting)?.into_iter().next() else { return Ok(Step::Idle) };
        let item = Item {
            path: media.path,
            size: u64::try_from(media.size).unwrap_or(0),
            sha256: media.sha256,
            mime: media.mime,
            filename: media.filename,
            captured_at: media.captured_at,
            captured_from: None,
        };
        let (identity, offset) = (self.store.identity()?, self.store.offset()?);
        let (api, env) = (self.api.clone(), self.env.clone());
        let mut run = Upload {
            api: &api,
            identity: &identity,
            env: &env,
            offset,
            pace: self.pace,
            tries: Some(6),
            cost: upload::Cost::default(),
        };
        let mut watch = StoreWatch { store: &mut self.store, sha256: &item.sha256 };
        let outcome = run.run(&item, media.upload_url, &mut watch);
        self.tally.files_cost += run.cost;
        Ok(match outcome {
            Ok(Outcome::Stored(receipt)) => {
                let text = serde_json::to_string(&receipt).map_err(|e| ClientError::Store(e.to_string()))?;
                self.store.media_stored(&item.sha256, &text)?;
                self.tally.files += 1;
                Step::Moved
            }
            Ok(Outcome::Refused(why)) | Err(ClientError::File(why)) => {
                self.store.media_refused(&item.sha256, &why)?;
                Step::Moved
            }
            Ok(Outcome::Blocked(why)) => Step::Stopped(Need::Look(why)),
            Ok(Outcome::Later(why)) => Step::Wait(self.pace.wait(6, self.env.below(u32::MAX)), why),
            Err(error) => return Err(error),
        })
    }

    fn token(&mut self) -> Result<String> {
        let offset = self.store.offset()?;
        self.store.identity()?.token(&self.env, offset)
    }

    fn mono_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// An answer, or `None` when none came.
    fn heard(&mut self, answer: Result<Answer>) -> Result<Option<Answer>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::Offline(why)) => {
                tracing::debug!(why, "no answer");
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    fn learn_clock(&mut self, answer: &Answer) -> Result<bool> {
        let known: Option<ClockOffset> = self.store.offset()?;
        let Some(offset) = clock_refused(answer, self.env.now(), known) else { return Ok(false) };
        self.store.set_offset(offset)?;
        Ok(true)
    }

    fn later(&mut self, why: &str) -> Step {
        self.read_failures += 1;
        Step::Wait(self.pace.wait(self.read_failures, self.env.below(u32::MAX)), why.into())
    }

    /// Whether everything that was saved has been answered and every file is decided.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn settled(&mut self) -> Result<bool> {
        Ok(self.store.waiting(1)?.is_empty() && self.store.media(MediaState::Waiting)?.is_empty())
    }

    /// A fresh operation id.
    pub fn op_id(&self) -> OpId {
        OpId(self.env.id())
    }
}

struct StoreWatch<'a> {
    store: &'a mut Store,
    sha256: &'a str,
}

impl upload::Watch for StoreWatch<'_> {
    fn moved(&mut self, url: Option<&str>) -> Result<()> {
        self.store.media_url(self.sha256, url)
    }

    fn clock(&mut self, offset: ClockOffset) {
        // The next request measures it again if this could not be kept.
        drop(self.store.set_offset(offset));
    }
}
