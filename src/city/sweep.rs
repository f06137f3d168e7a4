//! Sending what waits for the city: in order, by one process at a time, again and again until it answers.

use super::{
    outbox::{self, Tried},
    store::OutboxRow,
    wire::{self, Reply},
};
use crate::{
    app::App,
    config::city::CityLink,
    db::{Database, types::At},
    env::Env,
    error::{Error, Result},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often the sender looks for messages that another process wrote, or whose next try has come.
const EVERY: Duration = Duration::from_secs(1);
/// Messages of one turn.
const AT_ONCE: i64 = 100;
/// A turn begins no other message after that; with the patience below it ends before [`outbox::TURN`] does.
const LONGEST: Duration = Duration::from_secs(45);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is read, bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// Begins to send, if there is a link; ends with the process.
pub fn start(app: Arc<App>) {
    let Some(city) = app.config.city.clone() else { return };
    tokio::spawn(async move {
        let me = app.env.id().to_string();
        let mut written = app.db.written().listen();
        loop {
            match turn(&app.db, &app.env, &city, &me).await {
                Ok(Turn { done, left: true }) if done > 0 => continue,
                // Its own writing rang the bell too.
                Ok(Turn { done: 0, .. }) => written.mark_unchanged(),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the city was not told; trying again"),
            }
            let _ = tokio::time::timeout(EVERY, written.changed()).await;
        }
    });
}

/// What a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Messages that the city took or refused.
    pub done: usize,
    /// Whether the turn ended because it was full.
    pub left: bool,
}

/// Sends what is due now, until something fails; `me` names this sender among the processes.
///
/// # Errors
/// The engine's own.
pub async fn turn(db: &Database, env: &Env, city: &CityLink, me: &str) -> Result<Turn> {
    let now = At(env.now());
    if !db.read(move |db| outbox::is_due(db, now)).await? {
        return Ok(Turn { done: 0, left: false });
    }
    let name = me.to_owned();
    let rows = db.write(move |tx| outbox::turn_take(tx, &name, AT_ONCE)).await?;
    let count = rows.len();
    if count == 0 {
        return Ok(Turn { done: 0, left: false });
    }
    let city = city.clone();
    // No connection and no transaction is held while the city thinks.
    let tries = tokio::task::spawn_blocking(move || send(rows, &city)).await.map_err(Error::internal)?;
    let done = db.write(move |tx| outbox::turn_end(tx, tries)).await?;
    Ok(Turn { done, left: done == count })
}

fn send(rows: Vec<OutboxRow>, city: &CityLink) -> Vec<(OutboxRow, Tried)> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent();
    let began = Instant::now();
    let mut tries = Vec::new();
    for row in rows {
        if began.elapsed() > LONGEST {
            break;
        }
        let tried = post(&agent, city, &row).map_or_else(Tried::Failed, Tried::Answered);
        let settled = matches!(&tried, Tried::Answered(reply) if reply.verdict().is_some());
        tries.push((row, tried));
        if !settled {
            break;
        }
    }
    tries
}

fn post(agent: &ureq::Agent, city: &CityLink, row: &OutboxRow) -> Result<Reply, String> {
    let (name, secret) = city.keys.first().ok_or("no key")?;
    let bytes = serde_json::to_vec(&outbox::envelope(row)).map_err(|e| e.to_string())?;
    let request = agent.post(&city.url).header("content-type", wire::MEDIA_TYPE);
    let request = request.header(wire::KEY_HEADER, name).header(wire::SIGNATURE_HEADER, wire::sign(secret, &bytes));
    let mut response = request.send(&bytes[..]).map_err(|e| e.to_string())?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(|e| e.to_string())?;
    if status != 200 {
        return Err(format!("HTTP {status} {}", String::from_utf8_lossy(&body)));
    }
    let reply: Reply = serde_json::from_slice(&body).map_err(|e| format!("HTTP 200, but no reply: {e}"))?;
    if reply.msg_id == row.msg_id.to_string() { Ok(reply) } else { Err("the reply names another message".into()) }
}
