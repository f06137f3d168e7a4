//! What a message says of a case, and what a step of a case says to the city; no storage, no clock.

use super::wire::{self, Dispatch, Item};
use crate::{
    cases::report::{Position, Report},
    identity::rules::text_enum,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

text_enum! {
    /// Where a case stands as both sides know it from what they told each other. Finer steps here (dispatched to a
    /// unit, refused by the Centre) are ours alone.
    ExchangeState {
        /// The city dispatched it to the county.
        Received = "received",
        /// Fed back.
        Handled = "handled",
        /// Step 4.
        Verifying = "verifying",
        /// Step 5: not solved.
        Rework = "rework",
        /// Step 5: solved.
        Passed = "passed",
        /// Step 6.
        Closed = "closed",
        /// Sent back to the city.
        Returned = "returned",
    }
}

text_enum! {
    /// What stands on the two sides under different codes.
    CodeKind {
        /// Responsible units; ours by their code.
        Unit = "unit",
        /// Classes: the city's as `event-0405` or `component-0102`, ours as `class_code`.
        Class = "class",
    }
}

/// What a step tells the city.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// The message's type.
    pub kind: &'static str,
    /// The state that both sides then know; none when it stays.
    pub state: Option<ExchangeState>,
    /// The step's own words.
    pub body: Map<String, Value>,
}

/// What a line of a case's timeline tells the city; nothing for what is the county's own business.
#[must_use]
pub fn telling(command: &str, args: &Value) -> Option<Telling> {
    use ExchangeState::{Closed, Handled, Passed, Returned, Rework, Verifying};
    let (kind, state) = match command {
        "handle" => (wire::FEEDBACK, Some(Handled)),
        "request_verification" => (wire::VERIFICATION_REQUEST, Some(Verifying)),
        "verify" if args["passed"] == Value::Bool(true) => (wire::VERIFICATION_RESULT, Some(Passed)),
        "verify" => (wire::VERIFICATION_RESULT, Some(Rework)),
        "notify_closing" => (wire::CLOSING_NOTICE, Some(Closed)),
        "void" => (wire::RETURN, Some(Returned)),
        "request_extension" => (wire::EXTENSION_REQUEST, None),
        "decide_extension" => (wire::EXTENSION_DECISION, None),
        _ => return None,
    };
    Some(Telling { kind, state, body: args.as_object().cloned().unwrap_or_default() })
}

/// The report that a dispatched case becomes. Texts are cut to what a report may hold; the whole is kept beside it.
/// `class_code` is what the code tables say.
#[must_use]
pub fn report(dispatch: &Dispatch, class_code: Option<String>) -> Report {
    let words = |text: &Option<String>, most: usize| {
        let clean = text.as_deref().unwrap_or_default().trim().chars();
        clean.filter(|c| !c.is_control() || *c == '\n').take(most).collect::<String>()
    };
    let title = [words(&dispatch.type_name, 80), words(&dispatch.desc, 80), dispatch.city_case_no.clone()];
    let address = words(&dispatch.address, 200);
    let class_code = class_code.filter(|code| is_class_code(code));
    Report {
        title: title.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default(),
        description: words(&dispatch.desc, 2000),
        class_kind: class_code.as_ref().and(dispatch.kind.as_deref()).and_then(|kind| kind.parse().ok()),
        class_code,
        address: (!address.is_empty()).then_some(address),
        position: position(dispatch),
        self_handled: None,
    }
}

/// A place in a system that we know; a case without one is better than no case.
fn position(dispatch: &Dispatch) -> Option<Position> {
    let crs: String =
        dispatch.crs.as_deref().unwrap_or("CGCS2000").chars().filter(char::is_ascii_alphanumeric).collect();
    let position = Position { lat: dispatch.lat?, lon: dispatch.lon?, datum: crs.to_ascii_lowercase() };
    position.check().is_ok().then_some(position)
}

/// Whether this can be a `class_code` here: 4–10 digits.
#[must_use]
pub fn is_class_code(code: &str) -> bool {
    (4..=10).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit())
}

/// How the code tables name the class of a dispatched case, and the code it has where they don't: 大类 and 小类.
#[must_use]
pub fn class_of(dispatch: &Dispatch) -> Option<(String, String)> {
    let plain = format!("{}{}", dispatch.main_type_code.as_deref()?, dispatch.sub_type_code.as_deref()?);
    Some((format!("{}-{plain}", dispatch.kind.as_deref().unwrap_or("event")), plain))
}

