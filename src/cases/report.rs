//! What a report of a case holds, and the forms of its fields. Pure.

use crate::{
    catalogue::rules::ClassKind,
    error::{Code, Result},
    evidence::reuse::rules::{AFTER, BEFORE},
    identity::rules::{Actor, Role, text},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a report must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// 1–80 characters.
    pub title: String,
    /// At most 2000 characters.
    #[serde(default)]
    pub description: String,
    /// Whether the class is one of components or of events. The catalogue in force says it where only one of them has the
    /// code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_kind: Option<ClassKind>,
    /// Class code (GB/T 30428.2): 4–10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_code: Option<String>,
    /// Where, in words; at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where, measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// 自行处置: whoever reports it has put it right; the case is over with the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_handled: Option<SelfHandled>,
}

/// How a problem was put right by whoever found it. Photos of before and after belong to it: those that its operation
/// names or, over REST, those that were declared before it for the id that the case is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfHandled {
    /// What was done, 1–2000 characters.
    pub note: String,
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
        if self.class_kind.is_some() && self.class_code.is_none() {
            return Err(Code::ValueInvalid.with("class_kind: of which class_code"));
        }
        if let Some(SelfHandled { note }) = &self.self_handled {
            who.must_be(SELF_HANDLERS)?;
            text("self_handled.note", note, 2000)?;
        }
        self.position.as_ref().map_or(Ok(()), Position::check)
    }

    /// Checks what shows that a problem was there and is gone: of a self-handled report there are photos of before and
    /// after, named by these roles. Their bytes may follow.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check_photos<'r>(&self, roles: impl IntoIterator<Item = &'r str>) -> Result<()> {
        let roles: Vec<&str> = roles.into_iter().collect();
        if self.self_handled.is_none() || [BEFORE, AFTER].iter().all(|role| roles.contains(role)) {
            return Ok(());
        }
        Err(Code::ValueInvalid.with("self_handled: needs photos with the roles before and after"))
    }
}

/// Who may report a case, and correct a report.
pub(super) const REPORTERS: &[Role] =
    &[Role::Inspector, Role::Officer, Role::SpotChecker, Role::Liaison, Role::Dispatcher];

/// Who may put a small problem right on the spot.
const SELF_HANDLERS: &[Role] = &[Role::Inspector, Role::Officer];

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
