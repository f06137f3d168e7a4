//! What a report by Open311 must hold, what is asked of those that came, and who may. Pure.

use crate::{
    cases::{
        report::{Position, Report},
        rules::COMMANDS,
    },
    catalogue::rules::{CaseClass, Condition},
    config::open311::Open311Keys,
    error::Error,
    identity::{county::REGION, tokens::sha256},
};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::form_urlencoded;

#[cfg(test)]
mod tests;

/// Reports that a key may send in a minute.
pub const PER_MINUTE: i64 = 60;
/// Requests of an answer.
pub const MOST: i64 = 1000;
/// The longest time a question may span, days.
const SPAN: TimeDelta = TimeDelta::days(90);
/// Characters of a description (GeoReport v2), and of a case's.
const LONGEST: usize = 4000;
const LONGEST_OF_CASE: usize = 2000;

/// A refusal in the standard's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, for the person who writes the client.
    pub description: String,
}

impl Fault {
    /// A refusal.
    pub fn new(status: u16, description: impl Into<String>) -> Fault {
        Fault { status, description: description.into() }
    }
}

/// What a use case may end with: a refusal, or a fault inside.
#[derive(Debug)]
pub enum Refusal {
    /// The caller's.
    Fault(Fault),
    /// Ours, or a rule of the trade.
    Error(Error),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Fault(fault)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Error(error)
    }
}

/// The fields of a form or a query. A field that comes twice is its values after commas, as some clients send lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// 400 for U+0000.
    pub fn read(bytes: &[u8]) -> Result<Fields, Fault> {
        let mut fields = BTreeMap::<String, String>::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            if name.contains('\0') || value.contains('\0') {
                return Err(Fault::new(400, "参数中含有空字符（U+0000）"));
            }
            let value = value.trim().to_owned();
            let present = fields.entry(name.into_owned()).or_default();
            *present = if present.is_empty() { value } else { format!("{present},{value}") };
        }
        Ok(Fields(fields))
    }

    /// A field that says something.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let parts = self.get(name).unwrap_or_default().split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Text of a line, at most so long.
    fn line(&self, name: &str, most: usize) -> Result<Option<String>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.chars().count() > most || value.chars().any(char::is_control) {
            return Err(Fault::new(400, format!("{name}：应为一行文字，不超过 {most} 个字")));
        }
        Ok(Some(value.to_owned()))
    }

    fn moment(&self, name: &str) -> Result<Option<DateTime<Utc>>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let at = DateTime::parse_from_rfc3339(value).ok().map(|at| at.to_utc());
        let at = at.filter(|at| (1970..=9998).contains(&at.year()));
        at.map(Some).ok_or_else(|| Fault::new(400, format!("{name}：应为 2026-01-01T00:00:00Z 的形式")))
    }

    /// Refuses questions about another place: this server is one county's.
    ///
    /// # Errors
    /// 404.
    pub fn jurisdiction(&self) -> Result<(), Fault> {
        match self.get("jurisdiction_id") {
            None => Ok(()),
            Some(id) if id == REGION => Ok(()),
            Some(id) => Err(Fault::new(404, format!("jurisdiction_id：没有辖区 {id}，本平台为 {REGION}"))),
        }
    }
}

/// The name of whoever holds a key.
///
/// # Errors
/// 403 without a key, or with one that is not known.
pub fn key_holder(keys: &Open311Keys, key: Option<&str>) -> Result<String, Fault> {
    let key = key.ok_or_else(|| Fault::new(403, "缺少 api_key"))?;
    // Digests are compared, so that the time it takes tells nothing about the key.
    let digest = sha256(key.as_bytes());
    let known = keys.iter().find(|(_, known)| sha256(known.as_bytes()) == digest);
    known.map(|(name, _)| name.to_owned()).ok_or_else(|| Fault::new(403, "api_key 无效"))
}

/// How the standard's clients name a class: a code alone could be a component or an event.
#[must_use]
pub fn service_code(class: &CaseClass) -> String {
    format!("{}-{}", class.kind, class.code)
}

/// The class of a service.
///
/// # Errors
/// 404.
pub fn service<'c>(classes: &'c [CaseClass], code: &str) -> Result<&'c CaseClass, Fault> {
    let found = classes.iter().find(|class| service_code(class) == code);
    found.ok_or_else(|| Fault::new(404, format!("service_code：没有服务 {code}")))
}

/// How to reach whoever reported; the Centre's alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// Mail address.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// 名.
    pub first_name: Option<String>,
    /// 姓.
    pub last_name: Option<String>,
    /// The app's name of the device.
    pub device_id: Option<String>,
    /// The app's name of the account.
    pub account_id: Option<String>,
}

/// What was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The service.
    pub service_code: String,
    /// Its name then.
    pub service_name: String,
    /// As it was written, up to 4000 characters.
    pub description: String,
    /// The sender's name of the address.
    pub address_id: Option<String>,
    /// Where a picture is, at the sender's.
    pub media_url: Option<String>,
    /// Whom to ask.
    pub contact: Contact,
    /// What the case says.
    pub report: Report,
}