/// Compares a list with what we have in its range. `in_flight` are cases whose messages the city had not applied yet.
#[must_use]
pub fn differences(
    theirs: &[Item],
    ours: &BTreeMap<String, String>,
    in_flight: &BTreeSet<String>,
) -> Vec<wire::Difference> {
    let theirs: BTreeMap<&str, &str> =
        theirs.iter().map(|item| (item.city_case_no.as_str(), item.state.as_str())).collect();
    let numbers: BTreeSet<&str> = theirs.keys().copied().chain(ours.keys().map(String::as_str)).collect();
    let differ = |number: &&str| {
        theirs.get(number).copied() != ours.get(*number).map(String::as_str) && !in_flight.contains(*number)
    };
    let difference = |number: &str| wire::Difference {
        city_case_no: number.to_owned(),
        city: theirs.get(number).map(|state| (*state).to_owned()),
        county: ours.get(number).cloned(),
    };
    numbers.into_iter().filter(differ).map(difference).collect()
}

/// The longest wait between two tries, seconds.
const LONGEST_S: i64 = 300;

/// How long to wait after this many tries that failed: doubled each time up to five minutes, and between half and one
/// and a half of that by `dice` in 0–1000, so that many senders don't come back together.
#[must_use]
pub fn backoff(attempts: i32, dice: u32) -> TimeDelta {
    let whole = 1_i64.checked_shl(attempts.clamp(0, 30).unsigned_abs()).unwrap_or(LONGEST_S).min(LONGEST_S);
    TimeDelta::milliseconds(whole * (500 + i64::from(dice.min(1000))))
}

/// Whether our deadline is another one than the city's.
#[must_use]
pub fn due_differs(ours: Option<DateTime<Utc>>, city: DateTime<Utc>) -> bool {
    ours.is_some_and(|ours| ours != city)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dispatch(more: Value) -> Dispatch {
        let mut body = json!({"cityCaseNo": "4312002026112300001", "deadline": "2026-11-23T10:00:00+08:00"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_report_holds_what_a_report_may_hold_however_much_the_city_wrote() {
        let bare = report(&dispatch(json!({})), None);
        assert_eq!((bare.title.as_str(), bare.position.is_none()), ("4312002026112300001", true));
        let long = dispatch(json!({"typeName": "店".repeat(100), "desc": "占".repeat(3000), "address": " ",
            "lon": 109.944, "lat": 27.44, "crs": "GCJ-02"}));
        let long = report(&long, Some("x".into()));
        assert_eq!((long.title.chars().count(), long.description.chars().count()), (80, 2000));
        assert_eq!((long.address, long.class_code), (None, None));
        assert_eq!(long.position.map(|p| p.datum), Some("gcj02".into()));
        assert_eq!(report(&dispatch(json!({"lon": 109.9, "lat": 27.4, "crs": "Xian80"})), None).position, None);
    }

    #[test]
    fn a_class_has_its_kind_in_the_code_tables_and_digits_without() {
        let both = json!({"kind": "component", "mainTypeCode": "01", "subTypeCode": "02"});
        assert_eq!(class_of(&dispatch(both)), Some(("component-0102".into(), "0102".into())));
        assert_eq!(class_of(&dispatch(json!({"mainTypeCode": "01"}))), None);
    }

    #[test]
    fn waiting_doubles_up_to_five_minutes_and_is_never_the_same_for_all() {
        assert_eq!(backoff(0, 500), TimeDelta::seconds(1));
        assert_eq!(backoff(3, 0), TimeDelta::seconds(4));
        assert_eq!(backoff(3, 1000), TimeDelta::seconds(12));
        assert_eq!(backoff(1000, 500), TimeDelta::seconds(300));
    }

    #[test]
    fn only_what_nobody_is_telling_just_now_is_a_difference() {
        let item = |number: &str, state: &str| Item {
            city_case_no: number.into(),
            state: state.into(),
            updated_at: DateTime::UNIX_EPOCH,
        };
        let theirs = [item("1", "received"), item("2", "handled"), item("3", "closed"), item("5", "received")];
        let ours = [("1", "received"), ("2", "verifying"), ("4", "handled"), ("5", "handled")];
        let ours = ours.map(|(n, s)| (n.to_owned(), s.to_owned())).into();
        let found = differences(&theirs, &ours, &BTreeSet::from(["5".to_owned()]));
        let found: Vec<_> =
            found.iter().map(|d| (d.city_case_no.as_str(), d.city.as_deref(), d.county.as_deref())).collect();
        assert_eq!(
            found,
            [("2", Some("handled"), Some("verifying")), ("3", Some("closed"), None), ("4", None, Some("handled"))]
        );
    }
}
