//! The headers of tus 1.0.0 and of RFC 9530, read from untrusted text. Pure.

use crate::{
    blob::digest::{self, Algorithm},
    error::{Code, Error, Result},
};
use base64::{Engine, engine::general_purpose::STANDARD as B64};
use chrono::{DateTime, Utc};

/// The only version spoken here.
pub const VERSION: &str = "1.0.0";
/// The extensions spoken here.
pub const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination";

const MAX_METADATA_BYTES: usize = 4096;
const MAX_METADATA_KEYS: usize = 32;

fn wrong(text: impl Into<String>) -> Error {
    Code::TusHeaderInvalid.with(text)
}

/// A count of bytes: digits only, at most `i64::MAX`.
///
/// # Errors
/// `tus_header_invalid`, naming the header.
pub fn count(name: &str, text: &str) -> Result<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong(format!("{name}: a whole number, 0 or more")));
    }
    text.parse().map_err(|_| wrong(format!("{name}: too large")))
}

/// The length at creation: `Upload-Length`, or `None` for `Upload-Defer-Length: 1`.
///
/// # Errors
/// `tus_header_invalid` for both, neither, or another value.
pub fn length(length: Option<&str>, defer: Option<&str>) -> Result<Option<i64>> {
    match (length, defer) {
        (Some(text), None) => count("Upload-Length", text).map(Some),
        (None, Some("1")) => Ok(None),
        (None, Some(_)) => Err(wrong("Upload-Defer-Length: must be 1")),
        (Some(_), Some(_)) => Err(wrong("Upload-Length and Upload-Defer-Length exclude each other")),
        (None, None) => Err(wrong("Upload-Length or Upload-Defer-Length: 1 is required")),
    }
}

/// `Upload-Metadata`: pairs in the order given. Values are bytes: base64 may hold anything.
///
/// # Errors
/// `tus_header_invalid` when it is too long, has too many or repeated keys, or a value that is no base64.
pub fn metadata(text: &str) -> Result<Vec<(String, Vec<u8>)>> {
    if text.len() > MAX_METADATA_BYTES {
        return Err(wrong(format!("Upload-Metadata: at most {MAX_METADATA_BYTES} bytes")));
    }
    let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
    if text.trim().is_empty() {
        return Ok(pairs);
    }
    for pair in text.split(',') {
        let pair = pair.trim_matches(' ');
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("Upload-Metadata: a key is empty or not ASCII"));
        }
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(wrong(format!("Upload-Metadata: {key} twice")));
        }
        let value = B64.decode(value).map_err(|_| wrong(format!("Upload-Metadata: {key} is not base64")))?;
        pairs.push((key.to_owned(), value));
        if pairs.len() > MAX_METADATA_KEYS {
            return Err(wrong(format!("Upload-Metadata: at most {MAX_METADATA_KEYS} keys")));
        }
    }
    Ok(pairs)
}

/// `Upload-Checksum`: the algorithm and the expected value of this one body.
///
/// # Errors
/// `checksum_unsupported` for another algorithm, `tus_header_invalid` for a value of the wrong form.
pub fn checksum(text: &str) -> Result<(Algorithm, Vec<u8>)> {
    let (name, value) = text.trim().split_once(' ').ok_or_else(|| wrong("Upload-Checksum: algorithm and base64"))?;
    let algorithm = Algorithm::parse(name).ok_or_else(|| Code::ChecksumUnsupported.with(Algorithm::NAMES))?;
    let value = B64.decode(value.trim()).map_err(|_| wrong("Upload-Checksum: not base64"))?;
    if value.len() == algorithm.length() { Ok((algorithm, value)) } else { Err(wrong("Upload-Checksum: wrong length")) }
}

/// The SHA-256 of the whole file from `Repr-Digest` (RFC 9530), lower-case hexadecimal. `None` when it names only
/// algorithms that we don't verify: the standard has them ignored.
///
/// # Errors
/// `tus_header_invalid` when it can't be read.
pub fn repr_digest(text: &str) -> Result<Option<String>> {
    for member in text.split(',') {
        let (name, value) = member.trim().split_once('=').ok_or_else(|| wrong("Repr-Digest: not a dictionary"))?;
        if name.trim() == "sha-256" {
            let inner = value.trim().strip_prefix(':').and_then(|v| v.split(';').next()?.trim().strip_suffix(':'));
            let bytes = inner.and_then(|v| B64.decode(v).ok()).filter(|bytes| bytes.len() == 32);
            return bytes
                .map(|b| Some(digest::hex(&b)))
                .ok_or_else(|| wrong("Repr-Digest: sha-256=:base64 of 32 bytes:"));
        }
    }
    Ok(None)
}

/// `Idempotency-Key`: 1–255 visible ASCII characters, with or without the quotes of the draft.
///
/// # Errors
/// `tus_header_invalid`.
pub fn idempotency_key(text: &str) -> Result<String> {
    let key = text.trim().trim_matches('"');
    let good = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(key.to_owned()) } else { Err(wrong("Idempotency-Key: 1–255 visible characters")) }
}

/// Whether a body is what PATCH takes.
pub fn is_offset_octets(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/offset+octet-stream")
}

