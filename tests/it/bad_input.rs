//! Rubbish in: every answer is a documented problem, nothing fails inside, and the server goes on.
//!
//! The tables walk over every operation of the OpenAPI document, so a new operation is tested when it is added. That
//! each refusal is a problem with a code of the catalogue is checked by the client itself (`support::http`).

use crate::{
    authorisation::Cast,
    support::{
        http::{self, Reply},
        on_both_engines,
        spec::{self, Operation},
        world::World,
    },
};
use chengguan::error::Code;
use serde_json::{Value, json};

on_both_engines!(
    a_body_that_is_not_the_documented_one_is_refused,
    a_sample_of_the_documented_body_has_the_right_shape,
    no_text_or_number_makes_an_operation_fail_inside,
    an_id_or_parameter_that_is_none_is_refused,
);

/// Its envelope takes fields it does not know: an old server must take the push of a newer app.
const LENIENT: &[&str] = &["POST /api/v1/sync/push", "POST /api/v1/sync/epoch", "POST /api/v1/captures"];

struct Target<'w> {
    world: &'w World,
    operation: &'static Operation,
    path: String,
    token: Option<String>,
    sample: Value,
}

impl Target<'_> {
    fn send(&self, media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let call = self.world.call(self.operation.method, &self.path).by_some(self.token.as_deref());
        let reply = call.bytes(media_type, body).send();
        assert_ne!(reply.status, 503, "{reply}");
        reply
    }

    #[track_caller]
    fn refuses(&self, what: &str, media_type: &str, body: impl Into<Vec<u8>>, codes: &[Code]) {
        let reply = self.send(media_type, body);
        let expected: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        assert!(expected.contains(&reply.code().as_str()), "{what}: {reply} instead of {expected:?}");
    }
}

/// Every operation with a JSON body, called by somebody it lets in.
fn targets(world: &World) -> Vec<Target<'_>> {
    let cast = Cast::new(world);
    let with_body = spec::operations().iter().filter_map(|operation| {
        let sample = cast.body(operation)?;
        let token = cast.entitled(operation).map(str::to_owned);
        Some(Target { world, operation, path: cast.path(operation), token, sample })
    });
    with_body.collect()
}

fn a_body_that_is_not_the_documented_one_is_refused(world: &World) {
    const JSON: &str = "application/json";
    let deep = "[".repeat(100_000);
    let no_json: &[(&str, &[u8])] = &[
        ("nothing", b""),
        ("white space", b"  \n"),
        ("a brace", b"{"),
        ("half an object", b"{\"code\":"),
        ("a word", b"code"),
        ("two documents", b"{}{}"),
        ("a trailing comma", b"{\"code\":\"x\",}"),
        ("single quotes", b"{'code':'x'}"),
        ("not UTF-8", b"{\"code\":\"\xff\xfe\"}"),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("half a surrogate pair", b"{\"code\":\"\\ud800\"}"),
        ("a raw U+0000", b"{\"code\":\"\0\"}"),
        ("deep nesting", deep.as_bytes()),
        ("a form", b"code=x&name=y"),
        ("XML", b"<?xml version=\"1.0\"?><code/>"),
    ];
    let wrong_shapes = ["null", "true", "1", "1.5", "\"text\"", "[]", "[1,2]", "{}"];
    for target in targets(world) {
        for (what, bytes) in no_json {
            target.refuses(what, JSON, *bytes, &[Code::JsonMalformed, Code::BodyInvalid]);
        }
        for what in wrong_shapes {
            if target.sample != json!({}) || what != "{}" {
                target.refuses(what, JSON, what, &[Code::BodyInvalid]);
            }
        }
        let sample = target.sample.as_object().expect("every body is an object");
        // Rust reads a struct from a list of its values too; the document does not allow it.
        let listed = json!(sample.values().collect::<Vec<_>>());
        target.refuses("the values as a list", JSON, listed.to_string(), &[Code::BodyInvalid]);
        for name in sample.keys() {
            let mut less = sample.clone();
            less.remove(name);
            target.refuses(&format!("without {name}"), JSON, json!(less).to_string(), &[Code::BodyInvalid]);
        }
        if !LENIENT.contains(&target.operation.name().as_str()) {
            let mut more = sample.clone();
            more.insert("is_admin".into(), json!(true));
            target.refuses("an unknown field", JSON, json!(more).to_string(), &[Code::BodyInvalid]);
        }
        for (name, schema) in spec::properties(target.operation.json_body().unwrap()).0 {
            let wrong = if spec::takes(schema, "array") { json!({"a": 1}) } else { json!([[]]) };
            let mut other = sample.clone();
            other.insert(name.into(), wrong);
            target.refuses(&format!("{name} of a wrong type"), JSON, json!(other).to_string(), &[Code::BodyInvalid]);
        }
        for (at, text) in strings(&target.sample) {
            let mut other = target.sample.clone();
            *other.pointer_mut(&at).unwrap() = json!(format!("{text}\0"));
            let codes = [Code::NulCharacter, Code::BodyInvalid];
            target.refuses(&format!("U+0000 at {at}"), JSON, other.to_string(), &codes);
        }
        let good = target.sample.to_string();
        for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "application"] {
            target.refuses(&format!("as {kind:?}"), kind, good.clone(), &[Code::MediaTypeUnsupported]);
        }
        let padded = format!("{}{good}", " ".repeat(5 << 20));
        target.refuses("5 MiB", JSON, padded, &[Code::BodyTooLarge]);
    }
}

