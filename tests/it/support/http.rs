//! The test client. It checks every answer it gets: errors are documented problems, successes have the documented
//! shape, nothing fails inside. So each scenario tests the API description too.

use super::spec;
use chengguan::{error::Code, http::problem};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::OnceLock,
    time::Duration,
};
use ureq::http;

fn agent() -> &'static ureq::Agent {
    static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into()
    })
}

/// A request to be sent.
pub struct Call {
    base: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    /// A request without body.
    pub fn new(base: &str, method: &str, path: &str) -> Call {
        Call { base: base.into(), method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// With this bearer token.
    pub fn by(self, token: &str) -> Call {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With this bearer token, when there is one.
    pub fn by_some(self, token: Option<&str>) -> Call {
        match token {
            Some(token) => self.by(token),
            None => self,
        }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Call {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Call {
        self.bytes("application/json", body.to_string().into_bytes())
    }

    /// With any body.
    pub fn bytes(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Call {
        self.body = body.into();
        if media_type.is_empty() { self } else { self.header("content-type", media_type) }
    }

    /// Sends it; the connection must hold.
    pub fn send(self) -> Reply {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends it; a broken connection is the caller's business.
    pub fn try_send(self) -> Result<Reply, ureq::Error> {
        let mut request =
            http::Request::builder().method(self.method.as_str()).uri(format!("{}{}", self.base, self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let sends_body = !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let mut response =
            if sends_body { agent().run(request.body(self.body)?)? } else { agent().run(request.body(())?)? };
        let headers = response.headers().iter();
        let headers = headers.map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
        let reply = Reply {
            what: format!("{} {}", self.method, self.path),
            status: response.status().as_u16(),
            headers: headers.collect(),
            bytes: response.body_mut().with_config().limit(1 << 32).read_to_vec()?,
        };
        reply.check(&self.method, &self.path);
        Ok(reply)
    }
}

/// An answer that has been checked.
#[derive(Debug, Clone)]
pub struct Reply {
    what: String,
    /// The HTTP status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The first header of this name, lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as JSON, `null` when there is none.
    pub fn json(&self) -> Value {
        if self.bytes.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{self}: no JSON: {e}"))
    }

    /// The code of a problem, empty for a success.
    pub fn code(&self) -> String {
        if self.status < 400 { String::new() } else { self.json()["code"].as_str().unwrap_or_default().to_owned() }
    }

    /// Demands this status and gives the JSON.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        self.json()
    }

    /// Demands this status of an answer that is no JSON.
    #[track_caller]
    pub fn expect_status(&self, status: u16) {
        assert_eq!(self.status, status, "{self}");
    }

    /// Demands a problem with this code and that code's status.
    #[track_caller]
    pub fn refused(&self, code: Code) -> Value {
        assert_eq!((self.status, self.code().as_str()), (problem::catalogue(code).0, code.as_str()), "{self}");
        self.json()
    }

    fn check(&self, method: &str, path: &str) {
        assert!(self.header("x-request-id").is_some(), "{self}: no request id");
        if self.status >= 400 {
            // Open311 has a form of its own for what a handler of it refuses.
            if !path.starts_with("/open311/") || self.header("content-type") == Some("application/problem+json") {
                self.check_problem(method);
            }
            assert_ne!(self.status, 500, "{self}: failed inside");
        } else if path.starts_with("/api/v1/") && self.status >= 200 && method != "HEAD" {
            let path = path.split(['?', '#']).next().unwrap_or_default();
            if let Err(message) = spec::answer(method, path, self.status, self.header("content-type"), &self.bytes) {
                panic!("{self}: {message}");
            }
        }
    }

    /// Every error is an RFC 9457 problem with a code of the catalogue, under that code's status.
    fn check_problem(&self, method: &str) {
        if method == "HEAD" {
            return;
        }
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self}");
        let body = self.json();
        let code = Code::parse(body["code"].as_str().unwrap_or_default());
        let Some(code) = code else { panic!("{self}: the code is not in the catalogue") };
        assert_eq!(
            (self.status, body["status"].as_u64()),
            (problem::catalogue(code).0, Some(self.status.into())),
            "{self}"
        );
        assert_eq!(body["type"], format!("/problems/{}", code.as_str()), "{self}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{self}");
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{self}");
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.bytes);
        let short: String = body.chars().take(600).collect();
        write!(f, "{} answered {} {short}", self.what, self.status)
    }
}

/// Sends bytes as they are, for requests that no client library would make, and reads to the end of the connection.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the server takes connections");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
    // The server may refuse and close before it has read everything.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}