impl Told {
    /// Reads a report.
    ///
    /// # Errors
    /// 400, naming the field; 404 for an unknown service.
    pub fn read(fields: &Fields, classes: &[CaseClass]) -> Result<Told, Fault> {
        let code = fields.get("service_code").ok_or_else(|| Fault::new(400, "缺少 service_code"))?;
        let class = service(classes, code)?;
        let address = fields.line("address_string", 200)?;
        let address_id = fields.line("address_id", 100)?;
        let position = position(fields)?;
        if position.is_none() && address.is_none() && address_id.is_none() {
            return Err(Fault::new(400, "缺少位置：应有 lat 和 long，或 address_string，或 address_id"));
        }
        let whole = fields.get("description").unwrap_or_default().replace("\r\n", "\n");
        let description: String = whole.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        if description.chars().count() > LONGEST {
            return Err(Fault::new(400, format!("description：不超过 {LONGEST} 个字")));
        }
        let condition = condition(fields, class)?.map(|condition| format!("立案条件：{}\n", condition.filing));
        let long = format!("{}{description}", condition.unwrap_or_default());
        Ok(Told {
            service_code: code.to_owned(),
            service_name: class.name.clone(),
            media_url: fields.line("media_url", 2000)?,
            contact: Contact {
                email: fields.line("email", 254)?,
                phone: fields.line("phone", 40)?,
                first_name: fields.line("first_name", 50)?,
                last_name: fields.line("last_name", 50)?,
                device_id: fields.line("device_id", 100)?,
                account_id: fields.line("account_id", 100)?,
            },
            report: Report {
                title: class.name.chars().take(80).collect(),
                description: long.trim().chars().take(LONGEST_OF_CASE).collect(),
                class_kind: Some(class.kind),
                class_code: Some(class.code.clone()),
                address: address.or_else(|| address_id.clone()),
                position,
                self_handled: None,
            },
            address_id,
            description,
        })
    }
}

fn position(fields: &Fields) -> Result<Option<Position>, Fault> {
    let wrong = || Fault::new(400, "lat、long：应为 WGS-84 的纬度、经度（度），两个都要有");
    match (fields.get("lat"), fields.get("long")) {
        (None, None) => Ok(None),
        (Some(lat), Some(lon)) => {
            let number = |text: &str| text.parse().map_err(|_| wrong());
            let position = Position { lat: number(lat)?, lon: number(lon)?, datum: "wgs84".into() };
            position.check().map_err(|_| wrong())?;
            Ok(Some(position))
        }
        _ => Err(wrong()),
    }
}

/// The filing condition that the reporter chose; there need be none.
fn condition<'c>(fields: &Fields, class: &'c CaseClass) -> Result<Option<&'c Condition>, Fault> {
    let Some(chosen) = fields.get("attribute[condition]") else { return Ok(None) };
    let found = class.conditions.iter().find(|condition| condition.number.to_string() == chosen);
    found.map(Some).ok_or_else(|| Fault::new(400, format!("attribute[condition]：{chosen} 不是该服务的立案条件")))
}

/// The time that is asked about, both ends included: the last 90 days unless it says which.
///
/// # Errors
/// 400.
pub fn span(fields: &Fields, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), Fault> {
    let (from, until) = match (fields.moment("start_date")?, fields.moment("end_date")?) {
        (Some(from), Some(until)) => (from, until),
        (Some(from), None) => (from, from + SPAN),
        (None, until) => {
            let until = until.unwrap_or(now);
            (until - SPAN, until)
        }
    };
    if until - from > SPAN || from > until {
        return Err(Fault::new(400, "start_date、end_date：先后有序，相距不超过 90 天"));
    }
    Ok((from, until))
}

/// What the public is told of a step, in words that are ours alone; nothing of what is between the unit, the Centre and
/// the city.
#[must_use]
pub fn telling(command: &str, args: &Value) -> Option<&'static str> {
    let granted = args["granted"] == Value::Bool(true);
    Some(match command {
        "dispatch" => "已派遣责任单位处置",
        "return" => "正在重新确定责任单位",
        "handle" => "责任单位已处置，待核查",
        "refuse_closing" => "审核未通过，责任单位继续处置",
        "request_verification" => "正在现场核查",
        "verify" if args["passed"] == Value::Bool(true) => "现场核查通过",
        "verify" => "现场核查未通过，责任单位继续处置",
        "confirm_closing" => "已结案",
        "decide_extension" if granted => "处置期限已延长",
        "decide_hold" if granted => "暂不具备处置条件，暂缓处置",
        "resume" => "恢复处置",
        "void" => match args["reason"].as_str() {
            Some("handled_on_spot") => "已在现场处置",
            Some("duplicate") => "与已受理的问题重复，合并处置",
            _ => "经核实不予受理",
        },
        _ => return None,
    })
}

/// The commands that [`telling`] has words for, when what they decide is granted.
#[must_use]
pub fn told() -> Vec<&'static str> {
    let yes = json!({"granted": true, "passed": true});
    COMMANDS.iter().copied().filter(|command| telling(command, &yes).is_some()).collect()
}

/// Which requests are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Those with these numbers, whatever else is said; the standard has it so.
    pub numbers: Vec<String>,
    /// Of these services; of all when empty.
    pub service_codes: Vec<String>,
    /// Only closed ones, or only open ones.
    pub closed: Option<bool>,
    /// Received from then on.
    pub from: DateTime<Utc>,
    /// Received up to then.
    pub until: DateTime<Utc>,
}

impl Asked {
    /// Reads a question: of the last 90 days unless it says which.
    ///
    /// # Errors
    /// 400.
    pub fn read(fields: &Fields, now: DateTime<Utc>) -> Result<Asked, Fault> {
        let (from, until) = span(fields, now)?;
        let statuses = fields.list("status");
        let (mut open, mut closed) = (statuses.is_empty(), statuses.is_empty());
        for status in &statuses {
            match status.as_str() {
                "open" => open = true,
                "closed" => closed = true,
                other => return Err(Fault::new(400, format!("status：{other} 不是 open 或 closed"))),
            }
        }
        let (numbers, service_codes) = (fields.list("service_request_id"), fields.list("service_code"));
        if numbers.len().max(service_codes.len()) > 1000 {
            return Err(Fault::new(400, "service_request_id、service_code：不超过 1000 个"));
        }
        Ok(Asked { numbers, service_codes, closed: (open != closed).then_some(closed), from, until })
    }
}