/// Where the texts of a document are, as JSON pointers.
fn strings(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::String(text) => vec![(String::new(), text.clone())],
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| {
                strings(member).into_iter().map(move |(at, text)| (format!("/{name}{at}"), text))
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(n, item)| strings(item).into_iter().map(move |(at, text)| (format!("/{n}{at}"), text)))
            .collect(),
        _ => vec![],
    }
}

/// What the document allows must get past the reading of the body: the document and the reader say the same.
fn a_sample_of_the_documented_body_has_the_right_shape(world: &World) {
    for target in targets(world) {
        let reply = target.send("application/json; charset=utf-8", target.sample.to_string());
        let shape = [Code::BodyInvalid, Code::JsonMalformed, Code::MediaTypeUnsupported, Code::NulCharacter];
        // Only the sender's own id makes a push its own.
        let foreign = reply.json()["detail"].as_str().is_some_and(|detail| detail.starts_with("device: "));
        assert!(foreign || shape.iter().all(|code| code.as_str() != reply.code()), "{reply}\n{}", target.sample);
    }
}

fn no_text_or_number_makes_an_operation_fail_inside(world: &World) {
    let long = "长".repeat(60_000);
    let texts = [
        "",
        " ",
        "\u{1}\u{7f}\u{85}",
        "\u{202e}\u{feff}\u{2028}",
        "🕳️👩‍👩‍👧‍👦",
        "'; DROP TABLE users; --",
        "%' OR 1=1",
        "../../../../etc/passwd",
        "${jndi:ldap://x}",
        "\\u0000",
        "0000-01-01T00:00:00Z",
        "-262143-01-01T00:00:00Z",
        "+262142-12-31T23:59:59Z",
        "9999-12-31T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        long.as_str(),
    ];
    let numbers = [
        "0",
        "-1",
        "2147483647",
        "2147483648",
        "-9223372036854775808",
        "9223372036854775807",
        "18446744073709551616",
        "1e308",
        "-1e400",
        "1.5",
        "-0",
    ];
    for target in targets(world) {
        for (at, _) in strings(&target.sample) {
            for text in texts {
                let mut other = target.sample.clone();
                *other.pointer_mut(&at).unwrap() = json!(text);
                target.send("application/json", other.to_string());
            }
        }
        for (name, schema) in spec::properties(target.operation.json_body().unwrap()).0 {
            if spec::takes(schema, "integer") || spec::takes(schema, "number") {
                for number in numbers {
                    let mut other = target.sample.clone();
                    other[name] = json!("NUMBER");
                    target.send("application/json", other.to_string().replace("\"NUMBER\"", number));
                }
            }
        }
    }
    world.get("/readyz").send().expect(200);
}

