//! One HTTP exchange: blocking, with limits on silence, and with "no answer" apart from every answer.

use super::{ClientError, Result};
use chrono::{DateTime, Utc};
use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};
use ureq::{
    Agent, SendBody,
    http::{HeaderMap, Method, Request},
};

/// The most bytes of an answer that are read into memory: a snapshot page is far below.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

/// JSON of so many bytes goes out as gzip.
const DEFLATE_FROM: usize = 1024;

/// How long silence is borne.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes, either way. Finishing a large upload takes the server about a second per gigabyte.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { connect: Duration::from_secs(10), silence: Duration::from_secs(90) }
    }
}

/// A server, as a client sees it. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    base: Arc<str>,
    silence: Duration,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer made by hand, for tests of decisions.
    #[cfg(test)]
    pub(crate) fn made(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("tests use plain header values"));
        }
        Answer { status, headers: map, body: body.as_bytes().to_vec() }
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the status is 2xx.
    pub fn good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`ClientError::Unreadable`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|e| ClientError::Unreadable(format!("HTTP {}: {e}", self.status)))
    }

    /// The body of a good answer, or the refusal.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::Unreadable`].
    pub fn expect<T: DeserializeOwned>(&self) -> Result<T> {
        if self.good() { self.json() } else { Err(self.refusal()) }
    }

    /// The problem in the body as an error.
    pub fn refusal(&self) -> ClientError {
        let problem: Option<Problem> = serde_json::from_slice(&self.body).ok();
        let (code, detail) = match problem {
            Some(problem) => (problem.code, problem.detail),
            None => (format!("HTTP {}", self.status), None),
        };
        ClientError::Refused { status: self.status, code, detail }
    }

    /// The problem's stable code and detail, if the body is a problem.
    pub fn problem(&self) -> Option<(String, Option<String>)> {
        serde_json::from_slice::<Problem>(&self.body).ok().map(|problem| (problem.code, problem.detail))
    }

    /// The problem's stable code, if the body is a problem.
    pub fn code(&self) -> Option<String> {
        serde_json::from_slice::<Problem>(&self.body).ok().map(|problem| problem.code)
    }

    /// `Retry-After` in seconds; a date there is not understood and counts as absent.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }

    /// The server's clock by its `Date` header, whole seconds.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc2822(self.header("date")?).ok().map(|at| at.to_utc())
    }
}

/// The members of a problem (RFC 9457) that a client acts on.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: Option<String>,
}

/// What goes out with a request.
pub enum Content<'a> {
    /// Nothing.
    Empty,
    /// A JSON text.
    Json(Vec<u8>),
    /// Bytes of this media type.
    Bytes(&'static str, Vec<u8>),
    /// Exactly so many bytes of this media type from a reader, never held in memory as a whole.
    Stream(&'static str, u64, &'a mut dyn Read),
}

impl Content<'_> {
    /// A value as JSON.
    ///
    /// # Errors
    /// [`ClientError::Unreadable`], for a value that has no JSON form.
    pub fn json(value: &impl Serialize) -> Result<Content<'static>> {
        Ok(Content::Json(serde_json::to_vec(value).map_err(|e| ClientError::Unreadable(e.to_string()))?))
    }
}

impl Api {
    /// The server at `base`, for example `http://127.0.0.1:8080`; a path in it is kept as a prefix.
    ///
    /// # Errors
    /// [`ClientError::Unreadable`] when `base` is no `http://` address.
    pub fn new(base: &str, patience: Patience) -> Result<Api> {
        let base = base.trim().trim_end_matches('/');
        let uri: ureq::http::Uri =
            base.parse().map_err(|e| ClientError::Unreadable(format!("address {base:?}: {e}")))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(ClientError::Unreadable(format!("address {base:?}: must look like http://host:port")));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("chengguan/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.connect))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.silence))
            .max_idle_connections_per_host(4)
            .output_buffer_size(256 * 1024)
            .build()
            .new_agent();
        Ok(Api { agent, base: base.into(), silence: patience.silence })
    }

    /// The address without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// How long silence is borne.
    pub fn silence(&self) -> Duration {
        self.silence
    }

    /// One request. `path` begins with a slash; a whole URL (a `Location` may be one) is taken as it is.
    ///
    /// # Errors
    /// [`ClientError::Offline`] when no whole answer came: the server may or may not have acted.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        headers: &[(&str, String)],
        content: Content,
    ) -> Result<Answer> {
        let url = if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() };
        let mut request = Request::builder().method(method.clone()).uri(url);
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let bad = |e: ureq::http::Error| ClientError::Unreadable(e.to_string());
        let sent = match content {
            Content::Empty if method == Method::POST || method == Method::PATCH => {
                self.agent.run(request.header("content-length", "0").body(SendBody::none()).map_err(bad)?)
            }
            Content::Empty => self.agent.run(request.body(SendBody::none()).map_err(bad)?),
            Content::Json(bytes) => {
                let request = request.header("content-type", "application/json");
                match deflated(&bytes) {
                    Some(small) => self.agent.run(request.header("content-encoding", "gzip").body(small).map_err(bad)?),
                    None => self.agent.run(request.body(bytes).map_err(bad)?),
                }
            }
            Content::Bytes(mime, bytes) => {
                self.agent.run(request.header("content-type", mime).body(bytes).map_err(bad)?)
            }
            Content::Stream(mime, length, reader) => {
                let request = request.header("content-type", mime).header("content-length", length);
                self.agent.run(request.body(SendBody::from_reader(reader)).map_err(bad)?)
            }
        };
        let mut response = sent.map_err(offline)?;
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(offline)?;
        Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }

    /// GET.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub fn get(&self, path: &str, bearer: &str) -> Result<Answer> {
        self.send(Method::GET, path, Some(bearer), &[], Content::Empty)
    }

    /// POST of a JSON value.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub fn post(&self, path: &str, bearer: Option<&str>, value: &impl Serialize) -> Result<Answer> {
        self.send(Method::POST, path, bearer, &[], Content::json(value)?)
    }

    /// PUT of a JSON value.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub fn put(&self, path: &str, bearer: &str, value: &impl Serialize) -> Result<Answer> {
        self.send(Method::PUT, path, Some(bearer), &[], Content::json(value)?)
    }

    /// GET of a body of any length; returns how many bytes `sink` took.
    ///
    /// # Errors
    /// [`ClientError::Offline`] when the body breaks off, [`ClientError::Refused`] for any status but 200.
    pub fn fetch(&self, path: &str, bearer: &str, sink: &mut dyn FnMut(&[u8])) -> Result<u64> {
        let request = Request::builder()
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {bearer}"))
            .body(SendBody::none())
            .map_err(|e| ClientError::Unreadable(e.to_string()))?;
        let mut response = self.agent.run(request).map_err(offline)?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(offline)?;
            return Err(Answer { status, headers: HeaderMap::new(), body }.refusal());
        }
        let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
        let (mut buffer, mut total) = (vec![0u8; 128 * 1024], 0u64);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(n) => {
                    sink(&buffer[..n]);
                    total += n as u64;
                }
                Err(error) => return Err(ClientError::Offline(error.to_string())),
            }
        }
    }
}

/// A text as gzip, when that is worth the work: a mobile network is slower than any processor.
fn deflated(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < DEFLATE_FROM {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn offline(error: ureq::Error) -> ClientError {
    ClientError::Offline(error.to_string())
}
