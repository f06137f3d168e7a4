//! A device at work: save, push, pull, send files; one step at a time, so that the caller owns time.
//!
//! What to say and what an answer means is the [`Engine`]'s; here are only its store, its way to the server and its clock.

pub use super::engine::{Need, Step};
use super::{
    ClientError, Result,
    captures::{Courier, Round},
    device::{self, ClockOffset, Identity},
    engine::{About, Ask, AskChanges, AskSnapshot, Engine, Heard, Moment, Next, Want},
    http::{Answer, Api, Content},
    rules::Pace,
    store::{Draft, MediaState, Queued, Session, Store},
    upload::{self, Item, Outcome, Upload},
};
use crate::{db::types::OpId, env::Env, identity::rules::Role, sync::wire};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::{Duration, Instant};
use ureq::http::Method;

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
    engine: Engine,
    courier: Courier,
    app: String,
    pace: Pace,
    boot: String,
    started: Instant,
}

/// The present for the engine; a macro, because a method would borrow the store as well.
macro_rules! moment {
    ($client:ident) => {
        Moment {
            now: $client.env.now(),
            mono_ms: millis($client.started),
            boot: &$client.boot,
            dice: $client.env.below(u32::MAX),
        }
    };
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
            engine: Engine::new(About { app: app.to_owned(), storage_persisted: Some(true), pace }),
            courier: Courier::new(pace),
            app: app.to_owned(),
            pace,
            boot,
            started: Instant::now(),
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
        self.courier = Courier::new(self.pace);
        Ok(identity)
    }

    /// Goes on with a key that outlived its store: the old one was wiped, and what was in it is gone.
    ///
    /// # Errors
    /// [`ClientError::Store`], also when the store belongs to a device already.
    pub fn adopt(&mut self, identity: &Identity) -> Result<()> {
        self.store.adopt(identity)
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
        let mono = Some((millis(self.started), self.boot.clone()));
        self.store.save(Draft { mono: draft.mono.or(mono), ..draft })
    }

    /// Sends the oldest operations and stores what became of them, or does what must come before: a new epoch. When none
    /// waits, the capture records that were signed with them follow.
    ///
    /// # Errors
    /// [`ClientError::Store`] and [`ClientError::NotEnrolled`]; the network's troubles are [`Step`]s.
    pub fn push(&mut self) -> Result<Step> {
        match self.step(Want::Push)? {
            Step::Idle => self.send_captures(),
            step => Ok(step),
        }
    }

    fn send_captures(&mut self) -> Result<Step> {
        Ok(match self.courier.send(&mut self.store, &self.api, &self.env)? {
            Round::Idle => Step::Idle,
            Round::Sent(_) => Step::Moved,
            Round::Later(wait, why) => Step::Wait(wait, why),
        })
    }

    /// The same, and tells the server that the device is alive when nothing waits.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub fn heartbeat(&mut self) -> Result<Step> {
        self.step(Want::Heartbeat)
    }

    /// Reads one page of the feed, or of a snapshot when there is no usable cursor.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotSignedIn`].
    pub fn pull(&mut self) -> Result<Step> {
        self.pull_waiting(Duration::ZERO)
    }

    /// The same, and waits for something to read; not longer than 25 seconds, nor than silence is borne.
    ///
    /// # Errors
    /// As [`Client::pull`].
    pub fn pull_waiting(&mut self, wait: Duration) -> Result<Step> {
        self.store.session()?;
        let longest = self.api.silence().saturating_sub(Duration::from_secs(5));
        let wait_s = u32::try_from(wait.min(longest).as_secs()).unwrap_or(u32::MAX);
        let step = self.step(Want::Pull { wait_s })?;
        if step == Step::Idle {
            self.courier.refresh_beacon(&mut self.store, &self.api, &self.env)?;
        }
        Ok(step)
    }

    /// The next access token. A refused refresh ends the session here, and nothing else: the outbox needs no session.
    ///
    /// # Errors
    /// [`ClientError::Store`], [`ClientError::NotSignedIn`].
    pub fn refresh(&mut self) -> Result<Step> {
        self.store.session()?;
        self.step(Want::Refresh)
    }

    /// One question and its answer.
    fn step(&mut self, want: Want) -> Result<Step> {
        let ask = match self.engine.next(&mut self.store, want, moment!(self))? {
            Next::Ask(ask) => ask,
            Next::Idle => return Ok(Step::Idle),
            Next::Stopped(need) => return Ok(Step::Stopped(need)),
        };
        let heard = self.ask(&ask)?;
        let step = self.engine.heard(&mut self.store, &ask, &heard, moment!(self))?;
        match (&ask, &heard) {
            (Ask::Push(_), Heard::Push(response)) => {
                self.tally.duplicates += response.results.iter().filter(|r| r.duplicate).count() as u64;
            }
            (Ask::Push(_), Heard::Nothing) => self.tally.unanswered += 1,
            (Ask::Changes(_), Heard::Changes(page)) => self.tally.changes += page.changes.len() as u64,
            (Ask::Refresh, _) if step == Step::Stopped(Need::SignIn) => self.store.set_session(None)?,
            _ => {}
        }
        Ok(step)
    }

    /// Puts a question to the server.
    fn ask(&mut self, ask: &Ask) -> Result<Heard> {
        match ask {
            Ask::Push(push) => {
                self.tally.pushed += push.batch.len() as u64;
                let token = self.token()?;
                let answer = self.api.post("/api/v1/sync/push", Some(&token), &push.request);
                heard(answer, |response| Heard::Push(Box::new(response)))
            }
            Ask::Raw(op) => {
                let content = Content::Bytes("application/octet-stream", op.raw.clone().into_bytes());
                let token = self.token()?;
                let answer = self.api.send(Method::POST, "/api/v1/sync/raw", Some(&token), &[], content);
                heard(answer, Heard::Raw)
            }
            Ask::Epoch(epoch) => {
                let token = self.token()?;
                heard(self.api.post("/api/v1/sync/epoch", Some(&token), &epoch.request), Heard::Epoch)
            }
            Ask::Changes(AskChanges { cursor, limit, wait_s, digest, .. }) => {
                let mut path =
                    format!("/api/v1/sync/changes?{}&cursor={}&limit={limit}", self.reader(), escaped(cursor));
                if *wait_s > 0 {
                    path += &format!("&wait={wait_s}");
                }
                if *digest {
                    path += "&digest=1";
                }
                let token = self.store.session()?.access_token;
                heard(self.api.get(&path, &token), |page| Heard::Changes(Box::new(page)))
            }
            Ask::Snapshot(AskSnapshot { page, since, keys, .. }) => {
                let keys = (!keys.is_empty()).then(|| keys.join(","));
                let mut path = format!("/api/v1/sync/snapshot?{}", self.reader());
                for (name, value) in [("page", page), ("since", since), ("keys", &keys)] {
                    path += &value.as_ref().map(|value| format!("&{name}={}", escaped(value))).unwrap_or_default();
                }
                let token = self.store.session()?.access_token;
                heard(self.api.get(&path, &token), |page| Heard::Snapshot(Box::new(page)))
            }
            Ask::Refresh => {
                let session = self.store.session()?;
                let refresh = Refresh { refresh_token: &session.refresh_token };
                let answer = self.api.post("/api/v1/auth/refresh", None, &refresh);
                let mut tokens = None;
                let heard = heard(answer, |fresh: Tokens| {
                    tokens = Some(fresh);
                    Heard::Refreshed
                })?;
                if let Some(tokens) = tokens {
                    self.store.set_session(Some(&Session::from(tokens)))?;
                }
                Ok(heard)
            }
        }
    }

    /// What a read says about this program, so that a server can refuse one that is too old to understand it.
    fn reader(&self) -> String {
        format!("protocol={}&app={}", wire::PROTOCOL, escaped(&self.app))
    }

    /// Sends given operations again, whatever became of them, and returns the answers: for checks. Only the try is
    /// counted, none of the answer is stored.
    ///
    /// # Errors
    /// As [`Api::send`], and [`ClientError::Refused`].
    pub fn push_again(&mut self, ops: &[Queued]) -> Result<wire::PushResponse> {
        let request = self.engine.push_of(&mut self.store, ops, moment!(self))?;
        let token = self.token()?;
        self.api.post("/api/v1/sync/push", Some(&token), &request)?.expect()
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
            words: vec![],
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

    /// Whether everything that was saved has been answered, every file is decided, and the server has every capture
    /// record that it takes.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn settled(&mut self) -> Result<bool> {
        let signed = self.courier.refused().is_some() || self.store.captures_waiting(1)?.is_empty();
        Ok(signed && self.store.waiting(1)?.is_empty() && self.store.media(MediaState::Waiting)?.is_empty())
    }

    /// A fresh operation id.
    pub fn op_id(&self) -> OpId {
        OpId(self.env.id())
    }
}

fn millis(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// Reads an answer; a good one must have the shape that was asked for.
fn heard<T: DeserializeOwned>(answer: Result<Answer>, good: impl FnOnce(T) -> Heard) -> Result<Heard> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(ClientError::Offline(why)) => {
            tracing::debug!(why, "no answer");
            return Ok(Heard::Nothing);
        }
        Err(other) => return Err(other),
    };
    if answer.good() {
        // A captive portal answers 200 to everything.
        return Ok(answer.json().map_or_else(|error| Heard::Strange(error.to_string()), good));
    }
    let (code, detail) = answer.problem().unwrap_or_default();
    Ok(Heard::Problem { status: answer.status, code, detail, retry_after: answer.retry_after(), date: answer.date() })
}

/// A value inside a query.
fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:,".contains(&byte);
    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
        text
    })
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