fn an_id_or_parameter_that_is_none_is_refused(world: &World) {
    let long = "a".repeat(4000);
    let ids =
        ["x", "1", "%00", "%ff", "%E4%BA%95", "'", "..", "%2e%2e%2f", "01900000-0000-7000-8000-00000000000g", &long];
    let values = ["", "x", "-1", "0", "%00", "%FF%FE", "99999999999999999999", "'", "a&a=b", "%", long.as_str()];
    let cast = Cast::new(world);
    for operation in spec::operations() {
        let token = cast.entitled(operation);
        let send = |path: &str| {
            let call = world.call(operation.method, path).by_some(token);
            let reply = match cast.body(operation) {
                Some(body) => call.json(&body).send(),
                None => call.send(),
            };
            assert_ne!(reply.status, 503, "{reply}");
            reply
        };
        if operation.path.contains('{') {
            for id in ids {
                let reply = send(&operation.path_with(id));
                assert!((400..500).contains(&reply.status), "{reply}");
            }
        }
        for name in operation.parameters("query") {
            for value in values {
                send(&format!("{}?{name}={value}", operation.path_with("01900000-0000-7000-8000-000000000001")));
            }
        }
    }
}

#[test]
fn an_unknown_route_or_method_is_a_problem() {
    let world = World::start(crate::support::world::Engine::Sqlite);
    let nowhere = [
        "/nope",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/nope",
        "/api/v2/units",
        "/api/v1/units/",
        "/api//v1/units",
        "/api/v1/units/x/y/z",
        "/api/v1/..%2f..%2fetc/passwd",
        "/assets/nope.js",
        "/assets/..%2f..%2fCargo.toml",
        "/console/%2e%2e/%2e%2e/etc/passwd",
        "/%00",
        "/index.php",
        "/.git/config",
    ];
    for path in nowhere {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "PROPFIND"] {
            let reply = world.call(method, path).send();
            assert!(matches!(reply.status, 404 | 405), "{method} {reply}");
        }
        world.get(path).send().refused(Code::RouteUnknown);
    }
    let paths: std::collections::BTreeSet<&str> = spec::operations().iter().map(|operation| operation.path).collect();
    for path in paths {
        let known: Vec<&str> = spec::operations().iter().filter(|o| o.path == path).map(|o| o.method).collect();
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            if !known.contains(&method) {
                let path = path.replace("{id}", "01900000-0000-7000-8000-000000000001");
                let reply = world.call(method, &path).send();
                reply.refused(Code::MethodNotAllowed);
                let allowed = reply.header("allow").unwrap_or_default();
                assert!(known.iter().all(|known| allowed.contains(known)), "{reply}: Allow: {allowed}");
            }
        }
    }
}

#[test]
fn bytes_that_are_no_http_do_not_hurt_the_server() {
    let world = World::start(crate::support::world::Engine::Sqlite);
    let long_header = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(300_000));
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(2000));
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(200_000));
    let requests: &[&[u8]] = &[
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /healthz\r\nHost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /api/v1/setup HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/setup HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/v1/setup HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}",
        b"POST /api/v1/setup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n",
        long_header.as_bytes(),
        many.as_bytes(),
        long_path.as_bytes(),
    ];
    for request in requests {
        let answer = http::raw(world.address, request);
        let line = answer.lines().next().unwrap_or_default();
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]);
        assert!(!line.contains(" 5"), "{shown:?}: {line}");
    }
    world.get("/healthz").send().expect(200);
}

#[test]
fn a_compressed_body_is_bounded_by_what_it_holds() {
    let world = World::start(crate::support::world::Engine::Sqlite);
    let send = |encoding: &str, bytes: &[u8]| {
        let call = world.post("/api/v1/setup").header("content-encoding", encoding);
        call.bytes("application/json", bytes).send()
    };
    let bomb = gzip(&vec![b' '; 50 << 20]);
    assert!(bomb.len() < 256 * 1024, "small when it travels: {}", bomb.len());
    send("gzip", &bomb).refused(Code::BodyTooLarge);
    send("gzip", b"this is not gzip").refused(Code::BodyInterrupted);
    let good = json!({"code": "x", "username": "first", "name": "王", "password": "correct horse"}).to_string();
    send("gzip", &gzip(good.as_bytes())).refused(Code::CodeWrong);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
