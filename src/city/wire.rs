//! What goes over the link: envelopes, what they carry, answers, signatures.
//!
//! Field names are those of the exchange, not ours. Unknown fields are no error: the whole envelope is kept as it came.

use crate::{
    db::types::At,
    error::{Code, Result},
    identity::{county::REGION, rules::text_enum},
};
use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

/// The schema of the envelopes.
pub const SCHEMA: &str = "zfcg-exchange/1";
/// Region code of 怀化市 (GB/T 2260).
pub const CITY: &str = "431200";
/// Sender and receiver of what comes from the city.
pub const INBOUND: (&str, &str) = (CITY, REGION);
/// Sender and receiver of what goes to it.
pub const OUTBOUND: (&str, &str) = (REGION, CITY);
/// The media type of a message; `application/json` is taken too.
pub const MEDIA_TYPE: &str = "application/vnd.zfcg-exchange+json";
/// The header with the name of the key that signed.
pub const KEY_HEADER: &str = "x-exchange-key";
/// The header with the signature: HMAC-SHA-256 over the body's bytes, lower-case hexadecimal.
pub const SIGNATURE_HEADER: &str = "x-exchange-signature";

/// City → county: a case to be handled.
pub const DISPATCH: &str = "case.dispatch";
/// County → city: the case has arrived and has a number here.
pub const ACKNOWLEDGE: &str = "case.acknowledge";
/// County → city: the unit has handled it.
pub const FEEDBACK: &str = "case.feedback";
/// County → city: it is not ours, void or a repeat.
pub const RETURN: &str = "case.return";
/// County → city: a later deadline is asked for.
pub const EXTENSION_REQUEST: &str = "case.extension_request";
/// City → county, or county → city when the Centre decided here: granted or not.
pub const EXTENSION_DECISION: &str = "case.extension_decision";
/// County → city: step 4.
pub const VERIFICATION_REQUEST: &str = "case.verification_request";
/// City → county: step 5; county → city when it was entered here.
pub const VERIFICATION_RESULT: &str = "case.verification_result";
/// City → county: step 6; county → city when it was entered here.
pub const CLOSING_NOTICE: &str = "case.closing_notice";
/// City → county: cases and their states.
pub const LIST: &str = "reconcile.list";
/// County → city: what differs from such a list.
pub const LIST_RESULT: &str = "reconcile.result";
/// Either way: this number holds nothing; its message was given up.
pub const SKIP: &str = "exchange.skip";

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The message's own name, 1–64 characters: the idempotency key.
    pub msg_id: String,
    /// `case.dispatch` …
    pub r#type: String,
    /// `zfcg-exchange/1`.
    pub schema: String,
    /// Region code of the sender.
    pub from: String,
    /// Region code of the receiver.
    pub to: String,
    /// When it was written.
    pub sent_at: DateTime<Utc>,
    /// Its number in its direction, from 1, without gaps.
    pub seq: i64,
    /// What it carries, by its type.
    #[schema(value_type = Object)]
    pub body: Value,
}

impl Envelope {
    /// Checks what must be right before the message can have a place in the sequence between these two.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self, (from, to): (&str, &str)) -> Result<()> {
        let id = &self.msg_id;
        if !(1..=64).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Code::ValueInvalid.with("msgId: 1–64 visible ASCII characters"));
        }
        if self.schema != SCHEMA || self.from != from || self.to != to {
            return Err(Code::ValueInvalid.with(format!("envelope: schema {SCHEMA}, from {from}, to {to}")));
        }
        if self.seq < 1 {
            return Err(Code::ValueInvalid.with("seq: from 1"));
        }
        Ok(())
    }
}

text_enum! {
    /// The answer to a message.
    ReplyCode {
        /// It was applied.
        Ok = "ok",
        /// It was answered before; `first` says how.
        Duplicate = "duplicate",
        /// It can't be applied, now or later; its number is used all the same.
        Invalid = "invalid",
        /// Not applied yet: send it again, and `expectedSeq` before it.
        Retry = "retry",
    }
}

