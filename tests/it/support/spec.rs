//! The OpenAPI document as the tests use it: which operations there are, a sample of each body, and whether an answer
//! has the documented shape. Covers the part of JSON Schema that the document uses, and is stricter than it in one
//! thing: an answer may hold no member that is not documented.

use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The document, generated from the routes.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::to_value(chengguan::http::openapi()).expect("the document is JSON"))
}

/// One operation of the document.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Upper case.
    pub method: &'static str,
    /// With `{parameters}`.
    pub path: &'static str,
    node: &'static Value,
}

/// Every operation, in the document's order.
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
        let names = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];
        let paths = document()["paths"].as_object().expect("the document has paths");
        let of_path = |(path, item): (&'static String, &'static Value)| {
            let found = methods.iter().zip(names).filter_map(move |(key, method)| {
                Some(Operation { method, path: path.as_str(), node: item.get(*key)? })
            });
            found.collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    })
}

impl Operation {
    /// `POST /api/v1/units`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A text member of it, empty when absent.
    pub fn text(&self, member: &str) -> String {
        self.node[member].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it belongs to a chapter.
    pub fn has_tag(&self) -> bool {
        self.node["tags"].as_array().is_some_and(|tags| !tags.is_empty())
    }

    /// Whether the document says that it takes a token.
    pub fn needs_token(&self) -> bool {
        self.node["security"].as_array().is_some_and(|security| !security.is_empty())
    }

    /// The schema of its JSON body, when it takes one.
    pub fn json_body(&self) -> Option<&'static Value> {
        self.node.pointer("/requestBody/content/application~1json/schema")
    }

    /// The names of its parameters of a kind: `path`, `query` or `header`.
    pub fn parameters(&self, kind: &str) -> Vec<&'static str> {
        let all = self.node["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|p| p["in"] == kind).filter_map(|p| p["name"].as_str()).collect()
    }

    /// The names of the query parameters it can't do without.
    pub fn required_query(&self) -> Vec<&'static str> {
        let all = self.node["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let needed = all.iter().filter(|p| p["in"] == "query" && p["required"] == true);
        needed.filter_map(|p| p["name"].as_str()).collect()
    }

    /// Its path with every parameter replaced.
    pub fn path_with(&self, value: &str) -> String {
        let segments = self.path.split('/').map(|segment| if segment.starts_with('{') { value } else { segment });
        segments.collect::<Vec<_>>().join("/")
    }

    /// How many literal segments match, or nothing when the path is another one.
    fn literal_matches(&self, path: &str) -> Option<usize> {
        let (ours, theirs) = (self.path.split('/'), path.split('/'));
        if ours.clone().count() != theirs.clone().count() {
            return None;
        }
        let mut literal = 0;
        for (our, their) in ours.zip(theirs) {
            match our {
                _ if our == their => literal += 1,
                _ if our.starts_with('{') => {}
                _ => return None,
            }
        }
        Some(literal)
    }
}

/// Whether a successful answer is what the document says.
pub fn answer(method: &str, path: &str, status: u16, media_type: Option<&str>, body: &[u8]) -> Result<(), String> {
    if path == "/api/v1/openapi.json" {
        return Ok(());
    }
    let operation = operations()
        .iter()
        .filter(|operation| operation.method == method)
        .filter_map(|operation| Some((operation.literal_matches(path)?, operation)))
        .max_by_key(|(literal, _)| *literal)
        .ok_or("this operation is not in the OpenAPI document")?
        .1;
    let response = operation.node["responses"]
        .get(status.to_string())
        .ok_or_else(|| format!("status {status} is not documented for {}", operation.name()))?;
    let content = response.get("content").and_then(Value::as_object);
    match (content, body.is_empty()) {
        (None, true) => Ok(()),
        (None, false) => Err("a body is not documented".into()),
        (Some(_), true) => Err("the documented body is missing".into()),
        (Some(content), false) => {
            let kind = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
            let entry = content.get(kind).or_else(|| content.get("application/octet-stream"));
            let entry = entry.ok_or_else(|| format!("media type {kind:?} is not documented"))?;
            match (kind, entry.get("schema")) {
                ("application/json", Some(schema)) => {
                    let value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
                    conforms(schema, &value, "body")
                }
                _ => Ok(()),
            }
        }
    }
}

fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.trim_start_matches('#');
            resolve(document().pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
        }
        None => schema,
    }
}

