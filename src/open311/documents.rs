//! The standard's documents, as JSON and as XML. Pure.

use super::{
    rules::{Fault, service_code},
    store::{Kept, Update},
};
use crate::{
    cases::rules::Stage,
    catalogue::rules::CaseClass,
    opendata::{
        actions::place,
        rules::{blotted, rounded},
    },
    proof::words::word,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write};

/// When the facade last changed.
const CHANGESET: &str = "2026-11-26T00:00:00+08:00";

/// A document and the names it has in XML.
pub(super) struct Document {
    root: &'static str,
    value: Value,
}

/// What an element of a list is called in XML.
fn singular(list: &str) -> &'static str {
    match list {
        "services" => "service",
        "attributes" => "attribute",
        "values" => "value",
        "endpoints" => "endpoint",
        "formats" => "format",
        "errors" => "error",
        "service_request_updates" => "request_update",
        _ => "request",
    }
}

impl Document {
    pub(super) fn json(&self) -> String {
        self.value.to_string()
    }

    pub(super) fn xml(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        element(&mut text, self.root, &self.value);
        text
    }
}

fn element(text: &mut String, name: &str, value: &Value) {
    text.push('<');
    text.push_str(name);
    text.push('>');
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| element(text, singular(name), item)),
        Value::Object(members) => members.iter().for_each(|(name, member)| element(text, name, member)),
        Value::String(words) => escaped(text, words),
        // Writing to a string can't fail.
        other => drop(write!(text, "{other}")),
    }
    text.push_str("</");
    text.push_str(name);
    text.push('>');
}

/// What XML 1.0 has no place for is left out.
fn escaped(text: &mut String, words: &str) {
    for c in words.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '\r' => text.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() && !matches!(c, '\n' | '\t' | '\u{7f}'..='\u{9f}') => {}
            c => text.push(c),
        }
    }
}

pub(super) fn errors(fault: &Fault) -> Document {
    let one = json!({"code": fault.status, "description": fault.description});
    Document { root: "errors", value: json!([one]) }
}

pub(super) fn discovery(base: &str) -> Document {
    let endpoint = json!({
        "specification": "http://wiki.open311.org/GeoReport_v2",
        "url": base,
        "changeset": CHANGESET,
        "type": "production",
        "formats": ["text/xml", "application/json"],
    });
    let value = json!({
        "changeset": CHANGESET,
        "contact": "中方县智慧城管中心",
        "key_service": "api_key 由智慧城管中心发给",
        "endpoints": [endpoint],
    });
    Document { root: "discovery", value }
}

/// Each class once: of one that two standards have, the first.
pub(super) fn services(classes: &[CaseClass]) -> Document {
    let mut seen = BTreeSet::new();
    let once = classes.iter().filter(|class| seen.insert(service_code(class)));
    let one = |class: &CaseClass| {
        json!({
            "service_code": service_code(class),
            "service_name": class.name,
            "description": class.conditions.first().map(|condition| &condition.filing),
            "metadata": true,
            "type": "realtime",
            "keywords": class.big_name,
            "group": format!("{}/{}", class.kind.chinese(), class.big_name),
        })
    };
    Document { root: "services", value: once.map(one).collect() }
}

pub(super) fn service(class: &CaseClass) -> Document {
    let values = class.conditions.iter();
    let values: Vec<Value> =
        values.map(|condition| json!({"key": condition.number.to_string(), "name": condition.filing})).collect();
    let attribute = json!({
        "variable": true,
        "code": "condition",
        "datatype": "singlevaluelist",
        "required": false,
        "datatype_description": null,
        "order": 1,
        "description": "符合哪一条立案条件",
        "values": values,
    });
    let value = json!({"service_code": service_code(class), "attributes": [attribute]});
    Document { root: "service_definition", value }
}

pub(super) fn accepted(number: &str, account_id: Option<&str>) -> Document {
    let one = json!({"service_request_id": number, "service_notice": null, "account_id": account_id});
    Document { root: "service_requests", value: json!([one]) }
}

pub(super) fn token(number: &str, token: &str) -> Document {
    Document { root: "service_requests", value: json!([{"service_request_id": number, "token": token}]) }
}

pub(super) fn requests(all: &[Kept]) -> Document {
    Document { root: "service_requests", value: all.iter().map(request).collect() }
}

/// The standard knows open and closed; the stage stands beside it.
fn standing(state: &str) -> (&'static str, Value) {
    let void = state == Stage::Void.as_str();
    let status = if void || state == Stage::Closed.as_str() { "closed" } else { "open" };
    (status, json!({"state": state, "state_name": if void { "作废" } else { word(state) }}))
}

pub(super) fn updates(all: &[(Update, &str)]) -> Document {
    let one = |(update, words): &(Update, &str)| {
        let (status, stage) = standing(&update.state);
        json!({
            "update_id": update.id,
            "service_request_id": update.number,
            "status": status,
            "updated_datetime": update.at,
            "description": words,
            // Pictures are for the Centre.
            "media_url": null,
            "extended_attributes": stage,
        })
    };
    Document { root: "service_request_updates", value: all.iter().map(one).collect() }
}

fn request(kept: &Kept) -> Value {
    let Kept { told, case, unit } = kept;
    let here = place(case.lat, case.lon, case.datum.as_deref());
    let (status, stage) = standing(&case.state);
    json!({
        "service_request_id": case.number,
        "status": status,
        "status_notes": stage["state_name"],
        "service_name": told.service_name,
        "service_code": told.service_code,
        "description": blotted(&told.description),
        "agency_responsible": unit,
        "service_notice": null,
        "requested_datetime": told.received_at,
        "updated_datetime": case.updated_at,
        "expected_datetime": case.due_at,
        "address": case.address.as_deref().map(blotted),
        "address_id": told.address_id,
        "zipcode": null,
        "lat": here.map(|(_, lat)| rounded(lat)),
        "long": here.map(|(lon, _)| rounded(lon)),
        // A citizen's picture may show anybody: it is for the Centre.
        "media_url": null,
        "extended_attributes": stage,
    })
}
