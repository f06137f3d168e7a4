//! The city's HTTP, with the faults of a network and of a platform in use.

use super::City;
use crate::{
    city::wire::{self, Envelope, Reply, ReplyCode},
    config::city::CityLink,
    env::Env,
};
use actix_web::{HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often what goes wrong, of a thousand messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// The answer comes late.
    pub slow: u32,
    /// How late, milliseconds.
    pub slow_ms: u64,
    /// Sent twice.
    pub twice: u32,
    /// Sent before the one that comes before it.
    pub swapped: u32,
    /// Taken, but the answer is lost: on either way.
    pub lost: u32,
    /// Rounds in a thousand that begin an outage of the city.
    pub down: u32,
}

impl Faults {
    /// What a bad year brings.
    pub const BAD: Faults = Faults { slow: 5, slow_ms: 20, twice: 20, swapped: 20, lost: 20, down: 8 };
    /// A perfect network.
    pub const NONE: Faults = Faults { slow: 0, slow_ms: 0, twice: 0, swapped: 0, lost: 0, down: 0 };
}

/// The city behind its address; cheap to clone.
#[derive(Clone)]
pub struct Shared {
    city: Arc<Mutex<City>>,
    faults: Arc<Mutex<Faults>>,
    down: Arc<AtomicBool>,
    env: Env,
    keys: CityLink,
}

/// The city's running server; ends when dropped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The city.
    pub shared: Shared,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Shared {
    /// The city itself.
    pub fn city(&self) -> MutexGuard<'_, City> {
        self.city.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the city's platform down, or up again: it answers nothing and sends nothing.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// Whether it is down.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    fn happens(&self, in_a_thousand: u32) -> bool {
        self.env.below(1000) < in_a_thousand
    }

    /// Sends what the county has not answered for good, at most `most` messages, until something fails. `url` is where
    /// the county takes messages. Waits for the network.
    pub fn deliver(&self, agent: &ureq::Agent, url: &str, most: usize) {
        for _ in 0..most {
            let (next, after) = {
                let city = self.city();
                let mut waiting = city.out[city.answered..].iter().cloned();
                (waiting.next(), waiting.next())
            };
            let Some(next) = next else { return };
            if self.is_down() {
                return;
            }
            let faults = self.faults();
            if let Some(after) = after.filter(|_| self.happens(faults.swapped)) {
                self.send(agent, url, &after);
            }
            if self.happens(faults.twice) {
                self.send(agent, url, &next);
            }
            let answer = self.send(agent, url, &next);
            let Some(reply) = answer.filter(|_| !self.happens(faults.lost)) else { continue };
            let mut city = self.city();
            match reply.verdict() {
                Some(true) => city.answered += 1,
                Some(false) => {
                    let why = [reply.reason, reply.detail].into_iter().flatten().collect::<Vec<_>>().join(" ");
                    city.tally.refusals.push(format!("{} {why}", next.r#type));
                    city.answered += 1;
                }
                None => return,
            }
        }
    }

    fn send(&self, agent: &ureq::Agent, url: &str, envelope: &Envelope) -> Option<Reply> {
        let bytes = serde_json::to_vec(envelope).ok()?;
        let (name, secret) = self.keys.keys.first()?;
        let request = agent.post(url).header("content-type", "application/json").header(wire::KEY_HEADER, name);
        let answer = request.header(wire::SIGNATURE_HEADER, wire::sign(secret, &bytes)).send(&bytes[..]);
        let reply: Option<Reply> =
            answer.ok().and_then(|mut answer| serde_json::from_slice(&answer.body_mut().read_to_vec().ok()?).ok());
        let mut city = self.city();
        city.tally.sent += 1;
        match &reply {
            None => city.tally.unanswered += 1,
            Some(reply) if reply.code == ReplyCode::Duplicate => city.tally.duplicates += 1,
            Some(reply) if reply.code == ReplyCode::Retry => city.tally.retries += 1,
            Some(_) => {}
        }
        reply
    }
}

/// Runs a city on this address; `keys` are what both sides share.
///
/// # Errors
/// When the address is taken.
pub fn start(city: City, listen: SocketAddr, keys: CityLink, env: Env) -> std::io::Result<Running> {
    let shared = Shared {
        city: Arc::new(Mutex::new(city)),
        faults: Arc::new(Mutex::new(Faults::NONE)),
        down: Arc::new(AtomicBool::new(false)),
        env,
        keys,
    };
    let (tell, told) = mpsc::channel();
    let served = web::Data::new(shared.clone());
    let thread = thread::Builder::new().name("city".into()).spawn(move || {
        let outcome = actix_web::rt::System::new().block_on(async {
            let server = HttpServer::new(move || {
                let limit = web::PayloadConfig::new(4 << 20);
                let app = actix_web::App::new().app_data(served.clone()).app_data(limit);
                app.route("/messages", web::post().to(message))
            });
            let server = server.workers(1).disable_signals().shutdown_timeout(1).bind(listen)?;
            let address = server.addrs()[0];
            let server = server.run();
            drop(tell.send(Ok((address, server.handle()))));
            server.await
        });
        if let Err(error) = outcome {
            drop(tell.send(Err(error)));
        }
    })?;
    let (address, handle) = told.recv().map_err(std::io::Error::other)??;
    Ok(Running { address, shared, handle, thread: Some(thread) })
}

async fn message(shared: web::Data<Shared>, request: HttpRequest, bytes: web::Bytes) -> HttpResponse {
    if shared.is_down() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let secret = shared.keys.secret(header(wire::KEY_HEADER));
    if !secret.is_some_and(|secret| wire::is_signed(secret, &bytes, header(wire::SIGNATURE_HEADER))) {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&bytes) else { return HttpResponse::BadRequest().finish() };
    let faults = shared.faults();
    if shared.happens(faults.slow) {
        tokio::time::sleep(Duration::from_millis(faults.slow_ms)).await;
    }
    let reply = shared.city().take(envelope);
    if shared.happens(faults.lost) {
        return HttpResponse::GatewayTimeout().finish();
    }
    HttpResponse::Ok().json(reply)
}
