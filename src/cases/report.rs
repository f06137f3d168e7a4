//! What a report of a case holds, and the forms of its fields. Pure.

use crate::{
    error::{Code, Result},
    identity::rules::{Actor, Role, text},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a report must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// 1–80 characters.
    pub title: String,
    /// At most 2000 characters.
    #[serde(default)]
    pub description: String,
    /// Class code (GB/T 30428.2): 4–10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_code: Option<String>,
    /// Where, in words; at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where, measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A place as it was measured; the datum says in which system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Latitude, degrees.
    pub lat: f64,
    /// Longitude, degrees.
    pub lon: f64,
    /// `wgs84`, `cgcs2000`, `gcj02` or `bd09`.
    pub datum: String,
}

impl Report {
    /// Checks form and role.
    ///
    /// # Errors
    /// `value_invalid`, `role_forbidden`.
    pub fn check(&self, who: &Actor) -> Result<()> {
        who.must_be(REPORTERS)?;
        field_text::title(&self.title)?;
        field_text::description(&self.description)?;
        self.address.as_deref().map_or(Ok(()), field_text::address)?;
        self.class_code.as_deref().map_or(Ok(()), field_text::class_code)?;
        self.position.as_ref().map_or(Ok(()), Position::check)
    }
}

/// Who may report a case, and correct a report.
pub(super) const REPORTERS: &[Role] =
    &[Role::Inspector, Role::Officer, Role::SpotChecker, Role::Liaison, Role::Dispatcher];

pub use field_text::class_code;

/// The forms of a report's fields, for those who write and those who correct them.
pub(super) mod field_text {
    use super::{Code, Result, text};

    pub fn title(title: &str) -> Result<()> {
        text("title", title, 80)
    }

    pub fn description(description: &str) -> Result<()> {
        if description.is_empty() { Ok(()) } else { text("description", description, 2000) }
    }

    pub fn address(address: &str) -> Result<()> {
        text("address", address, 200)
    }

    pub fn class_code(code: &str) -> Result<()> {
        if (4..=10).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(());
        }
        Err(Code::ValueInvalid.with("class_code: 4–10 digits"))
    }
}

impl Position {
    /// Checks range and datum.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        if !((-90.0..=90.0).contains(&self.lat) && (-180.0..=180.0).contains(&self.lon)) {
            return Err(Code::ValueInvalid.with("position: lat −90…90, lon −180…180"));
        }
        if !matches!(self.datum.as_str(), "wgs84" | "cgcs2000" | "gcj02" | "bd09") {
            return Err(Code::ValueInvalid.with("datum: wgs84, cgcs2000, gcj02 or bd09"));
        }
        Ok(())
    }
}
