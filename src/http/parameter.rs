//! What query parameters have in common.

use crate::error::{Code, Result};
use chrono::{DateTime, Datelike, Utc};

/// The size of a page: 50 unless told, 1–200.
///
/// # Errors
/// `parameter_invalid`.
pub fn page_limit(limit: Option<i64>) -> Result<i64> {
    match limit.unwrap_or(50) {
        n @ 1..=200 => Ok(n),
        _ => Err(Code::ParameterInvalid.with("limit: 1–200")),
    }
}

/// Where the next page begins: behind the last row of a full one.
pub fn next<T, K>(rows: &[T], limit: i64, key: impl FnOnce(&T) -> K) -> Option<K> {
    rows.last().filter(|_| usize::try_from(limit).is_ok_and(|limit| rows.len() >= limit)).map(key)
}

/// A moment that both engines can compare with.
///
/// # Errors
/// `parameter_invalid`.
pub fn in_calendar(name: &str, at: Option<DateTime<Utc>>) -> Result<Option<DateTime<Utc>>> {
    if at.is_some_and(|at| !(1970..=9999).contains(&at.year())) {
        return Err(Code::ParameterInvalid.with(format!("{name}: year 1970–9999")));
    }
    Ok(at)
}

/// A text that both engines can compare with.
///
/// # Errors
/// `parameter_invalid`.
pub fn text(name: &str, text: Option<String>) -> Result<Option<String>> {
    if text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(Code::ParameterInvalid.with(format!("{name}: no U+0000")));
    }
    Ok(text)
}