/// What the receiver says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// The message.
    pub msg_id: String,
    /// The answer.
    pub code: ReplyCode,
    /// With `duplicate`: the first answer.
    pub first: Option<ReplyCode>,
    /// Why, a stable code.
    pub reason: Option<String>,
    /// Why, in words.
    pub detail: Option<String>,
    /// The number that comes next in this direction.
    pub expected_seq: i64,
    /// Our number of the case it concerns.
    pub county_case_no: Option<String>,
}

impl Reply {
    /// Whether the message took effect, refused it for good, or neither yet.
    pub fn verdict(&self) -> Option<bool> {
        match (self.code, self.first) {
            (ReplyCode::Ok, _) | (ReplyCode::Duplicate, Some(ReplyCode::Ok)) => Some(true),
            (ReplyCode::Invalid, _) | (ReplyCode::Duplicate, Some(ReplyCode::Invalid)) => Some(false),
            _ => None,
        }
    }
}

macro_rules! bodies {
    ($($(#[doc = $doc:literal])* $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$meta])* pub $field: $type,)* }
    )*};
}

bodies! {
    /// A case that the city gives to the county.
    Dispatch {
        /// The city's number, 1–64 characters.
        city_case_no: String,
        /// `event` or `component`.
        #[serde(default)]
        kind: Option<String>,
        /// 大类, digits.
        #[serde(default)]
        main_type_code: Option<String>,
        /// 小类, digits.
        #[serde(default)]
        sub_type_code: Option<String>,
        /// The class in words.
        #[serde(default)]
        type_name: Option<String>,
        /// What was seen.
        #[serde(default)]
        desc: Option<String>,
        /// Where, in words.
        #[serde(default)]
        address: Option<String>,
        /// Longitude, degrees.
        #[serde(default)]
        lon: Option<f64>,
        /// Latitude, degrees.
        #[serde(default)]
        lat: Option<f64>,
        /// The coordinate system, `CGCS2000` when none is named.
        #[serde(default)]
        crs: Option<String>,
        /// The city's deadline.
        deadline: DateTime<Utc>,
        /// The unit that the city thinks of.
        #[serde(default)]
        unit: Option<Unit>,
        /// When it was registered.
        #[serde(default)]
        registered_at: Option<DateTime<Utc>>,
        /// When the city dispatched it; when it was sent, without.
        #[serde(default)]
        at: Option<DateTime<Utc>>,
    }
    /// A unit by the city's code.
    Unit {
        /// The city's code.
        code: String,
    }
    /// Step 5.
    VerificationResult {
        /// The city's number.
        city_case_no: String,
        /// Solved or not.
        passed: bool,
        /// What was seen.
        #[serde(default)]
        note: String,
        /// When.
        #[serde(default)]
        at: Option<DateTime<Utc>>,
    }
    /// Step 6.
    ClosingNotice {
        /// The city's number.
        city_case_no: String,
        /// When.
        #[serde(default)]
        at: Option<DateTime<Utc>>,
    }
    /// The city's word on an extension.
    ExtensionDecision {
        /// The city's number.
        city_case_no: String,
        /// Granted or refused.
        granted: bool,
        /// Why.
        #[serde(default)]
        reason: String,
        /// The city's new deadline, when granted.
        #[serde(default)]
        until: Option<DateTime<Utc>>,
    }
    /// The sender's cases with numbers above `after` and up to `until`, all of them.
    List {
        /// None for the first part.
        #[serde(default)]
        after: Option<String>,
        /// None for the last part.
        #[serde(default)]
        until: Option<String>,
        /// The last of the other side's messages that the sender had applied: what is on its way is no difference.
        seen_seq: i64,
        /// In any order.
        items: Vec<Item>,
    }
    /// A case in a list.
    Item {
        /// The city's number.
        city_case_no: String,
        /// See [`super::rules::ExchangeState`].
        state: String,
        /// When it got into this state.
        updated_at: DateTime<Utc>,
    }
    /// A case that stands otherwise on the two sides.
    Difference {
        /// The city's number.
        city_case_no: String,
        /// Its state at the city; none when the city does not know it.
        city: Option<String>,
        /// Its state here; none when we don't.
        county: Option<String>,
    }
}

/// What a message of the city asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Inbound {
    /// A new case.
    Dispatch(Box<Dispatch>),
    /// Step 5.
    VerificationResult(VerificationResult),
    /// Step 6.
    ClosingNotice(ClosingNotice),
    /// Granted or not.
    ExtensionDecision(ExtensionDecision),
    /// Compare.
    List(List),
    /// Nothing.
    Skip,
}