fn list(schema: &'static Value, key: &str) -> &'static [Value] {
    schema[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn alternatives(schema: &'static Value) -> Vec<&'static Value> {
    list(schema, "oneOf").iter().chain(list(schema, "anyOf")).collect()
}

/// The types a schema allows; empty for any.
fn types(schema: &'static Value) -> Vec<&'static str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

/// The properties of an object schema, through `allOf`; and which of them are required.
pub fn properties(schema: &'static Value) -> (Vec<(&'static str, &'static Value)>, Vec<&'static str>) {
    let schema = resolve(schema);
    let mut found: Vec<_> =
        schema["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.as_str(), schema)).collect();
    let mut required: Vec<_> = list(schema, "required").iter().filter_map(Value::as_str).collect();
    for part in list(schema, "allOf") {
        let (more, needed) = properties(part);
        found.extend(more);
        required.extend(needed);
    }
    (found, required)
}

/// Whether a schema allows values of a type.
pub fn takes(schema: &'static Value, kind: &str) -> bool {
    let schema = resolve(schema);
    types(schema).contains(&kind) || alternatives(schema).into_iter().any(|choice| takes(choice, kind))
}

fn conforms(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(schema);
    let choices = alternatives(schema);
    if !choices.is_empty() {
        let refusals: Vec<String> = choices.iter().filter_map(|choice| conforms(choice, value, at).err()).collect();
        return if refusals.len() < choices.len() { Ok(()) } else { Err(refusals.join("; or ")) };
    }
    let types = types(schema);
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Err(format!("{at}: {value} is not {}", types.join(" or ")));
    }
    let allowed = list(schema, "enum");
    if !allowed.is_empty() && !allowed.contains(value) {
        return Err(format!("{at}: {value} is none of {allowed:?}"));
    }
    match value {
        Value::String(text) => format_holds(schema, text, at),
        Value::Array(items) if schema.get("items").is_some() => {
            items.iter().enumerate().try_for_each(|(n, item)| conforms(&schema["items"], item, &format!("{at}[{n}]")))
        }
        Value::Object(members) => members_conform(schema, members, at),
        _ => Ok(()),
    }
}

fn members_conform(schema: &'static Value, members: &Map<String, Value>, at: &str) -> Result<(), String> {
    let (known, required) = properties(schema);
    if let Some(missing) = required.iter().find(|name| !members.contains_key(**name)) {
        return Err(format!("{at}: {missing} is missing"));
    }
    for (name, member) in members {
        match known.iter().find(|(known, _)| known == name) {
            Some((_, schema)) => conforms(schema, member, &format!("{at}.{name}"))?,
            None if known.is_empty() || schema.get("additionalProperties").is_some() => {}
            None => return Err(format!("{at}: {name} is not documented")),
        }
    }
    Ok(())
}

fn format_holds(schema: &'static Value, text: &str, at: &str) -> Result<(), String> {
    let good = match schema["format"].as_str() {
        Some("uuid") => text.parse::<uuid::Uuid>().is_ok(),
        Some("date-time") => DateTime::parse_from_rfc3339(text).is_ok(),
        Some("date") => text.parse::<NaiveDate>().is_ok(),
        _ => true,
    };
    if good { Ok(()) } else { Err(format!("{at}: {text:?} has not the documented format")) }
}

/// A value that a schema allows, with its required members only.
pub fn sample(schema: &'static Value) -> Value {
    let schema = resolve(schema);
    if let Some(choice) = alternatives(schema).into_iter().find(|choice| types(choice) != ["null"]) {
        return sample(choice);
    }
    if let Some(first) = list(schema, "enum").first() {
        return first.clone();
    }
    let parts = list(schema, "allOf");
    if !parts.is_empty() {
        let members = parts.iter().flat_map(|part| match sample(part) {
            Value::Object(members) => members,
            other => panic!("a part of an object is no object: {other}"),
        });
        return members.collect::<Map<_, _>>().into();
    }
    match types(schema).into_iter().find(|kind| *kind != "null") {
        Some("string") => match schema["format"].as_str() {
            Some("uuid") => json!("01900000-0000-7000-8000-000000000001"),
            Some("date-time") => json!("2026-11-23T01:00:00Z"),
            Some("date") => json!("2026-11-23"),
            _ => json!("text"),
        },
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        _ => {
            let (known, required) = properties(schema);
            let needed = known.into_iter().filter(|(name, _)| required.contains(name));
            needed.map(|(name, schema)| (name.to_owned(), sample(schema))).collect::<Map<_, _>>().into()
        }
    }
}
