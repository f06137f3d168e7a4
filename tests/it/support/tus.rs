//! A tus client that a test drives step by step, and may break off anywhere.

use super::{
    http::{Call, Reply},
    world::World,
};
use base64::{Engine, engine::general_purpose::STANDARD as B64};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// A client with its token.
pub struct Tus<'w> {
    world: &'w World,
    token: String,
}

/// A PATCH whose body is sent by hand.
pub struct Half {
    stream: TcpStream,
}

/// `Upload-Metadata` of pairs.
pub fn metadata(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(key, value)| format!("{key} {}", B64.encode(value))).collect::<Vec<_>>().join(",")
}

/// `Repr-Digest` or `Upload-Checksum` values.
pub fn base64(bytes: &[u8]) -> String {
    B64.encode(bytes)
}

impl<'w> Tus<'w> {
    /// A client that sends this bearer token.
    pub fn new(world: &'w World, token: &str) -> Tus<'w> {
        Tus { world, token: token.to_owned() }
    }

    /// The token it sends.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Any request, with the protocol's version and the token.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.world.call(method, path).by(&self.token).header("tus-resumable", "1.0.0")
    }

    /// A creation with these headers.
    pub fn create(&self, headers: &[(&str, &str)]) -> Reply {
        headers.iter().fold(self.call("POST", "/api/v1/uploads"), |call, (name, value)| call.header(name, value)).send()
    }

    /// A new upload of this length and metadata; its address.
    #[track_caller]
    pub fn begin(&self, length: usize, pairs: &[(&str, &str)]) -> String {
        let reply = self.create(&[("upload-length", &length.to_string()), ("upload-metadata", &metadata(pairs))]);
        reply.expect_status(201);
        reply.header("location").unwrap().to_owned()
    }

    /// Sends bytes.
    pub fn patch(&self, location: &str, offset: usize, bytes: &[u8]) -> Reply {
        self.patch_with(location, offset, bytes, &[])
    }

    /// Sends bytes with more headers.
    pub fn patch_with(&self, location: &str, offset: usize, bytes: &[u8], headers: &[(&str, &str)]) -> Reply {
        let call = self.call("PATCH", location).header("upload-offset", &offset.to_string());
        let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        call.bytes("application/offset+octet-stream", bytes).send()
    }

    /// Asks how far it is.
    pub fn head(&self, location: &str) -> Reply {
        self.call("HEAD", location).send()
    }

    /// The offset a HEAD tells.
    #[track_caller]
    pub fn offset(&self, location: &str) -> usize {
        let reply = self.head(location);
        reply.expect_status(200);
        number(&reply, "upload-offset")
    }

    /// Uploads a whole file; gives the address of its evidence.
    #[track_caller]
    pub fn upload(&self, bytes: &[u8], pairs: &[(&str, &str)]) -> String {
        let location = self.begin(bytes.len(), pairs);
        let reply = self.patch(&location, 0, bytes);
        reply.expect_status(204);
        reply.header("content-location").unwrap().to_owned()
    }

    /// Begins a PATCH of `total` bytes and sends nothing of its body yet.
    pub fn half(&self, location: &str, offset: usize, total: usize) -> Half {
        let mut stream = TcpStream::connect(self.world.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!(
            "PATCH {location} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {}\r\n\
             Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {total}\r\n\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).unwrap();
        Half { stream }
    }
}

impl Half {
    /// Sends some of the body and gives the server a moment to take it.
    pub fn send(mut self, bytes: &[u8]) -> Half {
        self.stream.write_all(bytes).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        self
    }

    /// The head of the answer.
    pub fn answer(mut self) -> String {
        let mut answer = vec![0; 4096];
        let length = self.stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

/// The id in an upload's address.
pub fn id_of(location: &str) -> &str {
    location.rsplit('/').next().and_then(|last| last.split('?').next()).unwrap_or_default()
}

/// A header that is a number.
#[track_caller]
pub fn number(reply: &Reply, name: &str) -> usize {
    reply.header(name).unwrap_or_else(|| panic!("{reply}: no {name}")).parse().unwrap()
}
