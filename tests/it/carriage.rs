//! How pushes and pages travel: compressed, and by any of several servers on one database.

use crate::support::{
    field::Field,
    on_both_engines,
    world::{Engine, World},
};
use chengguan::{
    client::http::{Api, Patience},
    identity::rules::Role,
    sim::link::Link,
};
use serde_json::{Value, json};
use std::time::Duration;

on_both_engines!(
    pushes_and_pages_travel_compressed,
    the_clients_own_pull_travels_compressed,
    a_reader_who_follows_a_busy_feed_misses_nothing,
);

fn pushes_and_pages_travel_compressed(world: &World) {
    use std::io::{Read, Write};
    let field = Field::new(world, Role::Inspector);
    let ops: Vec<Value> = (0..50).map(|n| field.report(&format!("占道经营{n}"))).collect();
    let body = field.envelope(&ops).to_string().into_bytes();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&body).unwrap();
    let packed = packer.finish().unwrap();
    assert!(packed.len() * 4 < body.len());
    let call = world.post("/api/v1/sync/push").by(&world.device_token(&field.device));
    let answer = call.header("content-encoding", "gzip").bytes("application/json", packed).send().expect(200);
    assert_eq!(answer["results"].as_array().unwrap().len(), 50);
    let mut stream = std::net::TcpStream::connect(world.address).unwrap();
    let token = &field.person.token;
    write!(
        stream,
        "GET /api/v1/cases HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = String::from_utf8_lossy(&answer[..answer.len().min(600)]).to_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("cache-control: no-store"), "{head}");
}

fn the_clients_own_pull_travels_compressed(world: &World) {
    let dispatcher = world.person(Role::Dispatcher);
    for n in 0..100 {
        let body = json!({"title": format!("占道经营{n}"), "description": "流动摊贩占用人行道，影响通行。".repeat(20)});
        world.post("/api/v1/cases").by(&dispatcher.token).json(&body).send().expect(201);
    }
    let link = Link::new(world.address).unwrap();
    let api = Api::new(&link.url(), Patience::default()).unwrap();
    let answer = api.get("/api/v1/sync/snapshot", &dispatcher.token).unwrap();
    let mut read = answer.body.len() as u64;
    let mut next = answer.json::<Value>().unwrap()["next_page"].as_str().map(str::to_owned);
    while let Some(page) = next {
        let answer = api.get(&format!("/api/v1/sync/snapshot?page={page}"), &dispatcher.token).unwrap();
        read += answer.body.len() as u64;
        next = answer.json::<Value>().unwrap()["next_page"].as_str().map(str::to_owned);
    }
    assert!(link.down_bytes() * 4 < read, "{} bytes came for {read}", link.down_bytes());
}

fn a_reader_who_follows_a_busy_feed_misses_nothing(world: &World) {
    let reader = world.person(Role::Dispatcher);
    let read = |path: &str| world.get(&format!("/api/v1/sync/{path}")).by(&reader.token).send().expect(200);
    let mut page = read("snapshot");
    while let Some(next) = page["next_page"].as_str() {
        page = read(&format!("snapshot?page={next}"));
    }
    let mut cursor = page["cursor"].as_str().unwrap().to_owned();
    // Eight devices push at the same time, on PostgreSQL by as many connections as there are.
    let fields: Vec<Field> = (0..8).map(|_| Field::new(world, Role::Inspector)).collect();
    let work: Vec<(String, Vec<Value>)> = fields
        .iter()
        .map(|field| {
            let pushes = (0..25).map(|n| field.envelope(&[field.report(&format!("第{n}件")), field.report("另一件")]));
            (world.device_token(&field.device), pushes.collect())
        })
        .collect();
    let url = format!("http://{}", world.address);
    let mut seen = std::collections::BTreeSet::new();
    let mut last = page["seq"].as_i64().unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = work
            .iter()
            .map(|(token, pushes)| {
                let url = &url;
                scope.spawn(move || {
                    for push in pushes {
                        let call = crate::support::http::Call::new(url, "POST", "/api/v1/sync/push");
                        call.by(token).json(push).send().expect(200);
                    }
                })
            })
            .collect();
        loop {
            let done = writers.iter().all(|writer| writer.is_finished());
            let page = read(&format!("changes?limit=37&cursor={cursor}"));
            cursor = page["next"].as_str().unwrap().to_owned();
            for change in page["changes"].as_array().unwrap() {
                let seq = change["seq"].as_i64().unwrap();
                assert!(seq > last, "{seq} came after {last}");
                last = seq;
                assert!(seen.insert(change["id"].to_string()), "each case is new once");
            }
            if done && page["has_more"] == false {
                break;
            }
        }
    });
    assert_eq!(seen.len(), 8 * 25 * 2);
}

/// A coding without coded bytes is a broken stream to a client that unpacks what it reads.
#[test]
fn an_answer_to_head_says_nothing_of_packing() {
    let world = World::start(Engine::Sqlite);
    for path in ["/api/v1/uploads/01900000-0000-7000-8000-000000000001", "/console/", "/api/v1/nothing-here"] {
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n");
        let head = crate::support::http::raw(world.address, request.as_bytes()).to_lowercase();
        assert!(head.starts_with("http/1.1 ") && !head.contains("content-encoding"), "{path}: {head}");
        assert!(head.ends_with("\r\n\r\n"), "{path}: {head}");
    }
}

/// Packing one costs more than it saves, and no answer may name `identity` as its coding.
#[test]
fn a_short_answer_travels_as_it_is() {
    let world = World::start(Engine::Sqlite);
    let request = "GET /api/v1/nothing-here HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n";
    let answer = crate::support::http::raw(world.address, request.as_bytes());
    assert!(!answer.to_lowercase().contains("content-encoding"), "{answer}");
    assert!(answer.ends_with('}'), "{answer}");
}

#[test]
fn a_device_that_hops_between_two_servers_of_one_database_is_served_as_by_one() {
    let name = "carriage::a_device_that_hops_between_two_servers_of_one_database_is_served_as_by_one";
    if !Engine::Postgres.is_on(name) {
        return;
    }
    let world = World::start(Engine::Postgres);
    let field = Field::new(&world, Role::Inspector);
    let other = world.beside();
    let (cursor, _) = field.snapshot();
    let token = world.device_token(&field.device);
    for n in 0..20 {
        let address = if n % 2 == 0 { world.address } else { other.address };
        let body = field.envelope(&[field.report(&format!("第{n}件"))]);
        let call = crate::support::http::Call::new(&format!("http://{address}"), "POST", "/api/v1/sync/push");
        let answer = call.by(&token).json(&body).send().expect(200);
        assert_eq!(answer["results"][0]["status"], "applied");
    }
    // Who waits at one server hears what was written at the other.
    let (url, person) = (format!("http://{}", other.address), field.person.token.clone());
    let (next, changes) = field.changes(&cursor, 500);
    assert_eq!(changes.len(), 20);
    let waiting = std::thread::spawn(move || {
        let path = format!("/api/v1/sync/changes?wait=20&cursor={next}");
        crate::support::http::Call::new(&url, "GET", &path).by(&person).send().expect(200)
    });
    std::thread::sleep(Duration::from_millis(300));
    field.result(&field.report("跨进程"), "applied");
    assert_eq!(waiting.join().unwrap()["changes"].as_array().unwrap().len(), 1);
}
