//! Corrections of a report's own words, field by field: two people who mend different fields both succeed.

use super::{
    report::{Position, field_text},
    store::CaseRow,
};
use crate::{
    catalogue::rules::ClassKind,
    error::{Code, Result},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a person saw in a field and what they want there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace<T> {
    /// What they saw.
    pub old: T,
    /// What shall be there.
    pub new: T,
}

/// The fields to change; at least one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// 1–80 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Replace<String>>,
    /// At most 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Replace<String>>,
    /// Component or event, or not known. Without it a new class code brings the kind that the catalogue in force has it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_kind: Option<Replace<Option<ClassKind>>>,
    /// Class code (GB/T 30428.2): 4–10 digits, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_code: Option<Replace<Option<String>>>,
    /// At most 200 characters, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Replace<Option<String>>>,
    /// A measured place, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Replace<Option<Position>>>,
}

/// What writing an edit onto a case gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// These fields are new.
    Written(Vec<String>),
    /// All fields held the new values already.
    Nothing,
    /// Somebody else wrote something else into these; nothing was changed.
    Contested(Vec<String>),
}

impl Edit {
    /// Checks the form of the new values.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        if *self == Edit::default() {
            return Err(Code::ValueInvalid.with("edit: at least one field"));
        }
        if let Some(title) = &self.title {
            field_text::title(&title.new)?;
        }
        if let Some(description) = &self.description {
            field_text::description(&description.new)?;
        }
        if let Some(Replace { new: Some(code), .. }) = &self.class_code {
            field_text::class_code(code)?;
        }
        if let Some(Replace { new: Some(address), .. }) = &self.address {
            field_text::address(address)?;
        }
        match &self.position {
            Some(Replace { new: Some(position), .. }) => position.check(),
            _ => Ok(()),
        }
    }

    /// Writes the fields onto a case: those that still hold what the person saw, or all when `insist`.
    pub fn onto(&self, row: &mut CaseRow, insist: bool) -> Edited {
        let mut tally = Tally { insist, written: vec![], contested: vec![] };
        let place = match (row.lat, row.lon, row.datum.clone()) {
            (Some(lat), Some(lon), Some(datum)) => Some(Position { lat, lon, datum }),
            _ => None,
        };
        let title = tally.field("title", &self.title, &row.title);
        let description = tally.field("description", &self.description, &row.description);
        let class_kind = tally.field("class_kind", &self.class_kind, &row.kind());
        let class_code = tally.field("class_code", &self.class_code, &row.class_code);
        let address = tally.field("address", &self.address, &row.address);
        let position = tally.field("position", &self.position, &place);
        if !tally.contested.is_empty() {
            return Edited::Contested(tally.contested);
        }
        if tally.written.is_empty() {
            return Edited::Nothing;
        }
        (row.title, row.description) = (title, description);
        row.class_kind = class_kind.map(|kind| kind.to_string());
        (row.class_code, row.address) = (class_code, address);
        row.lat = position.as_ref().map(|p| p.lat);
        row.lon = position.as_ref().map(|p| p.lon);
        row.datum = position.map(|p| p.datum);
        Edited::Written(tally.written)
    }
}

struct Tally {
    insist: bool,
    written: Vec<String>,
    contested: Vec<String>,
}

impl Tally {
    fn field<T: Clone + PartialEq>(&mut self, name: &str, edit: &Option<Replace<T>>, now: &T) -> T {
        match edit {
            Some(edit) if edit.new == *now => now.clone(),
            Some(edit) if edit.old == *now || self.insist => {
                self.written.push(name.to_owned());
                edit.new.clone()
            }
            Some(_) => {
                self.contested.push(name.to_owned());
                now.clone()
            }
            None => now.clone(),
        }
    }
}
