//! `Range` for one file (RFC 9110 §14): which bytes to send.

/// What a request wants of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Everything: no range, one we can't read (must then be ignored), or several (may be).
    Whole,
    /// `from..to`, bytes; never empty.
    Part {
        /// The first byte.
        from: u64,
        /// Behind the last byte.
        to: u64,
    },
    /// Nothing of it lies in the file.
    Outside,
}

/// Reads the header of a request for a file of `length` bytes.
pub fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(set) = header.and_then(|h| h.trim().strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    let (from, to) = match (first, last) {
        ("", "") => return Wanted::Whole,
        ("", suffix) => match number(suffix) {
            Some(0) => return Wanted::Outside,
            Some(n) => (length.saturating_sub(n), length),
            None => return Wanted::Whole,
        },
        (first, "") => match number(first) {
            Some(from) => (from, length),
            None => return Wanted::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(length)),
            _ => return Wanted::Whole,
        },
    };
    if from >= length { Wanted::Outside } else { Wanted::Part { from, to } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |from, to| Wanted::Part { from, to };
        for (header, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-99", part(0, 100)),
            ("bytes=10-", part(10, 100)),
            ("bytes=10-5000", part(10, 100)),
            ("bytes=-10", part(90, 100)),
            ("bytes=-5000", part(0, 100)),
            ("bytes=99-18446744073709551615", part(99, 100)),
            ("bytes=5-99999999999999999999999", part(5, 100)),
            ("bytes=100-", Wanted::Outside),
            ("bytes=99999999999999999999999-", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 100), expected, "{header}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Outside);
    }
}
