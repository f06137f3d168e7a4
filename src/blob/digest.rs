//! Digests of streams: SHA-256 for whole files, and what `Upload-Checksum` may name for one chunk.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD as B64};
use std::io::{self, Read};

/// What is read at a time while a file is hashed, bytes.
const BLOCK: usize = 256 * 1024;

/// An algorithm of tus' checksum extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Mandatory in tus; guards against a bad line, not against a forger.
    Sha1,
    /// The one we recommend.
    Sha256,
    /// IEEE, four bytes, most significant first.
    Crc32,
}

impl Algorithm {
    /// The names as `Tus-Checksum-Algorithm` lists them.
    pub const NAMES: &str = "sha1,sha256,crc32";

    /// The algorithm with this name.
    pub fn parse(name: &str) -> Option<Algorithm> {
        match name {
            "sha1" => Some(Algorithm::Sha1),
            "sha256" => Some(Algorithm::Sha256),
            "crc32" => Some(Algorithm::Crc32),
            _ => None,
        }
    }

    /// The length of its value, bytes.
    pub fn length(self) -> usize {
        match self {
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Crc32 => 4,
        }
    }

    /// A digest of nothing yet.
    pub fn start(self) -> Running {
        match self {
            Algorithm::Sha1 => Running::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            Algorithm::Sha256 => Running::Sha(Context::new(&SHA256)),
            Algorithm::Crc32 => Running::Crc(crc32fast::Hasher::new()),
        }
    }
}

/// A digest that is still being fed.
pub enum Running {
    /// SHA-1 or SHA-256.
    Sha(Context),
    /// CRC-32.
    Crc(crc32fast::Hasher),
}

impl Running {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Running::Sha(context) => context.update(bytes),
            Running::Crc(hasher) => hasher.update(bytes),
        }
    }

    /// The value.
    pub fn finish(self) -> Vec<u8> {
        match self {
            Running::Sha(context) => context.finish().as_ref().to_vec(),
            Running::Crc(hasher) => hasher.finalize().to_be_bytes().to_vec(),
        }
    }
}

/// The SHA-256 (hexadecimal) and the length of everything a reader gives.
///
/// # Errors
/// The reader's own.
pub fn sha256_of(source: &mut impl Read) -> io::Result<(String, u64)> {
    let mut context = Context::new(&SHA256);
    let mut block = vec![0; BLOCK];
    let mut length = 0;
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok((hex(context.finish().as_ref()), length)),
            Ok(n) => {
                context.update(&block[..n]);
                length += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// The bytes that hexadecimal digits stand for; `None` for anything else.
pub fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect()
}

/// A SHA-256 written as 64 hexadecimal digits (either case) or as base64 of 32 bytes; gives lower-case hexadecimal.
pub fn sha256_text(text: &str) -> Option<String> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    B64.decode(text).ok().filter(|bytes| bytes.len() == 32).map(|bytes| hex(&bytes))
}

/// The value of `Repr-Digest` (RFC 9530) for a SHA-256 in hexadecimal.
pub fn repr_digest(sha256: &str) -> String {
    format!("sha-256=:{}:", B64.encode(bytes(sha256).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_the_published_ones() {
        assert_eq!(sha256_of(&mut &b""[..]).unwrap(), (EMPTY.to_owned(), 0));
        for (algorithm, expected) in [
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
            (Algorithm::Crc32, "cbf43926"),
        ] {
            let mut running = algorithm.start();
            running.update(b"1234");
            running.update(b"56789");
            let value = running.finish();
            assert_eq!((hex(&value).as_str(), value.len()), (expected, algorithm.length()));
        }
    }

    #[test]
    fn a_digest_is_read_in_hex_and_base64_and_written_for_http() {
        let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        for text in [EMPTY, &EMPTY.to_uppercase(), base64] {
            assert_eq!(sha256_text(text).as_deref(), Some(EMPTY));
        }
        for rubbish in ["", "abc", &EMPTY[1..], &format!("{EMPTY}0"), "汉字", "AAAA"] {
            assert_eq!(sha256_text(rubbish), None, "{rubbish}");
        }
        assert_eq!(repr_digest(EMPTY), format!("sha-256=:{base64}:"));
    }
}
