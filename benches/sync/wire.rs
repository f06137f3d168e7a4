//! HTTP/1.1 over kept-alive connections, and no more of it than costs the clients next to nothing: they share the
//! machine with the server that is measured. Answers are kept as bytes and looked at after the clock has stopped.

use crate::figures::Done;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

/// An answer: its status and body.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer, when it is a good one.
    pub fn good(self) -> Done<Answer> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(format!("the server answered {}: {}", self.status, String::from_utf8_lossy(&self.body)).into())
    }
}

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Done<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream })
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: &[u8]) -> Done<Answer> {
        self.stream.write_all(request)?;
        let mut reading = Reading::default();
        loop {
            reading.room();
            let count = self.stream.read(&mut reading.bytes[reading.filled..])?;
            if let Some(answer) = reading.got(count)? {
                return Ok(answer);
            }
        }
    }
}

/// An answer that is being read.
#[derive(Default)]
pub struct Reading {
    pub bytes: Vec<u8>,
    pub filled: usize,
    head: Option<Head>,
}

#[derive(Clone, Copy)]
struct Head {
    status: u16,
    length: usize,
    /// None: the body comes in chunks.
    body: Option<usize>,
}

impl Reading {
    /// Makes room for the next read.
    pub fn room(&mut self) {
        let wanted = match self.head {
            Some(Head { length, body: Some(body), .. }) => length + body,
            _ => (self.filled * 2).max(4096),
        };
        self.bytes.resize(wanted.max(self.filled + 1), 0);
    }

    /// Takes `count` bytes that were read, and gives the answer when it is whole.
    pub fn got(&mut self, count: usize) -> Done<Option<Answer>> {
        if count == 0 {
            return Err("the server closed the connection".into());
        }
        self.filled += count;
        if self.head.is_none() {
            self.head = head(&self.bytes[..self.filled])?;
        }
        let Some(head) = self.head else { return Ok(None) };
        let body = match head.body {
            Some(length) if self.filled >= head.length + length => {
                self.bytes.truncate(head.length + length);
                self.bytes.split_off(head.length)
            }
            Some(_) => return Ok(None),
            None if self.bytes[..self.filled].ends_with(b"0\r\n\r\n") => joined(&self.bytes[head.length..self.filled])?,
            None => return Ok(None),
        };
        Ok(Some(Answer { status: head.status, body }))
    }
}

fn head(bytes: &[u8]) -> Done<Option<Head>> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end])?;
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or("no status")?;
    let mut body = Some(0);
    for line in text.lines().skip(1) {
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            body = Some(value.trim().parse()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = None;
        }
    }
    Ok(Some(Head { status, length: end + 4, body }))
}

/// The body of its chunks.
fn joined(mut chunks: &[u8]) -> Done<Vec<u8>> {
    let mut body = Vec::with_capacity(chunks.len());
    loop {
        let line = find(chunks, b"\r\n").ok_or("a chunk has no length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..line])?.trim(), 16)?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(chunks.get(line + 2..line + 2 + length).ok_or("a chunk is cut")?);
        chunks = chunks.get(line + 4 + length..).ok_or("a chunk is cut")?;
    }
}

/// A request of a device or a person.
pub fn request(method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Vec<u8> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    request_with(method, path, &headers, body)
}

/// A request with these headers.
pub fn request_with(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = body.unwrap_or_default();
    if method != "GET" {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// Where `needle` begins.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// How often `needle` occurs.
pub fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|window| *window == needle).count()
}

/// The JSON string that follows the first `needle`; it must hold no escapes. The answers begin with what a client needs
/// to go on, so this looks at their beginning, and at the whole only when it is not there.
pub fn text_after<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    let start = find(bytes, needle)? + needle.len();
    let length = bytes[start..].iter().position(|byte| *byte == b'"')?;
    Some(&bytes[start..start + length])
}