/// Reads what an envelope of the city carries.
///
/// # Errors
/// `body_invalid`, `value_invalid`.
pub fn read(envelope: &Envelope) -> Result<Inbound> {
    let body = &envelope.body;
    Ok(match envelope.r#type.as_str() {
        DISPATCH => Inbound::Dispatch(Box::new(shape::<Dispatch>(body)?.checked()?)),
        VERIFICATION_RESULT => Inbound::VerificationResult(shape(body)?),
        CLOSING_NOTICE => Inbound::ClosingNotice(shape(body)?),
        EXTENSION_DECISION => {
            let decision: ExtensionDecision = shape(body)?;
            storable("until", decision.until)?;
            Inbound::ExtensionDecision(decision)
        }
        LIST => Inbound::List(shape(body)?),
        SKIP => Inbound::Skip,
        other => return Err(Code::ValueInvalid.with(format!("type: {other:?} is not known here"))),
    })
}

/// Reads a body of this shape.
///
/// # Errors
/// `body_invalid`.
pub fn shape<T: DeserializeOwned>(body: &Value) -> Result<T> {
    T::deserialize(body).map_err(|e| Code::BodyInvalid.with(e.to_string()))
}

impl Dispatch {
    pub(super) fn checked(self) -> Result<Dispatch> {
        if !(1..=64).contains(&self.city_case_no.len()) || !self.city_case_no.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Code::ValueInvalid.with("cityCaseNo: 1–64 visible ASCII characters"));
        }
        storable("deadline", Some(self.deadline))?;
        storable("registeredAt", self.registered_at)?;
        Ok(self)
    }
}

fn storable(name: &str, at: Option<DateTime<Utc>>) -> Result<()> {
    match at {
        Some(at) if !(1970..=9999).contains(&at.year()) => Err(Code::ValueInvalid.with(format!("{name}: year"))),
        _ => Ok(()),
    }
}

/// The moment that both sides keep: of the step, when the sender says it, else of the message.
///
/// # Errors
/// `value_invalid`.
pub fn moment(at: Option<DateTime<Utc>>, envelope: &Envelope) -> Result<At> {
    let at = at.unwrap_or(envelope.sent_at);
    storable("at", Some(at))?;
    Ok(At(at.trunc_subsecs(6)))
}

/// The signature of a body.
#[must_use]
pub fn sign(secret: &str, bytes: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    crate::identity::tokens::hex(hmac::sign(&key, bytes).as_ref())
}

/// Whether a signature is the one of this body; takes the same time for each wrong one.
#[must_use]
pub fn is_signed(secret: &str, bytes: &[u8], signature: &str) -> bool {
    verify_slices_are_equal(sign(secret, bytes).as_bytes(), signature.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231_and_of_these_bytes_only() {
        // RFC 4231 §4.3, test case 2.
        let mark = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", b"what do ya want for nothing?"), mark);
        assert!(is_signed("Jefe", b"what do ya want for nothing?", mark));
        for (secret, bytes, signature) in
            [("Jeff", "what do ya want for nothing?", mark), ("Jefe", "x", mark), ("Jefe", "x", "")]
        {
            assert!(!is_signed(secret, bytes.as_bytes(), signature));
        }
    }
}
