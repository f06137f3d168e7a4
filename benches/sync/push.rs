//! Operations in: whole outboxes in pushes of a hundred, and single operations of many devices at once.

use crate::{
    Options,
    county::{County, Device},
    figures::{Done, Rates, head, row},
    places::{Engine, Place},
    server::Server,
    wire::{Answer, Connection, Reading, count, request},
};
use chengguan::identity::rules::Role;
use std::{
    net::SocketAddr,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Devices that come back with full outboxes.
pub const DEVICES: usize = 20;
/// Operations a push.
pub const BATCH: usize = 100;
/// Devices that send what was saved at once.
const AT_ONCE: usize = 100;
/// Operations each of them sends in a round.
const SINGLES: usize = 40;

/// Pushes of a hundred; each engine's rates.
pub fn full_outboxes(options: &Options) -> Done<Vec<(Engine, Rates)>> {
    head(&format!("push: {DEVICES} devices x {BATCH} operations, {BATCH} a push"))?;
    let mut all = Vec::new();
    for engine in options.engines() {
        let place = Place::fresh(engine, options.postgres_url.as_deref())?;
        let county = County::found(&place.data, Role::Dispatcher, DEVICES)?;
        let server = Server::start(&place.data)?;
        let rates = rounds(server.address, county, options.rounds)?;
        row(engine.name(), &rates, "op/s")?;
        all.push((engine, rates));
    }
    Ok(all)
}

/// Rates of `rounds` rounds against a running server; a round before them warms it.
pub fn rounds(address: SocketAddr, mut county: County, rounds: usize) -> Done<Rates> {
    let mut rates = Rates::new();
    for n in 0..=rounds {
        let rate = one_round(address, &mut county)?;
        if n > 0 {
            rates.push(rate);
        }
    }
    Ok(rates)
}

fn one_round(address: SocketAddr, county: &mut County) -> Done<f64> {
    let (env, unit) = (county.env.clone(), county.unit);
    let requests: Vec<Vec<Vec<u8>>> = county
        .devices
        .iter_mut()
        .map(|device| {
            let ops = device.work(&env, unit, BATCH / 4);
            let body = device.push_body(&env, &ops);
            vec![request("POST", "/api/v1/sync/push", Some(&device.device_token), Some(&body))]
        })
        .collect();
    let count = requests.len();
    let (took, answers) = all_at_once(address, &requests)?;
    for (device, answer) in county.devices.iter_mut().zip(answers.into_iter().flatten()) {
        let answer = answer.good()?;
        applied(&answer, BATCH)?;
        device.answered(&answer.body);
    }
    Ok((count * BATCH) as f64 / took.as_secs_f64())
}

/// Every list of requests one after the other on a connection of its own, all connections let go together; the time
/// until the last is answered.
pub fn all_at_once(address: SocketAddr, lists: &[Vec<Vec<u8>>]) -> Done<(Duration, Vec<Vec<Answer>>)> {
    let ready = Barrier::new(lists.len() + 1);
    thread::scope(|scope| {
        let hands: Vec<_> = lists
            .iter()
            .map(|list| {
                let ready = &ready;
                scope.spawn(move || {
                    let connection = Connection::open(address);
                    ready.wait();
                    let mut connection = connection?;
                    list.iter().map(|request| connection.ask(request)).collect()
                })
            })
            .collect();
        ready.wait();
        let started = Instant::now();
        let answers: Vec<Done<Vec<Answer>>> =
            hands.into_iter().map(|hand| hand.join().map_err(|_| "a client failed")?).collect();
        let took = started.elapsed();
        Ok((took, answers.into_iter().collect::<Done<_>>()?))
    })
}

/// Each operation must have been applied, and now for the first time: anything else is not what is measured.
fn applied(answer: &Answer, wanted: usize) -> Done {
    let found = count(&answer.body, b"\"status\":\"applied\"");
    if found == wanted && count(&answer.body, b"\"duplicate\":true") == 0 {
        return Ok(());
    }
    let start = String::from_utf8_lossy(&answer.body[..answer.body.len().min(2_000)]).into_owned();
    Err(format!("{found} of {wanted} operations were applied: {start}").into())
}

/// One operation a push; each engine's rates.
pub fn singles(options: &Options) -> Done<Vec<(Engine, Rates)>> {
    head(&format!("single: {AT_ONCE} devices at once, 1 operation a push"))?;
    let mut all = Vec::new();
    for engine in options.engines() {
        let place = Place::fresh(engine, options.postgres_url.as_deref())?;
        let county = County::found(&place.data, Role::Dispatcher, AT_ONCE)?;
        let server = Server::start(&place.data)?;
        let rates = single_rounds(server.address, county, options.rounds)?;
        row(engine.name(), &rates, "op/s")?;
        all.push((engine, rates));
    }
    Ok(all)
}

/// Rates of `rounds` rounds of single operations against a running server.
pub fn single_rounds(address: SocketAddr, mut county: County, rounds: usize) -> Done<Rates> {
    // One thread for all the clients: a hundred of them would cost more than they measure.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rates = Rates::new();
    for n in 0..=rounds {
        let (env, unit) = (county.env.clone(), county.unit);
        let devices = std::mem::take(&mut county.devices);
        let work: Vec<_> = devices
            .into_iter()
            .map(|mut device| {
                let ops = device.work(&env, unit, SINGLES / 4);
                (device, ops)
            })
            .collect();
        let (took, devices) = runtime.block_on(together(address, work, env))?;
        county.devices = devices;
        if n > 0 {
            rates.push((AT_ONCE * SINGLES) as f64 / took.as_secs_f64());
        }
    }
    Ok(rates)
}

async fn together(
    address: SocketAddr,
    work: Vec<(Device, Vec<String>)>,
    env: chengguan::env::Env,
) -> Done<(Duration, Vec<Device>)> {
    let mut lines = Vec::with_capacity(work.len());
    for (device, ops) in work {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        lines.push((stream, device, ops));
    }
    let started = Instant::now();
    let hands: Vec<_> = lines
        .into_iter()
        .map(|(stream, device, ops)| tokio::spawn(one_by_one(stream, device, ops, env.clone())))
        .collect();
    let mut devices = Vec::with_capacity(hands.len());
    for hand in hands {
        devices.push(hand.await??);
    }
    Ok((started.elapsed(), devices))
}

/// A device sends its operations one by one, each when the one before is answered.
async fn one_by_one(
    mut stream: tokio::net::TcpStream,
    mut device: Device,
    ops: Vec<String>,
    env: chengguan::env::Env,
) -> Done<Device> {
    for op in &ops {
        let body = device.push_body(&env, std::slice::from_ref(op));
        stream.write_all(&request("POST", "/api/v1/sync/push", Some(&device.device_token), Some(&body))).await?;
        let mut reading = Reading::default();
        let answer = loop {
            reading.room();
            let count = stream.read(&mut reading.bytes[reading.filled..]).await?;
            if let Some(answer) = reading.got(count)? {
                break answer.good()?;
            }
        };
        applied(&answer, 1)?;
        device.answered(&answer.body);
    }
    Ok(device)
}