/// A moment as HTTP writes it (RFC 9110 §5.6.7).
pub fn http_date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const EMPTY_B64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn lengths_are_digits_and_one_of_two() {
        assert_eq!(length(Some("0"), None).unwrap(), Some(0));
        assert_eq!(length(Some("9223372036854775807"), None).unwrap(), Some(i64::MAX));
        assert_eq!(length(None, Some("1")).unwrap(), None);
        for (a, b) in [
            (Some("-1"), None),
            (Some("+1"), None),
            (Some("1.0"), None),
            (Some(""), None),
            (Some(" 1"), None),
            (Some("0x10"), None),
            (Some("9223372036854775808"), None),
            (Some("99999999999999999999999999"), None),
            (Some("١"), None),
            (None, Some("0")),
            (None, Some("2")),
            (None, Some("true")),
            (Some("1"), Some("1")),
            (None, None),
        ] {
            assert_eq!(length(a, b).unwrap_err().code, Code::TusHeaderInvalid, "{a:?} {b:?}");
        }
    }

    #[test]
    fn metadata_is_read_as_written_and_rubbish_is_refused() {
        let pairs = metadata("filename 5LqVLmpwZw==,is_confidential, empty ").unwrap();
        let expected: [(&str, &[u8]); 3] =
            [("filename", "井.jpg".as_bytes()), ("is_confidential", b""), ("empty", b"")];
        assert_eq!(pairs.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect::<Vec<_>>(), expected);
        assert!(metadata("").unwrap().is_empty() && metadata(" ").unwrap().is_empty());
        let many: Vec<String> = (0..33).map(|i| format!("k{i} YQ==")).collect();
        for rubbish in
            ["a YQ==,a YQ==", "a ?", "a YQ== b", ",", "a YQ==,", "ü YQ==", &many.join(","), &"a".repeat(4097)]
        {
            assert_eq!(metadata(rubbish).unwrap_err().code, Code::TusHeaderInvalid, "{rubbish}");
        }
        assert_eq!(metadata(&many[..32].join(",")).unwrap().len(), 32);
    }

    #[test]
    fn a_checksum_names_a_known_algorithm_and_has_its_length() {
        let (algorithm, value) = checksum("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=").unwrap();
        assert_eq!((algorithm, value.len()), (Algorithm::Sha1, 20));
        assert_eq!(checksum("md5 1B2M2Y8AsgTpgAmY7PhCfg==").unwrap_err().code, Code::ChecksumUnsupported);
        assert_eq!(checksum("SHA1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=").unwrap_err().code, Code::ChecksumUnsupported);
        for rubbish in ["", "sha1", "sha1 ", "sha1 ?", "sha1 YQ==", &format!("sha1 {EMPTY_B64}")] {
            assert_eq!(checksum(rubbish).unwrap_err().code, Code::TusHeaderInvalid, "{rubbish}");
        }
    }

    #[test]
    fn a_digest_is_found_among_others() {
        for text in [
            format!("sha-256=:{EMPTY_B64}:"),
            format!("sha-512=:AAAA:, sha-256=:{EMPTY_B64}:"),
            format!("unixsum=30637, sha-256=:{EMPTY_B64}:"),
        ] {
            assert_eq!(repr_digest(&text).unwrap().as_deref(), Some(EMPTY), "{text}");
        }
        assert_eq!(repr_digest("sha-512=:AAAA:").unwrap(), None);
        for rubbish in ["", "sha-256", "sha-256=", "sha-256=::", "sha-256=:AAAA:", &format!("sha-256={EMPTY_B64}")] {
            assert_eq!(repr_digest(rubbish).unwrap_err().code, Code::TusHeaderInvalid, "{rubbish}");
        }
    }

    /// Right headers with bytes changed, doubled, cut and joined at random: each is read or refused.
    #[test]
    fn no_text_makes_a_reader_panic() {
        let seeds = [
            "filename 5LqVLmpwZw==,is_confidential, empty ".to_owned(),
            format!("sha-512=:AAAA:, sha-256=:{EMPTY_B64}:;a=1"),
            "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=".to_owned(),
            "9223372036854775807".to_owned(),
            "application/offset+octet-stream; a=b".to_owned(),
        ];
        let mut state = 7_u64;
        let mut dice = |sides: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % sides.max(1)
        };
        for _ in 0..20_000 {
            let mut text: Vec<char> = seeds[dice(seeds.len())].chars().collect();
            for _ in 0..=dice(6) {
                let at = dice(text.len() + 1);
                match dice(4) {
                    0 => text.insert(at, ['\0', ' ', ',', '=', ':', '"', '井', '\u{10FFFF}', '9'][dice(9)]),
                    1 => text.truncate(at),
                    2 => text.extend_from_within(at..),
                    _ => text.extend(seeds[dice(seeds.len())].chars()),
                }
            }
            let text: String = text.into_iter().collect();
            if let Ok(pairs) = metadata(&text) {
                assert!(pairs.len() <= MAX_METADATA_KEYS);
            }
            if let Ok((algorithm, value)) = checksum(&text) {
                assert_eq!(value.len(), algorithm.length());
            }
            if let Ok(Some(sha256)) = repr_digest(&text) {
                assert_eq!(sha256.len(), 64);
            }
            drop((count("n", &text), length(Some(&text), None), idempotency_key(&text), is_offset_octets(Some(&text))));
        }
    }

    #[test]
    fn keys_types_and_dates_have_their_form() {
        assert_eq!(idempotency_key("\"8e03978e-40d5\"").unwrap(), "8e03978e-40d5");
        assert!(
            idempotency_key("").is_err()
                && idempotency_key("a b").is_err()
                && idempotency_key(&"k".repeat(256)).is_err()
        );
        assert!(is_offset_octets(Some("Application/Offset+Octet-Stream; a=b")));
        assert!(!is_offset_octets(Some("application/octet-stream")) && !is_offset_octets(None));
        let at = DateTime::from_timestamp(784_111_777, 0).unwrap();
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
